"""A run's options as the recipe and the plan that they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assistant.runs import Options

if TYPE_CHECKING:
    from assistant.competition import Competition
    from recipes import Recipe
    from recipes.planning import Counts, Plan

__all__ = ["counts_of", "plan_of", "recipe_of"]


def recipe_of(options: Options) -> Recipe:
    """The recipe with its sizes and with every setting that it has a place for. Raises RecipeError."""
    from recipes.cookbook import named, progressive

    recipe = progressive(named(options.recipe), options.sizes)
    return recipe.changed(**{name: value for name, value in changes(options).items() if recipe.has(name)})


def changes(options: Options) -> dict[str, str | float | int]:
    """The options that are fields of steps, by the field's name. In a recipe that is written down, what is written counts
    unless the option says something else than it says by itself."""
    from recipes.writing import is_written

    wanted = _fields(options)
    usual = _fields(Options.model_validate({})) if is_written(options.recipe) else {}
    return {name: value for name, value in wanted.items() if name not in usual or value != usual[name]}


def _fields(options: Options) -> dict[str, str | float | int]:
    wanted: dict[str, str | float | int] = {
        "style": options.augment,
        "max_zoom": options.max_zoom,
        "ratio": options.ratio,
    }
    return wanted if options.max_cycles is None else wanted | {"max_cycles": options.max_cycles}


def counts_of(competition: Competition, options: Options) -> Counts:
    """Images of a fold, to within a few: the split itself keeps classes and groups in mind."""
    from recipes.planning import Counts

    labelled = competition.train_images
    held = round(labelled * options.valid) if options.folds == 1 else round(labelled / options.folds)
    held = min(max(held, 1), max(labelled - 2, 1))
    return Counts(labelled - held, held, competition.test_images)


def plan_of(options: Options, counts: Counts) -> Plan:
    """What a run with these options will do. Raises RecipeError."""
    from recipes.planning import plan

    return plan(
        recipe_of(options), counts, options.batch_size, ratio=options.ratio, folds=options.folds, tta=options.tta
    )
