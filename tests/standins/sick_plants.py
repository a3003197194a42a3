"""Stand-ins of competitions about sick plants and seedlings."""

from __future__ import annotations

from . import graders
from .drawing import tags
from .form import Files, StandIn, Table, dealt, hexes, page_of, template_of
from .making import TEST, as_named, expects, listed, one_hot, pictures

__all__ = ["STAND_INS"]


def _plant_pathology_2020() -> StandIn:
    """One images/ folder for both splits, four one-hot columns."""
    classes = ["healthy", "multiple_diseases", "rust", "scab"]
    train, test = [f"Train_{n}" for n in range(100)], [f"Test_{n}" for n in range(32)]
    numbers, hidden = dealt("pathology", 100, 4), dealt("pathology test", 32, 4)
    rows = [(name, *(int(at == number) for at in range(4))) for name, number in zip(train, numbers)]
    truth = {name: classes[number] for name, number in zip(test, hidden)}
    template = template_of(["image_id", *classes], test, ["0.25"] * 4)
    return StandIn(
        name="plant-pathology-2020-fgvc7",
        files={
            "sample_submission.csv": template.csv(),
            "test.csv": Table.of(["image_id"], [(name,) for name in test]).csv(),
            "train.csv": Table.of(["image_id", *classes], rows).csv(),
            **pictures("images/{}.jpg", train, numbers, 4, 0),
            **pictures("images/{}.jpg", test, hidden, 4, TEST),
        },
        page=page_of(
            "plant-pathology-2020-fgvc7",
            "Plant Pathology 2020 - FGVC7",
            "Mean Columnwise Area Under Receiver Operating Characteristic Curve",
            "The score is the mean column-wise ROC AUC: the average of the areas under the curve of each predicted "
            "column. For every image_id give a probability for each target.",
        ),
        template=template,
        truth=truth,
        grader=graders.mean_column_auc(template, truth),
        answer=one_hot(template, truth),
        bad_value="2",
        expected=expects(
            "single_label",
            classes,
            ("train.csv",),
            template,
            "probability",
            "auc",
            100,
            ids="image_id",
            targets=classes,
        ),
    )


def _plant_pathology_2021(tests: int) -> StandIn:
    """Tags in one column; where only notebooks are accepted, the download has three test pictures."""
    words = ["complex", "frog_eye_leaf_spot", "healthy", "powdery_mildew", "rust", "scab"]
    seen = [(5,), (2,), (1,), (4,), (0,), (3,), (5, 1), (5, 1, 0), (1, 0), (4, 1), (4, 0), (3, 0)]
    names = [f"{name}.jpg" for name in sorted(hexes("pathology 2021", 120 + tests, 16))]
    chosen = [seen[number] for number in dealt("pathology 2021", 120 + tests, len(seen))]
    train, test = names[:120], names[120:]
    rows = [(name, " ".join(words[tag] for tag in mine)) for name, mine in zip(train, chosen)]
    truth = {name: tuple(words[tag] for tag in mine) for name, mine in zip(test, chosen[120:])}
    template = template_of(["image", "labels"], test, ["healthy"])
    files: Files = {
        "sample_submission.csv": template.csv(),
        "train.csv": Table.of(["image", "labels"], rows).csv(),
    }
    files |= {f"train_images/{name}": tags(mine, 6, at) for at, (name, mine) in enumerate(zip(train, chosen))}
    files |= {
        f"test_images/{name}": tags(mine, 6, TEST + at) for at, (name, mine) in enumerate(zip(test, chosen[120:]))
    }
    return StandIn(
        name="plant-pathology-2021-fgvc8" + ("--code" if tests == 3 else ""),
        files=files,
        page=page_of(
            "plant-pathology-2021-fgvc8",
            "Plant Pathology 2021 - FGVC8",
            "Mean F1-Score",
            "The score is the micro-averaged F1 over all labels. A leaf with several diseases gets all of their names "
            "in labels, with blanks between them.",
        ),
        template=template,
        truth=truth,
        grader=graders.tag_f1_micro(template, truth),
        answer=listed(template, truth),
        expected=expects(
            "multi_label",
            words,
            ("train.csv", "labels"),
            template,
            "tags",
            "f1_micro",
            120,
            ids="image",
            targets=["labels"],
        ),
    )


_SEEDLINGS = (
    "Black-grass",
    "Charlock",
    "Cleavers",
    "Common Chickweed",
    "Common wheat",
    "Fat Hen",
    "Loose Silky-bent",
    "Maize",
    "Scentless Mayweed",
    "Shepherds Purse",
    "Small-flowered Cranesbill",
    "Sugar beet",
)


def _plant_seedlings() -> StandIn:
    """Class folders with blanks in their names, and no CSV of labels."""
    names = [f"{name}.png" for name in hexes("seedlings", 156, 9)]
    numbers = dealt("seedlings", 156, 12)
    inner = [f"{_SEEDLINGS[number]}/{name}" for name, number in zip(names[:120], numbers)]
    test = names[120:]
    truth = {name: _SEEDLINGS[number] for name, number in zip(test, numbers[120:])}
    template = template_of(["file", "species"], test, ["Sugar beet"])
    return StandIn(
        name="plant-seedlings-classification",
        files={
            "sample_submission.csv": template.csv(),
            **pictures("train/{}", inner, numbers, 12, 0, form="PNG"),
            **pictures("test/{}", test, numbers[120:], 12, TEST, form="PNG"),
        },
        page=page_of(
            "plant-seedlings-classification",
            "Plant Seedlings Classification",
            "MeanFScore",
            "The score is MeanFScore, which here is a micro-averaged F1 score: precision and recall are counted over "
            "all classes together. For every file name its species.",
        ),
        template=template,
        truth=truth,
        grader=graders.label_f1(template, truth, "micro", "file", _SEEDLINGS),
        answer=as_named(template, truth),
        bad_value="",
        expected=expects("single_label", list(_SEEDLINGS), ("train",), template, "label", "f1_micro", 120),
    )


STAND_INS = (
    _plant_pathology_2020(),
    _plant_pathology_2021(tests=36),
    _plant_pathology_2021(tests=3),
    _plant_seedlings(),
)
