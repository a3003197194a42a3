"""From a folder to a Competition, with reasons: where the labels and images are, what is asked, what the answer looks
like.

Nothing is decided by a competition's name: the template, the files and their columns say what they are.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from assistant.competition import Answer, Competition, CompetitionError, Labels, MetricChoice, TaskName
from recipes.errors import ImagesError, few
from recipes.files import image_files
from recipes.tasks import guess_task, sorted_classes

__all__ = ["read"]

_TEMPLATE = re.compile(r"sample|submission|benchmark", re.IGNORECASE)
_TRUE_WORDS = ("1", "yes", "true", "positive", "present", "malignant", "abnormal", "cancer", "tumor")
_SEVERAL = 50  # this many whole-number values or more are an amount, not classes, where the template asks for a number


@dataclass(frozen=True)
class _Found:
    """Labels and where their pictures are: `share` of the ids have a file."""

    labels: Labels
    table: pd.DataFrame
    share: float


def read(folder: Path | str) -> Competition:
    """What the competition in `folder` asks for. Raises CompetitionError in one line."""
    root = Path(folder).resolve()
    if not root.is_dir():
        raise CompetitionError(f"no such folder: {folder}; name one with pictures and their labels")
    page = _page(root)
    tables = _tables(root)
    try:
        _, pictures = image_files(root)
    except ImagesError as error:
        raise CompetitionError(str(error)) from None
    template = _template(root, tables)
    labels = _labels(root, tables, pictures, template)
    warnings: list[str] = []
    if labels.share < 1:
        lacking = round((1 - labels.share) * len(labels.table))
        warnings.append(f"{lacking:,} of {len(labels.table):,} labels have no picture: they are set aside")
    task, classes = _task(labels, tables.get(template) if template else None)
    test_ids, test_files = _test(root, tables, template, pictures, labels.labels, warnings)
    answer = _answer(template, tables, task, classes, labels.labels, page)
    metric = _metric(page, answer, task)
    source = labels.labels
    where = source.file or f"{source.folder}/<class>"
    columns = source.target_columns or ["label"]
    return Competition(
        slug=str(page.get("ref") or root.name).rsplit("/", 1)[-1],
        title=str(page.get("title") or root.name),
        task=task,
        classes=classes,
        labels_from=f"{where}: "
        + (f"column {few(columns, 8)}" if source.kind == "csv" else "the name of each picture's folder"),
        train_images=round(labels.share * len(labels.table)),
        test_images=len(test_ids),
        id_column=source.id_column or answer.id_column,
        target_columns=columns,
        submission=answer,
        metric=metric,
        warnings=warnings,
        folder=str(root),
        labels=source,
        test_ids=test_ids,
        test_files=test_files,
        sample=page.get("ref") == "recipe-assistant/sample",
    )


def _page(root: Path) -> dict[str, str]:
    try:
        page = json.loads((root / "page.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CompetitionError(
            f"page.json cannot be read: {' '.join(str(error).split())}; mend it or take it away"
        ) from None
    return page if isinstance(page, dict) else {}


def _tables(root: Path) -> dict[str, pd.DataFrame]:
    """Every CSV of the folder and of the folders directly in it, as text, by relative path."""
    tables = {}
    for path in sorted([*root.glob("*.csv"), *root.glob("*/*.csv")]):
        try:
            table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
            continue
        if len(table) and len(table.columns):
            tables[path.relative_to(root).as_posix()] = table
    return tables


def _template(root: Path, tables: dict[str, pd.DataFrame]) -> str | None:
    named = [name for name in tables if _TEMPLATE.search(Path(name).name) and len(tables[name].columns) > 1]
    return min(named, key=lambda name: ("sample" not in name.lower(), len(name))) if named else None


def _labels(root: Path, tables: dict[str, pd.DataFrame], pictures: list[Path], template: str | None) -> _Found:
    """The CSV most of whose ids are pictures, else class folders."""
    found = []
    target = list(tables[template].columns[1:]) if template else []
    for name, table in tables.items():
        if name == template or len(table.columns) < 2:
            continue
        columns = [c for c in target if c in table.columns[1:]] or [_label_column(table)]
        for id_column in table.columns[:3]:
            if id_column in columns:
                continue
            for folder, suffix, share in _places(root, pictures, table[id_column].tolist()):
                labels = Labels(
                    kind="csv", file=name, id_column=id_column, target_columns=columns, suffix=suffix, folder=folder
                )
                found.append(_Found(labels, table, share))
    found = [candidate for candidate in found if candidate.share > 0.5]
    if found:
        return max(found, key=lambda candidate: (round(candidate.share, 2), len(candidate.table)))
    return _class_folders(root)


def _label_column(table: pd.DataFrame) -> str:
    for name in ("label", "labels", "class", "target", "category", "species", "breed", "tags", "diagnosis"):
        for column in table.columns[1:]:
            if column.lower() == name:
                return column
    return table.columns[1]


def _places(root: Path, pictures: list[Path], ids: list[str]) -> list[tuple[str, str, float]]:
    """Folders in which these ids have files, the ending that they lack, and the share that is found."""
    by_folder: dict[str, set[str]] = {}
    for path in pictures:
        by_folder.setdefault(path.parent.relative_to(root).as_posix(), set()).add(path.name)
    wanted, found = set(ids), []
    for folder, names in by_folder.items():
        endings = [ending for ending, _ in Counter(os.path.splitext(name)[1] for name in names).most_common(3)]
        for suffix in ("", *endings):
            share = len(wanted & ({name.removesuffix(suffix) for name in names if name.endswith(suffix)})) / max(
                len(wanted), 1
            )
            if share:
                # a training id may also be a test id: folders that say train win
                found.append((folder, suffix, share - (0.01 if re.search("test", folder, re.IGNORECASE) else 0)))
    return found


def _class_folders(root: Path) -> _Found:
    """Training pictures in a folder a class."""
    tried = [
        path
        for path in sorted(root.iterdir())
        if path.is_dir() and not re.search("test|valid", path.name, re.IGNORECASE)
    ]
    for folder in [*[p for p in tried if re.search("train", p.name, re.IGNORECASE)], root, *tried]:
        inner = [
            path
            for path in folder.iterdir()
            if path.is_dir() and not re.search("test|train|valid", path.name, re.IGNORECASE)
        ]
        rows = []
        for path in inner:
            try:
                rows += [(file.relative_to(folder).as_posix(), path.name) for file in image_files(path)[1]]
            except ImagesError:
                continue
        table = pd.DataFrame(rows, columns=["file", "label"], dtype=str)
        if len(set(table["label"])) > 1:
            name = folder.relative_to(root).as_posix()
            return _Found(Labels(kind="folders", folder=name), table, 1.0)
    raise CompetitionError(
        f"no labels found: no CSV in {root.name} names its pictures, and there are no class folders; "
        "put a CSV with ids and labels beside the pictures"
    )


def _task(labels: _Found, template: pd.DataFrame | None) -> tuple[TaskName, list[str]]:
    columns = labels.labels.target_columns
    if labels.labels.kind == "folders":
        return "single_label", list(sorted_classes(labels.table["label"].tolist()))
    if len(columns) > 1:
        values = labels.table[columns]
        marks = bool(values.isin(["0", "1", "0.0", "1.0"]).to_numpy().all())
        one_each = marks and bool((values.astype(float).to_numpy().sum(axis=1) == 1).all())
        return ("single_label" if one_each else "multi_label" if marks else "regression"), columns
    texts = labels.table[columns[0]].tolist()
    task: TaskName = guess_task(texts)  # type: ignore[assignment]
    amounts = task == "single_label" and all(text.isdigit() for text in set(texts)) and len(set(texts)) >= _SEVERAL
    if amounts and template is not None and len(template.columns) == 2:
        task = "regression"
    if task == "regression":
        return task, columns
    words = [word for text in texts for word in text.split()] if task == "multi_label" else texts
    return task, list(sorted_classes(words))


def _test(
    root: Path,
    tables: dict[str, pd.DataFrame],
    template: str | None,
    pictures: list[Path],
    labels: Labels,
    warnings: list[str],
) -> tuple[list[str], list[str]]:
    """Ids to answer for, in the template's order, and each one's file (a name that is not there, where none is
    found)."""
    trained = f"{labels.folder}/" if labels.folder != "." else ""
    relative = [path.relative_to(root).as_posix() for path in pictures]
    others = [name for name in relative if not (trained and name.startswith(trained))] or relative
    tested = [name for name in others if re.search("test", name.rpartition("/")[0], re.IGNORECASE)] or others
    if template is None:
        chosen = [name for name in tested if re.search("test", name, re.IGNORECASE)]
        return [Path(name).name for name in chosen], chosen
    ids = tables[template].iloc[:, 0].tolist()
    by_name: dict[str, str] = {}
    for name in reversed(tested):
        by_name |= {name: name, Path(name).name: name, Path(name).stem: name}
    files = [by_name.get(i, f"no-picture-of/{i}") for i in ids]
    lacking = [i for i in ids if i not in by_name]
    if lacking:
        warnings.append(
            f"{len(lacking):,} ids of {template} have no picture ({few(lacking)}): they are answered by class frequency"
        )
    return ids, files


def _answer(
    template: str | None,
    tables: dict[str, pd.DataFrame],
    task: str,
    classes: list[str],
    labels: Labels,
    page: dict[str, str],
) -> Answer:
    if template is None:
        value = {"single_label": "label", "multi_label": "tags", "regression": "number"}[task]
        columns = classes if task == "regression" else ["label"]
        why = "there is no template: an id and the answer"
        return Answer(template=None, id_column="id", columns=columns, value=value, why=why)  # type: ignore[arg-type]
    table = tables[template]
    columns = list(table.columns[1:])
    made = {"template": template, "id_column": str(table.columns[0]), "columns": columns}
    if task == "regression":
        return Answer(**made, value="number", why="the labels are numbers")
    if set(columns) == set(classes):
        return Answer(**made, value="probability", why="the template has a column a class")
    cells = table[columns[0]].tolist()
    if task == "multi_label":
        return Answer(**made, value="tags", why="the labels are tags")
    fractions = any(re.fullmatch(r"-?\d*\.\d+", cell) for cell in cells)
    if len(columns) == 1 and len(classes) == 2 and (fractions or not set(cells) <= set(classes)):
        positive, why = _positive(classes, columns[0], page)
        return Answer(
            **made,
            value="probability",
            positive=positive,
            why=f"one column of numbers for two classes; it is {positive!r}: {why}",
        )
    if len(columns) == 1:
        return Answer(**made, value="label", why="one column for a class name")
    raise CompetitionError(
        f"the template is not understood: {template} has columns {few(columns)}, the classes are {few(classes)}; "
        "columns must be the classes, or one"
    )


def _positive(classes: list[str], column: str, page: dict[str, str]) -> tuple[str, str]:
    """Which of two classes a probability stands for, and why."""
    for name in classes:
        if name.lower() in _TRUE_WORDS:
            return name, "its name says so"
        if name.lower() == column.lower():
            return name, "the column has its name"
    text = f"{page.get('evaluation', '')} {page.get('title', '')}".lower()
    for name in classes:
        if re.search(rf"probability[^.]*\b{re.escape(name.lower())}\b", text) or re.search(
            rf"\b1\s*=\s*{re.escape(name.lower())}\b", text
        ):
            return name, "the evaluation text says so"
    return classes[-1], f"nothing says which, and it is the later of {classes[0]!r} and {classes[-1]!r} in the alphabet"


def _metric(page: dict[str, str], answer: Answer, task: str) -> MetricChoice:
    said = f"{page.get('evaluationMetric', '')} {page.get('evaluation', '')}".lower()
    if task == "regression":
        name = "rmse" if re.search(r"rmse|root mean squared", said) else "mae"
        return MetricChoice(
            name=name, direction="smaller", why="the page says so" if name == "rmse" else "the labels are numbers"
        )
    if re.search(r"log[ -]?loss|logarithmic", said):
        return MetricChoice(name="log_loss", direction="smaller", why="the page says so")
    if "accuracy" in said and task == "single_label":
        return MetricChoice(name="accuracy", direction="larger", why="the page says so")
    if task == "multi_label":
        return MetricChoice(name="f2", direction="larger", why="the labels are tags")
    if answer.value == "probability":
        return MetricChoice(name="log_loss", direction="smaller", why="the template asks for probabilities")
    return MetricChoice(name="accuracy", direction="larger", why="the template asks for class names")
