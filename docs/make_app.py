"""Makes the pictures of docs/app.md and of the README: `uv run python docs/make_app.py`; needs chromium.

With `--review FOLDER` every step is photographed at 1440 and at 390 pixels, in light and in dark, to be looked at.

The app runs as it is, with a stand-in for Kaggle on this machine whose competition is the embedded sample, scored
against the truth that is kept apart; a browser walks from a token to a score.
"""

from __future__ import annotations

import argparse
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
KEPT = ((1280, "light", ""), (390, "dark", "-small"))
REVIEWED = tuple((width, scheme, f"-{width}-{scheme}") for width in (1440, 390) for scheme in ("light", "dark"))
SETTINGS = {"arch": "resnet10t", "sizes": 32, "max-cycles": 2, "batch-size": 32, "ratio": 1}


class Camera:
    """Photographs a page into a folder."""

    def __init__(self, page: Page, folder: Path, suffix: str):
        self.page, self.folder, self.suffix = page, folder, suffix

    def __call__(self, name: str) -> None:
        """The page as it is, once nothing moves any more."""
        self.page.wait_for_timeout(900)
        self.page.screenshot(path=self.folder / f"app-{name}{self.suffix}.png", full_page=True)


def walk(page: Page, url: str, photograph: Camera, all_states: bool) -> None:
    """From the first step to the score, with a picture of each; with what lies beside the way, where `all_states`."""
    page.goto(url)
    page.get_by_role("radio", name="A Kaggle competition").check()
    page.locator("#token input").fill("KGAT_of_ann")
    page.locator("#sign-in").click()
    page.locator(f"[data-slug={SLUG}]").click()
    page.locator("#fetch").wait_for()
    photograph("choose")
    page.locator("#fetch").click()
    page.locator("#understood dl").first.wait_for()
    photograph("explore")
    if all_states:
        page.locator("#look").click()
        page.locator("#looked .tiles").wait_for(timeout=60_000)
        photograph("looked")
    page.locator("#on-1").click()
    page.locator("#views img").first.wait_for()
    page.locator("#rarer > button").click()
    page.locator("#max-cycles :is(input, textarea)").wait_for()
    page.wait_for_timeout(300)
    for name, value in SETTINGS.items():
        field = page.locator(f"#{name} :is(input, textarea)").first
        field.click()
        field.fill("")
        field.press_sequentially(str(value))
        field.press("Tab")
    for name, choice in (("weights", "Random"), ("augment", "Plain: no flips (digits, text)")):
        page.locator(f"#{name} input").click()
        page.get_by_role("option", name=choice).click()
    page.locator("#rarer > button").click()
    page.locator("#measure").click()
    page.locator("#takes .takes").wait_for(timeout=90_000)
    photograph("recipe")
    page.locator("#start").click()
    page.locator("#sweep-2 img").wait_for(timeout=300_000)
    page.wait_for_timeout(6_000)
    photograph("training")
    page.get_by_text("Done: see the results").wait_for(timeout=600_000)
    page.locator("#on-3").click()
    page.locator("#results-gallery img").first.wait_for(timeout=60_000)
    photograph("results")
    page.locator("#on-4").click()
    page.locator("#hand-in").click()
    page.locator("#handed-in .score").first.wait_for(timeout=60_000)
    photograph("submit")
    if all_states:
        page.locator(".toggle-button").click()
        page.locator("[data-run]").first.wait_for()
        photograph("runs")


def main() -> None:
    """Walks once for each width and colour scheme."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--review", type=Path, default=None, metavar="FOLDER", help="all widths and schemes, in there")
    asked = parser.parse_args()
    folder = asked.review or PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made, KaggleServer() as kaggle, sync_playwright() as playwright:
        data = sample.write_sample(Path(made) / "data")
        kaggle.person("ann", "KGAT_of_ann")
        competitions(kaggle, data)
        kaggle.competitions[SLUG].max_daily = 20
        server = Server(Path(made), kaggle.url)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS.split())
        try:
            server.start()
            for width, scheme, suffix in REVIEWED if asked.review else KEPT:
                context = browser.new_context(viewport={"width": width, "height": 860}, color_scheme=scheme)
                page = context.new_page()
                page.set_default_timeout(30_000)
                walk(page, server.url, Camera(page, folder, suffix), asked.review is not None)
                context.close()
        finally:
            server.end()
            browser.close()


if __name__ == "__main__":
    main()
