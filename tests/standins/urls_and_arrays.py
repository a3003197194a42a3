"""Stand-ins of competitions that are to be turned down: no pictures at all, arrays, scans, other pictures or texts as
answers."""

from __future__ import annotations

import io
import json
import random

import numpy as np

from .drawing import dicom, drawn, zipped
from .form import Files, StandIn, Table, hexes, page_of, template_of

__all__ = ["STAND_INS"]


def _array(*shape: int) -> bytes:
    """An .npy file's bytes."""
    target = io.BytesIO()
    np.save(target, np.zeros(shape, dtype=np.float32))
    return target.getvalue()


def _json(told: object) -> bytes:
    return json.dumps(told).encode()


def _furniture() -> StandIn:
    """JSON that names pictures by their addresses on the web."""

    def split(first: int, count: int, labelled: bool) -> bytes:
        images = [{"url": [f"https://img.example.com/{n}.jpg"], "image_id": n} for n in range(first, first + count)]
        labels = [{"label_id": n % 12 + 1, "image_id": n} for n in range(first, first + count)]
        return _json({"images": images} | ({"annotations": labels} if labelled else {}))

    template = Table.of(["id", "predicted"], [(n + 1, n * 7 % 12 + 1) for n in range(30)])
    return StandIn(
        name="imaterialist-challenge-furniture-2018",
        files={
            "sample_submission_randomlabel.csv": template.csv(),
            "test.json": split(1, 30, labelled=False),
            "train.json": split(1, 100, labelled=True),
            "validation.json": split(1, 20, labelled=True),
        },
        page=page_of(
            "imaterialist-challenge-furniture-2018",
            "iMaterialist Challenge (Furniture) at FGVC5",
            "Mean Classification Error",
            "The score is the top-1 error: the share of test images whose predicted label is wrong.",
        ),
        template=template,
        refused=r"(?i)\burls?\b|addresses|no pictures|no images|links",
    )


def _fashion_2018() -> StandIn:
    """The same with lists of labels, all numbers as text."""

    def split(count: int, labelled: bool) -> bytes:
        images = [{"url": f"https://contestimg.example.com/{n}", "imageId": str(n + 1)} for n in range(count)]
        labels = [{"labelId": [str(n % 9 + 1), str(n % 5 + 20)], "imageId": str(n + 1)} for n in range(count)]
        about = {"info": {"year": 2018, "version": 1}, "license": {"name": "none"}}
        return _json(about | {"images": images} | ({"annotations": labels} if labelled else {}))

    template = template_of(["image_id", "label_id"], [str(n + 1) for n in range(30)], ["12 23 32"])
    return StandIn(
        name="imaterialist-challenge-fashion-2018",
        files={
            "sample_submission.csv": template.csv(),
            "test.json": split(30, labelled=False),
            "train.json": split(100, labelled=True),
            "validation.json": split(20, labelled=True),
        },
        page=page_of(
            "imaterialist-challenge-fashion-2018",
            "iMaterialist Challenge (Fashion) at FGVC5",
            "F-Score (Micro)",
            "The score is the micro-averaged F1 over all labels of all images.",
        ),
        template=template,
        refused=r"(?i)\burls?\b|addresses|no pictures|no images|links",
    )


def _denoising() -> StandIn:
    """A picture for a picture; the template has a row a pixel."""
    cells = [f"{name}_{row}_{column}" for name in (1, 4, 7) for row in range(1, 25) for column in range(1, 33)]
    template = template_of(["id", "value"], cells, ["1"])

    def pages(folder: str, names: range) -> Files:
        return {f"{folder}/{n}.png": drawn(n, 12, n, side=32, form="PNG") for n in names}

    return StandIn(
        name="denoising-dirty-documents",
        files={
            "sampleSubmission.csv.zip": zipped({"sampleSubmission.csv": template.csv()}),
            "test.zip": zipped(pages("test", range(1, 10, 3))),
            "train.zip": zipped(pages("train", range(2, 60, 3))),
            "train_cleaned.zip": zipped(pages("train_cleaned", range(2, 60, 3))),
        },
        page=page_of(
            "denoising-dirty-documents",
            "Denoising Dirty Documents",
            "Root Mean Squared Error",
            "The score is the root mean squared error between the cleaned pixel intensities and the true ones. Each row "
            "answers for one pixel, named image_row_col.",
        ),
        template=template,
        refused=r"(?i)pixel|picture to picture|image to image|cleaned",
    )


def _bms() -> StandIn:
    """A text for a picture; pictures lie three folders deep by the first characters of their names."""
    names = hexes("bms", 90, 12)
    formulas = ("C13H20OS/c1-9(2)8-15-13-6", "C21H30O4/c1-12(22)25-14", "C24H23ClN4O3/c1-14-17", "C6H6/c1-2-4-6-5-3-1")
    template = template_of(["image_id", "InChI"], names[60:], ["InChI=1S/H2O/h1H2"])
    rows = [(name, f"InChI=1S/{formulas[at % 4]}/h{at}H") for at, name in enumerate(names[:60])]
    files: Files = {
        "extra_approved_InChIs.csv": Table.of(["InChI"], [(f"InChI=1S/CH{n}",) for n in range(9)]).csv(),
        "sample_submission.csv": template.csv(),
        "train_labels.csv": Table.of(["image_id", "InChI"], rows).csv(),
    }
    for at, name in enumerate(names):
        place = f"{'train' if at < 60 else 'test'}/{name[0]}/{name[1]}/{name[2]}/{name}.png"
        files[place] = drawn(at, 90, at, form="PNG")
    return StandIn(
        name="bms-molecular-translation",
        files=files,
        page=page_of(
            "bms-molecular-translation",
            "Bristol-Myers Squibb – Molecular Translation",
            "Levenshtein Mean",
            "The score is the mean Levenshtein distance between the InChI texts that are given and the true ones.",
        ),
        template=template,
        refused=r"(?i)\btexts?\b|inchi|caption|string",
    )


_VOTES = ["seizure_vote", "lpd_vote", "gpd_vote", "lrda_vote", "grda_vote", "other_vote"]


def _hms() -> StandIn:
    """Brain waves and spectrograms as parquet, votes to predict; no pictures. The parquet files hold no more than the
    first and last four bytes of such a file."""
    chance = random.Random("hms")
    eegs = [str(number) for number in chance.sample(range(10**8, 4 * 10**9), 31)]
    columns = ["eeg_id", "eeg_sub_id", "eeg_label_offset_seconds", "spectrogram_id", "spectrogram_sub_id"]
    columns += ["spectrogram_label_offset_seconds", "label_id", "patient_id", "expert_consensus", *_VOTES]
    rows = []
    for at, name in enumerate(eegs[:30]):
        votes = [3 if n == at % 6 else 0 for n in range(6)]
        consensus = ("Seizure", "LPD", "GPD", "LRDA", "GRDA", "Other")[at % 6]
        rows.append((name, 0, 0.0, 353733 + at, 0, 0.0, 127492639 + at, 42516 + at // 2, consensus, *votes))
    template = template_of(["eeg_id", *_VOTES], eegs[30:], ["0.16666666666666666"] * 6)
    files: Files = {
        "sample_submission.csv": template.csv(),
        "test.csv": Table.of(["spectrogram_id", "eeg_id", "patient_id"], [("853520", eegs[30], "6885")]).csv(),
        "train.csv": Table.of(columns, rows).csv(),
        f"test_eegs/{eegs[30]}.parquet": b"PAR1PAR1",
        "test_spectrograms/853520.parquet": b"PAR1PAR1",
        "example_figures/1.pdf": b"%PDF-1.4\n",
    }
    files |= {f"train_eegs/{name}.parquet": b"PAR1PAR1" for name in eegs[:30]}
    files |= {f"train_spectrograms/{353733 + n}.parquet": b"PAR1PAR1" for n in range(30)}
    return StandIn(
        name="hms-harmful-brain-activity-classification",
        files=files,
        page=page_of(
            "hms-harmful-brain-activity-classification",
            "HMS - Harmful Brain Activity Classification",
            "Kullback Leibler Divergence",
            "The score is the Kullback-Leibler divergence between the predicted probabilities and the shares of votes.",
        ),
        template=template,
        refused=r"(?i)no pictures|no images|no image files|parquet|arrays|spectrogram|divergence",
    )


def _contrails() -> StandIn:
    """A folder of .npy bands a record, masks among them, and run lengths to answer with."""
    chance = random.Random("contrails")
    records = [str(chance.randrange(10**15, 10**19)) for _ in range(12)]
    template = template_of(["record_id", "encoded_pixels"], sorted(records[10:]), ["1 1"])
    files: Files = {"sample_submission.csv": template.csv()}
    for split, some in (("train", records[:8]), ("validation", records[8:10]), ("test", records[10:])):
        for name in some:
            inside = [f"band_{n:02d}.npy" for n in range(8, 17)]
            inside += [] if split == "test" else ["human_pixel_masks.npy"]
            inside += ["human_individual_masks.npy"] if split == "train" else []
            files |= {f"{split}/{name}/{file}": _array(8, 8, 1) for file in inside}
    for split, some in (("train", records[:8]), ("validation", records[8:10])):
        files[f"{split}_metadata.json"] = _json([{"record_id": name, "row_min": -5.5} for name in some])
    return StandIn(
        name="google-research-identify-contrails-reduce-global-warming",
        files=files,
        page=page_of(
            "google-research-identify-contrails-reduce-global-warming",
            "Google Research - Identify Contrails to Reduce Global Warming",
            "Dice (Global)",
            "The score is the global Dice coefficient of the predicted contrail pixels, given as run lengths.",
        ),
        template=template,
        refused=r"(?i)segment|mask|run.?length|encoded|arrays|npy|no pictures|no images",
    )


def _lyft_3d() -> StandIn:
    """Boxes in space from cameras and laser scans. The template's answers are empty."""
    tokens = hexes("lyft", 24, 64)
    template = template_of(["Id", "PredictionString"], tokens[16:], [""])
    box = "2680.28 698.19 -18.04 2.06 4.67 1.70 2.61 car"
    rows = [(token, " ".join([box] * (at % 3 + 1)) + " ") for at, token in enumerate(tokens[:16])]
    files: Files = {
        "sample_submission.csv": template.csv(),
        "train.csv": Table.of(["Id", "PredictionString"], rows).csv(),
    }
    for split, some in (("train", tokens[:16]), ("test", tokens[16:])):
        for at, token in enumerate(some):
            camera = f"host-a00{at % 9}_cam{at % 7}_12346069065{at:02d}"
            files[f"{split}_images/{camera}.jpeg"] = drawn(at % 4, 4, at)
            files[f"{split}_lidar/host-a00{at % 9}_lidar1_12346069065{at:02d}.bin"] = bytes(40)
            files[f"{split}_data/sample_{at}.json"] = _json([{"token": token, "timestamp": at}])
        files[f"{split}_maps/map_raster_palo_alto.png"] = drawn(0, 4, 1, form="PNG")
    return StandIn(
        name="3d-object-detection-for-autonomous-vehicles",
        files=files,
        page=page_of(
            "3d-object-detection-for-autonomous-vehicles",
            "Lyft 3D Object Detection for Autonomous Vehicles",
            "Lyft 3D Object Detection AP",
            "The score is the mean average precision over overlaps of the predicted bounding volumes with the true ones.",
        ),
        template=template,
        refused=r"(?i)\bbox|detection|predictionstring|volume|\b3-?d\b",
    )


def _siim_covid19() -> StandIn:
    """DICOM three folders deep, a table of studies and one of images, and both in the template's PredictionString."""
    studies = hexes("covid", 24, 12)
    kinds = ["Negative for Pneumonia", "Typical Appearance", "Indeterminate Appearance", "Atypical Appearance"]
    files: Files = {}
    study_rows, image_rows, asked = [], [], []
    for at, name in enumerate(studies):
        image = f"{name[::-1]}"
        files[f"{'train' if at < 16 else 'test'}/{name}/{at:012x}/{image}.dcm"] = dicom(at)
        if at >= 16:
            asked += [(f"{name}_study", "negative 1 0 0 1 1"), (f"{image}_image", "none 1 0 0 1 1")]
            continue
        study_rows.append((f"{name}_study", *(int(at % 4 == n) for n in range(4))))
        boxes = "" if at % 4 == 0 else "[{'x': 789.28, 'y': 582.43, 'width': 1026.65, 'height': 1917.3}]"
        label = "none 1 0 0 1 1" if at % 4 == 0 else "opacity 1 789.28 582.43 1815.94 2499.73"
        image_rows.append((f"{image}_image", boxes, label, name))
    template = Table.of(["id", "PredictionString"], sorted(asked, key=lambda row: not row[0].endswith("_study")))
    files |= {
        "sample_submission.csv": template.csv(),
        "train_image_level.csv": Table.of(["id", "boxes", "label", "StudyInstanceUID"], image_rows).csv(),
        "train_study_level.csv": Table.of(["id", *kinds], study_rows).csv(),
    }
    return StandIn(
        name="siim-covid19-detection",
        files=files,
        page=page_of(
            "siim-covid19-detection",
            "SIIM-FISABIO-RSNA COVID-19 Detection",
            "VOC2010 mAP",
            "The score is the mean average precision at an overlap above 0.5 of the predicted boxes with the true ones.",
        ),
        template=template,
        refused=r"(?i)\bbox|detection|predictionstring",
    )


def _vinbigdata() -> StandIn:
    """A row a box and radiologist; pictures as .dicom."""
    names = hexes("vinbigdata", 30, 32)
    columns = ["image_id", "class_name", "class_id", "rad_id", "x_min", "y_min", "x_max", "y_max"]
    rows = []
    for at, name in enumerate(names[:20]):
        for reader in range(3):
            clear = ("No finding", 14, f"R{reader + 1}", "", "", "", "")
            found = ("Cardiomegaly", 3, f"R{reader + 8}", "691.0", "1375.0", "1653.0", "1831.0")
            rows.append((name, *(clear if at % 2 else found)))
    template = template_of(["image_id", "PredictionString"], names[20:], ["14 1 0 0 1 1"])
    files: Files = {"sample_submission.csv": template.csv(), "train.csv": Table.of(columns, rows).csv()}
    for at, name in enumerate(names):
        files[f"{'train' if at < 20 else 'test'}/{name}.dicom"] = dicom(at)
    return StandIn(
        name="vinbigdata-chest-xray-abnormalities-detection",
        files=files,
        page=page_of(
            "vinbigdata-chest-xray-abnormalities-detection",
            "VinBigData Chest X-ray Abnormalities Detection",
            "VOC2010 mAP",
            "The score is the mean average precision at an overlap above 0.4 of the predicted boxes with the true ones.",
        ),
        template=template,
        refused=r"(?i)\bbox|detection|predictionstring",
    )


STAND_INS = (
    _furniture(),
    _fashion_2018(),
    _denoising(),
    _bms(),
    _hms(),
    _contrails(),
    _lyft_3d(),
    _siim_covid19(),
    _vinbigdata(),
)
