"""What a run will take on this machine, before it is started. What has to be measured is measured by a process of its
own, `python -m assistant.estimate ASKED.json`, so that nobody's clicks wait for it, and once: it is kept among the
caches.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from pydantic import BaseModel, ValidationError

from assistant.competition import Competition, CompetitionError
from assistant.planned import counts_of, plan_of
from assistant.processes import worker_environment
from assistant.runs import Options, RunError
from assistant.settings import cache_folder
from recipes.errors import RecipeError, Stopped, one_line
from recipes.estimate import Estimate
from recipes.planning import Counts
from recipes.speed import Decoding, Speed
from recipes.store import atomic_write, digest, writable_folder

__all__ = ["estimate", "main"]

SECONDS = 3.0  # that the network's trial may take, all sizes together


class Asked(BaseModel):
    """What the measuring process is given."""

    competition: Competition
    options: Options


@dataclass(frozen=True)
class Found:
    """What it found of the images: how many there are, how fast they are decoded; and seconds until it was ready."""

    counts: Counts
    decoding: Decoding
    start: float


def estimate(
    competition: Competition,
    options: Options,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    timeout: float = 120.0,
) -> Estimate:
    """What the run will take; measured on the first call for these images and this network, and at once after that.

    Raises Stopped, RecipeError for options that cannot be, RunError where measuring failed or took too long.
    """
    from recipes.estimate import estimate as combined

    plan_of(options, counts_of(competition, options))  # says what cannot be before anything is measured
    found, speeds = _kept(competition, options)
    if found is None or speeds is None:
        _measured(competition, options, should_stop, timeout)
        found, speeds = _kept(competition, options)
    if found is None or speeds is None:
        raise RunError("the time cannot be estimated: nothing was measured; start the run, it tells its own time")
    by_size = dict(zip(options.sizes, speeds))
    plan = plan_of(options, found.counts)
    return combined(plan, by_size, found.decoding, start=found.start, kept=options.weights != "none")


def _kept(competition: Competition, options: Options) -> tuple[Found | None, list[Speed] | None]:
    """What was measured before; None for what was not."""
    from recipes import speed

    try:
        told = json.loads(_place(competition, options).read_text())
        found = Found(Counts(**told["counts"]), Decoding(**told["decoding"]), told["start"])
    except (OSError, ValueError, TypeError, KeyError):
        found = None
    speeds = [speed.kept(*_network(options, size)) for size in options.sizes]
    whole = [each for each in speeds if each is not None]
    return found, whole if len(whole) == len(speeds) else None


def _place(competition: Competition, options: Options) -> Path:
    """The file that holds what was found of these images."""
    folder = competition.root
    try:
        changed = folder.stat().st_mtime_ns
    except OSError:
        changed = 0
    about = (str(folder), changed, competition.train_images, competition.test_images)
    split = (options.valid, options.folds, options.seed)
    return cache_folder() / "estimates" / f"{digest(*about, *split, sorted(set(options.sizes)))}.json"


def _network(options: Options, size: int) -> tuple[str, int, int, str, str, Path, float | None]:
    return (
        options.arch,
        size,
        options.batch_size,
        options.device,
        options.precision,
        cache_folder(),
        options.ema or None,
    )


def _measured(competition: Competition, options: Options, should_stop: Callable[[], bool], timeout: float) -> None:
    """Lets a process of its own measure what is not known yet. Raises Stopped, RunError, RecipeError."""
    with tempfile.TemporaryDirectory() as work:
        asked = Path(work) / "asked.json"
        asked.write_text(Asked(competition=competition, options=options).model_dump_json(), encoding="utf-8")
        with open(Path(work) / "said", "w+b") as said:
            child = subprocess.Popen(
                [sys.executable, "-m", "assistant.estimate", str(asked)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=worker_environment(),
            )
            try:
                _awaited(child, should_stop, timeout)
            finally:
                child.kill()
                child.wait()
            said.seek(0)
            lines = said.read().decode("utf-8", "replace").strip().splitlines() or [""]
    if child.returncode == 1 and lines[-1].startswith("{"):
        raise RecipeError(json.loads(lines[-1])["error"])
    if child.returncode == -9:
        raise RunError(
            f"the time cannot be estimated: memory ran out with batches of {options.batch_size} of {options.arch} at "
            f"{max(options.sizes)} px; take a smaller batch, size or architecture"
        )
    if child.returncode:
        raise RunError(f"the time cannot be estimated: {lines[-1][:200]}; start the run, it tells its own time")


def _awaited(child: subprocess.Popen, should_stop: Callable[[], bool], timeout: float) -> None:
    end = time.monotonic() + timeout
    while child.poll() is None:
        if should_stop():
            raise Stopped
        if time.monotonic() > end:
            raise RunError(
                f"the time cannot be estimated: measuring took longer than {timeout:g} s; start the run, it tells its own time"
            )
        time.sleep(0.05)


def main(argv: Sequence[str] | None = None) -> int:
    """Measures what the file named by the first argument asks for, and keeps it; 1 with one line of JSON where that
    cannot be."""
    try:
        asked = Asked.model_validate_json(Path((argv or sys.argv[1:])[0]).read_text(encoding="utf-8"))
        _measure(asked.competition, asked.options)
    except (RecipeError, CompetitionError, OSError, ValidationError, IndexError) as error:
        print(json.dumps({"error": one_line(error)}))  # noqa: T201 (read by whoever started this process)
        return 1
    return 0


def _measure(competition: Competition, options: Options) -> None:
    from assistant.image_table import image_table
    from recipes import speed

    images = image_table(competition, options.valid, options.seed)
    if options.folds > 1:
        images = images.fold(0, options.folds)
    start = time.time() - psutil.Process().create_time()
    for size in options.sizes:
        speed.measured(*_network(options, size), seconds=SECONDS / len(options.sizes))
    found = Found(Counts.of(images), speed.decoding(images.sources, options.sizes), start)
    place = _place(competition, options)
    writable_folder(place.parent)
    atomic_write(place, json.dumps(asdict(found)))


if __name__ == "__main__":
    sys.exit(main())
