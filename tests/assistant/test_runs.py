"""Starting, watching, stopping and resuming; what a run folder holds."""

from __future__ import annotations

import json
import os
import time

import pandas as pd
import pytest
import timm
import torch

from assistant import reading, sample
from assistant.processes import worker_environment
from assistant.runs import EventReader, Options, Run, RunError, find_run, list_runs, start_run
from assistant.submission import check
from recipes import events, load
from recipes.device import bf16_pays
from tests import EIGHT_TITLES
from tests.assistant.conftest import ended, quick


def _wait_for(run: Run, wanted, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not any(wanted(event) for event in run.events()):
        assert time.monotonic() < end, "it never came"
        assert run.state() in ("running", "starting"), (run.folder / "worker.log").read_text()
        time.sleep(0.02)


def test_a_run_names_its_eight_steps_and_leaves_all_that_the_contract_lists(make_competition, tmp_path):
    competition = reading.read(make_competition(template="classes"))
    run = start_run(competition, quick(), tmp_path / "run")
    assert ended(run) == "done", (run.folder / "worker.log").read_text()

    told = run.events()
    assert [event.title for event in told if isinstance(event, events.StepStarted)] == EIGHT_TITLES
    assert {(event.step, event.of) for event in told if isinstance(event, events.StepStarted)} == {
        (i, 8) for i in range(1, 9)
    }
    assert len([event for event in told if isinstance(event, events.Sweep)]) == 2
    kinds = [event.event for event in told]
    assert kinds[0] == "run_started"
    assert kinds[-1] == "run_done"
    assert kinds.index("images_ready") < kinds.index("sweep")
    quicker = bf16_pays(timm.create_model(quick().arch), torch.device("cpu"))
    assert [event.kind for event in told if isinstance(event, events.Advice)].count("precision") == int(quicker)

    for name in ("run.json", "events.jsonl", "valid.csv", "test.csv", "submission.csv", "report.html"):
        assert (run.folder / name).stat().st_size > 0, name
    assert check(run.folder / "submission.csv", competition) == []
    valid = pd.read_csv(run.folder / "valid.csv", dtype={"id": str})
    assert list(valid.columns) == ["id", "target", "across", "disc", "down"]
    assert len(valid) == 12
    assert valid[["across", "disc", "down"]].sum(axis=1).between(0.99999, 1.00001).all()
    test = pd.read_csv(run.folder / "test.csv", dtype={"id": str})
    assert list(test["id"]) == [f"t{n:03d}" for n in range(12)]

    model = load(run.folder / "model")
    assert model.classes == ("across", "disc", "down")
    assert model.predict([competition.root / "test" / "t000.jpg"]).shape == (1, 3)


def test_every_line_of_the_log_is_strict_json_with_a_time_and_a_kind(make_competition, tmp_path):
    run = start_run(reading.read(make_competition(train=30, test=3)), quick(max_cycles=1), tmp_path / "run")
    assert ended(run) == "done"
    lines = (run.folder / "events.jsonl").read_text().splitlines()
    parsed = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert all(isinstance(line["t"], float) and line["event"] for line in parsed)
    epoch = next(line for line in parsed if line["event"] == "epoch")
    assert {"step", "of", "epoch", "train_loss", "valid_loss", "metrics", "lr"} <= set(epoch)


def stop_within_two_seconds(run) -> None:
    start = time.monotonic()
    run.stop()
    while run.state() == "running":
        time.sleep(0.01)
    assert time.monotonic() - start < 2
    assert run.state() == "stopped"


def test_a_stop_is_obeyed_within_two_seconds_and_the_run_can_go_on(make_competition, tmp_path):
    run = start_run(reading.read(make_competition(train=120)), quick(max_cycles=4), tmp_path / "run")
    _wait_for(run, lambda event: isinstance(event, events.Epoch) and event.step == 8)
    stop_within_two_seconds(run)
    assert not (run.folder / "submission.csv").exists()
    with pytest.raises(RunError, match="not going on"):
        run.stop()
    run.resume()
    assert ended(run) == "done"
    assert (run.folder / "submission.csv").exists()


def test_a_stop_while_the_worker_imports_or_decodes_is_obeyed_within_two_seconds(make_competition, tmp_path):
    run = start_run(reading.read(make_competition(train=150, side=700)), quick(sizes=[256]), tmp_path / "run")
    stop_within_two_seconds(run)


def test_a_run_that_is_stopped_with_the_best_kept_goes_on_to_a_submission(make_competition, tmp_path):
    competition = reading.read(make_competition(train=120, template="classes"))
    run = start_run(competition, quick(max_cycles=10), tmp_path / "run")
    _wait_for(run, lambda event: isinstance(event, events.Epoch) and event.step == 4)
    run.stop(keep_best=True)
    assert ended(run) == "done", (run.folder / "worker.log").read_text()
    done = run.events()[-1]
    assert isinstance(done, events.RunDone)
    assert done.kept_best
    assert check(run.folder / "submission.csv", competition) == []
    epochs = [event for event in run.events() if isinstance(event, events.Epoch)]
    best = max(event.metrics["log_loss"] * -1 for event in epochs)
    assert done.scores["valid"]["log_loss"] == pytest.approx(-best, abs=1e-4)


def test_two_runs_into_one_folder_are_refused_and_the_first_is_not_touched(make_competition, tmp_path):
    competition = reading.read(make_competition(train=30, test=3))
    run = start_run(competition, quick(max_cycles=1), tmp_path / "run")
    before = (run.folder / "run.json").read_bytes()
    with pytest.raises(RunError, match="holds a run already"):
        start_run(competition, quick(), tmp_path / "run")
    with pytest.raises(RunError, match="going on already"):
        run.resume()
    assert (run.folder / "run.json").read_bytes() == before
    assert ended(run) == "done"
    with pytest.raises(RunError, match="is done"):
        run.resume()


def test_a_folder_that_cannot_be_written_is_one_clear_line(make_competition, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(RunError, match=r"cannot be written.*choose another with --out"):
        start_run(reading.read(make_competition(train=12, test=2)), quick(), tmp_path / "file" / "run")


def test_a_failure_is_one_line_in_the_events_and_nothing_else_is_lost(make_competition, tmp_path):
    run = start_run(reading.read(make_competition(train=12, test=2)), quick(arch="resnett34"), tmp_path / "run")
    assert ended(run) == "failed"
    last = run.events()[-1]
    assert isinstance(last, events.RunFailed)
    assert "\n" not in last.error
    assert "resnet34" in last.error
    assert (run.folder / "run.json").exists()


def test_a_broken_checkpoint_is_passed_over_with_a_warning(make_competition, tmp_path):
    run = start_run(reading.read(make_competition(train=90)), quick(max_cycles=3), tmp_path / "run")
    _wait_for(run, lambda event: isinstance(event, events.Epoch) and event.step == 8)
    run.stop()
    assert ended(run) == "stopped"
    newest = sorted((run.folder / "checkpoints" / "fold-0").iterdir())[-1]
    file = newest / "state.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    run.resume()
    assert ended(run) == "done"
    assert any(isinstance(e, events.Warned) and "damaged checkpoint" in e.text for e in run.events())


def test_folds_average_their_predictions_and_every_labelled_image_is_validated_once(make_competition, tmp_path):
    competition = reading.read(make_competition(train=45, test=6, template="classes"))
    run = start_run(competition, quick(folds=3, max_cycles=1, tta=0), tmp_path / "run")
    assert ended(run) == "done", (run.folder / "worker.log").read_text()
    valid = pd.read_csv(run.folder / "valid.csv", dtype={"id": str})
    assert sorted(valid["id"]) == [f"{n:04d}" for n in range(45)]
    started = [event for event in run.events() if isinstance(event, events.StepStarted)]
    assert [(event.fold, event.folds) for event in started if event.step == 1] == [(0, 3), (1, 3), (2, 3)]
    assert check(run.folder / "submission.csv", competition) == []


def test_a_broken_test_picture_is_answered_by_the_classes_frequency_and_named(make_competition, tmp_path):
    folder = make_competition(train=60, test=6, template="classes")
    (folder / "test" / "t002.jpg").write_bytes(b"")
    (folder / "test" / "t004.jpg").write_text("<html>not found</html>")
    (folder / "test" / "t005.jpg").unlink()
    (folder / "train" / "0007.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    competition = reading.read(folder)
    run = start_run(competition, quick(max_cycles=1), tmp_path / "run")
    assert ended(run) == "done", (run.folder / "worker.log").read_text()
    ready = next(event for event in run.events() if isinstance(event, events.ImagesReady))
    assert set(ready.missing) == {"t002", "t004", "t005"}
    assert ready.missing["t002"] == "empty file"
    assert list(ready.set_aside) == ["0007"]
    table = pd.read_csv(run.folder / "submission.csv", dtype=str).set_index("image_id")
    assert len(table) == 6
    assert table.loc["t002"].equals(table.loc["t004"].rename("t002"))
    assert table.loc["t002"].astype(float).between(0.3, 0.37).all()
    assert not table.loc["t000"].equals(table.loc["t002"].rename("t000"))


def test_the_sample_is_scored_against_the_truth_that_was_kept_apart(tmp_path):
    folder = sample.write_sample(tmp_path / "sample")
    assert sorted(path.name for path in folder.iterdir()) == [
        "page.json",
        "sample_submission.csv",
        "test",
        "train",
        "train.csv",
    ]
    competition = reading.read(folder)
    assert competition.sample
    assert (competition.train_images, competition.test_images) == (1347, 450)
    template = pd.read_csv(folder / "sample_submission.csv", dtype=str)
    zeros = (template.assign(label="0")).to_csv(index=False)
    (tmp_path / "zeros.csv").write_text(zeros)
    assert sample.score(tmp_path / "zeros.csv")["accuracy"] == pytest.approx(0.1, abs=0.01)


def test_the_sample_falls_back_to_random_weights_in_plain_words(tmp_path):
    competition = reading.read(sample.write_sample(tmp_path / "sample"))
    options = quick(weights="auto", max_cycles=1, batch_size=64, tta=0)
    run = start_run(competition, options, tmp_path / "run")
    _wait_for(run, lambda event: isinstance(event, events.Warned))
    warned = next(event for event in run.events() if isinstance(event, events.Warned))
    assert "random weights" in warned.text
    run.stop()
    assert ended(run) == "stopped"


def test_without_reachable_weights_a_folder_is_refused_in_one_line(make_competition, tmp_path):
    run = start_run(reading.read(make_competition(train=12, test=2)), quick(weights="auto"), tmp_path / "run")
    assert ended(run) == "failed"
    error = run.events()[-1].error
    assert "RECIPES_WEIGHTS" in error
    assert "none" in error
    assert "\n" not in error


def test_a_half_written_last_line_is_left_out_and_repaired_by_the_next_worker(tmp_path):
    path = tmp_path / "events.jsonl"
    whole = json.dumps(events.Warned(text="whole").to_dict())
    path.write_text(whole + "\n" + whole[:20])
    reader = EventReader(tmp_path)
    assert [event.text for event in reader.new()] == ["whole"]
    with open(path, "a") as file:
        file.write(whole[20:] + "\n")
    assert [event.text for event in reader.new()] == ["whole"]


def test_runs_are_listed_latest_first_and_found_by_name(make_competition):
    competition = reading.read(make_competition(train=12, test=2))
    first = start_run(competition, quick(arch="no_such_network"))
    ended(first)
    os.utime(first.folder / "run.json", (1, 1))
    second = start_run(competition, quick(arch="no_such_network"))
    ended(second)
    assert [run.name for run in list_runs()] == [second.name, first.name]
    assert find_run(first.name).folder == first.folder
    with pytest.raises(RunError, match=r"no such run: nowhere; the latest are"):
        find_run("nowhere")


def test_no_kaggle_token_reaches_the_worker(monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "secret-token")
    monkeypatch.setenv("KAGGLE_KEY", "secret-key")
    assert not [value for value in worker_environment().values() if "secret" in value]


@pytest.mark.parametrize(
    "bad", [{"sizes": []}, {"sizes": [4]}, {"tta": -1}, {"valid": 1.0}, {"folds": 0}, {"batch_size": 1}]
)
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Options(**bad)
