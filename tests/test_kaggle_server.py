"""The Kaggle server of these tests: each answer parses in the unmodified SDK, and each fault does what it says."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import kagglesdk.kaggle_env
import pytest
import requests
import urllib3
from kagglesdk import KaggleClient, KaggleEnv
from kagglesdk.competitions.types import competition_api_service as wire
from kagglesdk.competitions.types.competition_enums import (
    CompetitionListTab,
    CompetitionSortBy,
    HostSegment,
    SubmissionGroup,
)
from kagglesdk.competitions.types.submission_status import SubmissionStatus
from kagglesdk.security.types.oauth_service import IntrospectTokenRequest

from tests.kaggle_competitions import now
from tests.kaggle_server import (
    BadJson,
    Cut,
    Expire,
    Flip,
    GraderError,
    KaggleServer,
    Page,
    Slow,
    Stall,
    Status,
    Trickle,
    Truncate,
    UnknownEnum,
    UnknownField,
)

ROOT = Path(__file__).parent.parent
SLUG = "birds-2031"
BUNDLE = bytes(range(256)) * 400  # 102,400 bytes, each place told apart from its neighbours


@pytest.fixture
def server() -> Iterator[KaggleServer]:
    with KaggleServer() as server:
        server.person("ann", token="KGAT_ann", key="old-ann")
        server.person("bob", token="KGAT_bob")
        yield server


@pytest.fixture
def sdk(server, monkeypatch):
    """`sdk("ann")`: an unmodified client of that person; `sdk(token="…")` of whoever has the token."""
    monkeypatch.setitem(kagglesdk.kaggle_env._env_to_endpoint, KaggleEnv.LOCAL, server.url)

    def client(name: str = "ann", token: str | None = None) -> KaggleClient:
        return KaggleClient(env=KaggleEnv.LOCAL, api_token=f"KGAT_{name}" if token is None else token)

    return client


@pytest.fixture
def api(sdk):
    """Ann's client of competitions."""
    return sdk("ann").competitions.competition_api_client


@pytest.fixture
def folder(tmp_path) -> Path:
    """A small competition's folder: three pictures in two folders, and a table."""
    for name, size in {"train/a.jpg": 300, "train/b.JPG": 200, "test/c.jpg": 100}.items():
        (tmp_path / "birds" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "birds" / name).write_bytes(os.urandom(size))
    (tmp_path / "birds" / "sample_submission.csv").write_text("id,label\nc,0\n")
    return tmp_path / "birds"


@pytest.fixture
def birds(server, folder):
    return server.competition(SLUG, folder, title="Birds")


@pytest.fixture
def raw(server):
    """A competition whose bundle is `BUNDLE`."""
    return server.competition("raw", BUNDLE)


def ask(kind, **fields):
    """A request of the SDK with these fields."""
    request = kind()
    for name, value in fields.items():
        setattr(request, name, value)
    return request


def competition(api, slug: str = SLUG):
    return api.get_competition(ask(wire.ApiGetCompetitionRequest, competition_name=slug))


def address(sdk, slug: str = "raw", name: str = "ann") -> str:
    """A signed address of the competition's bundle, as the redirect gives it."""
    answer = requests.post(
        f"{kagglesdk.kaggle_env.get_endpoint(KaggleEnv.LOCAL)}/api/v1/competitions.CompetitionApiService/DownloadDataFiles",
        json={"competitionName": slug},
        headers={"Authorization": f"Bearer KGAT_{name}"},
        allow_redirects=False,
        timeout=5,
    )
    assert answer.status_code == 302
    return answer.headers["Location"]


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers={name.replace("_", "-"): text for name, text in headers.items()}, timeout=5)


def error(refusal) -> dict:
    """What the server said when the SDK raised."""
    return refusal.value.response.json()["error"]


def start_upload(api, data: bytes, slug: str = SLUG):
    return api.start_submission_upload(
        ask(
            wire.ApiStartSubmissionUploadRequest,
            competition_name=slug,
            content_length=len(data),
            last_modified_epoch_seconds=1,
            file_name="mine.csv",
        )
    )


def create(api, token: str, slug: str = SLUG, text: str = "a try"):
    return api.create_submission(
        ask(
            wire.ApiCreateSubmissionRequest,
            competition_name=slug,
            blob_file_tokens=token,
            submission_description=text,
        )
    )


def submit(api, data: bytes = b"id,label\nc,1\n", slug: str = SLUG) -> int:
    upload = start_upload(api, data, slug)
    assert requests.put(upload.create_url, data=data, timeout=5).status_code == 200
    return create(api, upload.token, slug).ref


def status_of(api, ref: int):
    return api.get_submission(ask(wire.ApiGetSubmissionRequest, ref=ref))


def submissions(api, slug: str = SLUG, **fields):
    return api.list_submissions(ask(wire.ApiListSubmissionsRequest, competition_name=slug, **fields))


def read_until_an_error(url: str, timeout: float = 5, **headers: str) -> bytes:
    """What `requests` gives out of a body before it raises."""
    got = b""
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as answer:
        try:
            while block := answer.raw.read1(1000):
                got += block
        except (urllib3.exceptions.HTTPError, OSError):
            pass
    return got


def received(url: str) -> tuple[bytes, bytes, str]:
    """What comes on a bare connection: the headers, the body's bytes, and how it ended, "fin" or "rst"."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
        connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        data, end = b"", "fin"
        try:
            while block := connection.recv(1 << 16):
                data += block
        except ConnectionResetError:
            end = "rst"
    head, _, body = data.partition(b"\r\n\r\n")
    return head, body, end


# --- competitions ---


def test_a_competition_reads_in_the_sdk_as_it_was_made(server, api, folder):
    deadline = now().replace(microsecond=0) + timedelta(days=3)
    server.competition(
        SLUG,
        folder,
        title="Birds",
        evaluation_metric="Log Loss",
        deadline=deadline,
        reward="$5",
        category="Playground",
        tags=("image", "birds"),
        max_daily=3,
        notebooks_only=True,
        awards_points=False,
        picture_url="http://x/y.png",
        leaderboard=[("The Owls", 0.9, ("owl",)), ("Others", 0.8, ("bob", "ann"))],
    )

    found = competition(api)

    assert (found.title, found.evaluation_metric, found.reward) == ("Birds", "Log Loss", "$5")
    assert (found.url, found.ref) == (f"https://www.kaggle.com/competitions/{SLUG}",) * 2
    assert (found.deadline, found.category) == (deadline, "Playground")
    assert [tag.name for tag in found.tags] == ["image", "birds"]
    assert (found.max_daily_submissions, found.is_kernels_submissions_only, found.submissions_disabled) == (
        3,
        True,
        False,
    )
    assert (found.user_has_entered, found.awards_points, found.thumbnail_image_url) == (True, False, "http://x/y.png")
    assert (found.team_count, found.user_rank) == (2, 2)


def test_fields_with_nothing_in_them_are_left_out_or_told(server, birds, sdk):
    url = f"{server.url}/api/v1/competitions.CompetitionApiService/GetCompetition"
    asked = {"json": {"competitionName": SLUG}, "headers": {"Authorization": "Bearer KGAT_ann"}, "timeout": 5}

    short = requests.post(url, **asked).json()
    server.omit_defaults = False
    whole = requests.post(url, **asked).json()

    assert "submissionsDisabled" not in short
    assert whole["submissionsDisabled"] is False
    assert whole["teamCount"] == 0
    assert {name: whole[name] for name in short} == short
    assert competition(sdk().competitions.competition_api_client).submissions_disabled is False


def test_competitions_are_found_by_words_category_and_entry(server, api):
    server.competition("cats", b"", title="Cats", description="Whiskers", accepted={"bob"})
    server.competition("owls", b"", title="Night birds", category="Getting Started", reward="$20")
    server.competition("hidden", b"", visible_to={"bob"})

    def found(**fields) -> list[str]:
        answer = api.list_competitions(ask(wire.ApiListCompetitionsRequest, **fields))
        return [each.ref.rsplit("/", 1)[1] for each in answer.competitions]

    assert found() == ["cats", "owls"]
    assert found(search="whisk") == ["cats"]
    assert found(search="OWLS") == ["owls"]
    assert found(search="dragons") == []
    assert found(category=HostSegment.HOST_SEGMENT_GETTING_STARTED) == ["owls"]
    assert found(group=CompetitionListTab.COMPETITION_LIST_TAB_ENTERED) == ["owls"]
    assert found(sort_by=CompetitionSortBy.COMPETITION_SORT_BY_PRIZE) == ["cats", "owls"]
    assert found(sort_by=CompetitionSortBy.COMPETITION_SORT_BY_RECENTLY_CREATED) == ["owls", "cats"]


@pytest.mark.parametrize(("empty_last_page", "sizes"), [(False, [20, 5]), (True, [20, 5, 0])])
def test_lists_come_in_pages(server, api, empty_last_page, sizes):
    server.empty_last_page = empty_last_page
    for number in range(25):
        server.competition(f"c-{number}", b"")

    pages, token = [], ""
    while not pages or token:
        request = ask(wire.ApiListCompetitionsRequest, page_token=token) if token else None
        answer = api.list_competitions(request)
        pages.append([each.title for each in answer.competitions])
        token = answer.next_page_token

    assert [len(page) for page in pages] == sizes
    assert [title for page in pages for title in page] == [f"C {number}" for number in range(25)]
    third = api.list_competitions(ask(wire.ApiListCompetitionsRequest, page=3, page_size=10))
    assert [each.title for each in third.competitions] == [f"C {number}" for number in range(20, 25)]


def test_the_pages_of_a_competition_are_told(server, api, folder):
    server.competition(SLUG, folder, evaluation="By accuracy.", rules="Be kind.", data_description="Birds.")

    pages = api.list_competition_pages(ask(wire.ApiListCompetitionPagesRequest, competition_name=SLUG)).pages

    assert [page.name for page in pages] == ["description", "evaluation", "rules", "data-description"]
    assert {page.name: page.content for page in pages}["evaluation"] == "By accuracy."


def test_files_are_listed_and_summed_up_before_the_rules_are_accepted(server, api, folder):
    server.competition(SLUG, folder, accepted=())

    first = api.list_data_files(ask(wire.ApiListDataFilesRequest, competition_name=SLUG, page_size=3))
    rest = api.list_data_files(
        ask(wire.ApiListDataFilesRequest, competition_name=SLUG, page_size=3, page_token=first.next_page_token)
    )
    summary = api.get_competition_data_files_summary(
        ask(wire.ApiGetCompetitionDataFilesSummaryRequest, competition_name=SLUG)
    ).file_summary_info

    listed = {file.name: file.total_bytes for file in [*first.files, *rest.files]}
    assert listed == {"sample_submission.csv": 13, "test/c.jpg": 100, "train/a.jpg": 300, "train/b.JPG": 200}
    assert not rest.next_page_token
    assert summary.total_file_count == 4
    assert {each.extension: (each.file_count, each.total_size) for each in summary.file_types} == {
        ".jpg": (3, 600),
        ".csv": (1, 13),
    }


def test_leaderboards_are_paged_and_downloaded_with_own_submissions_in_place(server, api, folder):
    teams = [("The Owls", 0.9, ("owl", "eagle")), ("Löwen, e.V.", 0.4, ("lion",))]
    server.competition(SLUG, folder, leaderboard=teams, grader=lambda data: 0.5, pending_polls=0)
    status_of(api, submit(api))

    def page(token: str):
        request = ask(wire.ApiGetLeaderboardRequest, competition_name=SLUG, page_size=2)
        if token:
            request.page_token = token
        return api.get_leaderboard(request)

    first = page("")
    second = page(first.next_page_token)
    assert [(row.team_name, row.score) for row in [*first.submissions, *second.submissions]] == [
        ("The Owls", "0.90000"),
        ("ann", "0.50000"),
        ("Löwen, e.V.", "0.40000"),
    ]

    answer = api.download_leaderboard(ask(wire.ApiDownloadLeaderboardRequest, competition_name=SLUG))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read(archive.namelist()[0]).decode())))
    assert [row["Rank"] for row in rows] == ["1", "2", "3"]
    assert (rows[0]["TeamMemberUserNames"], rows[2]["TeamName"]) == ("owl,eagle", "Löwen, e.V.")
    assert competition(api).user_rank == 2


# --- people ---


def test_a_token_tells_whose_it_is(server, sdk):
    oauth = sdk("ann").security.oauth_client

    assert oauth.introspect_token(ask(IntrospectTokenRequest, token="KGAT_bob")).username == "bob"
    assert oauth.introspect_token(ask(IntrospectTokenRequest, token="KGAT_ann")).active is True
    assert oauth.introspect_token(ask(IntrospectTokenRequest, token="KGAT_nobody")).active is False
    with pytest.raises(requests.HTTPError) as refusal:
        sdk(token="KGAT_nobody").security.oauth_client.introspect_token(ask(IntrospectTokenRequest, token="KGAT_ann"))
    assert error(refusal) == {"code": 401, "message": "Unauthenticated", "status": "UNAUTHENTICATED"}


@pytest.mark.parametrize("token", ["", "KGAT_nobody"])
def test_nobody_gets_nothing(birds, sdk, token):
    with pytest.raises(requests.HTTPError) as refusal:
        competition(sdk(token=token).competitions.competition_api_client)

    assert error(refusal)["code"] == 401


@pytest.mark.parametrize(("key", "code"), [("old-ann", 200), ("wrong", 401)])
def test_a_name_and_an_old_key_sign_in_too(server, birds, key, code):
    url = f"{server.url}/api/v1/competitions.CompetitionApiService/GetCompetition"
    answer = requests.post(url, json={"competitionName": SLUG}, auth=("ann", key), timeout=5)

    assert answer.status_code == code
    assert server.requests[-1].person == ("ann" if code == 200 else None)


def test_who_may_not_see_a_competition_is_told_that_there_is_none(server, sdk, folder):
    server.competition(SLUG, folder, visible_to={"bob"})

    assert competition(sdk("bob").competitions.competition_api_client).id
    with pytest.raises(requests.HTTPError) as refusal:
        competition(sdk("ann").competitions.competition_api_client)
    assert error(refusal)["status"] == "NOT_FOUND"


@pytest.mark.parametrize("flat", [False, True])
def test_who_did_not_accept_the_rules_gets_no_data(server, sdk, folder, flat):
    server.competition(SLUG, folder, accepted={"bob"})
    server.flat_errors = flat
    ann, bob = (sdk(name).competitions.competition_api_client for name in ("ann", "bob"))
    words = "You must accept this competition's rules before you'll be able to download files."

    for call, request in [
        (ann.download_data_files, ask(wire.ApiDownloadDataFilesRequest, competition_name=SLUG)),
        (ann.download_data_file, ask(wire.ApiDownloadDataFileRequest, competition_name=SLUG, file_name="train/a.jpg")),
    ]:
        with pytest.raises(requests.HTTPError) as refusal:
            call(request)
        said = refusal.value.response.json()
        whole = {"code": 403, "message": words}
        assert said == (whole if flat else {"error": {**whole, "status": "PERMISSION_DENIED"}})
    assert competition(ann).user_has_entered is False
    assert bob.download_data_files(ask(wire.ApiDownloadDataFilesRequest, competition_name=SLUG)).status_code == 200


# --- data ---


def test_the_sdk_downloads_a_folder_as_a_zip(server, birds, api, folder):
    answer = api.download_data_files(ask(wire.ApiDownloadDataFilesRequest, competition_name=SLUG))

    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.read("train/b.JPG") == (folder / "train" / "b.JPG").read_bytes()
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
    md5 = base64.b64encode(hashlib.md5(answer.content).digest()).decode()
    assert answer.headers["x-goog-hash"].endswith(f",md5={md5}")
    assert answer.headers["Content-Type"] == "application/zip"


def test_one_file_is_downloaded_out_of_a_packed_zip(server, api, tmp_path):
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a folder/a.csv", "x" * 5000)
    server.competition(SLUG, tmp_path / "b.zip")

    asked = ask(wire.ApiDownloadDataFileRequest, competition_name=SLUG, file_name="a folder/a.csv")
    assert api.download_data_file(asked).text == "x" * 5000
    with pytest.raises(requests.HTTPError) as refusal:
        api.download_data_file(ask(wire.ApiDownloadDataFileRequest, competition_name=SLUG, file_name="b.csv"))
    assert error(refusal)["code"] == 404


def test_a_folder_gives_the_same_bytes_each_time(server, folder):
    one, two = (server.competition(name, folder).bundle for name in ("one", "two"))

    assert one.path.read_bytes() == two.path.read_bytes()
    assert one.stored.etag == two.stored.etag


def test_a_bundle_that_is_not_there_is_refused(server, tmp_path):
    with pytest.raises(ValueError, match="there is nothing at"):
        server.competition(SLUG, tmp_path / "nothing")


@pytest.mark.parametrize(
    ("asked", "status", "span"),
    [
        (None, 200, (0, 102400)),
        ("bytes=0-0", 206, (0, 1)),
        ("bytes=1000-", 206, (1000, 102400)),
        ("bytes=1000-1999", 206, (1000, 2000)),
        ("bytes=102399-999999", 206, (102399, 102400)),
        ("bytes=-100", 206, (102300, 102400)),
        ("bytes=-999999", 206, (0, 102400)),
        ("bytes=20-10", 200, (0, 102400)),
        ("bytes=0-1,5-6", 200, (0, 102400)),
        ("lines=1-2", 200, (0, 102400)),
        ("bytes=102400-", 416, None),
        ("bytes=-0", 416, None),
    ],
)
def test_ranges(raw, sdk, asked, status, span):
    url = address(sdk)
    answer = get(url, **({"Range": asked} if asked else {}))

    assert answer.status_code == status
    if span is None:
        assert answer.headers["Content-Range"] == "bytes */102400"
        return
    assert answer.content == BUNDLE[span[0] : span[1]]
    assert answer.headers["Content-Length"] == str(span[1] - span[0])
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers.get("Content-Range") == (f"bytes {span[0]}-{span[1] - 1}/102400" if status == 206 else None)


def test_a_range_is_given_only_while_the_file_is_the_same(raw, sdk):
    url = address(sdk)
    head = requests.head(url, timeout=5)
    etag, modified = head.headers["ETag"], head.headers["Last-Modified"]

    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, "102400", b"")
    assert get(url, Range="bytes=5-9", If_Range=etag).content == BUNDLE[5:10]
    assert get(url, Range="bytes=5-9", If_Range=modified).content == BUNDLE[5:10]
    assert get(url, Range="bytes=5-9", If_Range='"another"').content == BUNDLE
    assert get(url, Range="bytes=5-9", If_Range=f"W/{etag}").status_code == 200
    unchanged = get(url, If_None_Match=etag)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert get(url, If_None_Match='"another"').status_code == 200


def test_a_new_version_has_another_place_and_other_signs(raw, sdk):
    before = address(sdk)
    old = get(before)
    raw.replace(BUNDLE[::-1])
    after = address(sdk)
    new = get(after)

    assert urlsplit(before).path != urlsplit(after).path
    assert new.content == BUNDLE[::-1]
    assert old.headers["ETag"] != new.headers["ETag"]
    assert old.headers["x-goog-hash"] != new.headers["x-goog-hash"]
    assert get(after, Range="bytes=5-", If_Range=old.headers["ETag"]).content == BUNDLE[::-1]
    assert get(before).content == BUNDLE  # what was handed out stays what it was
    raw.replace(BUNDLE)
    assert get(address(sdk)).headers["ETag"] != old.headers["ETag"]


def test_signed_addresses_are_checked(server, raw, sdk):
    url = address(sdk)
    assert address(sdk) != url

    server.address_lives = -1
    expired = get(address(sdk))
    assert (expired.status_code, "<Code>ExpiredToken</Code>" in expired.text) == (400, True)
    assert expired.text.startswith("<?xml version='1.0' encoding='UTF-8'?><Error>")
    forged = get(re.sub("Signature=....", "Signature=AAAA", url))
    assert (forged.status_code, "SignatureDoesNotMatch" in forged.text) == (403, True)
    assert get(url.replace("archive.zip", "other.zip")).status_code == 403
    assert get(url.partition("?")[0]).status_code == 403
    assert get(url, Authorization="Bearer KGAT_ann").status_code == 400
    assert get(url).content == BUNDLE
    assert server.requests[-2].authorization == "Bearer KGAT_ann"


def test_what_the_storage_tells_and_can_do_is_switched_off(server, raw, sdk):
    url = address(sdk)
    etag = get(url).headers["ETag"]
    options = server.storage_options
    options.etag = options.md5 = options.ranges = options.content_length = False

    answer = get(url, Range="bytes=5-9")

    assert (answer.status_code, answer.content) == (200, BUNDLE)
    assert not {"ETag", "x-goog-hash", "Accept-Ranges", "Content-Length"} & set(answer.headers)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    options.ranges = True
    assert get(url, Range="bytes=5-9").content == BUNDLE[5:10]
    assert get(url, Range="bytes=5-9", If_Range=etag).content == BUNDLE


def test_a_zip_file_leaves_from_the_disk_where_it_lies(server, sdk, tmp_path):
    (tmp_path / "big.zip").write_bytes(os.urandom(1 << 20) * 8)
    made = server.competition("raw", tmp_path / "big.zip")

    assert made.bundle.path == tmp_path / "big.zip"
    assert get(address(sdk)).content == (tmp_path / "big.zip").read_bytes()


# --- submitting ---


def test_a_submission_waits_and_is_scored(server, sdk, folder):
    seen = []
    made = server.competition(
        SLUG, folder, grader=lambda data: seen.append(data) or (0.25, 0.125), pending_polls=2, max_daily=3
    )
    ann, bob = (sdk(name).competitions.competition_api_client for name in ("ann", "bob"))
    table = b"id,label\n" + b"c,1\n" * 300_000  # more than 1 MB
    ref = submit(ann, table)

    polled = [status_of(ann, ref) for _ in range(3)]

    assert [each.status for each in polled] == [SubmissionStatus.PENDING] * 2 + [SubmissionStatus.COMPLETE]
    assert [each.public_score for each in polled] == ["", "", "0.25000"]
    assert (polled[2].private_score, polled[2].description, polled[2].file_name) == ("", "a try", "mine.csv")
    assert (polled[2].date - now()).total_seconds() == pytest.approx(0, abs=5)
    assert (polled[2].total_bytes, seen, made.submissions[0].data == table) == (len(table), [table], True)
    assert (made.submissions[0].public, made.submissions[0].private) == (0.25, 0.125)
    assert submissions(bob).submissions == []
    with pytest.raises(requests.HTTPError) as refusal:
        status_of(bob, ref)
    assert error(refusal)["code"] == 404
    limits = ann.get_submission_limits(ask(wire.ApiGetSubmissionLimitsRequest, competition_name=SLUG))
    assert (limits.num_today, limits.num_total, limits.num_allowed_now) == (1, 1, 2)
    made.deadline = now()
    assert status_of(ann, ref).private_score == "0.12500"


def test_submissions_are_listed_the_latest_first(server, api, folder):
    scores = iter([0.5, 0.7])
    server.competition(SLUG, folder, grader=lambda data: next(scores), pending_polls=1)
    first, second = submit(api), submit(api)

    assert [each.ref for each in submissions(api).submissions] == [second, first]
    assert submissions(api, group=SubmissionGroup.SUBMISSION_GROUP_SUCCESSFUL).submissions == []
    assert {each.status for each in submissions(api).submissions} == {SubmissionStatus.COMPLETE}
    page = submissions(api, page_size=1)
    assert ([each.ref for each in page.submissions], bool(page.next_page_token)) == ([second], True)


def test_a_submission_that_cannot_be_scored_says_why_and_costs_nothing(server, api, folder):
    def refuse(data: bytes) -> float:
        raise GraderError("Submission must have 1 row")

    server.competition(SLUG, folder, grader=refuse, pending_polls=0, max_daily=1)
    answer = status_of(api, submit(api))

    assert (answer.status, answer.error_description) == (SubmissionStatus.ERROR, "Submission must have 1 row")
    assert answer.public_score == ""
    assert submit(api)


def test_a_grader_that_breaks_leaves_nobody_waiting(server, api, folder):
    server.competition(SLUG, folder, grader=lambda data: 1 / 0, pending_polls=0)

    assert "ZeroDivisionError" in status_of(api, submit(api)).error_description


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"notebooks_only": True}, "only accepts Submissions from Notebooks"),
        ({"submissions_disabled": True}, "Submissions are disabled"),
        ({"max_daily": 0}, "daily submission allowance"),
        ({"deadline": now() - timedelta(days=1)}, "deadline of this competition has passed"),
    ],
)
def test_submissions_are_refused_after_the_upload(server, api, folder, settings, words):
    made = server.competition(SLUG, folder, **settings)

    with pytest.raises(requests.HTTPError) as refusal:
        submit(api)

    assert error(refusal)["code"] == 400
    assert error(refusal)["status"] == "FAILED_PRECONDITION"
    assert words in error(refusal)["message"]
    assert made.submissions == []


def test_the_daily_allowance_is_each_persons_own(server, sdk, folder):
    server.competition(SLUG, folder, max_daily=1)
    ann, bob = (sdk(name).competitions.competition_api_client for name in ("ann", "bob"))
    submit(ann)

    with pytest.raises(requests.HTTPError, match="400"):
        submit(ann)
    assert submit(bob)


def test_a_file_token_is_good_once_and_for_who_has_it(server, birds, sdk):
    ann, bob = (sdk(name).competitions.competition_api_client for name in ("ann", "bob"))
    upload = start_upload(ann, b"12345")

    def refused(client) -> str:
        with pytest.raises(requests.HTTPError) as refusal:
            create(client, upload.token)
        return error(refusal)["message"]

    assert refused(ann) == "The file was not uploaded."
    assert requests.put(upload.create_url, data=b"1234", timeout=5).status_code == 400
    requests.put(upload.create_url, data=b"12345", timeout=5)
    assert refused(bob) == "The file token is not valid."
    assert create(ann, upload.token).message == "Successfully submitted to Birds"
    assert refused(ann) == "The file token was used already."
    assert len(birds.submissions) == 1


def test_uploads_take_no_authorization_and_no_unknown_length(birds, api):
    url = start_upload(api, b"12345").create_url

    assert requests.put(url, data=b"12345", headers={"Authorization": "Bearer KGAT_ann"}, timeout=5).status_code == 403
    assert requests.put(url, data=iter([b"12345"]), timeout=5).status_code == 411
    assert requests.put(url[:-3], data=b"12345", timeout=5).status_code == 404


# --- faults: answers in the place of the right one ---


@pytest.mark.parametrize("retry_after", [7, "Wed, 21 Oct 2031 07:28:00 GMT"])
def test_a_status_comes_once_with_its_headers(server, birds, api, retry_after):
    server.fail("GetCompetition", Status(429, "Too many requests", retry_after=retry_after))

    with pytest.raises(requests.HTTPError) as refusal:
        competition(api)

    assert refusal.value.response.headers["Retry-After"] == str(retry_after)
    assert error(refusal) == {"code": 429, "message": "Too many requests", "status": "RESOURCE_EXHAUSTED"}
    assert competition(api).title == "Birds"
    assert [request.status for request in server.requests] == [429, 200]


def test_a_status_may_have_any_body(server, raw, sdk, api):
    server.fail("GetCompetition", Status(502, body="<h1>Bad gateway</h1>", content_type="text/html"))
    server.fail("storage", Status(503, "Slow down"))

    with pytest.raises(requests.HTTPError) as refusal:
        competition(api, "raw")
    unwell = get(address(sdk))

    assert (refusal.value.response.text, refusal.value.response.status_code) == ("<h1>Bad gateway</h1>", 502)
    assert (unwell.status_code, "<Message>Slow down</Message>" in unwell.text) == (503, True)


@pytest.mark.parametrize(
    ("fault", "made"), [(Status(504), 0), (Status(504, done=True), 1), (Cut(), 1), (Cut(done=False), 0)]
)
def test_a_submission_may_be_made_though_its_answer_is_lost(server, birds, api, fault, made):
    server.fail("CreateSubmission", fault)

    with pytest.raises(requests.RequestException):
        submit(api)

    assert len(birds.submissions) == made


def test_faults_of_any_method_come_after_those_of_one(server, birds, api):
    server.fail("api", Status(500), times=2)
    server.fail("GetCompetition", Status(503))

    codes = []
    for _ in range(4):
        try:
            competition(api)
        except requests.HTTPError as refusal:
            codes.append(refusal.response.status_code)

    assert codes == [503, 500, 500]


def test_a_page_for_people_comes_where_data_were_expected(server, raw, api, sdk):
    server.fail("storage", Page("<html>Sign in</html>"))
    server.fail("GetCompetition", Page("<html>Sign in</html>"))

    answer = get(address(sdk))
    with pytest.raises(ValueError, match="Expecting value"):
        competition(api, "raw")

    assert (answer.status_code, answer.text) == (200, "<html>Sign in</html>")
    assert answer.headers["Content-Type"].startswith("text/html")


def test_addresses_expire_on_being_handed_out_or_all_at_once(server, raw, birds, sdk, api):
    server.fail("DownloadDataFiles", Expire())
    assert get(address(sdk)).status_code == 400
    one, two = address(sdk), address(sdk)
    assert get(one).status_code == 200
    server.fail("storage", Expire())
    assert [get(url).status_code for url in (one, two)] == [400, 400]
    assert get(address(sdk)).status_code == 200

    server.fail("StartSubmissionUpload", Expire())
    assert requests.put(start_upload(api, b"1").create_url, data=b"1", timeout=5).status_code == 400
    server.fail("upload", Expire())
    url = start_upload(api, b"1").create_url
    assert [requests.put(url, data=b"1", timeout=5).status_code for _ in range(2)] == [400, 400]


# --- faults: JSON ---


def test_fields_that_nobody_knows_stand_in_every_object(server, birds, api):
    server.fail("GetCompetition", UnknownField(), times=2)
    url = f"{server.url}/api/v1/competitions.CompetitionApiService/GetCompetition"
    headers = {"Authorization": "Bearer KGAT_ann"}

    plain = requests.post(url, json={"competitionName": SLUG}, headers=headers, timeout=5).json()

    assert "fieldOfTomorrow" in plain
    assert "fieldOfTomorrow" in plain["tags"][0]
    assert competition(api).title == "Birds"


@pytest.mark.parametrize("many", [False, True])
def test_a_status_that_nobody_knows_breaks_the_sdk(server, birds, api, many):
    ref = submit(api)
    server.fail("ListSubmissions" if many else "GetSubmission", UnknownEnum())

    with pytest.raises(KeyError, match="RESCORING"):
        submissions(api) if many else status_of(api, ref)
    assert status_of(api, ref).status == SubmissionStatus.COMPLETE


def test_json_ends_in_its_middle(server, birds, api):
    server.fail("GetCompetition", [BadJson(), Truncate(0)])

    for _ in range(2):
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            competition(api)


# --- faults: bytes ---


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("after", [1, 50_000, 102_399])
def test_a_cut_comes_at_its_byte(server, raw, sdk, how, after):
    server.fail("storage", Cut(after, how=how))

    head, body, end = received(address(sdk))

    assert b"Content-Length: 102400" in head
    assert (body, end) == (BUNDLE[:after], how)
    assert get(address(sdk)).content == BUNDLE


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_cut_at_0_leaves_nothing_or_the_headers(server, raw, sdk, how):
    server.fail("storage", [Cut(how=how), Cut(how=how, head=True)])

    assert received(address(sdk)) == (b"", b"", how)
    head, body, end = received(address(sdk))

    assert (head.startswith(b"HTTP/1.1 200 OK"), body, end) == (True, b"", how)
    assert [request.status for request in server.requests if request.port == "storage"] == [0, 200]


@pytest.mark.parametrize("fault", [Cut(), Cut(how="rst"), Cut(10), Cut(10, how="rst"), Cut(0, head=True)])
def test_the_sdk_sees_a_cut_as_a_broken_connection(server, birds, api, fault):
    server.fail("GetCompetition", fault)

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        competition(api)
    assert competition(api).title == "Birds"


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_storage_that_always_cuts_is_read_in_pieces(server, raw, sdk, how):
    server.storage_options.cut_every = 30_000
    server.storage_options.cut_how = how
    url, got = address(sdk), b""
    while len(got) < len(BUNDLE):
        got += read_until_an_error(url, Range=f"bytes={len(got)}-")

    assert got == BUNDLE
    assert [request.headers["Range"] for request in server.requests[1:]] == [
        f"bytes={start}-" for start in (0, 30_000, 60_000, 90_000)
    ]


def test_a_cut_may_stay_in_force(server, raw, sdk):
    server.fail("storage", Cut(10, every=True))
    assert [len(received(address(sdk))[1]) for _ in range(3)] == [10, 10, 10]
    server.clear_faults()
    assert get(address(sdk)).content == BUNDLE


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_an_answer_without_a_length_is_cut_too(server, raw, sdk, how):
    server.storage_options.content_length = False
    server.fail("storage", Cut(50_000, how=how))

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(address(sdk))


def test_a_stall_holds_what_follows(server, raw, sdk):
    server.fail("storage", [Stall(50_000, 0.3), Stall(50_000, 30), Stall(0, 30)])
    url = address(sdk)

    started = time.monotonic()
    assert get(url).content == BUNDLE
    assert 0.3 <= time.monotonic() - started < 2
    assert read_until_an_error(url, timeout=0.2) == BUNDLE[:50_000]
    with requests.get(url, stream=True, timeout=0.2) as answer:  # the headers come
        assert answer.status_code == 200


def test_a_trickle_is_as_slow_as_it_says(server, raw, sdk):
    server.fail("storage", Trickle(100_000, 6000))

    started = time.monotonic()
    assert get(address(sdk)).content == BUNDLE
    assert 0.4 <= time.monotonic() - started < 1.5


def test_a_slow_answer_starts_late(server, birds, api):
    server.fail("GetCompetition", Slow(0.3))

    started = time.monotonic()
    competition(api)
    assert 0.3 <= time.monotonic() - started < 2


@pytest.mark.parametrize("at", [0, 5000, -1])
@pytest.mark.parametrize("chunked", [False, True])
def test_one_byte_is_wrong_and_no_header_tells(server, raw, sdk, at, chunked):
    server.storage_options.content_length = not chunked
    server.fail("storage", Flip(at))

    wrong, right = get(address(sdk)), get(address(sdk))

    assert [n for n in range(len(BUNDLE)) if wrong.content[n] != BUNDLE[n]] == [at % len(BUNDLE)]
    assert len(wrong.content) == len(BUNDLE)
    for name in ("ETag", "x-goog-hash"):
        assert wrong.headers[name] == right.headers[name]


def test_a_file_is_shorter_than_its_signs(server, raw, sdk):
    server.fail("storage", Truncate(1000), times=3)

    short = get(address(sdk))
    part = get(address(sdk), Range="bytes=900-")
    beyond = get(address(sdk), Range="bytes=1000-")
    right = get(address(sdk))

    assert (short.content, short.headers["Content-Length"]) == (BUNDLE[:1000], "1000")
    assert (part.content, part.headers["Content-Range"]) == (BUNDLE[900:1000], "bytes 900-999/1000")
    assert beyond.status_code == 416
    assert (short.headers["ETag"], short.headers["x-goog-hash"]) == (
        right.headers["ETag"],
        right.headers["x-goog-hash"],
    )


def test_faults_act_together_and_one_after_the_other(server, raw, sdk):
    server.fail("storage", [(Slow(0.2), Flip(0), Stall(10, 0.2), Cut(20)), Status(503), Truncate(5)])

    started = time.monotonic()
    _, body, end = received(address(sdk))

    assert (body, end) == (b"\x01" + BUNDLE[1:20], "fin")
    assert time.monotonic() - started >= 0.4
    assert get(address(sdk)).status_code == 503
    assert get(address(sdk)).content == BUNDLE[:5]
    assert get(address(sdk)).content == BUNDLE


# --- faults: uploads ---


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize(("after", "stored"), [(0, False), (100_000, False), (10**9, True)])
def test_an_upload_is_cut(server, birds, api, how, after, stored):
    data = os.urandom(3_000_000)
    upload = start_upload(api, data)
    server.fail("upload", Cut(after, how=how))

    with pytest.raises(requests.ConnectionError):
        requests.put(upload.create_url, data=data, timeout=10)

    assert server.requests[-1].status == 0
    (place,) = server.storage.uploads.values()
    assert place.data == (data if stored else None)
    assert requests.put(upload.create_url, data=data, timeout=10).status_code == 200
    create(api, upload.token)
    assert birds.submissions[0].data == data


@pytest.mark.parametrize(
    ("fault", "code", "stored"),
    [
        (Status(503), 503, None),
        (Status(503, done=True), 503, b"abc"),
        (Page(), 200, None),
        (Flip(1), 200, b"acc"),
        (Truncate(2), 200, b"ab"),
        (Stall(1, 0.2), 200, b"abc"),
        (Trickle(0, 15), 200, b"abc"),
        (Slow(0.2), 200, b"abc"),
    ],
)
def test_an_upload_goes_wrong(server, birds, api, fault, code, stored):
    server.fail("upload", fault)
    upload = start_upload(api, b"abc")

    started = time.monotonic()
    assert requests.put(upload.create_url, data=b"abc", timeout=5).status_code == code
    (place,) = server.storage.uploads.values()
    assert place.data == stored
    if isinstance(fault, Stall | Trickle | Slow):
        assert time.monotonic() - started >= 0.19


# --- the server itself ---


def test_faults_that_would_prove_nothing_are_refused(server):
    for name, fault in [
        ("GetCompetition", UnknownEnum()),
        ("GetCompetition", Expire()),
        ("storage", BadJson()),
        ("upload", (Slow(1), UnknownField())),
        ("storage", [Slow(1), UnknownEnum()]),
        ("GetCompetitions", Slow(1)),
    ]:
        with pytest.raises(ValueError, match=r"changes nothing|Nothing is called"):
            server.fail(name, fault)
    assert server.faults.left() == 0


def test_each_request_is_noted(server, birds, api, sdk):
    competition(api)
    get(address(sdk, SLUG), Range="bytes=0-1", If_Range='"x"')

    first, _, last = server.requests
    assert (first.port, first.method, first.call, first.person, first.status) == (
        "api",
        "POST",
        "GetCompetition",
        "ann",
        200,
    )
    assert (first.authorization, first.path) == (
        "Bearer KGAT_ann",
        "/api/v1/competitions.CompetitionApiService/GetCompetition",
    )
    assert (last.port, last.method, last.call, last.person, last.authorization) == ("storage", "GET", "", None, None)
    assert (last.headers["Range"], last.headers["If-Range"], last.status) == ("bytes=0-1", '"x"', 200)


def test_people_on_many_threads_are_never_crossed(server, sdk, folder):
    for name in ("ann", "bob"):
        server.competition(f"only-{name}", folder, title=name, visible_to={name})
    wrong = []

    def look(name: str, other: str) -> None:
        client = sdk(name).competitions.competition_api_client
        for _ in range(20):
            if [each.title for each in client.list_competitions().competitions] != [name]:
                wrong.append(name)
            with pytest.raises(requests.HTTPError):
                competition(client, f"only-{other}")

    threads = [threading.Thread(target=look, args=pair) for pair in [("ann", "bob"), ("bob", "ann")] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert len(server.requests) == 240


def test_only_this_machine_is_served(server):
    assert {urlsplit(url).hostname for url in (server.url, server.storage_url)} == {"127.0.0.1"}
    assert {listener.socket.getsockname()[0] for listener in (server._api, server._files)} == {"127.0.0.1"}
    assert "stand-in of Kaggle's API" in get(server.url).text
    assert get(f"{server.url}/nothing").status_code == 404
    answer = requests.post(f"{server.url}/api/v1/kernels.KernelsApiService/SaveKernel", timeout=5)
    assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")


def test_the_server_stops_at_once_whatever_goes_on(sdk, monkeypatch):
    before = threading.active_count()
    server = KaggleServer().__enter__()
    server.person("ann", token="KGAT_ann")
    server.competition("raw", BUNDLE * 200)
    monkeypatch.setitem(kagglesdk.kaggle_env._env_to_endpoint, KaggleEnv.LOCAL, server.url)
    server.fail("storage", [Stall(10, 60), Trickle(0, 1), Slow(60), Cut(5)])
    url = address(sdk)
    parts = urlsplit(url)
    waiting = []
    for _ in range(6):  # the last two ask for 20 MB and never read them
        connection = socket.create_connection((parts.hostname, parts.port))
        connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        waiting.append(connection)
    waiting.append(socket.create_connection((parts.hostname, parts.port)))  # and one never asks
    while len(server.requests) < 7:
        time.sleep(0.01)

    started = time.monotonic()
    server.__exit__()

    assert time.monotonic() - started < 1
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((parts.hostname, parts.port))
    for connection in waiting:
        connection.close()


def test_a_person_can_serve_a_competition_by_hand(folder, monkeypatch):
    command = [sys.executable, "-m", "tests.kaggle_server", "--port", "0", "--cut-every", "100", "--metric", "Log Loss"]
    command += ["--competition", f"{SLUG}={folder}", "--token", "eve=KGAT_eve"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        found = re.search(r"The API is at (http://127\.0\.0\.1:\d+), the storage at", lines[0])
        assert found is not None
        monkeypatch.setitem(kagglesdk.kaggle_env._env_to_endpoint, KaggleEnv.LOCAL, found[1])
        client = KaggleClient(env=KaggleEnv.LOCAL, api_token="KGAT_eve").competitions.competition_api_client
        metric = competition(client).evaluation_metric
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            client.download_data_files(ask(wire.ApiDownloadDataFilesRequest, competition_name=SLUG)).content  # noqa: B018
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0

    assert "export KAGGLE_API_ENVIRONMENT=TEST KAGGLE_API_TOKEN=KGAT_eve\n" in lines
    assert metric == "Log Loss"


@pytest.mark.parametrize("bad", ["birds-2031", "birds-2031=/nothing/here"])
def test_the_command_says_what_is_wrong(bad):
    command = [sys.executable, "-m", "tests.kaggle_server", "--port", "0", "--competition", bad]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)

    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "expected NAME=VALUE" in done.stderr or "there is nothing at /nothing/here" in done.stderr
