"""Which class, which tags, what number: encoding, guessing, loss and activation."""

import numpy as np
import pytest
import torch

from recipes.errors import ImagesError
from recipes.tasks import MultiLabel, Regression, SingleLabel, answers_of, guess_task, loss_of, sorted_classes

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3]])


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (["cat", "dog", "cat"], "single_label"),
        (["0", "1", "5"], "single_label"),
        (["1.0", "0.0", "1.0"], "single_label"),
        (["0.5", "1", "2"], "regression"),
        (["-3.25", "1e3"], "regression"),
        (["haze primary", "clear primary water", "clear", "haze", "clear primary"], "multi_label"),
        (["golden retriever", "german shepherd", "pug"], "single_label"),
        (["Ragù", "pâté", "寿司"], "single_label"),
    ],
)
def test_the_task_is_guessed_from_the_labels(labels, task):
    assert guess_task(labels) == task


def test_classes_are_sorted_by_number_where_all_are_whole_numbers_else_as_text():
    assert sorted_classes(["10", "9", "-1", "9"]) == ("-1", "9", "10")
    assert sorted_classes(["007", "10", "08"]) == ("007", "08", "10")
    assert sorted_classes(["10", "9", "a"]) == ("10", "9", "a")


@pytest.mark.parametrize("odd", ["²", "①", "--1", "-", "1-"])
def test_labels_that_only_look_like_numbers_are_text(odd):
    assert sorted_classes([odd, "3"]) == tuple(sorted([odd, "3"]))


def test_single_labels_become_class_numbers():
    task = SingleLabel(("cat", "dog"))
    np.testing.assert_array_equal(task.encode(["dog", "cat", "dog"]), [1, 0, 1])
    with pytest.raises(ImagesError, match=r"a label is not among the classes: cow"):
        task.encode(["cow"])


def test_tags_become_marks_and_no_tag_is_a_row_of_zeros():
    task = MultiLabel(("clear", "haze", "water"))
    np.testing.assert_array_equal(task.encode(["water clear", "", "haze haze"]), [[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    with pytest.raises(ImagesError, match="a tag is not among the classes: road"):
        task.encode(["clear road"])


def test_numbers_are_read_as_they_are_and_what_is_none_is_named():
    np.testing.assert_allclose(Regression(("x", "y")).encode(["1.5 2", "-3 1e2"]), [[1.5, 2], [-3, 100]])
    with pytest.raises(ImagesError, match=r"a target is not a number: .*'abc'"):
        Regression(("x",)).encode(["1", "abc"])
    with pytest.raises(ImagesError, match="not a finite number: row 2"):
        Regression(("x",)).encode(["1", "nan"])
    with pytest.raises(ImagesError, match="targets differ in number: 2 an image; give 1"):
        Regression(("x",)).encode(["1 2", "3 4"])


def test_the_prior_is_the_class_frequency_or_the_median():
    np.testing.assert_allclose(SingleLabel(("a", "b", "c")).prior(np.array([0, 0, 0, 1])), [0.75, 0.25, 0], atol=1e-3)
    np.testing.assert_allclose(MultiLabel(("a", "b")).prior(np.array([[1, 0], [1, 1]], np.float32)), [1, 0.5])
    np.testing.assert_allclose(Regression(("x",)).prior(np.array([[1.0], [2.0], [90.0]], np.float32)), [2])


def test_single_label_loss_with_smoothing_is_szegedys():
    targets = torch.tensor([0, 2])
    log_p = LOGITS.log_softmax(1).numpy()
    smooth = 0.1
    wanted = np.full((2, 3), smooth / 3)
    wanted[[0, 1], [0, 2]] += 1 - smooth
    task = SingleLabel(("a", "b", "c"))
    assert loss_of(task, LOGITS, targets, smooth).item() == pytest.approx(-(wanted * log_p).sum(1).mean(), rel=1e-6)
    assert loss_of(task, LOGITS, targets).item() == pytest.approx(-(log_p[0, 0] + log_p[1, 2]) / 2, rel=1e-6)
    torch.testing.assert_close(answers_of(task, LOGITS).sum(1), torch.ones(2))


def test_multi_label_loss_is_binary_cross_entropy_with_marks_moved_towards_one_half():
    marks, smooth = np.array([[1.0, 0, 1], [0, 0, 1]]), 0.2
    p = 1 / (1 + np.exp(-LOGITS.numpy().astype(float)))
    moved = marks * 0.8 + 0.1
    wanted = -(moved * np.log(p) + (1 - moved) * np.log(1 - p)).mean()
    task = MultiLabel(("a", "b", "c"))
    assert loss_of(task, LOGITS, torch.tensor(marks).float(), smooth).item() == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(answers_of(task, LOGITS).numpy(), p, rtol=1e-5)


def test_regression_loss_is_l1_on_scaled_targets_and_answers_have_the_targets_units():
    targets = np.array([[100.0, 1.0], [300.0, 3.0]], np.float32)
    task = Regression(("x", "y")).scaled_by(targets)
    assert (task.mean, task.deviation) == ((200.0, 2.0), (100.0, 1.0))
    logits = torch.tensor([[0.0, 0.0], [1.0, 3.0]])
    assert loss_of(task, logits, torch.tensor(targets)).item() == pytest.approx((1 + 1 + 0 + 2) / 4)
    np.testing.assert_allclose(answers_of(task, logits).numpy(), [[200, 2], [300, 5]])


def test_targets_that_do_not_vary_can_still_be_scaled():
    for value in (7, 3.3, 1e-3):  # NumPy's deviation of equal numbers is not always 0
        task = Regression(("x",)).scaled_by(np.full((1000, 1), value, np.float32))
        assert task.deviation == (1.0,)
