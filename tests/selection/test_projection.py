"""Projections keep inner products on average, with the variance that theory says, piece by piece or at once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the extra 'select' is not installed")

from motherlode.errors import InputError  # noqa: E402
from motherlode.selection.projection import KINDS, Projection, ProjectionKind, _mix, _words, project  # noqa: E402


def matrix(kind: ProjectionKind, size: int, dimension: int, random_seed: int) -> np.ndarray:
    """The projection as a matrix, `[size, dimension]`: what it does to unit vectors."""
    return project(np.eye(size), dimension, kind, random_seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dimension", [5, 64, 100])
def test_columns_are_signs_of_unit_length(kind: ProjectionKind, dimension: int) -> None:
    found = matrix(kind, 230, dimension, 3)
    filled = found[found != 0].reshape(230, -1)
    assert filled.shape[1] == (dimension if kind == "rademacher" else 1)
    np.testing.assert_allclose(np.abs(filled), filled.shape[1] ** -0.5, rtol=1e-6)
    np.testing.assert_allclose((found**2).sum(1), 1, rtol=1e-5)
    assert not np.array_equal(found, matrix(kind, 230, dimension, 4))
    x = np.random.default_rng(0).normal(size=(3, 230))
    np.testing.assert_allclose(project(x, dimension, kind, 3), x @ found, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_inner_products_are_unbiased_with_the_variance_of_signs(kind: ProjectionKind) -> None:
    choice = np.random.default_rng(1)
    size, dimension, seeds = 120, 40, 3000
    x, y = choice.normal(size=size), choice.normal(size=size) + 0.3
    y += 0.5 * x
    found = np.array([np.dot(*project(np.stack([x, y]), dimension, kind, seed)) for seed in range(seeds)])
    wanted = x @ y
    most = ((x @ x) * (y @ y) + wanted**2 - 2 * (x**2) @ (y**2)) / dimension
    assert abs(found.mean() - wanted) < 4 * (most / seeds) ** 0.5
    blocks = 1.0
    if kind == "sparse":  # pairs within a block never collide
        apart = [slice(start, start + dimension) for start in range(0, size, dimension)]
        inner = sum((x[s] @ x[s]) * (y[s] @ y[s]) + (x[s] @ y[s]) ** 2 - 2 * (x[s] ** 2) @ (y[s] ** 2) for s in apart)
        blocks = 1 - inner / dimension / most
    assert found.var() == pytest.approx(most * blocks, rel=0.12)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(KINDS), st.integers(1, 150), st.integers(0, 200), st.lists(st.integers(0, 120), max_size=5))
def test_pieces_add_up(kind: ProjectionKind, dimension: int, start: int, cuts: list[int]) -> None:
    piece = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 120)).astype(np.float32))
    projection = Projection(kind, dimension, 7)
    whole, parts = projection.empty(2), projection.empty(2)
    projection.add(whole, piece, start)
    bounds = sorted({0, 120, *cuts})
    for low, high in reversed(list(pairwise(bounds))):
        projection.add(parts, piece[:, low:high], start + low)
    np.testing.assert_allclose(parts.numpy(), whole.numpy(), atol=1e-4)


def test_words_are_those_of_splitmix64() -> None:
    # the reference sequence from state 0 (Vigna's splitmix64.c)
    assert _mix(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF
    found = _words(0, 0, 3, torch.device("cpu")).tolist()
    assert [word & (2**64 - 1) for word in found] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_bad_choices_are_refused() -> None:
    with pytest.raises(InputError, match="no projection"):
        project(np.ones((1, 3)), 4, "gauss")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="none"):
        project(np.ones((1, 3)), 0)
