"""How a learner fits: the loop over epochs and batches, the rule for over-fitting, and the learning-rate sweep.

*Until over-fitting*: after each cycle its best score is held against the best of all cycles before it in the same
fit; where it is no better
(by the first metric, and by validation loss where that is equal), the network over-fits and no further cycle is
begun. The weights of the best epoch remain, also when the run is stopped by hand.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from recipes import events, lr_finder, schedules, training
from recipes.advice import advise
from recipes.batch import replay_for, train_batch
from recipes.errors import Stopped
from recipes.pixels import Pace
from recipes.replay import Replay
from recipes.training import Plan, Progress

if TYPE_CHECKING:
    from recipes.learner import Learner

__all__ = ["fit", "keep_if_better", "sweep"]

SWEEP = -1  # a place of chance that no epoch has


def fit(learner: Learner, plan: Plan, rates: tuple[float, float, float]) -> list[events.Epoch]:
    """Trains what is not frozen by `plan` at one rate a layer group; goes on where a restored checkpoint was."""
    optimizer = learner.optimizer = training.optimizer_for(learner.network, rates)
    average = training.Average(learner.network, learner.ema) if learner.ema else None
    progress = learner.taken_up(optimizer, average)
    told = [events.Epoch(**epoch) for epoch in progress.told]
    pace = Pace(learner.tell, learner.place(), "train")
    replay = replay_for(learner, plan, optimizer)
    try:
        while progress.epoch < plan.epochs and not progress.over:
            start = time.monotonic()
            train_loss = _train_epoch(learner, plan, progress, optimizer, average, pace, replay)
            train_loss = _levelled(learner, average, train_loss)
            with average.within(learner.network) if average else contextlib.nullcontext():
                told.append(_validate(learner, plan, progress, train_loss, rates[-1], start))
            _close_cycle(learner, plan, progress)
            progress.over |= not np.isfinite(train_loss)
            progress.told.append({f.name: getattr(told[-1], f.name) for f in fields(told[-1])})
            progress.epoch += 1
            progress.batch, progress.loss, progress.seen = 0, 0.0, 0
            learner.checkpoint(progress, optimizer, average)
    except (Stopped, KeyboardInterrupt) as stop:
        if progress.batch and isinstance(stop, Stopped):  # asked between two batches, so nothing is half done
            learner.checkpoint(progress, optimizer, average)
        if plan.until_overfitting:
            learner.load_best()
        raise
    if average is not None:
        learner.network.load_state_dict(average.tensors)
    if plan.until_overfitting or not all(np.isfinite(epoch.train_loss) for epoch in told[-1:]):
        learner.load_best()
    score = learner.metrics[0]
    for advice in advise(told, rates[-1], score.larger_is_better, score.name, plan.final, bool(learner.smoothing)):
        learner.tell(advice)
    learner.fits += 1
    return told


def sweep(learner: Learner, start: float, end: float, batches: int, pick: str) -> lr_finder.SweepResult:
    """Trains for up to `batches` batches at rising rates, then puts everything back.

    Each batch's loss is held against what the network made of the same views before the sweep began, so that the
    curve shows what the rate does, and not which batch was the harder: a loss is the starting network's mean loss
    times that ratio.
    """
    kept = {name: tensor.detach().clone() for name, tensor in learner.network.state_dict().items()}
    factors = schedules.sweep(start, end, batches)
    optimizer = training.optimizer_for(learner.network, training.rates_for(1.0, learner.ratio))
    learner.network.train()
    begun = copy.deepcopy(learner.network)
    losses, starting = [], []
    pace = Pace(learner.tell, learner.place(), "sweep")
    try:
        for number, rows in enumerate(_sweep_rows(learner, batches)):
            if learner.ranks.stop(learner.should_stop):
                raise Stopped
            for group in optimizer.param_groups:
                training.set_rate(group, group["rate"] * factors[number])
            loss, before = train_batch(learner, rows, optimizer, (learner.fits, SWEEP, number), begun)
            losses.append(loss.item())
            starting.append(before.item())
            pace(number + 1, batches, loss=losses[-1], lr=factors[number])
            if learner.ranks.word(_diverged(_compared(losses, starting))):
                break
    finally:
        learner.network.load_state_dict(kept)
        learner.network.zero_grad(set_to_none=True)
        learner.weights_changed()
    losses, starting = learner.ranks.same([losses, starting])
    rates, means = factors[: len(losses)], _compared(losses, starting)
    targets = learner.images.targets[learner.images.train.rows]
    found = lr_finder.picks(rates, means, learner.images.task.chance_loss(targets))
    rate = lr_finder.chosen(means, found, pick)
    curve = (rates.tolist(), means.tolist())
    learner.tell(events.Sweep(rates=curve[0], losses=curve[1], suggestion=rate, suggestions=found, **learner.place()))
    return lr_finder.SweepResult(rates, means, rate, found)


def _compared(losses: list[float], starting: list[float]) -> np.ndarray:
    """Smoothed losses of a sweep, the batches' own difficulty taken out."""
    return np.mean(starting) * lr_finder.smoothed(losses) / np.maximum(lr_finder.smoothed(starting), 1e-12)


def _train_epoch(
    learner: Learner, plan: Plan, progress: Progress, optimizer, average, pace: Pace, replay: Replay | None
) -> float:
    """One pass over the training images, or what is left of it; the mean loss, NaN as soon as a batch's loss is known not
    to be finite."""
    epoch = progress.epoch
    batches = training.batches_of(learner.images.train.rows, learner.batch_size, learner.seed, learner.fits, epoch)
    learner.network.train()
    losses = training.Losses(progress)
    seen, start, total = 0, time.monotonic(), plan.epochs * len(batches)
    for number, rows in enumerate(batches[progress.batch :], progress.batch):
        if learner.ranks.stop(learner.should_stop):
            losses.read()  # what is through goes into the checkpoint
            raise Stopped
        at = epoch * len(batches) + number
        for group in optimizer.param_groups:
            training.set_rate(group, group["rate"] * float(plan.factors[at]))
            if plan.momenta is not None:
                group["betas"] = (float(plan.momenta[at]), training.BETAS[1])
        loss, _ = train_batch(learner, rows, optimizer, (learner.fits, epoch, number), replay=replay)
        losses.add(loss, len(rows))
        seen += len(rows)
        due = pace.due(at + 1, total) or number + 1 == len(batches)
        due = learner.ranks.word(due) if loss.is_cuda else due  # when losses are read may decide, so all read alike
        if (due or not loss.is_cuda) and not losses.read():
            return float("nan")
        if average is not None:
            average.update(learner.network)
        progress.batch = number + 1
        if due:
            pace(
                at + 1,
                total,
                epoch=epoch + 1,
                loss=losses.last,
                lr=optimizer.param_groups[-1]["rate"] * float(plan.factors[at]),
                images_per_second=seen / max(time.monotonic() - start, 1e-9),
                memory=learner.memory(),
            )
    return progress.loss / max(progress.seen, 1)


def _levelled(learner: Learner, average: training.Average | None, loss: float) -> float:
    """Several ranks have rank 0's weights from here on, and its training loss: machines that differ drift by a last digit."""
    learner.ranks.take_first(learner.network.state_dict().values())
    if average is not None:
        learner.ranks.take_first(average.tensors.values())
    return learner.ranks.same(loss)


def _validate(
    learner: Learner, plan: Plan, progress: Progress, train_loss: float, rate: float, start: float
) -> events.Epoch:
    """The epoch's event; keeps the weights where they are the best so far."""
    learner.weights_changed(learner.network.frozen_to < 2)
    loss, scores = learner.evaluate()
    key, best = keep_if_better(learner, loss, scores)
    if _better(key, progress.best_in_fit):
        progress.best_in_fit = key
    last = (progress.epoch + 1) * learner.batches() - 1
    told = events.Epoch(
        epoch=progress.epoch + 1,
        epochs=plan.epochs,
        cycle=plan.cycle_of(progress.epoch)[0] + 1,
        train_loss=train_loss,
        valid_loss=loss,
        metrics=scores,
        lr=rate * float(plan.factors[last]),
        seconds=time.monotonic() - start,
        best=best,
        **learner.place(),
    )
    learner.tell(told)
    return told


def keep_if_better(learner: Learner, loss: float, scores: dict[str, float]) -> tuple[list[float], bool]:
    """What ranks the weights that have these scores; they are kept where they are the best so far."""
    key = _key(learner, scores, loss)
    best = _better(key, learner.best[0] if learner.best else None)
    if best:
        state = learner.network.state_dict()
        learner.best = (key, {name: tensor.detach().clone() for name, tensor in state.items()})
    return key, best


def _close_cycle(learner: Learner, plan: Plan, progress: Progress) -> None:
    """At the end of a cycle: has it brought a better score, and does another one follow?"""
    cycle, ends = plan.cycle_of(progress.epoch)
    if not ends:
        return
    before, now = progress.best_before_cycle, progress.best_in_fit
    improved = now is not None and _better(now, before)
    progress.over = plan.until_overfitting and not improved
    progress.best_before_cycle = now
    sign = 1 if learner.metrics[0].larger_is_better else -1
    learner.tell(
        events.CycleEnded(
            cycle=cycle + 1,
            epochs=plan.cycles[cycle],
            score=sign * now[0] if now else None,
            best_before=sign * before[0] if before else None,
            improved=improved,
            more=cycle + 1 < len(plan.cycles) and not progress.over,
            **learner.place(),
        )
    )


def _key(learner: Learner, scores: dict[str, float], loss: float) -> list[float]:
    """What makes one set of weights better than another, larger first: the first metric, then validation loss."""
    first = learner.metrics[0]
    score = scores[first.name]
    if not np.isfinite(score):  # some scores are undefined for some images: the loss decides
        score = 0.0
    return [score if first.larger_is_better else -score, -loss]


def _better(key: list[float], than: list[float] | None) -> bool:
    return bool(np.isfinite(key).all()) and (than is None or key > than)


def _diverged(losses: np.ndarray) -> bool:
    """Whether a sweep has gone far enough: its smoothed loss is not finite, or four times the best (which counts from
    batch 10 on)."""
    if not np.isfinite(losses[-1]):
        return True
    return len(losses) > lr_finder.WARM and losses[-1] > lr_finder.DIVERGED * losses[lr_finder.WARM :].min()


def _sweep_rows(learner: Learner, batches: int) -> Iterator[np.ndarray]:
    """As many batches as asked for, pass after pass."""
    made, turn = 0, 0
    while made < batches:
        for rows in training.batches_of(
            learner.images.train.rows, learner.batch_size, learner.seed, learner.fits, SWEEP, turn
        ):
            if made == batches:
                return
            made += 1
            yield rows
        turn += 1
