"""A learner's whole state as plain data and named tensors: what a checkpoint holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from recipes import training
from recipes.augment import Augmentation
from recipes.errors import NetworkError, RecipeError

if TYPE_CHECKING:
    from recipes.learner import Learner

__all__ = ["about", "began_as", "pack", "refill", "unpack"]

_FIELDS = ("step", "fits", "parts", "size", "rate", "ratio", "precompute")


def about(learner: Learner) -> str:
    """A name for the images and settings of a learner: the same table, labels, split and settings, the same name."""
    images = learner.images
    words = (
        images.ids,
        images.classes,
        learner.arch,
        learner.size,
        learner.batch_size,
        learner.seed,
        learner.precision,
    )
    made = hashlib.blake2b(json.dumps(words).encode(), digest_size=12)
    for array in (images.targets, images.split):
        made.update(np.ascontiguousarray(array).tobytes())
    return made.hexdigest()


def began_as(learner: Learner, steps: Sequence[object]) -> str:
    """A name for what a recipe is carried out on, before anything was decoded: the same images, labels, split, seed, batch
    size and steps, the same name. A checkpoint of another name is another run's."""
    images = learner.shelf.images
    words = (images.ids, images.classes, learner.arch, learner.batch_size, learner.seed, [repr(step) for step in steps])
    made = hashlib.blake2b(json.dumps(words).encode(), digest_size=12)
    for array in (images.targets, images.split):
        made.update(np.ascontiguousarray(array).tobytes())
    return made.hexdigest()


def pack(
    learner: Learner,
    progress: training.Progress | None,
    optimizer: torch.optim.Optimizer | None,
    average: training.Average | None,
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The state and the tensors of a learner, with those of the fit that is going on where there is one."""
    state = {name: getattr(learner, name) for name in _FIELDS}
    state["began_as"] = learner.began_as
    state["frozen_to"] = learner.network.frozen_to
    state["augmentation"] = asdict(learner.augmentation)
    state["best"] = learner.best[0] if learner.best else None
    state["fit"] = progress.to_dict() if progress else None
    state["updates"] = average.updates if average else 0
    tensors = {f"network.{name}": tensor for name, tensor in learner.network.state_dict().items()}
    if learner.best:
        tensors |= {f"best.{name}": tensor for name, tensor in learner.best[1].items()}
    if progress and average:
        tensors |= {f"average.{name}": tensor for name, tensor in average.tensors.items()}
    if progress and optimizer:
        for index, slots in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in slots.items()}
    return state, tensors


def unpack(
    learner: Learner, state: dict[str, Any], tensors: dict[str, torch.Tensor]
) -> tuple[training.Progress, dict[str, torch.Tensor]] | None:
    """Puts a learner into a packed state; returns what `refill` needs once the fit that was going on begins again.

    Raises NetworkError where the state is another network's, RecipeError where it is another run's."""
    if state.get("began_as", learner.began_as) != learner.began_as:
        raise RecipeError(
            "the checkpoint is of another run: its images, labels, split, seed, batch size or steps are not these; resume "
            "with the settings that began it, or take another folder"
        )
    weights, needed = _under("network.", tensors), learner.network.state_dict()
    if {n: t.shape for n, t in weights.items()} != {n: t.shape for n, t in needed.items()}:
        raise NetworkError(
            f"the checkpoint is of another network: it does not fit {learner.arch} with {learner.network.outputs} outputs; "
            "resume with the settings that began it, or take another folder"
        )
    for name in _FIELDS:
        setattr(learner, name, state[name])
    learner.expect(learner.size)
    learner.augmentation = Augmentation(**state["augmentation"])
    learner.network.load_state_dict(weights)
    learner.network.freeze_to(state["frozen_to"])
    learner.best = (state["best"], _under("best.", tensors)) if state["best"] else None
    if state["fit"] is None:
        return None
    rest = _under("optimizer.", tensors, keep=True) | _under("average.", tensors, keep=True)
    return training.Progress(**state["fit"]), rest | {"updates": torch.tensor(state["updates"])}


def refill(
    optimizer: torch.optim.Optimizer, average: training.Average | None, tensors: dict[str, torch.Tensor]
) -> None:
    """The optimizer's and the average's tensors of a packed fit, in the memory layout of the parameters."""
    saved = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in _under("optimizer.", tensors).items():
        index, name = key.split(".", 1)
        like = parameters[int(index)]
        if tensor.shape == like.shape and tensor.ndim:
            tensor = torch.empty_like(like, dtype=tensor.dtype).copy_(tensor).detach()
        slots.setdefault(int(index), {})[name] = tensor
    saved["state"] = slots
    optimizer.load_state_dict(saved)
    if average is not None:
        average.updates = int(tensors["updates"])
        for name, tensor in _under("average.", tensors).items():
            average.tensors[name].copy_(tensor)


def _under(prefix: str, tensors: dict[str, torch.Tensor], keep: bool = False) -> dict[str, torch.Tensor]:
    return {(name if keep else name[len(prefix) :]): t for name, t in tensors.items() if name.startswith(prefix)}
