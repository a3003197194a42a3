"""What a run will take on this machine before it is started: seconds a step and in all, memory and disk, each as a
range. A plan's passes times what `recipes.speed` has measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recipes.planning import Passes, Plan, PlannedStep
from recipes.speed import Decoding, Speed

__all__ = ["Estimate", "Part", "estimate"]

# A moment's measurement is out by about so much: other work on the machine, batches larger than those that were timed.
AT_LEAST, AT_MOST = 0.75, 1.4
ANSWERS = "Answers, submission and report"
DECODE = "Decode the images"
HEAD_SHARE = 0.5  # of a whole checkpoint: without the body's moments


@dataclass(frozen=True)
class Part:
    """Seconds of a part of a run, from `low` to `high`, all folds together; `step` is 0 for what is no step."""

    title: str
    step: int
    size: int
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    `parts` are in the order in which they happen; `memory` is bytes at the most, `free` those that there are, `disk`
    bytes of decoded images. `largest_batch` is the largest that fits in memory at every size, 0 where none does.
    `rests_on` says in words what was measured; `bf16_pays` that another precision would be faster.
    """

    parts: tuple[Part, ...]
    memory: int
    free: int
    disk: int
    batch_size: int
    largest_batch: int
    device: str
    threads: int
    rests_on: str
    bf16_pays: bool = False

    @property
    def low(self) -> float:
        """Seconds in all, at least."""
        return sum(part.low for part in self.parts)

    @property
    def high(self) -> float:
        """Seconds in all, at most."""
        return sum(part.high for part in self.parts)

    @property
    def fits(self) -> bool:
        """Whether memory holds a batch."""
        return self.largest_batch >= self.batch_size

    @property
    def longest(self) -> Part:
        """The part that takes longest."""
        return max(self.parts, key=lambda part: part.high)


def estimate(
    plan: Plan, speeds: Mapping[int, Speed], decoding: Decoding, *, start: float = 0.0, kept: bool = True
) -> Estimate:
    """What the plan will take, from the speed at each of its sizes.

    `start` is seconds until a new process has loaded what it needs; `kept` says that every fold begins with the same
    weights, so that the first one's activations serve all.
    """
    speed = speeds[plan.steps[-1].size]
    images = plan.counts.train + plan.counts.valid + plan.counts.test
    parts = [_part(DECODE, 0, 0, start + decoding.seconds * images, start + decoding.seconds * images)]
    for step in plan.steps:
        own = speeds[step.size]
        low, high = (
            _seconds(passes, own, plan.folds, kept) + plan.folds * _written(step, own, epochs)
            for passes, epochs in ((step.fewest, _fewest(step)), (step.most, step.epochs))
        )
        parts.append(_part(step.title, step.number, step.size, low, high))
    last = _seconds(plan.answers, speed, plan.folds, kept) + start + speed.build * plan.folds
    parts.append(_part(ANSWERS, 0, speed.size, last, last))
    timed = ", ".join(f"{own.batch} images of {own.size} px" for own in speeds.values())
    return Estimate(
        parts=tuple(parts),
        memory=max(own.peak for own in speeds.values()),
        free=min(own.limit for own in speeds.values()),
        disk=int(decoding.stored * images),
        batch_size=plan.batch_size,
        largest_batch=min(own.largest for own in speeds.values()),
        device=speed.device,
        threads=speed.threads,
        rests_on=f"{speed.arch} timed for a moment on {timed}; {decoding.images} of the images decoded",
        bf16_pays=speed.bf16_pays,
    )


def _part(title: str, step: int, size: int, low: float, high: float) -> Part:
    return Part(title, step, size, low * AT_LEAST, high * AT_MOST)


def _seconds(passes: Passes, speed: Speed, folds: int, kept: bool) -> float:
    each = passes.whole * speed.whole + passes.views * speed.views + passes.head * speed.head
    each += passes.plain * speed.plain
    return folds * each + (1 if kept else folds) * passes.kept * speed.plain


def _fewest(step: PlannedStep) -> int:
    return sum(step.cycles[:2]) if step.until_overfitting else step.epochs


def _written(step: PlannedStep, speed: Speed, epochs: int) -> float:
    """Checkpoints: one an epoch and one when the step ends."""
    each = 1.0 if step.learns[1] else HEAD_SHARE
    return (epochs + 1) * each * speed.checkpoint
