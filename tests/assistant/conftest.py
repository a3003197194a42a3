"""Small competitions of drawn pictures, and runs that take seconds."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import kagglesdk.kaggle_env as kaggle_env
import numpy as np
import pytest
from PIL import Image

from assistant import reading, settings, submitting
from assistant.runs import Asked, Options, Run
from recipes import events
from tests.assistant.kaggle_people import SLUG, TOKEN, signed_in
from tests.kaggle_server import KaggleServer


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A home of each test's own, also for the processes that it starts."""
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    settings.home.cache_clear()
    yield tmp_path / "home"
    settings.home.cache_clear()


@pytest.fixture
def server(monkeypatch):
    """A Kaggle on this machine, with ann, whose token is TOKEN."""
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    with KaggleServer() as running:
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, running.url)
        running.person("ann", TOKEN, "0123456789abcdef0123456789abcdef")
        yield running


@pytest.fixture
def done_run(make_competition, tmp_path) -> Run:
    """A run of a small competition that is done: its folder as a worker leaves it, with a submission."""
    folder = make_competition(train=12, test=6)
    (folder / "page.json").write_text(json.dumps({"ref": SLUG, "evaluationMetric": "Categorization Accuracy"}))
    competition = reading.read(folder)
    made = tmp_path / "run"
    made.mkdir()
    options = Options(arch="test_resnet", sizes=[32])
    asked = Asked(created=time.time(), competition=competition, options=options, versions={})
    (made / "run.json").write_text(asked.model_dump_json())
    scores = {"valid": {"accuracy": 0.7}, "valid_tta": {"accuracy": 0.75}}
    done = events.RunDone(seconds=1.0, scores=scores)
    (made / "events.jsonl").write_text(json.dumps(done.to_dict()) + "\n")
    (made / "submission.csv").write_bytes((folder / "sample_submission.csv").read_bytes())
    return Run(made)


@pytest.fixture
def kaggle(server, monkeypatch):
    """ann, and a competition that grades by the length of the file; the score comes at the third look."""
    monkeypatch.setattr(submitting, "_FIRST", 0.01)
    board = [(f"team {number}", 1 - number / 1000, (f"m{number}",)) for number in range(300)]
    server.competition(SLUG, b"x\n", grader=lambda data: 0.95, leaderboard=board, pending_polls=2)
    return signed_in()


def draw(kind: int, number: int, side: int = 96) -> Image.Image:
    """A picture of one of three kinds: stripes across, stripes down, or a bright disc, each with noise of its own."""
    chance = np.random.default_rng(1000 * kind + number)
    y, x = np.mgrid[:side, : side + number % 30]
    wave = 6 + number % 5
    pattern = [
        np.sin(y / wave * 3),
        np.sin(x / wave * 3),
        1.5 * (np.hypot(y - side / 2, x - side / 2) < side / 3) - 0.5,
    ]
    grey = 128 + 70 * pattern[kind] + chance.normal(0, 12, y.shape)
    colour = np.stack([grey, grey * (0.8 + 0.02 * (number % 10)), grey * 0.9], -1)
    return Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8))


@pytest.fixture
def make_competition(tmp_path):
    """Writes a competition of drawn pictures in Kaggle's form: `make(train=…, test=…, side=…)` → its folder."""

    def make(train: int = 60, test: int = 12, side: int = 96, name: str = "drawn", template: str = "label") -> Path:
        folder = tmp_path / name
        (folder / "train").mkdir(parents=True)
        (folder / "test").mkdir()
        words = ("across", "down", "disc")
        with open(folder / "train.csv", "w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["image_id", "pattern"])
            for number in range(train):
                draw(number % 3, number, side).save(folder / "train" / f"{number:04d}.jpg", quality=90)
                rows.writerow([f"{number:04d}", words[number % 3]])
        with open(folder / "sample_submission.csv", "w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["image_id", "pattern"] if template == "label" else ["image_id", *words])
            for number in range(test):
                draw(number % 3, 5000 + number, side).save(folder / "test" / f"t{number:03d}.jpg", quality=90)
                rows.writerow(
                    [f"t{number:03d}", "across"] if template == "label" else [f"t{number:03d}", 0.3, 0.3, 0.4]
                )
        return folder

    return make


def quick(**changes) -> Options:
    """Settings for a run of a few seconds: timm's tiny test network from random weights."""
    asked = {
        "arch": "test_resnet",
        "weights": "none",
        "sizes": [32],
        "augment": "plain",
        "ratio": 1,
        "max_cycles": 2,
        "tta": 2,
    }
    return Options(**(asked | {"batch_size": 16, "device": "cpu"} | changes))


def ended(run: Run) -> str:
    """Waits for the run's end; its state then."""
    for _ in run.watch(poll=0.02):
        pass
    return run.state()
