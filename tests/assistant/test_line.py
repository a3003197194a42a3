"""The line for a device: one run trains at a time, the next follows at once, and nobody is shut out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from assistant import line, reading
from assistant.cli import app
from assistant.line import BEHIND, Ticket, Turn, before, devices_of, person_of, placed
from assistant.runs import Run, RunError, start_run
from recipes import events
from tests.assistant.conftest import ended, quick

HOLDER = """
import sys, time
from assistant.line import Turn
turn = Turn(("cpu",), "somebody", lambda event: None)
turn.wait()
print("mine", flush=True)
time.sleep(600)
"""


@pytest.fixture
def competition(make_competition):
    return reading.read(make_competition(train=24, test=3))


@pytest.fixture
def held(home):
    """The CPU, held by a process of another person until the test ends it."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "mine\n"
    yield process
    process.kill()
    process.wait()


def places(run: Run) -> list[int]:
    return [event.ahead for event in run.events() if isinstance(event, events.Waiting)]


def wait_until(true, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def process_of(run: Run) -> psutil.Process:
    return psutil.Process([event.pid for event in run.events() if isinstance(event, events.RunStarted)][-1])


# ---------------------------------------------------------------- real runs


def test_two_runs_never_train_at_once_and_a_killed_one_lets_the_next_go_on(competition, tmp_path):
    first, second, third = (start_run(competition, quick(max_cycles=1), tmp_path / name) for name in "abc")
    wait_until(lambda: places(second) and places(third))
    assert (places(first), places(second), places(third)) == ([], [1], [2])
    assert [run.state() for run in (first, second, third)] == ["running", "waiting", "waiting"]
    assert not any("torch" in mapped.path for mapped in process_of(second).memory_maps())

    wait_until(lambda: any(isinstance(event, events.StepStarted) for event in first.events()))
    killed = time.time()
    os.kill(process_of(first).pid, signal.SIGKILL)
    wait_until(lambda: places(second)[-1] == 0, 10)
    assert _begun(second) - killed < 5
    assert first.state() == "failed"
    first.resume()  # at the end of the line
    wait_until(lambda: places(first), 20)
    assert (places(third)[-1], places(first)) == (1, [2])
    third.stop()

    for run in (second, first):
        assert ended(run) == "done", (run.folder / "worker.log").read_text()
    assert places(first) == [2, 1, 0]
    assert _begun(first) >= second.events()[-1].t
    for run in (second, first):
        told = run.events()
        assert told[-1].seconds <= told[-1].t - told[0].t - _waited(told) + 0.1  # the wait is no part of it


def _waited(told: list[events.Event]) -> float:
    """Seconds from each start of the run's worker to its turn."""
    total, started = 0.0, 0.0
    for event in told:
        if isinstance(event, events.RunStarted):
            started = event.t
        elif isinstance(event, events.Waiting):
            total, started = total + event.t - started, event.t
    return total


def _begun(run: Run) -> float:
    """When the run's turn came."""
    return [event.t for event in run.events() if isinstance(event, events.Waiting) and event.ahead == 0][-1]


def test_a_run_that_waits_is_stopped_within_two_seconds_and_goes_on_when_resumed(competition, tmp_path, held):
    run = start_run(competition, quick(max_cycles=1), tmp_path / "run")
    wait_until(lambda: run.state() == "waiting")
    with pytest.raises(RunError, match="going on already"):
        run.resume()
    start = time.monotonic()
    run.stop()
    assert ended(run) == "stopped"
    assert time.monotonic() - start < 2
    assert run.events()[-1].during == "the wait for the device"
    assert [path.name for path in (line.home() / "line").glob("*/*.json") if str(held.pid) not in path.name] == []

    run.resume()
    wait_until(lambda: run.state() == "waiting")
    held.kill()
    assert ended(run) == "done", (run.folder / "worker.log").read_text()


def test_keeping_the_best_of_a_run_that_has_learned_nothing_stops_it(competition, tmp_path, held):
    run = start_run(competition, quick(), tmp_path / "run")
    wait_until(lambda: run.state() == "waiting")
    run.stop(keep_best=True)
    assert ended(run) == "stopped"
    told = run.events()
    assert [event.text for event in told if isinstance(event, events.Warned)] == [
        "stopped before its turn came: there are no weights to keep yet"
    ]


def test_keeping_the_best_of_a_run_that_has_learned_waits_for_its_turn_to_predict(competition, tmp_path):
    run = start_run(competition, quick(max_cycles=20), tmp_path / "run")
    wait_until(lambda: any(isinstance(event, events.Epoch) and event.step == 8 for event in run.events()))
    run.stop()
    assert ended(run) == "stopped"
    turn = Turn(("cpu",), "somebody", lambda event: None)
    turn.wait()
    run.resume()
    wait_until(lambda: run.state() == "waiting")
    run.stop(keep_best=True)
    time.sleep(1.5)
    assert run.state() == "waiting"
    turn.end()
    assert ended(run) == "done", (run.folder / "worker.log").read_text()
    assert run.events()[-1].kept_best


def test_a_run_at_once_waits_for_nobody_but_others_wait_for_it_where_it_was_first(competition, tmp_path, held):
    def begun(name: str) -> Run:
        run = start_run(competition, quick(max_cycles=1), tmp_path / name, at_once=True)
        wait_until(lambda: any(isinstance(event, events.ImagesReady) for event in run.events()))
        assert places(run) == []
        return run

    beside = begun("beside")
    beside.stop()
    assert ended(beside) == "stopped"
    held.kill()
    held.wait()
    first = begun("first")
    behind = start_run(competition, quick(max_cycles=1), tmp_path / "behind")
    wait_until(lambda: places(behind))
    assert places(behind) == [1]
    first.stop()
    wait_until(lambda: places(behind) == [1, 0], 10)
    behind.stop()
    assert ended(behind) == "stopped"


def test_the_list_of_runs_says_who_waits(competition, held):
    run = start_run(competition, quick())
    wait_until(lambda: run.state() == "waiting")
    told = json.loads(CliRunner().invoke(app, ["runs", "--json"]).stdout)
    assert [(row["state"], row["ahead"]) for row in told] == [("waiting", 1)]
    assert "waiting (1 before it)" in CliRunner().invoke(app, ["runs"]).stdout
    stopped = CliRunner().invoke(app, ["stop", run.name])
    assert f"{run.name} is stopped" in stopped.stdout
    told = json.loads(CliRunner().invoke(app, ["runs", "--json"]).stdout)
    assert [(row["state"], row["ahead"]) for row in told] == [("stopped", None)]


# ---------------------------------------------------------------- tickets


def stand(*people: str, devices: tuple[str, ...] = ("cpu",)) -> list[Ticket]:
    """Tickets of these people, who came in this order; the first trains."""
    tickets: list[Ticket] = []
    for person in people:
        number, place = placed(person, devices, tickets)
        tickets.append(Ticket(number=number, place=place, person=person, devices=devices, pid=1, started=0.0))
    return [ticket.model_copy(update={"training": ticket is tickets[0]}) for ticket in tickets]


def order(tickets: list[Ticket]) -> list[str]:
    """Who trains, one after the other."""
    return [ticket.person for ticket in sorted(tickets, key=lambda ticket: len(before(ticket, tickets)))]


def test_one_persons_runs_go_in_the_order_in_which_they_came():
    tickets = stand(*["ann"] * 5)
    assert [len(before(ticket, tickets)) for ticket in tickets] == [0, 1, 2, 3, 4]
    left = tickets[3:]  # three are done, two wait, and another one comes
    number, place = placed("ann", ("cpu",), left)
    assert place > max(ticket.place for ticket in left)
    assert number == 6


def test_one_persons_many_runs_do_not_shut_out_two_others():
    tickets = stand("ann", "ann", "ann", "ann", "bob", "eve", "bob")
    assert order(tickets) == ["ann", "bob", "eve", "ann", "bob", "ann", "ann"]


def test_nobody_waits_for_ever_while_strangers_keep_coming():
    """Another stranger comes whenever a turn ends; ann's second run still gets one."""
    tickets, turns = stand("ann", "ann", "stranger 0"), 0
    while tickets[0].person != "ann" or tickets[0].number == 1:
        tickets = tickets[1:]
        number, place = placed(f"stranger {turns + 1}", ("cpu",), tickets)
        new = Ticket(number=number, place=place, person=f"stranger {turns + 1}", devices=("cpu",), pid=1, started=0)
        tickets = sorted([*tickets, new], key=lambda ticket: ticket.order)
        tickets[0] = tickets[0].model_copy(update={"training": True})
        turns += 1
        assert turns <= BEHIND
    assert turns > BEHIND / 2


def test_runs_on_different_devices_do_not_wait_for_each_other_and_one_on_both_waits_for_both():
    first, second = stand("ann", devices=("gpu-0",))[0], stand("bob", devices=("gpu-1",))[0]
    both = Ticket(number=3, place=3, person="eve", devices=("gpu-0", "gpu-1"), pid=3, started=0)
    assert before(second, [first, second, both]) == []
    assert before(both, [first, second, both]) == [first, second]


def test_two_runs_on_two_devices_go_at_once(home):
    one, two = Turn(("gpu-0",), "ann", pytest.fail), Turn(("gpu-1",), "ann", pytest.fail)
    one.wait()
    two.wait()
    assert len(one.held) == len(two.held) == 1
    one.end()
    two.end()


def test_one_gpu_under_two_names_is_still_given_to_one_run_only(home):
    told: list[events.Event] = []
    one = Turn(("gpu-0",), "ann", pytest.fail)
    two = Turn(("gpu-GPU-4af1",), "bob", told.append, lambda: True)
    one.wait()
    one.also("gpu-4af1")
    two.wait()
    with pytest.raises(line.Stopped):
        two.also("gpu-4af1")
    one.end()
    two.also("gpu-4af1")
    assert len(two.held) == 2
    two.end()


def _ticket(folder: Path, **more) -> Path:
    given = {"number": 1, "place": 1, "person": "ann", "devices": ("cpu",), "pid": 1, "started": 0.0, **more}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{given['number']:06d}-{given['pid']}.json"
    path.write_text(Ticket(**given).model_dump_json())
    return path


def test_tickets_of_the_dead_and_of_those_who_have_their_number_now_are_passed_over_and_removed(home):
    turn = Turn(("cpu",), "bob", pytest.fail)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead = _ticket(turn.folder, pid=process.pid, started=1.0, training=True)
    again = _ticket(turn.folder, number=2, pid=os.getppid(), started=line.started_at(os.getppid()) - 5)
    broken = turn.folder / "000003-7.json"
    broken.write_text('{"number": 3, "pla')
    start = time.monotonic()
    turn.wait()
    assert time.monotonic() - start < 1
    assert not any(path.exists() for path in (dead, again, broken))
    turn.end()
    assert list(turn.folder.glob("*.json")) == []


def test_a_living_ticket_is_waited_for_and_the_place_is_told_once(home):
    told: list[events.Event] = []
    looks = iter([False, False, True])
    turn = Turn(("cpu",), "bob", told.append, lambda: next(looks))
    waiting = _ticket(turn.folder, pid=os.getppid(), started=line.started_at(os.getppid()))
    with pytest.raises(line.Stopped):
        turn.wait()
    assert [event.ahead for event in told] == [1]
    waiting.unlink()
    turn.end()


RACER = """
import os, sys, time
from assistant.line import Turn
turn = Turn(("cpu",), sys.argv[1], lambda event: None)
while time.time() < float(sys.argv[2]):
    pass
turn.wait()
print(f"{time.time():.4f}", end=" ", flush=True)
time.sleep(0.2)
print(f"{time.time():.4f}", flush=True)
turn.end()
"""


def test_five_who_come_at_the_same_moment_take_turns(home):
    at = str(time.time() + 3)
    racers = [
        subprocess.Popen([sys.executable, "-c", RACER, person, at], stdout=subprocess.PIPE, text=True)
        for person in ("ann", "ann", "bob", "eve", "eve")
    ]
    spans = sorted(tuple(map(float, racer.communicate(timeout=60)[0].split())) for racer in racers)
    assert len(spans) == 5
    for (_, end), (start, _) in pairwise(spans):
        assert start >= end


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "environment", "devices"),
    [
        ("cpu", {}, ("cpu",)),
        ("auto", {}, ("gpu-0",)),
        ("auto", {"CUDA_VISIBLE_DEVICES": ""}, ("cpu",)),
        ("auto", {"CUDA_VISIBLE_DEVICES": "3,1"}, ("gpu-3",)),
        ("auto", {"ACCELERATE_TORCH_DEVICE": "cuda:1"}, ("gpu-1",)),
        ("auto", {"ACCELERATE_TORCH_DEVICE": "cpu"}, ("cpu",)),
        ("cuda", {}, ("gpu-0",)),
        ("cuda:0", {}, ("gpu-0",)),
        ("cuda:1", {}, ("gpu-1",)),
        (" CUDA:1 ", {"CUDA_VISIBLE_DEVICES": "3, 1"}, ("gpu-1",)),
        ("cuda:0", {"CUDA_VISIBLE_DEVICES": "GPU-4af1"}, ("gpu-GPU-4af1",)),
        ("mps", {}, ("gpu-0",)),
        ("auto", {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "RANK": "0"}, ("gpu-0", "gpu-1")),
        ("auto", {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "RANK": "1"}, ()),
        ("cuda:1", {"WORLD_SIZE": "1", "RANK": "5"}, ("gpu-1",)),
        ("auto", {"WORLD_SIZE": "many", "RANK": "x"}, ("gpu-0",)),
    ],
)
def test_the_device_is_known_without_pytorch(tmp_path, name, environment, devices):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidia0").touch()
    assert devices_of(name, environment, tmp_path) == devices


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere auto may always be a GPU")
def test_auto_is_the_cpu_where_there_is_no_sign_of_a_gpu(tmp_path):
    (tmp_path / "dev").mkdir()
    assert devices_of("auto", {}, tmp_path) == devices_of("cpu", {}, tmp_path) == ("cpu",)
    for sign in ("dev/kfd", "dev/dxg", "proc/driver/nvidia", "dev/dri/renderD128", "dev/nvhost-gpu"):
        (tmp_path / sign).mkdir(parents=True)
        assert devices_of("auto", {}, tmp_path) == ("gpu-0",), sign
        (tmp_path / sign).rmdir()


def test_a_visitors_runs_are_theirs_and_all_others_the_owners(home, tmp_path):
    assert person_of(home / "visitors" / "4af1" / "runs" / "one") == "4af1"
    assert person_of(home / "runs" / "one") == person_of(tmp_path / "elsewhere") == "owner"


def test_waiting_imports_neither_pytorch_nor_pandas():
    code = "import sys, assistant.worker; print([name for name in ('torch', 'pandas', 'timm') if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


@pytest.mark.gpu
def test_a_gpu_has_one_name_for_everybody():
    import torch

    from recipes.device import chosen_device, identity

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    assert identity(chosen_device("auto")) == identity(chosen_device("cuda:0"))
    assert len(identity(chosen_device("cuda:0"))) > 20
