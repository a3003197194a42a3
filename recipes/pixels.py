"""Every image decoded once and kept as uint8 on disk; what cannot be decoded is set aside and named.

An image is scaled so that its shorter side is `size / crop` pixels, and kept with its whole longer side up to a limit
that the pictures themselves set (their 90th percentile of long to short side, at most 2). Portraits are stored
turned, so that all rows have one shape and a batch is one gather. JPEGs are decoded by libjpeg-turbo at 1/2, 1/4 or
1/8 where that is large enough, and all is scaled by PyTorch's bicubic kernel for bytes (with antialiasing), which enters no
thread pool. A smaller size is derived from a larger one that is there, not decoded again.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from recipes import chance, events
from recipes.crew import SLICE, Crew
from recipes.dicom import dicom_picture, is_dicom
from recipes.errors import Stopped, StorageError
from recipes.images import Images
from recipes.jpeg import orientation_of, plain_jpeg, upright
from recipes.store import StoredArray, digest, put_row

__all__ = [
    "Pace",
    "Pixels",
    "as_seen",
    "centre_square",
    "decode",
    "fitted",
    "open_picture",
    "open_pixels",
    "turned",
    "usual_shape",
]

VERSION = 2  # part of every key: raise it when the same file would give other pixels
CHUNK = 4 * SLICE
MAX_PIXELS = 178_956_970  # where Pillow, too, suspects a decompression bomb
TAPS = 2  # pixels to each side that a bicubic kernel sees
THREE_BYTES = np.dtype("V3")  # one colour: copied as one, axes are swapped in half the time


@dataclass(frozen=True)
class Pixels:
    """Decoded images. `array` uint8 (n, height, width, 3), `height` the shorter side; `shape` int32 (n, 2) the used
    height and width of each row; `turned` says that a row is stored with its axes swapped. `broken` maps a row to a
    reason. `scales` are the shorter side and the greatest width that pictures were brought to, one after the
    other."""

    array: np.ndarray
    shape: np.ndarray
    turned: np.ndarray
    broken: dict[int, str]
    size: int
    key: str
    scales: tuple[tuple[int, int], ...]

    def plain(self, rows: np.ndarray) -> np.ndarray:
        """The centre square of `size` pixels of each row, uint8 (len(rows), size, size, 3)."""
        out = np.empty((len(rows), self.size, self.size, 3), np.uint8)
        for i, row in enumerate(rows.tolist()):
            height, width = map(int, self.shape[row])
            top, left = (height - self.size) // 2, (width - self.size) // 2
            square = self.array[row, top : top + self.size, left : left + self.size]
            out[i] = square.swapaxes(0, 1) if self.turned[row] else square
        return out


class Pace:
    """Tells how far a long call has come, four times a second at most, with the seconds that it has left."""

    def __init__(self, report: events.Report, place: dict, stage: str, **more):
        self.report, self.place, self.stage, self.more = report, place, stage, more
        self.start = self.told_at = time.monotonic()
        self.first: int | None = None

    def __call__(self, done: int, total: int, **more) -> None:
        if self.due(done, total):
            self.told(done, total, **more)

    def due(self, done: int, total: int) -> bool:
        """Whether it is time to tell something again."""
        now = time.monotonic()
        if self.first is None:
            self.first, self.start = done, now
        return done >= total or now - self.told_at >= 0.25

    def told(self, done: int, total: int, **more) -> None:
        """Tells it."""
        self.told_at = now = time.monotonic()
        spent, made = now - self.start, done - (self.first or 0)
        left = spent / made * (total - done) if made else None
        pace = {"seconds_left": left, "done": done, "total": total}
        self.report(events.Batch(stage=self.stage, **self.place, **pace, **self.more, **more))


def decode(
    images: Images,
    size: int,
    crop: float,
    cache: Path,
    *,
    larger: Pixels | None = None,
    report: events.Report = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
    workers: int | None = None,
) -> Pixels:
    """The pixels of every row of `images` for square views of `size` pixels, `crop` of the shorter side.

    Made from `larger` where that is given, else from the files. Raises Stopped, and StorageError on a full disk.
    """
    short = max(size, round(size / crop))
    key, sources = _key(images), images.sources
    ratio = max(1.0, larger.array.shape[2] / larger.array.shape[1]) if larger else usual_shape(sources)[1]
    width = max(short, round(short * ratio))
    key = digest("pixels", VERSION, key, short, width, larger.key if larger else "files")
    stored = StoredArray(cache / "pixels" / key, len(images), (short, width, 3), "uint8")
    crews: list[Crew] = []
    import_module("torch")  # here, not once in each process of a crew

    def make(out: np.ndarray, first: int, last: int) -> dict:
        def one(row: int) -> list | str:
            if should_stop():
                raise Stopped
            if larger is not None:
                if row in larger.broken:
                    return larger.broken[row]
                height, across = larger.shape[row]
                pixels, tall = larger.array[row, :height, :across], bool(larger.turned[row])
                if tall:
                    pixels = turned(pixels)
            else:
                try:
                    pixels = open_pixels(sources[row], short)
                except _Unusable as error:
                    return str(error)
                tall = pixels.shape[0] > pixels.shape[1]
            pixels = fitted(pixels, short, width)
            if tall:
                pixels = turned(pixels)
            put_row(out, row, pixels)
            return [pixels.shape[1], tall]

        if not crews:
            crews.append(Crew(one, first, len(images), workers, should_stop))
        return {str(row): note for row, note in zip(range(first, last), crews[0].until(last))}

    pace = Pace(report, {"size": size}, "resize" if larger else "decode")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = stored.build(make, CHUNK, pace, should_stop)
    finally:
        for crew in crews:
            crew.close()
    notes = [stored.notes[str(row)] for row in range(len(images))]
    broken = {row: note for row, note in enumerate(notes) if isinstance(note, str)}
    usable = [(short, *note) if not isinstance(note, str) else (short, width, False) for note in notes]
    shape = np.array([(height, across) for height, across, _ in usable], np.int32).reshape(-1, 2)
    scales = (*(larger.scales if larger else ()), (short, width))
    return Pixels(array, shape, np.array([tall for *_, tall in usable], bool), broken, size, key, scales)


def usual_shape(sources: Sequence[Path | np.ndarray], looked_at: int = 200) -> tuple[int, float]:
    """The median shorter side in pixels, and the 90th percentile of long to short side (1 to 2), of up to 200
    images."""
    rows = np.arange(len(sources))
    if len(rows) > looked_at:
        rows = np.sort(chance.order(rows, 0)[:looked_at])
    sides = []
    for row in rows.tolist():
        source = sources[row]
        try:
            if isinstance(source, np.ndarray):
                sides.append(sorted(source.shape[:2]))
            else:
                with Image.open(source) as picture:
                    sides.append(sorted(picture.size))
        except Exception:  # what a broken file raises is anybody's guess; decode names it
            continue
    if not sides:
        return 0, 1.0
    array = np.array(sides, float)
    ratio = float(np.quantile(array[:, 1] / np.maximum(array[:, 0], 1), 0.9))
    return int(np.median(array[:, 0])), min(2.0, round(ratio * 24) / 24)


def centre_square(picture: Image.Image | np.ndarray, size: int, scales: Sequence[tuple[int, int]]) -> np.ndarray:
    """The plain view that one picture (RGB, or uint8 (height, width, 3)) has in `Pixels` with these scales, uint8 (size,
    size, 3)."""
    pixels = _array(picture, scales[0][0])
    for short, longest in scales:
        pixels = fitted(pixels, short, longest)
    top, left = (pixels.shape[0] - size) // 2, (pixels.shape[1] - size) // 2
    return np.ascontiguousarray(pixels[top : top + size, left : left + size])


class _Unusable(Exception):
    """Why an image cannot be decoded, in a few words."""


def open_picture(source: Path | np.ndarray, short: int | None = None) -> Image.Image:
    """An RGB picture, upright by its EXIF tag, every mode converted: one channel copied to three, alpha dropped, CMYK
    and palettes converted, 16 bits scaled to 8. `short` allows JPEGs to come smaller, no shorter than that.

    Raises an error whose text says what is wrong with the file.
    """
    opened = _opened(source, short)
    return opened if isinstance(opened, Image.Image) else Image.fromarray(opened)


def open_pixels(source: Path | np.ndarray, short: int) -> np.ndarray:
    """What `open_picture` gives, uint8 (height, width, 3), for what is to be scaled to that shorter side."""
    return _array(_opened(source, short), short)


def _opened(source: Path | np.ndarray, short: int | None) -> Image.Image | np.ndarray:
    if isinstance(source, np.ndarray):
        return _to_rgb(Image.fromarray(source[..., 0] if source.ndim == 3 and source.shape[2] == 1 else source))
    try:
        if (pixels := plain_jpeg(source, short, MAX_PIXELS)) is not None:
            return pixels
        if os.path.getsize(source) == 0:
            raise _Unusable("empty file")
        if is_dicom(source):
            return dicom_picture(source)
        with Image.open(source) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise _Unusable(f"too large: {picture.width} × {picture.height} pixels")
            if short is not None and picture.format == "JPEG" and picture.mode in ("RGB", "L"):
                scale = short / min(picture.size)
                picture.draft(None, (int(np.ceil(picture.width * scale)), int(np.ceil(picture.height * scale))))
            picture.load()
            return as_seen(picture)
    except _Unusable:
        raise
    except FileNotFoundError:
        raise _Unusable("no such file") from None
    except PermissionError:
        raise _Unusable("no permission to read it") from None
    except Image.DecompressionBombError:
        raise _Unusable(f"too large: more than {MAX_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise _Unusable(f"not a picture: it begins with {_beginning(source)}") from None
    except Exception as error:  # decoders raise whatever their library does (struct, zlib, ValueError, OSError …)
        raise _Unusable(f"broken: {' '.join(str(error).split())[:120] or type(error).__name__}") from None


def as_seen(picture: Image.Image) -> Image.Image:
    """The picture in RGB, as its EXIF orientation says that it is to be seen."""
    orientation, seen = orientation_of(picture), _to_rgb(picture)
    return seen if orientation == 1 else Image.fromarray(np.ascontiguousarray(upright(np.asarray(seen), orientation)))


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB":
        return picture
    if picture.mode.startswith("I") or picture.mode == "F":
        return Image.fromarray(_to_eight_bits(np.asarray(picture))).convert("RGB")
    if picture.mode == "P" and "transparency" in picture.info:
        return picture.convert("RGBA").convert("RGB")
    return picture.convert("RGB")


def _to_eight_bits(values: np.ndarray) -> np.ndarray:
    """Deep grey values as uint8: 16 bits in full, 12 bits where no value needs more, 8 where 8 are enough; floats up
    to 1 as shares of white."""
    shares = values.dtype.kind == "f"
    values = np.nan_to_num(values.astype(np.float64))
    top = values.max(initial=0)
    if shares and top <= 1:
        full = 1.0
    else:
        full = next((limit for limit in (255.0, 4095.0, 65535.0) if top <= limit), top)
    return np.clip(np.rint(values * (255 / full)), 0, 255).astype(np.uint8)


def fitted(pixels: np.ndarray, short: int, longest: int) -> np.ndarray:
    """A picture, uint8 (height, width, 3), scaled to that shorter side, and no more than `longest` of its longer side.

    What is longer loses its far ends: whole pixels that the kernel would not see before it is scaled, the rest after. The
    middle stays the middle to within half a pixel of the result.
    """
    longer = int(pixels.shape[1] >= pixels.shape[0])
    scale = short / pixels.shape[1 - longer]
    unseen = (pixels.shape[longer] - longest / scale) / 2 - TAPS * max(1.0, 1 / scale)
    pixels = _middle(pixels, longer, pixels.shape[longer] - 2 * max(0, int(unseen)))
    across = max(short, round(pixels.shape[longer] * scale))
    scaled = _scaled(pixels, *((short, across) if longer else (across, short)))
    return _middle(scaled, longer, min(across, longest))


def turned(pixels: np.ndarray) -> np.ndarray:
    """The same picture, uint8 (height, width, 3), with its axes swapped: uint8 (width, height, 3)."""
    colours = np.ascontiguousarray(pixels).view(THREE_BYTES)[..., 0]
    return np.ascontiguousarray(colours.T)[..., None].view(np.uint8)


def _middle(pixels: np.ndarray, axis: int, length: int) -> np.ndarray:
    first = (pixels.shape[axis] - length) // 2
    return pixels[:, first : first + length] if axis else pixels[first : first + length]


def _scaled(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    if pixels.shape[:2] == (height, width):
        return pixels
    import torch

    tensor = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))[None].permute(0, 3, 1, 2)
    scaled = torch.nn.functional.interpolate(tensor, size=(height, width), mode="bicubic", antialias=True)
    return scaled[0].permute(1, 2, 0).numpy()


def _array(picture: Image.Image | np.ndarray, short: int) -> np.ndarray:
    """A picture's pixels; where it is six times as large as needed and more, in means of whole squares first."""
    sides = picture.size if isinstance(picture, Image.Image) else picture.shape[:2]
    by = min(sides) // (3 * short)
    if by > 1:
        picture = (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).reduce(by)
    return np.array(picture) if isinstance(picture, Image.Image) else picture


def _key(images: Images) -> str:
    """What the pixels depend on: each file's path, size and time, each array's content."""
    return digest([_mark(source) for source in images.sources])


def _mark(source: Path | np.ndarray) -> object:
    if isinstance(source, np.ndarray):
        import hashlib

        return [source.shape, hashlib.blake2b(np.ascontiguousarray(source).tobytes(), digest_size=16).hexdigest()]
    try:
        stat = os.stat(source)
    except OSError:
        return [str(source)]
    return [os.path.abspath(source), stat.st_size, stat.st_mtime_ns]


def _beginning(source: Path) -> str:
    try:
        with open(source, "rb") as file:
            return repr(file.read(12))
    except OSError as error:
        raise StorageError(f"a file cannot be read: {source} ({error.strerror}); check the disk") from None
