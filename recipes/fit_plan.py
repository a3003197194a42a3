"""What a fit is going to do, in numbers: cycles, rates and batches, without loading PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from recipes import schedules
from recipes.errors import RecipeError

__all__ = ["Plan", "count_batches", "rates_for"]


@dataclass(frozen=True)
class Plan:
    """What a fit does: epochs of each cycle, and a factor (and maybe a momentum) for each batch."""

    cycles: tuple[int, ...]
    factors: np.ndarray
    momenta: np.ndarray | None = None
    until_overfitting: bool = False
    final: bool = True

    @property
    def epochs(self) -> int:
        """Epochs in all, if no cycle is left out."""
        return sum(self.cycles)

    def cycle_of(self, epoch: int) -> tuple[int, bool]:
        """The cycle (from 0) that an epoch (from 0) is in, and whether it is that cycle's last."""
        ends = np.cumsum(self.cycles)
        cycle = int(np.searchsorted(ends, epoch, side="right"))
        return cycle, epoch + 1 == ends[cycle]

    @staticmethod
    def sgdr(
        batches: int, cycles: int, cycle_len: int, cycle_mult: int, until_overfitting: bool = False, final: bool = True
    ) -> Plan:
        """Cosine cycles with warm restarts."""
        lengths = tuple(schedules.cycle_lengths(cycles, cycle_len, cycle_mult))
        return Plan(lengths, schedules.sgdr(batches, cycles, cycle_len, cycle_mult), None, until_overfitting, final)

    @staticmethod
    def one_cycle(batches: int, epochs: int) -> Plan:
        """One cycle up and down."""
        factors, momenta = schedules.one_cycle(batches * epochs)
        return Plan((epochs,), factors, momenta)


def rates_for(rates: Any, ratio: float) -> tuple[float, float, float]:
    """One rate a layer group: a float is the head's, and each group before it has `ratio` times less."""
    if np.ndim(rates) == 0:
        head = float(rates)  # type: ignore[arg-type]
        made = (head / ratio**2, head / ratio, head)
    else:
        made = tuple(float(rate) for rate in rates)
    if len(made) != 3 or not all(np.isfinite(made)) or min(made) <= 0:
        raise RecipeError(
            f"not learning rates: {rates}; give one number above 0, or three (early body, late body, head)"
        )
    return made  # type: ignore[return-value]


def count_batches(images: int, batch_size: int) -> int:
    """Batches an epoch: as many as come nearest to `batch_size`, at least one; none has a single image."""
    return max(1, min(round(images / batch_size), images // 2))
