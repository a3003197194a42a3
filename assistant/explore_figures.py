"""The numbers and small tables of an exploration, counted from what was read of every image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from assistant.explore_advice import facing
from assistant.fingerprints import Looks
from recipes.images import Images
from recipes.parting import ASIDE, TEST

__all__ = ["class_table", "figures_of", "group_table", "records"]

GREY = 6.0  # mean difference of the channels of a thumbnail, up to which it counts as grey


def class_table(images: Images) -> pd.DataFrame:
    """The pivot table class, images, share: classes with the largest first; of a regression ranges, in order."""
    rows = np.flatnonzero((images.split != TEST) & (images.split != ASIDE))
    if images.task.name == "regression":
        made = []
        for name, values in zip(images.classes, images.targets[rows].reshape(len(rows), -1).T):
            counts, edges = np.histogram(values, bins=min(10, max(1, len(np.unique(values)))))
            head = f"{name}: " if len(images.classes) > 1 else ""
            made += [(f"{head}{low:.4g} to {high:.4g}", n) for low, high, n in zip(edges, edges[1:], counts.tolist())]
    else:
        made = sorted(images.counts().items(), key=lambda pair: -pair[1])
    table = pd.DataFrame({"class": [name for name, _ in made], "images": [count for _, count in made]})
    return table.assign(share=table.images / max(len(rows), 1))


def group_table(grouped: list[str] | None, table: pd.DataFrame) -> pd.DataFrame:
    """Images of each group, in all, in train and in test, the largest first; empty without groups."""
    if grouped is None:
        return pd.DataFrame({"group": [], "images": [], "train": [], "test": []})
    named = table.assign(group=grouped)
    counted: Any = named[named.group != ""].groupby(["group", "split"]).size().unstack(fill_value=0)
    counted = counted.reindex(columns=["train", "test"], fill_value=0)
    counted.insert(0, "images", counted.train + counted.test)
    counted.columns.name = None
    return counted.reset_index().sort_values("images", ascending=False, kind="stable", ignore_index=True)


def figures_of(
    images: Images,
    table: pd.DataFrame,
    looks: Looks,
    twins: pd.DataFrame,
    broken: pd.DataFrame,
    classes: pd.DataFrame,
    groups: pd.DataFrame,
) -> dict[str, Any]:
    """Every number that the page and the advice tell, as plain JSON values."""
    good: Any = table[table.broken == ""]
    train: Any = table.split == "train"
    seen = [row for row in looks.coloured.tolist() if table.broken.iat[row] == "" and train.iat[row]]
    colours = looks.colours[np.isin(looks.coloured, seen)]
    by_class = images.task.name != "regression" and len(classes)
    return {
        "task": images.task.name,
        "train": int(train.sum()),
        "test": int((~train).sum()),
        "classes": len(images.classes),
        "largest_class": records(classes.head(1))[0] if by_class else None,
        "smallest_class": records(classes.tail(1))[0] if by_class else None,
        "rare_classes": int((classes["images"] < 20).to_numpy().sum()) if by_class else 0,
        "sizes": {split: _sizes(part) for split, part in good.groupby("split")},
        "aspect": _aspect(good),
        "modes": _counted(good["mode"]),
        "formats": _counted(good["format"]),
        "rotated": int((good.orientation > 1).sum()),
        "grey": float((np.ptp(colours.astype(float), axis=3).mean((1, 2)) < GREY).mean()) if len(colours) else 0.0,
        "bytes": int(table["bytes"].to_numpy().sum()),
        "broken": {split: int((broken["split"] == split).to_numpy().sum()) for split in ("train", "test")},
        "duplicates": _twins(twins),
        "groups": _group_figures(groups),
        "facing": facing(colours),
        "facing_images": len(colours),
    }


def _sizes(part: Any) -> dict[str, dict[str, float]]:
    sides = {"width": part.width, "height": part.height, "shorter": part[["width", "height"]].min(axis=1)}
    marks = {"min": 0, "low": 0.05, "median": 0.5, "high": 0.95, "max": 1}
    return {name: {mark: float(side.quantile(at)) for mark, at in marks.items()} for name, side in sides.items()}


def _aspect(part: Any) -> dict[str, float]:
    """Shares of shapes, and how many kinds of width and height there are."""
    ratio = (part.width / part.height.clip(lower=1)).to_numpy(float)
    if not len(ratio):
        return {"portrait": 0.0, "square": 0.0, "landscape": 0.0, "median": 1.0, "kinds": 0}
    portrait, landscape = float((ratio < 0.98).mean()), float((ratio > 1.02).mean())
    kinds = len(np.unique(np.round(ratio, 2)))
    shares = {"portrait": portrait, "square": 1 - portrait - landscape, "landscape": landscape}
    return {**shares, "median": float(np.median(ratio)), "kinds": kinds}


def _twins(twins: pd.DataFrame) -> dict[str, int]:
    a, b = twins.split_a == "train", twins.split_b == "train"
    within = {"train": a & b, "test": ~a & ~b, "across": a != b}
    pairs = {
        f"{kind}_{at}": int(((twins.kind == kind) & on).sum())
        for kind in ("exact", "near")
        for at, on in within.items()
    }
    members: Any = pd.concat(
        [twins[["cluster", f"row_{x}", f"split_{x}"]].set_axis(["cluster", "row", "split"], axis=1) for x in "ab"]
    ).drop_duplicates()
    in_train: Any = members[members.split == "train"].groupby("cluster").row.nunique()
    leaking = members[(members.split == "test") & members.cluster.isin(in_train.index)]
    return {
        **pairs,
        "train_images": int(in_train[in_train > 1].sum()),
        "test_images_in_train": int(leaking.row.nunique()),
        "conflicts": int((a & b & (twins.label_a != twins.label_b)).sum()),
        "clusters": int(members.cluster.nunique()),
        "largest_cluster": int(members.groupby("cluster").row.nunique().max()) if len(members) else 0,
    }


def _group_figures(groups: pd.DataFrame) -> dict[str, Any] | None:
    if not len(groups):
        return None
    several = groups[groups.images > 1]
    return {
        "count": len(groups),
        "largest": int(groups.images.max()),
        "largest_group": str(groups.group.iat[0]),
        "median": float(groups.images.median()),
        "several": len(several),
        "images_in_several": int(several.images.sum()),
        "in_both": int(((groups.train > 0) & (groups.test > 0)).sum()),
    }


def _counted(values: Any) -> dict[str, int]:
    return {str(name): int(count) for name, count in values.value_counts().items()}


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as plain JSON values."""
    return [
        {str(name): value.item() if hasattr(value, "item") else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]
