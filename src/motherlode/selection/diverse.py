"""The selector `diverse`: relevant candidates that together cover the others (facility location, lazy greedy).

With a relevance r from 0 to 1 of each candidate and cosines s, a set A is worth

    f(A) = (1 - w) sum_{j in A} r_j  +  w sum_i r_i max_{j in A} s_ij

where w is the weight of diversity: every candidate, as far as it is relevant, wants one like it in the selection. To
take all is worth the same for every w. Since the scores of different methods have no common scale, relevance goes by
rank: exp(-rank / n) where n are wanted, so that what lies far behind the n best is worth next to nothing, however much
there is of it. Only the 8 n best are looked at; the others follow by score.

f is submodular, so that taking the largest gain again and again reaches at least 1 - 1/e of the best (Nemhauser,
Wolsey, Fisher 1978), and gains only ever fall: a gain that is out of date is a bound, and most candidates are never
looked at again (Minoux 1978). The order is exactly that of the plain greedy.

s is sparse: only the cosines of each candidate i with its nearest candidates count. To find them takes m^2 h
multiplications of m candidates in h dimensions, in blocks; the vectors are held in memory (4 m h bytes).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 32  # candidates that may cover one, itself among them
LOOKED_AT = 8  # times the number wanted: beyond, relevance is below exp(-8)
_ROWS, _COLUMNS = 1024, 8192  # compared at a time
_MANY = 8  # times k: from so many hits in a block on, the bar is raised


@dataclass(frozen=True)
class Cover:
    """Who covers whom, by the one who covers.

    Attributes:
        bounds: `[m + 1]` int64: candidate j covers `covered[bounds[j]:bounds[j + 1]]`.
        covered: `[p]` int64.
        cosines: `[p]` float64, above 0.
    """

    bounds: NDArray[np.int64]
    covered: NDArray[np.int64]
    cosines: NDArray[np.float64]


def nearest_among(vectors: NDArray[np.float32], k: int = NEIGHBOURS) -> Cover:
    """Find the candidates that may cover each candidate: its k nearest with a cosine above 0, itself first.

    Args:
        vectors: `[m, h]` unit vectors.
        k: 1 or more.

    Returns:
        Who covers whom. Ties go to the earlier candidate.
    """
    count = len(vectors)
    k = min(k, count)
    whose, who, how = [], [], []
    for top in range(0, count, _ROWS):
        here = vectors[top : top + _ROWS]
        own = np.arange(len(here))
        least = np.full(len(here), -np.inf, dtype=np.float32)
        rows, columns, values = [], [], []
        for left in range(0, count, _COLUMNS):
            cosines = here @ vectors[left : left + _COLUMNS].T
            mine = own[(own + top >= left) & (own + top < left + cosines.shape[1])]
            cosines[mine, mine + top - left] = np.inf  # itself comes first, whatever rounding and duplicates say
            wanted = cosines > least[:, None]  # a later tie loses to an earlier one
            if cosines.shape[1] >= k and (left == 0 or wanted.sum() > _MANY * k * len(here)):
                tail = np.partition(cosines, cosines.shape[1] - k, axis=1)[:, cosines.shape[1] - k]
                wanted &= cosines >= tail[:, None]
                least = np.maximum(least, tail)
            row, column = np.nonzero(wanted)
            rows.append(row)
            columns.append(column + left)
            values.append(cosines[row, column])
        row, column, value = np.concatenate(rows), np.concatenate(columns), np.concatenate(values)
        order = np.lexsort((column, -value, row))
        row, column, value = row[order], column[order], value[order]
        first = np.searchsorted(row, own)
        kept = (np.arange(len(row)) - first[row] < k) & (value > 0)
        whose.append(row[kept] + top)
        who.append(column[kept])
        how.append(np.minimum(value[kept], 1.0).astype(np.float64))
    covered, covers, cosine = np.concatenate(whose), np.concatenate(who), np.concatenate(how)
    order = np.lexsort((covered, covers))
    bounds = np.searchsorted(covers[order], np.arange(count + 1))
    return Cover(bounds.astype(np.int64), covered[order], cosine[order])


def relevance(scores: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Turn scores into relevance: 1 for the largest, falling to 1/e at the rank that is wanted.

    Args:
        scores: `[m]`.
        count: How many are wanted, 1 or more.

    Returns:
        `[m]` float64, above 0, at most 1; equal for equal scores.
    """
    better = len(scores) - np.searchsorted(np.sort(scores), scores, side="right")
    return np.asarray(np.exp(-better / count))


class _Gains:
    """The state of a greedy selection."""

    def __init__(self, worth: NDArray[np.float64], cover: Cover, weight: float) -> None:
        self.worth, self.cover, self.weight = worth, cover, weight
        self.reached = np.zeros(len(worth))  # how well each candidate is covered

    def of(self, place: int) -> float:
        """Return what f grows by if a candidate is taken."""
        inside = slice(self.cover.bounds[place], self.cover.bounds[place + 1])
        covered = self.cover.covered[inside]
        more = np.maximum(self.cover.cosines[inside] - self.reached[covered], 0.0) * self.worth[covered]
        return float((1 - self.weight) * self.worth[place] + self.weight * more.sum())

    def take(self, place: int) -> None:
        inside = slice(self.cover.bounds[place], self.cover.bounds[place + 1])
        covered = self.cover.covered[inside]
        self.reached[covered] = np.maximum(self.reached[covered], self.cover.cosines[inside])


def diverse(worth: NDArray[np.float64], cover: Cover, weight: float) -> Iterator[int]:
    """Rank candidates by lazy greedy.

    Args:
        worth: `[m]` relevance, 0 to 1.
        cover: Who covers whom.
        weight: Of diversity against relevance, 0 to 1.

    Yields:
        Candidates, each once; of equal gains the earlier first.
    """
    gains = _Gains(worth, cover, weight)
    queue = [(-gains.of(place), place) for place in range(len(worth))]
    heapq.heapify(queue)
    while queue:
        _, place = heapq.heappop(queue)
        now = (-gains.of(place), place)
        if queue and now > queue[0]:
            heapq.heappush(queue, now)
            continue
        gains.take(place)
        yield place
