"""The run: started with what was chosen, watched, stopped, resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from assistant.runs import Options, Run, RunError
from assistant.ui import course, form, results, zero
from assistant.ui.choose_step import chosen_competition
from assistant.ui.jobs import TROUBLE, Job, in_words
from assistant.ui.look import alert
from assistant.ui.session import Session
from assistant.ui.watch import Shown, fresh_name, steps_of, watch_of

__all__ = ["VIEWS", "attach", "build", "keep", "preview", "previewed", "resume", "start", "started", "stop", "tick"]

TRAIN, RESULTS = 3, 4  # the numbers of those steps
VIEWS = course.VIEWS_OF_A_RUN | {
    "turn": zero.turn,
    "results_of": results.for_a_watch,
    "on_2": lambda watch: (True, lambda: gr.update(visible=True)),  # from the recipe back to the run that is shown
}
Changes = dict[str, Any]


def build(titles: Sequence[tuple[str, str]]) -> Changes:
    """The components by name; `titles` are the steps of the recipe that is shown at first."""
    shown = course.idle(titles)
    made: Changes = {"now": gr.HTML(shown["now"], elem_id="now")}
    with gr.Row(elem_classes="buttons"):
        made["stop"] = gr.Button("Stop", visible=False, elem_id="stop", size="md")
        made["keep"] = gr.Button("Stop and keep the best", visible=False, elem_id="keep", size="md")
        made["resume"] = gr.Button("Resume", variant="primary", visible=False, elem_id="resume", size="md")
    with gr.Row(elem_classes="course"):
        with gr.Column(scale=4, min_width=300):
            made["steps"] = gr.HTML(shown["steps"], elem_id="steps")
        with gr.Column(scale=6, min_width=300):
            made["epochs"] = gr.HTML(shown["epochs"], elem_id="epochs")
    made["notes"] = gr.HTML("", elem_id="notes")
    with gr.Column(elem_classes="plots"):
        for name in ("sweep_1", "sweep_2", "losses", "metric"):
            made[name] = gr.HTML(shown[name], elem_id=name.replace("_", "-"))
    return made


def preview(session: Session, recipe: str, own: str, sizes: str, address: str) -> Changes:
    """The start button's words, the field for steps of one's own, and the steps that would be carried out, where no run is
    shown."""
    changed: Changes = {"start": gr.update(value=form.start_label(recipe)), "own": gr.update(visible=recipe == "own")}
    if session.find(address) is None:
        changed["steps"] = course.steps(previewed(recipe, own, sizes), 0, False)
    return changed


def previewed(recipe: str, own: str, sizes: str) -> list[tuple[str, str]]:
    """The steps of that recipe; while something is still being written, those of the eight at one size."""
    try:
        return steps_of(form.options({"recipe": recipe, "own": own, "sizes": sizes, "arch": "-"}))
    except TROUBLE:
        return steps_of(Options.model_validate({}))


def start(session: Session, public: bool, chosen: str, shown: Shown | None, *values: Any) -> Changes:
    """Begins to start a run of what was read, with the form's settings; names it before its process is up, so that a
    reload finds it."""
    try:
        asked = form.options(dict(zip(form.FIELDS, values)))
        competition = chosen_competition(session, public, chosen)
        from recipes.network import check_name

        check_name(asked.arch)
        steps_of(asked)
        name = fresh_name(competition.slug)
    except Exception as error:
        return _not_started(in_words(error), shown)

    def work(_: Job) -> None:
        with session.room():
            zero.start(competition, asked, session.runs / name)

    session.starting = Job(work)
    return {
        "start": gr.update(interactive=False),
        "trouble": "",
        "now": course.now_line("Starting the training process"),
        "address": name,
        "seen": "",
        "walk": gr.Walkthrough(selected=TRAIN),
    }


def started(session: Session, shown: Shown | None) -> Changes:
    """What `start` began has come about, or why not; where all is well, the page's pulse finds the run."""
    job, session.starting = session.starting, None
    if job is not None:
        job.wait()
    return _not_started(job.error, shown) if job is not None and job.error else {}


def _not_started(why: str, shown: Shown | None) -> Changes:
    return {
        "start": gr.update(interactive=True),
        "trouble": alert(why),
        "now": gr.skip() if shown else course.now_line(course.NOTHING),
        "address": shown.watch.run.name if shown else "",
        "walk": gr.Walkthrough(selected=TRAIN - 1),
    }


def attach(session: Session, address: str) -> Changes:
    """Shows the run of that name, at the step where it is."""
    watch = watch_of(session.find(address))
    if watch is not None:
        page = Shown(watch)
        changed = page.changes(VIEWS, "") | {"watch": page, "address": address}
        return changed | {"walk": gr.Walkthrough(selected=RESULTS if watch.state == "done" else TRAIN)}
    if not address:
        return {}
    words = "The run that this page showed is not on this machine any more. Start a new one at step 3."
    return {
        "now": course.now_line(words),
        "address": "",
        "results_of": "",
        "walk": gr.Walkthrough(selected=TRAIN),
    }


def tick(session: Session, shown: Shown | None, address: str, seen: str) -> Changes:
    """What has changed since the last tick; a page that shows another run, or none yet, is told everything. It was just
    started there, which has moved the page: wherever somebody has gone since, they stay."""
    run = shown.watch.run if shown else None
    if shown is None or run is None or run.name != address or run.folder.parent != session.runs:
        told = attach(session, address) if session.find(address) else {}
        return {name: value for name, value in told.items() if name != "walk"}
    return shown.changes(VIEWS, seen)


def stop(session: Session, address: str) -> Changes:
    """Asks the run to stop."""
    return _with_run(session, address, lambda run: run.stop(), "stop", "keep")


def keep(session: Session, address: str) -> Changes:
    """Asks the run to stop, and to predict with the best weights so far."""
    return _with_run(session, address, lambda run: run.stop(keep_best=True), "keep")


def resume(session: Session, address: str) -> Changes:
    """Goes on with the run, at the end of the line for its device."""

    def go_on(run: Run) -> None:
        with session.room():
            zero.resume(run)

    return _with_run(session, address, go_on, "resume")


def _with_run(session: Session, address: str, action: Callable[[Run], Any], *buttons: str) -> Changes:
    """Does that with the run; the buttons are shut until the next tick shows the whole run afresh."""
    changed: Changes = {"seen": ""}
    run = session.find(address)
    if run is None:
        return changed
    try:
        action(run)
    except (RunError, *TROUBLE) as error:
        gr.Warning(in_words(error))
        return changed
    return changed | {button: gr.update(interactive=False) for button in buttons}
