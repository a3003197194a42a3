"""One page to keep or share: what was asked, how training went, what the network mistakes, and the score.

It holds its pictures and its style in itself, loads nothing and runs nothing."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assistant import plots
from assistant.answers import Answers, read_answers
from assistant.explore_plots import thumbnail
from assistant.page_parts import STYLE, document, escaped, img, listing, note, plot, section
from recipes import events
from recipes.progress import VIEWS, clock
from recipes.store import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["write_report"]

SHOWN, LISTED, THUMB = 12, 100, 220  # pictures a kind, names in a list, pixels of a thumbnail
KINDS = {
    "wrong": ("Most wrong", "Wrong answers: the least probable truths first.", "Largest errors first."),
    "right": ("Most right", "Right answers: the most probable truths first.", "Smallest errors first."),
    "uncertain": ("Most uncertain", "Answers that are closest to a coin's toss.", ""),
}
NAMES = {"arch": "architecture", "tta": "TTA views", "sizes": "image sizes"}
Picture = Callable[[str], "Path | np.ndarray | None"]


def write_report(run_folder: Path, picture_of: Picture | None = None, done: events.RunDone | None = None) -> Path:
    """Writes `report.html` into a run folder, from what the folder holds, and returns its path.

    `picture_of` gives an id's picture: a file, or uint8 H×W or H×W×C; what cannot be read is passed over. `done` is the
    run's last event where the folder does not have it yet. Raises StorageError where the page cannot be written.
    """
    folder = Path(run_folder)
    run = _read(folder, done)
    answers = read_answers(folder / "valid.csv", run.part("competition").get("task", "single_label"))
    atomic_write(folder / "report.html", _page(run, answers, picture_of).encode("utf-8", "replace"))
    return folder / "report.html"


@dataclass(frozen=True)
class _Run:
    """A run folder's settings and events."""

    asked: dict[str, Any]
    told: list[events.Event]

    def all(self, *kinds: type[events.Event]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kinds)]

    def last(self, kind: type[events.Event]) -> Any:
        return next(reversed(self.all(kind)), None)

    def part(self, *names: str) -> dict[str, Any]:
        """A part of `run.json`, empty where it is missing."""
        part: Any = self.asked
        for name in names:
            part = part.get(name) if isinstance(part, dict) else {}
        return part if isinstance(part, dict) else {}


def _read(folder: Path, done: events.RunDone | None) -> _Run:
    """What a resumed run told twice counts as it was told last."""
    asked = next(_json_lines(folder / "run.json", whole=True), {})
    told: dict[int, events.Event | None] = {}
    places, fold, resumed = {}, 0, False
    for number, line in enumerate(_json_lines(folder / "events.jsonl")):
        with contextlib.suppress(TypeError, AttributeError):  # fields that are not there
            told[number] = event = events.from_dict(line)
            resumed |= isinstance(event, events.RunStarted) and event.resumed
            fold = event.fold if isinstance(event, events.StepStarted) else fold
            if isinstance(event, events.InStep) and not isinstance(event, events.Batch):
                key = (event.event, fold, event.step, getattr(event, "epoch", None), getattr(event, "text", None))
                told.pop(places.get(key, -1) if resumed else -1, None)
                places[key] = number
    return _Run(asked, [event for event in (*told.values(), done) if event is not None])


def _json_lines(path: Path, whole: bool = False) -> Iterator[Any]:
    """The JSON of each line, or of the whole file; what is not JSON (half a line) is passed over."""
    with contextlib.suppress(OSError):
        text = path.read_text(encoding="utf-8", errors="replace")
        for line in [text] if whole else text.split("\n"):
            with contextlib.suppress(ValueError):
                yield json.loads(line)


def _page(run: _Run, answers: Answers | None, picture_of: Picture | None) -> str:
    competition, epochs = run.part("competition"), run.all(events.Epoch)
    title = escaped(competition.get("title") or competition.get("slug") or "A run")
    said = ", ".join(f"{name} {version}" for name, version in run.part("versions").items())
    body = [
        _head(run, title),
        _scores(run),
        section("Worth knowing", _notes(run)),
        section("What was asked", _settings(run)),
        section("What was done", _steps(run)),
        section("How training went", _curves(run, epochs), _epoch_table(epochs)),
        section("What the answers are worth", _quality(answers) if answers else ""),
        *(section(*_examples(answers, kind, picture_of)) for kind in KINDS if answers),
        section("The images", *_images(run)),
        f"<footer class=quiet>Made by Recipe Assistant. {escaped(said)}</footer>",
    ]
    return document(title, "run report", body, STYLE)


def _head(run: _Run, title: str) -> str:
    done, facts = run.last(events.RunDone), []
    with contextlib.suppress(KeyError, TypeError, ValueError, OverflowError, OSError):  # not a time
        facts.append(time.strftime("%d %B %Y, %H:%M UTC", time.gmtime(float(run.asked["created"]))))
    if done:
        facts.append(f"{clock(done.seconds)} in all" + ", stopped by hand with the best weights kept" * done.kept_best)
    lead = note("Run report: what was asked, how training went, and what the network mistakes")
    state = note("" if done else "This run has not come to its end.", "state")
    return f"<header>{lead}<h1>{title}</h1>{note(' · '.join(facts))}{state}</header>"


def _scores(run: _Run) -> str:
    """A card a view: the first metric large, the others below it."""
    done, cards = run.last(events.RunDone), []
    for view, scores in done.scores.items() if done else ():
        (name, first), *others = scores.items() or [("", None)]
        low, high = [*done.intervals.get(view, {}).get(name, []), None, None][:2] if done else (None, None)
        span = [f"95 % between {_number(low)} and {_number(high)}"] if None not in (low, high) else []
        lines = [VIEWS.get(view, view), name, *span, *(f"{other} {_number(value)}" for other, value in others)]
        said, *rest = [f"<div>{escaped(line).replace('_', ' ')}</div>" for line in lines]
        cards.append(f"<div class=score>{said}<b>{_number(first)}</b>{''.join(rest)}</div>")
    return f"<div class=scores>{''.join(cards)}</div>" if cards else ""


def _notes(run: _Run) -> str:
    said = dict.fromkeys((told.step, told.event, told.text) for told in run.all(events.Advice, events.Warned))
    said |= dict.fromkeys((0, "warning", str(text)) for text in run.part("competition").get("warnings") or ())
    kinds = {"advice": "Advice", "warning": "Note"}
    where = {step: f", step {step}" if step else "" for step, *_ in said}
    lines = [f"<li><b>{kinds[kind]}{where[step]}:</b> {escaped(text)}</li>" for step, kind, text in said]
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def _settings(run: _Run) -> str:
    ready, options, task = run.last(events.ImagesReady), run.part("options"), run.part("competition").get("task", "")
    rows = {"task": str(task).replace("_", "-"), "metric": run.part("competition", "metric").get("name")}
    if ready:
        rows["targets" if task == "regression" else "classes"] = len(ready.classes)
        rows["images"] = f"{ready.train:,} train, {ready.valid:,} valid, {ready.test:,} test"
    rows |= {NAMES.get(name, name.replace("_", " ")): value for name, value in options.items()}
    for started in run.all(events.RunStarted):
        rows["device"] = started.device
    rows |= {"weights": Path(str(options.get("weights", ""))).name}  # where a file lay is nobody's business
    items = []
    for name, value in rows.items():
        said = ", ".join(map(str, value)) if isinstance(value, list) else value
        items += [f"<div><dt>{escaped(name)}</dt><dd>{escaped(said)}</dd></div>"] if said not in (None, "") else []
    return f"<dl>{''.join(items)}</dl>"


def _steps(run: _Run) -> str:
    took, begun, fold = {}, {}, 0
    for event in run.all(events.StepStarted, events.StepEnded):
        if isinstance(event, events.StepStarted):
            fold = event.fold
            begun[fold, event.step] = event
        else:
            took[fold, event.step] = f"{event.seconds:.1f} s"
    lines = []
    for place, event in begun.items():
        facts = [f"fold {event.fold + 1}"] * (event.folds > 1) + [f"{event.size} px", took.get(place, "not finished")]
        said = f"<b>{escaped(event.title)}</b> <span class=quiet>{', '.join(facts)}<br>{escaped(event.words)}</span>"
        lines.append(f"<li value={int(event.step)}>{said}</li>")
    return f"<ol>{''.join(lines)}</ol>" if lines else ""


def _curves(run: _Run, epochs: Sequence[events.Epoch]) -> str:
    metric = run.part("competition", "metric")
    larger = {metric.get("name"): metric.get("direction") != "smaller"}
    figures = [(plots.sweep([event]), f"Learning-rate sweep of step {event.step}") for event in run.all(events.Sweep)]
    if epochs:
        figures.append((plots.losses(epochs), "Training and validation loss after each epoch"))
        for name in list(epochs[-1].metrics)[:3]:
            figures.append((plots.metric(epochs, name, larger.get(name)), f"{name} after each epoch"))
        figures.append((plots.rates(run.all(events.Batch, events.Epoch)), "Learning rate during training"))
    return f"<div class=grid>{''.join(_plot(figure, alt) for figure, alt in figures)}</div>" if figures else ""


def _epoch_table(epochs: Sequence[events.Epoch]) -> str:
    names = list(dict.fromkeys(name for epoch in epochs for name in epoch.metrics))
    head = ["epoch", "step", "size", "cycle", "training loss", "validation loss", *names, "rate", "seconds", ""]
    rows = [
        [str(number), str(epoch.step), str(epoch.size), str(epoch.cycle)]
        + [_number(value) for value in (epoch.train_loss, epoch.valid_loss, *map(epoch.metrics.get, names))]
        + [_number(epoch.lr, ".1e"), _number(epoch.seconds, ".1f"), "best" if epoch.best else ""]
        for number, epoch in enumerate(epochs, 1)
    ]
    return listing(head, rows)


def _quality(answers: Answers) -> str:
    """The confusion matrix, a table of the tags, or predicted against true numbers."""
    whose = f"The answers to {len(answers.ids):,} validation images, those of valid.csv."
    if answers.task != "multi_label":
        draw = plots.confusion if answers.task == "single_label" else plots.scatter
        return note(whose) + _plot(draw(answers.targets, answers.predicted, answers.classes), "Predicted against true")
    true, said = answers.targets > 0.5, answers.predicted > 0.5
    both, there, told = (true & said).sum(0), true.sum(0), said.sum(0)
    scores = both / np.maximum(told, 1), both / np.maximum(there, 1), 2 * both / np.maximum(there + told, 1)
    rows = [(answers.classes[i], f"{there[i]:,}", *(_number(score[i]) for score in scores)) for i in np.argsort(-there)]
    words = note(f"{whose} A tag counts as predicted above 0.5.")
    return words + listing(["tag", "images", "precision", "recall", "F1"], rows)


def _examples(answers: Answers, kind: str, picture_of: Picture | None) -> tuple[str, str]:
    """Heading and grid of the pictures of a kind; pictures that cannot be read give way to the next."""
    title, *notes = KINDS[kind]
    cards: list[str] = []
    for row in answers.order(kind)[: 5 * SHOWN]:
        picture = _thumbnail(picture_of, answers.ids[row]) if picture_of else ""
        if picture is not None:
            name, *lines = map(escaped, answers.caption(row))
            cards.append(f"<figure>{picture}<figcaption><b>{name}</b><br>{'<br>'.join(lines)}</figcaption></figure>")
        if len(cards) == SHOWN:
            break
    words = note(notes[answers.task == "regression"])
    return title, f"{words}<div class=pictures>{''.join(cards)}</div>" if cards else ""


def _thumbnail(picture_of: Picture, name: str) -> str | None:
    """The picture as an HTML image, or None where there is none to show."""
    try:
        source: Any = picture_of(name)
        pixels = thumbnail(source if isinstance(source, np.ndarray) else Path(source), THUMB)
    except Exception:  # whoever finds pictures may raise what it likes; the page is worth more than one of them
        return None
    return None if pixels is None else img(pixels, name)


def _images(run: _Run) -> Iterator[str]:
    for ready in run.all(events.ImagesReady)[-1:]:
        if ready.counts:
            yield _plot(plots.class_counts(ready.counts), "Images in each class")
        lists = {"Set aside, since they cannot be used": ready.set_aside, "Answered without being seen": ready.missing}
        for title, reasons in lists.items():
            table, more = listing(["image", "why"], [*reasons.items()][:LISTED], left=2), len(reasons) - LISTED
            yield f"<h3>{title}</h3>{table}{note(f'and {more:,} more' * (more > 0))}" if reasons else ""


def _plot(figure: Figure, alt: str) -> str:
    """A figure on a white card; its letters stay as large as they are on a narrow screen, too."""
    return plot((plots.to_png(figure, dpi=144), figure.get_figwidth()), alt, least=math.inf)


def _number(value: Any, form: str = ".4f") -> str:
    return format(value, form) if isinstance(value, (int, float)) else "–"
