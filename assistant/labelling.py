"""Where the labels are: every place that may hold them, weighed by evidence."""

from __future__ import annotations

import re
from collections.abc import Sequence

from assistant.competition import Labels
from assistant.evidence import AGAIN, Candidate, Expected, Rows, same_words
from assistant.inventory import Inventory, Match, Pictures, role_of
from assistant.labelled_rows import joined_ids, rows_of
from assistant.places import in_folders, in_names
from assistant.tables import Table
from assistant.translations import Translated, ends_like_a_picture, translated

__all__ = ["AGAIN", "Candidate", "Expected", "Rows", "candidates", "rows_of", "same_words", "split_column_of"]

LABEL_WORDS = (
    "label",
    "labels",
    "class",
    "target",
    "category",
    "species",
    "breed",
    "tags",
    "diagnosis",
    "classname",
    "class_name",
)
_LABEL_PART = re.compile(
    r"label|class|target|categor|species|breed|tag|diagnos|disease|type|grade|score|emotion|quality", re.I
)
_ID_PART = re.compile(
    r"(^|[^a-z])(id|ids|image|images|img|file|files|filename|file_name|name|path|photo|picture|pic)($|[^a-z])|_id$|^id_|Id$|Image|File",
    re.I,
)
_SAMPLED = 400  # ids that are looked up before all are


def candidates(stock: Inventory, pictures: Pictures, tables: dict[str, Table], expected: Expected) -> list[Candidate]:
    """Every place that may hold labels, the most likely first."""
    found: list[Candidate] = []
    for table in tables.values():
        found += _in_table(table, pictures, tables, expected)
    legends = [
        frozenset(map(same_words, table.cells(column)))
        for table in tables.values()
        if 2 <= len(table.frame) <= 2000
        for column in table.columns[:8]
        if len(set(table.cells(column))) == len(table.frame)
    ]
    found += in_folders(pictures, expected, legends) + in_names(pictures, expected)
    return sorted(found, key=lambda candidate: -candidate.score)


# ---------------------------------------------------------------- tables


def _in_table(table: Table, pictures: Pictures, tables: dict[str, Table], expected: Expected) -> list[Candidate]:
    if table.pixels is not None:
        return [
            Candidate(
                Labels(kind="pixels", file=table.name, target_columns=columns, split_column=split_column_of(table)),
                10 + weight + _of_name(table.name),
                ["its rows hold the pixels", why],
            )
            for columns, weight, why in _targets(table, [], expected)
            if weight > 0
        ]
    found: list[Candidate] = []
    for columns in [[column] for column in _id_columns(table)] + _pairs(table, pictures):
        ids = joined_ids(table, columns)
        if pictures.match(ids, "train", _SAMPLED).share >= 0.2:
            found += _beside(table, columns, ids, pictures.match(ids, "train"), pictures, expected)
    if not found:
        for column in _id_columns(table)[:6]:
            ids = table.cells(column)
            told = None
            if 2 * len(set(ids)) > len(ids) > 1:
                told = translated(ids, pictures, tables, "train", but=(table.name,))
            if told is not None:
                found += _beside(table, [column], ids, told.match, pictures, expected, told)
    return found


def _beside(
    table: Table,
    columns: list[str],
    ids: list[str],
    match: Match,
    pictures: Pictures,
    expected: Expected,
    told: Translated | None = None,
) -> list[Candidate]:
    """The columns beside ids that may be the labels of the pictures that the ids mean."""
    roles = {pictures.roles.get(family) for family in match.families}
    score = 10 * match.share + (1 if any(_ID_PART.search(column) for column in columns) else 0)
    reasons = [f"column {' / '.join(columns)} names {match.share:.0%} of its rows' pictures"]
    if told is not None:
        score -= 3
        reasons.append(f"through {told}")
    if match.how == "number":
        score -= 3
        reasons.append("but only by numbers in their names")
    elif ends_like_a_picture(ids):
        score += 0.5
    if roles and roles <= {"test"}:
        score -= 8
        reasons.append("but only test pictures")
    named, meant = set(ids), len(set(match.files) - {None})
    room = sum(family in match.families for family in pictures.families)
    if meant < min(0.1 * room, 50):
        score -= 5
        reasons.append(f"but only {meant:,} of {room:,} pictures")
    if expected.ids and len(named & expected.ids) > 0.5 * len(named) and not any(role == "train" for role in roles):
        score -= 8
        reasons.append("but these are the template's ids")
    score += _of_name(table.name) - (len(columns) - 1)
    score -= 2 * (1 - len(named) / max(len(ids), 1))  # a row a picture rather than many
    found = []
    for targets, weight, why in _targets(table, columns, expected):
        labels = Labels(
            kind="table",
            file=table.name,
            id_columns=columns,
            target_columns=targets,
            families=match.families,
            split_column=split_column_of(table),
        )
        if told is not None:
            names = {"names_file": told.file, "names_key": told.key, "names_column": told.column}
            labels = labels.model_copy(update=names)
        found.append(Candidate(labels, score + weight, [*reasons, why]))
    return found


def _of_name(name: str) -> float:
    last = name.rpartition("/")[2]
    role = role_of(last)
    named = 1.0 if re.search("label|annot|class|truth", last, re.I) else 0.0
    return named + (
        1.5 if role == "train" else -4.0 if role == "test" or re.search("submission|sample", last, re.I) else 0.0
    )


def _id_columns(table: Table) -> list[str]:
    """Columns that may hold ids: many different cells."""
    rows = min(len(table.frame), 2000)
    found = [c for c in table.columns if rows < 8 or len(set(table.cells(c)[:2000])) > 0.05 * rows]
    return sorted(found[:40], key=lambda column: not _ID_PART.search(column))


def _pairs(table: Table, pictures: Pictures) -> list[list[str]]:
    """Two columns of which the one names a folder and the other a file in it, where the file's name alone is not enough."""
    if len(table.frame) == 0 or len(table.columns) > 40:
        return []
    folders = {part for name in pictures.names[:20000] for part in name.split("/")[:-1]}
    outer = [c for c in table.columns if set(table.frame[c].head(200)) & folders]
    pairs = []
    for inner in _id_columns(table)[:6]:
        ids = table.cells(inner)[:_SAMPLED]
        known = sum(bool(pictures.called(name)) for name in ids)
        if known > 0.5 * len(ids) and pictures.match(ids, "train").share < 0.5:
            pairs += [[folder, inner] for folder in outer if folder != inner]
    return pairs


def split_column_of(table: Table) -> str | None:
    """A column that says of each row whether it trains or tests."""
    for column in table.columns:
        values = set(table.frame[column].head(5000).unique())
        if (
            2 <= len(values) <= 6
            and all(role_of(value) for value in values)
            and {role_of(v) for v in values} != {"test"}
        ):
            return column
    return None


def _targets(table: Table, id_columns: Sequence[str], expected: Expected) -> list[tuple[list[str], float, str]]:
    """Columns that may be the labels, how much speaks for them, and what."""
    frame, rest = (
        table.frame,
        [c for c in table.columns if c not in id_columns and not re.match(r"unnamed(:|$)", c, re.I)],
    )
    if not rest:
        return []
    found: list[tuple[list[str], float, str]] = []
    by_words = {same_words(column): column for column in rest}
    wanted = [by_words.get(same_words(column)) for column in expected.columns]
    if wanted and all(wanted):
        found.append(([str(c) for c in wanted], 9.0, "it has the template's columns"))
    one_hot = [c for c in rest if set(frame[c].unique()) <= {"0", "1", "0.0", "1.0"}]
    if len(one_hot) > 1:
        one_each = bool((frame[one_hot].astype(float).sum(axis=1) == 1).all())
        weight = 5.0 if one_each else 2.0 if len(one_hot) == len(rest) else 0.5
        found.append((one_hot, weight, "columns of 0 and 1" + (", one of them 1 in each row" if one_each else "")))
    split = split_column_of(table)
    for place, column in enumerate(rest):
        weight, why = _target_weight(table.cells(column), column, place, rest, expected)
        if column == split:
            weight -= 6
        if weight > -2:
            found.append(([column], weight, why))
    best: dict[tuple[str, ...], tuple[list[str], float, str]] = {}
    for columns, weight, why in sorted(found, key=lambda item: -item[1]):
        best.setdefault(tuple(columns), (columns, weight, why))
    return list(best.values())[:6]


def _target_weight(
    cells: list[str], column: str, place: int, rest: Sequence[str], expected: Expected
) -> tuple[float, str]:
    distinct = list(dict.fromkeys(cells))
    weight, reasons = 0.0, []
    words = column.lower().strip()
    spelled = expected.words
    texts = {same_words(text) for text in distinct[:20000]}
    parts = texts | {same_words(word) for text in distinct[:20000] for word in re.split(r"[ ,;|]+", text)}
    telling = {word for word in spelled if not re.fullmatch(r"\d*", word)}
    if telling and len(telling & parts) >= 0.5 * len(telling):
        weight += 7
        reasons.append("its cells are the classes that the template names")
    elif len(expected.columns) > 1 and spelled and len(spelled & parts) >= 0.8 * len(spelled):
        weight += 6
        reasons.append("its cells are the template's columns")
    if words in LABEL_WORDS:
        weight += 4
        reasons.append("its name says so")
    elif _LABEL_PART.search(column):
        weight += 2
        reasons.append("its name speaks of a label")
    if len(rest) == 1:
        weight += 3
        reasons.append("it is the only other column")
    elif place == len(rest) - 1 or place == 0:
        weight += 0.5
    if column in expected.at_test and column not in expected.columns:
        weight -= 5
        reasons.append("but the test pictures have it too")
    if len(distinct) < 2:
        weight -= 6
        reasons.append("but it is always the same")
    elif len(distinct) > 0.9 * len(cells) and len(cells) > 20 and not _numeric(distinct[:200]):
        weight -= 5
        reasons.append("but every row has another")
    if any(re.match(r"https?://", text) for text in distinct[:5]) or re.search(
        r"date|time|url|license|height|width|path", words
    ):
        weight -= 4
    if re.search(_GROUP_NAMES, words) or (
        _ID_PART.search(column)
        and words not in LABEL_WORDS
        and "class" not in words
        and "categ" not in words
        and words != "id"
    ):
        weight -= 1.5
    return weight, ", ".join(reasons) or "one of its columns"


_GROUP_NAMES = (
    r"patient|subject|driver|person|individual|location|site|camera|^seq|sequence|scene|session|group|study|owner|"
    r"video|slide|lesion"
)


def _numeric(texts: Sequence[str]) -> bool:
    try:
        [float(text) for text in texts if text]
    except ValueError:
        return False
    return True
