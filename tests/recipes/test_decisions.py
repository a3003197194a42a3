"""Decisions fitted on validation images."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes import tag_thresholds
from recipes.decisions import (
    Argmax,
    Clipped,
    CutPoints,
    Decision,
    Ranked,
    Tags,
    Threshold,
    cross_fitted,
    decision_for,
)
from recipes.errors import RecipeError
from recipes.metrics import METRICS, metric
from recipes.tasks import MultiLabel, Regression, SingleLabel

GRADES, TWO, TAGS, NUMBER = (
    SingleLabel(tuple("01234")),
    SingleLabel(("no", "yes")),
    MultiLabel(tuple("abcdef")),
    Regression(("x",)),
)


def _grades(n, seed=0):
    """Grades of which low ones are frequent, and probabilities that lean to the middle."""
    chance = np.random.default_rng(seed)
    y = chance.choice(5, n, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    seen = 0.8 * y + 0.5 + chance.normal(0, 0.7, n)
    p = np.exp(-((seen[:, None] - np.arange(5)) ** 2))
    return y, p / p.sum(1, keepdims=True)


def _tags(n, seed=0):
    """Tags from frequent to rare, whose probabilities are too low."""
    chance = np.random.default_rng(seed)
    true = chance.beta(0.4, 0.8, (n, 6)) * np.array([1, 0.8, 0.6, 0.4, 0.2, 0.02])
    return (chance.random((n, 6)) < true).astype(np.float32), (true * 0.6).astype(np.float32)


def _two(n, seed=0):
    y, p = _grades(n, seed)
    return (y > 2).astype(int), np.c_[p[:, :3].sum(1), p[:, 3:].sum(1)]


def _numbers(n, seed=0):
    y, p = _grades(n, seed)
    return y[:, None].astype(np.float32), (p @ np.arange(5))[:, None].astype(np.float32)


CASES = [
    *((name, GRADES, _grades, kind) for name, kind in {
        "kappa": CutPoints, "f1_macro": Argmax, "balanced_accuracy": Argmax, "accuracy": Argmax, "matthews": Argmax,
        "log_loss": Argmax, "map@3": Ranked, "top_2_error": Ranked, "top_1_error": Argmax,
    }.items()),
    *((name, TWO, _two, kind) for name, kind in {
        "f1": Threshold, "matthews": Threshold, "f1_macro": Threshold, "accuracy": Argmax, "auc": Argmax,
    }.items()),
    *((name, TAGS, _tags, kind) for name, kind in {
        "f2": Tags, "f1_samples": Tags, "f1_micro": Tags, "f1_macro": Tags, "f1_weighted": Tags, "accuracy": Tags,
        "auc": Tags, "map@3": Ranked,
    }.items()),
    *((name, NUMBER, _numbers, kind) for name, kind in {
        "kappa": CutPoints, "rmse": Clipped, "mae": Clipped, "r2": Clipped, "rmsle": Clipped, "mcrmse": Clipped,
    }.items()),
]  # fmt: skip
NAMES = [f"{case[0]}-{case[1].name}-{len(case[1].classes)}" for case in CASES]


@pytest.mark.parametrize(("name", "task", "make", "kind"), CASES, ids=NAMES)
@pytest.mark.parametrize("n", [300, 25])
def test_a_fitted_decision_is_never_worse_on_validation_than_the_metrics_own_rule(name, task, make, kind, n):
    y, p = make(n)
    fitted, made = decision_for(name, task, y, p), metric(name, task)
    assert type(fitted) is kind
    assert fitted.why
    assert "\n" not in fitted.why
    if made.rule is not None or task is NUMBER:
        after, before = made.decided(y, fitted(p)), made(y, p)
        assert not made.better(before, after), fitted.why
    kept = json.loads(json.dumps(fitted.to_dict()))
    assert Decision.from_dict(kept) == fitted
    np.testing.assert_array_equal(Decision.from_dict(kept)(p), fitted(p))


@pytest.mark.parametrize(("name", "task", "make", "kind"), CASES, ids=NAMES)
def test_odd_validation_splits_leave_a_decision_that_decides(name, task, make, kind):
    y, p = make(60)
    constant = np.zeros_like(y) + y[0]
    for targets, answers in ((y[:1], p[:1]), (constant, p), (y[:0], p[:0]), (y, p * np.nan)):
        fitted = decision_for(name, task, targets, answers)
        assert len(fitted(p)) == 60
        assert np.isfinite(fitted(p)).all()


def test_what_thresholds_for_tags_find_beats_one_for_all_on_new_images():
    y, p = _tags(1500)
    new, answers = _tags(1500, seed=1)
    for name in ("f2", "f1_macro", "f1_micro"):
        fitted = Tags.fit(y, p, METRICS[name])
        assert METRICS[name].decided(new, fitted(answers)) > METRICS[name](new, answers) + 0.01
        assert fitted.why.startswith("thresholds fitted on 1,500 validation images: ")
    assert fitted.thresholds[5] != 0.5


@pytest.mark.parametrize("name", tag_thresholds.COUNTED)
def test_one_threshold_for_all_tags_is_the_best_of_the_grid_and_those_of_their_own_are_better(name):
    y, p = _tags(400)
    one, own = tag_thresholds.fitted(y, p, name)
    scores = [METRICS[name].decided(y, p > np.float32(threshold)) for threshold in tag_thresholds.GRID]
    best = METRICS[name].decided(y, p > np.float32(one))
    assert best == pytest.approx(max(scores))
    assert METRICS[name].decided(y, p > own) > best - 0.01


def test_a_rare_tag_keeps_nearly_the_common_threshold():
    chance = np.random.default_rng(0)
    y = np.zeros((1000, 2), np.float32)
    y[:400, 0] = 1
    y[:3, 1] = 1
    p = np.clip(0.3 * y + 0.2 + chance.normal(0, 0.05, y.shape), 0, 1)
    p[:3, 1] = 0.9
    one, own = tag_thresholds.fitted(y, p, "f1_macro")
    assert own[1] == one


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.sampled_from(["f2", "f1_micro", "f1_macro"]))
def test_every_image_gets_the_tags_that_it_must_have_at_least(seed, at_least, name):
    y, p = _tags(40, seed)
    fitted = Tags.fit(y, p, METRICS[name], at_least)
    assert (fitted(p).sum(1) >= at_least).all()
    usual = Tags((0.2 if name == "f2" else 0.5,) * 6, at_least)
    assert METRICS[name].decided(y, fitted(p)) >= METRICS[name].decided(y, usual(p)) - 1e-12


def test_cut_points_of_grades_are_in_order_and_worth_it_on_new_images():
    y, p = _grades(1500)
    new, answers = _grades(1500, seed=1)
    fitted = CutPoints.fit(y, p, METRICS["kappa"])
    assert list(fitted.cuts) == sorted(fitted.cuts)
    assert len(fitted.cuts) == 4
    assert METRICS["kappa"].decided(new, fitted(answers)) > METRICS["kappa"](new, answers)
    assert "the likeliest class" in fitted.why
    assert set(fitted(answers)) <= set(range(5))


def test_cut_points_that_bring_nothing_are_not_used_and_that_is_said():
    y = np.array([0, 1, 2] * 10)
    fitted = CutPoints.fit(y, np.eye(3)[y], METRICS["kappa"])
    assert fitted.cuts == ()
    assert fitted.why == "the likeliest class: no cut points score better on 30 validation images: kappa 1.0000"
    np.testing.assert_array_equal(fitted(np.eye(3)[y]), y)


def test_cut_points_of_numbers_give_whole_numbers_of_the_targets_range():
    y, p = _numbers(400)
    fitted = CutPoints.fit(y + 10, p + 10, METRICS["kappa"])
    decided = fitted(p * 3 + 5)
    assert decided.shape == (400, 1)
    assert decided.dtype == np.int64
    assert decided.min() >= 10
    assert decided.max() == 14
    many = CutPoints.fit(np.arange(100.0)[:, None], np.arange(100.0)[:, None] + 0.2, METRICS["kappa"])
    assert many.cuts == (), "too many numbers to fit cut points for"
    assert many(np.array([[3.7], [-5.0]])).tolist() == [[4], [0]]


def test_a_threshold_that_finds_the_rare_class():
    y = np.array([0] * 90 + [1] * 10)
    p = np.where(y, 0.3, 0.1)
    fitted = Threshold.fit(y, np.c_[1 - p, p], METRICS["f1"])
    assert 0.1 <= fitted.threshold < 0.3
    assert fitted.why.endswith("fitted on 100 validation images: F1 1.0000, at .5 .0000")


def test_weights_find_rare_classes_where_all_count_alike():
    y = np.array([0] * 90 + [1] * 6 + [2] * 4)
    p = np.array([0.6, 0.2, 0.2]) + 0.25 * np.eye(3)[y]
    p /= p.sum(1, keepdims=True)
    fitted = Argmax.fit(y, p, METRICS["balanced_accuracy"])
    assert METRICS["balanced_accuracy"].decided(y, fitted(p)) == 1
    assert Argmax.fit(y, p, METRICS["accuracy"]).weights == ()


def test_the_likeliest_classes_come_in_order():
    p = np.array([[0.1, 0.5, 0.4], [0.3, 0.3, 0.4]])
    assert Ranked(2)(p).tolist() == [[1, 2], [2, 0]]
    assert Ranked(5)(p).shape == (2, 3)
    assert decision_for("log_loss", SingleLabel(tuple("abc")), np.array([1, 2]), p, top=3)(p).shape == (2, 3)


def test_numbers_are_kept_to_their_range_and_rounded_where_that_scores_better():
    y, p = np.array([[1.0], [5.0], [3.0]]), np.array([[0.8], [6.0], [3.1]])
    assert Clipped.fit(y, p, METRICS["mae"])(np.array([[9.0], [2.2]])).tolist() == [[5], [2]]
    fitted = Clipped.fit(y, p, METRICS["rmse"], low=0, high=10, whole=False)
    assert fitted(np.array([[11.0], [2.2], [-1]])).ravel() == pytest.approx([10, 2.2, 0])


def test_fitting_elsewhere_tells_what_fitting_is_worth():
    y, p = _tags(600)
    worth = cross_fitted("f2", TAGS, y, p)
    seen = METRICS["f2"].decided(y, decision_for("f2", TAGS, y, p)(p))
    assert METRICS["f2"](y, p) < worth <= seen
    assert np.isnan(cross_fitted("f2", TAGS, y[:5], p[:5]))
    grades, answers = _grades(100)
    assert cross_fitted("log_loss", GRADES, grades, answers) == pytest.approx(METRICS["log_loss"](grades, answers))


def test_a_decision_that_nobody_knows_is_told_in_one_line():
    for kept in ({}, {"kind": "Coin"}, {"kind": "Ranked", "side": 1}):
        with pytest.raises(RecipeError, match=r"no such decision|not a Ranked: side is unknown"):
            Decision.from_dict(kept)
