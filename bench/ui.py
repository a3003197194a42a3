"""The page while a run trains at full load: how soon a click answers, what watching costs the training and the server.

    uv run python bench/ui.py [--minutes 3] [--tabs 10] [--rounds 2] [--out FILE]

Starts the app, opens the page in Chromium, trains the sample with resnet10t at 64 px on all cores; prints the seconds from
start to page, and from the start of a run to its first plot; milliseconds from a click to what it shows, by the page's own
clock (median and worst of 20: a step that the browser shows by itself, a choice that the server answers); batches a second
of training with one tab, with many in one window (one of them in front, as a person has them) and with many that are all in
front (as many people have them), taking turns, with the share of a core that the server took meanwhile; and the server's
memory at the beginning and the end of the watching. Browser, server and training share the cores.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.ledger import Ledger
from tests.browser.conftest import FLAGS, Server

CLICK = """async ([button, shown]) => {
  const seen = () => { const at = document.querySelector(shown); return at && at.getClientRects().length > 0; };
  const begun = performance.now();
  document.querySelector(button).click();
  while (!seen()) await new Promise(requestAnimationFrame);
  return performance.now() - begun;
}"""
BY_THE_BROWSER = ("#back-3", "#start"), ("#on-2", "#now")
BY_THE_SERVER = ("#choice input[value=folder]", "#path"), ("#choice input[value=kaggle]", "#token")


def clicks(page: Page, pairs: tuple[tuple[str, str], ...], count: int = 20) -> list[float]:
    """Milliseconds from each click on a button to the sight of what it shows, the pairs taking turns."""
    took = []
    for pair in itertools.islice(itertools.cycle(pairs), count):
        took.append(page.evaluate(CLICK, pair))
        page.wait_for_timeout(300)
    return took


def pace(folder: Path, seconds: float) -> float:
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


@contextmanager
def one_window(url: str, tabs: int) -> Iterator[None]:
    """A browser of its own with so many tabs in one window, the last in front; nobody steers it."""
    with socket.socket() as free, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        flags = [*FLAGS.split(), f"--remote-debugging-port={port}", f"--user-data-dir={profile}"]
        browser = subprocess.Popen([str(shutil.which("chromium")), *flags, url], stderr=subprocess.DEVNULL)
        try:
            time.sleep(5)
            for _ in range(tabs - 1):
                asked = urllib.request.Request(f"http://127.0.0.1:{port}/json/new?{url}", method="PUT")
                urllib.request.urlopen(asked, timeout=30).read()
                time.sleep(1)
            yield
        finally:
            browser.terminate()
            browser.wait()


@contextmanager
def all_in_front(browser: Browser, url: str, tabs: int) -> Iterator[None]:
    """So many tabs more, each of them in front."""
    pages = [browser.new_page() for _ in range(tabs)]
    for page in pages:
        page.goto(url)
    yield
    for page in pages:
        page.close()


def to_the_training(page: Page, server: Server, ledger: Ledger) -> Path:
    """Walks from the first step to a run that trains all layers; its folder. Tells when the first plot was there."""
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
    page.wait_for_timeout(8000)  # about ten seconds at this step, as somebody takes who looks at it
    begun = time.perf_counter()
    page.locator("#start").click()
    page.wait_for_url("**/?run=*")
    page.locator("#sweep-1 img").wait_for(timeout=300_000)
    ledger.row("ui", "from a click on Start to the first plot", seconds=time.perf_counter() - begun)
    page.locator("#steps li.now", has_text="full network").wait_for(timeout=300_000)
    return server.run_folder(page)


def measure(asked: argparse.Namespace, ledger: Ledger, server: Server, browser: Browser, begun: float) -> None:
    """Every figure, a row each."""
    server.start()
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(server.url)
    page.locator("#walk").wait_for()
    ledger.row("ui", "from start to page", seconds=time.perf_counter() - begun)
    folder = to_the_training(page, server, ledger)
    process = psutil.Process(server.process.pid)  # type: ignore[union-attr]
    for name, pairs in (("a step", BY_THE_BROWSER), ("a choice that the server answers", BY_THE_SERVER)):
        if pairs is BY_THE_SERVER:
            for number in (3, 2, 1):
                page.locator(f"#back-{number}").click()
        took = clicks(page, pairs)
        ledger.row("ui", f"a click while it trains: {name}", ms=statistics.median(took), worst_ms=max(took))
    page.goto(page.url)
    page.locator("#now").wait_for()
    before, end = process.memory_info().rss, time.monotonic() + 60 * asked.minutes
    others = {
        "one tab": nullcontext,
        f"{asked.tabs} tabs in two windows": lambda: one_window(page.url, asked.tabs - 1),
        f"{asked.tabs} tabs, all in front": lambda: all_in_front(browser, page.url, asked.tabs - 1),
    }
    paces: dict[str, list[float]] = {name: [] for name in others}
    taken: dict[str, list[float]] = {name: [] for name in others}
    for _ in range(asked.rounds):
        for name, opened in others.items():
            with opened():
                time.sleep(5)
                busy, since = sum(process.cpu_times()[:2]), time.monotonic()
                paces[name].append(pace(folder, 20))
                taken[name].append((sum(process.cpu_times()[:2]) - busy) / (time.monotonic() - since))
    alone = statistics.mean(paces["one tab"])
    for name, figures in paces.items():
        ledger.row(
            "ui",
            f"training with {name}",
            batches_per_second=statistics.mean(figures),
            ratio=statistics.mean(figures) / alone,
            server_cores=statistics.mean(taken[name]),
        )
    while time.monotonic() < end:
        time.sleep(1)
    ledger.row("ui", "the server's memory before the watching", megabytes=before / 1e6)
    ledger.row("ui", "the same after it", megabytes=process.memory_info().rss / 1e6, minutes=asked.minutes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--tabs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=None, help="a file that figures are appended to, as JSON lines")
    asked = parser.parse_args()
    ledger = Ledger("ui", asked.out, vars(asked))
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        server, begun = Server(Path(made), threads=None), time.perf_counter()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS.split())
        try:
            measure(asked, ledger, server, browser, begun)
        finally:
            server.end()
            browser.close()


if __name__ == "__main__":
    main()
