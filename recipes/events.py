"""What a run tells, as typed data.

Every event is a frozen dataclass. `to_dict` gives the JSON form that `events.jsonl` holds, one object a line
(`{"t": …, "event": "epoch", …}`), and `from_dict` reads it back, so a terminal that watches a run from outside and a
notebook that makes one show the same things with the same code. Numbers that are not finite become null in JSON.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

__all__ = [
    "Advice",
    "Batch",
    "CycleEnded",
    "Epoch",
    "Event",
    "ImagesReady",
    "Report",
    "RunDone",
    "RunFailed",
    "RunPaused",
    "RunStarted",
    "RunStopped",
    "StepEnded",
    "StepStarted",
    "SubmissionWritten",
    "Sweep",
    "Waiting",
    "Warned",
    "from_dict",
]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened; `t` is the time in seconds since 1970."""

    event: ClassVar[str]
    t: float = field(default_factory=time.time)

    def to_dict(self) -> dict[str, Any]:
        """The event as plain JSON values, the time and the kind first."""
        fields = {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name != "t"}
        return {"t": round(self.t, 3), "event": self.event, **fields}


Report = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class InStep(Event):
    """An event inside step `step` of `of`; both are 0 outside a recipe. `size` is the image side in pixels."""

    step: int = 0
    of: int = 0
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """A worker took the run up: its process (number and start time, which together name it), device and versions."""

    event: ClassVar[str] = "run_started"
    pid: int
    process_started: float
    device: str
    recipe: str
    versions: dict[str, str]
    resumed: bool = False


@dataclass(frozen=True, kw_only=True)
class Waiting(Event):
    """The run stands in line for its devices: `ahead` runs go before it. Told when that changes; 0 says that the wait is
    over."""

    event: ClassVar[str] = "waiting"
    ahead: int
    devices: list[str]


@dataclass(frozen=True, kw_only=True)
class ImagesReady(Event):
    """Every image is decoded. `set_aside` names train and valid images that cannot be used, `missing` test images
    that have no picture and get a prior for an answer: id → reason."""

    event: ClassVar[str] = "images_ready"
    train: int
    valid: int
    test: int
    task: str
    classes: list[str]
    counts: dict[str, int]
    set_aside: dict[str, str]
    missing: dict[str, str]
    device: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class StepStarted(InStep):
    """A step of the recipe begins: its title, and what it does in the lecture's words."""

    event: ClassVar[str] = "step_started"
    title: str
    words: str = ""
    fold: int = 0
    folds: int = 1


@dataclass(frozen=True, kw_only=True)
class Sweep(InStep):
    """A learning-rate sweep: rates and smoothed losses, the picks by name, and the pick that is used."""

    event: ClassVar[str] = "sweep"
    rates: list[float]
    losses: list[float]
    suggestion: float
    suggestions: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Batch(InStep):
    """How far a long call has come: `done` of `total` (images, or batches when training) and the seconds it has left.

    `stage` is one of decode, resize, activations, sweep, train, valid, predict; of an exploration headers, looks,
    compare, draw. Told a few times a second at most.
    """

    event: ClassVar[str] = "batch"
    stage: str
    done: int
    total: int
    seconds_left: float | None = None
    images_per_second: float | None = None
    epoch: int = 0
    loss: float | None = None
    lr: float | None = None
    memory: int | None = None


@dataclass(frozen=True, kw_only=True)
class Epoch(InStep):
    """One pass over the training images, and what validation says after it. `lr` is the last group's rate at its end,
    `best` says that these weights score better than all before them."""

    event: ClassVar[str] = "epoch"
    epoch: int
    epochs: int
    cycle: int
    train_loss: float
    valid_loss: float | None
    metrics: dict[str, float]
    lr: float
    seconds: float
    best: bool = False


@dataclass(frozen=True, kw_only=True)
class CycleEnded(InStep):
    """A cosine cycle is over: its best score, the best before it, and whether another one follows."""

    event: ClassVar[str] = "cycle_ended"
    cycle: int
    epochs: int
    score: float | None
    best_before: float | None
    improved: bool
    more: bool


@dataclass(frozen=True, kw_only=True)
class StepEnded(InStep):
    """A step is over, and what it took."""

    event: ClassVar[str] = "step_ended"
    title: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Advice(InStep):
    """One of the notes' "when things go wrong": rate_too_high, rate_too_low, too_few_epochs, too_many_epochs; how
    answers become decisions: decision; or that another precision would be faster: precision."""

    event: ClassVar[str] = "advice"
    kind: str
    text: str
    numbers: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Warned(InStep):
    """Something that the reader should know, in plain words; the run goes on."""

    event: ClassVar[str] = "warning"
    text: str


@dataclass(frozen=True, kw_only=True)
class SubmissionWritten(Event):
    """The submission passed the check against the competition's template and has its name."""

    event: ClassVar[str] = "submission_written"
    path: str
    rows: int
    columns: list[str]


@dataclass(frozen=True, kw_only=True)
class RunStopped(Event):
    """The run was asked to stop and did; it can be resumed."""

    event: ClassVar[str] = "run_stopped"
    during: str


@dataclass(frozen=True, kw_only=True)
class RunPaused(Event):
    """A part of the run is over and the next has not begun: `then` is what it will be (images, folds or answers).
    `why` says in one line why it does not begin by itself; it is empty where it does."""

    event: ClassVar[str] = "run_paused"
    during: str
    then: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class RunFailed(Event):
    """The run could not go on: one line of text."""

    event: ClassVar[str] = "run_failed"
    error: str


@dataclass(frozen=True, kw_only=True)
class RunDone(Event):
    """The run is over. `scores` holds metrics by view: valid, valid_tta, valid_decided (with thresholds or cut points
    that were fitted on other validation images) and, where the truth is known, truth; `intervals` 95 % bootstrap
    intervals, low and high. `kept_best` says that it was stopped by hand with the best weights kept.
    """

    event: ClassVar[str] = "run_done"
    seconds: float
    scores: dict[str, dict[str, float]]
    intervals: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    kept_best: bool = False


_KINDS: dict[str, type[Event]] = {
    kind.event: kind
    for kind in (
        RunStarted,
        Waiting,
        ImagesReady,
        StepStarted,
        Sweep,
        Batch,
        Epoch,
        CycleEnded,
        StepEnded,
        Advice,
        Warned,
        SubmissionWritten,
        RunStopped,
        RunPaused,
        RunFailed,
        RunDone,
    )
}


def from_dict(data: dict[str, Any]) -> Event | None:
    """The event that `to_dict` wrote; None for a kind that this version does not know. Unknown fields are ignored."""
    kind = _KINDS.get(data.get("event", ""))
    if kind is None:
        return None
    known = {f.name for f in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in data.items() if name in known})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item()
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return round(value, 3) if abs(value) >= 1e6 else float(f"{value:.8g}")  # times of day keep their milliseconds
    return value
