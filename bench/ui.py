"""The page while a run trains at full load: how soon a click answers, what watching costs the training and the server.

    uv run python bench/ui.py [--minutes 3] [--tabs 10]

Starts the app, opens the page in Chromium, trains the sample with resnet10t at 64 px; prints the seconds from start to page,
milliseconds from a click to its answer (median and worst of 20, idle and while it trains), the server's memory at the
beginning and the end of the watching, and batches a second of training with one tab and with many.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.browser.conftest import FLAGS, Server


def clicks(page: Page, count: int = 20) -> list[float]:
    """Milliseconds from a click to its answer: to the step before and back, each by the server."""
    took = []
    for turn in range(count):
        button, shown = ("#back-3", "#start") if turn % 2 == 0 else ("#on-2", "#now")
        start = time.perf_counter()
        page.locator(button).click()
        page.locator(shown).wait_for()
        took.append(1000 * (time.perf_counter() - start))
    return took


def speed(folder: Path, seconds: float) -> float:
    """Batches a second that were trained on in the next seconds, by the run's own events."""
    at = (folder / "events.jsonl").stat().st_size
    time.sleep(seconds)
    with open(folder / "events.jsonl", "rb") as log:
        log.seek(at)
        lines = [json.loads(line) for line in log.read().splitlines() if line.startswith(b"{") and line.endswith(b"}")]
    batches = [each for each in lines if each["event"] == "batch" and each["stage"] == "train"]
    pairs = [(a, b) for a, b in itertools.pairwise(batches) if b["done"] > a["done"]]
    done = sum(b["done"] - a["done"] for a, b in pairs)
    return done / max(sum(b["t"] - a["t"] for a, b in pairs), 1e-9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--tabs", type=int, default=10)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        server = Server(Path(made))
        begun = time.perf_counter()
        try:
            server.start()
            print(f"from start to page: {time.perf_counter() - begun:.1f} s")
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS.split())
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(server.url)
            page.locator("#on-0").click()
            page.locator("#understood dl").first.wait_for()
            page.locator("#on-1").click()
            page.locator("#views img").first.wait_for()
            page.locator("#rarer > button").click()
            page.locator("#max-cycles :is(input, textarea)").wait_for()
            page.wait_for_timeout(300)
            for name, value in {"sizes": 64, "max-cycles": 12}.items():
                field = page.locator(f"#{name} :is(input, textarea)").first
                field.fill(str(value))
                field.press("Tab")
            page.wait_for_timeout(1000)
            page.locator("#start").click()
            page.wait_for_url("**/?run=*")
            page.locator("#steps li.now", has_text="full network").wait_for(timeout=300_000)
            folder = server.run_folder(page)
            process = psutil.Process(server.process.pid)  # type: ignore[union-attr]
            took = clicks(page)
            print(f"a click while it trains: median {statistics.median(took):.0f} ms, worst {max(took):.0f} ms")
            before, end = process.memory_info().rss, time.monotonic() + 60 * asked.minutes
            one = speed(folder, 30)
            while time.monotonic() < end:
                time.sleep(1)
            after = process.memory_info().rss
            print(f"the server's memory: {before / 1e6:.0f} MB, after {asked.minutes:g} minutes {after / 1e6:.0f} MB")
            tabs = [browser.new_page() for _ in range(asked.tabs - 1)]
            for tab in tabs:
                tab.goto(page.url)
            time.sleep(5)
            many = speed(folder, 30)
            print(f"training: {one:.2f} batches/s with one tab, {many:.2f} with {asked.tabs}: {many / one:.2f} of it")
            browser.close()
        finally:
            server.end()


if __name__ == "__main__":
    main()
