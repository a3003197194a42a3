"""7z archives, read through py7zr as a stream."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

import py7zr
from py7zr.exceptions import CrcError, PasswordRequired, UnsupportedCompressionMethodError
from py7zr.io import Py7zIO, WriterFactory

from assistant.archive_kinds import Pieces, what_mode
from assistant.archive_rules import Tree

__all__ = ["read_7z"]

_PIECE = 1 << 16  # bytes read at a time, so that what they unpack to stays small


def read_7z(raw: Pieces, tree: Tree) -> None:
    """Unpacks a 7z, solid or not. Raises ArchiveError, before anything is written where its header gives it away."""
    with _told(tree), py7zr.SevenZipFile(raw) as archive:  # pyright: ignore[reportArgumentType]
        if archive.password_protected:
            raise tree.locked("is encrypted and needs a password")
        members = list(archive.files)
        tree.meter.declared(len(members), sum(member.uncompressed for member in members))
        paths: dict[str, str | None] = {}
        for member in members:
            name = member.filename
            what = what_mode(member.st_fmt or 0) or ("a link" if member.is_symlink or member.is_junction else None)
            if what:
                raise tree.refuse(f"holds {what}, {name[:80]!r}")
            path = tree.admit(name, folder=member.is_directory)
            if member.is_directory and path is not None:
                tree.folder(path)
            elif not member.is_directory:
                paths[PurePosixPath(name).as_posix()] = path
        raw.most = _PIECE
        files = _Files(paths, tree)
        try:
            archive.extractall(factory=files)
        finally:
            files.close()
        if files.made != sum(path is not None for path in paths.values()):
            raise tree.broken("some of its members are missing")


@contextmanager
def _told(tree: Tree) -> Iterator[None]:
    try:
        yield
    except PasswordRequired:
        raise tree.locked("is encrypted and needs a password") from None
    except UnsupportedCompressionMethodError:
        raise tree.unread("it is packed by an unknown method") from None
    except CrcError:
        raise tree.broken("its checksum does not fit") from None


class _Files(WriterFactory):
    """Opens the file of each member when its turn comes; what is junk is read and forgotten."""

    def __init__(self, paths: dict[str, str | None], tree: Tree):
        self.made = 0
        self._paths, self._tree = paths, tree
        self._open: _File | None = None

    def create(self, filename: str) -> Py7zIO:
        self.close()
        if filename not in self._paths:
            raise self._tree.broken(f"it holds a member that it does not list, {filename[:80]!r}")
        path = self._paths[filename]
        self.made += path is not None
        self._open = _File(self._tree, path)
        return self._open

    def close(self) -> None:
        if self._open is not None:
            self._open.close()


class _File(Py7zIO):
    """A member while it is written."""

    def __init__(self, tree: Tree, path: str | None):
        self._tree = tree
        self._out = tree.create(path) if path is not None else None
        self._size = 0

    def write(self, s: bytes | bytearray) -> int:
        if self._out is not None:
            self._tree.write(self._out, s)
        self._size += len(s)
        return len(s)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def flush(self) -> None:
        """Nothing is held back."""

    def size(self) -> int:
        return self._size

    def close(self) -> None:
        if self._out is not None:
            os.close(self._out)
            self._out = None
