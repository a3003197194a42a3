"""The scores that competitions use."""

import numpy as np
import pytest
import sklearn.metrics as sk

from recipes.errors import RecipeError
from recipes.metrics import METRICS, default_metrics, metric
from recipes.tasks import MultiLabel, Regression, SingleLabel

ONE, MANY, NUMBER = SingleLabel(("a", "b", "c")), MultiLabel(("a", "b")), Regression(("x",))
P = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.4, 0.35, 0.25], [1.0, 0.0, 0.0]], np.float32)


def test_accuracy_and_log_loss_of_one_label_equal_scikit_learns():
    y = np.array([0, 2, 1, 0])
    assert METRICS["accuracy"](y, P) == 0.75
    assert METRICS["log_loss"](y, P) == pytest.approx(sk.log_loss(y, P.astype(float), labels=[0, 1, 2]), rel=1e-5)


def test_log_loss_of_a_wrong_certainty_is_kaggles_clipped_one():
    assert METRICS["log_loss"](np.array([1]), np.array([[1.0, 0.0]])) == pytest.approx(-np.log(1e-15))


def test_scores_of_tags():
    y = np.array([[1, 0], [1, 1]], np.float32)
    p = np.array([[0.9, 0.3], [0.15, 0.6]], np.float32)
    assert METRICS["accuracy"](y, p) == 0.75
    wanted = -np.mean(np.log([0.9, 0.7, 0.15, 0.6]))
    assert METRICS["log_loss"](y, p) == pytest.approx(wanted, rel=1e-6)
    # planet's F2 at a threshold of .2: first row finds 1 of 1 with one false, second 1 of 2 with none false
    first, second = 5 * 0.5 * 1 / (4 * 0.5 + 1), 5 * 1 * 0.5 / (4 * 1 + 0.5)
    assert METRICS["f2"](y, p) == pytest.approx((first + second) / 2)


def test_errors_of_numbers():
    y, p = np.array([[1.0], [2.0]]), np.array([[2.0], [5.0]])
    assert METRICS["mae"](y, p) == 2
    assert METRICS["rmse"](y, p) == pytest.approx(np.sqrt(5))


@pytest.mark.parametrize("task", [ONE, MANY, NUMBER], ids=lambda task: task.name)
def test_the_first_of_each_tasks_metrics_can_pick_the_best_weights(task):
    first = default_metrics(task)[0]
    assert metric(first.name, task) is first
    assert first.better(0.9, 0.8) is first.larger_is_better
    assert not first.better(float("nan"), 0.5)
    assert first.better(0.5, float("nan"))


def test_an_unknown_metric_names_the_nearest_and_one_of_another_task_those_that_fit():
    with pytest.raises(RecipeError, match="no such metric: 'acuracy'; there are accuracy"):
        metric("acuracy", ONE)
    with pytest.raises(RecipeError, match="rmse does not score single_label; take accuracy or log_loss"):
        metric("rmse", ONE)
