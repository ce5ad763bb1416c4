"""Search: the documents nearest to a query, exactly, over stored vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from motherlode.corpus.corpus import Corpus
from motherlode.encode.vectors import Vectors, encode_texts
from motherlode.errors import InputError

_ROUNDING = 1e-6  # of a cosine as a float32 matrix product


@dataclass(frozen=True)
class Hit:
    """One document found.

    Attributes:
        id: Its id.
        similarity: Cosine to the query.
        text: Its text.
        source: Where it comes from.
    """

    id: str
    similarity: float
    text: str
    source: str


def search(corpus: Corpus, query: str, k: int = 10, encoder: str | None = None) -> list[Hit]:
    """Find the documents nearest to a query.

    Args:
        corpus: A corpus with vectors.
        query: Any text.
        k: How many documents, 1 or more.
        encoder: Which vectors; by default the only ones there are.

    Returns:
        The nearest documents, best first; ties in the order of the corpus.

    Raises:
        InputError: No vectors, an empty query, a query of unknown words, or k below 1.
    """
    vectors, wanted = query_vector(corpus, query, k, encoder)
    return fetch(corpus, nearest(vectors, wanted, k))


def query_vector(
    corpus: Corpus, query: str, k: int, encoder: str | Vectors | None
) -> tuple[Vectors, np.ndarray[Any, np.dtype[np.float32]]]:
    """Check and encode a query.

    Args:
        corpus: A corpus with vectors.
        query: Any text.
        k: How many documents are wanted.
        encoder: Which vectors, or these themselves; by default the only ones there are.

    Returns:
        The vectors to search, and the query as `[d] float32` of unit length.

    Raises:
        InputError: As for `search`.
    """
    if k < 1:
        raise InputError(f"{k} is not a number of documents", where="-k", hint="use 1 or more")
    if not query.strip():
        raise InputError("the query is empty", where="QUERY")
    vectors = encoder if isinstance(encoder, Vectors) else corpus.vectors(encoder)
    wanted = encode_texts(vectors.encoder, [query])[0]
    if not wanted.any():
        raise InputError(
            "no word of the query tells documents apart: each occurs in none, or in all",
            where="QUERY",
            hint="use other words",
        )
    return vectors, wanted


def nearest(vectors: Vectors, query: np.ndarray, k: int) -> list[tuple[float, str, int]]:
    """Scan all vectors for the k largest cosines.

    Args:
        vectors: The vectors.
        query: `[d] float32` of unit length.
        k: How many.

    Returns:
        (cosine, shard, row), best first.
    """
    best: list[tuple[float, int, str, int]] = []
    for number, (shard, matrix) in enumerate(vectors.matrices()):
        similarity = matrix @ query
        least = -np.inf if len(similarity) <= k else np.partition(similarity, -k)[-k]
        top = np.flatnonzero(similarity >= least - _ROUNDING)  # with all that may tie with the last one
        exact = cosines(matrix[top], query)
        best += [(-float(value), number, shard, int(row)) for value, row in zip(exact, top, strict=True)]
        best = sorted(best, key=lambda hit: (hit[0], hit[1], hit[3]))[:k]
    return [(-negative, shard, row) for negative, _, shard, row in best]


def cosines(matrix: np.ndarray[Any, Any], query: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the products of rows `[n, d]` with a unit vector `[d]`, each the same wherever its row stands.

    The last digits of a float32 matrix product depend on a row's place in the matrix, so that equal documents would not
    tie.
    """
    products: np.ndarray[Any, np.dtype[np.float64]] = (matrix.astype(np.float64) * query.astype(np.float64)).sum(axis=1)
    return products


def fetch(corpus: Corpus, places: list[tuple[float, str, int]]) -> list[Hit]:
    """Read the documents at some places.

    Args:
        corpus: The corpus.
        places: (cosine, shard, row).

    Returns:
        The documents in the same order.
    """
    found: dict[tuple[str, int], dict[str, str]] = {}
    for shard in sorted({shard for _, shard, _ in places}):
        rows = sorted(row for _, name, row in places if name == shard)
        batches = corpus.documents.source(shard).batches(["id", "text", "source"])
        table = pa.Table.from_batches(list(batches)).take(rows)
        found |= {(shard, row): record for row, record in zip(rows, table.to_pylist(), strict=True)}
    return [
        Hit(record["id"], similarity, record["text"], record["source"])
        for similarity, shard, row in places
        for record in [found[shard, row]]
    ]
