"""Makes the pictures of docs/app.md and of the README: `uv run python docs/make_app.py`; needs chromium.

The app runs as it is, with a stand-in for Kaggle on this machine whose competition is the embedded sample, scored
against the truth that is kept apart; a browser walks from a token to a score.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from make_kaggle import SLUG, competitions  # noqa: E402

from assistant import sample  # noqa: E402
from tests.browser.conftest import FLAGS, Server  # noqa: E402
from tests.kaggle_server import KaggleServer  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
SETTINGS = {"arch": "resnet10t", "sizes": 32, "max-cycles": 2, "batch-size": 32, "ratio": 1}


def photograph(page: Page, name: str, full: bool = True) -> None:
    """The page as it is, once nothing moves any more."""
    page.wait_for_timeout(900)
    page.screenshot(path=PICTURES / f"app-{name}.png", full_page=full)


def walk(page: Page, url: str, suffix: str = "") -> None:
    """From the first step to the score, with a picture of each."""
    page.goto(url)
    page.get_by_role("radio", name="A Kaggle competition").check()
    page.locator("#token input").fill("KGAT_of_ann")
    page.locator("#sign-in").click()
    page.locator(f"[data-slug={SLUG}]").click()
    page.locator("#fetch").wait_for()
    photograph(page, f"choose{suffix}")
    page.locator("#fetch").click()
    page.locator("#understood dl").first.wait_for()
    photograph(page, f"explore{suffix}")
    page.locator("#on-1").click()
    page.locator("#views img").first.wait_for()
    page.locator("#rarer > button").click()
    page.locator("#max-cycles :is(input, textarea)").wait_for()
    page.wait_for_timeout(300)
    for name, value in SETTINGS.items():
        field = page.locator(f"#{name} :is(input, textarea)").first
        field.fill(str(value))
        field.press("Tab")
    for name, choice in (("weights", "Random"), ("augment", "Plain: no flips (digits, text)")):
        page.locator(f"#{name} input").click()
        page.get_by_role("option", name=choice).click()
    page.locator("#rarer > button").click()
    page.locator("#measure").click()
    page.locator("#takes .takes").wait_for(timeout=90_000)
    photograph(page, f"recipe{suffix}")
    page.locator("#start").click()
    page.locator("#sweep-2 img").wait_for(timeout=300_000)
    page.wait_for_timeout(6_000)
    photograph(page, f"training{suffix}")
    page.get_by_text("Done: see the results").wait_for(timeout=600_000)
    page.locator("#on-3").click()
    page.locator("#results-gallery img").first.wait_for(timeout=60_000)
    photograph(page, f"results{suffix}")
    page.locator("#on-4").click()
    page.locator("#hand-in").click()
    page.locator("#handed-in .score").first.wait_for(timeout=60_000)
    photograph(page, f"submit{suffix}")


def main() -> None:
    """Walks twice: wide and light, narrow and dark."""
    with tempfile.TemporaryDirectory() as made, KaggleServer() as kaggle, sync_playwright() as playwright:
        data = sample.write_sample(Path(made) / "data")
        kaggle.person("ann", "KGAT_of_ann")
        competitions(kaggle, data)
        kaggle.competitions[SLUG].max_daily = 20
        server = Server(Path(made), kaggle.url)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS.split())
        try:
            server.start()
            for width, scheme, suffix in ((1280, "light", ""), (390, "dark", "-small")):
                context = browser.new_context(viewport={"width": width, "height": 860}, color_scheme=scheme)
                page = context.new_page()
                page.set_default_timeout(30_000)
                walk(page, server.url, suffix)
                context.close()
        finally:
            server.end()
            browser.close()


if __name__ == "__main__":
    main()
