"""Recall of a vector index against the exact search, and the choice of how many partitions a query probes.

Recall at k is the share of the exact k nearest documents that is found; a document as near as the k-th exact one
counts as that one, so that ties do not look like misses. For an index it is measured on stored documents as queries,
themselves left out of the answers; for mining on the seeds, which is what it is used for there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motherlode.encode.sample import sample_documents
from motherlode.encode.vectors import COLUMN, Vectors, from_column
from motherlode.mining import lance_index
from motherlode.mining.retrieve import Neighbours, SeedMatrix
from motherlode.mining.search import nearest
from motherlode.shards.dataset import Dataset

RECALL_AT = (10, 200)
WANTED_RECALL = 0.95
_QUERIES = 200
_SCAN_QUERIES = 50  # of a scan, which only rounding can keep from the exact answer
_FIRST_PROBES = 8
_NOWHERE = -2.0  # below any cosine: the query itself, and documents without a vector
_TOLERANCE = 1e-6  # of a cosine: float32 products differ in the last digits with the shape of the matrix


def recall_of(neighbours: Neighbours, seeds: SeedMatrix, vectors: Vectors, top_k: int, sample: int = 50) -> float:
    """Measure which share of the exact nearest documents of seeds was found.

    Args:
        neighbours: What was found.
        seeds: The seeds.
        vectors: The vectors of the corpus.
        top_k: How many nearest documents of each seed count.
        sample: Seeds on which it is measured, evenly spaced.

    Returns:
        The share, 0 to 1.
    """
    chosen = np.unique(np.linspace(0, len(seeds.vectors) - 1, sample).astype(np.int64))
    chosen = chosen[seeds.vectors[chosen].any(axis=1)]
    best = _largest(vectors, seeds.vectors[chosen], top_k)
    shares = [_share(best[row], neighbours.similarity[neighbours.seed == seed]) for row, seed in enumerate(chosen)]
    return float(np.mean(shares)) if shares else 1.0


def _largest(
    vectors: Vectors, queries: NDArray[np.float32], k: int, own: Sequence[tuple[str, int]] = ()
) -> NDArray[np.float32]:
    """Return the k largest cosines of each query over all vectors, `[q, k]` descending, its own row left out."""
    best = np.zeros((len(queries), 0), dtype=np.float32)
    for shard, matrix in vectors.matrices():
        known = matrix.any(axis=1)
        similarity = queries @ matrix.T
        for row, (name, inside) in enumerate(own):
            if name == shard:
                similarity[row, inside] = _NOWHERE
        similarity[:, ~known] = _NOWHERE
        best = np.concatenate([best, similarity], axis=1)
        if best.shape[1] > k:
            best = -np.partition(-best, k, axis=1)[:, :k]
    return -np.sort(-best, axis=1)


def _share(best: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Return which share of the largest cosines was found; documents as near as the last one count as that one."""
    real = best[best > _NOWHERE]
    if not len(real):
        return 1.0
    return min(1.0, float((found >= real[-1] - _TOLERANCE).sum()) / len(real))


def measure(
    dataset: Any, documents: Dataset, vectors: Vectors, parameters: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[int, float], int, float, float]:
    """Measure an index, and choose how many partitions a query probes: the fewest that reach `WANTED_RECALL`.

    Args:
        dataset: The Lance dataset.
        documents: The corpus's documents.
        vectors: Their vectors.
        parameters: Of the index.

    Returns:
        The parameters with `nprobes`, recall by k, number of queries, seconds of a query exactly and by the index.
    """
    own: list[tuple[str, int]] = []
    parts = []
    count = _QUERIES if "partitions" in parameters else _SCAN_QUERIES
    for shard, rows, batch in sample_documents(documents, count, 0).batches([(vectors, [COLUMN])]):
        matrix = from_column(batch.column(COLUMN))
        known = matrix.any(axis=1)
        parts.append(matrix[known])
        own += [(shard, int(row)) for row in rows[known]]
    queries = np.concatenate(parts)
    if not len(queries):
        return {**parameters, **({"nprobes": 1} if "partitions" in parameters else {})}, {}, 0, 0.0, 0.0
    best = _largest(vectors, queries, max(RECALL_AT), own)
    chosen = dict(parameters)
    probes = _FIRST_PROBES
    while True:
        if "partitions" in chosen:
            chosen["nprobes"] = min(probes, chosen["partitions"])
        recall, ann = _recall(dataset, queries, own, best, chosen)
        if "partitions" not in chosen or min(recall.values()) >= WANTED_RECALL or probes >= chosen["partitions"]:
            break
        probes *= 2
    seconds = []
    for query in queries[:3]:
        started = time.perf_counter()
        nearest(vectors, query, min(RECALL_AT))
        seconds.append(time.perf_counter() - started)
    return chosen, recall, len(queries), float(np.median(seconds)), ann


def _recall(
    dataset: Any,
    queries: NDArray[np.float32],
    own: Sequence[tuple[str, int]],
    best: NDArray[np.float32],
    parameters: Mapping[str, Any],
) -> tuple[dict[int, float], float]:
    recall: dict[int, float] = {}
    seconds: list[float] = []
    for k in RECALL_AT:
        shares = []
        for row, query in enumerate(queries):
            started = time.perf_counter()
            found = lance_index.ask(dataset, query, k + 1, parameters)
            if k == min(RECALL_AT):
                seconds.append(time.perf_counter() - started)
            others = [similarity for similarity, shard, inside in found if (shard, inside) != own[row]]
            shares.append(_share(best[row, :k], np.array(others[:k], dtype=np.float32)))
        recall[k] = float(np.mean(shares))
    return recall, float(np.median(seconds))
