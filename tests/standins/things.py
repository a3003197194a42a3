"""Stand-ins of competitions with digits, drivers, works of art and the Earth in them."""

from __future__ import annotations

import random

from . import graders
from .drawing import digit, sevenz, tags, tar, zipped
from .form import Files, StandIn, Table, dealt, hexes, page_of, template_of
from .making import TEST, as_named, expects, listed, one_hot, pictures

__all__ = ["STAND_INS"]


def _digit_recognizer() -> StandIn:
    """No picture files: 784 grey values a row; the test rows have no id, their number counts."""
    numbers, hidden = dealt("digits", 120, 10), dealt("digits test", 30, 10)
    pixels = [f"pixel{n}" for n in range(784)]
    truth = {str(at + 1): str(number) for at, number in enumerate(hidden)}
    template = template_of(["ImageId", "Label"], list(truth), ["0"])
    digits = [str(n) for n in range(10)]

    def training() -> bytes:
        rows = [(number, *digit(number, at)) for at, number in enumerate(numbers)]
        return Table.of(["label", *pixels], rows).csv()

    def tested() -> bytes:
        return Table.of(pixels, [digit(number, TEST + at) for at, number in enumerate(hidden)]).csv()

    return StandIn(
        name="digit-recognizer",
        files={"sample_submission.csv": template.csv(), "test.csv": tested, "train.csv": training},
        page=page_of(
            "digit-recognizer",
            "Digit Recognizer",
            "Categorization Accuracy",
            "The score is the categorization accuracy: the share of test images that are classified rightly. For each "
            "ImageId predict the Label.",
        ),
        template=template,
        truth=truth,
        grader=graders.accuracy(template, truth, digits),
        answer=as_named(template, truth),
        bad_value="10",
        expected=expects(
            "single_label",
            digits,
            ("train.csv", "label"),
            template,
            "label",
            "accuracy",
            120,
            targets=["label"],
        ),
    )


_OBJECTS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def _cifar_10() -> StandIn:
    """7z archives of .png, trainLabels.csv, and ids of both splits that start at 1."""
    numbers, hidden = dealt("cifar", 120, 10), dealt("cifar test", 40, 10)
    train = [str(n + 1) for n in range(120)]
    truth = {str(at + 1): _OBJECTS[number] for at, number in enumerate(hidden)}
    template = template_of(["id", "label"], list(truth), ["cat"])
    labels = Table.of(["id", "label"], [(name, _OBJECTS[number]) for name, number in zip(train, numbers)])
    return StandIn(
        name="cifar-10",
        files={
            "sampleSubmission.csv": template.csv(),
            "test.7z": sevenz(pictures("test/{}.png", list(truth), hidden, 10, TEST, form="PNG")),
            "train.7z": sevenz(pictures("train/{}.png", train, numbers, 10, 0, form="PNG")),
            "trainLabels.csv": labels.csv(),
        },
        page=page_of(
            "cifar-10",
            "CIFAR-10 - Object Recognition in Images",
            "Categorization Accuracy",
            "The score is the classification accuracy: the share of test images whose label is right. For each id give "
            "one of the ten labels.",
        ),
        template=template,
        truth=truth,
        grader=graders.accuracy(template, truth, _OBJECTS),
        answer=as_named(template, truth),
        bad_value="",
        expected=expects(
            "single_label",
            _OBJECTS,
            ("trainLabels.csv", "label"),
            template,
            "label",
            "accuracy",
            120,
            at="sampleSubmission.csv",
            ids="id",
            targets=["label"],
        ),
    )


def _state_farm() -> StandIn:
    """Class folders, and a list that tells each picture's driver: validation must keep drivers apart."""
    chance = random.Random("state farm")
    classes = [f"c{n}" for n in range(10)]
    names = [f"img_{number}.jpg" for number in chance.sample(range(1, 102_150), 150)]
    numbers = [at % 10 for at in range(120)]
    train, test = names[:120], sorted(names[120:])
    subjects = ["p002", "p012", "p014", "p015", "p016", "p021", "p022", "p024", "p026", "p035", "p039", "p041"]
    rows = [(subjects[at // 10], classes[number], name) for at, (name, number) in enumerate(zip(train, numbers))]
    hidden = dealt("state farm test", 30, 10)
    truth = {name: classes[number] for name, number in zip(test, hidden)}
    template = template_of(["img", *classes], test, ["1", *["0"] * 9])
    inner = [f"{classes[number]}/{name}" for name, number in zip(train, numbers)]
    return StandIn(
        name="state-farm-distracted-driver-detection",
        files={
            "driver_imgs_list.csv": Table.of(["subject", "classname", "img"], rows).csv(),
            "sample_submission.csv": template.csv(),
            **pictures("imgs/train/{}", inner, numbers, 10, 0),
            **pictures("imgs/test/{}", test, hidden, 10, TEST),
        },
        page=page_of(
            "state-farm-distracted-driver-detection",
            "State Farm Distracted Driver Detection",
            "Multiclass Loss",
            "The score is the multi-class logarithmic loss. For each image give a probability for each class. The "
            "probabilities of an image need not sum to one, because each row is rescaled.",
        ),
        template=template,
        truth=truth,
        grader=graders.multiclass_log_loss(template, truth, rows_sum_to_1=False),
        answer=one_hot(template, truth),
        best=0.0,
        larger_is_better=False,
        bad_value="1.5",
        expected=expects(
            "single_label",
            classes,
            ("img",),  # the list and the folders say the same
            template,
            "probability",
            "log_loss",
            120,
            group="subject",
        ),
    )


_EARTH = ["agriculture", "clear", "cultivation", "habitation", "haze", "primary", "road", "water"]


def _planet() -> StandIn:
    """Tars in 7z, two archives of test pictures, zipped CSVs with a Mac's leavings, torrents, a list of renamed
    files."""
    seen = [
        "haze primary",
        "agriculture clear primary water",
        "clear primary",
        "agriculture clear habitation primary road",
    ]
    seen += ["clear primary water", "clear cultivation primary", "haze primary water", "agriculture clear primary road"]
    seen += ["clear habitation road", "agriculture cultivation haze"]
    chosen = [seen[number].split() for number in dealt("planet", 120, len(seen))]
    hidden = [seen[number].split() for number in dealt("planet test", 36, len(seen))]
    test = [*(f"test_{n}" for n in range(24)), *(f"file_{n}" for n in range(12))]
    truth = {name: tuple(words) for name, words in zip(test, hidden)}
    template = template_of(["image_name", "tags"], test, ["primary clear agriculture road water"])
    labels = Table.of(["image_name", "tags"], [(f"train_{at}", " ".join(words)) for at, words in enumerate(chosen)])
    renamed = Table.of(["old", "new"], [(f"file_{n}.jpg", f"test_{40669 + n}.jpg") for n in range(5)])

    def seen_from_above(folder: str, names: list[str], told: list[list[str]], seed: int) -> Files:
        return {
            f"{folder}/{name}.jpg": tags([_EARTH.index(word) for word in words], 8, seed + at)
            for at, (name, words) in enumerate(zip(names, told))
        }

    train = seen_from_above("train-jpg", [f"train_{at}" for at in range(120)], chosen, 0)
    first = seen_from_above("test-jpg", test[:24], hidden[:24], TEST)
    more = seen_from_above("test-jpg-additional", test[24:], hidden[24:], TEST + 24)
    return StandIn(
        name="planet-understanding-the-amazon-from-space",
        files={
            "Kaggle-planet-test-tif.torrent": b"d8:announce3:urle",
            "Kaggle-planet-train-tif.torrent": b"d8:announce3:urle",
            "sample_submission_v2.csv.zip": zipped({"sample_submission_v2.csv": template.csv()}),
            "test-jpg-additional.tar.7z": sevenz({"test-jpg-additional.tar": tar(more)}),
            "test-jpg.tar.7z": sevenz({"test-jpg.tar": tar(first)}),
            "test_v2_file_mapping.csv.zip": zipped({"test_v2_file_mapping.csv": renamed.csv()}),
            "train-jpg.tar.7z": sevenz({"train-jpg.tar": tar({"train-jpg/._train_0.jpg": b"\0\5\x16\7"} | train)}),
            "train_v2.csv.zip": zipped({"train_v2.csv": labels.csv(), "__MACOSX/._train_v2.csv": b"\0\5\x16\7"}),
        },
        page=page_of(
            "planet-understanding-the-amazon-from-space",
            "Planet: Understanding the Amazon from Space",
            "Mean F-Score (Beta 2)",
            "The score is the mean F2 score: the F score with beta 2 of each image, averaged over images, in which "
            "recall weighs more than precision. For each image give its tags with blanks between them.",
        ),
        template=template,
        truth=truth,
        grader=graders.mean_f2(template, truth),
        answer=listed(template, truth),
        expected=expects(
            "multi_label",
            _EARTH,
            ("train_v2.csv", "tags"),
            template,
            "tags",
            "f2",
            120,
            at="sample_submission_v2.csv",
            ids="image_name",
            targets=["tags"],
        ),
    )


def _imet() -> StandIn:
    """Tags that are numbers; labels.csv names the attributes and holds no labels."""
    attributes = ["0", "1", "2", "13", "147", "448", "625", "782", "813", "1039", "2362", "3110"]
    kinds = ("country", "culture", "dimension", "medium", "tags")
    named = [
        (number, f"{kinds[at % 5]}::{word}") for at, (number, word) in enumerate(zip(attributes, _OBJECTS + _EARTH))
    ]
    chance = random.Random("imet")
    names = sorted(hexes("imet", 150, 32))
    chosen = [sorted(chance.sample(range(12), chance.choice((1, 2, 3, 3, 4)))) for _ in names]
    words = [tuple(attributes[number] for number in mine) for mine in chosen]
    train, test = names[:120], names[120:]
    rows = [(name, " ".join(mine)) for name, mine in zip(train, words)]
    truth = dict(zip(test, words[120:]))
    template = template_of(["id", "attribute_ids"], test, ["0 1 2"])
    files: Files = {
        "labels.csv": Table.of(["attribute_id", "attribute_name"], named).csv(),
        "sample_submission.csv": template.csv(),
        "train.csv": Table.of(["id", "attribute_ids"], rows).csv(),
    }
    for at, (name, mine) in enumerate(zip(names, chosen)):
        files[f"{'train' if at < 120 else 'test'}/{name}.png"] = tags(mine, 12, at, form="PNG")
    return StandIn(
        name="imet-2020-fgvc7",
        files=files,
        page=page_of(
            "imet-2020-fgvc7",
            "iMet Collection 2020 - FGVC7",
            "F-Score (Micro)",
            "The score is the micro averaged F1 score. For each id give the attribute ids of the work of art, with "
            "blanks between them.",
        ),
        template=template,
        truth=truth,
        grader=graders.tag_f1_micro(template, truth, whole_numbers=True),
        answer=listed(template, truth),
        bad_value="medium::gold",
        expected=expects(
            "multi_label",
            attributes,
            ("train.csv", "attribute_ids"),
            template,
            "tags",
            "f1_micro",
            120,
            ids="id",
            targets=["attribute_ids"],
        ),
    )


STAND_INS = (_digit_recognizer(), _cifar_10(), _state_farm(), _planet(), _imet())
