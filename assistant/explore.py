"""What a set of images holds before anything is learned from it: classes, sizes, kinds, what is broken, what is there
twice, what leaks from train into test; and what all that speaks for.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from assistant import explore_plots, plots
from assistant.duplicates import find_duplicates
from assistant.explore_advice import advice_on
from assistant.explore_figures import class_table, figures_of, group_table, records
from assistant.fingerprints import Looks, content_hashes, look_at
from assistant.headers import image_headers
from recipes import events
from recipes.errors import ImagesError, Stopped
from recipes.images import Images
from recipes.parting import ASIDE, TEST
from recipes.pixels import Pace
from recipes.store import atomic_write, writable_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Findings", "explore", "image_headers"]

IN_JSON = 100  # broken files and duplicates that `to_dict` names
FIGURES = 6  # that `_drawn` draws


@dataclass(frozen=True)
class Findings:
    """What `explore` found.

    `classes` has class, images, share (of the labelled images; of a regression the classes are ranges). `images` has a
    row for each row of the table, in its order: id, split (train or test), label, path, width, height (upright), mode,
    format, bytes, orientation, broken (why it cannot be used, or ""), content_hash ("" where no other file is as long)
    and perceptual_hash. `duplicates` has a row a pair: row_a, row_b (in `images`), id_a, id_b, split_a, split_b,
    label_a, label_b, kind (exact or near), distance (bits of the perceptual hashes) and cluster. `broken` has id,
    split, path and reason, also of ids without a file; `groups` group, images, train and test where groups were given.
    """

    title: str
    figures: dict[str, Any]
    classes: pd.DataFrame
    images: pd.DataFrame
    duplicates: pd.DataFrame
    broken: pd.DataFrame
    groups: pd.DataFrame
    advice: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """A summary as plain JSON values; of broken files and duplicates the first hundred."""
        return {
            "title": self.title,
            "figures": self.figures,
            "classes": records(self.classes),
            "broken": records(self.broken.head(IN_JSON)),
            "duplicates": records(self.duplicates.head(IN_JSON)),
            "groups": records(self.groups.head(IN_JSON)),
            "advice": list(self.advice),
        }

    def usable(self) -> np.ndarray:
        """Which rows of `images` can be decoded, bool."""
        return (self.images["broken"] == "").to_numpy()

    def conflicts(self) -> pd.DataFrame:
        """The pairs of training images that have different labels."""
        both = (self.duplicates.split_a == "train") & (self.duplicates.split_b == "train")
        return self.duplicates.loc[both & (self.duplicates.label_a != self.duplicates.label_b)]

    def leaks(self) -> pd.DataFrame:
        """The pairs of a training and a test image."""
        return self.duplicates.loc[self.duplicates.split_a != self.duplicates.split_b]


def explore(
    images: Images,
    out: Path,
    *,
    title: str = "",
    groups: Sequence[str] | None = None,
    report: events.Report | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    workers: int | None = None,
) -> Findings:
    """Looks at every image of the table and writes tables (Parquet), pictures (PNG) and the page `explore.html` to
    `out`.

    `groups` names the group of each row of the table, or of each labelled row (empty: none). `report` is given
    `events.Batch` as it goes. Raises ImagesError where groups do not fit, Stopped, StorageError on a full disk.
    """
    grouped, out = _groups_by_row(images, groups), writable_folder(Path(out))
    tell = report or (lambda event: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow warns of, such as damaged EXIF, is no news for a reader
        return _explored(images, out, title, grouped, tell, should_stop, workers)


def _explored(
    images: Images,
    out: Path,
    title: str,
    grouped: list[str] | None,
    tell: events.Report,
    should_stop: Callable[[], bool],
    workers: int | None,
) -> Findings:
    from assistant.explore_page import page

    def pace(stage: str) -> Callable[[int, int], None]:
        return Pace(tell, {}, stage)

    headers = image_headers(images.sources, workers, told=pace("headers"), should_stop=should_stop)
    content = content_hashes(images.sources, headers["bytes"].to_numpy(), workers, should_stop=should_stop)
    looks = look_at(images.sources, workers, told=pace("looks"), should_stop=should_stop)
    table = _images(images, headers, content, looks)
    sizes = table[["width", "height"]].to_numpy()
    compared = pace("compare")
    pairs = find_duplicates(images.sources, sizes, content, looks, workers, told=compared, should_stop=should_stop)
    twins, broken, classes = _named(pairs, table), _broken(images, table), class_table(images)
    in_groups = group_table(grouped, table)
    figures = figures_of(images, table, looks, twins, broken, classes, in_groups)
    found = Findings(title, figures, classes, table, twins, broken, in_groups, advice_on(figures))
    for name in ("classes", "images", "duplicates"):
        data = io.BytesIO()
        getattr(found, name).to_parquet(data, index=False)
        atomic_write(out / f"{name}.parquet", data.getvalue())
    drawn: dict[str, tuple[bytes, float]] = {}
    drawing, names = pace("draw"), 0
    for name, figure in _drawn(found, images):
        names += 1
        drawing(names, FIGURES)
        if should_stop():
            raise Stopped
        if figure is None:  # of an earlier look, perhaps
            (out / f"{name}.png").unlink(missing_ok=True)
            continue
        drawn[name] = plots.to_png(figure, dpi=144), figure.get_figwidth()
        atomic_write(out / f"{name}.png", drawn[name][0])
    atomic_write(out / "explore.html", page(found, images, drawn, should_stop).encode("utf-8", "replace"))
    return found


def spread_rows(images: Images, usable: np.ndarray, each: int, limit: int) -> Iterator[tuple[str, list[int]]]:
    """Labelled rows to show of those `usable` (bool, a row of the table): up to `each` of every class, spread over it,
    `limit` in all; without classes under ""."""
    rows = np.flatnonzero(usable & (images.split != TEST) & (images.split != ASIDE))
    if images.task.name != "single_label":
        yield "", rows[np.unique(np.linspace(0, len(rows) - 1, min(limit, len(rows))).astype(int))].tolist()
        return
    for number, name in enumerate(images.classes[: max(1, limit // each)]):
        own = rows[images.targets[rows] == number]
        if len(own):
            yield name, own[np.unique(np.linspace(0, len(own) - 1, min(each, len(own))).astype(int))].tolist()


def _groups_by_row(images: Images, groups: Sequence[str] | None) -> list[str] | None:
    if groups is None:
        return None
    labelled = np.flatnonzero(images.split != TEST)
    if len(groups) == len(images):
        return [str(group) for group in groups]
    if len(groups) != len(labelled):
        raise ImagesError(
            f"groups do not fit the images: {len(groups):,} groups for {len(images):,} images, {len(labelled):,} of them "
            "labelled; give one an image"
        )
    by_row = [""] * len(images)
    for row, group in zip(labelled.tolist(), groups):
        by_row[row] = str(group)
    return by_row


def _images(images: Images, headers: pd.DataFrame, content: list[str], looks: Looks) -> pd.DataFrame:
    broken = []
    for row, (name, split) in enumerate(zip(images.ids, images.split.tolist())):
        reason = looks.reasons[row] or headers.reason.iat[row]
        elsewhere = images.missing if split == TEST else images.set_aside if split == ASIDE else {}
        broken.append(reason or elsewhere.get(name, ""))
    paths = ["" if isinstance(source, np.ndarray) else str(source) for source in images.sources]
    return pd.DataFrame(
        {
            "id": list(images.ids),
            "split": np.where(images.split == TEST, "test", "train"),
            "label": ["" if at == TEST else images.label(row) for row, at in enumerate(images.split.tolist())],
            "path": paths,
            **{name: headers[name] for name in ("width", "height", "mode", "format", "bytes", "orientation")},
            "broken": broken,
            "content_hash": content,
            "perceptual_hash": [f"{number:016x}" if number else "" for number in looks.hashes.tolist()],
        }
    )


def _named(pairs: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Pairs of rows with the ids, splits and labels of both."""
    ends = {side: table.loc[pairs[f"row_{side}"].to_numpy(int)] for side in "ab"}
    said = {f"{name}_{side}": ends[side][name].to_numpy() for name in ("id", "split", "label") for side in "ab"}
    rows = pairs[["row_a", "row_b"]]
    return pd.concat([rows, pd.DataFrame(said, index=pairs.index), pairs[["kind", "distance", "cluster"]]], axis=1)


def _broken(images: Images, table: pd.DataFrame) -> pd.DataFrame:
    """What cannot be used: rows of the table, and ids that have no row."""
    found = table.loc[table.broken != "", ["id", "split", "path", "broken"]].rename(columns={"broken": "reason"})
    there = {(name, split) for name, split in zip(table.id, table.split)}
    absent = [
        {"id": name, "split": split, "path": "", "reason": reason}
        for split, reasons in (("train", images.set_aside), ("test", images.missing))
        for name, reason in reasons.items()
        if (name, split) not in there
    ]
    return pd.concat([found, pd.DataFrame(absent, columns=found.columns)], ignore_index=True)


def _drawn(found: Findings, images: Images) -> Iterator[tuple[str, Figure | None]]:
    """Every picture by name; None for one that has nothing to show."""
    good: Any = found.images[found.usable()]
    sizes = good[["width", "height"]].to_numpy()
    counts = dict(zip(found.classes["class"], found.classes.images.tolist()))
    draw = explore_plots.numbers if found.figures["task"] == "regression" else plots.class_counts
    yield "class_counts", draw(counts)
    yield "image_sizes", plots.image_sizes(sizes)
    yield "aspect_ratios", explore_plots.aspect_ratios(sizes[:, 0] / np.maximum(sizes[:, 1], 1))
    each = max(1, min(4, explore_plots.SAMPLED // max(1, len(images.classes))))
    rows = [row for _, own in spread_rows(images, found.usable(), each, explore_plots.SAMPLED) for row in own]
    yield "samples", explore_plots.samples([images.sources[row] for row in rows], [images.label(row) for row in rows])
    conflicts = [
        (
            images.sources[pair.row_a],
            images.sources[pair.row_b],
            f"{pair.id_a}: {pair.label_a}\n{pair.id_b}: {pair.label_b}",
        )
        for pair in explore_plots.each_row(found.conflicts().head(explore_plots.PAIRS))
    ]
    yield "label_conflicts", explore_plots.label_conflicts(conflicts) if conflicts else None
    yield "broken", explore_plots.broken_files(found.broken) if len(found.broken) else None
