"""The Competition: what is asked, where things are, and what the answer has to look like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, Field

__all__ = [
    "Answer",
    "Competition",
    "CompetitionError",
    "Labels",
    "MetricChoice",
    "TaskName",
    "answers_in_order",
    "image_table",
    "public",
]


TaskName = Literal["single_label", "multi_label", "regression"]


class CompetitionError(Exception):
    """A folder cannot be read as a competition: one line, *what happened: what was found; what to do*."""


class Labels(BaseModel):
    """Where the labels of the training images are: a CSV's columns, or class folders."""

    kind: Literal["csv", "folders"]
    file: str | None = None
    id_column: str | None = None
    target_columns: list[str] = Field(default_factory=list)
    suffix: str = ""
    folder: str


class Answer(BaseModel):
    """What the competition's template asks for. `value` says what stands in its cells; `positive` is the class that a
    single probability column stands for; `top` how many classes a ranked answer holds."""

    template: str | None
    id_column: str
    columns: list[str]
    value: Literal["probability", "label", "tags", "ranked", "number"]
    top: int | None = None
    positive: str | None = None
    why: str = ""


class MetricChoice(BaseModel):
    """The score to report, whether larger or smaller is better, and why this one."""

    name: str
    direction: Literal["larger", "smaller"]
    why: str


class Competition(BaseModel):
    """A competition folder, understood. Paths are relative to `folder`."""

    slug: str
    title: str
    task: TaskName
    classes: list[str]
    labels_from: str
    train_images: int
    test_images: int
    id_column: str
    target_columns: list[str]
    submission: Answer
    metric: MetricChoice
    group_column: str | None = None
    warnings: list[str] = Field(default_factory=list)
    unsupported: str | None = None
    folder: str
    labels: Labels
    test_ids: list[str] = Field(default_factory=list)
    test_files: list[str] = Field(default_factory=list)
    sample: bool = False

    @property
    def root(self) -> Path:
        """The competition's folder."""
        return Path(self.folder)


PUBLIC = [
    "slug",
    "title",
    "task",
    "classes",
    "labels_from",
    "train_images",
    "test_images",
    "id_column",
    "target_columns",
    "submission",
    "metric",
    "group_column",
    "warnings",
    "unsupported",
]


def public(competition: Competition) -> dict[str, Any]:
    """What `assistant read --json` tells."""
    return json.loads(competition.model_dump_json(include=set(PUBLIC)))


def image_table(competition: Competition, valid: float = 0.2, seed: int = 42):
    """The competition's `recipes.Images`: labelled images split by `valid` and `seed`, test images in the template's
    order."""
    from recipes import Images

    root, labels = competition.root, competition.labels
    test = {name: root / file for name, file in zip(competition.test_ids, competition.test_files)}
    if labels.kind == "folders":
        images = Images.from_folders(root, train=labels.folder, valid=valid, test=test or None, seed=seed)
    else:
        images = Images.from_csv(
            root / str(labels.file),
            folder=root / labels.folder,
            id_column=labels.id_column,
            label_column=labels.target_columns,
            suffix=labels.suffix,
            test=test or None,
            valid=valid,
            task=competition.task,
            seed=seed,
        )
    return images


def answers_in_order(competition: Competition, classes: tuple[str, ...], probabilities: np.ndarray) -> np.ndarray:
    """Probabilities with columns in the order of `competition.classes`."""
    return probabilities[:, [classes.index(name) for name in competition.classes]]
