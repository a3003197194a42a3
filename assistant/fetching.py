"""From a competition's name to its folder: what matters before the download, then the data, once, and only for the person
to whom Kaggle gives it."""

from __future__ import annotations

import contextlib
import hashlib
import html
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from filelock import FileLock, Timeout

from assistant.archives import BrokenArchive, Progress, is_archive, unpack
from assistant.download import Transfer, download
from assistant.kaggle_client import Kaggle
from assistant.kaggle_errors import KaggleError, not_accepted
from assistant.kaggle_wire import Allowance, Listed, Size, slug_of
from assistant.settings import people_folder
from assistant.storage import Mark, place_of, unchanged
from recipes.errors import Stopped
from recipes.store import RESERVE, atomic_write, writable_folder

__all__ = ["Outlook", "Stage", "fetch", "look", "place_of_person"]

_BREAKS = re.compile(r"</?(?:p|div|br|li|ul|ol|h[1-6]|tr|table|pre|hr|blockquote)\b[^<>]*>", re.IGNORECASE)
_TAGS = re.compile(r"</?[A-Za-z][^<>]*>")


@dataclass(frozen=True)
class Outlook:
    """What matters about a competition before it is downloaded. `needed` and `free` are bytes of the disk; `evaluation`
    is the text of that page; `fetched` where it lies already; `obstacles` say what stands in the way of the data and
    `notes` what will of the submission."""

    listed: Listed
    evaluation: str
    size: Size
    allowance: Allowance
    free: int
    needed: int | None
    fetched: Path | None
    obstacles: tuple[KaggleError, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """How far a fetch is: bytes of the download, or of the archives that are being unpacked. `total_bytes` is None where
    nobody knows; `name` is the archive."""

    stage: Literal["download", "unpack"]
    done_bytes: int
    total_bytes: int | None
    bytes_per_second: float = 0.0
    seconds_left: float | None = None
    name: str = ""


@dataclass(frozen=True)
class _Record:
    """`fetched.json`: what was fetched, when, and what identifies the bundle that it came from."""

    slug: str
    at: str
    mark: Mark
    files: int
    bytes: int

    @classmethod
    def read(cls, folder: Path) -> _Record | None:
        """The record in a competition's folder; None where there is none, or not all of its data is there any more."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            told = json.loads((folder / "fetched.json").read_text(encoding="utf-8"))
            mark = Mark.of_json(told["mark"])
            if mark is None:
                return None
            record = cls(str(told["slug"]), str(told["at"]), mark, int(told["files"]), int(told["bytes"]))
            files, size = _extent(folder / "data")
            return record if files >= record.files and size >= record.bytes else None
        return None

    def write(self, folder: Path) -> None:
        """Writes it into a competition's folder."""
        atomic_write(folder / "fetched.json", json.dumps(asdict(self), indent=1))


def place_of_person(name: str) -> Path:
    """Where the competitions of one person lie. Two names never share a place, however they are written."""
    plain = re.fullmatch(r"[a-z0-9_-]{1,64}", name)
    mark = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return people_folder() / (name if plain else f"{re.sub(r'[^a-z0-9]+', '-', name.lower())[:40]}.{mark}")


def look(kaggle: Kaggle, slug: str) -> Outlook:
    """What matters about a competition, with nothing downloaded. Raises KaggleError."""
    listed = kaggle.competition(slug)
    pages, allowance = {}, Allowance(0, None)
    size = kaggle.size(listed.slug)
    with contextlib.suppress(KaggleError):
        pages = kaggle.pages(listed.slug)
    with contextlib.suppress(KaggleError):  # somebody who has not entered is told nothing of it
        allowance = kaggle.allowance(listed.slug)
    folder = place_of_person(kaggle.name) / listed.slug
    record = _Record.read(folder)
    free, needed = _free(folder), _needed(size)
    listed, obstacles = _may(kaggle, listed)
    if needed is not None and needed > free and record is None:
        obstacles.append(_too_small(listed.slug, needed, free))
    return Outlook(
        listed,
        _text_of(_page_named(pages, "evaluation")),
        size,
        allowance,
        free,
        needed,
        folder / "data" if record else None,
        tuple(obstacles),
        tuple(_notes(listed, allowance)),
    )


def fetch(
    kaggle: Kaggle,
    slug: str,
    *,
    again: bool = False,
    report: Callable[[Stage], None] = lambda stage: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Path:
    """The folder of a competition's data, downloaded and unpacked, with `page.json` beside it. What is there already and
    has not changed costs one request, unless it is to be had `again`. Raises KaggleError, ArchiveError, StorageError, and
    Stopped within a second of `should_stop`; a download goes on where it was, also in another process."""
    slug, kaggle = slug_of(slug), kaggle.listening(should_stop=should_stop)
    folder = place_of_person(kaggle.name) / slug
    writable_folder(folder.parent)
    with contextlib.suppress(OSError):
        folder.parent.chmod(0o700)
    with _only_one(folder.with_name(f".{slug}.lock"), kaggle.should_stop):
        record = None if again else _Record.read(folder)
        if record is not None:
            address = kaggle.address(slug)
            if unchanged(address, record.mark, kaggle.patience, kaggle.should_stop):
                replace(record, mark=replace(record.mark, place=place_of(address))).write(folder)
                return folder / "data"
        (folder / "fetched.json").unlink(missing_ok=True)
        return _Fetching(kaggle, slug, folder, report).run()


class _Fetching:
    def __init__(self, kaggle: Kaggle, slug: str, folder: Path, report: Callable[[Stage], None]):
        self.kaggle, self.slug, self.folder, self.report = kaggle, slug, folder, report
        self.bundle, self.note = folder / f"{slug}.zip", folder / "bundle.json"

    def run(self) -> Path:
        listed = self.kaggle.competition(self.slug)
        if listed.entered is False:
            raise not_accepted(self.slug, self.kaggle.name)
        writable_folder(self.folder)
        self._fits()
        page = self._page(listed)
        mark = self._unpacked(self._downloaded())
        atomic_write(self.folder / "data" / "page.json", json.dumps(page, indent=1, ensure_ascii=False))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        _Record(self.slug, now, mark, *_extent(self.folder / "data")).write(self.folder)
        for path in (self.bundle, self.note):
            path.unlink(missing_ok=True)
        return self.folder / "data"

    def _fits(self) -> None:
        """Raises KaggleError where the disk has no room for the bundle and what comes out of it."""
        needed, free = None, _free(self.folder)
        with contextlib.suppress(KaggleError):  # how much it is may be left untold
            needed = _needed(self.kaggle.size(self.slug))
        kept = sum(path.stat().st_size for path in self.folder.glob(f"{self.bundle.name}*"))
        if needed is not None and needed - kept > free:
            raise _too_small(self.slug, needed - kept, free)

    def _downloaded(self) -> Mark:
        mark = Mark.read(self.note)
        if mark is not None and self.bundle.is_file():  # brought by a call that ended before it was unpacked
            address = self.kaggle.address(self.slug)
            if unchanged(address, mark, self.kaggle.patience, self.kaggle.should_stop):
                return mark
            self.bundle.unlink()
        mark = download(
            lambda: self.kaggle.address(self.slug),
            self.bundle,
            patience=self.kaggle.patience,
            report=self._transferred,
            should_stop=self.kaggle.should_stop,
            tell=self.kaggle.tell,
        )
        mark.write(self.note)
        return mark

    def _unpacked(self, mark: Mark) -> Mark:
        """Unpacks the bundle; where it is broken and nothing has said that it is whole, it is brought once more."""
        try:
            self._unpack(mark)
            return mark
        except BrokenArchive as error:
            found = error
        if not mark.md5:
            self.kaggle.tell("download: the bundle is not whole; beginning anew")
            self.bundle.unlink()
            mark = self._downloaded()
            try:
                self._unpack(mark)
                return mark
            except BrokenArchive as error:
                found = error
        self.bundle.unlink(missing_ok=True)
        advice = (
            "that is how it lies at Kaggle: tell its host" if mark.md5 else "try again later, or by another network"
        )
        raise KaggleError(f"the data of {self.slug} is damaged: {str(found).rpartition(';')[0]}; {advice}", "damaged")

    def _unpack(self, mark: Mark) -> None:
        data = self.folder / "data"
        if is_archive(self.bundle):
            unpack(self.bundle, data, report=self._unpacking, should_stop=self.kaggle.should_stop)
            return
        if not mark.md5 and self.kaggle.size(self.slug) != Size(self.bundle.stat().st_size, 1):
            raise BrokenArchive(f"an archive is broken: {self.bundle.name}, it is no archive; download it again")
        shutil.rmtree(data, ignore_errors=True)  # one plain file
        data.mkdir()
        name = unquote(mark.place.rpartition("/")[2])
        shutil.copyfile(
            self.bundle, data / (name if re.fullmatch(r"[^/\\\0]{1,200}", name) and name.strip(".") else "data.csv")
        )

    def _page(self, listed: Listed) -> dict[str, str]:
        """What the files cannot tell. A page that cannot be had is no reason not to have the data."""
        pages = {}
        with contextlib.suppress(KaggleError):
            pages = self.kaggle.pages(self.slug)
        return {
            "ref": self.slug,
            "title": listed.title,
            "evaluationMetric": listed.metric,
            "evaluation": _text_of(_page_named(pages, "evaluation")),
        }

    def _transferred(self, transfer: Transfer) -> None:
        self.report(Stage("download", **asdict(transfer)))

    def _unpacking(self, progress: Progress) -> None:
        self.report(
            Stage(
                "unpack",
                progress.done_bytes,
                progress.total_bytes,
                seconds_left=progress.seconds_left,
                name=progress.name,
            )
        )


@contextlib.contextmanager
def _only_one(path: Path, should_stop: Callable[[], bool]) -> Iterator[None]:
    """Lets one process at a time fetch; raises Stopped while it waits for another's end."""
    lock = FileLock(path)
    while True:
        if should_stop():
            raise Stopped
        with contextlib.suppress(Timeout):
            lock.acquire(timeout=0.2)
            break
    try:
        yield
    finally:
        lock.release()


def _may(kaggle: Kaggle, listed: Listed) -> tuple[Listed, list[KaggleError]]:
    """Whether Kaggle gives its data: where the listing does not say that the person has entered, an address is asked for,
    which costs nothing and is refused where the rules are not accepted."""
    if listed.entered:
        return listed, []
    try:
        kaggle.address(listed.slug)
    except KaggleError as error:
        if error.kind not in ("rules", "verification", "refused"):
            raise
        return replace(listed, entered=False), [error]
    return replace(listed, entered=True), []


def _too_small(slug: str, needed: int, free: int) -> KaggleError:
    return KaggleError(
        f"the disk is too small for {slug}: it needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; free some space, "
        "or set ASSISTANT_HOME to another disk",
        "disk",
    )


def _notes(listed: Listed, allowance: Allowance) -> Iterator[str]:
    """What will stand in the way of a submission, or change what it is worth."""
    if listed.notebooks_only:
        yield (
            "only notebooks may submit here: a CSV from this machine will not be accepted; its data can be looked at and "
            "trained on all the same"
        )
    if listed.submissions_disabled:
        yield "the competition takes no submissions any more"
    elif listed.days_left is not None and listed.days_left < 0:
        yield "the deadline has passed: a submission is scored, and has no rank"
    if allowance.left == 0:
        yield "today's submissions are used up; the next day begins at 00:00 UTC"


def _needed(size: Size) -> int | None:
    """Bytes of the disk for the bundle and for what comes out of it."""
    return None if size.bytes is None else 2 * size.bytes + RESERVE


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _extent(folder: Path) -> tuple[int, int]:
    """How many files lie in a folder, and their bytes."""
    files = size = 0
    for place, _, names in os.walk(folder):
        files += len(names)
        size += sum(os.lstat(os.path.join(place, name)).st_size for name in names)
    return files, size


def _page_named(pages: dict[str, str], name: str) -> str:
    """The page of that name, else one whose name holds it."""
    return pages.get(name) or next((text for title, text in pages.items() if name in title), "")


def _text_of(page: str) -> str:
    """A page's text: markup taken out, entities resolved, paragraphs kept."""
    lines = (" ".join(line.split()) for line in html.unescape(_TAGS.sub("", _BREAKS.sub("\n", page))).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
