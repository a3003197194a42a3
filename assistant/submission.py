"""From probabilities to a file that the competition accepts, and the check that says whether one would be."""

from __future__ import annotations

import csv
import io
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd

from assistant.competition import Competition, CompetitionError
from recipes.errors import StorageError, few
from recipes.store import atomic_write

__all__ = ["check", "table", "write_submission"]

DIGITS = 9  # probabilities are told apart to 1e-9, and 1,000 of them still add up to 1 within 1e-6
TAG_THRESHOLD = 0.2  # the planet lecture's, for F2


def table(competition: Competition, ids: list[str], answers: np.ndarray) -> pd.DataFrame:
    """The submission as text cells: `answers` float (ids, classes), columns in the order of `competition.classes`."""
    asked = competition.submission
    if asked.value == "number":
        cells = {name: [_number(v) for v in answers[:, i]] for i, name in enumerate(asked.columns)}
    elif asked.value == "probability" and asked.positive is not None:
        at = competition.classes.index(asked.positive)
        cells = {asked.columns[0]: [_number(v) for v in answers[:, at]]}
    elif asked.value == "probability":
        if competition.task == "single_label":
            answers = answers.astype(np.float64) / answers.sum(1, keepdims=True, dtype=np.float64)
        cells = {name: [_number(v) for v in answers[:, competition.classes.index(name)]] for name in asked.columns}
    elif asked.value == "tags":
        cells = {asked.columns[0]: [_tags(row, competition.classes) for row in answers]}
    else:
        cells = {asked.columns[0]: [competition.classes[i] for i in answers.argmax(1)]}
    return pd.DataFrame({asked.id_column: ids, **cells}, dtype=str)


def write_submission(competition: Competition, ids: list[str], answers: np.ndarray, path: Path) -> list[str]:
    """Writes the submission, checked before it gets its name; returns its columns. Raises CompetitionError,
    StorageError."""
    made = table(competition, ids, answers)
    text = io.StringIO()
    made.to_csv(text, index=False, lineterminator="\n")
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
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        return [f"no such file: {path}"]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return [f"not a UTF-8 CSV: {' '.join(str(error).split())}"]
    rows = [row for row in rows if row]
    expected = [asked.id_column, *asked.columns]
    if not rows or rows[0] != expected:
        found = few(rows[0], 8) if rows else "nothing"
        return [f"columns differ: found {found}; the template has {few(expected, 8)}"]
    problems = _check_ids([row[0] for row in rows[1:]], competition)
    for number, row in enumerate(rows[1:], 2):
        problem = _check_row(row, number, competition)
        if problem:
            problems.append(problem)
            if len(problems) >= 10:
                break
    return problems


def _check_ids(ids: list[str], competition: Competition) -> list[str]:
    problems, wanted, seen = [], set(competition.test_ids), set()
    twice = [name for name in ids if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    if len(twice) > len(competition.test_ids) - len(wanted):
        problems.append(f"ids repeat: {few(twice)}")
    if wanted - seen:
        problems.append(f"{len(wanted - seen):,} ids are missing: {few(sorted(wanted - seen))}")
    if seen - wanted:
        problems.append(f"{len(seen - wanted):,} ids are not in the template: {few(sorted(seen - wanted))}")
    return problems


def _check_row(row: list[str], number: int, competition: Competition) -> str | None:
    asked = competition.submission
    if len(row) != len(asked.columns) + 1:
        return f"row {number}: {len(row)} cells, {len(asked.columns) + 1} are needed"
    values = []
    for column, cell in zip(asked.columns, row[1:]):
        place = f"row {number}, column {column}"
        if asked.value in ("probability", "number"):
            try:
                value = float(cell)
            except ValueError:
                return f"{place}: {cell!r} is not a number"
            if not math.isfinite(value):
                return f"{place}: {cell!r} is not a finite number"
            if asked.value == "probability" and not 0 <= value <= 1:
                return f"{place}: {cell} is not between 0 and 1"
            values.append(value)
        elif asked.value == "label" and cell not in competition.classes:
            return f"{place}: {cell!r} is not a class"
        elif asked.value == "tags" and not set(cell.split()) <= set(competition.classes):
            return f"{place}: {few(sorted(set(cell.split()) - set(competition.classes)))} is not a tag"
    one_of_many = asked.value == "probability" and len(values) > 1 and competition.task == "single_label"
    if one_of_many and not math.isclose(sum(values), 1, rel_tol=1e-5, abs_tol=1e-6):
        return f"row {number}: probabilities add up to {sum(values):.7f}, not to 1"
    return None


def _number(value: float) -> str:
    return f"{float(value):.{DIGITS}f}"


def _tags(row: np.ndarray, classes: list[str]) -> str:
    """The tags above the threshold; the likeliest one where there is none."""
    chosen = np.flatnonzero(row > TAG_THRESHOLD)
    return " ".join(classes[i] for i in (chosen if len(chosen) else [row.argmax()]))
