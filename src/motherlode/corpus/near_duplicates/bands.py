"""Candidate pairs: documents that share a band key.

A task takes some bands, reads their keys over all shards in parts of the key space, `_KEYS` at a time, and sorts each
part in memory: 40 bytes a key, whatever the corpus holds, and 16 a pair. Nothing is sorted on disk; a band's column is
read once for every `_KEYS` documents. Of up to `_ALL_PAIRS` documents with one key every pair is a candidate. Of more,
a document is paired with the four before it and with the first of its block of `_BLOCK`: those that are alike are found
through each other, and a template of a million pages does not cost a trillion pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.corpus.duplicates import key_ranges
from motherlode.corpus.near_duplicates.mark import band_column
from motherlode.corpus.stages import Numbers, Skipped
from motherlode.shards.dataset import Source
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.manifest import Entry, ShardFile
from motherlode.shards.resources import GIB, Resources
from motherlode.shards.task import write_shard

PAIRS = pa.schema([("left", pa.int64()), ("right", pa.int64())])
_KEYS = 4_000_000
_FILE_PAIRS = 4_000_000  # in one file, about
_ALL_PAIRS = 17
_NEXT = 4
_BLOCK = 1024
_WORK = 2_000_000  # keys that one task is meant to look at, at least


@dataclass(frozen=True)
class BandTask:
    """The pairs of some bands over all shards."""

    name: str
    bands: tuple[int, ...]
    marks: tuple[Source, ...]
    skipped: Skipped

    @property
    def fingerprint(self) -> str:
        """Digest of all marks and of what is left out."""
        marks = [mark.digest for mark in self.marks]
        return fingerprint("near-duplicate bands", 1, self.bands, marks, self.skipped.digest)

    @property
    def size(self) -> int:
        """Keys to look at."""
        return len(self.bands) * sum(mark.rows for mark in self.marks)

    @property
    def resources(self) -> Resources:
        """A core; of a large corpus also memory, for keys and pairs."""
        return Resources(memory=GIB if sum(mark.rows for mark in self.marks) > _WORK else 0)

    def run(self, folder: Path) -> Entry:
        """Write the pairs, each once, in order."""
        count = sum(mark.rows for mark in self.marks)
        skip = self.skipped.read(count)
        files: list[ShardFile] = []
        found: list[Numbers] = []

        def flush() -> None:
            pairs = unique_pairs(np.concatenate(found))
            found.clear()
            for start in range(0, len(pairs), _FILE_PAIRS):
                columns = np.ascontiguousarray(pairs[start : start + _FILE_PAIRS].T)
                table = pa.table(list(columns), schema=PAIRS)
                files.append(write_shard(folder, f"{self.name}-{len(files):04d}.parquet", table))

        for band in self.bands:
            for low, high in key_ranges(count, _KEYS):
                found.append(pairs_of(*self._read(band, int(low), int(high), skip)))
                if sum(map(len, found)) >= _FILE_PAIRS:
                    flush()
        if found:
            flush()
        return Entry(self.name, self.fingerprint, tuple(files))

    def _read(self, band: int, low: int, high: int, skip: NDArray[np.bool_]) -> tuple[NDArray[np.uint64], Numbers]:
        """Return the keys of a band in a range, with the numbers of their documents."""
        keys, numbers = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
        start = 0
        for mark in self.marks:
            for batch in mark.batches([band_column(band)], 1 << 16):
                column = batch.column(0)
                these = column.fill_null(0).to_numpy()
                inside = (these >= np.uint64(low)) & (these <= np.uint64(high)) & ~skip[start : start + len(these)]
                inside &= column.is_valid().to_numpy(zero_copy_only=False)
                rows = np.flatnonzero(inside)
                keys.append(these[rows])
                numbers.append(rows + start)
                start += len(these)
        return np.concatenate(keys), np.concatenate(numbers)


def pairs_of(keys: NDArray[np.uint64], numbers: Numbers) -> Numbers:
    """Return the candidate pairs of one band.

    Args:
        keys: `[n]` band keys.
        numbers: `[n]` ascending numbers of documents.

    Returns:
        `[p, 2]`, the smaller number first; at most eight a document, no pair twice.
    """
    order = np.argsort(keys)
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    shared = np.concatenate([same, [False]]) | np.concatenate([[False], same]) if len(keys) else np.zeros(0, bool)
    members = order[shared]
    members = members[np.lexsort((numbers[members], keys[members]))]  # only those that share a key
    groups, numbers = keys[members], numbers[members]
    if not len(groups):
        return np.zeros((0, 2), dtype=np.int64)
    first = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    sizes = np.diff(np.append(first, len(groups)))
    place = np.arange(len(groups)) - np.repeat(first, sizes)
    large = np.repeat(sizes > _ALL_PAIRS, sizes)
    pairs = []
    for distance in range(1, _ALL_PAIRS):
        right = np.flatnonzero((place >= distance) & ~(large & (distance > _NEXT)))
        pairs.append(np.stack([numbers[right - distance], numbers[right]], axis=1))
    far = np.flatnonzero(large & (place % _BLOCK > _NEXT))
    pairs.append(np.stack([numbers[far - place[far] % _BLOCK], numbers[far]], axis=1))
    return np.concatenate(pairs)


def unique_pairs(pairs: Numbers) -> Numbers:
    """Return `[p, 2]` pairs in order, each once."""
    ordered = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    if not len(ordered):
        return ordered
    distinct: Numbers = ordered[np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])]
    return distinct


def band_tasks(marks: Sequence[Source], bands: int, skipped: Skipped) -> list[BandTask]:
    """Plan tasks of one band each, or of several where the corpus is small."""
    rows = max(1, sum(mark.rows for mark in marks))
    several = min(bands, max(1, _WORK // rows))
    return [
        BandTask(f"bands-{first:04d}", tuple(range(first, min(first + several, bands))), tuple(marks), skipped)
        for first in range(0, bands, several)
    ]


def read_pairs(sources: Sequence[Source]) -> Iterator[Numbers]:
    """Yield the pairs of committed files, in parts."""
    for source in sources:
        for batch in source.batches(PAIRS.names, 1 << 18):
            yield np.stack([batch.column(0).to_numpy(), batch.column(1).to_numpy()], axis=1)
