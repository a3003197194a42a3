"""Watching a run from its folder: what has been told so far, and which parts of the page that changes.

A `Watch` belongs to one open page. It reads what the worker appends and remembers what it told the page, so a tick
with nothing new changes nothing. Each answer carries a version, which the page gives back: where an answer was lost
or overtaken by an older one, everything is told again. A watch starts nothing and can be thrown away: another one on
the same folder shows the same.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assistant import slices
from assistant.runs import Asked, EventReader, Options, Run, RunError, state_of
from assistant.settings import runs_folder, zero_gpu
from recipes import events

GOES_ON_WITHIN = 120  # seconds that a pause may be old for a page that was just opened to go on by itself

__all__ = ["Watch", "fresh_name", "run_named", "steps_of", "watch_of"]


def run_named(name: object, runs: Path | None = None) -> Run | None:
    """The run of that name in the folder `runs`, else among those of this machine; None where it is no plain name of one
    (a client gave it)."""
    if not _plain(name):
        return None
    runs = runs or runs_folder()
    folder = runs / str(name)
    inside = folder.resolve().parent == runs.resolve()
    return Run(folder) if inside and (folder / "run.json").is_file() else None


def fresh_name(slug: str) -> str:
    """A run's name that is not taken and cannot be guessed: whoever knows it can see the run."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", slug).strip("-.")[:60] or "run"
    return f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"


def steps_of(options: Options) -> list[tuple[str, str]]:
    """Title and words of each step that these options make. Raises RecipeError."""
    from recipes.cookbook import named, progressive

    recipe = progressive(named(options.recipe), options.sizes)
    return [(step.title + _size_of(step), step.words) for step in recipe.steps]


class Watch:
    """What one open page knows of a run. Raises RunError where the folder holds none."""

    def __init__(self, run: Run):
        self.run = run
        self.asked: Asked = run.asked()
        self.steps = steps_of(self.asked.options)
        self.reader = EventReader(run.folder)
        self.lock = threading.Lock()
        self.shown: dict[str, Any] = {}
        self.version = ""
        self.told: list[events.Event] = []
        self.batch: events.Batch | None = None
        self.images: events.ImagesReady | None = None
        self.started: events.RunStarted | None = None
        self.step: events.StepStarted | None = None
        self.step_ended = False
        self.epochs: dict[tuple, events.Epoch] = {}
        self.sweeps: dict[int, events.Sweep] = {}
        self.done: events.RunDone | None = None
        self.state = "starting"

    @property
    def ends(self) -> bool:
        """Whether nothing more will come unless somebody resumes the run."""
        return self.state in ("stopped", "failed", "done") or self.waits

    @property
    def waits(self) -> bool:
        """Whether it is paused, and goes on only when somebody resumes it."""
        pause = self.last
        if not isinstance(pause, events.RunPaused):
            return False
        old = time.time() - pause.t > GOES_ON_WITHIN and not slices.going_on(self.run.folder)
        return bool(pause.why) or old or not zero_gpu()

    @property
    def stopping(self) -> dict[str, bool] | None:
        """What was asked of a run that has not stopped yet."""
        path = self.run.folder / "stop.json"
        if self.ends or not path.is_file():
            return None
        try:
            return {"keep_best": bool(json.loads(path.read_text()).get("keep_best"))}
        except (OSError, ValueError):
            return None

    @property
    def last(self) -> events.Event | None:
        """The last event that says how the run is."""
        kinds = (events.RunStarted, events.RunPaused, events.RunStopped, events.RunFailed, events.RunDone)
        return next((event for event in reversed(self.told) if isinstance(event, kinds)), None)

    def read(self) -> None:
        """Takes in what has been told since."""
        for event in self.reader.new():
            if isinstance(event, events.Batch):
                self.batch = event
                continue
            self.told.append(event)
            self._take(event)
        self.state = state_of(self.told, self.run.folder)

    def changes(self, views: dict[str, Callable[[Watch], tuple[Any, Callable[[], Any]]]], seen: str) -> dict[str, Any]:
        """The parts of the page that are to change, by name, and the version of the page that they make; nothing
        where nothing does. `seen` is the version that the page has now. A view gives a key, and a function that makes
        what is shown: called only where the key is another than that of what is on the page."""
        with self.lock:
            self.read()
            if seen != self.version:
                self.shown.clear()
            made = {}
            for name, view in views.items():
                key, make = view(self)
                if name not in self.shown or self.shown[name] != key:
                    made[name], self.shown[name] = make(), key
            if made:
                self.version = made["seen"] = secrets.token_hex(8)
            return made

    def _take(self, event: events.Event) -> None:
        if isinstance(event, events.RunStarted):
            self.started, self.batch, self.done = event, None, None
        elif isinstance(event, events.ImagesReady):
            self.images = event
        elif isinstance(event, events.StepStarted):
            self.step, self.step_ended, self.batch = event, False, None
        elif isinstance(event, events.StepEnded):
            self.step_ended, self.batch = True, None
        elif isinstance(event, events.Sweep):
            self.sweeps[event.step] = event
        elif isinstance(event, events.Epoch):
            # a run that was killed and resumed tells the epochs after its checkpoint again
            fold = self.step.fold if self.step else 0
            self.epochs[fold, event.step, event.size, event.epoch] = event
        elif isinstance(event, events.RunDone):
            self.done = event


def watch_of(run: Run | None) -> Watch | None:
    """A watch on a run; None where there is none, or it cannot be read."""
    try:
        return Watch(run) if run else None
    except (RunError, ValueError):
        return None


def _plain(name: object) -> bool:
    return (
        isinstance(name, str)
        and len(name) <= 200
        and re.fullmatch(r"[^/\\\x00-\x1f:]+", name) is not None
        and name.strip(". ") != ""
    )


def _size_of(step: object) -> str:
    size = getattr(step, "size", None)
    return f" to {size} px" if size else ""
