"""Work that goes on beside the page: a download, a submission, a look at all images. The page asks how it is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Literal

from assistant.competition import CompetitionError
from assistant.runs import RunError, explain
from recipes.errors import RecipeError, Stopped

__all__ = ["TROUBLE", "Job", "in_words"]

TROUBLE = (RunError, CompetitionError, RecipeError, OSError, ValueError)  # pydantic's errors are ValueErrors


def in_words(error: BaseException) -> str:
    """One line for the page; what nobody foresaw goes to the server's log too."""
    if not isinstance(error, TROUBLE):
        logging.getLogger(__name__).error("the page caught an error", exc_info=error)
    line = explain(error)
    return line[:1].upper() + line[1:]


class Job:
    """One piece of work in a thread of its own. `about` names what it is for, `now` is what it told last, `line` its last
    words; `state` how it is, `result` or `error` how it ended."""

    def __init__(self, work: Callable[[Job], Any], about: str = ""):
        self.about = about
        self.now: Any = None
        self.line = self.error = ""
        self.result: Any = None
        self.state: Literal["running", "done", "failed", "stopped"] = "running"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True, name="job")
        self._thread.start()

    def stop(self) -> None:
        """Asks the work to end."""
        self._stop.set()

    def wait(self) -> None:
        """Returns when the work has ended."""
        self._thread.join()

    def should_stop(self) -> bool:
        """Whether somebody has asked it to."""
        return self._stop.is_set()

    def tell(self, now: Any) -> None:
        """What the work reports."""
        self.now = now

    def say(self, line: str) -> None:
        """Words that the work says."""
        self.line = line

    def _run(self, work: Callable[[Job], Any]) -> None:
        try:
            self.result = work(self)
            self.state = "done"
        except Stopped:
            self.state = "stopped"
        except Exception as error:  # it is told on the page
            self.error, self.state = in_words(error), "failed"
