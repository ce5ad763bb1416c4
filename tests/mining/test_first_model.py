"""The model of the seeds: the plain regression where labels have alike many, and fair to those with few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from motherlode.mining.first_model import SeedRows, fit_first_model
from motherlode.mining.retrieve import SeedMatrix
from motherlode.mining.rounds import ClassifierConfig, fit_softmax

CONFIG = ClassifierConfig()
NAMES = ("background", "few", "many")
WORDS = 400


def seeds_of(counts: tuple[int, ...], random_seed: int = 0) -> SeedRows:
    """Invent seeds: each label has a hundred words of its own, of which a seed holds eight, beside common ones."""
    generator = np.random.default_rng(random_seed)
    features, labels = [], []
    for label, count in enumerate(counts):
        features.append(documents(label, count, generator))
        labels += [label] * count
    matrix = np.zeros((len(labels), len(counts)), dtype=bool)
    matrix[np.arange(len(labels)), labels] = True
    seeds = SeedMatrix(np.zeros((len(labels), 2), dtype=np.float32), matrix, NAMES[: len(counts)])
    return SeedRows.of(seeds, sparse.vstack(features).tocsr(), [1, 2], 0)


def documents(label: int, count: int, generator: np.random.Generator) -> sparse.csr_matrix:
    matrix = np.zeros((count, WORDS), dtype=np.float32)
    for row in matrix:
        row[100 * label + generator.choice(100, 8, replace=False)] = 1
        row[300 + generator.choice(100, 12, replace=False)] = 1
    return sparse.csr_matrix(matrix / np.sqrt(20, dtype=np.float32))


NO_OFFSET = np.zeros(3, dtype=np.float32)


def pool_of(counts: tuple[int, ...], random_seed: int = 1) -> sparse.csr_matrix:
    generator = np.random.default_rng(random_seed)
    return sparse.vstack([documents(label, count, generator) for label, count in enumerate(counts)]).tocsr()


def test_alike_many_seeds_are_fitted_as_they_are() -> None:
    seeds = seeds_of((30, 24, 20))
    assert seeds.few() == ()
    (weights, bias), found = fit_first_model(seeds, pool_of((50, 50, 50)), NO_OFFSET, CONFIG)
    plain, plain_bias = fit_softmax(seeds.features, seeds.labels, seeds.weight, 3, CONFIG)
    (factor,) = found.temperatures
    np.testing.assert_array_equal(weights, plain * np.float32(factor))
    np.testing.assert_array_equal(bias, plain_bias * np.float32(factor))
    assert (found.own == seeds.labels).mean() > 0.8
    assert found.scarce == ()


def test_few_seeds_find_documents_that_the_plain_regression_does_not() -> None:
    seeds = seeds_of((126, 8, 90))
    assert seeds.few() == (1,)
    unseen, others = documents(1, 300, np.random.default_rng(1)), documents(0, 300, np.random.default_rng(2))
    (weights, bias), found = fit_first_model(seeds, pool_of((300, 300, 300)), NO_OFFSET, CONFIG)
    assert found.scarce == (1,)
    assert len(found.temperatures) == 2
    plain, plain_bias = fit_softmax(seeds.features, seeds.labels, seeds.weight, 3, CONFIG)
    fair = (unseen @ weights + bias).argmax(axis=1) == 1
    assert fair.mean() > 0.5 > 2 * ((unseen @ plain + plain_bias).argmax(axis=1) == 1).mean()
    assert ((others @ weights + bias).argmax(axis=1) == 1).mean() < 0.2


def test_where_the_plain_regression_finds_documents_it_stays() -> None:
    seeds = seeds_of((60, 32, 60))
    assert seeds.few() == (1,)
    (weights, _), found = fit_first_model(seeds, pool_of((300, 300, 300)), NO_OFFSET, CONFIG)
    assert found.scarce == ()
    plain, _ = fit_softmax(seeds.features, seeds.labels, seeds.weight, 3, CONFIG)
    np.testing.assert_array_equal(weights, plain * np.float32(found.temperatures[0]))


def test_a_balanced_model_that_finds_most_of_the_pool_is_not_believed() -> None:
    """Where the pool is nearly all of the rare label's kind of text, the share that it finds says nothing."""
    seeds = seeds_of((126, 8, 90))
    _, found = fit_first_model(seeds, pool_of((100, 100, 100)), NO_OFFSET, CONFIG)
    assert found.scarce == (1,)
    (weights, _), found = fit_first_model(seeds, pool_of((10, 300, 10)), NO_OFFSET, CONFIG)
    assert found.scarce == ()
    plain, _ = fit_softmax(seeds.features, seeds.labels, seeds.weight, 3, CONFIG)
    np.testing.assert_array_equal(weights, plain * np.float32(found.temperatures[0]))


def test_columns_of_each_group_keep_their_difference_to_the_background() -> None:
    seeds = replace(seeds_of((60, 6, 40)), scarce=(1,))
    assert seeds.groups() == [(6, [1]), (60, [0, 2])]
    generator = np.random.default_rng(3)
    small, large = (generator.normal(size=(5, 3)).astype(np.float32) for _ in range(2))
    joined = seeds.joined([small, large])
    np.testing.assert_allclose(joined[:, 1] - joined[:, 0], small[:, 1] - small[:, 0], rtol=1e-5)
    np.testing.assert_allclose(joined[:, 2] - joined[:, 0], large[:, 2] - large[:, 0], rtol=1e-5)


@pytest.mark.parametrize("counts", [(20, 1, 20), (20, 1, 1), (3, 2, 40)])
def test_a_handful_of_seeds_is_no_error_and_gives_the_same_twice(counts: tuple[int, ...]) -> None:
    seeds, pool = seeds_of(counts), pool_of((20, 20, 20))
    (weights, bias), found = fit_first_model(seeds, pool, NO_OFFSET, CONFIG)
    assert np.isfinite(weights).all() and np.isfinite(bias).all()
    assert len(found.own) == sum(counts)
    (again, _), _ = fit_first_model(seeds, pool, NO_OFFSET, CONFIG)
    np.testing.assert_array_equal(weights, again)
