"""Test-time augmentation: the plain image and n random views of it, the mean of their probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recipes.predicting import plain_answers, view_answers

if TYPE_CHECKING:
    from recipes.learner import Learner

__all__ = ["passes"]


def passes(learner: Learner, split: str, n: int = 4) -> np.ndarray:
    """The answers that TTA takes the mean of, float32 (n + 1, images, classes): the plain view's first, then each
    random view's."""
    return np.stack([plain_answers(learner, split), *(view_answers(learner, split, number) for number in range(n))])
