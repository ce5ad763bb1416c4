"""The first stage of `corpus build`: from a split of the input to cleaned documents with a content key.

A task reads its split record by record, maps fields, runs the per-document steps on batches, and writes staging
shards. Duplicates are decided later, over all shards; each document therefore carries a 128-bit key of its content.
Whatever becomes of a record is counted by stage, reason and source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from motherlode.corpus.columns import RECORD, STAGED
from motherlode.corpus.fields import MOST_NAMES, Fields, no_text_field
from motherlode.corpus.filters import without_surrogates
from motherlode.corpus.outcomes import QUARANTINED, READ, Outcomes
from motherlode.corpus.readers import read_split
from motherlode.corpus.record import Record
from motherlode.corpus.rejected import MARK, REJECTED, rejected_rows
from motherlode.corpus.sources import WEB_FORMATS, Split
from motherlode.corpus.staging import ShardWriter, staged_rows, staged_stats
from motherlode.corpus.web.reader import WebReading
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.manifest import Entry, merge_stats
from motherlode.shards.step import Step, StepFunction, apply, opened
from motherlode.shards.task import QUARANTINE_SCHEMA, write_shard

BATCH_RECORDS = 1024
BATCH_CHARACTERS = 16 << 20  # a batch of long documents has fewer records
FIELDS_WITHOUT_TEXT = "fields_without_text"


@dataclass(frozen=True)
class ReadTask:
    """One split, read, cleaned and written as staging shards."""

    name: str
    split: Split
    fields: Fields
    steps: tuple[Step, ...]
    shard_rows: int
    shard_bytes: int
    web: WebReading
    keep_rejected: bool = False

    @property
    def fingerprint(self) -> str:
        """Digest of the input's content and of all that is done with it."""
        files = [
            [file.name, file.digest, file.format, file.compression, *([file.delimiter] if file.delimiter else [])]
            for file in self.split.files
        ]
        mapping = [self.fields.text, self.fields.id, self.fields.source]
        steps = [step.fingerprint for step in self.steps]
        shards = [self.shard_rows, self.shard_bytes, self.keep_rejected]
        web = self.web.settings() if any(file.format in WEB_FORMATS for file in self.split.files) else None
        return fingerprint("read", 4, files, self.split.start, self.split.stop, mapping, steps, shards, web)

    @property
    def size(self) -> int:
        """Bytes of input."""
        return self.split.bytes

    def run(self, folder: Path) -> Entry:
        """Read the split into staging shards.

        Raises:
            InputError: A file cannot be opened, or begins with a whole batch of records without the text field.
        """
        writer = ShardWriter(folder, self.name, STAGED, self.shard_rows, self.shard_bytes)
        rejected = ShardWriter(folder, f"{self.name}{MARK}", REJECTED, self.shard_rows, self.shard_bytes)
        found = _Found()
        without_field = f"no field '{self.fields.text}'"
        functions = [(step, opened(step)) for step in self.steps]
        for records in _batched(read_split(self.split, self.fields.text, self.fields.id, self.web)):
            batch = self._map(records, found, without_field)
            counts = found.outcomes.counts
            without_text = counts[f"dropped:{without_field}"]
            if without_text == counts[READ] >= BATCH_RECORDS and self.split.start == 0:
                raise no_text_field(self.fields.text, found.names, str(self.split.files[0].path))
            staged = staged_rows(_filter(functions, batch, found, rejected if self.keep_rejected else None))
            found.stats.append(staged_stats(staged))
            writer.add(staged)
        files = writer.finish() + rejected.finish()
        if found.quarantine:
            table = pa.Table.from_pylist(found.quarantine, QUARANTINE_SCHEMA)
            files.append(write_shard(folder, f"{self.name}.quarantine.parquet", table))
        for extra, tables in sorted(found.extras.items()):
            files.append(write_shard(folder, f"{self.name}.{extra}.parquet", pa.concat_tables(tables)))
        if found.names:
            found.stats.append({FIELDS_WITHOUT_TEXT: dict(found.names.most_common(MOST_NAMES))})
        found.stats.append(found.outcomes.stats())
        outcome = {**found.outcomes.counts, "kept": writer.rows}
        return Entry(self.name, self.fingerprint, tuple(files), outcome, merge_stats(found.stats))

    def _map(self, records: Sequence[Record], found: _Found, without_field: str) -> pa.RecordBatch:
        """Return the rows of records that have a text, and note what became of the others."""
        rows: list[tuple[Any, ...]] = []
        for record in records:
            source = self.fields.source_of(record)
            found.outcomes.add(READ, [source])
            if record.dropped is not None:
                found.outcomes.drop(READ, record.dropped, [source])
                continue
            try:
                row = None if record.fields is None else self.fields.row(record, record.fields)
            except Exception as error:  # noqa: BLE001 - whatever a record provokes is kept with the record
                record = replace(record, fields=None, error=f"{type(error).__name__}: {error}"[:500])  # noqa: PLW2901
            if record.fields is None:
                found.outcomes.add(QUARANTINED, [source])
                found.quarantine.append(_bad(record.file, record.location, record.error or "", record.raw))
            elif row is None:
                found.outcomes.drop(READ, without_field, [source])
                found.names.update(list(record.fields)[:MOST_NAMES])
            else:
                rows.append(row)
        columns = zip(*rows, strict=True) if rows else [()] * len(RECORD)
        arrays = [pa.array(column, kind.type) for column, kind in zip(columns, RECORD, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=RECORD)


@dataclass
class _Found:
    """What a task finds beside documents that stay."""

    outcomes: Outcomes = field(default_factory=Outcomes)
    quarantine: list[dict[str, str]] = field(default_factory=list)
    stats: list[Mapping[str, Any]] = field(default_factory=list)
    extras: dict[str, list[pa.Table]] = field(default_factory=dict)
    names: Counter[str] = field(default_factory=Counter)  # of fields of records that have no text


def _filter(
    functions: Sequence[tuple[Step, StepFunction]], batch: pa.RecordBatch, found: _Found, rejected: ShardWriter | None
) -> pa.RecordBatch:
    """Run the steps over a batch, and return the rows that stay."""
    for step, function in functions:
        if batch.num_rows == 0:
            break
        result, failures = apply(step, function, batch)
        found.stats.append(result.stats)
        for extra, table in result.extras.items():
            found.extras.setdefault(extra, []).append(table)
        keep = np.ones(batch.num_rows, dtype=bool)
        for failure in failures:
            keep[failure.row] = False
            row = batch.slice(failure.row, 1).to_pylist()[0]
            found.outcomes.add(QUARANTINED, [row["source"]])
            found.quarantine.append(_bad(row["origin"], row["location"], failure.error, row["text"][:2000]))
        if result.dropped is not None:
            gone = result.dropped.is_valid().to_numpy(zero_copy_only=False) & keep
            if gone.any():
                lost, reasons = batch.filter(pa.array(gone)), result.dropped.filter(pa.array(gone))
                for reason, source in zip(reasons.to_pylist(), lost.column("source").to_pylist(), strict=True):
                    found.outcomes.drop(step.name, reason, [source])
                if rejected is not None:
                    stages = pa.array([step.name] * lost.num_rows, pa.string())
                    rejected.add(rejected_rows(lost, stages, reasons))
            keep &= ~gone
        for written in step.writes:
            place = batch.schema.get_field_index(written.name)
            column = result.columns[written.name].cast(written.type)
            batch = batch.append_column(written, column) if place < 0 else batch.set_column(place, written, column)
        if not keep.all():
            batch = batch.filter(pa.array(keep))
    return batch


def _bad(origin: str, location: str, error: str, raw: str) -> dict[str, str]:
    bad = {"origin": origin, "location": location, "error": error, "record": raw}
    return {key: without_surrogates(value) for key, value in bad.items()}


def _batched(records: Iterator[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    characters = 0
    for record in records:
        batch.append(record)
        characters += sum(len(value) for value in (record.fields or {}).values() if isinstance(value, str | bytes))
        if len(batch) == BATCH_RECORDS or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def read_tasks(
    splits: Sequence[Split],
    fields: Fields,
    steps: Mapping[str, Sequence[Step]],
    shard_rows: int,
    shard_bytes: int,
    web: WebReading | None = None,
    keep_rejected: bool = False,
) -> list[ReadTask]:
    """Plan one task a split.

    Args:
        splits: The input.
        fields: Which fields of a record mean what.
        steps: The per-document steps in order, by format of the input.
        shard_rows: Documents in a shard, at most.
        shard_bytes: Bytes of text in a shard, at most about.
        web: How pages are read.
        keep_rejected: Whether what the steps drop is written beside the staging shards.
    """
    how = web or WebReading()
    return [
        ReadTask(
            f"split-{number:06d}",
            split,
            fields,
            tuple(steps[split.files[0].format]),
            shard_rows,
            shard_bytes,
            how,
            keep_rejected,
        )
        for number, split in enumerate(splits)
    ]
