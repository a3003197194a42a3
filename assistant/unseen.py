"""Which images are to be answered for, and where their pictures are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from assistant.competition import Labels
from assistant.inventory import Match, Pictures, role_of
from assistant.labelling import Rows
from assistant.tables import Table
from assistant.templates import Template
from assistant.translations import Translated, ends_like_a_picture, translated

__all__ = ["Unseen", "unseen"]

NO_PICTURE = "no-picture-of/"


@dataclass(frozen=True)
class Unseen:
    """The ids to answer for in the template's order, and each one's picture: a path (one that is not there where
    there is none), or a row of `table`, a table of pixels, as text. `notes` are for people."""

    ids: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    table: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """Ids without a picture."""
        return [name for name, file in zip(self.ids, self.files) if not file or file.startswith(NO_PICTURE)]


def unseen(
    template: Template | None, labels: Labels, rows: Rows, pictures: Pictures, tables: Mapping[str, Table]
) -> Unseen:
    """The images to answer for."""
    if labels.kind == "pixels":
        return _in_table(template, labels, tables)
    trained = {file for file in rows.files if file is not None}
    left = Pictures([name for name in pictures.names if name not in trained])
    if template is None or not template.ids:
        return _without_template(left, tables)
    match, notes = left.match(template.ids, "test"), []
    bare = all(name.isdigit() for name in template.ids)
    if match.share < 0.5 or match.how == "number" or bare:  # numbers may be those of rows, and not of files
        told = translated(template.ids, left, tables, "test", but=(template.name,))
        certain = match.share >= 0.5 and match.how == "name"
        if (
            told is not None
            and (told.match.share >= match.share or not certain)
            and (not certain or _by_files(told, tables))
        ):
            match, notes = told.match, [f"the template's ids are told by {told}"]
    return Unseen(template.ids, _named(template.ids, match), None, notes)


def _by_files(told: Translated, tables: Mapping[str, Table]) -> bool:
    """Whether the table names files with their endings."""
    return ends_like_a_picture(tables[told.file].cells(told.column))


def _named(ids: list[str], match: Match) -> list[str]:
    return [file or f"{NO_PICTURE}{name}" for name, file in zip(ids, match.files)]


def _without_template(left: Pictures, tables: Mapping[str, Table]) -> Unseen:
    for table in tables.values():
        if role_of(table.name.rpartition("/")[2]) != "test":
            continue
        for column in table.columns:
            ids = table.cells(column)
            match = left.match(ids, "test")
            if match.share > 0.5:
                return Unseen(ids, _named(ids, match))
    names = left.of("test")
    last = [name.rpartition("/")[2] for name in names]
    return Unseen(last if len(set(last)) == len(last) else list(names), names)


def _in_table(template: Template | None, labels: Labels, tables: Mapping[str, Table]) -> Unseen:
    own = tables[str(labels.file)]
    if labels.split_column:
        rows = [n for n, value in enumerate(own.cells(labels.split_column)) if role_of(value) == "test"]
        ids = template.ids if template and len(template.ids) == len(rows) else [str(n + 1) for n in range(len(rows))]
        return Unseen(ids, [str(row) for row in rows], own.name)
    shape = own.pixels.shape if own.pixels else None
    others = [t for t in tables.values() if t.name != own.name and t.pixels is not None and t.pixels.shape == shape]
    others.sort(key=lambda table: (role_of(table.name.rpartition("/")[2]) != "test", -len(table.frame)))
    if not others:
        ids = template.ids if template else []
        note = (
            [f"no table of test pixels is found: the {len(ids):,} rows are answered by class frequency"] if ids else []
        )
        return Unseen(ids, [""] * len(ids), None, note)
    table = others[0]
    count = len(table.frame)
    if template is None:
        return Unseen([str(n + 1) for n in range(count)], [str(n) for n in range(count)], table.name)
    for column in table.columns:
        cells = table.cells(column)
        if len(set(cells) & set(template.ids)) > 0.9 * len(set(template.ids)):
            place = {cell: str(row) for row, cell in enumerate(cells)}
            return Unseen(template.ids, [place.get(name, "") for name in template.ids], table.name)
    notes = []
    if len(template.ids) != count:
        notes = [f"{template.name} has {len(template.ids):,} rows and {table.name} {count:,}: they are taken in order"]
    return Unseen(template.ids, [str(n) if n < count else "" for n in range(len(template.ids))], table.name, notes)
