"""What is shown of a run that is done: its scores, the head of its submission, and the files to take away."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from assistant.ui import submit_step
from assistant.ui.look import empty, table, text
from assistant.ui.watch import View, Watch
from recipes import events
from recipes.progress import VIEWS

__all__ = ["RESULT_AWAITED", "VIEWS_AT_THE_END", "in_words"]

ROWS, COLUMNS = 6, 12  # of the submission that are shown
RESULT_AWAITED = "The scores and the submission will be here when the training is done."


def _at_the_end(awaited: str, make: Callable[[Watch, events.RunDone], str]) -> View:
    """A part that is made when the run is done, and says until then what will be there."""

    def view(watch: Watch) -> tuple[Any, Callable[[], Any]]:
        done = watch.done if watch.state == "done" else None
        return done and done.t, lambda: make(watch, done) if done else awaited

    return view


def _result(watch: Watch, done: events.RunDone) -> str:
    """A sentence, and a tile for each view on the images."""
    name = watch.asked.competition.metric.name
    best = next((view for view in ("truth", "valid_decided", "valid_tta", "valid") if view in done.scores), "")
    ready, counts = watch.images, {}
    if ready is not None:
        scored = ready.valid if watch.asked.options.folds == 1 else ready.train + ready.valid
        counts = {"truth": ready.test, "valid": scored, "valid_tta": scored, "valid_decided": scored}
    tiles = [
        _tile(view, scores, name, counts.get(view, 0), view == best, done.intervals.get(view, {}).get(name))
        for view, scores in done.scores.items()
    ]
    said = _said(done.scores.get(best, {}).get(name), name, best)
    return f'<p class="said">{text(said)}</p><div class="scores">{"".join(tiles)}</div>'


def _said(score: float | None, name: str, view: str) -> str:
    """The result in a sentence."""
    if score is None:
        return "The training is done."
    where = (
        "the test images (their truth was kept apart, as on a leaderboard)"
        if view == "truth"
        else "the validation images"
    )
    if name == "accuracy":
        return f"The network gets {_score(score, name)} of {where} right."
    return f"The network's {in_words(name)} is {_score(score, name)} on {where}."


def _tile(view: str, scores: dict[str, float], name: str, count: int, first: bool, span: Sequence[float] | None) -> str:
    name = name if name in scores else next(iter(scores), "")
    others = [f"{in_words(other)} {_score(value, other)}" for other, value in scores.items() if other != name]
    known = span is not None and None not in span
    between = [f"95 % between {_score(span[0], name)} and {_score(span[1], name)}"] if span and known else []
    how = ["the submission is answered this way"] if first and view.startswith("valid_") else []
    told = ", ".join([in_words(name), *([f"{count:,} images"] if count else []), *between, *others, *how])
    title = VIEWS.get(view, view)
    return (
        f'<div class="score{" first" if first else ""}"><h3>{text(title[:1].upper() + title[1:])}</h3>'
        f'<div class="value">{_score(scores.get(name), name)}</div><p>{text(told)}</p></div>'
    )


def _score(value: float | None, name: str) -> str:
    return "" if value is None else f"{value:.1%}" if name == "accuracy" else f"{value:.4f}"


def in_words(name: str) -> str:
    """A metric's name in words."""
    return name.replace("_", " ")


def _head(watch: Watch, done: events.RunDone) -> str:
    """The first rows of the submission, and what to do with it."""
    try:
        with open(watch.run.folder / "submission.csv", newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            columns = next(reader)
            rows = list(islice(reader, ROWS))
            total = len(rows) + sum(1 for _ in reader)
    except (OSError, StopIteration, csv.Error, UnicodeDecodeError):
        return empty("There was nothing to predict: no submission was written.")
    cut = ["…"] if len(columns) > COLUMNS else []
    shown = table(
        columns[:COLUMNS] + cut,
        [row[:COLUMNS] + cut for row in rows],
        f"submission.csv, the first {len(rows)} of {total:,} rows",
        "slim",
    )
    next_step = (
        "That was the sample. A competition goes the same way: choose one at step 1."
        if watch.asked.competition.sample
        else "It was checked against the competition's template: hand it in below, or download it."
    )
    return f'<p class="said">{text(next_step)}</p>{shown}'


def _handed_in(watch: Watch) -> tuple[Any, Callable[[], Any]]:
    """The run's submissions, as they are kept with it."""
    path = watch.run.folder / "submissions.json"
    key = path.stat().st_mtime_ns if path.is_file() else None
    return key, lambda: submit_step.scores(watch)


def _file(name: str) -> View:
    """A download of that file, once the run is done: a copy, so that nothing else in the run folder can be asked for."""

    def view(watch: Watch) -> tuple[Any, Callable[[], Any]]:
        path = watch.run.folder / name
        there = watch.state == "done" and path.is_file()

        def make() -> Any:
            if not there:
                return gr.update(value=None, visible=False)
            watch.copies[name] = Path(save_file_to_cache(path, get_upload_folder()))
            return gr.update(value=str(watch.copies[name]), visible=True)

        gone = name in watch.copies and not watch.copies[name].is_file()
        return (there, path.stat().st_mtime_ns if there else 0, time.monotonic() if gone else 0), make

    return view


def _row_to_hand_in(watch: Watch) -> tuple[Any, Callable[[], Any]]:
    visible = watch.state == "done" and not watch.asked.competition.sample
    return visible, lambda: gr.update(visible=visible)


def _look_again(watch: Watch) -> tuple[Any, Callable[[], Any]]:
    """A way to watch for a score that nobody has seen yet."""
    visible = watch.state == "done" and submit_step.waits(watch.run)
    return visible, lambda: gr.update(visible=visible)


def _button_to_hand_in(watch: Watch) -> tuple[Any, Callable[[], Any]]:
    return watch.run.name, lambda: gr.update(interactive=True, value=submit_step.HAND_IN)


VIEWS_AT_THE_END: dict[str, View] = {
    "result": _at_the_end(empty(RESULT_AWAITED), _result),
    "head": _at_the_end(empty(submit_step.NO_RUN), _head),
    "checked": _at_the_end("", lambda watch, done: submit_step.checked(watch)),
    "handed_in": _handed_in,
    "hand_in_row": _row_to_hand_in,
    "hand_in": _button_to_hand_in,
    "look_again": _look_again,
    "submission": _file("submission.csv"),
    "report": _file("report.html"),
}
