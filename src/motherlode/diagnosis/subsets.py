"""Subsets of the pool: what training on them is predicted to do to the domain's loss, beside what it does.

A small plain step tests the kernel `loss` as a derivative. An epoch of Adam tests what it is used for: telling which
samples help. Besides random subsets, which may all do about the same, there are the best and the worst by the kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from motherlode.diagnosis.predict import Training, measure_change, predict_change
from motherlode.diagnosis.result import Subset
from motherlode.models.batches import Batcher
from motherlode.models.lora import AdaptedModel
from motherlode.models.tokens import Tokens
from motherlode.selection.choose import by_score
from motherlode.selection.direction import domain_direction
from motherlode.selection.kernels import make_objective
from motherlode.selection.warmup import completion_losses

_SMALL = 5e-3  # share of the domain's loss that the small step would take off, were it made on the domain itself


def draw_subsets(scores: NDArray[np.float64], count: int, size: int, random_seed: int) -> list[tuple[str, list[int]]]:
    """Return the best and worst candidates, and random subsets.

    Args:
        scores: `[n]` by the kernel `loss`.
        count: Random subsets.
        size: Candidates of each; at most half of them are taken.
        random_seed: Seed of the drawing.

    Returns:
        Names and candidates.
    """
    size = max(1, min(size, len(scores) // 2))
    order = by_score(scores)
    choice = np.random.default_rng([random_seed, 31])
    drawn = [
        (f"random {n + 1}", sorted(choice.choice(len(scores), size, replace=False).tolist())) for n in range(count)
    ]
    return [("best", sorted(order[:size].tolist())), ("worst", sorted(order[-size:].tolist())), *drawn]


def look_at_subsets(
    adapted: AdaptedModel,
    domain: Sequence[Tokens],
    pool: Sequence[Tokens],
    batcher: Batcher,
    subsets: Sequence[tuple[str, list[int]]],
    epoch: Training,
) -> list[Subset]:
    """Predict and measure; the model is left as it was.

    Args:
        adapted: The model.
        domain: The domain samples.
        pool: The candidates.
        batcher: How they are batched.
        subsets: Names and candidates.
        epoch: The training besides the small step.

    Returns:
        Two for each subset: the small step and the epoch.
    """
    direction = domain_direction(adapted, make_objective(adapted, "loss"), domain, batcher)
    before = float(completion_losses(adapted, domain, batcher).mean())
    small = Training(learning_rate=_SMALL * before / direction.norm**2)
    found = []
    for name, training in (("small step", small), ("epoch", epoch)):
        for subset, rows in subsets:
            chosen = [pool[row] for row in rows]
            predicted = predict_change(adapted, domain, chosen, batcher, training).predicted
            measured = measure_change(adapted, domain, chosen, batcher, training)
            found.append(Subset(name, subset, predicted, measured))
    return found
