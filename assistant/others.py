"""A run's further processes under `accelerate launch`: `python -m assistant.others`. Each does what the first one's worker
does, and writes nothing (see `assistant.launched`)."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
import warnings
from pathlib import Path

from assistant.cli_errors import line_of
from assistant.processes import give_way
from assistant.runs import Asked
from assistant.worker import Worker
from recipes import events, launcher
from recipes.errors import Stopped

__all__ = ["main"]

ENDED_WITHIN = 25.0  # seconds in which the launcher ends what is left, once the first process has told what went wrong


def main() -> int:
    """Carries out the run that the first process announces; the exit status."""
    from recipes import ranks

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the first process, which asks all to stop
    warnings.simplefilter("ignore")
    give_way()
    told = json.loads(ranks.announced())
    asked = Asked.model_validate_json(told["asked"])
    try:
        Worker(Path(told["folder"]), asked, _silent, _Listening()).run()
    except Stopped:
        return 0
    except Exception as error:
        with contextlib.suppress(Exception):  # the ranks may be what failed
            if not isinstance(error, ranks.Lost):
                ranks.of(asked.options.device).fails(f"{launcher.place().name} failed: {line_of(error)}")
        time.sleep(ENDED_WITHIN)
        return 1
    return 0


def _silent(event: events.Event) -> None:
    """Where events go that the first process tells."""


class _Listening:
    """The wish to stop is the first process's, which the ranks hear of."""

    asked = keep_best = finishing = False

    def __call__(self) -> bool:
        return False


if __name__ == "__main__":
    sys.exit(main())
