"""The first page: choose a competition, choose a recipe, watch it train, take the submission away.

`build` holds the layout, the functions below it what happens: each gives the parts of the page that change, by name.
Training lives in the worker's process; the page reads the run's folder, and finds it again by the name in its address
(`?run=…`).
"""

from __future__ import annotations

import functools
import ipaddress
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from assistant.competition import Competition, CompetitionError
from assistant.reading import SETTINGS
from assistant.runs import Options, Run, RunError, explain, start_run
from assistant.settings import home, runs_folder
from assistant.sources import competition_of, settings_in
from assistant.ui import course, folder, form
from assistant.ui.look import CSS, alert, empty, heading, theme
from assistant.ui.watch import Watch, fresh_name, run_named, steps_of, watch_named
from recipes.errors import RecipeError, few

__all__ = ["build", "launch", "loopback"]

TROUBLE = (RunError, CompetitionError, RecipeError, OSError, ValueError)  # pydantic's errors are ValueErrors
SAMPLE, FOLDER = "sample", "folder"
TICK = {"show_progress": "hidden", "trigger_mode": "once", "concurrency_limit": None}
RUN = (*course.VIEWS_OF_A_RUN, "seen", "watch", "address")  # the parts that a run changes
BUTTONS = ("stop", "keep", "resume", "seen")
PRIVATE: dict[str, Any] = {"api_visibility": "private"}

# The run's name is kept in the page's address, and (for somebody who comes back without it) in the browser.
RECALL = """() => {
  let kept = null;
  try { kept = localStorage.getItem("recipe-assistant-run"); } catch {}
  return [new URLSearchParams(location.search).get("run") ?? kept ?? ""];
}"""
REMEMBER = """(name) => {
  const url = new URL(location.href);
  if (name) url.searchParams.set("run", name); else url.searchParams.delete("run");
  if (url.href !== location.href) history.replaceState(history.state, "", url);
  try { name ? localStorage.setItem("recipe-assistant-run", name) : localStorage.removeItem("recipe-assistant-run"); } catch {}
}"""
TO_TRAINING = """(trouble) => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (!trouble) document.getElementById("train").scrollIntoView({behavior: calm ? "auto" : "smooth", block: "start"});
}"""


def build(public: bool = False) -> gr.Blocks:
    """The page. A `public` one offers the sample alone: nobody far away reads this machine's folders."""
    with gr.Blocks(title="Recipe Assistant", analytics_enabled=False, delete_cache=(3600, 86400)) as page:
        gr.HTML(
            "<h1>Recipe Assistant</h1><p>A folder of a Kaggle image competition goes in, a submission comes out. "
            "In between, a recipe that anyone can read.</p>",
            elem_id="top",
        )
        parts: dict[str, Any] = {}
        parts |= _choose(public)
        parts |= _recipe()
        parts |= _train()
        parts |= _result()
        parts["address"] = gr.Textbox(visible="hidden", elem_id="run-name", label="Run")
        parts["seen"] = gr.Textbox("", visible="hidden", elem_id="seen", label="Version")
        parts["chosen"] = gr.Textbox("", visible="hidden", elem_id="chosen", label="Folder")
        parts["watch"] = gr.State(None)
        parts["timer"] = gr.Timer(1, active=False)
        _wire(page, parts, public)
    return page


def launch(host: str = "127.0.0.1", port: int | None = None, browser: bool = False, public: bool = False) -> None:
    """Opens the page at that address until Ctrl-C; where no port is given, on the next that is free from 7860 on.

    Raises RunError where the port that is given is taken.
    """
    _check_port(host, port)
    page = build(public or not loopback(host)).queue(default_concurrency_limit=8)
    _, url, _ = page.launch(
        server_name=host,
        server_port=port,
        inbrowser=browser,
        share=False,
        theme=theme(),
        css=CSS,
        footer_links=[],
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        max_file_size="1mb",
        blocked_paths=[str(home())],
        show_error=False,
        quiet=True,
        prevent_thread_lock=True,
    )
    print(f"Recipe Assistant: {url} (Ctrl-C closes the page's server; runs go on)", flush=True)  # noqa: T201
    page.block_thread()


def loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _check_port(host: str, port: int | None) -> None:
    if port is None:
        return
    try:
        with socket.create_server((host, port)):
            pass
    except (OSError, OverflowError) as error:
        why = os.strerror(getattr(error, "errno", None) or 0) if isinstance(error, OSError) else "not a port"
        raise RunError(f"cannot listen on {host}, port {port}: {why}; give another --port, or none") from None


# ---------------------------------------------------------------- layout


def _section(number: int, title: str, words: str) -> gr.Column:
    column = gr.Column(elem_classes="section", elem_id=title.lower())
    with column:
        gr.HTML(heading(number, title, words))
    return column


def _choose(public: bool) -> dict[str, Any]:
    choices = [("The sample (handwritten digits)", SAMPLE), ("A folder on this machine", FOLDER)]
    with _section(1, "Choose", "What is to be solved: look at what was understood before you train."):
        made: dict[str, Any] = {
            "choice": gr.Radio(
                choices[:1] if public else choices, value=SAMPLE, show_label=False, container=False, visible=not public
            )
        }
        with gr.Row(visible=False, equal_height=False, elem_classes="path") as made["path_row"]:
            made["path"] = gr.Textbox(
                label="Folder or archive",
                placeholder="/data/dog-breed-identification",
                info="With the images, a CSV of their labels or a folder for each class, and best the sample submission.",
                max_lines=1,
                scale=5,
                min_width=280,
                elem_id="path",
            )
            made["settings"] = gr.Textbox(
                label="Not so?",
                placeholder="labels=train.csv:breed; metric=auc",
                info=f"Overrules what was read: {few(list(SETTINGS), 12)}.",
                max_lines=1,
                scale=4,
                min_width=280,
                elem_id="settings",
            )
            made["read"] = gr.Button("Read", scale=1, min_width=110, elem_id="read")
        made["understood"] = gr.HTML(_sample_shown(), elem_id="understood")
    return made


def _recipe() -> dict[str, Any]:
    with _section(2, "Recipe", "Good settings are filled in for what you chose. Change what you like, then start."):
        made = form.build()
        made["start"] = gr.Button(form.start_label(form.defaults(True)["recipe"]), variant="primary", elem_id="start")
        made["trouble"] = gr.HTML("", elem_id="trouble")
    return made


def _train() -> dict[str, Any]:
    shown = course.idle(steps_of(_preview("eight_steps", "32")))
    with _section(3, "Train", "Training is a process of its own: you may close this page and come back to it."):
        made: dict[str, Any] = {"now": gr.HTML(shown["now"], elem_id="now")}
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


def _result() -> dict[str, Any]:
    with _section(4, "Result", "The scores on images that were not trained on, and the file to hand in."):
        made: dict[str, Any] = {"result": gr.HTML(empty(course.AWAITED["result"]), elem_id="scores")}
        with gr.Row(elem_classes="buttons"):
            made["submission"] = gr.DownloadButton(
                "Download submission.csv", variant="primary", visible=False, elem_id="submission", size="md"
            )
            made["report"] = gr.DownloadButton("Download report.html", visible=False, elem_id="report", size="md")
        made["head"] = gr.HTML("", elem_id="head")
    return made


def _wire(page: gr.Blocks, parts: dict[str, Any], public: bool) -> None:
    """Which part calls what. Only a function here is called by a browser; none takes for granted what comes in."""

    def on(function: Callable[..., dict[str, Any]], inputs: Sequence[str], outputs: Sequence[str]) -> dict[str, Any]:
        def changed(*given: Any) -> dict[Any, Any]:
            return _by_component(parts, function(*given), outputs)

        return {**PRIVATE, "fn": changed, "inputs": _some(parts, inputs), "outputs": _some(parts, outputs)}

    def starting(*given: Any) -> Iterator[dict[Any, Any]]:
        for changed in start(public, *given):
            yield _by_component(parts, changed, (*RUN, "trouble"))

    address = parts["address"]
    quiet: dict[str, Any] = {"show_progress": "hidden"}
    read, read_changes = (
        functools.partial(read_folder, public),
        ("path_row", "understood", "chosen", "trouble", *form.FIELDS),
    )
    page.load(**on(attach, ["address"], RUN), js=RECALL, **quiet).then(None, [address], None, js=REMEMBER, **PRIVATE)
    address.change(None, [address], None, js=REMEMBER, **PRIVATE)
    parts["choice"].change(**on(read, ["choice", "chosen"], read_changes), show_progress_on=[parts["understood"]])
    for trigger in (parts["read"].click, parts["path"].submit, parts["settings"].submit):
        given = ["choice", "chosen", "path", "settings"]
        trigger(**on(read, given, read_changes), show_progress_on=[parts["understood"]])
    for name in ("recipe", "sizes"):
        parts[name].change(**on(preview, ["recipe", "sizes", "address"], ["start", "steps"]), **quiet)
    started = parts["start"].click(
        starting,
        _some(parts, ["choice", "path", "settings", "chosen", "watch", *form.FIELDS]),
        _some(parts, [*RUN, "trouble"]),
        **PRIVATE,
        **quiet,
    )
    started.then(None, [parts["trouble"]], None, js=TO_TRAINING, **PRIVATE)
    # a tick alone shows a run, one after the other: answers to two requests may arrive in either order
    parts["stop"].click(**on(functools.partial(stop, False), ["address"], BUTTONS), **quiet)
    parts["keep"].click(**on(functools.partial(stop, True), ["address"], BUTTONS), **quiet)
    parts["resume"].click(**on(resume, ["address"], BUTTONS), **quiet)
    parts["timer"].tick(**on(tick, ["watch", "address", "seen"], RUN), **TICK)


def _some(parts: dict[str, Any], names: Sequence[str]) -> list[Any]:
    return [parts[name] for name in names]


def _by_component(parts: dict[str, Any], changed: dict[str, Any], outputs: Sequence[str]) -> dict[Any, Any]:
    """Changes by component, as gradio wants them; there is always one."""
    return {parts[name]: value for name, value in (changed or {outputs[0]: gr.skip()}).items()}


# ---------------------------------------------------------------- what happens


def read_folder(
    public: bool, choice: str, chosen: str, path: str | None = None, settings: str | None = None
) -> dict[str, Any]:
    """Reads what was chosen, as the settings overrule it; without a path, the place for one is shown, or the sample."""
    is_folder = choice == FOLDER and not public
    changed: dict[str, Any] = {"path_row": gr.update(visible=is_folder), "trouble": ""}
    if is_folder and not (path or "").strip():
        words = "Name the folder, then press read: what it asks for will be told here."
        return changed | {
            "understood": empty(words) if path is None else alert("No folder is named; write its path above.")
        }
    try:
        place = _place(path, settings) if is_folder else ""
        understood = folder.shown(_competition(place)) if is_folder else _sample_shown()
    except Exception as error:
        return changed | {"understood": alert(_told(error)), "chosen": ""}
    changed |= {"understood": understood, "chosen": place}
    if bool(place) != bool(chosen):
        changed |= form.defaults(sample=not place)
    return changed


def preview(recipe: str, sizes: str, address: str) -> dict[str, Any]:
    """The start button's words, and the steps that it would carry out, where no run is shown."""
    changed: dict[str, Any] = {"start": gr.update(value=form.start_label(recipe))}
    if run_named(address) is None:
        changed["steps"] = course.steps(steps_of(_preview(recipe, sizes)), 0, False)
    return changed


def start(
    public: bool, choice: str, path: str, settings: str, chosen: str, watch: Watch | None, *values: Any
) -> Iterator[dict[str, Any]]:
    """Starts a run of what was read, with the form's settings; names it before its process is up, so that a reload finds it."""
    choice, chosen = (SAMPLE, "") if public else (choice, chosen)
    try:
        if choice == FOLDER and chosen and _place(path, settings) != chosen:
            raise RunError(
                "the folder that is named has not been read so: press read first, and look at what was understood"
            )
        if choice == FOLDER and not chosen:
            raise RunError("no folder has been read: name one and press read, or choose the sample")
        asked = form.options(dict(zip(form.FIELDS, values)))
        competition = _competition(chosen if choice == FOLDER else "")
        name = fresh_name(competition.slug)
        yield {
            "start": gr.update(interactive=False),
            "trouble": "",
            "now": course.now_line("Starting the training process"),
            "address": name,
        }
        start_run(competition, asked, runs_folder() / name)
    except Exception as error:
        yield {
            "start": gr.update(interactive=True),
            "trouble": alert(_told(error)),
            "now": gr.skip() if watch else course.now_line(course.NOTHING),
            "address": watch.run.name if watch else "",
        }
        return
    yield {"timer": gr.update(active=True), "seen": ""}


def attach(address: str) -> dict[str, Any]:
    """Shows the run of that name on a page that was just opened."""
    watch = watch_named(address)
    if watch is not None:
        return watch.changes(course.VIEWS_OF_A_RUN, "") | {"watch": watch, "address": address}
    if not address:
        return {}
    words = "The run that this page showed is not on this machine any more. Start a new one above."
    return {"now": course.now_line(words), "address": ""}


def tick(watch: Watch | None, address: str, seen: str) -> dict[str, Any]:
    """What has changed since the last tick; a page that outlived its server finds its run again."""
    if watch is None or watch.run.name != address:
        return attach(address) if run_named(address) else {}
    return watch.changes(course.VIEWS_OF_A_RUN, seen)


def stop(keep_best: bool, address: str) -> dict[str, Any]:
    """Asks the run to stop."""
    return _with_run(address, lambda run: run.stop(keep_best), *(["keep"] if keep_best else ["stop", "keep"]))


def resume(address: str) -> dict[str, Any]:
    """Goes on with the run."""
    return _with_run(address, lambda run: run.resume(), "resume")


def _with_run(address: str, action: Callable[[Run], Any], *buttons: str) -> dict[str, Any]:
    """Does that with the run; the buttons are shut until the next tick shows the whole run afresh."""
    changed: dict[str, Any] = {"seen": ""}
    run = run_named(address)
    if run is None:
        return changed
    try:
        action(run)
    except TROUBLE as error:
        gr.Warning(_told(error))
        return changed
    return changed | {button: gr.update(interactive=False) for button in buttons}


def _place(path: str | None, settings: str | None) -> str:
    """A folder and what overrules its reading, as one text: a line each."""
    given = [setting.strip() for setting in (settings or "").split(";") if setting.strip()]
    return "\n".join([(path or "").strip(), *given])


def _competition(place: str) -> Competition:
    """The competition in a `_place`; the sample without one."""
    path, *given = place.split("\n")
    if not path:
        return folder.the_sample()
    return competition_of(path, settings_in(given))


@functools.lru_cache(maxsize=1)
def _sample_shown() -> str:
    return folder.shown(folder.the_sample())


def _preview(recipe: str, sizes: str) -> Options:
    """Options of that recipe; where the sizes are still being written, of one size."""
    try:
        return form.options({"recipe": recipe, "sizes": sizes, "arch": "-"})
    except TROUBLE:
        return Options.model_validate({"recipe": recipe})


def _told(error: BaseException) -> str:
    """One line for the page; what nobody foresaw goes to the server's log too."""
    if not isinstance(error, TROUBLE):
        logging.getLogger(__name__).exception("the page caught an error")
    line = explain(error)
    return line[:1].upper() + line[1:]
