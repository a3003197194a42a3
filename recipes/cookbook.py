"""The recipes. Each reads like the lecture's list; a new recipe is a new tuple of steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes import events
from recipes.errors import RecipeError, nearest
from recipes.steps import (
    EnableAugmentation,
    FindRate,
    LowerEarlierRates,
    OneCycle,
    Resize,
    Step,
    TrainHead,
    TrainHeadAugmented,
    TrainWholeNetwork,
    Unfreeze,
)

if TYPE_CHECKING:
    from recipes.learner import Learner

__all__ = ["EIGHT_STEPS", "FIVE_STEPS", "ONE_CYCLE", "RECIPES", "Recipe", "Result", "named", "progressive"]


@dataclass(frozen=True)
class Result:
    """What a recipe brought: its epochs and sweeps in order, the scores of the weights that remain, and its seconds."""

    epochs: list[events.Epoch]
    sweeps: list[events.Sweep]
    valid_loss: float
    metrics: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Recipe:
    """A name and a tuple of steps; `sizes` are the image sizes that they go through, empty for the learner's own."""

    name: str
    steps: tuple[Step, ...]
    sizes: tuple[int, ...] = ()

    def run(
        self, learner: Learner, *, report: events.Report | None = None, checkpoints: Path | str | None = None
    ) -> Result:
        """Carries the steps out on a learner, from its last checkpoint on where `checkpoints` names a folder that
        holds one.

        The best weights of the last size are what remains, also after a stop (which raises Stopped). Raises
        RecipeError.
        """
        start, told = time.monotonic(), []
        with learner.reporting(report):
            listener = learner.reporter

            def note(event: events.Event) -> None:
                if isinstance(event, (events.Epoch, events.Sweep)):
                    told.append(event)
                if listener is not None:
                    listener(event)

            with learner.reporting(note, on_all=True):
                begun = self._begin(learner, Path(checkpoints) if checkpoints else None)
                try:
                    for number in range(begun, len(self.steps) + 1):
                        self._carry_out(learner, number)
                finally:
                    if learner.checkpoints is not None:
                        learner.checkpoints.settle()
                    learner.load_best()
                    learner.checkpoints, learner.step, learner.of = None, 0, 0
                loss, metrics = learner.evaluate()
        return Result(
            [event for event in told if isinstance(event, events.Epoch)],
            [event for event in told if isinstance(event, events.Sweep)],
            loss,
            metrics,
            time.monotonic() - start,
        )

    def changed(self, **settings: Any) -> Recipe:
        """The recipe with these fields in every step that has them: `EIGHT_STEPS.changed(ratio=3,
        style="top_down")`."""
        for name in settings:
            if not self.has(name):
                known = sorted({spec.name for step in self.steps for spec in fields(step)})
                raise RecipeError(f"no step of {self.name} has {name!r}; there are {', '.join(known)}")
        steps = (
            replace(s, **{n: v for n, v in settings.items() if n in {f.name for f in fields(s)}}) for s in self.steps
        )
        return replace(self, steps=tuple(steps))

    def has(self, name: str) -> bool:
        """Whether a step has a field of that name."""
        return any(name == spec.name for step in self.steps for spec in fields(step))

    def _begin(self, learner: Learner, folder: Path | None) -> int:
        """The step to begin with: the first, or the one that a checkpoint was written in."""
        from recipes import state  # here, so that a recipe can be read without loading PyTorch
        from recipes.checkpoints import Checkpoints

        learner.began_as = state.began_as(learner, self.steps)
        learner.of = len(self.steps)
        learner.checkpoints = Checkpoints(folder) if folder else None
        for size in self.sizes:
            learner.network.check_size(size)
            learner.expect(size)
        saved = learner.checkpoints.latest(learner.ranks) if learner.checkpoints else None
        if saved:
            packed, tensors, damaged = saved
            learner.restore(packed, tensors)
            if damaged:
                text = f"a damaged checkpoint was passed over ({', '.join(damaged)}); the run goes on from the one before it"
                learner.tell(events.Warned(text=text, **learner.place()))
            return learner.step
        if learner.checkpoints and learner.checkpoints.damaged:
            text = f"all checkpoints are damaged ({', '.join(learner.checkpoints.damaged)}); the run begins anew"
            learner.tell(events.Warned(text=text, **learner.place()))
        if self.sizes and learner.size != self.sizes[0]:
            learner.resize(self.sizes[0])
        learner.step = 1
        return 1

    def _carry_out(self, learner: Learner, number: int) -> None:
        step, start = self.steps[number - 1], time.monotonic()
        learner.step = number
        learner.tell(events.StepStarted(title=step.title, words=step.words, **learner.place()))
        step.run(learner)
        learner.tell(events.StepEnded(title=step.title, seconds=time.monotonic() - start, **learner.place()))
        learner.step = number + 1
        learner.checkpoint()


EIGHT_STEPS = Recipe(
    "eight steps",
    (
        EnableAugmentation(style="side_on", max_zoom=1.1),
        FindRate(),
        TrainHead(epochs=2),
        TrainHeadAugmented(cycles=3, cycle_len=1),
        Unfreeze(),
        LowerEarlierRates(ratio=10),
        FindRate(batches=40),
        TrainWholeNetwork(max_cycles=3, cycle_len=1, cycle_mult=2),
    ),
)

FIVE_STEPS = Recipe(
    "five steps",
    (
        FindRate(),
        TrainHeadAugmented(cycles=3, cycle_len=1),
        Unfreeze(),
        LowerEarlierRates(ratio=10),
        TrainWholeNetwork(max_cycles=3, cycle_len=1, cycle_mult=2),
    ),
)

ONE_CYCLE = Recipe(
    "one cycle",
    (
        OneCycle(epochs=4, top=3e-3),
        Unfreeze(),
        FindRate(pick="steepest", batches=40),
        OneCycle(epochs=4, top=3e-4),
    ),
)

RECIPES = {"eight_steps": EIGHT_STEPS, "five_steps": FIVE_STEPS, "one_cycle": ONE_CYCLE}


def named(name: str) -> Recipe:
    """The recipe of that name, eight_steps, five_steps or one_cycle, or the one that the text writes down as steps joined by +
    (see `recipes.writing`). Raises RecipeError."""
    from recipes.writing import is_written, written

    key = name.strip().lower().replace("-", "_").replace(" ", "_")
    if key in RECIPES:
        return RECIPES[key]
    if is_written(name):
        return written(name)
    known = ", ".join(nearest(key, RECIPES) or RECIPES)
    raise RecipeError(f"no such recipe: {name!r}; there are {known}, or write down steps, joined by +")


def progressive(recipe: Recipe, sizes: Sequence[int]) -> Recipe:
    """Progressive resizing: the whole recipe at the first size; then at each later one, with the weights so far, the
    last layer with augmentation for one cycle and the whole network for two, until over-fitting.

    The planet lecture goes 64 → 128 → 256. Small first: most of what there is to learn costs a fraction there.
    """
    sizes = tuple(int(size) for size in sizes)
    if not sizes or min(sizes) < 1:
        raise RecipeError(f"not image sizes: {sizes}; give one or more, such as 128,224")
    whole = [step for step in recipe.steps if isinstance(step, (TrainWholeNetwork, OneCycle))][-1:]
    later = [replace(step, max_cycles=2) if isinstance(step, TrainWholeNetwork) else step for step in whole]
    lower = [step for step in recipe.steps if isinstance(step, LowerEarlierRates)]
    more: list[Step] = []
    for size in sizes[1:]:
        more += [Resize(size), TrainHeadAugmented(cycles=1), *([Unfreeze(), *lower, *later] if later else [])]
    return Recipe(recipe.name, (*recipe.steps, *more), sizes)
