"""A recipe of one's own as a line of text: steps joined by +, each with the settings that differ.

`find_rate + train_head_augmented(cycles=5) + unfreeze + train_whole_network(max_cycles=2)`: the names are those of the
classes in `recipes.steps`, in lower case; sizes are said beside it, so `resize` is not one of them.
"""

from __future__ import annotations

import re
from dataclasses import Field, fields
from typing import Any

from recipes import steps
from recipes.cookbook import Recipe
from recipes.errors import RecipeError, nearest

__all__ = ["STEPS", "as_text", "is_written", "written"]

MOST = 50  # steps
STEPS: dict[str, type[steps.Step]] = {
    re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): getattr(steps, name)
    for name in steps.__all__
    if name not in ("Step", "Resize")
}
TRAINS = (steps.TrainHead, steps.TrainHeadAugmented, steps.TrainWholeNetwork, steps.OneCycle)


def is_written(text: str) -> bool:
    """Whether that is a recipe in writing, and not one's name."""
    return "+" in text or "(" in text or text.strip().lower() in STEPS


def written(text: str) -> Recipe:
    """The recipe that the text writes down. Raises RecipeError with what cannot be read, and what could be."""
    parts = [part.strip() for part in text.split("+")]
    if len(parts) > MOST:
        raise RecipeError(f"too many steps: {len(parts)}; give {MOST} at most")
    made = tuple(_step(part) for part in parts)
    if not any(isinstance(step, TRAINS) for step in made):
        raise RecipeError(f"nothing is trained by {text.strip()!r}; add train_head_augmented or train_whole_network")
    return Recipe("your own steps", made)


def as_text(recipe: Recipe) -> str:
    """The recipe in writing, without its sizes: `written` makes the same steps of it."""
    names = {kind: name for name, kind in STEPS.items()}
    told = []
    for step in recipe.steps:
        given = [
            f"{spec.name}={getattr(step, spec.name)}"
            for spec in fields(step)
            if getattr(step, spec.name) != spec.default
        ]
        told.append(names[type(step)] + (f"({', '.join(given)})" if given else ""))
    return " + ".join(told)


def _step(part: str) -> steps.Step:
    found = re.fullmatch(r"(\w+)\s*(?:\(([^()]*)\))?", part)
    name = found[1].lower() if found else part
    if found is None or name not in STEPS:
        known = nearest(name, STEPS) or list(STEPS)
        raise RecipeError(f"no such step: {part!r}; there are {', '.join(known)}, joined by +")
    kind = STEPS[name]
    known = {spec.name: spec for spec in fields(kind)}
    given: dict[str, Any] = {}
    for setting in filter(None, (each.strip() for each in (found[2] or "").split(","))):
        field, equals, value = (word.strip() for word in setting.partition("="))
        if field not in known or not equals:
            raise RecipeError(
                f"{name} has no {setting!r}; its settings are {', '.join(known) or 'none'}, as in cycles=2"
            )
        given[field] = _value(name, known[field], value.strip("'\""))
    return kind(**given)


def _value(step: str, spec: Field, text: str) -> Any:
    kind = type(spec.default)
    try:
        return kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise RecipeError(
            f"{step}: {spec.name} is not {wanted}: {text!r}; it is {spec.default} where nothing is said"
        ) from None
