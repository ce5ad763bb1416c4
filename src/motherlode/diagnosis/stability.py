"""Does the kernel stay the same while the adapter is trained, and with it who is chosen?

The paper (arXiv 2511.07380) calls LoRA fine-tuning NTK-like because the Frobenius cosine of the kernel matrices before
and after, <K_0, K_s>_F / (|K_0|_F |K_s|_F), stays above 0.99. That cosine is high already when all entries of both
matrices share a large common part, which ranks nothing. So it is shown beside the same number of the centred matrices
(centred kernel alignment, arXiv 1203.0550) and beside the scores' ranks.

At the start `B = 0`. With the gradient G of a layer's output, grad A = s sum_t (B^T G_t) x_t^T, which is then zero:
only `B` has a gradient, and the kernel lives on half of the parameters. The share of `A` in the squared norm of the
domain's mean gradient is shown at every state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motherlode.diagnosis.agreement import overlap, spearman
from motherlode.diagnosis.gradients import kernel_matrix
from motherlode.diagnosis.opened import State
from motherlode.models.batches import Batcher
from motherlode.models.lora import AdaptedModel
from motherlode.models.tokens import Tokens
from motherlode.selection.direction import Direction, domain_direction
from motherlode.selection.engines import Contraction
from motherlode.selection.kernels import Kernel, Normalize, make_objective


@dataclass(frozen=True)
class KernelState:
    """The kernel after some steps of the warm-up.

    Attributes:
        kernel: Which kernel.
        step: Optimiser steps that were done.
        frobenius: Frobenius cosine of the kernel matrix with that of step 0.
        centred: The same of the centred matrices.
        spearman: Rank correlation of the pool's scores with those at the end; None if constant.
        overlap: Overlap of the top with that at the end.
        share_of_a: Share of `A` in the squared norm of the domain's mean gradient.
    """

    kernel: str
    step: int
    frobenius: float
    centred: float
    spearman: float | None
    overlap: float
    share_of_a: float


def frobenius_cosine(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return `<K, L>_F / (|K|_F |L|_F)`; 0 if one is zero."""
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / norm if norm > 0 else 0.0


def centred(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `H K H`, H = I - 1 1^T / n: the kernel of samples' gradients without their mean."""
    rows = matrix - matrix.mean(0, keepdims=True)
    both: NDArray[np.float64] = rows - rows.mean(1, keepdims=True)
    return both


def share_of_a(direction: Direction) -> float:
    """Return the share of `A` in the squared norm of a gradient."""
    sides = [
        sum(float(part.double().square().sum()) for probe in side for part in probe)
        for side in (direction.a, direction.b)
    ]
    return sides[0] / max(sum(sides), 1e-300)


def look_at_stability(
    adapted: AdaptedModel,
    states: Sequence[tuple[int, State]],
    domain: Sequence[Tokens],
    pool: Sequence[Tokens],
    batcher: Batcher,
    *,
    top: int,
    kernels: Sequence[Kernel] = ("ntk", "loss"),
    kernel_samples: int = 48,
    normalize: Normalize = "length",
    memory_gib: float = 4.0,
) -> list[KernelState]:
    """Follow kernels along the warm-up.

    Args:
        adapted: The model; it ends in the last state.
        states: Steps and parameters, the start first, the end last.
        domain: The domain samples.
        pool: The candidates.
        batcher: How they are batched.
        top: Candidates that count as the top.
        kernels: Which kernels.
        kernel_samples: Samples of the kernel matrices, half of the domain and half of the pool.
        normalize: See `make_objective`.
        memory_gib: Memory for gradients.

    Returns:
        The states of each kernel, in order.
    """
    half = kernel_samples // 2
    samples = [*domain[:half], *pool[:half]]
    found: list[KernelState] = []
    for kernel in kernels:
        matrices, scores, shares = [], [], []
        for _, state in states:
            adapted.restore(state)
            objective = make_objective(adapted, kernel, normalize=normalize)
            direction = domain_direction(adapted, objective, domain, batcher)
            scores.append(Contraction(adapted, objective, direction, batcher).score(pool))
            shares.append(share_of_a(direction))
            matrices.append(kernel_matrix(adapted, objective, samples, memory_gib))
        found += [
            KernelState(
                kernel=kernel,
                step=step,
                frobenius=frobenius_cosine(matrices[0], matrix),
                centred=frobenius_cosine(centred(matrices[0]), centred(matrix)),
                spearman=spearman(score, scores[-1]),
                overlap=overlap(score, scores[-1], top),
                share_of_a=share,
            )
            for (step, _), matrix, score, share in zip(states, matrices, scores, shares, strict=True)
        ]
    adapted.restore(states[-1][1])
    return found
