"""A run that was killed ends in the same submission as one that was left alone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from assistant import reading, settings
from assistant.runs import Run, start_run
from recipes import events
from tests.assistant.conftest import ended, quick


def _begun_but_not_finished(cache: Path, kind: str) -> bool:
    return any(
        not (folder / "array.json").exists() for folder in cache.glob(f"{kind}/*") if (folder / "data.bin").exists()
    )


def _epochs(run: Run, step: int) -> int:
    return sum(isinstance(event, events.Epoch) and event.step == step for event in run.events())


def _in_step(run: Run, step: int) -> bool:
    told = run.events()
    started = [event.step for event in told if isinstance(event, events.StepStarted)]
    return (
        bool(started)
        and max(started) == step
        and not any(isinstance(e, events.StepEnded) and e.step == step for e in told)
    )


def _moments(cache: Path) -> list[tuple[str, Callable[[Run], bool]]]:
    return [
        ("decoding", lambda run: _begun_but_not_finished(cache, "pixels")),
        ("activations", lambda run: _begun_but_not_finished(cache, "activations")),
        ("first sweep", lambda run: _in_step(run, 2)),
        ("head on activations", lambda run: _in_step(run, 3)),
        ("head with augmentation", lambda run: _epochs(run, 4) >= 1),
        ("between two cycles of the head", lambda run: _epochs(run, 4) >= 2),
        ("second sweep", lambda run: _in_step(run, 7)),
        ("whole network, first cycle", lambda run: _in_step(run, 8)),
        ("whole network, in the second cycle", lambda run: _epochs(run, 8) >= 2),
        (
            "test-time augmentation",
            lambda run: any(isinstance(e, events.StepEnded) and e.step == 8 for e in run.events()),
        ),
        ("writing", lambda run: (run.folder / "valid.csv").exists()),
    ]


def _kill_when(run: Run, moment: Callable[[Run], bool]) -> str:
    """Kills the worker with SIGKILL as soon as `moment` has come; the state just before."""
    end = time.monotonic() + 120
    while not moment(run):
        assert time.monotonic() < end, "the moment never came"
        time.sleep(0.001)
    state = run.state()
    pid = [event.pid for event in run.events() if isinstance(event, events.RunStarted)][-1]
    os.kill(pid, signal.SIGKILL)
    while run.state() == "running":
        time.sleep(0.005)
    return state


def test_a_run_killed_at_eleven_moments_writes_the_same_submission_byte_for_byte(
    make_competition, tmp_path, monkeypatch
):
    folder = make_competition(train=240, test=40, side=320, template="classes")
    competition = reading.read(folder)
    options = quick(sizes=[48, 64], max_cycles=2, tta=3, ema=0.9)

    alone = start_run(competition, options, tmp_path / "alone")
    assert ended(alone) == "done", (alone.folder / "worker.log").read_text()

    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / "other-home"))
    settings.home.cache_clear()
    killed = start_run(competition, options, tmp_path / "killed")
    for number, (name, moment) in enumerate(_moments(tmp_path / "other-home" / "cache")):
        if number:
            killed.resume()
        assert _kill_when(killed, moment) == "running", name
        assert killed.state() == "failed", name
    killed.resume()
    assert ended(killed) == "done", (killed.folder / "worker.log").read_text()

    for name in ("submission.csv", "test.csv", "valid.csv"):
        assert (killed.folder / name).read_bytes() == (alone.folder / name).read_bytes(), name
    weights = Path("model") / "model.safetensors"
    assert (killed.folder / weights).read_bytes() == (alone.folder / weights).read_bytes()
    assert sum(isinstance(event, events.RunStarted) for event in killed.events()) == 12
