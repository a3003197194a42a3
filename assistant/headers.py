"""What image files say of themselves in their first bytes: size, mode, format and orientation, without any pixel.

JPEG, PNG and WebP are parsed here, everything else and everything odd by Pillow, and both say the same: a mode is
Pillow's, a width and a height are those of the upright picture. What lies behind the header may still be broken.
"""

from __future__ import annotations

import io
import os
import re
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from recipes.crew import cores
from recipes.errors import Stopped
from recipes.pixels import MAX_PIXELS, open_picture

__all__ = ["Header", "image_headers", "in_parallel", "read_header", "what_is_wrong"]

FIRST, MORE, CHUNK = 8192, 65536, 128  # bytes of the first read and of later ones, files a task
WEB_PAGE = re.compile(rb"\s*(<!doctype\s+html|<html|<head|<body|<\?xml[^>]*>\s*<!doctype\s+html)", re.IGNORECASE)
ORIENTATION, SHORT = 0x0112, 3
FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended and progressive; the rest is left to Pillow
PNG_MODES = {
    0: {1: "1", 2: "L", 4: "L", 8: "L", 16: "I;16"},
    2: {8: "RGB", 16: "RGB"},
    3: {1: "P", 2: "P", 4: "P", 8: "P"},
    4: {8: "LA", 16: "RGBA"},
    6: {8: "RGBA", 16: "RGBA"},
}  # by kind of colour and bits
PLAIN_CHUNKS = {b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"tIME", b"iCCP", b"bKGD", b"sBIT", b"hIST"}


class Header(NamedTuple):
    """Of one picture: width and height once upright, Pillow's mode and format, the EXIF orientation (1 to 8, 1 is
    upright), the size of the file, and why it cannot be read ("" where it can)."""

    width: int = 0
    height: int = 0
    mode: str = ""
    format: str = ""
    orientation: int = 1
    bytes: int = 0
    reason: str = ""


def image_headers(
    sources: Sequence[Path | np.ndarray],
    workers: int | None = None,
    *,
    told: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> pd.DataFrame:
    """The header of every source, one row each: the columns are the fields of `Header`.

    `told(done, total)` hears of progress. Raises Stopped.
    """
    parts = in_parallel(read_header, sources, workers, CHUNK, told, should_stop)
    return pd.DataFrame([header for part in parts for header in part], columns=list(Header._fields))


def in_parallel(
    one: Callable[[Any], Any],
    given: Sequence[Any],
    workers: int | None,
    chunk: int,
    told: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> Iterator[list]:
    """Lists of `one(x)` for each x given, `chunk` at a time and in order, made by threads that end soon after
    `should_stop`. Raises Stopped."""
    stopped = threading.Event()

    def several(first: int) -> list:
        return [one(x) for x in given[first : first + chunk] if not stopped.is_set()]

    pool, done = ThreadPoolExecutor(workers or cores()), 0
    ahead = 4 * (workers or cores())  # tasks that wait their turn, so that what is finished never piles up
    starts = iter(range(0, len(given), chunk))
    try:
        tasks = [pool.submit(several, first) for first in islice(starts, ahead)]
        told(0, len(given))
        while tasks:
            while not tasks[0].done():
                wait(tasks[:1], timeout=0.2)
                if should_stop():
                    raise Stopped
            if should_stop():
                raise Stopped
            part = tasks.pop(0).result()
            tasks += [pool.submit(several, first) for first in islice(starts, 1)]
            done += len(part)
            yield part
            told(done, len(given))
    finally:
        stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)


def read_header(source: Path | np.ndarray) -> Header:
    """The header of a file or of an array (uint8, H×W or H×W×C); never raises."""
    if isinstance(source, np.ndarray):
        mode = {3: "RGB", 4: "RGBA"}.get(source.shape[2] if source.ndim == 3 else 1, "L")
        return Header(source.shape[1], source.shape[0], mode, "array", 1, source.nbytes)
    size = 0
    try:
        with open(source, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            found = _parsed(_Window(file))
        width, height, mode, kind, orientation = found or _by_pillow(source)
    except Exception:  # a decoder raises whatever its library does
        return Header(bytes=size, reason=what_is_wrong(source))
    if orientation >= 5:
        width, height = height, width
    return Header(width, height, mode, kind, orientation, size)


def what_is_wrong(source: Path | np.ndarray) -> str:
    """Why a picture cannot be opened, in a few words; "" where it can."""
    try:
        open_picture(source, 32)
    except Exception as error:  # its text is made for people
        with_page = str(error).startswith("not a picture") and WEB_PAGE.match(_beginning(source))
        return "a web page, not a picture" if with_page else str(error)
    return ""


def _beginning(source: Path | np.ndarray) -> bytes:
    try:
        with open(source, "rb") as file:  # type: ignore[arg-type]
            return file.read(512).removeprefix(b"\xef\xbb\xbf")
    except OSError:
        return b""


class _Odd(Exception):
    """Not as most files are: Pillow's turn."""


class _Window:
    """The bytes of a file, read where and when they are asked for."""

    def __init__(self, file: io.RawIOBase | io.FileIO):
        self.file, self.at, self.held = file, 0, file.read(FIRST) or b""

    def __call__(self, at: int, length: int) -> bytes:
        """`length` bytes from `at`. Raises _Odd where the file ends before."""
        start = at - self.at
        if start < 0 or start + length > len(self.held):
            self.file.seek(at)
            self.at, start, self.held = at, 0, self.file.read(max(length, MORE)) or b""
        found = self.held[start : start + length]
        if len(found) < length:
            raise _Odd
        return found


_Found = tuple[int, int, str, str, int]  # width and height as stored, mode, format, orientation


def _parsed(read: _Window) -> _Found | None:
    """What the header says, or None where Pillow has to look."""
    try:
        start = read.held[:12]
        if start[:3] == b"\xff\xd8\xff":
            found = _jpeg(read)
        elif start[:8] == b"\x89PNG\r\n\x1a\n":
            found = _png(read)
        elif start[:4] == b"RIFF" and start[8:] == b"WEBP":
            found = _webp(read)
        else:
            return None
    except (_Odd, struct.error, KeyError):
        return None
    return found if found[0] and found[1] and found[0] * found[1] <= MAX_PIXELS else None


def _by_pillow(path: Path) -> _Found:
    with Image.open(path) as picture:
        orientation = picture.getexif().get(ORIENTATION, 1)
        upright = orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
        return (*picture.size, picture.mode, picture.format or "", upright)


def _jpeg(read: _Window) -> _Found:
    """Segment after segment up to the scan, as Pillow does it."""
    at, size, orientation, exif = 2, None, 1, False
    while True:
        mark, kind, length = struct.unpack(">BBH", read(at, 4))
        if mark != 0xFF or length < 2 or kind in (0x00, 0x01, 0xFF) or 0xD0 <= kind <= 0xD9:
            raise _Odd
        if kind == 0xDA:
            break
        if kind in FRAMES:
            bits, height, width, layers = struct.unpack(">BHHB", read(at + 4, 6))
            if bits != 8 or size is not None:
                raise _Odd
            size = (width, height, {1: "L", 3: "RGB", 4: "CMYK"}[layers])
        elif (0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xCC)) or kind == 0xDC:
            raise _Odd
        elif kind == 0xE1:
            head = read(at + 4, min(6, length - 2))
            if head == b"Exif\0\0":
                if exif:
                    raise _Odd
                exif, orientation = True, _exif_orientation(read(at + 10, length - 8))
            elif head == b"http:/" and b"rientation" in read(at + 4, length - 2):
                raise _Odd
        elif kind == 0xE2 and read(at + 4, min(4, length - 2)) == b"MPF\0":
            raise _Odd
        at += 2 + length
    if size is None:
        raise _Odd
    return (*size, "JPEG", orientation)


def _exif_orientation(tiff: bytes) -> int:
    """The orientation in the first directory of an EXIF block, 1 where there is none."""
    order = {b"II*\0": "<", b"MM\0*": ">"}[tiff[:4]]
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, start)
    for at in range(start + 2, start + 2 + 12 * entries, 12):
        tag, kind, count, value = struct.unpack_from(order + "HHIH", tiff, at)
        if tag == ORIENTATION:
            if kind != SHORT or count != 1:
                raise _Odd
            return value if 1 <= value <= 8 else 1
    return 1


def _png(read: _Window) -> _Found:
    """Chunk after chunk up to the pixels; texts and EXIF may hold an orientation and are left to Pillow."""
    at, size = 8, None
    while True:
        length, kind = struct.unpack(">I4s", read(at, 8))
        if kind == b"IHDR" and length == 13 and size is None:
            width, height, bits, colour = struct.unpack(">IIBB", read(at + 8, 10))
            size = (width, height, PNG_MODES[colour][bits])
        elif kind == b"IDAT" and size is not None:
            return (*size, "PNG", 1)
        elif kind not in PLAIN_CHUNKS:
            raise _Odd
        at += 12 + length


def _webp(read: _Window) -> _Found:
    kind = read(12, 4)
    if kind == b"VP8X":
        flags = read(20, 1)[0]
        if flags & 0b1110:  # EXIF, XMP, animation
            raise _Odd
        low = np.frombuffer(read(24, 6), np.uint8).astype(int)
        width, height = (1 + low[i] + (low[i + 1] << 8) + (low[i + 2] << 16) for i in (0, 3))
        return int(width), int(height), "RGBA" if flags & 0b10000 else "RGB", "WEBP", 1
    if kind == b"VP8L":
        mark, packed = struct.unpack("<BI", read(20, 5))
        if mark != 0x2F:
            raise _Odd
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1, "RGBA" if packed >> 28 & 1 else "RGB", "WEBP", 1
    if kind == b"VP8 " and read(23, 3) == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", read(26, 4))
        return width & 0x3FFF, height & 0x3FFF, "RGB", "WEBP", 1
    raise _Odd
