"""Small datasets on disk, made of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from motherlode.encode.vectors import COLUMN, to_column
from motherlode.mining.retrieve import SeedMatrix
from motherlode.shards.dataset import PARENT, Dataset
from motherlode.shards.manifest import Entry, Manifest
from motherlode.shards.task import write_shard


def write_dataset(folder: Path, tables: Sequence[pa.Table], parent: Dataset | None = None) -> Dataset:
    """Write one shard a table; with a parent, as its side dataset."""
    parents = list(parent.digest) if parent is not None else [""] * len(tables)
    with Manifest.open(folder, "test", {}) as manifest:
        names = [f"part-{number:06d}" for number in range(len(tables))]
        for name, table, digest in zip(names, tables, parents, strict=True):
            file = write_shard(folder, f"{name}.parquet", table)
            manifest.commit(Entry(name, name, (file,), stats={PARENT: digest}))
        manifest.finish(names)
    return Dataset(folder)


def split(table: pa.Table, sizes: Sequence[int]) -> list[pa.Table]:
    """Cut a table into consecutive ones."""
    starts = np.cumsum([0, *sizes])
    return [table.slice(int(start), size) for start, size in zip(starts, sizes, strict=False)]


def write_vectors(folder: Path, vectors: np.ndarray, sizes: Sequence[int]) -> Dataset:
    """Write vectors as shards of some sizes."""
    return write_dataset(folder, split(pa.table({COLUMN: to_column(vectors)}), sizes))


def seed_matrix(vectors: np.ndarray, labels: Mapping[str, Sequence[int]]) -> SeedMatrix:
    """Make a seed matrix from the numbers of each label's seeds."""
    flags = np.zeros((len(vectors), len(labels)), dtype=bool)
    for column, members in enumerate(labels.values()):
        flags[list(members), column] = True
    return SeedMatrix(vectors.astype(np.float32), flags, tuple(labels))


def coarse_unit_vectors(count: int, dimensions: int, generator: np.random.Generator) -> np.ndarray:
    """Draw unit vectors of four entries of a half: their products are exact in any order, and often tie."""
    vectors = np.zeros((count, dimensions), dtype=np.float32)
    for row in vectors:
        row[generator.choice(dimensions, 4, replace=False)] = generator.choice([-0.5, 0.5], 4)
    return vectors
