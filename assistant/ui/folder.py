"""What was read from a competition folder, in plain words and pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assistant import plots, reading, sample
from assistant.competition import Competition, answer_in_words, task_in_words
from assistant.headers import image_headers
from assistant.image_table import image_table
from assistant.settings import home
from assistant.ui.look import alert, plot, text
from recipes.errors import few

if TYPE_CHECKING:
    from recipes import Images

__all__ = ["image_sizes", "shown", "the_sample"]

HEADERS = 500  # images whose headers are read for their sizes
CLASSES, EACH, LOOSE, THUMB = 12, 8, 24, 96  # classes shown, images of each, images without classes, pixels


def the_sample() -> Competition:
    """The embedded sample competition, written where downloads lie. Raises StorageError."""
    return reading.read(sample.write_sample(home() / "sample"))


def shown(competition: Competition) -> str:
    """The competition as HTML: what was understood, some images, how many of each class, how large. Raises RecipeError."""
    if competition.unsupported:
        return alert(f"This competition cannot be run: {competition.unsupported}.") + _why_all(competition)
    images = image_table(competition)
    sizes = image_sizes([images.sources[row] for row in _labelled(images)])
    return (
        f'<div class="read"><div><h3>What was understood</h3>{_words(competition, images, sizes)}'
        f"{_why_all(competition)}{_counts(images)}"
        f"{_sizes(sizes)}</div><div><h3>Some of the images</h3>{_pictures(images)}</div></div>"
    )


def image_sizes(sources: Sequence[Path | np.ndarray], limit: int = HEADERS) -> np.ndarray:
    """Widths and heights (n, 2), once upright, of up to `limit` images spread over all; of a file its header is read."""
    some = np.unique(np.linspace(0, len(sources) - 1, min(limit, len(sources))).astype(int))
    found = image_headers([sources[at] for at in some])
    return found.loc[found.reason == "", ["width", "height"]].to_numpy()  # what is broken is named when training begins


def _labelled(images: Images) -> np.ndarray:
    return np.flatnonzero((images.split == 0) | (images.split == 1))


def _words(competition: Competition, images: Images, sizes: np.ndarray) -> str:
    classes, asked, metric = competition.classes, competition.submission, competition.metric
    columns = few([asked.id_column, *asked.columns], 6)
    template = f"as in {asked.template}: " if asked.template else ""
    lines = [
        ("Competition", text(competition.title)),
        ("Task", text(f"{task_in_words(competition)}: {few(classes, 10)}")),
        ("Images", f"{competition.train_images:,} with labels, {competition.test_images:,} to answer for"),
        ("Sizes", _sizes_said(sizes)),
        ("Labels", text(competition.labels_from)),
        ("Answer", f"{text(f'{template}columns {columns}; {answer_in_words(asked)}')} {_why(asked.why)}"),
        ("Score", f"{text(_named(metric.name))}, {metric.direction} is better {_why(metric.why)}"),
    ]
    lines += [("Note", text(note)) for note in [*competition.warnings, *images.notes]]
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{words}</dd>" for name, words in lines) + "</dl>"


def _why_all(competition: Competition) -> str:
    """Each thing that was found: its reason, what else it might be, and the word that overrules it."""
    rows = []
    for finding in competition.evidence:
        others = f"; or {few(finding.others, 3)}" if finding.others else ""
        rows.append(f"<dt>{text(finding.field)}</dt><dd>{text(finding.answer)} {_why(finding.why + others)}</dd>")
    return f"<details><summary>Why, and what else it might be</summary><dl>{''.join(rows)}</dl></details>"


def _named(metric: str) -> str:
    return metric.replace("_", " ")


def _why(reason: str) -> str:
    return f'<span class="why">({text(reason)})</span>' if reason else ""


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
    if images.task.name == "regression":
        values = images.targets[_labelled(images)].reshape(-1, len(images.classes))
        lines = [
            f"<dt>{text(name)}</dt><dd>from {column.min():g} to {column.max():g}, median {np.median(column):g}</dd>"
            for name, column in zip(images.classes, values.T)
        ]
        return f"<h3>The numbers</h3><dl>{''.join(lines)}</dl>"
    counts = images.counts()
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    words = f"Images in each class: from {counts[least]:,} ({least}) to {counts[most]:,} ({most})"
    return plot(plots.class_counts(counts), words).replace('"plot"', '"plot long"' if len(counts) > 16 else '"plot"', 1)


def _sizes_said(sizes: np.ndarray) -> str:
    if not len(sizes):
        return "no image could be opened"
    low, middle, high = sizes.min(0), np.median(sizes, axis=0).astype(int), sizes.max(0)
    looked = f'<span class="why">({len(sizes):,} images looked at)</span>'
    if (low == high).all():
        return f"all {low[0]} × {low[1]} pixels {looked}"
    return f"widths {low[0]} to {high[0]}, heights {low[1]} to {high[1]}, medians {middle[0]} × {middle[1]} pixels {looked}"


def _sizes(sizes: np.ndarray) -> str:
    """How sizes are spread; nothing where there is but one."""
    if len(np.unique(sizes, axis=0)) < 2:
        return ""
    return plot(plots.image_sizes(sizes), "Histograms of widths and heights")
