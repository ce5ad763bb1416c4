"""The step that writes, beside every staging shard, what near-duplicates are decided by: band keys and a rank."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from motherlode.corpus.near_duplicates.minhash import band_keys, shingles, signatures
from motherlode.corpus.near_duplicates.options import NearDuplicateOptions
from motherlode.corpus.words import text_runs
from motherlode.shards import store
from motherlode.shards.dataset import Source
from motherlode.shards.step import Step, StepFunction, StepResult
from motherlode.shards.task import MapTask

RANK = "rank"


def band_column(band: int) -> str:
    """Return the name of the column of a band's keys."""
    return f"band_{band:03d}"


class MarkNearDuplicates(Step):
    """Write band keys (null for a text without words), and the rank by which a document stays."""

    name: ClassVar[str] = "near-duplicate marks"

    def __init__(self, options: NearDuplicateOptions, scored: bool) -> None:
        """Describe the step.

        Args:
            options: What can be set.
            scored: Whether the shards have the score as a column; else it is looked for in the metadata.
        """
        self.bands, self.rows = options.bands_and_rows
        self.ngram, self.keep = options.near_duplicate_ngram, options.near_duplicate_keep
        self.field = options.quality_field if self.keep == "quality" else ""
        self.scored = scored and self.keep == "quality"
        rank = {"first": (), "longest": ("words",), "quality": (self.field if self.scored else "metadata",)}
        self.reads = ("text", *rank[self.keep])  # type: ignore[misc]  # depends on the keep rule

    @property
    def writes(self) -> pa.Schema:
        """One column of keys a band, and the rank."""
        keys = [(band_column(band), pa.uint64()) for band in range(self.bands)]
        return pa.schema([*keys, (RANK, pa.float64())])

    def settings(self) -> Mapping[str, Any]:
        """Everything that keys and ranks depend on."""
        return {
            "bands": self.bands,
            "rows": self.rows,
            "ngram": self.ngram,
            "keep": self.keep,
            "field": self.field,
            "scored": self.scored,
        }

    def open(self) -> StepFunction:
        """Return the function."""

        def mark(batch: pa.RecordBatch) -> StepResult:
            texts = batch.column("text").to_pylist()
            keys, missing = [], []
            for run in text_runs(texts):
                found = shingles(run, self.ngram)
                keys.append(band_keys(signatures(found, self.bands * self.rows), self.bands, self.rows))
                missing.append(np.diff(found.bounds) == 0)
            without = np.concatenate(missing) if missing else np.zeros(0, dtype=bool)
            table = np.concatenate(keys) if keys else np.zeros((0, self.bands), dtype=np.uint64)
            columns = {
                band_column(band): pa.array(np.ascontiguousarray(table[:, band]), mask=without)
                for band in range(self.bands)
            }
            return StepResult({**columns, RANK: pa.array(self._ranks(batch), pa.float64())})

        return mark

    def _ranks(self, batch: pa.RecordBatch) -> Sequence[float]:
        if self.keep == "first":
            return [0.0] * batch.num_rows
        values = batch.column(self.reads[1]).to_pylist()
        if self.keep == "quality" and not self.scored:
            values = [json.loads(value).get(self.field) if value else None for value in values]
        return [_number(value) for value in values]


def _number(value: Any) -> float:
    """Return a score as a number; documents without one, or with none that compares, come last."""
    if isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value):
        return float(value)
    return -math.inf


def mark_tasks(shards: Sequence[Source], options: NearDuplicateOptions) -> list[MapTask]:
    """Plan one task a staging shard."""
    if not shards:
        return []
    step = MarkNearDuplicates(options, scored=options.quality_field in store.read_schema(shards[0].path).names)
    return [MapTask(shard.path.stem, step, shard, ((shard, step.reads),)) for shard in shards]
