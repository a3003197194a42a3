"""Tables of a folder as text cells, whatever wrote them: CSV of any delimiter and encoding, TSV, Parquet, JSON of several forms."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assistant.csv_form import Form, cells_of, chunks_of, form_of
from recipes.errors import few

__all__ = ["PixelColumns", "Table", "read_pixels", "read_table", "read_tables"]

_WIDE = 1024  # this many columns of numbers are no table
_JSON_LIMIT = 1 << 31  # bytes


@dataclass(frozen=True)
class PixelColumns:
    """Pixels in a table: `columns` hold one each (or, where `listed`, one column holds them all); a picture is
    `shape`, height, width and channels."""

    columns: tuple[str, ...]
    shape: tuple[int, int, int]
    listed: bool = False


@dataclass(frozen=True)
class Table:
    """A table's columns but for its pixels, as text (empty where there is nothing). `notes` say what was odd about
    the file; `boxes` and `links` whether a JSON holds boxes around objects, or web addresses of pictures."""

    name: str
    frame: pd.DataFrame
    pixels: PixelColumns | None = None
    notes: tuple[str, ...] = ()
    boxes: bool = False
    links: bool = False
    delimiter: str = ","
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.frame.columns)

    def cells(self, column: str) -> list[str]:
        """The column's cells."""
        return self.frame[column].tolist()

    def distinct(self, column: str) -> list[str]:
        """The column's different cells, in the order of their first rows."""
        return list(dict.fromkeys(self.cells(column)))


def read_tables(root: Path, names: Sequence[str]) -> tuple[dict[str, Table], dict[str, str]]:
    """The tables among these files by name, and why others are none."""
    tables, broken = {}, {}
    for name in names:
        try:
            table = read_table(root, name)
            if len(table.frame) or table.pixels or len(table.columns) > 1:
                tables[name] = table
            else:
                broken[name] = "no rows"
        except OSError as error:
            broken[name] = error.strerror or " ".join(str(error).split())[:160] or type(error).__name__
        except RecursionError:
            broken[name] = "lists in lists too deep"
        except Exception as error:  # parsers raise whatever their library does
            broken[name] = " ".join(str(error).split())[:160] or type(error).__name__
    return tables, broken


def read_table(root: Path, name: str) -> Table:
    """That file as a table. Raises OSError, or ValueError where it is none."""
    path, lower = root / name, name.lower()
    if lower.endswith((".json", ".jsonl", ".ndjson")):
        return _read_json(path, name)
    if lower.endswith(".parquet"):
        return _read_parquet(path, name)
    return _read_csv(path, name)


def _read_parquet(path: Path, name: str) -> Table:
    import pyarrow.parquet as parquet
    import pyarrow.types as types

    schema = parquet.read_schema(path)
    if len(schema) >= _WIDE:
        raise ValueError(f"{len(schema):,} columns: an array, not a table")
    raw = [part.name for part in schema if types.is_binary(part.type) or types.is_struct(part.type)]
    frame = pd.read_parquet(path, columns=[part for part in schema.names if part not in raw])
    if not len(frame.columns):
        raise ValueError("no columns of plain values")
    cells = {str(column): [_cell(value) for value in frame[column].tolist()] for column in frame.columns}
    notes = [f"columns of bytes or records are passed over: {few(raw)}"] if raw else []
    return Table(name, pd.DataFrame(cells, dtype=str), notes=tuple(notes))


# ---------------------------------------------------------------- CSV


def _read_csv(path: Path, name: str) -> Table:
    form = form_of(path)
    head, _ = cells_of(path, form, rows=50)
    if not len(head.columns):
        raise ValueError("no columns")
    pixels = _pixel_columns(head)
    wanted = None
    if pixels is not None:
        left_out = set(pixels.columns)
        wanted = [number for number, column in enumerate(head.columns) if column not in left_out]
    frame, notes = cells_of(path, form, wanted or ([0] if wanted == [] else None))
    if pixels is not None:  # its rows are the pictures', in their order
        frame = frame if wanted else frame.loc[:, []]
    else:
        frame = _filled(frame)
        notes += _odd(frame, form)
    twice = [
        column for column in frame.columns if re.fullmatch(r".+\.\d+", column) and column.rpartition(".")[0] in frame
    ]
    if twice and form.headed and not re.fullmatch(r"[\d.]+", twice[0]):
        notes.append(f"several columns have one name: one of them is called {twice[0]!r} here")
    return Table(name, frame, pixels, (*form.notes, *notes), delimiter=form.delimiter)


def _filled(frame: pd.DataFrame) -> pd.DataFrame:
    """The table without empty rows, and without empty columns that have no name (behind a last delimiter)."""
    blank = [
        c for c in frame.columns if re.fullmatch(r"Unnamed: \d+", c) and len(frame) and set(frame[c].tolist()) == {""}
    ]
    if blank and len(blank) < len(frame.columns):
        frame = frame.drop(columns=blank)
    if "" not in frame.iloc[:, 0].array:  # the first column is mostly full, and then no row is empty
        return frame
    kept = (frame != "").any(axis=1).to_numpy(bool)
    return frame if kept.all() else frame.loc[kept, :].reset_index(drop=True)


def _odd(frame: pd.DataFrame, form: Form) -> list[str]:
    """Words about cells that swallowed rows: behind a line's end in them stand as many delimiters as in a row."""
    least = len(frame.columns) - 1
    if least == 0:
        return []
    for column in frame.columns:
        for row, cell in enumerate(frame[column].tolist()):
            if "\n" in cell and any(line.count(form.delimiter) >= least for line in cell.split("\n")[1:]):
                return [f"the cell {column} of row {row + 2} holds whole lines: a quote may be missing there"]
    return []


def _pixel_columns(head: pd.DataFrame) -> PixelColumns | None:
    """The columns of a table that are pixels, told by their number and their cells: whole numbers from 0 to 255."""
    for column in head.columns[:20]:
        cells = head[column].tolist()
        counts = {len(cell.split()) for cell in cells[:8]}
        if len(counts) == 1 and _side(next(iter(counts))) and all(_is_grey(cell.split()[:50]) for cell in cells[:8]):
            return PixelColumns((str(column),), _side(next(iter(counts))), listed=True)  # type: ignore[arg-type]
    if len(head.columns) < 64:
        return None
    grey = [str(column) for column in head.columns if _is_grey(head[column].tolist())]
    named = [column for column in grey if re.fullmatch(r"(pixels?|px|p|x|v|attr)?[_ ]?\d+(x\d+)?", column, re.I)]
    for columns in (named, grey):
        for lack in range(min(len(columns), 3)):  # labels and ids among columns without telling names come first
            shape = _side(len(columns) - lack)
            if shape:
                return PixelColumns(tuple(columns[lack:]), shape)
    return None


def _side(count: int) -> tuple[int, int, int] | None:
    for channels in (1, 3):
        side = math.isqrt(count // channels)
        if side >= 8 and side * side * channels == count:
            return side, side, channels
    return None


def _is_grey(cells: Sequence[str]) -> bool:
    return bool(cells) and all(re.fullmatch(r"\d{1,3}(\.0+)?", cell) and float(cell) <= 255 for cell in cells)


def read_pixels(root: Path, table: Table) -> np.ndarray:
    """The pictures in a table's pixel columns, uint8 (rows, height, width, channels)."""
    pixels = table.pixels
    assert pixels is not None
    path = root / table.name
    if table.name.lower().endswith((".json", ".jsonl", ".ndjson")):
        return _json_pixels(path, pixels)
    form = form_of(path)
    head, _ = cells_of(path, form, rows=1)
    places = {column: number for number, column in enumerate(head.columns)}
    columns = [places[column] for column in pixels.columns]
    if pixels.listed:
        parts = [
            np.array([cell.split() for cell in part.iloc[:, 0]], float) for part in chunks_of(path, form, columns, 4096)
        ]
    else:
        parts = [part.replace("", "0").to_numpy(float) for part in chunks_of(path, form, columns, 4096)]
    return np.concatenate([np.clip(part, 0, 255).astype(np.uint8) for part in parts]).reshape(-1, *pixels.shape)


# ---------------------------------------------------------------- JSON


def _read_json(path: Path, name: str) -> Table:
    if path.stat().st_size > _JSON_LIMIT:
        raise ValueError(f"too large to be read: {path.stat().st_size:,} bytes")
    try:
        return _table_of(_loaded(path), name)
    except (TypeError, KeyError, IndexError, AttributeError):
        raise ValueError("a document of another form than a list of records") from None


def _loaded(path: Path) -> Any:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    try:
        return json.loads(text)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        return [json.loads(line) for line in lines]  # one document a line


def _table_of(made: Any, name: str) -> Table:
    if isinstance(made, dict) and _records(made.get("images")) is not None:
        return _coco(made, name)
    if isinstance(made, dict):
        lists = {key: value for key, value in made.items() if _records(value) is not None}
        if lists:
            made = made[max(lists, key=lambda key: len(lists[key]))]
        elif made and all(isinstance(value, dict) for value in made.values()):
            made = [{"id": key, **value} for key, value in made.items()]
        elif made and all(isinstance(value, (str, int, float, bool)) or _plain_list(value) for value in made.values()):
            made = [{"id": key, "label": value} for key, value in made.items()]
        elif made and all(_plain_list(value) for value in made.values()):
            made = []
    records = _records(made)
    if records is None:
        raise ValueError("a document of another form than a list of records")
    return _of_records(records, name)


def _records(value: Any) -> list[dict[str, Any]] | None:
    good = isinstance(value, list) and value and all(isinstance(item, dict) for item in value)
    return value if good else None  # type: ignore[return-value]


def _plain_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, (str, int, float, bool)) for item in value)


def _of_records(records: list[dict[str, Any]], name: str, boxes: bool = False) -> Table:
    keys = list(dict.fromkeys(key for record in records for key in record))
    arrays = [key for key in keys if _is_array(records[0].get(key))]
    pixels = None
    if arrays:
        height, width = _array_shape(records[0][arrays[0]])
        pixels = PixelColumns(tuple(arrays), (height, width, len(arrays)), listed=True)
    columns: dict[str, list[str]] = {}
    for key in keys:
        values = [record.get(key) for record in records]
        if key in arrays:
            continue
        boxes |= bool(re.search(r"bbox|bounding|segmentation|polygon", key, re.I))
        if any(isinstance(value, dict) for value in values):
            continue
        columns[_whole(str(key))] = [_cell(value) for value in values]
    if not columns and not pixels:
        raise ValueError("records without plain values")
    frame = pd.DataFrame(columns, dtype=str)
    links = any(frame[column].str.match(r"\[?'?https?://").mean() > 0.5 for column in frame.columns if len(frame))
    return Table(name, frame, pixels, boxes=boxes, links=links)


def _cell(value: Any) -> str:
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list):
        cells = [_cell(item) for item in value]
        return json.dumps(cells, ensure_ascii=False) if any(" " in cell for cell in cells) else " ".join(cells)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return _whole(str(value))


def _whole(text: str) -> str:
    """The text without halves of characters, which JSON can spell and no file can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _is_array(value: Any) -> bool:
    return isinstance(value, list) and _array_shape(value) != (0, 0)


def _array_shape(value: list) -> tuple[int, int]:
    array = value[0] if value and isinstance(value[0], list) else None
    if array is not None:
        good = len(value) >= 8 and len({len(row) for row in value if isinstance(row, list)}) == 1 and len(array) >= 8
        return (len(value), len(array)) if good else (0, 0)
    side = math.isqrt(len(value))
    numbers = all(isinstance(item, (int, float)) for item in value[:64])
    return (side, side) if side >= 8 and side * side == len(value) and numbers else (0, 0)


def _json_pixels(path: Path, pixels: PixelColumns) -> np.ndarray:
    """Numbers of any range as pictures: each channel is stretched over 0 to 255, by one measure for all pictures; two
    channels get their mean as a third."""
    made = _loaded(path)
    if isinstance(made, dict):
        made = next(value for value in made.values() if _records(value) is not None)
    height, width, channels = pixels.shape
    arrays = np.stack(
        [[np.asarray(record[key], np.float32).reshape(height, width) for key in pixels.columns] for record in made]
    ).transpose(0, 2, 3, 1)
    low, high = np.percentile(arrays, (0.5, 99.5), axis=(0, 1, 2))
    scaled = np.clip((arrays - low) / np.maximum(high - low, 1e-6) * 255, 0, 255)
    if channels == 2:
        scaled = np.concatenate([scaled, scaled.mean(-1, keepdims=True)], -1)
    return np.rint(scaled[..., :3] if channels > 3 else scaled).astype(np.uint8)


def _coco(made: dict[str, Any], name: str) -> Table:
    """Images and annotations that name them, joined: a row an image, its categories parted by blanks."""
    images = made["images"]
    names = {
        record.get("id"): str(record.get("name", record.get("id"))) for record in _records(made.get("categories")) or []
    }
    categories: dict[Any, list[str]] = {}
    others: dict[Any, dict[str, Any]] = {}
    boxes = False
    for annotation in _records(made.get("annotations")) or []:
        owner = annotation.get("image_id", annotation.get("id"))
        boxes |= bool(annotation.get("bbox")) or bool(annotation.get("segmentation"))
        value = annotation.get(
            "category_id",
            annotation.get("category", annotation.get("label_id", annotation.get("labelId", annotation.get("label")))),
        )
        for one in value if isinstance(value, list) else [value]:
            if one is not None and _cell(one) not in categories.setdefault(owner, []):
                categories[owner].append(_cell(one))
        others.setdefault(owner, {}).update(
            {
                key: item
                for key, item in annotation.items()
                if isinstance(item, (str, int, float)) and key not in ("id", "image_id")
            }
        )
    records = []
    for image in images:
        key = image.get("id", image.get("image_id"))
        record = {k: v for k, v in {**others.get(key, {}), **image}.items() if not isinstance(v, dict)}
        if categories:
            record["category_id"] = " ".join(categories.get(key, []))
        records.append({k: (_cell(v) if not _is_array(v) else v) for k, v in record.items()})
    table = _of_records(records, name, boxes)
    return Table(table.name, table.frame, table.pixels, boxes=boxes, links=table.links, extra={"categories": names})
