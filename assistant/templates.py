"""The template (the sample submission): which file it is, where its ids are, and what stands in its cells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assistant.competition import Answer
from assistant.inventory import Inventory, Pictures, role_of
from assistant.labelling import Expected, same_words
from assistant.tables import Table
from recipes.errors import few

__all__ = ["Template", "answer_of", "classes_like_targets", "expected_of", "find_templates", "positive_of"]

_NAMED = re.compile(r"sample|submi|benchmark|example|template|baseline", re.I)
_INDEX = re.compile(r"unnamed(:.*)?$|index$|^$", re.I)
_ID = re.compile(r"id$|^id|image|img|file|name|row", re.I)
_TRUE_WORDS = (
    "1",
    "yes",
    "true",
    "positive",
    "present",
    "malignant",
    "abnormal",
    "cancer",
    "tumor",
    "tumour",
    "pneumonia",
    "defect",
    "sick",
    "diseased",
    "fake",
    "t",
    "y",
)
_CHANCE = re.compile(
    r"^(p|prob|probability|chance|likelihood|confidence|risk)($|[^a-z])|prob$|probability$|likelihood$", re.I
)
HARD = frozenset(
    {
        "accuracy",
        "top_1_error",
        "balanced_accuracy",
        "f1",
        "f1_micro",
        "f1_macro",
        "f1_samples",
        "f2",
        "kappa",
        "matthews",
    }
)
SOFT = frozenset({"log_loss", "auc", "average_precision"})


@dataclass(frozen=True)
class Template:
    """A table that may be the template: the column of its ids, the columns to fill in, those to copy, and what speaks for it."""

    table: Table
    id_column: str
    columns: list[str]
    copied: list[str] = field(default_factory=list)
    score: float = 0.0
    reasons: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its file."""
        return self.table.name

    @property
    def ids(self) -> list[str]:
        """The ids to answer for, in its order."""
        return self.table.cells(self.id_column)


def find_templates(tables: dict[str, Table], pictures: Pictures) -> list[Template]:
    """The tables that may be the template, the most likely first."""
    found = [made for table in tables.values() if (made := _as_template(table, pictures)) and made.score >= 5]
    return sorted(found, key=lambda template: (-template.score, len(template.name)))


def _as_template(table: Table, pictures: Pictures) -> Template | None:
    if (
        table.name.lower().endswith((".json", ".jsonl", ".ndjson"))
        or table.pixels is not None
        or len(table.columns) < 2
    ):
        return None
    frame = table.frame
    copied = [c for c in table.columns[:1] if _INDEX.match(c) and [*map(str, range(len(frame)))] == table.cells(c)]
    rest = [c for c in table.columns if c not in copied]
    if len(rest) < 2:
        return None
    shares = {column: pictures.match(table.cells(column), "test", 400).share for column in rest[:4]}
    id_column = max(rest[:4], key=lambda c: (round(shares[c], 1), bool(_ID.search(c)), -rest.index(c)))
    columns = [column for column in rest if column != id_column]
    last, score, reasons = table.name.rpartition("/")[2], 0.0, []
    if _NAMED.search(last):
        score += 6 if re.search(r"submi", last, re.I) else 4
        reasons.append("its name says so")
    if role_of(last) == "train":
        score -= 6
    if re.search(r"mapping|metadata|info|dictionary", last, re.I):
        score -= 4
    match = pictures.match(table.cells(id_column), "test", 400)
    if match.share > 0.5 and not any(pictures.roles.get(family) == "train" for family in match.families):
        score += 3 * match.share
        reasons.append(f"its column {id_column} names pictures to answer for")
    same = sum(len(table.distinct(column)) <= 1 for column in columns)
    if same == len(columns):
        score += 2.5
        reasons.append("its cells are all the same")
    stage = re.search(r"(?:stg|stage|phase|v)[_ ]?(\d)", last, re.I)
    score += 0.2 * int(stage[1]) if stage else 0
    return Template(table, id_column, columns, copied, score, reasons)


def expected_of(template: Template | None, tables: dict[str, Table]) -> Expected:
    """What the template and the tables of the test pictures say of the labels."""
    at_test = {c for t in tables.values() if role_of(t.name.rpartition("/")[2]) == "test" for c in t.columns}
    if template is None:
        return Expected(at_test=frozenset(at_test))
    cells = (
        frozenset(template.table.frame[template.columns[0]].unique()[:5000])
        if len(template.columns) == 1
        else frozenset()
    )
    words = cells | {word for cell in list(cells)[:500] for word in re.split(r"[ ,;|]+", cell)}
    return Expected(
        tuple(template.columns), frozenset(words), frozenset(template.ids), frozenset(at_test - {template.id_column})
    )


def classes_like_targets(stock: Inventory, found: Sequence[Template]) -> list[str]:
    """Folders whose folders are called like answers in pictures (cleaned, masks) and are classes all the same: they, or those
    beside them, are called like what the template holds."""
    if not stock.targets or not found:
        return []
    expected = expected_of(found[0], {})
    asked = {same_words(word) for word in (*expected.cells, *expected.columns)}
    folders = {name.rpartition("/")[0] for name in (*stock.pictures, *stock.targets)}
    return sorted({folder.rpartition("/")[0] for folder in folders if same_words(folder.rpartition("/")[2]) in asked})


# ---------------------------------------------------------------- what stands in its cells


def answer_of(
    template: Template | None,
    task: str,
    classes: Sequence[str],
    columns: Sequence[str],
    metric: str | None,
    positive: tuple[str, str] | None,
    separator: str,
    numbers: Sequence[float],
    called: Sequence[Mapping[str, str]] = (),
) -> Answer:
    """What the answer has to look like; `metric` is the page's, `numbers` are the training targets of a regression,
    `called` what tables say that the classes are called otherwise. Raises ValueError where the template and the classes
    do not go together."""
    if template is None:
        value = {"single_label": "label", "multi_label": "tags", "regression": "number"}[task]
        made = list(columns) if task == "regression" else ["label"]
        why = "there is no template: an id and the answer"
        return Answer(template=None, id_column="id", columns=made, value=value, why=why)  # type: ignore[arg-type]
    base: dict[str, Any] = {"template": template.name, "id_column": template.id_column, "columns": template.columns}
    base |= {"copied": template.copied, "delimiter": template.table.delimiter}
    cells = [cell for cell in template.table.frame[template.columns[0]].unique()[:5000].tolist() if cell.strip()]
    if task == "regression":
        return _numbers(base, template, columns, cells, numbers)
    if len(template.columns) > 1:
        return _column_a_class(base, template, task, classes, metric, called)
    if task == "multi_label":
        mark = _mark_in(cells, classes) or separator
        return Answer(**base, value="tags", separator=mark, why="the labels are tags")
    return _one_column(base, template, classes, metric, positive, cells, called)


def _numbers(
    base: dict, template: Template, columns: Sequence[str], cells: list[str], numbers: Sequence[float]
) -> Answer:
    by_words = {same_words(column): column for column in columns}
    names = {column: by_words.get(same_words(column), "") for column in template.columns}
    if len(template.columns) == len(columns) and not all(names.values()):
        names = dict(zip(template.columns, columns))
    if not all(names.values()):
        raise ValueError(f"its columns {few(template.columns)} are not the targets {few(columns)}")
    whole = (
        bool(numbers)
        and all(float(n).is_integer() for n in numbers)
        and all(re.fullmatch(r"-?\d+", cell) for cell in cells)
    )
    renamed = {column: name for column, name in names.items() if column != name}
    low, high = (min(numbers), max(numbers)) if numbers else (None, None)
    return Answer(
        **base,
        value="number",
        names=renamed,
        whole=whole and bool(cells),
        low=low,
        high=high,
        why="the labels are numbers",
    )


def _column_a_class(
    base: dict,
    template: Template,
    task: str,
    classes: Sequence[str],
    metric: str | None,
    called: Sequence[Mapping[str, str]],
) -> Answer:
    enough = 0.5 * min(len(template.columns), len(classes))
    names = _columns_of({name: name for name in classes}, template.columns)
    told = (_columns_of(other, template.columns) for other in called)
    if len(names) < enough:
        names = next((found for found in told if len(found) >= enough), names)
    if len(names) < enough:
        raise ValueError(
            f"its columns are {few(template.columns)}, the classes are {few(classes)}; columns must be the classes, or one"
        )
    renamed = {column: name for column, name in names.items() if column != name}
    lacking = [column for column in template.columns if column not in names]
    why = "the template has a column a class" + (f", and {few(lacking)} without training images" if lacking else "")
    hard = task == "multi_label" and metric in HARD
    return Answer(**base, value="label" if hard else "probability", names=renamed, why=why)


def _columns_of(called: Mapping[str, str], columns: Sequence[str]) -> dict[str, str]:
    """The class of each column, where classes are called so; a column may say `P(…)` or `class …` too."""
    exact = {text: name for name, text in called.items()}
    by_words = {same_words(text): name for name, text in called.items()}
    found = {c: exact.get(c) or by_words[same_words(c)] for c in columns if c in exact or same_words(c) in by_words}
    if len(found) >= 0.5 * min(len(columns), len(called)):
        return found
    stripped = {c: re.sub(r"^(p|prob|probability|pred|class|label)", "", same_words(c)) for c in columns}
    found = {column: by_words[word] for column, word in stripped.items() if word in by_words}
    if found or len(columns) < 2:
        return found
    before = {re.sub(r"\d+$", "", same_words(column)) for column in columns}
    numbers = {c: re.sub(r"^\D+", "", same_words(c)) for c in columns} if len(before) == 1 else {}
    return {column: by_words[number] for column, number in numbers.items() if number in by_words}


def _mark_in(cells: Sequence[str], classes: Sequence[str]) -> str:
    """What parts classes in cells; empty where no cell holds several."""
    known, best = {same_words(name) for name in classes}, (0.0, "")
    several = [cell for cell in cells if cell not in set(classes)]
    for mark in (",", ";", "|", " "):
        parts = [word for cell in several if mark in cell.strip() for word in cell.split(mark) if word.strip()]
        share = sum(same_words(word) in known for word in parts) / max(len(parts), 1)
        if parts and share > best[0]:
            spaced = mark != " " and all(f"{mark} " in cell for cell in several if mark in cell)
            best = share, f"{mark} " if spaced else mark
    return best[1]


def _one_column(
    base: dict,
    template: Template,
    classes: Sequence[str],
    metric: str | None,
    positive: tuple[str, str] | None,
    cells: list[str],
    called: Sequence[Mapping[str, str]],
) -> Answer:
    asked = re.fullmatch(r"(?:map@|top_(?!1_))(\d+)(?:_\w+)?", metric or "")
    known = set(classes)
    sure = [cell for cell in cells if re.fullmatch(r"\S+\s+([01]|[01]?\.\d+)", cell)]
    if len(sure) > 0.5 * len(cells) and any("." in cell.split()[1] for cell in sure):
        raise ValueError(
            f"each cell of {template.columns[0]} holds a class and how sure it is (such as {sure[0][:40]!r})"
        )
    mark = _mark_in(cells, classes)
    several = (
        [[word.strip() for word in (cell.split(mark) if mark.strip() else cell.split())] for cell in cells]
        if mark
        else []
    )
    counts, parts = {len(words) for words in several}, {word for words in several for word in words}
    top = next(iter(counts)) if len(counts) == 1 else 0
    ranked = top > 1 and not (set(cells) & known) and len(parts & known) >= 0.5 * len(parts)
    if asked or (ranked and metric not in HARD | SOFT):
        number = int(asked[1]) if asked else top
        mark = mark or next((one for one in (",", ";", "|") if any(one in cell for cell in cells)), " ")
        why = f"the score is {metric}" if asked else f"{top} class names stand in each cell"
        return Answer(**base, value="ranked", top=number, separator=mark, why=why)
    fractions = any(re.fullmatch(r"-?\d*\.\d*[1-9]\d*|\d(\.\d+)?e-?\d+", cell, re.I) for cell in cells)
    if len(classes) == 2 and positive is not None:
        soft = metric in SOFT or (metric not in HARD and (fractions or not set(cells) <= known | {"0.0", "1.0"}))
        chance = not cells and metric not in HARD and _CHANCE.search(template.columns[0])
        if (soft and cells) or chance or metric in SOFT:
            name, reason = positive
            why = f"the score is {metric}" if metric in SOFT else "one column of numbers for two classes"
            return Answer(
                **base, value="probability", positive=name, why=f"{why}; it is the probability of {name!r}: {reason}"
            )
    if fractions and metric not in HARD and not set(cells) & known:
        raise ValueError(f"its one column {template.columns[0]} holds fractions, and there are {len(classes)} classes")
    if metric in ("auc", "log_loss") and len(classes) > 2 and cells and not set(cells) & known:
        raise ValueError(
            f"its one column {template.columns[0]} is scored by {metric.replace('_', ' ')}, and there are {len(classes)} classes"
        )
    why = f"the score is {metric}" if metric in HARD else "one column for a class name"
    return Answer(**base, value="label", **_spelled(classes, cells, positive, called, why))


def _spelled(
    classes: Sequence[str],
    cells: list[str],
    positive: tuple[str, str] | None,
    called: Sequence[Mapping[str, str]],
    why: str,
) -> dict[str, Any]:
    """How classes are written where the template's cells are none of them."""
    if set(cells) & set(classes):
        return {"why": why}
    numbered = cells and all(re.fullmatch(r"\d+", cell) for cell in cells)
    for other in called:
        if cells and set(cells) <= set(other.values()):
            return {"why": f"{why}; a table tells what each class is called there", "spelled": dict(other)}
    if numbered and all(re.fullmatch(r"\d+\.0+", name) for name in classes):
        return {"why": f"{why}, as a whole number", "spelled": {name: str(int(float(name))) for name in classes}}
    if not numbered or all(re.fullmatch(r"-?\d+(\.0+)?", name) for name in classes):
        return {"why": why}
    for other in called:
        if all(re.fullmatch(r"\d+", number) for number in other.values()):
            return {"why": f"{why}; a table tells each class's number", "spelled": dict(other)}
    if len(classes) == 2 and positive is not None:
        other = next(name for name in classes if name != positive[0])
        return {
            "why": f"{why}, written as 1 for {positive[0]!r} ({positive[1]})",
            "spelled": {positive[0]: "1", other: "0"},
        }
    first = min(1, min(map(int, cells))) if cells else 0
    spelled = {name: str(number) for number, name in enumerate(classes, first)}
    return {
        "why": f"{why}, written as its place in the alphabet from {first} on: nothing tells the numbers",
        "spelled": spelled,
    }


def positive_of(classes: Sequence[str], column: str, page: dict[str, str]) -> tuple[str, str]:
    """Which of two classes a probability stands for, and why."""
    for name in classes:
        if name.lower() == column.lower() or same_words(column) in (f"has{same_words(name)}", f"is{same_words(name)}"):
            return name, "the column has its name"
    text = f"{page.get('evaluation', '')} {page.get('title', '')}".lower()
    for name in classes:
        word = re.escape(name.lower())
        one = r"\b1\s*(=|is|means|for|:)\s*(an? )?"
        said = rf"(probability|likelihood|chance)[^.]*\b{word}s?\b|{one}{word}\b|\b{word}s?\s*(=|is|as)\s*1\b"
        other = next((o for o in classes if o != name), "")
        if not name.isdigit() and re.search(said, text) and not re.search(rf"{one}{re.escape(other.lower())}\b", text):
            return name, "the evaluation text says so"
    for name in classes:
        if name.lower() in _TRUE_WORDS:
            return name, "its name says so"
    first, last = classes[0], classes[-1]
    return last, f"nothing says which, and it is the later of {first!r} and {last!r} in the alphabet"
