"""The page: six steps from a competition to its score, and beside them all runs.

`layout` holds what there is, `_wire` says which part calls what; what happens is in the modules of the steps, each of whose
functions gives the parts of the page that change, by name. Training lives in the worker's process; the page reads the
run's folder, and finds it again by the name in its address (`?run=…`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

import assistant.ui.choose_step as choosing
from assistant.runs import Run, RunError, as_json, list_runs, score_of
from assistant.settings import zero_gpu
from assistant.ui import (
    explore_step,
    form,
    kaggle_step,
    predict,
    pulse,
    recipe_step,
    results,
    submit_step,
    train_step,
    zero,
)
from assistant.ui.choose_step import SAMPLE, choose, chosen_competition, first_shown, read
from assistant.ui.jobs import in_words
from assistant.ui.layout import CHOOSE, RECIPE, TITLES, six_steps
from assistant.ui.look import alert, text
from assistant.ui.session import Session, open_session
from assistant.ui.train_step import preview

__all__ = ["build"]

TICK = {"show_progress": "hidden", "trigger_mode": "once", "concurrency_limit": None}
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
QUIET: dict[str, Any] = {"show_progress": "hidden"}
LATEST: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last"}
PERSON = ("session", "me")
FOUND_AGAIN = ("session", "me", *kaggle_step.SIGNED)  # what changes where gradio has forgotten the session
RUN = (*train_step.VIEWS, "seen", "watch", "address", "walk")  # the parts that a run changes

# The run's name is kept in the page's address, and (for somebody who comes back without it) in the browser, as is the
# key to a visitor's runs.
RECALL = """() => {
  let run = null, me = null;
  try { run = localStorage.getItem("recipe-assistant-run"); me = localStorage.getItem("recipe-assistant-me"); } catch {}
  return [new URLSearchParams(location.search).get("run") ?? run ?? "", me ?? ""];
}"""
REMEMBER = """(name, me) => {
  const url = new URL(location.href);
  if (name) url.searchParams.set("run", name); else url.searchParams.delete("run");
  if (url.href !== location.href) history.replaceState(history.state, "", url);
  try {
    name ? localStorage.setItem("recipe-assistant-run", name) : localStorage.removeItem("recipe-assistant-run");
    if (me) localStorage.setItem("recipe-assistant-me", me);
  } catch {}
}"""
# On a narrow page gradio leaves the steps' words out, and with them the buttons' names.
NAME_STEPS = f"""() => {{
  const titles = {json.dumps(TITLES)};
  document.querySelectorAll("#walk [data-tab-id]").forEach((step, n) => step.setAttribute("aria-label", titles[n]));
  document.querySelector("#sidebar .toggle-button")?.setAttribute("aria-label", "Your runs");
}}"""
# On a phone the list of runs covers the page that was asked for.
CLOSE_ON_A_PHONE = """() => {
  if (innerWidth <= 768) document.querySelector("#sidebar .toggle-button")?.click();
}"""
TO_THE_TOP = """() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  window.scrollTo({top: 0, behavior: calm ? "auto" : "smooth"});
  // the button that was pressed is gone: whoever reads by ear or keyboard goes on at the new step's heading
  requestAnimationFrame(() => {
    const head = [...document.querySelectorAll(".section h2.head")].find((each) => each.offsetParent);
    head?.focus({preventScroll: true});
  });
}"""
CHOOSE_RUN = """element.addEventListener("click", (event) => {
  const run = event.target.closest("[data-run]");
  if (run) trigger("click", {run: run.dataset.run});
});"""


def build(public: bool = False) -> gr.Blocks:
    """The page. On a `public` one nobody reads this machine's folders, and each browser has runs of its own."""
    with gr.Blocks(title="Recipe Assistant", analytics_enabled=False, delete_cache=(3600, 86400)) as page:
        parts: dict[str, Any] = {}
        with gr.Sidebar(open=False, position="left", elem_id="sidebar") as parts["sidebar"]:
            gr.HTML("<h2>Runs</h2>")
            parts["runs"] = gr.HTML("", elem_id="runs", js_on_load=CHOOSE_RUN)
        gr.HTML(
            "<h1>Recipe Assistant</h1><p>From a Kaggle image competition to a scored submission, with a recipe that anyone "
            "can read.</p>",
            elem_id="top",
        )
        with gr.Walkthrough(selected=CHOOSE, elem_id="walk") as parts["walk"]:
            parts |= six_steps(public)
        parts["address"] = gr.Textbox(visible="hidden", elem_id="run-name", label="Run")
        parts["me"] = gr.Textbox(visible="hidden", elem_id="me", label="Key")
        parts["seen"] = gr.Textbox("", visible="hidden", elem_id="seen", label="Version")
        parts["turn"] = gr.Textbox("", visible="hidden", elem_id="turn", label="Turn")
        parts["chosen"] = gr.Textbox(SAMPLE, visible="hidden", elem_id="chosen", label="Competition")
        parts["watch"] = gr.State(None)
        parts["session"] = gr.State(None, time_to_live=86_400, delete_callback=_closed)
        parts["pulse"] = pulse.build(public)
        parts["beside"] = gr.Timer(0.5, active=False)
        _wire(page, parts, public)
    return page


# ---------------------------------------------------------------- what calls what


def _wire(page: gr.Blocks, parts: dict[str, Any], public: bool) -> None:
    """Only a function here is called by a browser; none takes for granted what comes in. Each gets the session first,
    which the server keeps."""

    def on(function: Callable[..., dict[str, Any]], inputs: Sequence[str], outputs: Sequence[str]) -> dict[str, Any]:
        def changed(session: Session | None, me: str, *given: Any) -> dict[Any, Any]:
            session, found = again(session, me)
            return by_component(found | function(session, *given), outputs)

        return {**PRIVATE, "fn": changed, "inputs": some(*PERSON, *inputs), "outputs": some(*FOUND_AGAIN, *outputs)}

    def clicked(
        name: str, function: Callable[..., dict[str, Any]], outputs: Sequence[str], inputs: Sequence[str] = ()
    ) -> dict[str, Any]:
        def changed(session: Session | None, me: str, event: gr.EventData, *given: Any) -> dict[Any, Any]:
            session, found = again(session, me)
            return by_component(found | function(session, str(getattr(event, name, "")), *given), outputs)

        return {**PRIVATE, "fn": changed, "inputs": some(*PERSON, *inputs), "outputs": some(*FOUND_AGAIN, *outputs)}

    def again(session: Session | None, me: str) -> tuple[Session, dict[str, Any]]:
        """The page's session; where gradio has forgotten it, a new one by the page's key, and what that changes."""
        if session is not None:
            return session, {}
        session, key = open_session(me, public)
        return session, {"session": session, "me": key} | kaggle_step.welcome(session, ask=False)

    def some(*names: str) -> list[Any]:
        return [parts[name] for name in names]

    def by_component(changed: dict[str, Any], outputs: Sequence[str]) -> dict[Any, Any]:
        """Changes by component, as gradio wants them; there is always one."""
        return {parts[name]: value for name, value in (changed or {outputs[0]: gr.skip()}).items()}

    def opened(address: str, me: str) -> dict[Any, Any]:
        session, key = open_session(me, public)
        changed = train_step.attach(session, address) | {
            "session": session,
            "me": key,
            "runs": runs_shown(session, address),
        }
        return by_component(changed, (*RUN, "session", "me", "runs"))

    remember = {"fn": None, "inputs": some("address", "me"), "outputs": None, "js": REMEMBER, **PRIVATE}
    opening = page.load(
        opened, some("address", "me"), some(*RUN, "session", "me", "runs"), js=RECALL, **PRIVATE, **QUIET
    )
    opening.then(**remember)
    page.load(None, None, None, js=NAME_STEPS, **PRIVATE)
    # after the session is there: what a quick person has read by then is not overwritten with the sample
    first = on(lambda session, *given: first_shown(session, public, *given), ["address", "chosen"], OF_A_RUN)
    opening.then(**first, **QUIET)
    parts["address"].change(**remember)
    listed = on(lambda session, address: {"runs": runs_shown(session, address)}, ["address"], ["runs"])
    parts["sidebar"].expand(**listed, **QUIET)
    chosen = parts["runs"].click(**clicked("run", train_step.attach, RUN), **QUIET)
    chosen.then(None, None, None, js=CLOSE_ON_A_PHONE, **PRIVATE)
    of_it = on(lambda session, *given: choosing.shown_of_run(session, public, *given), ["address", "chosen"], OF_A_RUN)
    chosen.then(**of_it, **QUIET)
    moves = {f"back_{number}": number - 1 for number in range(1, 6)} | {
        f"on_{number}": number + 1 for number in range(1, 5)
    }
    for name, where in (moves | {"again": RECIPE}).items():
        # in the browser alone: going from step to step waits for no server, however busy it is
        to = f"() => ({{__type__: 'update', selected: {where}}})"
        parts[name].click(None, None, parts["walk"], js=to, **PRIVATE).then(None, None, None, js=TO_THE_TOP, **PRIVATE)
    _wire_choosing(parts, on, clicked, public)
    _wire_recipe(parts, on, public)
    _wire_training(parts, on, public)

    def find(name: object, session: Session | None, me: str) -> Run | None:
        return again(session, me)[0].find(name)

    def mine(session: Session | None, me: str) -> Sequence[Run]:
        return list_runs(again(session, me)[0].runs)

    results.wire(parts, find, mine, some(*PERSON))
    predict.wire(parts, parts["results_of"], find, some(*PERSON))
    parts["on_4"].click(**on(lambda session: {"board": submit_step.board(session)}, [], ["board"]), **QUIET)
    parts["hand_in"].click(
        **on(submit_step.hand_in, ["address", "message"], HANDING_IN),
        **QUIET,
    )
    parts["look_again"].click(**on(submit_step.look_again, ["address"], HANDING_IN), **QUIET)

    def beside(session: Session, address: str, chosen: str) -> dict[str, Any]:
        changed = kaggle_step.progress(session, lambda slug: choosing.downloaded(session, public, slug, chosen))
        changed |= (
            explore_step.progress(session) | recipe_step.progress(session) | submit_step.progress(session, address)
        )
        jobs = (session.fetching, session.looking, session.measuring, session.handing_in)
        running = any(job is not None for job in jobs)
        return changed | {"beside": gr.update(active=running)}

    outputs = (
        *READ,
        "fetching",
        *FETCH_BUTTONS,
        *LOOKED,
        *MEASURED,
        *HANDING_IN,
    )
    parts["beside"].tick(**on(beside, ["address", "chosen"], tuple(dict.fromkeys(outputs))), **TICK)


FETCH_BUTTONS = ("fetch", "check_again", "stop_fetch")
FOUND = ("found", "page", "more", "fewer", "about", "fetching", *FETCH_BUTTONS)
LOOKED = ("looked", "look", "stop_look", "explored")
OF_A_RUN = ("understood", "chosen", "settings", *LOOKED, *form.FIELDS)
READ = ("understood", "chosen", "on_0", "choice_trouble", "not_so", "settings", "walk", *LOOKED, *form.FIELDS)
HANDING_IN = ("handed_in", "hand_in", "look_again", "message", "board", "beside")
MEASURED = ("takes", "measure")
FORESEEN = ("subject", "trouble", "takes", "schedule", "views", "command", "python")


def _wire_choosing(parts: dict[str, Any], on, clicked, public: bool) -> None:
    """The first two steps."""

    def here(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        return lambda session, *given: function(session, public, *given)

    asked_for = ["path_row", "kaggle_column", "choice_trouble", "on_0", "found"]
    parts["choice"].change(**on(choose, ["choice", "chosen"], asked_for), **QUIET).then(
        **on(choosing.welcome, ["choice"], FOUND), **QUIET
    )
    given = ["choice", "chosen", "path", "settings"]
    for trigger in (parts["on_0"].click, parts["path"].submit):
        trigger(**on(here(read), given, READ), show_progress_on=[parts["choice_trouble"]]).then(
            None, None, None, js=TO_THE_TOP, **PRIVATE
        )
    parts["understood"].click(**clicked("say", here(choosing.correct), READ, ["chosen"]), **QUIET).then(
        None, None, None, js=explore_step.AFTER_SAYING, **PRIVATE
    )
    for trigger in (parts["read"].click, parts["settings"].submit):
        trigger(**on(here(choosing.read_again), ["chosen", "settings"], READ), show_progress_on=[parts["understood"]])

    for trigger in (parts["sign_in"].click, parts["token"].submit):
        trigger(**on(kaggle_step.sign_in, ["token"], FOUND), show_progress_on=[parts["who"]])
    parts["sign_out"].click(**on(kaggle_step.sign_out, [], FOUND), **QUIET)
    asked = ["words", "category", "sort"]

    def first(session: Session, words: str, category: str, sort: str) -> dict[str, Any]:
        return kaggle_step.search(session, words, category, sort, 1)

    searches = [parts["search"].click, parts["words"].submit, parts["category"].input, parts["sort"].input]
    gr.on(searches, **on(first, asked, FOUND), show_progress_on=[parts["found"]], trigger_mode="always_last")
    for name, by in (("more", 1), ("fewer", -1)):

        def turned(session: Session, words: str, category: str, sort: str, page: float, by: int = by) -> dict[str, Any]:
            return kaggle_step.search(session, words, category, sort, (page or 1) + by)

        parts[name].click(**on(turned, [*asked, "page"], FOUND), show_progress_on=[parts["found"]])
    looked_at = clicked("slug", kaggle_step.look_at, FOUND)
    parts["found"].click(**looked_at, show_progress_on=[parts["about"]], trigger_mode="always_last")
    parts["check_again"].click(**on(kaggle_step.check_again, [], FOUND), show_progress_on=[parts["about"]])
    parts["fetch"].click(**on(kaggle_step.download, [], ["fetching", *FETCH_BUTTONS, "beside"]), **QUIET)
    parts["stop_fetch"].click(**on(_stopped("fetching"), [], ["stop_fetch"]), **QUIET)

    def look_at_all(session: Session, chosen: str) -> dict[str, Any]:
        try:
            competition = chosen_competition(session, public, chosen)
        except Exception as error:
            return {"looked": alert(in_words(error))}
        return explore_step.look_at_all(session, competition)

    parts["look"].click(**on(look_at_all, ["chosen"], [*LOOKED, "beside"]), **QUIET)
    parts["stop_look"].click(**on(_stopped("looking"), [], ["stop_look"]), **QUIET)
    parts["looked"].click(**clicked("rows", explore_step.enlarge, ["enlarged"]), **QUIET).then(
        None, None, None, js=explore_step.OPEN, **PRIVATE
    )


def _wire_recipe(parts: dict[str, Any], on, public: bool) -> None:
    """What the settings will do."""

    def foreseen(session: Session, chosen: str, picture: float, *values: Any) -> dict[str, Any]:
        return recipe_step.foreseen(session, public, chosen, picture, *values)

    def arrived(session: Session, chosen: str, picture: float, *values: Any) -> dict[str, Any]:
        zero.expect()
        return foreseen(session, chosen, picture, *values)

    def another(session: Session, chosen: str, picture: float, *values: Any) -> dict[str, Any]:
        return foreseen(session, chosen, (picture or 0) + 1, *values) | {"picture": (picture or 0) + 1}

    def measure(session: Session, chosen: str, *values: Any) -> dict[str, Any]:
        return recipe_step.measure(session, public, chosen, *values)

    given = ["chosen", "picture", *form.FIELDS]
    told = (
        "recipe",
        "own",
        "arch",
        "sizes",
        "augment",
        "tta",
        "seed",
        "batch_size",
        "folds",
        "valid",
        "max_cycles",
        "max_zoom",
    )
    # apart: what comes last is told by the event of before once more, with all that hangs on it, and a click also moves the page
    for name in ("on_1", "back_3", "again"):
        parts[name].click(**on(arrived, given, FORESEEN), **QUIET)
    gr.on([parts[name].change for name in (*told, "chosen")], **on(foreseen, given, FORESEEN), **LATEST)
    parts["another"].click(**on(another, given, [*FORESEEN, "picture"]), **QUIET)
    parts["measure"].click(**on(measure, ["chosen", *form.FIELDS], [*MEASURED, "beside"]), **QUIET)


def _wire_training(parts: dict[str, Any], on, public: bool) -> None:
    """The recipe, and the run."""
    about = on(preview, ["recipe", "own", "sizes", "address"], ["start", "own", "steps"])
    gr.on([parts[name].change for name in ("recipe", "own", "sizes")], **about, **LATEST)

    def start(session: Session, *given: Any) -> dict[str, Any]:
        return train_step.start(session, public, *given)

    # two events: gradio tells a generator's last answer once more at its end, and would move a page that has gone on
    begun = (*RUN, "trouble")
    starting = parts["start"].click(**on(start, ["chosen", "watch", *form.FIELDS], begun), **QUIET)
    starting.then(None, None, None, js=TO_THE_TOP, **PRIVATE)
    starting.then(**on(train_step.started, ["watch"], begun), **QUIET)
    # the pulse alone shows a run: answers to two requests may arrive in either order
    buttons = ("stop", "keep", "resume", "seen")
    for name, action in (("stop", train_step.stop), ("keep", train_step.keep), ("resume", train_step.resume)):
        parts[name].click(**on(action, ["address"], buttons), **QUIET)
    if zero_gpu():
        parts["turn"].change(**on(zero.go_on, ["address"], ["turn"]), **QUIET, concurrency_limit=None)
    news = {**TICK, "trigger_mode": "multiple"}  # where an answer is lost, the pulse asks again
    parts["pulse"].news(**on(train_step.tick, ["watch", "address", "seen"], RUN), **news)


def _stopped(name: str) -> Callable[[Session], dict[str, Any]]:
    """Asks a job of the session to end."""

    def stop(session: Session) -> dict[str, Any]:
        job = getattr(session, name)
        if job is not None:
            job.stop()
        return {}

    return stop


def _closed(session: Session | None) -> None:
    if session is not None:
        session.close()


def runs_shown(session: Session, address: str = "") -> str:
    """The person's runs as a list of buttons, the latest first; the one that the page shows is marked."""
    rows = []
    for run in list_runs(session.runs)[:50]:
        try:
            asked, told = run.asked(), as_json(run)
        except RunError:
            continue
        made = f"{asked.options.arch}, {', '.join(map(str, asked.options.sizes))} px · {told['state']}"
        metric, score = score_of(told["scores"])
        if score is not None:
            made += f" · {metric.replace('_', ' ')}\u00a0{score:.4f}"  # not parted at a line's end
        here = ' aria-current="true"' if run.name == address else ""
        rows.append(
            f'<li><button type="button" data-run="{text(run.name)}"{here}><b>{text(asked.competition.title)}</b>'
            f"<small>{text(made)}</small><small>{text(run.name)}</small></button></li>"
        )
    return f'<ul class="runs">{"".join(rows)}</ul>' if rows else '<p class="why">No runs yet.</p>'
