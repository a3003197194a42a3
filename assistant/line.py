"""The line for a device: who trains on it now, and who is next.

A turn is a lock of the operating system, one a device: it ends with its process, however that ends, and two processes
never have it. A ticket for each run that trains or waits says in which order they go, and nothing else rests on it. There
is no server: whoever waits looks twice a second, and passes over the tickets of processes that live no more.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from assistant.processes import lives, started_at
from assistant.settings import home, visitors_folder
from recipes import events
from recipes.errors import Stopped
from recipes.store import atomic_write, writable_folder

__all__ = ["BEHIND", "Ticket", "Turn", "anybody", "before", "devices_of", "person_of", "placed"]

CPU = "cpu"
OWNER = "owner"  # of all runs that are no visitor's
BEHIND = 20  # places that each further run of one person stands further back
_LOOK_EVERY = 0.5  # seconds
# What a machine has where PyTorch may find a GPU or the like: NVIDIA's (and Jetson's), AMD's, Intel's, Windows' for Linux.
_GPU_SIGNS = ("dev/nv*", "proc/driver/nvidia", "dev/kfd", "dev/dri/render*", "dev/accel*", "dev/dxg", "dev/davinci*")


class Ticket(BaseModel):
    """A run in the line. `number` counts arrivals; the lowest `place` goes first. The process is named by its number and
    its start time, so that no later process of that number is taken for it."""

    model_config = ConfigDict(frozen=True)

    number: int
    place: int
    person: str
    devices: tuple[str, ...]
    pid: int
    started: float
    training: bool = False

    @property
    def order(self) -> tuple[bool, int, int, int]:
        """What tickets are sorted by: those that train, then by place, arrival and (for two at one moment) process."""
        return not self.training, self.place, self.number, self.pid

    def shares(self, devices: Iterable[str]) -> bool:
        """Whether it needs one of these devices."""
        return not set(devices).isdisjoint(self.devices)


def before(ticket: Ticket, tickets: Iterable[Ticket]) -> list[Ticket]:
    """Those of `tickets` that go before this one on a device of its own."""
    return [other for other in tickets if other.shares(ticket.devices) and other.order < ticket.order]


def placed(person: str, devices: Sequence[str], tickets: Iterable[Ticket]) -> tuple[int, int]:
    """Number and place of a new ticket of that person.

    A place is the number of arrival, and `BEHIND` more for each run of the same person that is there already. It never
    changes, so a person's second run lets only the next `BEHIND` arrivals of others go first, the third twice as many:
    many runs of one person do not shut out the rest, and nobody waits for ever.
    """
    tickets = list(tickets)
    number = max((ticket.number for ticket in tickets), default=0) + 1
    own = [ticket.place for ticket in tickets if ticket.person == person and ticket.shares(devices)]
    return number, max(number + BEHIND * len(own), max(own, default=0) + 1)


def devices_of(name: str, environment: Mapping[str, str] = os.environ, root: Path = Path("/")) -> tuple[str, ...]:
    """The devices that a run on `name` (auto, cpu, cuda:1 …) trains on: "cpu" or "gpu-N", as far as that can be told
    without PyTorch. `root` is where this machine's /dev and /proc are.

    Where `auto` may be a GPU it counts as the first. Of a run in several processes the first stands in line, for all
    devices of this machine that they use; the others have none.
    """
    processes = _number(environment.get("WORLD_SIZE"), 1)
    if processes > 1 and _number(environment.get("RANK"), 0) > 0:
        return ()
    asked = name.strip().lower()
    if asked == "auto":  # what Accelerate does with it
        asked = environment.get("ACCELERATE_TORCH_DEVICE") or asked
    kind, _, index = asked.partition(":")
    if kind == CPU or (kind == "auto" and not _may_have_gpu(environment, root)):
        return (CPU,)
    first = _number(index, 0)
    last = first + (_number(environment.get("LOCAL_WORLD_SIZE"), processes) if kind == "auto" else 1)
    visible = [word.strip() for word in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if word.strip()]
    return tuple(f"gpu-{visible[at] if at < len(visible) else at}" for at in range(first, last))


def _may_have_gpu(environment: Mapping[str, str], root: Path) -> bool:
    if environment.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return sys.platform != "linux" or any(any(root.glob(sign)) for sign in _GPU_SIGNS)


def _number(word: str | None, otherwise: int) -> int:
    return int(word) if word and word.isdigit() else otherwise


def person_of(run: Path) -> str:
    """Whose run that folder is: a visitor's mark, or the owner's of this machine."""
    visitors = visitors_folder().resolve()
    return run.relative_to(visitors).parts[0] if visitors in run.parents else OWNER


def anybody() -> bool:
    """Whether a run trains or waits on this machine."""
    return bool(_tickets(_folder()))


class Turn:
    """This process's turn on `devices`, which begins after `wait` and ends with `end` or with the process.

    `report` is told the place in the line as often as it changes, and 0 when a wait is over; `should_stop` is asked twice a
    second.
    """

    def __init__(
        self,
        devices: Sequence[str],
        person: str,
        report: events.Report,
        should_stop: Callable[[], bool] = lambda: False,
    ):
        self.devices, self.person, self.report, self.should_stop = tuple(devices), person, report, should_stop
        self.all, self.folder = home() / "line", _folder()
        self.path: Path | None = None
        self.held: list[FileLock] = []

    def wait(self) -> None:
        """Returns when nobody is before this process. Raises Stopped, StorageError."""
        if not self.devices:
            return
        there = _tickets(writable_folder(self.folder))
        number, place = placed(self.person, self.devices, there)
        process = {"pid": os.getpid(), "started": started_at(os.getpid())}
        ticket = Ticket(number=number, place=place, person=self.person, devices=self.devices, **process)
        self.path = self.folder / f"{number:06d}-{os.getpid()}.json"
        atomic_write(self.path, ticket.model_dump_json())
        locks = [self.folder / f"{_plain(device)}.lock" for device in sorted(self.devices)]
        self._until(lambda: len(before(ticket, _tickets(self.folder))) or self._busy(locks))
        atomic_write(self.path, ticket.model_copy(update={"training": True}).model_dump_json())

    def also(self, device: str) -> None:
        """Waits for a device by the one name that it has for everybody, which only PyTorch can tell: where two runs call
        one GPU by two names, or see it from two containers, they still do not train on it at once."""
        locks = [writable_folder(self.all) / f"{_plain(device)}.lock"]
        self._until(lambda: self._busy(locks))

    def take_if_free(self) -> None:
        """Takes the devices if nobody has them, so that others wait for this process; waits for nobody."""
        locks = [writable_folder(self.folder) / f"{_plain(device)}.lock" for device in sorted(self.devices)]
        self._busy(locks)

    def end(self) -> None:
        """Lets the next one go on."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        while self.held:
            self.held.pop().release()

    def _until(self, count: Callable[[], int]) -> None:
        """Looks until nobody is before this process, and tells how many are."""
        told = 0
        while ahead := count():
            if self.should_stop():
                raise Stopped
            if ahead != told:
                self.report(events.Waiting(ahead=ahead, devices=list(self.devices)))
                told = ahead
            time.sleep(_LOOK_EVERY)
        if told:
            self.report(events.Waiting(ahead=0, devices=list(self.devices)))

    def _busy(self, paths: Sequence[Path]) -> int:
        """Locks all of them, or none where another process has one; 1 then, else 0."""
        taken: list[FileLock] = []
        for path in paths:
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                for other in taken:
                    other.release()
                return 1
            taken.append(lock)
        self.held += taken
        return 0


def _folder() -> Path:
    """Where the tickets of this machine lie: machines that share a home have devices of their own."""
    return home() / "line" / _plain(platform.node() or "here")


def _tickets(folder: Path) -> list[Ticket]:
    """The tickets of processes that live; the others' are removed."""
    found = []
    for path in folder.glob("*.json"):
        try:
            ticket = Ticket.model_validate_json(path.read_bytes())
        except (FileNotFoundError, PermissionError):
            continue  # just given back
        except (OSError, ValidationError):
            ticket = None
        if ticket is not None and lives(ticket.pid, ticket.started):
            found.append(ticket)
        else:
            with contextlib.suppress(OSError):  # somebody else who looks removes it
                path.unlink()
    return found


def _plain(name: str) -> str:
    """A name as a file may have it."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".") or "-"
