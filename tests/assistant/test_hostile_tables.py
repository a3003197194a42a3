"""Tables as they come: odd ones are read right or told in a note, what is none is told in a few words, and no row goes
silently."""

from __future__ import annotations

import codecs
import gzip
import json
import os

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.tables import Table, read_pixels, read_table, read_tables

WANTED = [["1", "ä"], ["2", "b"]]
TEXT = "id,label\n1,ä\n2,b\n"


def rows(table: Table) -> list[list[str]]:
    """The table's cells, a list a row."""
    return [list(row) for row in table.frame.itertuples(index=False, name=None)]


def outcome(folder, data: bytes | str, name: str = "x.csv") -> Table | str:
    """The table in a file of these bytes, or why there is none."""
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    tables, broken = read_tables(folder, [name])
    return tables.get(name) or broken[name]


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (TEXT, ""),
        (codecs.BOM_UTF8 + TEXT.encode(), ""),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), ""),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), ""),
        (TEXT.encode("utf-16-le"), "not UTF-8: read as utf-16-le"),
        (TEXT.encode("cp1252"), "not UTF-8: read as cp1252"),
        (TEXT.replace(",", ";"), "columns are parted by ';'"),
        (TEXT.replace(",", "\t"), "columns are parted by tabs"),
        (TEXT.replace(",", "|"), "columns are parted by '|'"),
        ("sep=;\n" + TEXT.replace(",", ";"), "columns are parted by ';'"),
        ("# made by hand\n" + TEXT, "its first line is a comment"),
        (TEXT.replace("\n", "\r\n"), ""),
        (TEXT.replace("\n", "\r"), ""),
        (TEXT.replace("\n", "\n\n"), ""),
        ('"id","label"\n"1","ä"\n"2","b"\n', ""),
        ('id, label\n1, "ä"\n2, "b"\n', ""),
        (TEXT.replace("\n", ",\n"), ""),
        (TEXT.replace("label\n", "label,\n"), ""),
        ("id,label\n1,ä,\n2,b,\n", "rows have more cells than the header: those beyond it are left out"),
        ("id,label\n1,ä\n2,b\n3,c,d\n", "1 row has too many cells and is left out (line 4 first)"),
        ("id,label\n1,ä,x\n2,b\n", "rows have more cells than the header: those beyond it are left out"),
        (TEXT[:-1], ""),
    ],
)
def test_a_table_is_read_whatever_its_form(tmp_path, data, note):
    table = outcome(tmp_path, data)
    assert isinstance(table, Table), table
    assert (table.columns, rows(table), table.notes) == (["id", "label"], WANTED, (note,) if note else ())


@pytest.mark.parametrize(
    ("data", "cells", "note"),
    [
        ('id,label\n1,"a ""x"" b"\n2,"b,c"\n', [["1", 'a "x" b'], ["2", "b,c"]], ""),
        ('id,label\r\n1,"a\r\nb"\r\n2,c\r\n', [["1", "a\r\nb"], ["2", "c"]], ""),
        ('id,label\n1,5" disk\n2,6" x\n', [["1", '5" disk'], ["2", '6" x']], ""),
        ("id,label\n 1 , a\n2.0,\n", [[" 1 ", " a"], ["2.0", ""]], ""),
        ("id,label\nNA,null\n007,1e5\n", [["NA", "null"], ["007", "1e5"]], ""),
        ("id,label\n1\n2,b\n", [["1", ""], ["2", "b"]], ""),
        (
            'id,label\n1,a\n2,"b',
            [["1", "a"], ["2", '"b']],
            "a quote in row 3 is never closed: it is taken as it stands",
        ),
        (
            'id,label\n"1",a\n2,"b\n3,c\n',
            [["1", "a"]],
            "a quote in row 3 is never closed: the rows from there on are left out",
        ),
        (
            'id,label\n1,"a\n2,b\n3,c"\n4,d\n',
            [["1", "a\n2,b\n3,c"], ["4", "d"]],
            "the cell label of row 2 holds whole lines: a quote may be missing there",
        ),
        (
            b"id,label\n" + b"1,a\n" * 99_999 + b"2,\x81\n",
            [["1", "a"]] * 99_999 + [["2", "\x81"]],
            "not UTF-8: read as latin-1",
        ),
        ("id,label\n1," + "a" * 1_000_000 + "\n", [["1", "a" * 1_000_000]], ""),
        (
            codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le")[:-1],
            [["1", "ä"], ["2", "b\ufffd"]],
            "it ends in the middle of a character",
        ),
    ],
    ids=range(12),
)
def test_cells_are_what_stands_in_the_file(tmp_path, data, cells, note):
    table = outcome(tmp_path, data)
    assert isinstance(table, Table), table
    assert rows(table) == cells
    assert table.notes == ((note,) if note else ())


@pytest.mark.parametrize(
    ("data", "columns", "count", "note"),
    [
        ("id,label\n", ["id", "label"], 0, ""),
        ("id\n1\n2\n", ["id"], 2, ""),
        (",label\n1,a\n", ["Unnamed: 0", "label"], 1, ""),
        ("id,  ,label\n1,a,b\n", ["id", "Unnamed: 1", "label"], 1, ""),
        ("id,label,label\n1,a,b\n", ["id", "label", "label.1"], 1, "several columns have one name"),
        (" id,id\n1,2\n", ["id", "id.1"], 1, "several columns have one name"),
        (
            "a.jpg,cat\nb.jpg,dog\n_.png,cat\n",
            ["column 1", "column 2"],
            3,
            "it has no header: its first line has a.jpg",
        ),
        ("x_1,cat\nx_2,dog\nx_30,cat\n", ["column 1", "column 2"], 3, "it has no header: its first line is x_1, cat"),
        (",".join(f"c{n}" for n in range(2000)) + "\n" + "x," * 1999 + "x\n", [f"c{n}" for n in range(2000)], 1, ""),
    ],
)
def test_columns_have_names_of_their_own(tmp_path, data, columns, count, note):
    table = outcome(tmp_path, data)
    assert isinstance(table, Table), table
    assert (table.columns, len(table.frame)) == (columns, count)
    assert " ".join(table.notes).startswith(note)
    assert bool(table.notes) == bool(note)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty file"),
        (b" \n\r\n", "empty file"),
        (codecs.BOM_UTF8, "empty file"),
        (codecs.BOM_UTF16_LE, "empty file"),
        (b"id\n", "no rows"),
        (bytes(1000), "binary data"),
        (bytes(range(256)) * 9, "binary data"),
        (bytes(range(1, 32)) * 9, "binary data"),
        (b"id,label\n" + b"1,a\n" * 3000 + b"2,\0b\n", "binary data: it holds zero bytes"),
        (gzip.compress(b"id,label\n1,a\n", mtime=0), "gzip data: unpack it"),
        (b"PK\x03\x04rest", "a zip: unpack it"),
        (b"\xff\xd8\xff\xe0rest", "a JPEG picture"),
        (b"<!DOCTYPE html>\n<html><body>Sign in, please</body></html>", "a web page or XML, not a table"),
        (b"version https://git-lfs.github.com/spec/v1\nsize 9\n", "a Git LFS pointer, not the file itself: fetch it"),
    ],
)
def test_what_is_no_table_is_told_in_a_few_words(tmp_path, data, words):
    assert outcome(tmp_path, data) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "lists in lists too deep"),
        ("{}", "a document of another form than a list of records"),
        ("[1, 2]", "a document of another form than a list of records"),
        (
            '{"images": [{"id": [1]}], "annotations": [{"image_id": {}, "category_id": 1}]}',
            "a document of another form",
        ),
        ("", "no rows"),
        ("nonsense", "Expecting value"),
    ],
)
def test_a_json_that_is_no_table_is_told(tmp_path, text, words):
    told = outcome(tmp_path, text, "x.json")
    assert isinstance(told, str)
    assert told.startswith(words) or text == ""


def test_numbers_and_halves_of_characters_in_a_json_become_text_that_can_be_written(tmp_path):
    table = outcome(
        tmp_path, '[{"id": NaN, "label": 2.0, "x": "\\ud800"}, {"id": null, "label": 1e999, "x": true}]', "x.json"
    )
    assert isinstance(table, Table)
    assert rows(table) == [["", "2", "?"], ["", "inf", "1"]]


def test_a_parquet_with_lists_bytes_and_gaps_is_read(tmp_path):
    frame = pd.DataFrame({"id": [1, None], "tags": [["a", "b"], []], "raw": [b"\xff", b""], "yes": [True, False]})
    frame.to_parquet(tmp_path / "x.parquet")
    table = read_table(tmp_path, "x.parquet")
    assert (table.columns, rows(table)) == (["id", "tags", "yes"], [["1", "a b", "1"], ["", "", "0"]])
    assert table.notes == ("columns of bytes or records are passed over: raw",)


def test_a_parquet_of_pixels_and_a_broken_one_are_told(tmp_path):
    pd.DataFrame([[0] * 1100], columns=list(map(str, range(1100)))).to_parquet(tmp_path / "x.parquet")
    (tmp_path / "y.parquet").write_bytes(b"PAR1 and no more")
    tables, broken = read_tables(tmp_path, ["x.parquet", "y.parquet", "z.csv"])
    assert tables == {}
    assert broken["x.parquet"] == "1,100 columns: an array, not a table"
    assert "\n" not in broken["y.parquet"]
    assert broken["z.csv"] == "No such file or directory"


def test_pixels_stay_in_their_rows(tmp_path):
    header = ",".join(["label", *(f"pixel{n}" for n in range(64))])
    (tmp_path / "x.csv").write_text("\n".join([header, "," + ",".join(["7"] * 64), "," + ",".join(["9"] * 64)]))
    table = read_table(tmp_path, "x.csv")
    assert len(table.frame) == 2
    assert read_pixels(tmp_path, table)[:, 0, 0, 0].tolist() == [7, 9]


def test_half_a_million_rows_are_read(tmp_path):
    with open(tmp_path / "x.csv", "w") as file:
        file.write("id,patient,age,label\n")
        file.writelines(f"{n},p{n // 7},{n % 90},grade {n % 5}\n" for n in range(500_000))
    assert len(read_table(tmp_path, "x.csv").frame) == 500_000


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], include_characters="\n\t"), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6), st.sampled_from([",", ";", "\t"]))
def test_any_table_that_pandas_writes_comes_back(tmp_path_factory, cells, delimiter):
    folder = tmp_path_factory.mktemp("any")
    frame = pd.DataFrame([("first", "cell"), *cells], columns=["id", "label"])
    frame.to_csv(folder / "x.csv", index=False, sep=delimiter, quoting=1, lineterminator="\n")
    table = read_table(folder, "x.csv")
    assert [row for row in rows(table) if any(row)] == [["first", "cell"], *(list(row) for row in cells if any(row))]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    st.binary(max_size=80) | st.text('abc1,;"\n\r\t# \0é', max_size=60).map(str.encode),
    st.sampled_from(["csv", "json", "parquet"]),
)
def test_any_bytes_are_a_table_or_told(tmp_path_factory, data, ending):
    told = outcome(tmp_path_factory.mktemp("bytes"), data, f"x.{ending}")
    if isinstance(told, str):
        assert told
        assert "\n" not in told
    else:
        assert len(set(told.columns)) == len(told.columns)
        json.dumps(rows(told), ensure_ascii=False).encode()


def test_a_file_that_may_not_be_opened_is_told(tmp_path):
    (tmp_path / "x.csv").write_text(TEXT)
    (tmp_path / "x.csv").chmod(0)
    if os.access(tmp_path / "x.csv", os.R_OK):
        pytest.skip("whoever runs this may read everything")
    assert read_tables(tmp_path, ["x.csv"])[1] == {"x.csv": "Permission denied"}
