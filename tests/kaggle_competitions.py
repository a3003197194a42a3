"""People, competitions, their bundles and submissions, as the Kaggle server of these tests holds them."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import struct
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Literal

from tests.kaggle_storage import Stored
from tests.kaggle_wire import Part

__all__ = ["Bundle", "Competition", "GraderError", "Person", "Submission", "Team", "now"]

Everyone = Literal["everyone"]
Grader = Callable[[bytes], "float | tuple[float, float]"]
Team = tuple[str, float, Sequence[str]]


class GraderError(Exception):
    """A submission that cannot be scored; its text is what Kaggle tells the person."""


def now() -> datetime:
    """The time as Kaggle's wire has it: UTC, without saying so."""
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class Person:
    name: str
    token: str
    key: str | None = None


@dataclass
class Submission:
    """One submission; `public` and `private` are None until it is scored."""

    ref: int
    person: str
    message: str
    data: bytes
    date: datetime
    file_name: str = "submission.csv"
    status: Literal["PENDING", "COMPLETE", "ERROR"] = "PENDING"
    public: float | None = None
    private: float | None = None
    error: str = ""
    polls: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def polled(self, pending: int, grader: Grader | None) -> None:
        """Counts a question about this submission, and grades it when it was asked more than `pending` times."""
        with self.lock:
            self.polls += 1
            if self.status == "PENDING" and self.polls > pending:
                self._grade(grader)

    def _grade(self, grader: Grader | None) -> None:
        try:
            score = 0.5 if grader is None else grader(self.data)
        except GraderError as error:
            self.status, self.error = "ERROR", str(error)
            return
        except Exception as error:  # a broken grader must not leave a test waiting
            self.status, self.error = "ERROR", f"the grader failed: {error!r}"
            return
        self.public, self.private = score if isinstance(score, tuple) else (score, score)
        self.status = "COMPLETE"


class Bundle:
    """One version of a competition's data: a file on disk, what it is known by, and its members where it is a zip."""

    def __init__(self, path: Path, version: int, scratch: Path) -> None:
        self.path = path
        self.version = version
        self._scratch = scratch
        self.stored = _stored(path, "archive.zip", version)
        self.members = _members(path)

    def member(self, name: str) -> Stored | None:
        """One file of the bundle, as the storage has it; None where there is none of this name."""
        if name not in self.members:
            return None
        target = self._scratch / f"{self.version}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
        if not target.exists():
            with zipfile.ZipFile(self.path) as archive:
                _write_whole(target, archive.read(name))
        return _stored(target, PurePosixPath(name).name, self.version, "application/octet-stream")


@dataclass
class Competition:
    """A competition. Everything may be changed while the server runs, `deadline` too; it is naive UTC."""

    slug: str
    id: int
    scratch: Path
    title: str
    evaluation_metric: str
    evaluation: str
    deadline: datetime
    reward: str
    category: str
    tags: Sequence[str]
    max_daily: int
    notebooks_only: bool
    submissions_disabled: bool
    awards_points: bool
    accepted: Collection[str] | Everyone
    visible_to: Collection[str] | Everyone
    grader: Grader | None
    leaderboard: Sequence[Team]
    larger_is_better: bool
    picture_url: str
    pending_polls: int
    description: str
    rules: str
    data_description: str
    late_submissions: bool
    created: datetime = field(default_factory=now)
    submissions: list[Submission] = field(default_factory=list)
    bundle: Bundle = field(init=False, repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _version: int = 31000

    def replace(self, bundle: Path | str | bytes) -> None:
        """The host uploads a new version: addresses given from now on lead to it, older ones to what they led to."""
        self._version += 1
        self.bundle = Bundle(self._on_disk(bundle), self._version, self.scratch)

    def has_accepted(self, person: str) -> bool:
        return self.accepted == "everyone" or person in self.accepted

    def is_visible_to(self, person: str) -> bool:
        return self.visible_to == "everyone" or person in self.visible_to

    def is_over(self) -> bool:
        return now() >= self.deadline

    def submissions_of(self, person: str) -> list[Submission]:
        """A person's submissions, the latest first."""
        return [submission for submission in reversed(self.submissions) if submission.person == person]

    def counted_today(self, person: str) -> int:
        """How many of the person's submissions count for today's allowance: those that failed do not."""
        today = now().date()
        return sum(made.date.date() == today and made.status != "ERROR" for made in self.submissions_of(person))

    def teams(self) -> list[Team]:
        """The leaderboard as given, with each person's best submission in its place."""
        best: dict[str, float] = {}
        better = max if self.larger_is_better else min
        for made in self.submissions:
            if made.status == "COMPLETE" and made.public is not None:
                best[made.person] = better(best.get(made.person, made.public), made.public)
        own = [(person, score, (person,)) for person, score in best.items()]
        return sorted([*self.leaderboard, *own], key=lambda team: team[1], reverse=self.larger_is_better)

    def extensions(self) -> list[tuple[str, int, int]]:
        """The endings of the files in the bundle, with how many files and bytes, the most first."""
        counts, sizes = Counter(), Counter()
        for name, size in self.bundle.members.items():
            ending = PurePosixPath(name).suffix.lower()
            counts[ending] += 1
            sizes[ending] += size
        return [(ending, count, sizes[ending]) for ending, count in counts.most_common()]

    def _on_disk(self, bundle: Path | str | bytes) -> Path:
        if not isinstance(bundle, bytes) and Path(bundle).is_file():
            return Path(bundle).resolve()
        target = self.scratch / f"{self.slug}-{self._version}.zip"
        if isinstance(bundle, bytes):
            target.write_bytes(bundle)
        else:
            _zip_folder(Path(bundle), target)
        return target


def default_deadline() -> datetime:
    return (now() + timedelta(days=30)).replace(microsecond=0)


def _zip_folder(folder: Path, target: Path) -> None:
    """Zips a folder without compression; the same files give the same bytes."""
    if not folder.is_dir():
        raise ValueError(f"A bundle is a folder, a zip file or bytes: there is nothing at {folder}")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (2031, 1, 1, 0, 0, 0))
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as into:
                while block := source.read(1 << 20):
                    into.write(block)


def _members(path: Path) -> dict[str, int]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {entry.filename: entry.file_size for entry in archive.infolist() if not entry.is_dir()}
    except zipfile.BadZipFile:
        return {}  # a bundle may be damaged on purpose


def _write_whole(target: Path, data: bytes) -> None:
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    part.write_bytes(data)
    os.replace(part, target)


def _stored(path: Path, name: str, version: int, content_type: str = "application/zip") -> Stored:
    md5, crc = _digests(path)
    hashes = f"md5={base64.b64encode(md5).decode()}"
    if crc is not None:
        hashes = f"crc32c={base64.b64encode(struct.pack('>I', crc)).decode()},{hashes}"
    etag = '"' + hashlib.md5(md5 + str(version).encode()).hexdigest() + '"'
    status = path.stat()
    return Stored(name, Part(path, 0, status.st_size), etag, hashes, status.st_mtime, content_type)


def _digests(path: Path) -> tuple[bytes, int | None]:
    """md5 and, up to 1 MB (it is slow in Python), crc32c of a file."""
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, "md5").digest()
    return md5, _crc32c(path.read_bytes()) if path.stat().st_size <= 1 << 20 else None


def _crc32c_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _crc32c_table()


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF
