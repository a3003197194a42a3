"""Stand-ins of competitions with plants in them."""

from __future__ import annotations

import json
import random

from . import graders
from .drawing import leaf, sevenz, zipped
from .form import Files, StandIn, Table, dealt, hexes, page_of, template_of
from .making import TEST, as_named, chance_of, expects, one_hot, pictures

__all__ = ["STAND_INS"]


def _aerial_cactus(inner_folder: bool) -> StandIn:
    """Zips in the bundle: Kaggle's hold a folder of their own name, the ones of a re-split do not."""
    names = [f"{name}.jpg" for name in hexes("cactus", 130, 32)]
    numbers = dealt("cactus", 130, 2, most=0.5, common=1)
    train, test = names[:100], names[100:]
    truth = {name: str(number) for name, number in zip(test, numbers[100:])}
    template = template_of(["id", "has_cactus"], test, ["0.5"])
    inner = ("train/{}", "test/{}") if inner_folder else ("{}", "{}")
    return StandIn(
        name="aerial-cactus-identification" + ("" if inner_folder else "--flat"),
        files={
            "sample_submission.csv": template.csv(),
            "test.zip": zipped(pictures(inner[1], test, numbers[100:], 2, TEST)),
            "train.csv": Table.of(["id", "has_cactus"], list(zip(train, numbers))).csv(),
            "train.zip": zipped(pictures(inner[0], train, numbers, 2, 0)),
        },
        page=page_of(
            "aerial-cactus-identification",
            "Aerial Cactus Identification",
            "Area Under Receiver Operating Characteristic Curve",
            "Answers are scored by the area under the ROC curve between the predicted probability and the observed "
            "target. For every id in the test set give a probability for has_cactus.",
        ),
        template=template,
        truth=truth,
        grader=graders.auc(template, truth),
        answer=chance_of(template, truth, "1"),
        bad_value="1.5",
        expected=expects(
            "single_label",
            ["0", "1"],
            ("train.csv", "has_cactus"),
            template,
            "probability",
            "auc",
            100,
            ids="id",
            targets=["has_cactus"],
        ),
    )


_CASSAVA = {
    "0": "Cassava Bacterial Blight (CBB)",
    "1": "Cassava Brown Streak Disease (CBSD)",
    "2": "Cassava Green Mottle (CGM)",
    "3": "Cassava Mosaic Disease (CMD)",
    "4": "Healthy",
}


def _cassava(tests: int) -> StandIn:
    """Ids of digits with .jpg, tfrecords beside the pictures, one class for most of them. Where only notebooks are
    accepted, the download has a single test picture."""
    chance = random.Random("cassava")
    names = [f"{number}.jpg" for number in chance.sample(range(6103, 4_290_000_000), 110 + tests)]
    numbers = dealt("cassava", 110 + tests, 5, most=0.5, common=3)
    train, test = sorted(names[:110], key=lambda name: int(name[:-4])), names[110:]
    truth = {name: str(number) for name, number in zip(test, numbers[110:])}
    template = template_of(["image_id", "label"], test, ["4"])
    files: Files = {
        "label_num_to_disease_map.json": json.dumps(_CASSAVA).encode(),
        "sample_submission.csv": template.csv(),
        "train.csv": Table.of(["image_id", "label"], list(zip(train, numbers))).csv(),
        "train_tfrecords/ld_train00-1338.tfrec": bytes(range(64)),
        "train_tfrecords/ld_train01-1338.tfrec": bytes(range(64)),
        "test_tfrecords/ld_test00-1.tfrec": bytes(range(32)),
    }
    files |= pictures("train_images/{}", train, numbers, 5, 0) | pictures(
        "test_images/{}", test, numbers[110:], 5, TEST
    )
    return StandIn(
        name="cassava-leaf-disease-classification" + ("--code" if tests == 1 else ""),
        files=files,
        page=page_of(
            "cassava-leaf-disease-classification",
            "Cassava Leaf Disease Classification",
            "Categorization Accuracy",
            "Answers are scored by their categorization accuracy. The file has a header and two columns, image_id and "
            "label.",
        ),
        template=template,
        truth=truth,
        grader=graders.accuracy(template, truth, list(_CASSAVA)),
        answer=as_named(template, truth),
        bad_value="0.2",
        expected=expects(
            "single_label",
            ["0", "1", "2", "3", "4"],
            ("train.csv", "label"),
            template,
            "label",
            "accuracy",
            110,
            ids="image_id",
            targets=["label"],
        ),
    )


def _invasive_species() -> StandIn:
    """7z and zipped CSVs; the ids of both splits start at 1."""
    numbers, hidden = dealt("invasive", 90, 2, most=0.25, common=1), dealt("invasive test", 30, 2)
    train, test = [str(n + 1) for n in range(90)], [str(n + 1) for n in range(30)]
    truth = {name: str(number) for name, number in zip(test, hidden)}
    template = template_of(["name", "invasive"], test, ["0.5"])
    labels = Table.of(["name", "invasive"], list(zip(train, numbers)))
    return StandIn(
        name="invasive-species-monitoring",
        files={
            "sample_submission.csv.zip": zipped({"sample_submission.csv": template.csv()}),
            "test.7z": sevenz(pictures("test/{}.jpg", test, hidden, 2, TEST, side=40)),
            "train.7z": sevenz(pictures("train/{}.jpg", train, numbers, 2, 0, side=40)),
            "train_labels.csv.zip": zipped({"train_labels.csv": labels.csv()}),
        },
        page=page_of(
            "invasive-species-monitoring",
            "Invasive Species Monitoring",
            "Area Under Receiver Operating Characteristic Curve",
            "The score is the area under the ROC curve between the predicted probability and the observed target: give "
            "for every image in the test set the probability that it shows the invasive species.",
        ),
        template=template,
        truth=truth,
        grader=graders.auc(template, truth),
        answer=chance_of(template, truth, "1"),
        bad_value="-0.1",
        expected=expects(
            "single_label",
            ["0", "1"],
            ("train_labels.csv", "invasive"),
            template,
            "probability",
            "auc",
            90,
            ids="name",
            targets=["invasive"],
        ),
    )


_SPECIES = (
    "Acer_Capillipes",
    "Acer_Circinatum",
    "Alnus_Cordata",
    "Betula_Pendula",
    "Castanea_Sativa",
    "Cornus_Controversa",
    "Ginkgo_Biloba",
    "Quercus_Ilex",
    "Tilia_Platyphyllos",
)


def _leaf_classification() -> StandIn:
    """Every file zipped, both splits in images/, and 192 features that are no labels."""
    chance = random.Random("leaf")
    names = [str(n) for n in chance.sample(range(1, 120), 119)]
    numbers = dealt("leaf", 119, 9)
    train = sorted(zip(names[:90], numbers[:90]), key=lambda pair: int(pair[0]))
    test = sorted(zip(names[90:], numbers[90:]), key=lambda pair: int(pair[0]))
    features = [f"{kind}{n}" for kind in ("margin", "shape", "texture") for n in range(1, 65)]

    def measured(number: int) -> list[str]:
        return [f"{chance.uniform(0, 0.01) + 0.001 * (number == at % 9):.6f}" for at in range(192)]

    training = [(name, _SPECIES[number], *measured(number)) for name, number in train]
    tested = [(name, *measured(number)) for name, number in test]
    truth = {name: _SPECIES[number] for name, number in test}
    template = template_of(["id", *_SPECIES], list(truth), [1 / 9] * 9)
    images: Files = {f"images/{name}.jpg": leaf(number, int(name)) for name, number in [*train, *test]}
    return StandIn(
        name="leaf-classification",
        files={
            "images.zip": zipped(images),
            "sample_submission.csv.zip": zipped({"sample_submission.csv": template.csv()}),
            "test.csv.zip": zipped({"test.csv": Table.of(["id", *features], tested).csv()}),
            "train.csv.zip": zipped({"train.csv": Table.of(["id", "species", *features], training).csv()}),
        },
        page=page_of(
            "leaf-classification",
            "Leaf Classification",
            "Multiclass Loss",
            "The score is the multi-class logarithmic loss. For every image give a probability for each species.",
        ),
        template=template,
        truth=truth,
        grader=graders.multiclass_log_loss(template, truth, rows_sum_to_1=True),
        answer=one_hot(template, truth),
        best=0.0,
        larger_is_better=False,
        bad_value="1.01",
        expected=expects(
            "single_label",
            list(_SPECIES),
            ("train.csv", "species"),
            template,
            "probability",
            "log_loss",
            90,
            ids="id",
            targets=["species"],
        ),
    )


_PADDY = (
    "bacterial_leaf_blight",
    "bacterial_leaf_streak",
    "bacterial_panicle_blight",
    "blast",
    "brown_spot",
    "dead_heart",
    "downy_mildew",
    "hispa",
    "normal",
    "tungro",
)


def _paddy() -> StandIn:
    """Labels twice, in a CSV and as folders; the template's answers are empty."""
    chance = random.Random("paddy")
    train, test = [f"{100001 + n}.jpg" for n in range(120)], [f"{200001 + n}.jpg" for n in range(30)]
    numbers, hidden = sorted(dealt("paddy", 120, 10)), dealt("paddy test", 30, 10)
    varieties = ("ADT45", "KarnatakaPonni", "Ponni", "AndraPonni", "Zonal")
    rows = [
        (name, _PADDY[number], chance.choice(varieties), chance.randrange(45, 83))
        for name, number in zip(train, numbers)
    ]
    truth = {name: _PADDY[number] for name, number in zip(test, hidden)}
    template = template_of(["image_id", "label"], test, [""])
    inner = [f"{_PADDY[number]}/{name}" for name, number in zip(train, numbers)]
    return StandIn(
        name="paddy-disease-classification",
        files={
            "sample_submission.csv": template.csv(),
            "train.csv": Table.of(["image_id", "label", "variety", "age"], rows).csv(),
            **pictures("train_images/{}", inner, numbers, 10, 0),
            **pictures("test_images/{}", test, hidden, 10, TEST),
        },
        page=page_of(
            "paddy-disease-classification",
            "Paddy Doctor: Paddy Disease Classification",
            "Categorization Accuracy",
            "The score is the accuracy: the share of test images whose disease is named rightly.",
        ),
        template=template,
        truth=truth,
        grader=graders.accuracy(template, truth, _PADDY),
        answer=as_named(template, truth),
        bad_value="",
        expected=expects("single_label", list(_PADDY), ("train",), template, "label", "accuracy", 120),
    )


STAND_INS = (
    _aerial_cactus(inner_folder=True),
    _aerial_cactus(inner_folder=False),
    _cassava(tests=30),
    _cassava(tests=1),
    _invasive_species(),
    _leaf_classification(),
    _paddy(),
)
