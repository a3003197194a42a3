"""The notes' "when things go wrong", as rules on the numbers of a fit.

- *Rate too high*: validation loss explodes: it is not finite, or at its end more than twice its best.
- *Rate too low*: losses creep: after three epochs or more, training loss has come down by less than a tenth and stays
  above validation loss.
- *Too few epochs*: at the end training loss is still above validation loss and validation loss was still falling by 2 %
  or more.
- *Too many epochs*: the score got better and then worse, for the last third of the epochs (at least two) without a new
  best, while training loss went on falling. Training loss below validation loss alone is not over-fitting.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recipes.events import Advice, Epoch

__all__ = ["BF16_PAYS", "advise"]

BF16_PAYS = "this processor has AMX: in precision bf16 it trains this network 1.3 to 2.5 times as fast"


def advise(
    epochs: Sequence[Epoch],
    rate: float,
    larger_is_better: bool,
    metric: str,
    final: bool = True,
    smoothed: bool = False,
) -> list[Advice]:
    """Advice on the epochs of one fit, which ran at the top rate `rate`, with the numbers that led to it.

    Where the fit is not `final`, because a recipe goes on after it, only a rate that is too high is worth a word. With
    `smoothed` labels training loss cannot be held against validation loss, whose labels are not.
    """
    if not epochs:
        return []
    last = epochs[-1]
    place = {"step": last.step, "of": last.of, "size": last.size}
    train = np.array([epoch.train_loss for epoch in epochs], float)
    valid = np.array([np.nan if epoch.valid_loss is None else epoch.valid_loss for epoch in epochs], float)
    if not np.isfinite(train).all() or not np.isfinite(valid).all() or valid[-1] > 2 * valid.min():
        finite = valid[np.isfinite(valid)]
        numbers = {
            "rate": rate,
            "best_valid_loss": float(finite.min()) if len(finite) else np.inf,
            "valid_loss": float(valid[-1]),
        }
        text = f"Validation loss exploded at a rate of {rate:.1e}: the rate is too high. Try a tenth of it."
        return [Advice(kind="rate_too_high", text=text, numbers=numbers, **place)]
    found: list[Advice] = []
    if not final:
        return found
    above = train[-1] > valid[-1] and not smoothed
    if len(epochs) >= 3 and above and train[-1] > 0.9 * train[0]:
        text = (
            f"Training loss went from {train[0]:.3f} to {train[-1]:.3f} only, and stays above validation loss ({valid[-1]:.3f}): "
            f"a rate of {rate:.1e} is too low. Try three times as much."
        )
        numbers = {
            "rate": rate,
            "first_train_loss": float(train[0]),
            "train_loss": float(train[-1]),
            "valid_loss": float(valid[-1]),
        }
        found.append(Advice(kind="rate_too_low", text=text, numbers=numbers, **place))
    elif len(epochs) >= 2 and above and valid[-1] < 0.98 * valid[:-1].min():
        text = (
            f"Training loss ({train[-1]:.3f}) is above validation loss ({valid[-1]:.3f}), which still falls: too few epochs. "
            "One more cycle would help."
        )
        numbers = {"train_loss": float(train[-1]), "valid_loss": float(valid[-1]), "epochs": float(len(epochs))}
        found.append(Advice(kind="too_few_epochs", text=text, numbers=numbers, **place))
    scores = np.array([epoch.metrics.get(metric, np.nan) for epoch in epochs], float)
    if len(epochs) >= 4 and np.isfinite(scores).all():
        best = int(np.argmax(scores) if larger_is_better else np.argmin(scores))
        since = len(epochs) - 1 - best
        if since >= max(2, len(epochs) / 3) and train[-1] < train[best] and scores[-1] != scores[best]:
            text = (
                f"{metric} was best after epoch {best + 1} ({scores[best]:.4f}) and is {scores[-1]:.4f} now, while training "
                f"loss fell from {train[best]:.3f} to {train[-1]:.3f}: too many epochs. The best weights are kept."
            )
            numbers = {"best_epoch": best + 1.0, "best": float(scores[best]), "last": float(scores[-1])}
            found.append(Advice(kind="too_many_epochs", text=text, numbers=numbers, **place))
    return found
