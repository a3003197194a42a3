"""Chance as a function of (seed, step, epoch, image): no random state is carried from one moment to the next.

A run that is killed and resumed therefore draws what it would have drawn anyway, a rate sweep disturbs nothing after
it, and two processes can draw for their own images without talking to each other. The mixer is splitmix64 (Steele,
Lea & Flood 2014), applied to the coordinates one after the other.
"""

from __future__ import annotations

import numpy as np

__all__ = ["number", "order", "uniform"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def uniform(draws: int, seed: int, *place: int | np.ndarray) -> np.ndarray:
    """Float64 numbers in [0, 1), shape (n, draws), where n is the length of the arrays in `place` (1 if there is none).

    Each coordinate of `place` (step, epoch, image …) is a whole number or an array of n whole numbers.
    """
    base = _mix(seed, *place)
    columns = np.arange(1, draws + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        bits = _splitmix(base[:, None] + columns[None, :] * _GOLDEN)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def order(rows: np.ndarray, seed: int, *place: int) -> np.ndarray:
    """`rows` shuffled: sorted by one draw each, so the order does not depend on how the rows came in."""
    rows = np.sort(np.asarray(rows))
    return rows[np.argsort(_mix(seed, *place, rows), kind="stable")]


def number(seed: int, *place: int) -> int:
    """One whole number in [0, 2**63), for `torch.manual_seed`."""
    return int(_mix(seed, *place)[0] >> np.uint64(1))


def _mix(*place: int | np.ndarray) -> np.ndarray:
    state = np.zeros(1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for coordinate in place:
            value = np.atleast_1d(np.asarray(coordinate)).astype(np.int64).view(np.uint64)
            state = _splitmix(state + _GOLDEN + _splitmix(value + _GOLDEN))
    return state


def _splitmix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
