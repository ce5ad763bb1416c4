"""The step of a build that removes or tags documents which hold evaluation items, and its review table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from motherlode.corpus.columns import content_key
from motherlode.corpus.decontaminate.match import Decontaminator, Match
from motherlode.corpus.decontaminate.options import DecontaminateOptions
from motherlode.shards import store
from motherlode.shards.step import Step, StepFunction, StepResult

REASON = "contaminated"
EXTRA = "contamination"
TAG = "contaminated"  # the key in the metadata of tagged documents
_MOST_TAGS = 8
REVIEW = pa.schema(
    [
        ("document", pa.string()),
        ("origin", pa.string()),
        ("location", pa.string()),
        ("file", pa.string()),
        ("item", pa.string()),
        ("field", pa.string()),
        ("kind", pa.string()),
        ("words", pa.int32()),
        ("share", pa.float32()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("span", pa.string()),
        ("evaluation_span", pa.string()),
    ]
)


class Decontaminate(Step):
    """Hold every document against evaluation items."""

    name: ClassVar[str] = "decontaminate"
    version = 2
    reads = ("id", "text", "metadata", "origin", "location")

    def __init__(self, items: Path, digest: str, options: DecontaminateOptions) -> None:
        """Describe the step.

        Args:
            items: A Parquet file with the items, as `items.ITEMS`.
            digest: The digest of its content.
            options: What can be set.
        """
        self.items, self.digest, self.options = items, digest, options

    @property
    def writes(self) -> pa.Schema:
        """Where documents are tagged: the metadata, and the id, which later steps then do not change."""
        tag = self.options.contaminated == "tag"
        return pa.schema([("id", pa.string()), ("metadata", pa.string())] if tag else [])

    def settings(self) -> Mapping[str, Any]:
        """Items and options; not where the items lie."""
        options = self.options.model_dump(include=set(DecontaminateOptions.model_fields))
        del options["decontaminate"], options["decontaminate_tasks"]
        return {"items": self.digest, **options}

    def open(self) -> StepFunction:
        """Index the items, and return the function."""
        search = Decontaminator(store.read_table(self.items), self.options)
        tag = self.options.contaminated == "tag"

        def decontaminate(batch: pa.RecordBatch) -> StepResult:
            found = search.check(batch.column("text").to_pylist())
            columns = {"id": batch.column("id"), "metadata": batch.column("metadata")} if tag else {}
            if not any(found):
                return StepResult(columns)
            rows = [row for row, matches in enumerate(found) if matches]
            taken = batch.take(pa.array(rows)).to_pylist()
            review = [_review(row, match) for row, place in zip(taken, rows, strict=True) for match in found[place]]
            extras = {EXTRA: pa.Table.from_pylist(review, REVIEW)}
            if tag:
                ids, metadata = batch.column("id").to_pylist(), batch.column("metadata").to_pylist()
                for row, document in zip(rows, taken, strict=True):
                    ids[row] = _identity(document)
                    metadata[row] = _tagged(metadata[row], found[row])
                return StepResult(
                    {"id": pa.array(ids, pa.string()), "metadata": pa.array(metadata, pa.string())},
                    stats={"tagged_contaminated": len(rows)},
                    extras=extras,
                )
            dropped: list[str | None] = [None] * batch.num_rows
            for row in rows:
                dropped[row] = REASON
            return StepResult(columns, pa.array(dropped, pa.string()), extras=extras)

        return decontaminate


def _identity(row: Mapping[str, Any]) -> str:
    return row["id"] or content_key(row["text"]).hex()


def _review(row: Mapping[str, Any], match: Match) -> dict[str, Any]:
    return {"document": _identity(row), "origin": row["origin"], "location": row["location"], **vars(match)}


def _tagged(metadata: str | None, matches: list[Match]) -> str:
    values = json.loads(metadata) if metadata else {}
    tags = dict.fromkeys(f"{match.file}:{match.item}" for match in matches)
    return json.dumps({**values, TAG: list(tags)[:_MOST_TAGS]}, ensure_ascii=False)
