"""The nearest documents of each seed over the whole corpus, merged from those of each shard as a tree of tasks.

Keeping the best of the best is associative, ties included, so the tree (`shards/tree.py`) changes nothing in the
result. Memory of a task and of the driver: `seeds * top_k` rows of 16 bytes, three times while they are sorted, beside
one shard's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.mining.retrieve import TOP, Neighbours, keep_top
from motherlode.shards.dataset import Dataset, Source
from motherlode.shards.engine import Engine
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.manifest import Entry
from motherlode.shards.task import write_shard
from motherlode.shards.tree import merge_levels

_ROW_BITS = 40  # a place is a shard's number, and a row in it
MERGED = pa.schema([("seed", pa.int32()), ("place", pa.int64()), ("similarity", pa.float32())])
Best = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float32]]


@dataclass(frozen=True)
class Part:
    """The best of one shard, or of several that are merged.

    Attributes:
        file: Where they are.
        shard: The shard's number; None if rows are places already.
    """

    file: Source
    shard: int | None = None

    def read(self) -> Best:
        """Return seeds, places and cosines."""
        place = "place" if self.shard is None else "row"
        batches = list(self.file.batches(["seed", place, "similarity"], 1 << 20))
        if not batches:
            return np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.float32)
        table = pa.Table.from_batches(batches)
        seed, places, value = (table.column(name).to_numpy() for name in ("seed", place, "similarity"))
        return seed, places + ((self.shard or 0) << _ROW_BITS), value


def best_of(parts: Sequence[Part], top_k: int) -> Best:
    """Merge parts one after the other."""
    best: Best = np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.float32)
    for part in parts:
        more = part.read()
        seed, place = np.concatenate([best[0], more[0]]), np.concatenate([best[1], more[1]])
        best = keep_top(seed, place, np.concatenate([best[2], more[2]]), top_k)
    return best


@dataclass(frozen=True)
class MergeTask:
    """Merge some parts into one."""

    name: str
    parts: tuple[Part, ...]
    top_k: int

    @property
    def fingerprint(self) -> str:
        """Digest of the parts."""
        return fingerprint("merge nearest", 1, [[part.file.digest, part.shard] for part in self.parts], self.top_k)

    @property
    def size(self) -> int:
        """Parts."""
        return len(self.parts)

    def run(self, folder: Path) -> Entry:
        """Write the best of all parts."""
        table = pa.table(list(best_of(self.parts, self.top_k)), schema=MERGED)
        return Entry(self.name, self.fingerprint, (write_shard(folder, f"{self.name}.parquet", table),))


def merge_neighbours(
    retrieved: Dataset, top_k: int, engine: Engine | None = None, folder: Path | None = None
) -> Neighbours:
    """Merge the nearest documents of every shard.

    Args:
        retrieved: The output of `RetrieveStep`.
        top_k: How many to keep of each seed.
        engine: Who merges where there are many shards; None: this process merges all.
        folder: Where the levels of the tree are kept, for an engine.

    Returns:
        The nearest documents of each seed over all shards.
    """
    names = tuple(retrieved.shards)
    parts = merge_levels(
        [Part(source, number) for number, source in enumerate(retrieved.extras(TOP))],
        lambda name, some: MergeTask(name, some, top_k),
        Part,
        engine=engine,
        folder=folder,
        kind="nearest",
        settings={"top_k": top_k},
    )
    seed, place, value = best_of(parts, top_k)
    return Neighbours(seed, (place >> _ROW_BITS).astype(np.int32), place & ((1 << _ROW_BITS) - 1), value, names)
