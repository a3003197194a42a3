"""Several processes that carry out one program, as `accelerate launch` starts them: each is a *rank*, a number from 0.

All ranks do the same with the same draws. What takes long is shared: each rank takes its share of the rows, and what
comes of it is joined again, or added up, so that all decide by the same bytes. Rank 0 alone reads checkpoints, writes
and tells; it alone is asked whether to stop. This module and `ranks_watch` are all that knows of messages. With one
process there are none: `ALONE` does nothing at no cost.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from recipes import launcher
from recipes.errors import RecipeError, Stopped, one_line
from recipes.ranks_watch import Watch

__all__ = ["ALONE", "Alone", "Lost", "Several", "announce", "announced", "of"]

Made = TypeVar("Made")
Rows = TypeVar("Rows")

PATIENCE = timedelta(days=30)  # for the first message: rank 0 may stand in line; who ends is noticed by other means
FEWEST = 2  # rows a rank: batch normalisation needs as many
HEARD_EVERY = 0.25  # seconds between two looks for a wish to stop
LOOK_EVERY = 0.5  # seconds between two looks for what rank 0 announces


class Lost(RecipeError):
    """Another rank has ended: this one cannot go on."""


class Alone:
    """The only process there is. Everything is its own, and nothing is sent."""

    rank, count, here, first = 0, 1, 0, True
    device: torch.device  # of several; a process alone chooses its own

    def share(self, rows: Rows) -> Rows:
        """This rank's share of an array or tensor: a run of rows as long as the others' to within one. All of it, where
        there are fewer than two rows a rank."""
        return rows

    def shares(self, total: int) -> bool:
        """Whether so many rows are shared, and not done by all alike."""
        return False

    def gathered(self, mine: torch.Tensor, total: int) -> torch.Tensor:
        """All ranks' shares of `total` rows in order, the same bytes on all."""
        return mine

    def add_up(self, tensors: Sequence[torch.Tensor]) -> None:
        """Each float tensor becomes the sum of all ranks' tensors, in place."""

    def take_first(self, tensors: Iterable[torch.Tensor]) -> None:
        """Each tensor becomes rank 0's, in place."""

    def same(self, value: Any) -> Any:
        """Rank 0's value, of JSON's kinds."""
        return value

    def sent(self, data: bytes) -> bytes:
        """Rank 0's bytes."""
        return data

    def word(self, flag: bool) -> bool:
        """Rank 0's word, yes or no: the shortest message."""
        return flag

    def all(self, flag: bool) -> bool:
        """Whether it is true on all ranks."""
        return flag

    def together(self, work: Callable[[], Made]) -> Made:
        """What `work`, in which nothing is sent, gives here, once all ranks are through with theirs. What one of them
        raises, all raise."""
        return work()

    def first_here(self, work: Callable[[], Made]) -> Made:
        """What `work` gives here: the first rank of each machine does it, then the others, who find on disk what it left."""
        return work()

    def stop(self, should_stop: Callable[[], bool]) -> bool:
        """Whether rank 0 says stop, at a place that all ranks come to."""
        return should_stop()

    def heeding(self, should_stop: Callable[[], bool]) -> Callable[[], bool]:
        """Rank 0's `should_stop`, for work that each rank does at its own pace: the others hear of it within a second."""
        return should_stop

    def agree(self, what: str, text: str) -> None:
        """Raises RecipeError where the ranks were not given the same."""

    def fails(self, line: str) -> None:
        """This rank is about to end: what the others are to say of it."""

    def when_ended(self, tell: Callable[[str], None]) -> None:
        """Where another rank has ended and this one waits for it in vain, `tell(line)` is called in another thread before
        this process ends, too."""


ALONE = Alone()


class Several(Alone):
    """This rank of several. Made by `of`, once a process."""

    def __init__(self, device: torch.device, place: launcher.Place, store: Store):
        self.rank, self.count, self.here, self.first = place.rank, place.count, place.here, place.rank == 0
        self.device, self.store, self.process = device, store, os.getpid()
        self.on_gpus = dist.get_backend() == "nccl"  # then what lies on a GPU is sent from there, the rest by gloo
        self.words: Any = _words_of(dist.get_backend())
        self.stops = 0  # that all have obeyed
        self.watch = Watch(store, place)

    def share(self, rows: Any) -> Any:
        if not self.shares(len(rows)):
            return rows
        first = sum(self._sizes(len(rows))[: self.rank])
        return rows[first : first + self._sizes(len(rows))[self.rank]]

    def shares(self, total: int) -> bool:
        return total >= FEWEST * self.count

    def gathered(self, mine: torch.Tensor, total: int) -> torch.Tensor:
        if not self.shares(total):
            made = mine.detach().clone()
            self.take_first([made])
            return made
        sizes, group, there = self._sizes(total), *self._way(mine)
        padded = mine.new_zeros((max(sizes), *mine.shape[1:]), device=there)
        padded[: len(mine)] = mine
        sent = padded.contiguous().reshape(-1).view(torch.uint8)
        parts = [torch.empty_like(sent) for _ in sizes]
        with self._told():
            dist.all_gather(parts, sent, group=group)
        whole = [part.view(mine.dtype).view(padded.shape)[:size] for part, size in zip(parts, sizes)]
        return torch.cat(whole).to(mine.device)

    def add_up(self, tensors: Sequence[torch.Tensor]) -> None:
        flat = torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])
        group, there = self._way(flat)
        flat = flat.to(there)
        with self._told():
            dist.all_reduce(flat, group=group)
        _refill(tensors, flat)

    def take_first(self, tensors: Iterable[torch.Tensor]) -> None:
        listed = list(tensors)
        for kind in dict.fromkeys(tensor.dtype for tensor in listed):
            of_kind = [tensor for tensor in listed if tensor.dtype == kind]
            flat = torch.cat([tensor.detach().reshape(-1) for tensor in of_kind])
            group, there = self._way(flat)
            flat = flat.to(there)
            with self._told():
                dist.broadcast(flat.view(torch.uint8), 0, group=group)
            if not self.first:
                _refill(of_kind, flat)

    def same(self, value: Any) -> Any:
        return json.loads(self.sent(json.dumps(value).encode() if self.first else b""))

    def sent(self, data: bytes) -> bytes:
        size = torch.tensor([len(data)])
        with self._told():
            dist.broadcast(size, 0, group=self.words)
            sent = torch.empty(int(size), dtype=torch.uint8)
            if self.first and data:
                sent = torch.frombuffer(bytearray(data), dtype=torch.uint8)
            if len(sent):
                dist.broadcast(sent, 0, group=self.words)
        return data if self.first else sent.numpy().tobytes()

    def word(self, flag: bool) -> bool:
        word = torch.tensor([int(flag)], dtype=torch.uint8)
        with self._told():
            dist.broadcast(word, 0, group=self.words)
        return bool(word)

    def all(self, flag: bool) -> bool:
        word = torch.tensor([int(flag)], dtype=torch.uint8)
        with self._told():
            dist.all_reduce(word, dist.ReduceOp.MIN, group=self.words)
        return bool(word)

    def together(self, work: Callable[[], Made]) -> Made:
        failure, made = None, None
        try:
            made = work()
        except Exception as error:
            failure = error
        if self.all(failure is None):
            return made  # type: ignore[return-value]
        mine = json.dumps(None if failure is None else [type(failure).__name__, one_line(failure)])
        told: dict[int, list[str]] = {n: told for n, told in enumerate(self._of_all(mine)) if told is not None}
        self.stops += any(kind == Stopped.__name__ for kind, _ in told.values())
        if failure is not None:
            raise failure
        kind, line = next(iter(told.values()))
        raise _kinds().get(kind, RecipeError)(line)

    def first_here(self, work: Callable[[], Made]) -> Made:
        def nothing() -> Any:
            """What a rank does while it is others' turn."""

        made = self.together(nothing if self.here else work)
        again = self.together(work if self.here else nothing)
        return again if self.here else made

    def stop(self, should_stop: Callable[[], bool]) -> bool:
        word = self.word(self.first and should_stop())
        self.stops += word
        return word

    def heeding(self, should_stop: Callable[[], bool]) -> Callable[[], bool]:
        looked, heard = 0.0, False

        def said() -> bool:
            wish = should_stop()
            if wish and os.getpid() == self.process:  # a forked decoder has no way to the others
                self.store.set(self._wish(), "1")
            return wish

        def heeded() -> bool:
            nonlocal looked, heard
            if os.getpid() == self.process and time.monotonic() - looked > HEARD_EVERY:
                looked, heard = time.monotonic(), self.store.check([self._wish()])
            return heard

        return said if self.first else heeded

    def agree(self, what: str, text: str) -> None:
        if not self.all(self.same(text) == text):
            raise RecipeError(
                f"the {self.count} processes do not have the same {what}: give each the same files and settings"
            )

    def fails(self, line: str) -> None:
        self.watch.fails(line)

    def when_ended(self, tell: Callable[[str], None]) -> None:
        self.watch.tell = tell

    # ---------------------------------------------------------------- messages

    def _wish(self) -> str:
        return f"stop/{self.stops}"

    def _sizes(self, total: int) -> list[int]:
        """How many of `total` rows each rank takes."""
        each, more = divmod(total, self.count)
        return [each + (rank < more) for rank in range(self.count)]

    def _way(self, tensor: torch.Tensor) -> tuple[Any, torch.device]:
        """The group that sends such a tensor, and the device from which."""
        direct = self.on_gpus and tensor.is_cuda
        return (dist.group.WORLD, tensor.device) if direct else (self.words, torch.device("cpu"))

    def _of_all(self, text: str) -> list[Any]:
        """Every rank's JSON text, read."""
        data = text.encode()
        longest = torch.tensor([len(data)])
        with self._told():
            dist.all_reduce(longest, dist.ReduceOp.MAX, group=self.words)
            sent = torch.frombuffer(bytearray(data.ljust(int(longest))), dtype=torch.uint8)
            parts = [torch.empty_like(sent) for _ in range(self.count)]
            dist.all_gather(parts, sent, group=self.words)
        return [json.loads(part.numpy().tobytes()) for part in parts]

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """A message that does not come through means that a rank has ended: raises Lost with the reason that it left."""
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            raise Lost(self.watch.reason()) from None


def announce(text: str) -> None:
    """Rank 0 says what all are going to do; until then, the others wait in `announced`."""
    _store().set("announced", text)


def announced() -> str:
    """What rank 0 has announced; waits for it, before any device is touched."""
    while not _store().check(["announced"]):  # for hours, perhaps: a store that waits itself gives up after a while
        time.sleep(LOOK_EVERY)
    return _store().get("announced").decode()


def of(device: str = "auto") -> Alone:
    """The ranks that this process is one of; the first call waits until all have come. Raises RecipeError where they cannot
    work on that device."""
    return ALONE if launcher.place().count == 1 else _joined(device)


@functools.cache
def _store() -> Store:
    """Where ranks leave words for each other before they have met, and beside the messages."""
    store, _, _ = next(iter(rendezvous("env://", timeout=PATIENCE)))
    store.set_timeout(PATIENCE)
    return PrefixStore("recipes", store)


_SEVERAL: list[Several] = []


def _joined(name: str) -> Several:
    if not _SEVERAL:
        place, on_cpu = launcher.place(), _on_cpu(name)
        if not on_cpu and torch.cuda.is_available() and place.count_here > torch.cuda.device_count():
            raise RecipeError(
                f"more processes than GPUs on this machine: {place.count_here} for {torch.cuda.device_count()}; launch one a GPU"
            )
        from accelerate import PartialState

        given: dict[str, Any] = {"timeout": PATIENCE}
        if not dist.is_initialized():  # a script may have made an Accelerator of its own
            given |= {"store": PrefixStore("group", _store()), "rank": place.rank, "world_size": place.count}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                state = PartialState(cpu=on_cpu, **given)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:120]
            raise Lost(f"the {place.count} processes did not find each other: {reason}; launch them again") from None
        _SEVERAL.append(Several(torch.device("cpu") if on_cpu else torch.device(str(state.device)), place, _store()))
    return _SEVERAL[0]


def _on_cpu(name: str) -> bool:
    """Whether the ranks work on CPUs: where that is asked for, or there is nothing else that they could share."""
    if name not in ("auto", "cpu", "cuda", "xpu"):
        raise RecipeError(
            f"one device for several processes: {name!r} was asked for; take auto, which gives each its own"
        )
    told = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    return name == "cpu" or told or not (torch.cuda.is_available() or torch.xpu.is_available())


def _refill(tensors: Sequence[torch.Tensor], flat: torch.Tensor) -> None:
    """Copies what `flat` holds of each tensor back into it."""
    with torch.no_grad():
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors])):
            tensor.copy_(part.view(tensor.shape))


def _kinds() -> dict[str, type[Exception]]:
    """The errors that another rank's may be told as, by name."""

    def below(kind: type[Exception]) -> Iterator[type[Exception]]:
        yield kind
        for lower in kind.__subclasses__():
            yield from below(lower)

    return {kind.__name__: kind for kind in (Stopped, *below(RecipeError))}


def _words_of(backend: str) -> Any:
    """The group that sends words and whatever is not on a GPU."""
    return dist.group.WORLD if backend == "gloo" else dist.new_group(backend="gloo", timeout=PATIENCE)
