"""fast.ai's recipes for image classification, as a library: images go in, a trained network and probabilities come out.

from recipes import EIGHT_STEPS, Images, Learner

images = Images.from_csv("labels.csv", folder="train", suffix=".jpg", test="test")
learner = Learner(images, arch="resnet34", size=224)
EIGHT_STEPS.run(learner)
probabilities = learner.tta("test")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recipes.cookbook import EIGHT_STEPS, FIVE_STEPS, ONE_CYCLE, Recipe, progressive
    from recipes.errors import RecipeError, Stopped
    from recipes.exporting import Predictor, load
    from recipes.images import Images
    from recipes.learner import Learner
    from recipes.styles import PLAIN, SIDE_ON, TOP_DOWN, Augmentation

__all__ = [
    "EIGHT_STEPS",
    "FIVE_STEPS",
    "ONE_CYCLE",
    "PLAIN",
    "SIDE_ON",
    "TOP_DOWN",
    "Augmentation",
    "Images",
    "Learner",
    "Predictor",
    "Recipe",
    "RecipeError",
    "Stopped",
    "load",
    "progressive",
]

_HOMES = {
    "cookbook": ("EIGHT_STEPS", "FIVE_STEPS", "ONE_CYCLE", "Recipe", "progressive"),
    "errors": ("RecipeError", "Stopped"),
    "exporting": ("Predictor", "load"),
    "images": ("Images",),
    "learner": ("Learner",),
    "styles": ("PLAIN", "SIDE_ON", "TOP_DOWN", "Augmentation"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Public names load their module when they are first asked for, so `import recipes` costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'recipes' has no attribute {name!r}")
    return getattr(import_module(f"recipes.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
