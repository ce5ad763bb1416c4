"""Retrieval: every seed against every document, exactly, in one pass over the vectors.

The paper (arXiv 2410.00260, section 3) asks an approximate index for the 200 documents nearest to each seed. When all
documents are to be judged anyway, a blocked matrix product reads each vector once and gives more: for every document
and label the nearest seed and its cosine (side columns), the histogram of these, which any threshold can be read off,
and for every seed its nearest documents. Products are float32: half precision errs at the threshold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors.numpy import load, save

from motherlode.encode.vectors import COLUMN, from_column
from motherlode.shards import store
from motherlode.shards.fingerprint import bytes_digest
from motherlode.shards.step import Step, StepFunction, StepResult

BINS = 400  # of cosine over [-1, 1]: bin edges at every 0.005
_SLACK = 1e-5  # of a bin: float32 may hold an edge such as 0.7 as a number that is smaller by 3e-8
TOP = "top"
TOP_SCHEMA = pa.schema([("seed", pa.int32()), ("row", pa.int64()), ("similarity", pa.float32())])
_ROW = "row"
COUNTS = "counts"
COUNT_SCHEMA = pa.schema(
    [("label", pa.int32()), ("bin", pa.int32()), ("documents", pa.int64()), ("nearest", pa.int64())]
)
"""Documents of a bin, and those of them to which the label is the nearest; bins without any are left out."""


@dataclass(frozen=True)
class SeedMatrix:
    """Seeds as vectors, with their labels.

    Attributes:
        vectors: `[s, d] float32` of unit length.
        labels: `[s, l] bool`, which labels each seed has.
        names: The l labels.
    """

    vectors: NDArray[np.float32]
    labels: NDArray[np.bool_]
    names: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Digest of vectors and labels."""
        return bytes_digest(self.vectors.tobytes() + self.labels.tobytes() + "\0".join(self.names).encode())

    def save(self, path: Path) -> None:
        """Write it as safetensors, for workers to read."""
        names = np.frombuffer("\0".join(self.names).encode(), dtype=np.uint8)
        store.write_bytes(path, save({"vectors": self.vectors, "labels": self.labels, "names": names.copy()}))

    @classmethod
    def load(cls, path: Path) -> SeedMatrix:
        """Read what `save` wrote."""
        parts = load(path.read_bytes())
        return cls(parts["vectors"], parts["labels"], tuple(parts["names"].tobytes().decode().split("\0")))

    def nearest(self, vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Find, for each row and label, the nearest seed of that label.

        Args:
            vectors: `[n, d] float32` of unit length.

        Returns:
            The cosine `[n, l] float32` and the seed's number `[n, l] int32`; -1 and -1 for labels without seeds.
        """
        return self._nearest(vectors @ self.vectors.T)

    def _nearest(self, similarity: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        best = np.full((len(similarity), len(self.names)), -1, dtype=np.float32)
        which = np.full(best.shape, -1, dtype=np.int32)
        for label in range(len(self.names)):
            members = np.flatnonzero(self.labels[:, label])
            if len(members):
                part = similarity[:, members]
                place = part.argmax(axis=1)
                best[:, label] = part[np.arange(len(part)), place]
                which[:, label] = members[place]
        return best, which

    def leave_one_out(self) -> NDArray[np.float32]:
        """Return `[s, l]` the cosine of each seed to the nearest *other* seed of each label."""
        similarity = self.vectors @ self.vectors.T
        np.fill_diagonal(similarity, -1)
        return self._nearest(similarity)[0]


def similarity_column(label: str) -> str:
    """Return the name of the column with a label's largest cosine."""
    return f"similarity:{label}"


def nearest_column(label: str) -> str:
    """Return the name of the column with the number of a label's nearest seed."""
    return f"nearest:{label}"


def histogram(similarity: NDArray[np.float32]) -> list[int]:
    """Count cosines `[n]` in the bins of the module; bin b covers [b/200 - 1, (b+1)/200 - 1)."""
    bins = np.clip(np.floor((similarity.astype(np.float64) + 1) * (BINS / 2) + _SLACK), 0, BINS - 1).astype(np.int64)
    return [int(count) for count in np.bincount(bins, minlength=BINS)]


def count_table(counts: NDArray[np.int64], nearest: NDArray[np.int64]) -> pa.Table:
    """Write counts `[l, BINS]` of documents, and of those nearest to the label, as a table of `COUNT_SCHEMA`."""
    label, place = np.nonzero(counts)
    columns = [label.astype(np.int32), place.astype(np.int32), counts[label, place], nearest[label, place]]
    return pa.table([pa.array(column) for column in columns], schema=COUNT_SCHEMA)


def sum_counts(tables: Iterable[pa.Table], labels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what `count_table` was given, added up over tables of `COUNT_SCHEMA`."""
    counts, nearest = np.zeros((labels, BINS), dtype=np.int64), np.zeros((labels, BINS), dtype=np.int64)
    for table in tables:
        label, place, documents, wins = (table.column(name).to_numpy() for name in COUNT_SCHEMA.names)
        np.add.at(counts, (label, place), documents)
        np.add.at(nearest, (label, place), wins)
    return counts, nearest


def at_least(counts: Sequence[int], threshold: float) -> int:
    """Return how many cosines of a histogram are >= a threshold that is a multiple of 0.005."""
    return int(sum(counts[round((threshold + 1) * (BINS / 2)) :]))


@dataclass(frozen=True)
class RetrieveStep(Step):
    """Vectors to nearest seeds.

    Attributes:
        seeds: File of the seed matrix.
        digest: Its digest.
        labels: Its labels.
        top_k: How many nearest documents to keep for each seed; 0: none, and no table of them.
    """

    seeds: Path
    digest: str
    labels: tuple[str, ...]
    top_k: int
    name: ClassVar[str] = "retrieve"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = (COLUMN,)

    @property
    def writes(self) -> pa.Schema:
        """For each label, the cosine to its nearest seed, and which one that is."""
        fields = [(similarity_column(label), pa.float32()) for label in self.labels]
        fields += [(nearest_column(label), pa.int32()) for label in self.labels]
        return pa.schema(fields)

    def settings(self) -> Mapping[str, Any]:
        """Seeds and top_k."""
        return {"seeds": self.digest, "top_k": self.top_k}

    def open(self) -> StepFunction:
        """Load the seeds."""
        matrix = SeedMatrix.load(self.seeds)
        return _Retrieve(self, matrix)

    def combine(self, extra: str, tables: Sequence[pa.Table]) -> pa.Table:
        """Add up counts; number the rows through the shard and keep the best of each seed."""
        if extra == COUNTS:
            return count_table(*sum_counts(tables, len(self.labels)))
        start = 0
        seeds, rows, values = [], [], []
        for table in tables:
            seeds.append(table.column("seed").to_numpy())
            rows.append(table.column(_ROW).to_numpy() + start)
            values.append(table.column("similarity").to_numpy())
            start += int(table.schema.metadata[b"rows"])
        kept = keep_top(np.concatenate(seeds), np.concatenate(rows), np.concatenate(values), self.top_k)
        return pa.table(list(kept), schema=TOP_SCHEMA).replace_schema_metadata({"rows": str(start)})


class _Retrieve:
    """The function of `RetrieveStep`."""

    def __init__(self, step: RetrieveStep, matrix: SeedMatrix) -> None:
        self.step, self.matrix = step, matrix

    def __call__(self, batch: pa.RecordBatch) -> StepResult:
        vectors = from_column(batch.column(COLUMN))
        similarity = vectors @ self.matrix.vectors.T
        best, which = self.matrix._nearest(similarity)
        winner = best.argmax(axis=1)
        columns: dict[str, pa.Array] = {}
        size = (len(self.step.labels), BINS)
        counts, nearest = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        for number, label in enumerate(self.step.labels):
            columns[similarity_column(label)] = pa.array(best[:, number])
            columns[nearest_column(label)] = pa.array(which[:, number])
            counts[number] = histogram(best[:, number])
            nearest[number] = histogram(best[winner == number, number])
        extras = {COUNTS: count_table(counts, nearest)}
        if self.step.top_k:
            extras[TOP] = self._top(similarity)
        return StepResult(columns, extras=extras)

    def _top(self, similarity: NDArray[np.float32]) -> pa.Table:
        k = min(self.step.top_k, len(similarity))
        rows = np.argpartition(-similarity, k - 1, axis=0)[:k] if k else np.zeros((0, similarity.shape[1]), dtype=int)
        if k:  # of documents that tie for the last place, the earlier ones
            least = np.take_along_axis(similarity, rows[-1:], axis=0)
            tied = np.flatnonzero((similarity >= least).sum(axis=0) > k)
            rows[:, tied] = np.argsort(-similarity[:, tied], axis=0, kind="stable")[:k]
        seeds = np.broadcast_to(np.arange(similarity.shape[1], dtype=np.int32), rows.shape)
        values = np.take_along_axis(similarity, rows, axis=0)
        arrays = [pa.array(seeds.ravel()), pa.array(rows.ravel().astype(np.int64)), pa.array(values.ravel())]
        return pa.table(arrays, schema=TOP_SCHEMA).replace_schema_metadata({"rows": str(len(similarity))})


def keep_top(
    seeds: NDArray[np.int32], rows: NDArray[np.int64], values: NDArray[np.float32], top_k: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float32]]:
    """Keep the `top_k` largest values of each seed; ties go to the earlier row.

    Args:
        seeds: `[m]` seed numbers.
        rows: `[m]` rows.
        values: `[m]` cosines.
        top_k: How many to keep of each seed.

    Returns:
        The kept ones, by seed, best first.
    """
    order = np.lexsort((rows, -values, seeds))
    ordered = seeds[order]
    first = np.searchsorted(ordered, ordered, side="left")
    kept = order[np.arange(len(order)) - first < top_k]
    return seeds[kept], rows[kept], values[kept]


@dataclass(frozen=True)
class Neighbours:
    """The documents nearest to each seed, over the whole corpus.

    Attributes:
        seed: `[m] int32` seed numbers, ascending.
        shard: `[m] int32` places in `shards`.
        row: `[m] int64` rows in the shard.
        similarity: `[m] float32`, descending within a seed.
        shards: Names of shards.
    """

    seed: NDArray[np.int32]
    shard: NDArray[np.int32]
    row: NDArray[np.int64]
    similarity: NDArray[np.float32]
    shards: tuple[str, ...]
