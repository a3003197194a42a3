"""From a run to a scored submission: checked here first, uploaded, handed in, watched until it has a score.

What was handed in is kept with the run, in `submissions.json`, with the validation score beside it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from assistant.competition import CompetitionError
from assistant.kaggle_client import Kaggle
from assistant.kaggle_errors import Fault, KaggleError, duration, fault_of_network, fault_of_status, not_accepted
from assistant.kaggle_wire import Listed, Sent, slug_in
from assistant.network import FAILED, bare_session, body_of
from assistant.patience import Waiting, leaving
from assistant.runs import Run, RunError, as_json, score_of
from assistant.standing import standing
from assistant.storage import GONE
from assistant.submission import check
from assistant.submissions import Submission, forget, keep
from recipes.errors import Stopped

__all__ = ["default_message", "submit", "watch"]

_FIRST, _SLOWEST = 2.0, 30.0  # seconds between two looks at a submission that waits for its score
_PERHAPS = ("offline", "busy", "unreadable")  # errors after which a submission may have been taken all the same


def default_message(run: Run) -> str:
    """What a submission is called where nobody says: how it was made, and what it is worth on validation."""
    asked = run.asked()
    sizes = ",".join(map(str, asked.options.sizes))
    name, value = _validation(run)
    score = f", validation {name} {value:.4f}" if value is not None else ""
    return f"{asked.options.recipe} {asked.options.arch} {sizes} px, seed {asked.options.seed}{score}"


def submit(
    kaggle: Kaggle,
    run: Run,
    message: str = "",
    competition: str = "",
    *,
    tell: Callable[[str], None] = lambda text: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Submission:
    """Checks the run's submission and whether Kaggle takes one, uploads it and hands it in. `competition` is the one that
    the run was of, unless named. Raises RunError, CompetitionError, KaggleError before anything is handed in."""
    kaggle = kaggle.listening(should_stop=should_stop)
    path = run.folder / "submission.csv"
    asked = run.asked()
    if asked.competition.sample and not competition:
        raise RunError("the sample is not at Kaggle: its score stands in the run's report; submit another run")
    if not path.is_file():
        raise RunError(f"nothing to submit: {run.name} is {run.state()} and has no submission.csv; let it end first")
    named = competition or asked.competition.slug
    slug = slug_in(named)
    if slug is None:
        raise RunError(f"of which competition: {named!r} is none of Kaggle's names; say --competition SLUG")
    listed = kaggle.competition(slug)
    _open_for(kaggle, listed, tell)
    problems = check(path, asked.competition)
    if problems:
        raise CompetitionError(f"Kaggle would refuse {path.name}: {problems[0]}; see all with: assistant check")
    name, value = _validation(run)
    made = Submission(
        competition=slug,
        by=kaggle.name,
        message=" ".join(message.split()) or default_message(run),
        at=time.time(),
        metric=name,
        direction=asked.competition.metric.direction,
        validation=value,
        before=[sent.ref for sent in kaggle.submissions(slug)],
    )
    tell(f"uploading {path.name} ({path.stat().st_size / 1e6:.1f} MB)")
    token = _uploaded(kaggle, slug, path)
    if kaggle.should_stop():
        raise Stopped
    keep(run, made)  # from here on it may be taken, whatever becomes of this process
    made.ref = _handed_in(kaggle, run, token, made)
    keep(run, made)
    return made


def watch(
    kaggle: Kaggle,
    run: Run,
    made: Submission,
    *,
    tell: Callable[[str], None] = lambda text: None,
    should_stop: Callable[[], bool] = lambda: False,
    patience: float = 1_800.0,
) -> Submission:
    """Looks at a submission, less and less often, until it is scored or refused, at most `patience` seconds; keeps with
    the run what is new. Raises KaggleError and Stopped; it can be watched again at any time."""
    kaggle = kaggle.listening(should_stop=should_stop)
    begun, pause = time.monotonic(), _FIRST
    waiting = Waiting(kaggle.patience, kaggle.should_stop)
    while True:
        sent = _latest(kaggle, made)
        if sent is not None:
            made = made.model_copy(
                update={"status": sent.status, "public": sent.public, "private": sent.private, "error": sent.error}
            )
        if made.status != "pending":
            break
        left = begun + patience - time.monotonic()
        if left <= 0:
            break
        tell(f"waiting for the score: {duration(time.monotonic() - begun)}")
        waiting.sleep(min(pause, left))
        pause = min(pause * 1.5, _SLOWEST)
    keep(run, made)
    if made.public is not None:
        with contextlib.suppress(KaggleError):  # a score is worth having without a place
            board = kaggle.leaderboard(made.competition)
            made.place = standing(made.public, board, made.by, sent.team if sent else "", made.direction)
            keep(run, made)
    return made


def _open_for(kaggle: Kaggle, listed: Listed, tell: Callable[[str], None]) -> None:
    """Raises KaggleError where a submission would be refused, before anything is uploaded."""
    slug = listed.slug
    if listed.notebooks_only:
        code = f"https://www.kaggle.com/competitions/{slug}/code"
        raise KaggleError(
            f"only notebooks may submit to {slug}: Kaggle takes no CSV there; run this recipe in a notebook at {code}",
            "notebooks",
            code,
        )
    if listed.submissions_disabled:
        raise KaggleError(f"{slug} takes no submissions any more: its host has closed it; choose another", "closed")
    if listed.entered is False:
        raise not_accepted(slug, kaggle.name)
    if listed.days_left is not None and listed.days_left < 0:
        tell("the deadline has passed: the submission is scored, and has no rank")
    allowance = kaggle.allowance(slug)
    if allowance.left == 0:
        now = datetime.now(UTC)
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        raise KaggleError(
            f"today's submissions are used up: {allowance.today} of {listed.max_daily or allowance.today}; the next day "
            f"begins at 00:00 UTC, in {duration((midnight - now).total_seconds())}",
            "allowance",
        )


def _uploaded(kaggle: Kaggle, slug: str, path: Path) -> str:
    """Uploads the file; gives the token that stands for it. Each try has an address of its own."""
    waiting = Waiting(kaggle.patience, kaggle.should_stop, kaggle.tell)
    while True:
        address, token = kaggle.upload_place(slug, path, path.stat().st_size)
        fault = leaving(lambda to=address: _put(kaggle, to, path), kaggle.should_stop)
        if fault is None:
            return token
        if not waiting.after(fault):
            raise KaggleError(
                f"the upload failed: {fault.found}, {waiting.failed} times; nothing was handed in: try again later",
                "busy",
            )


def _put(kaggle: Kaggle, address: str, path: Path) -> Fault | None:
    try:
        with bare_session(kaggle.patience) as session, open(path, "rb") as file:
            response = session.put(address, data=file, headers={"Content-Type": "application/octet-stream"})
    except FAILED as error:
        return fault_of_network(error)
    if response.status_code in (200, 201):
        return None
    fault = fault_of_status(response.status_code, body_of(response), response.headers)
    return replace(fault, passing=fault.passing or fault.status in (308, *GONE))  # cut short, or an expired address


def _handed_in(kaggle: Kaggle, run: Run, token: str, made: Submission) -> int | None:
    """Hands the upload in, once: where it is not known whether it was taken, Kaggle's list tells. What was certainly not
    taken is forgotten."""
    waiting = Waiting(kaggle.patience, kaggle.should_stop, kaggle.tell)
    while True:
        try:
            ref = kaggle.submit(made.competition, token, made.message)
            return ref if ref is not None else _found(kaggle, made)
        except KaggleError as error:
            failed = error
        if failed.kind in _PERHAPS and (ref := _found(kaggle, made)) is not None:
            return ref
        if failed.kind not in _PERHAPS or not waiting.after(Fault("it was not taken", passing=True)):
            forget(run, made)
            raise failed


def _found(kaggle: Kaggle, made: Submission) -> int | None:
    """The submission that was not there before: the one of that message, else the only one."""
    new = [sent for sent in kaggle.submissions(made.competition) if sent.ref not in made.before]
    named = [sent for sent in new if sent.message == made.message]
    return next((sent.ref for sent in named or new[:1] if named or len(new) == 1), None)


def _latest(kaggle: Kaggle, made: Submission) -> Sent | None:
    """What Kaggle tells of a submission now."""
    if not made.ref:
        made.ref = _found(kaggle, made)
    return kaggle.submission(made.ref) if made.ref else None


def _validation(run: Run) -> tuple[str, float | None]:
    """The competition's metric, and what the run reached in it on validation, by the view that was handed in."""
    metric, score = score_of(as_json(run)["scores"])
    return metric or run.asked().competition.metric.name, score
