"""Test-time augmentation: the plain image and n random views of it, the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load, save

from recipes.activations import weights_key
from recipes.predicting import plain_answers, view_answers
from recipes.ranks import Alone
from recipes.store import atomic_write, writable_folder

if TYPE_CHECKING:
    from recipes.learner import Learner

__all__ = ["answers", "passes"]


def answers(learner: Learner, split: str, n: int = 4, kept: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The plain view's answers and the mean over all `passes`, each float32 (images, classes); one pass is in memory at a
    time."""
    made = _each(learner, split, n, kept)
    plain = next(made)
    total = plain.copy()
    for view in made:
        total += view
    total /= n + 1
    return plain, total


def passes(learner: Learner, split: str, n: int = 4, kept: Path | None = None) -> np.ndarray:
    """The answers that TTA takes the mean of, float32 (n + 1, images, classes): the plain view's first, then each
    random view's. Each is written to the folder `kept` as soon as it is there, and read where it is, so that a stopped
    run goes on with the next."""
    return np.stack(list(_each(learner, split, n, kept)))


def _each(learner: Learner, split: str, n: int, kept: Path | None) -> Iterator[np.ndarray]:
    places: list[Path | None] = [None] * (n + 1)
    if kept is not None:
        key = weights_key(learner.network)
        folder = writable_folder(kept) if learner.ranks.first else kept
        places = [folder / f"{split}-{number}-{key}.safetensors" for number in range(n + 1)]
    yield _once(places[0], lambda: plain_answers(learner, split), learner.ranks)
    for k in range(n):
        yield _once(places[k + 1], lambda k=k: view_answers(learner, split, k), learner.ranks)


def _once(place: Path | None, make: Callable[[], np.ndarray], ranks: Alone) -> np.ndarray:
    """What `make` gives; read from `place` where it was made before. Of several ranks the first reads and writes it."""
    if place is None:
        return make()
    if not ranks.word(place.is_file()):
        answers = make()
        if ranks.first:
            atomic_write(place, save({"answers": np.ascontiguousarray(answers)}))
    return load(ranks.sent(place.read_bytes() if ranks.first else b""))["answers"]
