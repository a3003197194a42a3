"""What both contenders of a race are told, as JSON: the split of a seed, the layer groups, the settings."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["Clock", "finished", "read", "scores", "table_of", "write"]


def write(settings: str, path: str) -> None:
    """Writes the plan of these settings (JSON) to `path`."""
    from recipes.network import Network

    asked = json.loads(settings)
    images = table_of(asked)
    weights = asked["weights"] or "none"
    network = Network(asked["arch"], images.task.outputs, asked["size"], weights, seed=asked["seed"])
    plan = asked | {
        "classes": list(images.classes),
        "groups": network.groups,
        "mean": network.mean,
        "std": network.std,
        "train": [[str(images.sources[row]), images.label(row)] for row in images.train.rows],
        "valid": [[str(images.sources[row]), images.label(row)] for row in images.valid.rows],
        "test": [str(images.sources[row]) for row in images.test.rows],
    }
    Path(path).write_text(json.dumps(plan))


def table_of(plan: dict[str, Any]) -> Any:
    """The table of images that the settings name, split by their seed."""
    import pandas as pd

    from recipes import Images

    folder = Path(plan["data"])
    labels = pd.read_csv(folder / "labels.csv", dtype=str).head(plan["first"] or 10**9)
    test = sorted((folder / "test").iterdir())[: plan["first"] or None]
    named = {path.stem: path for path in test}
    return Images.from_csv(labels, folder / "train", suffix=".jpg", test=named, seed=plan["seed"])


def read() -> tuple[dict[str, Any], Path, Clock]:
    """The plan, the folder to work in and a running clock, from this process's arguments."""
    plan, folder, start = sys.argv[1:]
    return json.loads(Path(plan).read_text()), Path(folder), Clock(float(start))


class Clock:
    """Seconds a stage: each begins where the one before ended, the first when the process was started."""

    def __init__(self, start: float):
        self.last, self.stages = start, {}

    def __call__(self, stage: str) -> None:
        """The stage ends now."""
        now = time.time()
        self.stages[stage] = self.stages.get(stage, 0.0) + now - self.last
        self.last = now


def scores(answers: Any, targets: Any) -> tuple[float, float]:
    """Accuracy and log loss of probabilities (images, classes)."""
    import numpy as np

    given = np.asarray(answers, np.float64)
    given = np.clip(given / given.sum(1, keepdims=True), 1e-15, 1)
    targets = np.asarray(targets)
    right = given[np.arange(len(targets)), targets]
    return float((given.argmax(1) == targets).mean()), float(-np.log(right).mean())


def finished(
    plan: dict[str, Any], folder: Path, clock: Clock, valid: Sequence[Any], targets: Any, rates: list[float]
) -> None:
    """Writes `result.json`: `valid` are the plain and the TTA answers for the validation images."""
    head, augmented, cycles = plan["epochs"]
    train = len(plan["train"])
    (accuracy, loss), (accuracy_tta, loss_tta) = (scores(answers, targets) for answers in valid)
    result = {
        "stages": clock.stages,
        "scores": {"accuracy": accuracy, "log_loss": loss, "accuracy_tta": accuracy_tta, "log_loss_tta": loss_tta},
        "rates": rates,
        "images": {
            "head": head * train,
            "head with augmentation": augmented * train,
            "whole network": (2**cycles - 1) * train,
            "TTA": (plan["tta"] + 1) * (len(plan["valid"]) + len(plan["test"])),
        },
    }
    (folder / "result.json").write_text(json.dumps(result))
