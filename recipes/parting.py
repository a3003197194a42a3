"""Which images of a table train and which validate, and whether something can be learned from that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from recipes import splits
from recipes.errors import ImagesError, few
from recipes.tasks import Regression, SingleLabel, Task

if TYPE_CHECKING:
    from recipes.images import Images

__all__ = ["ASIDE", "TEST", "TRAIN", "VALID", "checked", "groups_of", "strata", "with_validation"]

TRAIN, VALID, TEST, ASIDE = 0, 1, 2, -1


def with_validation(images: Images, valid: float | Sequence[str]) -> Images:
    """The same images, of which that share, or those ids, validate. Raises ImagesError."""
    split = np.zeros(len(images), np.int8)
    if isinstance(valid, (int, float)):
        if not 0 < valid < 1:
            raise ImagesError(f"the validation share is out of range: {valid}; give a number between 0 and 1")
        rows = _in_company(images)
        held = splits.held_out(strata(images, rows), valid, images.seed, groups_of(images, rows), rows=rows)
        split[rows[held]] = VALID
    else:
        held = set(map(str, valid))
        unknown = held - set(images.ids) - set(images.set_aside)
        if unknown:
            raise ImagesError(f"validation ids are not in the table: {few(sorted(unknown))}; check valid=")
        split[[i for i, name in enumerate(images.ids) if name in held]] = VALID
    return replace(images, split=split)


def checked(images: Images) -> Images:
    """Sees that every class trains; raises ImagesError where nothing could be learned; adds notes on what could not
    be measured."""
    split = _keep_a_training_image(images).split if (images.split == TRAIN).any() else images.split
    train, valid = split == TRAIN, split == VALID
    if train.sum() < 2 or not valid.any():
        raise ImagesError(
            f"too few images: {int(train.sum())} to train and {int(valid.sum())} to validate"
            + (
                f" ({len(images.set_aside):,} set aside: {few(set(images.set_aside.values()))})"
                if images.set_aside
                else ""
            )
            + "; at least two and one are needed"
        )
    notes = [note for note in images.notes if not note.startswith("a single image")]
    if isinstance(images.task, SingleLabel):
        counts = Counter(images.targets[train | valid].tolist())
        if len(counts) < 2:
            raise ImagesError(
                f"one class only: all {int((train | valid).sum()):,} images are {images.classes[next(iter(counts))]!r}; "
                "give images of at least two classes"
            )
        single = [images.classes[number] for number, count in sorted(counts.items()) if count == 1]
        if single:
            notes.append(
                f"a single image in {'class' if len(single) == 1 else f'{len(single)} classes'} {few(single)}: "
                "it trains, but no validation image can tell how well"
            )
        task: Task = images.task
    elif isinstance(images.task, Regression):
        task = images.task.scaled_by(images.targets[train])
    else:
        task = images.task
    return replace(images, split=split, notes=tuple(notes), task=task)


def strata(images: Images, rows: np.ndarray) -> np.ndarray:
    """The stratum of each of these rows: what every part gets its share of."""
    made = images.task.strata(images.targets[rows])
    return splits.quantile_bins(made) if images.groups and isinstance(images.task, Regression) else made


def groups_of(images: Images, rows: np.ndarray) -> list[str] | None:
    """The group of each of these rows, where there are groups."""
    return None if images.groups is None else [images.groups[row] for row in rows]


def _in_company(images: Images) -> np.ndarray:
    """Rows that validation can have: not the only image of a class; where there are groups, those see to it."""
    if not isinstance(images.task, SingleLabel) or images.groups is not None:
        return np.arange(len(images))
    return np.flatnonzero(np.bincount(images.targets)[images.targets] > 1)


def _keep_a_training_image(images: Images) -> Images:
    """A class must be seen in training: where validation got all of its images, one goes back, or the group of one
    where that leaves others to validate."""
    if not isinstance(images.task, SingleLabel):
        return images
    split = images.split.copy()
    trained = set(images.targets[split == TRAIN].tolist())
    for number in sorted(set(images.targets[split == VALID].tolist()) - trained):
        back = np.flatnonzero((split == VALID) & (images.targets == number))[:1]
        if images.groups is not None and images.groups[back[0]]:
            back = np.flatnonzero((split == VALID) & (np.array(images.groups) == images.groups[back[0]]))
            if len(back) == (split == VALID).sum():
                continue
        split[back] = TRAIN
    return replace(images, split=split)
