"""What the stand-ins are put together from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .drawing import drawn
from .form import Files, Table, perfect

__all__ = ["TEST", "as_named", "chance_of", "expects", "listed", "one_hot", "pictures"]

TEST = 10_000  # test pictures are drawn with seeds from here on


def pictures(place: str, names: Sequence[str], numbers: Sequence[int], classes: int, seed: int, **how: Any) -> Files:
    """A drawn picture a name, at `place` with the name in its braces."""
    return {
        place.format(name): drawn(number, classes, seed + at, **how)
        for at, (name, number) in enumerate(zip(names, numbers))
    }


def chance_of(template: Table, truth: Mapping[str, str], positive: str) -> Table:
    """The right answer as 1 and 0 in one column."""
    return perfect(
        template, truth, template.header[0], lambda right: {template.header[-1]: str(int(right == positive))}
    )


def one_hot(template: Table, truth: Mapping[str, str]) -> Table:
    """The right answer as 1 in its class's column."""
    names = template.header[1:]
    return perfect(template, truth, template.header[0], lambda right: {name: str(int(name == right)) for name in names})


def as_named(template: Table, truth: Mapping[str, Any], id_column: str | None = None) -> Table:
    """The right answer itself, text or a number."""
    return perfect(template, truth, id_column or template.header[0], lambda right: {template.header[-1]: str(right)})


def listed(template: Table, truth: Mapping[str, tuple[str, ...]]) -> Table:
    """The right tags with blanks between them."""
    return perfect(template, truth, template.header[0], lambda right: {template.header[-1]: " ".join(right)})


def expects(
    task: str,
    classes: Sequence[str] | None,
    labels_from_has: Sequence[str],
    template: Table,
    value: str,
    metric: str,
    train: int | None,
    *,
    at: str = "sample_submission.csv",
    ids: str | None = None,
    targets: Sequence[str] | None = None,
    group: str | None = None,
    top: int | None = None,
) -> dict[str, Any]:
    """What a reader has to find, for a template at path `at`. What is None is left open, save `group` and `top`."""
    named = [name for name in template.header if name]  # an unnamed first column holds row numbers
    found = {
        "task": task,
        "classes": None if classes is None else list(classes),
        "labels_from_has": tuple(labels_from_has),
        "id_column": ids,
        "target_columns": None if targets is None else list(targets),
        "train_images": train,
        "test_images": len(set(template.column(named[0]))),
    }
    return {key: told for key, told in found.items() if told is not None} | {
        "submission": {"template": at, "id_column": named[0], "columns": named[1:], "value": value, "top": top},
        "metric": {"name": metric, "direction": "smaller" if metric in ("log_loss", "rmse") else "larger"},
        "group_column": group,
    }
