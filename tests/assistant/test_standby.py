"""A worker gets ready before there is a run for it, carries the next one out, and never stays behind."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from assistant import line, processes, reading, standby
from assistant.processes import worker_environment
from assistant.runs import start_run
from assistant.ui import form, recipe_step
from assistant.ui.session import open_session
from recipes import events
from tests.assistant.conftest import ended, quick


@pytest.fixture(autouse=True)
def nobody_left():
    yield
    for process in standing_by():
        process.kill()


def standing_by() -> list[psutil.Process]:
    """Workers that this process has started and told nothing yet."""
    found = []
    for child in psutil.Process().children():
        try:
            if child.status() != psutil.STATUS_ZOMBIE and standby.ARGUMENT in child.cmdline():
                found.append(child)
        except psutil.Error:
            continue
    return found


def until(true, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def started(run) -> events.RunStarted:
    return next(event for event in run.events() if isinstance(event, events.RunStarted))


@pytest.mark.parametrize("loaded", [False, True])
def test_a_run_is_carried_out_by_the_worker_that_stands_by(make_competition, tmp_path, loaded):
    standby.prepare(worker_environment())
    (ready,) = standing_by()
    if loaded:
        until(lambda: any("libtorch_cpu" in part.path for part in ready.memory_maps()))
    run = start_run(reading.read(make_competition(train=24, test=6)), quick(), tmp_path / "run")
    assert started(run).pid == ready.pid
    assert started(run).process_started == processes.started_at(ready.pid)
    assert ended(run) == "done"
    assert (run.folder / "submission.csv").is_file()
    until(lambda: not standing_by())


def test_what_a_worker_that_stood_by_has_to_say_is_in_its_runs_log(make_competition, tmp_path):
    competition = reading.read(make_competition(train=24, test=6))
    standby.prepare(worker_environment())
    run = start_run(competition, quick(arch="no_such_network"), tmp_path / "run")
    assert ended(run) == "failed"
    assert "no_such_network" in (run.folder / "worker.log").read_text()


def test_only_one_stands_by_and_none_for_another_environment(monkeypatch):
    standby.prepare(worker_environment())
    first = standing_by()
    standby.prepare(worker_environment())
    assert standing_by() == first
    monkeypatch.setenv("SOME_LIBRARY_S", "own")  # as importing timm and scikit-learn sets some
    standby.prepare(worker_environment())
    assert standing_by() == first
    monkeypatch.setenv("RECIPES_WEIGHTS", "/elsewhere")
    assert standby.take(["a run"], worker_environment()) is None
    assert standing_by() == []
    standby.prepare(worker_environment())
    (second,) = standing_by()
    assert [second] != first


def test_a_run_starts_although_the_one_that_stood_by_has_died(make_competition, tmp_path):
    competition = reading.read(make_competition(train=24, test=6))
    standby.prepare(worker_environment())
    (gone,) = standing_by()
    gone.kill()
    run = start_run(competition, quick(), tmp_path / "run")
    assert started(run).pid != gone.pid
    assert ended(run) == "done"


def test_it_leaves_when_nobody_has_come(monkeypatch):
    monkeypatch.setattr(standby, "LEAVES_AFTER", 0.5)
    standby.prepare(worker_environment())
    assert len(standing_by()) == 1
    until(lambda: not standing_by())
    assert standby.take(["a run"], worker_environment()) is None


def test_it_goes_with_the_process_that_started_it():
    code = "import os\nfrom assistant import processes\nprocesses.SPARE = 0\nprocesses.expect()\n"
    code += "from assistant import standby\nprint(standby._there[0].pid, flush=True)\nos.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    pid = int(done.stdout)
    until(lambda: not psutil.pid_exists(pid))


def test_none_gets_ready_where_memory_is_short(monkeypatch):
    processes.expect()  # with the tests' limit
    assert standing_by() == []
    monkeypatch.setattr(processes, "SPARE", 0)
    processes.expect()
    assert len(standing_by()) == 1


def test_measuring_sends_it_away_and_its_end_has_another_get_ready(make_competition, monkeypatch):
    monkeypatch.setattr(processes, "SPARE", 0)
    session = open_session("", public=False)[0]
    settings = form.values_of(quick())
    processes.expect()
    (first,) = standing_by()
    asked = f"folder:{make_competition(train=24, test=6)}", *(settings[name] for name in form.FIELDS)
    recipe_step.measure(session, False, *asked)
    assert standing_by() == []
    session.measuring.wait()
    assert "About" in recipe_step.progress(session)["takes"]
    assert [second != first for second in standing_by()] == [True]


def test_while_a_run_goes_on_no_other_gets_ready(make_competition, monkeypatch, tmp_path):
    monkeypatch.setattr(processes, "SPARE", 0)
    run = start_run(reading.read(make_competition(train=24, test=6)), quick(), tmp_path / "run")
    until(line.anybody)
    processes.expect()
    code = "from assistant import processes\nprocesses.SPARE = 0\nprocesses.expect()\n"
    code += "from assistant import standby\nprint(standby._there)"  # another process, as a restarted server is
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "None\n", done.stderr
    assert standing_by() == []
    assert ended(run) == "done"

    def again() -> list[psutil.Process]:
        processes.expect()
        return standing_by()

    until(again)  # its process takes a moment to end
