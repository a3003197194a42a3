"""Handing in: the check, the message, the score when it comes, and all runs' validation beside the leaderboard."""

from __future__ import annotations

from typing import Any

import gradio as gr

from assistant.runs import Run, RunError, as_json, list_runs
from assistant.submission import check
from assistant.submissions import Submission, submissions_of
from assistant.ui.jobs import Job
from assistant.ui.look import alert, empty, table, text
from assistant.ui.session import Session
from assistant.ui.watch import Watch

__all__ = ["CSS", "board", "build", "checked", "hand_in", "progress", "scores"]

Changes = dict[str, Any]
BOARD = 30  # runs that the table shows
NO_RUN = "When a run is done, its submission is checked here and can be handed in."


def build() -> Changes:
    """The components by name."""
    made: Changes = {}
    made["head"] = gr.HTML(empty(NO_RUN), elem_id="head")
    made["checked"] = gr.HTML("", elem_id="checked")
    with gr.Row(elem_classes="buttons"):
        made["submission"] = gr.DownloadButton(
            "Download submission.csv", visible=False, elem_id="submission", size="md"
        )
        made["report"] = gr.DownloadButton("Download report.html", visible=False, elem_id="report", size="md")
    with gr.Row(visible=False, equal_height=False, elem_classes="path") as made["hand_in_row"]:
        made["message"] = gr.Textbox(
            label="Message",
            info="What the submission is called at Kaggle; left empty, how it was made.",
            max_lines=1,
            scale=5,
            min_width=280,
            elem_id="message",
        )
        made["hand_in"] = gr.Button("Hand in to Kaggle", variant="primary", scale=2, min_width=180, elem_id="hand-in")
    made["handed_in"] = gr.HTML("", elem_id="handed-in")
    made["board"] = gr.HTML("", elem_id="board")
    return made


def checked(watch: Watch) -> str:
    """What the check against the template says of the run's submission."""
    path = watch.run.folder / "submission.csv"
    if watch.state != "done" or not path.is_file():
        return ""
    competition = watch.asked.competition
    problems = check(path, competition)
    if problems:
        return alert(f"Kaggle would refuse it: {problems[0]}")
    against = f" against {competition.submission.template}" if competition.submission.template else ""
    return f'<p class="passed">✓ Checked{text(against)}: {len(competition.test_ids):,} rows, as the template asks.</p>'


def scores(watch: Watch) -> str:
    """What became of the run's submissions."""
    return "".join(map(_handed_in, reversed(submissions_of(watch.run))))


def hand_in(session: Session, name: str, message: str) -> Changes:
    """Hands the run's submission in, and watches for its score beside the page."""
    from assistant.submitting import submit, watch

    run = session.find(name)
    if run is None:
        return {"handed_in": alert("No run of yours is shown. Choose one from the list of runs.")}
    if session.kaggle is None:
        return {"handed_in": alert("Nobody is signed in at Kaggle: sign in at step 1, Choose, then come back here.")}
    if session.handing_in is not None and session.handing_in.state == "running":
        return {}
    kaggle = session.kaggle

    def work(job: Job) -> Submission:
        mine = kaggle.listening(job.say, job.should_stop)
        made = submit(mine, run, message or "", tell=job.say, should_stop=job.should_stop)
        return watch(mine, run, made, tell=job.say, should_stop=job.should_stop)

    session.handing_in = Job(work)
    return progress(session, name) | {"beside": gr.update(active=True)}


def progress(session: Session, name: str) -> Changes:
    """How the handing in is."""
    job = session.handing_in
    if job is None:
        return {}
    if job.state == "running":
        line = job.line or "Checking, and asking Kaggle"
        return {
            "handed_in": f'<p class="said working" role="status">{text(line[:1].upper() + line[1:])} …</p>',
            "hand_in": gr.update(interactive=False),
        }
    session.handing_in = None
    changed: Changes = {"hand_in": gr.update(interactive=True), "message": ""}
    run = session.find(name)
    if job.state == "failed":
        return changed | {"handed_in": alert(job.error)}
    shown = "".join(map(_handed_in, reversed(submissions_of(run)))) if run else ""
    return changed | {"handed_in": shown, "board": board(session)}


def board(session: Session) -> str:
    """All runs' validation scores beside the leaderboard's."""
    rows = []
    for run in list_runs(session.runs)[:BOARD]:
        row = _row(run)
        if row is not None:
            rows.append(row)
    if not rows:
        return ""
    columns = ("run", "made with", "metric", "validation", "public", "private", "place")
    return table(columns, rows, "Validation beside the leaderboard, the latest run first")


def _row(run: Run) -> list[str] | None:
    """A run that is done, with its latest submission."""
    try:
        told = as_json(run)
    except RunError:
        return None
    if told["state"] != "done":
        return None
    asked, scored = told["options"], told["scores"]
    view = next((view for view in ("valid_decided", "valid_tta", "valid") if view in scored), "")
    metric, value = next(iter(scored.get(view, {}).items()), ("", None))
    made = f"{asked['recipe'].replace('_', ' ')}, {asked['arch']}, {','.join(map(str, asked['sizes']))} px"
    last = (submissions_of(run) or [None])[-1]
    public = {"pending": "waits", "failed": "refused"}.get(last.status) or _number(last.public) if last else ""
    private = _number(last.private) if last else ""
    place = last.place.in_words() if last and last.place else ""
    return [told["name"], made, metric.replace("_", " "), _number(value), public, private, place]


def _handed_in(made: Submission) -> str:
    """One submission: its message, and its score beside validation."""
    head = f"<b>{text(made.message)}</b>"
    page = f'<a href="{text(made.page)}" target="_blank" rel="noopener">at Kaggle</a>'
    if made.status == "pending":
        return f'<p class="said" role="status">{head}: handed in, and waits for its score ({page}).</p>'
    if made.status == "failed":
        return alert(f"{made.message}: Kaggle could not score it: {made.error or 'no reason is told'}")
    tiles = [("Public score", _number(made.public), made.place.in_words() if made.place else "")]
    tiles += [("Private score", _number(made.private), "")] if made.private is not None else []
    tiles += (
        [("Validation", _number(made.validation), made.metric.replace("_", " "))] if made.validation is not None else []
    )
    shown = "".join(
        f'<div class="score{" first" if number == 0 else ""}"><h3>{title}</h3><div class="value">{value}</div>'
        f"<p>{text(words)}</p></div>"
        for number, (title, value, words) in enumerate(tiles)
    )
    return f'<p class="said" role="status">{head}: scored ({page}).</p><div class="scores">{shown}</div>'


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"


CSS = """
.passed { color: #15803d; font-weight: 600; } .dark .passed { color: #4ade80; }
.working { color: var(--body-text-color-subdued) !important; }
#hand-in-row { align-items: end; }
"""
