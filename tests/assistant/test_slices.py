"""A run in slices of a few seconds, each in a forked process, ends as one in one piece does."""

from __future__ import annotations

import json
import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from assistant import reading, settings, slices, standby
from assistant.runs import Run, RunError, start_run, write_run
from assistant.stop_file import StopFile
from assistant.worker import carry_out
from recipes import events
from tests.assistant.conftest import ended, quick

FORK = multiprocessing.get_context("fork")


def in_a_fork(work: Callable[[], events.Event | None], in_a_thread: bool = True) -> events.Event | None:
    """Carried out as the `spaces` package does it: in a thread of a forked daemon, the answer pickled."""
    answers = FORK.SimpleQueue()

    def answered() -> None:
        torch.set_num_threads(1)
        answers.put(work())

    def threaded() -> None:
        thread = threading.Thread(target=answered)
        thread.start()
        thread.join()

    process = FORK.Process(target=threaded if in_a_thread else answered, daemon=True)
    process.start()
    process.join(120)
    assert process.exitcode == 0
    return answers.get()


def slice_in_a_fork(folder: Path, seconds: float) -> events.Event | None:
    return in_a_fork(lambda: slices.carry_on(folder, seconds))


def part(run: Run, seconds: float) -> str:
    """Carries out the run's next part; its name."""
    waiting = slices.paused(run)
    assert waiting is not None
    if waiting.then == "folds":
        slice_in_a_fork(run.folder, seconds)
    else:
        only = "images" if waiting.then == "images" else ""
        in_a_fork(lambda: carry_out(run.folder, StopFile, only), in_a_thread=False)
    return waiting.then


def all_parts(run: Run, seconds: float, after: Callable[[], None] = lambda: None) -> list[str]:
    """The parts until nothing is left to do; slices are longer where so busy a machine gets nothing done in one."""
    parts = []
    while run.state() == "paused":
        if slices.paused(run).why:
            seconds *= 1.5
            slices.ready(run)
        parts.append(part(run, seconds))
        after()
        assert len(parts) < 100
    return parts


@pytest.fixture(autouse=True, scope="module")
def loaded():
    """What a server does before it forks."""
    standby.load()


def another_home(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / "other-home"))
    settings.home.cache_clear()


def test_a_run_in_slices_writes_the_same_submission_as_one_in_one_piece(make_competition, tmp_path, monkeypatch):
    competition = reading.read(make_competition(train=240, test=60, side=160, template="classes"))
    options = quick(sizes=[48, 64], max_cycles=2, tta=3, ema=0.9)
    alone = start_run(competition, options, tmp_path / "alone")
    assert ended(alone) == "done", (alone.folder / "worker.log").read_text()

    another_home(tmp_path, monkeypatch)
    sliced = write_run(competition, options, tmp_path / "sliced")
    slices.ready(sliced)
    fits = []

    def look() -> None:
        kept = sorted((sliced.folder / "checkpoints" / "fold-0").glob("0*/state.json"))
        fits.extend([json.loads(kept[-1].read_text())["fit"]] if kept else [])

    parts = all_parts(sliced, 0.8, look)

    assert sliced.state() == "done", (sliced.folder / "worker.log").read_text()
    assert parts[0] == "images"
    assert parts[-1] == "answers"
    assert parts[1:-1] == ["folds"] * (len(parts) - 2)
    assert len(parts) >= 6
    for name in ("submission.csv", "test.csv", "valid.csv", "model/model.safetensors"):
        assert (sliced.folder / name).read_bytes() == (alone.folder / name).read_bytes(), name
    done = sliced.events()[-1]
    assert isinstance(done, events.RunDone)
    assert done.scores == alone.events()[-1].scores
    assert done.seconds > sum(epoch.seconds for epoch in sliced.events() if isinstance(epoch, events.Epoch))
    assert not list(sliced.folder.glob("checkpoints/*/passes"))
    cut = [fit for fit in fits if fit and 0 < fit["batch"] < 12]
    assert cut, "no slice ended in the middle of an epoch"
    assert all(fit["seen"] == 16 * fit["batch"] for fit in cut)


def test_a_slice_that_brings_nothing_ends_with_one_line_and_the_state_is_kept(make_competition, tmp_path):
    run = write_run(reading.read(make_competition()), quick(), tmp_path / "run")
    slices.ready(run)
    assert part(run, 0.01) == "images"
    told = slice_in_a_fork(run.folder, 0.01)
    assert isinstance(told, events.RunPaused)
    assert told.why.startswith("a slice is too short: nothing that can be kept came of 0.01 s")
    assert "take a smaller size or architecture, or do this run elsewhere: its command" in told.why
    assert "\n" not in told.why
    assert run.state() == "paused"
    assert slices.paused(run).why == told.why
    slices.ready(run)
    assert all_parts(run, 20) == ["folds", "answers"]
    assert run.state() == "done"


def test_a_run_that_is_paused_goes_on_as_a_process_where_there_is_no_limit(make_competition, tmp_path):
    run = write_run(reading.read(make_competition()), quick(), tmp_path / "run")
    slices.ready(run)
    part(run, 1)
    part(run, 0.5)
    assert run.state() == "paused"
    assert list(run.watch())[-1].event == "run_paused"
    run.resume()
    assert ended(run) == "done"


def test_a_paused_run_that_is_asked_to_keep_the_best_predicts_in_its_next_slice(make_competition, tmp_path):
    run = write_run(reading.read(make_competition(train=240)), quick(batch_size=4, max_cycles=20), tmp_path / "run")
    slices.ready(run)
    while not any(isinstance(event, events.Epoch) for event in run.events()):
        part(run, 3)
    slices.ready(run)
    run.stop(keep_best=True)
    assert all_parts(run, 20) == ["folds", "answers"]
    done = run.events()[-1]
    assert isinstance(done, events.RunDone)
    assert done.kept_best
    assert (run.folder / "submission.csv").is_file()


def test_a_stop_is_obeyed_within_the_slice_and_the_run_can_be_made_ready_again(make_competition, tmp_path):
    run = write_run(reading.read(make_competition(train=240)), quick(batch_size=4), tmp_path / "run")
    slices.ready(run)
    part(run, 1)
    run.stop()
    assert slice_in_a_fork(run.folder, 30).event == "run_stopped"
    assert run.state() == "stopped"
    slices.ready(run)
    assert slices.paused(run).then == "folds"
    assert all_parts(run, 30) == ["folds", "answers"]
    assert run.state() == "done"


def test_with_nothing_learned_there_is_nothing_to_keep_and_the_run_stops(make_competition, tmp_path):
    run = write_run(reading.read(make_competition()), quick(), tmp_path / "run")
    slices.ready(run)
    part(run, 1)
    run.stop(keep_best=True)
    assert slice_in_a_fork(run.folder, 30).event == "run_stopped"
    assert "no weights to keep yet" in [e.text for e in run.events() if isinstance(e, events.Warned)][-1]


def test_only_one_slice_of_a_run_goes_on_at_a_time(make_competition, tmp_path):
    run = write_run(reading.read(make_competition()), quick(), tmp_path / "run")
    with slices.taken(run.folder) as mine, slices.taken(run.folder) as second:
        assert (mine, second) == (True, False)
        assert slices.going_on(run.folder)
    assert not slices.going_on(run.folder)
    slices.ready(run)
    with slices.taken(run.folder) as mine:
        assert mine
    with pytest.raises(RunError, match="holds a run already"):
        write_run(reading.read(tmp_path / "drawn"), quick(), run.folder)


def test_five_folds_in_slices_are_the_five_of_one_piece(make_competition, tmp_path, monkeypatch):
    competition = reading.read(make_competition(train=90, template="classes"))
    options = quick(recipe="one_cycle", folds=3, tta=1)
    alone = start_run(competition, options, tmp_path / "alone")
    assert ended(alone) == "done"
    another_home(tmp_path, monkeypatch)
    sliced = write_run(competition, options, tmp_path / "sliced")
    slices.ready(sliced)
    assert all_parts(sliced, 1.2)[-1] == "answers"
    assert (sliced.folder / "submission.csv").read_bytes() == (alone.folder / "submission.csv").read_bytes()
