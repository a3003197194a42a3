"""Unpacks what Kaggle ships, archives in archives included: whole or not at all, and only once.

Everything is unpacked into a folder beside the wanted one and moved at the end, so a broken archive, a full disk or a
kill leaves nothing half-written; `.unpacked.json` tells a later call what is there already.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from assistant.archive_7z import read_7z
from assistant.archive_kinds import Pieces, first_piece, kind_of, named_like_archive, own_name, volumes
from assistant.archive_rules import (
    ArchiveError,
    BrokenArchive,
    Limits,
    LockedArchive,
    Meter,
    Progress,
    Tree,
    broken,
    is_junk,
    refused,
)
from assistant.archive_shelf import publish, recover, unpacked
from assistant.archive_tar import read_stream
from assistant.archive_zip import read_zip
from assistant.inventory import ENCRYPTED, role_of
from recipes.errors import Stopped, StorageError, one_line

__all__ = ["ArchiveError", "BrokenArchive", "Limits", "Progress", "has_archives", "is_archive", "unpack"]

_READERS: dict[str, Callable[[Pieces, Tree], None]] = {
    "zip": read_zip,
    "7z": read_7z,
    **dict.fromkeys(("tar", "gz", "bz2", "xz"), read_stream),
}
_ALONE = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt", ".md", ".parquet", ".feather", ".xlsx", ".pdf")


def is_archive(path: Path) -> bool:
    """Whether a file is an archive by its content, or a piece of one."""
    path = Path(path)
    try:
        return path.is_file() and kind_of(volumes(first_piece(path))[0]) is not None
    except (OSError, ArchiveError):
        return False


def has_archives(folder: Path) -> bool:
    """Whether archives lie in a folder that nobody has unpacked beside them."""
    for _, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        beside = {*folders, *files}
        if any(named_like_archive(name) and not is_junk(name) and own_name(name) not in beside for name in files):
            return True
    return False


def unpack(
    source: Path,
    into: Path,
    *,
    report: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    limits: Limits = Limits(),  # noqa: B008 (it is frozen)
) -> Path:
    """Unpacks an archive, or a folder that holds some, into the folder `into`, and archives inside beside where they
    lay.

    An archive whose content is not one folder or one table gets a folder of its own name; the outermost goes straight
    into `into`. The source stays as it is: its plain files are hard links in `into` where the disk allows it, else
    copies. What is there already from the same source is not unpacked again. Returns `into`. Raises ArchiveError, with
    nothing left behind, where an archive is broken or unsafe, or the disk is full; Stopped when `should_stop` said so.
    """
    source, into = Path(os.path.abspath(source)), Path(os.path.abspath(into))
    stage, lock = into.with_name(f".{into.name}.unpacking"), into.with_name(f".{into.name}.lock")
    leaves = {into, stage, lock}
    meter = Meter(report, should_stop, limits, stage)
    with _explained(source.name, meter):
        source = _checked(source, into)
        identity = _identity(source, leaves)
        if unpacked(into, source.name, identity):
            return into
        into.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(lock, meter):
            shutil.rmtree(stage, ignore_errors=True)
            recover(into)
            if unpacked(into, source.name, identity):
                return into
            try:
                (stage / "tree").mkdir(parents=True)
                meter.expect(_size(source, leaves))
                _Unpacking(stage, meter, limits).run(source, leaves)
                publish(stage / "tree", into, source.name, identity)
                meter.tell()
            finally:
                shutil.rmtree(stage, ignore_errors=True)
    return into


def _checked(source: Path, into: Path) -> Path:
    """The source, or the first of its pieces. Raises ArchiveError where it is not there or `into` cannot be filled."""
    if into.exists() and not into.is_dir():
        raise ArchiveError(f"nothing was unpacked: {into} is a file; choose a folder")
    if source.is_file():
        return first_piece(source)
    if not source.is_dir():
        raise ArchiveError(f"nothing to unpack: there is no {source}; check its name")
    if into == source:
        raise ArchiveError(f"nothing was unpacked: {into} is the source itself; choose another folder")
    return source


class _Unpacking:
    """One source on its way into `stage/tree`."""

    def __init__(self, stage: Path, meter: Meter, limits: Limits):
        self.stage, self.meter, self.limits = stage, meter, limits
        self._count = 0
        self._locked: list[LockedArchive] = []

    def run(self, source: Path, leaves: set[Path]) -> None:
        tree = self.stage / "tree"
        if source.is_file():
            self._extract(volumes(source), tree, 1)
        else:
            found = []
            for path in _files(source, leaves):
                if named_like_archive(path.name):
                    found.append(path)
                else:
                    with _explained(path.name, self.meter):
                        _link(path, tree / path.relative_to(source), self.meter)
            self._inner([(path, tree / path.parent.relative_to(source)) for path in found], 1, keep=True)
        if self._locked and all(path.name.endswith(ENCRYPTED) for path in _files(tree, set())):
            raise self._locked[0]
        if not any(tree.iterdir()):
            raise broken(source.name, "it holds no files")

    def _extract(self, paths: list[Path], to: Path, depth: int, known: bool = True) -> None:
        """Unpacks one archive into the folder `to`, and those inside it where they lie."""
        name, meter = paths[-1 if paths[0].suffix.lower() == ".z01" else 0].name, self.meter
        if depth > self.limits.depth:
            raise refused(name, f"lies {depth} archives deep, and {self.limits.depth} are the most")
        tree = Tree(to, name, meter, named_like_archive)
        with _explained(name, meter):
            meter.begin(name, sum(path.stat().st_size for path in paths), known)
            kind = kind_of(paths[0])
            if kind is None:
                raise broken(name, "it is empty" if paths[0].stat().st_size == 0 else "it is no archive")
            if kind not in _READERS:
                raise tree.unread(f"a .{kind}")
            with Pieces(paths, meter.read) as raw:
                _READERS[kind](raw, tree)
            meter.end()
        self._inner([(to / path, (to / path).parent) for path in tree.kept], depth + 1)

    def _inner(self, found: list[tuple[Path, Path]], depth: int, keep: bool = False) -> None:
        """Unpacks the archives of a folder, each first into a folder of its own; they are deleted unless `keep`. One that
        needs a password stays what it is, under a name that says so."""
        for path, beside in [(path, beside) for path, beside in found if first_piece(path) == path]:
            pieces = volumes(path)
            self._count += 1
            own = self.stage / str(self._count)
            own.mkdir()
            try:
                self._extract(pieces, own, depth, known=keep)
            except LockedArchive as error:
                self._locked.append(error)
                shutil.rmtree(own)
                for piece in pieces:
                    to = beside / f"{piece.name}{ENCRYPTED}"
                    _link(piece, to, self.meter) if keep else piece.rename(to)
                continue
            with _explained(path.name, self.meter):
                if not keep:
                    for piece in pieces:
                        piece.unlink()
                self._place(own, beside, path.name)

    def _place(self, own: Path, beside: Path, archive: str) -> None:
        """Moves what an archive held to where it lay: in a folder of its name unless it is one folder or one table."""
        held = list(os.scandir(own))
        if not held:
            return
        name = own_name(archive)
        alone = len(held) == 1 and (held[0].is_dir() or held[0].name == name or _stands_alone(held[0].name))
        if alone and held[0].is_dir() and held[0].name != name:
            # test.zip and train.zip may both hold images/: which is which must not be lost
            alone = not role_of(name) or bool(role_of(held[0].name))
        _merge(own, beside if alone else beside / name, archive)


def _merge(held: Path, to: Path, archive: str) -> None:
    """Moves a folder's content into another folder; a file that is there with the same bytes is left out."""
    if not os.path.lexists(to):
        to.parent.mkdir(parents=True, exist_ok=True)
        os.rename(held, to)
        return
    if not to.is_dir():
        raise _collision(archive, to)
    for entry in os.scandir(held):
        there = to / entry.name
        if not os.path.lexists(there):
            os.rename(entry.path, there)
        elif entry.is_dir():
            _merge(Path(entry.path), there, archive)
        elif not there.is_file() or not filecmp.cmp(entry.path, there, shallow=False):
            raise _collision(archive, there)
    shutil.rmtree(held)


def _collision(archive: str, there: Path) -> ArchiveError:
    return refused(archive, f"holds another {there.name!r} than what lies in {there.parent.name!r} already")


def _stands_alone(name: str) -> bool:
    return name.lower().endswith(_ALONE) or named_like_archive(name)


def _link(path: Path, to: Path, meter: Meter) -> None:
    """A file of the source's in the tree: a hard link, or a copy where the disk has none."""
    meter.member()
    meter.wrote(0)
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(os.path.realpath(path), to)
    except OSError:
        with open(path, "rb") as file, open(to, "xb") as out:
            while data := file.read(1 << 20):
                out.write(data)
                meter.copied(len(data))


def _files(folder: Path, leaves: set[Path], above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Every file below a folder in order of name, without junk and without the folders in `leaves`."""
    above |= {os.path.realpath(folder)}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if is_junk(entry.name) or path in leaves:
            continue
        if entry.is_file():
            yield path
        elif entry.is_dir() and os.path.realpath(path) not in above:  # a link to a folder above has no end
            yield from _files(path, leaves, above)


def _size(source: Path, leaves: set[Path]) -> int:
    """Bytes of archives in the source."""
    if source.is_file():
        return sum(path.stat().st_size for path in volumes(source))
    return sum(path.stat().st_size for path in _files(source, leaves) if named_like_archive(path.name))


def _identity(source: Path, leaves: set[Path]) -> dict[str, Any]:
    """What tells a source from a later one of the same name: size, time of change, and a digest of heads and tails."""
    files = volumes(source) if source.is_file() else list(_files(source, leaves))
    size, newest, hashed = 0, 0, hashlib.blake2b(digest_size=12)
    for path in files:
        stat = path.stat()
        size, newest = size + stat.st_size, max(newest, stat.st_mtime_ns)
        hashed.update(f"{path.relative_to(source.parent)} {stat.st_size} {stat.st_mtime_ns}\n".encode(errors="replace"))
        if source.is_file() or named_like_archive(path.name):
            with open(path, "rb") as file:
                hashed.update(file.read(1 << 16))
                file.seek(max(0, stat.st_size - (1 << 16)))
                hashed.update(file.read())
    return {"size": size, "mtime_ns": newest, "digest": hashed.hexdigest()}


@contextlib.contextmanager
def _only_one(path: Path, meter: Meter) -> Iterator[None]:
    """Lets one process at a time unpack into a folder."""
    lock = FileLock(path)
    while True:
        try:
            lock.acquire(timeout=0.2)
            break
        except Timeout:
            meter.ask()
    try:
        yield
    finally:
        lock.release()
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _explained(archive: str, meter: Meter) -> Iterator[None]:
    """Tells in one line what went wrong. Readers raise errors of every kind on damaged bytes."""
    try:
        yield
    except (ArchiveError, Stopped):
        raise
    except StorageError as error:
        raise ArchiveError(one_line(error)) from None
    except Exception as error:
        if error is meter.foreign:
            raise
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ArchiveError(
                f"the disk is full: {archive} does not fit; free some space or choose another disk"
            ) from None
        if isinstance(error, OSError) and error.errno is not None:
            raise ArchiveError(
                f"an archive was not unpacked: {archive}, {error.strerror} ({error.filename or 'while reading'}); "
                "check the folder and its permissions"
            ) from None
        raise broken(archive, one_line(error)) from None
