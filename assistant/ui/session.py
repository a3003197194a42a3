"""Whose page it is. On a machine of one's own everything belongs to whoever opens the page; where others can reach it,
each browser has runs of its own, by a key that it keeps, and what Kaggle gives is for that session alone.

A session lives on the server, under a name that only its page knows; a token in it dies with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from assistant.runs import GOING_ON, Run, RunError, list_runs
from assistant.settings import runs_folder, visitors_folder
from assistant.ui.watch import run_named

if TYPE_CHECKING:
    from assistant.fetching import Outlook
    from assistant.kaggle_client import Kaggle
    from assistant.ui.galleries import Looked
    from assistant.ui.jobs import Job

__all__ = ["AT_ONCE", "Session", "open_session"]

AT_ONCE = 3  # runs of one visitor that may train or wait for it

_KEY = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(eq=False)
class Session:
    """One open page's person: where their runs lie, who they are at Kaggle, what Kaggle gave them, and what is going on
    beside the page. Gradio forgets it after a day, or when a machine slept: the page then gets a new one by its key,
    with the same runs and nobody signed in."""

    owner: bool
    runs: Path
    kaggle: Kaggle | None = None
    outlook: Outlook | None = None
    folders: dict[str, Path] = field(default_factory=dict)
    has_read: bool = False  # whether a competition was read on this page
    moved_on: bool = False  # whether the person has gone elsewhere since the download began
    left_kaggle: bool = False  # whether the person signed out: this machine's own token is not taken again
    fetching: Job | None = None
    starting: Job | None = None
    looking: Job | None = None
    looked: Looked | None = None
    measuring: Job | None = None
    handing_in: Job | None = None
    asked_again: str = ""  # the run whose submission is handed in once more where the button is pressed again

    def __repr__(self) -> str:
        return f"Session({self.runs.name!r})"

    def find(self, name: object) -> Run | None:
        """This person's run of that name."""
        return run_named(name, self.runs)

    @contextlib.contextmanager
    def room(self) -> Iterator[None]:
        """For as long as a run of this person is started. Raises RunError where a visitor has enough that go on."""
        self.runs.mkdir(parents=True, exist_ok=True)
        if self.owner:
            yield
            return
        with FileLock(self.runs.with_name("starting.lock")):  # two clicks at once are one after the other
            going_on = sum(run.state() in GOING_ON for run in list_runs(self.runs))
            if going_on >= AT_ONCE:
                raise RunError(
                    f"too many runs at once: {going_on} of yours train or wait; stop one, or start this when one is done"
                )
            yield

    def sign_out(self) -> None:
        """Forgets who it is at Kaggle, and what that person was given."""
        for job in (self.fetching, self.handing_in):
            if job is not None:
                job.stop()
        if self.kaggle is not None:
            self.kaggle.close()
        self.kaggle, self.outlook, self.folders = None, None, {}

    def close(self) -> None:
        """The page is gone: what goes on beside it ends, and the token is forgotten."""
        for job in (self.looking, self.measuring):
            if job is not None:
                job.stop()
        self.sign_out()


def open_session(key: object, public: bool) -> tuple[Session, str]:
    """The session of a page that was just opened, and the key that its browser is to keep: the one it has, else a new
    one; none on a machine of one's own."""
    if not public:
        return Session(True, runs_folder()), ""
    if not (isinstance(key, str) and _KEY.fullmatch(key)):
        key = secrets.token_urlsafe(32)
    mark = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()  # the key itself is written nowhere
    return Session(False, visitors_folder() / mark / "runs"), key
