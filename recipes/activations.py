"""Backbone outputs computed once, in frozen evaluation mode, kept on disk under a key of everything that they depend on:
the pixels (files, size, crop), the rows, the weights, the kind of device and precision, and this code's version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from recipes import events
from recipes.augment import Viewer
from recipes.network import Network
from recipes.pixels import Pace
from recipes.store import StoredArray, digest

__all__ = ["activations", "backbone_key"]

VERSION = 1
CHUNK = 64


def backbone_key(network: Network) -> str:
    """A name for the backbone's weights and statistics: the same bytes, the same name."""
    made = hashlib.blake2b(network.arch.encode(), digest_size=12)
    for name, tensor in network.backbone.state_dict().items():
        made.update(name.encode())
        made.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return made.hexdigest()


def activations(
    network: Network,
    viewer: Viewer,
    rows: np.ndarray,
    weights: str,
    cache: Path,
    run: Callable[[Callable[[torch.Tensor], torch.Tensor], torch.Tensor], torch.Tensor],
    *,
    precision: str,
    report: events.Report,
    place: dict,
    should_stop: Callable[[], bool],
) -> np.ndarray:
    """Pooled activations of the plain views of `rows`, float32 (len(rows), features), in that order.

    `weights` is `backbone_key(network)`; `run(function, batch)` carries out one forward pass. Raises Stopped.
    """
    pixels = viewer.pixels
    with torch.no_grad():
        network.backbone.eval()
        device = viewer.device
        width = network.features(torch.zeros(1, 3, pixels.size, pixels.size, device=device)).shape[1]
    rows_key = hashlib.blake2b(np.asarray(rows, np.int64).tobytes(), digest_size=12).hexdigest()
    key = digest("activations", VERSION, pixels.key, pixels.size, rows_key, weights, device.type, precision)
    stored = StoredArray(cache / "activations" / key, len(rows), (width,), "float32")

    def make(out: np.ndarray, first: int, last: int) -> dict:
        with torch.no_grad():
            out[first:last] = run(network.features, viewer.plain(rows[first:last])).float().cpu().numpy()
        return {}

    return stored.build(make, CHUNK, Pace(report, place, "activations"), should_stop)
