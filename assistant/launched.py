"""The command under `accelerate launch`: the launcher starts it once for each device, and one run comes of it.

The first process is the command as ever: it starts the run's worker, shows it and owns the run. Each other one becomes
a further worker of the same run, which says nothing and writes nothing.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from recipes import launcher

__all__ = ["announce", "begin", "outlive"]

CARRIED_OUT = ("run", "resume")  # what all processes do; anything else is the first one's


def begin(words: Sequence[str]) -> None:
    """Called first of all with the command's words. Returns in the process that is to carry the command out; any other
    becomes a worker of the run, or ends where there is none."""
    place = launcher.place()
    together = words[:1] and words[0] in CARRIED_OUT and "--help" not in words
    if place.rank and not together:
        sys.exit(0)
    if place.rank:
        from assistant.processes import worker_environment

        os.execve(sys.executable, [sys.executable, "-m", "assistant.others"], worker_environment())
    if place.count > 1 and not together:
        launcher.forget()


def outlive() -> None:
    """When one process has ended, the launcher ends the others: the first one stays the few seconds that its run takes to
    say what happened."""
    if launcher.place().count > 1:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def announce(folder: Path, asked: str) -> None:
    """The first process's worker has its turn: the others carry out the same run, `asked` being its `run.json`."""
    if launcher.place().count > 1:
        from recipes import ranks

        ranks.announce(json.dumps({"folder": str(folder), "asked": asked}))
