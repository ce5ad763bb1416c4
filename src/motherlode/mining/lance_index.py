"""The index over vectors in a Lance dataset: whether one pays, how it is built and kept, how it is asked.

Partitions are found by k-means here and not by Lance: with a random seed, so that the same corpus gives the same
partitions, and at a tenth of the time (94,000 vectors of 256 dimensions: 7 s against 72 s with Lance's own choice of
306 partitions).
"""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motherlode.encode.sample import sample_documents
from motherlode.encode.vectors import COLUMN, Vectors, from_column
from motherlode.mining.lance_store import lance_errors
from motherlode.mining.search import cosines
from motherlode.shards.dataset import Dataset

SCAN = "scan"
KINDS = (SCAN, "IVF_FLAT", "IVF_SQ")
_SCAN_ROWS = 100_000  # below, comparing everything takes 40 ms (94,000 vectors of 256 dimensions) and loses nothing
_FLAT_ROWS = 2_000_000  # above, vectors in the index are stored in 8 bits
_PARTITION_ROWS = 2048
_SAMPLE_OF_PARTITION = 256
_RETRAIN_SHARE = 0.25  # share of rows added or removed since the partitions were found, from which on they are again


def kind_for(rows: int) -> str:
    """Return the kind of index that suits a number of vectors."""
    return SCAN if rows < _SCAN_ROWS else "IVF_FLAT" if rows < _FLAT_ROWS else "IVF_SQ"


def train(
    dataset: Any,
    location: str,
    documents: Dataset,
    vectors: Vectors,
    kind: str,
    before: Mapping[str, Any],
    changed: int,
    random_seed: int = 0,
) -> dict[str, Any]:
    """Build the index over a store's vectors, or bring it up to date.

    Args:
        dataset: The Lance dataset.
        location: Where it lies.
        documents: The corpus's documents.
        vectors: Their vectors.
        kind: One of `KINDS`.
        before: The parameters of the index that is there; empty if there is none of this kind.
        changed: Rows added or removed since then.
        random_seed: Seed of the k-means.

    Returns:
        The parameters: metric, partitions, rows at the last training, rows changed since.

    Raises:
        MotherlodeError: Lance failed.
    """
    names = {index.name for index in dataset.describe_indices()}
    rows = documents.rows
    with lance_errors(location):
        if kind == SCAN:
            if COLUMN in names:
                dataset.drop_index(COLUMN)
            return {"metric": "cosine"}
        changed += int(before.get("changed_rows", 0))
        if COLUMN in names and before and changed <= _RETRAIN_SHARE * before["trained_rows"]:
            if changed:
                dataset.optimize.optimize_indices(index_names=[COLUMN])
            return {**before, "changed_rows": changed}
        centroids = _centroids(documents, vectors, min(max(rows // _PARTITION_ROWS, 16), int(rows**0.5)), random_seed)
        dataset.create_index(
            COLUMN,
            kind,
            name=COLUMN,
            metric="cosine",
            num_partitions=len(centroids),
            ivf_centroids=centroids,
            replace=True,
        )
    return {
        "metric": "cosine",
        "partitions": len(centroids),
        "random_seed": random_seed,
        "trained_rows": rows,
        "changed_rows": 0,
        **({"refine_factor": 2} if kind == "IVF_SQ" else {}),
    }


def _centroids(documents: Dataset, vectors: Vectors, count: int, random_seed: int) -> NDArray[np.float16]:
    """Find the centres of partitions in a sample of the corpus."""
    from sklearn.cluster import MiniBatchKMeans

    drawn = sample_documents(documents, count * _SAMPLE_OF_PARTITION, random_seed)
    sample = np.concatenate([from_column(batch.column(COLUMN)) for *_, batch in drawn.batches([(vectors, [COLUMN])])])
    sample = sample[sample.any(axis=1)]
    model = MiniBatchKMeans(min(count, len(sample)), random_state=random_seed, batch_size=4096, n_init=1, max_iter=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer distinct points than partitions
        model.fit(sample)
    centres: NDArray[np.float16] = model.cluster_centers_.astype(np.float16)
    return centres


def ask(
    dataset: Any, query: NDArray[np.float32], k: int, parameters: Mapping[str, Any], where: str | None = None
) -> list[tuple[float, str, int]]:
    """Find the vectors nearest to one.

    Args:
        dataset: The Lance dataset.
        query: `[d] float32` of unit length.
        k: How many.
        parameters: Of the index; `nprobes` and `refine_factor` are used.
        where: A filter on the store's columns, in Lance's SQL.

    Returns:
        (cosine, shard, row), best first; the cosines are computed anew from the stored vectors, as the exact search
        does, and ties are in the order of the corpus.
    """
    chosen = {name: parameters[name] for name in ("nprobes", "refine_factor") if name in parameters}
    more = k + 8 + k // 8  # Lance divides by the lengths of rounded vectors: near ties change places around the k-th
    nearest = {"column": COLUMN, "q": query, "k": more, "metric": "cosine", **chosen}
    table = dataset.to_table(
        columns=["shard", "row", COLUMN, "_distance"], nearest=nearest, filter=where, prefilter=where is not None
    ).combine_chunks()
    if not table.num_rows:
        return []
    similarity = cosines(from_column(table.column(COLUMN).chunk(0)), query)
    found = zip(similarity.tolist(), table.column("shard").to_pylist(), table.column("row").to_pylist(), strict=True)
    return sorted(found, key=lambda hit: (-hit[0], hit[1], hit[2]))[:k]


def tidy(dataset: Any) -> None:
    """Remove what only versions of a day ago and older hold."""
    dataset.cleanup_old_versions(older_than=datetime.timedelta(days=1))
