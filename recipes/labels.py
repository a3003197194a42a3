"""Labels out of a CSV or an array: which column, one row an image, which task they ask for, encoded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from recipes.errors import ImagesError, few, nearest
from recipes.files import what_is_there
from recipes.tasks import TASK_NAMES, MultiLabel, Regression, SingleLabel, Task, guess_task, sorted_classes

__all__ = [
    "as_picture",
    "as_text",
    "column_named",
    "encode",
    "one_row_an_id",
    "read_table",
    "without_numbers_that_are_none",
]


def read_table(csv: str | os.PathLike | pd.DataFrame) -> tuple[pd.DataFrame, Path]:
    """The table with every cell as text, empty where there is none, and the folder that it lies in. Raises ImagesError."""
    if isinstance(csv, pd.DataFrame):
        return csv.astype(str).where(csv.notna(), ""), Path()
    path = Path(csv)
    if not path.is_file():
        raise ImagesError(f"no such file: {path}; {what_is_there(path)}")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ImagesError(f"not a table: {path.name}: {' '.join(str(error).split())}; save it as UTF-8 CSV") from None
    return table, path.parent


def column_named(table: pd.DataFrame, name: str | None, position: int) -> str:
    """The column of that name, or without one that at `position`. Raises ImagesError."""
    if name is None:
        if len(table.columns) <= position:
            raise ImagesError(f"too few columns: {few(table.columns)}; a column of ids and one of labels are needed")
        return str(table.columns[position])
    if name not in table.columns:
        like = nearest(name, map(str, table.columns)) or list(map(str, table.columns))
        raise ImagesError(f"no such column: {name!r}; there are {few(like, 8)}")
    return name


def one_row_an_id(table: pd.DataFrame, id_column: str, columns: list[str]) -> pd.DataFrame:
    """Those columns without rows that say the same twice. Raises ImagesError where an id has two labels."""
    named = table.loc[table[id_column] != "", [id_column, *columns]]
    table = named.loc[~named.duplicated()]
    twice = table[id_column][table[id_column].duplicated()]
    if len(twice):
        raise ImagesError(f"an id has two labels: {few(twice)} in column {id_column}; keep one row an image")
    return table


def without_numbers_that_are_none(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The table with empty cells for what stands for no number (nan, inf) in columns of numbers."""
    for name in columns:
        numbers = pd.to_numeric(table[name].where(table[name] != "", None), errors="coerce")
        lacking = table[name].str.fullmatch(r"[+-]?(nan|inf|infinity)", case=False)
        if (
            lacking.any()
            and np.isfinite(numbers).any()
            and (np.isfinite(numbers) | lacking | (table[name] == "")).all()
        ):
            table = table.assign(**{name: table[name].mask(lacking, "")})
    return table


def encode(labels: Sequence[tuple[str, ...]], columns: Sequence[str], task: str) -> tuple[np.ndarray, Task]:
    """Encoded targets (one a row) and the task: as named, or (auto) as the labels look. Raises ImagesError."""
    if task not in ("auto", *TASK_NAMES):
        raise ImagesError(f"no such task: {task!r}; there are auto, {', '.join(TASK_NAMES)}")
    if len(columns) > 1:
        return _encode_columns(labels, columns, task)
    texts = [label[0] for label in labels]
    kind = guess_task(texts) if task == "auto" else task
    if kind == "regression":
        made: Task = Regression(tuple(columns))
    elif kind == "multi_label":
        made = MultiLabel(sorted_classes([word for text in texts for word in text.split()]))
    else:
        made = SingleLabel(sorted_classes(texts))
    return made.encode(texts), made


def _encode_columns(labels: Sequence[tuple[str, ...]], columns: Sequence[str], task: str) -> tuple[np.ndarray, Task]:
    numbers = Regression(tuple(columns)).encode([" ".join(row) for row in labels])
    marks = bool(np.isin(numbers, (0, 1)).all())
    one_each = marks and bool((numbers.sum(1) == 1).all())
    kind = task if task != "auto" else "single_label" if one_each else "multi_label" if marks else "regression"
    if kind == "regression":
        return numbers, Regression(tuple(columns))
    if not marks or (kind == "single_label" and not one_each):
        raise ImagesError(
            f"columns are not {kind} marks: {few(columns)} hold other values than one-hot 0 and 1; try task='auto'"
        )
    if kind == "multi_label":
        return numbers, MultiLabel(tuple(columns))
    return numbers.argmax(1).astype(np.int64), SingleLabel(tuple(columns))


def as_picture(array: np.ndarray) -> np.ndarray:
    """The array, if it is a picture: uint8, H×W or H×W×C. Raises ImagesError."""
    array = np.asarray(array)
    channels = array.shape[2:] in ((), (1,), (3,), (4,))
    if array.ndim not in (2, 3) or array.dtype != np.uint8 or not channels or array.size == 0:
        raise ImagesError(
            f"not a picture: an array of {array.dtype} with shape {array.shape}; give uint8, H×W or H×W×C with 1, 3 or 4 channels"
        )
    return array


def as_text(value: object) -> str:
    """A label as text; a whole number without its point."""
    return str(int(value)) if isinstance(value, (float, np.floating)) and value.is_integer() else str(value)
