"""Handing a run in, through the real SDK, to a Kaggle that grades it, refuses it, or misbehaves."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from assistant.competition import CompetitionError
from assistant.kaggle_errors import KaggleError
from assistant.runs import RunError
from assistant.submissions import submissions_of
from assistant.submitting import default_message, submit, watch
from tests.assistant.kaggle_people import SLUG, TOKEN
from tests.kaggle_competitions import GraderError
from tests.kaggle_faults import Cut, Expire, Page, Stall, Status, UnknownEnum


def test_a_run_is_handed_in_and_scored_and_both_are_kept(done_run, kaggle, server):
    said: list[str] = []
    made = submit(kaggle, done_run, "first try", tell=said.append)
    assert submissions_of(done_run)[0].status == "pending"
    assert server.competitions[SLUG].submissions[0].data == (done_run.folder / "submission.csv").read_bytes()
    made = watch(kaggle, done_run, made, tell=said.append)
    kept = submissions_of(done_run)
    assert [(each.message, each.status, each.public, each.private, each.by) for each in kept] == [
        ("first try", "scored", 0.95, None, "ann")
    ]
    assert (kept[0].metric, kept[0].validation) == ("accuracy", 0.75)
    assert kept[0].place is not None
    assert (kept[0].place.rank, kept[0].place.teams, kept[0].place.medal) == (52, 301, "bronze")
    assert any("waiting" in text for text in said)
    assert TOKEN.encode() not in b"".join(path.read_bytes() for path in done_run.folder.rglob("*") if path.is_file())
    submit(kaggle, done_run)
    assert [each.message for each in submissions_of(done_run)] == ["first try", default_message(done_run)]
    assert default_message(done_run) == "eight_steps test_resnet 32 px, seed 42, validation accuracy 0.7500"


PASSING = {
    "an upload that is cut": ("upload", Cut(3)),
    "an upload that is reset": ("upload", Cut(0, "rst")),
    "an upload that is refused": ("upload", [Status(503), Status(403)]),
    "an upload whose address has expired": ("StartSubmissionUpload", Expire()),
    "an upload that stalls": ("upload", Stall(0, 1.0)),
    "an upload with too many requests": ("upload", Status(429, retry_after=1)),
    "the API asks to wait": ("StartSubmissionUpload", Status(429, retry_after=1)),
    "handing in fails before it is taken": ("CreateSubmission", Status(500)),
    "handing in is taken and the answer lost": ("CreateSubmission", Cut(0, "rst")),
    "handing in is taken and told as 500": ("CreateSubmission", Status(500, done=True)),
    "handing in is answered by a page": ("CreateSubmission", Page()),
    "the score's status is unknown": ("GetSubmission", UnknownEnum()),
    "looking fails": ("GetSubmission", [Status(500), Cut(0, "rst"), Status(429, retry_after=1)]),
    "there is no leaderboard": ("DownloadLeaderboard", Status(404)),
}


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_ends_in_one_submission_with_a_score(fault, done_run, kaggle, server):
    server.fail(*PASSING[fault])
    made = watch(kaggle, done_run, submit(kaggle, done_run, "m"))
    assert (made.status, made.public) == ("scored", 0.95)
    assert len(server.competitions[SLUG].submissions) == 1
    assert {request.authorization for request in server.requests if request.port == "storage"} == {None}


LASTING = {
    "upload": ("upload", Status(500), "busy", "nothing was handed in"),
    "start": ("StartSubmissionUpload", Status(401), "token", "does not know who"),
    "create": ("CreateSubmission", Status(400, "Submission not allowed: too large"), "rejected", "too large"),
    "create 500": ("CreateSubmission", Status(500), "busy", "out of order"),
}


@pytest.mark.parametrize("fault", LASTING)
def test_what_lasts_is_one_line_and_nothing_is_kept_as_handed_in(fault, done_run, kaggle, server):
    call, wrong, kind, words = LASTING[fault]
    server.fail(call, wrong, times=None)
    with pytest.raises(KaggleError, match=words) as raised:
        submit(kaggle, done_run, "m")
    assert raised.value.kind == kind
    assert not submissions_of(done_run)
    assert not server.competitions[SLUG].submissions


def test_kaggles_own_words_about_an_error_are_told_and_kept(done_run, kaggle, server):
    def refuse(data: bytes) -> float:
        raise GraderError("Submission must have 6 rows")

    server.competitions[SLUG].grader = refuse
    made = watch(kaggle, done_run, submit(kaggle, done_run, "m"))
    assert (made.status, made.error) == ("failed", "Submission must have 6 rows")
    assert submissions_of(done_run)[0].error == "Submission must have 6 rows"


def test_a_score_that_stays_away_is_looked_at_again_later(done_run, kaggle, server):
    server.competitions[SLUG].pending_polls = 10_000
    made = watch(kaggle, done_run, submit(kaggle, done_run, "m"), patience=0.3)
    assert made.status == "pending"
    looks = sum(request.call == "GetSubmission" for request in server.requests)
    assert 2 <= looks < 20
    server.competitions[SLUG].pending_polls = 0
    assert watch(kaggle, done_run, submissions_of(done_run)[-1]).status == "scored"


REFUSED = {
    "notebooks only": ({"notebooks_only": True}, "notebooks", "only notebooks"),
    "closed": ({"submissions_disabled": True}, "closed", "takes no submissions"),
    "rules": ({"accepted": {"bob"}}, "rules", f"https://www.kaggle.com/c/{SLUG}/rules"),
}


@pytest.mark.parametrize("why", REFUSED)
@pytest.mark.parametrize("omit", [True, False])
def test_what_kaggle_would_refuse_is_told_before_anything_is_uploaded(why, omit, done_run, kaggle, server):
    server.omit_defaults = omit
    changes, kind, words = REFUSED[why]
    for name, value in changes.items():
        setattr(server.competitions[SLUG], name, value)
    with pytest.raises(KaggleError) as raised:
        submit(kaggle, done_run)
    assert raised.value.kind == kind
    assert words in str(raised.value)
    assert not [request for request in server.requests if request.method == "PUT"]


def test_a_used_up_day_is_told_with_the_time_of_the_next(done_run, kaggle, server):
    server.competitions[SLUG].max_daily = 2
    submit(kaggle, done_run, "1")
    submit(kaggle, done_run, "2")
    with pytest.raises(KaggleError, match=r"used up: 2 of 2; the next day begins at 00:00 UTC, in ") as raised:
        submit(kaggle, done_run, "3")
    assert raised.value.kind == "allowance"
    assert sum(request.method == "PUT" for request in server.requests) == 2


def test_a_deadline_that_has_passed_is_told_and_the_private_score_comes_with_the_public(done_run, kaggle, server):
    made = server.competitions[SLUG]
    made.deadline, made.late_submissions, made.grader = datetime(2020, 1, 1), True, lambda data: (0.95, 0.93)
    said: list[str] = []
    scored = watch(kaggle, done_run, submit(kaggle, done_run, tell=said.append))
    assert any("has no rank" in text for text in said)
    assert (scored.public, scored.private) == (0.95, 0.93)


def test_a_file_that_does_not_pass_the_check_is_not_sent(done_run, kaggle, server):
    lines = (done_run.folder / "submission.csv").read_text().splitlines()
    (done_run.folder / "submission.csv").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(CompetitionError, match="Kaggle would refuse"):
        submit(kaggle, done_run)
    assert not [request for request in server.requests if request.method == "PUT"]


def test_what_is_no_run_to_submit_is_told(done_run, kaggle, server):
    (done_run.folder / "submission.csv").unlink()
    with pytest.raises(RunError, match="nothing to submit"):
        submit(kaggle, done_run)
    asked = done_run.asked()
    asked.competition.sample = True
    (done_run.folder / "run.json").write_text(asked.model_dump_json())
    with pytest.raises(RunError, match="sample is not at Kaggle"):
        submit(kaggle, done_run)


def test_a_run_of_a_folder_is_submitted_to_the_competition_that_is_named(done_run, kaggle, server):
    asked = done_run.asked()
    asked.competition.slug = "my pictures.v2"
    (done_run.folder / "run.json").write_text(asked.model_dump_json())
    with pytest.raises(RunError, match="--competition SLUG"):
        submit(kaggle, done_run)
    assert submit(kaggle, done_run, competition=SLUG).competition == SLUG


def test_damaged_records_are_not_in_the_way(done_run):
    for text in ("", "{", "[1]", '[{"competition": 3}]', '{"a": 1}'):
        Path(done_run.folder / "submissions.json").write_text(text)
        assert submissions_of(done_run) == []
