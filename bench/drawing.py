"""Made-up photographs: JPEGs of 500 × 375 pixels, each different, whose class can be learned, drawn on all cores.

    uv run python bench/drawing.py FOLDER [--images 20000]

A soft background with grain, three blurred blobs, and one striped shape: its form and the stripes' direction are the
class (eight of them). They weigh about what photographs of that size do (30 kB), so decoding one takes as long. The
folder has a competition's form: train/, test/ (a quarter), labels.csv and sample_submission.csv.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["CLASSES", "competition", "linked", "photograph"]

SIZE = (500, 375)
FORMS = ("disc", "ring", "box", "wedge")
CLASSES = tuple(f"{stripes}_{form}" for form in FORMS for stripes in ("lying", "upright"))
QUALITY = 85
TEST = 4  # every so many-th picture is to be answered for
CHUNK = 50  # pictures that a process draws in one go


def photograph(number: int, label: int, seed: int = 0, size: tuple[int, int] = SIZE) -> Image.Image:
    """The picture of that number and class: RGB, `size` pixels wide and high."""
    chance = np.random.default_rng((seed, number))
    picture = _soft(chance, size, 5, 4)
    picture = Image.blend(picture, _soft(chance, size, 60, 45), 0.25)
    pen = ImageDraw.Draw(picture)
    for _ in range(3):
        _blob(pen, chance, size)
    picture = picture.filter(ImageFilter.BoxBlur(6))
    _shape(picture, chance, label)
    left, top = chance.integers(0, 300, 2)
    grain = _grain()[top : top + size[1], left : left + size[0]]
    pixels = np.asarray(picture, np.int16) + grain
    return Image.fromarray(np.clip(pixels, 0, 255, out=pixels).astype(np.uint8))


def competition(folder: Path, images: int, seed: int = 0, workers: int | None = None) -> float:
    """Draws `images` pictures, and the tables of a competition; gives the seconds that it took."""
    start = time.perf_counter()
    for part in ("train", "test"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    chunks = [(str(folder), first, min(first + CHUNK, images), seed) for first in range(0, images, CHUNK)]
    workers = workers or len(os.sched_getaffinity(0))
    if workers == 1 or len(chunks) == 1:
        list(map(_draw, chunks))
    else:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            list(pool.map(_draw, chunks))
    train = [number for number in range(images) if not _is_test(number)]
    test = [number for number in range(images) if _is_test(number)]
    _table(folder / "labels.csv", ["id", "label"], ([_name(n), CLASSES[_label(n, seed)]] for n in train))
    equal = f"{1 / len(CLASSES):g}"
    _table(folder / "sample_submission.csv", ["id", *CLASSES], ([_name(n), *[equal] * len(CLASSES)] for n in test))
    return time.perf_counter() - start


def linked(folder: Path, drawn: Path, images: int) -> None:
    """A competition of `images` pictures, all labelled, that are hard links to those that `competition` drew."""
    with open(drawn / "labels.csv", newline="", encoding="utf-8") as file:
        labels = list(csv.DictReader(file))
    (folder / "train").mkdir(parents=True)
    (folder / "test").mkdir()
    for number in range(images):
        os.link(
            drawn / "train" / f"{labels[number % len(labels)]['id']}.jpg", folder / "train" / f"{_name(number)}.jpg"
        )
    rows = ([_name(number), labels[number % len(labels)]["label"]] for number in range(images))
    _table(folder / "labels.csv", ["id", "label"], rows)


def _draw(chunk: tuple[str, int, int, int]) -> None:
    folder, first, last, seed = chunk
    for number in range(first, last):
        part = "test" if _is_test(number) else "train"
        picture = photograph(number, _label(number, seed), seed)
        picture.save(f"{folder}/{part}/{_name(number)}.jpg", quality=QUALITY)


def _is_test(number: int) -> bool:
    return number % TEST == TEST - 1


def _name(number: int) -> str:
    return f"{number:06d}"


def _label(number: int, seed: int) -> int:
    return int(np.random.default_rng((seed, number, 1)).integers(len(CLASSES)))


def _soft(chance: np.random.Generator, size: tuple[int, int], across: int, down: int) -> Image.Image:
    """A random field of `across` × `down` colours, drawn out to `size`."""
    colours = chance.integers(0, 256, (down, across, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC)


@cache
def _grain() -> np.ndarray:
    """Noise that pictures take their grain from, int16 (rows, columns, 3); the same for all processes."""
    chance = np.random.default_rng(0)
    return np.rint(chance.normal(0, 3.5, (SIZE[1] + 300, SIZE[0] + 300, 1)) + np.zeros(3)).astype(np.int16)


def _blob(pen: ImageDraw.ImageDraw, chance: np.random.Generator, size: tuple[int, int]) -> None:
    x, y = chance.uniform(0, size[0]), chance.uniform(0, size[1])
    wide, high = chance.uniform(20, 110, 2)
    colour = tuple(chance.integers(0, 256, 3).tolist())
    pen.ellipse((x - wide, y - high, x + wide, y + high), fill=colour)


def _shape(picture: Image.Image, chance: np.random.Generator, label: int) -> None:
    """Draws the class's shape somewhere, turned by up to 15 degrees, in two colours."""
    side = int(chance.integers(120, 220))
    upright, form = label % 2 == 1, FORMS[label // 2]
    width = int(chance.integers(8, 20))
    place = np.arange(side) // width % 2
    stripes = np.broadcast_to(place[None, :] if upright else place[:, None], (side, side))
    colours = chance.integers(0, 256, (2, 3), dtype=np.uint8)
    colours[1] = 255 - colours[0] // 2 if colours[0].mean() < 128 else colours[0] // 3
    mask = Image.new("L", (side, side))
    pen = ImageDraw.Draw(mask)
    whole = (4, 4, side - 5, side - 5)
    if form == "disc":
        pen.ellipse(whole, fill=255)
    elif form == "ring":
        pen.ellipse(whole, fill=255)
        pen.ellipse((side * 0.3, side * 0.3, side * 0.7, side * 0.7), fill=0)
    elif form == "box":
        pen.rectangle((side * 0.12, side * 0.12, side * 0.88, side * 0.88), fill=255)
    else:
        pen.polygon([(side / 2, 4), (side - 5, side - 5), (4, side - 5)], fill=255)
    angle = float(chance.uniform(-15, 15))
    drawn = Image.fromarray(colours[stripes]).rotate(angle, Image.Resampling.BILINEAR)
    mask = mask.rotate(angle, Image.Resampling.BILINEAR)
    at = (int(chance.integers(0, picture.width - side)), int(chance.integers(0, picture.height - side)))
    picture.paste(drawn, at, mask)


def _table(path: Path, header: list[str], lines: Iterable[list]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *lines])


def main() -> None:
    """Draws into a folder."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--images", type=int, default=20_000)
    asked.add_argument("--seed", type=int, default=0)
    given = asked.parse_args()
    seconds = competition(given.folder, given.images, given.seed)
    print(f"{given.images:,} pictures in {seconds:.1f} s: {given.folder}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    main()
