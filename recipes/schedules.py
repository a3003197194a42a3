"""Learning rates as pure functions of the step number: arrays that training, tests and previews all read.

A schedule is an array of factors, one a batch, by which every layer group's rate is multiplied.
"""

from __future__ import annotations

import numpy as np

__all__ = ["cycle_lengths", "one_cycle", "sgdr", "sweep"]


def cycle_lengths(cycles: int, cycle_len: int = 1, cycle_mult: int = 1) -> list[int]:
    """Epochs of each cycle: 3 cycles, length 1, mult 2 → [1, 2, 4]."""
    return [cycle_len * cycle_mult**number for number in range(cycles)]


def sgdr(batches: int, cycles: int, cycle_len: int = 1, cycle_mult: int = 1, warm: float = 1 / 20) -> np.ndarray:
    """Cosine annealing with warm restarts, float64 (batches × epochs,); `batches` an epoch.

    Within a cycle of n batches the factor of batch i is (1 + cos(π i / n)) / 2. The first twentieth of the first
    cycle runs at 1/100. Loshchilov & Hutter 2017, as fastai 0.7's `CosAnneal` does it.
    """
    parts = []
    for epochs in cycle_lengths(cycles, cycle_len, cycle_mult):
        n = batches * epochs
        parts.append((1 + np.cos(np.pi * np.arange(n) / n)) / 2)
    factors = np.concatenate(parts) if parts else np.zeros(0)
    if parts:
        factors[np.arange(len(factors)) < len(parts[0]) * warm] = 1 / 100
    return factors


def one_cycle(
    batches: int,
    start: float = 1 / 25,
    peak_at: float = 0.3,
    end: float = 1e-5,
    momenta: tuple[float, float] = (0.95, 0.85),
) -> tuple[np.ndarray, np.ndarray]:
    """Factors and momenta, float64 (batches,) each: up from `start` to 1 over the first `peak_at`, down to `end`, by
    cosines; momentum the other way. Smith 2018, with fastai's values."""
    rising = min(max(int(batches * peak_at), 1), batches)
    falling = batches - rising
    up, down = _cosine(rising), _cosine(falling)
    factors = np.concatenate([start + (1 - start) * up, 1 + (end - 1) * down])
    momentum = np.concatenate(
        [momenta[0] + (momenta[1] - momenta[0]) * up, momenta[1] + (momenta[0] - momenta[1]) * down]
    )
    return factors, momentum


def sweep(start: float = 1e-5, end: float = 10.0, batches: int = 100) -> np.ndarray:
    """Rates of a range test, geometric from `start` to `end`, float64 (batches,). Smith 2015."""
    return start * (end / start) ** (np.arange(batches) / max(batches - 1, 1))


def _cosine(n: int) -> np.ndarray:
    """From 0 (at the first of n) towards 1 (at the last of n)."""
    return (1 - np.cos(np.pi * np.arange(n) / max(n - 1, 1))) / 2
