"""The notes' "when things go wrong", as rules on the numbers of a fit."""

import math

import pytest

from recipes.advice import advise
from recipes.events import Epoch


def _epochs(train, valid, scores=None):
    scores = scores or [0.5] * len(train)
    return [
        Epoch(
            epoch=i + 1,
            epochs=len(train),
            cycle=1,
            train_loss=t,
            valid_loss=v,
            metrics={"accuracy": s},
            lr=1e-2,
            seconds=1.0,
            step=4,
            of=8,
            size=224,
        )
        for i, (t, v, s) in enumerate(zip(train, valid, scores))
    ]


def _kinds(*numbers, larger=True):
    return [advice.kind for advice in advise(_epochs(*numbers), 1e-2, larger, "accuracy")]


@pytest.mark.parametrize("last", [math.nan, math.inf, 1.3])
def test_a_validation_loss_that_explodes_says_rate_too_high(last):
    found = advise(_epochs([1.0, 0.9, 0.9], [0.8, 0.6, last]), 1e-2, True, "accuracy")
    assert [advice.kind for advice in found] == ["rate_too_high"]
    assert found[0].numbers["best_valid_loss"] == 0.6
    assert found[0].numbers["rate"] == 1e-2
    assert (found[0].step, found[0].of, found[0].size) == (4, 8, 224)
    assert "1.0e-02" in found[0].text


def test_a_training_loss_that_is_not_finite_says_rate_too_high():
    assert _kinds([1.0, math.nan], [0.8, 0.7]) == ["rate_too_high"]


def test_losses_that_creep_say_rate_too_low():
    assert _kinds([1.0, 0.98, 0.96], [0.9, 0.89, 0.88]) == ["rate_too_low"]
    assert _kinds([1.0, 0.9, 0.85], [0.8, 0.75, 0.745]) == [], "a tenth is learning"
    assert _kinds([1.0, 0.98, 0.96], [1.1, 1.09, 1.08]) == [], "training loss is below validation loss"


def test_training_loss_above_a_validation_loss_that_still_falls_says_too_few_epochs():
    assert _kinds([1.0, 0.7], [0.8, 0.6]) == ["too_few_epochs"]
    assert _kinds([1.0, 0.7], [0.6, 0.595]) == [], "a fall below 2 % is none"
    assert _kinds([1.0], [0.8]) == [], "one epoch tells nothing"


def test_a_score_that_gets_better_and_then_worse_says_too_many_epochs():
    train, valid = [1.0, 0.6, 0.4, 0.2, 0.1], [0.9, 0.6, 0.7, 0.8, 0.9]
    found = advise(_epochs(train, valid, [0.5, 0.9, 0.85, 0.8, 0.8]), 1e-2, True, "accuracy")
    assert [advice.kind for advice in found] == ["too_many_epochs"]
    assert found[0].numbers == {"best_epoch": 2.0, "best": 0.9, "last": 0.8}
    assert _kinds(train, valid, [0.9, 0.1, 0.15, 0.2, 0.2], larger=False) == ["too_many_epochs"]


def test_training_loss_below_validation_loss_alone_is_not_over_fitting():
    assert _kinds([1.0, 0.5, 0.3, 0.1], [1.1, 0.8, 0.7, 0.65], [0.5, 0.6, 0.7, 0.8]) == []


def test_a_fit_without_epochs_gets_no_advice():
    assert advise([], 1e-2, True, "accuracy") == []


def test_smoothed_labels_are_not_held_against_plain_ones():
    creeping, falling = ([1.2, 1.15, 1.1], [0.6, 0.55, 0.5]), ([1.2, 0.9], [0.6, 0.5])
    assert (_kinds(*creeping), _kinds(*falling)) == (["rate_too_low"], ["too_few_epochs"])
    for numbers in (creeping, falling):
        assert advise(_epochs(*numbers), 1e-2, True, "accuracy", smoothed=True) == []
