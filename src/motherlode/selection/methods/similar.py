"""Methods by cosines to domain samples: `embedding`, `votes`, and RDS+.

RDS+ (arXiv 2503.01807) differs from `embedding` in its vectors, the position-weighted mean of the last hidden states
of the model before any warm-up, and in its order: domain samples take their nearest candidate in turn.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from motherlode.selection.choose import by_score, turns
from motherlode.selection.methods.method import Order, Run, Scored
from motherlode.selection.votes import Similarity, nearest_candidates, reverse_neighbours

_MORE = 1000  # candidates on a domain sample's list beyond one and a half times those wanted


def votes(run: Run) -> Scored:
    """Score by reverse nearest-neighbour votes, ties by the mean cosine."""
    near = _near(run)
    return Scored(run.rows, near.votes.astype(np.float64), lambda _count: near.order())


def embedding(run: Run) -> Scored:
    """Score by the mean or largest cosine."""
    scored, order = _by_cosine(run)
    return Scored(run.rows, scored, lambda _count: by_score(scored), order)


def rds(run: Run) -> Scored:
    """Score as `embedding` does, over RDS+'s vectors, in turns."""
    scored, order = _by_cosine(run)
    return Scored(run.rows, scored, order, order)


def _near(run: Run) -> Similarity:
    most = run.options.preselect_factor * run.options.n
    return reverse_neighbours(run.encoder.domain_vectors, run.vectors(run.rows), max(1, most // 4))


def _by_cosine(run: Run) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], Order]:
    near = _near(run)
    scores = (near.mean if run.options.similarity == "mean" else near.most).astype(np.float64)

    def order(count: int) -> Iterator[int]:
        """Take turns over lists that are long enough for the number wanted; what is on no list comes last."""
        length = min(len(run.rows), count + count // 2 + _MORE)
        lists, _ = nearest_candidates(run.encoder.domain_vectors, run.vectors(run.rows), length)
        named = np.zeros(len(run.rows), dtype=bool)
        for place in turns(lists, len(run.rows)):
            named[place] = True
            yield place
        yield from (int(place) for place in by_score(near.most.astype(np.float64)) if not named[place])

    return scores, order
