"""The results that can be looked into and the model that can be asked: their functions on one real run, and how they
are built."""

from __future__ import annotations

import base64
import io
import json
import shutil
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from assistant import compare, mistakes, reading, settings
from assistant.answers import Answers
from assistant.competition import Competition
from assistant.runs import Asked, Options, Run, start_run
from tests.assistant.conftest import draw, ended, quick

pytest.importorskip("gradio")

import gradio as gr

from assistant.ui import matrix, models, predict, results
from assistant.ui.watch import Watch, run_named

WORDS = ("across", "down", "disc")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of three steps on sixty drawn pictures, carried out once for all tests here, in a home of its own."""
    folder, patched = tmp_path_factory.mktemp("drawn"), pytest.MonkeyPatch()
    patched.setenv("ASSISTANT_HOME", str(folder / "home"))
    patched.setenv("OMP_NUM_THREADS", "1")
    settings.home.cache_clear()
    (folder / "data" / "train").mkdir(parents=True)
    rows = []
    for number in range(60):
        draw(number % 3, number).save(folder / "data" / "train" / f"{number:04d}.jpg", quality=90)
        rows.append([f"{number:04d}", WORDS[number % 3]])
    pd.DataFrame(rows, columns=["image_id", "pattern"]).to_csv(folder / "data" / "train.csv", index=False)
    options = quick(recipe="one_cycle", sizes=[64], valid=0.4, max_cycles=1)
    run = start_run(reading.read(folder / "data"), options, settings.runs_folder() / "first")
    assert ended(run) == "done"
    yield run
    patched.undo()
    settings.home.cache_clear()


@pytest.fixture
def run(trained, tmp_path):
    """That run's folder, copied into this test's home, so that a test may spoil it."""
    settings.home.cache_clear()
    shutil.copytree(trained.folder, settings.runs_folder() / "first")
    yield Run(settings.runs_folder() / "first")
    settings.home.cache_clear()


@pytest.fixture
def told(trained):
    """`told(task, classes, rows)`: a run that is done, with these rows of valid.csv, written by hand."""

    def made(task: str, classes: list[str], rows: list[list], name: str = "told") -> Run:
        settings.home.cache_clear()
        folder = settings.runs_folder() / name
        folder.mkdir(parents=True)
        asked = trained.asked()
        competition: Competition = asked.competition.model_copy(update={"task": task, "classes": classes})
        asked = Asked(created=time.time(), competition=competition, options=Options(), versions={})
        (folder / "run.json").write_text(asked.model_dump_json())
        pd.DataFrame(rows, columns=["id", "target", *classes]).to_csv(folder / "valid.csv", index=False)
        done = {"event": "run_done", "t": time.time(), "seconds": 1.0, "scores": {}, "intervals": {}}
        (folder / "events.jsonl").write_text(json.dumps(done) + "\n")
        return Run(folder)

    return made


def pictures(html: str) -> list[np.ndarray]:
    """The pictures inside a page."""
    found = [part.split('"')[0] for part in html.split("base64,")[1:]]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


# ---------------------------------------------------------------- a real run


def test_the_scores_and_the_matrix_of_a_run_are_shown(run):
    changed = results.shown(run)
    assert changed["results_box"]["visible"] is True
    assert "95 % between" in changed["results_scores"]
    assert "Validation with TTA" in changed["results_scores"]
    counts = mistakes.counts(mistakes.answers_of(run))
    assert counts.sum() == 24
    html = changed["results_matrix"]
    assert html.count("data-view=") == (counts > 0).sum()
    for true, answered in np.argwhere(counts):
        assert f'data-view="cell:{true}:{answered}"' in html
    assert html.count('tabindex="0"') == 1  # of the buttons: the arrow keys lead to the others


def test_the_pictures_of_a_kind_are_inside_the_page(run):
    (html,) = results.looked_at(run, "right")
    best = mistakes.examples(mistakes.answers_of(run), "right", 12)
    assert len(pictures(html)) == len(best)
    assert [html.index(f"{example.id}: right") for example in best] == sorted(
        html.index(f"{example.id}: right") for example in best
    )
    assert str(run.folder) not in html
    assert "/file=" not in html


def test_where_the_network_looked_is_awaited_and_then_laid_over_the_pictures(run):
    waits, looked = results.looked_at(run, "right", True)
    assert 'aria-busy="true"' in waits
    assert "waits" not in looked
    before, after = pictures(waits), pictures(looked)
    assert [each.shape for each in before] == [each.shape for each in after]
    assert all(np.abs(a.astype(int) - b).mean() > 5 for a, b in zip(before, after))


def test_a_cell_opens_its_own_pictures(run):
    answers = mistakes.answers_of(run)
    true, answered = np.argwhere(mistakes.counts(answers))[0]
    (html,) = results.looked_at(run, f"cell:{true}:{answered}")
    assert html.count("<figure>") == min(12, mistakes.counts(answers)[true, answered])
    assert f"of {answers.classes[true]} answered" in html


@pytest.mark.parametrize("view", ["cell:0:99", "cell:99:0", "tag:0:hits", "../etc", 7, None, ["wrong"], "cell:٣:1"])
def test_a_view_that_is_none_of_this_run_shows_the_most_wrong(run, view):
    assert list(results.looked_at(run, view)) == list(results.looked_at(run, "wrong"))


@pytest.mark.parametrize(
    "sent", [None, 3, "cell:0:1", {}, {"view": 3}, {"view": "wrong"}, {"view": "cell:-1:0"}, {"view": "x" * 9999}]
)
def test_only_a_cell_can_be_pressed(sent):
    assert results.picked(sent) == {}


def test_a_pressed_cell_is_shown_and_no_kind_is_chosen_any_more():
    changed = results.picked({"view": "cell:0:2"})
    assert changed["results_view"] == "cell:0:2"
    assert changed["results_kind"]["value"] is None


def test_pictures_that_are_gone_are_told_once_and_the_answers_stay(run):
    data = json.loads((run.folder / "run.json").read_text())
    data["competition"]["folder"] = str(run.folder / "nowhere")
    (run.folder / "run.json").write_text(json.dumps(data))
    (html,) = results.looked_at(run, "right", True)
    assert pictures(html) == []
    assert html.count("cannot be shown: their files were moved") == 1
    assert html.count("<figure>") == 12


def test_damage_is_told_in_a_line_without_the_place_on_the_disk(run):
    (run.folder / "model" / "model.json").unlink()
    *_, html = results.looked_at(run, "right", True)
    assert "The model cannot be read: first has none" in html
    (run.folder / "valid.csv").write_bytes(b"\x00\x01")
    (html,) = results.looked_at(run, "wrong")
    assert "first/valid.csv is damaged" in html
    assert "valid.csv is damaged" in results.shown(run)["results_matrix"]
    assert str(settings.home()) not in html


def test_nothing_is_shown_of_a_run_that_is_not_there_or_not_done(run):
    assert results.shown(None)["results_box"]["visible"] is False
    (run.folder / "events.jsonl").write_text("")
    assert results.shown(run)["results_box"]["visible"] is False
    assert "will be here" in next(results.looked_at(None, "wrong"))


def test_a_watch_names_the_run_once_it_is_done(run):
    watch = Watch(run)
    assert results.for_a_watch(watch)[1]() == ""
    watch.read()
    assert results.for_a_watch(watch)[1]() == "first"


# ---------------------------------------------------------------- other tasks, other sizes


def test_names_are_text_wherever_they_come_from(told):
    bad = "<script>alert(1)</script>"
    run = told("single_label", [bad, "b"], [[bad, "b", 0.9, 0.1], ["two", bad, 0.8, 0.2]])
    (gallery,) = results.looked_at(run, "wrong")
    assert "<script" not in results.shown(run)["results_matrix"] + gallery
    assert "&lt;script&gt;" in gallery


def test_of_many_classes_the_largest_confusions_are_listed():
    n = 1000
    targets = np.arange(n).repeat(2)
    predicted = np.eye(n)[targets]
    predicted[:100] = np.roll(predicted[:100], 1, 1)
    names = tuple(f"class {i}" for i in range(n))
    answers = Answers(
        "single_label", names, tuple(map(str, range(2 * n))), tuple(names[i] for i in targets), targets, predicted
    )
    html = matrix.walkable(answers)
    assert html.count("data-view=") == 40
    assert 'data-view="cell:0:1"' in html
    assert "1,900 of 2,000 right. The 40 most frequent of 50 confusions" in html


def test_tags_are_opened_by_what_became_of_them(told):
    run = told("multi_label", ["sea", "sky"], [["a", "sea", 0.9, 0.8], ["b", "sea sky", 0.3, 0.6], ["c", "", 0.7, 0.1]])
    html = results.shown(run)["results_matrix"]
    assert 'data-view="tag:0:misses"' in html
    (gallery,) = results.looked_at(run, "tag:0:misses")
    assert gallery.count("<figure>") == 1
    assert "b: answered sky" in gallery


def test_numbers_are_shown_by_their_error(told):
    run = told("regression", ["age"], [["a", "1", 1.5], ["b", "2", 9.0], ["c", "3", 3.0], ["d", "1", 2.0]])
    changed = results.shown(run)
    assert "Predicted against true numbers" in changed["results_matrix"]
    assert changed["results_kind"]["choices"] == [("Largest errors", "wrong"), ("Smallest errors", "right")]
    (gallery,) = results.looked_at(run, "wrong")
    assert gallery.index("off by 7,") < gallery.index("off by 1,")


# ---------------------------------------------------------------- runs side by side


def test_runs_are_compared_by_settings_scores_and_curves(run):
    other = settings.runs_folder() / "second"
    shutil.copytree(run.folder, other)
    data = json.loads((other / "run.json").read_text())
    data["options"] |= {"seed": 7, "weights": "/secret/place/mine.safetensors"}
    (other / "run.json").write_text(json.dumps(data))
    handed = {"competition": "drawn", "by": "ann", "message": "", "at": 1.0, "status": "scored", "public": 0.91234}
    (other / "submissions.json").write_text(json.dumps([handed]))
    told = [compare.told_by(run), compare.told_by(Run(other))]
    assert dict(compare.differing(told)) == {"seed": ["42", "7"], "weights": ["none", "mine.safetensors"]}
    rows = dict(compare.scores(told))
    assert rows["leaderboard, public"] == ["", "0.91234"]
    figures = compare.curves(told)
    assert len(figures) == 2
    lines = next(iter(figures.values())).axes[0].lines
    assert [line.get_label() for line in lines] == ["run A", "run B"]
    assert np.array_equal(lines[0].get_ydata(), [epoch.valid_loss for epoch in told[0].epochs])
    html = results.compared(run_named, ["first", "second"])
    assert "0.91234" in html
    assert "/secret/place" not in html
    assert [name for _, name in results.shown(run, lambda: [Run(other)])["results_runs"]["choices"]] == [
        "first",
        "second",
    ]


@pytest.mark.parametrize("names", [None, "first", ["first", "../first"], ["first", "first"], ["first", 3], [{}, []]])
def test_only_runs_that_may_be_seen_are_compared(run, names):
    assert "<table" not in results.compared(run_named, names)


# ---------------------------------------------------------------- asking the model


def test_the_model_is_asked_and_broken_files_are_named(run, tmp_path):
    files = [tmp_path / name for name in ("a.jpg", "broken.png", "empty.jpg", "b.png")]
    draw(0, 999).save(files[0])
    files[1].write_bytes(b"no picture")
    files[2].write_bytes(b"")
    draw(2, 999).convert("L").save(files[3])
    model = models.model_of(run)
    told, troubles = predict.told_of(model, files)
    assert [each.name for each in told] == ["a.jpg", "b.png"]
    assert [line.split(":")[0] for line in troubles] == ["broken.png", "empty.jpg"]
    for each, file in zip(told, (files[0], files[3])):
        assert dict(each.answers) == pytest.approx(dict(model.top([file], 3)[0]))
    html = predict.ask(run, [str(file) for file in files])
    assert html.count("<li><b>Not read</b>") == 2
    assert len(pictures(html)) == 2
    assert str(tmp_path) not in html
    assert files[0].exists()  # it was not uploaded


def test_too_many_and_too_large_pictures_are_refused(run, tmp_path, monkeypatch):
    draw(0, 1).save(tmp_path / "a.jpg")
    told, troubles = predict.told_of(models.model_of(run), [tmp_path / "a.jpg"] * 25)
    assert len(told) == 24
    assert troubles[0].startswith("25 pictures at once")
    with open(tmp_path / "large.jpg", "wb") as file:
        file.truncate(21 * 2**20)
    Image.new("1", (9000, 9000)).save(tmp_path / "wide.png")
    _, troubles = predict.told_of(models.model_of(run), [tmp_path / "large.jpg", tmp_path / "wide.png"])
    assert [line.partition(":")[2].split(";")[0] for line in troubles] == [
        " larger than 20 MB",
        " more than 60 million pixels",
    ]


def test_an_uploaded_picture_is_forgotten_when_it_was_answered(run, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    (tmp_path / "uploads").mkdir()
    uploaded = tmp_path / "uploads" / "a.png"
    draw(1, 5).save(uploaded)
    assert 'class="asked"' in predict.ask(run, [str(uploaded)])
    assert not uploaded.exists()
    assert "no model to ask" in predict.ask(None, [])


# ---------------------------------------------------------------- the page


def test_the_steps_are_built_and_nothing_of_them_is_a_public_api():
    with gr.Blocks() as page:
        parts = results.build() | predict.build()
        results.wire(parts, run_named, list)
        predict.wire(parts, parts["results_of"], run_named)
    assert len(page.fns) == 9
    assert {listener.api_visibility for listener in page.fns.values()} == {"private"}
    assert parts["results_box"].visible is False
