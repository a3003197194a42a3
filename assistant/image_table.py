"""From a Competition to the table of images that recipes train on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assistant.competition import Competition, CompetitionError
from assistant.inventory import Pictures, take_stock
from assistant.labelling import Rows, rows_of
from assistant.questions import tags_in
from assistant.tables import Table, read_pixels, read_table

if TYPE_CHECKING:
    from recipes import Images
    from recipes.tasks import Task

__all__ = ["answers_in_order", "image_table"]


def image_table(competition: Competition, valid: float = 0.2, seed: int = 42) -> Images:
    """The competition's `recipes.Images`: labelled images split by `valid` and `seed` (and by groups, where there are
    any), and the test images, each once. Raises ImagesError, CompetitionError."""
    from recipes import Images

    root, labels = competition.root, competition.labels
    try:
        tables = {name: read_table(root, name) for name in (labels.file, labels.group_file, labels.names_file) if name}
    except (OSError, ValueError) as error:
        raise CompetitionError(
            f"the labels cannot be read any more: {' '.join(str(error).split())}; read the folder anew"
        ) from None
    pictures = Pictures([])
    if labels.kind != "pixels":
        stock = take_stock(root)
        stock.give_back(labels.given_back)
        pictures = Pictures(stock.readable)
    rows = rows_of(labels, pictures, tables, frozenset(competition.test_ids))
    keep, reasons = _usable(rows)
    targets, task = _encoded(competition, [rows.targets[n] for n in keep])
    sources = _sources(root, competition, tables, [str(rows.files[n]) for n in keep])
    return Images.from_targets(
        [rows.ids[n] for n in keep],
        sources,
        targets,
        task,
        test=_test(root, competition, tables),
        valid=valid,
        groups=None if rows.groups is None else [rows.groups[n] for n in keep],
        set_aside=reasons,
        seed=seed,
    )


def answers_in_order(competition: Competition, classes: tuple[str, ...], probabilities: np.ndarray) -> np.ndarray:
    """Probabilities with columns in the order of `competition.classes`."""
    return probabilities[:, [classes.index(name) for name in competition.classes]]


def _usable(rows: Rows) -> tuple[list[int], dict[str, str]]:
    """Rows with a picture and a label, and why others are set aside."""
    keep, reasons = [], {}
    for number, (name, file, target) in enumerate(zip(rows.ids, rows.files, rows.targets)):
        if file is None:
            reasons[name] = "no such file"
        elif not all(cell.strip() for cell in target):
            reasons[name] = "no label"
        else:
            keep.append(number)
    return keep, reasons


def _encoded(competition: Competition, cells: Sequence[tuple[str, ...]]) -> tuple[np.ndarray, Task]:
    from recipes.tasks import MultiLabel, Regression, SingleLabel

    classes = tuple(competition.classes)
    if competition.task == "regression":
        numbers = Regression(classes)
        return numbers.encode([" ".join(cell.strip() for cell in row) for row in cells]), numbers
    if len(competition.labels.target_columns) > 1:
        marks = np.array([[float(cell) for cell in row] for row in cells], np.float32)
        if competition.task == "multi_label":
            return marks, MultiLabel(classes)
        return marks.argmax(1).astype(np.int64), SingleLabel(classes)
    texts = [row[0].strip() for row in cells]
    if competition.task == "single_label":
        one = SingleLabel(classes)
        return one.encode(texts), one
    place = {name: number for number, name in enumerate(classes)}
    targets = np.zeros((len(texts), len(classes)), np.float32)
    for row, text in enumerate(texts):
        for tag in tags_in(text, competition.labels.separator or " "):
            if tag in place:
                targets[row, place[tag]] = 1
    return targets, MultiLabel(classes)


def _sources(
    root: Path, competition: Competition, tables: dict[str, Table], files: Sequence[str]
) -> list[Path | np.ndarray]:
    if competition.labels.kind != "pixels":
        return [root / file for file in files]
    pixels = read_pixels(root, tables[str(competition.labels.file)])
    return [pixels[int(row)] for row in files]


def _test(root: Path, competition: Competition, tables: dict[str, Table]) -> dict[str, Path | np.ndarray] | None:
    if not competition.test_ids:
        return None
    if competition.labels.kind != "pixels":
        return {name: root / file for name, file in zip(competition.test_ids, competition.test_files)}
    nowhere = root / "no-picture"
    if competition.test_table is None:
        return dict.fromkeys(competition.test_ids, nowhere)
    table = tables.get(competition.test_table) or read_table(root, competition.test_table)
    pixels = read_pixels(root, table)
    return {
        name: pixels[int(row)] if row else nowhere for name, row in zip(competition.test_ids, competition.test_files)
    }
