"""Settings, read once at the edge: where things are kept on this machine."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import platformdirs

__all__ = ["cache_folder", "home", "people_folder", "runs_folder", "visitors_folder", "zero_gpu"]


@cache
def home() -> Path:
    """`$ASSISTANT_HOME`, else the user's cache folder: downloads, runs and caches lie below it."""
    named = os.environ.get("ASSISTANT_HOME")
    return Path(named).expanduser().resolve() if named else Path(platformdirs.user_cache_dir("recipe-assistant"))


def runs_folder() -> Path:
    """Where runs lie that were not given a folder of their own."""
    return home() / "runs"


def people_folder() -> Path:
    """Where the competitions of each signed-in person lie, apart from everybody else's."""
    return home() / "people"


def visitors_folder() -> Path:
    """Where the runs of each visitor lie, on a page that others can reach."""
    return home() / "visitors"


def cache_folder() -> Path:
    """Where decoded pixels and activations are kept."""
    return home() / "cache"


def zero_gpu() -> bool:
    """Whether this is a Space that is lent a GPU for a minute at a time (ZeroGPU), told as the `spaces` package is."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")
