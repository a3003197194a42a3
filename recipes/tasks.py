"""The three kinds of question: which class, which tags, what number. Encoding, loss and activation of each."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from recipes.errors import ImagesError, few

if TYPE_CHECKING:
    import torch

__all__ = ["MultiLabel", "Regression", "SingleLabel", "Task", "answers_of", "guess_task", "loss_of", "sorted_classes"]

TASK_NAMES = ("single_label", "multi_label", "regression")


@dataclass(frozen=True)
class SingleLabel:
    """Exactly one of `classes` an image. Targets int64 (n,); cross-entropy; softmax probabilities (n, classes)."""

    classes: tuple[str, ...]
    name: str = field(default="single_label", init=False)

    @property
    def outputs(self) -> int:
        """Numbers that the network gives for an image."""
        return len(self.classes)

    def encode(self, labels: Sequence[str]) -> np.ndarray:
        """Class numbers, int64 (n,). Raises ImagesError for a label that is not a class."""
        number = {name: i for i, name in enumerate(self.classes)}
        unknown = sorted({label for label in labels if label not in number})
        if unknown:
            raise ImagesError(f"a label is not among the classes: {few(unknown)}; give it training images first")
        return np.array([number[label] for label in labels], dtype=np.int64)

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """What validation is balanced by, int64 (n,)."""
        return targets

    def chance_loss(self, targets: np.ndarray) -> float:
        """The loss of answering with the class frequencies: their entropy."""
        share = np.bincount(targets, minlength=self.outputs) / max(len(targets), 1)
        return float(-(share[share > 0] * np.log(share[share > 0])).sum())

    def prior(self, targets: np.ndarray) -> np.ndarray:
        """The answer for an image that cannot be seen: class frequencies, float32 (classes,)."""
        counts = np.bincount(targets, minlength=self.outputs).astype(np.float64)
        return ((counts + 1e-3) / (counts + 1e-3).sum()).astype(np.float32)


@dataclass(frozen=True)
class MultiLabel:
    """Any number of `classes` an image. Targets float32 (n, classes) of 0 and 1; binary cross-entropy; sigmoid."""

    classes: tuple[str, ...]
    name: str = field(default="multi_label", init=False)

    @property
    def outputs(self) -> int:
        """Numbers that the network gives for an image."""
        return len(self.classes)

    def encode(self, labels: Sequence[str]) -> np.ndarray:
        """Tags parted by blanks as 0 and 1, float32 (n, classes). Raises ImagesError for an unknown tag."""
        number = {name: i for i, name in enumerate(self.classes)}
        targets = np.zeros((len(labels), self.outputs), dtype=np.float32)
        for row, tags in enumerate(labels):
            for tag in tags.split():
                if tag not in number:
                    raise ImagesError(f"a tag is not among the classes: {tag}; give it training images first")
                targets[row, number[tag]] = 1
        return targets

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """What validation is balanced by: each tag, (n, classes)."""
        return targets

    def chance_loss(self, targets: np.ndarray) -> float:
        """The loss of answering with the tag frequencies: the mean of their entropies."""
        share = np.clip(targets.mean(0, dtype=np.float64), 1e-9, 1 - 1e-9)
        return float(-(share * np.log(share) + (1 - share) * np.log(1 - share)).mean())

    def prior(self, targets: np.ndarray) -> np.ndarray:
        """The answer for an image that cannot be seen: tag frequencies, float32 (classes,)."""
        return targets.mean(0).astype(np.float32)


@dataclass(frozen=True)
class Regression:
    """One or several numbers an image. Targets float32 (n, columns); L1 on targets scaled to mean 0, deviation 1."""

    classes: tuple[str, ...]
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    name: str = field(default="regression", init=False)

    @property
    def outputs(self) -> int:
        """Numbers that the network gives for an image."""
        return len(self.classes)

    def encode(self, labels: Sequence[str]) -> np.ndarray:
        """Numbers parted by blanks, float32 (n, columns). Raises ImagesError for what is not a finite number."""
        try:
            targets = np.array([[float(value) for value in label.split()] for label in labels], dtype=np.float32)
        except ValueError as error:
            raise ImagesError(f"a target is not a number: {error}; name the label column, or another task") from None
        if not np.isfinite(targets).all():
            row = int(np.argwhere(~np.isfinite(targets))[0][0])
            raise ImagesError(f"a target is not a finite number: row {row + 1}; fill it in or leave the row out")
        if targets.ndim == 2 and targets.shape[1] != self.outputs:
            raise ImagesError(
                f"targets differ in number: {targets.shape[1]} an image; give {self.outputs}, a column each"
            )
        return targets.reshape(len(labels), self.outputs)

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """Images sorted by their first target, so that validation spans the range, int64 (n,)."""
        return np.unique(targets[:, 0], return_inverse=True)[1].astype(np.int64)

    def chance_loss(self, targets: np.ndarray) -> float:
        """The loss of answering with the medians: the mean distance from them, in deviations."""
        return float((np.abs(targets - np.median(targets, axis=0)) / np.array(self.deviation or 1.0)).mean())

    def prior(self, targets: np.ndarray) -> np.ndarray:
        """The answer for an image that cannot be seen: the medians, float32 (columns,)."""
        return np.median(targets, axis=0).astype(np.float32)

    def scaled_by(self, targets: np.ndarray) -> Regression:
        """The same task with mean and deviation of `targets`, the training ones."""
        exact = targets.astype(np.float64)
        deviation = np.where(np.ptp(exact, axis=0) > 0, exact.std(0), 1.0)
        return Regression(self.classes, tuple(map(float, exact.mean(0))), tuple(float(d) or 1.0 for d in deviation))


Task = SingleLabel | MultiLabel | Regression


def loss_of(task: Task, logits: torch.Tensor, targets: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Mean loss of a batch: cross-entropy (with label smoothing, Szegedy et al. 2016), binary cross-entropy (targets
    moved towards one half by the same share), or L1 on scaled targets."""
    from torch.nn import functional  # here, so that reading a folder does not have to load torch

    if isinstance(task, SingleLabel):
        return functional.cross_entropy(logits, targets, label_smoothing=smoothing)
    if isinstance(task, MultiLabel):
        return functional.binary_cross_entropy_with_logits(logits, targets * (1 - smoothing) + smoothing / 2)
    mean, deviation = _scale(task, logits)
    return functional.l1_loss(logits, (targets - mean) / deviation)


def answers_of(task: Task, logits: torch.Tensor) -> torch.Tensor:
    """Probabilities (softmax or sigmoid), or numbers in the targets' own units: (n, outputs)."""
    if isinstance(task, SingleLabel):
        return logits.softmax(1)
    if isinstance(task, MultiLabel):
        return logits.sigmoid()
    mean, deviation = _scale(task, logits)
    return logits * deviation + mean


def _scale(task: Regression, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return _held(tuple(task.mean), like.dtype, like.device), _held(tuple(task.deviation), like.dtype, like.device)


@functools.lru_cache(maxsize=256)
def _held(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """These numbers there: sent once, since a GPU would be waited for, and could not record a step."""
    import torch

    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


def guess_task(labels: Sequence[str]) -> str:
    """The task that a column of labels asks for: numbers with fractions are regression; labels made of words that
    recur in other labels (more labels than words) are multi-label; all else is single-label."""
    distinct = sorted(set(labels))
    if all(_is_number(label) for label in distinct):
        fractions = any(float(label) != int(float(label)) for label in distinct if np.isfinite(float(label)))
        return "regression" if fractions else "single_label"
    words = {word for label in distinct for word in label.split()}
    several = any(len(label.split()) > 1 for label in distinct)
    return "multi_label" if several and len(words) < len(distinct) else "single_label"


def sorted_classes(labels: Sequence[str]) -> tuple[str, ...]:
    """Distinct labels: by number where all are whole numbers, else by text."""
    distinct = set(labels)
    whole = all(re.fullmatch(r"-?\d+", label) for label in distinct)
    return tuple(sorted(distinct, key=lambda label: (int(label), label) if whole else (0, label)))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
