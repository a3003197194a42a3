"""Which pictures belong together (one patient's, one place's): validation must not part them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from assistant.competition import Labels
from assistant.labelled_rows import SIDES, sideless
from assistant.labelling import Rows
from assistant.tables import Table

__all__ = ["SIDES", "GroupColumn", "group_columns", "two_sides"]


_WORDS: tuple[set[str], ...] = tuple(  # the surest first
    {str(word) for word in words.split()}
    for words in (
        "patient subject driver person individual participant owner whale animal",
        "location loc site camera farm hospital plot region station observer device machine",
        "scene slide lesion session study series group family batch video clip seq sequence",
    )
)
_BESIDE = {"id", "ids", "name", "no", "nr", "number", "code", "key", "hash", "uid", "label", "index"}


@dataclass(frozen=True)
class GroupColumn:
    """A column whose cells say which of a table's rows belong together, and how many different ones there are."""

    column: str
    file: str
    count: int
    rows: int


def group_columns(
    tables: Mapping[str, Table], labels: Labels, rows: Rows, wanted: str | None = None
) -> list[GroupColumn]:
    """Columns that may say it, the surest first; `wanted` before all others, whatever it is called."""
    found = []
    for name, table in tables.items():
        if not _belongs(table, labels, rows):
            continue
        for column in table.columns:
            if column in labels.target_columns or column in labels.id_columns:
                continue
            ranks = (
                [-1] if column == wanted else [rank for rank, words in enumerate(_WORDS) if _is_called(column, words)]
            )
            if not ranks:
                continue
            distinct = set(table.cells(column))
            flags = ranks != [-1] and distinct <= {"0", "1", ""}
            if not flags and 2 <= len(distinct) < 0.9 * len(table.frame):
                found.append((ranks[0], GroupColumn(column, name, len(distinct), len(table.frame))))
    return [column for _, column in sorted(found, key=lambda pair: pair[0])]


def two_sides(rows: Rows) -> bool:
    """Whether the ids name a left and a right picture of the same, such as two eyes of one person."""
    stems = [sideless(name) for name in rows.ids]
    sided = sum(bool(stem) for stem in stems)
    return sided >= 0.8 * max(len(stems), 1) and 0 < len(set(stems)) < 0.8 * len(stems)


def _belongs(table: Table, labels: Labels, rows: Rows) -> bool:
    """Whether the table speaks of the labelled pictures: it is that of the labels, or names them."""
    if labels.kind in ("table", "pixels"):
        return table.name == labels.file
    stems = {_stem(file) for file in rows.files if file}
    return any(
        sum(_stem(cell) in stems for cell in cells) > 0.5 * len(cells)
        for cells in (table.cells(column)[:200] for column in table.columns)
        if cells
    )


def _stem(name: str) -> str:
    return os.path.splitext(name.rpartition("/")[2])[0]


def _is_called(column: str, words: set[str]) -> bool:
    """Whether a column is called by one of these words, with no others but such as id and name."""
    parts = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).lower()))
    return bool(words & parts) and parts <= words | _BESIDE
