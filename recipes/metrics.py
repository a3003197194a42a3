"""The scores that competitions use, on scikit-learn, with the direction in which they get better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recipes.errors import RecipeError, nearest
from recipes.tasks import Task

__all__ = ["METRICS", "Metric", "default_metrics", "metric"]


@dataclass(frozen=True)
class Metric:
    """`function(targets, probabilities)` → one number; targets and probabilities as the task encodes and predicts
    them."""

    name: str
    function: Callable[[np.ndarray, np.ndarray], float]
    larger_is_better: bool
    tasks: tuple[str, ...]

    def __call__(self, targets: np.ndarray, probabilities: np.ndarray) -> float:
        return float(self.function(targets, probabilities))

    def better(self, score: float, than: float) -> bool:
        """Whether `score` beats `than`; a score that is not finite beats nothing."""
        if not np.isfinite(score):
            return False
        return not np.isfinite(than) or (score > than if self.larger_is_better else score < than)


def _accuracy(targets: np.ndarray, probabilities: np.ndarray) -> float:
    if targets.ndim == 2:
        return float(((probabilities > 0.5) == (targets > 0.5)).mean())
    return float((probabilities.argmax(1) == targets).mean())


def _log_loss(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative log-likelihood; probabilities clipped to 1e-15, as Kaggle does."""
    p = np.clip(probabilities.astype(np.float64), 1e-15, 1 - 1e-15)
    if targets.ndim == 2:
        return float(-(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean())
    p = p / p.sum(1, keepdims=True)
    return float(-np.log(p[np.arange(len(targets)), targets]).mean())


def _f2(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean over rows of F2 at a threshold of .2, as the planet lecture scores."""
    from sklearn.metrics import fbeta_score

    return float(
        fbeta_score(
            targets > 0.5,
            probabilities > 0.2,
            beta=2,
            average="samples",
            zero_division=0.0,  # type: ignore[arg-type]
        )
    )


def _rmse(targets: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.sqrt(((targets.astype(np.float64) - predicted) ** 2).mean()))


def _mae(targets: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.abs(targets.astype(np.float64) - predicted).mean())


METRICS: dict[str, Metric] = {
    made.name: made
    for made in (
        Metric("accuracy", _accuracy, True, ("single_label", "multi_label")),
        Metric("log_loss", _log_loss, False, ("single_label", "multi_label")),
        Metric("f2", _f2, True, ("multi_label",)),
        Metric("rmse", _rmse, False, ("regression",)),
        Metric("mae", _mae, False, ("regression",)),
    )
}


def metric(name: str, task: Task) -> Metric:
    """The metric of that name. Raises RecipeError where there is none, or where it does not fit the task."""
    if name not in METRICS:
        like = nearest(name, METRICS) or list(METRICS)
        raise RecipeError(f"no such metric: {name!r}; there are {', '.join(like)}")
    if task.name not in METRICS[name].tasks:
        fitting = [made.name for made in METRICS.values() if task.name in made.tasks]
        raise RecipeError(f"{name} does not score {task.name}; take {' or '.join(fitting)}")
    return METRICS[name]


def default_metrics(task: Task) -> tuple[Metric, ...]:
    """What is reported at every epoch unless told otherwise; the first picks the best weights."""
    names = {"single_label": ("accuracy", "log_loss"), "multi_label": ("f2", "log_loss"), "regression": ("mae", "rmse")}
    return tuple(METRICS[name] for name in names[task.name])
