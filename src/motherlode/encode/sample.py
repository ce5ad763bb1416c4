"""Random samples of a dataset's rows without reading all of it.

A few hundred shards are drawn, each as likely as any other, and rows uniformly from all of theirs: every row of the
dataset is then about as likely as any other (drawing shards by their size as well would favour rows of large ones),
and a sample of a large corpus costs a few hundred files. The same dataset and random seed give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.shards.dataset import Dataset, aligned_batches

MOST_SHARDS = 256


@dataclass(frozen=True)
class Rows:
    """Some rows of a dataset.

    Attributes:
        of: For each shard, the rows taken, ascending.
    """

    of: Mapping[str, NDArray[np.int64]]

    def __len__(self) -> int:
        """Return the number of rows."""
        return sum(len(rows) for rows in self.of.values())

    def __or__(self, other: Rows) -> Rows:
        """Return the rows that are in either, in the order of this one's shards, then the other's."""
        none = np.zeros(0, dtype=np.int64)
        names = [*self.of, *(name for name in other.of if name not in self.of)]
        return Rows({name: np.union1d(self.of.get(name, none), other.of.get(name, none)) for name in names})

    def batches(
        self, inputs: Sequence[tuple[Dataset, Sequence[str]]]
    ) -> Iterator[tuple[str, NDArray[np.int64], pa.RecordBatch]]:
        """Read columns of these rows from datasets that stand in the same rows.

        Args:
            inputs: Datasets with the columns wanted of each.

        Yields:
            The shard, its rows, and a batch of all columns in those rows.
        """
        for shard in sorted(self.of):
            rows = self.of[shard]
            start = 0
            for batch in aligned_batches([(data.source(shard), columns) for data, columns in inputs], 1 << 14):
                low, high = np.searchsorted(rows, [start, start + batch.num_rows])
                if high > low:
                    yield shard, rows[low:high], batch.take(pa.array(rows[low:high] - start))
                start += batch.num_rows


def sample_documents(dataset: Dataset, count: int, random_seed: int, most_shards: int = MOST_SHARDS) -> Rows:
    """Draw rows of a dataset at random, without replacement.

    Args:
        dataset: What to draw from.
        count: How many rows; all of them if there are fewer.
        random_seed: Seed of the draw.
        most_shards: How many shards are read at most, unless more are needed to have enough rows.

    Returns:
        The rows, by shard.
    """
    shards = list(dataset.shards)
    sizes = np.array([dataset.shards[shard].files[0].rows for shard in shards], dtype=np.int64)
    generator = np.random.default_rng(random_seed)
    chosen = np.arange(len(shards))
    if len(shards) > most_shards:
        order = generator.permutation(len(shards))
        enough = int(np.searchsorted(np.cumsum(sizes[order]), count)) + 1
        chosen = np.sort(order[: max(most_shards, enough)])
    ends = np.cumsum(sizes[chosen])
    total = int(ends[-1]) if len(ends) else 0
    picked = np.sort(generator.choice(total, min(count, total), replace=False))
    number = np.searchsorted(ends, picked, side="right")
    starts = ends - sizes[chosen]
    return Rows({shards[chosen[n]]: picked[number == n] - starts[n] for n in np.unique(number)})
