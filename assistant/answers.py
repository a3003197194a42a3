"""What a run answered to its validation images: read back from its folder, and sorted by how telling it is."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Answers", "read_answers"]


@dataclass(frozen=True)
class Answers:
    """What was answered to the validation images. `labels` are the targets as text, `targets` encoded: int64 (n,), or
    float64 (n, classes) for multi_label and regression; `predicted` float64 (n, classes): probabilities or numbers."""

    task: str
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    targets: np.ndarray
    predicted: np.ndarray

    def order(self, kind: str) -> np.ndarray:
        """Rows, the most telling first. `wrong` and `right` answers go by how probable the truth was to the network
        (numbers by their error), `uncertain` ones by how close they are to a coin's toss (numbers: none)."""
        loss, hit, doubt = self._judged()
        rows = {"wrong": ~hit, "right": hit, "uncertain": np.isfinite(doubt)}[kind].nonzero()[0]
        key = {"wrong": -loss, "right": loss, "uncertain": doubt}[kind]
        return rows[np.argsort(key[rows], kind="stable")]

    def caption(self, row: int) -> tuple[str, str, str]:
        """An image's id, its true label and the predicted one, with their probabilities."""
        answer = self.predicted[row]
        if self.task == "single_label":
            true, guess = int(self.targets[row]), int(answer.argmax())
            said = f"{self.labels[row]} ({answer[true]:.2f})", f"{self.classes[guess]} ({answer[guess]:.2f})"
        elif self.task == "multi_label":
            tags = [f"{self.classes[i]} ({answer[i]:.2f})" for i in np.argsort(-answer) if answer[i] > 0.5]
            said = self.labels[row] or "no tag", ", ".join(tags) or "no tag"
        else:
            said = self.labels[row], ", ".join(f"{number:.4g}" for number in answer)
        return self.ids[row], f"true: {said[0]}", f"predicted: {said[1]}"

    def _judged(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each row's loss, whether it is right (for numbers: closer than half of all), and its doubt, small when large."""
        rows, p = np.arange(len(self.ids)), np.clip(self.predicted, 1e-15, 1 - 1e-15)
        if self.task == "single_label":
            two = np.sort(p, axis=1)[:, -2:]
            return -np.log(p[rows, self.targets]), self.predicted.argmax(1) == self.targets, two[:, -1] - two[:, 0]
        if self.task == "multi_label":
            loss = -(self.targets * np.log(p) + (1 - self.targets) * np.log(1 - p)).mean(1)
            return loss, ((p > 0.5) == (self.targets > 0.5)).all(1), np.abs(p - 0.5).mean(1)
        error = (np.abs(self.predicted - self.targets) / (self.targets.std(0) + 1e-12)).mean(1)
        return error, error <= np.median(error), np.full(len(rows), np.nan)


def read_answers(csv_file: Path, task: str) -> Answers | None:
    """The answers in a run's `valid.csv`: id, target and a column a class. Rows that cannot be read are left out; None
    where there is no such file or no row."""
    import pandas as pd

    try:
        with open(csv_file, encoding="utf-8", newline="") as file:
            classes = tuple(next(csv.reader(file))[2:])
        places: Any = {"names": range(len(classes) + 2), "dtype": {0: str, 1: str}}  # since a class may be called id
        table = pd.read_csv(csv_file, header=0, keep_default_na=False, index_col=False, **places)
        predicted = table.iloc[:, 2:].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    except (OSError, ValueError, StopIteration):
        return None
    labels, good, number = table[1], np.isfinite(predicted).all(1), {name: i for i, name in enumerate(classes)}
    if task == "single_label":
        targets = np.array([number.get(label, -1) for label in labels], np.int64)
        good &= targets >= 0
    elif task == "multi_label":
        targets = np.array([[name in tags for name in classes] for tags in map(set, labels.str.split())], np.float64)
    else:
        targets = labels.str.split(expand=True).apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        good &= np.isfinite(targets).all(1) & (targets.shape[1] == len(classes))
    if not classes or not good.any():
        return None
    return Answers(task, classes, tuple(table[0][good]), tuple(labels[good]), targets[good], predicted[good])
