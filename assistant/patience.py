"""How long a server that fails is waited for: what goes wrong in passing is tried again, each time a little later, and
never sooner than the server asks."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from assistant.kaggle_errors import Fault
from recipes.errors import Stopped

__all__ = ["Patience", "Waiting", "leaving"]

_UNREACHED = 4  # tries where there is nobody to talk to
_BLINK = 0.1  # seconds between two looks at whether to stop
_Answer = TypeVar("_Answer")


def leaving(call: Callable[[], _Answer], should_stop: Callable[[], bool]) -> _Answer:
    """The result of a call that waits for the network. Raises Stopped within a blink of being told to; the call is left
    behind then, to end by its own timeouts."""
    answers: queue.SimpleQueue[tuple[_Answer | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((call(), None))
        except BaseException as error:  # handed over to who waits
            answers.put((None, error))

    threading.Thread(target=run, daemon=True, name="request").start()
    while True:
        try:
            answer, error = answers.get(timeout=_BLINK)
        except queue.Empty:
            if should_stop():
                raise Stopped from None
            continue
        if error is not None:
            raise error
        return answer  # type: ignore[return-value]


@dataclass(frozen=True)
class Patience:
    """Seconds and counts. `connect` and `read` bound each wait for the network, `answer` a whole answer of the API;
    `tries` is how often a thing may fail in a row without getting any further; `first` and `longest` bound the pauses
    between; a server that asks for more than `asked` seconds is not waited for. A download that brings fewer than 512
    bytes a second over `window` seconds counts as cut."""

    connect: float = 10.0
    read: float = 20.0
    answer: float = 90.0
    tries: int = 7
    first: float = 0.5
    longest: float = 30.0
    asked: float = 120.0
    window: float = 45.0


class Waiting:
    """The pauses of one undertaking: `after(fault)` sleeps, or says that there is no point in it."""

    def __init__(
        self,
        patience: Patience,
        should_stop: Callable[[], bool] = lambda: False,
        tell: Callable[[str], None] = lambda text: None,
    ):
        self.patience, self.should_stop, self.tell = patience, should_stop, tell
        self.failed = 0

    def progressed(self) -> None:
        """Something came through: failures are counted from here on."""
        self.failed = 0

    def after(self, fault: Fault) -> bool:
        """Waits as long as the fault asks for; False where it will not pass, or has been waited for long enough. Raises
        Stopped."""
        self.failed += 1
        tries = min(self.patience.tries, _UNREACHED) if fault.unreached else self.patience.tries
        if not fault.passing or self.failed >= tries:
            return False
        if fault.wait is not None and fault.wait > self.patience.asked:
            return False
        pause = min(self.patience.first * 2 ** (self.failed - 1), self.patience.longest) * random.uniform(0.75, 1.25)
        pause = max(pause, fault.wait or 0.0)
        if pause >= 2:
            self.tell(f"{fault.found}; trying again in {pause:.0f} s")
        self.sleep(pause)
        return True

    def sleep(self, seconds: float) -> None:
        """Sleeps; raises Stopped within a blink of being told to."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.should_stop():
                raise Stopped
            time.sleep(min(left, _BLINK))
        if self.should_stop():
            raise Stopped
