"""What is known of labels: what the template lets one expect, places that may hold them, and the rows that one gives."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property

from assistant.competition import Labels

__all__ = ["AGAIN", "Candidate", "Expected", "Rows", "same_words"]

AGAIN = "\n"  # between the labels of an id that comes again


@dataclass(frozen=True)
class Expected:
    """What the template says of the answer: its columns but for the ids, the distinct cells of a single one, and the
    ids; and the columns of tables that belong to the test pictures."""

    columns: tuple[str, ...] = ()
    cells: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    at_test: frozenset[str] = frozenset()

    @cached_property
    def words(self) -> frozenset[str]:
        """Names of classes that the template spells: in its columns, or in its cells; in `same_words` form."""
        texts = self.columns if len(self.columns) > 1 else self.cells
        return frozenset(same_words(text) for text in texts) - {""}


@dataclass(frozen=True)
class Rows:
    """Labelled images: ids, the picture of each (a path, or a row of a table of pixels as text; None where there is
    none), their labels (a tuple of cells), and their groups."""

    ids: list[str]
    files: list[str | None]
    targets: list[tuple[str, ...]]
    groups: list[str] | None = None

    @property
    def share(self) -> float:
        """The share of the rows that have a picture."""
        return sum(file is not None for file in self.files) / max(len(self.files), 1)


@dataclass(frozen=True)
class Candidate:
    """A place that may hold the labels, how much speaks for it, and what."""

    labels: Labels
    score: float
    reasons: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        labels = self.labels
        columns = ", ".join(labels.target_columns[:4]) + ("…" if len(labels.target_columns) > 4 else "")
        if labels.kind in ("table", "pixels"):
            return f"{labels.file}: {columns}"
        where = ", ".join(labels.families)
        return f"{where}/<class>" if labels.kind == "folders" else f"the names of the pictures in {where}"


def same_words(text: str) -> str:
    """A name without letter case and marks: Type_1, `type 1` and TYPE-1 are the same."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\W_]+", "", text.lower()) or text.strip()
