"""The report tells what the run folder holds, and shows nothing that a stranger could have slipped into it."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assistant.answers import Answers, read_answers
from assistant.report import write_report
from recipes import events

EVIL = '<script>alert("x")</script>&'
CLASSES = ["cat", EVIL, "id"]
STEP = {"step": 4, "of": 8, "size": 64}
DONE = events.RunDone(seconds=75, scores={"valid": {"accuracy": 0.91, "log_loss": 0.3}, "truth": {"accuracy": 0.87654}})


class Reader(HTMLParser):
    """Checks that tags are closed as they are opened, and keeps the tags and the text."""

    def __init__(self, page: str):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def __contains__(self, words: str) -> bool:
        return words in " ".join(" ".join(self.text).split())


def an_epoch(number: int, accuracy: float) -> events.Epoch:
    losses = {"train_loss": 0.5, "valid_loss": float("nan"), "metrics": {"accuracy": accuracy}}
    return events.Epoch(epoch=number, epochs=3, cycle=1, lr=1e-3, seconds=2.0, best=True, **losses, **STEP)


def a_run(folder: Path, told: list[events.Event], task: str = "single_label", valid: str = "", **competition) -> Path:
    asked = {
        "version": 1,
        "created": 1763000000,
        "competition": {
            "slug": "pets",
            "title": f"Pets {EVIL}",
            "task": task,
            "folder": "/home/someone",
            **competition,
        },
        "options": {"recipe": "eight_steps", "sizes": [64, 128], "weights": "/home/someone/mine.safetensors"},
        "versions": {"torch": "2.9"},
    }
    (folder / "run.json").write_text(json.dumps(asked))
    lines = [json.dumps(event.to_dict()) for event in told]
    (folder / "events.jsonl").write_text("\n".join([*lines, '{"t": 1, "event": "from the future"}', '{"t": 2, "ev']))
    if valid:
        (folder / "valid.csv").write_text(valid)
    return folder


def a_page(*told, **more) -> Reader:
    return Reader(write_report(a_run(*told, **more)).read_text("utf-8"))


ANSWERS = Answers(
    "single_label",
    ("cat", "dog", "owl"),
    ("sure and right", "right", "barely wrong", "very wrong", "torn"),
    ("cat", "dog", "owl", "owl", "dog"),
    np.array([0, 1, 2, 2, 1]),
    np.array([[0.98, 0.01, 0.01], [0.2, 0.7, 0.1], [0.5, 0.1, 0.4], [0.9, 0.09, 0.01], [0.0, 0.51, 0.49]]),
)


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> Path:
    """A whole run's folder with its report; pictures come as arrays, files, and not at all."""
    folder = tmp_path_factory.mktemp("run")
    Image.new("RGB", (400, 300), "red").save(folder / "photo.jpg")
    (folder / "broken.jpg").write_bytes(b"no picture")
    pictures = {"007": np.zeros((8, 8, 3), np.uint8), "photo": folder / "photo.jpg", "broken": folder / "broken.jpg"}
    valid = 'id,target,cat,"{0}",id\n007,cat,.1,.8,.1\n{1},id,.5,.3,.2\nphoto,cat,.2,.5,.3\n'
    valid += "broken,cat,.01,.9,.09\nnan,cat,.9,.1,0\n"
    ready = {"train": 10, "valid": 5, "test": 3, "task": "single_label", "classes": CLASSES, "seconds": 1.0}
    told = [
        events.RunStarted(pid=1, process_started=1.0, device="cpu", recipe="eight steps", versions={}),
        events.ImagesReady(counts=dict.fromkeys(CLASSES, 3), set_aside={EVIL: f"broken {EVIL}"}, missing={}, **ready),
        events.StepStarted(title=f"Find {EVIL}", words=EVIL, **STEP),
        events.Sweep(
            rates=[1e-3, 1e-2], losses=[2.0, float("inf")], suggestion=1e-3, suggestions={"valley": 1e-3}, **STEP
        ),
        events.StepEnded(title="Find", seconds=12.34, **STEP),
        an_epoch(1, 0.8),
        an_epoch(2, 0.9),
        events.Advice(kind="rate_too_low", text=f"Creeping {EVIL}", numbers={}, **STEP),
        events.Warned(text="one image has no picture"),
        DONE,
    ]
    quoted = EVIL.replace('"', '""')
    a_run(folder, told, valid=valid.format(quoted, "<b>ten</b>"), metric={"name": "accuracy", "direction": "larger"})
    assert write_report(folder, pictures.get) == folder / "report.html"
    return folder


@pytest.fixture(scope="module")
def page(full) -> Reader:
    return Reader((full / "report.html").read_text("utf-8"))


def test_nothing_that_a_user_named_becomes_markup(full, page):
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "b<", "iframe", "object"})
    assert "<script" not in (full / "report.html").read_text("utf-8")
    for words in (f"Pets {EVIL}", f"Find {EVIL}", f"Creeping {EVIL}", f"broken {EVIL}", f"({0.8:.2f})"):
        assert words in page


def test_the_page_loads_nothing_from_elsewhere(full, page):
    sources = [attrs[name] for _, attrs in page.tags for name in ("src", "href") if name in attrs]
    assert sources
    assert all(source.startswith("data:") for source in sources)
    assert "url(" not in (full / "report.html").read_text("utf-8")


def test_the_page_tells_scores_settings_steps_epochs_and_notes(page):
    for words in ("0.9100", "held-out truth", "0.8765", "1:15 in all", "64, 128", "eight_steps", "12.3 s", "torch 2.9"):
        assert words in page
    for words in ("10 train, 5 valid, 3 test", "one image has no picture", "Advice, step 4:", "mine.safetensors"):
        assert words in page
    assert "/home/someone" not in page


def test_every_picture_can_be_decoded_and_says_what_it_shows(page):
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    for attrs in images:
        Image.open(io.BytesIO(base64.b64decode(attrs["src"].split(",", 1)[1]))).load()
        assert attrs["alt"]
    shown = [attrs["alt"] for attrs in images]
    assert shown[:4] == [
        "Learning-rate sweep of step 4",
        "Training and validation loss after each epoch",
        "accuracy after each epoch",
        "Learning rate during training",
    ]
    assert shown.count("Predicted against true") == 1


def test_pictures_that_cannot_be_read_are_passed_over(page):
    photos = [attrs["alt"] for tag, attrs in page.tags if tag == "img"][5:-1]
    assert set(photos) == {"007", "photo"}  # broken has a file, the others have no picture at all
    assert photos[:2] == ["007", "photo"]  # most wrong first: p(cat) .1, then .2


def test_ids_stay_text_and_columns_may_have_any_name(full):
    answers = read_answers(full / "valid.csv", "single_label")
    assert answers.ids == ("007", "<b>ten</b>", "photo", "broken", "nan")
    assert answers.classes == ("cat", EVIL, "id")
    assert answers.targets.tolist() == [0, 2, 0, 0, 0]


def test_most_wrong_are_the_wrong_answers_with_the_least_probable_truth():
    assert [ANSWERS.ids[row] for row in ANSWERS.order("wrong")] == ["very wrong", "barely wrong"]
    assert [ANSWERS.ids[row] for row in ANSWERS.order("right")] == ["sure and right", "right", "torn"]
    assert [ANSWERS.ids[row] for row in ANSWERS.order("uncertain")][:2] == ["torn", "barely wrong"]
    assert ANSWERS.caption(3) == ("very wrong", "true: owl (0.01)", "predicted: cat (0.90)")


def test_most_wrong_holds_among_many_images():
    chance = np.random.default_rng(0)
    p, targets = chance.dirichlet(np.ones(5), 300), chance.integers(0, 5, 300)
    names = tuple(map(str, range(300)))
    made = Answers("single_label", tuple("abcde"), names, names, targets, p)
    truth = p[np.arange(300), targets]
    wrong = np.flatnonzero(p.argmax(1) != targets)
    assert made.order("wrong")[:12].tolist() == wrong[np.argsort(truth[wrong])][:12].tolist()
    assert truth[made.order("right")[0]] == truth[p.argmax(1) == targets].max()


def test_tags_get_a_table_of_their_own(tmp_path):
    valid = "id,target,clear,haze\n1,clear haze,.9,.2\n2,clear,.8,.7\n3,,.1,.1\n"
    page = a_page(tmp_path, [DONE], task="multi_label", valid=valid)
    cells = " ".join(page.text)
    assert re.search(r"clear\s+2\s+1\.0000\s+1\.0000\s+1\.0000", cells)
    assert re.search(r"haze\s+1\s+0\.0000\s+0\.0000\s+0\.0000", cells)
    answers = read_answers(tmp_path / "valid.csv", "multi_label")
    assert [answers.ids[row] for row in answers.order("wrong")] == ["1", "2"]
    assert answers.caption(2) == ("3", "true: no tag", "predicted: no tag")
    assert answers.caption(1)[2] == "predicted: clear (0.80), haze (0.70)"


def test_numbers_are_wrong_by_their_error(tmp_path):
    (tmp_path / "valid.csv").write_text("id,target,x,y\na,1 10,1,10\nb,2 20,2.5,20\nc,3 30,3,90\nd,4 oops,1,1\n")
    answers = read_answers(tmp_path / "valid.csv", "regression")
    assert answers.ids == ("a", "b", "c")
    assert [answers.ids[row] for row in answers.order("wrong")] == ["c"]
    assert [answers.ids[row] for row in answers.order("right")] == ["a", "b"]
    assert len(answers.order("uncertain")) == 0
    assert answers.caption(1) == ("b", "true: 2 20", "predicted: 2.5, 20")


@pytest.mark.parametrize(
    "content", ["", "id\n", "id,target\n1,cat\n", "id,target,cat\n1,dog,.5\n", "id,target,cat\n1,cat,\n"]
)
def test_answers_that_cannot_be_used_are_none(tmp_path, content):
    (tmp_path / "valid.csv").write_text(content)
    assert read_answers(tmp_path / "valid.csv", "single_label") is None
    assert read_answers(tmp_path / "nowhere.csv", "single_label") is None


def test_an_empty_folder_still_gives_a_page(tmp_path):
    page = Reader(write_report(tmp_path).read_text("utf-8"))
    assert "This run has not come to its end." in page
    (tmp_path / "run.json").write_text('["not", "an", "object"]')
    (tmp_path / "events.jsonl").write_text('null\n7\n{"event": "epoch"}\n')
    assert "A run" in Reader(write_report(tmp_path, done=DONE).read_text("utf-8"))


def test_a_resumed_run_tells_nothing_twice(tmp_path):
    again = events.RunStarted(
        pid=2, process_started=2.0, device="cuda", recipe="eight steps", versions={}, resumed=True
    )
    step = events.StepStarted(title="Unfreeze", **STEP)
    page = a_page(tmp_path, [step, an_epoch(1, 0.1111), an_epoch(2, 0.2222), again, step, an_epoch(2, 0.3333), DONE])
    text = " ".join(page.text)
    assert text.count("Unfreeze") == 1
    assert "0.1111" in text
    assert "0.2222" not in text
    assert text.count("0.3333") == 1
    assert "cuda" in page


def test_folds_are_all_kept(tmp_path):
    told = []
    for fold in range(2):
        told += [events.StepStarted(title="Unfreeze", fold=fold, folds=2, **STEP), an_epoch(1, 0.5 + fold / 10)]
    page = a_page(tmp_path, told)
    for words in ("fold 1, 64 px", "fold 2, 64 px", "0.5000", "0.6000"):
        assert words in page
