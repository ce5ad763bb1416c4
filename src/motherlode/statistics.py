"""Intervals and paired comparisons of means: what stands beside every score.

The bootstrap (Efron & Tibshirani 1993) gives the shape of an interval. Its spread is wrong where units are few: by
(n - 1) / n with one level, and where random seeds and items are resampled together it counts their noise up to three
times (Owen 2007). So the distribution is stretched about its mean to the unbiased standard error, from the mean
squares of the two-way table [seeds, items], and to Student's t with Satterthwaite's degrees of freedom; with one level
that is Hesterberg's (2015) expanded percentile interval. The tests measure the coverage that is left.

Outcomes of 0 and 1 of which one is rare say little to a bootstrap (250 of 250 right would be certain): there the limits
are Wilson's (1927), and those of two paired shares are Wilson's joined by MOVER (Zou & Donner 2008).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from motherlode.errors import InputError

Z = 1.959963984540054  # 95 %, two-sided
Floats = NDArray[np.float64]
_RARE = 10  # outcomes of a kind below which a bootstrap of 0 and 1 is not trusted
_FEW = 20  # items a distinct column from which drawing multiplicities is faster than drawing items
_BLOCK = 4_000_000  # numbers of resamples that are held at a time


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences, first minus second.

    Attributes:
        mean: The difference of the means.
        low: Lower limit.
        high: Upper limit.
        probability: Share of the resamples in which the first is better, ties for half: 0.5 where nothing differs.
    """

    mean: float
    low: float
    high: float
    probability: float

    @property
    def certain(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


def wilson(positive: float, judged: float, size: float = math.inf, z: float = Z) -> tuple[float, float]:
    """Return the limits of a share.

    Args:
        positive: Hits in the sample.
        judged: The sample's size.
        size: The population's size.
        z: Quantile of the normal distribution.

    Returns:
        Lower and upper limit, 0 to 1; (0, 1) without a sample.
    """
    if judged <= 0:
        return 0.0, 1.0
    share = positive / judged
    if judged >= size:
        return share, share
    n = judged if math.isinf(size) else judged * (size - 1) / (size - judged)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap_interval(
    values: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    confidence: float = 0.95,
    resamples: int = 10_000,
    random_seed: int = 0,
) -> tuple[float, float]:
    """Return the limits of a mean.

    Args:
        values: `[n]`, or `[seeds, items]`: of items that were scored under several random seeds; both are resampled.
        weights: `[n]` positive weights of the values, resampled with them, e.g. a document's tokens; one level only.
        confidence: How often the interval is to hold the mean of the population, above 0 and below 1.
        resamples: How often to draw.
        random_seed: Seed of the draws.

    Returns:
        Lower and upper limit; infinite if there is a single value that is not 0 or 1.

    Raises:
        InputError: There is no value, or one is not finite, or sizes do not match.
    """
    table = _table(values, "values")
    mass = None if weights is None else _weights(weights, table)
    z, _ = _quantiles(confidence, math.inf)
    if mass is None and (rare := _rare_share(table, z)) is not None:
        return rare
    low, high, _ = _resample(table, mass, confidence, resamples, random_seed)
    return (max(0.0, low), min(1.0, high)) if mass is None and _binary(table) else (low, high)


def paired_bootstrap(
    first: ArrayLike,
    second: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    random_seed: int = 0,
) -> Difference:
    """Compare two methods on the same items.

    Args:
        first: `[items]`, or `[seeds, items]` of several runs: both levels are resampled, an item for all seeds at once.
        second: The same shape; the same place is the same item (and the same random seed).
        confidence: How often the interval is to hold the true difference, above 0 and below 1.
        resamples: How often to draw.
        random_seed: Seed of the draws.

    Returns:
        The difference.

    Raises:
        InputError: Shapes differ, there is no value, or one is not finite.
    """
    one, other = _table(first, "first"), _table(second, "second")
    if one.shape != other.shape:
        raise InputError(f"{one.shape} and {other.shape} values cannot be paired", where="paired_bootstrap")
    table = one - other
    low, high, drawn = _resample(table, None, confidence, resamples, random_seed)
    z, _ = _quantiles(confidence, math.inf)
    if (rare := _rare_difference(one, other, z)) is not None:
        low, high = rare
    probability = float((drawn > 0).mean() + (drawn == 0).mean() / 2)
    return Difference(float(table.mean()), low, high, probability)


def win_rate(first: ArrayLike, second: ArrayLike) -> float:
    """Return the share of pairs in which the first is larger, 0 to 1; a tie is half a win.

    Raises:
        InputError: Shapes differ, there is no value, or one is not finite.
    """
    one, other = _table(first, "first"), _table(second, "second")
    if one.shape != other.shape:
        raise InputError(f"{one.shape} and {other.shape} values cannot be paired", where="win_rate")
    return float((one > other).mean() + (one == other).mean() / 2)


def _table(values: ArrayLike, name: str) -> Floats:
    """Return values as `[seeds, items]`; a level of one unit counts as none."""
    table = np.asarray(values, dtype=np.float64)
    if table.ndim not in (1, 2) or not table.size:
        raise InputError(f"{name}: an array of shape {table.shape}", hint="give [items] or [seeds, items], not empty")
    if not np.isfinite(table).all():
        raise InputError(f"{name}: holds a value that is not finite")
    table = np.atleast_2d(table)
    return table.T if table.shape[1] == 1 else table


def _weights(weights: ArrayLike, table: Floats) -> Floats:
    mass = np.asarray(weights, dtype=np.float64)
    if len(table) > 1 or mass.shape != table[0].shape:
        raise InputError(f"weights: shape {mass.shape} beside values of shape {table.shape}")
    if not (np.isfinite(mass).all() and (mass > 0).all()):
        raise InputError("weights: one is not a positive number")
    return mass


def _binary(table: Floats) -> bool:
    return bool(((table == 0) | (table == 1)).all())


def _quantiles(confidence: float, freedom: float) -> tuple[float, float]:
    """Return the two-sided quantiles of the normal and of Student's distribution."""
    from scipy.special import ndtri, stdtrit

    if not 0 < confidence < 1:
        raise InputError(f"confidence = {confidence}: not between 0 and 1")
    upper = (1 + confidence) / 2
    return float(ndtri(upper)), float(ndtri(upper) if math.isinf(freedom) else stdtrit(freedom, upper))


def _rare_share(table: Floats, z: float) -> tuple[float, float] | None:
    """Return Wilson's limits where a bootstrap of 0 and 1 is not trusted: of the items, whatever the seeds."""
    if not _binary(table):
        return None
    items, positive = table.shape[1], float(table.mean(axis=0).sum())
    return wilson(positive, items, z=z) if min(positive, items - positive) < _RARE else None


def _rare_difference(one: Floats, other: Floats, z: float) -> tuple[float, float] | None:
    """Return MOVER's limits of two paired shares where hardly an item differs."""
    if len(one) > 1 or not (_binary(one) and _binary(other)):
        return None
    items = one.shape[1]
    better, worse = float((one > other).sum()), float((one < other).sum())
    if better + worse >= _RARE:
        return None
    (low, high), (other_low, other_high) = wilson(better, items, z=z), wilson(worse, items, z=z)
    a, b = better / items, worse / items
    return a - b - math.hypot(a - low, other_high - b), a - b + math.hypot(high - a, b - other_low)


def _resample(
    table: Floats, weights: Floats | None, confidence: float, resamples: int, random_seed: int
) -> tuple[float, float, Floats]:
    """Return the limits of the mean and the stretched distribution `[resamples]` that they are quantiles of."""
    if resamples < 1:
        raise InputError(f"resamples = {resamples}: not 1 or more")
    mean = float(np.average(table[0], weights=weights)) if weights is not None else float(table.mean())
    error, freedom = _standard_error(table, weights)
    if table.size == 1:
        return -math.inf, math.inf, np.full(resamples, mean)
    if error == 0:
        return mean, mean, np.full(resamples, mean)
    drawn = _draw(table, weights, resamples, np.random.default_rng(random_seed))
    normal, student = _quantiles(confidence, freedom)
    spread = float(drawn.std())
    if spread > 0:
        drawn = mean + (drawn - mean) * (error / spread * student / normal)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high), drawn


def _draw(table: Floats, weights: Floats | None, resamples: int, rng: np.random.Generator) -> Floats:
    """Return means of resampled rows and columns.

    Where few columns differ, as of outcomes 0 and 1, their multiplicities are drawn, else the columns one by one.
    """
    seeds, items = table.shape
    mass = np.ones(items) if weights is None else weights
    columns, counts = np.unique(np.vstack([table * mass, mass]), axis=1, return_counts=True)
    few = len(counts) * _FEW < items
    if not few:
        columns = np.vstack([table * mass, mass])
    values, mass = columns[:-1], columns[-1]
    block = max(1, _BLOCK // columns.shape[1])
    means = []
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        rows = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=size) / seeds
        if few:
            taken = rng.multinomial(items, counts / items, size=size)
            means.append(((rows @ values) * taken).sum(axis=1) / (taken @ mass))
        else:
            places = rng.integers(0, items, size=(size, items), dtype=np.int32)
            sums = values[0][places] if seeds == 1 else np.take_along_axis(rows @ values, places, axis=1)
            means.append(sums.sum(axis=1) / mass[places].sum(axis=1))
    return np.concatenate(means)


def _standard_error(table: Floats, weights: Floats | None) -> tuple[float, float]:
    """Return the unbiased standard error of the mean, and its degrees of freedom.

    With two levels, x = mean + seed + item + rest, whose mean squares S, I, R give the variance (S + I - R) / (s n); a
    level whose mean square is below that of the rest varies no more than noise does, and is left out.
    """
    seeds, items = table.shape
    if seeds == 1:
        if items == 1:
            return math.inf, 1.0
        mass = np.ones(items) if weights is None else weights / weights.mean()
        rest = mass * (table[0] - np.average(table[0], weights=mass))
        return math.sqrt(float((rest**2).sum()) / (items - 1) / items), items - 1.0
    by_seed, by_item, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    of_seeds = items * float(((by_seed - mean) ** 2).sum()) / (seeds - 1)
    of_items = seeds * float(((by_item - mean) ** 2).sum()) / (items - 1)
    rest_freedom = (seeds - 1) * (items - 1)
    of_rest = float(((table - by_seed[:, None] - by_item[None, :] + mean) ** 2).sum()) / rest_freedom
    parts = [(of_seeds, seeds - 1), (of_items, items - 1)]
    kept = [(square, freedom) for square, freedom in parts if square > of_rest]
    total = of_rest + sum(square - of_rest for square, _ in kept)
    sign_of_rest = 1 - len(kept)
    below = sum(square**2 / freedom for square, freedom in kept) + sign_of_rest**2 * of_rest**2 / rest_freedom
    return math.sqrt(total / (seeds * items)), total**2 / below if below > 0 else float(rest_freedom)
