"""The embedded sample competition: scikit-learn's handwritten digits as PNG files in Kaggle's form.

1,347 pictures to train on and 450 to predict, 32 × 32 pixels, with a template. The truth of the 450 is not written
anywhere: `score` takes it from scikit-learn, as a leaderboard would from its own files.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from recipes.store import atomic_write, writable_folder

__all__ = ["OPTIONS", "REF", "score", "write_sample"]

REF = "recipe-assistant/sample"
TITLE = "Handwritten digits (the embedded sample)"

# What a newcomer's first run uses: a small network from random weights (nothing to download), so all layers learn at
# one rate, and no flips.
OPTIONS = {
    "arch": "resnet10t",
    "weights": "none",
    "sizes": [32],
    "augment": "plain",
    "ratio": 1.0,
    "batch_size": 32,
    "max_cycles": 4,
}


def write_sample(folder: Path) -> Path:
    """Writes train.csv, train/, test/, sample_submission.csv and page.json into `folder`; what is already there whole
    is kept."""
    if (folder / "page.json").is_file():  # written last
        return folder
    writable_folder(folder)
    pictures, labels, train, test = _digits()
    for name, rows in (("train", train), ("test", test)):
        (folder / name).mkdir(exist_ok=True)
        for row in rows:
            (folder / name / f"{row:05d}.png").write_bytes(_png(pictures[row]))
    _write_csv(folder / "train.csv", [(f"{row:05d}", labels[row]) for row in train])
    _write_csv(folder / "sample_submission.csv", [(f"{row:05d}", 0) for row in test])
    page = {
        "ref": REF,
        "title": TITLE,
        "evaluationMetric": "Categorization Accuracy",
        "evaluation": "Submissions are scored by the share of digits that are named rightly.",
    }
    atomic_write(folder / "page.json", json.dumps(page, indent=1))
    return folder


def score(submission: Path) -> dict[str, float]:
    """What a leaderboard would say of a submission: accuracy on the truth that was kept apart."""
    _, labels, _, test = _digits()
    with open(submission, newline="", encoding="utf-8") as file:
        answers = {row["id"]: row["label"] for row in csv.DictReader(file)}
    right = [answers.get(f"{row:05d}") == str(labels[row]) for row in test]
    return {"accuracy": float(np.mean(right))}


def _digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pictures uint8 (1797, 8, 8), labels, and the rows of train and test, stratified."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits: Any = load_digits()
    pictures = np.clip(np.rint(digits.images * (255 / 16)), 0, 255).astype(np.uint8)
    train, test = train_test_split(np.arange(len(pictures)), test_size=450, stratify=digits.target, random_state=2022)
    return pictures, digits.target, np.sort(train), np.sort(test)


def _png(picture: np.ndarray) -> bytes:
    from PIL import Image

    made = io.BytesIO()
    Image.fromarray(picture).resize((32, 32), Image.Resampling.BICUBIC).save(made, "PNG")
    return made.getvalue()


def _write_csv(path: Path, rows: list[tuple]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("id", "label"), *rows])
    atomic_write(path, text.getvalue())
