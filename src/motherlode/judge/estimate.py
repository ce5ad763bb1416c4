"""Precision and recall from a stratified sample, with intervals that hold for few documents and for shares near 0 or 1.

Each label divides the corpus into cells of known size: documents of a stratum that have the label, or have it not.
Within a cell the judged documents are a simple random sample, so its share of positives has a Wilson interval (Wilson
1927; with the finite population's correction, so that a cell judged whole is certain). Sums over cells are joined by
MOVER (Zou & Donner 2008), which needs no more than each cell's limits; recall is a ratio of sums, A / (A + M) of
positives accepted and missed, whose limits are the r at which the interval of (1 - r) A - r M touches 0 (Fieller 1954,
with MOVER's limits). Where nothing was judged of a cell, its share may be anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motherlode.statistics import wilson

_STEPS = 60  # of bisection


@dataclass(frozen=True)
class Cell:
    """Documents of which some were judged at random.

    Attributes:
        size: All of them.
        judged: Those judged.
        positive: Those of them that the judge gives the label.
    """

    size: int
    judged: int
    positive: int


@dataclass(frozen=True)
class Estimate:
    """A share with its interval of 95 %.

    Attributes:
        value: The estimate, 0 to 1; None if nothing is known of it.
        low: Lower limit.
        high: Upper limit.
        judged: Documents that it rests on.
    """

    value: float | None
    low: float
    high: float
    judged: int


def precision(accepted: Sequence[Cell]) -> Estimate:
    """Estimate the share of positives among the documents of some cells."""
    sizes, shares, lows, highs = _cells(accepted)
    judged = sum(cell.judged for cell in accepted)
    if not sizes.sum() or not judged:
        return Estimate(None, 0.0, 1.0, judged)
    weights = sizes / sizes.sum()
    value = float(weights @ shares)
    low = value - math.sqrt(float(((weights * (shares - lows)) ** 2).sum()))
    high = value + math.sqrt(float(((weights * (highs - shares)) ** 2).sum()))
    return Estimate(value, max(0.0, low), min(1.0, high), judged)


def recall(accepted: Sequence[Cell], rejected: Sequence[Cell]) -> Estimate:
    """Estimate the share of all positives that lies in the accepted cells.

    Args:
        accepted: Cells of documents with the label.
        rejected: Cells of all others.
    """
    sizes, shares, lows, highs = _cells(accepted)
    other_sizes, other_shares, other_lows, other_highs = _cells(rejected)
    judged = sum(cell.judged for cell in (*accepted, *rejected))
    found, missed = float(sizes @ shares), float(other_sizes @ other_shares)
    if found + missed == 0 or not sum(cell.judged for cell in accepted):
        return Estimate(None, 0.0, 1.0, judged)
    value = found / (found + missed)

    def lower_limit(r: float) -> float:
        spread = ((1 - r) * sizes * (shares - lows)) ** 2
        other = (r * other_sizes * (other_highs - other_shares)) ** 2
        return (1 - r) * found - r * missed - math.sqrt(float(spread.sum() + other.sum()))

    def upper_limit(r: float) -> float:
        spread = ((1 - r) * sizes * (highs - shares)) ** 2
        other = (r * other_sizes * (other_shares - other_lows)) ** 2
        return (1 - r) * found - r * missed + math.sqrt(float(spread.sum() + other.sum()))

    low, high = 0.0, value
    for _ in range(_STEPS):  # the least r that the data do not exclude
        middle = (low + high) / 2
        low, high = (middle, high) if lower_limit(middle) > 0 else (low, middle)
    least = low
    low, high = value, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if upper_limit(middle) >= 0 else (low, middle)
    return Estimate(value, least, high, judged)


def _cells(cells: Sequence[Cell]) -> tuple[NDArray[np.float64], ...]:
    """Return sizes, shares and limits; a cell without judged documents takes the share of the others."""
    sampled = [cell for cell in cells if cell.judged]
    weight = sum(cell.size for cell in sampled)
    pooled = sum(cell.size * cell.positive / cell.judged for cell in sampled) / weight if weight else 0.0
    there = [cell for cell in cells if cell.size]
    limits = [wilson(cell.positive, cell.judged, cell.size) for cell in there]
    return (
        np.array([cell.size for cell in there], dtype=np.float64),
        np.array([cell.positive / cell.judged if cell.judged else pooled for cell in there], dtype=np.float64),
        np.array([low for low, _ in limits], dtype=np.float64),
        np.array([high for _, high in limits], dtype=np.float64),
    )
