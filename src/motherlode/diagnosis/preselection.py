"""How much of the choice is made before any gradient is: by the votes of embeddings.

Of the candidates that the kernel would choose from the whole pool sample, the share that votes keep, beside the share
that keeping as many at random keeps. If it is near that chance, votes and kernel look for different things, and what is
chosen is chosen by votes as much as by the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motherlode.diagnosis.agreement import spearman
from motherlode.selection.choose import by_score
from motherlode.selection.votes import reverse_neighbours
from motherlode.statistics import wilson


@dataclass(frozen=True)
class Preselection:
    """Votes against the kernel.

    Attributes:
        kernel: Which kernel.
        candidates: Pool samples.
        kept: Those that votes keep: `factor` for each one chosen.
        chosen: Those that are chosen.
        retained: Share of the kernel's choice, made without votes, that votes keep; it is also the overlap of the
            choices with and without votes, since the kernel ranks both.
        low: Lower end of its 95 % interval (Wilson).
        high: Upper end.
        chance: That share if as many were kept at random: kept / candidates.
        p_value: Chance to retain as many or more with a random pre-selection (hypergeometric).
        votes_alone: Overlap of the kernel's choice with the first `chosen` by votes.
        votes_alone_chance: That overlap at random: chosen / candidates.
        spearman: Rank correlation of the kernel's scores with the mean cosine to the domain.
    """

    kernel: str
    candidates: int
    kept: int
    chosen: int
    retained: float
    low: float
    high: float
    chance: float
    p_value: float
    votes_alone: float
    votes_alone_chance: float
    spearman: float | None


def look_at_preselection(
    kernel: str,
    scores: NDArray[np.float64],
    domain_vectors: NDArray[np.float32],
    vectors: NDArray[np.float32],
    factor: int = 4,
) -> Preselection:
    """Compare what a kernel chooses with and without pre-selection by votes.

    Args:
        kernel: Which kernel.
        scores: `[n]` scores of all candidates.
        domain_vectors: `[d, h]` unit vectors of the domain samples.
        vectors: `[n, h]` unit vectors of the candidates.
        factor: Candidates kept for each one chosen; n / factor^2 are chosen, so that a factor-th of the pool is kept.

    Returns:
        What votes decide.
    """
    from scipy.stats import hypergeom

    count = len(scores)
    chosen = max(1, count // factor**2)
    kept = min(count, factor * chosen)
    near = reverse_neighbours(domain_vectors, [vectors], max(1, kept // 4))
    order = near.order()
    best = {*by_score(scores)[:chosen].tolist()}
    among = {*order[:kept].tolist()}
    retained = len(best & among)
    low, high = wilson(retained, chosen)
    return Preselection(
        kernel=kernel,
        candidates=count,
        kept=kept,
        chosen=chosen,
        retained=retained / chosen,
        low=low,
        high=high,
        chance=kept / count,
        p_value=float(hypergeom.sf(retained - 1, count, chosen, kept)),
        votes_alone=len(best & {*order[:chosen].tolist()}) / chosen,
        votes_alone_chance=chosen / count,
        spearman=spearman(scores, near.mean),
    )
