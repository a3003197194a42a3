"""The table of images: for each its id, where its pixels are, its target and the split that it belongs to.

An `Images` never changes; `fold`, `without` and the like give new ones over the same rows, so what is computed once a
row (pixels, activations) serves every split and every fold.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from recipes import splits
from recipes.errors import ImagesError, few
from recipes.files import Files, beside, image_files
from recipes.labels import (
    as_picture,
    as_text,
    column_named,
    encode,
    one_row_an_id,
    read_table,
    without_numbers_that_are_none,
)
from recipes.parting import ASIDE, TEST, TRAIN, VALID, checked, groups_of, strata, with_validation
from recipes.tasks import MultiLabel, SingleLabel, Task, sorted_classes

__all__ = ["Images", "Split"]


@dataclass(frozen=True)
class Split:
    """The images of one split: `rows` in the table (int64), their ids, and targets (None for test)."""

    name: str
    rows: np.ndarray
    ids: tuple[str, ...]
    targets: np.ndarray | None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Images:
    """Images with targets and splits. Made by `from_csv`, `from_folders` or `from_arrays`.

    `sources` holds a path or a uint8 array (H×W or H×W×C) a row; `targets` an encoded target a row (zeros for test);
    `split` 0 train, 1 valid, 2 test, -1 set aside. `set_aside` and `missing` map an id to the reason why its picture
    cannot be used (train and valid) or has to be answered without being seen (test). `groups` names a group a row, such
    as the patient: images of one group are never parted between train and valid; "" is an image on its own.
    """

    ids: tuple[str, ...]
    sources: tuple[Path | np.ndarray, ...]
    targets: np.ndarray
    split: np.ndarray
    task: Task
    set_aside: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seed: int = 42
    groups: tuple[str, ...] | None = None

    # ---------------------------------------------------------------- making one

    @classmethod
    def from_csv(
        cls,
        csv: str | os.PathLike | pd.DataFrame,
        folder: str | os.PathLike = ".",
        *,
        id_column: str | None = None,
        label_column: str | Sequence[str] | None = None,
        group_column: str | None = None,
        suffix: str = "",
        test: str | os.PathLike | Mapping[str, str | os.PathLike] | None = None,
        valid: float | Sequence[str] = 0.2,
        task: str = "auto",
        seed: int = 42,
    ) -> Images:
        """Images named by a CSV: a column of ids and a column of labels, or several columns (one-hot or numbers).

        `folder` and `test` are folders, beside the CSV where they are there; `test` may also map ids to files, in the
        order in which they are to be predicted. An id is a file name with or without `suffix`. Without column names
        the first column is the id and the second the label. `valid` is the share that validates, or the ids that do.
        `task` is auto, single_label, multi_label or regression. `group_column` names what must not be parted between
        train and valid, such as the patient. Labels whose file is missing are set aside and named. Raises
        ImagesError.
        """
        table, base = read_table(csv)
        id_column = column_named(table, id_column, 0)
        columns = [label_column] if isinstance(label_column, str) else list(label_column or [])
        columns = [column_named(table, name, 1) for name in columns] or [column_named(table, None, 1)]
        group_of = dict(zip(table[id_column], table[column_named(table, group_column, 0)])) if group_column else None
        table = without_numbers_that_are_none(one_row_an_id(table, id_column, columns), columns)
        files = Files(beside(folder, base))
        ids, labels, sources, set_aside = [], [], [], {}
        for name, *values in table[[id_column, *columns]].itertuples(index=False, name=None):
            path = files.find(name, suffix)
            if path is None:
                set_aside[name] = "no such file"
            elif "" in values and (len(columns) > 1 or task != "multi_label"):
                set_aside[name] = "no label"
            else:
                ids.append(name)
                labels.append(tuple(values))
                sources.append(path)
        if not ids:
            raise ImagesError(
                f"no images found: none of the {len(table):,} ids in column {id_column} (such as {few(table[id_column])}) "
                f"has a file in {files.root}; check folder= and suffix="
            )
        targets, made = encode(labels, columns, task)
        groups = tuple(group_of[name] for name in ids) if group_of is not None else None
        split = np.zeros(len(ids), np.int8)
        images = cls(tuple(ids), tuple(sources), targets, split, made, set_aside, seed=seed, groups=groups)
        images = with_validation(images, valid)
        return checked(images._with_test_files(test, base, suffix))

    @classmethod
    def from_folders(
        cls,
        root: str | os.PathLike,
        *,
        train: str = "train",
        valid: str | float = "valid",
        test: str | Mapping[str, str | os.PathLike] | None = None,
        seed: int = 42,
    ) -> Images:
        """Images in a folder a class: `root/train/cat/1.jpg`. `valid` is a folder of the same form or a share of train.

        `test` is a folder of images without classes, or maps ids to files. An id is the path below its split's
        folder. Raises ImagesError.
        """
        root = Path(root)
        folder, files = image_files(root / train)
        labels = [path.relative_to(folder).parts[0] if path.parent != folder else "" for path in files]
        notes = ()
        if not any(labels):
            raise ImagesError(
                f"no class folders found: {len(files):,} images lie directly in {folder}; use from_csv, or sort them into "
                "a folder a class"
            )
        loose = [path.name for path, label in zip(files, labels) if not label]
        if loose:
            notes = (f"{len(loose):,} images lie outside the class folders and are left out: {few(loose)}",)
        kept = [(path, label) for path, label in zip(files, labels) if label]
        paths, names = [path for path, _ in kept], [label for _, label in kept]
        ids = [path.relative_to(folder).as_posix() for path in paths]
        split = np.zeros(len(ids), np.int8)
        if isinstance(valid, str):
            if not (root / valid).is_dir():
                raise ImagesError(
                    f"no validation folder: {root / valid} is not there; name it with valid=, or give a share such as valid=0.2"
                )
            held_folder, held = image_files(root / valid)
            held = [path for path in held if path.parent != held_folder]
            paths += held
            names += [path.relative_to(held_folder).parts[0] for path in held]
            ids += [path.relative_to(held_folder).as_posix() for path in held]
            split = np.concatenate([split, np.ones(len(held), np.int8)])
        made = SingleLabel(sorted_classes(names))
        images = cls(tuple(ids), tuple(paths), made.encode(names), split, made, notes=notes, seed=seed)
        if not isinstance(valid, str):
            images = with_validation(images, valid)
        return checked(images._with_test_files(test, root, ""))

    @classmethod
    def from_arrays(
        cls,
        x: np.ndarray | Sequence[np.ndarray],
        y: np.ndarray | Sequence,
        *,
        test: np.ndarray | Sequence[np.ndarray] | None = None,
        valid: float | Sequence[int] = 0.2,
        task: str = "auto",
        groups: Sequence | None = None,
        seed: int = 42,
    ) -> Images:
        """Images in memory: uint8, N×H×W or N×H×W×C, or a list of such arrays of any size.

        `y` holds a label, a row of 0 and 1 (multi-label, or one-hot) or a row of numbers an image; images whose label is
        None or NaN are set aside. Ids are the row numbers as text. `valid` is a share, or the row numbers that validate.
        `groups` names what must not be parted between train and valid, one a row. Raises ImagesError.
        """
        if len(x) != len(y):
            raise ImagesError(f"images and labels differ in number: {len(x):,} and {len(y):,}; give one label an image")
        if groups is not None and len(groups) != len(x):
            raise ImagesError(
                f"images and groups differ in number: {len(x):,} and {len(groups):,}; give one group an image"
            )
        if len(x) == 0:
            raise ImagesError("no images found: the array is empty; give at least two classes of images")
        given = [row if np.ndim(row) else (row,) for row in (y.tolist() if isinstance(y, np.ndarray) else y)]
        kept = [i for i, row in enumerate(given) if not any(pd.isna(value) for value in row)]
        if not kept:
            raise ImagesError(f"no labels: none of the {len(given):,} images has one; give a label an image")
        rows = [tuple(as_text(value) for value in given[i]) for i in kept]
        targets, made = encode(rows, [str(i) for i in range(len(rows[0]))], task)
        ids, arrays = tuple(str(i) for i in kept), tuple(as_picture(x[i]) for i in kept)
        aside = {str(i): "no label" for i in sorted(set(range(len(given))) - set(kept))}
        named = (
            None if groups is None else tuple(as_text(group) for i, group in enumerate(groups) if str(i) not in aside)
        )
        images = cls(ids, arrays, targets, np.zeros(len(ids), np.int8), made, aside, seed=seed, groups=named)
        images = with_validation(images, valid if isinstance(valid, (int, float)) else [str(i) for i in valid])
        if test is not None:
            images = images._with_test([str(i) for i in range(len(test))], [as_picture(array) for array in test])
        return checked(images)

    @classmethod
    def from_targets(
        cls,
        ids: Sequence[str],
        sources: Sequence[Path | np.ndarray],
        targets: np.ndarray,
        task: Task,
        *,
        test: Mapping[str, Path | np.ndarray] | None = None,
        valid: float | Sequence[str] = 0.2,
        groups: Sequence[str] | None = None,
        set_aside: Mapping[str, str] | None = None,
        seed: int = 42,
    ) -> Images:
        """Images whose targets are encoded already, as `task` does it: paths or uint8 arrays, with an id each.

        `test` maps the ids to predict to their pictures. Raises ImagesError.
        """
        if not len(ids):
            raise ImagesError("no images found: the table is empty; give at least two classes of images")
        split, named = np.zeros(len(ids), np.int8), None if groups is None else tuple(groups)
        images = cls(tuple(ids), tuple(sources), targets, split, task, dict(set_aside or {}), seed=seed, groups=named)
        images = with_validation(images, valid)
        if test is not None:
            images = images._with_test(list(test), list(test.values()))
        return checked(images)

    # ---------------------------------------------------------------- reading it

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names (or target columns, for regression) in the order of the probability columns."""
        return self.task.classes

    @cached_property
    def train(self) -> Split:
        """The images that train."""
        return self._part("train", TRAIN)

    @cached_property
    def valid(self) -> Split:
        """The images that validate."""
        return self._part("valid", VALID)

    @cached_property
    def test(self) -> Split:
        """The images to predict, in the order of the predictions."""
        return self._part("test", TEST)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        sizes = f"train {len(self.train):,}, valid {len(self.valid):,}, test {len(self.test):,}"
        aside = f", {len(self.set_aside):,} set aside" if self.set_aside else ""
        return f"Images({self.task.name}, {len(self.classes)} classes, {sizes}{aside})"

    def counts(self) -> dict[str, int]:
        """Labelled images a class (train and valid); for regression, how many there are."""
        targets = self.targets[(self.split == TRAIN) | (self.split == VALID)]
        if isinstance(self.task, SingleLabel):
            found = np.bincount(targets, minlength=len(self.classes))
        elif isinstance(self.task, MultiLabel):
            found = targets.sum(0).astype(int)
        else:
            found = np.full(len(self.classes), len(targets))
        return {name: int(count) for name, count in zip(self.classes, found)}

    def label(self, row: int) -> str:
        """The label of a table row as text."""
        target = self.targets[row]
        if isinstance(self.task, SingleLabel):
            return self.classes[int(target)]
        if isinstance(self.task, MultiLabel):
            return " ".join(name for name, on in zip(self.classes, target) if on)
        return " ".join(f"{value:g}" for value in target)

    # ---------------------------------------------------------------- other splits of the same rows

    def fold(self, number: int, of: int) -> Images:
        """The same images with fold `number` (from 0) of `of` as validation, stratified, by the seed; no group is in
        two folds."""
        if not 2 <= of <= len(self.train) + len(self.valid):
            raise ImagesError(f"folds cannot be made: {of} asked for; ask for 2 to {len(self.train) + len(self.valid)}")
        labelled = np.flatnonzero((self.split == TRAIN) | (self.split == VALID))
        folds = splits.fold_of(strata(self, labelled), of, self.seed, groups_of(self, labelled), rows=labelled)
        split = self.split.copy()
        split[labelled] = np.where(folds == number, VALID, TRAIN)
        return checked(replace(self, split=split))

    def without(self, reasons: Mapping[int, str]) -> Images:
        """The same table with these rows (row → reason) set aside, or marked missing where they are test images."""
        split = self.split.copy()
        aside, missing = dict(self.set_aside), dict(self.missing)
        for row, reason in reasons.items():
            if split[row] == TEST:
                missing[self.ids[row]] = reason
            else:
                split[row] = ASIDE
                aside[self.ids[row]] = reason
        return checked(replace(self, split=split, set_aside=aside, missing=missing))

    # ---------------------------------------------------------------- inside

    def _part(self, name: str, number: int) -> Split:
        rows = np.flatnonzero(self.split == number)
        return Split(name, rows, tuple(self.ids[i] for i in rows), None if number == TEST else self.targets[rows])

    def _with_test_files(self, test: str | os.PathLike | Mapping | None, base: Path, suffix: str) -> Images:
        if test is None:
            return self
        if isinstance(test, Mapping):
            return self._with_test([str(name) for name in test], [Path(path) for path in test.values()])
        folder, found = image_files(beside(test, base))
        return self._with_test([_bare(path, folder, suffix) for path in found], found)

    def _with_test(self, ids: Sequence[str], sources: Sequence[Path | np.ndarray]) -> Images:
        return replace(
            self,
            ids=(*self.ids, *ids),
            sources=(*self.sources, *sources),
            targets=np.concatenate([self.targets, np.zeros((len(ids), *self.targets.shape[1:]), self.targets.dtype)]),
            split=np.concatenate([self.split, np.full(len(ids), TEST, np.int8)]),
            groups=None if self.groups is None else (*self.groups, *[""] * len(ids)),
        )


def _bare(path: Path, folder: Path, suffix: str) -> str:
    relative = path.relative_to(folder).as_posix()
    return relative.removesuffix(suffix)
