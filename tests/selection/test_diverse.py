"""The lazy greedy against a greedy that computes the objective anew for every candidate, and neighbours against all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motherlode.encode.encoder import unit_rows
from motherlode.selection import diverse as module
from motherlode.selection.diverse import Cover, diverse, nearest_among, relevance


def dense(cover: Cover, count: int) -> np.ndarray:
    """s as a matrix: `[i, j]` how well j covers i."""
    matrix = np.zeros((count, count))
    for j in range(count):
        inside = slice(cover.bounds[j], cover.bounds[j + 1])
        matrix[cover.covered[inside], j] = cover.cosines[inside]
    return matrix


def worth_of(chosen: list[int], worth: np.ndarray, similarity: np.ndarray, weight: float) -> float:
    return float((1 - weight) * worth[chosen].sum() + weight * (worth * similarity[:, chosen].max(axis=1)).sum())


def greedy(worth: np.ndarray, similarity: np.ndarray, weight: float) -> list[int]:
    chosen: list[int] = []
    while len(chosen) < len(worth):
        left = [j for j in range(len(worth)) if j not in chosen]
        values = [round(worth_of([*chosen, j], worth, similarity, weight), 12) for j in left]
        chosen.append(left[int(np.argmax(values))])
    return chosen


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 25), st.integers(1, 25), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_lazy_greedy_is_greedy(seed: int, count: int, k: int, weight: float) -> None:
    choice = np.random.default_rng(seed)
    vectors = unit_rows(choice.normal(size=(count, 3)))
    cover = nearest_among(vectors, k)
    worth = relevance(choice.random(count), 5)
    similarity = dense(cover, count)
    found = list(diverse(worth, cover, weight))
    assert sorted(found) == list(range(count))
    wanted = greedy(worth, similarity, weight)
    for size in range(1, count + 1):  # not the names, which equal gains may swap, but what is reached
        assert worth_of(found[:size], worth, similarity, weight) == pytest.approx(
            worth_of(wanted[:size], worth, similarity, weight), abs=1e-9
        )
    if weight < 1:
        assert found == wanted


def test_without_diversity_the_order_is_that_of_the_scores() -> None:
    scores = np.random.default_rng(0).normal(size=50)
    cover = nearest_among(unit_rows(np.random.default_rng(1).normal(size=(50, 4))))
    assert list(diverse(relevance(scores, 9), cover, 0.0)) == np.argsort(-scores, kind="stable").tolist()


def test_clusters_are_covered_before_one_is_emptied() -> None:
    choice = np.random.default_rng(0)
    centres = np.eye(5, dtype=np.float32)
    vectors = unit_rows(np.repeat(centres, 20, axis=0) + 0.05 * choice.normal(size=(100, 5)))
    scores = np.arange(100, 0, -1) + 0.0  # the first cluster scores highest
    worth = relevance(scores, 60)
    first = list(diverse(worth, nearest_among(vectors, 20), 1.0))[:5]
    assert {place // 20 for place in first} == set(range(5))
    assert {place // 20 for place in np.argsort(-scores)[:5]} == {0}


@pytest.mark.parametrize("k", [1, 3, 200])
def test_neighbours_are_those_of_all_pairs(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS", 7)
    monkeypatch.setattr(module, "_COLUMNS", 11)
    monkeypatch.setattr(module, "_MANY", 1)
    choice = np.random.default_rng(k)
    vectors = unit_rows(choice.integers(-2, 3, (60, 4)))  # duplicates, zeros, many ties
    found = dense(nearest_among(vectors, k), 60)
    cosines = vectors.astype(float) @ vectors.T.astype(float)
    for i in range(60):
        near = sorted((j for j in range(60) if j != i and cosines[i, j] > 1e-6), key=lambda j: -cosines[i, j])[: k - 1]
        wanted = sorted([1.0, *(min(1.0, cosines[i, j]) for j in near)])
        np.testing.assert_allclose(np.sort(found[i][found[i] > 1e-6]), wanted, atol=1e-5)
        assert found[i, i] == 1


def test_what_is_far_behind_is_left_however_much_there_is_of_it() -> None:
    choice = np.random.default_rng(0)
    domain = unit_rows(np.eye(40)[:1] + 0.2 * choice.normal(size=(60, 40)))
    others = unit_rows(np.eye(40)[1:2] + 0.05 * choice.normal(size=(900, 40)))
    scores = np.concatenate([choice.random(60) + 2, choice.random(900)])
    cover = nearest_among(np.concatenate([domain, others]))
    first = list(diverse(relevance(scores, 30), cover, 0.5))[:30]
    assert np.mean(np.array(first) < 60) >= 0.8


def test_relevance_is_by_rank() -> None:
    found = relevance(np.array([1e-9, 5.0, 5.0, -3.0]), 2)
    np.testing.assert_allclose(found, np.exp([-1, 0, 0, -1.5]))
