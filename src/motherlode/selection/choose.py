"""Selectors: which of the ranked candidates are taken. No sample is taken twice, nor one nearly the same.

Near-duplicates are found as in `corpus build`: shared MinHash bands propose pairs, the Jaccard similarity of all word
5-grams decides. Only taken samples are remembered, so the memory grows with the selection, not with the pool.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from motherlode.corpus.near_duplicates.minhash import band_keys, shingle_sets, shingles, signatures

_BANDS, _ROWS, _WORDS = 32, 2, 5
_AHEAD = 256  # candidates whose n-grams are found at a time


@dataclass(frozen=True)
class Choice:
    """What a selector took.

    Attributes:
        rows: Taken candidates, the best first.
        duplicates: Candidates that were passed over, with the taken one that each is like.
        over_quota: Candidates that were passed over because their source had its share.
    """

    rows: list[int]
    duplicates: dict[int, int] = field(default_factory=dict)
    over_quota: int = 0


class _Taken:
    """The n-grams of taken samples."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.grams: dict[int, NDArray[np.uint32]] = {}
        self.bands: dict[int, list[int]] = defaultdict(list)

    def like(self, grams: NDArray[np.uint32], keys: Sequence[int]) -> int | None:
        """Return the first taken sample that is like this one."""
        for row in dict.fromkeys(row for key in keys for row in self.bands.get(key, ())):
            shared = len(np.intersect1d(grams, self.grams[row], assume_unique=True))
            if shared >= self.threshold * (len(grams) + len(self.grams[row]) - shared):
                return row
        return None

    def add(self, row: int, grams: NDArray[np.uint32], keys: Sequence[int]) -> None:
        self.grams[row] = grams
        for key in keys:
            self.bands[key].append(row)


def _described(rows: Iterable[int], text: Callable[[int], str]) -> Iterator[tuple[int, NDArray[np.uint32], list[int]]]:
    """Add to each row its distinct n-grams and band keys."""
    pending: list[int] = []

    def flush() -> Iterator[tuple[int, NDArray[np.uint32], list[int]]]:
        found = shingles([text(row) for row in pending], _WORDS)
        keys = band_keys(signatures(found, _BANDS * _ROWS), _BANDS, _ROWS)
        values, bounds = shingle_sets(found)
        for place, row in enumerate(pending):
            grams = values[bounds[place] : bounds[place + 1]]
            yield row, grams, keys[place].tolist() if len(grams) else []
        pending.clear()

    for row in rows:
        pending.append(row)
        if len(pending) == _AHEAD:
            yield from flush()
    yield from flush()


def choose(
    ranked: Iterable[int],
    n: int,
    text: Callable[[int], str],
    *,
    threshold: float | None = 0.8,
    source: Callable[[int], str] | None = None,
    most_of_source: int | None = None,
) -> Choice:
    """Take the first n candidates that are not like one taken before.

    Args:
        ranked: Candidates, the best first; one that comes again is passed over.
        n: How many are wanted; fewer are taken if there are not enough.
        text: A candidate's text.
        threshold: Least Jaccard similarity of near-duplicates; None takes duplicates as well.
        source: A candidate's source, for quotas.
        most_of_source: Most candidates of one source.

    Returns:
        What was taken.
    """
    taken = _Taken(threshold or 1.0)
    rows: list[int] = []
    seen: set[int] = set()
    duplicates: dict[int, int] = {}
    sources: Counter[str] = Counter()
    over_quota = 0
    for row, grams, keys in _described(ranked, text if threshold is not None else lambda _row: ""):
        if len(rows) >= n:
            break
        if row in seen:
            continue
        seen.add(row)
        if source is not None and most_of_source is not None and sources[source(row)] >= most_of_source:
            over_quota += 1
            continue
        if threshold is not None and (other := taken.like(grams, keys)) is not None:
            duplicates[row] = other
            continue
        taken.add(row, grams, keys)
        rows.append(row)
        if source is not None:
            sources[source(row)] += 1
    return Choice(rows, duplicates, over_quota)


def by_score(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rank by score, the highest first; ties as they came."""
    return np.argsort(-scores, kind="stable")


def round_robin(similarity: NDArray[np.float32]) -> Iterator[int]:
    """Rank by turns over all candidates.

    Args:
        similarity: `[n, d]` scores of candidates for each domain sample.

    Yields:
        Candidates, each once.
    """
    yield from turns(np.argsort(-similarity, axis=0, kind="stable").T, len(similarity))


def turns(lists: Sequence[NDArray[np.int64]] | NDArray[np.int64], count: int) -> Iterator[int]:
    """Rank by turns: each domain sample names the best candidate of its list that is left, then each its next.

    Greedy round-robin over query samples (arXiv 2503.01807, 2602.14696).

    Args:
        lists: `[d]` candidates of each domain sample, the best first.
        count: How many candidates there are.

    Yields:
        Candidates on a list, each once. With lists of k candidates, the first k are those of complete lists.
    """
    at = [0] * len(lists)
    named = np.zeros(count, dtype=bool)
    going = True
    while going:
        going = False
        for sample, rows in enumerate(lists):
            while at[sample] < len(rows) and named[rows[at[sample]]]:
                at[sample] += 1
            if at[sample] < len(rows):
                named[rows[at[sample]]] = going = True
                yield int(rows[at[sample]])


def even_share(sources: Iterable[str], n: int) -> int:
    """Return how many may come from one source so that all give the same number, as far as they reach.

    Args:
        sources: The source of each candidate.
        n: How many are wanted, 1 or more.

    Returns:
        The least number with which n are reached; all of the largest source if they are not.
    """
    share = 0
    sizes = sorted(Counter(sources).values())
    for place, size in enumerate(sizes):
        left = len(sizes) - place
        if n <= (size - share) * left:
            return share + -(-n // left)
        n -= (size - share) * left
        share = size
    return max(1, share)
