"""One training step on an NVIDIA GPU, recorded once as a CUDA graph and played again for every further batch.

A step of a small network is hundreds of short kernels, which Python takes longer to launch than the GPU to carry out.
A recorded step is launched whole. Chance stays a function of the batch: the seed is set before each play.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from recipes.learner import Learner

__all__ = ["Replay", "skip_unless_finite"]

WARM = 3  # steps of a shape that are carried out before it is recorded: they train like any other
SHAPES = 2  # batches of an epoch have one size, or two that differ by one

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class _Recorded:
    graph: torch.cuda.CUDAGraph
    views: torch.Tensor
    targets: torch.Tensor
    loss: torch.Tensor


class Replay:
    """The steps of one fit: `loss_of(views, targets)` gives a batch's mean loss.

    Where a step cannot be recorded (a network that asks the GPU something while it runs, too little memory), it is carried
    out as ever.
    """

    def __init__(self, learner: Learner, optimizer: torch.optim.Optimizer, loss_of: Loss):
        self.learner, self.optimizer, self.loss_of = learner, optimizer, loss_of
        self.recorded: dict[tuple, _Recorded] = {}
        self.seen: Counter[tuple] = Counter()
        self.possible = True
        self.aside = torch.cuda.Stream(learner.device)

    def step(self, views: torch.Tensor, targets: torch.Tensor, seed: int) -> torch.Tensor | None:
        """The batch's loss, on the device, after a step; None where it has to be carried out by whoever asks."""
        shape = (views.shape, targets.shape)
        played = self.recorded.get(shape)
        self.seen[shape] += 1
        if played is None and (not self.possible or self.seen[shape] <= WARM or len(self.recorded) == SHAPES):
            return None
        if played is None:
            played = self._record(views, targets)
            if played is None:
                return None
            self.recorded[shape] = played
        played.views.copy_(views)
        played.targets.copy_(targets)
        torch.manual_seed(seed)
        played.graph.replay()
        return played.loss.clone()

    def _record(self, views: torch.Tensor, targets: torch.Tensor) -> _Recorded | None:
        views, targets = views.detach().clone(memory_format=torch.preserve_format), targets.clone()
        graph = torch.cuda.CUDAGraph()
        first = next(iter(self.recorded.values()), None)
        self.optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        try:
            self._warm(views, targets)
            self.learner.network.train()  # what modules keep from pass to pass would lie outside the recording's memory
            with torch.cuda.graph(graph, pool=first.graph.pool() if first else None):
                loss = self.loss_of(views, targets)
                loss.backward()
                skip_unless_finite(self.optimizer, loss)
                self.optimizer.step()
        except RuntimeError:  # torch's own words for all that a recording does not allow
            self.possible = False
            self.optimizer.zero_grad(set_to_none=True)
            with torch.cuda.graph(torch.cuda.CUDAGraph()):  # ends what the failed one left of a recording's state
                torch.zeros(1, device=self.learner.device)
            return None
        self.learner.network.train()  # and what they kept while recording inside it
        return _Recorded(graph, views, targets, loss.detach())

    def _warm(self, views: torch.Tensor, targets: torch.Tensor) -> None:
        """A pass forth and back on another stream, as recording asks for; it leaves no trace."""
        kept = {name: buffer.clone() for name, buffer in self.learner.network.named_buffers()}
        self.aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.aside):
            self.loss_of(views, targets).backward()
        torch.cuda.current_stream().wait_stream(self.aside)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for name, buffer in self.learner.network.named_buffers():
                buffer.copy_(kept[name])


def skip_unless_finite(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """Lets the next step on the device do nothing where the loss is not finite, without waiting to know."""
    optimizer.found_inf = (~torch.isfinite(loss.detach())).float()  # type: ignore[attr-defined]
