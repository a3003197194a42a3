"""What was read from a competition folder, in plain words and pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assistant import explore_plots, plots, reading, sample
from assistant.competition import Competition
from assistant.explore_figures import class_table
from assistant.headers import image_headers
from assistant.image_table import image_table
from assistant.settings import home
from assistant.ui import findings
from assistant.ui.look import alert, plot, text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from recipes import Images

__all__ = ["image_sizes", "shown", "the_sample"]

HEADERS = 500  # images whose headers are read for their sizes
RARE, LONG = 20, 16  # images of a rare class; bars that fit without scrolling
CLASSES, EACH, LOOSE, THUMB = 12, 8, 24, 96  # classes shown, images of each, images without classes, pixels


def the_sample() -> Competition:
    """The embedded sample competition, written where downloads lie. Raises StorageError."""
    return reading.read(sample.write_sample(home() / "sample"))


def shown(competition: Competition, given: Mapping[str, str] | None = None) -> str:
    """The competition as HTML: what was understood and what `given` settings overrule, some images, how many of each class,
    how large. Raises RecipeError."""
    given = given or {}
    if competition.unsupported:
        refused = alert(f"This competition cannot be run: {competition.unsupported}.")
        return f'<div class="findings">{refused}{_understood(competition, given)}</div>'
    images = image_table(competition)
    sizes = image_sizes([images.sources[row] for row in _labelled(images)])
    facts = _facts(competition, images, sizes)
    return (
        f'<div class="read"><div class="findings">{_understood(competition, given, facts)}</div>'
        f'<div class="seen"><div><h3>Some of the images</h3>{_pictures(images)}</div><div>{_counts(images)}</div>'
        f"<div>{_sizes(sizes)}</div></div></div>"
    )


def image_sizes(sources: Sequence[Path | np.ndarray], limit: int = HEADERS) -> np.ndarray:
    """Widths and heights (n, 2), once upright, of up to `limit` images spread over all; of a file its header is read."""
    some = np.unique(np.linspace(0, len(sources) - 1, min(limit, len(sources))).astype(int))
    found = image_headers([sources[at] for at in some])
    return found.loc[found.reason == "", ["width", "height"]].to_numpy()  # what is broken is named when training begins


def _labelled(images: Images) -> np.ndarray:
    return np.flatnonzero((images.split == 0) | (images.split == 1))


def _understood(competition: Competition, given: Mapping[str, str], facts: str = "") -> str:
    """The answers, each correctable in its row."""
    back = "Undo all: back to what was read"
    undo = f'<button type="button" class="undo-all" data-undo="">{back}</button>' if given else ""
    head = f'<div class="titled"><h3>What was understood</h3>{undo}</div>'
    return f'{head}{facts}<dl class="rows">{findings.rows(competition, given)}</dl>{_notes(competition)}'


def _facts(competition: Competition, images: Images, sizes: np.ndarray) -> str:
    lines = [
        ("Competition", text(competition.title)),
        ("Images", f"{competition.train_images:,} with labels, {competition.test_images:,} to answer for"),
        ("Sizes", _sizes_said(sizes)),
        *(("Note", text(note)) for note in images.notes),
    ]
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{words}</dd>" for name, words in lines) + "</dl>"


def _notes(competition: Competition) -> str:
    lines = "".join(f"<li>{text(note)}</li>" for note in competition.warnings)
    return f'<ul class="notes">{lines}</ul>' if lines else ""


def _pictures(images: Images) -> str:
    """A row of images a class; images with their labels where there are no classes."""
    rows = _labelled(images)
    if images.task.name != "single_label":
        chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(LOOSE, len(rows))).astype(int))]
        made = [f"<figure>{_thumb(images, row)}{_caption(images.label(row))}</figure>" for row in chosen]
        return f'<div class="pictures loose">{"".join(made)}</div>'
    made, shown = [], images.classes[:CLASSES]
    each = EACH * max(1, min(5, CLASSES // len(shown)))
    for number, name in enumerate(shown):
        own = rows[images.targets[rows] == number][:each]
        made.append(f"<figure>{_caption(name)}<div>{''.join(_thumb(images, row) for row in own)}</div></figure>")
    more = len(images.classes) - CLASSES
    wide = " wide" if max(map(len, shown)) > 4 else ""
    rest = f'<p class="why">and {more:,} more classes</p>' if more > 0 else ""
    return f'<div class="pictures{wide}">{"".join(made)}</div>{rest}'


def _caption(words: str) -> str:
    return f'<figcaption title="{text(words)}">{text(words)}</figcaption>'


def _thumb(images: Images, row: int) -> str:
    from PIL import Image, ImageOps

    source, label, small = images.sources[row], text(images.label(row)), False
    try:
        image = Image.fromarray(source.squeeze()) if isinstance(source, np.ndarray) else Image.open(source)
        with image:
            small = max(image.size) < THUMB
            image.draft("RGB", (2 * THUMB, 2 * THUMB))
            picture = ImageOps.exif_transpose(image).convert("RGB")
            picture.thumbnail((2 * THUMB, 2 * THUMB))
            out = io.BytesIO()
            picture.save(out, *(("PNG",) if small else ("JPEG",)))
    except Exception:  # any decoder's error: the image is named when training begins
        return f'<span class="broken" role="img" aria-label="an image of {label} that cannot be opened">?</span>'
    kind = "png" if small else "jpeg"
    source = base64.b64encode(out.getvalue()).decode()
    return f'<img alt="{label}"{" class=small" if small else ""} src="data:image/{kind};base64,{source}">'


def _counts(images: Images) -> str:
    """How many images each class has; of numbers, how many lie where."""
    if images.task.name == "regression":
        values = images.targets[_labelled(images)].reshape(-1, len(images.classes))
        lines = [
            f"<dt>{text(name)}</dt><dd>from {column.min():g} to {column.max():g}, median {np.median(column):g}</dd>"
            for name, column in zip(images.classes, values.T)
        ]
        table = class_table(images)
        ranges = dict(zip(table["class"], table.images.tolist()))
        drawn = _bars(explore_plots.numbers(ranges), "Images by number", len(ranges))
        return f"{drawn}<dl>{''.join(lines)}</dl>"
    counts = images.counts()
    if not counts:
        return ""
    words = _counts_said(counts, "tags" if images.task.name == "multi_label" else "classes")
    return f'{_bars(plots.class_counts(counts), words, len(counts))}<p class="why">{text(words)}</p>'


def _counts_said(counts: Mapping[str, int], name: str) -> str:
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if counts[most] == counts[least]:
        return f"{len(counts):,} {name}, each with {counts[most]:,} images"
    words = f"{len(counts):,} {name}, from {counts[least]:,} images ({least}) to {counts[most]:,} ({most})"
    rare = sum(count < RARE for count in counts.values())
    return (
        words
        + (f"; half have {np.median(list(counts.values())):,.0f} or fewer" if len(counts) > 2 else "")
        + (f"; {rare:,} fewer than {RARE}" if rare else "")
    )


def _bars(figure: Figure, words: str, many: int) -> str:
    """Bars that scroll in themselves where they are many."""
    long = many > LONG
    drawn = plot(figure, words)
    return drawn.replace('class="plot"', 'class="plot long" tabindex="0"', 1) if long else drawn


def _sizes_said(sizes: np.ndarray) -> str:
    if not len(sizes):
        return "no image could be opened"
    low, middle, high = sizes.min(0), np.median(sizes, axis=0).astype(int), sizes.max(0)
    looked = f'<span class="why">({len(sizes):,} images looked at)</span>'
    if (low == high).all():
        return f"all {low[0]} × {low[1]} pixels {looked}"
    return f"widths {low[0]} to {high[0]}, heights {low[1]} to {high[1]}, medians {middle[0]} × {middle[1]} pixels {looked}"


def _sizes(sizes: np.ndarray) -> str:
    """How sizes are spread, with a closer view of sides under 1000 pixels; in words where there is but one."""
    if len(np.unique(sizes, axis=0)) < 2:
        return f'<h3>Image sizes</h3><p class="why">{_sizes_said(sizes)}</p>'
    return plot(plots.image_sizes(sizes), "Histograms of widths and heights: all, and sides under 1000 pixels")
