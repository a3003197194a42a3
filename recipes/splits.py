"""Which images validate: shares and folds in which every class, tag or range of numbers has its part.

Functions of strata, groups and seed alone. Strata are whole numbers (n,), such as class numbers, or tags as 0 and 1
(n, tags). `rows` are the numbers that chance knows the images by, their places by default, so that a share of a
larger table is drawn the same wherever its rows stand. Images of a group (a patient, a place) stay together; a group
without a name is one image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recipes import chance
from recipes.errors import ImagesError

__all__ = ["fold_of", "held_out", "quantile_bins"]

SHUFFLE, GROUPS = -1, -4  # places of chance that no epoch has
HELD, KEPT = 0, 1


def held_out(
    strata: np.ndarray,
    share: float,
    seed: int,
    groups: Sequence[str] | None = None,
    *,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Which images validate, bool (n,): `share` of them, and of every stratum to within one image.

    With groups, as close to that as whole groups allow; a stratum that a single group has trains, where something else
    can validate. At least one image (or group) validates. Raises ImagesError where all images are of one group.
    """
    rows = np.arange(len(strata)) if rows is None else rows
    if groups is not None:
        return _held_groups(strata, share, seed, groups)
    if strata.ndim == 2:
        held = _iterative(strata, np.array([share, 1 - share]), _shuffled(rows, seed)) == HELD
        if len(held) and not held.any():
            held[_shuffled(rows, seed)[0]] = True
        return held
    order = _by_stratum(strata, rows, seed)
    # Every 1/share-th image of the rows sorted by class: each class gives its share, to within one image.
    reached = np.floor(np.arange(1, len(order) + 1) * share + 0.5).astype(int)
    chosen = order[np.diff(reached, prepend=0) > 0]
    held = np.zeros(len(strata), bool)
    held[chosen if len(chosen) else order[:1]] = True
    return held


def fold_of(
    strata: np.ndarray,
    folds: int,
    seed: int,
    groups: Sequence[str] | None = None,
    *,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """The fold of each image, int64 (n,) from 0: folds of equal size with the same share of every stratum, to within
    one image; with groups, as close to that as whole groups allow. Raises ImagesError where there are fewer groups than
    folds."""
    rows = np.arange(len(strata)) if rows is None else rows
    if groups is not None:
        number = _numbered(groups)
        found = int(number.max(initial=-1)) + 1
        if found < folds:
            raise ImagesError(f"folds cannot be made: {folds} asked for of {found} groups; ask for {found} or fewer")
        return _whole_groups(strata, number, np.full(folds, 1 / folds), seed)[number]
    if strata.ndim == 2:
        return _iterative(strata, np.full(folds, 1 / folds), _shuffled(rows, seed))
    fold = np.empty(len(strata), np.int64)
    fold[_by_stratum(strata, rows, seed)] = np.arange(len(strata)) % folds
    return fold


def quantile_bins(values: np.ndarray, bins: int = 10) -> np.ndarray:
    """Numbers (n,) as strata of about equal size, int64 (n,); equal numbers share a bin."""
    edges = np.quantile(values, np.arange(1, bins) / bins) if len(values) else []
    return np.searchsorted(np.unique(edges), values, side="left").astype(np.int64)


# ---------------------------------------------------------------- image by image


def _shuffled(rows: np.ndarray, seed: int) -> np.ndarray:
    """Places 0 … n-1, shuffled by what chance draws for the rows."""
    by_row = np.argsort(rows, kind="stable")
    return by_row[np.searchsorted(rows[by_row], chance.order(rows, seed, SHUFFLE))]


def _by_stratum(strata: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
    shuffled = _shuffled(rows, seed)
    return shuffled[np.argsort(strata[shuffled], kind="stable")]


def _iterative(tags: np.ndarray, shares: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Folds (n,) by iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011): the rarest tag among the images
    that are left goes first, each of them to the fold that lacks that tag most, then to the one that lacks most
    images."""
    n, tag_count = tags.shape
    at, tag = np.nonzero(tags[order])
    starts = np.searchsorted(at, np.arange(n + 1))
    by_tag = at[np.argsort(tag, kind="stable")]
    left = np.bincount(tag, minlength=tag_count)
    tag_starts = np.concatenate([[0], np.cumsum(left)])
    lacking = shares[:, None] * left  # of each tag, (folds, tags)
    room = shares * n
    fold = np.full(n, -1, np.int64)

    def put(image: int, into: int) -> None:
        of_image = tag[starts[image] : starts[image + 1]]
        fold[image] = into
        room[into] -= 1
        lacking[into, of_image] -= 1
        left[of_image] -= 1

    while left.any():
        rarest = int(np.where(left > 0, left, n + 1).argmin())
        for image in by_tag[tag_starts[rarest] : tag_starts[rarest + 1]].tolist():
            if fold[image] < 0:
                wanting = lacking[:, rarest]
                most = np.flatnonzero(wanting >= wanting.max() - 1e-9)
                put(image, int(most[room[most].argmax()]))
    for image in np.flatnonzero(fold < 0).tolist():
        put(image, int(room.argmax()))
    found = np.empty(n, np.int64)
    found[order] = fold
    return found


# ---------------------------------------------------------------- group by group


def _numbered(groups: Sequence[str]) -> np.ndarray:
    """Group numbers from 0, int64 (n,); each image without a group is one of its own."""
    names = [(str(name), -1) if str(name) else ("", place) for place, name in enumerate(groups)]
    number = {name: i for i, name in enumerate(sorted(set(names)))}
    return np.array([number[name] for name in names], np.int64)


def _held_groups(strata: np.ndarray, share: float, seed: int, groups: Sequence[str]) -> np.ndarray:
    number = _numbered(groups)
    count = int(number.max(initial=-1)) + 1
    if count < 2:
        raise ImagesError("validation cannot be made: all images are of one group; name another group column, or none")
    kept = _alone(strata, number, count)
    side = _whole_groups(strata, number, np.array([share, 1 - share]), seed, kept)
    if not (side == HELD).any():  # every group is larger than the share asked for: the smallest validates
        sizes = np.where(kept, len(number) + 1, np.bincount(number))
        side[sizes.argmin()] = HELD
    return (side == HELD)[number]


def _alone(strata: np.ndarray, number: np.ndarray, count: int) -> np.ndarray:
    """Groups (count,) with a class that no other group has; none where that are all of them, or for tags."""
    alone = np.zeros(count, bool)
    if strata.ndim == 1:
        group, stratum, _ = _counted(strata, number)
        alone[group[np.bincount(stratum)[stratum] == 1]] = True
    return np.zeros(count, bool) if alone.all() else alone


def _counted(strata: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group, stratum (from 0) and how many images have both, three int64 arrays sorted by group."""
    if strata.ndim == 2:
        image, stratum = np.nonzero(strata)
    else:
        image, stratum = np.arange(len(strata)), np.unique(strata, return_inverse=True)[1].reshape(-1)
    width = int(stratum.max(initial=0)) + 1
    pair, images = np.unique(number[image] * width + stratum, return_counts=True)
    return pair // width, pair % width, images


def _whole_groups(
    strata: np.ndarray, number: np.ndarray, shares: np.ndarray, seed: int, kept: np.ndarray | None = None
) -> np.ndarray:
    """The fold of each group: the largest group first, each to the fold where the strata and the number of images come
    closest to `shares` by the chi-squared distance (in the way of scikit-learn's StratifiedGroupKFold). Groups `kept`
    are in fold KEPT from the start."""
    group, stratum, images = _counted(strata, number)
    sizes = np.bincount(number)
    starts = np.searchsorted(group, np.arange(len(sizes) + 1))
    total = np.bincount(stratum, weights=images)
    wanted, got = shares[:, None] * total, np.zeros((len(shares), len(total)))
    room, held = shares * len(number), np.zeros(len(shares))
    fold = np.full(len(sizes), KEPT, np.int64)

    def put(one: int, into: int) -> None:
        span = slice(starts[one], starts[one + 1])
        fold[one] = into
        got[into, stratum[span]] += images[span]
        held[into] += sizes[one]

    shuffled = chance.order(np.arange(len(sizes)), seed, GROUPS)
    largest_first = shuffled[np.argsort(-sizes[shuffled], kind="stable")].tolist()
    early = np.zeros(len(sizes), bool) if kept is None else kept
    for one in largest_first:
        if early[one]:
            put(one, KEPT)
    for one in largest_first:
        if not early[one]:
            span = slice(starts[one], starts[one + 1])
            of_group, mine = stratum[span], images[span]
            need = wanted[:, of_group]
            worse = (mine * (2 * (got[:, of_group] - need) + mine) / need).sum(1)
            worse += sizes[one] * (2 * (held - room) + sizes[one]) / room
            put(one, int(np.round(worse, 9).argmin()))  # rounded, so that equal ones are equal on every machine
    return fold
