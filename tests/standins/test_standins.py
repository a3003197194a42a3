"""The stand-ins themselves: they are written, and their graders score right answers and refuse damaged ones."""

from __future__ import annotations

import io
import math
import random
import re
import zipfile

import pytest

from . import REFUSED, STANDINS, SUPPORTED, Refused, Table


def _saved(tmp_path, table: Table):
    path = tmp_path / "answer.csv"
    path.write_bytes(table.csv())
    return path


def _shipped(files: dict[str, bytes], name: str) -> bytes:
    """The bytes of `name`, out of a zip of its own where it has one."""
    if name in files:
        return files[name]
    packed = zipfile.ZipFile(io.BytesIO(files[f"{name}.zip"]))
    return packed.read(name.rpartition("/")[2])


@pytest.mark.parametrize("name", list(STANDINS))
def test_a_stand_in_writes_the_same_files_each_time_and_its_page_only_when_asked(tmp_path, name):
    made = STANDINS[name]
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, page in ((first, False), (second, True)):
        folder.mkdir()
        made.write(folder, page=page)
    found = {path.relative_to(first).as_posix(): path for path in first.rglob("*") if path.is_file()}
    assert set(found) == set(made.files)
    again = {path.relative_to(second).as_posix() for path in second.rglob("*") if path.is_file()}
    assert again == set(found) | {"page.json"}
    unpacked = [path for path in found if not re.search(r"\.(zip|7z)$", path)]
    assert all(found[path].read_bytes() == (second / path).read_bytes() for path in unpacked)
    assert set(made.page) == {"ref", "title", "evaluationMetric", "evaluation"}
    assert made.page["ref"] == made.slug


@pytest.mark.parametrize("name", SUPPORTED)
def test_the_template_that_is_shipped_is_the_one_that_the_grader_knows(tmp_path, name):
    made = STANDINS[name]
    made.write(tmp_path)
    files = {
        path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()
    }
    assert _shipped(files, made.expected["submission"]["template"]) == made.template.csv()


@pytest.mark.parametrize("name", SUPPORTED)
def test_the_template_scores_worse_than_the_right_answer_which_scores_best(tmp_path, name):
    made = STANDINS[name]
    assert made.answer is not None
    best = made.grade(_saved(tmp_path, made.answer))
    assert best == pytest.approx(made.best, abs=1e-6)
    if math.isnan(made.template_score):
        with pytest.raises(Refused):
            made.grade(_saved(tmp_path, made.template))
        return
    assert made.grade(_saved(tmp_path, made.template)) == made.template_score
    if len(made.truth) > 1:
        assert made.template_score < best if made.larger_is_better else made.template_score > best


@pytest.mark.parametrize("name", SUPPORTED)
def test_rows_in_another_order_score_the_same(tmp_path, name):
    made = STANDINS[name]
    assert made.answer is not None
    rows = list(made.answer.rows)
    random.Random(1).shuffle(rows)
    assert made.grade(_saved(tmp_path, Table(made.answer.header, tuple(rows)))) == pytest.approx(made.best, abs=1e-6)


@pytest.mark.parametrize("name", SUPPORTED)
def test_damaged_answers_are_refused(tmp_path, name):
    made = STANDINS[name]
    assert made.answer is not None
    header, rows = made.answer.header, made.answer.rows
    damaged = {
        "a row is missing": Table(header, rows[1:]),
        "a row is there twice": Table(header, (*rows, rows[0])),
        "an id is another": Table(header, (*rows[:-1], tuple(f"{cell}x" for cell in rows[-1]))),
        "a column is renamed": Table((*header[:-1], "other"), rows),
    }
    if made.bad_value is not None:
        damaged["a value is out of range"] = Table(header, ((*rows[0][:-1], made.bad_value), *rows[1:]))
    for what, table in damaged.items():
        with pytest.raises(Refused):
            print(what, made.grade(_saved(tmp_path, table)))  # noqa: T201 what was scored though it is damaged


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_to_be_refused_has_a_reason_and_no_grader(tmp_path, name):
    made = STANDINS[name]
    re.compile(str(made.refused))
    assert not made.expected
    with pytest.raises(Refused):
        made.grade(_saved(tmp_path, made.template))


@pytest.mark.parametrize("name", ["leaf-classification", "dog-breed-identification"])
def test_rows_that_do_not_sum_to_1_are_refused_and_seven_digits_are_enough(tmp_path, name):
    made = STANDINS[name]
    thirds = [[row[0], *["0.3333"] * 3, *["0"] * (len(row) - 4)] for row in made.template.rows]
    with pytest.raises(Refused, match="sum"):
        made.grade(_saved(tmp_path, Table.of(made.template.header, thirds)))
    exact = [[row[0], *["0.3333333"] * 3, *["0"] * (len(row) - 4)] for row in made.template.rows]
    assert made.grade(_saved(tmp_path, Table.of(made.template.header, exact))) > 0
