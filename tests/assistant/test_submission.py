"""What is written is what the template asks for, and the check refuses what Kaggle would refuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.competition import Answer, Competition, Labels, MetricChoice
from assistant.submission import check, decision_of, table, write_submission
from recipes.decisions import Tags
from recipes.tasks import Regression


def competition(
    value: str, columns: list[str], classes: list[str], ids: list[str], task: str = "single_label", **more
) -> Competition:
    """A competition of which only the answer matters."""
    return Competition(
        slug="drawn",
        title="Drawn",
        task=task,
        classes=classes,
        labels_from="train.csv",
        train_images=1,
        test_images=len(ids),
        id_column="id",
        target_columns=["label"],
        submission=Answer(template=None, id_column="id", columns=columns, value=value, **more),
        metric=MetricChoice(name="accuracy", direction="larger", why="test"),
        folder=".",
        labels=Labels(kind="table"),
        test_ids=ids,
    )


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1).filter(
            lambda t: t == t.strip()
        ),
        min_size=1,
        max_size=8,
        unique=True,
    ),
    st.integers(2, 130),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_probabilities_add_up_to_one_and_ids_stay_as_they_are(tmp_path_factory, ids, count, seed):
    classes = [f"class {n}" for n in range(count)]
    asked = competition("probability", classes[::-1], classes, ids)
    logits = np.random.default_rng(seed).normal(0, 12, (len(ids), count))
    answers = np.exp(logits - logits.max(1, keepdims=True)).astype(np.float32)
    answers /= answers.sum(1, keepdims=True)
    path = tmp_path_factory.mktemp("submission") / "submission.csv"
    assert write_submission(asked, ids, answers, path) == ["id", *classes[::-1]]
    assert check(path, asked) == []
    back = pd.read_csv(path, dtype={"id": str}, keep_default_na=False)
    assert back["id"].tolist() == ids
    assert np.isclose(back[classes].sum(axis=1), 1, rtol=1e-5, atol=1e-6).all()
    assert np.abs(back[classes].to_numpy() - answers).max() < 1e-6


def test_one_column_of_numbers_stands_for_the_positive_class():
    asked = competition("probability", ["label"], ["cat", "dog"], ["1", "2"], positive="dog")
    made = table(asked, ["1", "2"], np.array([[0.25, 0.75], [0.9, 0.1]], np.float32))
    assert made["label"].astype(float).tolist() == pytest.approx([0.75, 0.1])


def test_tags_are_those_above_the_threshold_and_never_none():
    asked = competition("tags", ["tags"], ["haze", "road", "water"], ["a", "b"], "multi_label")
    answers = np.array([[0.9, 0.1, 0.3], [0.01, 0.15, 0.1]])
    assert table(asked, ["a", "b"], answers)["tags"].tolist() == ["haze", "road"]
    made = table(asked, ["a", "b"], answers, Tags((0.2, 0.2, 0.2), at_least=1))
    assert made["tags"].tolist() == ["haze water", "road"]


def test_tags_are_parted_and_classes_spelled_as_in_the_template():
    asked = competition("tags", ["tags"], ["red fox", "owl"], ["a"], "multi_label", separator=";")
    assert table(asked, ["a"], np.array([[0.9, 0.8]]))["tags"].tolist() == ["red fox;owl"]
    asked = competition("label", ["label"], ["cat", "dog"], ["a", "b"], spelled={"dog": "1", "cat": "0"})
    assert table(asked, ["a", "b"], np.array([[0.9, 0.1], [0.2, 0.8]]))["label"].tolist() == ["0", "1"]


def test_the_likeliest_classes_stand_in_order_and_numbers_stay_in_their_range():
    asked = competition("ranked", ["Id"], ["a", "b", "c", "d"], ["1"], top=3)
    assert table(asked, ["1"], np.array([[0.1, 0.4, 0.2, 0.3]]))["Id"].tolist() == ["b d c"]
    asked = competition("number", ["score"], ["score"], ["1", "2"], "regression", low=1, high=100)
    assert table(asked, ["1", "2"], np.array([[-3.0], [120.0]]))["score"].astype(float).tolist() == [1, 100]


def test_an_id_that_the_template_holds_twice_is_answered_twice(tmp_path):
    asked = competition("label", ["label"], ["cat", "dog"], ["1", "2", "1"])
    write_submission(asked, ["1", "2"], np.array([[0.9, 0.1], [0.2, 0.8]]), tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == "id,label\n1,cat\n2,dog\n1,cat\n"


def test_whole_numbers_are_written_where_kappa_asks_for_them(tmp_path):
    asked = competition("number", ["grade"], ["grade"], ["1", "2"], "regression", low=0, high=4, whole=True)
    asked.metric = MetricChoice(name="kappa", direction="larger", why="test")
    task, targets = Regression(("grade",)), np.array([[0], [1], [2], [3], [4]], np.float32)
    decision = decision_of(asked, task, targets, targets + 0.2)
    write_submission(asked, ["1", "2"], np.array([[1.2], [4.9]]), tmp_path / "s.csv", decision)
    assert (tmp_path / "s.csv").read_text() == "id,grade\n1,1\n2,4\n"
    (tmp_path / "s.csv").write_text("id,grade\n1,2.5\n2,4\n")
    assert check(tmp_path / "s.csv", asked) == ["row 2, column grade: 2.5 is not a whole number, which kappa asks for"]


def test_numbers_keep_their_columns():
    asked = competition("number", ["x", "y"], ["x", "y"], ["a"], "regression")
    assert table(asked, ["a"], np.array([[1.5, -2.25]])).iloc[0].tolist() == ["a", "1.500000000", "-2.250000000"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,label\n1,cat\n", "1 ids are missing: 2"),
        ("id,label\n1,cat\n2,dog\n3,dog\n", "not in the template: 3"),
        ("id,label\n1,cat\n1,cat\n2,dog\n", "ids repeat: 1"),
        ("id,label\n1,cat\n2,wolf\n", "row 3, column label: 'wolf' is not a class"),
        ("id,label\n1,cat\n2,\n", "row 3, column label: '' is not a class"),
        ("id,label\n1,cat\n2\n", "row 3: 1 cells, 2 are needed"),
        ("label,id\ncat,1\ndog,2\n", "columns differ"),
        ("", "columns differ: found nothing"),
    ],
)
def test_what_kaggle_would_refuse_is_refused_with_its_place(tmp_path, text, said):
    asked = competition("label", ["label"], ["cat", "dog"], ["1", "2"])
    path = tmp_path / "s.csv"
    path.write_text(text)
    assert any(said in problem for problem in check(path, asked)), check(path, asked)


@pytest.mark.parametrize(
    ("cell", "said"), [("nan", "finite"), ("inf", "finite"), ("x", "not a number"), ("-0.1", "between 0 and 1")]
)
def test_a_cell_that_is_no_probability_is_refused(tmp_path, cell, said):
    asked = competition("probability", ["label"], ["cat", "dog"], ["1"], positive="dog")
    path = tmp_path / "s.csv"
    path.write_text(f"id,label\n1,{cell}\n")
    assert said in check(path, asked)[0]


def test_rows_that_do_not_add_up_to_one_are_refused(tmp_path):
    asked = competition("probability", ["a", "b"], ["a", "b"], ["1"])
    path = tmp_path / "s.csv"
    path.write_text("id,a,b\n1,0.5,0.6\n")
    assert "add up to 1.1" in check(path, asked)[0]
