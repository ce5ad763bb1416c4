"""Helpers of the corpus tests: writing inputs, building in this process, reading what came out."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import zstandard

from motherlode.corpus.corpus import Corpus
from motherlode.shards.engine import LocalEngine

LONG = "five words are enough here"


def write_lines(path: Path, records: Iterable[Any], end: str = "\n") -> Path:
    """Write JSON lines, compressed as the name says; text stands as it is."""
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    return write_data(path, "".join(line + end for line in lines).encode("utf-8", "surrogatepass"))


def write_data(path: Path, data: bytes) -> Path:
    """Write bytes, compressed as the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        data = gzip.compress(data, 1)
    elif path.suffix == ".zst":
        data = zstandard.ZstdCompressor().compress(data)
    path.write_bytes(data)
    return path


def build(inputs: Any, out: Path, **settings: Any) -> Corpus:
    """Build a corpus in this process, and check what holds for every corpus."""
    corpus = Corpus.build(inputs, out, engine=LocalEngine(1, quiet=True), **settings)
    stats = corpus.stats()
    assert stats.adds_up, stats
    assert stats.kept == len(corpus) == len(documents(corpus))
    assert stats.quarantined == len(quarantine(corpus))
    names = {path.name for path in out.iterdir()} - {".lock"}
    optional = {"quarantine", "duplicates", "rejected", "contamination"}
    assert {"documents", "manifest.jsonl"} <= names <= {"documents", "manifest.jsonl", *optional}
    ids = [row["id"] for row in documents(corpus)]
    assert len(set(ids)) == len(ids)
    return corpus


def documents(corpus: Corpus) -> list[dict[str, Any]]:
    """Return all documents."""
    columns = ["id", "text", "source", "words", "metadata"]
    return [row for batch in corpus.batches(columns) for row in batch.to_pylist()]


def texts(corpus: Corpus) -> list[str]:
    """Return all texts."""
    return [row["text"] for row in documents(corpus)]


def quarantine(corpus: Corpus) -> list[dict[str, str]]:
    """Return all records in quarantine."""
    return [row for path in sorted((corpus.folder / "quarantine").glob("*")) for row in pq.read_table(path).to_pylist()]
