"""What kind of archive a file is, by its content, and the pieces that one is cut into."""

from __future__ import annotations

import errno
import io
import re
import stat
import tarfile
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import IO, Literal

from assistant.archive_rules import broken

__all__ = [
    "Kind",
    "Pieces",
    "first_piece",
    "is_tar_header",
    "kind_of",
    "kind_of_head",
    "named_like_archive",
    "own_name",
    "volumes",
    "what_mode",
]

Kind = Literal["zip", "7z", "tar", "gz", "bz2", "xz", "rar", "zst"]

CHUNK = 1 << 18
_SUFFIX = re.compile(r"(?i)(?<=.)(\.z\d\d|(\.tar)?\.(zip|7z|gz|bz2|xz|tar|tgz|tbz2?|txz)(\.\d{3})?)$")
_LEFT_PACKED = re.compile(r"(?i)\.(nii|mgh|img|hdr|nrrd)\.gz$")  # volumes that are read packed
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PK\x07\x08PK", "zip"),  # the first piece of a split zip
    (b"PK00PK", "zip"),  # split, but of one piece
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"\x1f\x8b\x08", "gz"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x28\xb5\x2f\xfd", "zst"),
)


def named_like_archive(name: str) -> bool:
    """Whether a file is called as archives are, so that it has to be one."""
    return bool(_SUFFIX.search(name)) and not _LEFT_PACKED.search(name)


def own_name(name: str) -> str:
    """An archive's name without its suffixes: `train` for `train.zip`, `train.tar.7z` and `train.zip.001`."""
    while (shorter := _SUFFIX.sub("", name)) not in ("", name):
        name = shorter
    return name


def first_piece(path: Path) -> Path:
    """The file that stands for a whole set of pieces: `x.zip.001` for `x.zip.002`, `x.zip` for `x.z01`, else the file.

    Raises ArchiveError where that one is missing.
    """
    if re.search(r"(?i)\.z\d\d$", path.name):
        firsts = [path.with_suffix(suffix) for suffix in (".zip", ".ZIP")]
    elif re.fullmatch(r"(?!000|001)\d{3}", path.suffix[1:]) and named_like_archive(path.name):
        firsts = [path.with_suffix(suffix) for suffix in (".000", ".001")]
    else:
        return path
    for first in firsts:
        if first.is_file():
            return first
    raise broken(path.name, f"its first piece {firsts[-1].name} is missing")


def volumes(first: Path) -> list[Path]:
    """All pieces of an archive, in order: `x.zip.001, .002 …`, or `x.z01, .z02 …, x.zip`, else the file alone.

    Raises ArchiveError where one between them is missing.
    """
    stem = re.escape(first.stem)
    if re.fullmatch(r"\.00[01]", first.suffix):
        return _in_order(first, _numbered(first.parent, re.compile(stem + r"\.(\d{3})")), int(first.suffix[1:]))
    if first.suffix.lower() == ".zip" and (there := _numbered(first.parent, re.compile(f"(?i){stem}\\.z(\\d\\d)"))):
        return [*_in_order(first, there, 1), first]
    return [first]


def _numbered(folder: Path, pattern: re.Pattern[str]) -> dict[int, Path]:
    return {int(match[1]): path for path in folder.iterdir() if (match := pattern.fullmatch(path.name))}


def _in_order(first: Path, there: dict[int, Path], start: int) -> list[Path]:
    for number in range(start, max(there) + 1):
        if number not in there:
            raise broken(first.name, f"its piece {number} is missing")
    return [there[number] for number in sorted(there) if number >= start]


class Pieces(io.RawIOBase):
    """One or more files read as one, in which `told` hears how many bytes each read took.

    `most` is the largest number of bytes that one read gives, `starts` the offset of each file.
    """

    def __init__(self, paths: list[Path], told: Callable[[int], None] = lambda size: None):
        self._files: list[IO[bytes]] = []
        self.starts: list[int] = []
        self.most: int | None = None
        self.size = self._at = 0
        self._told = told
        try:
            for path in paths:
                self._files.append(open(path, "rb", buffering=0))  # noqa: SIM115 (closed with this one)
                self.starts.append(self.size)
                self.size += path.stat().st_size
        except OSError:
            self.close()
            raise

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        offset += {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        if offset < 0:
            raise OSError(errno.EINVAL, "an offset before the beginning")
        self._at = offset
        return offset

    def readinto(self, buffer) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self._at >= self.size:
            return 0
        which = bisect_right(self.starts, self._at) - 1
        file, start = self._files[which], self.starts[which]
        end = self.starts[which + 1] if which + 1 < len(self.starts) else self.size
        most = min(len(buffer), end - self._at, self.most or len(buffer))
        file.seek(self._at - start)
        got = file.readinto(memoryview(buffer)[:most])  # pyright: ignore[reportAttributeAccessIssue]
        if not got:
            raise EOFError("a file became shorter while it was read")
        self._at += got
        self._told(got)
        return got

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()


def kind_of(path: Path) -> Kind | None:
    """What kind of archive a file is by its first bytes, or None."""
    with open(path, "rb") as file:
        return kind_of_head(file.read(512))


def kind_of_head(head: bytes) -> Kind | None:
    """What kind of archive begins with those 512 bytes, or None."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:3] == b"BZh" and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return "bz2"
    return "tar" if is_tar_header(head) else None


def what_mode(mode: int) -> str | None:
    """What a Unix mode says that is neither a file nor a folder, in words, or None."""
    if stat.S_IFMT(mode) in (0, stat.S_IFREG, stat.S_IFDIR):
        return None
    return "a symbolic link" if stat.S_ISLNK(mode) else "a device, a pipe or a socket"


def is_tar_header(head: bytes) -> bool:
    """Whether 512 bytes begin a tar: its header carries a checksum."""
    if len(head) < 512 or not any(head):
        return False
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return False
    return True
