"""The learning-rate sweep: what it suggests, and that it leaves no trace."""

import numpy as np
import pytest
import torch

from recipes import RecipeError, Stopped, events
from recipes.lr_finder import PICKS, SweepResult, chosen, picks, smoothed

RATES = np.geomspace(1e-5, 10, 100)
CHANCE = 2.0  # the loss of answering without looking


def test_smoothing_is_the_exponential_mean_corrected_for_its_start():
    losses, wanted, mean = [3.0, 1.0, 2.0, 0.5], [], 0.0
    for number, loss in enumerate(losses, 1):
        mean = 0.9 * mean + 0.1 * loss
        wanted.append(mean / (1 - 0.9**number))
    np.testing.assert_allclose(smoothed(losses), wanted)
    assert smoothed([5.0] * 30)[-1] == pytest.approx(5)


def test_picks_are_where_the_notes_say():
    """Flat, then down from 1e-3, lowest at 1e-1, then up."""
    x = np.log10(RATES)
    losses = np.where(x < -3, 2.0, np.where(x < -1, 2 - 0.9 * (x + 3), 0.2 + 5 * (x + 1))) - 1e-4 * np.arange(100)
    found = picks(RATES, losses, CHANCE)
    assert found["minimum"] == pytest.approx(1e-2, rel=0.2), "one order of magnitude below the minimum"
    assert 1e-3 < found["steepest"] < 1e-1
    assert 1e-4 < found["valley"] < 1e-1
    assert set(found) == set(PICKS) - {"auto"}


def test_the_first_batches_chance_is_taken_neither_for_a_slope_nor_for_a_minimum():
    losses = 2 - 1.5 / (1 + np.exp(-4 * (np.log10(RATES) + 2)))
    losses[:6] = [3.0, 0.1, 2.5, 2.2, 1.9, 2.0]
    found = picks(RATES, losses, CHANCE)
    assert found["steepest"] == pytest.approx(1e-2, rel=0.3)
    assert found["minimum"] == pytest.approx(1, rel=0.01)


def test_auto_is_the_valley_where_there_is_a_descent_and_else_the_edge():
    found = {"valley": 1e-3, "edge": 1e-4}
    assert chosen(np.linspace(2, 1, 50), found, "auto") == 1e-3
    assert chosen(np.linspace(1, 1.3, 50), found, "auto") == 1e-4
    assert chosen(np.linspace(1, 1.3, 50), found, "valley") == 1e-3


def test_the_steepest_slope_is_found_on_the_way_down_not_after_it():
    losses = 2 - 1.5 / (1 + np.exp(-4 * (np.log10(RATES) + 2)))  # falls fastest at 1e-2
    losses[80:] = 0.8 + np.sin(np.arange(20)) * 0.25
    assert picks(RATES, losses, CHANCE)["steepest"] == pytest.approx(1e-2, rel=0.3)


def test_the_valley_is_two_thirds_down_the_longest_descent():
    losses = np.concatenate([np.full(20, 2.0), np.linspace(1.9, 1.0, 31), np.linspace(1.1, 8, 49)])
    assert picks(RATES, losses, CHANCE)["valley"] == pytest.approx(RATES[20 + 20], rel=0.2)


def test_the_edge_is_a_twentieth_of_where_a_tenth_of_what_was_known_is_lost_for_good():
    losses = np.where(RATES < 0.1, 1.0, 1.09)  # of the way from 1 to chance, 9 %
    losses[RATES >= 1] = 1.11
    losses[30] = 3.0  # a bump that the loss comes back from
    assert picks(RATES, losses, CHANCE)["edge"] == pytest.approx(1 / 20, rel=0.2)


@pytest.mark.parametrize(
    "losses",
    [[], [1.0], [1.0, 0.9, np.nan], [np.nan] * 5, [0.0] * 40, [1.0] * 40, [np.inf, 1.0, 0.9, 0.8, 0.7]],
    ids=lambda losses: f"{len(losses)} of {losses[:1]}",
)
def test_odd_sweeps_still_give_rates_to_go_on_with(losses):
    found = picks(RATES[: len(losses)], np.array(losses), CHANCE)
    assert set(found) == set(PICKS) - {"auto"}
    assert all(0 < rate <= 10 for rate in found.values())


def test_a_sweep_shows_loss_against_rate_with_its_picks_marked():
    losses = np.linspace(2, 1, 100)
    sweep = SweepResult(RATES, losses, 1e-3, {"valley": 1e-3, "steepest": 1e-2})
    axes = sweep.plot().axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), RATES)
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), losses)
    assert axes.get_xscale() == "log"
    assert {text.get_text().split()[0] for text in axes.texts} == {"valley", "steepest"}


# ---------------------------------------------------------------- on a learner


def test_a_sweep_raises_the_rate_geometrically_and_tells_what_it_found(make_learner):
    learner = make_learner()
    sweep = learner.lr_find(batches=30, pick="steepest")
    assert 10 < len(sweep.rates) <= 30
    np.testing.assert_allclose(sweep.rates, (1e-5 * 1e6 ** (np.arange(30) / 29))[: len(sweep.rates)])
    assert sweep.suggestion == sweep.suggestions["steepest"]
    assert learner.sweep is sweep
    told = [event for event in learner.told if isinstance(event, events.Sweep)]
    assert len(told) == 1
    assert told[0].losses == sweep.losses.tolist()
    assert told[0].suggestions == sweep.suggestions


def test_a_sweep_stops_at_four_times_its_best_loss(make_learner):
    learner = make_learner()
    learner.unfreeze()
    sweep = learner.lr_find(start=1e-3, end=1e7, batches=60)
    assert len(sweep.rates) < 60
    finite = sweep.losses[np.isfinite(sweep.losses)]
    assert not np.isfinite(sweep.losses[-1]) or sweep.losses[-1] > 4 * finite[10:].min()


@pytest.mark.parametrize("precompute", [True, False])
@pytest.mark.parametrize("group", [2, 1, 0])
def test_a_sweep_leaves_no_trace(make_learner, weights_of, same, precompute, group):
    """Weights, optimizer and the following epoch are bit-identical with and without it."""
    states = []
    for swept in (False, True):
        learner = make_learner()
        learner.precompute = precompute
        learner.freeze_to(group)
        learner.fit(1e-2, 1)
        if swept:
            before, optimizer = weights_of(learner), learner.optimizer
            generator = torch.get_rng_state()
            learner.lr_find(batches=25)
            assert same(weights_of(learner), before)
            assert learner.optimizer is optimizer
            assert torch.equal(torch.get_rng_state(), generator)
        told = learner.fit(1e-2, 1, cycle_len=2)
        slots = {
            f"{number}.{name}": tensor
            for number, slot in learner.optimizer.state_dict()["state"].items()
            for name, tensor in slot.items()
        }
        assert slots
        epochs = [(epoch.train_loss, epoch.valid_loss, epoch.metrics) for epoch in told]
        states.append((weights_of(learner), slots, epochs, learner.predict()))
    (weights, slots, told, predicted), (weights_2, slots_2, told_2, predicted_2) = states
    assert same(weights, weights_2)
    assert same(slots, slots_2)
    assert told == told_2
    np.testing.assert_array_equal(predicted, predicted_2)


def test_a_sweep_that_is_stopped_puts_everything_back(make_learner, weights_of, same):
    learner = make_learner()
    learner.unfreeze()
    learner.prepare()
    before, asked = weights_of(learner), []
    learner.should_stop = lambda: asked.append(1) or len(asked) > 8
    with pytest.raises(Stopped):
        learner.lr_find(batches=30)
    assert len(asked) == 9
    assert same(weights_of(learner), before)


@pytest.mark.parametrize(
    "settings",
    [{"start": 0}, {"start": 1, "end": 0.1}, {"batches": 1}, {"end": float("nan")}, {"pick": "deepest"}],
    ids=str,
)
def test_what_is_no_sweep_is_told_in_one_line_before_anything_is_done(make_learner, settings):
    learner = make_learner()
    with pytest.raises(RecipeError) as error:
        learner.lr_find(**settings)
    assert "; " in str(error.value)
    assert not [event for event in learner.told if isinstance(event, events.Batch) and event.stage == "sweep"]
