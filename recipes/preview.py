"""Random views of one image as a learner would train on them, without a learner: nothing is built, nothing else is
decoded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from recipes.augment import Augmentation, Viewer
from recipes.errors import ImagesError
from recipes.learner import PREVIEW
from recipes.pixels import Pixels, fitted, open_pixels, turned
from recipes.shelf import crop_for

__all__ = ["Shapes", "views"]

Shapes = tuple[int, float]  # what `usual_shape` tells of a table's images


def views(
    source: Path | np.ndarray,
    row: int,
    shapes: Shapes,
    size: int,
    augmentation: Augmentation,
    *,
    largest: int | None = None,
    seed: int = 42,
    n: int = 6,
) -> np.ndarray:
    """The plain view of an image and `n` random ones, uint8 (n + 1, size, size, 3).

    They are those of `Learner.preview(row, n)`, where the image is row `row` of a table whose images have `shapes`.
    Raises ImagesError where the image cannot be opened.
    """
    pixels = _pixels(source, row, shapes, size, max(size, largest or 0))
    viewer = Viewer(pixels, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), torch.device("cpu"))
    rows = np.array([row])
    random = [viewer.random(rows, augmentation, seed, PREVIEW, number) for number in range(n)]
    return viewer.shown(torch.cat([viewer.plain(rows), *random]))


def _pixels(source: Path | np.ndarray, row: int, shapes: Shapes, size: int, largest: int) -> Pixels:
    """The one image as if it stood at its place in the table; nothing is kept for the rows before it."""
    middle, ratio = shapes
    scales: list[tuple[int, int]] = []
    for side in dict.fromkeys((largest, size)):  # the smaller one is made from the larger one
        short = max(side, round(side / crop_for(middle, side)))
        ratio = max(1.0, scales[0][1] / scales[0][0]) if scales else ratio
        scales.append((short, max(short, round(short * ratio))))
    try:
        picture = open_pixels(source, scales[0][0])
    except Exception as error:  # the decoder's own words say what is wrong
        raise ImagesError(f"an image cannot be shown: {source} ({error}); take another") from None
    tall = picture.shape[0] > picture.shape[1]
    for short, longest in scales:
        picture = fitted(picture, short, longest)
    if tall:
        picture = turned(picture)
    short, width = scales[-1]
    array = np.zeros((short, width, 3), np.uint8)
    array[:, : picture.shape[1]] = picture
    return Pixels(
        np.broadcast_to(array, (row + 1, *array.shape)),
        np.broadcast_to(np.array([short, picture.shape[1]], np.int32), (row + 1, 2)),
        np.broadcast_to(np.array(tall), (row + 1,)),
        {},
        size,
        "",
        tuple(scales),
    )
