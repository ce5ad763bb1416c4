"""The shape of a selection's scores, small enough for its record: what plots and reports draw."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BINS = 40
_POINTS = 48


def score_summary(scores: NDArray[np.float64], taken: NDArray[np.float64]) -> dict[str, Any]:
    """Count scores in bins, and read the curve of scores by rank at a few ranks.

    Args:
        scores: `[m]` of all scored candidates.
        taken: Those of the selected ones.

    Returns:
        `low` and `high`, the range; `scored` and `selected`, counts in bins of equal width over it; `ranks` and
        `by_rank`, the score at ranks from 1 to m; `selected_ranks` and `selected_by_rank`, the same of the selection.
    """
    low, high = (float(scores.min()), float(scores.max())) if len(scores) else (0.0, 0.0)
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    ranks, values = _curve(scores)
    own_ranks, own_values = _curve(taken)
    return {
        "low": float(edges[0]),
        "high": float(edges[-1]),
        "scored": np.histogram(scores, edges)[0].tolist(),
        "selected": np.histogram(taken, edges)[0].tolist(),
        "ranks": ranks,
        "by_rank": values,
        "selected_ranks": own_ranks,
        "selected_by_rank": own_values,
    }


def _curve(scores: NDArray[np.float64]) -> tuple[list[int], list[float]]:
    if not len(scores):
        return [], []
    places = np.unique(np.linspace(0, len(scores) - 1, _POINTS).round().astype(np.int64))
    return (places + 1).tolist(), np.sort(scores)[::-1][places].tolist()
