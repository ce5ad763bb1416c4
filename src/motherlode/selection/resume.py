"""Work over the rows of a pool in shards that are committed one by one: killed anywhere, a rerun does what is left.

A stage's folder carries the fingerprint of everything that its output depends on in its name, so that another setting
never meets it, and runs with several settings live side by side. Small columns are Parquet; wide ones (`mapped`) are
uncompressed Arrow files, which a reader maps into memory instead of reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from motherlode.progress import Progress
from motherlode.shards import store
from motherlode.shards.engine import Engine
from motherlode.shards.fingerprint import bytes_digest, fingerprint
from motherlode.shards.manifest import Entry, Manifest, ShardFile
from motherlode.shards.task import Task, write_shard

VERSION = 1


def stage_folder(work: Path, kind: str, depends: Mapping[str, Any]) -> Path:
    """Name the folder of a stage."""
    return work / f"{kind}-{fingerprint(VERSION, dict(depends))[:16]}"


def run_in_shards(
    work: Path,
    kind: str,
    depends: Mapping[str, Any],
    rows: NDArray[np.int64],
    make: Callable[[NDArray[np.int64]], pa.Table],
    *,
    shard_rows: int = 512,
    quiet: bool = False,
    mapped: bool = False,
    runs_on: Engine | None = None,
    task: Callable[[str, str, NDArray[np.int64]], Task] | None = None,
) -> Path:
    """Do some work for all rows, shard by shard.

    Args:
        work: The folder that holds the folders of all stages.
        kind: What is made, e.g. `scores`.
        depends: What the output depends on, besides the rows.
        rows: The rows of the pool, ascending.
        make: From a shard's rows to a table, in their order; called only for what is not there yet.
        shard_rows: Rows of a shard.
        quiet: Whether no progress is shown.
        mapped: Whether shards are uncompressed Arrow files, to be mapped into memory.
        runs_on: Who does the work, in place of this process.
        task: From a shard's name, fingerprint and rows to the task that writes what `make` would, for `runs_on`.

    Returns:
        The stage's folder, complete.
    """
    settings = {**depends, "rows": bytes_digest(rows.tobytes()), "shard_rows": shard_rows}
    folder = stage_folder(work, kind, settings)
    parts = [rows[start : start + shard_rows] for start in range(0, len(rows), shard_rows)]
    key = fingerprint(VERSION, settings)
    names = [f"{kind}-{number:06d}" for number in range(len(parts))]
    with Manifest.open(folder, kind, settings) as manifest:
        if runs_on is not None and task is not None:
            tasks = [task(name, key, part) for name, part in zip(names, parts, strict=True)]
            runs_on.run(tasks, manifest, kind, "samples")
            return folder
        left = [(name, part) for name, part in zip(names, parts, strict=True) if not manifest.holds(name, key)]
        if left or not manifest.complete:
            manifest.begin()
        with Progress(kind, sum(len(part) for _, part in left), "samples", quiet=quiet or not left) as progress:
            for name, part in left:
                file = (
                    _write_mapped(folder, name, make(part))
                    if mapped
                    else write_shard(folder, f"{name}.parquet", make(part))
                )
                manifest.commit(Entry(name, key, (file,), {"read": len(part), "kept": len(part)}))
                progress.advance(len(part))
        manifest.finish(names)
    return folder


def _write_mapped(folder: Path, name: str, table: pa.Table) -> ShardFile:
    digest, size = store.write_arrow(folder / f"{name}.arrow", table)
    return ShardFile(f"{name}.arrow", table.num_rows, size, digest)


def read_shards(folder: Path, column: str) -> Iterator[pa.ChunkedArray]:
    """Read one column of a complete stage, shard by shard; that of a mapped stage occupies no memory."""
    for entry in Manifest.read(folder).entries.values():
        path = folder / entry.files[0].name
        if path.suffix == ".arrow":
            yield pa.ipc.open_file(pa.memory_map(str(path))).read_all().column(column)
        else:
            yield pq.read_table(path, columns=[column]).column(column)
