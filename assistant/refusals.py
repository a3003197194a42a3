"""What this program does not do, told from the files: segmentation, boxes, text, pictures as answers, volumes, video."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from assistant.evidence import AGAIN
from assistant.inventory import VIDEOS, VOLUMES, Inventory, Pictures
from assistant.tables import Table
from assistant.templates import Template
from recipes.errors import few

__all__ = ["refused", "refused_ids", "refused_labels", "refused_without_pictures"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.I)

_RLE_COLUMN = re.compile(r"(^|[^a-z])rle($|[^a-z])|encoded.?pixels|segmentation|(^|_)masks?($|_)|polygon|contour", re.I)
_BOX_COLUMN = re.compile(r"prediction.?string|bbox|bounding|boxes", re.I)
_TEXT_COLUMN = re.compile(r"inchi|smiles|caption|transcri|sentence|description|formula|latex|text$", re.I)
_ENCODED = re.compile(r"encod|annotation|predict|pixels|label", re.I)
_SCORES = (
    (
        re.compile(r"\bdice\b|intersection.over.union|\biou\b|hausdorff|\bjaccard\b.*pixel|run.?length", re.I),
        "segmentation or detection",
    ),
    (re.compile(r"levenshtein|\bbleu\b|word error rate|edit distance", re.I), "picture to text"),
    (re.compile(r"\bssim\b|\bpsnr\b|per.pixel", re.I), "picture to picture"),
)
OURS = "this program names classes and numbers"
PARTS = 60  # words behind a picture's name that may make ids of it
FEW_IDS = 10  # of a template: a code competition's, which shows some of its pictures
_NOTHING = {"", "0", "-1", "none", "nan", "1 1"}
_ARRAYS = frozenset({".npy", ".npz", ".aps", ".a3daps", ".mat"})
_PACKED = frozenset({".tfrec", ".tfrecord", ".tfrecords", ".bson", ".lmdb", ".rec"})


def refused(
    template: Template | None,
    tables: dict[str, Table],
    stock: Inventory,
    pictures: Pictures,
    labelled: bool,
    page: Mapping[str, str],
) -> str | None:
    """Why this is not a question that is answered here, and what was seen; None where nothing says so. `labelled`
    says whether labels were found that fit the template."""
    for text in (page.get("evaluationMetric", ""), page.get("evaluation", "")):
        for pattern, what in _SCORES:
            found = pattern.search(text)
            if found:
                return f"{what}: the page's score is {found[0]!r}; {OURS}"
    if template is not None:
        reason = _of_template(template, pictures)
        if reason:
            return reason
        reason = _of_labels(template, tables)
        if reason:
            return reason
    if not labelled and len(stock.targets) > 0.3 * max(len(stock.pictures), 1):
        folder = stock.targets[0].rpartition("/")[0]
        if re.search("clean|denois|target", folder, re.I):
            return f"picture to picture: {len(stock.targets):,} pictures in {folder} are the answers; {OURS}"
        return f"segmentation: {len(stock.targets):,} masks in {folder}; {OURS}"
    return None


def _of_template(template: Template, pictures: Pictures) -> str | None:
    frame = template.table.frame
    for column in template.columns:
        cells = [cell.strip() for cell in frame[column].head(2000).tolist()]
        filled = [cell for cell in cells if cell.lower() not in _NOTHING]
        runs = [cell for cell in cells if _is_runs(cell)]
        place = f"column {column} of {template.name}"
        if _BOX_COLUMN.search(column):
            return f"detection: {place} asks for boxes{_such(filled)}; {OURS}"
        if _RLE_COLUMN.search(column) and not (filled and all(map(_NUMBER.fullmatch, filled))):
            return f"segmentation: {place} asks for run lengths of masks{_such(runs or filled)}; {OURS}"
        if (
            runs
            and len(runs) > 0.5 * max(len(filled), 1)
            and "1 1" in {" ".join(cell.split()[:2]) for cell in runs} | set(cells)
        ):
            return f"segmentation: {place} holds run lengths{_such(runs)}; {OURS}"
        if any(cell.startswith("InChI=") for cell in filled) or (
            _TEXT_COLUMN.search(column) and _is_prose(filled, cells)
        ):
            return f"picture to text: {place} asks for text{_such(filled)}; {OURS}"
        others = _other_pictures(filled, template, pictures)
        if others and len(others) > 0.5 * len(filled):
            return f"retrieval: {place} holds other pictures of the same kind{_such(others)}; {OURS}"
        placed = [cell for cell in filled if _is_placed(cell)]
        if placed and len(placed) > 0.5 * len(filled):
            return f"detection: {place} holds places in the picture{_such(placed)}; {OURS}"
    ids = template.ids
    parts = _pictures_and_parts(ids, pictures)
    if parts:
        return (
            f"several rows a picture: the ids of {template.name} are not pictures but a picture's name with one of "
            f"{len(parts)} words ({few(sorted(parts))}); {OURS}, with one row for each picture"
        )
    many = len(set(ids)) > 20 * max(len(pictures), 1) and len(pictures) > 0
    if many and sum(bool(re.search(r"_\d+_\d+$", name)) for name in ids[:1000]) > 0.9 * min(len(ids), 1000):
        return (
            f"picture to picture: {template.name} has {len(ids):,} rows for {len(pictures):,} pictures, one a pixel "
            f"(such as {ids[0]}); {OURS}"
        )
    return None


def _of_labels(template: Template, tables: dict[str, Table]) -> str | None:
    """The template may be empty: the training labels then say it."""
    for table in tables.values():
        if table.name == template.name:
            continue
        for column in table.columns:
            if column not in template.columns and not _RLE_COLUMN.search(column) and not _ENCODED.search(column):
                continue
            filled = [
                cell for cell in table.frame[column].unique()[:300].tolist() if cell.strip().lower() not in _NOTHING
            ]
            place = f"column {column} of {table.name}"
            runs = [cell for cell in filled if _is_runs(cell) and len(cell.split()) >= 4 and _rising(cell)]
            few_tokens = all(_is_runs(cell) for cell in filled)
            if filled and few_tokens and len(runs) > 0.9 * len(filled):
                return f"segmentation: {place} holds run lengths of masks{_such(runs)}; {OURS}"
            if len(filled) > 3 and sum(map(_is_placed, filled)) > 0.8 * len(filled):
                return f"detection: {place} holds places in the picture{_such(filled)}; {OURS}"
    return None


def refused_labels(targets: Sequence[tuple[str, ...]], columns: Sequence[str]) -> str | None:
    """Why several columns are no labels that are answered here: they hold words; None where they hold numbers."""
    for place, column in enumerate(columns):
        again = [row[place] for row in targets if AGAIN in row[place]]
        numbers = [part for cell in again for part in cell.split(AGAIN)]
        if len(again) > 0.5 * len(targets) and all(map(_NUMBER.fullmatch, numbers)) and any("." in n for n in numbers):
            shown = few(again[0].split(AGAIN))
            return (
                f"several rows a picture: column {column} holds different numbers for one ({shown}); {OURS}, with one row for "
                "each picture and a column for each number"
            )
    if len(columns) < 2:
        return None
    for place, column in enumerate(columns):
        words = [row[place] for row in targets if row[place].strip() and not _NUMBER.fullmatch(row[place].strip())]
        if words:
            return (
                f"several classes a picture: columns {few(columns)} are asked for together, and {column} holds words"
                f"{_such(words)}; {OURS}, one column of classes at a time"
            )
    return None


def refused_ids(template: Template | None, missing: Sequence[str], pictures: Sequence[str]) -> str | None:
    """Why a template's ids cannot be answered: (nearly) none of them is a picture's, though test pictures are there."""
    if template is None or not template.ids or len(missing) < 0.9 * len(template.ids) or not pictures:
        return None
    found = len(template.ids) - len(missing)
    if found and len(template.ids) <= FEW_IDS:
        return None
    which = f"only {found:,} of its {len(template.ids):,}" if found else f"none of its {len(missing):,}"
    return (
        f"the ids of {template.name} are not pictures: {which} (such as {missing[0]}) is called like one of the "
        f"{len(pictures):,} test pictures (such as {pictures[0]}), and no table translates them"
    )


def refused_without_pictures(stock: Inventory, tables: dict[str, Table]) -> str | None:
    """Why a folder without readable pictures is not for this program; None where nothing tells."""
    linked = [table.name for table in tables.values() if table.links or _has_links(table)]
    if linked:
        return f"no pictures: {linked[0]} holds only their web addresses; fetch them first, and put them beside it"
    if stock.dicom:
        return (
            f"the {len(stock.dicom):,} pictures are DICOM (such as {stock.dicom[0]}): install the extra that reads them, "
            "`pip install recipe-assistant[dicom]`, or convert them to PNG"
        )
    for kinds, words in (
        (VOLUMES, "volumes or signals"),
        (VIDEOS, "videos"),
        (_ARRAYS, "arrays of several bands or frames"),
        (_PACKED, "pictures packed into records"),
    ):
        count = stock.count(kinds)
        if count:
            found = max(kinds, key=lambda ending: stock.counts[ending])
            return f"{words}: {count:,} files ({found}) and no pictures; this program reads pictures"
    count = stock.counts[".parquet"]
    if count > 3:
        return f"signals or arrays: {count:,} Parquet files and no pictures; this program reads pictures"
    return None


def _has_links(table: Table) -> bool:
    head = table.frame.head(50)
    return any(head[column].str.match(r"https?://").mean() > 0.5 for column in head.columns if len(head))


def _pictures_and_parts(ids: Sequence[str], pictures: Pictures) -> set[str]:
    """The words behind a picture's name in ids that come several times a picture; none where ids are anything else."""

    def parted(name: str) -> tuple[str, str] | None:
        ends = (place.start() for place in re.finditer(r"[_-]+", name) if name not in pictures.by_stem)
        return next(((name[:at], name[at:].strip("_-")) for at in ends if name[:at] in pictures.by_stem), None)

    if not all(map(parted, ids[:20])):
        return set()
    found = [pair for pair in map(parted, ids) if pair]
    names, words = {name for name, _ in found}, {word for _, word in found}
    several = len(found) > 0.9 * len(ids) and len(found) >= 1.9 * len(names) and 2 <= len(words) <= PARTS
    return words if several else set()


def _other_pictures(filled: Sequence[str], template: Template, pictures: Pictures) -> list[str]:
    """Cells that hold ids of the template or names of pictures, and nothing else."""
    made_of_names = [cell for cell in filled if all(map(_is_a_name, cell.split()))]
    if len(made_of_names) <= 0.5 * len(filled):
        return []
    known = {*template.ids, *pictures.by_stem}
    return [cell for cell in made_of_names if known.issuperset(cell.split())]


def _is_a_name(word: str) -> bool:
    """Whether a word can only be an id: a number may be a class as well."""
    return len(word) > 5 and not _NUMBER.fullmatch(word)


def _is_runs(cell: str) -> bool:
    words = cell.split()
    return len(words) >= 2 and len(words) % 2 == 0 and all(word.isdigit() for word in words)


def _rising(cell: str) -> bool:
    starts = list(map(int, cell.split()[::2]))
    return all(a < b for a, b in pairwise(starts))


def _is_placed(cell: str) -> bool:
    """Names with numbers behind each, as in boxes and points: `U+306F 1187 361 47 27` or `14 1 0 0 1 1`."""
    words = cell.split()
    if len(words) < 3:
        return False
    numbers = sum(bool(re.fullmatch(r"-?\d+(\.\d+)?", word)) for word in words)
    named = len(words) - numbers
    return named > 0 and numbers >= 2 * named and not re.fullmatch(r"-?\d+(\.\d+)?", words[0])


def _is_prose(filled: Sequence[str], cells: Sequence[str]) -> bool:
    return not filled or sum(len(cell.split()) > 3 or len(cell) > 30 for cell in filled) > 0.5 * len(filled)


def _such(cells: Sequence[str]) -> str:
    return f" (such as {cells[0][:40]!r})" if cells else ""
