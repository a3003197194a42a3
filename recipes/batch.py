"""One training step on one batch: its views, its loss, its gradient, within the memory that there is.

Of several ranks each takes its share of the batch, and gradients are added up. Where the head alone learns, the body's
outputs are joined instead, and the head takes the same step on the whole batch on every rank: that is the smaller
message, and batch normalisation sees the whole batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from recipes import chance, training
from recipes.replay import Replay, skip_unless_finite
from recipes.tasks import loss_of

if TYPE_CHECKING:
    from recipes.learner import Learner
    from recipes.network import Network
    from recipes.training import Plan

__all__ = ["replay_for", "train_batch"]


def train_batch(
    learner: Learner,
    rows: np.ndarray,
    optimizer,
    place: tuple[int, int, int],
    begun: Network | None = None,
    replay: Replay | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One step on one batch: its loss, and the loss of the network `begun` on the same views where one is given; both
    on the device.

    What memory cannot hold at once goes through in parts, to the same gradient but for batch normalisation that learns,
    which sees a part at a time; where the head alone learns, it still sees the whole batch.
    """
    targets = learner.targets_of(rows)
    joined = _joined_inputs(learner, rows, place)
    mine = np.arange(len(rows)) if joined is not None else learner.ranks.share(np.arange(len(rows)))

    def seed_of(part: int) -> int:
        return chance.number(learner.seed, *place, part)

    def loss_of_part(network: Network, inputs: torch.Tensor, part: np.ndarray) -> torch.Tensor:
        torch.manual_seed(seed_of(int(part[0])))
        logits = learner.training_logits(network, inputs).float()
        some = targets if len(part) == len(rows) else targets[part]
        return loss_of(learner.images.task, logits, some, learner.smoothing) * (len(part) / len(rows))

    def work(parts: int) -> tuple[torch.Tensor, torch.Tensor, bool]:
        total, before = torch.zeros(2, device=learner.device)
        for part in np.array_split(mine, min(parts, most)):
            views = learner.training_views(rows[part], place) if joined is None else joined[part]
            if replay is not None and parts == 1:
                played = replay.step(views, targets, seed_of(0))
                if played is not None:
                    return played, before, True
            inputs = learner.training_inputs(views) if joined is None else views
            if part[0] == mine[0]:
                optimizer.zero_grad(set_to_none=True)
            if begun is not None:
                with torch.no_grad():
                    before = before + loss_of_part(begun, inputs, part)
            loss = loss_of_part(learner.network, inputs, part)
            loss.backward()
            total = total + loss.detach()
        return total, before, False

    most = max(1, len(mine) // 2)
    begin = 1 if joined is not None else min(learner.parts, most)
    (loss, before, stepped), parts = training.halving(work, begin, most, learner.gave_way)
    learner.parts = max(learner.parts, parts)
    if joined is None and learner.ranks.shares(len(rows)):
        loss, before = _added_up(learner, loss, before)
    if not stepped:
        _step(optimizer, loss)
    return loss, before


def replay_for(learner: Learner, plan: Plan, optimizer) -> Replay | None:
    """What records a fit's steps, on a GPU where nothing but the rates changes from one to the next, and nothing is sent."""
    if learner.device.type != "cuda" or plan.momenta is not None or learner.ranks.count > 1:
        return None

    def loss(views: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        logits = learner.training_logits(learner.network, learner.training_inputs(views)).float()
        return loss_of(learner.images.task, logits, targets, learner.smoothing)

    return Replay(learner, optimizer, loss)


def _joined_inputs(learner: Learner, rows: np.ndarray, place: tuple[int, int, int]) -> torch.Tensor | None:
    """What the head learns from, of the whole batch, where it learns alone and several ranks, or parts for want of memory,
    make that; else None."""
    if learner.network.frozen_to != 2 or (learner.ranks.count == 1 and learner.parts == 1):
        return None
    if learner.precompute:
        return learner.training_views(rows, place)
    mine = learner.ranks.share(rows)

    def work(parts: int) -> torch.Tensor:
        some = np.array_split(mine, parts)
        return torch.cat([learner.training_inputs(learner.training_views(part, place)) for part in some])

    made, parts = training.halving(work, min(learner.parts, len(mine)), len(mine), learner.gave_way)
    learner.parts = max(learner.parts, parts)
    return learner.ranks.gathered(made, len(rows))


def _added_up(learner: Learner, loss: torch.Tensor, before: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The losses of the whole batch; gradients are those of the whole batch then, and statistics the mean of all ranks'."""
    network = learner.network
    statistics = [
        tensor
        for module in network.modules()
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.training
        for tensor in (module.running_mean, module.running_var)
        if tensor is not None
    ]
    for tensor in statistics:
        tensor.div_(learner.ranks.count)
    losses = torch.stack([loss, before])
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    learner.ranks.add_up([losses, *statistics, *gradients])
    return losses[0], losses[1]


def _step(optimizer, loss: torch.Tensor) -> None:
    """A step, unless the loss is not finite."""
    if loss.is_cuda:
        skip_unless_finite(optimizer, loss)
        optimizer.step()
    elif np.isfinite(loss.item()):
        optimizer.step()
