"""The pictures of an exploration that no other page needs: shapes, samples by class, pairs, and a list of what is broken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from assistant import plots
from recipes.pixels import open_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["aspect_ratios", "broken_files", "each_row", "label_conflicts", "numbers", "samples", "thumbnail"]

SAMPLED, PAIRS, LISTED, SIDE = 16, 12, 30, 200  # pictures, pairs and names shown; pixels of a picture


def thumbnail(source: Path | np.ndarray, side: int = SIDE) -> np.ndarray | None:
    """The picture as uint8 (height, width, 3), no side longer than `side`; None where it cannot be decoded."""
    try:
        picture = open_picture(source, side)
        picture.thumbnail((side, side))
        return np.asarray(picture)
    except Exception:  # a decoder raises whatever its library does; what is broken is named in a list
        return None


def aspect_ratios(ratios: np.ndarray) -> Figure:
    """A histogram of width by height, portraits left and landscapes right of the line at 1, on a log scale."""
    ratios = np.asarray(ratios, float)
    ratios = ratios[np.isfinite(ratios) & (ratios > 0)]
    if not len(ratios):
        return plots._nothing("no images yet")
    figure, (axes,) = plots._panels(1, 5.2, 3.6, "Shapes: width by height")
    plots._quiet(axes, "width / height (log scale)", "images", grid="y", pad=20)
    reach = max(1.25, float(np.max(np.maximum(ratios, 1 / ratios))))
    bins = np.exp(np.linspace(-np.log(reach * 1.05), np.log(reach * 1.05), 42))
    counts, _, _ = axes.hist(ratios, bins, color=plots.SECOND)
    axes.axvline(1, color=plots.ACCENT, linewidth=1.4, linestyle="--")
    axes.set_xscale("log")
    marks = [1 / 8, 1 / 4, 1 / 2, 2 / 3, 1, 1.5, 2, 4, 8]
    if reach < 1.6:
        marks = [1 / 1.25, 1 / 1.1, 1, 1.1, 1.25]
    elif reach > 4:
        marks = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16]
    marks = [mark for mark in marks if 1 / reach / 1.05 <= mark <= reach * 1.05]
    axes.set_xticks(marks, [f"{mark:.2g}" for mark in marks])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="y", integer=True, nbins=6, min_n_ticks=1)
    shares = (ratios < 0.98).mean(), (ratios > 1.02).mean()
    for at, share, name, side in ((0.01, shares[0], "portrait", "left"), (0.99, shares[1], "landscape", "right")):
        axes.text(at, 1.02, f"{name} {share:.0%}", transform=axes.transAxes, ha=side, fontsize=9, color=plots.QUIET)
    square = f"square {1 - sum(shares):.0%}"
    axes.text(0.5, 1.02, square, transform=axes.transAxes, ha="center", fontsize=9, color=plots.ACCENT)
    axes.set_ylim(0, float(np.max(counts)) * 1.06)
    return figure


def numbers(ranges: Mapping[str, int]) -> Figure:
    """Images in each range of a number, in the order given."""
    if not ranges:
        return plots._nothing("no images yet")
    return plots._bars(
        [(plots._say(name, 32), count) for name, count in ranges.items()], plots.SECOND, "Images by number"
    )


def samples(sources: Sequence[Path | np.ndarray], labels: Sequence[str]) -> Figure:
    """Pictures with their labels, up to 16; what cannot be decoded is left out."""
    shown = [(thumbnail(source), label) for source, label in zip(sources[:SAMPLED], labels)]
    return plots.pictures([(pixels, label) for pixels, label in shown if pixels is not None], "Some of the images")


def label_conflicts(pairs: Sequence[tuple[Path | np.ndarray, Path | np.ndarray, str]]) -> Figure:
    """Pairs that show the same and have different labels, each side by side over its caption, up to 12."""
    entries = []
    for one, other, caption in pairs[:PAIRS]:
        left, right = thumbnail(one), thumbnail(other)
        if left is not None and right is not None:
            entries.append((_beside(left, right), caption))
    return plots.pictures(entries, "The same picture with different labels")


def broken_files(broken: pd.DataFrame) -> Figure:
    """Ids and reasons of what cannot be used, up to 30."""
    from matplotlib.figure import Figure

    lines = [(plots._say(row.id, 36), plots._say(row.reason, 80)) for row in each_row(broken.head(LISTED))]
    more = len(broken) - len(lines)
    lines += [(f"and {more:,} more", "")] if more > 0 else []
    height = 0.7 + 0.24 * max(1, len(lines))
    figure = Figure(figsize=(9, height), facecolor="white")
    figure.text(0.012, 1 - 0.3 / height, "What cannot be used", fontsize=11.5, fontweight="bold", color=plots.INK)
    for number, (name, reason) in enumerate(lines):
        at = 1 - (0.65 + 0.24 * number) / height
        plots._speak(figure.text(0.012, at, name, fontsize=9, color=plots.INK))
        plots._speak(figure.text(0.36, at, reason, fontsize=9, color=plots.QUIET))
    return figure


def each_row(table: pd.DataFrame) -> Iterable[Any]:
    """The rows of a table, its columns as attributes."""
    return table.itertuples(index=False)


def _beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two pictures next to each other on white, eight pixels apart."""
    height = max(len(left), len(right))
    made = np.full((height, left.shape[1] + 8 + right.shape[1], 3), 255, np.uint8)
    for at, picture in ((0, left), (left.shape[1] + 8, right)):
        top = (height - len(picture)) // 2
        made[top : top + len(picture), at : at + picture.shape[1]] = picture
    return made
