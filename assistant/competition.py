"""The Competition: what is asked, where things are, and what the answer has to look like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

__all__ = [
    "Answer",
    "Competition",
    "CompetitionError",
    "Finding",
    "Labels",
    "MetricChoice",
    "TaskName",
    "answer_in_words",
    "public",
    "task_in_words",
]


TaskName = Literal["single_label", "multi_label", "regression"]


class CompetitionError(Exception):
    """A folder cannot be read as a competition: one line, *what happened: what was found; what to do*."""

    def __init__(self, text: str):
        super().__init__(_one_line(text))


def _one_line(text: str) -> str:
    """The text on one line, whatever names of files it holds."""
    return " ".join(text.encode("utf-8", "backslashreplace").decode().split())


class Labels(BaseModel):
    """Where the labels of the training images are. `kind`: a table that names pictures, a table that holds their
    pixels, folders a class, or the pictures' own names (`pattern` finds the class in one). `id_columns` joined by `/`
    name a picture, or are translated by the table `names_file`, whose column `names_key` holds them and whose column
    `names_column` the pictures' names; `families` are the folders that hold the training pictures; rows whose
    `split_column` says test are not labelled ones; `given_back` are folders whose folders are classes, though called like
    answers in pictures (masks, cleaned)."""

    kind: Literal["table", "pixels", "folders", "names"]
    file: str | None = None
    id_columns: list[str] = Field(default_factory=list)
    target_columns: list[str] = Field(default_factory=list)
    group_column: str | None = None
    group_file: str | None = None
    split_column: str | None = None
    names_file: str | None = None
    names_key: str = ""
    names_column: str = ""
    families: list[str] = Field(default_factory=list)
    given_back: list[str] = Field(default_factory=list)
    level: int = 0
    pattern: str = ""
    separator: str = ""


class Finding(BaseModel):
    """One thing that was understood: what, why, and what else it might have been. `--set field=…` overrules it: `said`
    is what would say this very answer ("" where that takes more than a word), `choices` are values that say another."""

    field: str
    answer: str
    why: str
    others: list[str] = Field(default_factory=list)
    said: str = ""
    choices: list[str] = Field(default_factory=list)


class Answer(BaseModel):
    """What the competition's template asks for. `value` says what stands in its cells; `positive` is the class that a
    single probability column stands for; `top` how many classes a ranked answer holds; `copied` are columns that are
    handed in as the template has them; `names` the class of each column where they are spelled otherwise, `spelled`
    what a class is called in a cell; `whole` whether numbers are whole ones, `low` and `high` their range;
    `separator` stands between the words of a cell, `delimiter` between cells."""

    template: str | None
    id_column: str
    columns: list[str]
    value: Literal["probability", "label", "tags", "ranked", "number"]
    top: int | None = None
    positive: str | None = None
    why: str = ""
    copied: list[str] = Field(default_factory=list)
    names: dict[str, str] = Field(default_factory=dict)
    spelled: dict[str, str] = Field(default_factory=dict)
    separator: str = " "
    delimiter: str = ","
    whole: bool = False
    low: float | None = None
    high: float | None = None


class MetricChoice(BaseModel):
    """The score to report, whether larger or smaller is better, and why this one."""

    name: str
    direction: Literal["larger", "smaller"]
    why: str


class Competition(BaseModel):
    """A competition folder, understood. Paths are relative to `folder`. `test_files` are pictures, or row numbers of
    `test_table`, a table of pixels; `ordinal` says that the classes are whole numbers in order; `evidence` how
    everything was found."""

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
    test_table: str | None = None
    ordinal: bool = False
    evidence: list[Finding] = Field(default_factory=list)
    sample: bool = False

    @field_validator("warnings")
    @classmethod
    def _each_on_one_line(cls, warnings: list[str]) -> list[str]:
        return [_one_line(text) for text in warnings]

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


def task_in_words(competition: Competition) -> str:
    """What has to be said of each image."""
    many = len(competition.classes)
    return {
        "single_label": f"Name one of {many:,} classes for each image",
        "multi_label": f"Give each image those of {many:,} tags that fit",
        "regression": f"Give each image {'a number' if many == 1 else f'{many:,} numbers'}",
    }[competition.task]


def answer_in_words(asked: Answer) -> str:
    """What stands in the cells of a submission."""
    return {
        "probability": "probabilities",
        "label": "a class name a row",
        "tags": "tags a row",
        "ranked": f"{asked.top or 'some'} classes a row, likeliest first",
        "number": "numbers",
    }[asked.value]
