"""What a picture looks like in a few bytes: a perceptual hash of 64 bits and a grey thumbnail of 16 × 16 pixels.

Every picture is decoded once and whole, JPEGs at the smallest DCT scale, so this is also where a cut or damaged file
is found out. The hash is pHash (Zauner 2010): the signs of the lowest frequencies about their median.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from assistant.headers import in_parallel, what_is_wrong
from recipes.pixels import open_picture

__all__ = ["FLAT", "Looks", "content_hashes", "grey", "look_at"]

SIDE, HASHED, CHUNK = 16, 32, 16  # of a thumbnail, of the picture that is hashed (pixels), pictures a task
FLAT = 4.0  # a thumbnail whose grey values spread less (standard deviation) shows nothing to compare
COLOURED = 4000  # pictures whose colours are kept, too


@dataclass(frozen=True)
class Looks:
    """Of n sources: `hashes` uint64 (n,), `thumbs` uint8 (n, 16, 16), `reasons` why one cannot be decoded ("" where it
    can), `spread` the standard deviation of each thumbnail, `coloured` the rows whose `colours` are kept, uint8
    (rows, 16, 16, 3)."""

    hashes: np.ndarray
    thumbs: np.ndarray
    reasons: list[str]
    spread: np.ndarray
    coloured: np.ndarray
    colours: np.ndarray

    @property
    def comparable(self) -> np.ndarray:
        """Rows that can be decoded and show something."""
        return np.flatnonzero((self.spread >= FLAT) & (np.array(self.reasons, object) == ""))


def look_at(
    sources: Sequence[Path | np.ndarray],
    workers: int | None = None,
    *,
    told: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Looks:
    """The looks of every source. `told(done, total)` hears of progress. Raises Stopped."""
    n = len(sources)
    hashes, thumbs = np.zeros(n, np.uint64), np.zeros((n, SIDE, SIDE), np.uint8)
    reasons, spread = [""] * n, np.zeros(n, np.float32)
    coloured = np.unique(np.linspace(0, n - 1, min(n, COLOURED)).astype(int)) if n else np.zeros(0, int)
    colours, place = np.zeros((len(coloured), SIDE, SIDE, 3), np.uint8), {row: i for i, row in enumerate(coloured)}
    first = 0
    for part in in_parallel(_small, sources, workers, CHUNK, told, should_stop):
        rows = np.arange(first, first + len(part))
        first += len(part)
        for row, found in zip(rows.tolist(), part):
            if isinstance(found, str):
                reasons[row] = found
        seen = [(row, found) for row, found in zip(rows.tolist(), part) if not isinstance(found, str)]
        if not seen:
            continue
        rows, colour = np.array([row for row, _ in seen]), np.stack([found for _, found in seen])
        shades = colour.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        small = shades.reshape(-1, SIDE, HASHED // SIDE, SIDE, HASHED // SIDE).mean((2, 4))
        hashes[rows], thumbs[rows], spread[rows] = phash(shades), np.rint(small), small.std((1, 2))
        for row, picture in seen:
            if row in place:
                halved = picture.reshape(SIDE, HASHED // SIDE, SIDE, HASHED // SIDE, 3).mean((1, 3))
                colours[place[row]] = np.rint(halved)
    return Looks(hashes, thumbs, reasons, spread, coloured, colours)


def phash(shades: np.ndarray) -> np.ndarray:
    """The hash of grey pictures, float (n, 32, 32): uint64 (n,)."""
    low = FREQUENCIES @ shades @ FREQUENCIES.T
    lowest = np.concatenate([low[:, :8, :8].reshape(-1, 64)[:, 1:], low[:, :1, 8]], 1)  # the mean tells nothing
    bits = np.packbits(lowest > np.median(lowest, 1, keepdims=True), axis=1)
    return bits.view(">u8").astype(np.uint64).reshape(-1)


def _frequencies() -> np.ndarray:
    """The nine lowest rows of the discrete cosine transform of 32 values."""
    return np.cos(np.pi / HASHED * np.outer(np.arange(9), np.arange(HASHED) + 0.5)).astype(np.float32)


FREQUENCIES = _frequencies()


def _small(source: Path | np.ndarray) -> np.ndarray | str:
    """The whole picture, squeezed to uint8 (32, 32, 3), or why there is none."""
    try:
        picture = open_picture(source, 2 * HASHED)  # twice the size: edges of coarse DCT scales move a hash
        return np.asarray(picture.resize((HASHED, HASHED), Image.Resampling.BILINEAR, reducing_gap=2.0))
    except Exception:  # a decoder raises whatever its library does
        return what_is_wrong(source) or "broken: it opens only now and then"


def grey(source: Path | np.ndarray, side: int) -> np.ndarray:
    """A closer look: the whole picture, squeezed to float32 (side, side) of grey."""
    picture = open_picture(source, 2 * side).convert("L").convert("F")  # no rounding: small pictures are enlarged
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0), np.float32)


def content_hashes(
    sources: Sequence[Path | np.ndarray],
    sizes: np.ndarray,
    workers: int | None = None,
    *,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[str]:
    """A digest of the content of those sources that share their size in bytes with another one, "" for the rest."""
    order, found = np.argsort(sizes, kind="stable"), [""] * len(sources)
    same = np.diff(sizes[order]) == 0
    twins = order[np.append(same, False) | np.append(False, same)] if len(order) else order
    twins = twins[sizes[twins] > 0]
    done = 0
    rows = [sources[row] for row in twins.tolist()]
    for part in in_parallel(_digest, rows, workers, CHUNK, lambda done, total: None, should_stop):
        for row, digest in zip(twins[done : done + len(part)].tolist(), part):
            found[row] = digest
        done += len(part)
    return found


def _digest(source: Path | np.ndarray) -> str:
    made = hashlib.blake2b(digest_size=16)
    if isinstance(source, np.ndarray):
        made.update(repr(source.shape).encode())
        made.update(np.ascontiguousarray(source).data)
        return made.hexdigest()
    try:
        with open(source, "rb") as file:
            while block := file.read(1 << 20):
                made.update(block)
    except OSError:
        return ""
    return made.hexdigest()
