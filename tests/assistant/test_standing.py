"""Where a score would stand, and which medal it would take."""

from __future__ import annotations

import pytest

from assistant.kaggle_wire import Team
from assistant.standing import medal_ranks, standing


@pytest.mark.parametrize(
    ("teams", "gold", "silver", "bronze"),
    [
        (10, 1, 2, 4),
        (99, 9, 19, 39),
        (100, 10, 20, 40),
        (249, 10, 49, 99),
        (250, 10, 50, 100),
        (499, 10, 50, 100),
        (500, 11, 50, 100),
        (999, 11, 50, 100),
        (1_000, 12, 50, 100),
        (1_514, 13, 75, 151),
        (5_000, 20, 250, 500),
    ],
)
def test_medals_by_kaggles_rule(teams, gold, silver, bronze):
    assert medal_ranks(teams) == {"gold": gold, "silver": silver, "bronze": bronze}


BOARD = [Team(f"team {number}", 1 - number / 1000, (f"m{number}",)) for number in range(200)]  # 1.000 … 0.801


@pytest.mark.parametrize(
    ("score", "rank", "medal"),
    [(1.1, 1, "gold"), (0.9905, 11, "silver"), (0.95, 52, "bronze"), (0.9, 102, ""), (0.1, 201, "")],
)
def test_a_score_among_larger_is_better(score, rank, medal):
    found = standing(score, BOARD)
    assert found is not None
    assert (found.rank, found.teams, found.medal) == (rank, 201, medal)
    assert found.lines == {"gold": BOARD[9].score, "silver": BOARD[39].score, "bronze": BOARD[79].score}


def test_the_boards_own_order_says_which_way_is_better():
    losses = [Team(f"t{number}", 0.1 + number / 100) for number in range(100)]
    found = standing(0.105, losses, direction="larger")
    assert found is not None
    assert (found.rank, found.medal) == (2, "gold")


def test_equal_scores_stand_behind_those_that_came_first_and_a_team_not_behind_itself():
    board = [Team("a", 0.9), Team("b", 0.9), Team("mine", 0.9, ("Ann", "bob"))]
    for who, team in (("ann", ""), ("", "Mine")):
        found = standing(0.9, board, who, team)
        assert found is not None
        assert (found.rank, found.teams) == (3, 3)
    assert standing(0.9, [Team("a", 0.8)] * 3, direction="smaller").rank == 4  # type: ignore[union-attr]
    assert standing(0.5, []) is None


def test_in_words():
    found = standing(0.9905, BOARD)
    assert found is not None
    assert found.in_words() == "11 of 201, silver"
