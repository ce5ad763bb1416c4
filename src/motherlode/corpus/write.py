"""The last stage of `corpus build`: staging shards to final ones, as it was decided over all documents.

Duplicates go, repeated paragraphs are cut out (and documents that are too short without them go), and long documents
are cut into chunks, in this order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from motherlode.corpus.chunk import cut_documents
from motherlode.corpus.columns import DOCUMENT, content_key
from motherlode.corpus.decide import Decisions
from motherlode.corpus.duplicates import Changes
from motherlode.corpus.outcomes import DUPLICATES, KEPT, PARAGRAPHS, Outcomes
from motherlode.corpus.repeated_paragraphs import REASON, Cuts
from motherlode.shards.dataset import Source
from motherlode.shards.fingerprint import bytes_digest, fingerprint
from motherlode.shards.manifest import Entry
from motherlode.shards.task import write_shard


@dataclass(frozen=True)
class WriteTask:
    """One staging shard, written without what was dropped.

    Attributes:
        name: Of the task and of the final shard.
        source: The staging shard.
        changes: Which documents go, and whose ids change.
        by_place: Whether new ids depend on the place, for texts may repeat.
        cuts: The paragraphs that are cut; None if all stay.
        chunk_words: Words of a chunk, at most; 0: documents stay whole.
        min_chunk_words: Words of what is left over at a document's end, at least.
    """

    name: str
    source: Source
    changes: Changes
    by_place: bool
    cuts: Cuts | None = None
    chunk_words: int = 0
    min_chunk_words: int = 20

    @property
    def fingerprint(self) -> str:
        """Digest of the staging shard and of all that is done with it."""
        dropped = [[reason, bytes_digest(rows.tobytes())] for reason, rows in self.changes.dropped.items()]
        renamed = bytes_digest(self.changes.renamed.tobytes())
        cuts = self.cuts.described if self.cuts else None
        chunks = [self.chunk_words, self.min_chunk_words] if self.chunk_words else None
        return fingerprint("write", 4, self.name, self.source.digest, dropped, renamed, self.by_place, cuts, chunks)

    @property
    def size(self) -> int:
        """Documents in the staging shard."""
        return self.source.rows

    def run(self, folder: Path) -> Entry:
        """Write the final shard; none if every document was dropped."""
        table = pa.Table.from_batches(list(self.source.batches(DOCUMENT.names)), DOCUMENT)
        if len(self.changes.renamed):
            table = table.set_column(0, DOCUMENT.field("id"), self._unique_ids(table))
        keep = np.ones(table.num_rows, dtype=bool)
        sources, outcomes = table.column("source"), Outcomes()
        stats = {"ids_renamed": len(self.changes.renamed)}
        for reason, rows in self.changes.dropped.items():
            keep[rows] = False
            outcomes.drop(DUPLICATES, reason, sources.take(pa.array(rows)).to_pylist())
        if self.cuts:
            table, short, cut = self.cuts.apply(table)
            stats |= cut
            outcomes.drop(PARAGRAPHS, REASON, sources.filter(pa.array(keep & short)).to_pylist())
            keep &= ~short
        table = table.filter(pa.array(keep))
        outcomes.add(KEPT, table.column("source").to_pylist())
        table, chunked = cut_documents(table, self.chunk_words, self.min_chunk_words)
        stats |= chunked | {"ids_renamed": stats["ids_renamed"] + chunked.get("ids_renamed", 0)}
        files = (write_shard(folder, f"{self.name}.parquet", table),) if table.num_rows else ()
        return Entry(self.name, self.fingerprint, files, dict(outcomes.counts), {**stats, **outcomes.stats()})

    def _unique_ids(self, table: pa.Table) -> pa.Array:
        """Append to ids that an earlier document has a digest of the text, or of the place where texts repeat too."""
        ids, texts = table.column("id").to_pylist(), table.column("text")
        for row in self.changes.renamed.tolist():
            what = f"{self.name}:{row}" if self.by_place else content_key(texts[row].as_py()).hex()
            ids[row] = f"{ids[row]}~{fingerprint(what)[:16]}"
        return pa.array(ids, pa.string())


def write_tasks(
    shards: Sequence[Source], decisions: Decisions, *, by_place: bool, chunk_words: int, min_chunk_words: int
) -> list[WriteTask]:
    """Plan one task a staging shard.

    Args:
        shards: The staging shards in input order.
        decisions: What is to be done to each.
        by_place: Whether new ids depend on the place.
        chunk_words: Words of a chunk, at most; 0: documents stay whole.
        min_chunk_words: Words of what is left over at a document's end, at least.
    """
    cuts: Sequence[Cuts | None] = decisions.cuts or [None] * len(shards)
    return [
        WriteTask(f"part-{number:06d}", shard, change, by_place, cut, chunk_words, min_chunk_words)
        for number, (shard, change, cut) in enumerate(zip(shards, decisions.changes, cuts, strict=True))
    ]
