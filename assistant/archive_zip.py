"""Zip archives, also zip64 and split ones: the table of members is checked as a whole, then read in the order of the disk."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from assistant.archive_kinds import CHUNK, Pieces, what_mode
from assistant.archive_rules import Tree

__all__ = ["read_zip"]

_LOCAL = struct.Struct("<4s2B4HL2L2H")
_END = struct.Struct("<4s4H2LH")
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UTF8 = 0x800
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, 9, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}


def read_zip(raw: Pieces, tree: Tree) -> None:
    """Unpacks a zip. Raises ArchiveError, before anything is written where its table of members gives it away."""
    file = io.BufferedReader(raw, 1 << 20)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        tree.meter.declared(len(members), sum(member.file_size for member in members))
        _place(archive, file, raw, tree)
        members.sort(key=lambda member: member.header_offset)
        paths = [_admitted(member, tree) for member in members]
        ends = [member.header_offset for member in members[1:]] + [archive.start_dir]
        for member, end in zip(members, ends):
            if member.header_offset + _LOCAL.size + member.compress_size > end:
                raise tree.refuse(f"holds members that overlap, {member.filename[:80]!r}")
        for member, path, end in zip(members, paths, ends):
            if path is not None and _is_folder(member):
                tree.folder(path)
            elif path is not None:
                _write(archive, file, member, path, end, tree)


def _admitted(member: zipfile.ZipInfo, tree: Tree) -> str | None:
    name = _name(member)
    if member.flag_bits & _ENCRYPTED:
        raise tree.locked(f"is encrypted, {name[:80]!r} needs a password")
    if what := what_mode(member.external_attr >> 16):
        raise tree.refuse(f"holds {what}, {name[:80]!r}")
    if member.compress_type not in _METHODS:
        raise tree.unread(f"{name[:80]!r} is packed by method {member.compress_type}")
    return tree.admit(name, folder=_is_folder(member))


def _is_folder(member: zipfile.ZipInfo) -> bool:
    return member.orig_filename.endswith(("/", "\\"))


def _name(member: zipfile.ZipInfo) -> str:
    """A member's name: as flagged, else UTF-8, else code page 437."""
    name = member.orig_filename
    if name.isascii() or member.flag_bits & _UTF8:
        return name
    try:
        return name.encode("cp437").decode()
    except UnicodeDecodeError:
        return name


def _place(archive: zipfile.ZipFile, file: IO[bytes], raw: Pieces, tree: Tree) -> None:
    """Checks the number of members, and moves the offsets of a split zip to where its pieces lie."""
    tail = max(0, raw.size - 65_557)
    file.seek(tail)
    data = file.read()
    found = data.rfind(b"PK\x05\x06")
    if found < 0 or len(data) - found < _END.size:
        raise tree.broken("its end is missing")
    _, _, _, _, count, _, offset, _ = _END.unpack_from(data, found)
    if count != 0xFFFF and count != len(archive.filelist) & 0xFFFF:
        raise tree.broken(f"{count:,} members are announced and {len(archive.filelist):,} found")
    if offset == 0xFFFFFFFF or not any(member.volume for member in archive.filelist) or len(raw.starts) == 1:
        return
    shift = archive.start_dir - offset
    for member in archive.filelist:
        if member.volume >= len(raw.starts):
            raise tree.broken(f"piece {member.volume + 1} is missing")
        member.header_offset += raw.starts[member.volume] - shift


def _write(archive: zipfile.ZipFile, file: IO[bytes], member: zipfile.ZipInfo, path: str, end: int, tree: Tree) -> None:
    """One member: its own header has to agree, its size and checksum, too."""
    shown = repr(path[:80])
    file.seek(member.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
        raise tree.broken(f"the header of {shown} is damaged")
    *_, name_length, extra_length = _LOCAL.unpack(header)
    name = file.read(name_length)
    if name != member.orig_filename.encode("utf-8" if member.flag_bits & _UTF8 else "cp437"):
        raise tree.broken(f"{shown} has another name in its own header")
    if extra_length:
        file.read(extra_length)
    if member.header_offset + _LOCAL.size + name_length + extra_length + member.compress_size > end:
        raise tree.refuse(f"holds members that overlap, {shown}")
    out = tree.create(path)
    size = crc = 0
    try:
        for data in _unpacked(archive, file, member, tree):
            size += len(data)
            if size > member.file_size:
                raise tree.refuse(f"holds {shown}, which is larger than it says")
            crc = zlib.crc32(data, crc)
            tree.write(out, data)
    finally:
        os.close(out)
    if size != member.file_size or crc != member.CRC:
        raise tree.broken(f"{shown} is damaged (its checksum does not fit)")


def _unpacked(archive: zipfile.ZipFile, file: IO[bytes], member: zipfile.ZipInfo, tree: Tree) -> Iterator[bytes]:
    left = member.compress_size
    if member.compress_type == zipfile.ZIP_STORED:
        while left:
            data = file.read(min(left, CHUNK))
            if not data:
                raise EOFError("it ends too early")
            left -= len(data)
            yield data
    elif member.compress_type == zipfile.ZIP_DEFLATED:
        inflater = zlib.decompressobj(-15)
        while not inflater.eof:
            packed = inflater.unconsumed_tail
            if not packed:
                packed = file.read(min(left, CHUNK))
                left -= len(packed)
            data = inflater.decompress(packed, 4 * CHUNK)
            if not packed and not data and not inflater.eof:
                raise EOFError("it ends too early")
            yield data
        if left or inflater.unused_data:
            raise tree.broken(f"{member.filename[:80]!r} is shorter than it says")
    elif member.compress_type == 9:
        yield from _deflate64(file, left)
    else:
        with archive.open(member) as stream:
            while data := stream.read(CHUNK):
                yield data


def _deflate64(file: IO[bytes], left: int) -> Iterator[bytes]:
    """What Windows packs files beyond 2 GB with. The library has no bound on its output, so its input is small."""
    from inflate64 import Inflater  # comes with py7zr

    inflater = Inflater()
    while left:
        packed = file.read(min(left, 1 << 14))
        if not packed:
            raise EOFError("it ends too early")
        left -= len(packed)
        yield inflater.inflate(packed)
