"""The page without a browser: what it is built of, what it lets in, and what it makes of a run's events."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from assistant import reading, sample, settings, sources
from assistant.runs import Options, RunError

pytest.importorskip("gradio")

import gradio as gr

from assistant.ui import choose_step, course, folder, form, pulse, serving, train_step, walk, watch, zero
from assistant.ui.session import open_session

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def home(own_home, tmp_path):
    """This test's own home, also where settings remember another."""
    settings.home.cache_clear()
    choose_step._sample_shown.cache_clear()
    yield tmp_path / "home"
    settings.home.cache_clear()
    choose_step._sample_shown.cache_clear()


@pytest.fixture(scope="module")
def competition(tmp_path_factory):
    """The sample, written once for all runs here."""
    return reading.read(sample.write_sample(tmp_path_factory.mktemp("sample")))


@pytest.fixture
def run(home, competition):
    """`run(*events)`: a run of the sample that told these events, each a dict."""

    def made(*told: dict, name: str = "one", **options):
        from assistant.runs import Asked, Run

        place = settings.runs_folder() / name
        place.mkdir(parents=True)
        asked = Asked(
            created=time.time(),
            competition=competition,
            options=Options(**{"sizes": [16], **options}),
            versions={},
        )
        (place / "run.json").write_text(asked.model_dump_json())
        (place / "events.jsonl").write_text("".join(json.dumps({"t": time.time(), **event}) + "\n" for event in told))
        return Run(place)

    return made


STARTED = {
    "event": "run_started",
    "pid": os.getpid(),
    "process_started": 0.0,
    "device": "cpu",
    "recipe": "x",
    "versions": {},
}


def epoch(step: int, number: int, **more) -> dict:
    base = {"train_loss": 1.0, "valid_loss": 0.5, "metrics": {"accuracy": 0.5}, "lr": 1e-3, "seconds": 1.0}
    return {
        "event": "epoch",
        "step": step,
        "of": 8,
        "size": 16,
        "epoch": number,
        "epochs": 2,
        "cycle": 1,
        **base,
        **more,
    }


def step(number: int) -> dict:
    return {"event": "step_started", "step": number, "of": 8, "size": 16, "title": f"title {number}"}


def seen_by_a_page(made) -> watch.Shown:
    return watch.Shown(watch.Watch(made))


def alive(monkeypatch) -> None:
    monkeypatch.setattr("assistant.runs.lives", lambda pid, started: True)


# ---------------------------------------------------------------- the page


def test_the_page_is_built_for_the_sample_which_is_read_once_it_is_open():
    page = walk.build()
    shown = {
        block.elem_id: getattr(block, "value", None)
        for block in page.blocks.values()
        if getattr(block, "elem_id", None)
    }
    assert "will be here in a moment" in shown["understood"]
    assert "Name one of 10 classes for each image" in choose_step.sample_shown()
    assert shown["start"] == "Start the eight steps"
    assert shown["steps"].count("<li") == 8
    assert page.title == "Recipe Assistant"


def test_the_page_is_built_without_loading_torch_or_drawing():
    code = "import sys\nfrom assistant.ui.serving import build\nbuild()\n"
    code += "print({'torch', 'timm', 'scipy', 'sklearn', 'matplotlib', 'spaces'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_nothing_on_the_page_is_a_public_api():
    page = walk.build()
    assert page.fns
    assert {listener.api_visibility for listener in page.fns.values()} == {"private"}
    assert page.analytics_enabled is False


def owner():
    """The session of whoever opens the page on a machine of their own."""
    return open_session("", public=False)[0]


def sample_values(**changes):
    """The form's values for the sample."""
    return tuple((form.defaults(sample=True) | changes)[name] for name in form.FIELDS)


def test_a_page_that_others_can_reach_reads_no_folder(tmp_path, write):
    write(tmp_path / "train" / "a" / "1.png", np.zeros((8, 8, 3), np.uint8))
    visitor, _ = open_session("", public=True)
    changed = choose_step.read(visitor, True, "folder", "sample", str(tmp_path), "")
    assert "nothing has been chosen" in changed["choice_trouble"].lower()
    assert changed["chosen"] == ""
    for chosen in (f"folder:{tmp_path}", "kaggle:../../etc", "kaggle:birds", "", "sample/../..", "x"):
        told = train_step.start(visitor, True, chosen, None, *sample_values())
        assert "trouble" in told
        assert told["trouble"]
        assert not visitor.runs.exists() or not list(visitor.runs.iterdir())


def test_a_run_that_starts_moves_the_page_once(home, monkeypatch):
    monkeypatch.setattr("assistant.ui.zero.start", lambda *_: None)
    session = owner()
    told = train_step.start(session, False, "sample", None, *sample_values())
    assert told["address"].startswith("sample-")
    assert {"walk", "start"} <= set(told)
    assert train_step.started(session, None) == {}


def test_a_run_that_does_not_start_is_told_where_it_was_asked_for(home, monkeypatch):
    def fails(*_: object) -> None:
        raise RunError("the worker did not start: exit status 1")

    monkeypatch.setattr("assistant.ui.zero.start", fails)
    session = owner()
    train_step.start(session, False, "sample", None, *sample_values())
    told = train_step.started(session, None)
    assert "The worker did not start: exit status 1" in told["trouble"]
    assert told["address"] == ""
    assert told["start"]["interactive"]
    assert train_step.started(session, None) == {}, "told once"


@pytest.fixture
def sides(tmp_path, write):
    """A folder whose labels may be one of two columns; a sample submission asks for a probability."""
    for number in range(12):
        write(tmp_path / "sides" / "train" / f"{number}.png", np.full((16, 16, 3), 20 * number, np.uint8))
    for number in range(12, 15):
        write(tmp_path / "sides" / "test" / f"{number}.png", np.full((16, 16, 3), 9 * number, np.uint8))
    rows = "".join(f"{n},{'xy'[n // 6]},{'ab'[n % 2]}\n" for n in range(12))
    (tmp_path / "sides" / "train.csv").write_text("id,side,label\n" + rows)
    (tmp_path / "sides" / "sample_submission.csv").write_text("id,p\n12,0.5\n13,0.5\n14,0.5\n")
    return tmp_path / "sides"


def test_settings_in_words_overrule_what_was_read_and_a_run_is_of_that(sides):
    read = choose_step.read(owner(), False, "folder", f"folder:{sides}", str(sides), "target=side; metric=auc")
    assert "x, y" in read["understood"]
    assert "you said so" in read["understood"]
    assert read["chosen"] == f"folder:{sides}\ntarget=side\nmetric=auc"
    assert read["settings"] == "target=side; metric=auc"
    competition = choose_step.chosen_competition(owner(), False, read["chosen"])
    assert (competition.classes, competition.metric.name) == (["x", "y"], "auc")


def test_settings_for_one_folder_do_not_overrule_another(sides):
    read = choose_step.read(owner(), False, "folder", "sample\nmetric=auc", str(sides), "metric=auc")
    assert (read["chosen"], read["settings"]) == (f"folder:{sides}", "")
    assert "you said so" not in read["understood"]


def test_an_answer_is_corrected_in_its_row_and_taken_back_alone_or_with_all(sides):
    def say(said: str, chosen: str) -> dict:
        return choose_step.correct(owner(), False, said, chosen)

    first = say("metric=auc", f"folder:{sides}")
    assert first["chosen"] == f"folder:{sides}\nmetric=auc"
    assert first["settings"] == "metric=auc"
    assert first["understood"].count("you said so") == 1
    assert 'data-undo="metric"' in first["understood"]
    assert "looked" not in first  # other pictures are not at stake
    second = say("positive=a", first["chosen"])
    assert choose_step.chosen_competition(owner(), False, second["chosen"]).submission.positive == "a"
    third = say("labels=train.csv:side", say("positive=", second["chosen"])["chosen"])
    assert third["chosen"] == f"folder:{sides}\nmetric=auc\nlabels=train.csv:side"
    assert third["understood"].count("you said so") == 2
    assert "Undo all" in third["understood"]
    assert "looked" in third
    assert say("", third["chosen"])["chosen"] == f"folder:{sides}"


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("metric=rmse", "Rmse does not score single_label"),
        ("task=regression", "No numbers to predict: labels such as 'a'"),
        ("labels=nowhere.csv:x", "No labels found there"),
        ("x=1", "No such setting: x"),
        ("positive=c\nmetric=auc", "No such class: c metric=auc"),
        ("labels=train.csv:side", "you said positive yourself: undo it first"),
    ],
)
def test_a_correction_that_does_not_fit_is_one_line_and_leaves_the_page_as_it_is(sides, said, says):
    told = choose_step.correct(owner(), False, said, f"folder:{sides}\npositive=a")
    assert set(told) == {"not_so"}
    assert says in told["not_so"].replace("&#x27;", "'")
    assert "\n" not in told["not_so"]


@pytest.mark.parametrize(("given", "says"), [("auc", "Not a setting"), ("x=auc", "No such setting")])
def test_words_that_are_no_setting_are_told_so(sides, given, says):
    told = choose_step.read_again(owner(), False, f"folder:{sides}", given)
    assert set(told) == {"not_so"}
    assert says in told["not_so"]


def test_what_is_offered_in_a_row_is_text(tmp_path, write):
    for number in range(8):
        write(tmp_path / "f" / "train" / f"{number}.png", np.full((8, 8, 3), 20 * number, np.uint8))
    table = 'id,"<i>a"";",label\n' + "".join(f"{n},{n % 3},{n % 2}\n" for n in range(8))
    (tmp_path / "f" / "train.csv").write_text(table)
    shown = folder.shown(reading.read(tmp_path / "f"))
    assert "<i>" not in shown
    assert 'value="train.csv:&lt;i&gt;a&quot;;' in shown


def test_a_folder_that_cannot_be_run_says_why(tmp_path, write):
    for number in range(3):
        write(tmp_path / "train" / f"{number}.png", np.zeros((8, 8), np.uint8))
    (tmp_path / "sample_submission.csv").write_text("id,rle_mask\n0,1 1\n")
    assert "segmentation" in choose_step.read(owner(), False, "folder", "", str(tmp_path), "")["understood"]


def test_visitors_have_runs_of_their_own_by_a_key_that_is_written_nowhere(run, home):
    made = run(STARTED)
    ann, key = open_session("", public=True)
    bob, other = open_session(None, public=True)
    assert key != other
    assert open_session(key, public=True)[0].runs == ann.runs != bob.runs
    assert owner().find("one").folder == made.folder
    assert ann.find("one") is bob.find("one") is None
    ann.runs.mkdir(parents=True)
    (ann.runs / "hers").mkdir()
    (ann.runs / "hers" / "run.json").write_text((made.folder / "run.json").read_text())
    assert ann.find("hers") is not None
    for name in ("hers", f"../../{ann.runs.parent.name}/runs/hers", str(ann.runs / "hers")):
        assert bob.find(name) is None
        assert train_step.attach(bob, name).get("watch") is None
        assert train_step.stop(bob, name) == {"seen": ""}
    assert "hers" in walk.runs_shown(ann)
    assert "hers" not in walk.runs_shown(bob)
    assert key not in "".join(str(path) for path in home.rglob("*"))
    for wrong in ("short", "../" * 20, "x" * 44, 7, ["a"], key + "\n"):
        assert open_session(wrong, public=True)[0].runs != ann.runs


def test_a_page_whose_session_gradio_has_forgotten_goes_on_as_the_same_person(run, home):
    ann, key = open_session("", public=True)
    ann.runs.mkdir(parents=True)
    run(STARTED, name="hers").folder.rename(ann.runs / "hers")
    page = walk.build(public=True)
    (sidebar,) = [block._id for block in page.blocks.values() if getattr(block, "elem_id", None) == "sidebar"]
    (opened,) = [each for each in page.fns.values() if (sidebar, "expand") in each.targets]
    told = opened.fn(None, key, "hers")
    changed = {part.elem_id: value for part, value in told.items() if getattr(part, "elem_id", None)}
    assert 'data-run="hers" aria-current="true"' in changed["runs"]
    assert changed["me"] == key
    assert "Sign in with a token" in changed["who"], "nobody is signed in any more"
    (session,) = [value for value in told.values() if getattr(value, "runs", None) == ann.runs]
    assert len(opened.fn(session, key, "hers")) == 1, "nothing but the list, where the session is there"
    assert "hers" not in str(opened.fn(None, "", "hers"))


def test_a_run_that_is_opened_brings_its_data_and_settings_along(run, sides):
    given = sources.settings_in(["target=side", "metric=auc"])
    made = run(STARTED, arch="resnet18", tta=2)
    asked = json.loads((made.folder / "run.json").read_text())
    asked["competition"] = json.loads(sources.competition_of(sides, given).model_dump_json())
    (made.folder / "run.json").write_text(json.dumps(asked))
    session = owner()
    changed = choose_step.first_shown(session, False, "one", "sample")
    assert changed["chosen"].split("\n")[0] == f"folder:{sides}"
    assert set(changed["chosen"].split("\n")[1:]) >= {"metric=auc"}
    assert (changed["arch"], changed["sizes"], changed["tta"]) == ("resnet18", "16", 2)
    assert "x, y" in changed["understood"]
    again = choose_step.chosen_competition(session, False, changed["chosen"])
    assert (again.classes, again.metric.name) == (["x", "y"], "auc")
    assert "understood" not in choose_step.shown_of_run(session, False, "one", changed["chosen"]), "it is there already"
    assert choose_step.first_shown(session, False, "one", changed["chosen"]) == {}
    visitor, _ = open_session("", public=True)
    assert choose_step.shown_of_run(visitor, True, "one", "sample") == {}


def test_files_to_download_are_copied_anew_where_gradio_has_deleted_them(run):
    done = {"event": "run_done", "seconds": 1.0, "scores": {}, "kept_best": False}
    made = run(STARTED, done)
    (made.folder / "submission.csv").write_text("id,label\n1,2\n")
    seen = seen_by_a_page(made)
    first = seen.changes(course.VIEWS_OF_A_RUN, "")
    copy, mark = Path(first["submission"]["value"]), seen.watch.mark
    assert seen.changes(course.VIEWS_OF_A_RUN, first["seen"]) == {}
    copy.unlink()
    assert seen.watch.mark != mark, "the page's pulse notices"
    again = seen.changes(course.VIEWS_OF_A_RUN, first["seen"])
    assert Path(again["submission"]["value"]).read_text() == "id,label\n1,2\n"


@pytest.mark.parametrize(
    ("host", "only_here"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("192.168.0.7", False),
        ("example.org", False),
    ],
)
def test_loopback_addresses_are_told_from_others(host, only_here):
    assert serving.loopback(host) == only_here


@pytest.mark.parametrize(
    "name", ["", "..", ".", "../one", "a/../one", "/etc", "one/", "one\\x", "a\0b", "x" * 300, None, 7, "two", "link"]
)
def test_only_a_plain_name_of_a_run_is_found(run, tmp_path, name):
    found = run()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "run.json").write_text((found.folder / "run.json").read_text())
    (settings.runs_folder() / "link").symlink_to(outside)
    assert watch.run_named(name) is None
    assert watch.run_named("one").folder == found.folder


def test_steps_of_ones_own_are_a_recipe_like_any_other(home):
    line = "find_rate(batches=20) + train_head_augmented(cycles=2)"
    asked = form.options(form.defaults(True) | {"recipe": "own", "own": line})
    assert asked.recipe == line
    assert form.values_of(asked) | {"recipe": "own", "own": line} == form.values_of(asked)
    shown = train_step.preview(owner(), "own", line, "32", "")
    assert shown["own"]["visible"]
    assert shown["steps"].count("<li") == 2
    assert not train_step.preview(owner(), "eight_steps", line, "32", "")["own"]["visible"]
    assert train_step.preview(owner(), "own", "find_rate + tra", "32", "")["steps"].count("<li") == 8, (
        "while it is written"
    )
    values = sample_values(recipe="own", own="find_rate + tra")
    assert "No such step: &#x27;tra&#x27;" in train_step.start(owner(), False, "sample", None, *values)["trouble"]
    with pytest.raises(RunError, match="no steps are written"):
        form.options(form.defaults(True) | {"recipe": "own", "own": " "})


def test_fresh_names_are_plain_and_not_to_be_guessed():
    names = {watch.fresh_name("dog breed/../ü") for _ in range(20)}
    assert len(names) == 20
    assert all(watch._plain(name) and name.isascii() for name in names)


def test_help_comes_before_anything_heavy_is_imported():
    code = (
        "import app, sys\ntry: app.main(['--help'])\n"
        "except SystemExit as end: print(end.code, 'gradio' in sys.modules, 'torch' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert told.stdout.splitlines()[-1] == "0 False False"
    assert "--port" in told.stdout


def test_where_others_can_reach_the_page_a_password_is_asked_for(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "app.py"), "--host", "0.0.0.0", "--port", str(port)]
    environment = os.environ | {"ASSISTANT_HOME": str(tmp_path / "home")}
    app = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
    assert app.stdout is not None
    try:
        said = app.stdout.readline()
        name, password = re.search(r"sign in as (\S+) with the password (\S+)", said).groups()
        assert "Recipe Assistant: " in app.stdout.readline()
        with requests.Session() as session:
            page = f"http://127.0.0.1:{port}"
            assert session.get(f"{page}/config", timeout=20).status_code == 401
            wrong = session.post(f"{page}/login", data={"username": name, "password": password[::-1]}, timeout=20)
            assert wrong.status_code == 400
            assert session.post(f"{page}/login", data={"username": name, "password": password}, timeout=20).ok
            choices = next(part for part in session.get(f"{page}/config", timeout=20).json()["components"]
                           if part["props"].get("elem_id") == "choice")["props"]["choices"]  # fmt: skip
        assert [value for _, value in choices] == ["kaggle", "sample"]  # no folder of this machine
    finally:
        app.terminate()
        app.wait(20)


# ---------------------------------------------------------------- the form


def test_defaults_are_the_samples_own_or_those_for_photos():
    assert form.defaults(sample=True) | {"arch": "resnet10t", "sizes": "32", "weights": "none"} == form.defaults(
        sample=True
    )
    assert form.defaults(sample=False) | {"arch": "resnet34", "sizes": "128,224", "weights": "auto"} == form.defaults(
        False
    )
    assert form.options(form.defaults(sample=False)) == Options(sizes=[128, 224])


def test_every_setting_of_a_run_is_in_the_form():
    assert set(form.FIELDS) - {"own"} == set(Options.model_fields)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"sizes": "big"}, "not image sizes: big"),
        ({"sizes": "4"}, "Image sizes: give one or more sizes from 8"),
        ({"tta": 1000}, "Views in test-time augmentation: input should be less than or equal to 64"),
        ({"max_cycles": "many"}, "Cycles at most: input should be a valid integer"),
        ({"arch": "  "}, "no architecture is named"),
    ],
)
def test_settings_out_of_range_are_told_by_their_label(given, says):
    with pytest.raises(RunError, match=says):
        form.options(form.defaults(True) | given)


# ---------------------------------------------------------------- a folder


def test_sizes_are_read_from_headers_of_some_of_the_images(tmp_path, write):
    files = [write(tmp_path / f"{side}.png", np.zeros((side, 2 * side), np.uint8)) for side in range(10, 40)]
    (tmp_path / "broken.png").write_bytes(b"not an image")
    turned = Image.Exif()
    turned[0x0112] = 6
    files.append(write(tmp_path / "turned.jpg", np.zeros((50, 80, 3), np.uint8), exif=turned))
    sizes = folder.image_sizes([*files, tmp_path / "broken.png", np.zeros((5, 7, 3), np.uint8)], limit=33)
    assert sizes.tolist() == [[2 * side, side] for side in range(10, 40)] + [[50, 80], [7, 5]]
    assert len(folder.image_sizes(files, limit=4)) == 4
    assert folder.image_sizes([]).shape == (0, 2)


# ---------------------------------------------------------------- a run


def test_a_tick_with_nothing_new_changes_nothing(run, monkeypatch):
    alive(monkeypatch)
    views = course.VIEWS_OF_A_RUN
    seen = seen_by_a_page(run(STARTED, step(3), epoch(3, 1)))
    first_answer = seen.changes(views, "")
    assert set(first_answer) == {*views, "seen"}
    assert seen.changes(views, first_answer["seen"]) == {}
    with open(seen.watch.run.folder / "events.jsonl", "a") as log:
        log.write(json.dumps({"t": time.time(), **epoch(3, 2)}) + "\n")
    assert set(seen.changes(views, first_answer["seen"])) == {"now", "epochs", "losses", "metric", "seen"}


def test_all_pages_on_a_run_share_one_reading_and_one_drawing(run, monkeypatch):
    alive(monkeypatch)
    drawn = []
    monkeypatch.setattr("assistant.ui.course.plots.losses", lambda epochs: drawn.append(len(epochs)))
    made = run(STARTED, step(3), epoch(3, 1))
    pages = [watch.Shown(watch.watch_of(made)) for _ in range(3)]
    answers = [page.changes(course.VIEWS_OF_A_RUN, "") for page in pages]
    assert len({id(page.watch) for page in pages}) == len(drawn) == 1
    assert answers[0].keys() == answers[1].keys() == answers[2].keys()
    assert answers[0]["epochs"] == answers[2]["epochs"]
    assert len({answer["seen"] for answer in answers}) == 3


def test_the_pulse_tells_figures_and_when_there_is_more_to_show(run, monkeypatch):
    alive(monkeypatch)
    batch = {"event": "batch", "step": 3, "of": 8, "stage": "train", "epoch": 2, "done": 30, "total": 120}
    made = run(STARTED, step(3), epoch(3, 1), {**batch, "seconds_left": 61})
    page = watch.Shown(watch.watch_of(made))
    seen = page.changes(course.VIEWS_OF_A_RUN, "")["seen"]
    told = course.pulse(page.watch)
    assert told["says"] == "Step 3 of 8: title 3"
    assert "epoch 2 · 25% · 1:0" in told["figures"]
    assert told["percent"] == 25
    assert seen.split("-")[0] == told["mark"]
    with open(made.folder / "events.jsonl", "a") as log:
        log.write(json.dumps({"t": time.time(), **epoch(3, 2)}) + "\n")
    assert course.pulse(page.watch)["mark"] != told["mark"]


def test_the_pulse_finds_nobody_elses_run_and_takes_anything(home, competition):
    from assistant.runs import Asked

    mine, key = open_session("", public=True)
    place = mine.runs / "one"
    place.mkdir(parents=True)
    asked = Asked(created=time.time(), competition=competition, options=Options(sizes=[16]), versions={})
    (place / "run.json").write_text(asked.model_dump_json())
    beat = pulse.build(public=True).pulse
    assert beat(["one", key])["says"] == "Starting the training process"
    other = open_session("", public=True)[1]
    visitor = mine.runs.parent.name
    for given in (["one", other], ["one", ""], ["one"], "one", None, [f"../../{visitor}/runs/one", other], [{}, []]):
        assert set(beat(given)) == {"boot"}


def test_a_page_that_missed_an_answer_is_told_everything_again(run, monkeypatch):
    alive(monkeypatch)
    views = course.VIEWS_OF_A_RUN
    seen = seen_by_a_page(run(STARTED, step(3), epoch(3, 1)))
    running = seen.changes(views, "")
    with open(seen.watch.run.folder / "events.jsonl", "a") as log:
        log.write(json.dumps({"t": time.time(), "event": "run_stopped", "during": "training"}) + "\n")
    stopped = seen.changes(views, running["seen"])
    assert "Stopped during training" in stopped["now"]
    # the page shows the older answer, as when that one came last, or the newer never came
    again = seen.changes(views, running["seen"])
    assert set(again) == {*views, "seen"}
    assert again["now"] == stopped["now"]
    assert again["resume"]["visible"]
    assert seen.changes(views, again["seen"]) == {}


def test_a_button_of_a_run_shuts_itself_and_leaves_the_showing_to_the_next_tick(run, monkeypatch):
    alive(monkeypatch)
    made = run(STARTED, step(3), epoch(3, 1))
    changed = train_step.keep(owner(), made.name)
    assert changed == {"seen": "", "keep": gr.update(interactive=False)}
    assert json.loads((made.folder / "stop.json").read_text()) == {"keep_best": True}
    assert train_step.stop(owner(), "no such run") == {"seen": ""}


def test_steps_are_ticked_off_as_they_end(run, monkeypatch):
    alive(monkeypatch)
    seen = seen_by_a_page(
        run(STARTED, step(1), {"event": "step_ended", "step": 1, "of": 8, "title": "", "seconds": 1}, step(2))
    )
    shown = seen.changes({"steps": course.VIEWS_OF_A_RUN["steps"]}, "")["steps"]
    assert shown.count('class="done"') == 1
    assert shown.count('class="now"') == 1
    assert shown.index('class="done"') < shown.index('class="now"')


def test_epochs_that_a_resumed_run_tells_again_are_shown_once(run, monkeypatch):
    alive(monkeypatch)
    seen = watch.Watch(run(STARTED, step(3), epoch(3, 1), epoch(3, 2), STARTED, step(3), epoch(3, 2, train_loss=0.25)))
    seen.read()
    assert [e.train_loss for e in seen.epochs.values()] == [1.0, 0.25]


WAITING = {"event": "waiting", "devices": ["cpu"]}


def test_the_list_of_runs_tells_the_score_of_those_that_are_done(run):
    scores = {"valid": {"log_loss": 0.31}, "valid_tta": {"log_loss": 0.28754}}
    run(STARTED, {"event": "run_done", "seconds": 60.0, "scores": scores})
    assert "16 px · done · log loss\u00a00.2875<" in walk.runs_shown(owner())


def test_a_run_that_waits_says_how_many_are_before_it_and_can_be_stopped(run, monkeypatch):
    alive(monkeypatch)
    seen = seen_by_a_page(run({**STARTED, "t": time.time() - 65}, {**WAITING, "ahead": 2}))
    parts = seen.changes(course.VIEWS_OF_A_RUN, "")
    assert seen.watch.state == "waiting"
    assert "Waiting for the device: 2 runs before this one" in parts["now"]
    assert "1:05 in line" in parts["now"]
    assert 'class="now"' not in parts["steps"]
    assert parts["stop"] == {**gr.update(), "visible": True, "interactive": True}
    assert not parts["keep"]["interactive"]  # nothing to keep
    assert "waiting" in walk.runs_shown(owner())
    seen.watch.run.stop(keep_best=True)
    assert "Stopping" in seen.changes(course.VIEWS_OF_A_RUN, "")["now"]


def test_a_run_that_waits_with_weights_to_keep_says_what_it_will_do(run, monkeypatch):
    alive(monkeypatch)
    seen = seen_by_a_page(run(STARTED, step(3), epoch(3, 1), STARTED, {**WAITING, "ahead": 1}))
    seen.watch.read()
    seen.watch.run.stop(keep_best=True)
    now = seen.changes(course.VIEWS_OF_A_RUN, "")["now"]
    assert "1 run before this one; then it keeps its best weights and predicts" in now


def test_the_time_of_a_run_begins_when_its_wait_is_over(run, monkeypatch):
    alive(monkeypatch)
    now = time.time()
    waited = (
        {**STARTED, "t": now - 500},
        {**WAITING, "ahead": 1, "t": now - 499},
        {**WAITING, "ahead": 0, "t": now - 65},
    )
    seen = seen_by_a_page(run(*waited))
    parts = seen.changes(course.VIEWS_OF_A_RUN, "")
    assert seen.watch.state == "running"
    assert "1:05 so far" in parts["now"]
    seen = seen_by_a_page(run(*waited, {**STARTED, "t": now - 5}, name="resumed"))
    assert "0:05 so far" in seen.changes(course.VIEWS_OF_A_RUN, "")["now"]


def test_a_visitors_fourth_run_at_once_is_refused_in_one_line(run, home, monkeypatch):
    alive(monkeypatch)
    visitor, _ = open_session("", public=True)
    visitor.runs.mkdir(parents=True)
    told = [(STARTED,), (STARTED, {**WAITING, "ahead": 1}), (STARTED, {**WAITING, "ahead": 2})]
    for number, events_of_it in enumerate(told):
        run(*events_of_it, name=f"run{number}").folder.rename(visitor.runs / f"run{number}")
    train_step.start(visitor, True, "sample", None, *sample_values())
    refused = train_step.started(visitor, None)
    assert "Too many runs at once: 3 of yours train or wait; stop one" in refused["trouble"]
    assert len(list(visitor.runs.glob("*/run.json"))) == 3
    other, _ = open_session("", public=True)
    with other.room():
        pass
    with open(visitor.runs / "run0" / "events.jsonl", "a") as log:
        log.write(json.dumps({"t": time.time(), "event": "run_stopped", "during": "training"}) + "\n")
    with visitor.room():
        pass
    with open(visitor.runs / "run0" / "events.jsonl", "a") as log:
        log.write(json.dumps({"t": time.time(), **STARTED}) + "\n")
    with pytest.raises(RunError, match="too many runs at once"), visitor.room():
        pass


def test_a_run_cannot_be_resumed_past_the_limit(run, home, monkeypatch):
    alive(monkeypatch)
    visitor, _ = open_session("", public=True)
    visitor.runs.mkdir(parents=True)
    for name in ("a", "b", "c"):
        run(STARTED, name=name).folder.rename(visitor.runs / name)
    run(STARTED, {"event": "run_stopped", "during": "training"}, name="d").folder.rename(visitor.runs / "d")
    said: list[str] = []
    monkeypatch.setattr(train_step.gr, "Warning", said.append)
    assert train_step.resume(visitor, "d") == {"seen": ""}
    assert said == ["Too many runs at once: 3 of yours train or wait; stop one, or start this when one is done"]
    assert visitor.find("d").state() == "stopped"


@pytest.mark.parametrize(
    ("last", "state", "visible"),
    [
        (None, "running", {"stop", "keep"}),
        ({"event": "run_stopped", "during": "training"}, "stopped", {"resume"}),
        ({"event": "run_failed", "error": "out of <memory>"}, "failed", {"resume"}),
        ({"event": "run_paused", "during": "training", "then": "folds"}, "paused", {"resume"}),
        ({"event": "run_done", "seconds": 3, "scores": {"valid": {"accuracy": 0.5}}}, "done", set()),
    ],
)
def test_buttons_are_there_where_they_make_sense(run, monkeypatch, last, state, visible):
    alive(monkeypatch)
    seen = seen_by_a_page(run(STARTED, step(3), epoch(3, 1), *([last] if last else [])))
    parts = seen.changes(course.VIEWS_OF_A_RUN, "")
    assert seen.watch.state == state
    assert {name for name in ("stop", "keep", "resume") if parts[name]["visible"]} == visible
    assert parts["start"]["interactive"], "another run waits in line"
    assert "<memory>" not in parts["now"]


def test_a_paused_run_goes_on_by_itself_with_zero_gpu_alone_and_not_after_long_or_with_a_reason(run, monkeypatch):
    pause = {"event": "run_paused", "t": time.time(), "during": "training", "then": "folds", "why": ""}
    names: list[str] = []

    def seen(**more) -> dict:
        names.append(f"run {len(names)}")
        watched = seen_by_a_page(run(STARTED, step(3), {**pause, **more}, name=names[-1]))
        return watched.changes(course.VIEWS_OF_A_RUN | {"turn": zero.turn}, "")

    assert seen()["turn"] == ""
    assert "resume goes on" in seen()["now"]
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    going = seen()
    assert going["turn"].endswith(" 1")
    assert "Waiting for the next slice" in going["now"]
    assert not going["resume"]["visible"]
    assert going["stop"]["visible"]
    for more in ({"t": time.time() - 600}, {"why": "no GPU: try again in 1:00:00"}):
        waiting = seen(**more)
        assert waiting["turn"] == ""
        assert waiting["resume"]["visible"]
        assert not waiting["stop"]["visible"]
    assert "No GPU: try again in 1:00:00" in waiting["now"]


def test_a_run_whose_process_died_says_so_and_offers_to_go_on(run):
    parts = seen_by_a_page(run({**STARTED, "pid": 2**22 + 5}, step(3))).changes(course.VIEWS_OF_A_RUN, "")
    assert "ended without a word" in parts["now"]
    assert parts["resume"]["visible"]


def test_the_result_is_told_in_a_sentence(run):
    scores = {"valid": {"accuracy": 0.9}, "truth": {"accuracy": 0.956}}
    ready = {
        "event": "images_ready",
        "train": 1078,
        "valid": 269,
        "test": 450,
        "task": "single_label",
        "classes": ["0"],
    }
    ready |= {"counts": {}, "set_aside": {"7": "empty file"}, "missing": {}, "seconds": 1}
    made = run(STARTED, ready, step(8), {"event": "run_done", "seconds": 3, "scores": scores})
    (made.folder / "submission.csv").write_text("id,label\n" + "".join(f"{n},{n % 10}\n" for n in range(20)))
    parts = seen_by_a_page(made).changes(course.VIEWS_OF_A_RUN, "")
    assert "The network gets 95.6% of the test images" in parts["result"]
    assert "450 images" in parts["result"]
    assert "the first 6 of 20 rows" in parts["head"]
    assert "1 image cannot be used and is set aside: 7 (empty file)" in parts["notes"]
    assert parts["submission"]["visible"]
    assert not parts["report"]["visible"]
    copy = Path(parts["submission"]["value"])
    assert copy.name == "submission.csv"
    assert settings.home() not in copy.parents
