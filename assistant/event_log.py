"""Writing down what a run tells, and what of that lasts."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from recipes import events

__all__ = ["EventLog", "seconds_spent"]

_BATCH_EVERY = 0.5  # seconds between two batch events on disk


class EventLog:
    """Appends events to `events.jsonl`, a whole line at a time. `kept` says whether anything was told of that a stop
    leaves on disk."""

    def __init__(self, path: Path):
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.told_at, self.doing, self.kept = 0.0, "the start", False
        if path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            os.write(self.file, b"\n")  # a line that a crash cut short

    def __call__(self, event: events.Event) -> None:
        self.kept |= _keeps(event)
        if isinstance(event, events.Batch):
            if event.done < event.total and event.t - self.told_at < _BATCH_EVERY:
                return
            self.told_at, self.doing = event.t, event.stage
        elif isinstance(event, events.StepStarted):
            self.doing = f"step {event.step}: {event.title}"
        elif isinstance(event, events.Waiting):
            self.doing = "the wait for the device" if event.ahead else "the start"
        line = json.dumps(event.to_dict(), ensure_ascii=False, allow_nan=False).encode() + b"\n"
        try:
            os.write(self.file, line)
        except OSError as error:  # a full disk: the run's own writes will say so, or have been told before
            print(error, line.decode(), file=sys.stderr)  # noqa: T201 (the worker's log)

    def close(self) -> None:
        """Nothing more is told."""
        os.close(self.file)


def _keeps(event: events.Event) -> bool:
    """Whether a stop right after this event leaves something on disk that goes on from there."""
    if isinstance(event, events.Batch):
        if event.stage == "predict":
            return event.done == event.total
        return event.stage in ("decode", "resize", "activations", "train")
    return isinstance(event, events.StepEnded)


def seconds_spent(told: list[events.Event]) -> float:
    """Seconds that a run's earlier processes took, their waits left out; the last one's is going on."""
    total, begun, last = 0.0, None, 0.0
    for event in told:
        ends = isinstance(event, (events.RunStopped, events.RunPaused, events.RunFailed))
        if begun is not None and (ends or isinstance(event, events.RunStarted)):
            total, begun = total + (event.t if ends else last) - begun, None
        if isinstance(event, events.RunStarted) or (begun is not None and isinstance(event, events.Waiting)):
            begun = event.t
        last = event.t
    return total
