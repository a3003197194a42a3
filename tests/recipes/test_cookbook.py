"""Recipes: data that reads like the lecture's list, and runs that go on where they were."""

import dataclasses
import json
import os

import numpy as np
import pytest

from recipes import EIGHT_STEPS, FIVE_STEPS, ONE_CYCLE, Images, Recipe, RecipeError, Stopped, events, progressive
from recipes.checkpoints import Checkpoints
from recipes.cookbook import RECIPES, named
from recipes.steps import (
    EnableAugmentation,
    FindRate,
    LowerEarlierRates,
    OneCycle,
    Resize,
    TrainHead,
    TrainHeadAugmented,
    TrainWholeNetwork,
    Unfreeze,
)


def told(learner, kind):
    return [event for event in learner.told if isinstance(event, kind)]


# ---------------------------------------------------------------- recipes as data


def test_the_eight_steps_read_like_the_lectures_list():
    assert [type(step) for step in EIGHT_STEPS.steps] == [
        EnableAugmentation, FindRate, TrainHead, TrainHeadAugmented, Unfreeze, LowerEarlierRates, FindRate, TrainWholeNetwork
    ]  # fmt: skip
    augment, _, head, augmented, _, lower, _, whole = EIGHT_STEPS.steps
    assert (augment.style, augment.max_zoom) == ("side_on", 1.1)
    assert head.epochs in (1, 2)
    assert augmented.cycles in (2, 3)
    assert augmented.cycle_len == 1
    assert 3 <= lower.ratio <= 10
    assert whole.cycle_mult == 2


def test_the_other_recipes_read_like_theirs():
    assert [type(step) for step in FIVE_STEPS.steps] == [
        FindRate, TrainHeadAugmented, Unfreeze, LowerEarlierRates, TrainWholeNetwork
    ]  # fmt: skip
    assert [type(step) for step in ONE_CYCLE.steps] == [OneCycle, Unfreeze, FindRate, OneCycle]
    first, _, find, second = ONE_CYCLE.steps
    assert (first.epochs, first.top, find.pick, second.epochs, second.top) == (4, 3e-3, "steepest", 4, 3e-4)


def test_a_recipe_can_be_changed_in_every_step_that_has_the_field():
    changed = EIGHT_STEPS.changed(ratio=3, batches=30, style="top_down")
    assert changed.steps[0].style == "top_down"
    assert [step.batches for step in changed.steps if isinstance(step, FindRate)] == [30, 30]
    assert changed.steps[5].ratio == 3
    assert changed.steps[2] == EIGHT_STEPS.steps[2]
    assert EIGHT_STEPS.steps[5].ratio == 10, "the recipe itself is as it was"
    with pytest.raises(RecipeError, match="no step of one cycle has 'ratio'; there are batches, epochs, pick, top"):
        ONE_CYCLE.changed(ratio=3)
    with pytest.raises(RecipeError, match=r"ratio is out of range: 0.5; give 1 to 100"):
        EIGHT_STEPS.changed(ratio=0.5)


@pytest.mark.parametrize(
    "step", {type(s): s for r in RECIPES.values() for s in (*r.steps, Resize(32))}.values(), ids=repr
)
def test_every_step_says_what_it_does_and_keeps_its_fields_in_range(step):
    assert step.title
    for spec in dataclasses.fields(step):
        assert spec.metadata["help"].endswith(".")
        if "choices" in spec.metadata:
            with pytest.raises(RecipeError, match=f"no such {spec.name}: 'other'; there are "):
                dataclasses.replace(step, **{spec.name: "other"})
            continue
        for wrong in (spec.metadata["min"] - 1, spec.metadata["max"] + 1, float("nan")):
            with pytest.raises(RecipeError, match=f"{spec.name} is out of range: .*; give "):
                dataclasses.replace(step, **{spec.name: wrong})


def test_recipes_are_found_by_name():
    assert named("eight_steps") is named("Eight Steps") is named("eight-steps") is EIGHT_STEPS
    with pytest.raises(RecipeError, match="no such recipe: 'eigth_steps'; there are eight_steps"):
        named("eigth_steps")


def test_progressive_resizing_repeats_the_end_at_each_later_size():
    recipe = progressive(EIGHT_STEPS, sizes=(16, 24, 32))
    assert recipe.sizes == (16, 24, 32)
    assert recipe.steps[:8] == EIGHT_STEPS.steps
    assert [type(step) for step in recipe.steps[8:13]] == [
        Resize, TrainHeadAugmented, Unfreeze, LowerEarlierRates, TrainWholeNetwork
    ]  # fmt: skip
    assert [step.size for step in recipe.steps if isinstance(step, Resize)] == [24, 32]
    assert progressive(EIGHT_STEPS, (64,)).steps == EIGHT_STEPS.steps
    assert isinstance(progressive(ONE_CYCLE, (16, 24)).steps[-1], OneCycle)
    for sizes in ((), (0,), (16, -1)):
        with pytest.raises(RecipeError, match="not image sizes: "):
            progressive(EIGHT_STEPS, sizes)


# ---------------------------------------------------------------- every recipe, task and source


@pytest.fixture
def source(a_competition, coloured, write, tmp_path):
    """`source(task, kind)`: 24 labelled pictures and 3 to predict."""

    def made(task, kind):
        x, names = coloured(24)
        test = coloured(3, seed=1)[0]
        tags = ["warm bright" if n == "red" else "bright" if n == "green" else "cold" for n in names]
        marks = [[int(n == "red"), int(n != "blue")] for n in names]
        sizes = [[i / 4, 100.5 - i] for i in range(24)]
        labels = {"single_label": names, "multi_label": tags, "regression": [row[0] for row in sizes]}[task]
        if kind == "arrays":
            y = {"single_label": names, "multi_label": marks, "regression": sizes}[task]
            return Images.from_arrays(x, y, test=test)
        if kind == "columns":
            columns = {"multi_label": marks, "regression": sizes}[task]
            root = a_competition(24, labels=columns, header=("id", "one", "two"))
            csv = root / "labels.csv"
            return Images.from_csv(csv, folder="train", suffix=".png", label_column=["one", "two"], test="test")
        if kind == "folders":
            for i, (picture, name) in enumerate(zip(x, names)):
                write(tmp_path / "by_class" / ("valid" if i % 5 == 0 else "train") / name / f"{i}.png", picture)
            for i, picture in enumerate(test):
                write(tmp_path / "by_class" / "test" / f"{i}.png", picture)
            return Images.from_folders(tmp_path / "by_class", test="test")
        root = a_competition(24, labels=labels)
        return Images.from_csv(root / "labels.csv", folder="train", suffix=".png", test="test", task=task)

    return made


@pytest.mark.parametrize(
    ("recipe", "task", "kind"),
    [
        ("eight_steps", "single_label", "csv"),
        ("five_steps", "single_label", "folders"),
        ("one_cycle", "single_label", "arrays"),
        ("eight_steps", "multi_label", "columns"),
        ("five_steps", "multi_label", "csv"),
        ("one_cycle", "multi_label", "arrays"),
        ("eight_steps", "regression", "arrays"),
        ("five_steps", "regression", "columns"),
        ("one_cycle", "regression", "csv"),
    ],
)
def test_every_recipe_task_and_source_runs_to_a_prediction(make_learner, source, recipe, task, kind):
    images = source(task, kind)
    assert images.task.name == task
    learner = make_learner(images, arch="test_vit", size=32)
    recipe = named(recipe).changed(batches=20)
    result = recipe.run(learner)
    titles = [step.title for step in recipe.steps]
    assert [event.title for event in told(learner, events.StepStarted)] == titles
    assert [event.title for event in told(learner, events.StepEnded)] == titles
    assert [event.step for event in told(learner, events.StepStarted)] == list(range(1, len(titles) + 1))
    assert {event.of for event in told(learner, events.StepStarted)} == {len(titles)}
    assert result.epochs == told(learner, events.Epoch)
    assert result.sweeps == told(learner, events.Sweep)
    assert len(result.sweeps) == sum(isinstance(step, FindRate) for step in recipe.steps)
    best = max(
        result.epochs,
        key=lambda e: ((1 if task != "regression" else -1) * next(iter(e.metrics.values())), -e.valid_loss),
    )
    assert result.metrics == pytest.approx(best.metrics, rel=1e-5), "the best weights remain"
    assert result.valid_loss == pytest.approx(best.valid_loss, rel=1e-4)
    for answers in (learner.predict(), learner.tta()):
        assert answers.shape == (3, len(images.classes))
        assert np.isfinite(answers).all()
        if task == "single_label":
            np.testing.assert_allclose(answers.sum(1), 1, atol=1e-5)
        if task != "regression":
            assert answers.min() >= 0
            assert answers.max() <= 1
        assert np.ptp(answers, axis=0).max() > 1e-4, "other pictures, other answers"
    for event in learner.told:
        assert events.from_dict(json.loads(json.dumps(event.to_dict(), allow_nan=False))).event == event.event


def test_a_recipe_learns_to_tell_colours_apart(make_learner, coloured):
    x, names = coloured(60)
    test, wanted = coloured(15, seed=5)
    learner = make_learner(Images.from_arrays(x, names, test=test), arch="test_vit", size=32)
    result = EIGHT_STEPS.changed(ratio=1).run(learner)
    assert result.metrics["accuracy"] >= 0.9
    hits = [learner.images.classes[i] == name for i, name in zip(learner.tta().argmax(1), wanted)]
    assert sum(hits) >= 13


def test_a_progressive_run_goes_through_the_sizes(make_learner):
    learner = make_learner(size=48)
    recipe = progressive(FIVE_STEPS.changed(batches=20, cycles=1, max_cycles=1), (16, 24))
    result = recipe.run(learner)
    assert [epoch.size for epoch in result.epochs] == [16, 16, 24, 24, 24, 24]
    assert learner.size == 24
    assert {event.size for event in told(learner, events.StepStarted)} == {16, 24}
    assert [e.size for e in told(learner, events.StepEnded) if e.title == Resize.title] == [24]
    best = max(result.epochs[2:], key=lambda e: (e.metrics["accuracy"], -e.valid_loss))
    assert result.metrics["accuracy"] == pytest.approx(best.metrics["accuracy"]), "the best of the last size"


def test_a_sizes_list_that_the_network_cannot_take_is_refused_before_anything_is_trained(make_learner):
    learner = make_learner(arch="test_vit", size=32)
    with pytest.raises(RecipeError, match="takes multiples of 16 px only"):
        progressive(FIVE_STEPS, (32, 40)).run(learner)
    assert told(learner, events.Epoch) == []


# ---------------------------------------------------------------- killed and resumed

SHORT = EIGHT_STEPS.changed(batches=20, epochs=2, cycles=2, max_cycles=2)
TWO_SIZES = progressive(FIVE_STEPS.changed(batches=20, cycles=1, max_cycles=1), (16, 24))


class Killed(Exception):
    """A death at a moment of the test's choosing."""


def bits(learner):
    """All that a run's files are made of."""
    return {
        "weights": {name: tensor.numpy().tobytes() for name, tensor in learner.network.state_dict().items()},
        "test": learner.predict("test").tobytes(),
        "valid": learner.predict("valid").tobytes(),
        "tta": learner.tta("test", n=1).tobytes(),
        "scores": learner.evaluate(),
    }


@pytest.fixture(autouse=True)
def no_power_cuts(monkeypatch):
    """The processes of these tests die; the machine does not, so nothing has to reach the disk at once."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """`uninterrupted(make_learner, recipe, **settings)`: what a recipe gives when nothing happens, run once."""
    known = {}

    def run(make_learner, recipe=SHORT, **settings):
        key = repr((recipe, settings))
        if key not in known:
            learner = make_learner(cache=tmp_path_factory.mktemp("cache"), **settings)
            result = recipe.run(learner, checkpoints=tmp_path_factory.mktemp("checkpoints"))
            known[key] = (bits(learner), result)
        return known[key]

    return run


def run_until_killed(learner, checkpoints, moment, recipe=SHORT):
    """Runs a recipe up to a moment: a predicate of each event, or (step, how often it has been asked to stop)."""
    asked = []

    def report(event):
        learner.told.append(event)
        if callable(moment) and moment(event):
            raise Killed

    def should_stop():
        if not callable(moment) and learner.step == moment[0]:
            asked.append(1)
            if len(asked) == moment[1]:
                raise Killed
        return False

    learner.should_stop = should_stop
    with pytest.raises(Killed):
        recipe.run(learner, report=report, checkpoints=checkpoints)


def at(kind, **wanted):
    return lambda event: isinstance(event, kind) and all(getattr(event, k) == v for k, v in wanted.items())


MOMENTS = {
    "before the first step": at(events.StepStarted, step=1),
    "in the first sweep": (2, 9),
    "between two epochs on activations": at(events.Epoch, step=3, epoch=1),
    "between two steps": at(events.StepEnded, step=3),
    "in the first epoch with augmentation": (4, 3),
    "at the end of a cycle": at(events.CycleEnded, step=4, cycle=1),
    "in the second sweep": (7, 9),
    "in the whole network's first epoch": (8, 3),
    "in the middle of the whole network's second cycle": (8, 12),
    "at the whole network's last epoch": at(events.Epoch, step=8, epoch=3),
    "at the very end": at(events.StepEnded, step=8),
}

MOMENTS_OF_TWO_SIZES = {
    "while images are resized": at(events.Batch, stage="resize"),
    "after the first size": at(events.StepEnded, step=5),
    "after resizing": at(events.StepEnded, step=6),
    "in an epoch at the second size": (10, 3),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_killed_and_resumed_gives_the_same_bits(make_learner, uninterrupted, tmp_path, moment):
    wanted, result = uninterrupted(make_learner)
    run_until_killed(make_learner(), tmp_path / "checkpoints", MOMENTS[moment])
    learner = make_learner()
    again = SHORT.run(learner, checkpoints=tmp_path / "checkpoints")
    assert bits(learner) == wanted
    assert (again.valid_loss, again.metrics) == (result.valid_loss, result.metrics)
    assert told(learner, events.Warned) == []


@pytest.mark.parametrize("moment", MOMENTS_OF_TWO_SIZES)
def test_a_run_through_sizes_killed_and_resumed_gives_the_same_bits(make_learner, uninterrupted, tmp_path, moment):
    wanted, result = uninterrupted(make_learner, TWO_SIZES)
    run_until_killed(make_learner(), tmp_path / "checkpoints", MOMENTS_OF_TWO_SIZES[moment], TWO_SIZES)
    learner = make_learner()
    assert TWO_SIZES.run(learner, checkpoints=tmp_path / "checkpoints").metrics == result.metrics
    assert learner.size == 24
    assert bits(learner) == wanted


@pytest.mark.parametrize(
    "moment", ["in the first epoch with augmentation", "in the middle of the whole network's second cycle"]
)
def test_a_run_with_averaged_weights_is_resumed_to_the_same_bits(make_learner, uninterrupted, tmp_path, moment):
    wanted, _ = uninterrupted(make_learner, ema=0.9)
    run_until_killed(make_learner(ema=0.9), tmp_path / "checkpoints", MOMENTS[moment])
    learner = make_learner(ema=0.9)
    SHORT.run(learner, checkpoints=tmp_path / "checkpoints")
    assert bits(learner) == wanted


def test_a_run_resumed_with_another_cache_gives_the_same_bits(make_learner, uninterrupted, tmp_path):
    """Such as on another machine: what was computed before has to be computed again."""
    wanted, _ = uninterrupted(make_learner)
    run_until_killed(make_learner(), tmp_path / "checkpoints", MOMENTS["in the first epoch with augmentation"])
    learner = make_learner(cache=tmp_path / "another")
    SHORT.run(learner, checkpoints=tmp_path / "checkpoints")
    assert bits(learner) == wanted


def test_a_run_killed_over_and_over_gives_the_same_bits(make_learner, uninterrupted, tmp_path):
    wanted, _ = uninterrupted(make_learner)
    for moment in (
        "in the first sweep",
        "between two epochs on activations",
        "at the end of a cycle",
        "in the second sweep",
    ):
        run_until_killed(make_learner(), tmp_path / "checkpoints", MOMENTS[moment])
    for _ in range(2):  # in the same epoch twice
        run_until_killed(make_learner(), tmp_path / "checkpoints", MOMENTS["in the whole network's first epoch"])
    learner = make_learner()
    SHORT.run(learner, checkpoints=tmp_path / "checkpoints")
    assert bits(learner) == wanted


def test_a_run_stopped_when_asked_is_resumed_to_the_same_bits(make_learner, uninterrupted, tmp_path):
    wanted, _ = uninterrupted(make_learner)
    learner = make_learner()
    learner.should_stop = lambda: any(epoch.step == 8 for epoch in told(learner, events.Epoch))
    with pytest.raises(Stopped):
        SHORT.run(learner, checkpoints=tmp_path / "checkpoints")
    learner = make_learner()
    SHORT.run(learner, checkpoints=tmp_path / "checkpoints")
    assert bits(learner) == wanted


@pytest.mark.parametrize("damage", ["half", "both files"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(make_learner, uninterrupted, tmp_path, damage):
    wanted, _ = uninterrupted(make_learner)
    checkpoints = tmp_path / "checkpoints"
    run_until_killed(make_learner(), checkpoints, MOMENTS["in the middle of the whole network's second cycle"])
    newest = sorted(checkpoints.iterdir())[-1]
    for name in {"half": ["state.safetensors"], "both files": os.listdir(newest)}[damage]:
        content = (newest / name).read_bytes()
        (newest / name).write_bytes(content[: len(content) // 2])
    learner = make_learner()
    SHORT.run(learner, checkpoints=checkpoints)
    texts = [event.text for event in told(learner, events.Warned)]
    assert texts == [f"a damaged checkpoint was passed over ({newest.name}); the run goes on from the one before it"]
    assert bits(learner) == wanted


def test_when_every_checkpoint_is_damaged_the_run_begins_anew_and_says_so(make_learner, uninterrupted, tmp_path):
    wanted, _ = uninterrupted(make_learner)
    checkpoints = tmp_path / "checkpoints"
    run_until_killed(make_learner(), checkpoints, MOMENTS["between two steps"])
    for path in checkpoints.iterdir():
        (path / "state.safetensors").write_bytes(b"")
    learner = make_learner()
    SHORT.run(learner, checkpoints=checkpoints)
    assert [event for event in told(learner, events.Warned) if "damaged" in event.text]
    assert bits(learner) == wanted


def test_a_run_that_is_over_is_not_trained_again(make_learner, uninterrupted, tmp_path):
    wanted, result = uninterrupted(make_learner)
    SHORT.run(make_learner(), checkpoints=tmp_path / "checkpoints")
    learner = make_learner()
    again = SHORT.run(learner, checkpoints=tmp_path / "checkpoints")
    assert told(learner, events.Epoch) == []
    assert again.metrics == result.metrics
    assert bits(learner) == wanted


def test_a_checkpoint_of_another_network_is_refused_in_one_line(make_learner, tmp_path):
    run_until_killed(make_learner(), tmp_path / "checkpoints", MOMENTS["between two steps"])
    with pytest.raises(RecipeError) as error:
        SHORT.run(make_learner(arch="test_resnet"), checkpoints=tmp_path / "checkpoints")
    assert "\n" not in str(error.value)


def test_what_is_done_after_a_run_does_not_change_its_checkpoints(make_learner, tmp_path):
    learner = make_learner()
    Recipe("short", (TrainHead(epochs=1),)).run(learner, checkpoints=tmp_path / "checkpoints")
    before = sorted(os.listdir(tmp_path / "checkpoints"))
    learner.fit(1e-2)
    assert sorted(os.listdir(tmp_path / "checkpoints")) == before


def test_a_stop_leaves_the_best_weights_of_the_last_size_in_every_step(make_learner, coloured, same):
    """Labels that say nothing, so that later epochs are seldom the best."""
    x, _ = coloured(40)
    learner = make_learner(Images.from_arrays(x, np.random.default_rng(1).integers(0, 2, 40)))
    learner.rate = 0.05
    recipe = Recipe("head", (TrainHeadAugmented(cycles=8),))
    learner.should_stop = lambda: len(told(learner, events.Epoch)) == 7
    with pytest.raises(Stopped):
        recipe.run(learner)
    best = max(told(learner, events.Epoch), key=lambda e: (e.metrics["accuracy"], -e.valid_loss))
    assert best.epoch < 7
    assert same(learner.network.state_dict(), learner.best[1])


def test_a_full_disk_is_told_and_the_run_goes_on_from_what_was_saved(
    make_learner, uninterrupted, tmp_path, monkeypatch
):
    wanted, _ = uninterrupted(make_learner)
    write, written = Checkpoints.write_behind, []

    def full(self, state, tensors):
        written.append(state)
        if len(written) == 7:
            monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        write(self, state, tensors)

    monkeypatch.setattr(Checkpoints, "write_behind", full)
    with pytest.raises(RecipeError, match=r"the disk is full: .*; free some space, then resume"):
        SHORT.run(make_learner(), checkpoints=tmp_path / "checkpoints")
    monkeypatch.undo()
    learner = make_learner()
    SHORT.run(learner, checkpoints=tmp_path / "checkpoints")
    assert told(learner, events.StepStarted)[0].step > 1
    assert bits(learner) == wanted


def test_a_checkpoint_folder_that_cannot_be_written_is_told_in_one_line(make_learner, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecipeError, match="a folder cannot be written: "):
        SHORT.run(make_learner(), checkpoints=tmp_path / "file" / "checkpoints")


def test_what_was_learned_at_the_size_before_counts_at_the_next_one(make_learner, same, weights_of):
    learner = make_learner()
    learner.fit(0.02)
    EnableAugmentation().run(learner)
    Resize(24).run(learner)
    assert learner.best is not None, "a stop now has something to keep"
    assert same(learner.best[1], weights_of(learner))
    loss, scores = learner.evaluate()
    assert learner.best[0] == [scores["accuracy"], -loss]


@pytest.mark.parametrize("other", ["fold", "seed", "labels", "steps"])
def test_a_checkpoint_of_other_images_settings_or_steps_is_refused(make_learner, images, coloured, tmp_path, other):
    """Weights that learned from what now validates would be scored far too well."""
    SHORT.run(make_learner(images.fold(0, 3)), checkpoints=tmp_path / "checkpoints")
    x, names = coloured(36)
    again, seed, recipe = images.fold(0, 3), 42, SHORT
    if other == "fold":
        again = images.fold(1, 3)
    elif other == "labels":
        again = Images.from_arrays(x, [*names[1:], names[0]], test=x[:6]).fold(0, 3)
    elif other == "seed":
        seed = 43
    else:
        recipe = SHORT.changed(epochs=3)
    learner = make_learner(again, seed=seed)
    with pytest.raises(RecipeError, match="another run"):
        recipe.run(learner, checkpoints=tmp_path / "checkpoints")
