"""What an archive may hold: names, kinds and sizes of its members, and how much of the disk they may take."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from assistant.competition import CompetitionError
from recipes.errors import Stopped
from recipes.store import RESERVE

__all__ = [
    "ArchiveError",
    "BrokenArchive",
    "Limits",
    "MANIFEST",
    "Meter",
    "Progress",
    "Tree",
    "broken",
    "is_junk",
    "refused",
]

MANIFEST = ".unpacked.json"
MIB = 1 << 20
_JUNK = frozenset({"__macosx", ".ds_store", "thumbs.db", "desktop.ini", ".ipynb_checkpoints", MANIFEST})
_RESERVED = frozenset({"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}) | {
    f"{port}{n}" for port in ("COM", "LPT") for n in "123456789¹²³"
}
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_WINDOWS = re.compile('[<>:"|?*]')


class ArchiveError(CompetitionError):
    """An archive that cannot, or must not, be unpacked: *what happened: what was found; what to do*."""


class BrokenArchive(ArchiveError):
    """An archive that is not whole, or not one: another copy of it may be."""


class LockedArchive(ArchiveError):
    """An archive that needs a password: what else there is can do without it."""


def broken(archive: str, found: str) -> BrokenArchive:
    """The error for an archive that is not whole or not one."""
    return BrokenArchive(f"an archive is broken: {_plain(archive)}, {_plain(found)}; download it again")


def refused(archive: str, found: str) -> ArchiveError:
    """The error for an archive that could do harm."""
    return ArchiveError(f"an archive is refused: {_plain(archive)} {_plain(found)}; get it from a source you trust")


def is_junk(name: str) -> bool:
    """Whether a file or folder of that name is left by a desktop or a torrent and means nothing."""
    low = name.lower()
    return low in _JUNK or low.startswith("._") or low.endswith(".torrent")


@dataclass(frozen=True)
class Limits:
    """How large the result may grow. `total` in bytes; `ratio` is unpacked to packed bytes, asked for beyond the first
    `ratio_from` bytes; `depth` counts archives in archives, 1 for the outermost; lengths of names in bytes."""

    total: int = 1_000_000_000_000
    members: int = 5_000_000
    ratio: float = 200.0
    ratio_from: int = 100_000_000
    depth: int = 4
    name: int = 255
    path: int = 2_000


@dataclass(frozen=True)
class Progress:
    """How far an unpacking is: bytes of archives read of those that are known, and the seconds left.

    `total_bytes` grows when archives are found inside; `name` is the archive that is being read.
    """

    done_bytes: int
    total_bytes: int
    name: str
    seconds_left: float | None = None


class Meter:
    """Counts what is read and written: tells progress ten times a second, asks whether to stop, and keeps the limits."""

    def __init__(
        self,
        report: Callable[[Progress], None] | None,
        should_stop: Callable[[], bool],
        limits: Limits,
        place: Path,
    ):
        self.limits, self.place = limits, place
        self._report, self._should_stop = report, should_stop
        self.foreign: Exception | None = None
        self._begun = time.monotonic()
        self._told = self._asked = 0.0
        self._unasked = self._unseen = 0
        self._source = self._total = 0
        self._done = self._written = self._members = 0
        self._name, self._packed, self._read, self._out = "", 0, 0, 0

    def expect(self, total: int) -> None:
        """The source holds archives of `total` bytes."""
        self._source = self._total = total

    def begin(self, archive: str, packed: int, known: bool) -> None:
        """An archive of `packed` bytes is next; `known` says that the total counts it already."""
        self._name, self._packed, self._read, self._out = archive, packed, 0, 0
        self._total += 0 if known else packed
        self.ask()

    def end(self) -> None:
        """The archive is done; what of it was not read (gaps, a second directory) counts as read."""
        self._done += self._packed
        self._packed = self._read = 0

    def declared(self, members: int, size: int) -> None:
        """What an archive says of itself before anything is written. Raises ArchiveError beyond a limit or the disk."""
        self._within(self._members + members, self._written + size, self._out + size)
        free = shutil.disk_usage(self.place).free
        if size + RESERVE > free:
            raise ArchiveError(
                f"the disk is full: {_plain(self._name)} needs {size / 1e9:.2f} GB, {free / 1e9:.2f} GB are free; "
                "free some space or choose another disk"
            )

    def member(self) -> None:
        """One more file or folder is made."""
        self._members += 1
        if self._members > self.limits.members:
            self._within(self._members, self._written, self._out)

    def read(self, size: int) -> None:
        """`size` bytes of the archive were read."""
        self._read = min(self._read + size, self._packed)
        self._moved(size)

    def wrote(self, size: int) -> None:
        """`size` more bytes are about to be written. Raises ArchiveError beyond a limit or the disk, and Stopped."""
        self._written += size
        self._out += size
        self._unseen += size
        if self._out > self.limits.ratio_from or self._written > min(self.limits.total, self.limits.ratio_from):
            self._within(self._members, self._written, self._out)
        if self._unseen >= 64 * MIB:
            self._unseen = 0
            if shutil.disk_usage(self.place).free < RESERVE // 2:
                raise OSError(errno.ENOSPC, "too little is left")
        self._moved(size)

    def copied(self, size: int) -> None:
        """`size` bytes of a plain file were copied."""
        self._moved(size)

    def ask(self) -> None:
        """Raises Stopped when it is time to stop, and tells progress where that is due."""
        self._unasked, self._asked = 0, time.monotonic()
        if self._own(self._should_stop):
            raise Stopped
        if self._report is not None and self._asked - self._told >= 0.1:
            self.tell()

    def tell(self) -> None:
        """Tells how far it is."""
        report = self._report
        if report is None:
            return
        self._told = time.monotonic()
        done, total = self._done + self._read, self._total
        left = (self._told - self._begun) * (total - done) / done if done else None
        self._own(lambda: report(Progress(done, total, self._name, left)))

    def _own(self, call: Callable[[], bool | None]) -> bool | None:
        """Calls a function of the caller's, and remembers what it raised: that is no fault of the archive."""
        try:
            return call()
        except Exception as error:
            self.foreign = error
            raise

    def _moved(self, size: int) -> None:
        self._unasked += size
        if self._unasked >= MIB or time.monotonic() - self._asked >= 0.1:
            self.ask()

    def _within(self, members: int, written: int, out: int) -> None:
        limits = self.limits
        if members > limits.members:
            raise refused(self._name, f"holds more than {limits.members:,} files")
        if written > limits.total:
            raise refused(self._name, f"unpacks to more than {limits.total / 1e9:,.3g} GB")
        for size, packed in ((out, self._packed), (written, self._source)):
            if size > max(limits.ratio_from, limits.ratio * packed):
                raise refused(self._name, f"grows more than {limits.ratio:,.3g}-fold when unpacked")


class Tree:
    """A folder that one archive is unpacked into: members are checked here and written here, each once.

    `archive` is the name that errors carry; `kept` are the paths of files whose names are `wanted`.
    """

    def __init__(self, root: Path, archive: str, meter: Meter, wanted: Callable[[str], bool]):
        self.root, self.archive, self.meter = str(root), archive, meter
        self.kept: list[str] = []
        self._wanted = wanted
        self._files: dict[str, str] = {}  # by what a case-insensitive disk takes their paths for
        self._folders: dict[str, str] = {}
        self._known: set[str] = set()  # folders as they are spelt
        self._made: set[str] = set()

    def admit(self, name: str, folder: bool = False) -> str | None:
        """The path of a member below the root, None for junk. Raises ArchiveError where the name is not safe."""
        parts = self._parts(name)
        if not parts or any(is_junk(part) for part in parts):
            return None
        path = "/".join(parts)
        if folder:
            self._folder(path)
            return path
        self._folder("/".join(parts[:-1]))
        key = _key(path)
        if key in self._files:
            raise self.refuse(f"holds two members of one name on some disks, {self._files[key]!r} and {path!r}")
        if key in self._folders:
            raise self.refuse(f"holds {path!r} both as a file and as a folder")
        self._files[key] = path
        return path

    def folder(self, path: str) -> None:
        """Makes a folder and those above it."""
        if path in self._made:
            return
        self.meter.member()
        os.makedirs(f"{self.root}/{path}", exist_ok=True)
        self._made.add(path)

    def create(self, path: str) -> int:
        """A descriptor to write a new file with, which is never a link nor a file that was there."""
        self.meter.member()
        head, _, name = path.rpartition("/")
        if head and head not in self._made:
            self.folder(head)
        if self._wanted(name):
            self.kept.append(path)
        return os.open(f"{self.root}/{path}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN_FLAGS, 0o644)

    def write(self, file: int, data: bytes | bytearray | memoryview) -> None:
        """Writes all of `data`, counted against the limits first."""
        self.meter.wrote(len(data))
        _put(file, data)

    def refuse(self, found: str) -> ArchiveError:
        """The error that this archive must not be unpacked."""
        return refused(self.archive, found)

    def locked(self, found: str) -> ArchiveError:
        """The error that this archive cannot be opened without a password."""
        return LockedArchive(f"an archive is refused: {_plain(self.archive)} {_plain(found)}; unpack it by hand")

    def broken(self, found: str) -> ArchiveError:
        """The error that this archive is not whole."""
        return broken(self.archive, found)

    def unread(self, found: str) -> ArchiveError:
        """The error that this archive is of a kind that is not read."""
        return ArchiveError(
            f"an archive cannot be read: {_plain(self.archive)}, {_plain(found)}; unpack it by hand, or pack it as zip"
        )

    def _parts(self, name: str) -> list[str]:
        shown = repr(name[:80])
        if _CONTROL.search(name):
            raise self.refuse(f"holds a name with control characters, {shown}")
        plain = name.replace("\\", "/")
        if plain.startswith("/") or re.match("[A-Za-z]:", plain):
            raise self.refuse(f"holds an absolute path, {shown}")
        parts = [part for part in plain.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise self.refuse(f"holds a path that climbs out of its folder, {shown}")
        limits = self.meter.limits
        try:
            sizes = [len(part.encode()) for part in parts]
        except UnicodeEncodeError:
            raise self.refuse(f"holds a name that is no text, {shown}") from None
        if sizes and (max(sizes) > limits.name or sum(sizes) + len(sizes) > limits.path):
            raise self.refuse(f"holds a name that is too long, {shown}")
        for part in parts:
            if part.split(".")[0].rstrip(" ").upper() in _RESERVED:
                raise self.refuse(f"holds a name that is reserved on Windows, {shown}")
            if os.name == "nt" and _WINDOWS.search(part):
                raise self.refuse(f"holds a name that Windows cannot store, {shown}")
        return parts

    def _folder(self, path: str) -> None:
        """Remembers a folder and those above it, and that no file and no other spelling takes its place."""
        while path and path not in self._known:
            self._known.add(path)
            key = _key(path)
            other = self._folders.setdefault(key, path)
            if other != path:
                raise self.refuse(f"holds two folders of one name on some disks, {other!r} and {path!r}")
            if key in self._files:
                raise self.refuse(f"holds {path!r} both as a file and as a folder")
            path = path.rpartition("/")[0]


_OPEN_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def _put(file: int, data: bytes | bytearray | memoryview) -> None:
    written = os.write(file, data)
    while written < len(data):
        written += os.write(file, memoryview(data)[written:])


def _key(path: str) -> str:
    """One text for all spellings that a case-insensitive or normalising disk takes for one name."""
    if path.isascii():
        low = path.lower()
    else:
        low = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
    if ". " in low or "./" in low or " /" in low or low[-1:] in (".", " "):
        low = "/".join(part.rstrip(". ") or part for part in low.split("/"))
    return low


def _plain(text: str) -> str:
    """One line that any terminal and page can show."""
    return " ".join(text.encode(errors="replace").decode().split())
