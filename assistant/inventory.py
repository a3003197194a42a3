"""What lies in a folder: pictures, tables, documents and the rest; and which picture an id means."""

from __future__ import annotations

import os
import re
import unicodedata
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Literal

from recipes.dicom import DICOM_SUFFIXES, dicom_is_read
from recipes.errors import few
from recipes.files import IMAGE_SUFFIXES

__all__ = ["Inventory", "Match", "Pictures", "Role", "composed", "role_of", "take_stock"]

Role = Literal["train", "valid", "test", ""]

SHORTEST = 4  # signs of an id that a picture's name may begin with
VARIANTS = 64  # pictures of one id, at most
ENCRYPTED = ".encrypted"  # behind the name of an archive that could not be unpacked without a password
TABLES = frozenset({".csv", ".tsv", ".tab", ".parquet"})
DOCUMENTS = frozenset({".json", ".jsonl", ".ndjson"})
VOLUMES = frozenset({".nii", ".mha", ".mhd", ".nrrd", ".zarr", ".h5", ".hdf5", ".edf", ".ply", ".obj", ".bin", ".lyft"})
VIDEOS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv"})
_JUNK = frozenset({"__MACOSX", ".ipynb_checkpoints", "__pycache__"})
_TARGET_PICTURES = re.compile(
    r"(^|[_\-. ])(masks?|segmentations?|segmaps?|ground[_\- ]?truths?|gts?|cleaned|clean|depths?|targets?)($|[_\-. ])",
    re.I,
)
_WORDS: tuple[tuple[Role, re.Pattern[str]], ...] = (
    (
        "test",
        re.compile(
            r"(^|[^a-z])(test|tests|testing|private|public|evaluation|eval|unlabell?ed|holdout)(?![a-z])|(^|[^a-z])test(?=set|stg|img|im)",
            re.I,
        ),
    ),
    ("valid", re.compile(r"(^|[^a-z])(valid|validation|val|dev)(?![a-z])", re.I)),
    (
        "train",
        re.compile(r"(^|[^a-z])(train|training|labell?ed|additional)(?![a-z])|(^|[^a-z])train(?=set|img|im)", re.I),
    ),
)
_LESSER = re.compile(r"thumb|small|resized|tiny|preview|sample", re.I)


@lru_cache(maxsize=1 << 16)
def role_of(text: str) -> Role:
    """Whether a folder's or file's name says train, valid or test; empty where it says none of them."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    for role, words in _WORDS:
        if words.search(text):
            return role
    return ""


def composed(text: str) -> str:
    """The text with each letter and its accents in one sign (NFC), as tables have it and archives from Macs do not."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


@dataclass(frozen=True)
class Inventory:
    """Files below `root` by kind, as paths relative to it with `/`, sorted. `targets` are pictures in folders whose
    name says that they are answers (masks, cleaned copies); `counts` how many files there are of each ending; `notes`
    tell what was passed over."""

    root: Path
    pictures: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    dicom: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def readable(self) -> list[str]:
        """The pictures; where there are none, the DICOM files, if they can be read here."""
        return self.pictures or (self.dicom if dicom_is_read() else [])

    def give_back(self, parents: Iterable[str]) -> bool:
        """Counts pictures in `targets` whose folder lies in one of these among the pictures; whether there are any."""
        inside = set(parents)
        back = {name for name in self.targets if name.rpartition("/")[0].rpartition("/")[0] in inside}
        self.pictures[:] = sorted([*self.pictures, *back])
        self.targets[:] = [name for name in self.targets if name not in back]
        return bool(back)

    def count(self, endings: Iterable[str]) -> int:
        """Files with any of these endings."""
        return sum(self.counts[ending] for ending in endings)


def take_stock(root: Path) -> Inventory:
    """Walks the folder once, also through links to folders, each folder once. Hidden files, what archivers leave
    behind, and what is no file (a pipe, a link to nothing) are passed over. Raises OSError where it cannot be read."""
    found, odd, closed, locked = Inventory(root), [], [], []
    seen: set[tuple[int, int]] = set()
    os.listdir(root)
    links: list[tuple[str, str]] = [(str(root), "")]
    for linked in (False, True):  # real folders first: a link to one of them gives nothing new
        waiting, links = links, []
        while waiting:
            place, inside = waiting.pop()
            try:
                status = os.stat(place)
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                with os.scandir(place) as entries:
                    listed = list(entries)
            except OSError as error:
                closed.append(f"{inside.rstrip('/')[-80:]} ({error.strerror})")
                continue
            target = any(_TARGET_PICTURES.search(part) for part in inside.split("/"))
            for entry in listed:
                name = entry.name
                if name.startswith(".") or name in _JUNK:
                    continue
                if not name.isascii() and not _is_text(name):
                    odd.append(ascii(inside + name))
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, f"{inside}{name}/"))
                elif _is(entry, "dir"):
                    (waiting if linked else links).append((entry.path, f"{inside}{name}/"))
                elif name.endswith(ENCRYPTED):
                    locked.append(inside + name.removesuffix(ENCRYPTED))
                elif _is(entry, "file"):
                    _sort_in(found, inside, name, target)
                elif os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES | TABLES | DOCUMENTS:
                    odd.append(inside + name)
    if locked:
        found.notes.append(f"not unpacked, since a password is needed: {few(sorted(locked))}")
    if odd:
        found.notes.append(f"passed over, as they are no files or their names not UTF-8: {few(sorted(odd))}")
    if closed:
        found.notes.append(f"passed over, as they cannot be read: {few(sorted(closed))}")
    if not found.pictures and found.targets:  # a folder called targets, and nothing else: then it holds the pictures
        found.pictures.extend(found.targets)
        found.targets.clear()
    for names in (found.pictures, found.targets, found.dicom, found.tables, found.documents):
        names.sort()
    return found


def _sort_in(found: Inventory, inside: str, name: str, target: bool) -> None:
    ending = os.path.splitext(name)[1].lower()
    found.counts[ending] += 1
    if ending in IMAGE_SUFFIXES:
        (found.targets if target else found.pictures).append(inside + name)
    elif ending in DICOM_SUFFIXES:
        found.dicom.append(inside + name)
    elif ending in TABLES:
        found.tables.append(inside + name)
    elif ending in DOCUMENTS:
        found.documents.append(inside + name)


def _is(entry: os.DirEntry[str], kind: Literal["dir", "file"]) -> bool:
    """Whether it is a folder or a file, also at the end of a link; a link to itself is neither."""
    try:
        return entry.is_dir() if kind == "dir" else entry.is_file()
    except OSError:
        return False


def _is_text(name: str) -> bool:
    """Whether a file's name can be written as UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True)
class Match:
    """Which picture each id means: `files` relative paths, None where there is none or where several could be meant;
    `families` the folders that they lie in, the most frequent first; `how` they were found: by name, or by numbers
    alone, which may be a coincidence."""

    files: list[str | None]
    families: list[str]
    how: Literal["name", "number"] = "name"

    @cached_property
    def share(self) -> float:
        """The share of the ids that have a picture."""
        return sum(file is not None for file in self.files) / max(len(self.files), 1)


class Pictures:
    """Pictures by name. A family is a picture's folder down to the first part of the path that says train, valid or
    test (else the first part): the folders of one split."""

    def __init__(self, names: Sequence[str]):
        self.names = list(names)
        self.families = list(map(_family, self.names))
        self.roles: dict[str, Role] = {family: role_of(family) for family in set(self.families)}
        self.by_name: dict[str, list[int]] = defaultdict(list)
        self.by_stem: dict[str, list[int]] = defaultdict(list)
        for number, name in enumerate(self.names):
            last = composed(name.rpartition("/")[2])
            self.by_name[last].append(number)
            self.by_stem[_stem(last)].append(number)

    def __len__(self) -> int:
        return len(self.names)

    def of(self, role: Role) -> list[str]:
        """Pictures in families of that role."""
        return [name for name, family in zip(self.names, self.families) if self.roles[family] == role]

    def match(self, ids: Sequence[str], wanted: Role, limit: int | None = None) -> Match:
        """The picture of each id, those in folders that say `wanted` first; with a limit, of that many ids spread
        over all.

        An id may lack the ending, hold another one, or hold folders. Where no id is found by name, letter case is
        left out of account, then one suffix that all pictures have (a1-c.png), then numbers are compared as numbers (7 and
        img_007.jpg)."""
        if limit is not None and len(ids) > limit:
            ids = [ids[at * len(ids) // limit] for at in range(limit)]
        ids = [composed(name) for name in ids]
        for candidates in (self._named, self._in_any_case, self._suffixed, self._numbered):
            found = candidates(ids)
            if any(found):
                match = self._chosen(found, wanted, len(set(ids)) == len(ids))
                return replace(match, how="number") if candidates == self._numbered else match
        return Match([None] * len(ids), [])

    def _named(self, ids: Sequence[str]) -> list[list[int]]:
        return [self.called(name) for name in ids]

    def called(self, name: str) -> list[int]:
        """The numbers of pictures of that name, with or without ending and folders."""
        found = self.by_name.get(name) or self.by_stem.get(name)
        if found:
            return found
        name = name.strip().replace("\\", "/").removeprefix("./")
        if not name:
            return []
        folder, _, last = name.rpartition("/")
        found = self.by_name.get(last) or self.by_stem.get(last)
        if not found:
            stem, ending = os.path.splitext(last)
            found = self.by_stem.get(stem) if ending.lower() in IMAGE_SUFFIXES | DICOM_SUFFIXES else None
        if not found or not folder:
            return found or []
        tail = f"/{folder}/"
        return [number for number in found if composed(f"/{self.names[number].rpartition('/')[0]}/").endswith(tail)]

    def _in_any_case(self, ids: Sequence[str]) -> list[list[int]]:
        lasts = (name.strip().replace("\\", "/").rpartition("/")[2].lower() for name in ids)
        return [self._lower.get(last) or self._lower.get(os.path.splitext(last)[0]) or [] for last in lasts]

    @cached_property
    def _lower(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for known in (self.by_name, self.by_stem):
            for key, numbers in known.items():
                found[key.lower()] += numbers
        return found

    def _suffixed(self, ids: Sequence[str]) -> list[list[int]]:
        """Pictures that are called as an id and a suffix behind it, the same one for (nearly) all: that of the most ids, the
        first in order among several."""
        wanted = list(dict.fromkeys(name for name in ids if len(name) >= SHORTEST and not name.isdigit()))
        found: dict[str, dict[str, list[int]]] = defaultdict(dict)
        for tried, name in enumerate(wanted):
            for stem in self._beginning_with(name):
                found[stem[len(name) :]][name] = self.by_stem[stem]
            if tried == 20 and max(map(len, found.values()), default=0) < 10:
                break
        best = min(found, key=lambda suffix: (-len(found[suffix]), suffix), default="")
        certain = len(wanted) >= 0.9 * len(set(ids)) and len(found.get(best, ())) >= 0.9 * max(len(wanted), 1)
        return [found[best].get(name, []) if certain else [] for name in ids]

    def _beginning_with(self, name: str) -> list[str]:
        """Stems of that beginning and a separator behind it, at most as many as an id may have pictures."""
        first = bisect_left(self._sorted, name)
        some = takewhile(lambda stem: stem.startswith(name), self._sorted[first : first + VARIANTS])
        return [stem for stem in some if stem[len(name) : len(name) + 1] in tuple("-_.")]

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self.by_stem)

    def _numbered(self, ids: Sequence[str]) -> list[list[int]]:
        numbers = (name.strip() for name in ids)
        return [
            self._numbers.get(int(name), []) if name.isascii() and name.isdigit() and len(name) < 19 else []
            for name in numbers
        ]

    @cached_property
    def _numbers(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for stem, numbers in self.by_stem.items():
            digits = re.search(r"([0-9]{1,18})$", stem)
            if digits:
                found[int(digits[1])] += numbers
        return found

    def _chosen(self, found: list[list[int]], wanted: Role, once: bool) -> Match:
        families = self.families
        votes = Counter(families[numbers[0]] for numbers in found if len(numbers) == 1)
        votes.update(family for numbers in found if len(numbers) > 1 for family in {families[n] for n in numbers})
        other: Role = "test" if wanted == "train" else "train"

        def rank(family: str) -> tuple:
            role = self.roles[family]
            fits = 2 if role == wanted else 0 if role == other else 1
            return -fits, bool(_LESSER.search(family)), -votes[family], family

        order = {family: place for place, family in enumerate(sorted(votes, key=rank))}
        likely = []
        for numbers in found:
            if len(numbers) > 1:
                first = min(order[families[number]] for number in numbers)
                numbers = [number for number in numbers if order[families[number]] == first]
            likely.append(numbers)
        if once and any(len(numbers) > 1 for numbers in likely):
            likely = self._one_variant(likely)
        files = [self.names[numbers[0]] if len(numbers) == 1 else None for numbers in likely]
        used = Counter(_family(file) for file in files if file)
        return Match(files, [family for family, _ in used.most_common()])

    def _one_variant(self, found: list[list[int]]) -> list[list[int]]:
        """Where each picture lies there in several sizes or formats, those of the folder and the ending that hold (nearly)
        all ids, full-sized ones first."""

        def place(number: int) -> tuple[str, str]:
            folder, _, last = self.names[number].rpartition("/")
            return folder, os.path.splitext(last)[1].lower()

        votes = Counter(one for numbers in found for one in {place(number) for number in numbers})
        whole = [one for one, count in votes.items() if count >= 0.9 * sum(map(bool, found))]
        full = [folder for folder in {folder for folder, _ in whole} if not _LESSER.search(folder)]
        if len(whole) < 2 or len(full) > 1:  # folders beside each other may be classes
            return found
        best = min(whole, key=lambda one: (bool(_LESSER.search(one[0])), one[1] == ".png", one))
        return [[n for n in numbers if place(n) == best] if len(numbers) > 1 else numbers for numbers in found]


def _stem(last: str) -> str:
    stem, dot, _ = last.rpartition(".")
    return stem if dot and stem.strip(".") else last


def _family(name: str) -> str:
    return _family_of_folder(name.rpartition("/")[0])


@lru_cache(maxsize=1 << 16)
def _family_of_folder(folder: str) -> str:
    parts = folder.split("/") if folder else []
    for depth, part in enumerate(parts, 1):
        if role_of(part):
            return "/".join(parts[:depth])
    return parts[0] if parts else "."


def in_families(families: Iterable[str]) -> Callable[[str], bool]:
    """Whether a picture belongs to one of these families."""
    wanted = set(families)
    return lambda name: _family(name) in wanted
