"""The pictures show the numbers that they are given, and bear whatever they are given."""

from __future__ import annotations

import io
import math
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from assistant import plots
from recipes.events import Batch, Epoch, Sweep

ODD_NAMES = ["a$b$c", "<b>bold</b>", "собака", "狗", "x" * 80, "two\nlines", "\udcff"]


def epoch(step: int, number: int, valid: float | None, accuracy: float | None = 0.5, best: bool = False) -> Epoch:
    place = {"step": step, "of": 8, "size": 64, "epoch": number, "epochs": 3, "cycle": 1}
    scores = {"accuracy": accuracy, "log_loss": valid}
    return Epoch(train_loss=1 / number, valid_loss=valid, metrics=scores, lr=1e-3, seconds=1.0, best=best, **place)


def batch(step: int, number: int, done: int, lr: float | None) -> Batch:
    return Batch(step=step, of=8, size=64, stage="train", done=done, total=10, epoch=number, lr=lr)


def a_sweep(losses: list, **suggestions: float) -> Sweep:
    rates = np.geomspace(1e-5, 10, len(losses)).tolist()
    named = suggestions or {"valley": 1e-3, "steepest": 3e-3, "minimum": 3e-2}
    used = next(iter(named.values()))
    return Sweep(step=2, of=8, size=64, rates=rates, losses=losses, suggestion=used, suggestions=named)


def line(axes, label: str):
    return next(drawn for drawn in axes.lines if drawn.get_label() == label)


def ring(axes, label: str) -> np.ndarray:
    """Where the marks of that label are, (n, 2)."""
    return next(drawn for drawn in axes.collections if drawn.get_label().startswith(label)).get_offsets().data


def size_of(png: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(png)).size


def test_losses_run_over_all_epochs_and_part_the_steps():
    told = [epoch(3, 1, 0.9, best=True), epoch(3, 2, 0.7, best=True), epoch(4, 1, 0.5, best=True), epoch(4, 2, 0.6)]
    axes = plots.losses(told).axes[0]
    assert line(axes, "validation").get_xydata().tolist() == [[1, 0.9], [2, 0.7], [3, 0.5], [4, 0.6]]
    assert line(axes, "training").get_ydata().tolist() == [1, 0.5, 1, 0.5]
    assert [text.get_text() for text in axes.texts] == ["step 3", "4"]
    assert [list(drawn.get_xdata()) for drawn in axes.lines if len(drawn.get_xdata()) == 2] == [[2.5, 2.5]]
    assert ring(axes, "best: epoch 3").tolist() == [[3, 0.5]]


def test_each_fold_has_its_own_best_epoch():
    told = [epoch(3, 1, 0.5, best=True), epoch(8, 1, 0.4, best=True), epoch(3, 1, 0.6, best=True), epoch(8, 1, 0.7)]
    assert ring(plots.losses(told).axes[0], "best of each fold").tolist() == [[2, 0.4], [3, 0.6]]


def test_losses_that_are_missing_or_explode_leave_the_others_readable():
    told = [epoch(3, 1, 0.9), epoch(3, 2, None), epoch(3, 3, math.nan), epoch(3, 4, 1e6)]
    axes = plots.losses(told).axes[0]
    assert axes.get_yscale() == "log"
    assert np.isnan(line(axes, "validation").get_ydata()).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("name", "larger", "best"), [("accuracy", None, 2), ("log_loss", None, 3), ("accuracy", False, 1)]
)
def test_the_best_of_a_metric_goes_by_its_direction(name, larger, best):
    told = [epoch(3, 1, 0.9, 0.5), epoch(3, 2, 0.8, 0.7), epoch(3, 3, 0.1, None), epoch(3, 4, 0.3, 0.6)]
    axes = plots.metric(told, name, larger).axes[0]
    assert ring(axes, "best").tolist() == [[best, told[best - 1].metrics[name]]]


def test_rates_are_placed_by_the_epochs_that_ended_between_them():
    told = [batch(3, 1, 5, 0.2), batch(3, 1, 10, 0.1), epoch(3, 1, 0.5), epoch(3, 2, 0.5), batch(8, 1, 10, 0.3)]
    told.append(Batch(stage="sweep", done=1, total=10, lr=9.0))
    drawn = plots.rates(told).axes[0].lines[0].get_xydata()
    assert drawn[[0, 1, 3]].tolist() == [[0.5, 0.2], [1.0, 0.1], [3.0, 0.3]]
    assert np.isnan(drawn[2]).all()  # another step is another line


def test_rates_of_batches_alone_count_epochs_by_themselves():
    drawn = plots.rates([batch(3, 1, 5, 0.2), batch(3, 2, 5, 0.1), batch(3, 2, 10, None)]).axes[0].lines[0]
    assert drawn.get_xydata().tolist() == [[0.5, 0.2], [1.5, 0.1]]


def test_rates_that_a_resumed_run_tells_again_replace_the_ones_before():
    told = [epoch(3, 1, 0.5), batch(3, 2, 4, 0.2), batch(3, 2, 8, 0.1), batch(3, 2, 3, 0.7)]
    assert plots.rates(told).axes[0].lines[0].get_xydata().tolist() == [[1.3, 0.7]]


def test_rates_fall_back_on_epochs():
    drawn = plots.rates([epoch(3, 1, 0.5), epoch(3, 2, 0.5)]).axes[0].lines[0]
    assert drawn.get_xydata().tolist() == [[1, 1e-3], [2, 1e-3]]


def test_a_sweep_keeps_to_its_descent_when_the_loss_explodes():
    losses = [2.0] * 40 + list(np.linspace(2, 0.5, 40)) + [1e9, None, math.nan]
    axes = plots.sweep([a_sweep(losses)]).axes[0]
    low, high = axes.get_ylim()
    assert low < 0.5
    assert 2.0 < high < 5.0
    assert np.isfinite(axes.lines[0].get_ydata()).all()


def test_the_suggestion_that_is_used_stands_out_and_labels_do_not_share_a_row():
    axes = plots.sweep([a_sweep(list(np.linspace(2, 1, 50)))]).axes[0]
    texts = {text.get_text().strip(): text for text in axes.texts}
    assert set(texts) == {"valley 1.0e-3, used", "steepest 3.0e-3", "minimum 3.0e-2"}
    assert [text for text, drawn in texts.items() if drawn.get_fontweight() == "bold"] == ["valley 1.0e-3, used"]
    heights = [drawn.get_position()[1] for drawn in texts.values()]
    assert min(heights) > 1  # above the panel, where no curve is
    assert len(set(heights)) == 3


def test_equal_suggestions_share_one_label():
    axes = plots.sweep([a_sweep([2.0, 1.0], valley=1e-5, minimum=1e-5)]).axes[0]
    assert [text.get_text().strip() for text in axes.texts] == ["valley, minimum 1.0e-5, used"]


def test_sweeps_stand_side_by_side_up_to_four():
    figure = plots.sweep([a_sweep([2.0, 1.0])] * 6)
    columns = {round(axes.get_subplotspec().colspan.start) for axes in figure.axes if axes.lines}
    assert len([axes for axes in figure.axes if axes.lines]) == 6
    assert columns == {0, 1, 2, 3}


def test_a_confusion_matrix_counts_and_shades_by_row():
    targets, probabilities = np.array([0, 0, 0, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]])
    figure = plots.confusion(targets, probabilities, ["cat", "dog"])
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["2", "1", "0", "1"]
    np.testing.assert_allclose(axes.images[0].get_array() ** 2, [[2 / 3, 1 / 3], [0, 1]])
    assert figure.get_suptitle() == "3 of 4 right (75.0%)"


def test_many_classes_show_the_pairs_that_are_confused_most():
    targets, predicted = np.array([5] * 4 + [7] * 2 + [1] * 9), np.array([6] * 4 + [0] * 2 + [1] * 9)
    axes = plots.confusion(targets, np.eye(40)[predicted], [f"class {i}" for i in range(40)]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["class 5 → class 6", "class 7 → class 0"]
    assert [bar.get_width() for bar in axes.patches] == [4, 2]


def test_no_more_than_25_pairs_are_shown():
    wrong = plots.confusion(np.arange(60), np.eye(60)[np.roll(np.arange(60), 1)], [str(i) for i in range(60)])
    assert len(wrong.axes[0].patches) == 25


def test_classes_are_counted_from_the_largest_and_the_rest_is_summed_up():
    axes = plots.class_counts({f"class {i}": i for i in range(43)}).axes[0]
    assert [bar.get_width() for bar in axes.patches] == list(range(42, 2, -1))
    assert "3 more with 3 images" in axes.get_xlabel()


def test_image_sizes_show_all_and_those_under_1000_pixels():
    figure = plots.image_sizes(np.array([[500, 400], [2000, 900], [800, 1500]]))
    heights = [sum(patch.get_height() for patch in axes.patches) for axes in figure.axes]
    assert heights == [6, 4]
    assert plots.image_sizes(np.full((3, 2), 2240)).axes[1].get_title("left").endswith("none")


def test_scatter_draws_each_column_against_the_truth():
    true, guess = np.array([[1.0, 10], [2, 20], [3, np.nan]]), np.array([[1.5, 10], [2, 24], [3, 30]])
    panels = plots.scatter(true, guess, ["x", "y"]).axes
    assert panels[0].collections[0].get_offsets().data.tolist() == [[1, 1.5], [2, 2]]
    assert panels[1].get_title("left") == "y: mean error 2"
    assert panels[0].get_xlim() == panels[0].get_ylim()


def test_pictures_keep_their_pixels_and_the_ends_of_long_captions():
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    axes = plots.pictures([(pixels, f"{'i' * 60}\ntrue: {'x' * 60} (0.02)")], "Most wrong").axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), pixels)
    assert axes.get_title().endswith("(0.02)")


@pytest.mark.parametrize(
    "figure",
    [
        lambda: plots.sweep([]),
        lambda: plots.sweep([a_sweep([None, math.nan])]),
        lambda: plots.losses([]),
        lambda: plots.losses([epoch(3, 1, None)]),
        lambda: plots.metric([epoch(3, 1, 0.5)], "no such metric"),
        lambda: plots.rates([]),
        lambda: plots.confusion(np.array([], int), np.zeros((0, 2)), ["a", "b"]),
        lambda: plots.pictures([], "Most wrong"),
        lambda: plots.class_counts({}),
        lambda: plots.image_sizes(np.zeros((0, 2))),
        lambda: plots.scatter(np.array([np.nan]), np.array([1.0])),
    ],
)
def test_with_nothing_to_show_there_is_still_a_picture(figure):
    assert min(size_of(plots.to_png(figure(), dpi=40))) > 50


def test_names_of_any_kind_can_be_drawn():
    n = len(ODD_NAMES)
    figure = plots.confusion(np.arange(n), np.eye(n), ODD_NAMES)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == r"a\$b\$c"  # shown as a$b$c, not as a formula
    assert max(map(len, labels)) <= 18
    width, height = figure.get_size_inches() * 40
    assert size_of(plots.to_png(figure, dpi=40)) == (int(width), int(height))
    plots.to_png(plots.class_counts(dict.fromkeys(ODD_NAMES, 3)), dpi=40)


def test_threads_may_draw_at_once():
    drawn: list[bytes] = []
    told = [epoch(3, i, 1 / i) for i in range(1, 4)]
    threads = [
        threading.Thread(target=lambda: drawn.append(plots.to_png(plots.losses(told), dpi=40))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drawn) == 3
    assert len(set(drawn)) == 1


def test_importing_costs_neither_matplotlib_nor_torch():
    code = (
        "import sys, assistant.plots; sys.exit(any(name in sys.modules for name in ('matplotlib', 'torch', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
