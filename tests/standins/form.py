"""What a stand-in is: the files of a download, what is to be read in them, and how the competition grades."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

__all__ = ["Files", "Grader", "Refused", "StandIn", "Table", "dealt", "hexes", "page_of", "perfect", "template_of"]

Content = bytes | Callable[[], bytes]
Files = dict[str, Content]  # by path in the download; drawn and packed only when they are written


class Refused(Exception):
    """The grader does not score this file, for the reason given."""


@dataclass(frozen=True)
class Table:
    """A CSV, all of it text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
        """The table with these cells, written as `str` writes them."""
        return cls(tuple(header), tuple(tuple(str(cell) for cell in row) for row in rows))

    @classmethod
    def read(cls, path: Path) -> Table:
        """The CSV at `path`. Raises Refused for an empty file and for rows of another length than the header."""
        with open(path, newline="", encoding="utf-8") as file:
            lines = [tuple(line) for line in csv.reader(file) if line]
        if not lines:
            raise Refused("the file is empty")
        if any(len(line) != len(lines[0]) for line in lines):
            raise Refused("a row has another number of cells than the header")
        return cls(lines[0], tuple(lines[1:]))

    def csv(self) -> bytes:
        """The table as a file's bytes."""
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([self.header, *self.rows])
        return file.getvalue().encode()

    def column(self, name: str) -> list[str]:
        """The cells of one column."""
        at = self.header.index(name)
        return [row[at] for row in self.rows]

    def records(self) -> list[dict[str, str]]:
        """A dict a row."""
        return [dict(zip(self.header, row)) for row in self.rows]


Grader = Callable[[Table], float]


@dataclass(frozen=True)
class StandIn:
    """A small competition of drawn pictures in the form of a real one.

    `truth`: by test id a class's name, a tuple of tags, or a number. `expected`: fields of `assistant read --json`;
    fields left out may be anything. `page_tells`: those of them that only hold with page.json beside the files (dotted
    where they are inner ones). `bad_value`: a cell of the last column for which the grader must refuse the file.
    """

    name: str
    files: Files
    page: dict[str, str]
    template: Table
    expected: dict[str, Any] = field(default_factory=dict)
    refused: str | None = None
    truth: Mapping[str, Any] = field(default_factory=dict)
    grader: Grader | None = None
    answer: Table | None = None
    best: float = 1.0
    larger_is_better: bool = True
    bad_value: str | None = None
    page_tells: tuple[str, ...] = ("metric",)

    @property
    def slug(self) -> str:
        """The real competition's; several stand-ins may share one."""
        return self.name.partition("--")[0]

    def write(self, folder: Path, page: bool = False) -> None:
        """Writes the download into `folder`, with page.json beside it where `page` is asked for."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content())
        if page:
            (folder / "page.json").write_text(json.dumps(self.page, indent=2), encoding="utf-8")

    def grade(self, path: Path) -> float:
        """The score of the submission at `path`. Raises Refused where the competition would not score it."""
        if self.grader is None:
            raise Refused(f"{self.slug} is not this program's task")
        return self.grader(Table.read(path))

    @cached_property
    def template_score(self) -> float:
        """What the template scores as it was shipped; not a number where it is no valid answer."""
        try:
            return self.grader(self.template) if self.grader else float("nan")
        except Refused:
            return float("nan")


def page_of(slug: str, title: str, metric: str, evaluation: str) -> dict[str, str]:
    """page.json's text."""
    return {"ref": slug, "title": title, "evaluationMetric": metric, "evaluation": evaluation}


def hexes(seed: str, count: int, digits: int) -> list[str]:
    """Different hexadecimal names, the same for the same seed."""
    chance, names = random.Random(seed), {}
    while len(names) < count:
        names[f"{chance.getrandbits(4 * digits):0{digits}x}"] = None
    return list(names)


def dealt(seed: str, count: int, classes: int, most: float = 0.0, common: int = 0) -> list[int]:
    """Class numbers for `count` pictures, shuffled: class `common` has a share of `most`, the rest is dealt in turn."""
    first = int(count * most)
    numbers = [common] * first + [number % classes for number in range(count - first)]
    random.Random(seed).shuffle(numbers)
    return numbers


def template_of(header: Sequence[str], ids: Sequence[str], cells: Sequence[Any]) -> Table:
    """A template with the same cells in every row."""
    return Table.of(header, [(name, *cells) for name in ids])


def perfect(
    template: Table, truth: Mapping[str, Any], id_column: str, cells: Callable[[Any], Mapping[str, str]]
) -> Table:
    """The template with the hidden answers in it: `cells` gives the columns of one answer."""
    rows = [record | dict(cells(truth[record[id_column]])) for record in template.records()]
    return Table.of(template.header, [[row[name] for name in template.header] for row in rows])
