"""Does a score know the domain? Other samples of the domain should score above those of the pool.

The domain's sample is halved: one half is what candidates are held against, the other half is put among the pool (the
warm-up has read both). The measure is the area under the ROC curve: the chance that a sample of the domain scores above
one of the pool. It needs no labels, and separates two reasons for which a kernel may choose badly:

* Inner products of gradients are ruled by their lengths: short or unusual samples have long gradients. Cosines are not.
* The gradients of the loss of two answers to similar questions point against each other (one raises what the other
  lowers), so that a domain of few, short answers has a small mean gradient, and its own samples score around zero.

More of the domain is not all that can help: of two kernels one found far less of it, and no difference was shown after
training (`benchmarks/RESULTS.md`). A low area says that a score chooses by something else than likeness, not that it is
useless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from motherlode.diagnosis.kernels import score
from motherlode.models.batches import Batcher
from motherlode.models.lora import AdaptedModel
from motherlode.models.tokens import Tokens
from motherlode.selection.hidden import mean_hidden
from motherlode.selection.kernels import Kernel, Normalize, make_objective
from motherlode.selection.scoring import cosine_engine
from motherlode.statistics import Z

KERNELS: tuple[Kernel, ...] = ("ntk", "loss")
COSINE = ", cosine"
EMBEDDING = "mean hidden states, cosine"


@dataclass(frozen=True)
class Recognition:
    """How well a score tells the domain's samples from the pool's.

    Attributes:
        name: What was scored by.
        known: Domain samples that candidates were held against.
        unseen: Domain samples among the candidates, which are not in the mean gradient.
        pool: Pool samples among the candidates.
        area: Chance that one of the domain scores above one of the pool, ties for half; 0.5 if the score knows nothing.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    name: str
    known: int
    unseen: int
    pool: int
    area: float
    low: float
    high: float


def area_under_roc(positive: ArrayLike, negative: ArrayLike) -> float:
    """Return the chance that one of `positive` is above one of `negative`, ties for half.

    Args:
        positive: `[m]` scores.
        negative: `[n]` scores.
    """
    from sklearn.metrics import roc_auc_score

    truth = [True] * np.size(positive) + [False] * np.size(negative)
    return float(roc_auc_score(truth, np.concatenate([positive, negative])))


def area_interval(area: float, positive: int, negative: int, z: float = Z) -> tuple[float, float]:
    """Return the limits of an area under the ROC curve.

    Each limit t solves (area - t)^2 = z^2 V(t), with Hanley and McNeil's variance V (1982, Radiology 143:29) at the
    limit itself, as Wilson's interval does for a share (Newcombe 2006, Statistics in Medicine 25:559, method 4): it
    stays within 0 and 1, and is no point where all samples are told apart.

    Args:
        area: What was measured, 0 to 1.
        positive: Samples that should score high, 1 or more.
        negative: Samples that should score low, 1 or more.
        z: Quantile of the normal distribution.

    Returns:
        Lower and upper limit.
    """
    from scipy.optimize import brentq

    def beyond(limit: float) -> float:
        spread = 1 + (positive - 1) * (1 - limit) / (2 - limit) + (negative - 1) * limit / (1 + limit)
        return (area - limit) ** 2 - z * z * limit * (1 - limit) * spread / (positive * negative)

    inner = min(max(area, 1e-9), 1 - 1e-9)  # at the ends the variance is 0, and they would be their own limits
    low = float(brentq(beyond, 0.0, inner)) if area > 0 else 0.0
    high = float(brentq(beyond, inner, 1.0)) if area < 1 else 1.0
    return low, high


def look_at_recognition(
    adapted: AdaptedModel,
    domain: Sequence[Tokens],
    pool: Sequence[Tokens],
    batcher: Batcher,
    *,
    normalize: Normalize = "length",
) -> list[Recognition]:
    """Tell other domain samples from the pool by each kernel, by its cosines, and by hidden states.

    Args:
        adapted: The model.
        domain: Domain samples, 2 or more; the first half is what is known of it.
        pool: Pool samples.
        batcher: How they are batched.
        normalize: See `make_objective`.

    Returns:
        One for each score.

    Raises:
        InputError: A score is not finite.
        MotherlodeError: The mean gradient is zero.
    """
    half = (len(domain) + 1) // 2
    known, unseen = domain[:half], domain[half:]
    candidates = [*unseen, *pool]

    def told(name: str, scores: NDArray[np.float64]) -> Recognition:
        area = area_under_roc(scores[: len(unseen)], scores[len(unseen) :])
        return Recognition(name, half, len(unseen), len(pool), area, *area_interval(area, len(unseen), len(pool)))

    found = []
    for kernel in KERNELS:
        objective = make_objective(adapted, kernel, normalize=normalize)
        found.append(told(kernel, score(adapted, objective, known, candidates, batcher)))
        found.append(told(f"{kernel}{COSINE}", cosine_engine(adapted, objective, known, batcher).score(candidates)))
    vectors, others = (mean_hidden(adapted, part, batcher).astype(np.float64) for part in (known, candidates))
    found.append(told(EMBEDDING, others @ vectors.mean(0)))
    return found
