"""Exact duplicates over all shards, and ids made unique.

Keys (128 bits a document) are read in bands of the key space, each band sorted in memory, so that memory stays bounded
whatever the corpus holds: `_BAND_KEYS` keys at a time. The first document in input order stays.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.shards.dataset import Source

_BAND_KEYS = 16_000_000


@dataclass
class Changes:
    """What is to be done to one staging shard.

    Attributes:
        dropped: Rows that go, ascending, by reason; no row under two.
        renamed: Rows whose id an earlier document has, ascending.
    """

    dropped: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    renamed: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


def _keys(source: Source, column: str) -> NDArray[np.uint64]:
    """Return a key column of a shard as `[n, 2] uint64`."""
    parts = [_as_integers(batch.column(column)) for batch in source.batches([column], 1 << 16)]
    return np.concatenate(parts) if parts else np.zeros((0, 2), dtype=np.uint64)


def _as_integers(column: pa.Array) -> NDArray[np.uint64]:
    data = np.frombuffer(column.buffers()[1], dtype=">u8")
    rows: NDArray[np.uint64] = data[2 * column.offset : 2 * (column.offset + len(column))].reshape(-1, 2).astype("u8")
    return rows


def key_ranges(count: int, most: int) -> Iterator[tuple[np.uint64, np.uint64]]:
    """Cut the 64-bit key space into equal ranges, both ends included, of which each holds about `most` of the keys.

    Args:
        count: Keys in all, evenly spread.
        most: Keys that are held in memory at a time.
    """
    bands = max(1, -(-count // most))
    edges = [(1 << 64) * band // bands for band in range(bands + 1)]
    for low, high in itertools.pairwise(edges):
        yield np.uint64(low), np.uint64(high - 1)


def _repeats(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the places whose key stands at an earlier place, given `[n, 2]` keys in order of place."""
    order = np.lexsort((np.arange(len(keys)), keys[:, 1], keys[:, 0]))
    ordered = keys[order]
    same = (ordered[1:] == ordered[:-1]).all(axis=1)
    repeats: NDArray[np.int64] = order[1:][same]
    return repeats


def find_repeats(
    shards: Sequence[Source], column: str, skip: Sequence[NDArray[np.int64]] | None = None
) -> list[NDArray[np.int64]]:
    """Find the rows whose key an earlier row has.

    Args:
        shards: Shards in order.
        column: A column of 16-byte keys.
        skip: For each shard, ascending rows that are left out of account.

    Returns:
        For each shard, the rows that repeat an earlier key, ascending.
    """
    parts = [
        repeats_between(shards, column, low, high, skip)
        for low, high in key_ranges(sum(shard.rows for shard in shards), _BAND_KEYS)
    ]
    return [np.sort(np.concatenate(rows)) for rows in zip(*parts, strict=True)]


def repeats_between(
    shards: Sequence[Source],
    column: str,
    low: np.uint64,
    high: np.uint64,
    skip: Sequence[NDArray[np.int64]] | None = None,
) -> list[NDArray[np.int64]]:
    """Find the rows whose key an earlier row has, among keys of which the first eight bytes are in a range.

    Args:
        shards: Shards in order.
        column: A column of 16-byte keys.
        low: First of the range.
        high: Last of the range.
        skip: For each shard, ascending rows that are left out of account.

    Returns:
        For each shard, the rows that repeat an earlier key, ascending.
    """
    keys, row_of = [np.zeros((0, 2), dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
    for number, shard in enumerate(shards):
        these = _keys(shard, column)
        inside = (these[:, 0] >= low) & (these[:, 0] <= high)
        if skip is not None:
            inside[skip[number]] = False
        rows = np.flatnonzero(inside)
        keys.append(these[rows])
        row_of.append(rows)
    edges = np.cumsum([len(rows) for rows in row_of])
    repeats = np.sort(_repeats(np.concatenate(keys)))
    places = np.searchsorted(repeats, edges)
    rows = np.concatenate(row_of)[repeats]
    return [rows[places[n] : places[n + 1]] for n in range(len(shards))]
