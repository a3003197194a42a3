"""Watching a run from its folder: what has been told so far, and which parts of the page that changes.

A `Watch` reads what the worker appends; all pages that show a run share one, so that ten tabs cost one reading and one
drawing of each plot. A `Shown` belongs to one page and remembers what it told it. Each answer carries a version, which
the page gives back: where an answer was lost or overtaken by an older one, everything is told again. Both start nothing
and can be thrown away: another one on the same folder shows the same.
"""

from __future__ import annotations

import copy
import functools
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

__all__ = ["Shown", "Watch", "fresh_name", "run_named", "steps_of", "watch_of"]

View = Callable[["Watch"], tuple[Any, Callable[[], Any]]]  # a key, and what makes the part where the key is a new one
GOES_ON_WITHIN = 120  # seconds that a pause may be old for a page that was just opened to go on by itself


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
    """What a run has told so far. Raises RunError where the folder holds none."""

    def __init__(self, run: Run):
        self.run = run
        self.asked: Asked = run.asked()
        self.steps = steps_of(self.asked.options)
        self.reader = EventReader(run.folder)
        self.lock = threading.Lock()
        self.made: dict[str, tuple[Any, Any]] = {}
        self.copies: dict[str, Path] = {}  # files that browsers may download, which gradio deletes after a day
        self.told: list[events.Event] = []
        self.batch: events.Batch | None = None
        self.images: events.ImagesReady | None = None
        self.started: events.RunStarted | None = None
        self.waiting: events.Waiting | None = None
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

    @property
    def mark(self) -> str:
        """Another one whenever more than a batch has happened."""
        handed_in = self.run.folder / "submissions.json"
        sent = handed_in.stat().st_mtime_ns if handed_in.is_file() else 0
        stopping = "" if self.stopping is None else f"{self.stopping['keep_best']:d}"
        return f"{self.state}.{self.ends:d}.{len(self.told)}.{stopping}.{sent}.{self.gone:d}"

    @property
    def gone(self) -> bool:
        """Whether a file that the page offers has been deleted since."""
        return not all(copy.is_file() for copy in self.copies.values())

    def read(self) -> None:
        """Takes in what has been told since."""
        with self.lock:
            for event in self.reader.new():
                if isinstance(event, events.Batch):
                    self.batch = event
                    continue
                self.told.append(event)
                self._take(event)
            self.state = state_of(self.told, self.run.folder)

    def part(self, name: str, key: Any, make: Callable[[], Any]) -> Any:
        """That part of the page, made once for all who show it."""
        with self.lock:
            if name not in self.made or self.made[name][0] != key:
                self.made[name] = key, make()
            return copy.copy(self.made[name][1])

    def _take(self, event: events.Event) -> None:
        if isinstance(event, events.RunStarted):
            self.started, self.waiting, self.batch, self.done = event, None, None, None
        elif isinstance(event, events.Waiting):
            self.waiting = event
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


class Shown:
    """What one open page shows of a run."""

    def __init__(self, watch: Watch):
        self.watch = watch
        self.lock = threading.Lock()
        self.keys: dict[str, Any] = {}
        self.version = ""

    def changes(self, views: dict[str, View], seen: str) -> dict[str, Any]:
        """The parts of the page that are to change, by name, and the version of the page that they make; nothing
        where nothing does. `seen` is the version that the page has now: the watch's mark, and a word of this answer."""
        with self.lock:
            self.watch.read()
            mark = self.watch.mark
            if seen != self.version:
                self.keys.clear()
            made = {}
            for name, view in views.items():
                key, make = view(self.watch)
                if name not in self.keys or self.keys[name] != key:
                    made[name], self.keys[name] = self.watch.part(name, key, make), key
            if made or seen.partition("-")[0] != mark:
                self.version = made["seen"] = f"{mark}-{secrets.token_hex(8)}"
            return made


def watch_of(run: Run | None) -> Watch | None:
    """The watch on a run; None where there is none, or it cannot be read."""
    try:
        return _shared(run.folder, (run.folder / "run.json").stat().st_mtime_ns) if run else None
    except (RunError, ValueError, OSError):
        return None


@functools.lru_cache(maxsize=64)
def _shared(folder: Path, made: int) -> Watch:
    """One watch for all pages on a run; `made` tells it from a later run in a folder of the same name."""
    return Watch(Run(folder))


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
