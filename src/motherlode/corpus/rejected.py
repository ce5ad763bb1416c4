"""Dropped documents, written aside for inspection: what a rule costs is seen best by reading what it drops.

The read stage writes what its steps drop into staging; a last stage puts these files, and the documents that were
dropped over all shards, into `rejected/` beside the documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from motherlode.corpus.decide import Decisions
from motherlode.corpus.duplicates import Changes
from motherlode.corpus.outcomes import DUPLICATES, PARAGRAPHS
from motherlode.corpus.repeated_paragraphs import REASON, Cuts
from motherlode.shards import store
from motherlode.shards.dataset import Source
from motherlode.shards.fingerprint import bytes_digest, fingerprint
from motherlode.shards.manifest import Entry, ShardFile
from motherlode.shards.task import Task, write_shard

REJECTED = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("source", pa.string()),
        ("metadata", pa.string()),
        ("origin", pa.string()),
        ("location", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),
    ]
)
MARK = ".rejected"  # in the names of staging files


def rejected_rows(batch: pa.RecordBatch, stages: pa.Array, reasons: pa.Array) -> pa.RecordBatch:
    """Return documents as they are written aside.

    Args:
        batch: The documents; columns that it does not have are null.
        stages: `[n]` which part of the build drops each.
        reasons: `[n]` why.

    Returns:
        Rows of `REJECTED`.
    """
    columns = {name: batch.column(name) for name in REJECTED.names if name in batch.schema.names}
    columns |= {"stage": stages, "reason": reasons}
    nulls = pa.nulls(batch.num_rows, pa.string())
    return pa.RecordBatch.from_arrays([columns.get(name, nulls) for name in REJECTED.names], schema=REJECTED)


@dataclass(frozen=True)
class MoveTask:
    """A file that the read stage wrote, put among the rejected."""

    name: str
    path: Path
    file: ShardFile

    @property
    def fingerprint(self) -> str:
        """Digest of the content."""
        return fingerprint("move", self.file.digest)

    @property
    def size(self) -> int:
        """Rows of the file."""
        return self.file.rows

    def run(self, folder: Path) -> Entry:
        """Link or copy the file."""
        name = f"{self.name}.parquet"
        store.link(self.path, folder / name)
        file = ShardFile(name, self.file.rows, self.file.bytes, self.file.digest)
        return Entry(self.name, self.fingerprint, (file,), {"read": self.file.rows, "kept": self.file.rows})


@dataclass(frozen=True)
class RejectTask:
    """The documents of one staging shard that were dropped over all shards.

    Attributes:
        name: A name, unique among the rejected.
        source: The staging shard.
        changes: What was decided about it.
        cuts: The paragraphs that were cut, if documents went because of it.
    """

    name: str
    source: Source
    changes: Changes
    cuts: Cuts | None = None

    @property
    def fingerprint(self) -> str:
        """Digest of the staging shard and of the rows."""
        dropped = [[reason, bytes_digest(rows.tobytes())] for reason, rows in self.changes.dropped.items()]
        cuts = self.cuts.described if self.cuts else None
        return fingerprint("reject", 2, self.source.digest, dropped, cuts)

    @property
    def size(self) -> int:
        """Documents in the staging shard."""
        return self.source.rows

    def run(self, folder: Path) -> Entry:
        """Write the documents in the order of the shard, as they were before paragraphs were cut."""
        table = pa.Table.from_batches(list(self.source.batches(["id", "text", "source", "metadata", "words"])))
        reasons = np.full(table.num_rows, None, dtype=object)
        stages = np.full(table.num_rows, DUPLICATES, dtype=object)
        for reason, rows in self.changes.dropped.items():
            reasons[rows] = reason
        if self.cuts:
            short = self.cuts.apply(table)[1] & (reasons == None)  # noqa: E711 - element by element
            reasons[short], stages[short] = REASON, PARAGRAPHS
        gone = np.flatnonzero(reasons != None)  # noqa: E711 - element by element
        (batch,) = table.take(pa.array(gone)).combine_chunks().to_batches()
        found = rejected_rows(batch, pa.array(stages[gone], pa.string()), pa.array(reasons[gone], pa.string()))
        file = write_shard(folder, f"{self.name}.parquet", pa.Table.from_batches([found], REJECTED))
        return Entry(self.name, self.fingerprint, (file,), {"read": len(gone), "kept": len(gone)})


def reject_tasks(
    folder: Path, entries: Iterable[Entry], shards: Sequence[Source], decisions: Decisions, written: Sequence[Entry]
) -> list[Task]:
    """Plan the stage.

    Args:
        folder: The staging folder.
        entries: What the read stage left there.
        shards: The staging shards.
        decisions: What was decided about them.
        written: For each shard, what the write stage counted.

    Returns:
        The tasks, in the order of the input within each kind.
    """
    tasks: list[Task] = [
        MoveTask(f"read-{number:06d}", folder / file.name, file)
        for number, file in enumerate(file for entry in entries for file in _marked(entry))
    ]
    cuts: Sequence[Cuts | None] = decisions.cuts or [None] * len(shards)
    for number, (shard, change, cut, entry) in enumerate(zip(shards, decisions.changes, cuts, written, strict=True)):
        too_short = entry.counts.get(f"dropped:{REASON}", 0) > 0
        if too_short or any(len(rows) for rows in change.dropped.values()):
            tasks.append(RejectTask(f"write-{number:06d}", shard, change, cut if too_short else None))
    return tasks


def _marked(entry: Entry) -> Iterator[ShardFile]:
    return (file for file in entry.files if MARK in file.name)
