"""One file from a signed address to the disk, through anything that the network does.

Bytes go to `NAME.part`, beside which `NAME.part.json` says what they are the beginning of; a later call, also in another
process, goes on from there by Range and If-Range. The file gets its name when its size and its checksum are right.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import queue
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import requests

from assistant.kaggle_errors import Fault, KaggleError, duration
from assistant.network import bare_session
from assistant.patience import Patience, Waiting
from assistant.storage import GONE, Mark, Stream
from recipes.errors import Stopped
from recipes.store import RESERVE

__all__ = ["Transfer", "download"]

_AHEAD = 16  # chunks that wait for their checksum at most
_STEP = 1 << 12  # bytes that count as getting further
_GAIN = 1 << 20  # bytes after which a cut connection is taken up again at once
_SLOWEST = 512  # bytes a second; a download that brings fewer counts as cut


@dataclass(frozen=True)
class Transfer:
    """How far a download is. `total_bytes` is None where the server does not tell; `bytes_per_second` is of the last
    seconds."""

    done_bytes: int
    total_bytes: int | None
    bytes_per_second: float = 0.0
    seconds_left: float | None = None


def download(
    address: Callable[[], str],
    to: Path,
    *,
    patience: Patience = Patience(),  # noqa: B008 (it is frozen)
    report: Callable[[Transfer], None] = lambda transfer: None,
    should_stop: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = lambda text: None,
) -> Mark:
    """Brings the file to `to` whole, or not at all; `address()` gives a fresh signed address. Raises KaggleError (kinds
    busy, offline, refused, damaged, disk), and Stopped within a second of `should_stop`; what has come is kept."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with bare_session(patience) as session:
        undertaking = _Download(session, address, to, patience, report, should_stop, tell)
        try:
            return undertaking.run()
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            found = "the disk is full; free some space" if full else f"{error.strerror or error}; see to {to.parent}"
        raise KaggleError(f"the download could not be written: {found}, then go on with the same command", "disk")


class _Download:
    def __init__(
        self,
        session: requests.Session,
        address: Callable[[], str],
        to: Path,
        patience: Patience,
        report: Callable[[Transfer], None],
        should_stop: Callable[[], bool],
        tell: Callable[[str], None],
    ):
        self.session, self.address, self.to, self.patience = session, address, to, patience
        self.report, self.should_stop = report, should_stop
        self.waiting = Waiting(patience, should_stop, lambda text: tell(f"download: {text}"))
        self.part, self.note = to.with_name(to.name + ".part"), to.with_name(to.name + ".part.json")
        self.pace: deque[tuple[float, int]] = deque(maxlen=64)
        self.told = 0.0
        self.checksum = _Checksum()

    def run(self) -> Mark:
        for attempt in (1, 2):
            try:
                mark = self._bring()
            finally:
                self.checksum.close()
            digest = self.checksum.digest()
            if not mark.md5 or digest == mark.md5:
                os.replace(self.part, self.to)
                self.note.unlink(missing_ok=True)
                return mark
            self._discard()
            if attempt == 1:
                self.waiting.tell("its checksum is wrong; beginning anew")
        raise KaggleError(
            "the download is damaged: its checksum was wrong twice; try again later, or by another network", "damaged"
        )

    def _bring(self) -> Mark:
        """Streams until all bytes have come; gives what identifies them."""
        mark = self._begun()
        at = highest = self.part.stat().st_size if mark else 0
        address = ""
        with open(self.part, "r+b" if mark else "wb", buffering=0) as file:
            file.seek(at)
            while mark is None or mark.size is None or at < mark.size:
                address = address or self.address()
                stream = Stream(self.session, address, at, mark, self.should_stop)
                if stream.fault is None:
                    if stream.start != at:
                        file.truncate(stream.start)
                        file.seek(stream.start)
                        at = self.checksum.begin_anew(stream.start)
                    mark = stream.mark
                    mark.write(self.note)
                    self._fits(mark, at)
                    at = self._pour(stream, file, at, mark)
                    if mark.size is None and stream.fault is None:
                        break
                fault, gained, highest = stream.fault, at - highest, max(at, highest)
                if fault is None and (gained >= _GAIN or (mark is not None and at == mark.size)):
                    continue
                fault = fault or Fault("the storage sent less than it said", passing=True)
                if gained >= _STEP:
                    self.waiting.progressed()
                if stream.start_anew:
                    mark, at = None, self.checksum.begin_anew(0)
                    file.truncate(0)
                    file.seek(0)
                if fault.status in GONE:
                    address = ""
                if gained < _GAIN and not self.waiting.after(fault):
                    raise self._given_up(fault)
        self._tell(at, mark.size or at, True)
        return mark

    def _begun(self) -> Mark | None:
        """What identifies the bytes that an earlier call has left; they are counted into the checksum."""
        self.checksum.begin_anew(0)
        mark = Mark.read(self.note)
        if mark is None or not self.part.is_file() or (mark.size is not None and self.part.stat().st_size > mark.size):
            return None
        with open(self.part, "rb") as file:
            while chunk := file.read(1 << 20):
                self.checksum.update(chunk)
                if self.should_stop():
                    raise Stopped
        return mark

    def _pour(self, stream: Stream, file: IO[bytes], at: int, mark: Mark) -> int:
        """Writes what comes; gives how many bytes there are then."""
        self.pace.clear()
        window, since = time.monotonic(), at
        self._tell(at, mark.size, True)
        for chunk in stream.chunks(self.should_stop):
            if mark.size is not None:
                chunk = chunk[: mark.size - at]
            view = memoryview(chunk)
            while view:
                view = view[file.write(view) :]
            self.checksum.update(chunk)
            at += len(chunk)
            self._tell(at, mark.size)
            if time.monotonic() - window > self.patience.window:
                if at - since < _SLOWEST * self.patience.window:
                    stream.fault = Fault("hardly anything came", passing=True)
                    break
                window, since = time.monotonic(), at
        return at

    def _fits(self, mark: Mark, at: int) -> None:
        """Raises KaggleError where the disk has no room for what is still to come."""
        free = shutil.disk_usage(self.to.parent).free
        left = (mark.size or 0) - at
        if left + RESERVE > free:
            raise KaggleError(
                f"the disk is too small: {left / 1e9:.2f} GB are still to come, {free / 1e9:.2f} GB are free; free some "
                "space, then go on with the same command",
                "disk",
            )

    def _tell(self, at: int, total: int | None, now: bool = False) -> None:
        """Reports ten times a second at most."""
        clock = time.monotonic()
        if not now and clock - self.told < 0.1:
            return
        self.told = clock
        self.pace.append((clock, at))
        seconds, size = clock - self.pace[0][0], at - self.pace[0][1]
        speed = size / seconds if seconds > 0 else 0.0
        left = (total - at) / speed if speed and total is not None else None
        self.report(Transfer(at, total, speed, left))

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _given_up(self, fault: Fault) -> KaggleError:
        if fault.status in GONE:
            return KaggleError(f"the storage refuses the download: {fault.found}; try again later", "refused")
        often = f"{self.waiting.failed} times"
        if fault.wait is not None and fault.wait > self.patience.asked:
            often = f"it asks to wait {duration(fault.wait)}"
        return KaggleError(
            f"the download broke off: {fault.found}, {often}; what has come is kept: go on with the same command",
            "busy" if fault.status else "offline",
        )


class _Checksum:
    """An md5 that is computed by a thread of its own, so that it costs the download no time where a core is free."""

    def __init__(self) -> None:
        self._hashed = hashlib.md5(usedforsecurity=False)
        self._chunks: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self._thread: threading.Thread | None = None

    def update(self, chunk: bytes) -> None:
        """Adds bytes; waits where too many are waiting already."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True, name="checksum")
            self._thread.start()
        self._chunks.put(chunk)

    def digest(self) -> str:
        """The checksum of all bytes so far, in base64."""
        self.close()
        return base64.b64encode(self._hashed.digest()).decode()

    def begin_anew(self, at: int) -> int:
        """Forgets all bytes; gives back where the next ones begin."""
        self.close()
        self._hashed = hashlib.md5(usedforsecurity=False)
        return at

    def close(self) -> None:
        """Ends the thread once all bytes are counted."""
        if self._thread is not None:
            self._chunks.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (chunk := self._chunks.get()) is not None:
            self._hashed.update(chunk)
