"""What a launcher (`accelerate launch`, `torchrun`) says to each process that it starts, in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Place", "forget", "place"]


@dataclass(frozen=True)
class Place:
    """Of `count` processes on all machines this one is number `rank`, and number `here` of `count_here` on its machine; all
    count from 0."""

    rank: int = 0
    count: int = 1
    here: int = 0
    count_here: int = 1

    @property
    def name(self) -> str:
        """This process, for people."""
        return f"process {self.rank + 1} of {self.count}"


def place(environment: Mapping[str, str] = os.environ) -> Place:
    """This process's place; the only one of one, where no launcher started several."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    given = {name: int(word) for name in names if (word := environment.get(name, "")).isdigit()}
    count = given.get("WORLD_SIZE", 1)
    if count < 2 or "RANK" not in given:
        return Place()
    return Place(given["RANK"], count, given.get("LOCAL_RANK", given["RANK"]), given.get("LOCAL_WORLD_SIZE", count))


def forget() -> None:
    """This process, and those that it starts, are on their own from here on."""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        os.environ.pop(name, None)
