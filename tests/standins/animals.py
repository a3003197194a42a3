"""Stand-ins of competitions with animals in them."""

from __future__ import annotations

import random
import uuid

from . import graders
from .drawing import amount, zipped
from .form import Files, StandIn, Table, dealt, hexes, page_of, perfect, template_of
from .making import TEST, as_named, chance_of, expects, one_hot, pictures

__all__ = ["STAND_INS"]

_BREEDS = (
    "affenpinscher",
    "basenji",
    "black-and-tan_coonhound",
    "boston_bull",
    "golden_retriever",
    "great_dane",
    "mexican_hairless",
    "scottish_deerhound",
    "west_highland_white_terrier",
    "yorkshire_terrier",
)


def _dog_breed() -> StandIn:
    """labels.csv, ids without ending, a column a breed, rows that have to sum to 1."""
    names = hexes("dog breed", 140, 32)
    numbers = dealt("dog breed", 140, 10)
    train, test = sorted(names[:110]), sorted(names[110:])
    rows = [(name, _BREEDS[number]) for name, number in zip(train, numbers)]
    truth = {name: _BREEDS[number] for name, number in zip(test, numbers[110:])}
    template = template_of(["id", *_BREEDS], test, [1 / 10] * 10)
    return StandIn(
        name="dog-breed-identification",
        files={
            "labels.csv": Table.of(["id", "breed"], rows).csv(),
            "sample_submission.csv": template.csv(),
            **pictures("train/{}.jpg", train, numbers, 10, 0),
            **pictures("test/{}.jpg", test, numbers[110:], 10, TEST),
        },
        page=page_of(
            "dog-breed-identification",
            "Dog Breed Identification",
            "Multiclass Loss",
            "The score is the multi-class log loss between the predicted probability and the observed target. For each "
            "image in the test set give a probability for each breed.",
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
            _BREEDS,
            ("labels.csv", "breed"),
            template,
            "probability",
            "log_loss",
            110,
            ids="id",
            targets=["breed"],
        ),
    )


def _dogs_and_cats(redux: bool) -> StandIn:
    """The class is the front of each training picture's name, and a dog is 1: a chance in the later competition, 0 or 1
    in the first."""
    numbers, hidden = dealt("cats", 110, 2), dealt("cats test", 30, 2)
    counts, train = [0, 0], []
    for number in numbers:
        train.append(f"{('cat', 'dog')[number]}.{counts[number]}")
        counts[number] += 1
    truth = {str(at + 1): ("cat", "dog")[number] for at, number in enumerate(hidden)}
    template = template_of(["id", "label"], list(truth), ["0.5" if redux else "0"])
    test, at = ("test", "sample_submission.csv") if redux else ("test1", "sampleSubmission.csv")
    marks = {name: str(int(right == "dog")) for name, right in truth.items()}
    return StandIn(
        name="dogs-vs-cats" + ("-redux-kernels-edition" if redux else ""),
        files={
            at: template.csv(),
            f"{test}.zip": zipped(pictures(test + "/{}.jpg", list(truth), hidden, 2, TEST)),
            "train.zip": zipped(pictures("train/{}.jpg", train, numbers, 2, 0)),
        },
        page=page_of(
            "dogs-vs-cats-redux-kernels-edition",
            "Dogs vs. Cats Redux: Kernels Edition",
            "Log Loss",
            "The score is the log loss. For each image in the test set predict the probability that it is a dog "
            "(1 = dog, 0 = cat).",
        )
        if redux
        else page_of(
            "dogs-vs-cats",
            "Dogs vs. Cats",
            "Categorization Accuracy",
            "The score is the share of images that are labelled rightly. For each image in the test set give its label "
            "(1 = dog, 0 = cat).",
        ),
        template=template,
        truth=truth,
        grader=graders.binary_log_loss(template, truth, "dog") if redux else graders.accuracy(template, marks, "01"),
        answer=chance_of(template, truth, "dog"),
        best=0.0 if redux else 1.0,
        larger_is_better=not redux,
        bad_value="1.1" if redux else "0.97",
        page_tells=("metric",) if redux else ("metric", "submission.value"),
        expected=expects(
            "single_label",
            ["cat", "dog"],
            ("train",),
            template,
            "probability" if redux else "label",
            "log_loss" if redux else "accuracy",
            110,
            at=at,
        ),
    )


_SPOTTED = ("0", "1", "3", "4", "8", "10", "11", "13", "14", "16", "17", "18", "19", "22")  # 14 of 23 categories


def _iwildcam(index: bool) -> StandIn:
    """Zips without an inner folder, camera locations as groups, more rows than pictures: ids that come twice and ids
    whose picture is missing. The re-split's template (`index`) has row numbers in an unnamed first column and names
    the answer otherwise than Kaggle's."""
    chance = random.Random("iwildcam")
    names = [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(176)]
    numbers = dealt("iwildcam", 176, 14, most=0.2)
    columns = ["category_id", "date_captured", "file_name", "frame_num", "id", "location", "rights_holder", "seq_id"]
    columns += ["seq_num_frames", "width", "height"]
    rows = []
    for at, (name, number) in enumerate(zip(names, numbers)):
        sequence = str(uuid.UUID(int=random.Random(f"sequence {at // 2}").getrandbits(128)))
        where = str(at // 10 + (100 if at >= 140 else 2))
        day = f"2011-05-{at % 28 + 1:02d} {at % 24:02d}:43:18"
        rows.append((_SPOTTED[number], day, f"{name}.jpg", str(at % 2 + 1), name, where, "Justin Brown", sequence))
        rows[-1] += ("2", "1024", "747")
    train, test = names[:140], names[140:]
    gone = {train[7], train[70], test[5]}
    truth = {name: _SPOTTED[number] for name, number in zip(test, numbers[140:])}
    asked = [*test[:20], *test[19:]] if index else test
    header = ["", "Id", "Category"] if index else ["Id", "Predicted"]
    template = Table.of(header, [(*([at] if index else []), name, "0") for at, name in enumerate(asked)])
    tested = [row[1:] for row in rows[140:]]
    tested = [*tested[:20], *tested[19:]] if index else tested
    present = [
        [(name, number) for name, number in zip(some, theirs) if name not in gone]
        for some, theirs in ((train, numbers), (test, numbers[140:]))
    ]
    zips = [
        zipped(pictures("{}.jpg", [name for name, _ in some], [number for _, number in some], 14, seed))
        for some, seed in zip(present, (0, TEST))
    ]
    expected = expects(
        "single_label",
        _SPOTTED,
        ("train.csv", "category_id"),
        template,
        "label",
        "f1_macro",
        138,
        targets=["category_id"],
        group="location",
    )
    if index:
        del expected["test_images"]  # with a repeated id, rows and pictures are both fair counts
    return StandIn(
        name="iwildcam-2019-fgvc6" + ("--index" if index else ""),
        files={
            "sample_submission.csv": template.csv(),
            "test.csv": Table.of(columns[1:], tested).csv(),
            "test_images.zip": zips[1],
            "train.csv": Table.of(columns, [*rows[:140], rows[3], rows[3], rows[90]]).csv(),
            "train_images.zip": zips[0],
        },
        page=page_of(
            "iwildcam-2019-fgvc6",
            "iWildCam 2019 - FGVC6",
            "F-Score (Macro)",
            "The score is the macro F1: F1 is worked out for each class and averaged without weights. Give the whole "
            "number of the category of each image.",
        ),
        template=template,
        truth=truth,
        grader=graders.label_f1(template, truth, "macro", "Id", [str(n) for n in range(23)]),
        answer=as_named(template, truth, "Id"),
        bad_value="1.5",
        expected=expected,
    )


def _humpback() -> StandIn:
    """Five names by rank; whales with a single picture; new_whale is a class of the training set."""
    whales = [f"w_{name}" for name in ["23a388d", "9b5109b", "9c506f6", "0369a5c", *hexes("whales", 8, 7)]]
    classes = ["new_whale", *whales]
    numbers = [*dealt("humpback", 96, 11, most=0.3), 11, 12]  # the last two whales are seen once
    hidden = dealt("humpback test", 30, 13)
    names = [f"{name}.jpg" for name in hexes("humpback", 128, 9)]
    train, test = names[:98], sorted(names[98:])
    rows = sorted((name, classes[number]) for name, number in zip(train, numbers))
    truth = {name: classes[number] for name, number in zip(test, hidden)}
    template = template_of(["Image", "Id"], test, [" ".join(classes[:5])])

    def five(right: str) -> dict[str, str]:
        return {"Id": " ".join([right, *(name for name in classes if name != right)][:5])}

    return StandIn(
        name="humpback-whale-identification",
        files={
            "sample_submission.csv": template.csv(),
            "train.csv": Table.of(["Image", "Id"], rows).csv(),
            **pictures("train/{}", train, numbers, 13, 0),
            **pictures("test/{}", test, hidden, 13, TEST),
        },
        page=page_of(
            "humpback-whale-identification",
            "Humpback Whale Identification",
            "MAP@{K}",
            "The score is the mean average precision at 5 (MAP@5). For each Image name up to five whales, best first, "
            "with blanks between them; whales that are not in the training data are new_whale.",
        ),
        template=template,
        truth=truth,
        grader=graders.map_at_5(template, truth),
        answer=perfect(template, truth, "Image", five),
        bad_value="",
        expected=expects(
            "single_label",
            sorted(classes),
            ("train.csv", "Id"),
            template,
            "ranked",
            "map@5",
            98,
            ids="Image",
            targets=["Id"],
            top=5,
        ),
    )


_PET_MARKS = ["Subject Focus", "Eyes", "Face", "Near", "Action", "Accessory", "Group", "Collage", "Human", "Occlusion"]
_PET_MARKS += ["Info", "Blur"]


def _pawpularity(tests: int) -> StandIn:
    """A number of 1 to 100, beside twelve columns of yes and no. Where only notebooks are accepted, the download has
    eight test pictures."""
    chance = random.Random("pawpularity")
    names = hexes("pawpularity", 120 + tests, 32)
    amounts = [min(100, max(1, round(chance.gauss(45, 25)))) for _ in names]
    marks = [[str(int(chance.random() < 0.4)) for _ in _PET_MARKS] for _ in names]
    train, test = names[:120], names[120:]
    truth = {name: float(number) for name, number in zip(test, amounts[120:])}
    template = template_of(["Id", "Pawpularity"], test, ["64.06"])
    rows = [(name, *mine, number) for name, mine, number in zip(train, marks, amounts)]
    tested = [(name, *mine) for name, mine in zip(test, marks[120:])]
    files: Files = {
        "sample_submission.csv": template.csv(),
        "test.csv": Table.of(["Id", *_PET_MARKS], tested).csv(),
        "train.csv": Table.of(["Id", *_PET_MARKS, "Pawpularity"], rows).csv(),
    }
    for at, (name, number) in enumerate(zip(names, amounts)):
        files[f"{'train' if at < 120 else 'test'}/{name}.jpg"] = amount((number - 1) / 99, at)
    return StandIn(
        name="petfinder-pawpularity-score" + ("--code" if tests == 8 else ""),
        files=files,
        page=page_of(
            "petfinder-pawpularity-score",
            "PetFinder.my - Pawpularity Contest",
            "Root Mean Squared Error",
            "The score is the root mean squared error (RMSE) between the predicted and the true Pawpularity. For each "
            "Id predict that value, a number from 1 to 100.",
        ),
        template=template,
        truth=truth,
        grader=graders.rmse(template, truth, 1, 100),
        answer=as_named(template, truth),
        best=0.0,
        larger_is_better=False,
        bad_value="100.5",
        expected=expects(
            "regression",
            None,
            ("train.csv", "Pawpularity"),
            template,
            "number",
            "rmse",
            120,
            ids="Id",
            targets=["Pawpularity"],
        ),
    )


STAND_INS = (
    _dog_breed(),
    _dogs_and_cats(redux=True),
    _dogs_and_cats(redux=False),
    _iwildcam(index=False),
    _iwildcam(index=True),
    _humpback(),
    _pawpularity(tests=30),
    _pawpularity(tests=8),
)
