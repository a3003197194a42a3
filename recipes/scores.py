"""How answers are scored: plain functions of targets and answers, which `recipes.metrics` names and gives a direction.

Targets are class numbers (n,), tags as 0 and 1 (n, classes) or numbers (n, columns), as the tasks encode them.
Functions whose name begins with `each_` give a value an image (n,), or one a column (n, columns); their mean is the
score.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = [
    "argmax",
    "average_precision",
    "auc",
    "balanced_accuracy",
    "each_absolute_error",
    "each_average_precision",
    "each_f",
    "each_hit",
    "each_log_loss",
    "each_miss",
    "each_right",
    "each_squared_error",
    "each_squared_log_error",
    "each_wrong",
    "f",
    "f_average",
    "kappa",
    "likelier_than",
    "matthews",
    "r2",
    "ranked",
    "rounded",
]

BLOCK = 4096  # rows in double precision at a time: thousands of classes make them large

# ---------------------------------------------------------------- from answers to decisions, unless they are fitted


def argmax(answers: np.ndarray, one_class: bool) -> np.ndarray:
    """The likeliest class (n,); where images may have several, each that is likelier than one half (n, classes)."""
    return answers.argmax(1) if one_class else (answers > 0.5).astype(np.int64)


def likelier_than(threshold: float) -> Callable[[np.ndarray, bool], np.ndarray]:
    """A rule that gives every tag above `threshold`, 0 and 1 (n, classes)."""
    return lambda answers, one_class: (answers > threshold).astype(np.int64)


def ranked(top: int) -> Callable[[np.ndarray, bool], np.ndarray]:
    """A rule that gives the `top` likeliest classes, best first, (n, top); of equal ones the first."""
    return lambda answers, one_class: np.argsort(-answers, axis=1, kind="stable")[:, :top]


def rounded(answers: np.ndarray, one_class: bool) -> np.ndarray:
    """The likeliest class (n,), or numbers rounded to whole ones (n, columns)."""
    return answers.argmax(1) if one_class else np.rint(answers)


# ---------------------------------------------------------------- a value an image


def each_right(targets: np.ndarray, decisions: np.ndarray) -> np.ndarray:
    """1 where the class is right (n,), or where a tag is rightly given or left out (n, classes)."""
    return ((targets > 0.5) == (decisions > 0.5) if targets.ndim == 2 else targets == decisions).astype(np.float64)


def each_wrong(targets: np.ndarray, decisions: np.ndarray) -> np.ndarray:
    """1 where `each_right` is 0."""
    return 1 - each_right(targets, decisions)


def each_log_loss(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Negative log-likelihood, (n,) or (n, classes); probabilities clipped to 1e-15, as Kaggle does."""
    out = np.empty(targets.shape)
    for first in range(0, len(targets), BLOCK):
        some = slice(first, first + BLOCK)
        p, y = np.clip(probabilities[some].astype(np.float64), 1e-15, 1 - 1e-15), targets[some]
        if y.ndim == 2:
            out[some] = -(y * np.log(p) + (1 - y) * np.log(1 - p))
        else:
            out[some] = -np.log(p[np.arange(len(y)), y] / p.sum(1))
    return out


def each_hit(targets: np.ndarray, decisions: np.ndarray) -> np.ndarray:
    """1 where the class is among the ranked ones (n,)."""
    return (decisions == targets[:, None]).any(1).astype(np.float64)


def each_miss(targets: np.ndarray, decisions: np.ndarray) -> np.ndarray:
    """1 where the class is not among the ranked ones (n,)."""
    return 1 - each_hit(targets, decisions)


def each_average_precision(targets: np.ndarray, decisions: np.ndarray) -> np.ndarray:
    """Average precision at k of the ranked classes (n, k): for one right class, one over its rank."""
    if targets.ndim == 1:
        hits, right = decisions == targets[:, None], np.ones(len(targets))
    else:
        hits, right = np.take_along_axis(targets, decisions, 1) > 0.5, (targets > 0.5).sum(1)
    precision = hits.cumsum(1) / np.arange(1, decisions.shape[1] + 1)
    return (precision * hits).sum(1) / np.clip(right, 1, decisions.shape[1])


def each_f(beta: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """F-beta of each image's tags (n,); 0 where there are neither true nor given ones."""

    def function(targets: np.ndarray, decisions: np.ndarray) -> np.ndarray:
        true, given = targets > 0.5, decisions > 0.5
        return f((true & given).sum(1), given.sum(1), true.sum(1), beta)

    return function


def each_squared_error(targets: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """(n, columns)."""
    return (targets.astype(np.float64) - numbers) ** 2


def each_squared_log_error(targets: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """(n, columns), of log(1 + x); answers below 0 count as 0."""
    return (np.log1p(targets.astype(np.float64)) - np.log1p(np.maximum(numbers, 0))) ** 2


def each_absolute_error(targets: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """(n, columns)."""
    return np.abs(targets.astype(np.float64) - numbers)


# ---------------------------------------------------------------- a value of all images


def f(right: np.ndarray, given: np.ndarray, true: np.ndarray, beta: float = 1.0) -> np.ndarray:
    """F-beta from counts of right, given and true answers; 0 where nothing is given and nothing true."""
    return (1 + beta**2) * right / np.maximum(beta**2 * np.asarray(true) + given, 1e-12)


def f_average(average: str) -> Callable[[np.ndarray, np.ndarray], float]:
    """F1 by scikit-learn, averaged over classes (`macro`, `weighted`) or counted over all (`micro`), or `binary`: of
    class 1."""

    def function(targets: np.ndarray, decisions: np.ndarray) -> float:
        from sklearn.metrics import f1_score

        true, given = (targets > 0.5, decisions > 0.5) if targets.ndim == 2 else (targets, decisions)
        return float(f1_score(true, given, average=average, zero_division=0.0))  # type: ignore[arg-type]

    return function


def balanced_accuracy(targets: np.ndarray, decisions: np.ndarray) -> float:
    """The mean, over the classes that the targets hold, of the share of images that are found."""
    from sklearn.metrics import recall_score

    return float(recall_score(targets, decisions, labels=np.unique(targets), average="macro", zero_division=0.0))  # type: ignore[arg-type]


def matthews(targets: np.ndarray, decisions: np.ndarray) -> float:
    """Matthews correlation coefficient; 0 where either holds one class only."""
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(targets, decisions))


def kappa(targets: np.ndarray, decisions: np.ndarray) -> float:
    """Cohen's kappa with quadratic weights (1968), the mean over columns; NaN where all is one and the same class.

    Equal to scikit-learn's over every class in between, without its matrix of classes, which measured numbers would
    make too large: the distance expected by chance is the sum of both variances and of the squared distance of means.
    """
    t, d = targets.astype(np.float64), decisions.astype(np.float64)
    if t.ndim == 2:
        t = np.rint(t)
    by_chance = t.var(0) + d.var(0) + (t.mean(0) - d.mean(0)) ** 2
    found = ((t - d) ** 2).mean(0)
    return float(np.mean(np.where(by_chance > 0, 1 - found / np.where(by_chance > 0, by_chance, 1), np.nan)))


def r2(targets: np.ndarray, numbers: np.ndarray) -> float:
    """Coefficient of determination, the mean over columns; NaN for a single image."""
    from sklearn.metrics import r2_score

    return float(r2_score(targets.astype(np.float64), numbers.astype(np.float64)))


def auc(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Area under the ROC curve: of the last of two classes; of more, or of tags, the mean over those that are neither
    in all images nor in none. NaN where there is no such class."""
    from scipy.stats import rankdata

    true, p = _columns(targets, probabilities)
    positives, n = true.sum(0), len(true)
    if not true.shape[1]:
        return float("nan")
    # Mann and Whitney (1947): the share of pairs in order, from ranks: scikit-learn's number, ten times as fast.
    ranks = np.array([rankdata(p[:, at])[true[:, at]].sum() for at in range(true.shape[1])])
    return float(((ranks - positives * (positives + 1) / 2) / (positives * (n - positives))).mean())


def average_precision(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Average precision, over the same columns as `auc`."""
    from sklearn.metrics import average_precision_score

    true, p = _columns(targets, probabilities)
    return float(average_precision_score(true, p, average="macro")) if true.shape[1] else float("nan")


def _columns(targets: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Marks and probabilities, a column a class, of the classes that some images have and others have not."""
    if targets.ndim == 2:
        true, p = targets > 0.5, probabilities
    elif probabilities.shape[1] == 2:
        true, p = targets[:, None] == 1, probabilities[:, 1:]
    else:
        true, p = targets[:, None] == np.arange(probabilities.shape[1]), probabilities
    telling = true.any(0) & ~true.all(0)
    return true[:, telling], p[:, telling]
