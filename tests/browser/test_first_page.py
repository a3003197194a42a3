"""The first page in a real browser: from the embedded sample to a submission by clicks alone, and what may come between."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
import urllib.error
import urllib.request

import psutil
import pytest

from assistant import standby
from tests import EIGHT_TITLES

pytestmark = pytest.mark.browser

RUN_WITHIN = 120_000  # milliseconds; such a run takes some 15 s on two idle cores
# what gradio and the browser say of requests that a reload, or the server's end, cuts short
LEFT = ["AbortError", "Connection errored out", "Failed to fetch", "network error", "net::ERR_", "BodyStreamBuffer"]
MARK = "(image) => { window.marked = image; }"
CHANGED = """([name, before]) => {
  const image = document.querySelector(name + " img");
  return image && image.src !== before;
}"""


def open_page(page, server, run: str = "") -> None:
    page.goto(server.url + (f"?run={run}" if run else ""))
    page.locator("#walk").wait_for()


def standing_by(server) -> list[int]:
    """The worker of the server that waits for a run, once it is there."""
    for _ in range(300):
        children = psutil.Process(server.process.pid).children()
        if found := [child.pid for child in children if standby.ARGUMENT in child.cmdline()]:
            return found
        time.sleep(0.1)
    return []


def to_the_recipe(page) -> None:
    """From the first step, as it is opened, to the third."""
    page.locator("#on-0").click()
    page.locator("#understood dl").first.wait_for()
    page.locator("#on-1").click()
    page.locator("#start").wait_for()


def to_the_end(page) -> None:
    """From training by way of the results to the submission."""
    page.locator("#on-3").click()
    page.locator("#scores .score").first.wait_for()
    page.locator("#on-4").click()
    page.locator("#submission").wait_for()


def fill(page, name: str, value: object) -> None:
    field = page.locator(f"#{name} :is(input, textarea)").first
    field.fill(str(value))
    field.press("Tab")
    assert field.input_value() == str(value)


def ask_for_little(page, cycles: int = 1) -> None:
    """Fills the form in for the smallest run."""
    page.locator("#rarer > button").click()
    page.locator("#max-cycles :is(input, textarea)").wait_for()
    page.wait_for_timeout(300)  # the opened fields are put in place
    for name, value in {"arch": "test_resnet", "sizes": 16, "tta": 1, "max-cycles": cycles, "batch-size": 64}.items():
        fill(page, name, value)


def start(page) -> None:
    page.locator("#start").click()
    page.wait_for_url("**/?run=*")
    page.locator("#now").wait_for()


def wait_until_done(page) -> None:
    page.get_by_text("Done: see the results").wait_for(timeout=RUN_WITHIN)


def told(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_page_that_is_looked_at_draws_few_frames(page, server):
    page.add_init_script(
        "window.drawn = 0; const real = window.requestAnimationFrame.bind(window);"
        "window.requestAnimationFrame = (work) => { window.drawn += 1; return real(work); };"
    )
    open_page(page, server)
    page.wait_for_timeout(3000)  # what moves when a page opens
    before = page.evaluate("window.drawn")
    page.wait_for_timeout(3000)
    assert page.evaluate("window.drawn") - before < 60, "frames in three seconds"


def test_the_sample_becomes_a_submission_by_clicks_alone(page, server, tmp_path):
    open_page(page, server)
    to_the_recipe(page)
    page.locator("#back-2").click()
    assert "Name one of 10 classes" in page.locator("#understood").inner_text()
    assert page.locator("#understood .pictures img").count() == 80
    page.locator("#on-1").click()
    ask_for_little(page)
    ready = standing_by(server)
    start(page)

    page.locator("#back-3").click()  # at once, while the process comes up: nothing moves the page on again
    page.wait_for_timeout(3000)
    page.locator("#on-2").click()  # from the recipe back to the run
    page.locator("#now").wait_for()
    titles = page.locator("#steps li").all_inner_texts()
    assert titles == [f"{n}\n{title}" for n, title in enumerate(EIGHT_TITLES, 1)]
    assert page.locator("#resume").filter(visible=True).count() == 0
    page.locator("#sweep-1 img").wait_for(timeout=RUN_WITHIN)
    page.locator("#sweep-1 img").evaluate(MARK)
    page.locator("#losses img").wait_for(timeout=RUN_WITHIN)
    first = page.locator("#losses img").get_attribute("src")
    assert page.locator("#stop").is_enabled()
    page.wait_for_function(CHANGED, arg=["#losses", first], timeout=RUN_WITHIN)
    wait_until_done(page)
    assert page.evaluate("window.marked === document.querySelector('#sweep-1 img')"), (
        "an unchanged plot was drawn again"
    )
    assert page.locator("#sweep-2 img").count() == page.locator("#metric img").count() == 1
    assert page.locator("#steps li.done").count() == 8
    assert page.locator("#epochs tbody tr").count() == 6

    folder = server.run_folder(page)
    asked = json.loads((folder / "run.json").read_text())["options"]
    assert asked | {"arch": "test_resnet", "sizes": [16], "tta": 1, "max_cycles": 1, "batch_size": 64} == asked
    assert [event["event"] for event in told(folder)].count("step_started") == 8
    assert [told(folder)[0]["pid"]] == ready, "the run was not carried out by the worker that stood by"
    to_the_end(page)
    with page.expect_download() as download:
        page.locator("#submission").click()
    download.value.save_as(tmp_path / "got.csv")
    assert download.value.suggested_filename == "submission.csv"
    assert (tmp_path / "got.csv").read_bytes() == (folder / "submission.csv").read_bytes()
    with open(tmp_path / "got.csv") as got, open(server.home / "sample" / "sample_submission.csv") as template:
        rows, wanted = list(csv.reader(got)), list(csv.reader(template))
    assert [row[0] for row in rows] == [row[0] for row in wanted]
    assert len(rows) == 451
    assert {row[1] for row in rows[1:]} <= set("0123456789")
    assert page.locator("#scores .score").count() == 3
    assert page.locator("#head tbody tr").first.inner_text().split() == rows[1]
    with page.expect_download() as download:
        page.locator("#report").click()
    assert download.value.suggested_filename == "report.html"

    # nothing of the run folder but those two copies can be fetched, and the page has no public API
    for name in ("run.json", "events.jsonl", "submission.csv"):
        assert status(f"{server.url}gradio_api/file={folder / name}") == 403
    with urllib.request.urlopen(f"{server.url}gradio_api/info") as answer:
        assert json.load(answer) == {"named_endpoints": {}, "unnamed_endpoints": {}}


def test_a_reload_in_the_middle_finds_the_run_again(page, server):
    open_page(page, server)
    to_the_recipe(page)
    ask_for_little(page)
    start(page)
    page.locator("#losses img").wait_for(timeout=RUN_WITHIN)
    page.forgiven = LEFT
    folder, before = server.run_folder(page), page.locator("#epochs tbody tr").count()
    page.reload()
    page.locator("#losses img").wait_for()
    assert server.run_folder(page) == folder
    assert page.locator("#epochs tbody tr").count() >= before
    page.goto(server.url)  # without the name: this browser remembers it
    page.wait_for_url(f"**/?run={folder.name}")
    wait_until_done(page)
    assert [event["event"] for event in told(folder)].count("run_started") == 1


def test_a_stopped_run_outlives_the_server_is_resumed_and_keeps_its_best(page, server):
    page.forgiven = LEFT
    open_page(page, server)
    to_the_recipe(page)
    ask_for_little(page, cycles=4)
    start(page)
    page.locator("#epochs tbody tr").first.wait_for(timeout=RUN_WITHIN)
    page.locator("#stop").click()
    page.get_by_text("Stopped during").wait_for(timeout=30_000)
    assert page.locator("#stop, #keep").filter(visible=True).count() == 0
    folder = server.run_folder(page)

    server.stop()
    server.start()
    page.reload()
    page.get_by_text("Stopped during").wait_for()
    page.locator("#resume").click()
    page.locator("#stop").wait_for(timeout=60_000)
    assert page.locator("#resume").filter(visible=True).count() == 0
    before = page.locator("#epochs tbody tr").count()
    page.wait_for_function(f"document.querySelectorAll('#epochs tbody tr').length > {before}", timeout=RUN_WITHIN)

    page.locator("#keep").click()
    page.get_by_text("Done early, with the best weights kept").wait_for(timeout=RUN_WITHIN)
    to_the_end(page)
    kinds = [event["event"] for event in told(folder)]
    assert kinds.count("run_started") == 2
    assert kinds.count("run_stopped") == kinds.count("run_done") == 1
    assert (folder / "submission.csv").is_file()


def test_a_run_whose_process_is_killed_says_so_and_goes_on_to_the_end(page, server, tmp_path):
    open_page(page, server)
    to_the_recipe(page)
    ask_for_little(page, cycles=3)
    start(page)
    page.locator("#epochs tbody tr").first.wait_for(timeout=RUN_WITHIN)
    folder = server.run_folder(page)
    (started,) = [event for event in told(folder) if event["event"] == "run_started"]
    os.kill(started["pid"], signal.SIGKILL)
    page.locator("#resume").wait_for(timeout=30_000)
    line = page.locator("#now strong").inner_text()
    assert line.startswith("It broke off")
    assert "ended without a word" in page.locator("#now").inner_text()
    assert told(folder)[-1]["event"] not in ("run_done", "run_failed", "run_stopped")
    before = [event["epoch"] for event in told(folder) if event["event"] == "epoch"]

    page.locator("#resume").click()
    wait_until_done(page)
    events = told(folder)
    assert [event["event"] for event in events].count("run_started") == 2
    assert len({(event["step"], event["epoch"]) for event in events if event["event"] == "epoch"}) > len(before)
    to_the_end(page)
    with page.expect_download() as download:
        page.locator("#submission").click()
    download.value.save_as(tmp_path / "got.csv")
    assert (tmp_path / "got.csv").read_bytes() == (folder / "submission.csv").read_bytes()
    assert len((tmp_path / "got.csv").read_text().splitlines()) == 451


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: folder / "nowhere", "No such folder"),
        (lambda folder: folder, "No images found"),
        (lambda folder: "", "No folder is named"),
    ],
)
def test_a_wrong_folder_gives_one_clear_line(page, server, tmp_path, make, says):
    open_page(page, server)
    page.get_by_role("radio", name="A folder on this machine").check()
    page.locator("#path :is(input, textarea)").fill(str(make(tmp_path)))
    page.locator("#on-0").click()
    line = page.locator("#choice-trouble [role=alert]")
    line.wait_for()
    assert line.inner_text().startswith(says)
    assert "\n" not in line.inner_text().strip()
    assert page.locator("#understood").filter(visible=True).count() == 0
    assert "Traceback" not in page.content() + server.log.read_text()
    page.get_by_role("radio", name="The sample").check()
    page.locator("#on-0").click()
    page.locator("#understood dl").first.wait_for()


def test_a_folder_is_read_with_settings_for_photos(page, server, coloured, write, tmp_path):
    pictures, names = coloured(30, side=40)
    for number, (picture, name) in enumerate(zip(pictures, names)):
        write(tmp_path / "odd" / "train" / f"<i>{name} ${{1+1}}" / f"{number}.png", picture[: 20 + number])
    open_page(page, server)
    page.get_by_role("radio", name="A folder on this machine").check()
    page.locator("#path :is(input, textarea)").fill(str(tmp_path / "odd"))
    page.locator("#path :is(input, textarea)").press("Enter")
    page.locator("#understood dl").first.wait_for()
    words = page.locator("#understood").inner_text()
    assert "Name one of 3 classes for each image: <i>blue ${1+1}, <i>green ${1+1}, <i>red ${1+1}" in words
    assert "heights 20 to 40" in words
    assert page.locator("#understood i").count() == 0
    page.locator("#in-words > button").click()
    page.locator("#settings :is(input, textarea)").fill("metric=log_loss")
    page.locator("#read").click()
    page.get_by_text("you said so (metric=log_loss)").wait_for()
    page.locator("#on-1").click()
    page.locator("#start").wait_for()
    assert page.locator("#arch input").input_value() == "resnet34"
    assert page.locator("#sizes :is(input, textarea)").input_value() == "128,224"


@pytest.mark.parametrize("name", ["../home", "..", "nothing-of-that-name", "%2Fetc"])
def test_an_address_that_names_no_run_is_told_so(page, server, name):
    open_page(page, server, name)
    page.get_by_text("is not on this machine any more").wait_for()
    page.wait_for_function("!location.search.includes('run=')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_never_scrolls_sideways(chromium, server, width, scheme):
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    runs = sorted((server.home / "runs").glob("*/submission.csv")) if (server.home / "runs").is_dir() else []
    open_page(page, server, runs[-1].parent.name if runs else "")
    if runs:
        page.locator("#scores .score").first.wait_for()
        page.locator("#back-4").click()
        page.locator("#metric img").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0] < 60")
    assert dark == (scheme == "dark")
    context.close()


def test_the_page_stands_still_while_nothing_happens(page, server):
    open_page(page, server)
    page.wait_for_timeout(2000)
    page.evaluate(
        "window.changes = 0; new MutationObserver(seen => window.changes += seen.length)"
        ".observe(document.body, {childList: true, subtree: true, attributes: true})"
    )
    page.wait_for_timeout(2500)
    assert page.evaluate("window.changes") == 0
