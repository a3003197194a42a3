"""The labelled rows that a place of labels gives."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace

from assistant.competition import Labels
from assistant.evidence import AGAIN, Expected, Rows
from assistant.inventory import Pictures, composed, in_families, role_of
from assistant.places import class_parts, labelled_pictures
from assistant.tables import Table
from assistant.translations import picture_names

__all__ = ["SIDES", "joined_ids", "rows_of", "sideless"]

SIDES = "the ids without left and right"  # what takes a group column's place where ids say whose pictures they are
_SIDE = re.compile(r"(.+?)(?:[ _.-]?(?:left|right)|[_-][LR])", re.I)

_NOT_A_NUMBER = {"nan", "na", "n/a", "null", "none"}
_SLIPS = 0.02  # of the ids may have several labels that contradict each other


def rows_of(
    labels: Labels, pictures: Pictures, tables: dict[str, Table], expected_ids: frozenset[str] = frozenset()
) -> Rows:
    """The labelled images that this place gives."""
    rows = _rows_of(labels, pictures, tables, expected_ids)
    return replace(rows, groups=list(map(sideless, rows.ids))) if labels.group_column == SIDES else rows


def sideless(name: str) -> str:
    """An id without its side; empty where it has none."""
    found = _SIDE.fullmatch(os.path.splitext(name.rpartition("/")[2])[0])
    return found[1] if found else ""


def _rows_of(labels: Labels, pictures: Pictures, tables: dict[str, Table], expected_ids: frozenset[str]) -> Rows:
    if labels.kind in ("table", "pixels"):
        return _table_rows(labels, pictures, tables)
    names = labelled_pictures(pictures, Expected(ids=expected_ids))
    if labels.families:
        inside = in_families(labels.families)
        names = (
            [name for name in pictures.names if inside(name)] if not names else [name for name in names if inside(name)]
        )
    ids, files, targets = [], [], []
    for name in names:
        if labels.kind == "folders":
            parts = class_parts(name)
            label = parts[labels.level] if len(parts) > labels.level else None
            shown = "/".join([*parts, name.rpartition("/")[2]])
        else:
            match = re.match(labels.pattern, os.path.splitext(name.rpartition("/")[2])[0])
            label = match["label"].strip(" _-.") if match else None
            shown = name.rpartition("/")[2]
        if label is not None:
            ids.append(shown)
            files.append(name)
            targets.append((composed(label),))
    if len(set(ids)) < len(ids):
        ids = list(files)
    groups = None
    if labels.group_column and labels.group_file in tables:
        groups = _groups_from(tables[labels.group_file], labels.group_column, files)
    return Rows(ids, files, targets, groups)


def joined_ids(table: Table, columns: Sequence[str]) -> list[str]:
    """The ids that one column holds, or several joined as a path."""
    if len(columns) == 1:
        return table.cells(columns[0])
    return ["/".join(row) for row in table.frame[list(columns)].itertuples(index=False, name=None)]


def _groups_from(table: Table, column: str, files: Sequence[str]) -> list[str]:
    stems = {os.path.splitext(name.rpartition("/")[2])[0]: number for number, name in enumerate(files)}
    groups = [""] * len(files)
    for row in table.frame.itertuples(index=False, name=None):
        for cell in row:
            number = stems.get(os.path.splitext(cell.rpartition("/")[2])[0])
            if number is not None:
                groups[number] = row[table.columns.index(column)]
                break
    return groups


def _table_rows(labels: Labels, pictures: Pictures, tables: dict[str, Table]) -> Rows:
    table = tables[str(labels.file)]
    frame = table.frame
    keep = [True] * len(frame)
    if labels.split_column:
        keep = [role_of(value) != "test" for value in table.cells(labels.split_column)]
    if labels.kind == "pixels":
        ids = [str(number + 1) for number in range(len(frame))]
        files: list[str | None] = [str(number) for number in range(len(frame))]
    else:
        ids = joined_ids(table, labels.id_columns)
        inside = in_families(labels.families) if labels.families else None
        names = ids
        if labels.names_file is not None:
            told = picture_names(tables[labels.names_file], labels.names_key, labels.names_column)
            names = [told.get(name, "") for name in ids]
        files = pictures.match(names, "train").files
        if inside is not None:
            files = [file if file is None or inside(file) else None for file in files]
    targets = list(zip(*(_without_nan(table.cells(column)) for column in labels.target_columns)))
    groups = table.cells(labels.group_column) if labels.group_column and labels.group_column in frame else None
    kept = [number for number, good in enumerate(keep) if good]
    return _merged(
        Rows(
            [ids[n] for n in kept],
            [files[n] for n in kept],
            [targets[n] for n in kept],
            [groups[n] for n in kept] if groups else None,
        )
    )


def _without_nan(cells: list[str]) -> list[str]:
    """A column of numbers with nothing where somebody wrote nan or the like; any other column as it is."""
    told = {cell for cell in set(cells) if cell.strip().lower() in _NOT_A_NUMBER}
    if not told or not all(re.fullmatch(r"\s*[-+]?[\d.]*(e[-+]?\d+)?\s*", cell, re.I) for cell in set(cells) - told):
        return cells
    return ["" if cell in told else cell for cell in cells]


def _merged(rows: Rows) -> Rows:
    """A row an id: where an id comes again, its different labels are put together, parted by a line's end. Where that
    is rare it is a slip, and such an id has no label."""
    if len(set(rows.ids)) == len(rows.ids):
        return rows
    first: dict[str, int] = {}
    targets = list(rows.targets)
    for number, name in enumerate(rows.ids):
        at = first.setdefault(name, number)
        if at != number and targets[number] != targets[at]:
            pairs = zip(targets[at], targets[number])
            targets[at] = tuple(one if two in one.split(AGAIN) else f"{one}{AGAIN}{two}" for one, two in pairs)
    kept = sorted(first.values())
    several = [at for at in kept if any(AGAIN in cell for cell in targets[at])]
    if len(several) <= max(1, _SLIPS * len(kept)):
        for at in several:
            targets[at] = ("",) * len(targets[at])
    groups = None if rows.groups is None else [rows.groups[n] for n in kept]
    return Rows([rows.ids[n] for n in kept], [rows.files[n] for n in kept], [targets[n] for n in kept], groups)
