"""The training pool: a bounded set of documents on which the classifier is trained, whatever the corpus holds.

It joins a random sample of the corpus, which shows the bulk that is *not* wanted, with the documents that retrieval
found, which make sure that a domain of one document in ten thousand is represented. Each document carries the weight
that makes the pool stand for the corpus: found ones stand for themselves, sampled ones for their share of the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from motherlode.encode.hashing import hashed_counts
from motherlode.encode.sample import Rows, sample_documents
from motherlode.encode.vectors import COLUMN, Vectors, from_column
from motherlode.mining.calibrate import Calibration
from motherlode.mining.retrieve import Neighbours, SeedMatrix
from motherlode.shards.dataset import Dataset


@dataclass(frozen=True)
class Pool:
    """Documents with what the classifier reads of them.

    Attributes:
        counts: `[n, f]` hashed counts of words.
        vectors: `[n, d] float32` unit vectors.
        weight: `[n] float64`, documents of the corpus that each stands for.
        found: `[n, l] bool`, documents that retrieval found for a label.
    """

    counts: sparse.csr_matrix
    vectors: NDArray[np.float32]
    weight: NDArray[np.float64]
    found: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.vectors)


def found_rows(
    neighbours: Neighbours, seeds: SeedMatrix, calibrations: Sequence[Calibration], most: int
) -> tuple[Rows, dict[str, int]]:
    """Choose the documents that retrieval found: near a seed, at or above its label's threshold.

    Args:
        neighbours: The nearest documents of each seed (the paper's NN_k).
        seeds: The seeds.
        calibrations: One a label, in the order of the seeds' labels; labels without one are passed over.
        most: At most so many documents a label; the nearest ones first.

    Returns:
        The rows over all labels, and how many distinct ones each label has.
    """
    names = {calibration.label: calibration for calibration in calibrations}
    parts: list[NDArray[np.int64]] = []
    found: dict[str, int] = {}
    place = (neighbours.shard.astype(np.int64) << 40) + neighbours.row
    for number, label in enumerate(seeds.names):
        if label not in names:
            continue
        inside = seeds.labels[neighbours.seed, number] & (neighbours.similarity >= names[label].threshold)
        order = np.argsort(-neighbours.similarity[inside], kind="stable")
        distinct, first = np.unique(place[inside][order], return_index=True)
        found[label] = len(distinct)
        parts.append(distinct[np.argsort(first)][:most])
    keys = np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64)
    shard = (keys >> 40).astype(np.int64)
    rows = keys & ((1 << 40) - 1)
    return Rows({neighbours.shards[s]: rows[shard == s] for s in np.unique(shard)}), found


def build_pool(
    documents: Dataset,
    vectors: Vectors,
    seeds: SeedMatrix,
    calibrations: Sequence[Calibration],
    found: Rows,
    sample: int,
    random_seed: int,
) -> Pool:
    """Read the documents of the pool.

    Args:
        documents: The corpus's documents.
        vectors: Their vectors.
        seeds: The seeds.
        calibrations: Thresholds of labels.
        found: Rows that retrieval found.
        sample: Size of the random sample.
        random_seed: Seed of the sample.

    Returns:
        The pool, in the order of the corpus.
    """
    drawn = sample_documents(documents, sample, random_seed)
    thresholds = {calibration.label: calibration.threshold for calibration in calibrations}
    limit = np.array([thresholds.get(name, 2.0) for name in seeds.names], dtype=np.float32)
    counts, matrices, is_found = [], [], []
    none = np.zeros(0, dtype=np.int64)
    for shard, rows, batch in (drawn | found).batches([(documents, ["text"]), (vectors, [COLUMN])]):
        counts.append(hashed_counts(batch.column("text")))
        matrices.append(from_column(batch.column(COLUMN)))
        is_found.append(np.isin(rows, found.of.get(shard, none)))
    chosen = np.concatenate(is_found)
    matrix = np.concatenate(matrices)
    near = np.concatenate([seeds.nearest(part)[0] >= limit for part in np.array_split(matrix, 1 + len(matrix) // 8192)])
    rest = max(0, documents.rows - int(chosen.sum()))
    weight = np.where(chosen, 1.0, rest / max(1, int((~chosen).sum())))
    return Pool(sparse.vstack(counts).tocsr(), matrix, weight, near & chosen[:, None])


def seed_counts(texts: Sequence[str]) -> sparse.csr_matrix:
    """Return the hashed counts of seeds, `[s, f]`."""
    return hashed_counts(pa.array(list(texts), pa.string()))
