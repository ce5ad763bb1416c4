"""TSDS: the closed form against a linear program of its optimisation problem, the densities against all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from motherlode.encode.encoder import unit_rows
from motherlode.selection.methods.tsds import SCALE, densities_of, probabilities, transport


def program(distances: np.ndarray, densities: np.ndarray, alpha: float) -> tuple[float, np.ndarray]:
    """Solve the problem as it is written: the least objective, and the plan `[m, n]`."""
    m, n = distances.shape
    total = (1 / densities).sum()
    cost = np.append(alpha / SCALE * distances.ravel(), 1 - alpha)
    sums = np.zeros((m, m * n + 1))
    for i in range(m):
        sums[i, i * n : (i + 1) * n] = 1
    weighed = np.diag(np.tile(m * densities, m))  # M rho_j g_ij - 1/S lies between -t and t
    above = np.hstack([weighed, -np.ones((m * n, 1))])
    below = np.hstack([-weighed, -np.ones((m * n, 1))])
    limits = np.concatenate([np.full(m * n, 1 / total), np.full(m * n, -1 / total)])
    found = linprog(cost, np.vstack([above, below]), limits, sums, np.full(m, 1 / m))
    assert found.status == 0
    return found.fun, found.x[:-1].reshape(m, n)


def objective(plan: np.ndarray, distances: np.ndarray, densities: np.ndarray, alpha: float) -> float:
    m = len(plan)
    gap = m * densities * np.abs(plan - 1 / (m * densities * (1 / densities).sum()))
    return float(alpha / SCALE * (plan * distances).sum() + (1 - alpha) * gap.max())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(2, 7), st.sampled_from([0.0, 0.3, 0.9, 0.97, 0.995, 1.0]))
def test_the_closed_form_solves_the_problem(seed: int, m: int, n: int, alpha: float) -> None:
    choice = np.random.default_rng(seed)
    distances = choice.random((m, n)) * 2
    densities = 1 + choice.integers(0, 3, n) * choice.random(n)
    order = np.argsort(distances, axis=1)
    found = transport(np.take_along_axis(distances, order, 1), densities[order], alpha, candidates=n)
    plan = np.zeros((m, n))
    np.put_along_axis(plan, order, found.shares, 1)
    np.testing.assert_allclose(plan.sum(axis=1), 1 / m, rtol=1e-9)
    least, wanted = program(distances, densities, alpha)
    assert objective(plan, distances, densities, alpha) == pytest.approx(least, rel=1e-6, abs=1e-9)
    assert objective(wanted, distances, densities, alpha) == pytest.approx(least, rel=1e-6, abs=1e-9)


def test_near_duplicates_share_what_one_alone_gets() -> None:
    choice = np.random.default_rng(0)
    alone = unit_rows(choice.normal(size=(30, 8)))
    twice = np.concatenate([alone, alone[:1], alone[:1]])
    setting = {"alpha": 0.5, "bandwidth": 0.2}
    query = alone[:3]
    one, _, _ = probabilities(query, lambda: [alone], 30, **setting)
    three, most, plan = probabilities(query, lambda: [twice[:7], twice[7:]], 32, **setting)
    assert three.sum() == pytest.approx(1)
    np.testing.assert_allclose(three[[0, 30, 31]].sum(), one[0], rtol=1e-4)
    np.testing.assert_allclose(three[1:30], one[1:], rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(most, (twice @ query.T).max(axis=1), rtol=1e-6)
    assert not plan.bounded
    without, _, _ = probabilities(query, lambda: [twice], 32, alpha=0.5, bandwidth=0)
    assert without[[0, 30, 31]].sum() > 1.5 * one[0]


def test_densities_are_those_of_all_pairs() -> None:
    choice = np.random.default_rng(3)
    vectors = unit_rows(choice.normal(size=(50, 3)))
    squares = ((vectors[:, None].astype(float) - vectors[None]) ** 2).sum(axis=2)
    wanted = np.clip(1 - squares / 0.8**2, 0, None).sum(axis=1)
    found = densities_of(vectors[10:20], [vectors[:11], vectors[11:]], 0.8)
    np.testing.assert_allclose(found, wanted[10:20], rtol=1e-5)
    assert densities_of(vectors, [], 0).tolist() == [1] * 50


def test_too_few_neighbours_are_told() -> None:
    vectors = unit_rows(np.random.default_rng(1).normal(size=(40, 5)))
    drawn, _, plan = probabilities(vectors[:4], lambda: [vectors], 40, alpha=0.1, bandwidth=0, neighbours=6)
    assert plan.bounded
    assert plan.spread == pytest.approx(6)
    assert 0 < np.count_nonzero(drawn) <= 24
