"""Invented competitions whose difficulty is what is asked, and how an answer is written."""

from __future__ import annotations

import json
import random

from .drawing import amount
from .form import Files, StandIn, Table, dealt, template_of
from .graders import kappa
from .inventing import (
    cells_right,
    column_auc,
    column_log_loss,
    column_rmse,
    declined,
    invented,
    numbered,
    split_pictures,
    top_of,
)
from .making import pictures

__all__ = ["INVENTED"]


def _words_and_no_value() -> StandIn:
    """Two words as labels, a column prob_defect, and a template without values; test pictures that nobody asks for, and
    ids without a picture."""
    words = ["good", "scrap"]
    train, test = numbered("w{:03d}", 1, 44), numbered("x{:03d}", 1, 20)
    files, numbers, hidden = split_pictures(train, test, 2, ("train/{}.jpg", "test/{}.jpg"))
    files |= pictures("test/{}.jpg", numbered("y{:03d}", 1, 9), dealt("more", 9, 2), 2, 900)
    del files["test/x007.jpg"]
    files["train.csv"] = Table.of(["part", "verdict"], [(a, words[n]) for a, n in zip(train, numbers)]).csv()
    truth = {name: words[n] for name, n in zip(test, hidden)}
    template = template_of(["part", "prob_scrap"], test, [""])
    return invented(
        "castings", files, template, truth, column_log_loss(template, truth, {"prob_scrap": "scrap"}),
        task="single_label", value="probability", metric="log_loss", says="Log loss.", classes=words, train=44,
        labels=["train.csv", "verdict"], answer={"positive": "scrap"},
    )  # fmt: skip


def _other_order() -> StandIn:
    """Columns in another order and otherwise spelled than the labels; one class is in the template only, another has a
    single picture."""
    kinds = ["class_a", "class_b", "leaf_spot", "healthy"]
    train, test = numbered("{}.jpg", 1, 46), numbered("{}.jpg", 1001, 15)
    files, numbers, hidden = split_pictures(train, test, 3, ("train/{}", "test/{}"))
    numbers[0] = 3
    files["train.csv"] = Table.of(["file", "finding"], [(a, kinds[n]) for a, n in zip(train, numbers)]).csv()
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(
        ["file", "P(healthy)", "P(Leaf Spot)", "P(Class B)", "P(Mildew)", "P(Class A)"], test, [0.2] * 5
    )
    stands_for = dict(zip(template.header[1:], ["healthy", "leaf_spot", "class_b", "mildew", "class_a"]))
    return invented(
        "vines", files, template, truth, column_log_loss(template, truth, stands_for), task="single_label",
        value="probability", metric="log_loss", says="Multi-class log loss.", classes=sorted(kinds), train=46,
        labels=["train.csv", "finding"],
    )  # fmt: skip


def _grades() -> StandIn:
    """Grades 1 to 5, scored by kappa."""
    train, test = numbered("g{}", 1, 50), numbered("h{}", 1, 20)
    files, numbers, hidden = split_pictures(train, test, 5, ("imgs/{}.png", "imgs/{}.png"), form="PNG")
    files["train.csv"] = Table.of(
        ["key", "wear", "shift"], [(a, n + 1, "ab"[n % 2]) for a, n in zip(train, numbers)]
    ).csv()
    files["test.csv"] = Table.of(["key", "shift"], [(a, "a") for a in test]).csv()
    truth = {name: str(n + 1) for name, n in zip(test, hidden)}
    template = template_of(["key", "wear"], test, ["1"])
    return invented(
        "tyres", files, template, truth, kappa(template, truth, list("12345")), task="single_label", value="label",
        metric="kappa", says="The quadratic weighted kappa.", classes=list("12345"), train=50,
        labels=["train.csv", "wear"],
    )  # fmt: skip


def _ordered_words() -> StandIn:
    """Words with an order; the template holds one of them."""
    words = ["high", "low", "medium"]
    train, test = numbered("r{}.jpg", 1, 45), numbered("s{}.jpg", 1, 15)
    files, numbers, hidden = split_pictures(train, test, 3)
    files["train.csv"] = Table.of(["photo", "rust"], [(a, words[n]) for a, n in zip(train, numbers)]).csv()
    truth = {name: words[n] for name, n in zip(test, hidden)}
    template = template_of(["photo", "rust"], test, ["low"])
    return invented(
        "bridges", files, template, truth, cells_right(template, truth), task="single_label", value="label",
        metric="f1_macro", says="Macro F1 of low, medium and high.", classes=words, train=45,
        labels=["train.csv", "rust"],
    )  # fmt: skip


def _codes_far_apart() -> StandIn:
    """Whole numbers that are codes: 10, 20, 35, 90."""
    codes = ["10", "20", "35", "90"]
    train, test = numbered("lc_{:04d}", 1, 56), numbered("lc_{:04d}", 501, 20)
    files, numbers, hidden = split_pictures(train, test, 4, ("train/{}.tif", "test/{}.tif"), form="TIFF")
    files["train.csv"] = Table.of(["tile", "cover"], [(a, codes[n]) for a, n in zip(train, numbers)]).csv()
    truth = {name: codes[n] for name, n in zip(test, hidden)}
    template = template_of(["tile", "cover"], test, ["10"])
    return invented(
        "land-cover", files, template, truth, cells_right(template, truth), task="single_label", value="label",
        metric="accuracy", says="Accuracy.", classes=codes, train=56, labels=["train.csv", "cover"],
    )  # fmt: skip


def _counts(telling: bool) -> StandIn:
    """Counts, few different ones: numbers where the template's mean or the page's score says so."""
    train, test = numbered("n{}", 1, 60), numbered("m{}", 1, 20)
    chance = random.Random("counts")
    counts = [chance.randrange(3, 15) for _ in range(80)]
    files: Files = {f"train/{name}.jpg": amount(c / 15, at) for at, (name, c) in enumerate(zip(train, counts))}
    files |= {f"test/{name}.jpg": amount(c / 15, at + 99) for at, (name, c) in enumerate(zip(test, counts[60:]))}
    files["train.csv"] = Table.of(["id", "n_cells"], list(zip(train, counts))).csv()
    truth = {name: float(count) for name, count in zip(test, counts[60:])}
    template = template_of(["id", "n_cells"], test, ["8.35" if telling else "0"])
    return invented(
        "cells" + ("" if telling else "-by-the-page"), files, template, truth,
        column_rmse(template, truth, {"n_cells": "n_cells"}), task="regression", value="number", metric="rmse",
        says="Root mean squared error.", train=60, labels=["train.csv", "n_cells"],
        page_tells=("metric",) if telling else ("metric", "task", "submission.value"),
    )  # fmt: skip


def _points() -> StandIn:
    """Six coordinates an image, in another order in the template; a column of the light in both tables."""
    names = [f"{point}_{axis}" for point in ("nose", "left_eye", "tail") for axis in "xy"]
    chance = random.Random("points")
    train, test = numbered("d{}", 1, 50), numbered("e{}", 1, 16)
    files, _, _ = split_pictures(train, test, 4, ("train/{}.jpg", "test/{}.jpg"))
    places = {name: [round(chance.uniform(0, 32), 2) for _ in names] for name in [*train, *test]}
    files["train.csv"] = Table.of(["image", "light", *names], [(a, "day", *places[a]) for a in train]).csv()
    files["test.csv"] = Table.of(["image", "light"], [(a, "day") for a in test]).csv()
    truth = {name: dict(zip(names, places[name])) for name in test}
    order = [names[at] for at in (4, 5, 0, 1, 2, 3)]
    template = template_of(["image", *order], test, ["0"] * 6)
    return invented(
        "fish-lengths", files, template, truth, column_rmse(template, truth, {name: name for name in order}),
        task="regression", value="number", metric="mcrmse", says="Mean columnwise root mean squared error (MCRMSE).",
        train=50, labels=["train.csv"],
    )  # fmt: skip


def _votes() -> StandIn:
    """Shares of votes that sum to 1, most of them 0 or 1."""
    names = ["spiral", "round", "edge_on"]
    chance = random.Random("votes")
    train, test = numbered("{}", 100001, 50), numbered("{}", 200001, 16)
    files, _, _ = split_pictures(train, test, 3, ("images_train/{}.jpg", "images_test/{}.jpg"))
    shares = {}
    for name in [*train, *test]:
        one = chance.choice([0.0, 1.0, 0.25, 0.5])
        shares[name] = dict(zip(names, (one, round(1 - one, 2), 0.0)))
    rows = [(name, *(shares[name][column] for column in names)) for name in train]
    files["votes.csv"] = Table.of(["GalaxyID", *names], rows).csv()
    truth = {name: shares[name] for name in test}
    template = template_of(["GalaxyID", *names], test, [0] * 3)
    return invented(
        "by-many-eyes", files, template, truth, column_rmse(template, truth, {name: name for name in names}),
        task="regression", value="number", metric="mcrmse", says="Mean columnwise RMSE.", train=50,
        labels=["votes.csv"],
    )  # fmt: skip


_SETS = [(0,), (1,), (0, 1), (2,), (0, 2), (), (1, 3), (3,)]


def _marks() -> StandIn:
    """Columns of 0 and 1, several or none of them 1, and a chance a column in another order."""
    names = ["rust", "scab", "frog eye", "mildew"]
    train, test = numbered("l{}.jpg", 1, 56), numbered("o{}.jpg", 1, 24)
    files, numbers, hidden = split_pictures(train, test, 8)
    rows = [
        (a, f"tree{at // 6}", *(int(tag in _SETS[n]) for tag in range(4)))
        for at, (a, n) in enumerate(zip(train, numbers))
    ]
    files["train.csv"] = Table.of(["image", "tree", *names], rows).csv()
    truth = {name: tuple(names[tag] for tag in _SETS[n]) for name, n in zip(test, hidden)}
    stands_for = {"Mildew": "mildew", "Frog_Eye": "frog eye", "Rust": "rust", "Scab": "scab"}
    template = template_of(["image", *stands_for], test, [0.5] * 4)
    return invented(
        "orchard", files, template, truth, column_auc(template, truth, stands_for), task="multi_label",
        value="probability", metric="auc", says="Mean column-wise ROC AUC.", train=56, labels=["train.csv"],
    )  # fmt: skip


def _comma_tags() -> StandIn:
    """Tags with blanks inside, parted by a comma and a blank."""
    names = ["brick wall", "flat roof", "garden", "two floors"]
    sets = [some or (1, 2, 3) for some in _SETS]
    train, test = numbered("h{}", 1, 56), numbered("j{}", 1, 20)
    files, numbers, hidden = split_pictures(train, test, 8, ("train/{}.jpg", "test/{}.jpg"))
    rows = [(a, ", ".join(names[tag] for tag in sets[n])) for a, n in zip(train, numbers)]
    files["train.csv"] = Table.of(["house", "features"], rows).csv()
    truth = {name: tuple(names[tag] for tag in sets[n]) for name, n in zip(test, hidden)}
    template = template_of(["house", "features"], test, ["brick wall, garden"])
    return invented(
        "houses-for-sale", files, template, truth, cells_right(template, truth, mark=","), task="multi_label",
        value="tags", metric="f1_micro", says="Micro-averaged F1.", classes=names, train=56,
        labels=["train.csv", "features"],
    )  # fmt: skip


def _listed_tags() -> StandIn:
    """Tags as a list in Python's form, with blanks inside, and a column a tag in the template."""
    names = ["ball", "red car", "street lamp", "tree"]
    train, test = numbered("s{}.jpg", 1, 56), numbered("z{}.jpg", 1, 24)
    files, numbers, hidden = split_pictures(train, test, 8)
    rows = [(a, str([names[tag] for tag in _SETS[n]])) for a, n in zip(train, numbers)]
    files["train.csv"] = Table.of(["image", "objects"], rows).csv()
    truth = {name: tuple(names[tag] for tag in _SETS[n]) for name, n in zip(test, hidden)}
    template = template_of(["image", *names], test, [0.5] * 4)
    return invented(
        "on-the-street", files, template, truth, column_auc(template, truth, {name: name for name in names}),
        task="multi_label", value="probability", metric="auc", says="Mean column-wise AUC.", classes=names, train=56,
        labels=["train.csv", "objects"],
    )  # fmt: skip


def _row_a_tag() -> StandIn:
    """A row a tag: ids come as often as they have tags."""
    names = ["cup", "fork", "knife", "plate"]
    sets = [some or (1, 2, 3) for some in _SETS]
    train, test = numbered("v{}.jpg", 1, 56), numbered("w{}.jpg", 1, 20)
    files, numbers, hidden = split_pictures(train, test, 8)
    rows = [(a, names[tag]) for a, n in zip(train, numbers) for tag in sets[n]]
    random.Random("rows").shuffle(rows)
    files["train.csv"] = Table.of(["image", "object"], rows).csv()
    truth = {name: tuple(names[tag] for tag in sets[n]) for name, n in zip(test, hidden)}
    template = template_of(["image", "object"], test, ["cup plate"])
    return invented(
        "tables-laid", files, template, truth, cells_right(template, truth, mark=" "), task="multi_label",
        value="tags", metric="f1_samples", says="The mean F1 over images.", classes=names, train=56,
        labels=["train.csv", "object"],
    )  # fmt: skip


def _top_three() -> StandIn:
    """The three best names, with blanks in them, parted by commas."""
    kinds = ["grey wolf", "lynx", "pine marten", "red fox", "roe deer"]
    train, test = numbered("trap{}.jpg", 1, 60), numbered("seen{}.jpg", 1, 20)
    files, numbers, hidden = split_pictures(train, test, 5)
    rows = [(a, kinds[n], f"post {at // 9}") for at, (a, n) in enumerate(zip(train, numbers))]
    files["train.csv"] = Table.of(["image", "animal", "station"], rows).csv()
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["image", "animal"], test, ["red fox,lynx,roe deer"])
    return invented(
        "at-night", files, template, truth, top_of(template, truth, 3, ","), task="single_label", value="ranked",
        metric="map@3", says="Mean average precision at 3 (MAP@3).", classes=kinds, train=60,
        labels=["train.csv", "animal"], group="station", answer={"top": 3, "separator": ","},
    )  # fmt: skip


def _hot_columns_one_answer() -> StandIn:
    """A column a class with one 1 in each row, and a template that asks for a class's name."""
    kinds = ["bus", "car", "lorry", "van"]
    train, test = numbered("a{}.jpg", 1, 52), numbered("b{}.jpg", 1, 18)
    files, numbers, hidden = split_pictures(train, test, 4)
    rows = [(a, *(int(n == one) for one in range(4))) for a, n in zip(train, numbers)]
    files["train.csv"] = Table.of(["image", *kinds], rows).csv()
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["image", "vehicle"], test, ["car"])
    return invented(
        "gates", files, template, truth, cells_right(template, truth), task="single_label", value="label",
        metric="accuracy", says="Accuracy.", classes=kinds, train=52, labels=["train.csv"],
    )  # fmt: skip


def _leaks() -> StandIn:
    """Numbers beside the label that the test pictures have too, others that only training has, a fold, and a label
    that is called otherwise than the template's column."""
    train, test = numbered("m{:03d}", 1, 50), numbered("q{:03d}", 1, 20)
    files, numbers, hidden = split_pictures(train, test, 2, ("train/{}.png", "test/{}.png"), form="PNG")
    rows = [
        (a, 30 + at % 40, "fm"[at % 2], at // 3, ["naevus", "melanoma"][n], at % 5, n)
        for at, (a, n) in enumerate(zip(train, numbers))
    ]
    files["train.csv"] = Table.of(["name", "age", "sex", "owner_id", "biopsy", "fold", "target"], rows).csv()
    files["test.csv"] = Table.of(["name", "age", "sex"], [(a, 44, "f") for a in test]).csv()
    truth = {name: str(n) for name, n in zip(test, hidden)}
    template = template_of(["name", "prediction"], test, [0])
    return invented(
        "spots", files, template, truth, column_auc(template, truth, {"prediction": "1"}), task="single_label",
        value="probability", metric="auc", says="Area under the ROC curve.", classes=["0", "1"], train=50,
        labels=["train.csv", "target"], group="owner_id", page_tells=("metric", "submission.value"),
    )  # fmt: skip


def _two_words_a_picture() -> StandIn:
    """Two columns of words to be answered at once, which this program does not do."""
    train, test = numbered("c{}", 1, 44), numbered("d{}", 1, 16)
    files, numbers, _ = split_pictures(train, test, 4, ("train/{}.jpg", "test/{}.jpg"))
    rows = [(a, ["red", "blue"][n % 2], ["round", "long"][n // 2]) for a, n in zip(train, numbers)]
    files["train.csv"] = Table.of(["id", "colour", "shape"], rows).csv()
    return declined("beads", files, template_of(["id", "colour", "shape"], test, ["red", "round"]), "several|columns")


def _row_a_pair() -> StandIn:
    """A row for each picture and class, whose ids are put together of both, which this program does not do."""
    kinds = ["oak", "ash", "elm"]
    train, test = numbered("k{}", 1, 45), numbered("l{}", 1, 16)
    files, numbers, _ = split_pictures(train, test, 3, ("train/{}.jpg", "test/{}.jpg"))
    files["train.csv"] = Table.of(["id", "tree"], [(a, kinds[n]) for a, n in zip(train, numbers)]).csv()
    ids = [f"{name}__{kind}" for name in test for kind in kinds]
    return declined("seedlings", files, template_of(["id", "present"], ids, ["0"]), "no picture|not pictures")


def _marks_that_differ() -> StandIn:
    """Classes that differ by a sign alone, two columns for two classes."""
    kinds = ["HER2+", "HER2-"]
    train, test = numbered("t-{}", 1, 44), numbered("u-{}", 1, 16)
    files, numbers, hidden = split_pictures(train, test, 2, ("train/{}.png", "test/{}.png"), form="PNG")
    files["train.csv"] = Table.of(["slide", "receptor"], [(a, kinds[n]) for a, n in zip(train, numbers)]).csv()
    truth = {name: kinds[n] for name, n in zip(test, hidden)}
    template = template_of(["slide", "HER2-", "HER2+"], test, [0.5, 0.5])
    return invented(
        "receptors", files, template, truth, column_log_loss(template, truth, {"HER2-": "HER2-", "HER2+": "HER2+"}),
        task="single_label", value="probability", metric="log_loss", says="Log loss.", classes=kinds, train=44,
        labels=["train.csv", "receptor"],
    )  # fmt: skip


def _numbers_in_other_form(letters: bool) -> StandIn:
    """Whole numbers that the labels write with a fraction (1.0); or a column a class that says c1, c2, c3."""
    train, test = numbered("i{}", 1, 45), numbered("j{}", 1, 15)
    files, numbers, hidden = split_pictures(train, test, 3, ("train/{}.jpg", "test/{}.jpg"))
    classes = ["1", "2", "3"] if letters else ["1.0", "2.0", "3.0"]
    rows = [{"img": f"{a}.jpg", "kind": n + 1 if letters else float(n + 1)} for a, n in zip(train, numbers)]
    if letters:
        files["train.jsonl"] = "\n".join(map(json.dumps, rows)).encode()
    else:
        files["train.csv"] = Table.of(["img", "kind"], [tuple(row.values()) for row in rows]).csv()
    truth = {name: classes[n] for name, n in zip(test, hidden)}
    template = template_of(
        ["img", *(["c1", "c2", "c3"] if letters else ["kind"])], test, [0.3, 0.3, 0.4] if letters else ["1"]
    )
    stands_for = {f"c{name}": name for name in classes}
    grader = (
        column_log_loss(template, truth, stands_for) if letters else cells_right(template, truth, lambda name: name[0])
    )
    return invented(
        "knots" if letters else "planks", files, template, truth, grader, task="single_label",
        value="probability" if letters else "label", metric="log_loss" if letters else "accuracy",
        says="Log loss." if letters else "Accuracy.", classes=classes, train=45,
        labels=["train.jsonl" if letters else "train.csv", "kind"],
    )  # fmt: skip


INVENTED = (
    _numbers_in_other_form(letters=True),
    _numbers_in_other_form(letters=False),
    _two_words_a_picture(),
    _row_a_pair(),
    _marks_that_differ(),
    _words_and_no_value(),
    _other_order(),
    _grades(),
    _ordered_words(),
    _codes_far_apart(),
    _counts(telling=True),
    _counts(telling=False),
    _points(),
    _votes(),
    _marks(),
    _comma_tags(),
    _listed_tags(),
    _row_a_tag(),
    _top_three(),
    _hot_columns_one_answer(),
    _leaks(),
)
