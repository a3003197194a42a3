"""Shares and folds: every class, tag and range has its part, and no group is parted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from recipes.errors import ImagesError
from recipes.splits import fold_of, held_out, quantile_bins

CLASSES = st.lists(st.integers(0, 4), min_size=12, max_size=80).map(np.array)


@st.composite
def tags_of_images(draw):
    n, tags = draw(st.integers(10, 80)), draw(st.integers(1, 6))
    chance = np.random.default_rng(draw(st.integers(0, 10**6)))
    return (chance.random((n, tags)) < chance.random(tags)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(CLASSES, st.integers(2, 5), st.integers(0, 2**32))
def test_folds_of_classes_are_equal_to_within_one_image(strata, folds, seed):
    fold = fold_of(strata, folds, seed)
    counts = np.array([np.bincount(strata[fold == number], minlength=5) for number in range(folds)])
    np.testing.assert_array_equal(counts.sum(0), np.bincount(strata, minlength=5))
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(counts.sum(1)) <= 1
    np.testing.assert_array_equal(fold, fold_of(strata, folds, seed))


@settings(max_examples=60, deadline=None)
@given(CLASSES, st.sampled_from([0.1, 0.2, 0.5]), st.integers(0, 2**32))
def test_a_share_of_classes_is_kept_to_within_one_image(strata, share, seed):
    held = held_out(strata, share, seed)
    assert held.any()
    assert abs(held.sum() - share * len(strata)) <= 1
    for number in np.unique(strata):
        assert abs(held[strata == number].sum() - share * (strata == number).sum()) <= 1


def test_the_same_rows_are_drawn_wherever_they_stand():
    strata, rows = np.arange(60) % 3, np.arange(60) * 2 + 7
    turned = np.random.default_rng(0).permutation(60)
    for draw in (lambda s, r: fold_of(s, 4, 5, rows=r), lambda s, r: held_out(s, 0.2, 5, rows=r)):
        np.testing.assert_array_equal(draw(strata, rows)[turned], draw(strata[turned], rows[turned]))
    assert (fold_of(strata, 4, 5) != fold_of(strata, 4, 6)).any()


def test_what_was_drawn_stays_drawn():
    """Runs that are taken up again, and comparisons between versions, need the very same folds."""
    assert fold_of(np.arange(12) % 2, 3, 42).tolist() == [1, 2, 2, 0, 0, 1, 0, 0, 1, 2, 2, 1]


@settings(max_examples=60, deadline=None)
@given(tags_of_images(), st.integers(2, 5), st.integers(0, 1000))
def test_folds_of_tags_are_a_partition_and_rare_tags_are_spread(tags, folds, seed):
    fold = fold_of(tags, folds, seed)
    assert fold.min() >= 0
    assert fold.max() < folds
    rarest = np.where(tags.sum(0) > 0, tags.sum(0), np.inf).argmin()
    if tags.any():
        counts = np.bincount(fold[tags[:, rarest] > 0], minlength=folds)
        assert np.ptp(counts) <= 1


def test_each_tag_keeps_its_share():
    chance = np.random.default_rng(0)
    tags = (chance.random((4000, 12)) < np.linspace(0.005, 0.4, 12)).astype(np.float32)
    fold = fold_of(tags, 5, 1)
    counts = np.array([tags[fold == number].sum(0) for number in range(5)])
    assert np.abs(counts - tags.sum(0) / 5).max() <= 1.5
    assert np.ptp(np.bincount(fold)) <= 2
    held = held_out(tags, 0.2, 1)
    assert np.abs(tags[held].sum(0) - 0.2 * tags.sum(0)).max() <= 1.5
    assert abs(held.sum() - 800) <= 2


def test_images_without_any_tag_can_be_split():
    held = held_out(np.zeros((10, 3)), 0.2, 0)
    assert held.sum() == 2
    assert held_out(np.ones((2, 1)), 0.01, 0).sum() == 1


@settings(max_examples=80, deadline=None)
@given(st.data(), st.integers(2, 5), st.integers(0, 1000), st.sampled_from(["classes", "tags"]))
def test_groups_are_never_parted(data, folds, seed, kind):
    strata = data.draw(CLASSES if kind == "classes" else tags_of_images())
    groups = data.draw(st.lists(st.sampled_from(["", *"abcdefgh"]), min_size=len(strata), max_size=len(strata)))
    named = {name for name in groups if name}
    count = len(named) + groups.count("")
    if count < folds:
        with pytest.raises(ImagesError, match=f"folds cannot be made: {folds} asked for of {count} groups"):
            fold_of(strata, folds, seed, groups)
        return
    fold, held = fold_of(strata, folds, seed, groups), held_out(strata, 0.2, seed, groups)
    assert set(fold) == set(range(folds))
    assert held.any()
    assert not held.all()
    for name in named:
        mine = [place for place, group in enumerate(groups) if group == name]
        assert len(set(fold[mine])) == 1
        assert len(set(held[mine])) == 1


def test_groups_are_spread_about_as_evenly_as_scikit_learn_spreads_them():
    chance = np.random.default_rng(0)
    patients = chance.integers(0, 150, 3000) ** 2 // 150
    strata = (chance.random(3000) < 0.05 + 0.3 * (patients % 5 == 0)).astype(int) + 2 * (patients % 3 == 0)
    theirs = np.empty(3000, int)
    for number, (_, rows) in enumerate(StratifiedGroupKFold(5).split(strata, strata, patients)):
        theirs[rows] = number

    def unevenness(fold):
        counts = np.array([np.bincount(strata[fold == number], minlength=4) for number in range(5)])
        return (counts / counts.sum(0)).std(0).mean()

    ours = fold_of(strata, 5, 0, patients.astype(str).tolist())
    assert unevenness(ours) < unevenness(theirs) * 1.2
    assert np.ptp(np.bincount(ours)) <= 60
    held = held_out(strata, 0.2, 0, patients.astype(str).tolist())
    share = np.bincount(strata[held], minlength=4) / np.bincount(strata, minlength=4)
    np.testing.assert_allclose(share, 0.2, atol=0.04)


def test_a_class_that_one_group_alone_has_trains():
    strata = np.array([0] * 40 + [1] * 5)
    groups = [f"p{i // 5}" for i in range(45)]
    for seed in range(5):
        held = held_out(strata, 0.2, seed, groups)
        assert not held[40:].any()
        assert held.sum() in (5, 10)


def test_one_group_cannot_validate_itself_and_two_can():
    with pytest.raises(ImagesError, match="validation cannot be made: all images are of one group") as error:
        held_out(np.array([0, 1, 0]), 0.2, 0, ["a"] * 3)
    assert "\n" not in str(error.value)
    held = held_out(np.array([0, 1] * 5), 0.1, 0, ["a"] * 6 + ["b"] * 4)
    assert held.tolist() == [False] * 6 + [True] * 4


def test_bins_of_numbers_are_of_about_equal_size():
    bins = quantile_bins(np.random.default_rng(0).lognormal(size=1000), 10)
    assert set(bins) == set(range(10))
    assert np.ptp(np.bincount(bins)) <= 1
    assert len(set(quantile_bins(np.ones(4)))) == 1
    assert quantile_bins(np.array([])).shape == (0,)
