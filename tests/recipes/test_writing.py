"""Recipes in writing: what is written is what is carried out, and what cannot be read is told in one line."""

import pytest

from recipes import EIGHT_STEPS, FIVE_STEPS, ONE_CYCLE, RecipeError, progressive
from recipes.cookbook import named
from recipes.steps import FindRate, OneCycle, TrainHeadAugmented, TrainWholeNetwork, Unfreeze
from recipes.writing import STEPS, as_text, written


@pytest.mark.parametrize("recipe", [EIGHT_STEPS, FIVE_STEPS, ONE_CYCLE, EIGHT_STEPS.changed(style="plain", cycles=7)])
def test_a_recipe_in_writing_is_that_recipe(recipe):
    assert written(as_text(recipe)).steps == recipe.steps


def test_a_recipe_of_ones_own_is_found_like_any_other():
    made = named(
        " find_rate(batches=20, pick=valley)+Train_Head_Augmented( cycles = 5 ) + unfreeze + train_whole_network"
    )
    assert made.steps == (FindRate("valley", 20), TrainHeadAugmented(cycles=5), Unfreeze(), TrainWholeNetwork())
    assert named("train_head_augmented").steps == (TrainHeadAugmented(),)
    assert named("one_cycle(top=1e-2)").steps == (OneCycle(top=0.01),)
    assert named("one_cycle") is ONE_CYCLE, "a name is a recipe's first of all"


def test_it_goes_through_sizes_and_unfreezes_only_for_what_trains_all_layers():
    alone = progressive(named("find_rate + train_head_augmented"), (16, 24))
    assert [step.title for step in alone.steps[2:]] == [
        "Change the image size",
        "Train the last layer with data augmentation",
    ]
    whole = progressive(named("find_rate + train_whole_network(max_cycles=5)"), (16, 24))
    assert whole.steps[-1] == TrainWholeNetwork(max_cycles=2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("find_rate + train_heads", "no such step: 'train_heads'; there are train_head"),
        ("find_rate + resize(size=64)", "no such step: 'resize"),
        ("find_rate + ", "no such step: ''; there are enable_augmentation"),
        ("find_rate + unfreeze", "nothing is trained"),
        ("train_head(cycles=2)", "train_head has no 'cycles=2'; its settings are epochs"),
        ("train_head(epochs)", "train_head has no 'epochs'"),
        ("train_head(epochs=2.5)", "epochs is not a whole number: '2.5'"),
        ("train_head(epochs=0)", "epochs is out of range: 0"),
        ("enable_augmentation(style=upside) + train_head", "no such style: 'upside'"),
        ("train_head((epochs=2))", "no such step"),
        (" + ".join(["find_rate"] * 60), "too many steps: 60"),
        ("ninesteps", "no such recipe"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(text, says):
    with pytest.raises(RecipeError) as caught:
        named(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_step_but_resize_can_be_written():
    assert set(STEPS) == {
        "enable_augmentation", "find_rate", "lower_earlier_rates", "one_cycle", "train_head", "train_head_augmented",
        "train_whole_network", "unfreeze",
    }  # fmt: skip


def test_a_recipe_of_ones_own_runs_to_a_prediction(make_learner):
    learner = make_learner()
    result = named("find_rate(batches=20) + one_cycle(epochs=1) + unfreeze + train_whole_network(max_cycles=1)").run(
        learner
    )
    assert [epoch.step for epoch in result.epochs] == [2, 4]
    assert learner.predict("test").shape == (6, 3)
