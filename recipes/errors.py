"""Errors that a user can cause: one line each, *what happened: what was found; what to do*."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["ImagesError", "NetworkError", "RecipeError", "Stopped", "StorageError", "few", "one_line"]


class RecipeError(Exception):
    """Something that a user can put right, told in one line."""


class ImagesError(RecipeError):
    """The pictures or their labels cannot be used as they are."""


class NetworkError(RecipeError):
    """The architecture, its weights or the size asked of it do not go together."""


class StorageError(RecipeError):
    """A folder cannot be written, or the disk is full."""


class Stopped(Exception):
    """Raised inside a long call when its `should_stop` said so; what was learned is kept."""


def few(names: Iterable[object], limit: int = 3) -> str:
    """The first `limit` names joined by commas, and how many more there are."""
    listed = [str(name) for name in names]
    more = len(listed) - limit
    return ", ".join(listed[:limit]) + (f" and {more:,} more" if more > 0 else "")


def nearest(name: str, names: Iterable[str], limit: int = 5) -> list[str]:
    """The names that look most like `name`, best first."""
    return get_close_matches(name, list(names), n=limit, cutoff=0.5)


def one_line(error: BaseException) -> str:
    """An exception's text on one line, with its type where the text alone would not tell what it is."""
    text = " ".join(str(error).split())
    if isinstance(error, RecipeError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
