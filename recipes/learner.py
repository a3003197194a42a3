"""Fit, evaluate, predict, freeze, unfreeze, resize, save, load: what a recipe's steps are made of."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recipes import events, exporting, fitting, predicting, progress, ranks, state, training, tta
from recipes.activations import Activations
from recipes.augment import SIDE_ON, Augmentation, Viewer
from recipes.checkpoints import Checkpoints
from recipes.device import chance_kept, chosen_device, chosen_precision, on_device, pass_size
from recipes.errors import RecipeError, Stopped
from recipes.images import Images
from recipes.lr_finder import PICKS, SweepResult
from recipes.metrics import default_metrics, metric
from recipes.network import Network
from recipes.pixels import Pixels
from recipes.shelf import Shelf, lost, ready, warnings_of
from recipes.store import default_cache

__all__ = ["Learner"]

PREVIEW = -3  # a place of chance that no epoch has


class Learner:
    """Images, a network and how they are trained. Every long call takes `report=`, a function that is given each event.

    `arch` is any timm architecture; `size` the side in pixels of the square views; `weights` auto (a file in
    `RECIPES_WEIGHTS`, else the Hub), none (random) or a safetensors file. `metric` names the score that picks the
    best weights; `smoothing` is label smoothing; `ema` the decay of averaged weights; `ratio` how much smaller each
    earlier layer group's rate is; `crop` the share of the shorter side that a plain view shows (auto: .875 where the
    pictures are at least half as large again as `size`, else all); `largest` a size that is going to be asked for
    later; `precision` auto (bf16 on a GPU that has it), fp32 or bf16. `should_stop` is asked several times a second.

    Raises RecipeError and its kinds for what a user can put right, Stopped when `should_stop` said so.
    """

    def __init__(
        self,
        images: Images,
        arch: str = "resnet34",
        size: int = 224,
        weights: str = "auto",
        seed: int = 42,
        *,
        batch_size: int = 64,
        augmentation: Augmentation = SIDE_ON,
        metric_name: str | None = None,
        smoothing: float = 0.0,
        ema: float | None = None,
        ratio: float = 10.0,
        crop: float | str = "auto",
        largest: int | None = None,
        device: str = "auto",
        precision: str = "auto",
        cache: Path | str | None = None,
        folder: Path | str = "models",
        report: events.Report | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ):
        if batch_size < 2:
            raise RecipeError(f"the batch is too small: {batch_size}; batch normalisation needs at least 2 images")
        for name, value, low, high in (
            ("ratio", ratio, 1, 1000),
            ("smoothing", smoothing, 0, 0.9),
            ("ema", ema, 0.01, 0.9999),
        ):
            if value is not None and not low <= value <= high:
                raise RecipeError(f"{name} is out of range: {value}; give {low} to {high}")
        self.images, self.arch, self.size, self.seed = images, arch, size, seed
        self.batch_size, self.augmentation, self.smoothing, self.ema, self.ratio = (
            batch_size,
            augmentation,
            smoothing,
            ema,
            ratio,
        )
        self.cache, self.folder = Path(cache) if cache else default_cache(), Path(folder)
        self.ranks = ranks.of(device)
        if batch_size < 2 * self.ranks.count:
            raise RecipeError(
                f"the batch is too small for {self.ranks.count} processes: {batch_size}; give each 2 images"
            )
        self.reporter = report if self.ranks.first else None
        self.should_stop = self.ranks.heeding(should_stop)
        self.device = chosen_device(device)
        self.precision = chosen_precision(precision, self.device)
        self.metrics = default_metrics(images.task)
        if metric_name is not None:
            first = metric(metric_name, images.task)
            self.metrics = (first, *(other for other in self.metrics if other != first))
        self.network = self.ranks.first_here(lambda: Network(arch, images.task.outputs, size, weights, seed=seed))
        self.network.to(self.device)
        self.ranks.take_first(self.network.state_dict().values())
        self.precompute = False
        self.rate = 3e-3
        self.sweep: SweepResult | None = None
        self.optimizer: torch.optim.Optimizer | None = None
        self.best: tuple[list[float], dict[str, torch.Tensor]] | None = None
        self.step, self.of, self.fits, self.parts, self.parts_of_passes = 0, 0, 0, 1, 1
        self.checkpoints: Checkpoints | None = None
        self.began_as = ""
        self.prepared = False
        self.shelf = Shelf(images, crop, self.cache, max(size, largest or 0))
        self.activations = Activations(self)
        self._viewers: dict[int, Viewer] = {}
        self._targets: tuple[Images, torch.Tensor] | None = None
        self._pending: tuple[training.Progress, dict[str, torch.Tensor]] | None = None
        self.freeze()

    # ---------------------------------------------------------------- what learns

    def freeze_to(self, group: int) -> None:
        """Only layer groups from `group` on learn: 0 all, -2 late body and head, -1 the head."""
        self.network.freeze_to(group)

    def freeze(self) -> None:
        """Only the head learns."""
        self.freeze_to(-1)

    def unfreeze(self) -> None:
        """All layers learn."""
        self.freeze_to(0)

    def resize(self, size: int) -> None:
        """Another image size for the same weights; freezes again. What was best at the old size is the starting
        point."""
        self.network.check_size(size)
        self.load_best()
        self.size, self.best = size, None
        self.expect(size)
        self.activations.clear()
        self.freeze()

    def expect(self, size: int) -> None:
        """Says that a size will be asked for: images are decoded once, at the largest."""
        self.shelf.largest = max(size, self.shelf.largest)

    # ---------------------------------------------------------------- fitting

    def fit(
        self,
        rates: float | Sequence[float] | None = None,
        cycles: int = 1,
        cycle_len: int = 1,
        cycle_mult: int = 1,
        *,
        until_overfitting: bool = False,
        final: bool = True,
        report: events.Report | None = None,
    ) -> list[events.Epoch]:
        """SGDR: `cycles` cosine cycles of `cycle_len` epochs, each `cycle_mult` times as long as the one before.

        `rates` is one float for the head (each group before has `ratio` times less) or one rate a layer group;
        without it, the rate of the last sweep. With `until_overfitting`, a cycle that brings no better score is the
        last, and the best weights are what remains, also after a stop. Returns the epochs.
        """
        with self.reporting(report):
            plan = training.Plan.sgdr(self.batches(), cycles, cycle_len, cycle_mult, until_overfitting, final)
            return self._fit(plan, rates)

    def fit_one_cycle(
        self, epochs: int, rates: float | Sequence[float] | None = None, *, report: events.Report | None = None
    ) -> list[events.Epoch]:
        """One-cycle policy over `epochs` epochs; `rates` as in `fit`. Returns the epochs."""
        with self.reporting(report):
            return self._fit(training.Plan.one_cycle(self.batches(), epochs), rates)

    def load_best(self) -> None:
        """The weights that scored best since the size was last set, if any have been scored."""
        if self.best is not None:
            self.network.load_state_dict(self.best[1])
            self.weights_changed()

    def _fit(self, plan: training.Plan, rates: float | Sequence[float] | None) -> list[events.Epoch]:
        group_rates = training.rates_for(self.rate if rates is None else rates, self.ratio)
        self.prepare()
        with chance_kept(self.device):
            return fitting.fit(self, plan, group_rates)

    def lr_find(
        self,
        start: float = 1e-5,
        end: float = 10.0,
        batches: int = 100,
        pick: str = "auto",
        *,
        report: events.Report | None = None,
    ) -> SweepResult:
        """Raises the rate from `start` to `end` over `batches` batches and watches the loss; stops at NaN or four
        times the best.

        `pick` names the suggestion: auto, valley, steepest, minimum or edge. Leaves no trace: weights, statistics,
        optimizer and all later draws are bit-identical with and without it.
        """
        if not 0 < start < end or batches < 2:
            raise RecipeError(
                f"not a sweep: from {start} to {end} in {batches} batches; give two rising rates and 2 batches or more"
            )
        if pick not in PICKS:
            raise RecipeError(f"no such pick: {pick!r}; there are {', '.join(PICKS)}")
        with self.reporting(report):
            self.prepare()
            with chance_kept(self.device):
                self.sweep = fitting.sweep(self, start, end, batches, pick)
            return self.sweep

    # ---------------------------------------------------------------- answers

    def evaluate(self, split: str = "valid") -> tuple[float, dict[str, float]]:
        """Loss and metrics of a labelled split, in plain views."""
        return predicting.evaluate(self, split)

    def score(self) -> tuple[float, dict[str, float]]:
        """`evaluate()`, and the weights as they are count among those that `load_best` chooses from."""
        loss, scores = self.evaluate()
        fitting.keep_if_better(self, loss, scores)
        return loss, scores

    def predict(self, split: str = "test", *, report: events.Report | None = None) -> np.ndarray:
        """Probabilities (numbers, for regression) of plain views, float32 (images, classes), rows in the split's order.

        A test image without a usable picture gets the prior: class frequencies of the training images, or their median.
        """
        with self.reporting(report):
            return predicting.plain_answers(self, split)

    def tta(self, split: str = "test", n: int = 4, *, report: events.Report | None = None) -> np.ndarray:
        """Test-time augmentation: the mean of the plain answer and of `n` random views' answers; shape as in
        `predict`."""
        with self.reporting(report):
            return tta.answers(self, split, n)[1]

    # ---------------------------------------------------------------- passes through the network

    def forward(self, function: Callable[[torch.Tensor], torch.Tensor], batch: torch.Tensor) -> torch.Tensor:
        """`function(batch)` at the learner's precision."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return function(batch)

    def training_views(self, rows: np.ndarray, place: tuple[int, ...]) -> torch.Tensor:
        """What a batch is seen as: random views drawn from (seed, place, row), or cached activations where the head alone
        learns from those."""
        if self.network.frozen_to == 2 and self.precompute:
            return self.activations.of(rows)
        return self.viewer.random(rows, self.augmentation, self.seed, *place[:2])

    def training_inputs(self, views: torch.Tensor) -> torch.Tensor:
        """What learns from `training_views`: where the head alone learns, their activations."""
        if self.network.frozen_to != 2 or self.precompute:
            return views
        with torch.no_grad():
            return self.forward(self.network.features, views)

    def training_logits(self, network: Network, inputs: torch.Tensor) -> torch.Tensor:
        """Logits of `training_inputs`, by this learner's network or by a copy of it."""
        return self.forward(network.head_on if self.network.frozen_to == 2 else network, inputs)

    def targets_of(self, rows: np.ndarray) -> torch.Tensor:
        """The targets of these table rows, on the device; a GPU holds those of the whole table."""
        if self.device.type != "cuda":
            return torch.from_numpy(self.images.targets[rows]).to(self.device)
        if self._targets is None or self._targets[0] is not self.images:
            self._targets = self.images, torch.from_numpy(self.images.targets).to(self.device)
        return self._targets[1][on_device(rows, self.device)]

    def precompute_activations(self) -> None:
        """Computes the activations of all labelled images now, where the body is frozen."""
        if self.network.frozen_to == 2:
            self.activations.of(self.images.train.rows[:1])

    # ---------------------------------------------------------------- pixels

    def prepare(self) -> None:
        """Decodes the images at this size where that has not been done; sets aside what cannot be used."""
        start, there = time.monotonic(), self.shelf.holds(self.size)
        if there and self.prepared:
            return
        if not there:
            self.ranks.first_here(lambda: self.shelf.at(self.size, self.tell, self.should_stop))
        gone = lost(self.images, self.shelf.at(self.size, self.tell, self.should_stop))
        self.images = self.images.without(gone) if gone or not self.prepared else self.images
        if self.prepared:
            for event in warnings_of(gone, self.images, self.place()):
                self.tell(event)
            return
        self.ranks.agree("images and settings", state.about(self))
        self.prepared = True
        for event in ready(self.images, self.place(), str(self.device), time.monotonic() - start):
            self.tell(event)

    def crop_at(self, size: int) -> float:
        """The share of the shorter side that a plain view of this size shows."""
        return self.shelf.crop_at(size)

    @property
    def pixels(self) -> Pixels:
        """The decoded images at this size."""
        self.prepare()
        return self.shelf.at(self.size, self.tell, self.should_stop)

    @property
    def viewer(self) -> Viewer:
        """Views of the decoded images at this size."""
        if self.size not in self._viewers:
            self._viewers.clear()  # what it held on a GPU counts as free
            self._viewers = {self.size: Viewer(self.pixels, self.network.mean, self.network.std, self.device)}
        return self._viewers[self.size]

    def preview(self, row: int = 0, n: int = 6, augmentation: Augmentation | None = None) -> np.ndarray:
        """`n` random views of one image of the table as they would train, uint8 (n, size, size, 3)."""
        self.prepare()
        chosen = augmentation or self.augmentation
        views = [self.viewer.random(np.array([row]), chosen, self.seed, PREVIEW, number) for number in range(n)]
        return self.viewer.shown(torch.cat(views))

    # ---------------------------------------------------------------- keeping

    def save(self, name: str) -> Path:
        """Writes the weights to `folder/name.safetensors`; `load(name)` brings them back."""
        return self.ranks.together(lambda: exporting.save_weights(self, name))

    def load(self, name: str) -> None:
        """The weights that `save(name)` wrote. Raises NetworkError where they are not there or do not fit."""
        self.ranks.together(lambda: exporting.load_weights(self, name))
        self.ranks.take_first(self.network.state_dict().values())
        self.best = None
        self.weights_changed()

    def export(self, folder: str | Path) -> Path:
        """Writes `model.safetensors` and `model.json`: all that `recipes.load(folder)` needs to predict, on a CPU by
        default."""
        return self.ranks.together(lambda: exporting.export(self, Path(folder)))

    def checkpoint(self, progress: training.Progress | None = None, optimizer=None, average=None) -> None:
        """Writes the whole state, if a recipe or run has said where."""
        if self.checkpoints is not None and self.ranks.first:
            self.checkpoints.write_behind(*state.pack(self, progress, optimizer, average))

    def restore(self, saved: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        """Puts the learner back where a checkpoint was written."""
        self._pending = state.unpack(self, saved, tensors)
        self.weights_changed()

    def taken_up(self, optimizer: torch.optim.Optimizer, average: training.Average | None) -> training.Progress:
        """How far the fit that begins now had come when its checkpoint was written; fresh where there is none."""
        if self._pending is None:
            return training.Progress()
        progress, tensors = self._pending
        self._pending = None
        state.refill(optimizer, average, tensors)
        return progress

    # ---------------------------------------------------------------- telling and obeying

    @contextlib.contextmanager
    def reporting(self, report: events.Report | None, on_all: bool = False) -> Iterator[None]:
        """Tells events to `report` for a while; without one, to the learner's, else to the terminal or notebook. Of several
        processes only the first tells, unless `report` hears them `on_all`."""
        before = self.reporter
        report = report if on_all or self.ranks.first else None
        shown = contextlib.nullcontext(report or before)
        if report is None and before is None and self.ranks.first:
            shown = progress.shown_here()
        with shown as reporter:
            self.reporter = reporter
            try:
                yield
            finally:
                self.reporter = before

    def tell(self, event: events.Event) -> None:
        """Hands an event to whoever listens."""
        if self.reporter is not None:
            self.reporter(event)

    def obey(self) -> None:
        """Raises Stopped where a stop was asked for."""
        if self.should_stop():
            raise Stopped

    def place(self) -> dict[str, int]:
        """Where in the recipe things happen, for events."""
        return {"step": self.step, "of": self.of, "size": self.size}

    def gave_way(self, parts: int, learning: bool = True) -> None:
        """Tells that memory ran out and what is done about it."""
        what = f"batches of {self.batch_size} now go" if learning else "where nothing is learned, pictures now go"
        text = f"out of memory: {what} through in {parts} parts, which is slower"
        self.tell(events.Warned(text=text, **self.place()))

    def pass_size(self) -> int:
        """Images that go through the network at once where nothing is learned."""
        return pass_size(self.device, self.batch_size, self.size)

    def memory(self) -> int | None:
        """Bytes of GPU memory in use, None without a GPU."""
        return torch.cuda.memory_allocated(self.device) if self.device.type == "cuda" else None

    def batches(self) -> int:
        """Batches an epoch."""
        self.prepare()
        return training.count_batches(len(self.images.train), self.batch_size)

    def weights_changed(self, body: bool = True) -> None:
        """Says that the body's weights may have changed, so cached activations have to be looked up anew."""
        if body:
            self.activations.key = None
