"""From probabilities to a file that the competition accepts, and the check that says whether one would be."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from assistant.competition import Answer, Competition, CompetitionError
from assistant.tables import read_table
from recipes.errors import StorageError, few
from recipes.store import atomic_write

if TYPE_CHECKING:
    from recipes.decisions import Decision

__all__ = ["check", "decision_of", "table", "write_submission"]

DIGITS = 9  # probabilities are told apart to 1e-9


def decision_of(competition: Competition, task, targets: np.ndarray, answers: np.ndarray) -> Decision | None:
    """What turns answers into the cells' classes, tags or numbers, fitted for the metric on validation targets and
    answers (n, classes); None where the cells are probabilities."""
    from recipes.decisions import decision_for

    if competition.submission.value == "probability":
        return None
    return decision_for(competition.metric.name, task, targets, answers, **decided_within(competition, targets))


def decided_within(competition: Competition, targets: np.ndarray) -> dict[str, Any]:
    """What the cells allow of a decision, as `recipes.decisions.decision_for` takes it."""
    asked = competition.submission
    if asked.value == "number":
        limits = {"low": asked.low, "high": asked.high} if len(asked.columns) == 1 else {}
        return limits | {"whole": True if asked.whole and competition.metric.name == "kappa" else None}
    if asked.value == "ranked":
        return {"top": asked.top}
    if competition.task == "multi_label":
        return {"at_least": int(bool(len(targets)) and bool((targets.sum(1) > 0).all()))}
    return {}


def table(
    competition: Competition, ids: Sequence[str], answers: np.ndarray, decision: Decision | None = None
) -> pd.DataFrame:
    """The submission as text cells, a row for each of the template's: `answers` float (ids, classes), columns in the
    order of `competition.classes`. Raises CompetitionError where an id has no answer."""
    asked = competition.submission
    place = {name: row for row, name in enumerate(ids)}
    wanted = competition.test_ids or list(ids)
    lacking = [name for name in wanted if name not in place]
    if lacking:
        raise CompetitionError(f"ids without an answer: {few(lacking)}; report this with the run folder")
    rows = np.array([place[name] for name in wanted], int)
    cells = _cells(competition, answers, decision)
    made = {name: [column[row] for row in rows] for name, column in cells.items()}
    copied = _copied(competition) if asked.copied else {}
    frame = pd.DataFrame({**copied, asked.id_column: list(wanted), **made}, dtype=str)
    return frame.loc[:, _header(competition, list(frame.columns))]


def _header(competition: Competition, columns: list[str]) -> list[str]:
    """The columns in the template's order."""
    asked = competition.submission
    if asked.template is None:
        return columns
    order = read_table(competition.root, asked.template).columns
    known = set(columns)
    return [column for column in order if column in known]


def _copied(competition: Competition) -> dict[str, list[str]]:
    asked = competition.submission
    template = read_table(competition.root, str(asked.template))
    return {column: template.cells(column) for column in asked.copied}


def _cells(competition: Competition, answers: np.ndarray, decision: Decision | None) -> dict[str, list[str]]:
    """Each column's cells, a row an answer."""
    asked, classes = competition.submission, competition.classes
    if asked.value == "number":
        numbers = (
            _clipped(asked, answers) if decision is None else np.asarray(decision(answers)).reshape(len(answers), -1)
        )
        places = [classes.index(asked.names.get(name, name)) for name in asked.columns]
        counted = numbers.dtype.kind in "iu" or (asked.whole and bool((numbers == np.rint(numbers)).all()))
        written = (lambda value: str(int(value))) if counted else _number
        return {name: [written(v) for v in numbers[:, at]] for name, at in zip(asked.columns, places)}
    if asked.value == "probability" and asked.positive is not None:
        return {asked.columns[0]: [_number(v) for v in answers[:, classes.index(asked.positive)]]}
    if asked.value == "probability":
        return _probabilities(competition, answers)
    if asked.value == "ranked":
        ranked = np.argsort(-answers, axis=1, kind="stable")[:, : asked.top] if decision is None else decision(answers)
        return {asked.columns[0]: [asked.separator.join(_spelled(asked, classes[i]) for i in row) for row in ranked]}
    if competition.task == "multi_label":
        marks = _tags(answers, decision)
        if asked.value == "tags":
            names = [_spelled(asked, name) for name in classes]
            return {asked.columns[0]: [asked.separator.join(names[i] for i in np.flatnonzero(row)) for row in marks]}
        places = [classes.index(asked.names.get(name, name)) for name in asked.columns]
        return {name: [str(int(v)) for v in marks[:, at]] for name, at in zip(asked.columns, places)}
    chosen = answers.argmax(1) if decision is None else decision(answers)
    return {asked.columns[0]: [_spelled(asked, classes[int(i)]) for i in chosen]}


def _probabilities(competition: Competition, answers: np.ndarray) -> dict[str, list[str]]:
    """A column a class; rows that sum to one also after rounding, where an image has one class. A class that was
    never seen in training gets nothing."""
    asked, classes = competition.submission, competition.classes
    answers = answers.astype(np.float64)
    made = np.zeros((len(answers), len(asked.columns)))
    place = {name: number for number, name in enumerate(classes)}
    for column, name in enumerate(asked.columns):
        known = asked.names.get(name, name)
        if known in place:
            made[:, column] = answers[:, place[known]]
    if competition.task == "single_label":
        made = made / np.maximum(made.sum(1, keepdims=True), 1e-12)
        made = made.round(DIGITS)
        made[np.arange(len(made)), made.argmax(1)] += 1 - made.sum(1)
    return {name: [_number(v) for v in made[:, column]] for column, name in enumerate(asked.columns)}


def _clipped(asked: Answer, answers: np.ndarray) -> np.ndarray:
    low, high = (asked.low, asked.high) if len(asked.columns) == 1 else (None, None)
    return np.clip(answers, -np.inf if low is None else low, np.inf if high is None else high)


def _tags(answers: np.ndarray, decision: Decision | None) -> np.ndarray:
    if decision is not None:
        return decision(answers)
    marks = answers > 0.5
    marks[np.arange(len(marks)), answers.argmax(1)] = True
    return marks


def _spelled(asked: Answer, name: str) -> str:
    return asked.spelled.get(name, name)


def write_submission(
    competition: Competition, ids: Sequence[str], answers: np.ndarray, path: Path, decision: Decision | None = None
) -> list[str]:
    """Writes the submission, checked before it gets its name; returns its columns. Raises CompetitionError,
    StorageError."""
    made = table(competition, ids, answers, decision)
    text = io.StringIO()
    header = ["" if re.match(r"Unnamed: \d+$", name) else name for name in made.columns]
    quoting = csv.QUOTE_ALL if any("\r" in name for name in ids) else csv.QUOTE_MINIMAL  # a lone CR would part a row
    made.to_csv(
        text, index=False, header=header, sep=competition.submission.delimiter, lineterminator="\n", quoting=quoting
    )
    half = path.with_name(f".{path.name}.unchecked")
    atomic_write(half, text.getvalue())
    problems = check(half, competition)
    if problems:
        half.unlink()
        raise CompetitionError(f"the submission would be refused: {problems[0]}; report this with the run folder")
    try:
        os.replace(half, path)
    except OSError as error:
        raise StorageError(f"a file cannot be written: {path} ({error.strerror}); check the folder") from None
    return list(made.columns)


def check(path: Path, competition: Competition) -> list[str]:
    """Why Kaggle would refuse the file, a line a reason with row and column; empty where it would not."""
    asked = competition.submission
    if path.exists() and not path.is_file():
        return [f"not a file: {path}"]
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=asked.delimiter, strict=True)
            rows = [(number, row) for number, row in enumerate(reader, 1) if row]
    except FileNotFoundError:
        return [f"no such file: {path}"]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return [f"not a UTF-8 CSV: {' '.join(str(error).split())}"]
    expected = _header(competition, [*asked.copied, asked.id_column, *asked.columns])
    expected = ["" if re.match(r"Unnamed: \d+$", name) else name for name in expected]
    if not rows or rows[0][1] != expected:
        found = few(rows[0][1], 8) if rows else "nothing"
        return [f"columns differ: found {found}; the template has {few(expected, 8)}"]
    rows = rows[1:]
    problems = [
        f"row {number}: {len(row)} cells, {len(expected)} are needed"
        for number, row in rows
        if len(row) != len(expected)
    ]
    if problems:
        return problems[:10]
    at = expected.index("" if re.match(r"Unnamed: \d+$", asked.id_column) else asked.id_column)
    problems = _check_ids([(number, row[at]) for number, row in rows], competition)
    places = [(name, expected.index(name)) for name in asked.columns]
    allowed = {_spelled(asked, name) for name in competition.classes}
    for number, row in rows:
        problem = _check_row([(name, row[place]) for name, place in places], number, competition, allowed)
        if problem:
            problems.append(problem)
            if len(problems) >= 10:
                break
    return problems


def _check_ids(found: list[tuple[int, str]], competition: Competition) -> list[str]:
    """Ids that are not the template's, each told with its row."""
    if not competition.test_ids:
        return []
    problems, wanted, seen = [], Counter(competition.test_ids), Counter(name for _, name in found)
    first = {name: number for number, name in reversed(found)}
    twice = [name for name, count in seen.items() if name in wanted and count > wanted[name]]
    lacking = [name for name, count in wanted.items() if seen[name] < count]
    foreign = [name for name in seen if name not in wanted]
    if twice:
        problems.append(f"ids repeat: {few(twice)} (first in row {first[twice[0]]})")
    if lacking:
        problems.append(f"{len(lacking):,} ids are missing: {few(lacking)}")
    if foreign:
        problems.append(
            f"{len(foreign):,} ids are not in the template: {few(foreign)} (first in row {first[foreign[0]]})"
        )
    return problems


def _check_row(row: Sequence[tuple[str, str]], number: int, competition: Competition, allowed: set[str]) -> str | None:
    asked, values = competition.submission, []
    for column, cell in row:
        place = f"row {number}, column {column}"
        if asked.value in ("probability", "number"):
            problem = _check_number(cell, asked, competition)
            if problem:
                return f"{place}: {problem}"
            values.append(float(cell))
        elif asked.value == "label" and competition.task == "multi_label":
            if cell not in ("0", "1"):
                return f"{place}: {cell!r} is not 0 or 1"
        elif asked.value == "label" and cell not in allowed:
            return f"{place}: {cell!r} is not a class"
        elif asked.value in ("tags", "ranked"):
            words = cell.split() if asked.separator == " " else [word for word in cell.split(asked.separator) if word]
            if set(words) - allowed:
                return f"{place}: {few(sorted(set(words) - allowed))} is not a class"
            if asked.value == "ranked" and not 1 <= len(words) <= (asked.top or len(words)):
                return f"{place}: {len(words)} classes, 1 to {asked.top} may stand there"
            if len(set(words)) < len(words):
                return f"{place}: a class stands there twice"
    one_of_many = asked.value == "probability" and len(values) > 1 and competition.task == "single_label"
    if one_of_many and not math.isclose(sum(values), 1, rel_tol=1e-5, abs_tol=1e-6):
        return f"row {number}: probabilities add up to {sum(values):.7f}, not to 1"
    return None


def _check_number(cell: str, asked: Answer, competition: Competition) -> str | None:
    try:
        value = float(cell) if cell.isascii() and "_" not in cell else None
    except ValueError:
        value = None
    if value is None:
        return f"{cell[:40]!r} is not a number"
    if not math.isfinite(value):
        return f"{cell!r} is not a finite number"
    if asked.value == "probability" and not 0 <= value <= 1:
        return f"{cell} is not between 0 and 1"
    if asked.value == "number" and competition.metric.name == "kappa" and not re.fullmatch(r"-?\d+", cell):
        return f"{cell} is not a whole number, which {competition.metric.name} asks for"
    return None


def _number(value: float) -> str:
    return f"{float(value):.{DIGITS}f}"
