"""What a recipe will do before it is started, as plain data: each step's epochs, batches and learning rates, and how
many images go through which part of the network.

The plan is what the steps themselves ask for: each is run on a `_Paper`, which notes down what a learner would be
told to do. So a new step is planned without a word here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from recipes import fit_plan
from recipes.errors import RecipeError
from recipes.styles import SIDE_ON

if TYPE_CHECKING:
    from recipes.cookbook import Recipe
    from recipes.images import Images
    from recipes.learner import Learner

__all__ = ["Counts", "Passes", "Plan", "PlannedStep", "plan"]

FIRST_RATE = 3e-3  # a learner's, until a sweep has found one
SWEPT = 0.5  # the share of its batches after which a sweep has diverged at the earliest, as a rule


@dataclass(frozen=True)
class Counts:
    """Images that train, validate and are to be answered for."""

    train: int
    valid: int
    test: int = 0

    @classmethod
    def of(cls, images: Images) -> Counts:
        """Those of a table."""
        return cls(len(images.train), len(images.valid), len(images.test))


@dataclass(frozen=True)
class Passes:
    """Images that go through the network. `whole`: random views, forward and back through all layers; `views`: random
    views through the body, where the head alone learns; `head`: activations, forward and back through the head;
    `plain`: plain views, forward; `kept`: plain views whose activations are kept for every later fold."""

    whole: float = 0
    views: float = 0
    head: float = 0
    plain: float = 0
    kept: float = 0

    def __add__(self, other: Passes) -> Passes:
        return Passes(*(mine + its for mine, its in zip(self._numbers, other._numbers)))

    def __mul__(self, times: float) -> Passes:
        return Passes(*(number * times for number in self._numbers))

    @property
    def _numbers(self) -> tuple[float, ...]:
        return (self.whole, self.views, self.head, self.plain, self.kept)


@dataclass(frozen=True)
class PlannedStep:
    """What one step does.

    `rates` is float64 (epochs × batches, 3): the rate of early body, late body and head at each batch, NaN for a group
    that does not learn. Where `relative`, they are shares of what the sweep before will find, 1 being its suggestion.
    `sweep` is the number of batches of a sweep, 0 without one. `most` and `fewest` are the passes with all cycles, and
    with a sweep that diverges early and a second cycle that is no better than the first.
    """

    number: int
    title: str
    size: int
    batches: int
    cycles: tuple[int, ...] = ()
    rates: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    relative: bool = False
    until_overfitting: bool = False
    sweep: int = 0
    most: Passes = Passes()
    fewest: Passes = Passes()

    @property
    def epochs(self) -> int:
        """Epochs, if no cycle is left out."""
        return sum(self.cycles)

    @property
    def learns(self) -> tuple[bool, bool, bool]:
        """Whether early body, late body and head learn."""
        early, late, head = (bool(len(self.rates)) and not np.isnan(self.rates[:, group]).any() for group in range(3))
        return early, late, head


@dataclass(frozen=True)
class Plan:
    """A recipe's steps as they will be, `folds` times over, and the passes that answer in the end, a fold."""

    steps: tuple[PlannedStep, ...]
    counts: Counts
    batch_size: int
    folds: int
    answers: Passes

    @property
    def epochs(self) -> int:
        """Epochs of a fold, if no cycle is left out."""
        return sum(step.epochs for step in self.steps)


def plan(
    recipe: Recipe,
    counts: Counts,
    batch_size: int = 64,
    *,
    size: int = 224,
    ratio: float = 10.0,
    suggestions: Sequence[float] = (),
    folds: int = 1,
    tta: int = 4,
) -> Plan:
    """What `recipe` will do with so many images; `counts` are those of one fold.

    `size` is the learner's, for a recipe without sizes. `suggestions` are the rates that the first sweeps have found;
    rates that rest on a later sweep are relative to it. Where a step asks for less than an unknown rate, it is taken
    as no limit.
    """
    if counts.train < 2 or counts.valid < 1:
        raise RecipeError(
            f"too few images: {counts.train} to train and {counts.valid} to validate; at least two and one are needed"
        )
    paper = _Paper(counts, batch_size, recipe.sizes[0] if recipe.sizes else size, ratio, list(suggestions))
    steps = []
    for number, step in enumerate(recipe.steps, 1):
        paper.notes = PlannedStep(number, step.title, paper.size, paper.batches())
        step.run(cast("Learner", paper))
        steps.append(paper.note(size=paper.size))
    return Plan(tuple(steps), counts, batch_size, folds, _answers(counts, tta))


def _answers(counts: Counts, tta: int) -> Passes:
    """The recipe's last look at validation, then the plain and the random views of TTA."""
    return Passes(plain=counts.valid + (tta + 1) * (counts.valid + counts.test))


class _Paper:
    """What a step may ask of a learner, noted down. Names and defaults are `Learner`'s."""

    def __init__(self, counts: Counts, batch_size: int, size: int, ratio: float, suggestions: list[float]):
        self.counts, self.batch_size, self.size, self.ratio = counts, batch_size, size, ratio
        self.suggestions, self.known, self.rate = suggestions, True, FIRST_RATE
        self.augmentation, self.precompute = SIDE_ON, False
        self.network, self.frozen_to = self, 2
        self.suggestion = FIRST_RATE
        self.notes: Any = None
        self._held: set[str] = set()  # parts whose activations are there

    def note(self, **more: Any) -> PlannedStep:
        """The step's notes with these fields changed."""
        self.notes = replace(self.notes, **more)
        return self.notes

    def freeze(self) -> None:
        self.freeze_to(-1)

    def unfreeze(self) -> None:
        self.freeze_to(0)

    def freeze_to(self, group: int) -> None:
        self.frozen_to = group % 3

    def resize(self, size: int) -> None:
        self.size = size
        self._held.clear()
        self.freeze()

    def prepare(self) -> None:
        """Decoding is no part of a plan."""

    def batches(self) -> int:
        return fit_plan.count_batches(self.counts.train, self.batch_size)

    def precompute_activations(self) -> None:
        if self.frozen_to == 2:
            self._passed(self._activations("labelled"))

    def score(self) -> None:
        """The frozen body's look at the validation images."""
        self._passed(self._activations("labelled" if self.precompute else "valid"))

    def lr_find(self, start: float = 1e-5, end: float = 10.0, batches: int = 100, pick: str = "auto") -> _Paper:
        images = batches * self.counts.train / self.batches()
        before = self._activations("labelled") if self._cached() else Passes()
        # each batch goes also through the network as it was before the sweep
        compared = Passes(plain=images) if self.frozen_to < 2 else Passes()
        work = self._learning(images) + compared
        self._passed(before + work, before + work * SWEPT)
        self.known = bool(self.suggestions)
        self.suggestion = self.suggestions.pop(0) if self.known else 1.0
        self.note(sweep=self.notes.sweep + batches)
        return self

    def fit(
        self,
        rates: float | Sequence[float] | None = None,
        cycles: int = 1,
        cycle_len: int = 1,
        cycle_mult: int = 1,
        *,
        until_overfitting: bool = False,
        final: bool = True,
    ) -> None:
        self._fit(fit_plan.Plan.sgdr(self.batches(), cycles, cycle_len, cycle_mult, until_overfitting, final), rates)

    def fit_one_cycle(self, epochs: int, rates: float | Sequence[float] | None = None) -> None:
        self._fit(fit_plan.Plan.one_cycle(self.batches(), epochs), rates)

    def _fit(self, fit: fit_plan.Plan, rates: float | Sequence[float] | None) -> None:
        groups = np.array(fit_plan.rates_for(self.rate if rates is None else rates, self.ratio))
        groups[: self.frozen_to] = np.nan
        fewest = sum(fit.cycles[:2]) if fit.until_overfitting else fit.epochs
        if self.frozen_to == 2:
            first = self._activations("labelled" if self.precompute else "valid")
            epoch = self._learning(self.counts.train)
        else:
            first, epoch = Passes(), self._learning(self.counts.train) + Passes(plain=self.counts.valid)
            self._held.clear()
        self._passed(first + epoch * fit.epochs, first + epoch * fewest)
        self.note(
            cycles=(*self.notes.cycles, *fit.cycles),
            rates=np.concatenate([self.notes.rates, fit.factors[:, None] * groups]),
            relative=self.notes.relative or (rates is None and not self.known),
            until_overfitting=self.notes.until_overfitting or fit.until_overfitting,
        )

    def _cached(self) -> bool:
        return self.frozen_to == 2 and self.precompute

    def _learning(self, images: float) -> Passes:
        if self.frozen_to < 2:
            return Passes(whole=images)
        return Passes(head=images) if self.precompute else Passes(head=images, views=images)

    def _activations(self, part: str) -> Passes:
        """What it costs that the activations of a part (labelled or valid) are there."""
        if part in self._held or "labelled" in self._held:
            return Passes()
        self._held.add(part)
        return Passes(kept=self.counts.valid + (self.counts.train if part == "labelled" else 0))

    def _passed(self, most: Passes, fewest: Passes | None = None) -> None:
        self.note(most=self.notes.most + most, fewest=self.notes.fewest + (fewest or most))
