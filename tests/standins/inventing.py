"""What the invented competitions are put together from: one short form, and graders for any shape of template."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn import metrics

from .form import Files, Grader, Refused, StandIn, Table, dealt, page_of
from .making import TEST, pictures

__all__ = [
    "cells_right",
    "column_auc",
    "column_log_loss",
    "column_rmse",
    "declined",
    "invented",
    "numbered",
    "split_pictures",
    "top_of",
]

_SMALLER = ("log_loss", "rmse", "mcrmse", "mae")


def invented(
    name: str,
    files: Files,
    template: Table,
    truth: Mapping[str, Any],
    grader: Grader,
    *,
    task: str,
    value: str,
    metric: str,
    says: str,
    classes: Sequence[str] | None = None,
    train: int | None = None,
    labels: Sequence[str] = (),
    at: str | None = "sample_submission.csv",
    group: str | None = None,
    answer: Mapping[str, Any] | None = None,
    page_tells: Sequence[str] = ("metric",),
    tests: int | None = None,
    shown: Mapping[str, str] | None = None,
    labelled: Mapping[str, str] | None = None,
) -> StandIn:
    """A competition that no page lists; `says` is its evaluation text, `answer` more that the reader has to find of
    the submission, `shown` the picture of each test id, `labelled` the label of each training picture. The template is
    shipped at `at` unless the files hold it already."""
    if at is not None and at not in files and not any(path.startswith(f"{at}.") for path in files):
        files = {**files, at: template.csv()}
    found = {"classes": list(classes) if classes else None, "train_images": train}
    expected: dict[str, Any] = {key: told for key, told in found.items() if told is not None}
    expected |= {
        "task": task,
        "labels_from_has": tuple(labels),
        "test_images": len(truth) if tests is None else tests,
        "submission": {
            "template": at,
            "id_column": template.header[0],
            "columns": list(template.header[1:]),
            "value": value,
            **(answer or {}),
        },
        "metric": {"name": metric, "direction": "smaller" if metric in _SMALLER else "larger"},
        "group_column": group,
    }
    for key, told in (("test_files", shown), ("train_files", labelled)):
        if told is not None:
            expected[key] = dict(told)
    return StandIn(
        name=name,
        files=files,
        page=page_of(name, name.replace("-", " ").capitalize(), "", says),
        template=template,
        expected=expected,
        truth=truth,
        grader=grader,
        best=0.0 if metric in _SMALLER else 1.0,
        larger_is_better=metric not in _SMALLER,
        page_tells=tuple(page_tells),
    )


def declined(name: str, files: Files, template: Table, reason: str, says: str = "") -> StandIn:
    """A competition that no page lists, and that is to be refused for that reason (a pattern)."""
    files = {**files, "sample_submission.csv": template.csv()}
    page = page_of(name, name.replace("-", " ").capitalize(), "", says)
    return StandIn(name=name, files=files, page=page, template=template, refused=reason)


def numbered(form: str, first: int, count: int) -> list[str]:
    """Names with running numbers in them."""
    return [form.format(number) for number in range(first, first + count)]


def split_pictures(
    train: Sequence[str], test: Sequence[str], classes: int, at: tuple[str, str] = ("train/{}", "test/{}"), **how: Any
) -> tuple[Files, list[int], list[int]]:
    """Drawn pictures of both splits, and their class numbers."""
    numbers, hidden = dealt(train[0], len(train), classes), dealt(test[0], len(test), classes)
    files = {
        **pictures(at[0], train, numbers, classes, 0, **how),
        **pictures(at[1], test, hidden, classes, TEST, **how),
    }
    return files, numbers, hidden


# ---------------------------------------------------------------- graders


def cells_right(
    template: Table, truth: Mapping[str, Any], spelled: Callable[[Any], str] = str, mark: str | None = None
) -> Grader:
    """The share of cells that hold the right text; with `mark`, the right words parted by it in any order."""

    def grade(given: Table) -> float:
        right = []
        for name, cell in _answers(given, template):
            if mark is not None:
                right.append({word.strip() for word in cell.split(mark)} == set(truth[name]))
            else:
                right.append(cell == spelled(truth[name]))
        return float(np.mean(right))

    return grade


def top_of(template: Table, truth: Mapping[str, str], count: int, mark: str = " ") -> Grader:
    """The mean of 1 / rank of the right name among the first `count`."""

    def grade(given: Table) -> float:
        scores = []
        for name, cell in _answers(given, template):
            words = [word.strip() for word in cell.split(mark)]
            if len(words) > count:
                raise Refused(f"{len(words)} names where {count} are the most")
            scores.append(1 / (words.index(truth[name]) + 1) if truth[name] in words else 0.0)
        return float(np.mean(scores))

    return grade


def column_log_loss(template: Table, truth: Mapping[str, str], stands_for: Mapping[str, str]) -> Grader:
    """Log loss of columns that stand for classes: one for the positive one of two, or one each, whose rows must sum
    to 1."""

    def grade(given: Table) -> float:
        ids, chances = _chances(given, template, list(stands_for))
        right = np.array([[truth[name] == one for one in stands_for.values()] for name in ids])
        if len(stands_for) == 1:
            return float(metrics.log_loss(right[:, 0], chances[:, 0], labels=[False, True]))
        if not np.allclose(chances.sum(1), 1, rtol=1e-5, atol=1e-6):
            raise Refused("the chances of a row do not sum to 1")
        return float(-np.log(np.maximum(chances[right], 1e-15)).mean())

    return grade


def column_auc(
    template: Table, truth: Mapping[str, Any], stands_for: Mapping[str, str], sums_to_one: bool = False
) -> Grader:
    """The mean over columns of the area under the ROC curve; the truth is a class or a tuple of tags."""

    def grade(given: Table) -> float:
        ids, chances = _chances(given, template, list(stands_for))
        if sums_to_one and not np.allclose(chances.sum(1), 1, rtol=1e-5, atol=1e-6):
            raise Refused("the chances of a row do not sum to 1")
        scores = []
        for place, one in enumerate(stands_for.values()):
            marks = [truth[name] == one or (isinstance(truth[name], tuple) and one in truth[name]) for name in ids]
            scores.append(metrics.roc_auc_score(marks, chances[:, place]))
        return float(np.mean(scores))

    return grade


def column_rmse(template: Table, truth: Mapping[str, Any], stands_for: Mapping[str, str]) -> Grader:
    """The mean over columns of the root mean squared error; the truth is a number, or a number a target."""

    def grade(given: Table) -> float:
        errors = []
        ids = [name for name, _ in _answers(given, template)]
        for column, target in stands_for.items():
            right = [truth[name][target] if isinstance(truth[name], dict) else truth[name] for name in ids]
            found = [float(cell) for cell in given.column(column)]
            errors.append(np.sqrt(metrics.mean_squared_error(right, found)))
        return float(np.mean(errors))

    return grade


def _answers(given: Table, template: Table) -> list[tuple[str, str]]:
    """Ids and the last column's cells. Raises Refused where columns or ids are not the template's."""
    if given.header != template.header:
        raise Refused(f"columns: {list(given.header)} instead of {list(template.header)}")
    if sorted(given.column(given.header[0])) != sorted(template.column(template.header[0])):
        raise Refused("ids: they are not those of the template")
    return list(zip(given.column(given.header[0]), given.column(given.header[-1])))


def _chances(given: Table, template: Table, columns: Sequence[str]) -> tuple[list[str], np.ndarray]:
    ids = [name for name, _ in _answers(given, template)]
    chances = np.array([[float(cell) for cell in given.column(column)] for column in columns]).T
    if not ((chances >= 0) & (chances <= 1)).all():
        raise Refused("a chance is outside 0..1")
    return ids, chances
