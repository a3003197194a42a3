"""What was handed in of a run, and what became of it: `submissions.json` in the run folder."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import BaseModel, ValidationError

from assistant.runs import Run
from assistant.standing import Standing
from recipes.store import atomic_write

__all__ = ["Submission", "keep", "submissions_of"]


class Submission(BaseModel):
    """A submission of a run. Times are seconds since 1970; `validation` is the run's own score of the same metric, by
    the view that was handed in; `ref` is Kaggle's number for it, None until that is known."""

    competition: str
    by: str
    message: str
    at: float
    ref: int | None = None
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
    """The submissions of a run, first to last; empty where there are none or the file is damaged."""
    try:
        told = json.loads((run.folder / "submissions.json").read_text(encoding="utf-8"))
        return [Submission.model_validate(each) for each in told]
    except (OSError, ValueError, TypeError, ValidationError):
        return []


def keep(run: Run, made: Submission) -> None:
    """Writes a submission among those of its run; one that is there already is replaced."""
    kept = [each for each in submissions_of(run) if each.at != made.at]
    told = [each.model_dump() for each in sorted([*kept, made], key=lambda each: each.at)]
    atomic_write(run.folder / "submissions.json", json.dumps(told, indent=1, ensure_ascii=False))
