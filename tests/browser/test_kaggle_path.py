"""The Kaggle path in a real browser: from a token to a score, with the rules in between; and two people who never meet."""

from __future__ import annotations

import json
import re
import urllib.request
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Request

from assistant import sample
from tests.browser.conftest import Server
from tests.browser.test_first_page import (
    LEFT,
    ask_for_little,
    fill,
    open_page,
    start,
    to_the_recipe,
    wait_until_done,
)
from tests.kaggle_faults import Trickle
from tests.kaggle_server import KaggleServer

pytestmark = pytest.mark.browser

SLUG = "handwritten-digits"
TOKENS = {"ann": "KGAT_0123456789_ann", "bob": "KGAT_9876543210_bob"}


@pytest.fixture(scope="module")
def kaggle(tmp_path_factory):
    """A Kaggle on this machine, whose competition is the sample, scored against the truth that is kept apart."""
    folder = tmp_path_factory.mktemp("kaggle")
    data = sample.write_sample(folder / "data")
    (data / "page.json").unlink()

    def truth(submission: bytes) -> float:
        (folder / "submission.csv").write_bytes(submission)
        return sample.score(folder / "submission.csv")["accuracy"]

    with KaggleServer() as running:
        for name, token in TOKENS.items():
            running.person(name, token)
        board = [(f"team {number}", 1 - number / 200, (f"m{number}",)) for number in range(120)]
        running.competition(SLUG, data, title="Handwritten <i>digits</i>", grader=truth, leaderboard=board)
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory, kaggle):
    """The app, as on a machine of one's own, with that Kaggle."""
    server = Server(tmp_path_factory.mktemp("app"), kaggle.url)
    try:
        yield server.start()
    finally:
        server.end()


@pytest.fixture(scope="module")
def space(tmp_path_factory, kaggle):
    """The app as on a Space: everybody may come in, and each browser is a person of its own."""
    server = Server(tmp_path_factory.mktemp("space"), kaggle.url, space=True)
    try:
        yield server.start()
    finally:
        server.end()


def sign_in(page, name: str) -> None:
    page.get_by_role("radio", name="A Kaggle competition").check()
    page.locator("#token input").fill(TOKENS[name])
    page.locator("#sign-in").click()
    page.get_by_text(f"Signed in at Kaggle as {name}").wait_for()
    assert page.locator("#token input").filter(visible=True).count() == 0


# a stream that the page ends by itself has no body for the browser's tools: what it brings is noted where it is read
LISTEN = """(() => {
  const plain = JSON.parse;
  window.told = [];
  JSON.parse = (words, ...more) => { window.told.push(String(words)); return plain(words, ...more); };
})()"""


@dataclass
class Heard:
    """What a browser profile was answered: requests that ended, and what came in streams."""

    ended: list[Request] = field(default_factory=list)
    streamed: str = ""

    def note(self, page) -> None:
        """What came in streams, before the browser leaves the page."""
        self.streamed += page.evaluate("window.told.join()")


def listened(page) -> Heard:
    """What this browser profile is answered from now on."""
    heard = Heard()
    page.context.on("requestfinished", lambda request: heard.ended.append(request))
    page.context.add_init_script(LISTEN)
    return heard


def secrets_in(server, *pages, ended: Heard) -> list[str]:
    """Where a token or a signature can be seen: in a page, a response (its address, headers, body), the server's log, or a
    file that it wrote, in its home or where gradio keeps files."""
    assert server.home.is_dir()
    assert (server.folder / "gradio").is_dir()
    assert server.log.stat().st_size
    found = [str(path) for path in server.folder.rglob("*") if path.is_file() and _secret(path.read_bytes())]
    found += [f"the page {page.url}" for page in pages if _secret(page.content().encode())]
    for page in pages:
        ended.note(page)
    assert "process_completed" in ended.streamed  # what functions of the page gave can be read here
    if _secret(ended.streamed.encode()):
        found.append("what functions of the page gave")
    return found + _in_answers(ended.ended)


def _in_answers(ended: list[Request]) -> list[str]:
    found = []
    for request in ended:
        answer = request.response()
        if answer is None:
            continue
        headers = "\n".join(f"{each['name']}: {each['value']}" for each in answer.headers_array())
        if _secret(f"{answer.url}\n{headers}".encode()):
            found.append(f"the head of {answer.url}")
        try:
            body = answer.body()
        except PlaywrightError:  # it has none (a redirect), or the page went on since
            continue
        if _secret(body):
            found.append(f"the body of {answer.url}")
    return found


def _secret(data: bytes) -> bool:
    return any(word.encode() in data for word in (*TOKENS.values(), "Signature="))


def test_from_a_token_to_a_score_by_clicks_alone(page, server, kaggle):
    made = kaggle.competitions[SLUG]
    made.accepted = {"bob"}
    ended = listened(page)
    open_page(page, server)
    page.get_by_role("radio", name="A Kaggle competition").check()
    page.locator("#token input").fill("KGAT_of_nobody")
    page.locator("#sign-in").click()
    page.locator("#who [role=alert]").wait_for()
    assert "does not know who this is" in page.locator("#who").inner_text()
    assert page.locator("#token input").input_value() == ""
    sign_in(page, "ann")

    page.locator("#words :is(input, textarea)").fill("handwritten")
    page.locator("#search").click()
    page.locator(f"[data-slug={SLUG}]").wait_for()
    assert page.locator("#found i:not(.no-picture)").count() == 0  # a title's markup is text
    page.locator(f"[data-slug={SLUG}]").click()
    page.locator("#about [role=alert]").wait_for()
    assert f"https://www.kaggle.com/c/{SLUG}/rules" in page.locator("#about [role=alert]").inner_text()
    assert page.locator("#fetch").filter(visible=True).count() == 0
    made.accepted = "everyone"
    page.locator("#check-again").click()
    page.locator("#fetch").wait_for()
    assert "1,799 files" in page.locator("#about").inner_text()

    kaggle.fail("storage", Trickle(200_000, 100_000), times=None)
    page.locator("#fetch").click()
    page.locator("#fetching [role=progressbar]").wait_for()
    page.locator("#stop-fetch").click()
    page.get_by_text("What has come is kept").wait_for()
    kaggle.clear_faults()
    page.locator("#fetch").click()
    page.locator("#understood dl").first.wait_for(timeout=30_000)
    assert "Handwritten <i>digits</i>" in page.locator("#understood").inner_text()

    page.locator("#on-1").click()
    ask_for_little(page)
    page.locator("#weights input").click()
    page.get_by_role("option", name="Random").click()
    start(page)
    wait_until_done(page)
    page.locator("#on-3").click()
    page.locator("#scores .score").first.wait_for()
    page.locator("#on-4").click()
    page.get_by_text("Checked against sample_submission.csv: 450 rows").wait_for()
    fill(page, "message", "by clicks alone")
    page.locator("#hand-in").click()
    page.locator("#handed-in .score").first.wait_for(timeout=30_000)
    (sent,) = made.submissions
    assert (sent.message, sent.person) == ("by clicks alone", "ann")
    assert sent.data == (server.run_folder(page) / "submission.csv").read_bytes()
    assert f"{sent.public:.5f}" in page.locator("#handed-in").inner_text()
    assert f"{sent.public:.5f}" in page.locator("#board").inner_text()
    assert "of 121" in page.locator("#handed-in").inner_text()

    assert secrets_in(server, page, ended=ended) == []  # the browser forgets bodies when it leaves a page
    ended.ended.clear()
    page.forgiven = LEFT
    name = server.run_folder(page).name
    page.reload()
    page.locator("#scores .score").first.wait_for()  # the run is found again, the token is not kept
    page.locator(".toggle-button").click()
    page.locator(f"[data-run={name}]").wait_for()
    assert secrets_in(server, page, ended=ended) == []


def call_everything(server, words: list[str]) -> str:
    """What a stranger is told who calls every function of the page, with each of these words in every text field."""
    with urllib.request.urlopen(f"{server.url}config") as answer:
        config = json.load(answer)
    kinds = {part["id"]: part["type"] for part in config["components"]}
    told = []
    for number, function in enumerate(config["dependencies"]):
        if not function["backend_fn"]:
            continue
        for word in words:
            data = [None if kinds[part] in ("state", "number") else word for part in function["inputs"]]
            told.append(
                _call(server, {"fn_index": function.get("id", number), "data": data, "session_hash": "stranger1"})
            )
    return "\n".join(told)


def _call(server, asked: dict) -> str:
    request = urllib.request.Request(
        f"{server.url}gradio_api/queue/join", json.dumps(asked).encode(), {"Content-Type": "application/json"}
    )
    try:
        urllib.request.urlopen(request, timeout=20).read()
        lines = []
        with urllib.request.urlopen(f"{server.url}gradio_api/queue/data?session_hash=stranger1", timeout=20) as answer:
            for line in answer:
                lines.append(line.decode())
                if "process_completed" in lines[-1] or "close_stream" in lines[-1]:
                    break
        return "".join(lines)
    except OSError as error:
        return str(error)


def test_two_people_on_one_space_never_meet(chromium, space, kaggle):
    kaggle.clear_faults()
    kaggle.competitions[SLUG].accepted = "everyone"
    people = {name: chromium.new_context(viewport={"width": 1200, "height": 900}).new_page() for name in TOKENS}
    ended = {name: listened(page) for name, page in people.items()}
    for page in people.values():
        page.set_default_timeout(20_000)
        open_page(page, space)
        assert page.get_by_role("radio", name="A folder on this machine").count() == 0
    ann, bob = people["ann"], people["bob"]
    for name, page in people.items():
        sign_in(page, name)
        page.get_by_role("radio", name="The sample").check()
    ann.bring_to_front()  # a page behind another is not drawn, and what is not drawn is not waited for
    to_the_recipe(ann)
    ask_for_little(ann)
    start(ann)
    wait_until_done(ann)
    run = re.search(r"run=([^&]+)", ann.url).group(1)  # type: ignore[union-attr]
    (folder,) = space.home.glob(f"visitors/*/runs/{run}")

    for name, page in people.items():
        ended[name].note(page)
    bob.bring_to_front()
    bob.goto(f"{space.url}?run={run}")
    bob.get_by_text("is not on this machine any more").wait_for()
    bob.locator(".toggle-button").click()
    bob.get_by_text("No runs yet.").wait_for()
    assert run not in bob.content()
    ann.bring_to_front()
    ann.reload()
    ann.locator("#scores .score").first.wait_for()  # her browser has the key

    visitor = folder.parent.parent.name
    words = [run, f"../{visitor}/runs/{run}", str(folder), f"kaggle:{SLUG}", f"folder:{folder}", "../../etc/passwd"]
    told = call_everything(space, words)
    assert "process_completed" in told
    for secret in (visitor, "precompute activations", *TOKENS.values()):
        assert secret not in told.replace(str(folder), "").replace(words[1], "")
    assert [path.name for path in space.home.glob("visitors/*/runs/*")] == [run]
    assert json.loads((folder / "events.jsonl").read_text().splitlines()[-1])["event"] == "run_done"
    assert not (folder / "stop.json").exists()
    for name in ("run.json", "submission.csv", "model/model.safetensors", "events.jsonl"):
        for way in (f"gradio_api/file={folder / name}", f"file={folder / name}", f"gradio_api/file/{folder / name}"):
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(f"{space.url}{way}")
    for name, page in people.items():
        assert secrets_in(space, page, ended=ended[name]) == []
        page.context.close()
