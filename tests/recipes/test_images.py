"""The table of images: from a CSV, from folders, from arrays; its splits, and what is wrong with it."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipes import Images
from recipes.errors import ImagesError

PICTURE = np.zeros((4, 4, 3), np.uint8)


def _table(labels, **settings):
    """Images that all look alike: what counts is the table."""
    return Images.from_arrays([PICTURE] * len(labels), labels, **settings)


def _one_line(error) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert ": " in text
    return text


# ---------------------------------------------------------------- from a CSV


def test_a_csv_and_its_folders_become_a_table(a_competition):
    root = a_competition(24, tests=3)
    images = Images.from_csv(root / "labels.csv", folder="train", suffix=".png", test="test")
    assert images.classes == ("blue", "green", "red")
    assert images.task.name == "single_label"
    assert images.ids == (*(f"{i:03d}" for i in range(24)), "t0", "t1", "t2")
    assert images.sources[7] == root / "train" / "007.png"
    assert [images.label(i) for i in range(4)] == ["red", "green", "blue", "red"]
    assert images.test.ids == ("t0", "t1", "t2")
    assert images.test.targets is None
    assert (len(images.train), len(images.valid), len(images)) == (19, 5, 27)
    assert images.counts() == {"blue": 8, "green": 8, "red": 8}
    assert not set(images.train.rows) & set(images.valid.rows)
    np.testing.assert_array_equal(images.valid.targets, images.targets[images.valid.rows])


def test_ids_may_hold_the_suffix_and_columns_may_be_named(a_competition):
    root = a_competition(6, ids=[f"{i}" for i in range(6)], header=("label", "id"))
    table = pd.read_csv(root / "labels.csv", dtype=str)
    table["label"] += ".png"
    named = Images.from_csv(table[["id", "label"]], root / "train", id_column="label", label_column="id")
    assert named.ids == tuple(f"{i}.png" for i in range(6))
    assert named.classes == ("blue", "green", "red")
    assert len(named.test) == 0


@pytest.mark.parametrize(
    "ids",
    [
        ["000", "00", "0", "1", "01", "1e3"],
        ["a.b", "a.c.d", "v1.0", "v1.1", "x..y", "x."],
        ["ä", "寿司", "é è", "Ω.1", "🐱", "ß"],
        ["cat/1", "cat/2", "dog/1", "dog/2", "dog/x/1", "1"],
        ["-1", "=1+1", "'q'", "#", "NA", "null"],
    ],
    ids=["zeros", "dots", "letters", "folders", "odd"],
)
@pytest.mark.parametrize("given_suffix", [".png", ""])
def test_ids_are_text_to_the_last_letter(a_competition, ids, given_suffix):
    root = a_competition(6, ids=ids)
    images = Images.from_csv(root / "labels.csv", folder="train", suffix=given_suffix, valid=0.5)
    assert images.ids == tuple(ids)
    assert [path.relative_to(root / "train").as_posix() for path in images.sources] == [f"{name}.png" for name in ids]
    assert not images.set_aside


def test_a_label_for_a_missing_file_is_set_aside_and_named(a_competition):
    root = a_competition(12)
    (root / "train" / "004.png").unlink()
    images = Images.from_csv(root / "labels.csv", folder="train", suffix=".png")
    assert images.set_aside == {"004": "no such file"}
    assert "004" not in images.ids
    assert len(images) == 11


def test_a_missing_label_is_set_aside_and_named(a_competition):
    root = a_competition(9, labels=["red", "green", ""] * 3)
    images = Images.from_csv(root / "labels.csv", folder="train", suffix=".png")
    assert images.set_aside == {"002": "no label", "005": "no label", "008": "no label"}
    assert images.classes == ("green", "red")
    frame = pd.DataFrame({"id": [f"{i:03d}" for i in range(9)], "label": ["red", "green", None] * 3})
    assert Images.from_csv(frame, root / "train", suffix=".png").set_aside == images.set_aside


def test_an_image_without_tags_is_kept_where_tags_are_asked_for(a_competition):
    root = a_competition(6, labels=["clear", "haze clear", "", "haze", "clear", ""])
    images = Images.from_csv(root / "labels.csv", folder="train", suffix=".png", task="multi_label", valid=0.34)
    assert len(images) == 6
    np.testing.assert_array_equal(images.targets[2], [0, 0])


def test_validation_ids_may_be_named_even_where_one_has_no_file(a_competition):
    root = a_competition(12)
    (root / "train" / "004.png").unlink()
    images = Images.from_csv(root / "labels.csv", folder="train", suffix=".png", valid=["003", "004", "005"])
    assert images.valid.ids == ("003", "005")
    assert images.set_aside == {"004": "no such file"}


def test_a_test_map_gives_the_ids_and_their_order(a_competition):
    root = a_competition(6)
    test = {"z": root / "test" / "t2.png", "a": str(root / "test" / "t0.png"), "gone": root / "test" / "gone.png"}
    images = Images.from_csv(root / "labels.csv", folder="train", suffix=".png", test=test)
    assert images.test.ids == ("z", "a", "gone")
    assert images.sources[-3] == Path(root / "test" / "t2.png")


def test_hidden_files_and_what_archives_leave_behind_are_no_images(a_competition, write):
    root = a_competition(6)
    for junk in ("__MACOSX/000.png", ".cache/x.png", ".hidden.png"):
        write(root / "test" / junk, PICTURE)
    (root / "test" / "notes.txt").write_text("no image")
    write(root / "test" / "U.JPEG", PICTURE)
    images = Images.from_csv(root / "labels.csv", folder="train", suffix=".png", test="test")
    assert images.test.ids == ("U.JPEG", "t0", "t1", "t2")


def test_two_files_that_an_id_could_mean_are_not_guessed_between(a_competition, write):
    root = a_competition(6)
    write(root / "train" / "001.jpg", PICTURE)
    write(root / "train" / "b" / "002.jpg", PICTURE)
    images = Images.from_csv(root / "labels.csv", folder="train", valid=["003"])
    assert images.sources[1] == root / "train" / "002.png", "the path says which"
    assert list(images.set_aside) == ["001"]


def test_columns_of_marks_are_one_hot_or_tags_and_columns_of_numbers_regression(a_competition):
    root = a_competition(4, labels=[[1, 0], [0, 1], [1, 0], [0, 1]], header=("id", "cat", "dog"))
    csv, columns = root / "labels.csv", {"folder": "train", "suffix": ".png", "label_column": ["cat", "dog"]}
    one = Images.from_csv(csv, **columns)
    assert (one.task.name, one.classes, one.targets.tolist()) == ("single_label", ("cat", "dog"), [0, 1, 0, 1])
    csv.write_text("id,cat,dog\n000,1,0\n001,1,1\n002,0,0\n003,0,1\n")
    many = Images.from_csv(csv, **columns)
    assert (many.task.name, many.targets.tolist()) == ("multi_label", [[1, 0], [1, 1], [0, 0], [0, 1]])
    csv.write_text("id,cat,dog\n000,1.5,0\n001,1,1\n002,0,-2\n003,0,1e3\n")
    numbers = Images.from_csv(csv, **columns)
    assert (numbers.task.name, numbers.targets[3].tolist()) == ("regression", [0, 1000])
    csv.write_text("id,cat,dog\n000,1.5,0\n001,1,\n002,0,-2\n003,0,1e3\n")
    assert Images.from_csv(csv, **columns).set_aside == {"001": "no label"}
    with pytest.raises(ImagesError, match="columns are not multi_label marks: cat, dog"):
        Images.from_csv(csv, **columns, task="multi_label")


def test_one_column_of_numbers_with_fractions_is_regression_scaled_by_the_training_targets(a_competition):
    root = a_competition(20, labels=[f"{i / 4}" for i in range(20)])
    images = Images.from_csv(root / "labels.csv", folder="train", suffix=".png")
    assert images.task.name == "regression"
    assert images.task.mean == pytest.approx((float(images.train.targets.mean()),))
    assert images.task.deviation == pytest.approx((float(images.train.targets.std()),))
    spread = np.sort(images.valid.targets[:, 0])
    assert spread[0] < 1.5, "validation spans the range"
    assert spread[-1] > 3.5


def test_whole_numbers_written_with_a_point_are_classes(a_competition):
    root = a_competition(6, labels=["1.0", "0.0", "1.0", "0.0", "1.0", "0.0"])
    images = Images.from_csv(root / "labels.csv", folder="train", suffix=".png", valid=0.5)
    assert images.classes == ("0.0", "1.0")
    assert images.targets.tolist() == [1, 0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a table"),
        ("id\n1\n", "too few columns: id;"),
        ("id,label\n", "no images found: none of the 0 ids"),
        ("id,label\nnope,red\n", r"no images found: none of the 1 ids in column id \(such as nope\)"),
        ("id,label\n000,red\n000,blue\n", "an id has two labels: 000 in column id"),
        ("id,label\n000,red\n001,red\n002,red\n003,red\n", "one class only: all 4 images are 'red'"),
        ('id,label\n"000,red\n', "not a table|no images found"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_in_one_line(a_competition, text, says):
    root = a_competition(4)
    (root / "labels.csv").write_text(text)
    with pytest.raises(ImagesError, match=says) as error:
        Images.from_csv(root / "labels.csv", folder="train", suffix=".png")
    _one_line(error)


def test_a_table_in_another_encoding_is_told_in_one_line(a_competition):
    root = a_competition(4)
    (root / "labels.csv").write_bytes("id,label\n000,Bär\n".encode("latin-1"))
    with pytest.raises(ImagesError, match=r"not a table: labels.csv: .*save it as UTF-8 CSV"):
        Images.from_csv(root / "labels.csv", folder="train")


def test_names_that_are_not_there_come_with_those_that_are(a_competition):
    root = a_competition(4)
    for settings_, says in (
        ({"csv": root / "lables.csv"}, "no such file: .*lables.csv; beside it are labels.csv"),
        ({"folder": "trian"}, "no such folder: trian"),
        ({"label_column": "labl"}, "no such column: 'labl'; there are label"),
        ({"id_column": "ID"}, "no such column: 'ID'; there are"),
        ({"task": "boxes"}, "no such task: 'boxes'; there are auto, single_label, multi_label, regression"),
        ({"valid": 1.0}, "the validation share is out of range: 1.0"),
        ({"valid": 0}, "the validation share is out of range: 0"),
        ({"valid": ["000", "nope"]}, "validation ids are not in the table: nope"),
        ({"task": "regression"}, "a target is not a number"),
    ):
        with pytest.raises(ImagesError, match=says) as error:
            Images.from_csv(**{"csv": root / "labels.csv", "folder": "train", "suffix": ".png", **settings_})
        _one_line(error)


def test_a_folder_without_images_says_so(tmp_path, a_competition):
    root = a_competition(4)
    (tmp_path / "empty").mkdir()
    for call in (
        lambda: Images.from_csv(root / "labels.csv", folder="empty"),
        lambda: Images.from_csv(root / "labels.csv", folder="train", suffix=".png", test="empty"),
        lambda: Images.from_folders(root, train="empty"),
    ):
        with pytest.raises(ImagesError, match=r"no images found: .*empty holds no file that ends like one"):
            call()


# ---------------------------------------------------------------- from folders


@pytest.fixture
def class_folders(tmp_path, coloured, write):
    """train: 4 images a class, valid: 2, test: 2."""
    for split, number in (("train", 4), ("valid", 2)):
        for i, (picture, name) in enumerate(zip(*coloured(3 * number))):
            write(tmp_path / split / name / f"{split}{i}.png", picture)
    for i, picture in enumerate(coloured(2)[0]):
        write(tmp_path / "test1" / f"{i}.png", picture)
    return tmp_path


def test_a_folder_a_class_becomes_a_table(class_folders):
    images = Images.from_folders(class_folders, test="test1")
    assert images.classes == ("blue", "green", "red")
    assert (len(images.train), len(images.valid), len(images.test)) == (12, 6, 2)
    assert images.train.ids[0] == "blue/train11.png"
    assert images.test.ids == ("0.png", "1.png")
    assert {images.label(row) for row in images.valid.rows if "red" in images.ids[row]} == {"red"}


def test_a_share_of_the_training_folders_can_validate(class_folders):
    images = Images.from_folders(class_folders, valid=0.25, seed=7)
    assert (len(images.train), len(images.valid)) == (9, 3)
    assert Counter(images.valid.targets.tolist()) == {0: 1, 1: 1, 2: 1}


def test_images_beside_the_class_folders_are_left_out_and_named(class_folders, write):
    write(class_folders / "train" / "loose.png", PICTURE)
    write(class_folders / "train" / "red" / "deeper" / "in.png", PICTURE)
    images = Images.from_folders(class_folders)
    assert images.notes == ("1 images lie outside the class folders and are left out: loose.png",)
    assert "red/deeper/in.png" in images.train.ids


def test_a_class_that_only_validation_has_is_learned_from_too(class_folders, write):
    """A class must be seen in training, whichever way validation was chosen."""
    for number in range(2):
        write(class_folders / "valid" / "pink" / f"{number}.png", PICTURE)
    images = Images.from_folders(class_folders)
    pink = images.classes.index("pink")
    assert (images.train.targets == pink).sum() == 1
    assert (images.valid.targets == pink).sum() == 1


def test_folders_without_classes_or_validation_say_what_to_do(class_folders):
    for settings_, says in (
        ({"train": "test1"}, "no class folders found: 2 images lie directly in .*; use from_csv"),
        ({"valid": "val"}, "no validation folder: .*val is not there; name it with valid="),
        ({"train": "trian"}, "no such folder: .*trian; beside it are train"),
        ({"valid": "test1"}, "too few images: 12 to train and 0 to validate"),
        ({"valid": 2}, "the validation share is out of range"),
    ):
        with pytest.raises(ImagesError, match=says) as error:
            Images.from_folders(class_folders, **settings_)
        _one_line(error)


# ---------------------------------------------------------------- from arrays


def test_arrays_become_a_table_whose_ids_are_row_numbers(coloured):
    x, names = coloured(15)
    images = Images.from_arrays(x, names, test=x[:2])
    assert images.ids == (*map(str, range(15)), "0", "1")
    assert (len(images.train), len(images.valid), len(images.test)) == (12, 3, 2)
    np.testing.assert_array_equal(images.sources[3], x[3])


@pytest.mark.parametrize(
    ("y", "task", "classes"),
    [
        (np.array([0, 1, 2] * 4), "single_label", ("0", "1", "2")),
        (np.array([0.0, 1.0, 2.0] * 4, np.float32), "single_label", ("0", "1", "2")),
        ([np.float32(value) for value in (0, 1, 2)] * 4, "single_label", ("0", "1", "2")),
        (np.array(["a", "b", "ç"] * 4), "single_label", ("a", "b", "ç")),
        (np.array([True, False] * 6), "single_label", ("False", "True")),
        (np.array([[2], [3]] * 6), "single_label", ("2", "3")),
        (np.eye(3, dtype=int)[[0, 1, 2] * 4], "single_label", ("0", "1", "2")),
        (np.array([[1, 1], [0, 1]] * 6), "multi_label", ("0", "1")),
        (np.linspace(0, 1, 12), "regression", ("0",)),
        (np.random.default_rng(0).normal(size=(12, 2)), "regression", ("0", "1")),
    ],
)
def test_labels_may_be_numbers_texts_marks_or_measures(y, task, classes):
    images = _table(y)
    assert images.task.name == task
    assert images.classes == classes
    if task == "regression":
        np.testing.assert_allclose(images.targets, np.reshape(y, (12, -1)), rtol=1e-6)


def test_arrays_that_are_no_pictures_are_told_in_one_line(coloured):
    x, names = coloured(6)
    for args, says in (
        ((x, names[:5]), "images and labels differ in number: 6 and 5"),
        ((x[:0], []), "no images found: the array is empty"),
        ((x / 255, names), r"not a picture: an array of float64 with shape \(16, 16, 3\); give uint8"),
        ((x[..., :2], names), "not a picture: an array of uint8 with shape"),
        ((x[:, :0], names), "not a picture: an array of uint8 with shape"),
        ((x, ["red"] * 6), "one class only: all 6 images are 'red'"),
        ((x, [["a", "b"]] * 6), "a target is not a number"),
    ):
        with pytest.raises(ImagesError, match=says) as error:
            Images.from_arrays(*args)
        _one_line(error)


# ---------------------------------------------------------------- validation


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.integers(2, 40), min_size=2, max_size=6), st.sampled_from([0.1, 0.2, 0.25, 0.5]), st.integers(0, 2**32)
)
def test_every_class_gives_its_share_to_validation_to_within_one_image(sizes, share, seed):
    labels = [f"c{number}" for number, size in enumerate(sizes) for _ in range(size)]
    if len(labels) * share < 1:
        return
    images = _table(labels, valid=share, seed=seed)
    total = len(labels)
    held, trained = Counter(images.valid.targets.tolist()), Counter(images.train.targets.tolist())
    for number, size in enumerate(sizes):
        assert abs(held[number] - size * share) <= 1.5
        assert trained[number] >= 1
        assert held[number] + trained[number] == size
    assert abs(len(images.valid) - total * share) <= 1
    assert set(images.train.rows) | set(images.valid.rows) == set(range(total))


def test_the_seed_alone_decides_which_images_validate():
    labels = ["a", "b"] * 50
    first, again, other = (_table(labels, seed=seed).valid.rows for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)
    assert len(first) == len(other) == 20


@pytest.mark.parametrize(
    ("labels", "share"),
    [
        (["a", "a", "b", "c", "c"], 0.2),
        (["a", "a", "b", "b", "c", "c"], 0.2),
        (["a", "b", "b"], 0.2),
        (["a", "b", "b"], 0.5),
        (["a", "a", "b", "b"], 0.2),
        (["a", "a", "a", "b"], 0.1),
        (["a"] * 3 + ["b"], 0.9),
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_a_handful_of_images_still_has_one_to_validate_and_one_a_class_to_train(labels, share, seed):
    images = _table(labels, valid=share, seed=seed)
    assert len(images.valid) >= 1
    assert set(images.train.targets) == set(range(len(images.classes)))


def test_a_class_with_a_single_image_trains_and_is_noted():
    images = _table(["a"] * 10 + ["b"] * 10 + ["c"])
    assert "20" in images.train.ids
    assert images.notes == ("a single image in class c: it trains, but no validation image can tell how well",)
    assert images.counts() == {"a": 10, "b": 10, "c": 1}


def test_two_images_cannot_be_split_where_each_is_all_of_its_class():
    with pytest.raises(ImagesError, match="too few images: 2 to train and 0 to validate"):
        _table(["a", "b"], valid=0.5)


def test_tags_are_spread_over_validation_with_the_rare_ones_first():
    labels = ["clear"] * 60 + ["clear haze"] * 20 + ["clear haze fire"] * 10
    images = _table(labels, task="multi_label")
    share = images.valid.targets.mean(0) / images.targets.mean(0)
    assert images.classes == ("clear", "fire", "haze")
    np.testing.assert_allclose(share, 1, atol=0.01)


def test_validation_rows_of_arrays_may_be_named():
    images = _table(["a", "b", "a", "b"], valid=[2, np.int64(3)])
    assert images.valid.ids == ("2", "3")


# ---------------------------------------------------------------- groups


def test_a_group_column_keeps_groups_whole_in_validation_and_folds(a_competition):
    root = a_competition(24)
    table = pd.read_csv(root / "labels.csv", dtype=str)
    table["patient"] = [f"p{i // 4}" for i in range(23)] + [None]
    table.to_csv(root / "labels.csv", index=False)
    csv = {"csv": root / "labels.csv", "folder": "train", "suffix": ".png", "label_column": "label"}
    images = Images.from_csv(**csv, group_column="patient", test="test")
    assert images.groups == (*(f"p{i // 4}" for i in range(23)), "", "", "", "")
    held = [images.valid.rows, *(images.fold(number, 3).valid.rows for number in range(3))]
    for rows in held:
        for patient in {images.groups[row] for row in rows} - {""}:
            assert {row for row, group in enumerate(images.groups) if group == patient} <= set(rows.tolist())
    assert sorted(np.concatenate(held[1:]).tolist()) == list(range(24))
    assert images.without({0: "broken"}).fold(1, 3).groups == images.groups
    with pytest.raises(ImagesError, match="no such column: 'patien'; there are patient"):
        Images.from_csv(**csv, group_column="patien")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 7)), min_size=16, max_size=40), st.integers(0, 100))
def test_groups_of_arrays_are_never_parted_and_every_class_trains(rows, seed):
    labels, groups = zip(*rows)
    if any(len({g for name, g in rows if name == label}) < 3 for label in "ab"):
        return
    images = _table(labels, groups=groups, seed=seed, test=[PICTURE])
    for made in (images, *(images.fold(number, 3) for number in range(3))):
        train, valid = ({made.groups[row] for row in part.rows} for part in (made.train, made.valid))
        assert not train & valid
        assert valid
    assert set(images.train.targets) == {0, 1}


def test_numbers_and_tags_can_have_groups_too():
    groups = [i // 5 for i in range(40)]
    for labels, task in ((np.arange(40) + 0.5, "regression"), (["a", "a b", "b", ""] * 10, "multi_label")):
        images = _table(labels, groups=groups, task=task)
        assert len(images.valid) in (5, 10)
        assert not {images.groups[r] for r in images.train.rows} & {images.groups[r] for r in images.valid.rows}


def test_groups_that_cannot_be_split_are_told_in_one_line():
    labels = ["a", "b"] * 6
    for groups, says in (
        (["x"] * 12, "all images are of one group"),
        (["x"] * 5, "images and groups differ in number"),
    ):
        with pytest.raises(ImagesError, match=says) as error:
            _table(labels, groups=groups)
        _one_line(error)
    images = _table(labels, groups=["x", "x", "y", "y"] * 3)
    with pytest.raises(ImagesError, match="folds cannot be made: 3 asked for of 2 groups; ask for 2 or fewer"):
        images.fold(0, 3)


# ---------------------------------------------------------------- other splits of the same rows


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(0, 1000))
def test_each_labelled_image_validates_in_exactly_one_fold(of, seed):
    images = _table(["a"] * 20 + ["b"] * 13 + ["c"] * 7, seed=seed, test=[PICTURE])
    held = [images.fold(number, of).valid.rows for number in range(of)]
    assert sorted(np.concatenate(held).tolist()) == list(range(40))
    assert max(map(len, held)) - min(map(len, held)) <= 1
    for number in range(of):
        fold = images.fold(number, of)
        assert fold.test.ids == ("0",)
        share = np.bincount(fold.valid.targets, minlength=3)
        assert np.abs(share - np.array([20, 13, 7]) / of).max() <= 1.5


def test_numbers_are_scaled_by_the_training_images_of_the_fold():
    images = _table(np.arange(20) + 0.5)
    for number in range(2):
        fold = images.fold(number, 2)
        assert fold.task.mean == pytest.approx((float(fold.train.targets.mean()),))


def test_folds_that_cannot_be_made_say_what_can():
    images = _table(["a", "b"] * 5)
    for of in (1, 11):
        with pytest.raises(ImagesError, match=f"folds cannot be made: {of} asked for; ask for 2 to 10"):
            images.fold(0, of)


def test_images_set_aside_later_leave_their_split_and_keep_their_row():
    images = _table(["a", "b"] * 10, test=[PICTURE, PICTURE])
    held = int(images.valid.rows[0])
    fewer = images.without({0: "broken", held: "empty file", 21: "no such file"})
    assert fewer.set_aside == {"0": "broken", images.ids[held]: "empty file"}
    assert fewer.missing == {"1": "no such file"}
    assert len(fewer) == len(images)
    assert 0 not in fewer.train.rows
    assert held not in fewer.valid.rows
    assert fewer.test.ids == ("0", "1"), "a test image is predicted all the same"
    assert len(images.valid) == len(fewer.valid) + 1, "the table that was asked is unchanged"


def test_a_class_whose_only_training_image_is_broken_trains_on_the_one_that_validated():
    images = _table(["a"] * 10 + ["b"] * 10 + ["c"] * 2, valid=["0", "10", "20"])
    fewer = images.without({21: "broken"})
    assert "20" in fewer.train.ids
    assert fewer.notes[0].startswith("a single image in class c")


def test_when_all_that_would_train_is_broken_the_reasons_are_named():
    images = _table(["a", "b"] * 4)
    with pytest.raises(ImagesError, match=r"too few images: 0 to train.*set aside: empty file"):
        images.without({int(row): "empty file" for row in images.train.rows})


def test_the_text_of_a_table_says_what_is_in_it(images):
    assert repr(images) == "Images(single_label, 3 classes, train 29, valid 7, test 6)"


def test_pictures_without_a_label_are_set_aside(write, tmp_path):
    x = np.zeros((8, 8, 8, 3), np.uint8)
    images = Images.from_arrays(x, np.array([0, 1, np.nan, 0, 1, 0, 1, 1.0]), groups=list("aabbccdd"))
    assert (images.classes, dict(images.set_aside)) == (("0", "1"), {"2": "no label"})
    assert images.ids == ("0", "1", "3", "4", "5", "6", "7")
    assert images.groups == ("a", "a", "b", "c", "c", "d", "d")
    images = Images.from_arrays(list(x), ["a", "b", "a", None, "b", "a", "b", "a"])
    assert (images.classes, list(images.set_aside)) == (("a", "b"), ["3"])
    with pytest.raises(ImagesError, match="no labels"):
        Images.from_arrays(x, [None] * 8)
    for name in "01234567":
        write(tmp_path / f"{name}.png", x[0])
    amounts = ["1.5", "nan", "2.5", "-inf", "3", "4", "5", "NaN"]
    csv = "id,amount\n" + "".join(f"{number}.png,{amount}\n" for number, amount in enumerate(amounts))
    (tmp_path / "labels.csv").write_text(csv)
    images = Images.from_csv(tmp_path / "labels.csv")
    assert images.task.name == "regression"
    assert dict(images.set_aside) == dict.fromkeys(["1.png", "3.png", "7.png"], "no label")
    (tmp_path / "words.csv").write_text(csv.replace("1.5", "roti").replace("2.5", "roti").replace("-inf", "nan"))
    assert "nan" in Images.from_csv(tmp_path / "words.csv", valid=0.5).classes, "a bread, perhaps"
