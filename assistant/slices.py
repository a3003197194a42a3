"""A run in slices, where a process may work for some seconds only, as with a GPU that is lent a minute at a time
(ZeroGPU): each slice goes on from the run's folder and leaves it at a checkpoint. The submission is the same, byte for
byte on a CPU, as that of a run in one piece.

Between two slices a run is *paused*. What needs no GPU, decoding before and writing after, is not in a slice: for that
a process of its own is started.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from assistant.event_log import EventLog
from assistant.runs import Run, RunError
from assistant.stop_file import StopFile
from assistant.worker import carry_out
from recipes import events
from recipes.progress import STAGES

__all__ = [
    "broke_off",
    "carry_on",
    "going_on",
    "next_part",
    "paused",
    "ready",
    "stop_paused",
    "taken",
    "to_stop",
]

LOOK_EVERY = 0.2  # seconds between two looks for a wish to stop


class Deadline(StopFile):
    """Says stop after some seconds, and where `stop.json` says so. No thread, and the process lives on: it may be lent
    to the next slice."""

    def __init__(self, folder: Path, log: EventLog, end: float, seconds: float):
        self.path, self.log, self.end, self.seconds = folder / "stop.json", log, end, seconds
        self.asked = self.keep_best = self.finishing = self.obeyed = False
        self.looked = 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        if now - self.looked > LOOK_EVERY:
            self.looked = now
            self._look()
        return now > self.end or super().__call__()

    def ending(self) -> events.Event:
        """The slice is over, or the run was stopped."""
        if self.asked and not self.keep_best:
            return super().ending()
        why = "" if self.log.kept else _too_long(self.seconds, self.log.doing)
        return events.RunPaused(during=self.log.doing, then="folds", why=why)

    def _look(self) -> None:
        asked = _asked(self.path)
        if asked is not None:
            self.asked, self.keep_best = True, asked


def _too_long(seconds: float, doing: str) -> str:
    return (
        f"a slice is too short: nothing that can be kept came of {seconds:g} s of {STAGES.get(doing, doing)}; take a smaller "
        "size or architecture, or do this run elsewhere: its command and its Python are at the end of step 3"
    )


def carry_on(folder: Path, seconds: float) -> events.Event | None:
    """Goes on training and predicting for so many seconds in this process, then leaves the run at a checkpoint.

    Returns the event that the slice ended with: RunPaused (with `why` where nothing came of the slice, so that another
    would be in vain), RunStopped or RunFailed; None where somebody else has the run.
    """
    end = time.monotonic() + seconds
    return carry_out(folder, lambda folder, log: Deadline(folder, log, end, seconds), "folds")


def paused(run: Run) -> events.RunPaused | None:
    """Where a run waits for its next part; None where it does not wait."""
    last = _last(run)
    return last if isinstance(last, events.RunPaused) else None


def ready(run: Run) -> None:
    """A new run, or one that has stopped, failed or is paused, waits for its next part from now on. Raises RunError for
    one that is going on or done."""
    state = run.state()
    if state in ("running", "done"):
        raise RunError(f"the run is {state} already: {run.name}; watch it, or start a new one")
    (run.folder / "stop.json").unlink(missing_ok=True)
    _pause(run, "")


def broke_off(run: Run, why: str) -> None:
    """A slice did not begin, or did not come to its end, and left no word: the run waits, and says why."""
    if not isinstance(_last(run), (events.RunStopped, events.RunFailed, events.RunDone)):
        _pause(run, why)


def _pause(run: Run, why: str) -> None:
    told = run.events()
    _tell(run, events.RunPaused(during=_doing(told), then=next_part(run, told), why=why))


def next_part(run: Run, told: list[events.Event]) -> str:
    """images, folds or answers: the part of the run that is to be done next."""
    done = list(run.folder.glob("checkpoints/fold-*/predictions.safetensors"))
    if len(done) == run.asked().options.folds:
        return "answers"
    return "folds" if any(isinstance(event, events.ImagesReady) for event in told) else "images"


def to_stop(run: Run) -> bool:
    """Whether a stop was asked for, and not to keep the best: that takes a part more."""
    return _asked(run.folder / "stop.json") is False


def stop_paused(run: Run) -> None:
    """A run that is paused was asked to stop: no part follows."""
    _tell(run, events.RunStopped(during=_doing(run.events())))


def _last(run: Run) -> events.Event | None:
    """The last event that says how the run is."""
    kinds = (events.RunStarted, events.RunPaused, events.RunStopped, events.RunFailed, events.RunDone)
    return next((event for event in reversed(run.events()) if isinstance(event, kinds)), None)


def _doing(told: list[events.Event]) -> str:
    step = next((event for event in reversed(told) if isinstance(event, events.StepStarted)), None)
    return f"step {step.step}: {step.title}" if step else "the start"


def _asked(path: Path) -> bool | None:
    """Whether a stop is to keep the best; None where none was asked for."""
    try:
        return bool(json.loads(path.read_text()).get("keep_best"))
    except (OSError, ValueError):
        return None


def _tell(run: Run, event: events.Event) -> None:
    try:
        with FileLock(run.folder / ".lock", timeout=0):
            log = EventLog(run.folder / "events.jsonl")
            log(event)
            log.close()
    except Timeout:
        pass


# ---------------------------------------------------------------- the runs that this process carries on

_GOING: set[Path] = set()
_LOCK = threading.Lock()


def going_on(folder: Path) -> bool:
    """Whether this process has begun a part of that run, or waits for a GPU for it."""
    return folder in _GOING


@contextmanager
def taken(folder: Path):
    """Gives True to the one who may begin the run's next part, False to whoever comes while that goes on."""
    with _LOCK:
        mine = folder not in _GOING
        _GOING.add(folder)
    try:
        yield mine
    finally:
        if mine:
            with _LOCK:
                _GOING.discard(folder)
