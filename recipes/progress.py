"""What a run shows in a terminal or a notebook: bars with the time that is left, and a table of epochs."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from recipes import events

__all__ = ["Shown", "clock", "in_line", "shown_here"]

STAGES = {
    "decode": "decoding images",
    "resize": "resizing images",
    "activations": "computing activations",
    "sweep": "sweeping the learning rate",
    "train": "training",
    "valid": "validating",
    "predict": "predicting",
    "headers": "reading headers",
    "looks": "looking at images",
    "compare": "comparing images",
    "draw": "drawing the page",
}


class Shown:
    """Prints events on a console as they come: call it with each. `live` shows bars; without it, lines only."""

    def __init__(self, console: Console | None = None, live: bool = True):
        self.console = console or Console()
        self.bars = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self.console,
            transient=True,
            disable=not live,
        )
        self.bar: tuple[str, int] | None = None
        self.columns: tuple[str, ...] = ()

    def __enter__(self) -> Shown:
        self.bars.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.bars.stop()

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.Batch):
            self._bar(event)
            return
        if self.bar is not None and not isinstance(event, (events.Advice, events.Warned)):
            self.bars.remove_task(self.bar[1])  # type: ignore[arg-type]
            self.bar = None
        show = getattr(self, f"_{event.event}", None)
        if show is not None:
            show(event)

    def _print(self, text: str, style: str | None = None) -> None:
        self.console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    def _bar(self, event: events.Batch) -> None:
        if self.bar is None or self.bar[0] != (event.stage, event.total):
            if self.bar is not None:
                self.bars.remove_task(self.bar[1])  # type: ignore[arg-type]
            self.bar = ((event.stage, event.total), self.bars.add_task("", total=event.total, left=""))  # type: ignore[assignment]
        text = STAGES.get(event.stage, event.stage) + (f" (epoch {event.epoch})" if event.epoch else "")
        left = "" if event.seconds_left is None else f"{clock(event.seconds_left)} left"
        if event.images_per_second:
            left += f"  {event.images_per_second:.0f} images/s"
        if event.loss is not None:
            left += f"  loss {event.loss:.4f}"
        self.bars.update(self.bar[1], completed=event.done, description=text, left=left)  # type: ignore[index,arg-type]

    def _run_started(self, event: events.RunStarted) -> None:
        again = "resumed" if event.resumed else "started"
        self._print(f"{event.recipe} {again}", "bold")

    def _waiting(self, event: events.Waiting) -> None:
        self._print(f"  {in_line(event.ahead)}" if event.ahead else "  its turn has come")

    def _images_ready(self, event: events.ImagesReady) -> None:
        kind = event.task.replace("_", "-")
        self._print(
            f"  {event.train:,} images to train, {event.valid:,} to validate, {event.test:,} to predict; {kind}, "
            f"{len(event.classes)} {'targets' if event.task == 'regression' else 'classes'}; "
            f"on {event.device} ({event.seconds:.1f} s)"
        )

    def _step_started(self, event: events.StepStarted) -> None:
        fold = f"fold {event.fold + 1} of {event.folds}, " if event.folds > 1 else ""
        self._print(f"{fold}step {event.step} of {event.of}: {event.title} ({event.size} px)", "bold")
        self.columns = ()

    def _sweep(self, event: events.Sweep) -> None:
        named = ", ".join(f"{name} {rate:.1e}" for name, rate in event.suggestions.items())
        self._print(f"  rate {event.suggestion:.1e} of {named}")

    def _epoch(self, event: events.Epoch) -> None:
        columns = tuple(event.metrics)
        if columns != self.columns:
            self.columns = columns
            names = "".join(f"{name:>12}" for name in columns)
            self._print(f"  {'epoch':>7}{'train_loss':>12}{'valid_loss':>12}{names}{'rate':>10}{'time':>8}", "dim")
        numbers = "".join(f"{_number(value):>12}" for value in event.metrics.values())
        train, valid = _number(event.train_loss), _number(event.valid_loss)
        self._print(
            f"  {event.epoch:>3} / {event.epochs:<2}{train:>11}{valid:>12}{numbers}{event.lr:>10.1e}"
            f"{clock(event.seconds):>8}{'  best' if event.best else ''}"
        )

    def _cycle_ended(self, event: events.CycleEnded) -> None:
        if not event.improved and not event.more:
            self._print(f"  cycle {event.cycle} brought no better score: that is over-fitting, the best weights remain")

    def _advice(self, event: events.Advice) -> None:
        self._print(f"  advice: {event.text}", "yellow")

    def _warning(self, event: events.Warned) -> None:
        self._print(f"  note: {event.text}", "yellow")

    def _submission_written(self, event: events.SubmissionWritten) -> None:
        self._print(f"submission: {event.path} ({event.rows:,} rows, checked)", "bold")

    def _run_stopped(self, event: events.RunStopped) -> None:
        self._print(f"stopped during {event.during}")

    def _run_paused(self, event: events.RunPaused) -> None:
        self._print(event.why or f"paused during {event.during}")

    def _run_failed(self, event: events.RunFailed) -> None:
        self._print(event.error, "red")

    def _run_done(self, event: events.RunDone) -> None:
        for view, scores in event.scores.items():
            spans = event.intervals.get(view, {})
            numbers = ", ".join(f"{name} {_number(value)}{_span(spans.get(name))}" for name, value in scores.items())
            self._print(f"  {VIEWS.get(view, view):<36}{numbers}")
        self._print(f"done in {clock(event.seconds)}", "bold")


def _span(interval: Sequence[float] | None) -> str:
    known = interval is not None and all(bound is not None and math.isfinite(bound) for bound in interval)
    return f" ({_number(interval[0])} to {_number(interval[1])})" if interval is not None and known else ""


VIEWS = {
    "valid": "validation",
    "valid_tta": "validation with TTA",
    "valid_decided": "the same, decided as in the file",
    "truth": "held-out truth (like a leaderboard)",
}


def _number(value: float | None) -> str:
    """Four digits; a number that was not finite is none in JSON."""
    return "nan" if value is None else f"{value:.4f}"


def in_line(ahead: int) -> str:
    """A place in the line, in words."""
    return f"waiting for the device: {ahead} {'run' if ahead == 1 else 'runs'} before this one"


def clock(seconds: float) -> str:
    """Seconds as m:ss, or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextlib.contextmanager
def shown_here() -> Iterator[events.Report | None]:
    """A reporter that shows progress where somebody looks (a terminal, a notebook), else None."""
    if not (sys.stdout.isatty() or _in_notebook()):
        yield None
        return
    with Shown() as shown:
        yield shown


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython  # type: ignore[import-not-found]
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and shell.__class__.__name__ == "ZMQInteractiveShell"
