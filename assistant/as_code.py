"""A run of the app as a command and as a script: either does the same run, to the same submission."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assistant.planned import changes, recipe_of
from assistant.runs import Options
from assistant.sample import OPTIONS
from assistant.sources import settings_in

__all__ = ["as_command", "as_python"]

RECIPES = {"eight_steps": "EIGHT_STEPS", "five_steps": "FIVE_STEPS", "one_cycle": "ONE_CYCLE"}


def as_command(
    source: str | Path, options: Options, settings: Sequence[str] = (), *, sample: bool | None = None
) -> str:
    """The `assistant run …` line; what the command would do anyway is left out.

    `source` is a folder, an archive, a competition's name or the word sample; `settings` what overrules its reading,
    name=value each; `sample` says that a folder holds the sample, for which the command has other defaults.
    """
    holds_sample = str(source) == "sample" if sample is None else sample
    base, always = _defaults(options, holds_sample)
    words = ["assistant", "run", str(source)]
    for name, value in options.model_dump().items():
        if name in always or value != getattr(base, name):
            words += [f"--{name.replace('_', '-')}", _word(value)]
    words += [word for setting in settings for word in ("--set", setting)]
    return shlex.join(words)


def as_python(source: str | Path, options: Options, settings: Sequence[str] = ()) -> str:
    """A script with `recipes` that does the run: images, learner, recipe, predictions, submission.csv."""
    fold = options.folds > 1
    given = settings_in(settings)
    read = f"competition_of({str(source)!r}{f', {given!r}' if given else ''})"
    lines = [
        *_imports(options),
        "",
        f"competition = {read}",
        f"images = image_table(competition, valid={options.valid!r}, seed={options.seed})",
        f"recipe = {_recipe(options)}",
        "",
    ]
    if fold:
        lines += [
            "rows, valid, test = [], [], []",
            f"for fold in range({options.folds}):",
            f"    part = images.fold(fold, {options.folds})",
            *_learner("part", f"{options.seed} + fold", options, "    "),
            "    rows.append(learner.images.valid.rows)",
            f'    valid.append(learner.tta("valid", n={options.tta}))',
            f'    test.append(learner.tta("test", n={options.tta}))',
            "rows, valid = np.concatenate(rows), np.concatenate(valid)",
            "test = np.mean(test, axis=0, dtype=np.float64).astype(np.float32)",
        ]
    else:
        lines += [
            *_learner("images", str(options.seed), options, ""),
            "rows = learner.images.valid.rows",
            f'valid = learner.tta("valid", n={options.tta})',
            f'test = learner.tta("test", n={options.tta})',
        ]
    lines += [
        "",
        "order = rows.argsort()",
        "decision = decision_of(competition, images.task, images.targets[rows[order]], valid[order])",
        "answers = answers_in_order(competition, images.classes, test)",
        'write_submission(competition, list(images.test.ids), answers, Path("submission.csv"), decision)',
    ]
    return "\n".join(lines) + "\n"


def _defaults(options: Options, sample: bool) -> tuple[Options, set[str]]:
    """What the command takes where nothing is said, and the options that have to be said all the same."""
    if not sample:
        return Options.model_validate({}), set()
    # the sample has settings of its own, unless an architecture is named; none of them can be taken back to "not set"
    if options.arch == OPTIONS["arch"] and options.max_cycles is not None:
        return Options.model_validate(OPTIONS), set()
    return Options.model_validate({"augment": "plain", "sizes": [32]}), {"arch"}


def _word(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else f"{value:g}" if _round(value) else str(value)


def _round(value: Any) -> bool:
    return isinstance(value, float) and float(f"{value:g}") == value


def _imports(options: Options) -> list[str]:
    own = _key(options) not in RECIPES
    names = [
        *([] if own else [RECIPES[_key(options)]]),
        "Augmentation",
        "Learner",
        *(["progressive"] if len(options.sizes) > 1 else []),
    ]
    return [
        "from pathlib import Path",
        "",
        *(["import numpy as np", ""] if options.folds > 1 else []),
        "from assistant.image_table import answers_in_order, image_table",
        "from assistant.sources import competition_of",
        "from assistant.submission import decision_of, write_submission",
        f"from recipes import {', '.join(names)}",
        *(["from recipes.cookbook import named"] if own else []),
    ]


def _key(options: Options) -> str:
    return options.recipe.strip().lower().replace("-", "_").replace(" ", "_")


def _recipe(options: Options) -> str:
    """The recipe's name, its sizes and the fields that are changed, as an expression."""
    whole = recipe_of(options)
    name = RECIPES.get(_key(options)) or f"named({' '.join(options.recipe.split())!r})"
    made = f"progressive({name}, sizes={tuple(options.sizes)})" if len(options.sizes) > 1 else name
    plain = recipe_of(Options.model_validate({"recipe": options.recipe, "sizes": options.sizes}))
    changed = {
        field: value
        for field, value in changes(options).items()
        if whole.has(field) and plain.changed(**{field: value}) != plain
    }
    said = ", ".join(f"{field}={value!r}" for field, value in changed.items())
    return f"{made}.changed({said})" if said else made


def _learner(images: str, seed: str, options: Options, indent: str) -> list[str]:
    """The lines that make the learner and run the recipe; settings that are the learner's own are left out."""
    usual = Options.model_validate({})
    more = {
        "batch_size": options.batch_size,
        "smoothing": options.smoothing,
        "ema": options.ema,
        "ratio": options.ratio,
        "device": options.device,
        "precision": options.precision,
    }
    lines = [
        f"{images},",
        f"arch={options.arch!r},",
        f"size={options.sizes[0]},",
        f"weights={options.weights!r},",
        f"seed={seed},",
        "metric_name=competition.metric.name,",
        f"augmentation=Augmentation({options.augment!r}, max_zoom={options.max_zoom!r}),",
        *(f"{name}={value!r}," for name, value in more.items() if value != getattr(usual, name)),
        *([f"largest={max(options.sizes)},"] if max(options.sizes) > options.sizes[0] else []),
    ]
    return [
        f"{indent}learner = Learner(",
        *(f"{indent}    {line}" for line in lines),
        f"{indent})",
        f"{indent}recipe.run(learner)",
    ]
