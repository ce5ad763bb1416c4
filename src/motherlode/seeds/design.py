"""Which seeds to order: every combination of the template's dimensions once before any is used again.

Drawing at random starves some combinations: of 200 seeds over 17 types, random draws leave one type with 5 and give
another 20. Here rows are chosen one by one. Each is a combination not used yet in its round of all; among those, the
one whose values have been used least, then whose pairs of values have been used least, then chance by a random seed.
A longer design begins with the shorter one, so raising the number of seeds asks only for the new ones.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_MOST_CELLS = 20_000  # combinations looked at for a row; of larger designs, as many at random


def balanced(dimensions: Mapping[str, Sequence[str]], count: int, random_seed: int) -> list[dict[str, str]]:
    """Choose combinations.

    Args:
        dimensions: Values by dimension, at least one each.
        count: Rows wanted.
        random_seed: Decides among equally good rows.

    Returns:
        One value by dimension a row. In every beginning of the list the uses of any two combinations differ by at most
        one (as long as there are at most 20,000 combinations).
    """
    sizes = [len(values) for values in dimensions.values()]
    generator = np.random.default_rng(random_seed)
    once = [np.zeros(size, dtype=np.int64) for size in sizes]
    twice = {
        pair: np.zeros((sizes[pair[0]], sizes[pair[1]]), dtype=np.int64)
        for pair in itertools.combinations(range(len(sizes)), 2)
    }
    cells = math.prod(sizes)
    left: NDArray[np.int64] = np.zeros((0, len(sizes)), dtype=np.int64)
    rows: list[dict[str, str]] = []
    names = list(dimensions)
    while len(rows) < count:
        if len(left) == 0:
            left = _cells(sizes, cells, generator)
        margins = sum((once[d][left[:, d]] - once[d].min() for d in range(len(sizes))), np.zeros(len(left)))
        pairs = sum((table[left[:, a], left[:, b]] for (a, b), table in twice.items()), np.zeros(len(left)))
        best = int(np.lexsort((pairs, margins))[0])  # ties: the earlier one, and their order is random
        row = left[best]
        for dimension, value in enumerate(row):
            once[dimension][value] += 1
        for (a, b), table in twice.items():
            table[row[a], row[b]] += 1
        rows.append({name: dimensions[name][int(value)] for name, value in zip(names, row, strict=True)})
        left = np.delete(left, best, axis=0) if cells <= _MOST_CELLS else left[:0]
    return rows


def _cells(sizes: Sequence[int], cells: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return all combinations in random order, or a random part of very many."""
    if cells > _MOST_CELLS:
        return np.stack([generator.integers(size, size=4096) for size in sizes], axis=1)
    grid = np.indices(sizes).reshape(len(sizes), -1).T
    return generator.permutation(grid).astype(np.int64)


def spread(count: int, share: float) -> list[bool]:
    """Mark a share of rows, evenly spread: of every beginning of n rows, n x share are marked, rounded down."""
    return [math.floor((i + 1) * share + 1e-9) > math.floor(i * share + 1e-9) for i in range(count)]
