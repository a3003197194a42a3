"""The scores that competitions use."""

import numpy as np
import pytest
import sklearn.metrics as sk

from recipes.errors import RecipeError
from recipes.metrics import METRICS, bootstrap, default_metrics, metric
from recipes.scores import each_log_loss
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


# ---------------------------------------------------------------- every metric


ORDERED, TWO = SingleLabel(tuple("0123456")), SingleLabel(("cat", "dog"))


def _answers(task, n, seed=0):
    """Targets as the task encodes them, and answers that are near them."""
    chance = np.random.default_rng(seed)
    if task.name == "single_label":
        y = chance.integers(0, task.outputs, n)
        return y, chance.dirichlet(np.ones(task.outputs), n) * 0.6 + np.eye(task.outputs)[y] * 0.4
    if task.name == "multi_label":
        y = (chance.random((n, task.outputs)) < 0.4).astype(np.float32)
        return y, 0.6 * chance.random(y.shape) + 0.4 * y
    y = chance.integers(0, 6, (n, task.outputs)).astype(np.float32)
    return y, y + chance.normal(size=y.shape)


EVERY = [
    pytest.param(made, task, id=f"{made.name}-{task.name}")
    for made in METRICS.values()
    for task in (TWO if made.classes else ORDERED, MANY, NUMBER, Regression(("x", "y")))
    if made.fits(task)
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("made", "task"), EVERY)
def test_no_odd_validation_split_makes_a_metric_fail_or_warn(made, task):
    y, p = _answers(task, 30)
    score = made(y, p)
    assert np.isfinite(score)
    assert np.isnan(made(y, np.full_like(p, np.nan)))
    assert np.isnan(made(y[:0], p[:0]))
    one_class = np.flatnonzero(y == 1) if y.ndim == 1 else np.flatnonzero(y[:, 0] == y[0, 0])
    for rows in ([0], one_class, np.arange(2)):
        assert np.ndim(made(y[rows], p[rows])) == 0
    constant = np.zeros_like(y) + y[0]
    assert np.ndim(made(constant, p)) == 0
    low, high = bootstrap(made, y, p, rounds=60)
    assert low <= score <= high
    assert np.isnan(bootstrap(made, y, p + np.nan)).all()
    assert bootstrap(made, y, p, rounds=60) == (low, high)


@pytest.mark.parametrize(("made", "task"), EVERY)
def test_the_better_answers_score_better_in_the_direction_of_the_metric(made, task):
    y, p = _answers(task, 200)
    worse = p[np.random.default_rng(1).permutation(200)]
    assert made.better(made(y, p), made(y, worse))
    assert made.decided(y, made.decide(p, y.ndim == 1)) == made(y, p)


def test_scores_of_classes_equal_scikit_learns():
    y, p = _answers(ORDERED, 300)
    d = p.argmax(1)
    for name, wanted in {
        "top_1_error": 1 - sk.accuracy_score(y, d),
        "balanced_accuracy": sk.balanced_accuracy_score(y, d),
        "f1_macro": sk.f1_score(y, d, average="macro"),
        "f1_micro": sk.f1_score(y, d, average="micro"),
        "matthews": sk.matthews_corrcoef(y, d),
        "kappa": sk.cohen_kappa_score(y, d, weights="quadratic"),
        "auc": sk.roc_auc_score(y, p / p.sum(1, keepdims=True), multi_class="ovr"),
        "average_precision": sk.average_precision_score(np.eye(7)[y], p),
        "map@3": np.mean(
            [1 / (1 + list(np.argsort(-row)).index(t)) * (t in np.argsort(-row)[:3]) for t, row in zip(y, p)]
        ),
    }.items():
        assert METRICS[name](y, p) == pytest.approx(wanted), name
    assert metric("top_2_error", ORDERED)(y, p) == pytest.approx(1 - sk.top_k_accuracy_score(y, p, k=2))
    assert metric("top_2_accuracy", ORDERED)(y, p) == pytest.approx(sk.top_k_accuracy_score(y, p, k=2))


def test_scores_of_two_classes_are_those_of_the_last():
    y, p = _answers(TWO, 100)
    assert METRICS["f1"](y, p) == pytest.approx(sk.f1_score(y, p.argmax(1)))
    assert METRICS["auc"](y, p) == pytest.approx(sk.roc_auc_score(y, p[:, 1]))
    assert METRICS["average_precision"](y, p) == pytest.approx(sk.average_precision_score(y, p[:, 1]))


def test_scores_of_tags_equal_scikit_learns():
    y, p = _answers(MultiLabel(tuple("abcde")), 200)
    d = p > 0.5
    for average in ("micro", "macro", "samples", "weighted"):
        wanted = sk.f1_score(y, d, average=average, zero_division=0)
        assert METRICS[f"f1_{average}"](y, p) == pytest.approx(wanted), average
    assert METRICS["f2"](y, p) == pytest.approx(sk.fbeta_score(y, p > 0.2, beta=2, average="samples", zero_division=0))
    assert METRICS["auc"](y, p) == pytest.approx(sk.roc_auc_score(y, p))
    assert METRICS["average_precision"](y, p) == metric("map_macro", MANY)(y, p)
    y[:, 2] = 0
    kept = [0, 1, 3, 4]
    assert METRICS["auc"](y, p) == pytest.approx(sk.roc_auc_score(y[:, kept], p[:, kept])), "a tag that is nowhere"


def test_scores_of_numbers_equal_scikit_learns():
    y, p = _answers(Regression(("x", "y")), 100)
    y, p = np.abs(y), np.abs(p)
    assert METRICS["r2"](y, p) == pytest.approx(sk.r2_score(y, p))
    assert METRICS["rmse"](y, p) == pytest.approx(np.sqrt(sk.mean_squared_error(y, p)))
    assert METRICS["mcrmse"](y, p) == pytest.approx(sk.root_mean_squared_error(y, p))
    assert METRICS["rmsle"](y, p) == pytest.approx(np.sqrt(sk.mean_squared_log_error(y, p)))
    one = y[:, :1], p[:, :1]
    wanted = sk.cohen_kappa_score(one[0].astype(int).ravel(), np.rint(one[1]).astype(int).ravel(), weights="quadratic")
    assert METRICS["kappa"](*one) == pytest.approx(wanted)


def test_map_at_k_of_tags_by_hand():
    y = np.array([[1, 0, 1, 0], [0, 0, 0, 0]], np.float32)
    p = np.array([[0.9, 0.8, 0.7, 0.1], [0.1, 0.2, 0.3, 0.4]])
    assert METRICS["map@3"](y, p) == pytest.approx((1 + 2 / 3) / 2 / 2)
    assert metric("map@1", MANY)(y, p) == 0.5


def test_a_metric_fits_only_classes_that_it_makes_sense_for():
    with pytest.raises(RecipeError, match="f1 does not score these 3 classes: it needs 2 classes; take f1_macro"):
        metric("f1", ONE)
    with pytest.raises(RecipeError, match=r"kappa does not score these 3 classes: .* whole numbers in order"):
        metric("kappa", ONE)
    assert metric("kappa", ORDERED).name == "kappa"
    assert metric("map@7", ONE) is metric("map@7", ONE)
    for name in ("map@0", "top_0_error", "map@x", "top_5_score"):
        with pytest.raises(RecipeError, match="no such metric"):
            metric(name, ONE)


@pytest.mark.parametrize("name", ["accuracy", "log_loss", "auc"])
def test_a_bootstrap_interval_mostly_holds_the_score_of_all_images(name):
    y, p = _answers(ORDERED, 4000)
    y[::3] = np.random.default_rng(1).integers(0, 7, len(y[::3]))
    truth, made = METRICS[name](y, p), METRICS[name]
    parts = np.array_split(np.arange(4000), 40)
    held = [low <= truth <= high for low, high in (bootstrap(made, y[r], p[r], 100, seed=int(r[0])) for r in parts)]
    assert sum(held) >= 33
    wide, narrow = bootstrap(made, y[:400], p[:400], share=0.99), bootstrap(made, y[:400], p[:400], share=0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_a_bootstrap_may_score_decisions():
    y, p = _answers(ORDERED, 200)
    assert bootstrap(METRICS["kappa"], y, p.argmax(1), decided=True) == bootstrap(METRICS["kappa"], y, p)


@pytest.mark.parametrize("several", [False, True])
def test_log_loss_of_many_images_is_that_of_each(several):
    chance = np.random.default_rng(0)
    p = chance.random((9000, 4)).astype(np.float32)
    y = (chance.random((9000, 4)) > 0.5).astype(np.float32) if several else chance.integers(0, 4, 9000)
    whole = each_log_loss(y, p)
    np.testing.assert_array_equal(
        whole, np.concatenate([each_log_loss(y[n : n + 1], p[n : n + 1]) for n in range(9000)])
    )
