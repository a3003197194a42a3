"""Fetching a competition through the real SDK, from a server that misbehaves in every way that it can."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from assistant import fetching
from assistant.archives import ArchiveError
from assistant.fetching import fetch, look, place_of_person
from assistant.kaggle_errors import KaggleError
from recipes.errors import Stopped
from tests.assistant.kaggle_people import SLUG, TOKEN, bundle, content, signed_in
from tests.kaggle_faults import (
    BadJson,
    Cut,
    Expire,
    Flip,
    Page,
    Slow,
    Stall,
    Status,
    Trickle,
    Truncate,
    UnknownField,
)

PACKED = bundle()
MEGABYTE = 1_000_000


def files_in(folder: Path) -> dict[str, bytes]:
    """Everything that was fetched, by name, less what the program adds."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if name not in ("page.json", ".unpacked.json")}


def nothing_final(home: Path) -> bool:
    """Whether nothing lies under a name that says that it is whole."""
    place = home / "people" / "ann" / SLUG
    return not any((place / name).exists() for name in ("data", f"{SLUG}.zip", "fetched.json"))


def secrets_in(folder: Path) -> list[str]:
    """Files that hold the token or a signature."""
    words = (TOKEN.encode(), b"Signature=", b"Bearer")
    return [str(path) for path in folder.rglob("*") if path.is_file() and any(w in path.read_bytes() for w in words)]


RECOVERED = {
    "500, then fine": ("DownloadDataFiles", [Status(500), Status(502)]),
    "429 with Retry-After": ("DownloadDataFiles", Status(429, "slow down", retry_after=1)),
    "429 with a date": ("api", Status(429, retry_after="Wed, 01 Jan 2020 00:00:00 GMT")),
    "the API cut by FIN": ("GetCompetition", Cut(10)),
    "the API cut by RST": ("GetCompetition", Cut(0, "rst")),
    "the API cut at the address": ("DownloadDataFiles", Cut(0, "rst")),
    "the API stalls": ("GetCompetition", Stall(5, 1.2)),
    "the API answers late": ("GetCompetition", Slow(1.2)),
    "the API trickles": ("GetCompetition", Trickle(0, 3)),
    "a page for JSON": ("GetCompetition", Page()),
    "broken JSON": ("GetCompetition", BadJson()),
    "an unknown field": ("GetCompetition", UnknownField()),
    "no summary of the files": ("GetCompetitionDataFilesSummary", [Status(404)]),
    "no pages": ("ListCompetitionPages", [Status(403, "not for you")]),
    "a cut by FIN": ("storage", Cut(MEGABYTE)),
    "a cut by RST": ("storage", Cut(MEGABYTE, "rst")),
    "a cut before anything": ("storage", Cut(0)),
    "a cut after the last byte but one": ("storage", Cut(len(PACKED) - 1)),
    "a stall": ("storage", Stall(MEGABYTE, 1.2)),
    "a stall before anything": ("storage", Stall(0, 1.2)),
    "a late start": ("storage", Slow(1.2)),
    "a trickle": ("storage", Trickle(2 * MEGABYTE, 100)),
    "503 of the storage": ("storage", [Status(503, retry_after=1), Status(500)]),
    "429 of the storage": ("storage", Status(429, retry_after=1)),
    "an address that has expired": ("DownloadDataFiles", Expire()),
    "all addresses expire": ("storage", Expire()),
    "403 of the storage": ("storage", Status(403)),
    "a page for bytes": ("storage", Page()),
    "an error page that says 206": ("storage", [Cut(MEGABYTE), Page(status=206)]),
    "a flipped byte": ("storage", Flip(MEGABYTE)),
    "a flipped byte after a cut": ("storage", [Cut(MEGABYTE), Flip(7)]),
    "a zip cut short": ("storage", Truncate(MEGABYTE)),
    "a zip cut short after a cut": ("storage", [Cut(MEGABYTE), Truncate(MEGABYTE + 5)]),
}


@pytest.mark.parametrize("fault", RECOVERED)
def test_what_passes_is_waited_out_and_every_byte_is_right(fault, server, home):
    server.competition(SLUG, PACKED)
    kaggle = signed_in()
    server.fail(*RECOVERED[fault])
    folder = fetch(kaggle, SLUG)
    assert files_in(folder) == content(PACKED)
    assert json.loads((folder / "page.json").read_text())["ref"] == SLUG
    assert not secrets_in(home)


@pytest.mark.parametrize("without", ["etag", "md5", "ranges", "content_length"])
@pytest.mark.parametrize("fault", ["a cut by FIN", "a flipped byte", "a zip cut short", "a page for bytes"])
def test_a_storage_that_tells_less_brings_no_wrong_byte(fault, without, server, home):
    server.competition(SLUG, PACKED)
    setattr(server.storage_options, without, False)
    kaggle = signed_in()
    server.fail(*RECOVERED[fault])
    assert files_in(fetch(kaggle, SLUG)) == content(PACKED)


LASTING = {
    "401": ("DownloadDataFiles", Status(401), "token", "Kaggle does not know who this is"),
    "403 of somebody else's": ("GetCompetition", Status(403, "Permission denied"), "refused", "Permission denied"),
    "404": ("GetCompetition", Status(404, "Not found"), "unknown", "assistant find birds-2031"),
    "rules": (
        "DownloadDataFiles",
        Status(403, "You must accept this competition's rules before you'll be able to download files."),
        "rules",
        "https://www.kaggle.com/c/birds-2031/rules",
    ),
    "a phone": ("DownloadDataFiles", Status(403, "Verify your phone number"), "verification", "verify the account"),
    "429 for an hour": ("DownloadDataFiles", Status(429, retry_after=3600), "busy", "60 min"),
    "500 for ever": ("GetCompetition", Status(500), "busy", "4 times"),
    "a page for ever": ("GetCompetition", Page(), "unreadable", "web page"),
    "broken JSON for ever": ("GetCompetition", BadJson(), "unreadable", "could not be read"),
    "cuts for ever": ("GetCompetition", Cut(3, "rst"), "offline", "could not be reached"),
    "storage cut at once for ever": ("storage", Cut(0), "offline", "what has come is kept"),
    "storage stalls for ever": ("storage", Stall(0, 1), "offline", "what has come is kept"),
    "storage 500 for ever": ("storage", Status(500), "busy", "what has come is kept"),
    "storage refuses for ever": ("storage", Status(403), "refused", "the storage refuses"),
    "a page for bytes for ever": ("storage", Page(), "offline", "web page"),
    "a flipped byte for ever": ("storage", Flip(-5), "damaged", "checksum was wrong twice"),
    "a zip cut short for ever": ("storage", Truncate(MEGABYTE), "damaged", "checksum was wrong twice"),
}


@pytest.mark.parametrize("fault", LASTING)
def test_what_lasts_is_one_clear_line_and_leaves_nothing_that_looks_whole(fault, server, home):
    server.competition(SLUG, PACKED)
    kaggle = signed_in()
    call, wrong, kind, words = LASTING[fault]
    server.fail(call, wrong, times=None)
    with pytest.raises(KaggleError) as raised:
        fetch(kaggle, SLUG)
    assert raised.value.kind == kind
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert TOKEN not in repr(vars(raised.value)) + repr(raised.value.__context__) + repr(raised.value.__cause__)
    assert nothing_final(home)
    assert not secrets_in(home)
    server.clear_faults()
    assert files_in(fetch(signed_in(), SLUG)) == content(PACKED)


def test_without_a_checksum_the_zip_itself_tells_that_it_is_broken(server, home):
    server.competition(SLUG, PACKED)
    server.storage_options.md5 = False
    server.fail("storage", Flip(MEGABYTE), times=None)
    with pytest.raises(KaggleError) as raised:
        fetch(signed_in(), SLUG)
    assert raised.value.kind == "damaged"
    assert nothing_final(home)


def test_a_bundle_that_lies_broken_at_kaggle_is_not_fetched_twice(server, home):
    server.competition(SLUG, PACKED[:MEGABYTE])
    with pytest.raises(KaggleError, match="that is how it lies at Kaggle"):
        fetch(signed_in(), SLUG)
    assert sum(request.port == "storage" for request in server.requests) == 1
    assert nothing_final(home)


def test_a_bundle_that_does_harm_is_refused(server, home):
    import io
    import zipfile

    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("../outside.csv", "x")
    server.competition(SLUG, made.getvalue())
    with pytest.raises(ArchiveError, match="refused"):
        fetch(signed_in(), SLUG)
    assert nothing_final(home) or not (home / "people" / "ann" / SLUG / "data").exists()


def test_cuts_do_not_cost_what_has_come(server, home):
    server.competition(SLUG, PACKED)
    server.storage_options.cut_every = 200_000
    assert files_in(fetch(signed_in(), SLUG)) == content(PACKED)
    asked = [request.headers.get("Range") for request in server.requests if request.port == "storage"]
    assert len(asked) == -(-len(PACKED) // 200_000)
    assert asked[:3] == [None, "bytes=200000-", "bytes=400000-"]
    assert all(request.headers.get("If-Range") for request in server.requests if request.headers.get("Range"))


def test_the_storage_is_never_told_who_asks(server, home):
    server.competition(SLUG, PACKED)
    fetch(signed_in(), SLUG)
    assert {request.authorization for request in server.requests if request.port == "storage"} == {None}
    assert {request.authorization for request in server.requests if request.port == "api"} == {f"Bearer {TOKEN}"}


def test_a_second_fetch_costs_one_request_and_a_new_version_is_fetched(server, home):
    made = server.competition(SLUG, PACKED)
    kaggle = signed_in()
    folder = fetch(kaggle, SLUG)
    before = len(server.requests)
    assert fetch(kaggle, SLUG) == folder
    assert [request.call for request in server.requests[before:]] == ["DownloadDataFiles"]
    newer = bundle(seed=1)
    made.replace(newer)
    assert files_in(fetch(kaggle, SLUG)) == content(newer)
    shutil.rmtree(folder)
    assert files_in(fetch(kaggle, SLUG)) == content(newer)


def test_a_new_version_amid_a_download_is_not_mixed_with_the_old(server, home):
    made = server.competition(SLUG, PACKED)
    newer = bundle(seed=2)
    server.fail("storage", Cut(MEGABYTE))

    def replaced(stage) -> None:
        if stage.stage == "download" and stage.done_bytes:
            made.replace(newer)

    server.address_lives = 3600
    assert files_in(fetch(signed_in(), SLUG, report=replaced)) in (content(PACKED), content(newer))


def test_what_kaggle_refuses_is_not_shown_from_the_disk(server, home):
    made = server.competition(SLUG, PACKED, accepted={"ann"})
    fetch(signed_in(), SLUG)
    made.accepted = {"bob"}
    with pytest.raises(KaggleError) as raised:
        fetch(signed_in(), SLUG)
    assert raised.value.kind == "rules"
    server.person("bob", "KGAT_bob")
    folder = fetch(signed_in("KGAT_bob"), SLUG)
    assert folder.is_relative_to(home / "people" / "bob")


def test_stopping_takes_less_than_a_second_wherever_it_is(server, home):
    server.competition(SLUG, PACKED)
    for call, fault in (
        ("storage", Stall(MEGABYTE, 30)),
        ("storage", Slow(30)),
        ("DownloadDataFiles", Slow(30)),
        ("DownloadDataFiles", Status(503, retry_after=100)),
    ):
        server.clear_faults()
        stop = threading.Event()
        from assistant.credentials import Credentials
        from assistant.kaggle_client import Kaggle
        from assistant.patience import Patience

        kaggle = Kaggle(Credentials(token=TOKEN), Patience(read=60, asked=200), stop.is_set)
        server.fail(call, fault, times=None)
        told: list[float] = []
        threading.Timer(0.6, lambda told=told, stop=stop: (told.append(time.monotonic()), stop.set())).start()
        with pytest.raises(Stopped):
            fetch(kaggle, SLUG, should_stop=stop.is_set)
        assert time.monotonic() - told[0] < 1
        server.clear_faults()
    assert files_in(fetch(signed_in(), SLUG)) == content(PACKED)


def test_a_fetch_that_was_killed_goes_on_in_a_new_process(server, home):
    server.competition(SLUG, bundle(12 * MEGABYTE))
    program = (
        "import sys, kagglesdk.kaggle_env as env\n"
        f"env._env_to_endpoint[env.KaggleEnv.LOCAL] = {server.url!r}\n"
        "from assistant.credentials import Credentials\n"
        "from assistant.fetching import fetch\n"
        "from assistant.kaggle_client import Kaggle\n"
        f"print(fetch(Kaggle(Credentials(token={TOKEN!r})), {SLUG!r}))\n"
    )
    server.fail("storage", Trickle(5 * MEGABYTE, 1000))
    part = home / "people" / "ann" / SLUG / f"{SLUG}.zip.part"
    child = subprocess.Popen([sys.executable, "-c", program], env=os.environ | {"ASSISTANT_HOME": str(home)})
    end = time.monotonic() + 30
    while time.monotonic() < end and not (part.exists() and part.stat().st_size >= 5 * MEGABYTE):
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept = part.stat().st_size
    assert kept >= 5 * MEGABYTE
    server.clear_faults()
    before = len(server.requests)
    assert files_in(fetch(signed_in(), SLUG)) == content(bundle(12 * MEGABYTE))
    asked = [request.headers.get("Range") for request in server.requests[before:] if request.port == "storage"]
    assert asked == [f"bytes={kept}-"]


def test_one_process_fetches_and_the_other_waits_for_it(server, home):
    server.competition(SLUG, PACKED)
    server.fail("storage", Trickle(2 * MEGABYTE, 1_200_000))
    folders: list[Path] = []
    threads = [threading.Thread(target=lambda: folders.append(fetch(signed_in(), SLUG))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(folders)) == 1
    assert len(folders) == 3
    assert sum(request.port == "storage" for request in server.requests) == 1


def test_too_little_disk_is_told_before_anything_is_downloaded(server, home, monkeypatch):
    server.competition(SLUG, PACKED)
    usage = shutil.disk_usage(home.parent)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: usage._replace(free=5 * MEGABYTE))
    with pytest.raises(KaggleError) as raised:
        fetch(signed_in(), SLUG)
    assert raised.value.kind == "disk"
    assert "ASSISTANT_HOME" in str(raised.value)
    assert not [request for request in server.requests if request.port == "storage"]
    assert [error.kind for error in look(signed_in(), SLUG).obstacles] == ["disk"]


def test_what_matters_is_told_before_the_download(server, home):
    server.competition(
        SLUG,
        PACKED,
        accepted={"bob"},
        notebooks_only=True,
        evaluation="<p>Scored by <b>F1</b> &amp; time.</p>",
        max_daily=3,
    )
    outlook = look(signed_in(), SLUG)
    assert [error.kind for error in outlook.obstacles] == ["rules"]
    assert outlook.obstacles[0].link == f"https://www.kaggle.com/c/{SLUG}/rules"
    assert "only notebooks" in outlook.notes[0]
    assert outlook.size.bytes == sum(map(len, content(PACKED).values()))
    assert outlook.size.files == 2
    assert outlook.listed.max_daily == 3
    assert outlook.evaluation == "Scored by F1 & time."
    assert outlook.fetched is None
    server.competitions[SLUG].accepted = "everyone"
    fetch(signed_in(), SLUG)
    assert look(signed_in(), SLUG).fetched == place_of_person("ann") / SLUG / "data"


def test_a_bundle_of_one_plain_table_is_taken_as_it_is(server, home):
    server.competition(SLUG, b"id,label\n1,owl\n")
    folder = fetch(signed_in(), SLUG)
    assert list(files_in(folder).values()) == [b"id,label\n1,owl\n"]


@pytest.mark.parametrize("name", ["../bob", "Ann", "ann ", "a" * 300, "é", ".", ""])
def test_no_name_leads_to_somebody_elses_place(name, home):
    place = place_of_person(name)
    assert place.parent == home / "people"
    assert place not in (place_of_person("ann"), place_of_person("bob"))
    assert len(place.name) < 100
