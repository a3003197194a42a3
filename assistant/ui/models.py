"""Models of finished runs, for the parts of the page that ask one: on the CPU, one question at a time."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.runs import Run, RunError
from recipes.errors import NetworkError

if TYPE_CHECKING:
    from recipes import Predictor

__all__ = ["ONE_AT_A_TIME", "model_of"]

ONE_AT_A_TIME = threading.Lock()  # two questions at once only take each other's cores, and the training's


def model_of(run: Run) -> Predictor:
    """The model that a run left behind, kept in memory for the next question. Raises RunError where there is none."""
    folder = run.folder / "model"
    try:
        return _loaded(folder, (folder / "model.json").stat().st_mtime_ns)
    except (OSError, NetworkError):  # whose text tells where the folder is
        raise RunError(f"the model cannot be read: {run.name} has none, or it is damaged; train again") from None


@lru_cache(maxsize=2)
def _loaded(folder: Path, changed: int) -> Predictor:
    """Loaded again only where it is another one."""
    from recipes import load

    return load(folder)
