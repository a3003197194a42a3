"""Backbone outputs computed once, in frozen evaluation mode, kept on disk under a key of everything that they depend
on: the pixels (files, size, crop), the rows, the weights, the kind of device and precision, and this code's version.
"""

from __future__ import annotations

import hashlib
import shutil
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from recipes.device import on_device
from recipes.network import Network
from recipes.pixels import Pace
from recipes.predicting import run_in_parts
from recipes.store import StoredArray, digest

if TYPE_CHECKING:
    from recipes.learner import Learner

__all__ = ["Activations", "backbone_key", "weights_key"]

VERSION = 3
CHUNK = 64
HELD = 0.1  # share of a GPU's free memory that a part's activations may take there


def backbone_key(network: Network) -> str:
    """A name for the backbone's weights and statistics: the same bytes, the same name."""
    return _key(network.arch, network.backbone)


def weights_key(network: Network) -> str:
    """A name for all weights and statistics, the head's too."""
    return _key(network.arch, network)


def _key(arch: str, module: torch.nn.Module) -> str:
    made = hashlib.blake2b(arch.encode(), digest_size=12)
    for name, tensor in module.state_dict().items():
        made.update(name.encode())
        made.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return made.hexdigest()


class Part:
    """Activations (n, features) of n table rows; on a GPU where there is room for them."""

    def __init__(self, rows: np.ndarray, array: np.ndarray, device: torch.device):
        self.array, self.device = array, device
        self.place = np.full(int(rows.max(initial=-1)) + 1, -1)  # of each table row in the array
        self.place[rows] = np.arange(len(rows))
        self.there: tuple[torch.Tensor, torch.Tensor] | None = None
        if device.type == "cuda" and array.nbytes < HELD * torch.cuda.mem_get_info(device)[0]:
            self.there = torch.from_numpy(np.array(array)).to(device), torch.from_numpy(self.place).to(device)

    def holds(self, rows: np.ndarray) -> bool:
        """Whether all these table rows are among its own."""
        return bool((rows < len(self.place)).all() and (self.place[rows] >= 0).all())

    def of(self, rows: np.ndarray) -> torch.Tensor:
        """Float32 (len(rows), features) on the device."""
        if self.there is not None:
            array, place = self.there
            return array[place[on_device(rows, self.device)]]
        return on_device(self.array[self.place[rows]], self.device)


class Activations:
    """A learner's activations, computed on first use for the whole part that the rows asked for belong to.

    Parts are the labelled images (train and valid together, so that every fold finds its own), the validation images
    alone where training does not read activations, and the test images.
    """

    def __init__(self, learner: Learner):
        self.learner: Learner = weakref.proxy(learner)  # else a learner would be freed late, and its GPU memory with it
        self.key: str | None = None
        self._held: dict[tuple[str, str, int], Part] = {}

    def clear(self) -> None:
        """Forgets what is held in memory; what is on disk stays."""
        self._held.clear()

    def of(self, rows: np.ndarray) -> torch.Tensor:
        """Pooled activations of the plain views of these table rows, float32 (len(rows), features), on the learner's
        device."""
        rows = np.asarray(rows)
        return self._part(rows).of(rows)

    def _part(self, rows: np.ndarray) -> Part:
        learner = self.learner
        if self.key is None:
            self.key = backbone_key(learner.network)
        for part in ("labelled", "valid", "test"):
            held = self._held.get((part, self.key, learner.size))
            if held is not None and held.holds(rows):
                return held
        images = learner.images
        labelled = np.flatnonzero((images.split == 0) | (images.split == 1))
        if not learner.precompute and np.array_equal(rows, images.valid.rows):
            part, covered = "valid", images.valid.rows
        elif np.isin(rows, labelled).all():
            part, covered = "labelled", labelled
        else:
            part, covered = "test", np.sort(rows)
        made = self._held[part, self.key, learner.size] = Part(covered, self._computed(covered), learner.device)
        return made

    def _computed(self, rows: np.ndarray) -> np.ndarray:
        learner, network = self.learner, self.learner.network
        training = network.training
        network.eval()
        viewer = learner.viewer
        rows_key = hashlib.blake2b(rows.astype(np.int64).tobytes(), digest_size=12).hexdigest()
        about = (viewer.pixels.key, learner.size, rows_key, self.key, learner.device.type, learner.precision)

        def stored(*share: int) -> StoredArray:
            folder = learner.cache / "activations" / digest("activations", VERSION, *about, *share)
            return StoredArray(folder, len(learner.ranks.share(rows) if share else rows), (network.width,), "float32")

        try:
            if learner.ranks.count == 1:
                return self._built(stored(), rows)
            return self._built_by_all(stored, rows)
        finally:
            network.train(training)

    def _built(self, stored: StoredArray, rows: np.ndarray) -> np.ndarray:
        """The activations of these rows, computed chunk by chunk where they are not there."""
        learner, viewer = self.learner, self.learner.viewer

        def make(out: np.ndarray, first: int, last: int) -> dict:
            with torch.inference_mode():
                features = run_in_parts(learner, learner.network.features, viewer.plain(rows[first:last]))
                out[first:last] = features.float().cpu().numpy()
            return {}

        chunk = max(CHUNK, learner.pass_size()) if learner.device.type == "cuda" else CHUNK
        return stored.build(make, chunk, Pace(learner.tell, learner.place(), "activations"), learner.should_stop)

    def _built_by_all(self, stored: Callable[..., StoredArray], rows: np.ndarray) -> np.ndarray:
        """The same by several ranks: each computes its share, kept under a name of its own until the whole is on every
        machine's disk."""
        ranks, whole = self.learner.ranks, stored()
        if not ranks.all(whole.there()):
            mine = stored(ranks.rank, ranks.count)
            share = ranks.together(lambda: self._built(mine, ranks.share(rows)))
            joined = ranks.gathered(torch.from_numpy(np.array(share)), len(rows)).numpy()

            def make(out: np.ndarray, first: int, last: int) -> dict:
                out[first:last] = joined[first:last]
                return {}

            ranks.first_here(lambda: whole.build(make, len(rows), lambda done, total: None, lambda: False))
            shutil.rmtree(mine.folder, ignore_errors=True)
        return self._built(whole, rows)
