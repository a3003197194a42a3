"""Choosing the recipe: its settings, and what they will do: the schedule, the views that are trained on, the time and
memory that it takes, and the same run as a command and as Python."""

from __future__ import annotations

from typing import Any

import gradio as gr

from assistant import standby
from assistant.as_code import as_command, as_python
from assistant.competition import Competition
from assistant.planned import counts_of
from assistant.runs import Options
from assistant.ui import form, preview, zero
from assistant.ui.choose_step import SAMPLE, chosen_competition
from assistant.ui.jobs import Job, in_words
from assistant.ui.look import alert, empty, text
from assistant.ui.session import Session

__all__ = ["CSS", "build", "foreseen", "measure", "progress"]

Changes = dict[str, Any]
MEASURED = "Time and memory can be measured here for a moment before you start."
CSS = (
    preview.CSS
    + """
.costs { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 4px 18px; font-size: 14px; }
.costs dt { font-weight: 600; } .costs dd { color: var(--body-text-color-subdued); }
"""
)


def build() -> Changes:
    """The components by name."""
    if note := zero.words():
        gr.HTML(note, elem_id="zero")
    subject = gr.HTML("", elem_id="subject")
    made = form.build() | {"subject": subject}
    gr.HTML(_costs())
    made["trouble"] = gr.HTML("", elem_id="trouble")
    with gr.Accordion("What it will do", open=True, elem_id="foreseen"):
        made["schedule"] = gr.HTML("", elem_id="schedule")
        with gr.Row(elem_classes="buttons"):
            made["another"] = gr.Button("Another picture", size="sm", elem_id="another")
        made["views"] = gr.HTML("", elem_id="views")
        made["picture"] = gr.Number(0, precision=0, visible="hidden", label="Picture", elem_id="picture")
        with gr.Row(elem_classes="buttons"):
            made["measure"] = gr.Button("Measure time and memory", size="sm", elem_id="measure")
        made["takes"] = gr.HTML(empty(MEASURED), elem_id="takes")
    with gr.Accordion("The same run as a command, and in Python", open=False, elem_id="as-code"):
        made["command"] = gr.Code("", language="shell", label="Command", interactive=False, elem_id="as-command")
        made["python"] = gr.Code("", language="python", label="Python", interactive=False, elem_id="as-python")
    return made


def foreseen(session: Session, public: bool, chosen: str, picture: float | None, *values: Any) -> Changes:
    """What these settings will do with what was chosen."""
    try:
        asked = form.options(dict(zip(form.FIELDS, values)))
        competition = chosen_competition(session, public, chosen)
        from recipes.network import check_name

        check_name(asked.arch)
        source, *settings = chosen.split("\n")
        source = source.partition(":")[2] or SAMPLE
        measuring = session.measuring is not None and session.measuring.state == "running"
        return {
            "subject": _subject(competition),
            "trouble": "",
            **({} if measuring else {"takes": empty(MEASURED)}),
            "schedule": preview.schedule_shown(asked, counts_of(competition, asked)),
            "views": preview.augmentation_shown(competition, asked, int(picture or 0)),
            "command": as_command(source, asked, settings, sample=competition.sample),
            "python": as_python(session.folders.get(source, source) if session.owner else source, asked, settings),
        }
    except Exception as error:
        return {"trouble": alert(in_words(error))}


def _subject(competition: Competition) -> str:
    """What the recipe is for."""
    many = len(competition.classes)
    asked = {"single_label": f"{many:,} classes", "multi_label": f"{many:,} tags"}.get(
        competition.task, "numbers to predict"
    )
    told = f"{competition.train_images:,} images with labels, {asked}, scored by {competition.metric.name.replace('_', ' ')}"
    return f'<p class="said">For <b>{text(competition.title)}</b>: {text(told)}.</p>'


def measure(session: Session, public: bool, chosen: str, *values: Any) -> Changes:
    """Measures beside the page what the run will take."""
    if session.measuring is not None and session.measuring.state == "running":
        return {}
    try:
        asked: Options = form.options(dict(zip(form.FIELDS, values)))
        competition = chosen_competition(session, public, chosen)
    except Exception as error:
        return {"takes": alert(in_words(error))}

    standby.dismiss()  # its memory is the run's own

    def work(job: Job) -> str:
        from assistant.estimate import estimate

        return preview.estimate_shown(estimate(competition, asked, should_stop=job.should_stop))

    session.measuring = Job(work)
    return progress(session) | {"beside": gr.update(active=True)}


def progress(session: Session) -> Changes:
    """How the measuring is."""
    job = session.measuring
    if job is None:
        return {}
    if job.state == "running":
        return {"takes": empty("Measuring: some seconds …"), "measure": gr.update(interactive=False)}
    session.measuring = None
    zero.expect()
    shown = job.result if job.state == "done" else alert(job.error) if job.error else empty(MEASURED)
    return {"takes": shown, "measure": gr.update(interactive=True)}


def _costs() -> str:
    rows = []
    for words, name in preview.architectures():
        about = words.partition(" · ")[2]
        rows.append(f"<dt>{text(name)}</dt><dd>{text(about)}</dd>")
    return f'<details><summary>What each architecture costs</summary><dl class="costs">{"".join(rows)}</dl></details>'
