"""Reverse k-nearest-neighbour votes: how many domain samples count a candidate among their k nearest.

The coarse pre-selection of arXiv 2511.07380, section 4.1: exact, by blocks of candidates, with ties broken by the
candidates' order, so that duplicates never make the outcome depend on the blocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Similarity:
    """How near candidates are to the domain.

    Attributes:
        votes: `[n]` int64: domain samples that have the candidate among their k nearest.
        mean: `[n]` float32: mean cosine over the domain samples.
        most: `[n]` float32: the largest cosine.
    """

    votes: NDArray[np.int64]
    mean: NDArray[np.float32]
    most: NDArray[np.float32]

    def order(self) -> NDArray[np.int64]:
        """Return candidates by votes, then by mean cosine, then as they came."""
        return np.lexsort((np.arange(len(self.votes)), -self.mean, -self.votes))


class _Nearest:
    """The k largest of each column of cosines that come in blocks; ties go to the earlier row."""

    def __init__(self, count: int, k: int) -> None:
        self.k = k
        self.values = [np.zeros(0, dtype=np.float32) for _ in range(count)]
        self.rows = [np.zeros(0, dtype=np.int64) for _ in range(count)]
        self._least = np.full(count, -np.inf, dtype=np.float32)

    def offer(self, cosines: NDArray[np.float32], start: int) -> None:
        """Look at the cosines `[n, d]` of candidates from row `start` on."""
        for sample in range(len(self.rows)):
            better = np.flatnonzero(cosines[:, sample] > self._least[sample])  # a later tie loses to an earlier one
            if len(better):
                self.values[sample] = np.concatenate([self.values[sample], cosines[better, sample]])
                self.rows[sample] = np.concatenate([self.rows[sample], better + start])
                if len(self.rows[sample]) > 2 * self.k:
                    self._cut(sample)

    def _cut(self, sample: int) -> None:
        order = np.argsort(-self.values[sample], kind="stable")[: self.k]
        self.values[sample], self.rows[sample] = self.values[sample][order], self.rows[sample][order]
        if len(order) == self.k:
            self._least[sample] = self.values[sample][-1]

    def cut(self) -> None:
        """Keep the k largest only, in order."""
        for sample in range(len(self.rows)):
            self._cut(sample)


def reverse_neighbours(domain: NDArray[np.float32], blocks: Iterable[NDArray[np.float32]], k: int) -> Similarity:
    """Count votes.

    Args:
        domain: `[d, h]` unit vectors.
        blocks: The candidates' unit vectors, `[n_i, h]` each.
        k: Neighbours of each domain sample, 1 or more.

    Returns:
        Votes and cosines of all candidates.
    """
    near = _Nearest(len(domain), k)
    means, mosts, start = [], [], 0
    for block in blocks:
        cosines = block @ domain.T
        means.append(cosines.mean(axis=1, dtype=np.float64).astype(np.float32))
        mosts.append(cosines.max(axis=1))
        near.offer(cosines, start)
        start += len(block)
    near.cut()
    votes = np.zeros(start, dtype=np.int64)
    for rows in near.rows:
        votes[rows] += 1
    empty = np.zeros(0, dtype=np.float32)
    return Similarity(votes, np.concatenate([*means, empty]), np.concatenate([*mosts, empty]))


def nearest_candidates(
    domain: NDArray[np.float32], blocks: Iterable[NDArray[np.float32]], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the k nearest candidates of each domain sample.

    Args:
        domain: `[d, h]` unit vectors.
        blocks: The candidates' unit vectors, `[n_i, h]` each.
        k: 1 or more, at most as many as there are candidates.

    Returns:
        `[d, k]` rows and cosines, the nearest first. Memory: 2 k d rows and cosines.
    """
    near = _Nearest(len(domain), k)
    start = 0
    for block in blocks:
        near.offer(block @ domain.T, start)
        start += len(block)
    near.cut()
    return np.stack(near.rows), np.stack(near.values)


def nearest(domain: NDArray[np.float32], vectors: NDArray[np.float32], k: int) -> list[list[tuple[int, float]]]:
    """Return each vector's k nearest domain samples with their cosines, the nearest first."""
    cosines = vectors @ domain.T
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return [[(int(d), float(cosines[i, d])) for d in row] for i, row in enumerate(order)]
