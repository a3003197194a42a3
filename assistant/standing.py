"""Where a score would stand on the public leaderboard: its rank, and the medal by Kaggle's rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from assistant.kaggle_wire import Team

__all__ = ["Standing", "medal_ranks", "standing"]


class Standing(BaseModel):
    """`rank` of `teams`; `medal` is gold, silver, bronze or empty; `lines` the score that each medal takes, as the board
    is now."""

    rank: int
    teams: int
    medal: str
    lines: dict[str, float]

    def in_words(self) -> str:
        """Such as `312 of 1,514, bronze`."""
        return f"{self.rank:,} of {self.teams:,}" + (f", {self.medal}" if self.medal else "")


def medal_ranks(teams: int) -> dict[str, int]:
    """The last rank that gets each medal, among so many teams; 0 where none does. Source: Kaggle's progression page
    (kaggle.com/progression): gold for the top 10 % up to 99 teams, for 10 up to 249, and for 10 and one more for each
    500 teams above; silver for 20 %, 20 %, 50, and 5 % from 1,000 teams on; bronze for 40 %, 40 %, 100, and 10 %."""
    if teams < 100:
        return {"gold": teams // 10, "silver": teams // 5, "bronze": 2 * teams // 5}
    if teams < 250:
        return {"gold": 10, "silver": teams // 5, "bronze": 2 * teams // 5}
    gold = 10 + teams // 500
    if teams < 1_000:
        return {"gold": gold, "silver": 50, "bronze": 100}
    return {"gold": gold, "silver": teams // 20, "bronze": teams // 10}


def standing(
    score: float, board: Sequence[Team], who: str = "", team: str = "", direction: str = "larger"
) -> Standing | None:
    """Where `score` would stand among the other teams of `board` (best first), as a new entry: behind those with the same
    score. The team of `who`, or called `team`, is not counted against itself. Whether larger is better is read off the
    board's order, and only where that says nothing taken from `direction`. None for an empty board."""
    others = [row for row in board if not (_is(who, *row.members) or _is(team, row.name))]
    if not board:
        return None
    larger = board[0].score > board[-1].score or (board[0].score == board[-1].score and direction == "larger")
    ahead = sum(row.score >= score if larger else row.score <= score for row in others)
    teams = len(others) + 1
    last = medal_ranks(teams)
    medal = next((name for name, rank in last.items() if ahead + 1 <= rank), "")
    lines = {name: board[rank - 1].score for name, rank in last.items() if 0 < rank <= len(board)}
    return Standing(rank=ahead + 1, teams=teams, medal=medal, lines=lines)


def _is(name: str, *names: Any) -> bool:
    return bool(name) and any(name.casefold() == str(other).casefold() for other in names)
