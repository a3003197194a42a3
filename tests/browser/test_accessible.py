"""axe looks at every step: nothing that keeps somebody out (serious or critical violations), in light and in dark, on a
wide page and on a narrow one."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.test_first_page import ask_for_little, open_page, start, wait_until_done

pytestmark = pytest.mark.browser


LOOKS = ((390, "dark"), (1280, "dark"), (1280, "light"))


def violations(page, step: str) -> list[str]:
    """What axe finds on the page as it is, in each of its looks, a line each."""
    found = []
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"document.body.classList.contains('dark') === {str(scheme == 'dark').lower()}")
        page.wait_for_timeout(500)
        found += [
            f"{step}, {width} px, {scheme}: {each['id']} ({each['impact']}): {node['target']} {node['html'][:120]} "
            f"{' '.join(node['failureSummary'].split())[:200]}"
            for each in Axe().run(page).response["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]
    return found


def test_no_step_keeps_anybody_out(chromium, server):
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(15_000)
    open_page(page, server)
    found = violations(page, "choose")
    page.get_by_role("radio", name="A Kaggle competition").check()
    page.locator("#token input").wait_for()
    found += violations(page, "choose, Kaggle")
    page.get_by_role("radio", name="The sample").check()
    page.locator("#on-0").click()
    page.locator("#understood dl").first.wait_for()
    found += violations(page, "explore")
    page.locator("#on-1").click()
    page.locator("#views img").first.wait_for()
    found += violations(page, "recipe")
    ask_for_little(page)
    start(page)
    page.locator("#losses img").wait_for(timeout=120_000)
    found += violations(page, "train")
    wait_until_done(page)
    page.locator("#on-3").click()
    page.locator("#results-gallery img").first.wait_for(timeout=60_000)
    found += violations(page, "results")
    page.locator("#on-4").click()
    page.locator("#submission").wait_for()
    found += violations(page, "submit")
    page.locator(".toggle-button").click()
    page.locator("[data-run]").first.wait_for()
    found += violations(page, "runs")
    context.close()
    assert not found, "\n".join(sorted(set(found)))
