"""The page's way to hand in: once, unless it is said twice; the score is found again; a run's news stays with that run."""

from __future__ import annotations

import time

import pytest
from filelock import FileLock

pytest.importorskip("gradio")

from assistant.submissions import keep, submissions_of
from assistant.submitting import submit
from assistant.ui import submit_step
from assistant.ui.session import Session
from tests.assistant.kaggle_people import SLUG


@pytest.fixture
def session(done_run, kaggle) -> Session:
    """Whoever has that run, signed in."""
    return Session(True, done_run.folder.parent, kaggle=kaggle)


def ended(session: Session, name: str) -> dict:
    """What the page is told when the job is over."""
    assert session.handing_in is not None
    session.handing_in.wait()
    return submit_step.progress(session, name)


def sent(server) -> int:
    return len(server.competitions[SLUG].submissions)


def test_the_same_file_goes_in_again_only_where_the_button_is_pressed_twice(done_run, session, server):
    name = done_run.folder.name
    told = submit_step.hand_in(session, name, "mine")
    assert told["message"] == ""
    assert not told["hand_in"]["interactive"]
    told = ended(session, name)
    assert "Public score" in told["handed_in"]
    assert "message" not in told, "what has been typed since stays"
    told = submit_step.hand_in(session, name, "")
    assert "handed in already" in told["handed_in"]
    assert told["hand_in"]["value"] == "Hand in once more"
    assert sent(server) == 1
    submit_step.hand_in(session, name, "")
    assert ended(session, name)["hand_in"]["value"] == submit_step.HAND_IN
    assert sent(server) == 2


def test_another_pages_handing_in_is_not_doubled(done_run, session, server):
    with FileLock(done_run.folder / "submitting.lock"):
        told = submit_step.hand_in(session, done_run.folder.name, "")
        told = ended(session, done_run.folder.name) if session.handing_in else told
        assert "another page" in told["handed_in"]
    assert sent(server) == 0


def test_a_score_that_nobody_waited_for_is_found_later(done_run, session, kaggle, server):
    made = submit(kaggle, done_run, "left alone")
    assert submit_step.waits(done_run)
    submit_step.look_again(session, done_run.folder.name)
    told = ended(session, done_run.folder.name)
    assert "Public score" in told["handed_in"]
    assert not told["look_again"]["visible"]
    assert not submit_step.waits(done_run)
    assert submit_step.look_again(session, done_run.folder.name) == {}
    keep(done_run, made.model_copy(update={"ref": 10_000, "at": time.time()}))
    session.kaggle = None
    assert "sign in" in submit_step.look_again(session, done_run.folder.name)["handed_in"]


def test_a_page_that_shows_another_run_by_now_is_told_the_table_alone(done_run, session, server):
    submit_step.hand_in(session, done_run.folder.name, "")
    assert "handed_in" not in submit_step.progress(session, "another")
    told = ended(session, "another")
    assert "handed_in" not in told
    assert done_run.folder.name in told["board"]
    assert submissions_of(done_run)[0].status == "scored"
