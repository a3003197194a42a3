"""Looking at the data: what was understood and how to overrule it, and on demand a look at every image."""

from __future__ import annotations

import html
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from assistant.competition import Competition
from assistant.reading import SETTINGS
from assistant.ui.course import now_line
from assistant.ui.jobs import Job
from assistant.ui.look import alert, empty
from assistant.ui.session import Session
from recipes import events
from recipes.errors import few
from recipes.progress import STAGES, clock

__all__ = ["CSS", "build", "look_at_all", "progress"]

Changes = dict[str, Any]
OFFER = (
    "Broken files, pictures that are there twice, test images that leak into train, labels that contradict each other."
)

AWAITED = "What was understood of the data will be here in a moment."


def build() -> Changes:
    """The components by name."""
    made: Changes = {"understood": gr.HTML(empty(AWAITED), elem_id="understood")}
    with gr.Row(equal_height=False, elem_classes="path"):
        made["settings"] = gr.Textbox(
            label="Not so?",
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
    made["looked"] = gr.HTML(empty(OFFER), elem_id="looked")
    return made


def look_at_all(session: Session, competition: Competition) -> Changes:
    """Explores all images beside the page."""
    if session.looking is not None and session.looking.state == "running":
        return {}

    def work(job: Job) -> str:
        from assistant.explore import explore
        from assistant.image_table import image_table

        images = image_table(competition)
        with tempfile.TemporaryDirectory() as folder:
            explore(
                images,
                Path(folder) / "out",
                title=competition.title,
                groups=images.groups,
                report=job.tell,
                should_stop=job.should_stop,
            )
            return (Path(folder) / "out" / "explore.html").read_text(encoding="utf-8")

    session.looking = Job(work)
    return progress(session) | {"beside": gr.update(active=True)}


def progress(session: Session) -> Changes:
    """How far the look is; at its end, the page that it made."""
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
        # its own document, which may run nothing: whatever a folder's names hold stays text
        frame = '<iframe class="explored" title="What was found in the images" sandbox srcdoc="{}"></iframe>'
        return changed | {"looked": frame.format(html.escape(job.result))}
    return changed | {"looked": alert(job.error) if job.error else empty(OFFER)}


def _going_on(now: Any) -> str:
    if not isinstance(now, events.Batch) or not now.total:
        return now_line("Looking at every image")
    left = f" · {clock(now.seconds_left)} left" if now.seconds_left is not None else ""
    words = STAGES.get(now.stage, now.stage)
    return now_line(words[:1].upper() + words[1:], f"{now.done:,} of {now.total:,}{left}", now.done / now.total)


CSS = """
.explored { width: 100%; height: min(80vh, 900px); border: 1px solid var(--border-color-primary); border-radius: 10px;
  background: white; }
"""
