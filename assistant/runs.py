"""The run folder: start, watch, stop, resume, list. Whoever starts a run only writes a folder and a process; whoever
watches only reads.

A run's state is derived from its events and from whether its process lives; nothing else stores it.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator

from assistant.competition import Competition, CompetitionError
from assistant.processes import lives, start_worker
from assistant.settings import runs_folder
from recipes import events
from recipes.errors import StorageError
from recipes.store import atomic_write

__all__ = [
    "GOING_ON",
    "Asked",
    "EventReader",
    "Options",
    "Run",
    "RunError",
    "find_run",
    "launch",
    "list_runs",
    "score_of",
    "start_run",
    "write_run",
]

State = Literal["starting", "waiting", "running", "paused", "stopped", "failed", "done"]
GOING_ON: tuple[State, ...] = ("starting", "waiting", "running")
_ENDS = {"run_paused": "paused", "run_stopped": "stopped", "run_failed": "failed", "run_done": "done"}
_STARTS_WITHIN = 30.0  # seconds that a worker may take until its first event


class RunError(Exception):
    """A run cannot be started, found, stopped or resumed: one line."""


class Options(BaseModel):
    """What is asked of a run, beside the competition. Texts are those of the command's help."""

    recipe: str = Field("eight_steps", description="eight_steps, five_steps, one_cycle, or steps joined by +.")
    arch: str = Field("resnet34", description="Any timm architecture.")
    weights: str = Field(
        "auto", description="auto (RECIPES_WEIGHTS, else the Hub), none (random), or a safetensors file."
    )
    sizes: list[int] = Field(
        [224], description="Image sides in pixels; several for progressive resizing, such as 128,224."
    )
    tta: int = Field(4, ge=0, le=64, description="Random views a test image, beside the plain one.")
    folds: int = Field(
        1, ge=1, le=20, description="1: one validation split; more: cross-validation, predictions averaged."
    )
    valid: float = Field(0.2, gt=0, lt=1, description="Share of the labelled images that validates, with one fold.")
    seed: int = Field(42, ge=0, description="Seed of the split and of everything random.")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps.")
    batch_size: int = Field(64, ge=2, le=4096, description="Images a step.")
    augment: str = Field("side_on", description="plain, side_on or top_down.")
    max_zoom: float = Field(1.1, ge=1, le=3, description="Largest enlargement of a random view.")
    ratio: float = Field(
        10.0,
        ge=1,
        le=100,
        description="How much lower each earlier layer group's rate is (one_cycle: in its sweep alone).",
    )
    max_cycles: int | None = Field(
        None,
        ge=1,
        le=20,
        description="Cycles of each whole-network step at most (default: the recipe's; one_cycle has none).",
    )
    smoothing: float = Field(0.0, ge=0, lt=0.5, description="Label smoothing.")
    ema: float = Field(0.0, ge=0, lt=1, description="Decay of averaged weights (EMA), such as 0.99; 0 for none.")
    precision: str = Field("auto", description="auto, fp32 or bf16.")

    @field_validator("sizes")
    @classmethod
    def _sizes(cls, sizes: list[int]) -> list[int]:
        if not sizes or not all(8 <= size <= 4096 for size in sizes):
            raise ValueError("give one or more sizes from 8 to 4096 pixels")
        return sizes


class Asked(BaseModel):
    """`run.json`: what was asked. Written first, never changed."""

    version: int = 1
    created: float
    competition: Competition
    options: Options
    versions: dict[str, str]


@dataclass(frozen=True)
class Run:
    """A run folder."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    def asked(self) -> Asked:
        """What `run.json` holds. Raises RunError where it cannot be read."""
        try:
            return Asked.model_validate_json((self.folder / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValidationError) as error:
            raise RunError(
                f"not a run folder: {self.folder} ({_first_line(error)}); name a folder that a run wrote"
            ) from None

    def events(self) -> list[events.Event]:
        """All events so far; a half-written last line is left out."""
        return EventReader(self.folder).new()

    def state(self) -> State:
        """starting, waiting (for its turn on the device), running, paused (between two parts), stopped, failed or done."""
        return state_of(EventReader(self.folder).new(), self.folder)

    def stop(self, keep_best: bool = False) -> None:
        """Asks the worker to stop: at once, or to keep the best weights so far and go on to predict. A paused run obeys
        with its next part."""
        if self.state() not in (*GOING_ON, "paused"):
            raise RunError(f"the run is not going on: {self.name} is {self.state()}; nothing to stop")
        atomic_write(self.folder / "stop.json", json.dumps({"keep_best": keep_best}))

    def resume(self, at_once: bool = False) -> Run:
        """Starts a worker that goes on where the run was, at the end of the line for its device, or `at_once`. Raises
        RunError for a run that is going on or done."""
        self.asked()
        state = self.state()
        if state in GOING_ON:
            raise RunError(f"the run is going on already: {self.name}; watch it, or stop it first")
        if state == "done":
            raise RunError(f"the run is done: {self.name}; start a new one")
        (self.folder / "stop.json").unlink(missing_ok=True)
        launch(self.folder, at_once=at_once)
        return self

    def watch(
        self, poll: float = 0.2, until: Callable[[], bool] = lambda: False, since: int = 0
    ) -> Iterator[events.Event]:
        """Every event from byte `since` of the log on, as they come, until the run has ended, its process has died,
        or `until()`."""
        reader, seen = EventReader(self.folder, since), []
        while True:
            new = reader.new()
            seen += [event for event in new if not isinstance(event, events.Batch)]
            yield from new
            if until():
                return
            if not new:
                if state_of(seen, self.folder) in ("paused", "stopped", "failed", "done"):
                    yield from reader.new()
                    return
                time.sleep(poll)

    def remove(self) -> None:
        """Deletes the folder of a run that is not going on."""
        if self.state() in GOING_ON:
            raise RunError(f"the run is going on: {self.name}; stop it first")
        shutil.rmtree(self.folder)


class EventReader:
    """Reads a run's events as they are appended; each `new()` gives what has come since the last."""

    def __init__(self, folder: Path, since: int = 0):
        self.path, self.at = folder / "events.jsonl", since

    def new(self) -> list[events.Event]:
        """Events of all whole lines that were not read before."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self.at)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self.at += len(whole)
        read = []
        for line in whole.splitlines():
            try:
                event = events.from_dict(json.loads(line))
            except (ValueError, TypeError):
                continue  # a line that a crash cut short
            if event is not None:
                read.append(event)
        return read


def state_of(told: list[events.Event], folder: Path) -> State:
    """The state that these events and the process behind them mean."""
    last = next((e for e in reversed(told) if e.event in _ENDS or isinstance(e, events.RunStarted)), None)
    if last is None:
        try:
            young = time.time() - (folder / "run.json").stat().st_mtime < _STARTS_WITHIN
        except OSError:
            young = False
        return "starting" if young else "failed"
    if isinstance(last, events.RunStarted):
        if not lives(last.pid, last.process_started):
            return "failed"
        return "waiting" if _ahead(told) else "running"
    return _ENDS[last.event]  # type: ignore[return-value]


def _ahead(told: list[events.Event]) -> int:
    """How many runs go before this one, by the last event of its worker that says so."""
    last = next((e for e in reversed(told) if isinstance(e, (events.RunStarted, events.Waiting))), None)
    return last.ahead if isinstance(last, events.Waiting) else 0


def start_run(competition: Competition, options: Options, out: Path | None = None, at_once: bool = False) -> Run:
    """Writes the run folder and starts its worker, which waits for its turn on the device unless it is to train
    `at_once`. Raises RunError where the folder holds a run or cannot be written."""
    run = write_run(competition, options, out)
    launch(run.folder, at_once=at_once)
    return run


def write_run(competition: Competition, options: Options, out: Path | None = None) -> Run:
    """Writes the run folder, and starts nothing. Raises RunError as `start_run` does."""
    if competition.unsupported:
        raise RunError(f"{competition.slug} cannot be run: {competition.unsupported}")
    folder = (out or _fresh_folder(competition.slug)).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        asked = Asked(created=time.time(), competition=competition, options=options, versions=_versions())
        with open(folder / "run.json", "x", encoding="utf-8") as file:
            file.write(asked.model_dump_json(indent=1))
    except FileExistsError:
        raise RunError(
            f"the folder holds a run already: {folder}; resume it with `assistant resume {folder}`, or choose another with --out"
        ) from None
    except OSError as error:
        raise RunError(
            f"the run folder cannot be written: {folder} ({error.strerror}); choose another with --out"
        ) from None
    return Run(folder)


def find_run(name: str | Path) -> Run:
    """The run in that folder, or of that name in the folder of runs. Raises RunError."""
    for folder in (Path(name), runs_folder() / str(name)):
        if (folder / "run.json").is_file():
            return Run(folder.resolve())
    known = [run.name for run in list_runs()][:5]
    raise RunError(f"no such run: {name}; " + (f"the latest are {', '.join(known)}" if known else "there are none yet"))


def list_runs(folder: Path | None = None) -> list[Run]:
    """The runs in the folder of runs, latest first."""
    folder = folder or runs_folder()
    found = [path.parent for path in folder.glob("*/run.json")] if folder.is_dir() else []
    return [Run(path) for path in sorted(found, key=lambda path: (path / "run.json").stat().st_mtime, reverse=True)]


def _words(part: str, at_once: bool) -> list[str]:
    return ([part] if part else []) + (["--at-once"] if at_once else [])


def launch(folder: Path, part: str = "", at_once: bool = False) -> None:
    """Starts the worker for all that is left of the run, or for one part of it, and waits for its first event so that
    the run's state is told rightly from here on."""
    before = (folder / "events.jsonl").stat().st_size if (folder / "events.jsonl").exists() else 0
    child = start_worker([str(folder), *_words(part, at_once)])
    end = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < end and child.poll() is None:
        if (folder / "events.jsonl").exists() and (folder / "events.jsonl").stat().st_size > before:
            return
        time.sleep(0.02)
    if child.poll() not in (None, 0) and EventReader(folder).new() == []:
        raise RunError(f"the worker did not start: exit status {child.poll()}; see {folder / 'worker.log'}")


def _fresh_folder(slug: str) -> Path:
    stem = f"{slug}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder, number = runs_folder() / stem, 1
    while folder.exists():
        number += 1
        folder = runs_folder() / f"{stem}-{number}"
    return folder


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": sys.version.split()[0]}
    for name in ("recipe-assistant", "torch", "timm", "pillow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def explain(error: BaseException) -> str:
    """One line for a user, for any error that starting or reading a run may raise."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"a setting is out of range: {'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}"
    return str(error) if isinstance(error, (RunError, CompetitionError, StorageError)) else _first_line(error)


def as_json(run: Run) -> dict[str, Any]:
    """A run as `assistant runs --json` tells it."""
    asked, told = run.asked(), run.events()
    done = next((e for e in reversed(told) if isinstance(e, events.RunDone)), None)
    submission = run.folder / "submission.csv"
    return {
        "name": run.name,
        "folder": str(run.folder),
        "competition": asked.competition.slug,
        "state": (state := state_of(told, run.folder)),
        "ahead": _ahead(told) if state == "waiting" else None,
        "created": asked.created,
        "options": asked.options.model_dump(),
        "scores": done.scores if done else {},
        "seconds": done.seconds if done else None,
        "submission": str(submission) if submission.exists() else None,
    }


def score_of(scores: dict[str, dict[str, float]]) -> tuple[str, float | None]:
    """The metric's name and the score that tells of a run: of its decisions, else with TTA, else plain; none before its end."""
    view = next((view for view in ("valid_decided", "valid_tta", "valid") if view in scores), "")
    return next(iter(scores.get(view, {}).items()), ("", None))
