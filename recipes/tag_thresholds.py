"""Above which probability a tag is given: the thresholds that score best on validation images.

First one threshold for all tags, the best of a grid; then, from there, one for each by coordinate ascent, which a tag
with few positives leaves near the common one. Probabilities are sorted into the grid once, so that all its thresholds
are scored by counting, and moving one tag's threshold costs a look at one column.
"""

from __future__ import annotations

import numpy as np

from recipes.scores import f

__all__ = ["COUNTED", "GRID", "USUAL", "fitted"]

USUAL = {"f2": 0.2}  # thresholds that metrics decide at by themselves, .5 where none is named
# What is counted together, an image (rows), a tag (columns) or all, and F's beta; without one, the share that is right.
COUNTED: dict[str, tuple[str, float | None]] = {
    "f2": ("rows", 2.0),
    "f1_samples": ("rows", 1.0),
    "f1_micro": ("all", 1.0),
    "f1_macro": ("columns", 1.0),
    "f1_weighted": ("columns", 1.0),
    "accuracy": ("columns", None),
}
GRID = np.concatenate([[0.002, 0.005], np.arange(1, 10) / 100, np.arange(4, 40) / 40])
PASSES, FEWEST, SHRINK = 2, 5, 20.0  # rounds over all tags; positives that a tag of its own threshold has; see `fitted`
BLOCK = 4_000_000  # probabilities that are sorted at once


def fitted(targets: np.ndarray, probabilities: np.ndarray, name: str) -> tuple[float, np.ndarray]:
    """The best threshold for all tags, and one for each (classes,), for the metric of that name (one of `COUNTED`).

    A tag with m positives (or negatives, whichever are fewer) gets its own best threshold by m / (m + 20) and the
    common one by the rest; one with fewer than 5 keeps the common one.
    """
    over, beta = COUNTED[name]
    true, grid = targets > 0.5, GRID.astype(probabilities.dtype)
    right, given, positives = _counted(true, probabilities, grid, over)
    scores = f(right, given, positives, beta) if beta else (2 * right - given) / len(true)
    weight = positives if name == "f1_weighted" else np.ones_like(positives)
    common = int(np.round((scores * weight).mean(0), 12).argmax())
    if over == "columns":
        own = np.array([_nearest_best(of_tag, common) for of_tag in scores])
    else:
        own = _ascended(true, probabilities, grid, common, over, beta or 1.0)
    rarer = np.minimum(true.sum(0), (~true).sum(0))
    share = np.where(rarer >= FEWEST, rarer / (rarer + SHRINK), 0)
    return float(GRID[common]), share * GRID[own] + (1 - share) * GRID[common]


def _counted(
    true: np.ndarray, probabilities: np.ndarray, grid: np.ndarray, over: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many tags are rightly given and given at each threshold, (units, thresholds), and how many are true,
    (units, 1); a unit is an image, a tag or all."""
    n, classes = true.shape
    width, rows = len(grid) + 1, max(1, BLOCK // classes)
    units = {"rows": n, "columns": classes, "all": 1}[over]
    right, given = np.zeros((units, width), np.int64), np.zeros((units, width), np.int64)
    for start in range(0, n, rows):
        span = slice(start, min(start + rows, n))
        bins = np.searchsorted(grid, probabilities[span], side="left")  # how many thresholds the tag is above
        mine = span if over == "rows" else slice(None)
        if over == "rows":
            bins = bins + width * np.arange(len(bins))[:, None]
        elif over == "columns":
            bins = bins + width * np.arange(classes)
        size = right[mine].size
        right[mine] += np.bincount(bins[true[span]], minlength=size).reshape(-1, width)
        given[mine] += np.bincount(bins.ravel(), minlength=size).reshape(-1, width)
    axis = {"rows": 1, "columns": 0, "all": None}[over]
    return _above(right), _above(given), true.sum(axis).reshape(-1, 1)


def _above(counts: np.ndarray) -> np.ndarray:
    """From counts by bin (…, thresholds + 1) to counts above each threshold (…, thresholds)."""
    return counts[..., ::-1].cumsum(-1)[..., ::-1][..., 1:]


def _nearest_best(scores: np.ndarray, common: int) -> int:
    """The threshold that scores best; of equal ones that which is nearest to the common one."""
    best = np.flatnonzero(np.round(scores, 12) == np.round(scores, 12).max())
    return int(best[np.abs(best - common).argmin()])


def _ascended(
    true: np.ndarray, probabilities: np.ndarray, grid: np.ndarray, common: int, over: str, beta: float
) -> np.ndarray:
    """Each tag's place in the grid, frequent tags first, where all other tags' thresholds stay; several times over."""
    axis = 1 if over == "rows" else None
    given = probabilities > grid[common]
    all_right, all_given, all_true = (true & given).sum(axis), given.sum(axis), true.sum(axis)
    own = np.full(true.shape[1], common)
    rarer = np.minimum(true.sum(0), (~true).sum(0))
    frequent_first = [int(tag) for tag in np.argsort(-rarer, kind="stable") if rarer[tag] >= FEWEST]
    for _ in range(PASSES):
        for tag in frequent_first:
            mine, p = true[:, tag], probabilities[:, tag]
            bins, before = np.searchsorted(grid, p, side="left"), p > grid[own[tag]]
            if over == "rows":
                right, others = all_right - (mine & before), all_given - before
                gain = f(right + mine, others + 1, all_true, beta) - f(right, others, all_true, beta)
                scores = _above(np.bincount(bins, weights=gain, minlength=len(grid) + 1))
            else:
                right = all_right - (mine & before).sum() + _above(np.bincount(bins[mine], minlength=len(grid) + 1))
                others = all_given - before.sum() + _above(np.bincount(bins, minlength=len(grid) + 1))
                scores = f(right, others, all_true, beta)
            own[tag] = _nearest_best(scores, common)
            after = p > grid[own[tag]]
            change, changed_right = after.astype(np.int64) - before, (after & mine).astype(np.int64) - (before & mine)
            all_given = all_given + (change if over == "rows" else change.sum())
            all_right = all_right + (changed_right if over == "rows" else changed_right.sum())
    return own
