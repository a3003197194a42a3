"""How the competitions grade, each rule written anew on scikit-learn and NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn import metrics

from .form import Grader, Refused, Table

__all__ = [
    "accuracy",
    "auc",
    "binary_log_loss",
    "kappa",
    "label_f1",
    "map_at_5",
    "mean_column_auc",
    "mean_f2",
    "multiclass_log_loss",
    "rmse",
    "tag_f1_micro",
]


def auc(template: Table, truth: Mapping[str, str], positive: str = "1") -> Grader:
    """Area under the ROC curve of one column of chances, 0 to 1."""

    def grade(given: Table) -> float:
        ids = _ids(given, template)
        chances = _numbers(given.column(template.header[-1]), 0, 1)
        return float(metrics.roc_auc_score([truth[name] == positive for name in ids], chances))

    return grade


def binary_log_loss(template: Table, truth: Mapping[str, str], positive: str) -> Grader:
    """Log loss of one column of chances, 0 to 1."""

    def grade(given: Table) -> float:
        ids = _ids(given, template)
        chances = _numbers(given.column(template.header[-1]), 0, 1)
        marks = [int(truth[name] == positive) for name in ids]
        return float(metrics.log_loss(marks, chances, labels=[0, 1]))

    return grade


def multiclass_log_loss(template: Table, truth: Mapping[str, str], rows_sum_to_1: bool) -> Grader:
    """Log loss of a column a class. Rows that do not sum to 1 are refused, or else rescaled, as the page says."""
    classes = list(template.header[1:])

    def grade(given: Table) -> float:
        ids = _ids(given, template)
        chances = np.stack([_numbers(given.column(name), 0, 1) for name in classes], axis=1)
        sums = chances.sum(axis=1)
        if rows_sum_to_1 and not np.isclose(sums, 1, rtol=1e-5, atol=1e-6).all():
            raise Refused(f"the chances of a row do not sum to 1: {sums[np.abs(sums - 1).argmax()]!r}")
        chances = np.clip(chances, 1e-15, 1 - 1e-15)
        chances = chances / chances.sum(axis=1, keepdims=True)
        right = [classes.index(truth[name]) for name in ids]
        return float(-np.log(chances[np.arange(len(ids)), right]).mean())

    return grade


def mean_column_auc(template: Table, truth: Mapping[str, str]) -> Grader:
    """The mean over classes of the area under the ROC curve. Chances need not sum to 1."""

    def grade(given: Table) -> float:
        ids = _ids(given, template)
        scores = []
        for name in template.header[1:]:
            chances = _numbers(given.column(name), 0, 1)
            scores.append(metrics.roc_auc_score([truth[picture] == name for picture in ids], chances))
        return float(np.mean(scores))

    return grade


def accuracy(template: Table, truth: Mapping[str, str], classes: Sequence[str]) -> Grader:
    """The share of right class names; other names and empty cells are refused."""

    def grade(given: Table) -> float:
        ids = _ids(given, template)
        return float(metrics.accuracy_score([truth[name] for name in ids], _names(given, template, classes)))

    return grade


def label_f1(template: Table, truth: Mapping[str, str], average: str, id_column: str, classes: Sequence[str]) -> Grader:
    """F1 over classes, micro or macro, of one class name a row."""

    def grade(given: Table) -> float:
        ids = _ids(given, template, id_column)
        right = [truth[name] for name in ids]
        found = _names(given, template, classes)
        return float(metrics.f1_score(right, found, average=average, zero_division=0.0))  # type: ignore[arg-type]

    return grade


def kappa(template: Table, truth: Mapping[str, str], classes: Sequence[str]) -> Grader:
    """Cohen's kappa with quadratic weights of whole grades; 2.0 is no whole number here."""

    def grade(given: Table) -> float:
        ids = _ids(given, template)
        grades = [int(cell) for cell in _names(given, template, classes)]
        right = [int(truth[name]) for name in ids]
        return float(metrics.cohen_kappa_score(right, grades, weights="quadratic"))

    return grade


def tag_f1_micro(template: Table, truth: Mapping[str, tuple[str, ...]], whole_numbers: bool = False) -> Grader:
    """F1 over all tags of all pictures together; tags that no answer holds do not count."""

    def grade(given: Table) -> float:
        ids = _ids(given, template)
        cells = given.column(template.header[-1])
        if whole_numbers and not all(word.isdigit() for cell in cells for word in cell.split()):
            raise Refused("a tag is no whole number")
        known = sorted({tag for tags in truth.values() for tag in tags})
        right = [[tag in truth[name] for tag in known] for name in ids]
        found = [[tag in cell.split() for tag in known] for cell in cells]
        return float(metrics.f1_score(np.array(right), np.array(found), average="micro", zero_division=0.0))  # type: ignore[arg-type]

    return grade


def mean_f2(template: Table, truth: Mapping[str, tuple[str, ...]]) -> Grader:
    """The mean over pictures of F2, in which a missed tag weighs more than one too many."""

    def grade(given: Table) -> float:
        scores = []
        for name, cell in zip(_ids(given, template), given.column(template.header[-1])):
            right, found = set(truth[name]), set(cell.split())
            both = len(right & found)
            scores.append(5 * both / (4 * len(right) + len(found)))
        return float(np.mean(scores))

    return grade


def map_at_5(template: Table, truth: Mapping[str, str]) -> Grader:
    """The mean of 1 / rank of the right name among the first five, 0 where it is not there."""

    def grade(given: Table) -> float:
        scores = []
        for name, cell in zip(_ids(given, template), given.column(template.header[-1])):
            five = cell.split()[:5]
            if not five:
                raise Refused("a cell is empty")
            scores.append(1 / (five.index(truth[name]) + 1) if truth[name] in five else 0.0)
        return float(np.mean(scores))

    return grade


def rmse(template: Table, truth: Mapping[str, float], least: float, most: float) -> Grader:
    """Root mean squared error of numbers in a range."""

    def grade(given: Table) -> float:
        ids = _ids(given, template)
        numbers = _numbers(given.column(template.header[-1]), least, most)
        return float(np.sqrt(metrics.mean_squared_error([truth[name] for name in ids], numbers)))

    return grade


def _ids(given: Table, template: Table, id_column: str | None = None) -> list[str]:
    """The ids, which must be the template's, as often as there; so must be the columns (an unnamed one may be left
    out)."""
    lacking = set(template.header) - set(given.header)
    if lacking - {""} or set(given.header) - set(template.header) or len(set(given.header)) != len(given.header):
        raise Refused(f"columns: {list(given.header)} instead of {list(template.header)}")
    name = id_column or template.header[0]
    if len(given.rows) != len(template.rows):
        raise Refused(f"rows: {len(given.rows)} instead of {len(template.rows)}")
    ids = given.column(name)
    if sorted(ids) != sorted(template.column(name)):
        raise Refused("ids: they are not those of the template")
    return ids


def _numbers(cells: Sequence[str], least: float, most: float) -> np.ndarray:
    try:
        numbers = np.array([float(cell) for cell in cells])
    except ValueError as error:
        raise Refused(f"no number: {error}") from None
    if not ((numbers >= least) & (numbers <= most)).all():  # what is not a number fails both
        raise Refused(f"a value is outside {least}..{most}")
    return numbers


def _names(given: Table, template: Table, classes: Sequence[str]) -> list[Any]:
    cells = given.column(template.header[-1])
    unknown = sorted(set(cells) - set(classes))
    if unknown:
        raise Refused(f"no class: {unknown[0]!r}")
    return cells
