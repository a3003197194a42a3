"""How the command ends when something goes wrong: one line on stderr, and an exit status."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from assistant.printed import print_line

__all__ = ["line_of", "told"]


def told(command: Callable[[], Any]) -> None:
    """Runs the command; errors that a user can cause are told as they are, others with where to look."""
    try:
        command()
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(130)
    except Exception as error:
        from recipes.errors import Stopped

        if isinstance(error, Stopped):
            sys.exit(130)
        print_line(line_of(error), error=True)
        sys.exit(1)


def line_of(error: Exception) -> str:
    """One line for a user, whatever the error."""
    from pydantic import ValidationError

    from assistant.competition import CompetitionError
    from assistant.runs import RunError, explain
    from recipes.errors import RecipeError

    foreseen = isinstance(error, (RunError, CompetitionError, RecipeError, ValidationError, OSError))
    return explain(error) if foreseen else _unforeseen(error)


def _unforeseen(error: Exception) -> str:
    """One line for what nobody thought of; where it happened goes to a file."""
    from assistant.settings import home

    place = home() / "assistant.log"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(place, "a", encoding="utf-8", errors="replace") as log:
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n{''.join(traceback.format_exception(error))}\n")
    except OSError:
        place = None
    told = " ".join(str(error).split())[:200]
    where = f"; where it happened is in {place}" if place else ""
    return f"something went wrong that was not foreseen: {type(error).__name__}: {told}{where}"
