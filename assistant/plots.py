"""Every picture, as matplotlib figures: the app, the report and notebooks show the same ones.

Each function takes plain data and gives a `Figure` of its own (never pyplot, so any thread may draw). What has
nothing to show yet says so quietly. Names may be long, in any script and hold any sign.
"""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from recipes.events import Batch, Epoch, Sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "class_counts", "confusion", "image_sizes", "losses", "metric", "pictures", "rates", "scatter", "sweep", "to_png",
]  # fmt: skip

ACCENT, SECOND, INK, QUIET, PALE = "#d9480f", "#31688e", "#2b3036", "#69717a", "#d5d9de"
MATRIX_UP_TO, PAIRS, BARS = 30, 25, 40  # classes in a confusion matrix, pairs and bars shown
RING = {"s": 90, "facecolors": "none", "edgecolors": INK, "linewidths": 1.6, "zorder": 5, "clip_on": False}
LEGEND = {"loc": "outside lower center", "ncols": 3, "frameon": False, "fontsize": 9, "labelcolor": INK}
SMALL_IS_GOOD = ("loss", "error", "mae", "mse", "rmsle", "distance")
OTHER_SCRIPTS = {"Noto Sans CJK SC", "Noto Sans CJK JP", "Microsoft YaHei", "PingFang SC", "Malgun Gothic"}


def sweep(events: Sequence[Sweep]) -> Figure:
    """Smoothed loss against learning rate, a panel a sweep, up to four side by side; the rate that is used stands out.

    Losses that are None or not finite are left out; where the loss explodes, the view keeps to its descent.
    """
    if not events:
        return _nothing("no sweep yet")
    figure, panels = _panels(len(events), 5.2 if len(events) == 1 else 4.4, 3.7, "Loss while the learning rate rises")
    picked = [_picked(event) for event in events]
    for axes, event, names in zip(panels, events, picked):
        where = [f"step {event.step} of {event.of}" if event.of else "", f"{event.size} px" if event.size else ""]
        pad = 10 + 14 * max(map(len, picked))
        _quiet(axes, "learning rate", "loss (smoothed)", ", ".join(filter(None, where)), pad=pad)
        _sweep_panel(axes, event, names)
    return figure


def losses(epochs: Sequence[Epoch]) -> Figure:
    """Training and validation loss over all epochs in order, the steps parted by faint lines, the kept epochs marked.

    The kept epoch of a fold (the step's number falls where one begins) is its last that was called best.
    """
    if not epochs:
        return _nothing("no epoch yet")
    figure, axes, x = _over_epochs(epochs, "Loss after each epoch", "loss")
    train, valid = _numbers([e.train_loss for e in epochs]), _numbers([e.valid_loss for e in epochs])
    _line(axes, x, train, SECOND, "training")
    _line(axes, x, valid, ACCENT, "validation")
    folds = np.cumsum([False, *(after.step < before.step for before, after in pairwise(epochs))])
    kept = list({fold: i for i, fold in enumerate(folds) if epochs[i].best and np.isfinite(valid[i])}.values())
    if kept:
        label = f"best: epoch {kept[0] + 1}" if len(kept) == 1 else "best of each fold"
        axes.scatter(x[kept], valid[kept], label=label, **RING)
    both = np.array([loss for loss in (*train, *valid) if np.isfinite(loss)])
    if len(both) and both.min() > 0 and both.max() > 20 * np.median(both):
        axes.set(yscale="log", ylabel="loss (log scale)")
    figure.legend(**LEGEND)
    return figure


def metric(epochs: Sequence[Epoch], name: str, larger_is_better: bool | None = None) -> Figure:
    """One metric over all epochs in order, its best value marked. Losses and errors are known to be better when small;
    `larger_is_better` says so for others."""
    values = _numbers([epoch.metrics.get(name) for epoch in epochs])
    if not np.isfinite(values).any():
        return _nothing(f"no {name} yet")
    if larger_is_better is None:
        larger_is_better = not any(word in name.lower() for word in SMALL_IS_GOOD)
    said = name.replace("_", " ")
    figure, axes, x = _over_epochs(epochs, f"Validation {said} after each epoch", said)
    _line(axes, x, values, ACCENT, "validation")
    top = np.nanmax(values) if larger_is_better else np.nanmin(values)
    kept = [i for i, epoch in enumerate(epochs) if epoch.best and values[i] == top]  # among equals, the weights kept
    best = kept[-1] if kept else int(np.flatnonzero(values == top)[0])
    axes.scatter(best + 1, values[best], label=f"best: {values[best]:.4f}, epoch {best + 1}", **RING)
    figure.legend(**LEGEND)
    return figure


def rates(told: Sequence[Batch | Epoch]) -> Figure:
    """The last layer group's learning rate over training: from train batches in the order told, placed by the epochs
    that ended between them where those are given too; from the epochs alone where there is no batch."""
    points = _rate_points(told)
    if not points:
        return _nothing("no rate yet")
    fine = isinstance(points[0][2], Batch)
    title = "Learning rate during training" if fine else "Learning rate at the end of each epoch"
    figure, (axes,) = _panels(1, 5.2, 3.5, title)
    _quiet(axes, "epochs done", "learning rate", whole="x")
    x, y, begins = [], [], {}
    for number, (at, rate, event) in enumerate(points):
        begun = number > 0 and event.step != points[number - 1][2].step
        x += [np.nan, at] if begun else [at]  # a gap in the line
        y += [np.nan, rate] if begun else [rate]
        begins |= {math.ceil(at) - 1: event.step} if begun else {}
    width, marker = 1.6 if points[-1][0] <= 30 else 0.7, "o" if len(points) <= 40 else None
    axes.plot(x, y, color=ACCENT, linewidth=width, marker=marker, markersize=3)
    axes.set_ylim(0, np.nanmax(y) * 1.06 or 1)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlim(0, math.ceil(points[-1][0]) * 1.015)
    _steps(axes, points[0][2].step, begins)
    return figure


def confusion(targets: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]) -> Figure:
    """True against predicted class: counts, coloured by the share of their row; with more than 30 classes the 25 pairs
    that are confused most. Targets int (n,), probabilities (n, classes)."""
    if not len(targets):
        return _nothing("no answers yet")
    n, predicted = len(classes), np.asarray(probabilities).argmax(1)
    counts = np.bincount(np.asarray(targets) * n + predicted, minlength=n * n).reshape(n, n)
    right, total = np.trace(counts), counts.sum()
    title = f"{right:,} of {total:,} right ({right / total:.1%})"
    return _matrix(counts, classes, title) if n <= MATRIX_UP_TO else _pairs(counts, classes, title)


def pictures(entries: Sequence[tuple[np.ndarray, str]], title: str) -> Figure:
    """A grid of pictures with captions: (uint8 H×W×3, text of one or more lines) each."""
    if not entries:
        return _nothing("no pictures", title)
    lines = max(caption.count("\n") + 1 for _, caption in entries)
    figure, panels = _panels(len(entries), 3.6 if len(entries) == 1 else 2.1, 2 + 0.16 * lines, title)
    for axes, (pixels, caption) in zip(panels, entries):
        axes.set(anchor="N")
        axes.set_axis_off()
        axes.imshow(pixels, cmap="gray", interpolation="nearest" if max(pixels.shape[:2]) < 96 else "antialiased")
        text = "\n".join(_say(line, 28) for line in caption.split("\n"))
        _speak(axes.set_title(text, fontsize=8, color=INK))
    return figure


def class_counts(counts: Mapping[str, int]) -> Figure:
    """Images in each class as bars, the largest class first; of more than 40 classes the 40 largest."""
    if not counts:
        return _nothing("no images yet")
    order = sorted(counts.items(), key=lambda pair: -pair[1])
    rest = [count for _, count in order[BARS:]]
    title = f"Images in the {BARS} largest of {len(order)} classes" if rest else "Images in each class"
    figure = _bars([(_say(name, 32), count) for name, count in order[:BARS]], SECOND, title)
    if rest:
        figure.axes[0].set_xlabel(f"images\nand {len(rest)} more with {sum(rest):,} images", fontsize=9.5)
    return figure


def image_sizes(sizes: np.ndarray) -> Figure:
    """Histograms of widths and heights, (n, 2) in pixels: of all images, and of sides under 1000 pixels only."""
    sizes = np.asarray(sizes, float).reshape(-1, 2)
    if not len(sizes):
        return _nothing("no images yet")
    figure, panels = _panels(2, 4.5, 3.6, "Image sizes")
    for axes, limit, title in zip(panels, (np.inf, 1000), (f"all ({len(sizes):,} images)", "sides under 1000 px")):
        shown = sizes[sizes < limit]
        _quiet(axes, "pixels", "images", title if len(shown) else f"{title}: none", whole="y")
        if not len(shown):
            continue
        middle, half = (shown.min() + shown.max()) / 2, max(np.ptp(shown) / 2, 15.5)
        for side, name, colour in ((0, "width", ACCENT), (1, "height", SECOND)):
            bins, values = np.linspace(middle - half, middle + half, 32), sizes[sizes[:, side] < limit, side]
            axes.hist(values, bins, color=colour, alpha=0.55, label=name if limit == np.inf else None)
    figure.legend(**LEGEND)
    return figure


def scatter(targets: np.ndarray, predicted: np.ndarray, names: Sequence[str] = ()) -> Figure:
    """Predicted against true numbers with the diagonal, (n,) or (n, columns): a panel a column, headed by `names`."""
    true, guess = (np.asarray(a, float).reshape(len(a), -1) for a in (targets, predicted))
    good = np.isfinite(true).all(1) & np.isfinite(guess).all(1)
    if not good.any():
        return _nothing("no answers yet")
    side = 4.6 if true.shape[1] == 1 else 3.7
    figure, panels = _panels(true.shape[1], side, side, "Predicted against true")
    for column, axes in enumerate(panels):
        x, y = true[good, column], guess[good, column]
        name = f"{_say(names[column], 24)}: " if len(names) > 1 else ""
        _quiet(axes, "true", "predicted", f"{name}mean error {np.abs(x - y).mean():.4g}")
        low, high = min(x.min(), y.min()), max(x.max(), y.max())
        pad = (high - low) * 0.04 or 1
        axes.plot([low, high], [low, high], color=INK, linewidth=1, linestyle="--", zorder=1)
        axes.scatter(x, y, s=14, color=ACCENT, alpha=float(np.clip(60 / len(x) ** 0.7, 0.08, 0.7)), linewidths=0)
        axes.set(xlim=(low - pad, high + pad), ylim=(low - pad, high + pad), aspect="equal")
    return figure


def to_png(figure: Figure, dpi: int = 110) -> bytes:
    """The figure as the bytes of a PNG file on white."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a script without a font shows boxes
        figure.savefig(out, format="png", dpi=dpi, facecolor="white")
    return out.getvalue()


def _panels(panels: int, width: float, height: float, title: str) -> tuple[Figure, list[Axes]]:
    """A figure and so many axes of that size in inches, up to four side by side."""
    from matplotlib.figure import Figure

    across, down = min(4, panels), math.ceil(panels / 4)
    figure = Figure(figsize=(width * across, height * down), layout="constrained", facecolor="white")
    text = textwrap.fill(_say(title, 200), max(20, int(width * across * 10)))
    _speak(figure.suptitle(text, x=0.012, ha="left", fontsize=11.5, fontweight="bold", color=INK))
    axes = list(figure.subplots(down, across, squeeze=False).ravel())
    for left_over in axes[panels:]:
        left_over.set_axis_off()
    return figure, axes[:panels]


def _nothing(text: str, title: str = "") -> Figure:
    figure, (axes,) = _panels(1, 5.2, 2.2, title)
    axes.set_axis_off()
    axes.text(0.5, 0.5, _say(text, 60), ha="center", va="center", fontsize=11, color=QUIET)
    return figure


def _quiet(axes: Axes, x: str, y: str, title: str = "", grid: Any = "both", whole: Any = "", pad: float = 6) -> None:
    """Light grid, no top and right spines, every colour said, so that a notebook's own style does not show through."""
    axes.set_facecolor("white")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#9aa1a9")
    axes.tick_params(colors="#9aa1a9", labelcolor=INK, labelsize=9)
    axes.grid(False)
    if grid:
        axes.grid(True, axis=grid, color="#e9ecef", linewidth=0.8)
    axes.set_axisbelow(True)
    for name in whole:  # axes that count
        axes.locator_params(axis=name, integer=True, nbins=6, min_n_ticks=1)
        axes.yaxis.set_major_formatter("{x:,.0f}") if name == "y" else axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel(x, fontsize=9.5, color=INK)
    axes.set_ylabel(y, fontsize=9.5, color=INK)
    _speak(axes.set_title(title, fontsize=10, color=INK, loc="left", pad=pad))


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    """Float64, NaN where there is none."""
    array = np.array([np.nan if value is None else value for value in values], float)
    return np.where(np.isfinite(array), array, np.nan)


def _say(text: object, limit: int) -> str:
    """A name on one line, its middle cut out where it is longer than `limit`; no `$` makes a formula of it."""
    line = " ".join(str(text).encode("utf-8", "replace").decode().split())
    if len(line) > limit:
        line = f"{line[: limit // 2]}…{line[len(line) - (limit - limit // 2 - 1) :]}"
    return line.replace("$", r"\$")


def _speak(*texts: Any) -> None:
    """Gives texts beyond ASCII the fonts that this machine has for other scripts."""
    for text in texts:
        if not text.get_text().isascii():
            from matplotlib.font_manager import fontManager

            text.set_fontfamily(["DejaVu Sans", *OTHER_SCRIPTS.intersection(fontManager.get_font_names())])


def _picked(event: Sweep) -> dict[float, str]:
    """Names of the suggested rates by rate."""
    named = [*event.suggestions.items(), ("", event.suggestion)]
    rates = {rate for _, rate in named if rate and rate > 0}
    return {rate: ", ".join(name for name, other in named if name and other == rate) for rate in rates}


def _sweep_panel(axes: Axes, event: Sweep, names: dict[float, str]) -> None:
    rate, loss = _numbers(event.rates), _numbers(event.losses)
    good = np.isfinite(loss) & (rate > 0)
    rate, loss = rate[good], loss[good]
    axes.set_xscale("log")
    if not len(rate):
        axes.text(0.5, 0.5, "no finite loss", transform=axes.transAxes, ha="center", color=QUIET)
        return
    axes.plot(rate, loss, color=SECOND, linewidth=1.8)
    low, start = loss.min(), loss[: loss.argmin() + 1].max()
    span = max(start - low, 0.1 * abs(low), 1e-6)
    axes.set_ylim(low - 0.08 * span, min(loss.max(), start + 0.8 * span) + 0.08 * span)
    first, last = min([rate.min(), *names]), max([rate.max(), *names])
    axes.set_xlim(first / 1.6, last * 1.6)
    leftwards = any(math.log(pick / first) > 0.68 * math.log(last / first) > 0 for pick in names)
    # a row a label above the panel, so that labels and their lines cross neither each other nor the curve
    for row, pick in enumerate(sorted(names, reverse=not leftwards)):
        used, top, there = pick == event.suggestion, 1.035 + 0.075 * row, axes.get_xaxis_transform()
        colour, bold = (ACCENT, "bold") if used else (QUIET, "normal")
        style = {"linewidth": 1.8, "linestyle": "-"} if used else {"linewidth": 0.9, "linestyle": ":"}
        axes.plot([pick, pick], [0, top], transform=there, clip_on=False, color=colour, **style)
        mantissa, power = f"{pick:.1e}".split("e")
        text = f" {names[pick]} {mantissa}e{int(power)}{', used' if used else ''} "
        side = "right" if leftwards else "left"
        axes.text(pick, top, text, fontsize=8.5, color=colour, fontweight=bold, ha=side, va="center", transform=there)
        if rate.min() <= pick <= rate.max():
            axes.plot(pick, np.interp(pick, rate, loss), "o", color=colour, markersize=6 if used else 4)


def _over_epochs(epochs: Sequence[Epoch], title: str, y: str) -> tuple[Figure, Axes, np.ndarray]:
    figure, (axes,) = _panels(1, 5.2, 3.5, title)
    _quiet(axes, "epoch", y, whole="x")
    axes.set_xlim(0.5, len(epochs) + 0.5)
    changes = [i for i in range(1, len(epochs)) if epochs[i].step != epochs[i - 1].step]
    _steps(axes, epochs[0].step, {i + 0.5: epochs[i].step for i in changes})
    return figure, axes, np.arange(1, len(epochs) + 1)


def _steps(axes: Axes, first: int, begins: Mapping[float, int]) -> None:
    """A faint line where a step begins, its number above it where there is room."""
    low, high = axes.get_xlim()
    last = -math.inf
    for at, step in {low: first, **begins}.items():
        if at > low:
            axes.axvline(at, color=PALE, linewidth=1, zorder=0)
        if step and at - last > (high - low) * (0.11 if last == low else 0.05):
            text = f"step {step}" if at == low else str(step)
            axes.text(at, 1.015, text, transform=axes.get_xaxis_transform(), fontsize=8, color=QUIET, va="bottom")
            last = at


def _line(axes: Axes, x: np.ndarray, y: np.ndarray, colour: str, label: str) -> None:
    if np.isfinite(y).any():
        axes.plot(x, y, color=colour, linewidth=1.8, marker="o" if len(x) <= 40 else None, markersize=4, label=label)


def _rate_points(told: Sequence[Batch | Epoch]) -> list[tuple[float, float, Batch | Epoch]]:
    """(epochs done, rate, event); what a resumed run told twice counts as it was told last."""
    epochs = [event for event in told if isinstance(event, Epoch)]
    points: list[tuple[float, float, Batch | Epoch]] = []
    ended, last = 0, None
    for event in told:
        if isinstance(event, Epoch):
            ended += 1
        elif event.stage == "train" and event.lr is not None and event.total:
            if not epochs and last not in (None, (event.step, event.size, event.epoch)):
                ended += 1
            last = (event.step, event.size, event.epoch)
            at = ended + event.done / event.total
            while points and points[-1][0] >= at:
                points.pop()
            points.append((at, event.lr, event))
    return points or [(number, epoch.lr or 0, epoch) for number, epoch in enumerate(epochs, 1)]


def _matrix(counts: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    from matplotlib.colors import LinearSegmentedColormap

    n, names = len(classes), [_say(name, 18) for name in classes]
    side, margin = max(2.8, (0.5 if n <= 10 else 0.36) * n), 0.3 + 0.075 * max(map(len, names))
    upright = max(map(len, names)) * n > 34
    figure, (axes,) = _panels(1, max(4.6, side + margin + 0.4), side + (margin if upright else 0.3) + 0.9, title)
    _quiet(axes, "predicted", "true", grid="")
    figure.supxlabel("the darker, the larger the share of the true class", fontsize=8, color=QUIET)
    shades = np.sqrt(counts / np.maximum(counts.sum(1, keepdims=True), 1))  # the root, so that few mistakes show too
    axes.imshow(shades, cmap=LinearSegmentedColormap.from_list("share", ["white", "#fdc9ad", ACCENT]), vmin=0, vmax=1)
    axes.set_xticks(range(n), names, rotation=90 if upright else 0)
    axes.set_yticks(range(n), names)
    _speak(*axes.get_xticklabels(), *axes.get_yticklabels())
    for row, column in np.argwhere(counts > (0 if n > 4 else -1)):
        count, colour = counts[row, column], "white" if shades[row, column] > 0.75 else INK
        text = f"{count}" if count < 10_000 else f"{count / 1000:.0f}k"
        axes.text(column, row, text, ha="center", va="center", fontsize=10 if n <= 10 else 7.5, color=colour)
    return figure


def _pairs(counts: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    pairs = [divmod(int(at), len(classes)) for at in order if wrong.flat[at]]
    if not pairs:
        return _nothing("no image is mistaken for another class", title)
    bars = [(f"{_say(classes[i], 26)} → {_say(classes[j], 26)}", int(wrong[i, j])) for i, j in pairs]
    return _bars(bars, ACCENT, f"{title}; most often mistaken, true → predicted")


def _bars(bars: Sequence[tuple[str, int]], colour: str, title: str) -> Figure:
    """Horizontal bars, the first on top, each with its number."""
    width, height = 4 + 0.07 * max(len(name) for name, _ in bars), 1.2 + 0.25 * len(bars)
    figure, (axes,) = _panels(1, width, height, title)
    _quiet(axes, "images", "", grid="x", whole="x")
    values = [count for _, count in bars]
    drawn = axes.barh(range(len(bars)), values, height=0.72, color=colour)
    axes.bar_label(drawn, fmt="{:,.0f}", padding=3, fontsize=8.5, color=INK)
    axes.set_yticks(range(len(bars)), [name for name, _ in bars])
    axes.tick_params(axis="y", length=0)
    _speak(*axes.get_yticklabels())
    axes.set(xlim=(0, max(*values, 1) * 1.18), ylim=(len(bars) - 0.4, -0.6))
    return figure
