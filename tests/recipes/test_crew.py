"""Rows made side by side."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from recipes.crew import Crew
from recipes.errors import Stopped

linux = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")


@pytest.mark.parametrize("workers", [1, *(pytest.param(number, marks=linux) for number in (2, 4))])
def test_rows_come_in_their_order_from_threads_and_from_processes(workers):
    crew = Crew(lambda row: (row, os.getpid()), 5, 600, workers)
    try:
        made = crew.until(100) + crew.until(600)
    finally:
        crew.close()
    assert [row for row, _ in made] == list(range(5, 600))
    assert (os.getpid() in {process for _, process in made}) == (workers == 1)


@linux
def test_a_worker_that_is_killed_costs_time_but_no_row(tmp_path):
    def one(row: int) -> int:
        if row == 200 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return row * row

    crew = Crew(one, 0, 700, 4)
    try:
        assert crew.until(700) == [row * row for row in range(700)]
    finally:
        crew.close()
    assert (tmp_path / "died").exists()


@linux
def test_what_goes_wrong_with_a_row_reaches_whoever_asks():
    crew = Crew(lambda row: 1 // (row - 300), 0, 700, 4)
    try:
        with pytest.raises(ZeroDivisionError):
            crew.until(700)
    finally:
        crew.close()


@pytest.mark.parametrize("workers", [1, 4])
def test_a_stop_is_heard_while_rows_take_long(workers):
    begun = time.monotonic()
    crew = Crew(lambda row: time.sleep(0.1), 0, 2000, workers, lambda: time.monotonic() - begun > 0.5)
    try:
        with pytest.raises(Stopped):
            crew.until(2000)
    finally:
        crew.close()
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=linux)])
def test_whoever_closes_a_crew_waits_for_one_row_a_worker(workers):
    crew = Crew(lambda row: time.sleep(0.3 if row else 0), 0, 2000, workers)
    crew._begin()
    time.sleep(0.5)  # the workers are at work, and have more before them
    begun = time.monotonic()
    crew.close()
    assert time.monotonic() - begun < 2


@linux
def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path):
    code = """
        import os, sys, time
        from pathlib import Path
        from recipes.crew import Crew

        def one(row):
            Path(sys.argv[1], str(os.getpid())).touch()
            time.sleep(0.2)

        Crew(one, 0, 5000, 4).until(5000)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    parent = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    try:
        wait(lambda: len(list(tmp_path.iterdir())) >= 2)
    finally:
        parent.kill()
        parent.wait()
    workers = [int(path.name) for path in tmp_path.iterdir()]
    wait(lambda: not any(psutil.pid_exists(pid) for pid in workers))


def wait(until, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_rows_own_time_out_is_told_and_not_waited_for():
    def one(row: int) -> int:
        raise TimeoutError(f"the disk did not answer for row {row}")

    crew = Crew(one, 0, 20, 2)
    try:
        with pytest.raises(TimeoutError, match="the disk did not answer"):
            crew.until(20)
    finally:
        crew.close()
