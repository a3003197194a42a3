"""Looking at the data: what was understood, correctable in place, and on demand a look at every image."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from assistant.competition import Competition
from assistant.reading import SETTINGS
from assistant.ui import findings, galleries
from assistant.ui.course import now_line
from assistant.ui.galleries import Looked
from assistant.ui.jobs import Job
from assistant.ui.look import alert, empty
from assistant.ui.session import Session
from recipes import events
from recipes.errors import few
from recipes.progress import STAGES, clock

__all__ = ["AFTER_SAYING", "CSS", "OPEN", "build", "enlarge", "forget", "look_at_all", "progress"]

Changes = dict[str, Any]
AFTER_SAYING, OPEN, CSS = findings.AFTERWARDS, galleries.OPEN, findings.CSS + galleries.CSS
OFFER = (
    "Broken files, pictures that are there twice, test images that leak into train, labels that contradict each other."
)

AWAITED = "What was understood of the data will be here in a moment."


def build() -> Changes:
    """The components by name."""
    made: Changes = {"understood": gr.HTML(empty(AWAITED), js_on_load=findings.ON_LOAD, elem_id="understood")}
    made["not_so"] = gr.HTML("", elem_id="not-so")
    with (
        gr.Accordion("The settings as text", open=False, elem_id="in-words"),
        gr.Row(equal_height=False, elem_classes="path"),
    ):
        made["settings"] = gr.Textbox(
            label="Settings",
            placeholder="labels=train.csv:breed; metric=auc",
            info=f"Overrules what was read: {few(list(SETTINGS), 12)}.",
            max_lines=1,
            scale=5,
            min_width=280,
            elem_id="settings",
        )
        made["read"] = gr.Button("Read again", scale=1, min_width=110, elem_id="read")
    with gr.Row(elem_classes="buttons"):
        made["look"] = gr.Button("Look at every image", elem_id="look")
        made["stop_look"] = gr.Button("Stop looking", visible=False, elem_id="stop-look")
        made["explored"] = gr.DownloadButton("The whole report", visible=False, elem_id="explored")
    made["looked"] = gr.HTML(empty(OFFER), js_on_load=galleries.ON_LOAD, elem_id="looked")
    made["enlarged"] = gr.HTML("", js_on_load=galleries.CLOSE, elem_id="enlarged")
    return made


def look_at_all(session: Session, competition: Competition) -> Changes:
    """Explores all images beside the page."""
    if session.looking is not None and session.looking.state == "running":
        return {}

    def work(job: Job) -> Looked:
        from assistant.explore import explore
        from assistant.image_table import image_table

        images = image_table(competition)
        with tempfile.TemporaryDirectory() as folder:
            found = explore(
                images,
                Path(folder) / "out",
                title=competition.title,
                groups=images.groups,
                report=job.tell,
                should_stop=job.should_stop,
            )
            shown = galleries.shown(found, images, job.should_stop)
            report = save_file_to_cache(Path(folder) / "out" / "explore.html", get_upload_folder())
        return Looked(found, images, shown, report)

    session.looked, session.looking = None, Job(work)
    return progress(session) | {"beside": gr.update(active=True), "explored": gr.update(visible=False)}


def progress(session: Session) -> Changes:
    """How far the look is; at its end, what it found."""
    job = session.looking
    if job is None:
        return {}
    if job.state == "running":
        return {
            "looked": _going_on(job.now),
            "look": gr.update(interactive=False),
            "stop_look": gr.update(visible=True),
        }
    session.looking = None
    changed: Changes = {"look": gr.update(interactive=True), "stop_look": gr.update(visible=False)}
    if job.state == "done":
        looked: Looked = job.result
        session.looked = looked
        return changed | {"looked": looked.shown, "explored": gr.update(value=looked.report, visible=True)}
    return changed | {"looked": alert(job.error) if job.error else empty(OFFER)}


def enlarge(session: Session, rows: str) -> Changes:
    """Pictures of the last look, large."""
    return {"enlarged": galleries.enlarged(session.looked, rows)} if session.looked is not None else {}


def forget(session: Session) -> Changes:
    """What was looked at is no longer what is shown."""
    if session.looking is not None:
        session.looking.stop()
    session.looking = session.looked = None
    return {
        "looked": empty(OFFER),
        "look": gr.update(interactive=True),
        "stop_look": gr.update(visible=False),
        "explored": gr.update(visible=False),
    }


def _going_on(now: Any) -> str:
    if not isinstance(now, events.Batch) or not now.total:
        return now_line("Looking at every image")
    left = f" · {clock(now.seconds_left)} left" if now.seconds_left is not None else ""
    words = STAGES.get(now.stage, now.stage)
    return now_line(words[:1].upper() + words[1:], f"{now.done:,} of {now.total:,}{left}", now.done / now.total)
