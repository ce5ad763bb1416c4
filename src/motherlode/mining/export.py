"""Export: one folder of documents a domain, with score and provenance, as Parquet or JSONL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from motherlode.mining.label import round_column, score_column
from motherlode.mining.retrieve import nearest_column, similarity_column
from motherlode.shards import store
from motherlode.shards.dataset import Dataset, Source, aligned_batches
from motherlode.shards.fingerprint import bytes_digest, fingerprint
from motherlode.shards.manifest import Entry, ShardFile

FORMATS = ("jsonl", "parquet")
ORIGIN = "origin"  # a further column where seeds are mixed in
TOKENS_PER_WORD = 4 / 3  # English text under common subword vocabularies; an estimate for budgets
_DOCUMENTS_PER_FILE = 50_000
_COLUMNS = ("id", "text", "source", "words", "metadata")
_PAGE_COLUMNS = ("url", "title", "date", "language")  # corpora of earlier versions do not have them

EXPORTED = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("score", pa.float32()),
        ("labels", pa.list_(pa.string())),
        ("source", pa.string()),
        ("words", pa.int32()),
        ("seed", pa.string()),
        ("similarity", pa.float32()),
        ("round", pa.int8()),
        ("metadata", pa.string()),
        *((name, pa.string()) for name in _PAGE_COLUMNS),
    ]
)


@dataclass(frozen=True)
class Selection:
    """Which documents of a domain are exported.

    Attributes:
        domain: The domain.
        threshold: Documents with at least this score.
        last_at_threshold: If a budget cut through documents of equal score, the last one that still fits, as its
            number over the whole corpus; None if all of them do.
        documents: How many that are.
        words: How many words they hold.
    """

    domain: str
    threshold: float
    last_at_threshold: int | None
    documents: int
    words: int


def select(
    documents: Dataset,
    labels: Dataset,
    domain: str,
    threshold: float,
    max_documents: int | None = None,
    max_tokens: int | None = None,
) -> Selection:
    """Choose the best documents of a domain within a budget.

    Args:
        documents: The corpus's documents.
        labels: Their scores.
        domain: The domain.
        threshold: The least score.
        max_documents: At most so many documents.
        max_tokens: At most so many tokens, estimated as 4/3 of the words.

    Returns:
        The selection; best scores first, ties in the order of the corpus.
    """
    column = score_column(domain)
    scores, words, numbers = [], [], []
    start = 0
    for _, batch in documents.aligned(["words"], [(labels, [column])]):
        score = batch.column(column).to_numpy(zero_copy_only=False)
        chosen = np.flatnonzero(score >= np.float32(threshold))
        scores.append(score[chosen])
        words.append(batch.column("words").to_numpy()[chosen])
        numbers.append(chosen + start)
        start += batch.num_rows
    score, count = np.concatenate(scores), np.concatenate(words).astype(np.int64)
    number = np.concatenate(numbers)
    order = np.lexsort((number, -score))
    limit = len(order) if max_documents is None else min(len(order), max_documents)
    if max_tokens is not None:
        fits = np.cumsum(count[order]) * TOKENS_PER_WORD <= max_tokens
        limit = min(limit, int(fits.sum()))
    kept = order[:limit]
    if limit == len(order):
        return Selection(domain, threshold, None, limit, int(count.sum()))
    if limit == 0:
        return Selection(domain, 2.0, None, 0, 0)
    cut = float(score[kept[-1]])
    return Selection(domain, cut, int(number[kept][score[kept] == cut].max()), limit, int(count[kept].sum()))


@dataclass(frozen=True)
class ExportTask:
    """A run of shards, written as one file of a domain.

    Attributes:
        name: `<domain>/part-<number>`.
        selection: What is exported.
        format: `jsonl` or `parquet`.
        shards: For each shard: its first document's number, and documents, labels and retrieval results.
        seeds: Ids of seeds by number.
        with_origin: Whether each document says that it was mined, for seeds lie beside it.
    """

    name: str
    selection: Selection
    format: str
    shards: tuple[tuple[int, Source, Source, Source], ...]
    seeds: tuple[str, ...]
    with_origin: bool = False

    @property
    def fingerprint(self) -> str:
        """Digest of all inputs and of what is selected."""
        chosen = [self.selection.domain, self.selection.threshold, self.selection.last_at_threshold, self.format]
        if self.with_origin:
            chosen.append(ORIGIN)
        return fingerprint("export", 1, chosen, [[s.digest for s in parts[1:]] for parts in self.shards], self.seeds)

    @property
    def size(self) -> int:
        """Documents that are looked at."""
        return sum(parts[1].rows for parts in self.shards)

    def run(self, folder: Path) -> Entry:
        """Write the file; none if no document is selected."""
        batches = [batch for parts in self.shards for batch in self._chosen(*parts)]
        rows = sum(batch.num_rows for batch in batches)
        if rows == 0:
            return Entry(self.name, self.fingerprint)
        table = pa.Table.from_batches(batches, EXPORTED)
        if self.with_origin:
            table = table.append_column(ORIGIN, pa.array(["mined"] * rows, pa.string()))
        file = write_documents(folder, self.name, self.format, table)
        words = int(table.column("words").to_numpy().sum())
        return Entry(self.name, self.fingerprint, (file,), {"kept": rows}, {"words": words})

    def _chosen(self, start: int, documents: Source, labels: Source, retrieved: Source) -> Iterator[pa.RecordBatch]:
        domain = self.selection.domain
        score, first = score_column(domain), round_column(domain)
        seed, near = nearest_column(domain), similarity_column(domain)
        there = set(store.read_schema(documents.path).names)
        page = [name for name in _PAGE_COLUMNS if name in there]
        inputs = [(documents, (*_COLUMNS, *page)), (labels, [score, first, "labels"]), (retrieved, [seed, near])]
        for batch in aligned_batches(inputs):
            values = batch.column(score).to_numpy(zero_copy_only=False)
            cut = np.float32(self.selection.threshold)
            keep = values >= cut
            if self.selection.last_at_threshold is not None:
                keep &= (values > cut) | (np.arange(start, start + len(values)) <= self.selection.last_at_threshold)
            start += batch.num_rows
            if not keep.any():
                continue
            kept = batch.filter(pa.array(keep))
            names = [self.seeds[number] if number >= 0 else None for number in kept.column(seed).to_pylist()]
            columns = {name: pa.nulls(kept.num_rows, pa.string()) for name in _PAGE_COLUMNS}
            columns |= {name: kept.column(name) for name in (*_COLUMNS, *page, "labels")}
            columns |= {"score": kept.column(score), "round": kept.column(first), "similarity": kept.column(near)}
            columns |= {"seed": pa.array(names, pa.string())}
            yield pa.RecordBatch.from_arrays([columns[name] for name in EXPORTED.names], schema=EXPORTED)


def write_documents(folder: Path, name: str, format: str, table: pa.Table) -> ShardFile:
    """Write exported documents.

    Args:
        folder: The folder of all domains.
        name: `<domain>/<file>`, without an ending.
        format: `jsonl` or `parquet`.
        table: With the columns of `EXPORTED`, at least.
    """
    path = folder / f"{name}.{format}"
    store.make_folder(path.parent)
    if format == "parquet":
        digest, size = store.write_table(path, table)
    else:
        data = "".join(f"{line}\n" for line in _json_lines(table)).encode()
        store.write_bytes(path, data)
        digest, size = bytes_digest(data), len(data)
    return ShardFile(f"{name}.{format}", table.num_rows, size, digest)


def _json_lines(table: pa.Table) -> Iterator[str]:
    for batch in table.to_batches(max_chunksize=1024):
        for row in batch.to_pylist():
            row["score"] = round(row["score"], 6)
            row["similarity"] = round(row["similarity"], 6)
            row["metadata"] = json.loads(row["metadata"]) if row["metadata"] else {}
            yield json.dumps(row, ensure_ascii=False)


def export_tasks(
    selections: Sequence[Selection],
    format: str,
    documents: Dataset,
    labels: Dataset,
    retrieved: Dataset,
    seeds: Sequence[str],
    with_origin: bool = False,
) -> list[ExportTask]:
    """Plan the export of all domains, with files of about 50,000 documents.

    Args:
        selections: What is exported, one a domain.
        format: `jsonl` or `parquet`.
        documents: The corpus's documents.
        labels: Their labels.
        retrieved: Their nearest seeds.
        seeds: Ids of seeds by number.
        with_origin: Whether each document says that it was mined.

    Returns:
        The tasks; their output folder is the one that holds all domains.
    """
    documents.check_side(labels)
    documents.check_side(retrieved)
    parts: list[tuple[int, Source, Source, Source]] = []
    start = 0
    for shard in documents.shards:
        parts.append((start, documents.source(shard), labels.source(shard), retrieved.source(shard)))
        start += documents.shards[shard].files[0].rows
    tasks = []
    for selection in selections:
        files = max(1, -(-selection.documents // _DOCUMENTS_PER_FILE))
        group = max(1, -(-len(parts) // files))
        for number, at in enumerate(range(0, len(parts), group)):
            name = f"{selection.domain}/part-{number:05d}"
            tasks.append(ExportTask(name, selection, format, tuple(parts[at : at + group]), tuple(seeds), with_origin))
    return tasks


def read_export(folder: Path) -> Iterator[dict[str, Any]]:
    """Read an exported domain's documents, in either format.

    Args:
        folder: `OUT/domains/<name>`.

    Yields:
        Records with the fields of `EXPORTED`.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix == ".jsonl":
            with path.open(encoding="utf-8") as stream:
                yield from map(json.loads, stream)
        elif path.suffix == ".parquet":
            yield from store.read_table(path).to_pylist()
