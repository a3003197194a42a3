"""How a CSV is written (encoding, delimiter, lines before the header, quotes), and its cells as text whatever is odd."""

from __future__ import annotations

import codecs
import csv
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from recipes.errors import few

__all__ = ["Form", "cells_of", "chunks_of", "form_of"]

_START = 1 << 18  # bytes that are looked at for the delimiter
_DELIMITERS = ",;\t|"
_MAGICS = (
    (b"\x1f\x8b", "gzip data: unpack it"),
    (b"PK\x03\x04", "a zip: unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"),
    (b"BZh", "bzip2 data: unpack it"),
    (b"\xfd7zXZ", "xz data: unpack it"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"%PDF", "a PDF"),
    (b"PAR1", "Parquet data: call it .parquet"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook: save it as CSV"),
    (b"version https://git-lfs.github.com/", "a Git LFS pointer, not the file itself: fetch it"),
)
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\x0b\x0c\x1a")) + b"\x7f"


@dataclass(frozen=True)
class Form:
    """How a CSV is written. `skipped` lines stand before the header, `headed` says whether there is one, `quoted`
    whether quotes hold a cell together, `spaced` whether a blank follows each delimiter."""

    encoding: str
    delimiter: str
    notes: tuple[str, ...]
    skipped: int = 0
    headed: bool = True
    quoted: bool = True
    spaced: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """What `pandas.read_csv` needs to know."""
        return {
            "sep": self.delimiter,
            "encoding": self.encoding,
            "encoding_errors": "replace",
            "dtype": str,
            "keep_default_na": False,
            "index_col": False,
            "skiprows": self.skipped,
            "header": 0 if self.headed else None,
            "quoting": csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
            "skipinitialspace": self.spaced,
            "on_bad_lines": "warn",
        }


def form_of(path: Path) -> Form:
    """How that file is written. Raises ValueError where it is no table."""
    with open(path, "rb") as file:
        start = file.read(_START)
    if not start.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0"):
        raise ValueError("binary data" if b"\0" in start[2:] else "empty file")
    for magic, words in _MAGICS:
        if start.startswith(magic):
            raise ValueError(words)
    encoding, notes = _encoding(path, start)
    text = start.decode(encoding, "replace")
    if re.match(r"\s*<(!doctype|html|\?xml|head|body|svg)", text, re.I):
        raise ValueError("a web page or XML, not a table")
    lines = re.split(r"\r\n|\r|\n", text)[:60]
    if len(start) == _START and len(lines) > 1:
        lines.pop()
    delimiter, skipped = None, 0
    told = re.fullmatch(r'"?sep=([,;\t|])"?', lines[0].strip())
    if told:
        delimiter, skipped = told[1], 1
    else:
        while skipped < len(lines) - 1 and re.match(r"#[^,;\t|]*$", lines[skipped]):
            skipped += 1
    if skipped and delimiter is None:
        notes.append(f"its first {'line is a comment' if skipped == 1 else f'{skipped} lines are comments'}")
    lines = [line for line in lines[skipped:] if line.strip()]
    delimiter = delimiter or _delimiter([line for line in lines if len(line) < 1 << 17] or lines[:1])
    if delimiter != ",":
        notes.append(f"columns are parted by {'tabs' if delimiter == chr(9) else repr(delimiter)}")
    spaced = any(re.search(rf'{re.escape(delimiter)} +"', line) for line in lines) and delimiter != "\t"
    form = Form(encoding, delimiter, tuple(notes), skipped, spaced=spaced)
    return _headed(path, form)


def _encoding(path: Path, start: bytes) -> tuple[str, list[str]]:
    """The encoding, and words about one that is not UTF-8. Raises ValueError for what is no text."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        whole = _decodes(path, "utf-16")
        return "utf-16", [] if whole else ["it ends in the middle of a character"]
    if b"\0" in start[:4096]:
        even, odd = start[:4096:2].count(0), start[1:4096:2].count(0)
        encoding = "utf-16-le" if odd > 4 * even + 2 else "utf-16-be" if even > 4 * odd + 2 else ""
        if encoding and _decodes(path, encoding):
            return encoding, [f"not UTF-8: read as {encoding}"]
        raise ValueError("binary data")
    if len(start[:4096].translate(None, _CONTROL)) < 0.95 * len(start[:4096]):
        raise ValueError("binary data")
    if _decodes(path, "utf-8"):
        if _holds(path, b"\0"):
            raise ValueError("binary data: it holds zero bytes")
        return "utf-8-sig", []
    for encoding in ("cp1252", "latin-1"):
        if _decodes(path, encoding):
            break
    return encoding, [f"not UTF-8: read as {encoding}"]


def _blocks(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            yield block


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in _blocks(path):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _holds(path: Path, mark: bytes) -> bool:
    return any(mark in block for block in _blocks(path))


def _delimiter(lines: list[str]) -> str:
    """The mark that parts every line into the same number of cells, two or more; a comma where none does."""
    best = (0.0, 0, ",")
    for mark in _DELIMITERS:
        try:
            counts = Counter(len(row) for row in csv.reader(lines, delimiter=mark) if row)
        except csv.Error:
            continue
        number, times = max(counts.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
        if number > 1 and (times / max(len(lines), 1), number) > best[:2]:
            best = (times / max(len(lines), 1), number, mark)
    return best[2]


def _headed(path: Path, form: Form) -> Form:
    """The form, with a header or without: a first line that names a picture as the others do is a row."""
    head, _ = cells_of(path, replace(form, headed=False), rows=50)
    if len(head) < 3 or not 1 < len(head.columns) <= 64:
        return form
    for column in head.columns:
        first, *others = head[column].tolist()
        named = [bool(re.search(r"\w\.(jpe?g|png|tiff?|bmp|gif|webp|dcm)$", cell.strip(), re.I)) for cell in others]
        if re.search(r"\w\.(jpe?g|png|tiff?|bmp|gif|webp|dcm)$", first.strip(), re.I) and all(named):
            return replace(form, headed=False, notes=(*form.notes, f"it has no header: its first line has {first}"))
    numbers = [cell.strip() for cell in head.iloc[0]]
    counted = any(numbers == [str(start + n) for n in range(len(numbers))] for start in (0, 1))
    if all(re.fullmatch(r"-?\d+(\.\d+)?", cell) for cell in numbers) and not counted:
        return replace(form, headed=False, notes=(*form.notes, "it has no header: its first line is numbers"))
    recur = shaped = 0
    for column in head.columns:
        first, *others = head[column].tolist()
        if first in others and not re.fullmatch(r"[-\d.]*", first):
            recur += 1
        elif re.search(r"\d", first) and {_shape(cell) for cell in others} == {_shape(first)}:
            shaped += 1
    if recur and shaped and recur + shaped == len(head.columns):
        said = few(head.iloc[0], 4)
        return replace(form, headed=False, notes=(*form.notes, f"it has no header: its first line is {said}"))
    return form


def _shape(cell: str) -> str:
    """A cell with a 0 for each of its numbers."""
    return re.sub(r"\d+(\.\d+)?", "0", cell)


# ---------------------------------------------------------------- cells


def cells_of(
    path: Path, form: Form, columns: list[int] | None = None, rows: int | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """The cells of these columns (of all), and words about what was lost. Raises ValueError."""
    try:
        return _parsed(path, form, columns, rows)
    except pd.errors.EmptyDataError:
        raise ValueError("empty file") from None
    except pd.errors.ParserError as error:
        opened = re.search(r"EOF inside string starting at row (\d+)", str(error))
        if opened is None:
            raise ValueError(" ".join(str(error).split())) from None
    row = int(opened[1])
    if sum(block.count(b'"') for block in _blocks(path)) == 1:
        frame, notes = _parsed(path, replace(form, quoted=False), columns, rows)
        return frame, [*notes, f"a quote in row {row + 1} is never closed: it is taken as it stands"]
    try:
        frame, notes = _parsed(path, form, columns, max(row - form.headed, 0))
    except pd.errors.ParserError as error:
        raise ValueError(" ".join(str(error).split())) from None
    return frame, [*notes, f"a quote in row {row + 1} is never closed: the rows from there on are left out"]


def _parsed(path: Path, form: Form, columns: list[int] | None, rows: int | None) -> tuple[pd.DataFrame, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame = pd.read_csv(path, usecols=columns, nrows=rows, **form.options)
    said = " ".join(str(warning.message) for warning in caught)
    notes, skipped = [], re.findall(r"Skipping line (\d+)", said)
    if skipped:
        count = f"{len(skipped):,} rows have" if len(skipped) > 1 else "1 row has"
        notes.append(
            f"{count} too many cells and {'are' if len(skipped) > 1 else 'is'} left out (line {skipped[0]} first)"
        )
    if "loss of data" in said:
        notes.append("rows have more cells than the header: those beyond it are left out")
    frame.columns = _names(list(map(str, frame.columns)), form.headed)
    return frame, notes


def _names(names: list[str], headed: bool) -> list[str]:
    """Names without blanks around them, each once; a column without one is called as pandas does."""
    if not headed:
        return [f"column {number}" for number in range(1, len(names) + 1)]
    made: dict[str, None] = {}
    for number, name in enumerate(names):
        name = stem = name.strip() or f"Unnamed: {number}"
        again = 0
        while name in made:
            again += 1
            name = f"{stem}.{again}"
        made[name] = None
    return list(made)


def chunks_of(path: Path, form: Form, columns: list[int], rows: int) -> Iterator[pd.DataFrame]:
    """The cells of these columns, that many rows at a time: the rows that `cells_of` gives."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from pd.read_csv(path, usecols=columns, chunksize=rows, **form.options)
