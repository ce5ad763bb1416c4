"""A dataset: a folder of Parquet shards under a manifest; and side datasets that stand in the same rows.

Text is written once. Vectors, labels and scores live in sibling folders whose shards have the same names and row
order, each entry recording the digest of the shard that it belongs to. `Dataset.aligned` reads them together and
refuses a side whose parent has changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from motherlode.errors import InputError, StaleError
from motherlode.shards import store
from motherlode.shards.location import ObjectPath, location
from motherlode.shards.manifest import Entry, Manifest, merge_stats

PARENT = "parent"  # the key in an entry's stats under which a side shard keeps its parent's digest
BATCH_ROWS = 1024
_MAKE_AGAIN = "run the command that makes it again"


@dataclass(frozen=True)
class Source:
    """One Parquet shard, as a task reads it."""

    path: Path
    digest: str
    rows: int

    def batches(self, columns: Sequence[str], rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """Read some columns in batches of exactly `rows` rows, the last one shorter."""
        if not columns:
            yield from (_empty_batch(min(rows, self.rows - start)) for start in range(0, self.rows, rows))
            return
        try:
            with store.parquet_file(self.path, self.digest) as file:
                table = file.read(columns=list(columns))
        except FileNotFoundError as error:
            raise InputError("a shard is missing", where=str(self.path), hint=_MAKE_AGAIN) from error
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(f"cannot be read as Parquet ({error})", where=str(self.path)) from error
        if table.num_rows != self.rows:
            raise StaleError(f"has {table.num_rows} rows, its manifest says {self.rows}", where=str(self.path))
        yield from table.select(list(columns)).combine_chunks().to_batches(max_chunksize=rows)


def _empty_batch(rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, type=pa.struct([])))


def aligned_batches(
    sources: Sequence[tuple[Source, Sequence[str]]], rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """Read columns of several shards that stand in the same rows, as batches of all of them.

    Args:
        sources: Shards of equal length with the columns wanted of each; no name twice. If none are wanted, the
            batches have the first shard's rows and no columns.
        rows: Rows in a batch.

    Yields:
        Batches with all columns.
    """
    sources = [(source, columns) for source, columns in sources if columns] or list(sources[:1])
    readers = [source.batches(columns, rows) for source, columns in sources]
    if len(readers) == 1:
        yield from readers[0]
        return
    for parts in zip(*readers, strict=True):
        arrays = [array for part in parts for array in part.columns]
        names = [name for part in parts for name in part.schema.names]
        yield pa.RecordBatch.from_arrays(arrays, names=names)


class Dataset:
    """A readable folder of shards.

    Attributes:
        folder: Where it lies.
        manifest: What it holds.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder.

        Args:
            folder: A folder that a motherlode command finished.

        Raises:
            InputError: It is missing, damaged, or not complete.
        """
        self.folder = location(folder)
        self.manifest = Manifest.read(self.folder)
        if not self.manifest.complete:
            raise InputError("is not complete", where=str(folder), hint=_MAKE_AGAIN)

    def __repr__(self) -> str:
        """Say what and how much."""
        return f"{type(self).__name__}({str(self.folder)!r}, rows={self.rows}, shards={len(self.shards)})"

    @property
    def shards(self) -> dict[str, Entry]:
        """The entries that hold rows, by task name."""
        return {name: entry for name, entry in self.manifest.entries.items() if entry.files}

    @property
    def rows(self) -> int:
        """The number of rows over all shards."""
        return sum(entry.files[0].rows for entry in self.shards.values())

    @property
    def digest(self) -> tuple[str, ...]:
        """The digests of all shards in order: what the dataset's content depends on."""
        return tuple(entry.files[0].digest for entry in self.shards.values())

    @property
    def counts(self) -> dict[str, int]:
        """Outcomes of records, added over all tasks."""
        return merge_stats(entry.counts for entry in self.manifest.entries.values())

    @property
    def stats(self) -> dict[str, Any]:
        """Statistics, added over all tasks."""
        parts = ({k: v for k, v in e.stats.items() if k != PARENT} for e in self.manifest.entries.values())
        return merge_stats(parts)

    def source(self, shard: str) -> Source:
        """Return one shard as tasks read it.

        Raises:
            InputError: The file is gone.
        """
        file = self.manifest.entries[shard].files[0]
        path = self.folder / file.name
        if not isinstance(path, ObjectPath) and not path.exists():  # of a store, reading it tells
            raise InputError("a shard is missing", where=str(path), hint=_MAKE_AGAIN)
        return Source(path, file.digest, file.rows)

    def extras(self, name: str) -> list[Source]:
        """Return the tables of a name that a step wrote beside its shards, in order."""
        found = []
        for shard in self.shards:
            wanted = f"{shard}.{name}.parquet"
            file = next(file for file in self.manifest.entries[shard].files if file.name == wanted)
            found.append(Source(self.folder / file.name, file.digest, file.rows))
        return found

    def batches(self, columns: Sequence[str], rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """Read some columns over all shards, in order."""
        for shard in self.shards:
            yield from self.source(shard).batches(columns, rows)

    def check_side(self, side: Dataset) -> None:
        """Check that a side dataset belongs to these very shards.

        Raises:
            StaleError: A shard is missing there, or belongs to another version.
        """
        for name, entry in self.shards.items():
            other = side.shards.get(name)
            if other is None or other.stats.get(PARENT) != entry.files[0].digest:
                raise StaleError(
                    f"belongs to another version of {self.folder}",
                    where=str(side.folder),
                    hint=_MAKE_AGAIN,
                )

    def aligned(
        self, columns: Sequence[str], sides: Sequence[tuple[Dataset, Sequence[str]]], rows: int = BATCH_ROWS
    ) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Read columns of this dataset and of its sides together.

        Args:
            columns: Columns of this dataset.
            sides: Side datasets with the columns wanted of each.
            rows: Rows in a batch.

        Yields:
            The shard's name and a batch with all columns.

        Raises:
            StaleError: A side belongs to another version of this dataset.
        """
        for side, _ in sides:
            self.check_side(side)
        for shard in self.shards:
            parts = [(self.source(shard), columns), *((side.source(shard), names) for side, names in sides)]
            for batch in aligned_batches(parts, rows):
                yield shard, batch
