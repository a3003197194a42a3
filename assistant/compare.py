"""Runs side by side: the settings that differ, their curves over one another, and what each of them scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant import plots
from assistant.runs import Asked, Options, Run
from assistant.submissions import Submission, submissions_of
from recipes import events
from recipes.progress import VIEWS, clock

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LETTERS", "Told", "curves", "differing", "score_of", "scores", "told_by"]

LETTERS = "ABCD"
STYLES = [
    (plots.ACCENT, "-"),
    (plots.SECOND, "--"),
    ("#2f855a", "-."),
    ("#6b46c1", ":"),
]  # told apart without colour too
BEST_LAST = ("valid", "valid_tta", "valid_decided")


@dataclass(frozen=True)
class Told:
    """What a run was asked, and what it told: its epochs in order, its end, and its latest scored submission."""

    run: Run
    asked: Asked
    epochs: tuple[events.Epoch, ...]
    done: events.RunDone | None
    handed_in: Submission | None

    @property
    def metric(self) -> str:
        """The competition's metric."""
        return self.asked.competition.metric.name


def told_by(run: Run) -> Told:
    """Reads a run's folder. Raises RunError. An epoch that a resumed run told twice counts as it was told last."""
    asked, epochs, fold, done = run.asked(), {}, 0, None
    for event in run.events():
        if isinstance(event, events.StepStarted):
            fold = event.fold
        elif isinstance(event, events.Epoch):
            epochs[fold, event.step, event.size, event.epoch] = event
        elif isinstance(event, events.RunDone):
            done = event
    scored = [each for each in submissions_of(run) if each.status == "scored"]
    return Told(run, asked, tuple(epochs.values()), done, scored[-1] if scored else None)


def score_of(told: Told) -> tuple[float, str] | None:
    """The score of the competition's metric as it was handed in, and the view that it is of; None before the end."""
    found = [
        (told.done.scores[view][told.metric], view)
        for view in BEST_LAST
        if told.done and told.metric in told.done.scores.get(view, {})
    ]
    return found[-1] if found else None


def differing(runs: Sequence[Told]) -> list[tuple[str, list[str]]]:
    """The settings that are not the same in all runs, with each run's own; the competition first where it differs."""
    slugs = [told.asked.competition.slug for told in runs]
    found = [("competition", slugs)] if len(set(slugs)) > 1 else []
    for name in Options.model_fields:
        values = [_said(name, getattr(told.asked.options, name)) for told in runs]
        if len(set(values)) > 1:
            found.append((name.replace("_", " "), values))
    return found


def scores(runs: Sequence[Told]) -> list[tuple[str, list[str]]]:
    """Rows of scores: the competition's metric by view, the leaderboard where one was handed in, and the time."""
    rows = []
    for view, words in VIEWS.items():
        given = [_score(told, view) for told in runs]
        if any(given):
            names = dict.fromkeys(told.metric for told in runs)
            metric = next(iter(names)).replace("_", " ") if len(names) == 1 else "own metric"
            rows.append((f"{words}: {metric}", given))
    for words, field in (("leaderboard, public", "public"), ("leaderboard, private", "private")):
        given = [getattr(told.handed_in, field, None) for told in runs]
        if any(value is not None for value in given):
            rows.append((words, ["" if value is None else f"{value:.5g}" for value in given]))
    return [*rows, ("time", [clock(told.done.seconds) if told.done else "not finished" for told in runs])]


def curves(runs: Sequence[Told]) -> dict[str, Figure]:
    """Validation loss, and the competition's metric where all have the same one, after each epoch: a line a run, named
    by its letter. Figures by what they show."""
    shown = [(letter, told) for letter, told in zip(LETTERS, runs) if told.epochs]
    if not shown:
        return {"Curves of the runs": plots._nothing("no epoch yet")}
    metrics = {told.metric for _, told in shown}
    return {
        f"Validation {name.replace('_', ' ')} after each epoch, run by run": _curves(shown, name)
        for name in ("loss", *(metrics if len(metrics) == 1 else ()))
    }


def _curves(runs: Sequence[tuple[str, Told]], name: str) -> Figure:
    said, longest = name.replace("_", " "), max(len(told.epochs) for _, told in runs)
    figure, (axes,) = plots._panels(1, 5.2, 3.5, f"Validation {said} after each epoch")
    plots._quiet(axes, "epoch", said, whole="x")
    axes.set_xlim(0.5, longest + 0.5)
    for (letter, told), (colour, line) in zip(runs, STYLES):
        values = plots._numbers([e.valid_loss if name == "loss" else e.metrics.get(name) for e in told.epochs])
        style: dict[str, Any] = {"color": colour, "linestyle": line, "linewidth": 1.8, "markersize": 4}
        marker = "o" if longest <= 40 else None
        axes.plot(range(1, len(values) + 1), values, marker=marker, label=f"run {letter}", **style)
    figure.legend(**{**plots.LEGEND, "ncols": 4})
    return figure


def _said(name: str, value: Any) -> str:
    if name == "weights":
        return Path(str(value)).name  # where a file lies is nobody's business
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "–" if value is None else str(value).replace("_", " ") if name == "recipe" else str(value)


def _score(told: Told, view: str) -> str:
    value = told.done.scores.get(view, {}).get(told.metric) if told.done else None
    if value is None:
        return ""
    span = told.done.intervals.get(view, {}).get(told.metric) if told.done else None
    known = span is not None and None not in span
    return f"{value:.4f}" + (f" ({span[0]:.4f} to {span[1]:.4f})" if span and known else "")
