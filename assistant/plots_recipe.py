"""Pictures of a recipe before it runs, in the style of `assistant.plots`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from assistant.plots import ACCENT, INK, LEGEND, PALE, QUIET, SECOND, _nothing, _panels, _quiet
from recipes.planning import Plan, PlannedStep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["schedule"]

GROUPS = (("early layers", "#7b6ca8"), ("late layers", SECOND), ("head", ACCENT))
LEAST, ROOM = 0.12, 0.92  # of the plot's width, and in inches, that a step has at least
POINTS = 300  # of a line in a step at most


def schedule(plan: Plan) -> Figure:
    """Each layer group's rate at every batch, over all steps that train, a line a group where groups differ.

    A step is as wide as it is long, but none too narrow for its name. Rates that a sweep is still to find are shares of
    what it finds; where other steps have rates of their own, all are shares of their step's highest.
    """
    steps = [step for step in plan.steps if step.epochs]
    if not steps:
        return _nothing("this recipe trains nothing")
    several, mixed = any(len(_apart(step)) > 1 for step in steps), len({step.relative for step in steps}) > 1
    tops = [np.nanmax(step.rates) if mixed else 1.0 for step in steps]
    said = "share of the rate that the sweep finds" if steps[0].relative else "learning rate"
    figure, (axes,) = _panels(1, max(6.4, ROOM * len(steps) + 1), 3.4, "The learning rate as it will be")
    _quiet(axes, "", "share of the step's highest rate" if mixed else said, grid="y")
    edges = np.concatenate([[0.0], np.cumsum(_widths(steps))])
    for step, top, left, right in zip(steps, tops, edges, edges[1:]):
        _draw(axes, step, top, left, right)
    _scale(axes, max(np.nanmax(step.rates) / top for step, top in zip(steps, tops)), several)
    axes.set_xlim(0, 1)
    axes.set_xticks((edges[:-1] + edges[1:]) / 2, [_epochs(step) for step in steps])
    axes.tick_params(axis="x", length=0)
    _name(axes, steps, edges, mixed)
    if several:
        _legend(figure, steps)
    return figure


def _widths(steps: list[PlannedStep]) -> np.ndarray:
    """The share of the plot that each step has, float64 (steps,)."""
    lengths = np.array([len(step.rates) for step in steps], float)
    least = min(LEAST, 1 / len(steps))
    return least + (1 - least * len(steps)) * lengths / lengths.sum()


def _draw(axes: Axes, step: PlannedStep, top: float, left: float, right: float) -> None:
    batches = len(step.rates)
    at = np.unique(np.linspace(0, batches - 1, POINTS).astype(int))
    x = left + (right - left) * (at + 0.5) / batches
    for group in _apart(step):
        marker = "o" if batches < 4 else None
        axes.plot(x, step.rates[at, group] / top, color=GROUPS[group][1], linewidth=1.8, marker=marker, markersize=3)
    if left:
        axes.axvline(left, color=QUIET, linewidth=1, zorder=0)
    for cycle in np.cumsum(step.cycles)[:-1]:
        axes.axvline(left + (right - left) * cycle / step.epochs, color=PALE, linewidth=1, linestyle=":", zorder=0)


def _scale(axes: Axes, top: float, several: bool) -> None:
    """Groups that differ are ten or a hundred times apart."""
    if several:
        axes.set_yscale("log")
        axes.set_ylim(top / 2e4, top * 1.7)
    else:
        axes.set_ylim(0, top * 1.06)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()


def _name(axes: Axes, steps: list[PlannedStep], edges: np.ndarray, tops: bool) -> None:
    """Above each step its number, what learns there, at which size where there are several, and maybe its highest
    rate."""
    sizes = len({step.size for step in steps}) > 1
    for step, left in zip(steps, edges):
        words = [f"step {step.number}", "all layers" if step.learns[1] else "head", f"{step.size} px" if sizes else ""]
        if tops:
            words.append("1 = as found" if step.relative else f"1 = {np.nanmax(step.rates):.2g}")
        where = axes.get_xaxis_transform()
        text = "\n".join(filter(None, words))
        axes.text(left, 1.02, text, transform=where, fontsize=8, color=INK, va="bottom", linespacing=1.25)


def _epochs(step: PlannedStep) -> str:
    fewer = step.until_overfitting and sum(step.cycles[:2]) < step.epochs
    number = f"{sum(step.cycles[:2])} to {step.epochs}" if fewer else f"{step.epochs}"
    return f"{number} epoch{'s' * (step.epochs > 1)}"


def _apart(step: PlannedStep) -> list[int]:
    """The groups that are drawn: all that learn, the head alone where they learn at one rate."""
    learned = [group for group in range(3) if step.learns[group]]
    return learned if np.ptp(step.rates[:, learned], axis=1).any() else learned[-1:]


def _legend(figure: Figure, steps: list[PlannedStep]) -> None:
    from matplotlib.lines import Line2D

    drawn = sorted({group for step in steps for group in _apart(step)}, reverse=True)
    lines = [Line2D([], [], color=GROUPS[group][1], linewidth=1.8, label=GROUPS[group][0]) for group in drawn]
    figure.legend(handles=lines, **LEGEND)
