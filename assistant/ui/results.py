"""The result of a run, to be looked into: its scores, what it mistakes and the pictures behind that, where the network
looked, and how it compares with other runs.

`build` holds the layout, `wire` which part calls what. A run is found by the function that `wire` is given, so whoever
builds the page says whose runs can be seen; nothing else that a browser sends is believed either. Pictures are inside
the page: no file of a run can be asked for.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr
import numpy as np

from assistant import compare, mistakes, plots
from assistant.answers import Answers
from assistant.competition import CompetitionError
from assistant.explore_plots import thumbnail
from assistant.mistakes import Example
from assistant.page_parts import img
from assistant.runs import Run, RunError, explain
from assistant.ui import course, matrix
from assistant.ui.look import alert, empty, plot, table, text
from assistant.ui.models import ONE_AT_A_TIME, model_of
from assistant.ui.watch import Watch
from recipes.errors import RecipeError

__all__ = ["CSS", "build", "compared", "for_a_watch", "looked_at", "picked", "shown", "wire"]

Find = Callable[..., Run | None]
TROUBLE = (RunError, CompetitionError, RecipeError, OSError, ValueError)
PICTURES, SIDE, LISTED = 12, 240, 30  # pictures shown, their pixels, runs to choose from
KINDS = {"Most wrong": "wrong", "Most right": "right", "Most uncertain": "uncertain"}
NUMBERS = {"Largest errors": "wrong", "Smallest errors": "right"}
SAID = {
    "wrong": ("Wrong answers, the least probable truths first", "Largest errors first"),
    "right": ("Right answers, the most probable first", "Smallest errors first"),
    "uncertain": ("Answers closest to a coin's toss", ""),
}
AWAITED = "The pictures behind the scores will be here when the training is done."
WAIT = "Working out where the network looked: up to half a minute on this machine's processor."
LOOKED = (
    "The brighter, the more that place speaks for the answer (Grad-CAM); grey all over: none does by itself. The dark rim "
    "is cut off before the network sees the picture."
)
TO_THE_PICTURES = """() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  document.getElementById("results-pictures").scrollIntoView({behavior: calm ? "auto" : "smooth", block: "nearest"});
}"""


def build() -> dict[str, Any]:
    """The parts of the step, by name: inside a section of the page. All but `results_of` belong to `wire`."""
    parts: dict[str, Any] = {
        "results_of": gr.Textbox("", visible="hidden", elem_id="results-of", label="Run shown"),
        "results_view": gr.Textbox("wrong", visible="hidden", elem_id="results-view", label="Pictures shown"),
    }
    with gr.Column(elem_classes="results", visible=False) as parts["results_box"]:
        parts["results_scores"] = gr.HTML("", elem_id="results-scores", visible=False)  # the page has them above
        with gr.Row(elem_classes="looking"):
            parts["results_matrix"] = gr.HTML("", js_on_load=matrix.ON_LOAD, elem_id="results-matrix")
            with gr.Column(elem_classes="behind", elem_id="results-pictures", min_width=280):
                with gr.Row(elem_classes="choices"):
                    parts["results_kind"] = gr.Radio(
                        list(KINDS.items()), value="wrong", label="Pictures", show_label=False, container=False,
                        elem_id="results-kind",
                    )  # fmt: skip
                    parts["results_look"] = gr.Checkbox(
                        False, label="Where the network looked", container=False, elem_id="results-look", min_width=210
                    )
                parts["results_gallery"] = gr.HTML(empty(AWAITED), elem_id="results-gallery")
        parts["results_runs"] = gr.Dropdown(
            [], value=[], multiselect=True, max_choices=4, label="Compare runs", elem_id="results-runs",
            info="Two to four runs: the settings that differ, the curves over one another, and the scores.",
        )  # fmt: skip
        parts["results_compared"] = gr.HTML("", elem_id="results-compared")
    return parts


def wire(parts: dict[str, Any], find: Find, mine: Callable[..., Sequence[Run]], person: Sequence[Any] = ()) -> None:
    """Connects the parts. `find(name, *person)` gives a run that this person may see, or None; `mine(*person)` the runs
    that may be compared, latest first; `person` are components whose values both are given."""

    def on(function: Callable[..., dict[str, Any]], inputs: Sequence[str], outputs: Sequence[str]) -> dict[str, Any]:
        def changed(*given: Any) -> dict[Any, Any]:
            own, whose = given[: len(inputs)], given[len(inputs) :]
            return _by_component(parts, function(lambda name: find(name, *whose), lambda: mine(*whose), *own), outputs)

        return _listener(changed, inputs, outputs)

    def _listener(function: Callable[..., Any], inputs: Sequence[str], outputs: Sequence[str]) -> dict[str, Any]:
        given = [*(parts[name] for name in inputs), *person]
        outs = [parts[name] for name in outputs]
        return {
            "fn": function,
            "inputs": given,
            "outputs": outs,
            "api_visibility": "private",
            "show_progress": "hidden",
        }

    def looking(name: str, view: str, look: bool, *whose: Any) -> Iterator[dict[Any, Any]]:
        for gallery in looked_at(find(name, *whose), view, look):
            yield {parts["results_gallery"]: gallery}

    def pressed(told: gr.EventData) -> dict[Any, Any]:
        return _by_component(parts, picked(told._data), ("results_view", "results_kind"))

    opened = ["results_box", "results_scores", "results_matrix", "results_kind", "results_view", "results_look"]
    opened += ["results_runs", "results_compared", "results_gallery"]
    pictures = _listener(looking, ["results_of", "results_view", "results_look"], ["results_gallery"])
    # what was ticked for the run before is taken back first, then its pictures are looked for
    parts["results_of"].change(**on(lambda find, mine, name: shown(find(name), mine), ["results_of"], opened)).then(
        **pictures
    )
    choice = {"outputs": [parts["results_view"]], "api_visibility": "private", "show_progress": "hidden"}
    parts["results_kind"].input(
        lambda kind: kind or gr.skip(), [parts["results_kind"]], **choice, trigger_mode="always_last"
    )
    parts["results_matrix"].select(
        pressed, None, [parts["results_view"], parts["results_kind"]], api_visibility="private", show_progress="hidden"
    ).then(None, None, None, js=TO_THE_PICTURES, api_visibility="private")
    # one listener for all that changes the pictures, so that of two answers the later question's is shown
    gr.on([parts["results_view"].change, parts["results_look"].input], **pictures, trigger_mode="always_last")
    compares = on(
        lambda find, mine, names: {"results_compared": compared(find, names)}, ["results_runs"], ["results_compared"]
    )
    parts["results_runs"].input(**compares, trigger_mode="always_last")


def for_a_watch(watch: Watch) -> tuple[Any, Callable[[], Any]]:
    """A view for the parts that a watch changes: `results_of` names the run once it is done."""
    name = watch.run.name if watch.state == "done" and watch.done else ""
    return (name, watch.done and watch.done.t), lambda: name


# ---------------------------------------------------------------- what happens


def shown(run: Run | None, mine: Callable[[], Sequence[Run]] = lambda: ()) -> dict[str, Any]:
    """The parts for a run: hidden where there is none, or it has not come to its end."""
    fresh: dict[str, Any] = {"results_view": "wrong", "results_look": gr.update(value=False), "results_compared": ""}
    try:
        if run is None or run.state() != "done":
            return fresh | {"results_box": gr.update(visible=False)}
        watch = Watch(run)
        watch.read()
        scores = course.VIEWS_OF_A_RUN["result"](watch)[1]()
        task = watch.asked.competition.task
        kinds = NUMBERS if task == "regression" else KINDS
        choices = _choices(run, mine())
    except TROUBLE as error:
        return fresh | {"results_box": gr.update(visible=True), "results_scores": alert(_told(error))}
    chosen = gr.update(choices=choices, value=[run.name] if len(choices) > 1 else [], visible=len(choices) > 1)
    return fresh | {
        "results_gallery": empty("Its pictures are looked for …"),
        "results_box": gr.update(visible=True),
        "results_scores": scores,
        "results_matrix": _behind(run),
        "results_kind": gr.update(choices=list(kinds.items()), value="wrong"),
        "results_runs": chosen,
    }


def picked(told: object) -> dict[str, Any]:
    """The view that a pressed cell asks for; what is no such question is passed over."""
    view = told.get("view") if isinstance(told, dict) else None
    if not isinstance(view, str) or _cell(view) is None:
        return {}
    return {"results_view": view, "results_kind": gr.update(value=None)}


def looked_at(run: Run | None, view: object, look: object = False) -> Iterator[str]:
    """The pictures of a view (a kind, a cell or a tag's); with `look` first that they are waited for, then with what
    the network looked at."""
    if run is None:
        yield empty(AWAITED)
        return
    try:
        answers = mistakes.answers_of(run)
        words, found = _found(answers, view)
        place = mistakes.picture_finder(run.asked())
        sources = [place(example.id) for example in found]
        plain = [None if source is None else thumbnail(source, SIDE) for source in sources]
        if look is not True or not any(pixels is not None for pixels in plain):
            yield _gallery(words, found, plain)
            return
        yield _gallery(words, found, plain, f'<p class="waits" role="status">{WAIT}</p>')
        yield _gallery(words, found, _warm(run, answers.classes, found, sources, plain), f'<p class="why">{LOOKED}</p>')
    except Exception as error:
        yield alert(_told(error))


def compared(find: Callable[[object], Run | None], names: object) -> str:
    """Two to four runs side by side, as HTML."""
    chosen = list(dict.fromkeys(name for name in names if isinstance(name, str))) if isinstance(names, list) else []
    if len(chosen) < 2:
        return empty("Choose a second run to compare with.") if chosen else ""
    runs = [run for run in map(find, chosen[: len(compare.LETTERS)]) if run is not None]
    try:
        told = [compare.told_by(run) for run in runs]
    except TROUBLE as error:
        return alert(_told(error))
    if len(told) < 2:
        return alert("These runs are not on this machine any more; choose others.")
    letters = compare.LETTERS[: len(told)]
    who = "".join(f"<li><b>{letter}</b> {text(each.run.name)}</li>" for letter, each in zip(letters, told))
    settings = [(name, *values) for name, values in compare.differing(told)]
    parts = [
        table(["score", *letters], [(name, *values) for name, values in compare.scores(told)], "Scores", "slim"),
        table(["setting", *letters], settings, "Settings that differ", "slim")
        if settings
        else empty("All settings are the same."),
    ]
    drawn = "".join(plot(figure, words) for words, figure in compare.curves(told).items())
    return f'<ul class="who">{who}</ul><div class="side">{"".join(parts)}</div><div class="plots">{drawn}</div>'


# ---------------------------------------------------------------- parts


def _behind(run: Run) -> str:
    """The table that leads to the pictures, or the figure of predicted against true numbers."""
    try:
        answers = mistakes.answers_of(run)
    except TROUBLE as error:
        return alert(_told(error))
    if answers.task != "regression":
        return matrix.walkable(answers)
    return plot(plots.scatter(answers.targets, answers.predicted, answers.classes), "Predicted against true numbers")


def _found(answers: Answers, view: object) -> tuple[str, list[Example]]:
    """Words and images of a view; the most wrong ones where it is none of this run."""
    classes, asked = answers.classes, _cell(view)
    if asked is not None and asked[0] == "cell" and answers.task == "single_label":
        true, answered = asked[1], int(asked[2])
        if max(true, answered) < len(classes):
            found = mistakes.of_cell(answers, true, answered, PICTURES)
            said = "answered rightly" if true == answered else f"answered as {classes[answered]}"
            total = len(mistakes.confused(answers, true, answered))
            return f"{_many(len(found), total)} of {classes[true]} {said}, the surest first", found
    if asked is not None and asked[0] == "tag" and answers.task == "multi_label" and asked[1] < len(classes):
        said = {"hits": "found", "misses": "missed", "false_alarms": "answered, but not there"}[asked[2]]
        found = mistakes.of_tag(answers, asked[1], asked[2], PICTURES)
        return f"Tag {classes[asked[1]]} {said}, the most telling first", found
    kind = view if isinstance(view, str) and view in SAID else "wrong"
    return SAID[kind][answers.task == "regression"], mistakes.examples(answers, kind, PICTURES)


def _many(shown: int, total: int) -> str:
    return f"{total:,} image{'' if total == 1 else 's'}" if shown == total else f"{shown} of {total:,} images"


def _cell(view: object) -> tuple[str, int, str] | None:
    """The parts of `cell:true:answered` or `tag:tag:what`; None for anything else."""
    found = re.fullmatch(r"(cell):(\d{1,6}):(\d{1,6})|(tag):(\d{1,6}):(hits|misses|false_alarms)", str(view)[:40], re.A)
    if found is None:
        return None
    name, first, second = filter(None, found.groups())
    return name, int(first), second


def _warm(
    run: Run, classes: Sequence[str], found: list[Example], sources: list[Any], plain: list[np.ndarray | None]
) -> list[np.ndarray | None]:
    """The pictures with the heat of their answers on them; what has no picture stays without."""
    from recipes.gradcam import grad_cam, overlay

    rows = [row for row, pixels in enumerate(plain) if pixels is not None]
    with ONE_AT_A_TIME:
        model = model_of(run)
        columns = [model.classes.index(classes[found[row].column]) for row in rows]
        heat = grad_cam(model, [sources[row] for row in rows], columns)
    made: list[np.ndarray | None] = [None] * len(plain)
    for number, row in enumerate(rows):
        made[row] = overlay(sources[row], heat[number], model.share, side=SIDE)
    return made


def _gallery(words: str, found: list[Example], pictures: list[np.ndarray | None], more: str = "") -> str:
    if not found:
        return f'<p class="walk-words" role="status">{text(words)}</p>{empty("There are none.")}'
    cards = "".join(_card(example, pixels) for example, pixels in zip(found, pictures))
    gone = sum(pixels is None for pixels in pictures)
    note = (
        alert(f"{gone} of these pictures cannot be shown: their files were moved, deleted or damaged.") if gone else ""
    )
    busy = ' aria-busy="true"' if "waits" in more else ""
    return f'<p class="walk-words" role="status">{text(words)}</p>{more}{note}<div class="cards"{busy}>{cards}</div>'


def _card(example: Example, pixels: np.ndarray | None) -> str:
    if example.error is not None:
        lines = [("off by", f"{example.error:.4g}", ""), ("answered", example.answer, ""), ("true", example.label, "")]
    elif example.truth is None:
        lines = [("answered", example.answer, ""), ("true", example.label, "")]
    elif example.answer == example.label:
        lines = [("right", example.answer, _percent(example.probability))]
    else:
        lines = [("answered", example.answer, _percent(example.probability))]
        lines.append(("true", example.label, _percent(example.truth)))
    words = f"{example.id}: " + ", ".join(f"{kind} {name} {number}".strip() for kind, name, number in lines)
    missing = f'<span class="broken" role="img" aria-label="no picture of {text(words)}">?</span>'
    picture = missing if pixels is None else img(pixels, words)
    said = "".join(
        f'<div><span class="why">{kind} {text(number)}</span><b title="{text(name)}">{text(name)}</b></div>'
        for kind, name, number in lines
    )
    name = text(example.id)
    return f'<figure>{picture}<figcaption>{said}<div class="id" title="{name}">{name}</div></figcaption></figure>'


def _percent(probability: float | None) -> str:
    return "" if probability is None else f"{probability:.0%}" if 0.005 < probability < 0.995 else f"{probability:.2%}"


def _choices(run: Run, others: Sequence[Run]) -> list[tuple[str, str]]:
    """Words and name of each run to compare, the shown one first."""
    made = []
    for each in dict.fromkeys([run, *others[:LISTED]]):
        try:
            told = compare.told_by(each)
        except TROUBLE:
            continue
        score, asked = compare.score_of(told), told.asked
        if score is None:
            continue
        sizes = ", ".join(map(str, asked.options.sizes))
        words = [asked.competition.slug, asked.options.arch, f"{sizes} px", asked.options.recipe.replace("_", " ")]
        made.append(
            (
                " · ".join(
                    [
                        *words,
                        f"{told.metric.replace('_', ' ')} {score[0]:.4f}",
                        each.name if len(each.name) < 16 else f"…{each.name[-8:]}",
                    ]
                ),
                each.name,
            )
        )
    return made


def _by_component(parts: dict[str, Any], changed: dict[str, Any], outputs: Sequence[str]) -> dict[Any, Any]:
    """Changes by component, as gradio wants them; there is always one."""
    return {parts[name]: value for name, value in (changed or {outputs[0]: gr.skip()}).items()}


def _told(error: BaseException) -> str:
    """One line for the page; what nobody foresaw goes to the server's log too."""
    if not isinstance(error, TROUBLE):
        logging.getLogger(__name__).exception("the results caught an error")
    line = explain(error)
    return line[:1].upper() + line[1:]


CSS = (
    matrix.CSS
    + """
.results { gap: 18px !important; }
.looking { display: flex !important; flex-wrap: wrap !important; gap: 20px 28px !important;
  align-items: flex-start !important; }
.looking > * { min-width: 0 !important; max-width: 100%; }
.looking > #results-matrix { flex: 0 1 auto !important; width: auto !important; }
.looking > #results-matrix:has(.plot) { flex: 1 1 380px !important; } .looking .plot { height: 380px; }
.looking > .behind { flex: 1 1 min(100%, 440px) !important; gap: 10px !important; scroll-margin-top: 12px; }
.choices { align-items: center !important; justify-content: flex-start; gap: 8px 18px !important;
  flex-wrap: wrap !important; }
.choices > * { margin: 0 !important; flex: 0 1 auto !important; width: auto !important; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(126px, 1fr)); gap: 12px; }
.cards figure { min-width: 0; } .cards[aria-busy] img { opacity: .5; }
.cards img, .cards .broken { display: grid; place-items: center; width: 100%; aspect-ratio: 1; object-fit: contain;
  border-radius: 8px;
  background: var(--background-fill-secondary); color: var(--body-text-color-subdued); margin: 0; }
.cards img.small { image-rendering: pixelated; }
.cards figcaption { font-size: 13px; line-height: 1.35; margin-top: 5px; color: var(--body-text-color); }
.cards figcaption div { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; margin-bottom: 2px; }
.cards figcaption .why { display: block; margin: 0 !important; font-size: 12px; }
.cards b { font-weight: 600; } .cards .id { color: var(--body-text-color-subdued); font-size: 12px; }
.waits { padding: 8px 12px; border-radius: 8px; background: var(--primary-50); color: var(--primary-900);
  margin: 0 0 10px !important; }
.dark .waits { background: var(--primary-950); color: var(--primary-100); }
#results-gallery .why { margin-bottom: 8px; } #results-gallery .alert { margin-bottom: 10px; }
.who { list-style: none; padding: 0 !important; margin: 0 0 12px; display: flex; flex-wrap: wrap; gap: 4px 22px;
  overflow-wrap: anywhere;
  color: var(--body-text-color); }
.who li { margin: 0; } .who b { margin-right: 4px; color: var(--primary-600); } .dark .who b { color: var(--primary-300); }
.side { display: flex; flex-wrap: wrap; gap: 14px 20px; align-items: flex-start; margin-bottom: 14px; }
"""
)
