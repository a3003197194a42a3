"""The check tells row and column of all that Kaggle would refuse; what is written passes it, and reads back the same."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.competition import Answer, Competition, CompetitionError, Labels, MetricChoice
from assistant.reading import read
from assistant.submission import check, write_submission

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def asked(
    folder: Path, value: str, columns: list[str], classes: list[str], ids: list[str], task: str = "single_label", **more
) -> Competition:
    """A competition of which only the answer matters; its template is written too."""
    metric, delimiter = more.pop("metric", "accuracy"), more.get("delimiter", ",")
    with open(folder / "template.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        rows.writerows([["id", *columns], *([name, *["0"] * len(columns)] for name in ids)])
    return Competition(
        slug="drawn",
        title="Drawn",
        task=task,  # type: ignore[arg-type]
        classes=classes,
        labels_from="train.csv",
        train_images=1,
        test_images=len(ids),
        id_column="id",
        target_columns=["label"],
        submission=Answer(template="template.csv", id_column="id", columns=columns, value=value, **more),  # type: ignore
        metric=MetricChoice(name=metric, direction="larger", why="test"),
        folder=str(folder),
        labels=Labels(kind="table"),
        test_ids=ids,
    )


def told(folder: Path, text: str | bytes, competition: Competition) -> list[str]:
    """What the check says of a file with this text."""
    path = folder / "handed in.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return check(path, competition)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,label\n1,cat\n2,dog\n", []),
        ("\ufeffid,label\n1,cat\n2,dog\n", []),
        ("id,label\r\n1,cat\r\n2,dog\r\n", []),
        ('"id","label"\n"1","cat"\n"2","dog"\n', []),
        ("id,label\n2,dog\n1,cat\n", []),
        ("id,label\n1,cat\n\n2,wolf\n", ["row 4, column label: 'wolf' is not a class"]),
        ("id,label\n1,cat\n2,Dog\n", ["row 3, column label: 'Dog' is not a class"]),
        ("id,label\n1,cat\n2,\n", ["row 3, column label: '' is not a class"]),
        ("id,label\n1,cat\n 2,dog\n", ["1 ids are missing: 2", "1 ids are not in the template:  2 (first in row 3)"]),
        ("id,label\n1,cat\n2.0,dog\n", ["1 ids are missing: 2", "1 ids are not in the template: 2.0 (first in row 3)"]),
        ("id,label\n1,cat\n1,dog\n2,dog\n", ["ids repeat: 1 (first in row 2)"]),
        ("id,label\n1,cat\n2,dog,x\n", ["row 3: 3 cells, 2 are needed"]),
        ("id,label\n1,cat\n2\n", ["row 3: 1 cells, 2 are needed"]),
        ("id;label\n1;cat\n2;dog\n", ["columns differ: found id;label; the template has id, label"]),
        ("label,id\ncat,1\ndog,2\n", ["columns differ: found label, id; the template has id, label"]),
        ("1,cat\n2,dog\n", ["columns differ: found 1, cat; the template has id, label"]),
        ("", ["columns differ: found nothing; the template has id, label"]),
    ],
)
def test_labels_are_checked_cell_by_cell(tmp_path, text, words):
    assert told(tmp_path, text, asked(tmp_path, "label", ["label"], ["cat", "dog"], ["1", "2"])) == words


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("id,label\n1,cat\n2,dog\n".encode("utf-16"), "not a UTF-8 CSV"),
        (b"id,label\n1,cat\n2,d\xf6g\n", "not a UTF-8 CSV"),
        (b'id,label\n1,cat\n2,"dog\n', "not a UTF-8 CSV: unexpected end of data"),
        (b"PK\x03\x04\0\0\0", "columns differ"),
    ],
)
def test_what_is_no_csv_is_told(tmp_path, data, words):
    (problem,) = told(tmp_path, data, asked(tmp_path, "label", ["label"], ["cat", "dog"], ["1", "2"]))
    assert problem.startswith(words)


def test_what_is_not_there_or_no_file_is_told(tmp_path):
    competition = asked(tmp_path, "label", ["label"], ["cat", "dog"], ["1"])
    assert check(tmp_path / "none.csv", competition) == [f"no such file: {tmp_path / 'none.csv'}"]
    assert check(tmp_path, competition) == [f"not a file: {tmp_path}"]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("0", None),
        ("1.0", None),
        ("1e-9", None),
        ("", "'' is not a number"),
        ("nan", "'nan' is not a finite number"),
        ("-inf", "'-inf' is not a finite number"),
        ("1e999", "'1e999' is not a finite number"),
        ("0,5", "'0,5' is not a number"),
        ("1_0", "'1_0' is not a number"),
        ("٠", "'٠' is not a number"),
        ("1.0000001", "1.0000001 is not between 0 and 1"),
        ("-1e-12", "-1e-12 is not between 0 and 1"),
    ],
)
def test_a_probability_is_a_number_from_0_to_1(tmp_path, cell, words):
    competition = asked(tmp_path, "probability", ["p"], ["cat", "dog"], ["1"], positive="dog")
    assert told(tmp_path, f'id,p\n1,"{cell}"\n', competition) == ([f"row 2, column p: {words}"] if words else [])


def test_probabilities_of_one_class_each_add_up_to_1(tmp_path):
    competition = asked(tmp_path, "probability", ["a", "b"], ["a", "b"], ["1", "2"])
    text = "id,a,b\n1,0.5,0.5\n2,0.5,0.4\n"
    assert told(tmp_path, text, competition) == ["row 3: probabilities add up to 0.9000000, not to 1"]
    several = asked(tmp_path, "probability", ["a", "b"], ["a", "b"], ["1", "2"], "multi_label")
    assert told(tmp_path, text, several) == []


def test_kappa_asks_for_whole_numbers(tmp_path):
    competition = asked(tmp_path, "number", ["grade"], ["grade"], ["1"], "regression", metric="kappa")
    assert told(tmp_path, "id,grade\n1,3\n", competition) == []
    (problem,) = told(tmp_path, "id,grade\n1,3.0\n", competition)
    assert problem == "row 2, column grade: 3.0 is not a whole number, which kappa asks for"


@pytest.mark.parametrize(
    ("value", "cell", "words"),
    [
        ("ranked", "a b c", None),
        ("ranked", "a", None),
        ("ranked", "a b c d", "4 classes, 1 to 3 may stand there"),
        ("ranked", "", "0 classes, 1 to 3 may stand there"),
        ("ranked", "a b a", "a class stands there twice"),
        ("ranked", "a,b", "a,b is not a class"),
        ("tags", "a d", None),
        ("tags", "", None),
        ("tags", "a x y", "x, y is not a class"),
    ],
)
def test_ranked_classes_and_tags_are_known_ones(tmp_path, value, cell, words):
    task, top = ("single_label", 3) if value == "ranked" else ("multi_label", None)
    competition = asked(tmp_path, value, ["said"], list("abcd"), ["1"], task, top=top)
    found = told(tmp_path, f'id,said\n1,"{cell}"\n', competition)
    assert found == ([f"row 2, column said: {words}"] if words else [])


# ---------------------------------------------------------------- what is written

WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], include_characters="\n\r\t"), min_size=1, max_size=9
)
IDS = st.lists(
    WORDS | st.sampled_from(["007", "1.0", "a,b", 'say "x"', " x ", "NA", "ж/é.jpg", "1e5"]), min_size=1, max_size=6
)
CLASSES = st.lists(
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=6).filter(
        lambda word: not set(word) & set(" ,;|")
    ),
    min_size=2,
    max_size=6,
    unique=True,
)
VALUES = ("probability", "one probability", "label", "tags", "ranked", "number", "marks")


@QUICK
@given(IDS, CLASSES, st.sampled_from(VALUES), st.sampled_from([",", ";", "\t"]), st.integers(0, 9))
def test_what_is_written_is_accepted_and_keeps_the_template_s_rows(
    tmp_path_factory, ids, classes, value, delimiter, seed
):
    folder, chance = tmp_path_factory.mktemp("written"), np.random.default_rng(seed)
    answers, more, columns, task = chance.dirichlet(np.ones(len(classes)), len(set(ids))), {}, ["said"], "single_label"
    if value == "one probability":
        classes, answers, more = (
            classes[:2],
            answers[:, :2] / answers[:, :2].sum(1, keepdims=True),
            {"positive": classes[1]},
        )
    elif value == "probability":
        columns = [f"column {name}" for name in classes]
        more = {"names": dict(zip(columns, classes))}
    elif value == "number":
        classes, answers, task = (
            ["said"],
            chance.normal(0, 10.0 ** chance.integers(-9, 9), (len(set(ids)), 1)),
            "regression",
        )
    elif value == "marks":
        columns, task = [f"column {name}" for name in classes], "multi_label"
        more = {"names": dict(zip(columns, classes))}
    elif value == "tags":
        task = "multi_label"
    elif value == "ranked":
        more = {"top": 3}
    kind = {"one probability": "probability", "marks": "label"}.get(value, value)
    competition = asked(folder, kind, columns, classes, ids, task, delimiter=delimiter, **more)
    path = folder / "submission.csv"
    assert write_submission(competition, list(dict.fromkeys(ids)), answers, path) == ["id", *columns]
    assert check(path, competition) == []
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file, delimiter=delimiter)
    assert (header, [row[0] for row in rows]) == (["id", *columns], ids)
    place = {name: row for row, name in enumerate(dict.fromkeys(ids))}
    if kind in ("probability", "number"):
        cells = np.array([row[1:] for row in rows], float)
        wanted = answers[[place[name] for name in ids]]
        wanted = wanted[:, 1:] if value == "one probability" else wanted
        assert np.allclose(cells, wanted, rtol=1e-12, atol=1e-8)
    elif value == "label":
        assert [row[1] for row in rows] == [classes[answers[place[name]].argmax()] for name in ids]


def test_5000_probabilities_add_up_to_1(tmp_path):
    names = [f"c{number}" for number in range(5000)]
    competition = asked(tmp_path, "probability", names, names, ["x", "y", "z"])
    logits = np.random.default_rng(0).normal(0, 1, (3, 5000)) * [[0.01], [1], [30]]  # unsure, in between, sure
    answers = np.exp(logits - logits.max(1, keepdims=True))
    answers = (answers / answers.sum(1, keepdims=True)).astype(np.float32)
    write_submission(competition, ["z", "y", "x"], answers, tmp_path / "s.csv")
    with open(tmp_path / "s.csv", newline="", encoding="utf-8") as file:
        cells = np.array([row[1:] for row in list(csv.reader(file))[1:]], float)
    assert np.abs(cells.sum(1) - 1).max() < 1e-9


def test_an_answer_that_is_no_number_is_not_handed_in(tmp_path):
    competition = asked(tmp_path, "probability", ["a", "b"], ["a", "b"], ["1"])
    with pytest.raises(CompetitionError, match=r"row 2, column a: 'nan' is not a finite number"):
        write_submission(competition, ["1"], np.array([[np.nan, 1]]), tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("colour", "red", "no such setting: colour; there are labels, id, target"),
        ("top", "abc", "no such number: abc (top=); give a whole one from 1 on"),
        ("top", "-3", "no such number: -3 (top=)"),
        ("top", "", "no such number:"),
        ("value", "xyz", "no such value: xyz (value=); there are probability, label"),
        ("metric", "nothing", "(metric=)"),
        ("task", "guess", "no such task: guess; there are"),
        ("target", "breed", "no such column: breed (target=); there are"),
        ("id", "breed", "no labels found there: id=breed"),
        ("group", "image_id", "no such group column: image_id (group=)"),
        ("group", "nobody", "no such group column: nobody (group=)"),
        ("positive", "purple", "(positive=)"),
        ("template", "missing.csv", "no such table: missing.csv (template=)"),
        ("labels", "missing.csv", "no labels found there: labels=missing.csv"),
        ("labels", "missing:column", "no labels found there: labels=missing:column"),
        ("labels", "train.csv:breed", "no such column: breed"),
        ("labels", "a\nb", "no labels found there: labels=a b"),
    ],
)
def test_a_setting_that_makes_no_sense_is_one_line(make_competition, key, value, words):
    with pytest.raises(CompetitionError) as caught:
        read(make_competition(train=9, test=3, side=8), {key: value})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
