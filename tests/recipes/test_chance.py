"""Chance is a function of its place."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes import chance

seeds = st.integers(-(2**62), 2**62)
places = st.lists(st.integers(-5, 1000), max_size=3)


def test_the_numbers_are_the_same_on_every_machine_and_in_every_version():
    assert chance.number(42, 1, 2) == 5032227652345500322
    assert chance.uniform(2, 42, 0, np.array([0, 7])).tolist() == [
        [0.7924630331484603, 0.5286701333317306],
        [0.28221844342800717, 0.7418272303594219],
    ]
    assert chance.order(np.arange(8), 42, 3).tolist() == [4, 1, 7, 6, 5, 2, 0, 3]


@settings(max_examples=50)
@given(seeds, places, st.lists(st.integers(0, 10**9), min_size=1, max_size=20), st.integers(1, 9))
def test_an_image_draws_the_same_whoever_is_in_its_batch(seed, place, rows, draws):
    together = chance.uniform(draws, seed, *place, np.array(rows))
    alone = np.concatenate([chance.uniform(draws, seed, *place, np.array([row])) for row in rows])
    assert together.shape == (len(rows), draws)
    np.testing.assert_array_equal(together, alone)
    assert (together >= 0).all()
    assert (together < 1).all()


@settings(max_examples=50)
@given(seeds, places, st.lists(st.integers(0, 10**6), unique=True, max_size=40), st.randoms())
def test_order_keeps_every_row_once_and_does_not_depend_on_how_they_came_in(seed, place, rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    made = chance.order(np.array(rows, np.int64), seed, *place)
    assert sorted(made.tolist()) == sorted(rows)
    np.testing.assert_array_equal(made, chance.order(np.array(shuffled, np.int64), seed, *place))


@settings(max_examples=50)
@given(seeds, places)
def test_a_number_is_one_that_torch_takes_for_a_seed(seed, place):
    assert 0 <= chance.number(seed, *place) < 2**63


def test_draws_spread_evenly_and_differ_between_seeds_epochs_and_columns():
    rows = np.arange(20_000)
    draws = chance.uniform(3, 42, 0, 0, rows)
    assert np.abs(draws.mean(0) - 0.5).max() < 0.01
    assert np.abs(np.histogram(draws[:, 0], 10, (0, 1))[0] - 2000).max() < 200
    others = [chance.uniform(1, 42, 0, 1, rows)[:, 0], chance.uniform(1, 43, 0, 0, rows)[:, 0], draws[:, 1]]
    for other in others:
        assert abs(np.corrcoef(draws[:, 0], other)[0, 1]) < 0.03
