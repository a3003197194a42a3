"""The steps that a recipe is made of. A step is data: its fields carry their range and help text, from which forms,
the command and the docs are made; `run` carries it out on a learner.

A step owns its rates, its epochs or cycles, and whether it trains on cached activations or on augmented pixels, so
that augmenting cached activations cannot be written.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recipes.errors import RecipeError
from recipes.lr_finder import PICKS
from recipes.styles import STYLES, Augmentation

if TYPE_CHECKING:
    from recipes.learner import Learner

__all__ = [
    "EnableAugmentation",
    "FindRate",
    "LowerEarlierRates",
    "OneCycle",
    "Resize",
    "Step",
    "TrainHead",
    "TrainHeadAugmented",
    "TrainWholeNetwork",
    "Unfreeze",
]


def _setting(default: Any, help: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": help, **more})


@dataclass(frozen=True)
class Step:
    """One step of a recipe."""

    title: ClassVar[str]
    words: ClassVar[str] = ""

    def __post_init__(self):
        for spec in fields(self):
            value, meta = getattr(self, spec.name), spec.metadata
            low, high = meta.get("min", -np.inf), meta.get("max", np.inf)
            if "choices" in meta and value not in meta["choices"]:
                raise RecipeError(f"no such {spec.name}: {value!r}; there are {', '.join(meta['choices'])}")
            if isinstance(value, (int, float)) and not low <= value <= high:
                raise RecipeError(f"{spec.name} is out of range: {value}; give {low:g} to {high:g}")

    def run(self, learner: Learner) -> None:
        """Carries the step out. What it does to the learner is what the next step finds."""
        raise NotImplementedError


@dataclass(frozen=True)
class EnableAugmentation(Step):
    """Later steps train on random views; until then activations of the plain views are computed once."""

    title: ClassVar[str] = "Enable data augmentation, and precompute"
    words: ClassVar[str] = "Enable data augmentation, and precompute=True."

    style: str = _setting(
        "side_on", "Which flips an image may have: none (plain), left to right, or all eight.", choices=STYLES
    )
    max_zoom: float = _setting(1.1, "Largest enlargement of a random view.", min=1.0, max=3.0)
    rotation: float = _setting(10.0, "Largest rotation, degrees.", min=0.0, max=180.0)
    lighting: float = _setting(0.05, "Largest change of brightness and of contrast.", min=0.0, max=0.9)

    def run(self, learner: Learner) -> None:
        learner.augmentation = Augmentation(self.style, self.max_zoom, self.rotation, lighting=self.lighting)
        learner.precompute = True
        learner.prepare()
        learner.precompute_activations()


@dataclass(frozen=True)
class FindRate(Step):
    """Sweeps the learning rate and takes a suggestion for the steps that follow."""

    title: ClassVar[str] = "Find the learning rate"
    words: ClassVar[str] = "Use lr_find() to find the highest learning rate where the loss is still clearly improving."

    pick: str = _setting("auto", "Which point of the sweep to take.", choices=PICKS)
    batches: int = _setting(
        100, "Batches of the sweep from 1e-5 to 10, if it does not diverge before.", min=20, max=1000
    )

    def run(self, learner: Learner) -> None:
        learner.rate = learner.lr_find(batches=self.batches, pick=self.pick).suggestion


@dataclass(frozen=True)
class TrainHead(Step):
    """Trains the last layer on cached activations."""

    title: ClassVar[str] = "Train the last layer from precomputed activations"
    words: ClassVar[str] = "Train last layer from precomputed activations for 1-2 epochs."

    epochs: int = _setting(2, "Passes over the cached activations.", min=1, max=100)

    def run(self, learner: Learner) -> None:
        learner.freeze()
        learner.precompute = True
        learner.fit(cycles=1, cycle_len=self.epochs, final=False)


@dataclass(frozen=True)
class TrainHeadAugmented(Step):
    """Trains the last layer on augmented pixels; the layers before it stay as they are."""

    title: ClassVar[str] = "Train the last layer with data augmentation"
    words: ClassVar[str] = (
        "Train last layer with data augmentation (i.e. precompute=False) for 2-3 epochs with cycle_len=1."
    )

    cycles: int = _setting(3, "Cosine cycles.", min=1, max=50)
    cycle_len: int = _setting(1, "Epochs of a cycle.", min=1, max=50)

    def run(self, learner: Learner) -> None:
        learner.freeze()
        learner.precompute = False
        learner.fit(cycles=self.cycles, cycle_len=self.cycle_len, final=False)


@dataclass(frozen=True)
class Unfreeze(Step):
    """All layers learn from here on."""

    title: ClassVar[str] = "Unfreeze all layers"
    words: ClassVar[str] = "Unfreeze all layers."

    def run(self, learner: Learner) -> None:
        learner.precompute = False
        learner.unfreeze()


@dataclass(frozen=True)
class LowerEarlierRates(Step):
    """Earlier layer groups learn more slowly: what they know holds for most pictures.

    10 for ordinary photos, on which the weights were trained; 3 for medical or satellite pictures, where early layers
    must move more; 1 for random weights, where all must.
    """

    title: ClassVar[str] = "Set earlier layers to lower learning rates"
    words: ClassVar[str] = "Set earlier layers to 3x-10x lower learning rate than next higher layer."

    ratio: float = _setting(
        10.0,
        "How much lower each earlier group's rate is: 10 for ordinary photos, 3 for medical or satellite pictures.",
        min=1.0,
        max=100.0,
    )

    def run(self, learner: Learner) -> None:
        learner.ratio = self.ratio


@dataclass(frozen=True)
class TrainWholeNetwork(Step):
    """Trains all layers on augmented pixels, cycle after cycle, until a cycle brings no better score; the best
    weights remain."""

    title: ClassVar[str] = "Train the full network until over-fitting"
    words: ClassVar[str] = "Train full network with cycle_mult=2 until over-fitting."

    max_cycles: int = _setting(3, "Cosine cycles at most; fewer when one brings no better score.", min=1, max=20)
    cycle_len: int = _setting(1, "Epochs of the first cycle.", min=1, max=50)
    cycle_mult: int = _setting(2, "How many times as long each cycle is as the one before.", min=1, max=4)

    def run(self, learner: Learner) -> None:
        learner.precompute = False
        learner.unfreeze()
        learner.fit(
            cycles=self.max_cycles, cycle_len=self.cycle_len, cycle_mult=self.cycle_mult, until_overfitting=True
        )


@dataclass(frozen=True)
class OneCycle(Step):
    """Trains what is not frozen for one cycle up and down. Where all layers learn, rates go from the sweep's to the
    top rate."""

    title: ClassVar[str] = "Train with one cycle"
    words: ClassVar[str] = "fit_one_cycle(4, 3e-3), unfreeze, fit_one_cycle(4, slice(lr, 3e-4))."

    epochs: int = _setting(4, "Epochs of the cycle.", min=1, max=200)
    top: float = _setting(3e-3, "Highest rate, the head's.", min=1e-7, max=10.0)

    def run(self, learner: Learner) -> None:
        learner.precompute = False
        lowest = self.top / 100 if learner.network.frozen_to else min(learner.rate, self.top / 10)
        learner.fit_one_cycle(self.epochs, tuple(np.geomspace(lowest, self.top, 3)))


@dataclass(frozen=True)
class Resize(Step):
    """Goes on with larger (or smaller) images and the same weights; freezes again."""

    title: ClassVar[str] = "Change the image size"
    words: ClassVar[str] = "learn.set_data(get_data(299)); learn.freeze()"

    size: int = _setting(299, "Side of the square views, pixels.", min=1, max=4096)

    def run(self, learner: Learner) -> None:
        learner.resize(self.size)
        learner.prepare()
        learner.score()  # the starting point counts: what comes is held against it, and a stop can keep it
