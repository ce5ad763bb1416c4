"""The trace of the full NTK over the whole vocabulary: what the all-ones kernel is meant to approximate.

Output k of a sample is `f_k = W_k . H`, W the output head and H the (mean) last hidden state. With J = dH / dtheta

    trace(d, c) = sum_k <grad f_k(d), grad f_k(c)> = sum_k W_k J(d) J(c)^T W_k^T = tr(W^T W J(d) J(c)^T).

With the eigenvalues and -vectors of the `[h, h]` matrix `W^T W = sum_j e_j q_j q_j^T`, the trace is the sum over j of
<g_j(d), g_j(c)>, g_j the gradient of `sqrt(e_j) q_j . H`: exact with h backward passes, where the definition needs one
for each entry of the vocabulary. With fewer, the largest eigenvalues are taken exactly and the rest by random signs
over the eigenvectors (Hutchinson's estimate, deflated as in arXiv 2010.09649); two halves of the random part tell how
sure the estimate is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from motherlode.diagnosis.agreement import spearman
from motherlode.diagnosis.kernels import score
from motherlode.models.batches import Batcher
from motherlode.models.lora import AdaptedModel
from motherlode.models.tokens import Tokens
from motherlode.selection.kernels import LogitSum, Normalize

_AT_ONCE = 8  # probes of one pass: their directions, and projections of activations, live together
_ROWS = 1 << 14


@dataclass(frozen=True)
class TraceScores:
    """Scores by the trace kernel.

    Attributes:
        scores: `[n]`.
        exact: Whether they are exact.
        reliability: Rank correlation of two estimates with half of the random probes each; 1 if exact, None if a
            half is constant.
        probes: Backward passes a batch.
    """

    scores: NDArray[np.float64]
    exact: bool
    reliability: float | None
    probes: int


def head_moments(adapted: AdaptedModel) -> torch.Tensor:
    """Return `W^T W` of the output head: `[h, h]` float64."""
    weight = adapted.head.weight.detach()
    total = torch.zeros(weight.shape[1], weight.shape[1], dtype=torch.float64, device=weight.device)
    for rows in weight.split(_ROWS):
        total += rows.double().T @ rows.double()
    return total


def trace_directions(
    adapted: AdaptedModel, probes: int, random_seed: int = 0
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor] | None]:
    """Return directions u of hidden states whose gradients make up the trace.

    Args:
        adapted: The model.
        probes: Directions in all, 2 or more; h or more give the exact trace.
        random_seed: Seed of the signs.

    Returns:
        `[t, h]` float64 to be summed over, and two halves, `[r, h]` each, to be averaged over; None if exact.
    """
    values, vectors = torch.linalg.eigh(head_moments(adapted))
    scaled = (vectors * values.clamp(min=0).sqrt()).T.flip(0)  # rows sqrt(e_j) q_j, the largest first
    if probes >= len(scaled):
        return scaled, None
    half = max(1, probes // 4)
    top, rest = scaled[: max(0, probes - 2 * half)], scaled[max(0, probes - 2 * half) :]
    generator = torch.Generator().manual_seed(random_seed)
    signs = torch.randint(0, 2, (2 * half, len(rest)), generator=generator, dtype=torch.int8) * 2 - 1
    drawn = signs.to(scaled.device).double() @ rest
    return top, (drawn[:half], drawn[half:])


def summed(
    adapted: AdaptedModel,
    directions: torch.Tensor,
    normalize: Normalize,
    domain: Sequence[Tokens],
    pool: Sequence[Tokens],
    batcher: Batcher,
) -> NDArray[np.float64]:
    """Return the sum over directions u of `mean_d <g_u(d), g_u(c)>` for each candidate, exactly: `[n]`."""
    total = np.zeros(len(pool))
    for part in directions.split(_AT_ONCE):
        objective = LogitSum(None, part, normalize)
        total += len(part) * score(adapted, objective, domain, pool, batcher)
    return total


def trace_scores(
    adapted: AdaptedModel,
    domain: Sequence[Tokens],
    pool: Sequence[Tokens],
    batcher: Batcher,
    *,
    probes: int = 32,
    random_seed: int = 0,
    normalize: Normalize = "length",
) -> TraceScores:
    """Score candidates by the trace of the full NTK: `mean_d sum_k <grad f_k(d), grad f_k(c)>`.

    Args:
        adapted: The model.
        domain: The domain samples.
        pool: The candidates.
        batcher: How they are batched.
        probes: Backward passes a batch; h or more make it exact.
        random_seed: Seed of the random part.
        normalize: See `motherlode.selection.kernels.make_objective`.

    Returns:
        The scores, and how sure they are.
    """
    top, halves = trace_directions(adapted, probes, random_seed)
    given = (normalize, domain, pool, batcher)
    base = summed(adapted, top, *given) if len(top) else np.zeros(len(pool))
    if halves is None:
        return TraceScores(base, True, 1.0, len(top))
    first, second = (summed(adapted, half, *given) / len(half) for half in halves)
    reliability = spearman(base + first, base + second)
    return TraceScores(base + (first + second) / 2, False, reliability, len(top) + 2 * len(halves[0]))
