"""Tar archives, packed or not, and single files packed by gz, bz2 or xz: read once, as a stream."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import tarfile
from typing import IO

from assistant.archive_kinds import CHUNK, Pieces, is_tar_header, kind_of_head
from assistant.archive_rules import Tree

__all__ = ["read_stream"]

_LONGEST_HEADER = 1 << 20  # bytes of an extended header


def read_stream(raw: Pieces, tree: Tree) -> None:
    """A tar, packed or not, else the one file that a gz, bz2 or xz holds."""
    first = _unpacked(raw)  # kept until the end: when it goes it closes what it reads
    head = first.read(512)
    raw.seek(0)
    stream = _unpacked(raw)
    if is_tar_header(head):
        _read_tar(stream, tree)
        while data := stream.read(CHUNK):  # its checksum stands at the end
            tree.meter.wrote(len(data))
        return
    name = re.sub(r"(?i)\.(gz|bz2|xz)$", "", re.sub(r"\.\d{3}$", "", tree.archive))
    name = re.sub(r"(?i)\.(tgz|tbz2?|txz)$", "", name)
    path = tree.admit(name)
    if path is not None:
        _copy(stream, path, tree)


def _unpacked(raw: Pieces) -> IO[bytes]:
    """The bytes that a gz, bz2 or xz holds; those of a tar as they are."""
    packed = io.BufferedReader(raw, CHUNK)
    kind = kind_of_head(packed.peek(512)[:512])
    packings = {"gz": _gunzipped, "bz2": bz2.BZ2File, "xz": lzma.LZMAFile}
    return io.BufferedReader(packings[kind](packed), CHUNK) if kind in packings else packed


def _gunzipped(packed: IO[bytes]) -> gzip.GzipFile:
    return gzip.GzipFile(fileobj=packed)


def _copy(stream: IO[bytes], path: str, tree: Tree) -> int:
    file = tree.create(path)
    size = 0
    try:
        while data := stream.read(CHUNK):
            tree.write(file, data)
            size += len(data)
    finally:
        os.close(file)
    return size


class _Header(tarfile.TarInfo):
    """A tar header that must be whole: the library takes a broken one in the middle for the end."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        header = super().frombuf(buf, encoding, errors)
        extended = header.type in (*_EXTENDED, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
        if header.size < 0 or (extended and header.size > _LONGEST_HEADER):
            raise _Damaged("a header of an impossible size")
        return header

    @classmethod
    def fromtarfile(cls, tarfile):
        try:
            return super().fromtarfile(tarfile)
        except _ENDS as error:
            raise _Damaged(f"it ends or breaks after {tarfile.offset:,} bytes ({error})") from None


class _Damaged(Exception):
    """A tar that is not whole."""


_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_ENDS = (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError, tarfile.EmptyHeaderError)  # pyright: ignore


def _read_tar(stream: IO[bytes], tree: Tree) -> None:
    with tarfile.open(
        fileobj=stream, mode="r|", bufsize=CHUNK, tarinfo=_Header, encoding="utf-8", errors="surrogateescape"
    ) as tar:
        for member in tar:
            tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue]
            name = _text(member.name)
            if not (member.isreg() or member.isdir()):
                raise tree.refuse(f"holds {_what(member)}, {name[:80]!r}")
            path = tree.admit(name, folder=member.isdir())
            if path is None:
                continue
            if member.isdir():
                tree.folder(path)
                continue
            tree.meter.declared(1, member.size)
            data = tar.extractfile(member)
            if data is None or _copy(data, path, tree) != member.size:
                raise tree.broken(f"{name[:80]!r} is cut off")


def _what(member: tarfile.TarInfo) -> str:
    if member.issym():
        return "a symbolic link"
    if member.islnk():
        return "a hard link"
    return "a device or a pipe" if member.isdev() else "a member of unknown kind"


def _text(name: str) -> str:
    """A name as text: UTF-8, else Latin-1."""
    if name.isascii():
        return name
    raw = name.encode("utf-8", "surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
