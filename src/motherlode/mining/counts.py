"""Histograms of cosines over the whole corpus, added up from those of each shard as a tree of tasks.

A shard's are a small table beside it, a row for each label and bin that is not empty. Memory of a task and of the
driver: `labels * BINS` numbers, beside one shard's table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.mining.retrieve import COUNT_SCHEMA, COUNTS, count_table, sum_counts
from motherlode.shards.dataset import Dataset, Source
from motherlode.shards.engine import Engine
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.manifest import Entry
from motherlode.shards.task import write_shard
from motherlode.shards.tree import merge_levels

Histograms = Mapping[str, list[int]]


@dataclass(frozen=True)
class CountTask:
    """Add up some tables of counts."""

    name: str
    parts: tuple[Source, ...]
    labels: int

    @property
    def fingerprint(self) -> str:
        """Digest of the parts."""
        return fingerprint("merge counts", 1, [part.digest for part in self.parts], self.labels)

    @property
    def size(self) -> int:
        """Parts."""
        return len(self.parts)

    def run(self, folder: Path) -> Entry:
        """Write the sum."""
        table = count_table(*_sum(self.parts, self.labels))
        return Entry(self.name, self.fingerprint, (write_shard(folder, f"{self.name}.parquet", table),))


def merge_counts(
    retrieved: Dataset, labels: Sequence[str], engine: Engine | None = None, folder: Path | None = None
) -> Histograms:
    """Add up the histograms of every shard.

    Args:
        retrieved: The output of `RetrieveStep`.
        labels: Its labels.
        engine: Who adds where there are many shards; None: this process adds all.
        folder: Where the levels of the tree are kept, for an engine.

    Returns:
        `histogram:LABEL`, the cosines of all documents, and `wins:LABEL`, of those that are nearest to this label:
        counts in the `BINS` bins of `retrieve`.
    """
    parts = merge_levels(
        retrieved.extras(COUNTS),
        lambda name, some: CountTask(name, some, len(labels)),
        lambda source: source,
        engine=engine,
        folder=folder,
        kind="counts",
        settings={"labels": list(labels)},
    )
    counts, wins = _sum(parts, len(labels))
    found: dict[str, list[int]] = {}
    for number, label in enumerate(labels):
        found[f"histogram:{label}"] = counts[number].tolist()
        found[f"wins:{label}"] = wins[number].tolist()
    return found


def _sum(parts: Sequence[Source], labels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    batches = (batch for part in parts for batch in part.batches(COUNT_SCHEMA.names, 1 << 20))
    return sum_counts((pa.Table.from_batches([batch]) for batch in batches), labels)
