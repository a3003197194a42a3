"""A folder is read by its own evidence."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from PIL import Image

from assistant import reading
from assistant.competition import CompetitionError
from assistant.image_table import image_table


def put(path, colour="red"):
    """A small picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10), colour).save(path)


@pytest.fixture
def folder(tmp_path):
    """Cats and dogs with one column of probabilities, ids without ending."""
    rows = []
    for number in range(10):
        put(tmp_path / "photos" / "train" / f"{number:03d}.jpg")
        rows.append((f"{number:03d}", "cat" if number % 2 else "dog"))
    pd.DataFrame(rows, columns=["id", "animal"]).to_csv(tmp_path / "labels.csv", index=False)
    for number in range(4):
        put(tmp_path / "photos" / "test" / f"{number:03d}.jpg")
    pd.DataFrame({"id": [f"{n:03d}" for n in (3, 1, 0, 2)], "p": 0.5}).to_csv(
        tmp_path / "sampleSubmission.csv", index=False
    )
    return tmp_path


def test_ids_keep_their_zeros_and_the_same_id_in_train_and_test_is_two_pictures(folder):
    found = reading.read(folder)
    assert found.labels.file == "labels.csv"
    assert found.labels.id_columns == ["id"]
    assert found.labels.families == ["photos/train"]
    assert (found.train_images, found.test_images) == (10, 4)
    images = image_table(found)
    assert images.test.ids == ("003", "001", "000", "002")
    assert [str(images.sources[row].parent.name) for row in images.test.rows] == ["test"] * 4
    assert {str(images.sources[row].parent.name) for row in images.train.rows} == {"train"}


@pytest.mark.parametrize(
    ("page", "positive", "why"),
    [
        ({}, "dog", "alphabet"),
        ({"evaluation": "For each image predict the probability that it is a cat."}, "cat", "evaluation text"),
        ({"evaluation": "label is 1 = dog, 0 = cat"}, "dog", "evaluation text"),
    ],
)
def test_the_class_that_a_single_probability_stands_for_is_told_with_the_reason(folder, page, positive, why):
    (folder / "page.json").write_text(json.dumps(page))
    answer = reading.read(folder).submission
    assert (answer.value, answer.positive) == ("probability", positive)
    assert why in answer.why


def test_class_folders_are_labels_where_no_csv_is(tmp_path):
    for name in ("Sugar beet", "Fat hen"):
        for number in range(6):
            put(tmp_path / "train" / name / f"{number}.png")
    put(tmp_path / "test" / "a.png")
    pd.DataFrame({"file": ["a.png"], "species": ["Sugar beet"]}).to_csv(tmp_path / "sample_submission.csv", index=False)
    found = reading.read(tmp_path)
    assert found.labels.kind == "folders"
    assert found.classes == ["Fat hen", "Sugar beet"]
    assert found.submission.value == "label"
    images = image_table(found)
    assert len(images.train) + len(images.valid) == 12
    assert images.test.ids == ("a.png",)


def test_one_hot_columns_tags_and_numbers_are_told_apart(folder):
    table = pd.read_csv(folder / "labels.csv", dtype=str)
    ids = table["id"]
    template = folder / "sampleSubmission.csv"
    pd.DataFrame({"id": ids, "healthy": [1, 0] * 5, "rust": [0, 1] * 5}).to_csv(folder / "labels.csv", index=False)
    pd.DataFrame({"id": ["000"], "healthy": 0.5, "rust": 0.5}).to_csv(template, index=False)
    assert (reading.read(folder).task, reading.read(folder).submission.value) == ("single_label", "probability")

    tags = ["haze primary", "primary", "haze road", "road", "road primary"] * 2
    pd.DataFrame({"id": ids, "tags": tags}).to_csv(folder / "labels.csv", index=False)
    pd.DataFrame({"id": ["000"], "tags": "haze"}).to_csv(template, index=False)
    assert (reading.read(folder).task, reading.read(folder).submission.value) == ("multi_label", "tags")
    assert reading.read(folder).classes == ["haze", "primary", "road"]

    pd.DataFrame({"id": ids, "score": [n + 0.5 for n in range(10)]}).to_csv(folder / "labels.csv", index=False)
    pd.DataFrame({"id": ["000"], "score": 1.0}).to_csv(template, index=False)
    assert (reading.read(folder).task, reading.read(folder).submission.value) == ("regression", "number")


def test_labels_and_template_ids_without_a_picture_are_told(folder):
    (folder / "photos" / "train" / "004.jpg").unlink()
    (folder / "photos" / "test" / "001.jpg").unlink()
    found = reading.read(folder)
    assert found.train_images == 9
    assert any("1 of 10 labels have no picture" in text for text in found.warnings)
    assert any("001" in text for text in found.warnings)
    images = image_table(found)
    assert dict(images.set_aside) == {"004": "no such file"}
    assert images.test.ids == ("003", "001", "000", "002")


@pytest.mark.parametrize(
    ("page", "said"),
    [("{not json", "page.json cannot be read"), (None, "no labels found")],
    ids=["broken page", "no labels"],
)
def test_what_cannot_be_read_is_one_line(folder, page, said):
    if page is not None:
        (folder / "page.json").write_text(page)
    else:
        (folder / "labels.csv").unlink()
        (folder / "sampleSubmission.csv").unlink()
    with pytest.raises(CompetitionError, match=said) as caught:
        reading.read(folder)
    assert "\n" not in str(caught.value)


def test_a_slip_among_the_labels_is_set_aside_and_the_question_stays(folder):
    with open(folder / "labels.csv", "a") as file:
        file.write("003,dog\n")
    found = reading.read(folder)
    assert (found.task, found.classes) == ("single_label", ["cat", "dog"])
    assert any("1 row has no label, or several" in text for text in found.warnings)
    assert dict(image_table(found).set_aside) == {"003": "no label"}


def test_a_number_that_is_none_is_set_aside(folder):
    table = pd.read_csv(folder / "labels.csv", dtype=str)
    table["animal"] = ["nan", *[f"{n}.5" for n in range(9)]]
    table.to_csv(folder / "labels.csv", index=False)
    found = reading.read(folder)
    assert found.task == "regression"
    assert dict(image_table(found).set_aside) == {"000": "no label"}


@pytest.fixture
def several_columns(folder):
    """The folder of cats and dogs with more columns beside the labels, and another table that could be the template."""
    rows = [(f"{n:03d}", "dog" if n % 2 else "cat", "xyz"[n % 3], f"p{n // 2}", n / 4) for n in range(10)]
    table = pd.DataFrame(rows, columns=["id", "animal", "coat", "patient", "weight"])
    table.to_csv(folder / "labels.csv", index=False)
    pd.DataFrame({"id": ["003", "001", "000", "002"], "q": 0}).to_csv(folder / "another_submission.csv", index=False)
    return folder


def said_by(competition) -> dict[str, str]:
    return {finding.field: finding.said for finding in competition.evidence}


def test_each_answer_can_be_said_and_saying_it_changes_nothing(several_columns):
    found = reading.read(several_columns)
    said = said_by(found)
    assert said["labels"] == "labels.csv:animal"
    assert (said["id"], said["task"], said["value"], said["metric"]) == (
        "id",
        "single_label",
        "probability",
        "log_loss",
    )
    assert (said["positive"], said["group"], said["template"]) == ("dog", "patient", "sampleSubmission.csv")
    again = reading.read(several_columns, said)
    assert said_by(again) == said
    assert all(finding.why.startswith("you said so") for finding in again.evidence)
    kept = {"classes", "submission", "test_ids", "group_column"}
    why = {"submission": {"why"}}
    assert again.model_dump(include=kept, exclude=why) == found.model_dump(include=kept, exclude=why)


def test_whatever_is_offered_instead_can_be_read(several_columns):
    offered = {finding.field: finding.choices for finding in reading.read(several_columns).evidence}
    assert offered["positive"] == ["cat"]
    assert offered["template"] == ["another_submission.csv", "none"]
    assert set(offered["labels"]) >= {f"labels.csv:{column}" for column in ("coat", "patient", "weight")}
    assert offered["group"] == ["coat", "none"]
    assert offered["task"] == ["multi_label"]  # cats and dogs are no numbers
    assert offered["value"] == ["label"]
    assert "auc" in offered["metric"]
    assert "rmse" not in offered["metric"]
    assert "kappa" not in offered["metric"]
    for field, values in offered.items():
        for value in values:
            told = {finding.field: finding for finding in reading.read(several_columns, {field: value}).evidence}
            assert told[field].why == f"you said so ({field}={value})"
            assert told[field].said == value


def test_labels_that_are_no_numbers_cannot_be_predicted_as_such(folder):
    with pytest.raises(CompetitionError, match="no numbers to predict: labels such as 'dog'"):
        reading.read(folder, {"task": "regression"})


def test_a_ranked_answer_holds_five_classes_unless_it_is_said_otherwise(folder):
    table = pd.read_csv(folder / "labels.csv", dtype=str)
    table["animal"] = list("abcdefgabc")
    table.to_csv(folder / "labels.csv", index=False)
    pd.DataFrame({"id": ["000"], "animal": "a"}).to_csv(folder / "sampleSubmission.csv", index=False)
    found = reading.read(folder, {"value": "ranked"})
    assert (found.submission.top, found.metric.name) == (5, "map@5")
    (top,) = [finding for finding in found.evidence if finding.field == "top"]
    assert (top.said, top.choices) == ("5", ["1", "2", "3"])
    assert reading.read(folder, {"value": "ranked", "top": "3"}).metric.name == "map@3"
