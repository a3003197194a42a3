"""From probabilities to answers that are right or wrong: a class, tags, whole numbers, a ranking.

A decision is fitted on validation images for one metric: `decision_for(metric, task, targets, probabilities)` picks
the kind and fits it, `decision(probabilities)` decides, and `why` says what was fitted, with figures. Those figures
are of the images that it was fitted on, so they flatter a little; `cross_fitted` gives a score that does not. None
scores below the metric's own rule on the images that it was fitted on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from recipes import splits
from recipes import tag_thresholds as tags
from recipes.errors import RecipeError
from recipes.metrics import Metric, metric
from recipes.tasks import MultiLabel, Regression, Task

__all__ = [
    "Argmax",
    "Clipped",
    "CutPoints",
    "Decision",
    "Ranked",
    "Tags",
    "Threshold",
    "cross_fitted",
    "decision_for",
]

MOST_CUTS = 30  # whole numbers beyond that are rounded to, not fitted


@dataclass(frozen=True)
class Decision:
    """`decision(probabilities)` → decisions; `why` is a line for people."""

    why: str = field(default="", kw_only=True)

    def __call__(self, answers: np.ndarray) -> np.ndarray:
        """Decisions for answers (n, classes)."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """What JSON can keep; `Decision.from_dict` makes the same decision of it."""
        return {"kind": type(self).__name__, **asdict(self)}

    @staticmethod
    def from_dict(kept: Mapping[str, Any]) -> Decision:
        """The decision that `to_dict` gave. Raises RecipeError for any other dict."""
        kinds = {kind.__name__: kind for kind in (Argmax, Threshold, Tags, CutPoints, Ranked, Clipped)}
        kind = kinds.get(str(kept.get("kind")))
        if kind is None:
            raise RecipeError(f"no such decision: {kept.get('kind')!r}; there are {', '.join(kinds)}")
        known = {f.name for f in fields(kind)}
        given: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in kept.items() if name != "kind"
        }
        if not given.keys() <= known:
            raise RecipeError(
                f"not a {kept['kind']}: {', '.join(sorted(given.keys() - known))} is unknown; fit it anew"
            )
        return kind(**given)


@dataclass(frozen=True)
class Argmax(Decision):
    """The likeliest class, int64 (n,); each class's probability is weighted first where `weights` are given."""

    weights: tuple[float, ...] = ()

    def __call__(self, answers: np.ndarray) -> np.ndarray:
        return (answers * np.array(self.weights or 1.0)).argmax(1)

    @classmethod
    def fit(cls, targets: np.ndarray, probabilities: np.ndarray, metric: Metric) -> Argmax:
        """Weights that are a power between 0 and -1 of the class frequencies, where every class counts alike (macro F1,
        balanced accuracy); else none."""
        if metric.name not in ("f1_macro", "balanced_accuracy"):
            return cls(why="the likeliest class")
        classes = probabilities.shape[1]
        share = np.maximum(np.bincount(targets, minlength=classes), 1) / max(len(targets), 1)
        powers = np.arange(11) / 10
        made = [cls(tuple(map(float, (share / share.max()) ** -power))) for power in powers]
        at, score, before = _best(made, targets, probabilities, metric)
        if at == 0:
            return cls(why=f"the likeliest class: {_told(metric, before)} on {len(targets):,} validation images")
        return replace(
            made[at],
            why=f"the likeliest class, weighted by frequency to the power -{_short(powers[at])}, fitted on "
            f"{len(targets):,} validation images: {_told(metric, score)}, unweighted {_figure(before)}",
        )


@dataclass(frozen=True)
class Threshold(Decision):
    """Class 1 of two where its probability is above `threshold`, int64 (n,)."""

    threshold: float = 0.5

    def __call__(self, answers: np.ndarray) -> np.ndarray:
        return (answers[:, -1] > self.threshold).astype(np.int64)

    @classmethod
    def fit(cls, targets: np.ndarray, probabilities: np.ndarray, metric: Metric) -> Threshold:
        """The best of 150 thresholds; of equal ones that which is nearest to one half."""
        p = probabilities[:, -1].astype(np.float64)
        spread = np.quantile(p, np.arange(1, 50) / 50) if len(p) and np.isfinite(p).all() else []
        values = np.unique(np.concatenate([np.arange(1, 100) / 100, spread]))
        values = values[np.argsort(np.abs(values - 0.5), kind="stable")]
        made = [cls(float(value)) for value in values]
        at, score, before = _best(made, targets, probabilities, metric)
        figures = f"{_told(metric, score)}, at .5 {_figure(before)}" if at else _told(metric, before)
        shown = _short(made[at].threshold)
        return replace(made[at], why=f"threshold {shown} fitted on {len(targets):,} validation images: {figures}")


@dataclass(frozen=True)
class Tags(Decision):
    """Each tag whose probability is above its threshold, and the likeliest ones up to `at_least`: 0 and 1, int64
    (n, classes)."""

    thresholds: tuple[float, ...] = ()
    at_least: int = 0

    def __call__(self, answers: np.ndarray) -> np.ndarray:
        given = answers > np.array(self.thresholds, answers.dtype)
        if self.at_least:
            short = np.flatnonzero(given.sum(1) < self.at_least)
            likeliest = np.argsort(-answers[short], axis=1, kind="stable")[:, : self.at_least]
            given[short[:, None], likeliest] = True
        return given.astype(np.int64)

    @classmethod
    def fit(cls, targets: np.ndarray, probabilities: np.ndarray, metric: Metric, at_least: int = 0) -> Tags:
        """A threshold for all tags, then one for each (see `recipes.tag_thresholds`), each kept only where it scores
        better than what is simpler."""
        classes, n = probabilities.shape[1], len(targets)
        usual = tags.USUAL.get(metric.name, 0.5)
        if metric.name not in tags.COUNTED or not n or not np.isfinite(probabilities).all():
            return cls((usual,) * classes, at_least, why=f"tags above {_short(usual)}")
        one, each = tags.fitted(targets, probabilities, metric.name)
        made = [cls(tuple(map(float, np.broadcast_to(value, classes))), at_least) for value in (usual, one, each)]
        at, score, before = _best(made, targets, probabilities, metric)
        what = (f"tags above {_short(usual)}", f"one threshold, {_short(one)},", "thresholds")[at]
        fitted = f"{what} fitted on {n:,} validation images: {_told(metric, score)}"
        if at == 0:
            why = f"{what}, no others score better on {n:,} validation images: {_told(metric, before)}"
        else:
            why = f"{fitted}, at {_short(usual)} for all {_figure(before)}"
        return replace(made[at], why=why)


@dataclass(frozen=True)
class CutPoints(Decision):
    """Whole numbers in order by where a value lies between cut points.

    With `classes`, the value is the mean class number that probabilities (n, classes) expect, and class numbers come
    out, int64 (n,); without, it is the number answered, and whole numbers from `low` to `high` come out, int64 (n,
    1). Without cuts: the likeliest class, or the number rounded.
    """

    cuts: tuple[float, ...] = ()
    classes: int = 0
    low: int = 0
    high: int = 0

    def __call__(self, answers: np.ndarray) -> np.ndarray:
        if self.cuts:
            return self.low + np.searchsorted(np.array(self.cuts), self._values(answers), side="left")
        if self.classes:
            return answers.argmax(1)
        return np.clip(np.rint(answers), self.low, self.high).astype(np.int64)

    def _values(self, answers: np.ndarray) -> np.ndarray:
        answers = answers.astype(np.float64)
        return answers @ np.arange(self.classes) if self.classes else answers

    @classmethod
    def fit(cls, targets: np.ndarray, answers: np.ndarray, metric: Metric) -> CutPoints:
        """Cut points by coordinate search, from halfway between the numbers and from where their frequencies are those
        of the targets; none where they score no better than the likeliest class or rounding."""
        classes = answers.shape[1] if targets.ndim == 1 else 0
        plain = cls(classes=classes, high=classes - 1)
        if not classes and len(targets):
            plain = cls(low=int(np.rint(targets.min())), high=int(np.rint(targets.max())))
        simple = "the likeliest class" if classes else "rounded"
        number = plain.high - plain.low
        if not len(targets) or not np.isfinite(answers).all() or not 1 <= number <= MOST_CUTS:
            return replace(plain, why=f"{simple}: there is nothing that cut points could be fitted on")
        value = plain._values(answers)
        share = np.array([(np.rint(targets) <= plain.low + k).mean() for k in range(number)])
        starts = (plain.low + np.arange(number) + 0.5, np.quantile(value, share))
        made = [replace(plain, cuts=_searched(plain, cuts, value, targets, answers, metric)) for cuts in starts]
        at, score, before = _best([plain, *made], targets, answers, metric)
        on = f"{len(targets):,} validation images"
        if at == 0:
            return replace(plain, why=f"{simple}: no cut points score better on {on}: {_told(metric, before)}")
        cuts = ", ".join(_short(cut) for cut in made[at - 1].cuts)
        figures = f"{_told(metric, score)}, {simple} {_figure(before)}"
        return replace(made[at - 1], why=f"cut points {cuts} fitted on {on}: {figures}")


@dataclass(frozen=True)
class Ranked(Decision):
    """The `top` likeliest classes, best first, int64 (n, top); fewer where there are fewer classes."""

    top: int = 5

    def __call__(self, answers: np.ndarray) -> np.ndarray:
        return np.argsort(-answers, axis=1, kind="stable")[:, : self.top]

    @classmethod
    def fit(cls, targets: np.ndarray, probabilities: np.ndarray, metric: Metric, top: int | None = None) -> Ranked:
        """`top`, or as many as the metric's name says; nothing else is fitted."""
        said = re.search(r"map@(\d+)|top_(\d+)", metric.name)
        made = cls(top or (int(said[1] or said[2]) if said else 1))
        return replace(made, why=f"the {made.top} likeliest classes in order")


@dataclass(frozen=True)
class Clipped(Decision):
    """Numbers no lower than `low` and no higher than `high`, a bound a column; rounded where `whole`: (n, columns)."""

    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    whole: bool = False

    def __call__(self, answers: np.ndarray) -> np.ndarray:
        low, high = (np.array(bound, np.float64) for bound in (self.low or -np.inf, self.high or np.inf))
        clipped = np.clip(answers.astype(np.float64), low, high)
        return np.rint(clipped) if self.whole else clipped

    @classmethod
    def fit(
        cls,
        targets: np.ndarray,
        answers: np.ndarray,
        metric: Metric,
        low: float | None = None,
        high: float | None = None,
        whole: bool | None = None,
    ) -> Clipped:
        """The range of the targets, or the bounds given; whole numbers where the targets are and rounding scores
        better, or as `whole` says."""
        columns = answers.shape[1]
        if not len(targets):
            return cls(whole=bool(whole), why="as answered")
        lows = (float(low),) * columns if low is not None else tuple(map(float, targets.min(0)))
        highs = (float(high),) * columns if high is not None else tuple(map(float, targets.max(0)))
        measured, counted = cls(lows, highs), cls(lows, highs, whole=True)
        if whole is None:
            made = [measured, counted] if (targets == np.rint(targets)).all() else [measured]
        else:
            made = [counted if whole else measured]
        at, score, _ = _best(made, targets, answers, metric)
        span = f"{min(lows):g} to {max(highs):g}" if columns == 1 else "the range of each column"
        rounding = ", rounded to whole numbers" if made[at].whole else ""
        plain = metric(targets, answers)
        figures = f"{_told(metric, score)}, as answered {_figure(plain)}"
        return replace(made[at], why=f"clipped to {span}{rounding}: on {len(targets):,} validation images {figures}")


def decision_for(
    name: str,
    task: Task,
    targets: np.ndarray,
    answers: np.ndarray,
    *,
    at_least: int = 0,
    top: int | None = None,
    low: float | None = None,
    high: float | None = None,
    whole: bool | None = None,
) -> Decision:
    """The decision that the metric of that name asks for, fitted on validation targets and answers.

    `top` ranks that many classes; `at_least` is for tags; `low`, `high` and `whole` are for numbers. Raises
    RecipeError for a metric that does not score the task.
    """
    chosen = metric(name, task)
    if isinstance(task, Regression):
        if chosen.name == "kappa" and answers.shape[1] == 1 and (low, high, whole) in ((None,) * 3, (None, None, True)):
            return CutPoints.fit(targets, answers, chosen)
        return Clipped.fit(targets, answers, chosen, low, high, whole if chosen.name != "kappa" else True)
    if top is not None or (re.match(r"map@|top_\d+", chosen.name) and chosen.name != "top_1_error"):
        return Ranked.fit(targets, answers, chosen, top)
    if isinstance(task, MultiLabel):
        return Tags.fit(targets, answers, chosen, at_least)
    if chosen.name == "kappa":
        return CutPoints.fit(targets, answers, chosen)
    if len(task.classes) == 2 and chosen.rule is not None and chosen.name not in ("accuracy", "top_1_error"):
        return Threshold.fit(targets, answers, chosen)
    return Argmax.fit(targets, answers, chosen)


def cross_fitted(
    name: str, task: Task, targets: np.ndarray, answers: np.ndarray, folds: int = 5, seed: int = 0, **options: Any
) -> float:
    """The metric's score where each image is decided by what was fitted on the other folds: what fitting is worth on
    images that it has not seen. `options` as in `decision_for`; NaN with fewer than two images a fold."""
    chosen = metric(name, task)
    if len(targets) < 2 * folds:
        return float("nan")
    fold = splits.fold_of(task.strata(targets), folds, seed)
    parts = [np.flatnonzero(fold == number) for number in range(folds)]
    rest = [np.flatnonzero(fold != number) for number in range(folds)]
    decided = [decision_for(name, task, targets[r], answers[r], **options)(answers[p]) for r, p in zip(rest, parts)]
    rows = np.concatenate(parts)
    made = decided if chosen.rule is not None or isinstance(task, Regression) else [answers[p] for p in parts]
    return chosen.decided(targets[rows], np.concatenate(made))


def _searched(
    plain: CutPoints, cuts: np.ndarray, value: np.ndarray, targets: np.ndarray, answers: np.ndarray, metric: Metric
) -> tuple[float, ...]:
    """Cut points moved one after the other to where the metric is best, until none moves or for six rounds; first
    anywhere between their neighbours, then by less and less."""
    best = np.array(cuts, np.float64)
    decided = plain.low + np.searchsorted(best, value, side="left")
    score, reach = metric.decided(targets, decided), 1.0
    for _ in range(6):
        before = score
        for at in range(len(best)):
            below = best[at - 1] if at else min(float(value.min()), best[0])
            above = best[at + 1] if at + 1 < len(best) else max(float(value.max()), best[-1])
            for cut in np.linspace(
                below + (best[at] - below) * (1 - reach), above - (above - best[at]) * (1 - reach), 21
            ):
                tried = np.concatenate([best[:at], [cut], best[at + 1 :]])
                found = metric.decided(targets, plain.low + np.searchsorted(tried, value, side="left"))
                if metric.better(found, score):
                    best, score = tried, found
        reach /= 2
        if not metric.better(score, before):
            break
    return tuple(map(float, best))


def _best(made: list[Any], targets: np.ndarray, answers: np.ndarray, metric: Metric) -> tuple[int, float, float]:
    """Which of the decisions scores best (the first of equal ones), its score, and that of the first. Those of a metric
    that scores no decisions are scored by what they give, where that is numbers."""
    if not len(targets) or not np.isfinite(answers).all():
        return 0, float("nan"), float("nan")
    found = [metric.decided(targets, one(answers)) for one in made]
    at = 0
    for other in range(1, len(found)):
        if metric.better(found[other], found[at]):
            at = other
    return at, found[at], found[0]


def _told(metric: Metric, score: float) -> str:
    """`F2 .8721`."""
    spoken = {"f1_macro": "macro F1", "f1_micro": "micro F1", "f1_samples": "F1", "f1_weighted": "weighted F1"}
    shouted = metric.name.startswith(("map@", "rms", "mae", "mcrmse"))
    plain = {"f1": "F1", "f2": "F2", "r2": "R2"}.get(metric.name, metric.name.upper() if shouted else metric.name)
    return f"{spoken.get(metric.name, plain).replace('_', ' ')} {_figure(score)}"


def _figure(value: float, digits: int = 4) -> str:
    """`.8721`, without the nought before the point."""
    return re.sub(r"^(-?)0\.", r"\1.", f"{float(value):.{digits}f}")


def _short(value: float) -> str:
    """`.2`, to three places at most."""
    return re.sub(r"^(-?)0\.", r"\1.", f"{round(float(value), 3):g}")
