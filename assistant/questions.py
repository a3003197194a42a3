"""What is asked, told from the labels, the template and the score: which class, which tags, what number."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.competition import CompetitionError, TaskName
from assistant.labelling import same_words
from assistant.templates import Template
from recipes.tasks import TASK_NAMES, sorted_classes

__all__ = ["Question", "is_number", "question_as", "question_of", "tags_in"]

NUMBERS = frozenset({"rmse", "mae", "mcrmse", "r2", "rmsle"})
CLASSES = frozenset(
    {"accuracy", "top_1_error", "log_loss", "auc", "balanced_accuracy", "matthews", "kappa", "f1", "f1_macro"}
)
MANY = 50  # this many different whole numbers or more are an amount, where nothing else tells
_MARKS = ("|", ";", ",", " ")  # the surest first: a tag may hold a blank


@dataclass(frozen=True)
class Question:
    """The task, its classes (or target columns), what parts tags in a cell, whether the classes have an order, and
    why; `others` are what it might be taken for."""

    task: TaskName
    classes: list[str]
    separator: str = ""
    ordinal: bool = False
    why: str = ""
    others: tuple[str, ...] = ()


def question_of(
    targets: Sequence[tuple[str, ...]], columns: Sequence[str], template: Template | None, metric: str | None
) -> Question:
    """The question that these targets, one tuple of cells a row, belong to; `metric` is the page's."""
    if len(columns) > 1:
        return _several(targets, columns)
    texts = [row[0].strip() for row in targets if row[0].strip()]
    distinct = Counter(texts)
    if distinct and all(is_number(text) for text in distinct):
        return _numbers(distinct, columns, template, metric)
    mark = _separator(distinct, template, metric)
    if mark:
        classes = sorted_classes([tag for text in distinct for tag in tags_in(text, mark)])
        return Question(
            "multi_label",
            list(classes),
            mark,
            why=f"labels such as {_longest(distinct)!r} are made of words that recur",
        )
    return Question(
        "single_label", list(sorted_classes(list(distinct))), why=f"there are {len(distinct)} different labels"
    )


def question_as(wanted: str, targets: Sequence[tuple[str, ...]], columns: Sequence[str]) -> Question:
    """The question of that task, whatever the targets look like. Raises CompetitionError where they cannot be its."""
    if wanted not in TASK_NAMES:
        raise CompetitionError(f"no such task: {wanted}; there are {', '.join(TASK_NAMES)}")
    if wanted == "regression":
        odd = [cell for row in targets for cell in row if cell.strip() and not is_number(cell.strip())]
        if odd or not columns:
            found = f"labels such as {odd[0][:40]!r}" if odd else "the labels are names"
            raise CompetitionError(
                f"no numbers to predict: {found} (task=regression); take single_label or multi_label"
            )
        return Question("regression", list(columns))
    if len(columns) > 1:
        return Question(wanted, list(columns))  # type: ignore[arg-type]
    texts = sorted({target[0].strip() for target in targets} - {""})
    if wanted == "single_label":
        return Question("single_label", list(sorted_classes(texts)))
    mark = next((mark for mark in (",", "|", ";", " ") if any(mark in text for text in texts)), " ")
    return Question("multi_label", list(sorted_classes([tag for text in texts for tag in tags_in(text, mark)])), mark)


def tags_in(text: str, mark: str) -> list[str]:
    """The tags in a cell."""
    if mark == "[]":
        return _listed(text)
    return [tag.strip() for tag in text.split(mark) if tag.strip()] if mark.strip() else text.split()


def _listed(text: str) -> list[str]:
    """The tags of a list in Python's or JSON's form, or in brackets without quotes."""
    try:
        made = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        inner = text.strip().strip("[]{}()")
        words = re.split(r"[,;|]", inner) if re.search(r"[,;|]", inner) else inner.split()
        return [word for word in (word.strip(" '\"\t\r\n") for word in words) if word]
    return [str(tag).strip() for tag in made] if isinstance(made, (list, tuple, set)) else [str(made)]


def _several(targets: Sequence[tuple[str, ...]], columns: Sequence[str]) -> Question:
    rows = [row for row in targets if any(row)]
    marks = all(cell in ("0", "1", "0.0", "1.0", "") for row in rows for cell in row)
    if not marks:
        return Question("regression", list(columns), why=f"there are {len(columns)} columns of numbers")
    one_each = all(sum(cell in ("1", "1.0") for cell in row) == 1 for row in rows)
    if one_each:
        return Question(
            "single_label", list(columns), why="in each row one of the columns is 1", others=("multi_label",)
        )
    return Question("multi_label", list(columns), why="several columns may be 1 in a row", others=("regression",))


def _numbers(distinct: Counter[str], columns: Sequence[str], template: Template | None, metric: str | None) -> Question:
    whole = all(float(text).is_integer() for text in distinct)
    if not whole:
        return Question("regression", list(columns), why="the labels are numbers with fractions")
    classes = list(sorted_classes(list(distinct)))
    ordered = len(distinct) > 2 and [*map(int, map(float, classes))] == [
        *range(int(float(classes[0])), int(float(classes[0])) + len(classes))
    ]
    if metric in NUMBERS:
        return Question("regression", list(columns), why=f"the score is {metric}", others=("single_label",))
    if metric in CLASSES or re.match(r"map@|top_\d", metric or ""):
        ordinal = metric == "kappa" and ordered
        return Question("single_label", classes, ordinal=ordinal, why=f"the score is {metric}", others=("regression",))
    cells = (
        template.table.frame[template.columns[0]].unique().tolist() if template and len(template.columns) == 1 else []
    )
    words = [cell for cell in cells if cell.strip() and not is_number(cell.strip())]
    if len(words) > 0.5 * len(cells):
        why = f"the template's cells are no numbers, such as {words[0][:40]!r}"
        return Question("single_label", classes, why=why, others=("regression",))
    fractions = any(re.fullmatch(r"-?\d*\.\d*[1-9]\d*", cell) for cell in cells)
    if fractions and len(distinct) > 2:
        return Question(
            "regression",
            list(columns),
            why="the template's cells are fractions, and the labels whole numbers",
            others=("single_label",),
        )
    if len(distinct) >= MANY and template is not None and len(template.columns) == 1 and not _recur(distinct):
        return Question(
            "regression",
            list(columns),
            why=f"there are {len(distinct)} different whole numbers",
            others=("single_label",),
        )
    return Question(
        "single_label", classes, why=f"there are {len(distinct)} different whole numbers", others=("regression",)
    )


def _recur(distinct: Counter[str]) -> bool:
    """Whether the numbers are names rather than amounts: they do not lie close together."""
    values = sorted(int(float(text)) for text in distinct)
    return values[-1] - values[0] > 20 * len(values)


def _separator(distinct: Counter[str], template: Template | None, metric: str | None) -> str:
    """What parts tags in a cell; empty where a cell is one class."""
    listed = sum(bool(re.fullmatch(r"\s*[\[{].*[\]}]\s*", text)) for text in distinct)
    if listed > 0.9 * len(distinct):
        return "[]"
    columns = {same_words(column) for column in template.columns} if template and len(template.columns) > 1 else set()
    if columns and len({same_words(text) for text in distinct} & columns) >= 0.8 * min(len(distinct), len(columns)):
        return ""
    for mark in _MARKS:
        parts = {text: tags_in(text, mark) for text in distinct}
        words = Counter(word for tags in parts.values() for word in tags)
        several = [tags for tags in parts.values() if len(tags) > 1]
        if not several:
            continue
        if columns and len({same_words(word) for word in words} & columns) >= 0.8 * min(len(words), len(columns)):
            return mark
        sizes = {len(tags) for tags in parts.values()}
        recur = len(words) < len(distinct) and len(sizes) > 1
        whole = {text for text in distinct if len(parts[text]) == 1}
        made_of_known = bool(whole) and sum(set(tags) <= whole for tags in several) > 0.6 * len(several)
        if recur and (metric not in CLASSES or all(word.isdigit() for word in words)):
            return mark
        if made_of_known and mark != " ":
            return mark
    return ""


def _longest(distinct: Counter[str]) -> str:
    return max(sorted(distinct), key=len)[:60]


def is_number(text: str) -> bool:
    """Whether a cell is a number, with a fraction or an exponent or without."""
    return bool(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text, re.I))
