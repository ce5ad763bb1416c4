"""How far two scores of the same candidates agree: in rank, and in who is at the top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from motherlode.selection.choose import by_score
from motherlode.statistics import Z


@dataclass(frozen=True)
class Agreement:
    """Two scores compared.

    Attributes:
        name: What was scored by.
        against: What it is compared with.
        spearman: Rank correlation, -1 to 1; None if a score is constant.
        low: Lower end of its 95 % interval; None with it.
        high: Upper end.
        overlap: Share of the top that both have in common.
        chance: That share for two random choices: top / candidates.
        top: How many candidates count as the top.
        candidates: How many were scored.
        error: Largest absolute difference / largest absolute score of `against`; None if units differ.
    """

    name: str
    against: str
    spearman: float | None
    low: float | None
    high: float | None
    overlap: float
    chance: float
    top: int
    candidates: int
    error: float | None = None


def spearman(a: ArrayLike, b: ArrayLike) -> float | None:
    """Return the rank correlation (ties share ranks), None if there are fewer than two values or one is constant."""
    from scipy.stats import spearmanr

    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if len(left) < 2 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    return float(spearmanr(left, right).statistic)


def interval(correlation: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a rank correlation.

    Fisher's z with the standard error sqrt((1 + r^2 / 2) / (n - 3)) (Bonett and Wright 2000, equation 3).

    Args:
        correlation: r, -1 to 1.
        count: n; with fewer than four the interval is all of -1 to 1.
    """
    if count < 4:
        return -1.0, 1.0
    if abs(correlation) >= 1:
        return correlation, correlation
    half = Z * float(np.sqrt((1 + correlation**2 / 2) / (count - 3)))
    centre = float(np.arctanh(correlation))
    return float(np.tanh(centre - half)), float(np.tanh(centre + half))


def overlap(a: NDArray[np.float64], b: NDArray[np.float64], top: int) -> float:
    """Return the share of the `top` best of one score that are among those of the other; ties as they came."""
    return len({*by_score(a)[:top].tolist()} & {*by_score(b)[:top].tolist()}) / top


def compare(
    name: str,
    against: str,
    scores: NDArray[np.float64],
    wanted: NDArray[np.float64],
    top: int,
    *,
    same_unit: bool = False,
) -> Agreement:
    """Compare scores with those that are wanted.

    Args:
        name: What was scored by.
        against: What is wanted.
        scores: `[n]`.
        wanted: `[n]`.
        top: Candidates that count as the top, 1 to n.
        same_unit: Whether both estimate the same number, so that their difference means something.

    Returns:
        How far they agree.
    """
    found = spearman(scores, wanted)
    low, high = (None, None) if found is None else interval(found, len(scores))
    scale = float(np.abs(wanted).max()) or 1.0
    return Agreement(
        name=name,
        against=against,
        spearman=found,
        low=low,
        high=high,
        overlap=overlap(scores, wanted, top),
        chance=top / len(scores),
        top=top,
        candidates=len(scores),
        error=float(np.abs(scores - wanted).max()) / scale if same_unit else None,
    )
