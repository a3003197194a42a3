"""Stand-ins of medical competitions."""

from __future__ import annotations

import random

from . import graders
from .drawing import dicom, sevenz
from .form import Files, StandIn, Table, dealt, hexes, page_of, template_of
from .making import TEST, as_named, chance_of, expects, one_hot, pictures

__all__ = ["STAND_INS"]


def _aptos() -> StandIn:
    """Grades 0 to 4, ids without ending, a test.csv of ids alone."""
    names = hexes("aptos", 140, 12)
    numbers = dealt("aptos", 140, 5, most=0.3)
    train, test = sorted(names[:110]), sorted(names[110:])
    truth = {name: str(number) for name, number in zip(test, numbers[110:])}
    template = template_of(["id_code", "diagnosis"], test, ["0"])
    grades = ["0", "1", "2", "3", "4"]
    return StandIn(
        name="aptos2019-blindness-detection",
        files={
            "sample_submission.csv": template.csv(),
            "test.csv": Table.of(["id_code"], [(name,) for name in test]).csv(),
            "train.csv": Table.of(["id_code", "diagnosis"], list(zip(train, numbers))).csv(),
            **pictures("train_images/{}.png", train, numbers, 5, 0, form="PNG"),
            **pictures("test_images/{}.png", test, numbers[110:], 5, TEST, form="PNG"),
        },
        page=page_of(
            "aptos2019-blindness-detection",
            "APTOS 2019 Blindness Detection",
            "Quadratic Weighted Kappa",
            "The score is the quadratic weighted kappa, which measures how far two gradings agree. A clinician rated "
            "each eye from 0 (no retinopathy) to 4 (proliferative); predict that whole number.",
        ),
        template=template,
        truth=truth,
        grader=graders.kappa(template, truth, grades),
        answer=as_named(template, truth),
        bad_value="2.0",
        expected=expects(
            "single_label",
            grades,
            ("train.csv", "diagnosis"),
            template,
            "label",
            "kappa",
            110,
            ids="id_code",
            targets=["diagnosis"],
        ),
    )


def _histopathologic() -> StandIn:
    """Pictures as .tif, labels of 0 and 1, and a template of zeros where chances are asked for."""
    names = hexes("histopathologic", 140, 40)
    numbers = dealt("histopathologic", 140, 2)
    train, test = names[:110], names[110:]
    truth = {name: str(number) for name, number in zip(test, numbers[110:])}
    template = template_of(["id", "label"], test, ["0"])
    return StandIn(
        name="histopathologic-cancer-detection",
        files={
            "sample_submission.csv": template.csv(),
            "train_labels.csv": Table.of(["id", "label"], list(zip(train, numbers))).csv(),
            **pictures("train/{}.tif", train, numbers, 2, 0, form="TIFF"),
            **pictures("test/{}.tif", test, numbers[110:], 2, TEST, form="TIFF"),
        },
        page=page_of(
            "histopathologic-cancer-detection",
            "Histopathologic Cancer Detection",
            "Area Under Receiver Operating Characteristic Curve",
            "The score is the area under the ROC curve between the predicted probability and the observed target. For "
            "each id predict a probability that the patch's centre holds tumour tissue.",
        ),
        template=template,
        truth=truth,
        grader=graders.auc(template, truth),
        answer=chance_of(template, truth, "1"),
        bad_value="1.001",
        page_tells=("metric", "submission.value"),
        expected=expects(
            "single_label",
            ["0", "1"],
            ("train_labels.csv", "label"),
            template,
            "probability",
            "auc",
            110,
            ids="id",
            targets=["label"],
        ),
    )


def _siim_isic() -> StandIn:
    """Every picture three times (DICOM, JPEG, tfrecord), several of one patient, and columns that tell the answer but
    stand in train.csv alone."""
    chance = random.Random("isic")
    names = [f"ISIC_{number:07d}" for number in sorted(chance.sample(range(15_719, 9_999_999), 145))]
    numbers = dealt("isic", 145, 2, most=0.7)
    train, test = names[:110], names[110:]
    patients = [f"IP_{number:07d}" for number in chance.sample(range(10_000_000), 50)]
    about = ["image_name", "patient_id", "sex", "age_approx", "anatom_site_general_challenge"]

    def told(name: str, among: list[str]) -> list[str]:
        sites = ("head/neck", "upper extremity", "lower extremity", "torso", "")
        sex, age = chance.choice(("male", "female", "")), chance.choice(("45.0", "50.0", ""))
        return [name, chance.choice(among), sex, age, chance.choice(sites)]

    rows = []
    for name, number in zip(train, numbers):
        sick = ["melanoma", "malignant"] if number else [chance.choice(("unknown", "nevus")), "benign"]
        rows.append([*told(name, patients[:35]), *sick, number])
    tested = [told(name, patients[35:]) for name in test]
    truth = {name: str(number) for name, number in zip(test, numbers[110:])}
    template = template_of(["image_name", "target"], test, ["0"])
    files: Files = {
        "sample_submission.csv": template.csv(),
        "test.csv": Table.of(about, tested).csv(),
        "train.csv": Table.of([*about, "diagnosis", "benign_malignant", "target"], rows).csv(),
        "tfrecords/test00-687.tfrec": bytes(range(64)),
        "tfrecords/train00-2071.tfrec": bytes(range(64)),
    }
    files |= {f"train/{name}.dcm": dicom(at) for at, name in enumerate(train)}
    files |= {f"test/{name}.dcm": dicom(at) for at, name in enumerate(test)}
    return StandIn(
        name="siim-isic-melanoma-classification",
        files=files
        | pictures("jpeg/train/{}.jpg", train, numbers, 2, 0)
        | pictures("jpeg/test/{}.jpg", test, numbers[110:], 2, TEST),
        page=page_of(
            "siim-isic-melanoma-classification",
            "SIIM-ISIC Melanoma Classification",
            "Area Under Receiver Operating Characteristic Curve",
            "The score is the area under the ROC curve between the predicted probability and the observed target. For "
            "each image_name predict the probability that the lesion is malignant.",
        ),
        template=template,
        truth=truth,
        grader=graders.auc(template, truth),
        answer=chance_of(template, truth, "1"),
        bad_value="-1",
        page_tells=("metric", "submission.value"),
        expected=expects(
            "single_label",
            ["0", "1"],
            ("train.csv", "target"),
            template,
            "probability",
            "auc",
            110,
            ids="image_name",
            targets=["target"],
            group="patient_id",
        ),
    )


def _cervical() -> StandIn:
    """Seven 7z archives, two stages with a template each, pictures of no bytes, and folders' .DS_Store.

    The second stage's template holds the first one's ids too. The additional archives are taken to hold Type_1 …
    Type_3 directly, the others a folder of their own name. Training pictures with and without the additional ones are
    both fair, so their number is left open.
    """
    types = ["Type_1", "Type_2", "Type_3"]
    numbers, more = dealt("cervical", 90, 3), dealt("cervical additional", 30, 3)
    first, second = dealt("cervical test", 20, 3), dealt("cervical stage 2", 16, 3)
    test, later = [f"{n}.jpg" for n in range(20)], [f"{n}.jpg" for n in range(10_000, 10_016)]
    truth = {name: types[number] for name, number in zip([*test, *later], [*first, *second])}
    header, shares = ["image_name", *types], ["0.1688", "0.5273", "0.3039"]
    template = template_of(header, [*test, *later], shares)
    train = pictures("train/{}", [f"{types[n]}/{at}.jpg" for at, n in enumerate(numbers)], numbers, 3, 0)
    train |= {
        "train/Type_2/1339.jpg": b"",
        "train/.DS_Store": b"\0\0\0\1Bud1",
        "train/Type_1/.DS_Store": b"\0\0\0\1Bud1",
    }
    stage_2 = pictures("test_stg2/{}", later, second, 3, TEST + 20)
    stage_2["test_stg2/10007.jpg"] = b""
    files: Files = {
        "sample_submission_stg1.csv": template_of(header, test, shares).csv(),
        "sample_submission_stg2.csv": template.csv(),
        "train.7z": sevenz(train),
        "test.7z": sevenz(pictures("test/{}", test, first, 3, TEST)),
        "test_stg2.7z": sevenz(stage_2),
    }
    for number, kind in enumerate(types):
        chosen = [at for at, other in enumerate(more) if other == number]
        inside = pictures(
            kind + "/{}.jpg", [str(2000 + at) for at in chosen], [number] * len(chosen), 3, 500 + 50 * number
        )
        inside |= {f"{kind}/5893.jpg": b""} if number == 0 else {}
        files[f"additional_{kind}_v2.7z"] = sevenz(inside | {f"{kind}/.DS_Store": b"\0\0\0\1Bud1"})
    return StandIn(
        name="intel-mobileodt-cervical-cancer-screening",
        files=files,
        page=page_of(
            "intel-mobileodt-cervical-cancer-screening",
            "Intel & MobileODT Cervical Cancer Screening",
            "Multiclass Loss",
            "The score is the multi-class logarithmic loss. For each image give a probability for each of the three "
            "types; rows need not sum to one, they are rescaled before they are scored.",
        ),
        template=template,
        truth=truth,
        grader=graders.multiclass_log_loss(template, truth, rows_sum_to_1=False),
        answer=one_hot(template, truth),
        best=0.0,
        larger_is_better=False,
        bad_value="7",
        expected=expects(
            "single_label",
            types,
            ("train",),
            template,
            "probability",
            "log_loss",
            None,
            at="sample_submission_stg2.csv",
        ),
    )


STAND_INS = (_aptos(), _histopathologic(), _siim_isic(), _cervical())
