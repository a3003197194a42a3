"""Reading headers: images per second of `image_headers` against plain Pillow in one thread.

    uv run python bench/headers.py --files 20000 --distinct 300

Makes JPEGs of mixed sizes in a folder of its own, a third as a camera writes them (EXIF with an orientation and a
preview), under as many names as asked for (hard links), and prints one row a way of reading. The files are in the
system's cache, so what is timed is the work of the processor.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from assistant.headers import image_headers, read_header


def make(folder: Path, files: int, distinct: int) -> list[Path]:
    """`distinct` noisy JPEGs from 200 to 1,600 pixels a side, linked until there are `files` names."""
    chance, paths = np.random.default_rng(0), []
    for number in range(distinct):
        height, width = chance.integers(200, 1600, 2)
        coarse = chance.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((int(width), int(height)), Image.Resampling.BICUBIC)
        more = {}
        if number % 3 == 0:
            exif, preview = Image.Exif(), io.BytesIO()
            picture.resize((160, 120)).save(preview, "JPEG")
            exif[0x0112], exif[0x010F], exif[0x927C] = 1 + number % 8, "Camera", preview.getvalue() * 4
            more["exif"] = exif
        paths.append(folder / f"{number:06d}.jpg")
        picture.save(paths[-1], quality=85, **more)
    for number in range(distinct, files):
        paths.append(folder / f"{number:06d}.jpg")
        os.link(paths[number % distinct], paths[-1])
    return paths


def plain_pillow(paths: list[Path]) -> list[tuple]:
    """Size, mode and orientation as one would write it down."""
    found = []
    for path in paths:
        with Image.open(path) as picture:
            found.append((*picture.size, picture.mode, picture.getexif().get(0x0112, 1)))
    return found


def main() -> None:
    """The table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--files", type=int, default=20_000)
    asked.add_argument("--distinct", type=int, default=300)
    asked.add_argument("--repeats", type=int, default=3)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = make(Path(folder), given.files, min(given.distinct, given.files))
        ways: dict[str, Callable[[], object]] = {
            "plain Pillow, one thread": lambda: plain_pillow(paths),
            "read_header, one thread": lambda: [read_header(path) for path in paths],
            **{f"image_headers, workers={n}": (lambda n=n: image_headers(paths, n)) for n in (1, 2, 4)},
        }
        print("| way | images/s | seconds |\n|---|---|---|")
        for name, way in ways.items():
            seconds = []
            for _ in range(given.repeats):
                start = time.perf_counter()
                way()
                seconds.append(time.perf_counter() - start)
            print(f"| {name} | {len(paths) / min(seconds):,.0f} | {min(seconds):.2f} |", flush=True)


if __name__ == "__main__":
    main()
