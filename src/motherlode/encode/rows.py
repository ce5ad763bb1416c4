"""Which rows of a dataset are looked at: extremes and samples, found in one streaming pass, whatever the corpus's size.

A pass over side columns keeps, for each list wanted, only the few best rows so far; texts and vectors are read
afterwards, of the chosen rows alone. A random sample is a list like any other: the rows with the least of keys that are
drawn at random.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motherlode.encode.sample import Rows
from motherlode.shards.dataset import Dataset

_SHARD_SHIFT = 40  # a row of the corpus is one number: its shard's place, then its row in the shard


class Best:
    """The rows with the least keys among all that were offered; ties go to the earlier row."""

    def __init__(self, count: int) -> None:
        """Start empty.

        Args:
            count: How many rows to keep.
        """
        self.count = count
        self.keys: NDArray[np.float64] = np.zeros(0)
        self.rows: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def offer(self, keys: NDArray[Any], rows: NDArray[np.int64]) -> None:
        """Look at some rows, later ones than all before.

        Args:
            keys: `[n]`, the less the better.
            rows: `[n]` numbers of rows, ascending.
        """
        if len(self.keys) == self.count:
            better = keys < (self.keys[-1] if self.count else -np.inf)
            keys, rows = keys[better], rows[better]
        if len(keys):
            keys, rows = np.concatenate([self.keys, keys.astype(np.float64)]), np.concatenate([self.rows, rows])
            order = np.lexsort((rows, keys))[: self.count]
            self.keys, self.rows = keys[order], rows[order]


def numbered(shard: int, start: int, count: int) -> NDArray[np.int64]:
    """Return the numbers of `count` rows of a shard from row `start` on."""
    return np.arange(start, start + count, dtype=np.int64) + (shard << _SHARD_SHIFT)


def fetch(
    inputs: Sequence[tuple[Dataset, Sequence[str]]], shards: Sequence[str], rows: Iterable[int]
) -> dict[int, dict[str, Any]]:
    """Read columns of chosen rows.

    Args:
        inputs: Datasets that stand in the same rows, with the columns wanted of each.
        shards: Names of shards by place.
        rows: Numbers of rows, in any order, repeated or not.

    Returns:
        Values by column, by row. Memory: one shard beside the result.
    """
    places: dict[int, list[int]] = {}
    for row in sorted(set(rows)):
        places.setdefault(row >> _SHARD_SHIFT, []).append(row)
    found: dict[int, dict[str, Any]] = {}
    for place, wanted in places.items():
        inside = np.array(wanted, dtype=np.int64) & ((1 << _SHARD_SHIFT) - 1)
        for _, at, batch in Rows({shards[place]: inside}).batches(inputs):
            numbers = numbered(place, 0, 1)[0] + at
            found.update(zip((int(number) for number in numbers), batch.to_pylist(), strict=True))
    return found
