"""The learning-rate sweep and its suggestions (Smith 2015; fastai's `lr_find`).

Picks by name: `minimum` is a tenth of the rate with the lowest loss; `steepest` the rate where loss falls fastest;
`valley` the rate two thirds down the longest descent (fastai 2: half way); `edge` a twentieth of the rate from which on a tenth
of what the network knew (the way from chance to its loss) is lost. A network whose head is trained has next to no
descent left, only an edge. `auto` is the valley where the loss falls to two thirds of its level or lower, else the
edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PICKS", "SweepResult", "chosen", "picks", "smoothed"]

PICKS = ("auto", "valley", "steepest", "minimum", "edge")
WARM = 10  # the best loss counts from this batch on
DIVERGED = 4.0  # times the best loss: the sweep stops


@dataclass(frozen=True)
class SweepResult:
    """Rates and smoothed losses of a sweep, as far as it went (float64 arrays of one length)."""

    rates: np.ndarray
    losses: np.ndarray
    suggestion: float
    suggestions: dict[str, float]

    def plot(self) -> Figure:
        """Loss against rate, the picks marked."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot(self.rates, self.losses, color="#d9480f")
        for name, rate in self.suggestions.items():
            used = rate == self.suggestion
            axes.axvline(
                rate, linewidth=1.6 if used else 0.8, linestyle="-" if used else ":", color="#444" if used else "#999"
            )
            axes.annotate(
                f"{name} {rate:.1e}",
                (rate, 1),
                xycoords=("data", "axes fraction"),
                rotation=90,
                va="top",
                ha="right",
                fontsize=8,
            )
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss (smoothed)")
        finite = self.losses[np.isfinite(self.losses)]
        if len(finite):
            axes.set_ylim(
                finite.min() - 0.05 * np.ptp(finite[: max(2, len(finite) // 2)]) - 1e-3,
                min(finite.max(), 2.5 * finite[0]),
            )
        return figure


def smoothed(losses: list[float], beta: float = 0.9) -> np.ndarray:
    """Exponential mean of the losses, corrected for its start, float64 (n,)."""
    out, mean = [], 0.0
    for number, loss in enumerate(losses, 1):
        mean = beta * mean + (1 - beta) * loss
        out.append(mean / (1 - beta**number))
    return np.array(out)


def picks(rates: np.ndarray, losses: np.ndarray, chance: float) -> dict[str, float]:
    """The suggestions of a sweep by name; `chance` is the loss of answering without looking.

    With fewer than four finite losses, all are the first rate.
    """
    good = np.isfinite(losses)
    rates, losses = rates[good], losses[good]
    if len(rates) < 4:
        first = float(rates[0]) if len(rates) else 1e-3
        return {"minimum": first, "steepest": first, "valley": first, "edge": first}
    start = WARM if len(rates) > WARM + 4 else 0  # before, the mean is of few batches and moves by chance
    lowest = start + int(np.argmin(losses[start:]))
    upto = max(lowest + 1, start + 4)
    slope = np.gradient(losses[start:upto], np.log(rates[start:upto]))
    return {
        "minimum": float(rates[lowest] / 10),
        "steepest": float(rates[start + int(np.argmin(slope))]),
        "valley": float(rates[_valley(losses)]),
        "edge": float(rates[_edge(losses, chance)] / 20),
    }


def chosen(losses: np.ndarray, found: dict[str, float], pick: str) -> float:
    """The rate of the pick of that name among a sweep's `picks`; `auto` looks whether the loss has a descent."""
    if pick != "auto":
        return found[pick]
    losses = losses[np.isfinite(losses)]
    if len(losses) <= WARM:
        return found["valley"]
    level = float(np.median(losses[: WARM + 1]))
    return found["valley" if losses[WARM:].min() < level * 2 / 3 else "edge"]


def _edge(losses: np.ndarray, chance: float) -> int:
    """Where the loss leaves its level for good: behind the last loss that gives up less than a tenth of what the
    network knew, the way from chance to its level."""
    level = float(np.median(losses[: max(len(losses) // 2, 1)]))
    kept = np.flatnonzero(losses < level + 0.1 * max(chance - level, 0.05 * chance))
    return min(int(kept[-1]) + 1, len(losses) - 1) if len(kept) else 0


def _valley(losses: np.ndarray) -> int:
    """Two thirds along the longest strictly falling subsequence; fastai 2 looks for the same, and takes the rate half way."""
    n = len(losses)
    length, before = np.ones(n, int), np.full(n, -1)
    for i in range(1, n):
        higher = np.flatnonzero(losses[:i] > losses[i])
        if len(higher):
            best = higher[np.argmax(length[higher])]
            length[i], before[i] = length[best] + 1, best
    path = [int(np.argmax(length))]
    while before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    path.reverse()
    return path[min(int(len(path) * 2 / 3), len(path) - 1)]
