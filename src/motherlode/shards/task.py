"""Tasks: the unit that an engine runs, retries and commits.

A task knows its inputs, its fingerprint and how to write its output into a folder; it is picklable and has no side
effect but its files. `MapTask` maps a step over one shard of a dataset and writes the side shard of the same name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from motherlode.shards import store
from motherlode.shards.dataset import BATCH_ROWS, PARENT, Dataset, Source, aligned_batches
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.manifest import Entry, ShardFile, merge_stats
from motherlode.shards.resources import Resources
from motherlode.shards.step import Failure, Step, apply, opened

QUARANTINE_SCHEMA = pa.schema(
    [("origin", pa.string()), ("location", pa.string()), ("error", pa.string()), ("record", pa.string())]
)


class Task(Protocol):
    """What an engine needs of a task.

    One that needs more than a core says so in an attribute `resources` (`motherlode.shards.resources.Resources`).
    """

    @property
    def name(self) -> str:
        """A name, unique in the output folder."""

    @property
    def fingerprint(self) -> str:
        """What the output depends on."""

    @property
    def size(self) -> int:
        """The amount of work, in the unit of the progress bar (rows or bytes)."""

    def run(self, folder: Path) -> Entry:
        """Do the work, put the files into place, and say what was done."""


def write_shard(folder: Path, name: str, table: pa.Table) -> ShardFile:
    """Write a table as a committed file of a task.

    Args:
        folder: The output folder.
        name: The file's name.
        table: The rows.

    Returns:
        The file as manifests record it.
    """
    digest, size = store.write_table(folder / name, table)
    return ShardFile(name, table.num_rows, size, digest)


@dataclass(frozen=True)
class MapTask:
    """A step over one shard, with the side shards that it reads.

    Attributes:
        name: The shard's name, which the output keeps.
        step: The step.
        parent: The shard whose rows the output stands in.
        inputs: All shards that are read, with the columns of each.
    """

    name: str
    step: Step
    parent: Source
    inputs: tuple[tuple[Source, tuple[str, ...]], ...]

    @property
    def fingerprint(self) -> str:
        """Digest of the step and of every input's content."""
        inputs = [[source.digest, list(columns)] for source, columns in self.inputs]
        return fingerprint(self.step.fingerprint, self.parent.digest, inputs)

    @property
    def size(self) -> int:
        """Rows of the shard."""
        return self.parent.rows

    @property
    def resources(self) -> Resources:
        """What the step needs."""
        return self.step.resources

    def run(self, folder: Path) -> Entry:
        """Map the step over the shard and write the side shard, quarantine and extras."""
        function = opened(self.step)
        schema = self.step.writes.with_metadata({PARENT: self.parent.digest})
        pieces: list[pa.RecordBatch] = []
        stats: list[Mapping[str, Any]] = []
        extras: dict[str, list[pa.Table]] = {}
        failures: list[Failure] = []
        start = 0
        for batch in aligned_batches(self.inputs, BATCH_ROWS):
            result, failed = apply(self.step, function, batch)
            arrays = [result.columns[field.name].cast(field.type) for field in schema]
            pieces.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
            stats.append(result.stats)
            failures += [Failure(failure.row + start, failure.error) for failure in failed]
            for extra, table in result.extras.items():
                extras.setdefault(extra, []).append(table)
            start += batch.num_rows
        files = [write_shard(folder, f"{self.name}.parquet", pa.Table.from_batches(pieces, schema))]
        for extra, tables in sorted(extras.items()):
            files.append(write_shard(folder, f"{self.name}.{extra}.parquet", self.step.combine(extra, tables)))
        if failures:
            files.append(write_quarantine(folder, self.name, str(self.parent.path.name), failures))
        counts = {"read": start, "kept": start - len(failures), "quarantined": len(failures)}
        return Entry(
            self.name, self.fingerprint, tuple(files), counts, {**merge_stats(stats), PARENT: self.parent.digest}
        )


def write_quarantine(folder: Path, name: str, origin: str, failures: Sequence[Failure]) -> ShardFile:
    """Write the rows of a shard that a step could not stand, with their errors."""
    rows = [{"origin": origin, "location": f"row {f.row}", "error": f.error, "record": ""} for f in failures]
    return write_shard(folder, f"{name}.quarantine.parquet", pa.Table.from_pylist(rows, QUARANTINE_SCHEMA))


def map_tasks(step: Step, parent: Dataset, inputs: Sequence[tuple[Dataset, Sequence[str]]]) -> list[MapTask]:
    """Plan a step over all shards of a dataset.

    Args:
        step: The step.
        parent: The dataset whose rows the output stands in.
        inputs: The datasets that are read (the parent among them if its columns are), with the columns of each.

    Returns:
        One task a shard, in order.

    Raises:
        StaleError: An input is a side of another version of the parent.
        InputError: The step reads a column that no input provides.
    """
    from motherlode.shards.step import check_chain

    check_chain([name for _, columns in inputs for name in columns], [step])
    for dataset, _ in inputs:
        if dataset.folder != parent.folder:
            parent.check_side(dataset)
    return [
        MapTask(shard, step, parent.source(shard), tuple((data.source(shard), tuple(cols)) for data, cols in inputs))
        for shard in parent.shards
    ]
