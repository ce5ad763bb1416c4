"""Smoothing over clusters: against means computed by hand, and what it must leave alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from motherlode.encode.encoder import unit_rows
from motherlode.mining.smooth import Clusters, log_softmax, smooth


def probabilities(count: int, labels: int, random_seed: int) -> np.ndarray:
    return np.random.default_rng(random_seed).dirichlet(np.ones(labels), count).astype(np.float32)


def points(count: int, random_seed: int = 0) -> np.ndarray:
    return unit_rows(np.random.default_rng(random_seed).normal(size=(count, 8)))


@given(hnp.arrays(np.float32, (4, 5), elements=st.floats(-80, 80, width=32)))
def test_log_softmax_normalises(scores: np.ndarray) -> None:
    normalised = log_softmax(scores)
    np.testing.assert_allclose(np.exp(normalised.astype(np.float64)).sum(axis=1), 1, rtol=1e-4)
    np.testing.assert_allclose(normalised - normalised[:, :1], scores - scores[:, :1], atol=1e-4)


@given(st.integers(0, 500), st.floats(0, 1))
def test_smoothed_probabilities_add_up(random_seed: int, strength: float) -> None:
    given_ = probabilities(30, 4, random_seed)
    clusters = Clusters((points(3), points(5, 1)))
    places = clusters.assign(points(30, random_seed))
    tables = clusters.tables(places, given_, np.ones(30))
    found = np.exp(smooth(np.log(given_), places, tables, strength))
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-4)
    assert (found > 0).all()


def test_strength_zero_changes_nothing() -> None:
    given_ = probabilities(50, 3, 1)
    clusters = Clusters((points(4),))
    places = clusters.assign(points(50))
    found = smooth(np.log(given_), places, clusters.tables(places, given_, np.ones(50)), 0.0)
    np.testing.assert_allclose(np.exp(found), given_, atol=1e-5)


def test_full_strength_gives_all_of_a_cluster_the_same() -> None:
    given_ = probabilities(200, 3, 1)
    clusters = Clusters((points(4),))
    (place,) = places = clusters.assign(points(200))
    found = np.exp(smooth(np.log(given_), places, clusters.tables(places, given_, np.ones(200)), 1.0))
    for cluster in np.unique(place):
        mine = place == cluster
        expected = np.broadcast_to(given_[mine].mean(axis=0), found[mine].shape)
        np.testing.assert_allclose(found[mine], expected, atol=1e-4)


@given(st.integers(0, 200))
def test_tables_are_weighted_means(random_seed: int) -> None:
    generator = np.random.default_rng(random_seed)
    given_, weight = probabilities(40, 3, random_seed), generator.uniform(0.5, 4, 40)
    clusters = Clusters((points(6), points(2, 1)))
    places = clusters.assign(points(40, random_seed))
    overall = (given_ * weight[:, None]).sum(axis=0) / weight.sum()
    for place, table in zip(places, clusters.tables(places, given_, weight), strict=True):
        for cluster, row in enumerate(np.exp(table)):
            mine = place == cluster
            mean = (given_[mine] * weight[mine, None]).sum(axis=0) / weight[mine].sum() if mine.any() else overall
            np.testing.assert_allclose(row, mean, atol=1e-5)


def test_documents_go_to_the_nearest_centre() -> None:
    vectors = points(100)
    clusters = Clusters.fit(vectors, (3, 7), 0)
    for centres, place in zip(clusters.centres, clusters.assign(vectors), strict=True):
        for vector, chosen in zip(vectors, place, strict=True):
            cosines = [float(vector @ centre) for centre in centres]
            assert cosines[chosen] == pytest.approx(max(cosines), abs=1e-6)


def test_the_same_documents_give_the_same_clusters() -> None:
    first, second = Clusters.fit(points(300), (5, 20), 3), Clusters.fit(points(300), (5, 20), 3)
    for one, other in zip(first.centres, second.centres, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, rtol=1e-5)
    assert [len(centre) for centre in first.centres] == [5, 20]


@pytest.mark.parametrize("vectors", [points(1), points(9), np.tile(points(1), (50, 1)), np.zeros((30, 8), np.float32)])
def test_few_or_equal_documents(vectors: np.ndarray) -> None:
    clusters = Clusters.fit(vectors, (4, 100), 0)
    assert all(1 <= len(centres) <= max(1, len(vectors) // 10) for centres in clusters.centres)
    assert all(np.isfinite(centres).all() for centres in clusters.centres)
    places = clusters.assign(vectors)
    given_ = probabilities(len(vectors), 2, 0)
    tables = clusters.tables(places, given_, np.ones(len(vectors)))
    assert np.isfinite(smooth(np.log(given_), places, tables, 0.8)).all()
