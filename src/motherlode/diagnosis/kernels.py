"""The kernels beside the trace of the full NTK: who is it that each of them ranks first?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from motherlode.diagnosis.agreement import Agreement, compare
from motherlode.errors import InputError
from motherlode.models.batches import Batcher
from motherlode.models.lora import AdaptedModel
from motherlode.models.tokens import Tokens
from motherlode.selection.checkpoints import Checkpoint
from motherlode.selection.direction import domain_direction
from motherlode.selection.engines import Contraction
from motherlode.selection.kernels import Normalize, Objective, make_objective
from motherlode.selection.scoring import adam_engine

Scores = NDArray[np.float64]
TRACE = "trace of the full NTK"
CROSS = "its cross terms"
_SIGNS = (1, 8)  # probes of ntk-signs


def score(
    adapted: AdaptedModel, objective: Objective, domain: Sequence[Tokens], pool: Sequence[Tokens], batcher: Batcher
) -> Scores:
    """Score candidates with the engine `contraction`: `[n]`.

    Raises:
        InputError: A score, or the domain's mean gradient, is not finite.
    """
    direction = domain_direction(adapted, objective, domain, batcher)
    found = Contraction(adapted, objective, direction, batcher).score(pool)
    if wrong := int((~np.isfinite(found)).sum()):
        raise InputError(
            f"the scores of {wrong:,} of {len(found):,} pool samples are not finite",
            hint="use --dtype fp32; if that does not help, the model's weights are damaged",
        )
    return found


def kernel_scores(
    adapted: AdaptedModel,
    domain: Sequence[Tokens],
    pool: Sequence[Tokens],
    batcher: Batcher,
    *,
    checkpoints: Sequence[Checkpoint] = (),
    normalize: Normalize = "length",
    random_seed: int = 0,
) -> dict[str, Scores]:
    """Score candidates by every kernel.

    Args:
        adapted: The model.
        domain: The domain samples.
        pool: The candidates.
        batcher: How they are batched.
        checkpoints: Of the warm-up; without any there is no `loss-adam`.
        normalize: See `make_objective`.
        random_seed: Seed of the signs of `ntk-signs`.

    Returns:
        `[n]` scores by name.
    """
    found = {}
    for kernel in ("ntk", "loss"):
        objective = make_objective(adapted, kernel, normalize=normalize)
        found[kernel] = score(adapted, objective, domain, pool, batcher)
    for probes in _SIGNS:
        objective = make_objective(adapted, "ntk-signs", probes=probes, random_seed=random_seed, normalize=normalize)
        name = f"ntk-signs, {probes} probe{'s' if probes > 1 else ''}"
        found[name] = score(adapted, objective, domain, pool, batcher)
    if checkpoints:
        objective = make_objective(adapted, "loss")
        engine = adam_engine(adapted, objective, "contraction", domain, batcher, checkpoints)
        found["loss-adam"] = engine.score(pool)
    return found


def kernel_agreements(scores: dict[str, Scores], trace: Scores, top: int) -> list[Agreement]:
    """Compare kernels with the trace kernel, and the all-ones kernel with its own cross terms too.

    Args:
        scores: What `kernel_scores` found.
        trace: Scores by the trace kernel.
        top: Candidates that count as the top.

    Returns:
        Comparisons, the all-ones kernel first.
    """
    estimates = [name for name in scores if name.startswith("ntk")]
    losses = [name for name in scores if name.startswith("loss")]
    found = [compare(name, TRACE, scores[name], trace, top, same_unit=True) for name in estimates]
    found.append(compare("ntk", CROSS, scores["ntk"], scores["ntk"] - trace, top, same_unit=True))
    found += [compare(name, TRACE, scores[name], trace, top) for name in losses]
    found += [compare(name, "ntk", scores[name], scores["ntk"], top) for name in losses]
    return found
