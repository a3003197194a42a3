"""What can be wrong with an answer of the Kaggle server of these tests, and the queues in which faults wait.

A fault is plain data. The places that carry them out are `kaggle_wire.send` (bytes and times) and the two request
handlers (answers put in the place of the right one).
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "BadJson",
    "Cut",
    "Expire",
    "Fault",
    "FaultQueues",
    "Flip",
    "Page",
    "Slow",
    "Stall",
    "Status",
    "Trickle",
    "Truncate",
    "UnknownEnum",
    "UnknownField",
]


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with one answer."""


@dataclass(frozen=True)
class Status(Fault):
    """An error in the place of the answer, in the form of the port that it comes from: JSON or XML.

    `body` and `content_type` take the place of that form. `retry_after` is a number of seconds or an HTTP date. The call
    is not carried out, unless `done`: then it took effect, and only its answer is lost.
    """

    code: int
    message: str = ""
    retry_after: int | str | None = None
    body: bytes | str | None = None
    content_type: str | None = None
    done: bool = False


@dataclass(frozen=True)
class Page(Fault):
    """A page for people where JSON or bytes were expected, as a proxy or a sign-in wall gives. Nothing is done."""

    html: str = "<!doctype html><html><title>Sorry</title><body>Please try again later.</body></html>"
    status: int = 200


@dataclass(frozen=True)
class Cut(Fault):
    """The connection ends after so many bytes of the body: by "fin" as a clean close, by "rst" as a reset.

    With 0 bytes nothing comes at all, unless `head`: then the headers do. In an upload the bytes are those received;
    a number beyond the body's length cuts once all was taken in, before the answer. The call is carried out, and
    only its answer is lost, unless `done` is False. With `every` the fault stays in force.
    """

    after_bytes: int = 0
    how: Literal["fin", "rst"] = "fin"
    every: bool = False
    head: bool = False
    done: bool = True


@dataclass(frozen=True)
class Stall(Fault):
    """Nothing moves for some seconds once so many bytes of the body went; with 0, between the headers and the body."""

    after_bytes: int
    seconds: float


@dataclass(frozen=True)
class Trickle(Fault):
    """From so many bytes of the body on, it flows this slowly."""

    after_bytes: int
    bytes_per_second: float


@dataclass(frozen=True)
class Slow(Fault):
    """The answer starts late."""

    seconds: float


@dataclass(frozen=True)
class Flip(Fault):
    """One bit is wrong in the byte at this place of the body that is sent (or stored); a place below 0 counts from the
    end. All headers are as they were."""

    at: int


@dataclass(frozen=True)
class Truncate(Fault):
    """The file is this short: lengths and ranges say so, while ETag and md5 are those of the whole."""

    to_bytes: int


@dataclass(frozen=True)
class Expire(Fault):
    """For a call that hands out an address: it is out of date already. For the storage: all handed out so far are."""


@dataclass(frozen=True)
class UnknownField(Fault):
    """Every object of the answer's JSON has a field more that nobody knows."""

    name: str = "fieldOfTomorrow"


@dataclass(frozen=True)
class UnknownEnum(Fault):
    """The statuses in the answer have a value that nobody knows."""

    value: str = "RESCORING"


@dataclass(frozen=True)
class BadJson(Fault):
    """The answer's JSON ends in its middle, with a Content-Length that fits."""


Together = tuple[Fault, ...]


class FaultQueues:
    """The faults that wait, a queue a name: an API method, "api", "storage" or "upload"."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[str, deque[list]] = defaultdict(deque)

    def put(self, name: str, faults: Fault | Together | list[Fault | Together], times: int | None) -> None:
        """Queues one fault, a tuple of faults for the same answer, or a list of either, one answer after the other.

        Each is for `times` answers; None means until `clear`.
        """
        with self._lock:
            for each in faults if isinstance(faults, list) else [faults]:
                together = each if isinstance(each, tuple) else (each,)
                stays = any(isinstance(fault, Cut) and fault.every for fault in together)
                self._queues[name].append([together, None if stays else times])

    def take(self, *names: str) -> Together:
        """The faults for one answer: those at the head of the first of these queues that has any."""
        with self._lock:
            for name in names:
                if queue := self._queues[name]:
                    return self._one(queue)
        return ()

    def clear(self) -> None:
        with self._lock:
            self._queues.clear()

    def left(self) -> int:
        """How many entries still wait; one that stays in force counts as one."""
        with self._lock:
            return sum(map(len, self._queues.values()))

    @staticmethod
    def _one(queue: deque[list]) -> Together:
        together, times = queue[0]
        if times is not None:
            queue[0][1] = times - 1
            if times <= 1:
                queue.popleft()
        return together
