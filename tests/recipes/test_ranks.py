"""Two processes that train one learner, as `accelerate launch` starts them, beside one that does it alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from recipes import launcher, load
from recipes.ranks import ALONE, of
from tests.launching import launch
from tests.recipes import in_ranks


def _launched(what: str, folder: Path, seconds: float = 600) -> tuple[int, list[dict], str]:
    """Exit status, what each rank found, and what was printed."""
    folder.mkdir(exist_ok=True)
    process = launch(in_ranks.__file__, what, str(folder))
    try:
        out, errors = process.communicate(timeout=seconds)
    finally:
        process.terminate()  # the launcher ends what it has started
    found = [json.loads(path.read_text()) for path in sorted(folder.glob(f"{what}-*.json"))]
    return process.returncode, found, out + errors


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def both(folder) -> list[dict]:
    """What the two ranks found."""
    status, found, printed = _launched("everything", folder)
    assert status == 0, printed
    assert len(found) == 2
    return found


@pytest.fixture(scope="module")
def alone(folder, one_thread) -> dict:
    """What one process finds that nobody launched."""
    whole = in_ranks.whole_recipe(in_ranks.learner(folder / "alone"), folder / "alone")
    return {"whole": whole, "head": in_ranks.head_only(in_ranks.learner(folder / "alone-head"))}


def test_a_process_that_nobody_launched_has_no_others():
    assert launcher.place({}) == launcher.Place(0, 1, 0, 1)
    assert launcher.place({"WORLD_SIZE": "1", "RANK": "0"}) == launcher.Place()
    given = {"WORLD_SIZE": "8", "RANK": "5", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
    assert launcher.place(given) == launcher.Place(5, 8, 1, 4)
    assert of("cpu") is ALONE
    rows = np.arange(5)
    assert ALONE.share(rows) is rows


def test_shares_are_joined_in_order_and_sums_are_of_all(both):
    first, second = (found["messages"] for found in both)
    assert (first["mine"], second["mine"]) == ([0, 1, 2, 3], [4, 5, 6])
    assert first["few"] == second["few"] == [0, 1, 2]
    for found in (first, second):
        assert found["gathered"] == list(range(7))
        assert found["sums"] == [[[3.0] * 3] * 2, 30.0]
        assert found["taken"] == [[0.0, 0.0], 0]
        assert found["same"] == {"rank": 0}
        assert found["sent"] == ["", "from 0"]
        assert found["all"] == [True, False]
    assert first["at"] < second["at"]


def test_what_one_rank_raises_all_raise(both):
    for found in both:
        assert found["messages"]["failed"] == "a disk is full: on 1"
        assert "the 2 processes do not have the same images and settings" in found["messages"]["other images"]


def test_a_head_that_two_ranks_train_is_that_of_one(both, alone):
    for found in both:
        assert found["head"]["rate"] == pytest.approx(alone["head"]["rate"], rel=1e-6)
        assert found["head"]["sums"] == pytest.approx(alone["head"]["sums"], rel=1e-3)


def test_all_ranks_end_with_the_same_weights_and_answers(both):
    first, second = (found["whole"] for found in both)
    for name in ("weights", "answers", "epochs", "rates", "accuracy"):
        assert first[name] == second[name], name
    assert second["told"] == []


def test_two_ranks_score_as_one_does(both, alone):
    two, one = both[0]["whole"], alone["whole"]
    assert one["accuracy"] > 0.9
    assert abs(two["accuracy"] - one["accuracy"]) <= 0.08  # 4 of 48 images
    assert len(two["epochs"]) == len(one["epochs"]) == in_ranks.EPOCHS
    assert two["rates"][0] == pytest.approx(one["rates"][0], rel=1e-6)  # the head's sweep is the same on both
    head = slice(0, 5)  # epochs before all layers learn: no rank has statistics of its own yet
    assert np.array(two["epochs"])[head] == pytest.approx(np.array(one["epochs"])[head], rel=0.02)
    assert np.abs(np.array(two["answers"]) - one["answers"]).mean() < 0.1
    assert two["told"] == one["told"]


def test_two_ranks_write_the_files_of_one(both, alone, folder):
    def written(name: str) -> set[str]:
        places = ("model", "models", "checkpoints", "cache")
        return {str(path.relative_to(folder / name)) for place in places for path in (folder / name / place).rglob("*")}

    assert written("whole") == written("alone")
    one, two = (load_file(folder / name / "model" / "model.safetensors") for name in ("alone", "whole"))
    assert {name: array.shape for name, array in one.items()} == {name: array.shape for name, array in two.items()}
    pictures = [source for source, split in zip(in_ranks.images().sources, in_ranks.images().split) if split == 0][:12]
    assert load(folder / "whole" / "model").predict(pictures).shape == (12, 3)


def test_a_stop_ends_both_and_one_or_two_go_on(both, folder, one_thread):
    for found in both:
        assert found["stopped"] is True
        assert found["resumed"]["weights"] == found["whole"]["weights"]  # bit for bit what was never stopped
    state = json.loads(sorted((folder / "stop-alone" / "checkpoints").glob("*/state.json"))[-1].read_text())
    assert (state["step"], state["fit"]["epoch"], state["fit"]["batch"]) == (8, 0, 1)
    alone = in_ranks.whole_recipe(in_ranks.learner(folder / "stop-alone"), folder / "stop-alone")
    for resumed in (both[0]["resumed"], alone):
        assert len(resumed["epochs"]) == 3
    assert abs(alone["accuracy"] - both[0]["resumed"]["accuracy"]) <= 0.08


def test_a_killed_rank_ends_the_other_with_a_line(folder, tmp_path):
    status, found, printed = _launched("killed", tmp_path / "killed")
    assert status != 0
    assert len(found) == 1, printed
    assert found[0]["told"] == "one of the 2 processes ended without a word; resume goes on from the last checkpoint"
