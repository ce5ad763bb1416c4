"""Arrow files that are mapped into memory: for work that needs few rows of many files, wherever they lie."""

from __future__ import annotations

import functools
from pathlib import Path

import pyarrow as pa

from motherlode.shards import store
from motherlode.shards.dataset import Source
from motherlode.shards.fingerprint import bytes_digest
from motherlode.shards.manifest import ShardFile

_OPEN = 256  # files that are mapped at a time


def write_mapped(folder: Path, name: str, table: pa.Table) -> ShardFile:
    """Write a table as one uncompressed batch, atomically.

    Args:
        folder: The output folder.
        name: The file's name.
        table: The rows, without nulls.

    Returns:
        The file as manifests record it.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    content = memoryview(sink.getvalue())
    store.write_bytes(folder / name, content)
    return ShardFile(name, table.num_rows, len(content), bytes_digest(content))


def read_mapped(source: Source) -> pa.RecordBatch:
    """Return what `write_mapped` wrote, without reading more of it than is looked at."""
    return _mapped(source.path, source.digest)


@functools.lru_cache(_OPEN)
def _mapped(path: Path, digest: str) -> pa.RecordBatch:
    with store.map_arrow(path, digest) as file:
        reader = pa.ipc.open_file(file)
        if reader.num_record_batches == 0:
            return pa.RecordBatch.from_pylist([], reader.schema)
        return reader.get_batch(0)
