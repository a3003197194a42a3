"""`accelerate launch -m assistant run`: two processes, one run."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from assistant import launched, reading
from assistant.runs import Run, start_run
from recipes import events
from tests.assistant.conftest import ended, quick
from tests.launching import launch

SETTINGS = "--arch test_resnet --weights none --sizes 32 --augment plain --ratio 1 --max-cycles 2 --tta 2"


def _run(folder: Path, out: Path, device: str = "cpu") -> subprocess.Popen:
    words = [*SETTINGS.split(), "--batch-size", "32", "--device", device, "--out", str(out)]
    return launch("-m", "assistant", "run", str(folder), *words)


def _ended(process: subprocess.Popen, seconds: float = 600) -> tuple[int, str, str]:
    try:
        out, errors = process.communicate(timeout=seconds)
    finally:
        process.terminate()  # the launcher ends what it has started
    return process.returncode, out, errors


def _until(true: Callable[[], object], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def _others(process: subprocess.Popen) -> list[psutil.Process]:
    """The run's further processes: they write nothing."""
    below = psutil.Process(process.pid).children(recursive=True)
    return [each for each in below if "assistant.others" in each.cmdline()]


def _step(run: Run) -> int:
    return max((event.step for event in run.events() if isinstance(event, events.StepStarted)), default=0)


def _table(path: Path) -> list[list[str]]:
    with open(path, newline="") as file:
        return list(csv.reader(file))


def _kinds(run: Run) -> set[str]:
    return {event.event for event in run.events()} - {"waiting"}


@pytest.fixture
def competition(make_competition) -> Path:
    return make_competition(train=120, test=12, side=48, template="classes")


def test_two_processes_make_the_run_of_one(competition, tmp_path):
    alone = start_run(reading.read(competition), quick(batch_size=32), tmp_path / "alone")
    assert ended(alone) == "done"
    status, out, errors = _ended(_run(competition, tmp_path / "two"))
    assert status == 0, errors
    two = Run(tmp_path / "two")
    assert two.state() == "done"
    assert out.count("step 8 of 8") == 1
    assert {str(p.relative_to(two.folder)) for p in two.folder.rglob("*")} == {
        str(p.relative_to(alone.folder)) for p in alone.folder.rglob("*")
    }
    for name in ("submission.csv", "valid.csv", "test.csv"):
        one, other = _table(alone.folder / name), _table(two.folder / name)
        assert one[0] == other[0]
        assert [row[0] for row in one] == [row[0] for row in other]
    assert _kinds(two) - {"advice", "decision"} == _kinds(alone) - {"advice", "decision"}
    scores = [run.events()[-1].scores["valid"]["accuracy"] for run in (alone, two)]
    assert min(scores) > 0.7  # a third would be right by chance
    assert abs(scores[0] - scores[1]) <= 0.13  # 3 of 24 images


def test_a_killed_process_ends_the_run_with_a_line_and_both_go_on_until_they_are_stopped(competition, tmp_path):
    run = Run(tmp_path / "run")
    process = _run(competition, run.folder)
    _until(lambda: run.folder.is_dir() and _step(run) >= 4)
    (other,) = _others(process)
    os.kill(other.pid, signal.SIGKILL)
    status, _, errors = _ended(process)
    assert status == 1
    assert run.state() == "failed"
    line = "one of the 2 processes ended without a word; resume goes on from the last checkpoint"
    assert run.events()[-1].error == line
    assert line in errors.splitlines()

    process = launch("-m", "assistant", "resume", str(run.folder))
    _until(lambda: run.state() == "running")
    _until(lambda: _step(run) == 8)
    others = _others(process)
    run.stop()
    status, out, errors = _ended(process)
    assert status != 0
    assert run.state() == "stopped"
    assert f"go on with: assistant resume {run.folder}" in errors
    assert out.count("eight steps resumed") == 1
    psutil.wait_procs(others, timeout=30)
    assert not any(each.is_running() for each in others)

    assert ended(run.resume()) == "done"
    assert len(_table(run.folder / "submission.csv")) == 13


def test_what_one_process_cannot_do_ends_the_run_with_a_line(competition, tmp_path):
    status, _, errors = _ended(_run(competition, tmp_path / "run", device="cuda:1"))
    assert status == 1
    assert "one device for several processes: 'cuda:1' was asked for; take auto, which gives each its own" in errors


def test_only_run_and_resume_are_carried_out_by_all(monkeypatch):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    for words in (["runs"], ["run", "--help"], []):
        with pytest.raises(SystemExit) as ending:
            launched.begin(words)
        assert ending.value.code == 0
    monkeypatch.setenv("RANK", "0")
    launched.begin(["run", "sample"])
    assert os.environ["WORLD_SIZE"] == "2"
    launched.begin(["serve"])
    assert "WORLD_SIZE" not in os.environ
