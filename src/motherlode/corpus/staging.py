"""Staging shards: cleaned documents with keys of their content, on disk until duplicates are decided."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from motherlode.corpus.columns import PAGE, STAGED, content_key
from motherlode.shards.manifest import ShardFile
from motherlode.shards.task import write_shard

LENGTH_BINS = 24  # bin b holds documents of [2^b, 2^(b+1)) words, the last one all longer ones


def staged_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return cleaned documents as they are staged.

    Args:
        batch: Columns of `RECORD` and `words`.

    Returns:
        Columns of `STAGED`: each document has an id, and 128-bit keys of its content and of its id.
    """
    if batch.num_rows == 0:
        return pa.RecordBatch.from_pylist([], STAGED)
    keys = [content_key(text) for text in batch.column("text").to_pylist()]
    ids = [identity or key.hex() for identity, key in zip(batch.column("id").to_pylist(), keys, strict=True)]
    columns = {name: batch.column(name) for name in ("text", "source", "words", "metadata", *PAGE.names)}
    id_keys = [hashlib.blake2b(identity.encode(), digest_size=16).digest() for identity in ids]
    columns |= {"id": pa.array(ids, pa.string()), "key": pa.array(keys, pa.binary(16))}
    columns |= {"id_key": pa.array(id_keys, pa.binary(16))}
    return pa.RecordBatch.from_arrays([columns[name] for name in STAGED.names], schema=STAGED)


def staged_stats(batch: pa.RecordBatch) -> dict[str, Any]:
    """Return words and lengths of staged documents, as statistics that merge by addition."""
    if batch.num_rows == 0:
        return {}
    return {"words": pc.sum(batch.column("words")).as_py(), "length_histogram": _lengths(batch)}


def _lengths(batch: pa.RecordBatch) -> list[int]:
    words = np.maximum(batch.column("words").to_numpy(), 1)
    bins = np.minimum(np.log2(words).astype(np.int64), LENGTH_BINS - 1)
    return [int(count) for count in np.bincount(bins, minlength=LENGTH_BINS)]


class ShardWriter:
    """Collects batches into shards of at most `shard_rows` rows, and of `shard_bytes` of text within a document."""

    def __init__(self, folder: Path, name: str, schema: pa.Schema, shard_rows: int, shard_bytes: int) -> None:
        self.folder, self.name, self.schema = folder, name, schema
        self.shard_rows, self.shard_bytes = shard_rows, shard_bytes
        self.rows = 0
        self.files: list[ShardFile] = []
        self._held: list[pa.RecordBatch] = []
        self._held_rows = self._held_bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows, and write a shard whenever one is full."""
        self.rows += batch.num_rows
        sizes = np.cumsum(pc.binary_length(batch.column("text")).to_numpy(), dtype=np.int64)
        start = 0
        while start < batch.num_rows:
            before = sizes[start - 1] if start else 0
            stop = int(np.searchsorted(sizes, before + self.shard_bytes - self._held_bytes)) + 1
            stop = min(stop, start + self.shard_rows - self._held_rows, batch.num_rows)
            self._held.append(batch.slice(start, stop - start))
            self._held_rows += stop - start
            self._held_bytes += int(sizes[stop - 1] - before)
            if self._held_rows >= self.shard_rows or self._held_bytes >= self.shard_bytes:
                self._flush()
            start = stop

    def _flush(self) -> None:
        name = f"{self.name}-{len(self.files):04d}.parquet"
        self.files.append(write_shard(self.folder, name, pa.Table.from_batches(self._held, self.schema)))
        self._held, self._held_rows, self._held_bytes = [], 0, 0

    def finish(self) -> list[ShardFile]:
        """Write what is left, and return the files in order."""
        if self._held:
            self._flush()
        return self.files
