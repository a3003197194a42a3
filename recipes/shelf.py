"""The decoded images of a table at each size that is asked for: decoded once at the largest, smaller ones derived
from that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from recipes import events
from recipes.errors import RecipeError, few
from recipes.images import Images
from recipes.pixels import Pixels, decode, usual_shape

__all__ = ["Shelf", "crop_for", "lost", "ready", "warnings_of"]


class Shelf:
    """Pixels by size. `largest` is the largest size that is going to be asked for, in pixels; `crop` the share of the
    shorter side that a plain view shows, or auto: .875 where the pictures are at least half as large again as the
    view, else all of it."""

    def __init__(self, images: Images, crop: float | str, cache: Path, largest: int):
        if crop != "auto" and not (isinstance(crop, (int, float)) and 0.1 <= crop <= 1):
            raise RecipeError(f"the crop is out of range: {crop!r}; give auto, or a share from 0.1 to 1")
        self.images, self.crop, self.cache, self.largest = images, crop, cache, largest
        self._pixels: dict[int, Pixels] = {}
        self._short: int | None = None

    def holds(self, size: int) -> bool:
        """Whether the pixels for views of `size` are at hand."""
        return size in self._pixels

    def at(self, size: int, report: events.Report, should_stop: Callable[[], bool]) -> Pixels:
        """The pixels for views of `size`. Raises Stopped, StorageError."""
        if size not in self._pixels:
            larger = self.at(self.largest, report, should_stop) if size < self.largest else None
            made = decode(
                self.images, size, self.crop_at(size), self.cache, larger=larger, report=report, should_stop=should_stop
            )
            self._pixels = {kept: pixels for kept, pixels in self._pixels.items() if kept == self.largest} | {
                size: made
            }
        return self._pixels[size]

    def crop_at(self, size: int) -> float:
        """The share of the shorter side that a plain view of this size shows."""
        if not isinstance(self.crop, str):
            return float(self.crop)
        if self._short is None:
            self._short = usual_shape(self.images.sources)[0]
        return crop_for(self._short, size)


def crop_for(short: int, size: int) -> float:
    """The share of the shorter side that plain views of `size` show, where it usually has `short` pixels."""
    return 0.875 if short >= 1.5 * size else 1.0


def ready(images: Images, place: dict[str, int], device: str, seconds: float) -> Iterator[events.Event]:
    """What to tell once all images are decoded: how many there are, and what is wrong with the others."""
    yield events.ImagesReady(
        train=len(images.train),
        valid=len(images.valid),
        test=len(images.test),
        task=images.task.name,
        classes=list(images.classes),
        counts=images.counts(),
        set_aside=dict(images.set_aside),
        missing=dict(images.missing),
        device=device,
        seconds=seconds,
    )
    for note in images.notes:
        yield events.Warned(text=note, **place)
    yield from _warned(images.set_aside, images.missing, place)


def lost(images: Images, pixels: Pixels) -> dict[int, str]:
    """Rows that could not be decoded and are counted on so far, with the reasons."""
    counted = (images.split[row] >= 0 and images.ids[row] not in images.missing for row in pixels.broken)
    return {row: why for (row, why), on in zip(pixels.broken.items(), counted) if on}


def warnings_of(gone: Mapping[int, str], images: Images, place: dict[str, int]) -> Iterator[events.Event]:
    """What to tell of rows that were decoded at another size, and cannot be any more."""
    named = {images.ids[row]: why for row, why in gone.items()}
    aside = {name: why for name, why in named.items() if name in images.set_aside}
    yield from _warned(aside, {name: why for name, why in named.items() if name not in aside}, place)


def _warned(set_aside: Mapping[str, str], missing: Mapping[str, str], place: dict[str, int]) -> Iterator[events.Event]:
    for named, what in (
        (set_aside, "set aside"),
        (missing, "answered unseen, by the classes' frequency (the median, for numbers)"),
    ):
        if named:
            number = "1 image is" if len(named) == 1 else f"{len(named):,} images are"
            reasons = few(f"{name} ({why})" for name, why in named.items())
            yield events.Warned(text=f"{number} {what}: {reasons}", **place)
