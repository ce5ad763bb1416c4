"""TSDS: candidates by optimal transport to the domain, where near-duplicates share their mass (arXiv 2410.11303).

Each of M domain samples spreads a mass of 1/M over the N candidates. With distances d, densities rho and S = sum_j
1/rho_j, the plan g minimises (sections 3 and 4, the regulariser with kernel density estimation)

    alpha / C  sum_ij g_ij d_ij  +  (1 - alpha)  M max_ij rho_j |g_ij - 1 / (M rho_j S)|

and candidate j is drawn with probability sum_i g_ij. The density rho_j = sum_j' max(0, 1 - d_jj'^2 / h^2) counts the
candidates that j is like, so that each of several near-duplicates gets a part of what one alone would.

The plan has a closed form. Bounding the largest deviation bounds every g_ij by 1 / (M s rho_j) for some s, so each
domain sample fills its nearest candidates up to that bound: they hold an inverse density of s together. The derivative
of the objective by s has the sign of

    alpha / C  sum_i (d_i(s) s - integral_0^s d_i)  -  (1 - alpha) M

where d_i(x) is the distance of the candidate that domain sample i fills at x. The sum is a step function that only
rises, so the best s is the first step at which the sign turns. (Where s passes S / 2, the bound from below binds
too; then the plan is either that of S / 2 or the one that ignores distances.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motherlode.selection.methods.dsir import resampled
from motherlode.selection.methods.method import Run, Scored
from motherlode.selection.votes import nearest_candidates

SCALE = 5.0  # C in the paper; only alpha / (C (1 - alpha)) matters
NEIGHBOURS = 5000  # candidates that a domain sample may reach, at most, as in the authors' settings
_ROWS = 2048  # candidates compared at a time

Blocks = Callable[[], Iterable[NDArray[np.float32]]]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """Who gets how much.

    Attributes:
        shares: `[m, k]` float64: what each domain sample gives to each of its neighbours; all together 1.
        spread: s: the inverse density over which each domain sample spreads; without near-duplicates, candidates.
        bounded: Whether the neighbours did not suffice, so that the plan would have reached further.
    """

    shares: Floats
    spread: float
    bounded: bool


def transport(distances: Floats, densities: Floats, alpha: float, *, candidates: int, scale: float = SCALE) -> Plan:
    """Solve the transport problem over the nearest candidates of each domain sample.

    Args:
        distances: `[m, k]`, ascending in each row.
        densities: `[m, k]` of the same candidates, 1 or more.
        alpha: Weight of distances against that of diversity, 0 to 1.
        candidates: How many there are; the plan is exact whatever it is if it equals k.
        scale: C.

    Returns:
        The plan.
    """
    count, reach = distances.shape
    inverse = 1 / densities
    filled = np.cumsum(inverse, axis=1)  # where the next neighbour's turn comes
    paid = np.cumsum(inverse * distances, axis=1)
    rise = distances[:, 1:] * filled[:, :-1] - paid[:, :-1]
    jumps = np.diff(rise, axis=1, prepend=0.0)
    order = np.argsort(filled[:, :-1], axis=None, kind="stable")
    crossed = alpha / scale * np.cumsum(jumps.ravel()[order]) >= (1 - alpha) * count
    most = float(filled[:, -1].min())
    step = int(np.argmax(crossed)) if crossed.any() else -1
    spread = min(float(filled[:, :-1].ravel()[order[step]]), most) if step >= 0 else most
    bounded = spread == most and reach < candidates
    if reach == candidates and spread > most / 2:
        half = np.clip(most / 2 - (filled - inverse), 0, inverse)
        gain = float((paid[:, -1] - 2 * (half * distances).sum(axis=1)).sum())
        spread = most / 2 if alpha / scale * gain > (1 - alpha) * count else most
    shares = np.clip(spread - (filled - inverse), 0, inverse) / (count * spread)
    return Plan(shares, spread, bounded)


def densities_of(vectors: NDArray[np.float32], blocks: Iterable[NDArray[np.float32]], bandwidth: float) -> Floats:
    """Estimate how many candidates each vector is like (Epanechnikov's kernel, unscaled).

    Args:
        vectors: `[u, h]` unit vectors of candidates.
        blocks: The unit vectors of all candidates, `[n_i, h]` each.
        bandwidth: Distance from which two are not alike; 0: each is like itself alone.

    Returns:
        `[u]` float64, 1 or more. Time: u * n * h multiplications.
    """
    total = np.zeros(len(vectors))
    if bandwidth == 0:
        return total + 1
    for block in blocks:
        for start in range(0, len(vectors), _ROWS):
            squares = 2 - 2 * (vectors[start : start + _ROWS] @ block.T)
            total[start : start + _ROWS] += np.clip(1 - squares / bandwidth**2, 0, 1).sum(axis=1, dtype=np.float64)
    return np.maximum(total, 1.0)


def probabilities(
    queries: NDArray[np.float32],
    blocks: Blocks,
    candidates: int,
    *,
    alpha: float,
    bandwidth: float,
    neighbours: int = NEIGHBOURS,
) -> tuple[Floats, NDArray[np.float32], Plan]:
    """Compute with which probability candidates are drawn.

    Args:
        queries: `[m, h]` unit vectors of domain samples.
        blocks: Gives the candidates' unit vectors in blocks; called three times.
        candidates: How many there are.
        alpha: See `transport`.
        bandwidth: See `densities_of`.
        neighbours: Candidates that a domain sample may reach.

    Returns:
        `[n]` probabilities that add up to 1, `[n]` largest cosines, and the plan.
    """
    reach = min(neighbours, candidates)
    rows, cosines = nearest_candidates(queries, blocks(), reach)
    distances = np.sqrt(np.maximum(0.0, 2 - 2 * cosines.astype(np.float64)))
    known = np.unique(rows)
    found, most, start = [], [], 0
    for block in blocks():
        inside = known[np.searchsorted(known, start) : np.searchsorted(known, start + len(block))] - start
        found.append(block[inside])
        most.append((block @ queries.T).max(axis=1))
        start += len(block)
    densities = densities_of(np.concatenate(found), blocks(), bandwidth)
    plan = transport(distances, densities[np.searchsorted(known, rows)], alpha, candidates=candidates)
    drawn = np.bincount(rows.ravel(), plan.shares.ravel(), minlength=candidates).astype(np.float64)
    return drawn, np.concatenate(most), plan


def tsds(run: Run) -> Scored:
    """Score by the probability of being drawn; the published order is a sample."""
    options = run.options
    drawn, most, plan = probabilities(
        run.encoder.domain_vectors,
        lambda: run.vectors(run.rows),
        len(run.rows),
        alpha=options.tsds_alpha,
        bandwidth=options.tsds_bandwidth,
    )
    run.told["tsds"] = {"spread": plan.spread, "bounded": plan.bounded, "reached": int((drawn > 0).sum())}

    def order(_count: int) -> NDArray[np.int64]:
        """Draw; candidates that no domain sample reached follow, the nearest first."""
        with np.errstate(divide="ignore"):
            first = resampled(np.log(drawn), options.random_seed)[: int((drawn > 0).sum())]
        rest = np.flatnonzero(drawn == 0)
        return np.concatenate([first, rest[np.argsort(-most[rest], kind="stable")]])

    return Scored(run.rows, drawn, order)
