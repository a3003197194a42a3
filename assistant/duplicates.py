"""Pictures that are there more than once: the same file, or the same picture encoded, resized or lit anew.

Near pairs are sought among neighbours in eight sorted lists of the hashes, each list beginning with another byte, so
the time grows with n log n. What lies near is looked at twice more, ever closer, since plain pictures share hashes
without being the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from assistant.fingerprints import Looks, grey
from assistant.headers import in_parallel
from recipes.errors import Stopped

__all__ = ["COLUMNS", "find_duplicates"]

COLUMNS = ["row_a", "row_b", "kind", "distance", "cluster"]
DISTANCE, NEIGHBOURS = 6, 48  # bits that may differ, neighbours looked at in each sorted list
STRETCHED = 0.05  # the log of the ratio of two aspect ratios, at most
SEEN_ALIKE = 0.98  # correlation of two thumbnails, at least
CLOSE, SMALL = 64, 64  # side of the closer look; two pictures with smaller sides must agree better
ALIKE = {False: (0.98, 0.5), True: (0.995, 0.97)}  # small → correlations of the closer looks and of their edges
BLOCK = 2000  # pairs looked at closely at a time


def find_duplicates(
    sources: Sequence[Path | np.ndarray],
    sizes: np.ndarray,
    content: Sequence[str],
    looks: Looks,
    workers: int | None = None,
    *,
    told: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> pd.DataFrame:
    """Pairs of rows that show the same: `row_a < row_b`, kind exact or near, the Hamming distance of their hashes, and
    the number of their cluster, the largest first.

    `sizes` (n, 2) are widths and heights, `content` digests of files ("" where no other can be equal). Of a cluster
    the pairs that hold it together are given, one fewer than it has pictures. Pictures that cannot be decoded are
    left out, flat ones are compared by content only. Raises Stopped.
    """
    clusters, pairs = _Clusters(len(sources)), []
    readable = np.array(looks.reasons, object) == ""
    first: dict[str, int] = {}
    for row in np.flatnonzero(readable).tolist():
        if content[row] and first.setdefault(content[row], row) != row:
            clusters.join(first[content[row]], row)
            pairs.append((first[content[row]], row, "exact", 0))
    single = np.array([row for row in looks.comparable.tolist() if clusters.find(row) == row], int)
    aspect = np.log(np.maximum(sizes[single, 0], 1) / np.maximum(sizes[single, 1], 1))
    hashes = looks.hashes[single]
    near = _candidates(hashes, _standard(looks.thumbs[single]), aspect, should_stop)
    distance = np.bitwise_count(hashes[near[:, 0]] ^ hashes[near[:, 1]])
    near = single[near[np.argsort(distance, kind="stable")]]
    for a, b in _verified(sources, sizes, near, clusters, workers, told, should_stop):
        pairs.append((a, b, "near", int(np.bitwise_count(looks.hashes[a] ^ looks.hashes[b]))))
    return _table(pairs, clusters)


class _Clusters:
    """Rows that hang together; the smallest row stands for the others."""

    def __init__(self, rows: int):
        self.parent = list(range(rows))

    def find(self, row: int) -> int:
        while self.parent[row] != row:
            self.parent[row] = row = self.parent[self.parent[row]]
        return row

    def join(self, a: int, b: int) -> None:
        a, b = sorted((self.find(a), self.find(b)))
        self.parent[b] = a


def _standard(pictures: np.ndarray) -> np.ndarray:
    """Each picture as a float32 row of mean 0 and length 1, so that a product of two is their correlation."""
    rows = pictures.reshape(len(pictures), -1).astype(np.float32)
    rows -= rows.mean(1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def _candidates(hashes: np.ndarray, thumbs: np.ndarray, aspect: np.ndarray, should_stop) -> np.ndarray:
    """Pairs (m, 2) with hashes, shapes and thumbnails alike, in order."""
    found, n = [np.zeros(0, np.int64)], len(hashes)
    mark = (
        thumbs[:, :8].view(np.int32).sum(1) if n else np.zeros(0)
    )  # brings equal pictures together among equal hashes
    for turn in range(0, 64, 8):
        turned = hashes << np.uint64(turn) | hashes >> np.uint64(64 - turn) if turn else hashes
        order = np.lexsort((mark, turned))
        in_order, shape = hashes[order], aspect[order]
        for step in range(1, min(NEIGHBOURS, n - 1) + 1):
            if should_stop():
                raise Stopped
            near = np.bitwise_count(in_order[:-step] ^ in_order[step:]) <= DISTANCE
            near &= np.abs(shape[:-step] - shape[step:]) <= STRETCHED
            at = np.flatnonzero(near)
            for part in np.array_split(at, len(at) // 20_000 + 1):
                a, b = order[part], order[part + step]
                alike = np.einsum("ij,ij->i", thumbs[a], thumbs[b]) >= SEEN_ALIKE
                found.append(np.minimum(a, b)[alike] * n + np.maximum(a, b)[alike])
        found = [np.unique(np.concatenate(found))]
    return np.stack(np.divmod(found[0], max(n, 1)), 1)


def _verified(
    sources: Sequence[Path | np.ndarray],
    sizes: np.ndarray,
    pairs: np.ndarray,
    clusters: _Clusters,
    workers: int | None,
    told: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> Iterator[tuple[int, int]]:
    """Those pairs that a closer look confirms, without those that are in one cluster already."""
    smaller = sizes.min(1)

    def look(row: int) -> np.ndarray | None:
        try:
            return grey(sources[row], CLOSE)
        except Exception:  # it could be decoded a moment ago; what is gone since is no duplicate
            return None

    for start in range(0, len(pairs), BLOCK):
        told(start, len(pairs))
        block = [(a, b) for a, b in pairs[start : start + BLOCK].tolist() if clusters.find(a) != clusters.find(b)]
        rows = sorted({row for pair in block for row in pair})
        parts = in_parallel(look, rows, workers, 16, lambda done, total: None, should_stop)
        close = dict(zip(rows, (picture for part in parts for picture in part)))
        for a, b in block:
            if clusters.find(a) != clusters.find(b) and _same(close[a], close[b], max(smaller[a], smaller[b]) < SMALL):
                clusters.join(a, b)
                yield a, b


def _same(a: np.ndarray | None, b: np.ndarray | None, small: bool) -> bool:
    if a is None or b is None:
        return False
    both = np.stack([a, b])
    around = sum(np.roll(both, by, axis) for by in (1, -1) for axis in (1, 2)) / 4
    shades, edges = (np.prod(_standard(part), axis=0).sum() for part in (both, (both - around)[:, 1:-1, 1:-1]))
    enough, enough_edges = ALIKE[bool(small)]
    return bool(shades >= enough and edges >= enough_edges)


def _table(pairs: list[tuple], clusters: _Clusters) -> pd.DataFrame:
    ends = np.array([clusters.find(a) for a, *_ in pairs], int)
    kept, number, count = np.unique(ends, return_inverse=True, return_counts=True)
    rank = np.empty(len(kept), int)
    rank[np.argsort(-count, kind="stable")] = np.arange(1, len(kept) + 1)
    table = pd.DataFrame([(*pair, cluster) for pair, cluster in zip(pairs, rank[number].tolist())], columns=COLUMNS)
    return table.sort_values(["cluster", "row_a", "row_b"], ignore_index=True)
