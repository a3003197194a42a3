"""Drawn pictures that a tiny network learns in seconds, and the archives that they are shipped in."""

from __future__ import annotations

import colorsys
import io
import random
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import py7zr
from PIL import Image, ImageDraw

from .form import Content, Files

__all__ = ["amount", "dicom", "digit", "drawn", "leaf", "sevenz", "tags", "tar", "zipped"]

_SEGMENTS = {  # the strokes of a pocket calculator's digits, as boxes in a 3 × 5 grid
    "a": (0, 0, 2, 0),
    "b": (2, 0, 2, 2),
    "c": (2, 2, 2, 4),
    "d": (0, 4, 2, 4),
    "e": (0, 2, 0, 4),
    "f": (0, 0, 0, 2),
    "g": (0, 2, 2, 2),
}
_DIGITS = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")


def drawn(number: int, classes: int, seed: int, side: int = 32, form: str = "JPEG") -> Callable[[], bytes]:
    """A picture of class `number`: its hue and its shape tell it; place, size and background do not."""
    return partial(_drawn, number, classes, seed, side, form)


def _drawn(number: int, classes: int, seed: int, side: int, form: str) -> bytes:
    chance = random.Random(seed)
    picture = _ground(seed, side, side + chance.randrange(5) if form == "JPEG" else side)
    reach = side * chance.uniform(0.26, 0.36)
    x, y = (side / 2 + chance.uniform(-3, 3) for _ in range(2))
    _mark(ImageDraw.Draw(picture), number % 4, _hue(number / classes), x, y, reach)
    return _bytes(picture, form)


def tags(numbers: Sequence[int], classes: int, seed: int, side: int = 40, form: str = "JPEG") -> Callable[[], bytes]:
    """A picture with a mark a tag, each of its own hue at its own place."""
    return partial(_tags, tuple(numbers), classes, seed, side, form)


def _tags(numbers: tuple[int, ...], classes: int, seed: int, side: int, form: str) -> bytes:
    picture = _ground(seed, side, side)
    pen, across = ImageDraw.Draw(picture), int(np.ceil(np.sqrt(classes)))
    cell = side / across
    for number in numbers:
        x, y = (number % across + 0.5) * cell, (number // across + 0.5) * cell
        _mark(pen, number % 2, _hue(number / classes), x, y, cell * 0.45)
    return _bytes(picture, form)


def amount(share: float, seed: int, side: int = 36) -> Callable[[], bytes]:
    """A JPEG whose disc grows, and turns from blue to red, with `share` (0 to 1)."""
    return partial(_amount, share, seed, side)


def _amount(share: float, seed: int, side: int) -> bytes:
    picture = _ground(seed, side, side)
    _mark(ImageDraw.Draw(picture), 0, _hue(0.66 * (1 - share)), side / 2, side / 2, side * (0.12 + 0.33 * share))
    return _bytes(picture, "JPEG")


def leaf(number: int, seed: int) -> Callable[[], bytes]:
    """A white leaf on black, one of nine: broad, long or round; whole, ringed or striped."""
    return partial(_leaf, number, seed)


def _leaf(number: int, seed: int) -> bytes:
    chance = random.Random(seed)
    wide, high = [(40, 16), (16, 40), (32, 32)][number // 3]
    size = (wide + chance.randrange(6), high + chance.randrange(6))
    picture = Image.new("L", size, 0)
    pen = ImageDraw.Draw(picture)
    pen.ellipse((1, 1, size[0] - 2, size[1] - 2), fill=255)
    if number % 3 == 1:
        pen.ellipse((5, 5, size[0] - 6, size[1] - 6), fill=0)
    if number % 3 == 2:
        for x in range(0, size[0], 6):
            pen.rectangle((x, 0, x + 2, size[1]), fill=0)
    return _bytes(picture, "JPEG")


def digit(number: int, seed: int) -> list[int]:
    """The 784 grey values of a digit, 28 × 28, white on black."""
    chance = random.Random(seed)
    picture = Image.new("L", (28, 28), 0)
    pen, step = ImageDraw.Draw(picture), chance.uniform(3.6, 4.6)
    left, top = 9 + chance.uniform(-2, 2), 5 + chance.uniform(-2, 2)
    for stroke in _DIGITS[number]:
        x0, y0, x1, y1 = _SEGMENTS[stroke]
        ends = (left + x0 * step, top + y0 * step, left + x1 * step, top + y1 * step)
        pen.line(ends, fill=chance.randrange(180, 256), width=3)
    return np.asarray(picture).reshape(-1).tolist()


def dicom(seed: int = 0) -> bytes:
    """A file that says DICM where DICOM files say it, and holds no picture."""
    return bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00" + seed.to_bytes(4, "little")


def zipped(files: Files) -> Callable[[], bytes]:
    """A zip of `files`."""

    def packed() -> bytes:
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, _made(content))
        return target.getvalue()

    return packed


def sevenz(files: Files) -> Callable[[], bytes]:
    """A 7z of `files`."""

    def packed() -> bytes:
        target = io.BytesIO()
        quick = [{"id": py7zr.FILTER_LZMA2, "preset": 0}]
        with py7zr.SevenZipFile(target, "w", filters=quick) as archive:
            for name, content in files.items():
                archive.writestr(_made(content), name)
        return target.getvalue()

    return packed


def tar(files: Files) -> Callable[[], bytes]:
    """A tar of `files`."""

    def packed() -> bytes:
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w") as archive:
            for name, content in files.items():
                made = _made(content)
                entry = tarfile.TarInfo(name)
                entry.size = len(made)
                archive.addfile(entry, io.BytesIO(made))
        return target.getvalue()

    return packed


def _made(content: Content) -> bytes:
    return content if isinstance(content, bytes) else content()


def _ground(seed: int, high: int, wide: int) -> Image.Image:
    chance = np.random.default_rng(seed)
    noise = chance.integers(-20, 21, (high, wide, 1)) + chance.integers(50, 100)
    return Image.fromarray(np.repeat(noise, 3, axis=2).astype(np.uint8))


def _hue(share: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(share % 1, 0.9, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def _mark(pen: ImageDraw.ImageDraw, shape: int, colour: tuple[int, int, int], x: float, y: float, reach: float) -> None:
    box = (x - reach, y - reach, x + reach, y + reach)
    if shape == 0:
        pen.ellipse(box, fill=colour)
    elif shape == 1:
        pen.rectangle(box, fill=colour)
    elif shape == 2:
        pen.polygon([(x, y - reach), (x + reach, y + reach), (x - reach, y + reach)], fill=colour)
    else:
        thick = reach / 2.5
        pen.rectangle((x - reach, y - thick, x + reach, y + thick), fill=colour)
        pen.rectangle((x - thick, y - reach, x + thick, y + reach), fill=colour)


def _bytes(picture: Image.Image, form: str) -> bytes:
    target = io.BytesIO()
    picture.save(target, form, **({"quality": 90} if form == "JPEG" else {}))
    return target.getvalue()
