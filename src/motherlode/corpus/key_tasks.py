"""Exact duplicates of a large corpus as tasks, one a range of keys; see `duplicates` for what is found.

A task reads the key column of every shard, keeps the keys of its range, and writes the numbers of the documents whose
key an earlier one has. Memory of a task: about 100 bytes for each of the `_BAND_KEYS` keys of a range while they are
sorted; of the driver: 8 bytes a repeated document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from motherlode.corpus import duplicates
from motherlode.corpus.stages import Numbers, Scratch, Skipped, all_files, first_numbers
from motherlode.shards.dataset import Source
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.manifest import Entry
from motherlode.shards.resources import GIB, Resources
from motherlode.shards.task import write_shard

REPEATED = pa.schema([("number", pa.int64())])


@dataclass(frozen=True)
class KeyRangeTask:
    """The repeats among the keys `low` to `high` (of their first eight bytes) over all shards."""

    name: str
    column: str
    low: int
    high: int
    shards: tuple[Source, ...]
    skipped: Skipped | None

    @property
    def fingerprint(self) -> str:
        """Digest of all shards and of what is left out."""
        shards = [shard.digest for shard in self.shards]
        skipped = None if self.skipped is None else self.skipped.digest
        return fingerprint("exact duplicates", 1, self.column, self.low, self.high, shards, skipped)

    @property
    def size(self) -> int:
        """Keys to look at."""
        return sum(shard.rows for shard in self.shards)

    @property
    def resources(self) -> Resources:
        """A core, and memory to sort in."""
        return Resources(memory=2 * GIB)

    def run(self, folder: Path) -> Entry:
        """Write the numbers of documents that repeat an earlier one, ascending."""
        starts = first_numbers(self.shards)
        skip = None
        if self.skipped is not None:
            bits = self.skipped.read(int(starts[-1]))
            skip = [np.flatnonzero(bits[starts[n] : starts[n + 1]]) for n in range(len(self.shards))]
        found = duplicates.repeats_between(self.shards, self.column, np.uint64(self.low), np.uint64(self.high), skip)
        numbers = np.concatenate([rows + start for rows, start in zip(found, starts, strict=False)])
        table = pa.table([pa.array(numbers)], schema=REPEATED)
        return Entry(self.name, self.fingerprint, (write_shard(folder, f"{self.name}.parquet", table),))


def find_repeats(
    shards: Sequence[Source], column: str, scratch: Scratch, skip: Sequence[Numbers] | None = None
) -> list[Numbers]:
    """Find the rows whose key an earlier row has, by tasks if the keys do not fit into memory at once.

    Args:
        shards: Shards in order.
        column: A column of 16-byte keys.
        scratch: Where tasks leave what they find, and who does the work.
        skip: For each shard, ascending rows that are left out of account.

    Returns:
        For each shard, the rows that repeat an earlier key, ascending.
    """
    starts = first_numbers(shards)
    ranges = list(duplicates.key_ranges(int(starts[-1]), duplicates._BAND_KEYS))
    if len(ranges) == 1:
        return duplicates.find_repeats(shards, column, skip)
    skipped = None if skip is None else Skipped.write(scratch.folder / f"repeated-{column}.bits", starts, skip)
    tasks = [
        KeyRangeTask(f"keys-{number:05d}", column, int(low), int(high), tuple(shards), skipped)
        for number, (low, high) in enumerate(ranges)
    ]
    files = all_files(scratch.run(f"repeated-{column}", tasks, "exact duplicates", "keys"))
    parts = [batch.column(0).to_numpy() for file in files for batch in file.batches(REPEATED.names, 1 << 20)]
    numbers = np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *parts]))
    edges = np.searchsorted(numbers, starts)
    return [numbers[edges[n] : edges[n + 1]] - starts[n] for n in range(len(shards))]
