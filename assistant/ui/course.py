"""The course of a run as HTML: where it is, its steps, epochs, curves and notes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from assistant import plots
from assistant.settings import zero_gpu
from assistant.ui.ending import RESULT_AWAITED, VIEWS_AT_THE_END, in_words
from assistant.ui.look import alert, empty, plot, table, text
from assistant.ui.watch import View, Watch
from recipes import events
from recipes.errors import few
from recipes.progress import STAGES, clock, in_line
from recipes.writing import is_written

__all__ = ["NOTHING", "VIEWS_OF_A_RUN", "idle", "now_line", "pulse", "steps"]

SWEEP_AWAITED = "The learning-rate sweep will be here: loss while the rate rises, and the rate that is picked."
AWAITED = {
    "sweep_1": SWEEP_AWAITED,
    "sweep_2": "The second sweep will be here, of the whole network.",
    "losses": "Training and validation loss after each epoch will be here.",
    "metric": "The score after each epoch will be here.",
    "epochs": "A row for each epoch will be here: losses, scores, and which one is the best so far.",
}
NOTHING = "Nothing is training yet. Start a recipe at step 3; it goes on when this page is closed."


def idle(titles: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Every part of the page while there is no run."""
    parts = {name: plot(None, words) for name, words in AWAITED.items() if name != "epochs"}
    return parts | {
        "now": now_line(NOTHING),
        "steps": steps(titles, 0, False),
        "epochs": f'<div class="scroll tall">{empty(AWAITED["epochs"])}</div>',
        "notes": "",
        "result": empty(RESULT_AWAITED),
    }


def steps(titles: Sequence[tuple[str, str]], done: int, going_on: bool, fold: str = "") -> str:
    """The list of steps: the first `done` ticked off, the next one marked where it is going on."""
    lines = []
    for number, (title, words) in enumerate(titles, 1):
        state = "done" if number <= done else "now" if going_on and number == done + 1 else "to-come"
        says = {"done": "done", "now": "going on", "to-come": "to come"}[state]
        mark = "✓" if state == "done" else str(number)
        current = ' aria-current="step"' if state == "now" else ""
        lines.append(
            f'<li class="{state}"{current} title="{text(words)}"><b aria-label="step {number}, {says}">{mark}</b>'
            f"<span>{text(title)}</span></li>"
        )
    return f'{fold}<ol class="steps">{"".join(lines)}</ol>'


def now_line(says: str, figures: str = "", share: float = 0.0, which: str = "", more: str = "") -> str:
    """Where a run is: words, figures, a bar, and which run it is."""
    percent = _percent(share)
    told = ' role="status"' if share >= 1 else ""  # that it is done is said aloud; what changes each second is not
    return (
        f'<div class="now"><div class="line"><strong{told}>{text(says)}</strong><span class="figures">{text(figures)}</span></div>'
        '<div class="bar" role="progressbar" aria-label="progress" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{percent}">'
        f'<i style="width:{percent}%"></i></div>{more}<div class="which">{text(which)}</div></div>'
    )


def _percent(share: float) -> int:
    return round(100 * min(max(share, 0), 1))


# ---------------------------------------------------------------- views: a key, and what makes the part


def _html(make: Callable[[Watch], str]) -> View:
    def view(watch: Watch) -> tuple[Any, Callable[[], Any]]:
        made = make(watch)
        return made, lambda: made

    return view


def _update(make: Callable[[Watch], dict[str, Any]]) -> View:
    def view(watch: Watch) -> tuple[Any, Callable[[], Any]]:
        made = make(watch)
        return made, lambda: gr.update(**made)

    return view


def pulse(watch: Watch) -> dict[str, Any]:
    """What changes from second to second: the mark of all else, and (while it goes on) words, figures and the share that
    is done, which the page puts into the line that is there."""
    watch.read()
    if watch.ends:
        return {"mark": watch.mark}
    says, figures, share = _going_on(watch)
    return {"mark": watch.mark, "says": says, "figures": figures, "percent": _percent(share)}


def _now(watch: Watch) -> tuple[str, Callable[[], str]]:
    """Made anew when more than a batch has happened; between, the page's pulse keeps it current."""
    return watch.mark, lambda: _now_made(watch)


def _now_made(watch: Watch) -> str:
    asked, sizes = watch.asked.options, ", ".join(map(str, watch.asked.options.sizes))
    device = watch.images.device if watch.images else ""
    which = [
        watch.run.name,
        "steps of your own" if is_written(asked.recipe) else asked.recipe.replace("_", " "),
        asked.arch,
        f"{sizes} px",
        f"on {device}" if device else "",
    ]
    which = " · ".join(filter(None, which))
    if watch.state == "done" and watch.done:
        early = " early, with the best weights kept" if watch.done.kept_best else ""
        return now_line(f"Done{early}: see the results", f"in {clock(watch.done.seconds)}", 1, which)
    if watch.state == "stopped":
        during = getattr(watch.last, "during", "")
        more = alert("What was learned is kept: resume goes on from there.")
        return now_line(f"Stopped during {during}" if during else "Stopped", "", _far(watch), which, more)
    if watch.waits:
        why = (
            getattr(watch.last, "why", "")
            or "It waits between two parts. What was learned is kept: resume goes on from there."
        )
        return now_line("Paused", "", _far(watch), which, alert(why[:1].upper() + why[1:]))
    if watch.state == "failed":
        error = getattr(watch.last, "error", "") or (
            "The training process ended without a word; the file worker.log in its folder may tell why. "
            "Resume goes on from the last checkpoint."
        )
        return now_line("It broke off", "", _far(watch), which, alert(error))
    says, figures, share = _going_on(watch)
    return now_line(says, figures, share, which)


def _going_on(watch: Watch) -> tuple[str, str, float]:
    """Words, figures and the share that is done of what is going on."""
    batch, step = watch.batch, watch.step
    if watch.started is None:
        return "Starting the training process", "", 0.0
    if watch.state == "waiting" and watch.waiting:
        return _in_line(watch, watch.waiting.ahead), f"{clock(time.time() - watch.started.t)} in line", 0.0
    begun = watch.waiting or watch.started  # the wait is no part of the run's time
    figures = [f"{clock(time.time() - begun.t)} so far"]
    stage, share = "", 0.0
    if batch is not None:
        share = batch.done / max(batch.total, 1)
        stage = STAGES.get(batch.stage, batch.stage) + (f", epoch {batch.epoch}" if batch.epoch else "")
        figures = [stage, f"{share:.0%}", *figures]
        if batch.seconds_left is not None:
            figures.insert(2, f"{clock(max(batch.seconds_left - (time.time() - batch.t), 0))} left")
        figures += _measured(batch)
    if watch.stopping:
        says = "Keeping the best weights and going on to predict" if watch.stopping["keep_best"] else "Stopping"
    elif watch.state == "paused":
        says = "Getting ready for the next part" if step is None else "Waiting for the next slice of GPU time"
    elif step is None:
        says = "Getting ready"
    elif watch.step_ended and step.step >= len(watch.steps):
        says = "Predicting, and writing the submission"
    else:
        fold = f"Fold {step.fold + 1} of {step.folds}, step" if step.folds > 1 else "Step"
        says = f"{fold} {step.step} of {step.of}: {step.title}"
    return says, " · ".join(figures), share


def _measured(batch: events.Batch) -> list[str]:
    """Pace, rate and memory, where a batch tells them."""
    told = []
    if batch.images_per_second:
        told.append(f"{batch.images_per_second:,.0f} images/s")
    if batch.lr:
        told.append(f"rate {batch.lr:.1e}")
    if batch.memory:
        told.append(f"{batch.memory / 1e9:.1f} GB on the GPU")
    return told


def _in_line(watch: Watch, ahead: int) -> str:
    """What a run that waits says."""
    if not watch.stopping:
        return in_line(ahead).capitalize()
    if watch.stopping["keep_best"] and watch.epochs:
        return f"{in_line(ahead).capitalize()}; then it keeps its best weights and predicts"
    return "Stopping"


def _far(watch: Watch) -> float:
    return _done(watch) / max(len(watch.steps), 1)


def _done(watch: Watch) -> int:
    if watch.state == "done" and watch.done and not watch.done.kept_best:
        return len(watch.steps)
    return 0 if watch.step is None else watch.step.step - (not watch.step_ended)


def _steps(watch: Watch) -> str:
    going_on, step = not watch.ends and watch.state != "waiting", watch.step
    fold = f'<p class="fold">Fold {step.fold + 1} of {step.folds}</p>' if step and step.folds > 1 else ""
    return steps(watch.steps, _done(watch), going_on, fold)


def _epochs(watch: Watch) -> str:
    epochs = list(watch.epochs.items())
    if not epochs:
        return f'<div class="scroll tall">{empty(AWAITED["epochs"])}</div>'
    names = list(epochs[-1][1].metrics)
    folded = any(key[0] for key, _ in epochs)
    rows, best = [], {fold: epoch for (fold, *_), epoch in epochs if epoch.best}  # of each fold the last one
    for (fold, *_), epoch in reversed(epochs):
        scores = [_number(epoch.metrics.get(name)) for name in names]
        row: list[Any] = [fold + 1] if folded else []
        row += [
            epoch.step,
            f"{epoch.epoch} of {epoch.epochs}",
            _number(epoch.train_loss),
            _number(epoch.valid_loss),
            *scores,
        ]
        row += [
            "" if epoch.lr is None else f"{epoch.lr:.1e}",
            clock(epoch.seconds),
            "best" if epoch is best.get(fold) else "better" if epoch.best else "",
        ]
        rows.append([None, *row] if epoch is best.get(fold) else row)
    columns = ["fold"] if folded else []
    columns += ["step", "epoch", "train loss", "valid loss", *(in_words(name) for name in names), "rate", "time", ""]
    return table(columns, rows, "Epochs, the latest first", "tall")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _notes(watch: Watch) -> str:
    lines: dict[str, str] = {}
    ready = watch.images
    if ready is not None:
        for reasons, one, many in (
            (ready.set_aside, "image cannot be used and is set aside", "images cannot be used and are set aside"),
            (ready.missing, "image to answer for has no picture", "images to answer for have no picture"),
        ):
            told = few([f"{name} ({reason})" for name, reason in reasons.items()])
            if reasons:
                lines[f"{len(reasons):,} {one if len(reasons) == 1 else many}: {told}"] = "Note"
    for event in watch.told:
        if isinstance(event, events.Advice):
            lines[f"Step {event.step}: {event.text}" if event.step else event.text] = "Advice"
        elif isinstance(event, events.Warned):
            lines[event.text[:1].upper() + event.text[1:]] = "Note"
    if not lines:
        return ""
    return (
        '<ul class="notes">' + "".join(f"<li><b>{kind}</b>{text(line)}</li>" for line, kind in lines.items()) + "</ul>"
    )


def _sweep(number: int) -> View:
    """The sweep of the recipe's first or second step that makes one; the latest fold's."""

    def view(watch: Watch) -> tuple[Any, Callable[[], Any]]:
        event = watch.sweeps.get([*sorted(watch.sweeps), -1, -1][number])
        place, name = f"Sweep at step {event.step}" if event else "", f"sweep_{number + 1}"
        words = f"{place}: the rate {event.suggestion:.1e} is picked" if event and event.suggestion else place
        visible = number == 0 or sum(title == "Find the learning rate" for title, _ in watch.steps) > number
        return (visible, event and event.t), lambda: gr.update(
            value=plot(plots.sweep([event]), words) if event else plot(None, AWAITED[name]), visible=visible
        )

    return view


def _losses(watch: Watch) -> tuple[Any, Callable[[], Any]]:
    epochs = list(watch.epochs.values())

    def make() -> str:
        if not epochs:
            return plot(None, AWAITED["losses"])
        last = epochs[-1]
        valid = f" validation {last.valid_loss:.4f}" if last.valid_loss is not None else ""
        return plot(plots.losses(epochs), f"Loss after each epoch, now training {_number(last.train_loss)}{valid}")

    return _epochs_key(epochs), make


def _metric(watch: Watch) -> tuple[Any, Callable[[], Any]]:
    epochs, asked = list(watch.epochs.values()), watch.asked.competition.metric

    def make() -> str:
        names = list(epochs[-1].metrics) if epochs else []
        if not names:
            return plot(None, AWAITED["metric"])
        name = asked.name if asked.name in names else names[0]
        larger = asked.direction == "larger" if name == asked.name else None
        figure = plots.metric(epochs, name, larger)
        return plot(figure, f"{in_words(name)} after each epoch, now {_number(epochs[-1].metrics[name])}")

    return _epochs_key(epochs), make


def _epochs_key(epochs: list[events.Epoch]) -> tuple:
    return len(epochs), epochs[-1].t if epochs else None


VIEWS_OF_A_RUN: dict[str, View] = {
    "now": _now,
    "stop": _update(lambda watch: {"visible": not watch.ends, "interactive": watch.stopping != {"keep_best": False}}),
    "keep": _update(
        lambda watch: {"visible": not watch.ends, "interactive": watch.stopping is None and bool(watch.epochs)}
    ),
    "resume": _update(
        lambda watch: {"visible": watch.state in ("stopped", "failed") or watch.waits, "interactive": True}
    ),
    # another run waits in line; on ZeroGPU a run goes on only while its page shows it
    "start": _update(lambda watch: {"interactive": watch.ends or not zero_gpu()}),
    "steps": _html(_steps),
    "epochs": _html(_epochs),
    "notes": _html(_notes),
    "sweep_1": _sweep(0),
    "sweep_2": _sweep(1),
    "losses": _losses,
    "metric": _metric,
    **VIEWS_AT_THE_END,
}
