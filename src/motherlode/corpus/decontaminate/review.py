"""The review table of a corpus, summed up by evaluation file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from motherlode.corpus.decontaminate.step import REVIEW
from motherlode.shards import store

FOLDER = "contamination"


def read_review(folder: Path) -> pa.Table | None:
    """Return the review table of a corpus (`step.REVIEW`), None if it was not held against anything."""
    files = sorted((folder / FOLDER).glob("*.parquet"))
    return pa.concat_tables([store.read_table(file) for file in files]) if files else None


def summarise(folder: Path, asked: bool = False) -> list[dict[str, Any]] | None:
    """Count, for each evaluation file, the documents and items that matched.

    Args:
        folder: Of a corpus.
        asked: Whether its build held it against evaluation items, which leaves no table if none was found.

    Returns:
        One row a file: `file`, `documents`, `items`, `longest` (words in a row), and `example` (the longest span);
        None if the corpus was not held against anything.
    """
    if not (folder / FOLDER).exists():
        return [] if asked else None
    documents: dict[str, set[tuple[str, str, str]]] = {}
    items: dict[str, set[str]] = {}
    longest: dict[str, tuple[int, str]] = {}
    columns = ["document", "origin", "location", "file", "item", "words", "span"]
    for path in sorted((folder / FOLDER).glob("*.parquet")):
        for row in store.read_table(path, columns=columns, schema=REVIEW).to_pylist():
            documents.setdefault(row["file"], set()).add((row["document"], row["origin"], row["location"]))
            items.setdefault(row["file"], set()).add(row["item"])
            longest[row["file"]] = max(longest.get(row["file"], (0, "")), (row["words"], row["span"]))
    return [
        {
            "file": file,
            "documents": len(documents[file]),
            "items": len(items[file]),
            "longest": longest[file][0],
            "example": longest[file][1],
        }
        for file in sorted(documents, key=lambda file: (-len(documents[file]), file))
    ]
