"""The scores that competitions use, on scikit-learn, with the direction in which they get better.

Some metrics score probabilities or numbers as they are (log loss, AUC, RMSE); the others score decisions: a class, a
set of tags, a ranking. Such a metric has a rule that decides where nobody else does: `metric(targets, probabilities)`
uses it, `metric.decided(targets, decisions)` scores what `recipes.decisions` has fitted.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise

import numpy as np

from recipes import chance, scores
from recipes.errors import RecipeError, nearest
from recipes.tasks import SingleLabel, Task

__all__ = ["METRICS", "Metric", "bootstrap", "default_metrics", "is_ordinal", "metric"]

BOOTSTRAP = -3  # a place of chance that no epoch has
WORK, FEWEST = 2_000_000, 50  # targets that a bootstrap may score where the metric is no mean, and its rounds at least


@dataclass(frozen=True)
class Metric:
    """`function(targets, decisions)` → one number; targets and probabilities as the task encodes and predicts them.

    `rule(answers, one_class)` makes decisions of probabilities; without one they are scored as they are. With
    `by_image` the function gives what each image adds, (n,) or (n, columns), and the score is the mean, or `root_of`
    it: of each column's (`columns`) or of all (`all`). `classes` is 2 where only two make sense; `ordinal` says that
    they have to be whole numbers in order.
    """

    name: str
    function: Callable[[np.ndarray, np.ndarray], float | np.ndarray]
    larger_is_better: bool
    tasks: tuple[str, ...]
    rule: Callable[[np.ndarray, bool], np.ndarray] | None = None
    by_image: bool = False
    root_of: str = ""
    classes: int | None = None
    ordinal: bool = False

    def __call__(self, targets: np.ndarray, probabilities: np.ndarray) -> float:
        """The score of probabilities or numbers, decided by the metric's rule; NaN where it is not defined."""
        if not np.isfinite(probabilities).all():
            return float("nan")
        return self.decided(targets, self.decide(probabilities, targets.ndim == 1))

    def decide(self, probabilities: np.ndarray, one_class: bool) -> np.ndarray:
        """What the metric scores, by its own rule; `one_class`: an image has exactly one."""
        return probabilities if self.rule is None else self.rule(probabilities, one_class)

    def decided(self, targets: np.ndarray, decisions: np.ndarray) -> float:
        """The score of decisions: class numbers (n,), tags as 0 and 1 (n, classes), ranked class numbers (n, k), or
        numbers (n, columns); of probabilities where those are scored. NaN where it is not defined."""
        if not len(targets) or not np.isfinite(decisions).all():
            return float("nan")
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = self.function(targets, decisions)
            if self.by_image:
                found = self.of_means(np.reshape(found, (len(targets), -1)).mean(0))
        return float(found)

    def of_means(self, means: np.ndarray) -> np.ndarray:
        """Scores from what images add in the mean: (…, columns) → (…)."""
        if self.root_of == "columns":
            return np.sqrt(means).mean(-1)
        return np.sqrt(means.mean(-1)) if self.root_of == "all" else means.mean(-1)

    def better(self, score: float, than: float) -> bool:
        """Whether `score` beats `than`; a score that is not finite beats nothing."""
        if not np.isfinite(score):
            return False
        return not np.isfinite(than) or (score > than if self.larger_is_better else score < than)

    def fits(self, task: Task) -> bool:
        """Whether it scores that task, with the classes that it has."""
        if task.name not in self.tasks:
            return False
        if not isinstance(task, SingleLabel):
            return True
        return self.classes in (None, len(task.classes)) and (not self.ordinal or is_ordinal(task.classes))


ONE, TAGS, NUMBERS = "single_label", "multi_label", "regression"
_mean = partial(Metric, by_image=True)
_half = scores.likelier_than(0.5)

METRICS: dict[str, Metric] = {
    made.name: made
    for made in (
        _mean("accuracy", scores.each_right, True, (ONE, TAGS), scores.argmax),
        _mean("log_loss", scores.each_log_loss, False, (ONE, TAGS)),
        Metric("auc", scores.auc, True, (ONE, TAGS)),
        Metric("average_precision", scores.average_precision, True, (ONE, TAGS)),
        _mean("top_1_error", scores.each_wrong, False, (ONE,), scores.argmax),
        _mean("top_5_error", scores.each_miss, False, (ONE,), scores.ranked(5)),
        Metric("balanced_accuracy", scores.balanced_accuracy, True, (ONE,), scores.argmax),
        Metric("f1", scores.f_average("binary"), True, (ONE,), scores.argmax, classes=2),
        Metric("f1_macro", scores.f_average("macro"), True, (ONE, TAGS), scores.argmax),
        Metric("f1_micro", scores.f_average("micro"), True, (ONE, TAGS), scores.argmax),
        Metric("f1_weighted", scores.f_average("weighted"), True, (ONE, TAGS), scores.argmax),
        _mean("f1_samples", scores.each_f(1), True, (TAGS,), _half),
        _mean("f2", scores.each_f(2), True, (TAGS,), scores.likelier_than(0.2)),  # as the planet lecture decides
        Metric("matthews", scores.matthews, True, (ONE,), scores.argmax),
        Metric("kappa", scores.kappa, True, (ONE, NUMBERS), scores.rounded, ordinal=True),
        _mean("map@3", scores.each_average_precision, True, (ONE, TAGS), scores.ranked(3)),
        _mean("map@5", scores.each_average_precision, True, (ONE, TAGS), scores.ranked(5)),
        _mean("mae", scores.each_absolute_error, False, (NUMBERS,)),
        _mean("rmse", scores.each_squared_error, False, (NUMBERS,), root_of="all"),
        _mean("mcrmse", scores.each_squared_error, False, (NUMBERS,), root_of="columns"),
        _mean("rmsle", scores.each_squared_log_error, False, (NUMBERS,), root_of="all"),
        Metric("r2", scores.r2, True, (NUMBERS,)),
    )
}
ALIASES = {"map_macro": "average_precision", "top_1_accuracy": "accuracy", "qwk": "kappa"}


def metric(name: str, task: Task) -> Metric:
    """The metric of that name; `map@k`, `top_k_error` and `top_k_accuracy` for any whole number k above 0.

    Raises RecipeError where there is none, or where it does not fit the task.
    """
    found = METRICS.get(ALIASES.get(name, name)) or _of_top(name)
    if found is None:
        like = nearest(name, METRICS) or list(METRICS)
        raise RecipeError(f"no such metric: {name!r}; there are {', '.join(like)}")
    if task.name not in found.tasks:
        fitting = " or ".join(made.name for made in default_metrics(task))
        raise RecipeError(f"{name} does not score {task.name}; take {fitting}")
    if not found.fits(task):
        needed = f"{found.classes} classes" if found.classes else "classes that are whole numbers in order"
        instead = "f1_macro" if found.classes else "accuracy"
        raise RecipeError(f"{name} does not score these {len(task.classes)} classes: it needs {needed}; take {instead}")
    return found


def default_metrics(task: Task) -> tuple[Metric, ...]:
    """What is reported at every epoch unless told otherwise; the first picks the best weights."""
    names = {ONE: ("accuracy", "log_loss"), TAGS: ("f2", "log_loss"), NUMBERS: ("mae", "rmse")}
    return tuple(METRICS[name] for name in names[task.name])


def is_ordinal(classes: Sequence[str]) -> bool:
    """Whether class names are whole numbers, at least two, in rising order."""
    try:
        values = [float(name) for name in classes]
    except ValueError:
        return False
    rising = all(a < b for a, b in pairwise(values))
    return len(values) > 1 and rising and all(value.is_integer() for value in values)


def bootstrap(
    metric: Metric,
    targets: np.ndarray,
    answers: np.ndarray,
    rounds: int = 500,
    seed: int = 0,
    share: float = 0.95,
    *,
    decided: bool = False,
) -> tuple[float, float]:
    """The percentile interval (Efron 1979) that holds `share` of the scores of resampled images: low and high.

    `answers` are probabilities or numbers, or decisions where `decided` says so. Rounds without a score are left out;
    NaN and NaN where none has one. A metric that is no mean over images gets fewer rounds where there are many images.
    """
    nothing = (float("nan"), float("nan"))
    if not len(targets) or not np.isfinite(answers).all():
        return nothing
    draws = np.random.default_rng(chance.number(seed, BOOTSTRAP))
    decisions = answers if decided else metric.decide(answers, targets.ndim == 1)
    score = _resampled_means if metric.by_image else _resampled
    found = score(metric, targets, decisions, rounds, draws)
    found = found[np.isfinite(found)]
    if not len(found):
        return nothing
    low, high = np.quantile(found, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def _resampled_means(
    metric: Metric, targets: np.ndarray, decisions: np.ndarray, rounds: int, draws: np.random.Generator
) -> np.ndarray:
    """Scores of `rounds` resamples (rounds,) of a metric that is a mean over images: each image is scored once."""
    n = len(targets)
    with np.errstate(all="ignore"):
        values = np.asarray(metric.function(targets, decisions), np.float64).reshape(n, -1)
        if metric.root_of != "columns":
            values = values.mean(1, keepdims=True)
        means = [np.bincount(draws.integers(0, n, n), minlength=n) @ values / n for _ in range(rounds)]
        return metric.of_means(np.array(means))


def _resampled(
    metric: Metric, targets: np.ndarray, decisions: np.ndarray, rounds: int, draws: np.random.Generator
) -> np.ndarray:
    """Scores of as many resamples, or of fewer where all would take long."""
    n = len(targets)
    rounds = min(rounds, max(FEWEST, WORK // targets.size))
    chosen = (draws.integers(0, n, n) for _ in range(rounds))
    return np.array([metric.decided(targets[rows], decisions[rows]) for rows in chosen])


@lru_cache
def _of_top(name: str) -> Metric | None:
    """`map@k`, `top_k_error` or `top_k_accuracy`."""
    if said := re.fullmatch(r"map@([1-9]\d{0,4})", name):
        return _mean(name, scores.each_average_precision, True, (ONE, TAGS), scores.ranked(int(said[1])))
    if said := re.fullmatch(r"top_([1-9]\d{0,4})_(error|accuracy)", name):
        right = said[2] == "accuracy"
        function = scores.each_hit if right else scores.each_miss
        return _mean(name, function, right, (ONE,), scores.ranked(int(said[1])))
    return None
