"""Invented competitions whose difficulty is the files that labels and ids are told in."""

from __future__ import annotations

import io
import json
import random

import numpy as np

from .drawing import drawn, sevenz, zipped
from .form import Files, StandIn, Table, dealt, template_of
from .inventing import cells_right, column_auc, column_log_loss, invented, numbered, split_pictures
from .making import TEST, pictures

__all__ = ["INVENTED"]


def _semicolons() -> StandIn:
    """A table parted by semicolons in latin-1, numbers with decimal commas beside the label."""
    kinds = ["Äsche", "Hecht", "Döbel"]
    train, test = numbered("fang_{}", 1, 48), numbered("fang_{}", 101, 18)
    files, numbers, hidden = split_pictures(train, test, 3, ("train/{}.jpeg", "test/{}.jpeg"))
    lines = ["Bild;Länge;Fischart", *(f"{name};{n % 3 + 20},5;{kinds[n]}" for name, n in zip(train, numbers))]
    files["train.csv"] = "\r\n".join(lines).encode("latin-1")
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["Bild", "Fischart"], test, ["Hecht"])
    return invented(
        "am-fluss", files, template, truth, cells_right(template, truth), task="single_label", value="label",
        metric="accuracy", says="Accuracy.", classes=sorted(kinds), train=48, labels=["train.csv", "Fischart"],
    )  # fmt: skip


def _many_tables() -> StandIn:
    """Of several tables one holds the labels: train.csv has only sizes and cameras, others have folds, pictures that
    are not here, and labels of an earlier day that disagree."""
    kinds = ["bolt", "nut", "screw", "washer"]
    train, test = numbered("{:05d}", 10, 60), numbered("{:05d}", 300, 20)
    files, numbers, hidden = split_pictures(train, test, 4)
    files = {f"{path}.jpg": made for path, made in files.items()}
    chance = random.Random("many tables")
    sizes = [(name, chance.randrange(90, 99), 100, f"cam{at % 3}") for at, name in enumerate([*train, *test])]
    files["train.csv"] = Table.of(["id", "width", "height", "camera"], sizes[:60]).csv()
    files["test.csv"] = Table.of(["id", "width", "height", "camera"], sizes[60:]).csv()
    files["train_labels.csv"] = Table.of(["id", "label"], [(a, kinds[n]) for a, n in zip(train, numbers)]).csv()
    files["folds.csv"] = Table.of(["id", "fold"], [(a, at % 5) for at, a in enumerate(train)]).csv()
    old = [(a, chance.choice(kinds)) for a in train[:40]]
    files["old/labels_old.csv"] = Table.of(["id", "label"], old).csv()
    outside = [(a, chance.choice(kinds)) for a in numbered("{:05d}", 90000, 300)]
    files["external_labels.csv"] = Table.of(["id", "label"], outside).csv()
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["id", "label"], test, ["nut"])
    return invented(
        "small-parts", files, template, truth, cells_right(template, truth), task="single_label", value="label",
        metric="accuracy", says="Accuracy.", classes=kinds, train=60, labels=["train_labels.csv", "label"],
    )  # fmt: skip


def _messy() -> StandIn:
    """Every cell in quotes, blank lines, a trailing comma on each line, a trailing column of row numbers."""
    kinds = ["full, closed", "full, open", "empty"]
    train, test = numbered("bin-{}.png", 1, 45), numbered("bin-{}.png", 101, 15)
    files, numbers, hidden = split_pictures(train, test, 3, form="PNG")
    lines = ['"filename","state","index",']
    for at, (name, n) in enumerate(zip(train, numbers)):
        lines += [f'"{name}","{kinds[n]}","{at}",', *([""] if at % 9 == 0 else [])]
    files["labels.csv"] = ("\n".join(lines) + "\n\n").encode()
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["filename", "state"], test, ["empty"])
    return invented(
        "waste-bins", files, template, truth, cells_right(template, truth), task="single_label", value="label",
        metric="accuracy", says="Accuracy.", classes=sorted(kinds), train=45, labels=["labels.csv", "state"],
    )  # fmt: skip


def _no_header() -> StandIn:
    """A table without a header."""
    train, test = numbered("kiln_{:03d}.jpg", 1, 44), numbered("kiln_{:03d}.jpg", 200, 16)
    kinds = ["glazed", "raw"]
    files, numbers, hidden = split_pictures(train, test, 2)
    files["labels.csv"] = Table.of(
        [train[0], kinds[numbers[0]]], list(zip(train, map(kinds.__getitem__, numbers)))[1:]
    ).csv()
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["image", "label"], test, ["raw"])
    return invented(
        "pots", files, template, truth, cells_right(template, truth), task="single_label", value="label",
        metric="accuracy", says="Accuracy.", classes=kinds, train=44, labels=["labels.csv"],
        page_tells=("metric", "submission.value"),
    )  # fmt: skip


def _tabs_and_7z() -> StandIn:
    """Labels parted by tabs; the template in a 7z; pictures in a zip without an inner folder."""
    kinds = ["A", "B", "AB", "0"]
    train, test = numbered("cell{}", 1, 56), numbered("cell{}", 501, 20)
    inner, numbers, hidden = split_pictures(train, test, 4, ("train/{}.bmp", "test/{}.bmp"), form="BMP")
    parts = {
        side: {path.partition("/")[2]: made for path, made in inner.items() if path.startswith(side)}
        for side in ("train", "test")
    }
    text = "\n".join(["slide\tblood_group", *(f"{name}\t{kinds[n]}" for name, n in zip(train, numbers))])
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["slide", *kinds], test, [0.25] * 4)
    files: Files = {f"{side}.zip": zipped(some) for side, some in parts.items()}
    files |= {"train.tsv": text.encode(), "sample_submission.csv.7z": sevenz({"sample_submission.csv": template.csv()})}
    return invented(
        "drops", files, template, truth, column_log_loss(template, truth, {kind: kind for kind in kinds}),
        task="single_label", value="probability", metric="log_loss", says="Multiclass log loss.",
        classes=sorted(kinds), train=56, labels=["train.tsv", "blood_group"],
    )  # fmt: skip


def _coco() -> StandIn:
    """COCO-like JSON for labels, whose boxes nobody asks for; the template's ids are numbers that a JSON tells, which
    lie among the numbers in other pictures' names."""
    kinds = ["", "egret", "heron", "stork"]
    train, test = numbered("bird_{:05d}.jpg", 1, 48), numbered("bird_{:05d}.jpg", 301, 18)
    files, numbers, hidden = split_pictures(train, test, 3)
    order = list(range(18))
    random.Random("coco").shuffle(order)
    made = {
        "images": [{"id": at, "file_name": name, "width": 32, "height": 32} for at, name in enumerate(train)],
        "annotations": [
            {"id": at, "image_id": at, "category_id": n + 1, "bbox": [1, 2, 20, 20]} for at, n in enumerate(numbers)
        ],
        "categories": [{"id": n, "name": kinds[n]} for n in (1, 2, 3)],
    }
    files["annotations/train.json"] = json.dumps(made).encode()
    shown = [{"id": 301 + place, "file_name": test[at], "width": 32, "height": 32} for place, at in enumerate(order)]
    files["annotations/test.json"] = json.dumps({"images": shown}).encode()
    truth = {str(301 + place): str(hidden[at] + 1) for place, at in enumerate(order)}
    template = template_of(["image_id", "category_id"], list(truth), ["1"])
    return invented(
        "waders", files, template, truth, cells_right(template, truth), task="single_label", value="label",
        metric="accuracy", says="Top-1 accuracy.", classes=["1", "2", "3"], train=48, labels=["train.json"],
        shown={str(301 + place): f"test/{test[at]}" for place, at in enumerate(order)},
    )  # fmt: skip


def _dict_of_labels() -> StandIn:
    """A JSON that gives the label of each id, and another that says what the labels' numbers mean."""
    train, test = numbered("k{:04x}", 4000, 51), numbered("k{:04x}", 9000, 18)
    files, numbers, hidden = split_pictures(train, test, 3, ("pics/{}.webp", "questions/{}.webp"), form="WEBP")
    files["answers.json"] = json.dumps(dict(zip(train, numbers))).encode()
    files["legend.json"] = json.dumps({"0": "cumulus", "1": "stratus", "2": "cirrus"}).encode()
    truth = {name: str(n) for name, n in zip(test, hidden)}
    template = template_of(["id", "cloud"], test, ["0"])
    return invented(
        "sky-watch", files, template, truth, cells_right(template, truth), task="single_label", value="label",
        metric="accuracy", says="Accuracy.", classes=["0", "1", "2"], train=51, labels=["answers.json"],
    )  # fmt: skip


def _row_numbers() -> StandIn:
    """Rows have numbers and pictures have others: only tables say which belong together."""
    names = numbered("pic_{:05d}.jpg", 1, 80)
    random.Random("row numbers").shuffle(names)
    numbers = dealt("row numbers", 80, 3)
    kinds = ["calm", "rough", "storm"]
    files = pictures("sea/{}", names, numbers, 3, 0)
    rows = [(at + 1, name, kinds[n]) for at, (name, n) in enumerate(zip(names, numbers))]
    files["train.csv"] = Table.of(["row_id", "file_name", "state"], rows[:60]).csv()
    files["test.csv"] = Table.of(["row_id", "file_name"], [row[:2] for row in rows[60:]]).csv()
    truth = {str(row[0]): row[2] for row in rows[60:]}
    template = template_of(["row_id", "state"], list(truth), ["calm"])
    return invented(
        "harbour-wall", files, template, truth, cells_right(template, truth), task="single_label", value="label",
        metric="accuracy", says="Accuracy.", classes=kinds, train=60, labels=["train.csv", "state"],
        shown={str(row[0]): f"sea/{row[1]}" for row in rows[60:]},
        labelled={f"sea/{row[1]}": row[2] for row in rows[:60]},
    )  # fmt: skip


def _two_tables() -> StandIn:
    """Labels by item number in one table, the items' pictures in another."""
    train, test = numbered("{:06x}.jpg", 70000, 50), numbered("{:06x}.jpg", 80000, 20)
    random.Random("two tables").shuffle(train)
    kinds = ["cotton", "linen", "wool"]
    files, numbers, hidden = split_pictures(train, test, 3, ("images/{}", "images/{}"))
    codes = [f"K-{at:03d}" for at in range(70)]
    files["items.csv"] = Table.of(["item", "picture"], list(zip(codes, [*train, *test]))).csv()
    labelled = sorted(((code, kinds[n]) for code, n in zip(codes, numbers)), key=lambda row: row[::-1])
    files["train.csv"] = Table.of(["item", "cloth"], labelled).csv()
    truth = {code: kinds[n] for code, n in zip(codes[50:], hidden)}
    template = template_of(["item", "cloth"], list(truth), ["wool"])
    return invented(
        "cloth-by-the-yard", files, template, truth, cells_right(template, truth), task="single_label",
        value="label", metric="accuracy", says="Accuracy.", classes=kinds, train=50, labels=["train.csv", "cloth"],
        shown={code: f"images/{name}" for code, name in zip(codes[50:], test)},
        labelled={f"images/{name}": kinds[n] for name, n in zip(train, numbers)},
    )  # fmt: skip


def _pixels_and_usage() -> StandIn:
    """Pixels as text in one column, and a column that says which rows are for training."""
    chance = np.random.default_rng(5)
    numbers = dealt("usage", 70, 4)
    rows = []
    for at, n in enumerate(numbers):
        grey = chance.integers(0, 60, (12, 12))
        grey[(n // 2) * 6 : (n // 2) * 6 + 6, (n % 2) * 6 : (n % 2) * 6 + 6] += 150
        rows.append((n if at < 50 else "", " ".join(map(str, grey.ravel())), "Training" if at < 50 else "PublicTest"))
    ids = [str(at + 1) for at in range(20)]
    truth = {name: str(n) for name, n in zip(ids, numbers[50:])}
    template = template_of(["id", "mood"], ids, ["0"])
    files: Files = {"faces.csv": Table.of(["mood", "pixels", "Usage"], rows).csv()}
    return invented(
        "moods", files, template, truth, cells_right(template, truth), task="single_label", value="label",
        metric="accuracy", says="Categorization accuracy.", classes=["0", "1", "2", "3"], train=50,
        labels=["faces.csv", "mood"],
    )  # fmt: skip


def _colour_pixels() -> StandIn:
    """Colour pixels, three numbers each, a column a number; ids in the test table, in another order than the
    template's."""
    from PIL import Image

    numbers = dealt("colour", 60, 3)
    grey = [list(Image.open(io.BytesIO(drawn(n, 3, at, 16, "PNG")())).tobytes()) for at, n in enumerate(numbers)]
    columns = [f"p{at}" for at in range(768)]
    train = [(f"u{at}", n + 4, *grey[at]) for at, n in enumerate(numbers[:44])]
    test = [(f"v{at}", *grey[at]) for at in range(44, 60)]
    files: Files = {
        "train.csv": Table.of(["uid", "kind", *columns], train).csv(),
        "test.csv": Table.of(["uid", *columns], test).csv(),
    }
    truth = {f"v{at}": str(numbers[at] + 4) for at in range(44, 60)}
    template = template_of(["uid", "kind"], sorted(truth, reverse=True), ["4"])
    return invented(
        "tiny-tiles", files, template, truth, cells_right(template, truth), task="single_label", value="label",
        metric="accuracy", says="Accuracy.", classes=["4", "5", "6"], train=44, labels=["train.csv", "kind"],
    )  # fmt: skip


def _only_a_header() -> StandIn:
    """A template of which only the header is filled."""
    kinds = ["ripe", "rotten", "unripe"]
    train, test = numbered("t{}.jpg", 1, 45), numbered("u{}.jpg", 1, 15)
    files, numbers, hidden = split_pictures(train, test, 3)
    files["train.csv"] = Table.of(["image", "state"], [(a, kinds[n]) for a, n in zip(train, numbers)]).csv()
    files["sample_submission.csv"] = b"image,state\n"
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["image", "state"], test, [""])
    return invented(
        "tomatoes", files, template, truth, cells_right(template, truth), task="single_label", value="label",
        metric="accuracy", says="Accuracy.", classes=kinds, train=45, labels=["train.csv", "state"],
    )  # fmt: skip


def _no_template() -> StandIn:
    """No template at all."""
    kinds = ["flat", "hilly", "steep"]
    train, test = numbered("t{}.jpg", 1, 45), numbered("u{}.jpg", 1, 15)
    files, numbers, hidden = split_pictures(train, test, 3)
    files["train.csv"] = Table.of(["image", "relief"], [(a, kinds[n]) for a, n in zip(train, numbers)]).csv()
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["id", "label"], test, [""])
    return invented(
        "slopes", files, template, truth, cells_right(template, truth), at=None, task="single_label", value="label",
        metric="accuracy", says="Accuracy.", classes=kinds, train=45, labels=["train.csv", "relief"],
    )  # fmt: skip


def _two_stages() -> StandIn:
    """Two stages, each with its test folder and its template; the second one is what is asked now."""
    train = numbered("a{}", 1, 40)
    test, later = numbered("b{}", 1, 20), numbered("c{}", 1, 20)
    files, numbers, _ = split_pictures(train, test, 2, ("train/{}.jpg", "test_stage1/{}.jpg"))
    hidden = dealt("stage 2", 20, 2)
    files |= pictures("test_stage2/{}.jpg", later, hidden, 2, TEST)
    files["stage1_train_labels.csv"] = Table.of(["id", "leak"], list(zip(train, numbers))).csv()
    files["stage1_sample_submission.csv"] = template_of(["id", "leak"], test, [0.5]).csv()
    truth = {name: str(n) for name, n in zip(later, hidden)}
    template = template_of(["id", "leak"], later, [0.5])
    return invented(
        "pipes", files, template, truth, column_auc(template, truth, {"leak": "1"}),
        at="stage2_sample_submission.csv", task="single_label", value="probability", metric="auc",
        says="Area under the ROC curve.", classes=["0", "1"], train=40, labels=["stage1_train_labels.csv", "leak"],
        answer={"positive": "1"},
    )  # fmt: skip


INVENTED = (
    _semicolons(),
    _many_tables(),
    _messy(),
    _no_header(),
    _tabs_and_7z(),
    _coco(),
    _dict_of_labels(),
    _row_numbers(),
    _two_tables(),
    _pixels_and_usage(),
    _colour_pixels(),
    _only_a_header(),
    _no_template(),
    _two_stages(),
)
