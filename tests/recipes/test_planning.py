"""The plan of a recipe is what the recipe then does."""

from __future__ import annotations

import numpy as np
import pytest

from recipes import EIGHT_STEPS, FIVE_STEPS, ONE_CYCLE, Recipe, RecipeError, events, progressive
from recipes.planning import Counts, Passes, plan
from recipes.steps import FindRate, OneCycle, Resize, TrainHead, TrainWholeNetwork, Unfreeze

RECIPES = {
    "eight": EIGHT_STEPS,
    "eight, progressive": progressive(EIGHT_STEPS, (16, 32)),
    "five, progressive": progressive(FIVE_STEPS, (16, 24)),
    "one cycle, progressive": progressive(ONE_CYCLE, (16, 32)),
    "no sweep": Recipe("no sweep", (TrainHead(epochs=3), Resize(24), Unfreeze(), TrainWholeNetwork(cycle_len=2))),
}


class Watched:
    """A real run of a recipe: its events, and every layer group's rate at every batch, as its optimizer had them."""

    def __init__(self, make_learner, recipe: Recipe, images):
        self.rates: dict[int, list[tuple[object, dict[int, float]]]] = {}
        self.learner = make_learner(images, batch_size=7, should_stop=self._looks)
        recipe.run(self.learner)
        self.told = self.learner.told

    def _looks(self) -> bool:
        """Asked before each batch: notes the rates of the one before."""
        learner = getattr(self, "learner", None)
        if learner is not None and learner.optimizer is not None:
            groups = {group["group"]: group["lr"] for group in learner.optimizer.param_groups}
            self.rates.setdefault(learner.step, []).append((learner.optimizer, groups))
        return False

    def of(self, kind, step: int) -> list:
        return [event for event in self.told if isinstance(event, kind) and event.step == step]


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_plan_is_what_a_run_then_tells(make_learner, images, recipe):
    run = Watched(make_learner, recipe, images)
    found = [event.suggestion for event in run.told if isinstance(event, events.Sweep)]
    planned = plan(recipe, Counts.of(images), 7, size=16, suggestions=found)
    assert [(step.number, step.title) for step in planned.steps] == [
        (event.step, event.title) for event in run.told if isinstance(event, events.StepStarted)
    ]
    for step in planned.steps:
        epochs = run.of(events.Epoch, step.number)
        assert {event.epochs for event in epochs} <= {step.epochs}
        assert {event.size for event in epochs} <= {step.size}
        assert bool(epochs) == bool(step.epochs)
        assert len(epochs) == step.epochs or (step.until_overfitting and len(epochs) >= sum(step.cycles[:2]))
        np.testing.assert_allclose(
            [event.lr for event in epochs],
            [step.rates[event.epoch * step.batches - 1, 2] for event in epochs],
            rtol=1e-12,
        )
        batches = [event for event in run.of(events.Batch, step.number) if event.stage == "train"]
        assert {event.total for event in batches} <= {len(step.rates)}
        for event in batches:
            assert event.lr == pytest.approx(step.rates[event.done - 1, 2], rel=1e-12)
        swept = [event.total for event in run.of(events.Batch, step.number) if event.stage == "sweep"]
        assert set(swept) <= {step.sweep}
        assert bool(run.of(events.Sweep, step.number)) == bool(step.sweep)


def test_the_rates_of_every_group_at_every_batch_are_those_that_the_optimizer_had(make_learner, images):
    recipe = EIGHT_STEPS.changed(max_cycles=2)
    run = Watched(make_learner, recipe, images)
    found = [event.suggestion for event in run.told if isinstance(event, events.Sweep)]
    planned = plan(recipe, Counts.of(images), 7, suggestions=found)
    whole = planned.steps[-1]
    assert whole.learns == (True, True, True)
    assert whole.cycles == (1, 2)
    last = run.rates[8][-1][0]
    seen = [groups for optimizer, groups in run.rates[8] if optimizer is last]
    rates = np.array([[groups[number] for number in range(3)] for groups in seen])
    changes = rates[1:][np.diff(rates, axis=0).any(1)]  # the first are those that the optimizer was made with
    np.testing.assert_allclose(changes, whole.rates, rtol=1e-9)


def test_rates_are_shares_of_a_sweep_that_has_not_been_yet():
    unknown = plan(EIGHT_STEPS, Counts(300, 60, 100), 32)
    known = plan(EIGHT_STEPS, Counts(300, 60, 100), 32, suggestions=(2e-2, 5e-3))
    half = plan(EIGHT_STEPS, Counts(300, 60, 100), 32, suggestions=(2e-2,))
    assert [step.relative for step in unknown.steps] == [False, False, True, True, False, False, False, True]
    assert not any(step.relative for step in known.steps)
    assert [step.relative for step in half.steps][3::4] == [False, True]
    for number, rate in ((3, 2e-2), (4, 2e-2), (8, 5e-3)):
        np.testing.assert_allclose(unknown.steps[number - 1].rates * rate, known.steps[number - 1].rates)
    assert unknown.steps[7].rates[:, 2].max() == 1
    np.testing.assert_allclose(unknown.steps[7].rates[:, 1] * 10, unknown.steps[7].rates[:, 2])
    assert np.isnan(unknown.steps[3].rates[:, :2]).all()


def test_a_step_with_rates_of_its_own_is_drawn_with_them():
    planned = plan(ONE_CYCLE, Counts(300, 60), 32)
    first, *_, last = planned.steps
    assert not first.relative
    assert np.nanmax(first.rates) == pytest.approx(3e-3)
    assert np.nanmax(last.rates, axis=0) == pytest.approx([3e-5, 3e-5**0.5 * 3e-4**0.5, 3e-4])
    low = plan(ONE_CYCLE, Counts(300, 60), 32, suggestions=(1e-6,)).steps[-1]
    assert np.nanmax(low.rates, axis=0)[0] == pytest.approx(1e-6)


def test_the_images_that_go_through_the_network_are_counted():
    counts = Counts(train=100, valid=20, test=50)
    steps = plan(EIGHT_STEPS, counts, 10, tta=4).steps
    assert steps[0].most == Passes(kept=120)
    assert steps[1].most == Passes(head=1000)
    assert steps[1].fewest == Passes(head=500)
    assert steps[2].most == steps[2].fewest == Passes(head=200)
    assert steps[3].most == Passes(head=300, views=300), "the activations of the validation images are there already"
    assert steps[4].most == steps[5].most == Passes()
    assert steps[6].most == Passes(whole=400, plain=400)
    assert steps[7].most == Passes(whole=700, plain=140)
    assert steps[7].fewest == Passes(whole=300, plain=60)
    assert plan(EIGHT_STEPS, counts, 10, tta=4).answers == Passes(plain=20 + 5 * 70)
    five = plan(progressive(FIVE_STEPS, (64, 96)), counts, 10).steps
    assert five[0].most == Passes(head=1000, views=1000)
    assert five[1].most == Passes(head=300, views=300, kept=20)
    assert five[5].most == Passes(kept=20), (
        "at another size, activations are computed anew, and the starting point is scored"
    )
    assert five[6].most == Passes(head=100, views=100)
    assert [step.size for step in five] == [64] * 5 + [96] * 5


def test_a_fold_is_planned_from_its_own_images(make_learner, images):
    fold = images.fold(1, 4)
    learner = make_learner(fold, batch_size=8)
    recipe = Recipe("head", (FindRate(batches=20), TrainHead(epochs=2), OneCycle(epochs=1)))
    recipe.run(learner)
    planned = plan(recipe, Counts.of(fold), 8, folds=4)
    assert planned.folds == 4
    assert planned.epochs == len([event for event in learner.told if isinstance(event, events.Epoch)]) == 3
    assert planned.steps[1].batches == learner.batches() == 3


def test_too_few_images_are_told_in_one_line():
    with pytest.raises(RecipeError, match=r"^too few images: 1 to train and 0 to validate; at least two and one"):
        plan(EIGHT_STEPS, Counts(1, 0))
