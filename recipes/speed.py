"""How fast this machine trains a network and decodes pictures, and what memory that takes: measured for a moment, with
the real network (random weights) in the learner's own passes, and kept in a small file for the next time.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from recipes.crew import cores
from recipes.errors import Stopped
from recipes.store import atomic_write, digest, writable_folder

if TYPE_CHECKING:
    from recipes.learner import Learner

__all__ = ["Decoding", "Speed", "decoding", "kept", "measured"]

VERSION = 2  # part of every name: raise it when the same numbers would mean something else
PICTURES = 16  # different made-up pictures that batches are filled with
HEADS = 512  # activations that the head is timed on at most
WRITTEN = 32 << 20  # bytes of a checkpoint that are written for a trial
DECODED = 24  # real images that are decoded
SLACK = 1.35  # what a pass takes beside the tensors that it keeps for the way back, at most
COPIES = 7  # of the weights: themselves, gradients, two moments, the best epoch's, and two while a sweep goes on
COPIES_THERE = 6  # those of them on a GPU


@dataclass(frozen=True)
class Speed:
    """Seconds and bytes of one network at one size, batch, device and number of threads.

    `whole` is seconds an image forward and back through all layers with its random view, `views` a random view and
    the body's forward pass, `head` the head forward and back, `plain` a forward pass; `checkpoint` seconds of writing
    the whole state, `build` of making the network. `batch` is the largest batch that was timed. `peak` is bytes in
    training at `batch_size`, `limit` those that were free, `largest` the largest batch that fits (0: none does).
    `bf16_pays` says that bf16 would be faster still.
    """

    arch: str
    size: int
    batch_size: int
    device: str
    threads: int
    batch: int
    whole: float
    views: float
    head: float
    plain: float
    checkpoint: float
    build: float
    peak: int
    limit: int
    largest: int
    bf16_pays: bool = False


@dataclass(frozen=True)
class Decoding:
    """Seconds and bytes on disk that an image takes to be decoded to all sizes, from `images` real ones."""

    images: int
    seconds: float
    stored: float


def threads() -> int:
    """Threads that a training process of this machine uses."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else cores()


def kept(
    arch: str, size: int, batch_size: int, device: str, precision: str, cache: Path, ema: float | None = None
) -> Speed | None:
    """What was measured before, if it was."""
    try:
        return Speed(**json.loads(_place(arch, size, batch_size, device, precision, cache, ema).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def measured(
    arch: str,
    size: int,
    batch_size: int,
    device: str,
    precision: str,
    cache: Path,
    ema: float | None = None,
    *,
    seconds: float = 3.0,
    should_stop: Callable[[], bool] = lambda: False,
) -> Speed:
    """The speed of a network here: read where it was measured before, else measured for about `seconds`.

    Raises Stopped, RecipeError for an architecture or size that cannot be, StorageError.
    """
    found = kept(arch, size, batch_size, device, precision, cache, ema)
    if found is None:
        with tempfile.TemporaryDirectory() as folder:
            probe = _Probe(arch, size, batch_size, device, precision, ema, Path(folder), seconds, should_stop)
            found = probe.run()
        place = _place(arch, size, batch_size, device, precision, cache, ema)
        writable_folder(place.parent)
        atomic_write(place, json.dumps(asdict(found)))
    return found


def decoding(sources: Sequence[Path | np.ndarray], sizes: Sequence[int]) -> Decoding:
    """How fast these images are decoded to `sizes`: some of them are, and thrown away."""
    from recipes.images import Images
    from recipes.shelf import Shelf
    from recipes.tasks import SingleLabel

    some = [sources[row] for row in np.unique(np.linspace(0, len(sources) - 1, DECODED).astype(int))]
    some = some * (4 if len(some) < 4 else 1)  # a table has to have a few
    names = [str(number) for number in range(len(some))]
    images = Images.from_targets(names, some, np.arange(len(some)) % 2, SingleLabel(("0", "1")), valid=0.5)
    folder = Path(tempfile.mkdtemp())
    try:
        start = time.monotonic()
        shelf = Shelf(images, "auto", folder, max(sizes))
        stored = sum(shelf.at(size, lambda event: None, lambda: False).array.nbytes for size in {*sizes, max(sizes)})
        return Decoding(len(some), (time.monotonic() - start) / len(some), stored / len(some))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _place(arch: str, size: int, batch_size: int, device: str, precision: str, cache: Path, ema: float | None) -> Path:
    about = (arch, size, batch_size, device, precision, bool(ema), threads(), version("torch"), version("timm"))
    return cache / "speeds" / f"{digest(VERSION, *about)}.json"


class _Probe:
    """A learner on made-up pictures, and how long its passes take."""

    def __init__(
        self,
        arch: str,
        size: int,
        batch_size: int,
        device: str,
        precision: str,
        ema: float | None,
        folder: Path,
        seconds: float,
        should_stop: Callable[[], bool],
    ):
        import timm  # noqa: F401 (so that its import is not counted)

        from recipes.images import Images
        from recipes.learner import Learner

        start = time.monotonic()
        side = round(size / 0.875)
        pictures = np.random.default_rng(0).integers(0, 255, (PICTURES, side, side * 4 // 3, 3), np.uint8)
        images = Images.from_arrays(pictures, [str(row % 2) for row in range(PICTURES)], valid=0.25)
        self.learner: Learner = Learner(
            images,
            arch,
            size,
            "none",
            batch_size=batch_size,
            device=device,
            precision=precision,
            cache=folder / "cache",
            report=lambda event: None,
            should_stop=should_stop,
        )
        self.folder, self.seconds, self.should_stop = folder, seconds, should_stop
        self.build = time.monotonic() - start
        self.learner.prepare()
        self.cuda = self.learner.device.type == "cuda"
        self.weights = sum(tensor.nbytes for tensor in self.learner.network.state_dict().values())
        self.copies = (COPIES_THERE if self.cuda else COPIES) + bool(ema)
        self.ran_out = False

    def run(self) -> Speed:
        """Every pass, timed. Raises Stopped."""
        from recipes.device import bf16_pays

        learner, asked = self.learner, self.learner.batch_size
        limit, base = self._memory()
        learner.unfreeze()
        learner.network.train()
        self.optimizer = _optimizer(learner)
        each = self._kept_for_the_way_back() * SLACK
        room = limit - base - self.copies * self.weights
        largest = max(0, int(room / each))
        batch, took = self._grown(min(asked, max(2, largest)))
        peak = base + self.copies * self.weights + asked * each
        if self.ran_out:
            largest = batch
        elif self.cuda and batch == asked:
            peak, largest = self._peak(asked), max(asked, largest)
        step = self._timed(self.optimizer.step)
        whole = max(took - step, 0) / max(batch, 1) + step / asked
        views, head = self._head_alone(max(batch, 2))
        return Speed(
            arch=learner.arch,
            size=learner.size,
            batch_size=asked,
            device=str(learner.device),
            threads=threads(),
            batch=batch,
            whole=whole,
            views=views,
            head=head,
            plain=self._timed(lambda: self._plain(max(batch, 2))) / max(batch, 2),
            checkpoint=self._checkpointed(),
            build=self.build,
            peak=int(peak),
            limit=int(limit),
            largest=largest,
            bf16_pays=learner.precision == "fp32" and bf16_pays(learner.network, learner.device),
        )

    def _grown(self, most: int) -> tuple[int, float]:
        """The largest batch up to `most` that there was time and memory for, and the seconds that it took."""
        from recipes.training import is_out_of_memory

        batch, took, left = 0, 0.0, self.seconds / 2
        size = 2
        while True:
            start = time.monotonic()
            try:
                took, batch = self._timed(lambda number=size: self._trained(number)), size
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self.ran_out = True
                return batch, took
            left -= time.monotonic() - start
            size = min(most, size * 4)
            if size <= batch or 2 * took * size / batch > left:
                return batch, took

    def _timed(self, work: Callable[[], Any], times: int = 3) -> float:
        """Seconds of a pass that is warm: the least of a few; of a single one where it takes long."""
        taken = []
        while len(taken) < 2 or (len(taken) < times and sum(taken) < self.seconds / 4):
            if self.should_stop():
                raise Stopped
            self._synchronised()
            start = time.monotonic()
            work()
            self._synchronised()
            taken.append(time.monotonic() - start)
        return min(taken)

    def _rows(self, number: int) -> np.ndarray:
        return np.resize(self.learner.images.train.rows, number)

    def _loss(self, number: int) -> Any:
        import torch

        learner = self.learner
        rows = self._rows(number)
        logits = learner.training_logits(
            learner.network, learner.training_inputs(learner.training_views(rows, (0, 0, 0)))
        ).float()
        return torch.nn.functional.cross_entropy(logits, torch.zeros(number, dtype=torch.long, device=learner.device))

    def _trained(self, number: int) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._loss(number)
        loss.backward()
        loss.item()
        self.optimizer.step()

    def _kept_for_the_way_back(self) -> float:
        """Bytes an image that a training pass keeps until its gradients are there."""
        import torch

        held: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            held[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = self._loss(2)
        for parameter in self.learner.network.parameters():
            held.pop(parameter.untyped_storage().data_ptr(), None)
        del loss
        return max(sum(held.values()) / 2, 1.0)

    def _head_alone(self, batch: int) -> tuple[float, float]:
        """Seconds an image of a random view and the body, and of a step of the head on activations."""
        import torch

        learner, asked = self.learner, min(self.learner.batch_size, HEADS)
        learner.freeze()
        learner.network.train()
        views = (
            self._timed(lambda: learner.training_inputs(learner.training_views(self._rows(batch), (0, 0, 0)))) / batch
        )
        features = torch.randn(asked, learner.network.width, device=learner.device)

        def step() -> None:
            learner.training_logits(learner.network, features).float().logsumexp(1).mean().backward()
            self.optimizer.step()

        self.optimizer = _optimizer(learner)
        return views, self._timed(step) / asked

    def _plain(self, batch: int) -> None:
        import torch

        self.learner.network.eval()
        with torch.inference_mode():
            self.learner.forward(self.learner.network, self.learner.viewer.plain(self._rows(batch))).float().cpu()

    def _checkpointed(self) -> float:
        """Seconds of a checkpoint of all layers: network, best weights and two moments. A part is written, the rest
        takes as long a byte."""
        import torch

        from recipes.checkpoints import Checkpoints

        whole = 4 * self.weights
        some = torch.ones(min(whole, WRITTEN), dtype=torch.uint8)
        checkpoints = Checkpoints(self.folder / "checkpoints")
        return self._timed(lambda: checkpoints.write({}, {"some": some}), 2) * whole / len(some)

    def _memory(self) -> tuple[float, float]:
        """Bytes that this process may have in all, and those that it has beside the weights."""
        if self.cuda:
            import torch

            free, _ = torch.cuda.mem_get_info(self.learner.device)
            held = torch.cuda.memory_allocated(self.learner.device)
            return free + held, max(held - self.weights, 0)
        held = psutil.Process().memory_info().rss
        return free_memory() + held, max(held - self.weights, 0)

    def _peak(self, batch: int) -> float:
        import torch

        torch.cuda.reset_peak_memory_stats(self.learner.device)
        self._trained(batch)
        return torch.cuda.max_memory_allocated(self.learner.device) + (self.copies - 4) * self.weights

    def _synchronised(self) -> None:
        if self.cuda:
            import torch

            torch.cuda.synchronize(self.learner.device)


def free_memory() -> float:
    """Bytes of the machine's memory that are free, within the limit of a container."""
    free = float(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        used, limit = ((group / f"memory.{name}").read_text() for name in ("current", "max"))
        free = min(free, float(limit) - float(used))
    return max(free, 0.0)


def _optimizer(learner: Learner) -> Any:
    """The optimizer of what learns."""
    from recipes.training import optimizer_for

    return optimizer_for(learner.network, (1e-4, 1e-4, 1e-4))
