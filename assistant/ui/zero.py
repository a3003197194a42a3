"""Spaces with ZeroGPU, where a GPU is lent to a function for a minute: the training goes in slices.

Each slice is one call of a function under `@spaces.GPU`, made in an event of the page, because the person's share of
GPU time is found by the headers of the request. The page asks for the next slice when it sees that a run is paused, so
a run goes on as long as its page is open, and can be resumed after that. Elsewhere a run is a process of its own, and
nothing here does anything; `spaces`, which Spaces installs, is imported nowhere else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant import processes, slices, standby
from assistant.competition import Competition
from assistant.runs import Options, Run, launch, start_run, write_run
from assistant.settings import zero_gpu
from recipes.errors import one_line

if TYPE_CHECKING:
    from assistant.ui.session import Session
    from assistant.ui.watch import Watch

__all__ = ["expect", "go_on", "load", "prepare", "resume", "start", "turn", "words"]

ASKED = 60  # seconds of a GPU that a slice asks for; they count against the person's share
WORK = 48.0  # of those, seconds of training: the rest is for the GPU's start, the network's, and the checkpoint
ELSEWHERE = "or do this run elsewhere: its command and its Python are at the end of step 3"

_loaded = threading.Event()
_lent: Callable[[str, float], None] | None = None


def prepare() -> None:
    """On ZeroGPU: imports `spaces`, which has to come before torch, and registers the one function that a GPU is lent
    to. Elsewhere nothing."""
    global _lent
    if zero_gpu() and _lent is None:
        import spaces

        _lent = spaces.GPU(duration=ASKED)(_slice)


def load() -> None:
    """On ZeroGPU: loads here what the forked processes need, once the page is up; the first slice waits for it."""
    if _lent is not None:
        try:
            standby.load()
        finally:
            _loaded.set()


def _slice(folder: str, seconds: float) -> None:
    """Runs in a forked process with a GPU. What it does is told by the run's events."""
    slices.carry_on(Path(folder), seconds)


def expect() -> None:
    """Somebody is about to start a run: where that is a process, it gets ready."""
    if not zero_gpu():
        processes.expect()


def start(competition: Competition, options: Options, folder: Path) -> None:
    """Starts a run: as a process, or on ZeroGPU as one whose first part the page will ask for. Raises RunError."""
    if zero_gpu():
        slices.ready(write_run(competition, options, folder))
    else:
        start_run(competition, options, folder)


def resume(run: Run) -> None:
    """Goes on with a run in the same way. Raises RunError."""
    slices.ready(run) if zero_gpu() else run.resume()


def turn(watch: Watch) -> tuple[Any, Callable[[], str]]:
    """A view of a run: names the pause that it is in, where the page is to ask for the next part; else empty."""
    number = sum(event.event == "run_paused" for event in watch.told)
    name = f"{watch.run.name} {number}" if watch.state == "paused" and not watch.ends else ""
    return name, lambda: name


def go_on(session: Session, address: str) -> dict[str, Any]:
    """Begins the next part of a paused run: a slice on the GPU, seen through to its end, or a process for what needs
    none. One at a time, however many pages ask."""
    run = session.find(address)
    if run is None or _lent is None:
        return {}
    with slices.taken(run.folder) as mine:
        waiting = slices.paused(run) if mine else None
        if waiting is None or waiting.why:
            return {}
        if slices.to_stop(run):
            slices.stop_paused(run)
        elif waiting.then == "folds":
            _carry_on(run)
        else:
            launch(run.folder, "images" if waiting.then == "images" else "")
    return {}


def _carry_on(run: Run) -> None:
    _loaded.wait()
    assert _lent is not None
    try:
        _lent(str(run.folder), WORK)
    except Exception as error:  # no GPU, no time left, or the slice was broken off: gradio's errors hold it in words
        said = " ".join(str(getattr(error, "message", "") or one_line(error)).split()).rstrip(". ")
        slices.broke_off(run, f"no GPU: {said[:300]}; resume goes on from the last checkpoint, {ELSEWHERE}")


def words() -> str:
    """What somebody who chooses a recipe should know here; empty elsewhere."""
    if not zero_gpu():
        return ""
    return (
        f'<p class="why">This Space is lent its GPU for {ASKED} seconds at a time (ZeroGPU), out of a few minutes a day that '
        "each account has. A run goes on slice by slice while its page is open, and can be resumed later. So the settings "
        "here are small: one size of 128 px. Larger ones, and more folds, belong on a GPU of your own or in a notebook: the "
        "same run as a command and in Python is below.</p>"
    )
