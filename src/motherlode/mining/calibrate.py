"""Calibration: the retrieval threshold that a target precision asks for, without labels.

A cosine of 0.85 means nothing by itself: it depends on the encoder. What can be known without labels is how often the
*nearest* of all seeds, the contrast set's included, carries the label when the cosine is at least t. That share, the
idea of target-decoy competition (Elias & Gygi 2007), is corrected for wins by chance: with `false_hit` the share of the
other labels' seeds whose nearest other seed (each left out in turn) carries the label,

    precision(t) = (wins(t) / kept(t) - false_hit) / (1 - false_hit), clipped to [0, 1].

Full adjusted counting (Forman 2008) would also divide by `hit`, the share of the label's own seeds whose nearest other
seed carries it. It is left out: seeds are more unlike each other than documents are, and dividing made estimates far
too high (0.92 where 0.42 was true, on real documents).

The threshold is the smallest multiple of 0.005 whose precision is at least the target, and above which no precision is
clearly below it. Clearly, for the few documents at the top scatter: were each dip to count, one in ten thresholds
would leave a tenth of the documents that it should (measured on mixtures of known precision). It is an estimate: seeds
are written, documents are found. The benchmark prints it beside the true precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motherlode.errors import InputError
from motherlode.mining.retrieve import BINS, SeedMatrix, at_least

PAPER_THRESHOLD = 0.85
SWEEP = tuple(round(0.70 + 0.05 * step, 2) for step in range(6))  # the paper's proposed sweep
_FEWEST = 20  # documents that an estimate of a share needs
_CLEARLY = 2.0  # standard errors
_GRID = np.round(np.arange(BINS) / (BINS / 2) - 1, 3)


@dataclass(frozen=True)
class Calibration:
    """The threshold of one label, and how it came about.

    Attributes:
        label: The label.
        threshold: Documents with at least this cosine to a seed count as retrieved.
        automatic: Whether the threshold was calibrated; else it was given.
        target: The precision aimed at.
        reached: Whether some threshold reaches it by the estimate.
        kept: Documents at or above the threshold.
        precision: The estimated precision there.
        hit: Share of the label's seeds whose nearest other seed carries the label.
        false_hit: Share of the other seeds whose nearest other seed carries the label.
        curve: `(threshold, kept, precision)` over a grid, for plots.
        sweep: `(threshold, kept)` at the paper's 0.70 to 0.95.
    """

    label: str
    threshold: float
    automatic: bool
    target: float
    reached: bool
    kept: int
    precision: float
    hit: float
    false_hit: float
    curve: tuple[tuple[float, int, float], ...]
    sweep: tuple[tuple[float, int], ...]


def seed_confusion(seeds: SeedMatrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure how often the nearest other seed carries a label.

    Args:
        seeds: All seeds, the contrast set's included.

    Returns:
        For each label `[l]`: the share among its own seeds, and the share among the others.
    """
    similarity = seeds.vectors @ seeds.vectors.T
    np.fill_diagonal(similarity, -2)
    carried = seeds.labels[similarity.argmax(axis=1)]
    own = seeds.labels
    hit = (carried & own).sum(axis=0) / np.maximum(1, own.sum(axis=0))
    false_hit = (carried & ~own).sum(axis=0) / np.maximum(1, (~own).sum(axis=0))
    return hit, false_hit


def _cumulative(counts: Sequence[int]) -> NDArray[np.int64]:
    return np.cumsum(np.asarray(counts, dtype=np.int64)[::-1])[::-1]


def calibrate(
    label: str,
    stats: Mapping[str, Any],
    hit: float,
    false_hit: float,
    *,
    threshold: float | None = None,
    target: float = 0.9,
) -> Calibration:
    """Choose the retrieval threshold of a label.

    Args:
        label: The label.
        stats: Merged statistics of `RetrieveStep`: histograms of cosines and of wins.
        hit: See `seed_confusion`.
        false_hit: See `seed_confusion`.
        threshold: A given threshold in (-1, 1]; None to calibrate.
        target: The precision aimed at, in (0, 1).

    Returns:
        The calibration. If no threshold reaches the target, the lowest one is taken whose estimate is within
        5 % of the highest: the highest itself often keeps a handful of documents.

    Raises:
        InputError: A number is out of range.
    """
    if threshold is not None and not -1 < threshold <= 1:
        raise InputError(f"{threshold} is not a cosine", where="--t-sim", hint="use 'auto' or a number such as 0.85")
    if not 0 < target < 1:
        raise InputError(f"{target} is not a precision", where="--target-precision", hint="use a number in (0, 1)")
    counts: Sequence[int] = stats[f"histogram:{label}"]
    kept, wins = _cumulative(counts), _cumulative(stats[f"wins:{label}"])
    share = wins / np.maximum(1, kept)
    precision = np.clip((share - false_hit) / max(1e-9, 1 - false_hit), 0, 1)
    error = np.sqrt(share * (1 - share) / np.maximum(1, kept)) / max(1e-9, 1 - false_hit)
    usable = kept >= min(_FEWEST, max(1, kept[0]))
    last = int(np.flatnonzero(usable)[-1]) if usable.any() else 0
    precision[last + 1 :] = precision[last]  # above, too few documents remain for an estimate of their own
    good, bad = precision >= target, precision + _CLEARLY * error < target
    reached = bool(good[: last + 1].any())
    if threshold is not None:
        chosen = threshold
        place = int(np.clip(np.ceil((threshold + 1) * (BINS / 2) - 1e-6), 0, BINS - 1))
    else:
        place = _lowest_good(good, bad, last) if reached else _nearly_best(precision[: last + 1])
        chosen = float(_GRID[place])
    grid = range(BINS // 2, BINS, 2)
    return Calibration(
        label=label,
        threshold=chosen,
        automatic=threshold is None,
        target=target,
        reached=reached,
        kept=int(kept[place]),
        precision=float(precision[place]),
        hit=hit,
        false_hit=false_hit,
        curve=tuple((float(_GRID[i]), int(kept[i]), float(precision[i])) for i in grid),
        sweep=tuple((t, at_least(counts, t)) for t in SWEEP),
    )


def _nearly_best(precision: NDArray[np.float64]) -> int:
    """Return the lowest place whose estimate is at least 95 % of the highest."""
    return int(np.flatnonzero(precision >= 0.95 * precision.max())[0])


def _lowest_good(good: NDArray[np.bool_], bad: NDArray[np.bool_], last: int) -> int:
    """Return the lowest good place above which none is bad; else the lowest good one of the last run without bad ones.

    Args:
        good: `[n]`, whether an estimate reaches the target; some do.
        bad: `[n]`, whether it is clearly below; none is both.
        last: The last place that counts.

    Returns:
        A good place, 0 to `last`.
    """
    places = np.flatnonzero(good[: last + 1])
    bad_below = np.flatnonzero(bad[: places[-1]])
    return int(places[places > bad_below[-1]][0]) if len(bad_below) else int(places[0])
