"""Layouts of competitions that no stand-in has: each is read rightly, or refused with what was seen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assistant.image_table import image_table
from assistant.reading import read

PICTURE = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))


def pictures(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        PICTURE.save(place)


def table(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")


def page(folder: Path, score: str) -> None:
    (folder / "page.json").write_text(json.dumps({"ref": "unheard-of", "evaluationMetric": score}))


@pytest.mark.parametrize("score", ["", "top-3 error"])
def test_numbered_classes_of_which_three_are_asked_for_are_no_amounts(tmp_path, score):
    pictures(tmp_path, (f"train_set/train_{n}.jpg" for n in range(160)))
    pictures(tmp_path, (f"test_set/test_{n}.jpg" for n in range(20)))
    table(tmp_path / "train_info.csv", "img_name,label", ((f"train_{n}.jpg", n % 60) for n in range(160)))
    table(tmp_path / "sample_submission.csv", "img_name,label", ((f"test_{n}.jpg", "0 1 2") for n in range(20)))
    if score:
        page(tmp_path, score)
    found = read(tmp_path)
    assert (found.task, len(found.classes), found.unsupported) == ("single_label", 60, None)
    assert (found.submission.value, found.submission.top, found.submission.separator) == ("ranked", 3, " ")


def test_a_class_and_how_sure_it_is_in_one_cell_is_refused(tmp_path):
    pictures(tmp_path, (f"train/{n:05x}f.jpg" for n in range(120)))
    pictures(tmp_path, (f"test/{n:05x}e.jpg" for n in range(12)))
    table(tmp_path / "train.csv", "id,landmark_id", ((f"{n:05x}f", 7 * (n % 60)) for n in range(120)))
    table(tmp_path / "sample_submission.csv", "id,landmarks", ((f"{n:05x}e", "8815 0.03") for n in range(12)))
    assert "how sure it is" in str(read(tmp_path).unsupported)


IDS = [f"{n:02d}ae5b88-{n % 7}bac" for n in range(40)]


@pytest.mark.parametrize(
    ("suffixes", "taken"), [(["-c"], "-c"), (["_blue", "_green", "_red"], "_blue"), (["-1", "-2"], "-1")]
)
def test_pictures_called_as_an_id_and_a_suffix_are_found(tmp_path, suffixes, taken):
    pictures(tmp_path, (f"train/{name}{suffix}.png" for name in IDS[:30] for suffix in suffixes))
    pictures(tmp_path, (f"test/{name}{suffix}.png" for name in IDS[30:] for suffix in suffixes))
    table(tmp_path / "train.csv", "Id,Target", ((name, "ab"[n % 2]) for n, name in enumerate(IDS[:30])))
    table(tmp_path / "sample_submission.csv", "Id,Target", ((name, "a") for name in IDS[30:]))
    found = read(tmp_path)
    assert (found.unsupported, found.classes, found.train_images, found.test_images) == (None, ["a", "b"], 30, 10)
    images = image_table(found)
    assert {Path(source).stem for source in images.sources} == {f"{name}{taken}" for name in IDS}


def test_blank_separated_tag_numbers_are_tags_also_where_the_score_is_a_macro_f1(tmp_path):
    pictures(tmp_path, (f"train/{name}.png" for name in IDS[:30]))
    pictures(tmp_path, (f"test/{name}.png" for name in IDS[30:]))
    tags = ["16 0", "7", "16", "0", "7 16 0", "1 2", "1", "2", "2 16"]
    table(tmp_path / "train.csv", "Id,Target", ((name, tags[n % 9]) for n, name in enumerate(IDS[:30])))
    table(tmp_path / "sample_submission.csv", "Id,Predicted", ((name, "0 1") for name in IDS[30:]))
    page(tmp_path, "Macro F1 Score")
    found = read(tmp_path)
    assert (found.task, found.classes, found.submission.value) == ("multi_label", ["0", "1", "2", "7", "16"], "tags")


def test_cells_that_name_other_pictures_are_refused_as_retrieval(tmp_path):
    pictures(tmp_path, (f"train_images/{name}.jpg" for name in IDS[:30]))
    pictures(tmp_path, (f"test_images/{name}.jpg" for name in IDS[30:]))
    table(
        tmp_path / "train.csv",
        "posting_id,image,label_group",
        ((f"train_{n}00", f"{name}.jpg", 249114794 + n // 3) for n, name in enumerate(IDS[:30])),
    )
    table(
        tmp_path / "test.csv", "posting_id,image", ((f"test_{n}00", f"{name}.jpg") for n, name in enumerate(IDS[30:]))
    )
    table(tmp_path / "sample_submission.csv", "posting_id,matches", ((f"test_{n}00", f"test_{n}00") for n in range(10)))
    assert str(read(tmp_path).unsupported).startswith("retrieval: ")


@pytest.mark.parametrize("ending", [".tfrec", ".bson", ".aps"])
def test_pictures_packed_into_records_are_told(tmp_path, ending):
    for number in range(3):
        (tmp_path / f"{number:02d}-192x192{ending}").write_bytes(b"x")
    table(tmp_path / "sample_submission.csv", "id,label", ((name, 0) for name in IDS))
    assert f"3 files ({ending}) and no pictures" in str(read(tmp_path).unsupported)


def test_one_score_for_four_classes_is_refused(tmp_path):
    for name in ("Cover", "JMiPOD", "JUNIWARD", "UERD"):
        pictures(tmp_path / name, (f"{n:05d}.jpg" for n in range(15)))
    pictures(tmp_path / "Test", (f"{n:04d}.jpg" for n in range(1, 11)))
    table(tmp_path / "sample_submission.csv", "Id,Label", ((f"{n:04d}.jpg", 0) for n in range(1, 11)))
    page(tmp_path, "Area Under Receiver Operating Characteristic Curve")
    assert "scored by auc, and there are 4 classes" in str(read(tmp_path).unsupported)


def test_class_folders_called_like_masks_are_classes(tmp_path):
    for name in ("cleaned", "dirty"):
        pictures(tmp_path / "train" / name, (f"{n:04d}.jpg" for n in range(20)))
    pictures(tmp_path / "test", (f"{n:04d}.jpg" for n in range(30)))
    table(tmp_path / "sample_submission.csv", "id,label", ((f"{n:04d}", "dirty") for n in range(30)))
    found = read(tmp_path)
    assert (found.classes, found.train_images, found.test_images) == (["cleaned", "dirty"], 40, 30)
    assert image_table(found).counts() == {"cleaned": 20, "dirty": 20}


@pytest.mark.parametrize("style", ["{}_left.jpeg", "{}_R.png"])
def test_both_eyes_of_a_person_stay_together(tmp_path, style):
    other = style.replace("left", "right").replace("_R", "_L")
    names = [form.format(n) for n in range(40) for form in (style, other)]
    pictures(tmp_path / "train", names)
    pictures(tmp_path / "test", (form.format(n) for n in range(90, 95) for form in (style, other)))
    stems = [name.rpartition(".")[0] for name in names]
    table(tmp_path / "trainLabels.csv", "image,level", ((stem, n // 2 % 3) for n, stem in enumerate(stems)))
    table(
        tmp_path / "sampleSubmission.csv",
        "image,level",
        ((style.format(n).rpartition(".")[0], 0) for n in range(90, 95)),
    )
    found = read(tmp_path)
    assert found.labels.group_column == "the ids without left and right"
    images = image_table(found)
    person = [name.partition("_")[0] for name in images.ids]
    assert not {person[row] for row in images.train.rows} & {person[row] for row in images.valid.rows}
    assert image_table(read(tmp_path, {"group": "none"})).groups is None
    again = read(tmp_path, {"group": "the ids without left and right"})
    assert again.labels.group_column == found.labels.group_column


def test_a_row_for_each_number_of_a_picture_is_refused(tmp_path):
    pictures(tmp_path, (f"train/{name}.jpg" for name in IDS[:30]))
    pictures(tmp_path, (f"test/{name}.jpg" for name in IDS[30:]))
    parts = ("Dry_Clover_g", "Dry_Dead_g", "GDM_g")
    rows = [
        (f"{name}__{part}", f"train/{name}.jpg", part, round(3.7 * n + k / 3, 4))
        for n, name in enumerate(IDS[:30])
        for k, part in enumerate(parts)
    ]
    table(tmp_path / "train.csv", "sample_id,image_path,target_name,target", rows)
    rows = [(f"{name}__{part}", f"test/{name}.jpg", part) for name in IDS[30:] for part in parts]
    table(tmp_path / "test.csv", "sample_id,image_path,target_name", rows)
    table(tmp_path / "sample_submission.csv", "sample_id,target", ((row[0], "0.0") for row in rows))
    assert str(read(tmp_path).unsupported).startswith("several rows a picture: the ids of sample_submission.csv")
    (tmp_path / "sample_submission.csv").unlink()
    assert str(read(tmp_path).unsupported).startswith("several rows a picture: column target holds different numbers")


def test_ids_of_which_hardly_one_is_a_picture_are_refused(tmp_path):
    pictures(tmp_path, (f"train/{name}.jpg" for name in IDS[:30]))
    pictures(tmp_path, (f"test/{n}.jpg" for n in range(500, 520)))
    table(tmp_path / "train.csv", "id,label", ((name, "ab"[n % 2]) for n, name in enumerate(IDS[:30])))
    table(tmp_path / "sample_submission.csv", "id,label", ((n, "a") for n in range(501)))
    assert "only 1 of its 501" in str(read(tmp_path).unsupported)


def test_a_row_for_each_picture_and_class_is_refused(tmp_path):
    kinds = ("epidural", "intraparenchymal", "subdural", "any")
    pictures(tmp_path, (f"stage_1_train/ID_{name[:8]}.png" for name in IDS[:30]))
    pictures(tmp_path, (f"stage_1_test/ID_{name[:8]}.png" for name in IDS[30:]))
    rows = [(f"ID_{name[:8]}_{kind}", n % 2) for n, name in enumerate(IDS[:30]) for kind in kinds]
    table(tmp_path / "stage_1_train.csv", "ID,Label", rows)
    rows = [(f"ID_{name[:8]}_{kind}", 0.5) for name in IDS[30:] for kind in kinds]
    table(tmp_path / "stage_1_sample_submission.csv", "ID,Label", rows)
    told = str(read(tmp_path).unsupported)
    assert told.startswith("several rows a picture: the ids of stage_1_sample_submission.csv")
    assert "4 words (any, epidural, intraparenchymal" in told
