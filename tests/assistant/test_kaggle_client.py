"""One person's view of Kaggle, through the real SDK: who it is, what is found, and what is never told."""

from __future__ import annotations

import gc
import json
import logging
import os
import pickle
import sys
import threading
import traceback
import types
from datetime import UTC, datetime, timedelta

import pytest

from assistant.credentials import Credentials, credentials_in, found_here
from assistant.kaggle_client import CATEGORIES, SORTS, Kaggle
from assistant.kaggle_errors import KaggleError, fault_of_status
from assistant.kaggle_wire import Allowance, Listed, Sent, slug_in
from tests.assistant.kaggle_people import SLUG, TOKEN, bundle, signed_in
from tests.kaggle_faults import BadJson, Cut, Page, Status, UnknownEnum, UnknownField

KEY = "0123456789abcdef0123456789abcdef"


# ---------------------------------------------------------------- signing in


def test_a_token_tells_who_it_is(server):
    assert signed_in().name == "ann"
    assert repr(signed_in()) == "Kaggle('ann')"


def test_an_old_username_and_key_tell_too(server):
    assert Kaggle(credentials_in(f"ann:{KEY}")).name == "ann"
    assert Kaggle(credentials_in(json.dumps({"username": "ann", "key": KEY}))).name == "ann"


@pytest.mark.parametrize("given", ["KGAT_somebody_elses", f"ann:{KEY[::-1]}", "x"])
def test_what_kaggle_does_not_know_is_one_line_and_says_where_it_was_found(given, server):
    with pytest.raises(KaggleError) as raised:
        Kaggle(credentials_in(given, "KAGGLE_API_TOKEN"))
    assert raised.value.kind == "token"
    assert "KAGGLE_API_TOKEN" in str(raised.value)
    assert raised.value.link.startswith("https://www.kaggle.com/")


@pytest.mark.parametrize(
    "given", ["", "  ", "two words", "ünïcode", KEY, '{"username": "ann"}', '{"key": ', "line\nbreak", "x" * 10_000]
)
def test_what_is_no_token_is_told_without_being_repeated(given, server):
    with pytest.raises(KaggleError) as raised:
        credentials_in(given)
    assert raised.value.kind == "token"
    assert not given.strip() or given.strip() not in str(raised.value)
    assert raised.value.__context__ is None
    assert not server.requests


def test_nobody_gets_the_token_of_the_machine(server, monkeypatch, tmp_path):
    server.person("owner", "KGAT_of_the_machine")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_of_the_machine")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kaggle").mkdir()
    (tmp_path / ".kaggle" / "access_token").write_text("KGAT_of_the_machine")
    host = server.url.removeprefix("http://").partition(":")[0]
    (tmp_path / ".netrc").write_text(f"machine {host} login owner password KGAT_of_the_machine\n")
    server.competition(SLUG, bundle(1000))
    for given in (Credentials(), Credentials(token="KGAT_wrong"), Credentials(username="ann", key="wrong")):
        with pytest.raises(KaggleError):
            Kaggle(given)
    signed_in().address(SLUG)
    signed_in().leaderboard(SLUG)
    assert not [request for request in server.requests if "machine" in (request.authorization or "")]
    assert not [request for request in server.requests if request.person == "owner"]


PLACES = {
    "the environment": {"KAGGLE_API_TOKEN": "KGAT_here"},
    "a file that the environment names": {"KAGGLE_API_TOKEN": "~/token"},
    "a Kaggle notebook": {"KAGGLE_API_V1_TOKEN": "~/token"},
    "~/.kaggle/access_token": {},
    "~/.kaggle/access_token.txt": {},
    "kaggle.json": {},
    "kaggle.json of KAGGLE_CONFIG_DIR": {"KAGGLE_CONFIG_DIR": "~/elsewhere"},
    "kaggle.json in ~/.config": {},
    "an old pair": {"KAGGLE_USERNAME": "ann", "KAGGLE_KEY": KEY},
    "a login": {},
}


@pytest.mark.parametrize("place", PLACES)
def test_the_places_where_the_official_client_looks(place, tmp_path):
    environment = {name: value.replace("~", str(tmp_path)) for name, value in PLACES[place].items()}
    pair = json.dumps({"username": "ann", "key": KEY})
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    files = {
        "a file that the environment names": ("token", "KGAT_here\n"),
        "a Kaggle notebook": ("token", "KGAT_here"),
        "~/.kaggle/access_token": (".kaggle/access_token", " KGAT_here\n"),
        "~/.kaggle/access_token.txt": (".kaggle/access_token.txt", "KGAT_here\r\n"),
        "kaggle.json": (".kaggle/kaggle.json", pair),
        "kaggle.json of KAGGLE_CONFIG_DIR": ("elsewhere/kaggle.json", pair),
        "kaggle.json in ~/.config": (".config/kaggle/kaggle.json", pair),
        "a login": (
            ".kaggle/credentials.json",
            json.dumps({"access_token": "KGAT_here", "refresh_token": "r", "access_token_expiration": ends}),
        ),
    }
    if place in files:
        name, text = files[place]
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = found_here(environment, tmp_path)
    assert found is not None
    assert found.token == "KGAT_here" or (found.username, found.key) == ("ann", KEY)
    assert "KGAT_here" not in repr(found)
    assert KEY not in repr(found)


def test_nothing_is_found_where_nothing_is(tmp_path):
    assert found_here({}, tmp_path) is None
    (tmp_path / ".kaggle").mkdir()
    (tmp_path / ".kaggle" / "access_token").write_text("  \n")
    assert found_here({}, tmp_path) is None


def test_a_login_that_has_expired_and_a_damaged_key_file_are_told(tmp_path):
    (tmp_path / ".kaggle").mkdir()
    (tmp_path / ".kaggle" / "kaggle.json").write_text(f'{{"username": "ann", "key": "{KEY}"')
    with pytest.raises(KaggleError) as raised:
        found_here({}, tmp_path)
    assert KEY not in str(raised.value)
    assert raised.value.__context__ is None
    (tmp_path / ".kaggle" / "kaggle.json").unlink()
    (tmp_path / ".kaggle" / "credentials.json").write_text(
        json.dumps({"access_token": "KGAT_old", "access_token_expiration": "2020-01-01T00:00:00"})
    )
    with pytest.raises(KaggleError, match="kaggle auth login"):
        found_here({}, tmp_path)


def test_the_secrets_of_a_notebook(monkeypatch, tmp_path):
    """The two services' modules exist only inside of them: stand-ins of their documented form."""
    kept = {"KAGGLE_USERNAME": "ann", "KAGGLE_KEY": KEY}

    def secret(name: str) -> str:
        if name not in kept:
            raise RuntimeError(f"no secret {name}")
        return kept[name]

    kaggle = types.ModuleType("kaggle_secrets")
    kaggle.UserSecretsClient = lambda: types.SimpleNamespace(get_secret=secret)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kaggle_secrets", kaggle)
    assert found_here({}, tmp_path) is None
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    found = found_here({}, tmp_path)
    assert found is not None
    assert (found.username, found.key) == ("ann", KEY)
    monkeypatch.delenv("KAGGLE_KERNEL_RUN_TYPE")

    colab = types.ModuleType("google.colab")
    colab.userdata = types.SimpleNamespace(get=secret)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    kept["KAGGLE_API_TOKEN"] = "KGAT_here"
    found = found_here({}, tmp_path)
    assert found is not None
    assert found.token == "KGAT_here"


# ---------------------------------------------------------------- finding


def test_a_search_is_paged_sorted_and_filtered(server):
    for number in range(45):
        category = "Playground" if number % 9 == 0 else "Featured"
        server.competition(f"birds-{number:02}", b"x,y\n", title=f"Birds {number}", category=category)
    server.competition("whales", b"x,y\n", accepted={"ann"})
    kaggle = signed_in()
    pages = [kaggle.find("birds", page=page) for page in (1, 2, 3)]
    assert [len(page.competitions) for page in pages] == [20, 20, 5]
    assert [page.more for page in pages] == [True, True, False]
    assert len({each.slug for page in pages for each in page.competitions}) == 45
    assert {each.slug for each in kaggle.find("whales").competitions} == {"whales"}
    assert len(kaggle.find("birds", category="playground").competitions) == 5
    assert not kaggle.find("nothing of that name").competitions
    for sort in SORTS:
        kaggle.find("birds", sort=sort)
    with pytest.raises(KaggleError, match="did you mean playground"):
        kaggle.find("birds", category="plaground")
    with pytest.raises(KaggleError, match="no such order"):
        kaggle.find("birds", sort="zzz")
    assert set(CATEGORIES) >= {"featured", "research", "getting-started", "playground", "community"}


def test_a_competition_tells_what_matters(server):
    deadline = datetime(2040, 1, 2, 3, 4)
    server.competition(
        SLUG, b"x\n", title="Birds", evaluation_metric="LogLoss", deadline=deadline, max_daily=7, notebooks_only=True,
        picture_url="https://storage.googleapis.com/kaggle/thumb.png", leaderboard=[("a", 0.9, ("x",))],
    )  # fmt: skip
    listed = signed_in().competition(SLUG)
    assert (listed.slug, listed.title, listed.metric, listed.max_daily) == (SLUG, "Birds", "LogLoss", 7)
    assert listed.deadline == deadline.replace(tzinfo=UTC)
    assert listed.days_left is not None
    assert listed.days_left > 4000
    assert listed.notebooks_only
    assert listed.picture.endswith("thumb.png")
    assert listed.teams == 1


@pytest.mark.parametrize("omit", [True, False])
@pytest.mark.parametrize("fault", [None, UnknownField()])
def test_answers_are_read_whatever_else_they_hold(omit, fault, server):
    server.omit_defaults = omit
    server.competition(SLUG, bundle(1000), leaderboard=[("a", 0.9, ("x",))])
    if fault is not None:
        server.fail("api", fault, times=None)
    kaggle = signed_in()
    assert kaggle.competition(SLUG).slug == SLUG
    assert kaggle.pages(SLUG)["evaluation"]
    assert kaggle.size(SLUG).files == 2
    assert kaggle.allowance(SLUG).left == 5
    assert [team.score for team in kaggle.leaderboard(SLUG)] == [0.9]
    assert kaggle.find("birds").competitions[0].slug == SLUG


def test_the_size_is_counted_where_there_is_no_summary(server):
    server.competition(SLUG, bundle(5000))
    server.fail("GetCompetitionDataFilesSummary", Status(404), times=None)
    kaggle = signed_in()
    assert kaggle.size(SLUG).files == 2
    assert kaggle.size(SLUG).bytes == 5000 + len("id,label\r\n1,owl\r\n2,wren\r\n")


def test_the_leaderboard_is_read_in_pages_where_there_is_no_file_of_it(server):
    board = [(f"team {number}", 1 - number / 1000, (f"m{number}",)) for number in range(450)]
    server.competition(SLUG, b"x\n", leaderboard=board)
    kaggle = signed_in()
    whole = kaggle.leaderboard(SLUG)
    assert [team.name for team in whole] == [name for name, _, _ in board]
    assert whole[3].members == ("m3",)
    server.fail("DownloadLeaderboard", Page(), times=None)
    assert [team.score for team in kaggle.leaderboard(SLUG)] == pytest.approx([score for _, score, _ in board])


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("dog-breed-identification", "dog-breed-identification"),
        ("https://www.kaggle.com/competitions/dog-breed-identification/overview", "dog-breed-identification"),
        ("https://www.kaggle.com/c/titanic", "titanic"),
        ("kaggle.com/competitions/titanic/data?x=1#a", "titanic"),
        (" Titanic ", "titanic"),
        ("../../etc/passwd", None),
        ("a/b", None),
        ("", None),
        ("https://evil.example/competitions/titanic", None),
        ("-x", None),
        ("a" * 200, None),
    ],
)
def test_a_competition_is_named_by_its_slug_or_its_address(text, slug):
    assert slug_in(text) == slug


@pytest.mark.parametrize(
    "wire",
    [
        {},
        {"ref": None, "title": 7, "teamCount": "many", "deadline": "soon", "tags": "x", "reward": None},
        {
            "ref": "https://www.kaggle.com/competitions/x/",
            "teamCount": "12",
            "deadline": "2031-01-01T00:00:00.1234567Z",
        },
        {"tags": [None, 3, {"name": "image"}, {"ref": "cnn"}], "thumbnailImageUrl": "javascript:alert(1)"},
    ],
)
def test_odd_fields_never_break_the_others(wire):
    listed = Listed.of(wire, "asked")
    assert listed.slug in ("asked", "x")
    assert listed.picture == ""
    assert isinstance(listed.teams, int)


def test_submissions_are_pending_until_their_status_says_otherwise():
    assert Sent.of({}).status == "pending"
    assert Sent.of({"status": "RESCORING"}).status == "pending"
    assert Sent.of({"status": "SUBMISSION_STATUS_COMPLETE", "publicScore": "0.5"}).public == 0.5
    assert Sent.of({"status": "COMPLETE", "publicScore": "None", "privateScore": ""}).public is None
    assert Sent.of({"status": "ERROR", "errorDescription": "Row 3"}).error == "Row 3"
    assert Sent.of({"status": "BROKEN", "errorDescription": "Row 3"}).status == "failed"
    assert Sent.of({"ref": "123", "publicScore": "nan"}).ref == 123


def test_an_allowance_of_zeros_is_not_known():
    assert Allowance.of({}).left is None
    assert Allowance.of({"numToday": 5}).left == 0
    assert Allowance.of({"numTotal": "9", "numAllowedNow": 3}).left == 3


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"error": {"code": 403, "message": "No.", "status": "PERMISSION_DENIED"}}', "No."),
        ('{"code": 403, "message": "No."}', "No."),
        ('{"error": "No."}', "No."),
        ("<html><body>nginx</body></html>", ""),
        ("plain words", "plain words"),
        ("[1]", ""),
        ("", ""),
        ('{"message": "a\\nb<b>c</b>\\u0007"}', "a b c"),
    ],
)
def test_an_errors_own_words_are_found(body, message):
    assert fault_of_status(403, body, {}).message == message


# ---------------------------------------------------------------- what is never told

FAULTS = {
    "401": Status(401, f"invalid token {TOKEN}"),
    "403": Status(403, f"{TOKEN} may not"),
    "404": Status(404),
    "429": Status(429, f"wait, {TOKEN}", retry_after=3600),
    "500": Status(500, TOKEN),
    "cut": Cut(0, "rst"),
    "page": Page(f"<html>{TOKEN}</html>"),
    "json": BadJson(),
}


def _reachable(error: BaseException) -> str:
    """Everything that can be read off an exception: texts, attributes, and what hangs on it."""
    parts, queue = [], [error]
    while queue:
        each = queue.pop()
        parts += ["".join(traceback.format_exception(each)), repr(each), repr(vars(each))]
        queue += [other for other in (each.__cause__, each.__context__) if other is not None]
    return "\n".join(parts)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("flat", [True, False])
def test_a_token_is_in_no_error_log_or_output(fault, flat, server, capfd, caplog, home, monkeypatch):
    monkeypatch.setenv("VERBOSE", "true")
    caplog.set_level(logging.DEBUG)
    server.flat_errors = flat
    said: list[str] = []
    kaggle = signed_in(tell=said.append)
    server.competition(SLUG, bundle(1000))
    server.fail("api", FAULTS[fault], times=None)
    for call in (
        lambda: kaggle.find("x"),
        lambda: kaggle.competition(SLUG),
        lambda: kaggle.address(SLUG),
        lambda: kaggle.submission(3),
        lambda: kaggle.leaderboard(SLUG),
        lambda: Kaggle(Credentials(token=TOKEN), kaggle.patience),
    ):
        if fault == "json" and server.requests[-1].call == "GetCompetition":
            continue  # a redirect has no JSON to break
        with pytest.raises(KaggleError) as raised:
            call()
        assert TOKEN not in _reachable(raised.value)
    out, err = capfd.readouterr()
    assert TOKEN not in out + err + caplog.text + "".join(said) + repr(kaggle)
    assert TOKEN not in " ".join([*os.environ.values(), *sys.argv])
    assert not [path for path in home.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_no_error_holds_on_to_a_request_with_the_token(server):
    import requests

    kaggle = signed_in()
    server.fail("api", Status(500), times=None)
    with pytest.raises(KaggleError) as raised:
        kaggle.find("x")
    error = raised.value
    del raised
    gc.collect()
    held = gc.get_referents(error, vars(error))
    assert not [each for each in held if isinstance(each, (requests.Request, requests.PreparedRequest))]
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_signed_in_person_cannot_be_written_down(server):
    with pytest.raises(TypeError, match="never written down"):
        pickle.dumps(signed_in())


# ---------------------------------------------------------------- many people


def test_fifty_people_at_once_never_meet(server, monkeypatch):
    """Each sees only their own competition, file and submissions, and some have wrong tokens."""
    server.person("owner", "KGAT_owner")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_owner")
    people = [f"p{number:02}" for number in range(50)]
    for name in people:
        server.person(name, f"KGAT_{name}_secret")
        server.competition(
            f"for-{name}", bundle(2_000 + int(name[1:])), visible_to={name}, accepted={name}, pending_polls=0
        )
    start, failures = threading.Barrier(50), []

    def act(name: str) -> None:
        start.wait()
        try:
            if name.endswith("7"):
                with pytest.raises(KaggleError, match="does not know"):
                    signed_in(f"KGAT_{name}_wrong")
                return
            kaggle = signed_in(f"KGAT_{name}_secret")
            other = people[(people.index(name) + 1) % 50]
            from assistant.fetching import fetch

            for _ in range(3):
                assert kaggle.name == name
                assert [each.slug for each in kaggle.find("for").competitions] == [f"for-{name}"]
                folder = fetch(kaggle, f"for-{name}")
                assert (folder / "big.bin").stat().st_size == 2_000 + int(name[1:])
                assert f"/people/{name}/" in str(folder)
                for call in (kaggle.competition, kaggle.address, kaggle.submissions, lambda slug: fetch(kaggle, slug)):
                    with pytest.raises(KaggleError):
                        call(f"for-{other}")
        except BaseException as error:
            failures.append((name, error))

    threads = [threading.Thread(target=act, args=(name,)) for name in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    tokens = {f"Bearer KGAT_{name}_secret": name for name in people}
    for request in server.requests:
        if request.port == "api" and request.person is not None:
            assert tokens[request.authorization or ""] == request.person
        assert "owner" not in (request.authorization or "")


def test_people_submit_side_by_side_and_see_only_their_own(server):
    server.competition(SLUG, bundle(100), pending_polls=0, grader=lambda data: len(data) / 1000)
    from assistant.submitting import _uploaded

    refs: dict[str, int] = {}
    for name in ("bea", "cai", "dov"):
        server.person(name, f"KGAT_{name}")

    def act(name: str, size: int) -> None:
        import tempfile
        from pathlib import Path

        kaggle = signed_in(f"KGAT_{name}")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "submission.csv"
            file.write_bytes(b"x" * size)
            refs[name] = kaggle.submit(SLUG, _uploaded(kaggle, SLUG, file), f"by {name}") or 0

    threads = [threading.Thread(target=act, args=(name, 100 * (n + 1))) for n, name in enumerate(("bea", "cai", "dov"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sent.message for sent in signed_in("KGAT_bea").submissions(SLUG)] == ["by bea"]
    assert signed_in("KGAT_cai").submission(refs["cai"]).public == pytest.approx(0.2)
    with pytest.raises(KaggleError):
        signed_in("KGAT_cai").submission(refs["bea"])


def test_a_status_that_nobody_knows_does_not_break_the_watching(server):
    server.competition(SLUG, bundle(100), pending_polls=0)
    kaggle = signed_in()
    from pathlib import Path

    from assistant.submitting import _uploaded

    token = _uploaded(kaggle, SLUG, Path(__file__))
    ref = kaggle.submit(SLUG, token, "hello")
    server.fail("GetSubmission", UnknownEnum())
    assert ref is not None
    assert kaggle.submission(ref).status == "pending"
    assert kaggle.submission(ref).status == "scored"
