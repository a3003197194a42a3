"""Tables that translate: ids into the names of pictures, and classes into what they are called elsewhere."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from assistant.inventory import Match, Pictures, Role
from assistant.tables import Table
from recipes.files import IMAGE_SUFFIXES

__all__ = ["Translated", "ends_like_a_picture", "other_names", "picture_names", "translated"]

_COLUMNS = 12  # of a table are looked at
_SAMPLED = 400  # ids that are looked up before all are


@dataclass(frozen=True)
class Translated:
    """A table's column of ids and its column of names of pictures, and which picture each id then means."""

    file: str
    key: str
    column: str
    match: Match

    def __str__(self) -> str:
        return f"{self.file}: {self.key} gives {self.column}"


def translated(
    ids: Sequence[str], pictures: Pictures, tables: Mapping[str, Table], wanted: Role, but: Collection[str] = ()
) -> Translated | None:
    """The pictures of ids that a table (none of `but`) translates into names; None where no table does."""
    distinct = set(ids)
    if not distinct:
        return None
    for table in tables.values():
        if table.name in but or table.pixels is not None or len(table.frame) < 0.9 * len(distinct):
            continue
        for key in table.columns[:_COLUMNS]:
            cells = table.cells(key)
            known = set(cells)
            if len(distinct & known) < 0.9 * len(distinct) or len(known) < 0.5 * len(cells):
                continue
            for column in table.columns[:_COLUMNS]:
                if column == key:
                    continue
                names = picture_names(table, key, column)
                told = [names.get(name, "") for name in ids]
                quick = pictures.match(told, wanted, _SAMPLED)
                if quick.share >= 0.5 and quick.how == "name":
                    return Translated(table.name, key, column, pictures.match(told, wanted))
    return None


def picture_names(table: Table, key: str, column: str) -> dict[str, str]:
    """What the table's `column` holds beside each cell of `key`."""
    return dict(zip(table.cells(key), table.cells(column)))


def ends_like_a_picture(names: Sequence[str]) -> bool:
    """Whether names have the endings of picture files."""
    return bool(names) and all(os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES for name in names[:50])


def other_names(classes: Sequence[str], tables: Mapping[str, Table]) -> Iterator[dict[str, str]]:
    """What small tables say that each class is called otherwise: by a number, or by a name."""
    for table in tables.values():
        if not len(classes) <= len(table.frame) <= 2 * len(classes) + 2:
            continue
        for column in table.columns[:8]:
            known = table.cells(column)
            if not set(classes) <= set(known):
                continue
            for other in table.columns[:8]:
                named = table.cells(other)
                if other != column and all(named) and len(set(named)) == len(named):
                    yield {name: told for name, told in zip(known, named) if name in set(classes)}
