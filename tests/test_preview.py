"""What the Recipe step shows is what a run then does; its command and its script write the same submission."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from assistant import reading
from assistant.as_code import as_command, as_python
from assistant.estimate import estimate
from assistant.image_table import image_table
from assistant.planned import counts_of, plan_of, recipe_of
from assistant.plots_recipe import schedule
from assistant.processes import worker_environment
from assistant.runs import Options, RunError, start_run
from assistant.sample import OPTIONS
from assistant.ui.preview import architectures, augmentation_shown, estimate_shown, schedule_shown
from recipes import EIGHT_STEPS, Augmentation, Learner, Stopped, progressive
from recipes.cookbook import named
from recipes.errors import RecipeError
from recipes.estimate import Estimate, Part
from recipes.pixels import usual_shape
from recipes.planning import Counts
from recipes.preview import views
from tests.assistant.conftest import ended, home, make_competition, quick  # noqa: F401 (fixtures)

ROOT = Path(__file__).parent.parent


def told(low: float, high: float, **changes) -> Estimate:
    parts = (Part("Decode the images", 0, 0, low / 10, high / 10), Part("Train <it>", 8, 224, low * 0.9, high * 0.9))
    settings = {"memory": 1_930_000_000, "free": 8 * 10**9, "disk": 310_000_000, "batch_size": 64, "largest_batch": 256}
    more = {"device": "cpu", "threads": 2, "rests_on": "resnet34 timed for a moment on 8 images of 224 px"}
    return Estimate(parts=parts, **(settings | more | changes))


# ---------------------------------------------------------------- rates


def test_the_schedule_draws_every_groups_rate_over_the_steps_that_train():
    options = Options(sizes=[64, 96])
    axes = schedule(plan_of(options, Counts(300, 60))).axes[0]
    names = [drawn.get_text().split("\n") for drawn in axes.texts]
    assert names == [
        ["step 3", "head", "64 px"],
        ["step 4", "head", "64 px"],
        ["step 8", "all layers", "64 px"],
        ["step 10", "head", "96 px"],
        ["step 13", "all layers", "96 px"],
    ]
    assert [drawn.get_text() for drawn in axes.get_xticklabels()] == [
        "2 epochs", "3 epochs", "3 to 7 epochs", "1 epoch", "3 epochs",
    ]  # fmt: skip
    lines = [line for line in axes.lines if len(line.get_xdata()) > 2]
    assert len(lines) == 3 * 1 + 2 * 3
    planned = plan_of(options, Counts(300, 60)).steps[2]
    np.testing.assert_allclose(lines[0].get_ydata(), planned.rates[:, 2])
    assert axes.get_ylabel() == "share of the rate that the sweep finds"


def test_groups_that_learn_at_one_rate_are_one_line_and_own_rates_stand_for_themselves():
    flat = schedule(plan_of(Options(ratio=1), Counts(300, 60)))
    assert len([line for line in flat.axes[0].lines if len(line.get_xdata()) > 2]) == 3
    assert not flat.legends
    one = schedule(plan_of(Options(recipe="one_cycle"), Counts(300, 60))).axes[0]
    assert one.get_ylabel() == "learning rate"
    assert max(one.lines[0].get_ydata()) == pytest.approx(3e-3)
    mixed = schedule(plan_of(Options(recipe="one_cycle", sizes=[64, 96]), Counts(300, 60))).axes[0]
    assert mixed.get_ylabel() == "share of the step's highest rate"
    assert [drawn.get_text().split("\n")[-1] for drawn in mixed.texts] == [
        "1 = 0.003", "1 = 0.0003", "1 = as found", "1 = 0.0003",
    ]  # fmt: skip


def test_the_plot_of_the_schedule_says_its_steps():
    shown = schedule_shown(quick(), Counts(48, 12))
    assert "step 8: Train the full network until over-fitting, 3 epochs" in shown
    assert shown.count("<img") == 1
    with pytest.raises(RecipeError, match="no such recipe"):
        schedule_shown(quick(recipe="nine_steps"), Counts(48, 12))


def test_the_images_of_a_fold_are_counted(make_competition):  # noqa: F811
    competition = reading.read(make_competition(train=60, test=5))
    for options in (quick(), quick(valid=0.3), quick(folds=4)):
        images = image_table(competition, options.valid, options.seed)
        images = images if options.folds == 1 else images.fold(0, options.folds)
        assert counts_of(competition, options) == Counts.of(images)


# ---------------------------------------------------------------- augmentation


@pytest.mark.parametrize(
    ("side", "sizes"), [((130, 97), [32]), ((97, 130), [48, 32]), ((300, 200), [64]), ((40, 40), [48])]
)
def test_the_views_are_those_that_a_learner_would_train_on(tmp_path, write, side, sizes):
    from recipes import Images

    chance = np.random.default_rng(3)
    files = [write(tmp_path / f"{number}.jpg", chance.integers(0, 255, (*side, 3), np.uint8)) for number in range(8)]
    images = Images.from_targets([str(n) for n in range(8)], files, np.arange(8) % 2, image_task(), valid=0.25, seed=1)
    augmentation = Augmentation("top_down", 1.3)
    learner = Learner(
        images, "test_resnet", sizes[-1], "none", 7, largest=max(sizes), device="cpu",
        cache=tmp_path / "cache", report=lambda event: None,
    )  # fmt: skip
    made = views(files[5], 5, usual_shape(images.sources), sizes[-1], augmentation, largest=max(sizes), seed=7)
    np.testing.assert_array_equal(made[1:], learner.preview(5, 6, augmentation))
    np.testing.assert_array_equal(made[0], learner.pixels.plain(np.array([5]))[0])


def image_task():
    from recipes.tasks import SingleLabel

    return SingleLabel(("a", "b"))


def test_six_views_and_the_image_itself_are_shown_at_once_and_another_picture_is_another(make_competition):  # noqa: F811
    competition = reading.read(make_competition(train=30, test=2, side=700))
    options = quick(sizes=[128, 224], augment="side_on")
    first = augmentation_shown(competition, options)
    start = time.monotonic()
    second = augmentation_shown(competition, options, 1)
    assert time.monotonic() - start < 1.0
    sources = re.findall(r'src="([^"]+)"', first)
    assert len(sources) == len(set(sources)) == 7
    assert first != second
    assert first == augmentation_shown(competition, options, 24), "after the last of 24 comes the first"
    assert "as it is" in first


def test_a_broken_picture_is_passed_over(make_competition):  # noqa: F811
    competition = reading.read(make_competition(train=30, test=2))
    images = image_table(competition)
    for row in images.train.rows[1:]:
        images.sources[row].write_bytes(b"\xff\xd8 no picture")
    only = images.label(images.train.rows[0])
    for number in (0, 5):
        try:
            assert f"{only}, as it is" in augmentation_shown(competition, quick(), number)
        except RecipeError as error:
            assert "no training image can be opened" in str(error)  # noqa: PT017


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (12 * 60, 20 * 60, "About 12 to 20 minutes on 2 cores"),
        (40, 70, "About 40 to 70 seconds"),
        (3600, 3 * 3600, "About 1 to 3 hours"),
        (100, 100, "About 1.5 minutes on"),
    ],
)
def test_an_estimate_is_told_in_words(low, high, words):
    shown = estimate_shown(told(low, high))
    assert words in shown
    assert "up to 1.9 GB of memory and 310 MB of disk" in shown
    assert "the longest part is step 8, train &lt;it&gt;, at 224 px" in shown
    assert "bf16" not in shown
    assert "bf16" in estimate_shown(told(low, high, bf16_pays=True))


def test_a_batch_too_large_for_memory_is_told_with_one_that_fits():
    shown = estimate_shown(told(60, 90, memory=120 * 10**9, batch_size=4096, largest_batch=384))
    assert 'role="alert"' in shown
    assert "batches of 4,096 take up to 120 GB of memory, 8.0 GB are free; the largest batch that fits is 384" in shown
    assert "no batch fits" in estimate_shown(told(60, 90, largest_batch=0))


def test_a_process_of_its_own_measures_once_and_the_second_call_costs_nothing(make_competition):  # noqa: F811
    competition = reading.read(make_competition(train=60, test=10))
    with pytest.raises(Stopped):
        estimate(competition, quick(), should_stop=lambda: True)
    with pytest.raises(RunError, match=r"measuring took longer than 0\.2 s"):
        estimate(competition, quick(), timeout=0.2)
    with pytest.raises(RecipeError, match="unknown architecture: 'resnet43'"):
        estimate(competition, quick(arch="resnet43"))
    first = estimate(competition, quick())
    start = time.monotonic()
    assert estimate(competition, quick()) == first
    more = estimate(competition, quick(max_cycles=4, tta=8))
    assert time.monotonic() - start < 0.2, "other epochs need no other measurement"
    assert more.high > first.high
    assert first.fits
    assert "of the images decoded" in estimate_shown(first)


# ---------------------------------------------------------------- the same run elsewhere


def test_the_command_says_only_what_differs():
    assert as_command("/data/dogs", Options()) == "assistant run /data/dogs"
    asked = Options(recipe="one_cycle", sizes=[128, 224], max_zoom=1.25, folds=5, ema=0.99, max_cycles=2)
    assert as_command("/data/my dogs & cats", asked, ["metric=auc"]) == (
        "assistant run '/data/my dogs & cats' --recipe one_cycle --sizes 128,224 --folds 5 --max-zoom 1.25 "
        "--max-cycles 2 --ema 0.99 --set metric=auc"
    )
    assert as_command("sample", Options(**OPTIONS)) == "assistant run sample"
    assert as_command("sample", Options(**{**OPTIONS, "max_cycles": None})) == (
        "assistant run sample --arch resnet10t --weights none --batch-size 32 --ratio 1"
    )


def test_the_recipe_of_the_script_is_that_of_the_run():
    own = "enable_augmentation(max_zoom=1.5) + find_rate(batches=20) + train_whole_network"
    for recipe, more in (
        ("eight_steps", {"sizes": [32, 48]}),
        (own, {"augment": "top_down", "max_cycles": 2, "sizes": [16, 24]}),
    ):
        options = quick(recipe=recipe, **more)
        script = as_python("/data", options)
        said = re.search(r"^recipe = (.*)$", script, re.MULTILINE)[1]
        names = {"EIGHT_STEPS": EIGHT_STEPS, "progressive": progressive, "named": named}
        assert eval(said, names) == recipe_of(options)
        assert all(f"import {name}" in script or f", {name}" in script for name in names if name in said)
    augment, _, whole, *_ = recipe_of(options).steps
    assert (augment.max_zoom, augment.style, whole.max_cycles) == (1.5, "top_down", 2), (
        "what is written counts, and what is asked"
    )


OWN = {"recipe": "find_rate(batches=20) + train_head_augmented(cycles=1)", "tta": 1}
FOLDED = {"folds": 2, "recipe": "five_steps", "sizes": [32, 40], "tta": 1}


@pytest.mark.parametrize("changes", [{}, FOLDED, OWN])
def test_the_command_and_the_script_write_the_submission_of_the_run(make_competition, tmp_path, changes):  # noqa: F811
    folder = make_competition(train=45, test=6, template="classes")
    options = quick(max_cycles=1, seed=7, **changes)
    run = start_run(reading.read(folder), options, tmp_path / "run")
    assert ended(run) == "done", (run.folder / "worker.log").read_text()
    submission = (run.folder / "submission.csv").read_bytes()

    script = tmp_path / "again.py"
    script.write_text(as_python(folder, options))
    (tmp_path / "there").mkdir()
    environment = worker_environment() | {"PYTHONPATH": str(ROOT)}
    _run([sys.executable, str(script)], tmp_path / "there", environment)
    assert (tmp_path / "there" / "submission.csv").read_bytes() == submission

    if options.folds > 1:  # the command does what the app does, whatever the options
        return
    words = shlex.split(as_command(folder, options))
    assert words[:2] == ["assistant", "run"]
    command = [sys.executable, "-m", "assistant", *words[1:], "--out", str(tmp_path / "commanded"), "--json"]
    _run(command, tmp_path / "there", environment)
    assert (tmp_path / "commanded" / "submission.csv").read_bytes() == submission


def _run(command: list[str], folder, environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_the_networks_stand_with_what_they_cost_the_small_ones_first():
    offered = architectures()
    assert offered[0] == (
        "mobilenetv2_100 · 2.2 M parameters, 0.3 G multiply-adds · light, for a laptop without a GPU",
        "mobilenetv2_100",
    )
    names = [name for _, name in offered]
    wanted = {"mobilenetv2_100", "efficientnet_b0", "resnet34", "resnet50", "convnext_tiny", "vit_small_patch16_224"}
    assert wanted < set(names)
    assert any(name.startswith("swin_tiny") for name in names)
    costs = [float(re.search(r"([\d.]+) G multiply", words)[1]) for words, _ in offered]
    assert costs == sorted(costs)
