"""The training loop: one epoch over cached activations or augmented pixels, within the memory that there is."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from recipes import chance
from recipes.errors import RecipeError
from recipes.fit_plan import Plan, count_batches, rates_for

__all__ = [
    "Average",
    "Losses",
    "Plan",
    "Progress",
    "batches_of",
    "count_batches",
    "halving",
    "is_out_of_memory",
    "optimizer_for",
    "rates_for",
    "set_rate",
]

DECAY = 0.01
BETAS = (0.9, 0.99)


@dataclass
class Progress:
    """How far a fit has come; plain data, so that a checkpoint can hold it.

    `batch`, `loss` and `seen` are of the epoch that is going on: batches that are through, the sum of the losses of
    their images, and how many those are."""

    epoch: int = 0
    best_before_cycle: list[float] | None = None
    best_in_fit: list[float] | None = None
    told: list[dict[str, Any]] = field(default_factory=list)
    over: bool = False
    batch: int = 0
    loss: float = 0.0
    seen: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def optimizer_for(network, rates: tuple[float, float, float]) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019) on the layer groups that learn, one rate each; biases and norms are not
    decayed."""
    parameters = dict(network.named_parameters())
    device = next(network.parameters()).device
    on_gpu = device.type == "cuda"  # there, rates lie on the device: a recorded step reads them
    groups = []
    for number, (names, rate) in enumerate(zip(network.groups, rates)):
        for decayed in (True, False):
            chosen = [
                parameters[n] for n in names if parameters[n].requires_grad and (parameters[n].ndim > 1) == decayed
            ]
            if chosen:
                groups.append(
                    {
                        "params": chosen,
                        "lr": torch.tensor(rate, device=device) if on_gpu else rate,
                        "rate": rate,
                        "group": number,
                        "weight_decay": DECAY if decayed else 0.0,
                    }
                )
    return torch.optim.AdamW(groups, betas=BETAS, fused=True, capturable=on_gpu)


def set_rate(group: dict[str, Any], rate: float) -> None:
    """The learning rate of an optimizer's group from now on."""
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


class Losses:
    """The losses of an epoch's batches, added up in `progress`. A GPU is not waited for: there they are read when somebody
    looks."""

    def __init__(self, progress: Progress):
        self.progress, self.last = progress, float("nan")
        self._unread: list[tuple[torch.Tensor, int]] = []

    def add(self, loss: torch.Tensor, images: int) -> None:
        """A batch's mean loss, and how many images it had."""
        self._unread.append((loss, images))
        if not loss.is_cuda:
            self.read()

    def read(self) -> bool:
        """Takes in what has come; whether all losses so far are finite."""
        if self._unread:
            values = torch.stack([loss for loss, _ in self._unread]).tolist()
            for value, (_, images) in zip(values, self._unread):
                self.progress.loss += value * images
                self.progress.seen += images
                self.last = value
            self._unread.clear()
        return bool(np.isfinite(self.progress.loss))


class Average:
    """Exponential moving average of a network's weights and statistics (EMA)."""

    def __init__(self, network, decay: float):
        self.decay, self.updates = decay, 0
        self.tensors = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network) -> None:
        """Moves the average towards the weights of now; young averages move faster."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                self.tensors[name].lerp_(tensor, 1 - decay)
            else:
                self.tensors[name].copy_(tensor)

    @contextlib.contextmanager
    def within(self, network) -> Iterator[None]:
        """The averaged weights in the network for a while."""
        kept = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        network.load_state_dict(self.tensors)
        try:
            yield
        finally:
            network.load_state_dict(kept)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device's or the machine's memory ran out."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    signs = ("out of memory", "can't allocate memory", "not enough memory", "alloc failed", "bad_alloc")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)


def halving(work: Callable[[int], Any], parts: int, most: int, gave_way: Callable[[int], None]) -> tuple[Any, int]:
    """`work(parts)`, a batch's work cut in so many parts; when memory runs out, once more with twice as many, up to
    `most`.

    Returns the result and the number of parts that fitted; `gave_way(parts)` hears of each doubling. Raises
    RecipeError when even the smallest parts do not fit.
    """
    while True:
        try:
            return work(parts), parts
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            failed = " ".join(str(error).split())[:120]
        # outside the except clause, so that the failed pass's tensors are let go
        if parts >= most:
            raise RecipeError(
                f"out of memory: even the smallest parts of a batch do not fit ({failed}); "
                "take a smaller size or architecture"
            )
        parts = min(parts * 2, most)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        gave_way(parts)


def batches_of(rows: np.ndarray, batch_size: int, seed: int, *place: int) -> list[np.ndarray]:
    """The rows shuffled by (seed, place) and cut into batches of `batch_size`, to within a few, none left over."""
    shuffled = chance.order(rows, seed, *place)
    return np.array_split(shuffled, count_batches(len(rows), batch_size))
