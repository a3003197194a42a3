"""What was handed in of a run, and what became of it: `submissions.json` in the run folder."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock
from pydantic import BaseModel, Field, ValidationError

from assistant.runs import Run
from assistant.standing import Standing
from recipes.store import atomic_write

__all__ = ["Submission", "forget", "keep", "submissions_of"]


class Submission(BaseModel):
    """A submission of a run. Times are seconds since 1970; `validation` is the run's own score of the same metric, by
    the view that was handed in; `ref` is Kaggle's number for it, None until that is known."""

    competition: str
    by: str
    message: str
    at: float
    ref: int | None = None
    before: list[int] = Field(default_factory=list, description="Numbers of this person's submissions before it.")
    status: Literal["pending", "scored", "failed"] = "pending"
    public: float | None = None
    private: float | None = None
    error: str = ""
    metric: str = ""
    direction: str = "larger"
    validation: float | None = None
    place: Standing | None = None

    @property
    def page(self) -> str:
        """Where Kaggle shows it."""
        return f"https://www.kaggle.com/competitions/{self.competition}/submissions"


def submissions_of(run: Run) -> list[Submission]:
    """The submissions of a run, first to last; entries that cannot be read are passed over."""
    found = []
    for entry in _entries(run):
        with contextlib.suppress(ValidationError):
            found.append(Submission.model_validate(entry))
    return sorted(found, key=lambda each: each.at)


def keep(run: Run, made: Submission) -> None:
    """Writes a submission among those of its run, in the place of what was known of it before."""
    _rewrite(run, made, [made.model_dump()])


def forget(run: Run, made: Submission) -> None:
    """Takes out a submission that was never taken."""
    _rewrite(run, made, [])


def _rewrite(run: Run, made: Submission, entries: list[Any]) -> None:
    """Other entries stay as they are, also those of a version that this one cannot read."""
    path = run.folder / "submissions.json"
    with FileLock(run.folder / ".submissions.lock"):
        others = [each for each in _entries(run) if not (isinstance(each, dict) and each.get("at") == made.at)]
        if path.is_file() and not others and not _is_list(path):
            path.replace(path.with_suffix(".unreadable.json"))
        atomic_write(path, json.dumps([*others, *entries], indent=1, ensure_ascii=False))


def _entries(run: Run) -> list[Any]:
    path = run.folder / "submissions.json"
    return json.loads(path.read_text(encoding="utf-8")) if _is_list(path) else []


def _is_list(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_text(encoding="utf-8")), list)
    except (OSError, ValueError, RecursionError):
        return False
