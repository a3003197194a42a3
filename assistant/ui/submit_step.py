"""Handing in: the check, the message, the score when it comes, and all runs' validation beside the leaderboard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import gradio as gr
from filelock import FileLock, Timeout

from assistant.runs import Run, RunError, as_json, list_runs, score_of
from assistant.submission import check
from assistant.submissions import Submission, submissions_of
from assistant.ui.jobs import Job
from assistant.ui.look import alert, empty, table, text
from assistant.ui.session import Session
from assistant.ui.watch import Watch

__all__ = ["CSS", "board", "build", "checked", "hand_in", "look_again", "progress", "scores", "waits"]

Changes = dict[str, Any]
BOARD = 30  # runs that the table shows
HAND_IN = "Hand in to Kaggle"
SIGN_IN = "Nobody is signed in at Kaggle: sign in at step 1, Choose, then come back here."
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
        made["hand_in"] = gr.Button(HAND_IN, variant="primary", scale=2, min_width=180, elem_id="hand-in")
    made["handed_in"] = gr.HTML("", elem_id="handed-in")
    made["look_again"] = gr.Button("Look for the score", visible=False, size="sm", elem_id="look-again")
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
    return _shown(watch.run)


def hand_in(session: Session, name: str, message: str) -> Changes:
    """Hands the run's submission in, and watches for its score beside the page. What has been handed in before is handed in
    again only where the button is pressed a second time."""
    from assistant.submitting import submit, watch

    run = session.find(name)
    if run is None:
        return {"handed_in": alert("No run of yours is shown. Choose one from the list of runs.")}
    if session.kaggle is None:
        return {"handed_in": alert(SIGN_IN)}
    if _going_on(session.handing_in):
        return {}
    before = [made for made in submissions_of(run) if made.status != "failed"]
    if before and session.asked_again != name:
        session.asked_again = name
        words = "It has been handed in already, and would count once more. Press again to hand it in all the same."
        return {"handed_in": alert(words) + _shown(run), "hand_in": gr.update(value="Hand in once more")}
    session.asked_again = ""
    kaggle = session.kaggle

    def work(job: Job) -> Submission:
        mine = kaggle.listening(job.say, job.should_stop)
        with _alone(run):
            made = submit(mine, run, message or "", tell=job.say, should_stop=job.should_stop)
        return watch(mine, run, made, tell=job.say, should_stop=job.should_stop)

    session.handing_in = Job(work, name)
    return progress(session, name) | {"message": "", "beside": gr.update(active=True)}


def look_again(session: Session, name: str) -> Changes:
    """Watches once more for the score of the run's latest submission."""
    from assistant.submitting import watch

    run = session.find(name)
    pending = [made for made in submissions_of(run) if made.status == "pending"] if run else []
    if run is None or not pending or _going_on(session.handing_in):
        return {}
    if session.kaggle is None:
        return {"handed_in": alert(SIGN_IN) + _shown(run)}
    kaggle = session.kaggle

    def work(job: Job) -> Submission:
        return watch(kaggle.listening(job.say, job.should_stop), run, pending[-1], tell=job.say)

    session.handing_in = Job(work, name)
    return progress(session, name) | {"beside": gr.update(active=True)}


def progress(session: Session, name: str) -> Changes:
    """How the handing in is; a page that shows another run by now is told the table alone."""
    job = session.handing_in
    if job is None:
        return {}
    here, run = job.about == name, session.find(job.about)
    if job.state == "running":
        if not here:
            return {"hand_in": gr.update(interactive=False)}
        line = job.line or "Checking, and asking Kaggle"
        return {
            "handed_in": f'<p class="said working">{text(line[:1].upper() + line[1:])} …</p>',
            "hand_in": gr.update(interactive=False),
            "look_again": gr.update(visible=False),
        }
    session.handing_in = None
    changed: Changes = {"hand_in": gr.update(interactive=True, value=HAND_IN), "board": board(session)}
    if not here or run is None:
        return changed
    trouble = alert(job.error) if job.state == "failed" else ""
    return changed | {"handed_in": trouble + _shown(run), "look_again": gr.update(visible=waits(run))}


def waits(run: Run) -> bool:
    """Whether the score of one of its submissions has not been seen yet."""
    return any(made.status == "pending" for made in submissions_of(run))


def _going_on(job: Job | None) -> bool:
    return job is not None and job.state == "running"


def _shown(run: Run) -> str:
    return "".join(map(_handed_in, reversed(submissions_of(run))))


@contextlib.contextmanager
def _alone(run: Run) -> Iterator[None]:
    """While a run is handed in, no other page hands it in. Raises RunError where one does."""
    try:
        with FileLock(run.folder / "submitting.lock", timeout=0):
            yield
    except Timeout:
        raise RunError("this run is being handed in from another page: wait for it there") from None


def board(session: Session) -> str:
    """All runs' validation scores beside the leaderboard's."""
    rows = []
    for run in list_runs(session.runs)[:BOARD]:
        row = _row(run)
        if row is not None:
            rows.append(row)
    if not rows:
        return ""
    columns = ("run", "validation", "public", "private", "place", "metric", "made with")
    return table(columns, rows, "Validation beside the leaderboard, the latest run first", "board")


def _row(run: Run) -> list[str] | None:
    """A run that is done, with its latest submission."""
    try:
        told = as_json(run)
    except RunError:
        return None
    if told["state"] != "done":
        return None
    asked, (metric, value) = told["options"], score_of(told["scores"])
    made = f"{asked['recipe'].replace('_', ' ')}, {asked['arch']}, {','.join(map(str, asked['sizes']))} px"
    last = (submissions_of(run) or [None])[-1]
    public = {"pending": "waits", "failed": "refused"}.get(last.status) or _number(last.public) if last else ""
    private = _number(last.private) if last else ""
    place = last.place.in_words() if last and last.place else ""
    return [told["name"], _number(value), public, private, place, metric.replace("_", " "), made]


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
@media (max-width: 600px) { .board td:first-child { max-width: 8.5em; overflow: hidden; text-overflow: ellipsis; } }
"""
