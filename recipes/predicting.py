"""Answers of a learner's network: passes without learning, over plain and over random views."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from recipes import training
from recipes.errors import RecipeError
from recipes.images import Split
from recipes.pixels import Pace
from recipes.tasks import answers_of, loss_of

if TYPE_CHECKING:
    from recipes.learner import Learner

__all__ = ["evaluate", "plain_answers", "run_in_parts", "view_answers"]

TTA = -2  # a place of chance that no epoch has


def evaluate(learner: Learner, split: str) -> tuple[float, dict[str, float]]:
    """Loss and metrics of a labelled split, in plain views."""
    learner.prepare()
    if split == "test":
        raise RecipeError("the test images have no labels: evaluate('test') was asked for; evaluate train or valid")
    rows = _split(learner, split).rows
    logits, targets = _logits(learner, rows, "valid"), learner.images.targets[rows]
    loss = loss_of(learner.images.task, logits, torch.from_numpy(targets)).item()
    answers = answers_of(learner.images.task, logits).numpy()
    loss, scores = learner.ranks.same([loss, {made.name: made(targets, answers) for made in learner.metrics}])
    return loss, scores


def plain_answers(learner: Learner, split: str) -> np.ndarray:
    """Answers to plain views, float32 (images, classes)."""
    return _answers(learner, split, lambda rows: _logits(learner, rows, "predict"))


def view_answers(learner: Learner, split: str, number: int) -> np.ndarray:
    """Answers to one random view of each image, the `number`-th: what TTA takes the mean of."""

    def view(rows: np.ndarray) -> torch.Tensor:
        return learner.viewer.random(rows, learner.augmentation, learner.seed, TTA, number)

    return _answers(learner, split, lambda rows: _passed(learner, rows, view, "predict"))


def run_in_parts(
    learner: Learner, function: Callable[[torch.Tensor], torch.Tensor], batch: torch.Tensor
) -> torch.Tensor:
    """A forward pass, in parts where memory does not hold the batch."""

    def work(parts: int) -> torch.Tensor:
        return torch.cat([learner.forward(function, part) for part in batch.chunk(parts)])

    def gave_way(parts: int) -> None:
        learner.gave_way(parts, learning=False)

    begin = min(max(learner.parts, learner.parts_of_passes), len(batch))
    out, parts = training.halving(work, begin, len(batch), gave_way)
    learner.parts_of_passes = max(learner.parts_of_passes, parts)
    return out


def _answers(learner: Learner, split: str, logits: Callable[[np.ndarray], torch.Tensor]) -> np.ndarray:
    """Answers from logits; the prior where there is no usable picture."""
    learner.prepare()
    part, images = _split(learner, split), learner.images
    prior = images.task.prior(images.targets[images.train.rows])
    answers = np.tile(prior.astype(np.float32), (len(part), 1))
    seen = np.array([row not in learner.pixels.broken for row in part.rows], bool)
    if seen.any():
        answers[seen] = answers_of(images.task, logits(part.rows[seen])).numpy()
    return answers


def _logits(learner: Learner, rows: np.ndarray, stage: str) -> torch.Tensor:
    """Logits of plain views on the CPU, float32; from cached activations while the body is frozen."""
    if learner.network.frozen_to != 2:
        return _passed(learner, rows, learner.viewer.plain, stage)
    learner.network.eval()
    with torch.inference_mode():
        logits = run_in_parts(learner, learner.network.head_on, learner.activations.of(rows)).float().cpu()
        return learner.ranks.gathered(learner.ranks.share(logits), len(rows))


def _passed(learner: Learner, rows: np.ndarray, view: Callable[[np.ndarray], torch.Tensor], stage: str) -> torch.Tensor:
    """The network's answers to a view of each row, on the CPU; each rank passes its share of the rows."""
    learner.network.eval()
    mine = learner.ranks.share(rows)
    pace = Pace(learner.tell, learner.place(), stage)

    def work() -> torch.Tensor:
        out, done = [], 0
        with torch.inference_mode():
            for some in np.array_split(mine, max(1, -(-len(mine) // learner.pass_size()))):
                learner.obey()
                out.append(run_in_parts(learner, learner.network, view(some)).float())
                done += len(some)
                pace(done * len(rows) // len(mine), len(rows))
        return torch.cat(out).cpu()

    return learner.ranks.gathered(learner.ranks.together(work), len(rows))


def _split(learner: Learner, name: str) -> Split:
    if name not in ("train", "valid", "test"):
        raise RecipeError(f"no such split: {name!r}; there are train, valid and test")
    return getattr(learner.images, name)
