"""The second step in a real browser: answers corrected in their rows by clicks and by keys, and what a look at every image
shows."""

from __future__ import annotations

import base64
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.browser.test_accessible import violations
from tests.browser.test_first_page import open_page

pytestmark = pytest.mark.browser


def scene(seed: int, size: tuple[int, int] = (90, 70)) -> Image.Image:
    """A picture of its own: smooth colours."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def faulty(root, write):
    """Scans in train and test with one probability to answer: a broken file, three exact duplicates, a leak, two equal
    pictures with different labels, and one picture far smaller than the others."""
    for number in range(24):
        write(root / "train" / f"{number:02d}.jpg", scene(number), quality=92)
    for number in range(8):
        write(root / "test" / f"t{number}.jpg", scene(100 + number), quality=92)
    for copy in ("04", "06"):
        shutil.copy(root / "train" / "02.jpg", root / "train" / f"{copy}.jpg")
    shutil.copy(root / "train" / "08.jpg", root / "test" / "t3.jpg")
    shutil.copy(root / "train" / "10.jpg", root / "train" / "11.jpg")
    (root / "train" / "12.jpg").write_bytes(b"")
    write(root / "train" / "14.jpg", scene(14, (12, 10)))
    rows = "".join(f"{n:02d},{'yes' if n % 2 else 'no'},{'left' if n < 12 else 'right'},p{n // 3}\n" for n in range(24))
    (root / "train.csv").write_text("scan,fracture,side,patient\n" + rows)
    (root / "sample_submission.csv").write_text("scan,p\n" + "".join(f"t{n},0.5\n" for n in range(8)))
    return root


@pytest.fixture
def explored(page, server, write, tmp_path):
    """The page at its second step with that folder."""
    page.folder = faulty(tmp_path / "scans", write)
    open_page(page, server)
    to_the_second_step(page)
    return page


def to_the_second_step(page) -> None:
    page.get_by_role("radio", name="A folder on this machine").check()
    page.locator("#path :is(input, textarea)").fill(str(page.folder))
    page.locator("#on-0").click()
    page.locator("#say-positive").wait_for()


def shown_in(page, field: str) -> str:
    """The answer that a row's list shows."""
    return page.locator(f"#say-{field} option:checked").inner_text()


def reason_of(page, field: str):
    return page.locator(f"#why-{field} .why")


def focused(page) -> str:
    return page.evaluate("document.activeElement.id")


def test_answers_are_corrected_in_their_rows_undone_and_reach_the_run(explored):
    page = explored
    assert (shown_in(page, "positive"), shown_in(page, "metric"), shown_in(page, "group")) == (
        "yes",
        "log loss",
        "patient",
    )
    page.locator("#say-positive").select_option("no")
    reason_of(page, "positive").get_by_text("you said so (positive=no)").wait_for()
    assert shown_in(page, "positive") == "no"
    page.wait_for_function("document.activeElement.id === 'say-positive'")
    page.locator("#say-metric").select_option("auc")
    reason_of(page, "metric").get_by_text("you said so (metric=auc)").wait_for()
    assert page.get_by_text("Larger is better").count() == 1
    assert page.locator("#chosen :is(input, textarea)").input_value().split("\n")[1:] == ["positive=no", "metric=auc"]

    page.locator("#on-1").click()
    page.locator("#as-code > button").click()
    page.locator("#as-command").get_by_text("positive=no").first.wait_for()
    assert "metric=auc" in page.locator("#as-command").inner_text()
    page.locator("#back-2").click()

    page.get_by_role("button", name="Undo Probability of: back to what was read").click()
    reason_of(page, "positive").get_by_text("its name says so").wait_for()
    assert (shown_in(page, "positive"), shown_in(page, "metric")) == ("yes", "auc")
    page.get_by_role("button", name="Undo all").click()
    reason_of(page, "metric").get_by_text("nothing names the score").wait_for()
    assert shown_in(page, "metric") == "log loss"
    assert page.locator("[data-undo]").count() == 0
    page.locator("#in-words > button").click()
    assert page.locator("#settings :is(input, textarea)").input_value() == ""


def test_what_does_not_fit_is_told_in_its_row_and_the_last_good_reading_stays(explored):
    page = explored
    page.locator("#say-labels").select_option("train.csv: side")
    page.get_by_text("Name one of 2 classes for each image: left, right").wait_for()
    page.locator("#say-metric").select_option("something else …")
    page.keyboard.type("rmse")
    page.keyboard.press("Enter")
    line = page.locator("[data-row=metric] .trouble")
    line.get_by_text("does not score single_label").wait_for()
    assert "\n" not in line.inner_text().strip()
    assert page.get_by_text("Name one of 2 classes for each image: left, right").count() == 1
    assert shown_in(page, "metric") == "log loss"
    page.get_by_label("Score, something else").fill("top_1_error")
    page.get_by_label("Score, something else").press("Enter")
    reason_of(page, "metric").get_by_text("you said so (metric=top_1_error)").wait_for()
    assert line.inner_text() == ""
    assert page.locator("[data-row=labels] [data-undo]").count() == 1


def test_keys_go_through_a_list_without_reading_until_enter(explored):
    page = explored
    page.locator("#say-metric").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    chosen = page.locator("#say-metric").input_value()
    assert chosen == "auc"
    page.locator("[data-row=metric].waiting").wait_for()
    page.wait_for_timeout(500)
    assert page.locator("[data-undo]").count() == 0
    page.keyboard.press("Enter")
    reason_of(page, "metric").get_by_text("you said so (metric=auc)").wait_for()
    page.wait_for_function("document.activeElement.id === 'say-metric'")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.undo") == "metric"
    page.keyboard.press("Enter")
    reason_of(page, "metric").get_by_text("nothing names the score").wait_for()
    page.wait_for_function("document.activeElement.id === 'say-metric'")


def test_a_look_at_every_image_shows_what_is_wrong_as_galleries(explored, tmp_path):
    page = explored
    page.locator("#look").click()
    page.locator("#looked .galleries").wait_for(timeout=60_000)
    tiles = dict(reversed(line.split("\n")) for line in page.locator("#looked .tile").all_inner_texts())
    assert tiles == {
        "Broken files": "1",
        "Test images in train": "1",
        "Contradicting labels": "1",
        "Duplicates": "3",
        "Odd sizes": "1",
    }
    broken = page.locator("#gallery-broken li")
    assert broken.inner_text().split() == ["?", "12", "train", "empty", "file"]
    assert page.locator("#gallery-leaks [data-rows]").inner_text().split() == ["no", "08", "test", "t3"]
    assert page.locator("#gallery-conflicts [data-rows]").inner_text().split() == ["no", "10", "yes", "11"]
    assert page.locator("#gallery-twins [data-rows] img").count() == 5
    assert page.locator("#gallery-odd").inner_text().count("far smaller than most") == 1
    assert page.locator("#looked aside li").count() >= 3
    sources = page.locator("#looked img").evaluate_all("images => images.map(image => image.src)")
    assert all(source.startswith("data:image/") for source in sources)

    card = page.locator("#gallery-conflicts [data-rows]")
    card.focus()
    page.keyboard.press("Enter")
    page.locator("#enlarged dialog[open] img").first.wait_for()
    assert page.locator("#enlarged figcaption").all_inner_texts()[1].startswith("yes (train)\n11\n90 × 70 pixels, JPEG")
    pixels = page.locator("#enlarged img").first.get_attribute("src").partition(",")[2]
    assert len(base64.b64decode(pixels)) > 500
    page.keyboard.press("Escape")
    page.locator("#enlarged dialog[open]").wait_for(state="detached")
    page.wait_for_function("document.activeElement.closest('#gallery-conflicts') !== null")

    with page.expect_download() as download:
        page.locator("#explored").click()
    assert download.value.suggested_filename == "explore.html"
    download.value.save_as(tmp_path / "got.html")
    assert "Leaks: in train and in test" in (tmp_path / "got.html").read_text()
    assert str(page.folder) not in page.content().replace(f'value="{page.folder}"', "")

    page.locator("#say-metric").select_option("auc")  # of the same images
    reason_of(page, "metric").get_by_text("you said so").wait_for()
    assert page.locator("#looked .galleries").count() == 1
    page.locator("#say-labels").select_option("train.csv: side")  # other labels: what was found is no longer so
    page.locator("#looked .empty").wait_for()
    assert page.locator("#explored").filter(visible=True).count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_rows_and_galleries_keep_nobody_out_and_fit_a_narrow_screen(chromium, server, write, tmp_path, scheme):
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.folder = faulty(tmp_path / "scans", write)
    open_page(page, server)
    to_the_second_step(page)
    page.locator("#say-metric").select_option("auc")
    reason_of(page, "metric").get_by_text("you said so").wait_for()
    page.locator("#say-metric").select_option("something else …")
    page.keyboard.type("rmse")
    page.keyboard.press("Enter")
    page.locator("[data-row=metric] .trouble:not(:empty)").wait_for()
    found = violations(page, "corrected")
    page.locator("#look").click()
    page.locator("#looked .galleries").wait_for(timeout=60_000)
    found += violations(page, "looked at")
    page.locator("#gallery-twins [data-rows]").first.click()
    page.locator("#enlarged dialog[open] img").first.wait_for()
    found += violations(page, "enlarged")
    page.set_viewport_size({"width": 390, "height": 800})
    box = page.locator("#enlarged dialog").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert box["y"] >= 0
    page.get_by_role("button", name="Close").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    inside = "card => card.getBoundingClientRect().right <= card.closest('section').getBoundingClientRect().right"
    assert all(card.evaluate(inside) for card in page.locator("#looked [data-rows]").all())
    context.close()
    assert not found, "\n".join(sorted(set(found)))
