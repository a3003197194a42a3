"""How a rank learns that another has ended, also while it waits for a message that will never come.

Each rank writes a heartbeat into the store that the launcher keeps. Rank 0 looks at all, the others at rank 0. A rank
that fails leaves one line there, which is what the others tell.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import torch.distributed as dist
from torch.distributed import Store  # type: ignore[attr-defined]

from recipes.errors import one_line
from recipes.launcher import Place

__all__ = ["Watch"]

EVERY, LOST = 1.0, 20.0  # seconds: between two beats, and without one until a rank counts as ended
LAST_WORDS = 2.0  # seconds that a failing rank may take to say why
GRACE = 5.0  # seconds in which the main thread may find out, and tell, by itself


class Watch:
    """Beats and looks from now on, in a thread of its own, until this process ends. Where another rank has ended, that
    thread calls `tell(line)` and ends this process."""

    def __init__(self, store: Store, place: Place):
        self.place, self.store = place, store.clone()  # its own connection: another thread may wait on the other
        self.tell: Callable[[str], Any] = _printed
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True, name="ranks")
        self.thread.start()
        atexit.register(self.leave)

    def fails(self, line: str) -> None:
        """This rank fails: what the others are to tell. The first line counts."""
        with contextlib.suppress(RuntimeError):  # the launcher may be gone, and with it whoever would read it
            self.store.compare_set("failed", "", line)

    def reason(self) -> str:
        """Why a message did not come through."""
        end = time.monotonic() + LAST_WORDS
        while time.monotonic() < end:
            try:
                if self.store.check(["failed"]):
                    return self.store.get("failed").decode()
            except RuntimeError:
                break
            time.sleep(0.1)
        return f"one of the {self.place.count} processes ended without a word; resume goes on from the last checkpoint"

    def leave(self) -> None:
        """This process ends. Where an error ends it, that is its last word."""
        error = getattr(sys, "last_value", None)
        if error is not None:
            self.fails(f"{self.place.name} failed: {one_line(error)[:300]}")
        self.over.set()
        self.thread.join(2 * EVERY)
        with contextlib.suppress(RuntimeError, AssertionError, ValueError):  # ended before, or the launcher is gone
            self.store.set(self._key(self.place.rank), "left")
            dist.destroy_process_group()

    def _look(self) -> None:
        others = [0] if self.place.rank else list(range(1, self.place.count))
        seen: dict[int, tuple[str, float]] = {}
        beat = 0
        while not self.over.wait(EVERY):
            beat += 1
            try:
                self.store.set(self._key(self.place.rank), str(beat))
                found = {rank: self._beat_of(rank) for rank in others}
                failed = self.store.check(["failed"])
            except RuntimeError:  # the launcher is gone, or its machine
                found, failed = {rank: seen.get(rank, ("", 0))[0] for rank in others}, False
            now = time.monotonic()
            for rank, value in found.items():
                if rank not in seen or seen[rank][0] != value:
                    seen[rank] = value, now
            silent = [rank for rank, (value, at) in seen.items() if value != "left" and now - at > LOST]
            if (silent or failed) and not self.over.wait(GRACE):
                self.tell(self.reason())
                os._exit(1)

    def _key(self, rank: int) -> str:
        return f"beat/{rank}"

    def _beat_of(self, rank: int) -> str:
        key = self._key(rank)
        return self.store.get(key).decode() if self.store.check([key]) else ""


def _printed(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 (nothing else can tell any more)
