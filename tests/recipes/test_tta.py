"""Test-time augmentation."""

import numpy as np
import pytest

from recipes import PLAIN, RecipeError, tta
from recipes.predicting import view_answers


def test_the_mean_is_that_of_the_plain_view_and_four_random_ones(make_learner):
    learner = make_learner()
    learner.fit(1e-2)
    passes = tta.passes(learner, "test")
    assert passes.shape == (5, 6, 3)
    np.testing.assert_array_equal(passes[0], learner.predict("test"))
    np.testing.assert_array_equal(learner.tta("test"), passes.mean(0))
    np.testing.assert_allclose(learner.tta("test").sum(1), 1, atol=1e-5)
    for number in range(4):
        np.testing.assert_array_equal(passes[number + 1], view_answers(learner, "test", number))
    assert len({one.tobytes() for one in passes}) == 5, "every pass sees another view"


def test_the_passes_are_the_same_whenever_they_are_asked_for(make_learner):
    learner = make_learner()
    first = learner.tta("valid")
    learner.lr_find(batches=12)
    learner.predict("test")
    np.testing.assert_array_equal(learner.tta("valid"), first)


def test_views_are_drawn_from_the_learners_augmentation(make_learner, images):
    still = make_learner(augmentation=type(PLAIN)("plain", 1.0, 0.0, lighting=0.0))
    passes = tta.passes(still, "test", 2)
    np.testing.assert_allclose(passes[1], passes[0], atol=1e-4)
    np.testing.assert_allclose(passes[2], passes[0], atol=1e-4)


def test_no_random_view_is_the_plain_prediction(make_learner):
    learner = make_learner()
    np.testing.assert_array_equal(learner.tta("test", n=0), learner.predict("test"))


def test_an_unknown_split_is_told_in_one_line(make_learner):
    with pytest.raises(RecipeError, match="no such split: 'tset'; there are train, valid and test"):
        make_learner().tta("tset")
