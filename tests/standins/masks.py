"""Stand-ins of competitions that ask where in a picture something is: segmentation and characters with positions."""

from __future__ import annotations

import json
import random

from .drawing import drawn, zipped
from .form import Files, StandIn, Table, hexes, page_of, template_of

__all__ = ["STAND_INS"]

_WHY = r"(?i)segment|mask|run.?length|\brle\b|encoded"


def _tgs_salt() -> StandIn:
    """The same data three ways: competition_data.zip, zips of the splits, and CSVs beside them."""
    names = hexes("salt", 90, 10)
    template = template_of(["id", "rle_mask"], names[60:], ["1 1"])
    train = Table.of(
        ["id", "rle_mask"], [(name, "" if at % 3 else f"{at + 1} 9 101 12") for at, name in enumerate(names[:60])]
    )
    depths = Table.of(["id", "z"], [(name, 50 + at) for at, name in enumerate(names)])
    images: Files = {f"images/{name}.png": drawn(at % 2, 2, at, form="PNG") for at, name in enumerate(names)}
    learnt = {path: made for at, (path, made) in enumerate(images.items()) if at < 60}
    learnt |= {f"masks/{name}.png": drawn(at % 2, 2, at, form="PNG") for at, name in enumerate(names[:60])}
    tested = {path: made for at, (path, made) in enumerate(images.items()) if at >= 60}
    tables: Files = {"depths.csv": depths.csv(), "sample_submission.csv": template.csv(), "train.csv": train.csv()}
    whole = {f"train/{path}": made for path, made in learnt.items()} | {
        f"test/{path}": made for path, made in tested.items()
    }
    return StandIn(
        name="tgs-salt-identification-challenge",
        files=tables
        | {"competition_data.zip": zipped(tables | whole), "test.zip": zipped(tested), "train.zip": zipped(learnt)},
        page=page_of(
            "tgs-salt-identification-challenge",
            "TGS Salt Identification Challenge",
            "Mean Average Precision at Different IoU Thresholds",
            "The score is the mean average precision at different intersection over union thresholds of the predicted "
            "salt masks, which are given as run lengths.",
        ),
        template=template,
        refused=_WHY,
    )


def _kuzushiji() -> StandIn:
    """Characters and where they stand, in a cell that looks like a list of tags."""
    train, test = [f"umgy00{n}-{n:03d}" for n in range(10, 50)], [f"test_{name}" for name in hexes("kuzushiji", 12, 8)]
    signs = ["U+306F", "U+304C", "U+306E", "U+3057", "U+3066", "U+4E00"]
    chance = random.Random("kuzushiji")

    def found() -> str:
        places = (chance.randrange(20, 2000) for _ in range(999))
        return " ".join(f"{chance.choice(signs)} {next(places)} {next(places)} 47 27" for _ in range(4))

    template = template_of(["image_id", "labels"], test, ["U+003F 1 1 U+FF2F 2 2"])
    rows = [(name, found() if at else "") for at, name in enumerate(train)]
    letters = [(sign, chr(int(sign[2:], 16))) for sign in signs]
    return StandIn(
        name="kuzushiji-recognition",
        files={
            "sample_submission.csv": template.csv(),
            "test_images.zip": zipped({f"{name}.jpg": drawn(at % 4, 4, at) for at, name in enumerate(test)}),
            "train.csv": Table.of(["image_id", "labels"], rows).csv(),
            "train_images.zip": zipped({f"{name}.jpg": drawn(at % 4, 4, at) for at, name in enumerate(train)}),
            "unicode_translation.csv": Table.of(["Unicode", "char"], letters).csv(),
        },
        page=page_of(
            "kuzushiji-recognition",
            "Kuzushiji Recognition",
            "Kuzushiji Recognition F1",
            "The score is a modified F1: a character counts where its name is right and its centre lies in the true "
            "bounding box. Each label is a character with an X and a Y coordinate.",
        ),
        template=template,
        refused=r"(?i)\bbox|detection|position|coordinate|where",
    )


def _imaterialist_fashion(year: int) -> StandIn:
    """A row a garment: run lengths with a class, and in the later year its attributes."""
    names = [f"{name}{'.jpg' if year == 2019 else ''}" for name in hexes(f"fashion {year}", 50, 32)]
    more = ["AttributesIds"] if year == 2020 else []
    rows = []
    for at, name in enumerate(names[:40]):
        for piece in range(at % 3 + 1):
            rows.append(
                (name, f"{6068157 + at} 7 {6073371 + at} 20", 5214, 3676, piece, *(["115,136,143"] if more else []))
            )
    columns = ["ImageId", "EncodedPixels", "Height", "Width", "ClassId", *more]
    template = (
        Table.of(["ImageId", "EncodedPixels", "ClassId"], [(name, "1 1", 1) for name in names[40:]])
        if year == 2019
        else Table.of(
            ["ImageId", "EncodedPixels", "ClassId", "AttributesIds"], [(n, "1 1", 0, "0") for n in names[40:]]
        )
    )
    garments = [{"id": n, "name": f"garment {n}", "supercategory": "upperbody", "level": 2} for n in range(3)]
    files: Files = {
        "label_descriptions.json": json.dumps({"categories": garments, "attributes": []}).encode(),
        "sample_submission.csv": template.csv(),
        "train.csv": Table.of(columns, rows).csv(),
    }
    for at, name in enumerate(names):
        files[f"{'train' if at < 40 else 'test'}/{name.removesuffix('.jpg')}.jpg"] = drawn(at % 3, 3, at)
    return StandIn(
        name=f"imaterialist-fashion-{year}-fgvc{year - 2013}",
        files=files,
        page=page_of(
            f"imaterialist-fashion-{year}-fgvc{year - 2013}",
            f"iMaterialist (Fashion) {year} at FGVC{year - 2013}",
            "Mean Average Precision at Different IoU Thresholds",
            "The score is the mean average precision at different intersection over union thresholds of the segmented "
            "garments.",
        ),
        template=template,
        refused=_WHY,
    )


def _hubmap() -> StandIn:
    """Few large .tiff with outlines as JSON beside them; the template's answers are empty."""
    names = hexes("hubmap", 13, 9)
    template = template_of(["id", "predicted"], names[8:], [""])
    train = Table.of(
        ["id", "encoding"], [(name, f"{296084587 + at} 4 {296115835 + at} 6") for at, name in enumerate(names[:8])]
    )
    told = [(f"{name}.tiff", 18484, 13013, "Male", at + 50) for at, name in enumerate(names)]
    files: Files = {
        "HuBMAP-20-dataset_information.csv": Table.of(
            ["image_file", "width_pixels", "height_pixels", "sex", "age"], told
        ).csv(),
        "sample_submission.csv": template.csv(),
        "train.csv": train.csv(),
    }
    outline = json.dumps(
        [{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]}}]
    ).encode()
    for at, name in enumerate(names):
        place = f"{'train' if at < 8 else 'test'}/{name}"
        files |= {f"{place}.tiff": drawn(0, 1, at, form="TIFF"), f"{place}-anatomical-structure.json": outline}
        files |= {f"{place}.json": outline} if at < 8 else {}
    return StandIn(
        name="hubmap-kidney-segmentation",
        files=files,
        page=page_of(
            "hubmap-kidney-segmentation",
            "HuBMAP - Hacking the Kidney",
            "Dice",
            "The score is the mean Dice coefficient of the segmented glomeruli, given as run lengths.",
        ),
        template=template,
        refused=_WHY,
    )


def _uw_madison(code: bool) -> StandIn:
    """Scans by case and day, three organs a slice. Where only notebooks are accepted, the download has no test and a
    template of nothing but its header."""
    files: Files = {}
    rows, asked = [], []
    for case, day, slices in ((123, 20, 12), (123, 22, 12), (77, 0, 12), (9, 26, 6)):
        tested = case == 9
        if tested and code:
            continue
        for at in range(1, slices + 1):
            scan = f"case{case}/case{case}_day{day}/scans/slice_{at:04d}_266_266_1.50_1.50.png"
            files[f"{'test' if tested else 'train'}/{scan}"] = drawn(0, 1, at, form="PNG")
            for organ in ("large_bowel", "small_bowel", "stomach"):
                name = f"case{case}_day{day}_slice_{at:04d}"
                rows += [] if tested else [(name, organ, "28094 3 28358 7" if at % 4 == 0 else "")]
                asked += [(name, organ, "")] if tested else []
    template = Table.of(["id", "class", "predicted"], asked)
    files |= {
        "sample_submission.csv": template.csv(),
        "train.csv": Table.of(["id", "class", "segmentation"], rows).csv(),
    }
    return StandIn(
        name="uw-madison-gi-tract-image-segmentation" + ("--code" if code else ""),
        files=files,
        page=page_of(
            "uw-madison-gi-tract-image-segmentation",
            "UW-Madison GI Tract Image Segmentation",
            "Dice-Hausdorff Metric",
            "The score is the mean of Dice coefficient and 3D Hausdorff distance of the segmented organs, given as run "
            "lengths.",
        ),
        template=template,
        refused=_WHY,
    )


def _vesuvius() -> StandIn:
    """A stack of slices a fragment, with the ink drawn in a mask."""
    template = Table.of(["Id", "Predicted"], [("a", "1 1 5 1"), ("b", "1 1 5 1")])
    files: Files = {"sample_submission.csv": template.csv()}
    for at, place in enumerate(("train/1", "train/2", "train/3", "test/a", "test/b")):
        files |= {f"{place}/surface_volume/{n:02d}.tif": drawn(0, 1, 9 * at + n, form="TIFF") for n in range(6)}
        files[f"{place}/mask.png"] = drawn(0, 1, at, form="PNG")
        if place.startswith("train"):
            files |= {f"{place}/{name}.png": drawn(0, 1, at, form="PNG") for name in ("inklabels", "ir")}
            files[f"{place}/inklabels_rle.csv"] = Table.of(
                ["Id", "Predicted"], [(place[-1], "11057 10 17388 14")]
            ).csv()
    return StandIn(
        name="vesuvius-challenge-ink-detection",
        files=files,
        page=page_of(
            "vesuvius-challenge-ink-detection",
            "Vesuvius Challenge - Ink Detection",
            "Dice F0.5",
            "The score is a Dice coefficient that weighs precision more than recall (F0.5) of the ink found in each "
            "fragment, given as run lengths.",
        ),
        template=template,
        refused=_WHY,
    )


STAND_INS = (
    _tgs_salt(),
    _kuzushiji(),
    _imaterialist_fashion(2019),
    _imaterialist_fashion(2020),
    _hubmap(),
    _uw_madison(code=False),
    _uw_madison(code=True),
    _vesuvius(),
)
