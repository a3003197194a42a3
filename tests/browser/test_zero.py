"""The page on a Space with ZeroGPU: the real `spaces` package, with its scheduler played by the tests and no GPU."""

from __future__ import annotations

import base64
import json

import pytest

from tests.browser.conftest import Server
from tests.browser.test_first_page import LEFT, ask_for_little, fill, open_page, start, to_the_recipe, told

pytestmark = pytest.mark.browser

WITHIN = 400_000  # milliseconds
TOKEN = f"e30.{base64.urlsafe_b64encode(b'{}').decode().rstrip('=')}.sign"


class ZeroServer(Server):
    def __init__(self, folder, **more: str):
        super().__init__(folder)
        self.more = more

    def _program(self) -> list[str]:
        settings = "".join(f"os.environ[{name!r}] = {value!r}\n" for name, value in self.more.items())
        return ["-c", f"import os, sys\n{settings}from tests import zero_gpu\nzero_gpu.main(sys.argv[1:])"]

    def asked(self, path: str) -> list[dict]:
        """What was asked of the scheduler."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith('{"asked"')]
        return [line for line in lines if line["asked"] == path]


@pytest.fixture
def zero_server(tmp_path):
    servers = []

    def started(**more: str) -> ZeroServer:
        servers.append(ZeroServer(tmp_path, **more))
        return servers[-1].start()

    yield started
    for server in servers:
        server.end()


def test_a_run_goes_slice_by_slice_from_the_page_to_a_submission_and_a_closed_page_leaves_it_resumable(
    page, zero_server
):
    page.forgiven.extend(LEFT)
    server = zero_server(ZERO_GPU_WORK="8")
    page.context.set_extra_http_headers({"x-ip-token": TOKEN})
    open_page(page, server)
    to_the_recipe(page)
    assert "60 seconds at a time" in page.locator("#zero").inner_text()
    ask_for_little(page, cycles=2)
    fill(page, "batch-size", 4)  # an epoch is long beside a sweep
    start(page)
    page.locator("#epochs tbody tr").first.wait_for(timeout=WITHIN)
    folder = server.run_folder(page)
    assert page.locator("#stop").is_visible()
    assert not page.locator("#resume").is_visible()

    # with the page closed, the slice that goes on is the last
    address = page.url
    page.goto("about:blank")
    slices = -1
    while slices != (slices := len(server.asked("/schedule"))) or told(folder)[-1]["event"] != "run_paused":
        page.wait_for_timeout(3000)
    assert [event["event"] for event in told(folder)].count("run_done") == 0

    page.goto(address)
    page.get_by_text("Done: see the results").wait_for(timeout=WITHIN)
    events = told(folder)
    paused = [event for event in events if event["event"] == "run_paused"]
    assert [event["then"] for event in paused[:2]] == ["images", "folds"]
    assert paused[-1]["then"] == "answers"
    asked = server.asked("/schedule")
    assert len(asked) >= 2
    assert {(each["durationSeconds"], each["token"]) for each in asked} == {("60", TOKEN)}
    allowed = {int(each["pid"]) for each in server.asked("/allow")}
    worked = [event["pid"] for event in events if event["event"] == "run_started"]
    assert set(worked[1:-1]) <= allowed  # the forked processes that were let at the GPU
    assert not {worked[0], worked[-1], server.process.pid} & allowed
    assert {each["fail"] for each in server.asked("/release")} == {"false"}
    assert (folder / "submission.csv").is_file()


def test_without_gpu_time_left_the_run_waits_and_says_what_to_do(page, zero_server):
    page.forgiven.append("Failed to load resource")
    server = zero_server(ZERO_GPU_LEFT="0")
    open_page(page, server)
    to_the_recipe(page)
    ask_for_little(page)
    start(page)
    page.locator("#resume").filter(visible=True).wait_for(timeout=WITHIN)
    words = page.locator("#now").inner_text()
    assert words.startswith("Paused")
    assert "No GPU: Space app has reached its GPU limit" in words
    assert "resume goes on from the last checkpoint, or do this run elsewhere" in words
    asked = len(server.asked("/schedule"))
    page.wait_for_timeout(3000)
    assert len(server.asked("/schedule")) == asked == 1  # it does not ask again by itself
    page.locator("#resume").click()
    page.locator("#resume").filter(visible=True).wait_for(state="detached", timeout=WITHIN)
    page.locator("#resume").filter(visible=True).wait_for(timeout=WITHIN)
    assert len(server.asked("/schedule")) == 2
