"""Agreement of scores against scipy, and intervals against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from motherlode.diagnosis.agreement import compare, interval, overlap, spearman

SCORES = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=40)


@given(SCORES)
def test_rank_correlation_and_overlap(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs, dtype=np.float64).T
    found = spearman(a, b)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert found is None
    else:
        assert found == pytest.approx(scipy.stats.spearmanr(a, b).statistic)
    top = max(1, len(a) // 3)
    by_hand = [{*sorted(range(len(v)), key=lambda i: (-v[i], i))[:top]} for v in (a, b)]
    assert overlap(a, b, top) == len(by_hand[0] & by_hand[1]) / top


def test_a_comparison_says_all_of_it() -> None:
    wanted = np.arange(20.0)
    same = compare("a", "b", wanted * 2, wanted, 5, same_unit=True)
    assert (same.spearman, same.overlap, same.chance, same.top, same.candidates) == (1.0, 1.0, 0.25, 5, 20)
    assert same.error == pytest.approx(1.0)
    other = compare("a", "b", -wanted, wanted, 5)
    assert (other.spearman, other.overlap, other.error) == (-1.0, 0.0, None)
    constant = compare("a", "b", np.zeros(20), wanted, 5)
    assert (constant.spearman, constant.low, constant.high) == (None, None, None)


def test_the_interval_of_a_rank_correlation_covers_it() -> None:
    choice = np.random.default_rng(0)
    rho, inside = 0.7, 0
    truth = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's of a bivariate normal
    for _ in range(300):
        x = choice.standard_normal((2, 60))
        y = rho * x[0] + np.sqrt(1 - rho**2) * x[1]
        low, high = interval(float(scipy.stats.spearmanr(x[0], y).statistic), 60)
        inside += low <= truth <= high
    assert 0.91 < inside / 300 < 0.985
    assert interval(0.5, 3) == (-1.0, 1.0)
    assert interval(1.0, 50) == (1.0, 1.0)
