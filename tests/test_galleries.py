"""The galleries of the Explore step, from real looks at small folders."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

pytest.importorskip("gradio")

from assistant.explore import explore
from assistant.ui import explore_step, folder, galleries
from assistant.ui.galleries import Looked
from assistant.ui.session import open_session
from recipes import Images


def scene(seed: int, size: tuple[int, int] = (60, 48)) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def looked(tmp_path, write):
    """`looked(n, copies)`: a look at n pictures of two classes, of which the first `copies` are the same file."""

    def made(n: int, copies: int = 0, sizes: dict[int, tuple[int, int]] | None = None, broken: int = 0) -> Looked:
        place = tmp_path / "train"
        for number in range(n):
            write(place / f"<b>{number}.png", scene(number, (sizes or {}).get(number, (60, 48))))
        for number in range(1, copies):
            shutil.copy(place / "<b>0.png", place / f"<b>{number}.png")
        for number in range(n - broken, n):
            (place / f"<b>{number}.png").write_bytes(b"")
        table = pd.DataFrame({"id": [f"<b>{number}.png" for number in range(n)], "label": ["<i>x", "y"] * (n // 2)})
        images = Images.from_csv(table, folder=place, valid=0.25)
        found = explore(images, tmp_path / "out")
        return Looked(found, images, galleries.shown(found, images), str(tmp_path / "out" / "explore.html"))

    return made


def test_names_and_labels_are_text_and_pictures_are_inside_the_page(looked, tmp_path):
    shown = looked(8, copies=3, broken=1).shown
    assert "<b>0.png" not in shown
    assert "<i>x" not in shown
    assert "&lt;i&gt;x" in shown
    assert shown.count("data:image/png;base64,") > 0
    assert set(re.findall(r'src="(.{11})', shown)) == {"data:image/"}
    assert str(tmp_path) not in shown


def test_a_large_cluster_and_many_broken_files_are_shown_in_part_and_the_rest_is_counted(looked):
    shown = looked(60, copies=9, broken=30).shown
    assert "exact, 5 more of them" in shown
    assert shown.count('class="whole"') == 24
    assert "and 6 more, as the whole report tells" in shown


def test_where_nothing_is_wrong_it_says_so(looked):
    shown = looked(8).shown
    assert "Nothing of these: broken files, test images in train, contradicting labels, duplicates, odd sizes." in shown
    assert "data-rows" not in shown


def test_sizes_far_from_the_usual_are_odd_and_told_how(looked):
    made = looked(12, sizes={3: (400, 320), 5: (10, 8), 7: (300, 60)})
    odd = galleries.odd_sizes(made.found.images)
    names = made.found.images.id.to_numpy()[odd.row]
    assert dict(zip(names, odd.why)) == {
        "<b>3.png": "far larger than most",
        "<b>5.png": "far smaller than most",
        "<b>7.png": "stretched",
    }
    assert len(galleries.odd_sizes(made.found.images.assign(broken="x"))) == 0


def test_only_pictures_of_the_last_look_are_enlarged(looked):
    made = looked(8, copies=2)
    session = open_session("", public=False)[0]
    assert explore_step.enlarge(session, "0,1") == {}
    session.looked = made
    assert explore_step.enlarge(session, "0,1")["enlarged"].count("<figure>") == 2
    for asked in ("8", "-", "", "../../etc/passwd", "99999999999999", "x" * 1000):
        assert explore_step.enlarge(session, asked) == {"enlarged": ""}
    assert galleries.enlarged(made, "0,1,2,3,4,5,6").count("<figure>") == 4
    assert explore_step.forget(session)["explored"]["visible"] is False
    assert explore_step.enlarge(session, "0") == {}


@pytest.mark.parametrize(("classes", "long"), [(3, False), (120, True), (5000, True)])
def test_counts_of_many_classes_stay_readable(classes, long):
    counts = {f"class {number}": 1 + number % 50 for number in range(classes)}
    words = folder._counts_said(counts, "classes")
    assert words.startswith(f"{classes:,} classes, from 1 images (class 0) to ")
    shown = folder._bars(folder.plots.class_counts(counts), words, classes)
    assert ('class="plot long" tabindex="0"' in shown) == long
    assert len(shown) < 400_000


def test_numbers_to_predict_are_drawn_by_how_many_lie_where(tmp_path, write):
    for number in range(10):
        write(tmp_path / f"{number}.png", scene(number))
    table = pd.DataFrame(
        {"id": [f"{n}.png" for n in range(10)], "a": np.linspace(0, 9, 10), "b": np.linspace(1, 2, 10)}
    )
    images = Images.from_csv(table, folder=tmp_path, label_column=["a", "b"], task="regression", valid=0.2)
    shown = folder._counts(images)
    assert "<dt>a</dt><dd>from 0 to 9, median 4.5</dd>" in shown
    assert 'class="plot long"' in shown  # ten ranges for each of two numbers
