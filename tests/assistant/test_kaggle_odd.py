"""A Kaggle that answers in ways that nobody has promised it would not: each is survived, or told in one line."""

from __future__ import annotations

import http.server
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import kagglesdk.kaggle_env as kaggle_env
import pytest

from assistant import submitting
from assistant.credentials import Credentials
from assistant.download import download
from assistant.fetching import fetch, look, place_of_person
from assistant.kaggle_client import Kaggle
from assistant.kaggle_errors import KaggleError, fault_of_status
from assistant.kaggle_wire import Listed, Sent
from assistant.patience import Patience
from assistant.runs import Run
from assistant.storage import Mark
from assistant.submissions import Submission, forget, keep, submissions_of
from recipes.errors import Stopped
from tests.assistant.kaggle_people import SLUG, TOKEN, bundle, content, signed_in
from tests.assistant.test_fetching import files_in, nothing_final
from tests.kaggle_faults import Cut, Page, Slow, Status


class Script(http.server.BaseHTTPRequestHandler):
    """Answers each request with the next of `answers`, (status, headers, body); the last one for ever."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        status, headers, body = self.server.next(self)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = _answer

    def log_message(self, *said) -> None:
        pass


class Scripted(http.server.ThreadingHTTPServer):
    """A server on this machine that answers as it is told; `asked` counts the requests."""

    daemon_threads = True

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), Script)
        self.answers, self.asked, self.ranges = list(answers), 0, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def next(self, request):
        self.asked += 1
        self.ranges.append(request.headers.get("Range"))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(request) if callable(answer) else answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def scripted():
    """`scripted(*answers)`: such a server."""
    made = []

    def make(*answers) -> Scripted:
        made.append(Scripted(*answers))
        return made[-1]

    yield make
    for server in made:
        server.shutdown()
        server.server_close()


def as_json(value: object) -> tuple:
    return (
        200,
        {"Content-Type": "application/json"},
        (value if isinstance(value, bytes) else json.dumps(value).encode()),
    )


DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
ODD = [
    {}, [], None, 7, "text", {"competitions": 3}, {"competitions": [None, 1, {"ref": 3}]}, {"files": [None]},
    {"files": [{"totalBytes": "many"}]}, {"files": [{"totalBytes": 10**400}]}, {"pages": [None, {"name": None}]},
    {"fileSummaryInfo": {"totalFileCount": "x", "fileTypes": [1, {"totalSize": 1e400}]}}, {"submissions": [None, 1, []]},
    {"numAllowedNow": []}, {"publicScore": "9" * 400}, {"deadline": "9999-12-31T23:59:59-12:00"},
    {"nextPageToken": "again"}, {"code": "x"}, {"title": "\ud800"}, DEEP,
]  # fmt: skip


@pytest.mark.parametrize("odd", range(len(ODD)))
def test_no_answer_of_the_api_ends_in_anything_but_an_answer_or_one_line(odd, scripted, monkeypatch):
    who = as_json({"active": True, "username": "ann"})
    server = scripted(who, as_json(ODD[odd]))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, server.url)
    kaggle, told = Kaggle(Credentials(token=TOKEN), Patience(tries=1)), []
    for call in (
        lambda: kaggle.find("x"),
        lambda: kaggle.competition(SLUG),
        lambda: kaggle.pages(SLUG),
        lambda: kaggle.size(SLUG),
        lambda: kaggle.allowance(SLUG),
        lambda: kaggle.address(SLUG),
        lambda: kaggle.upload_place(SLUG, Path(__file__), 3),
        lambda: kaggle.submission(3),
        lambda: kaggle.submissions(SLUG),
        lambda: kaggle.leaderboard(SLUG),
        lambda: look(kaggle, SLUG),
    ):
        try:
            call()
        except KaggleError as error:
            told.append(str(error))
    assert "\n" not in "".join(told)


@pytest.mark.parametrize("address", ["http://[::1/x", "ftp://x/y", "", "http://a..b/x", "http://" + "a" * 70 + ".x/y"])
def test_no_address_that_kaggle_gives_ends_in_anything_but_one_line(address, scripted, monkeypatch, home):
    server = scripted(
        as_json({"active": True, "username": "ann"}),
        lambda request: (
            (302, {"Location": address}, b"")
            if "DownloadDataFiles" in request.path
            else as_json({"ref": SLUG, "userHasEntered": True})
        ),
    )
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, server.url)
    with pytest.raises(KaggleError):
        fetch(Kaggle(Credentials(token=TOKEN), Patience(tries=2, first=0.01)), SLUG)
    assert nothing_final(home)


def test_fields_of_any_size_and_time_are_read():
    assert Sent.of({"publicScore": "9" * 400}).public is None
    assert Listed.of({"deadline": "9999-12-31T23:59:59-12:00"}, "x").deadline is None
    soon = datetime.now(UTC) + timedelta(seconds=30)
    assert Listed.of({"deadline": soon.isoformat()}, "x").days_left in (0, 1)
    assert Listed.of({"deadline": "2020-01-01T00:00:00"}, "x").days_left == -1
    for told in ("Mon, 01 Jan 99999999999999 00:00:00 GMT", "nan", "-5", "1e308", "soon"):
        wait = fault_of_status(429, "", {"Retry-After": told}).wait
        assert wait is None or 0 <= wait < 1e6


def test_hostile_text_steers_no_terminal_and_no_secret_is_cut_in_half(server):
    server.competition(SLUG, bundle(100), title="a\x1b]0;owned\x07b")
    kaggle = signed_in()
    assert kaggle.competition(SLUG).title == "a ]0;owned b"
    assert Sent.of({"status": "ERROR", "errorDescription": "bad \x1b[2J row"}).error == "bad [2J row"
    server.fail("GetCompetition", Status(403, "x" * 216 + TOKEN))
    with pytest.raises(KaggleError) as raised:
        kaggle.competition(SLUG)
    assert TOKEN[:12] not in str(raised.value)


# ---------------------------------------------------------------- the storage

WHOLE = bytes(range(256)) * 40


def taken(to: Path, server: Scripted, **changes) -> Mark:
    patience = Patience(**({"read": 0.5, "tries": 3, "first": 0.01, "longest": 0.02} | changes))
    return download(lambda: f"{server.url}/file", to, patience=patience)


@pytest.mark.parametrize("kind", ["application/json", "text/html; charset=x", "application/xml"])
def test_an_error_told_as_200_is_never_data_and_costs_nothing_that_has_come(kind, scripted, tmp_path):
    server = scripted((200, {"Content-Type": kind}, b'{"error": "quota"}'))
    (tmp_path / "f.part").write_bytes(WHOLE[:5000])
    Mark("x", len(WHOLE), '"tag"').write(tmp_path / "f.part.json")
    with pytest.raises(KaggleError):
        taken(tmp_path / "f", server)
    assert (tmp_path / "f.part").read_bytes() == WHOLE[:5000]
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize(
    "answer",
    [
        (206, {"Content-Type": "text/html"}, b"<html>"),
        (206, {}, b"no Content-Range"),
        (206, {"Content-Range": f"bytes 0-9/{len(WHOLE)}"}, b"0123456789"),
        (416, {}, b""),
        (204, {}, b""),
        (500, {}, b""),
        (403, {"Content-Type": "text/plain; charset=idna"}, b"\xff" * 100),
    ],
)
def test_one_odd_answer_does_not_cost_what_has_come(answer, scripted, tmp_path):
    def rest(request):
        at = int(request.headers["Range"].removeprefix("bytes=").rstrip("-"))
        headers = {"Content-Range": f"bytes {at}-{len(WHOLE) - 1}/{len(WHOLE)}", "ETag": '"tag"'}
        return 206, headers, WHOLE[at:]

    server = scripted(answer, rest)
    (tmp_path / "f.part").write_bytes(WHOLE[:5000])
    Mark("x", len(WHOLE), '"tag"').write(tmp_path / "f.part.json")
    taken(tmp_path / "f", server)
    assert (tmp_path / "f").read_bytes() == WHOLE
    assert server.ranges == ["bytes=5000-", "bytes=5000-"]


def _dribble(size: int):
    def answer(request):
        at = int((request.headers["Range"] or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        headers = {"Content-Range": f"bytes {at}-{at + size - 1}/{len(WHOLE)}", "ETag": '"tag"'}
        return 206, headers, WHOLE[at : at + size]

    return answer


@pytest.mark.parametrize("size", [0, 1])
def test_a_storage_that_gives_nothing_or_a_byte_at_a_time_is_given_up(size, scripted, tmp_path):
    server = scripted(_dribble(size))
    (tmp_path / "f.part").write_bytes(WHOLE[:5000])
    Mark("x", len(WHOLE), '"tag"').write(tmp_path / "f.part.json")
    with pytest.raises(KaggleError, match="what has come is kept"):
        taken(tmp_path / "f", server)
    assert server.asked == 3


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"size": "abc"}', '{"place": "x", "size": -1, "validator": "", "md5": ""}', DEEP.decode()]
)
def test_a_damaged_note_begins_anew(text, scripted, tmp_path):
    server = scripted((200, {"ETag": '"tag"'}, WHOLE))
    (tmp_path / "f.part").write_bytes(b"something else")
    (tmp_path / "f.part.json").write_text(text)
    taken(tmp_path / "f", server)
    assert (tmp_path / "f").read_bytes() == WHOLE


def test_a_passing_fault_takes_nothing_away_that_is_there(server, home, monkeypatch):
    monkeypatch.setattr("assistant.storage.place_of", lambda address: "elsewhere")  # a storage that tells no version
    server.competition(SLUG, bundle())
    folder = fetch(signed_in(), SLUG)
    before = len(server.requests)
    assert fetch(signed_in(), SLUG) == folder
    assert [request.port for request in server.requests[before:]] == ["api", "api", "storage"]
    server.fail("storage", Status(503), times=None)
    with pytest.raises(KaggleError, match="does not tell whether"):
        fetch(signed_in(), SLUG)
    assert files_in(folder) == content(bundle())
    assert (folder.parent / "fetched.json").exists()


def test_data_that_was_deleted_in_part_is_fetched_again(server, home):
    server.competition(SLUG, bundle())
    folder = fetch(signed_in(), SLUG)
    (folder / "big.bin").unlink()
    assert files_in(fetch(signed_in(), SLUG)) == content(bundle())
    before = len(server.requests)
    fetch(signed_in(), SLUG, again=True)
    assert sum(request.port == "storage" for request in server.requests[before:]) == 1
    for text in ("{}", "[", '{"slug": 1, "at": 2, "mark": {"place": null}, "files": 1, "bytes": 1}'):
        (folder.parent / "fetched.json").write_text(text)
        assert files_in(fetch(signed_in(), SLUG)) == content(bundle())


def test_names_with_odd_letters_have_places(home):
    assert place_of_person("\ud800").parent == home / "people"


# ---------------------------------------------------------------- stopping, and what is kept


def test_a_stop_reaches_every_wait(server, home):
    server.competition(SLUG, bundle())
    kaggle = Kaggle(Credentials(token=TOKEN), Patience(read=30))
    for call in ("GetCompetition", "GetCompetitionDataFilesSummary", "ListCompetitionPages"):
        stop = threading.Event()
        server.fail(call, Slow(8))
        threading.Timer(0.4, stop.set).start()
        begun = time.monotonic()
        with pytest.raises(Stopped):
            fetch(kaggle, SLUG, should_stop=stop.is_set)
        assert time.monotonic() - begun < 1.4
        server.clear_faults()


@pytest.fixture
def run(tmp_path) -> Run:
    """A folder for what is kept of a run."""
    (tmp_path / "run").mkdir()
    return Run(tmp_path / "run")


def made(at: float, **changes) -> Submission:
    return Submission(**({"competition": SLUG, "by": "ann", "message": f"m{at}", "at": at} | changes))


def test_entries_of_another_version_stay_and_nothing_is_lost_when_many_are_kept_at_once(run):
    path = run.folder / "submissions.json"
    path.write_text(json.dumps([made(1).model_dump(), {"at": 2, "status": "queued"}, "x"]))
    keep(run, made(3))
    assert [each.at for each in submissions_of(run)] == [1, 3]
    assert {"at": 2, "status": "queued"} in json.loads(path.read_text())
    threads = [threading.Thread(target=keep, args=(run, made(float(at)))) for at in range(10, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(submissions_of(run)) == 32
    forget(run, made(3))
    assert 3 not in [each.at for each in submissions_of(run)]
    path.write_text("not json")
    keep(run, made(50))
    assert [each.at for each in submissions_of(run)] == [50]
    assert (run.folder / "submissions.unreadable.json").read_text() == "not json"


def test_a_leaderboard_that_cannot_be_had_or_is_cut_does_not_lose_the_score(run, server, monkeypatch):
    monkeypatch.setattr(submitting, "_FIRST", 0.01)
    server.competition(SLUG, bundle(100), grader=lambda data: 0.75, pending_polls=0)
    kaggle = signed_in()
    token = submitting._uploaded(kaggle, SLUG, Path(__file__))
    sent = made(time.time(), ref=kaggle.submit(SLUG, token, "m"))
    for fault in (Status(403), Page(), Cut(5)):
        server.fail("DownloadLeaderboard", fault, times=None)
        server.fail("GetLeaderboard", fault, times=None)
        told = submitting.watch(kaggle, run, sent)
        assert (told.status, told.public, told.place) == ("scored", 0.75, None)
        assert submissions_of(run)[-1].public == 0.75
        server.clear_faults()
    monkeypatch.setattr("assistant.kaggle_client._PAGES", 1)
    server.competitions[SLUG].leaderboard = [(f"t{number}", 1 - number / 1e4, (f"m{number}",)) for number in range(500)]
    server.fail("DownloadLeaderboard", Status(404), times=None)
    assert kaggle.leaderboard(SLUG) == []


def test_an_older_submission_of_the_same_message_is_not_taken_for_the_new_one(server):
    server.competition(SLUG, bundle(100), grader=lambda data: 0.75, pending_polls=0)
    kaggle = signed_in()
    first = kaggle.submit(SLUG, submitting._uploaded(kaggle, SLUG, Path(__file__)), "same")
    assert first is not None
    assert submitting._found(kaggle, made(1, message="same", before=[first])) is None
    second = kaggle.submit(SLUG, submitting._uploaded(kaggle, SLUG, Path(__file__)), "same")
    assert submitting._found(kaggle, made(1, message="same", before=[first])) == second
    assert submitting._found(kaggle, made(1, message="shortened by Kaggle", before=[first])) == second


def test_a_slow_upload_that_was_taken_is_not_sent_twice(scripted, tmp_path):
    def late(request):
        time.sleep(0.4)
        return 200, {}, b'{"done": true}'

    server = scripted(late)
    (tmp_path / "s.csv").write_bytes(b"x" * 2_000_000)
    kaggle = object.__new__(Kaggle)
    kaggle.patience = Patience(answer=0.3, read=2)
    assert submitting._put(kaggle, f"{server.url}/up", tmp_path / "s.csv") is None
    assert server.asked == 1
