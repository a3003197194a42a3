"""Schedules equal the formulas in the notes, as arrays."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipes import schedules
from recipes.errors import RecipeError
from recipes.training import Plan, batches_of, count_batches, rates_for


def test_three_cycles_of_length_one_times_two_are_seven_epochs():
    assert schedules.cycle_lengths(3, 1, 2) == [1, 2, 4]
    assert len(schedules.sgdr(10, 3, 1, 2)) == 70


def test_sgdr_equals_the_notes_formula():
    """Cosine within a cycle, restarts, the first twentieth of the first cycle at a hundredth."""
    batches, expected = 20, []
    for epochs in (1, 2, 4):
        n = batches * epochs
        expected += [(1 + math.cos(math.pi * i / n)) / 2 for i in range(n)]
    expected[0] = 0.01  # 20 batches: a twentieth is one
    np.testing.assert_allclose(schedules.sgdr(batches, 3, 1, 2), expected, rtol=0, atol=1e-15)


@given(st.integers(1, 30), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_sgdr_restarts_at_the_top_and_falls_within_each_cycle(batches, cycles, cycle_len, cycle_mult):
    factors = schedules.sgdr(batches, cycles, cycle_len, cycle_mult)
    lengths = [batches * epochs for epochs in schedules.cycle_lengths(cycles, cycle_len, cycle_mult)]
    assert len(factors) == sum(lengths)
    assert (factors > 0).all()
    warm = math.ceil(lengths[0] / 20)
    np.testing.assert_array_equal(factors[:warm], 0.01)
    for number, part in enumerate(np.split(factors, np.cumsum(lengths)[:-1])):
        if number:
            assert part[0] == 1
        assert (np.diff(part[warm if number == 0 else 0 :]) < 0).all()


def test_one_cycle_equals_its_formula():
    n, rising = 40, 12
    expected, momenta = [], []
    for i in range(rising):
        up = (1 - math.cos(math.pi * i / (rising - 1))) / 2
        expected.append(1 / 25 + (1 - 1 / 25) * up)
        momenta.append(0.95 - 0.10 * up)
    for i in range(n - rising):
        down = (1 - math.cos(math.pi * i / (n - rising - 1))) / 2
        expected.append(1 + (1e-5 - 1) * down)
        momenta.append(0.85 + 0.10 * down)
    factors, momentum = schedules.one_cycle(n)
    np.testing.assert_allclose(factors, expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(momentum, momenta, rtol=0, atol=1e-14)


@given(st.integers(1, 300))
def test_one_cycle_of_any_length_peaks_once_with_momentum_the_other_way(n):
    factors, momenta = schedules.one_cycle(n)
    assert len(factors) == len(momenta) == n
    assert (factors > 0).all()
    assert (factors <= 1).all()
    if n > 4:
        np.testing.assert_allclose([factors.max(), momenta.min(), momenta.max()], [1, 0.85, 0.95])
        assert factors[-1] == pytest.approx(1e-5)
        assert (np.diff(factors) * np.diff(momenta) <= 0).all()


def test_the_sweep_is_geometric_from_a_hundred_thousandth_to_ten():
    rates = schedules.sweep()
    assert len(rates) == 100
    np.testing.assert_allclose(rates[[0, -1]], [1e-5, 10], rtol=1e-12)
    np.testing.assert_allclose(rates[1:] / rates[:-1], 1e6 ** (1 / 99))


def test_a_plan_knows_the_cycle_of_each_epoch_and_where_cycles_end():
    plan = Plan.sgdr(5, 3, 1, 2)
    assert plan.epochs == 7
    assert [plan.cycle_of(epoch) for epoch in range(7)] == [
        (0, True), (1, False), (1, True), (2, False), (2, False), (2, False), (2, True)
    ]  # fmt: skip


def test_a_single_rate_is_the_heads_and_each_earlier_group_has_ratio_times_less():
    np.testing.assert_allclose(rates_for(1e-2, 10), (1e-4, 1e-3, 1e-2))
    np.testing.assert_allclose(rates_for(9e-3, 3), (1e-3, 3e-3, 9e-3))
    assert rates_for([1e-5, 1e-4, 1e-3], 10) == (1e-5, 1e-4, 1e-3)
    assert rates_for(np.float32(0.5), 1) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("rates", [0, -1e-3, float("nan"), float("inf"), (1e-3, 1e-2), (1e-3, 0, 1e-2), ()])
def test_what_is_no_rate_is_told_in_one_line(rates):
    with pytest.raises(RecipeError, match=r"^not learning rates: .*give one number above 0, or three"):
        rates_for(rates, 10)


@given(st.integers(2, 300), st.integers(2, 100), st.integers(0, 9))
def test_batches_hold_every_image_once_and_none_holds_a_single_one(images, batch_size, epoch):
    made = batches_of(np.arange(images) * 3, batch_size, 42, 0, epoch)
    assert len(made) == count_batches(images, batch_size)
    assert sorted(np.concatenate(made).tolist()) == [3 * i for i in range(images)]
    assert min(map(len, made)) >= 2, "batch normalisation cannot learn from one image"
    assert max(map(len, made)) - min(map(len, made)) <= 1
