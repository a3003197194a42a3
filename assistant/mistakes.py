"""What a network gets wrong: the images behind a run's validation answers, sorted, counted and found again on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from assistant.answers import Answers, read_answers
from assistant.competition import CompetitionError
from assistant.runs import Asked, Run, RunError
from recipes.errors import RecipeError

__all__ = [
    "KINDS", "OUTCOMES", "Confusion", "Example", "TagCount", "answers_of", "confused", "confusions", "counts", "examples",
    "of_cell", "of_tag", "picture_finder", "tag_counts",
]  # fmt: skip

KINDS = ("wrong", "right", "uncertain")
OUTCOMES = ("hits", "misses", "false_alarms")  # what may become of a tag
Finder = Callable[[str], "Path | np.ndarray | None"]


@dataclass(frozen=True)
class Example:
    """An image and what was answered. `label` and `answer` are text; `probability` is the answer's and `truth` the
    true class's, from 0 to 1, None for numbers; `error` is how far numbers are off, None for classes; `column` is the
    class that was answered, as the model numbers it."""

    id: str
    label: str
    answer: str
    column: int
    probability: float | None = None
    truth: float | None = None
    error: float | None = None


@dataclass(frozen=True)
class Confusion:
    """How many images of one class were answered as another, of how many images that class has."""

    true: int
    answered: int
    count: int
    of: int


@dataclass(frozen=True)
class TagCount:
    """What became of one tag: its images, those that were found, and the false alarms."""

    tag: int
    images: int
    hits: int
    false_alarms: int

    @property
    def misses(self) -> int:
        """Its images that were not found."""
        return self.images - self.hits


def answers_of(run: Run) -> Answers:
    """The answers to a run's validation images. Raises RunError where there are none that can be read."""
    task, path = run.asked().competition.task, run.folder / "valid.csv"
    try:
        stat = path.stat()
        answers = _read(path, task, stat.st_mtime_ns, stat.st_size)
    except FileNotFoundError:
        raise RunError(
            f"no answers yet: {run.name} has no valid.csv; it is written when the training is done"
        ) from None
    except OSError as error:
        raise RunError(f"the answers cannot be read: {run.name}/valid.csv ({error.strerror}); check the disk") from None
    if answers is None:
        raise RunError(f"the answers cannot be read: {run.name}/valid.csv is damaged; train again")
    return answers


@lru_cache(maxsize=4)
def _read(path: Path, task: str, changed: int, size: int) -> Answers | None:
    """Read again only where the file is another one: a thousand columns take a while."""
    return read_answers(path, task)


def examples(answers: Answers, kind: str, count: int = 12) -> list[Example]:
    """The first `count` images of a kind (one of KINDS), the most telling first; numbers have none that are
    uncertain."""
    return [_example(answers, int(row)) for row in answers.order(kind)[:count]]


def counts(answers: Answers) -> np.ndarray:
    """The confusion matrix, int64 (classes, classes): true by answered class. For single_label alone."""
    n = len(answers.classes)
    return np.bincount(answers.targets * n + answers.predicted.argmax(1), minlength=n * n).reshape(n, n)


def confusions(answers: Answers, count: int = 40) -> list[Confusion]:
    """The cells off the diagonal that hold most images, the largest first; among equals the larger share first."""
    matrix = counts(answers)
    of = matrix.sum(1)
    rows, columns = (matrix * (1 - np.eye(len(matrix), dtype=np.int64))).nonzero()
    found = matrix[rows, columns]
    order = np.lexsort((columns, rows, -found / of[rows], -found))[:count]
    return [Confusion(*(int(value) for value in (rows[i], columns[i], found[i], of[rows[i]]))) for i in order]


def of_cell(answers: Answers, true: int, answered: int, count: int = 12) -> list[Example]:
    """Images of class `true` that were answered as `answered`, the surest answers first."""
    rows = confused(answers, true, answered)
    return [_example(answers, int(row)) for row in rows[:count]]


def confused(answers: Answers, true: int, answered: int) -> np.ndarray:
    """Rows of a cell of the confusion matrix, the surest answers first."""
    rows = ((answers.targets == true) & (answers.predicted.argmax(1) == answered)).nonzero()[0]
    return rows[np.argsort(-answers.predicted[rows, answered], kind="stable")]


def tag_counts(answers: Answers) -> list[TagCount]:
    """What became of each tag, those with most mistakes first. A tag counts as answered above 0.5."""
    true, said = answers.targets > 0.5, answers.predicted > 0.5
    images, hits, alarms = true.sum(0), (true & said).sum(0), (~true & said).sum(0)
    order = np.argsort(-(images - hits + alarms), kind="stable")
    return [TagCount(int(i), int(images[i]), int(hits[i]), int(alarms[i])) for i in order]


def of_tag(answers: Answers, tag: int, what: str, count: int = 12) -> list[Example]:
    """Images with that tag's `hits`, `misses` or `false_alarms`, the most telling first: the surest hits and alarms,
    the least probable misses. Their probability is the tag's."""
    true, p = answers.targets[:, tag] > 0.5, answers.predicted[:, tag]
    rows = {"hits": true & (p > 0.5), "misses": true & (p <= 0.5), "false_alarms": ~true & (p > 0.5)}[what].nonzero()[0]
    rows = rows[np.argsort(p[rows] if what == "misses" else -p[rows], kind="stable")]
    return [_example(answers, int(row), tag) for row in rows[:count]]


def picture_finder(asked: Asked) -> Finder:
    """A function that gives a labelled image's picture by its id: a file, uint8 pixels, or None where it is gone."""
    try:
        found = _places(asked.competition.model_dump_json())
    except (CompetitionError, RecipeError, OSError, ValueError):
        return lambda name: None  # the folder was moved or deleted since
    return found.get


@lru_cache(maxsize=2)
def _places(competition: str) -> dict[str, Path | np.ndarray]:
    """Where the labelled pictures of a competition are (given as JSON): taking stock of a large folder takes seconds."""
    from assistant.competition import Competition
    from assistant.image_table import image_table

    images = image_table(Competition.model_validate_json(competition))
    return {name: source for name, source, split in zip(images.ids, images.sources, images.split) if split != 2}


def _example(answers: Answers, row: int, tag: int | None = None) -> Example:
    given, name, label = answers.predicted[row], answers.ids[row], answers.labels[row]
    if answers.task == "regression":
        error = float(np.abs(given - answers.targets[row]).mean())
        return Example(name, label, ", ".join(f"{number:.4g}" for number in given), 0, error=error)
    if answers.task == "single_label":
        guess, true = int(given.argmax()), int(answers.targets[row])
        return Example(name, label, answers.classes[guess], guess, float(given[guess]), float(given[true]))
    said = [answers.classes[i] for i in np.argsort(-given, kind="stable") if given[i] > 0.5]
    column = int(np.abs(given - answers.targets[row]).argmax()) if tag is None else tag
    return Example(name, label or "no tag", _listed(said), column, float(given[column]))


def _listed(tags: Sequence[str]) -> str:
    return ", ".join(tags[:6]) + (f" and {len(tags) - 6} more" if len(tags) > 6 else "") or "no tag"
