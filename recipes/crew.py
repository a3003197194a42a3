"""Rows made side by side, a few ahead of whoever asks for them: no worker waits for the slowest of a chunk.

Processes are forked, since Python's lock would hold threads back; threads do it where that cannot be done or is not worth
it. A forked worker touches neither the GPU nor anything of the parent's but what it is given, and dies with it.
"""

from __future__ import annotations

import ctypes
import mmap
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from recipes.errors import Stopped

__all__ = ["Crew", "cores"]

SLICE = 16  # rows a task
AHEAD = 4  # tasks a worker that are begun before they are asked for
FEW = 256  # rows that are not worth a fork

_one: Callable[[int], Any] = int  # what a forked worker makes a row with
_over: mmap.mmap | None = None


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2


class Crew:
    """`one(row)` for the rows from `first` to `last`, by `workers` side by side (default: the cores)."""

    def __init__(
        self,
        one: Callable[[int], Any],
        first: int,
        last: int,
        workers: int | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ):
        self.one, self.last, self.next = one, last, first
        self.workers, self.should_stop = workers or cores(), should_stop
        self.begun: deque[tuple[int, int, Future]] = deque()
        self.over = mmap.mmap(-1, 1)  # a byte that forked workers see change
        self.pool = self._pool(last - first)

    def until(self, last: int) -> list[Any]:
        """What was made of the rows up to `last`, in their order, from where the call before ended. Raises Stopped."""
        made: list[Any] = []
        while self.begun or self.next < last:
            self._begin()
            first, end, future = self.begun[0]
            if first >= last:
                break
            made += self._made(first, end, future)
            self.begun.popleft()
        return made

    def close(self) -> None:
        """Lets the workers go when each has made its row; what has not begun is left out."""
        self.over[0] = 1
        self.pool.shutdown(wait=True, cancel_futures=True)

    def _begin(self) -> None:
        while self.next < self.last and len(self.begun) < AHEAD * self.workers:
            end = min(self.next + SLICE, self.last)
            self.begun.append((self.next, end, self._submitted(self.next, end)))
            self.next = end

    def _submitted(self, first: int, end: int) -> Future:
        if isinstance(self.pool, ProcessPoolExecutor):
            try:
                return self.pool.submit(_rows, first, end)
            except BrokenProcessPool:
                self._go_on_with_threads()
        return self.pool.submit(_rows_by, self.one, self.over, first, end)

    def _made(self, first: int, end: int, future: Future) -> list[Any]:
        while True:
            try:
                return future.result(timeout=0.2)
            except NotYet:
                if (
                    future.done()
                ):  # just now, or the error is the work's own: TimeoutError is one class in all of Python
                    return future.result()
                if self.should_stop():
                    raise Stopped from None
            except BrokenProcessPool:  # a worker was killed, for want of memory perhaps: the rows are made again
                self._go_on_with_threads()
                future = self._submitted(first, end)

    def _go_on_with_threads(self) -> None:
        if isinstance(self.pool, ProcessPoolExecutor):
            self.pool.shutdown(wait=False, cancel_futures=True)
            self.pool = ThreadPoolExecutor(self.workers)

    def _pool(self, rows: int) -> Executor:
        can_fork = sys.platform == "linux" and not multiprocessing.current_process().daemon
        if not can_fork or self.workers == 1 or rows < FEW:
            return ThreadPoolExecutor(self.workers)
        fork = multiprocessing.get_context("fork")
        return ProcessPoolExecutor(self.workers, fork, _start, (self.one, self.over, os.getpid()))


def _start(one: Callable[[int], Any], over: mmap.mmap, parent: int) -> None:
    """A forked worker's first act."""
    global _one, _over
    _one, _over = one, over
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it does not outlive its parent
    if os.getppid() != parent:
        os._exit(1)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)  # the parent's pool is not here: who enters it waits for ever


def _rows(first: int, end: int) -> list[Any]:
    assert _over is not None
    return _rows_by(_one, _over, first, end)


def _rows_by(one: Callable[[int], Any], over: mmap.mmap, first: int, end: int) -> list[Any]:
    """The rows, or fewer where nobody waits for them any more."""
    return [one(row) for row in range(first, end) if not over[0]]
