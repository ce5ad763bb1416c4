"""Retrieval against brute force: nearest seeds, histograms, and each seed's nearest documents, ties included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.mining.counts import merge_counts
from motherlode.mining.merge import merge_neighbours
from motherlode.mining.retrieve import (
    BINS,
    RetrieveStep,
    SeedMatrix,
    at_least,
    histogram,
    keep_top,
    nearest_column,
    similarity_column,
)
from motherlode.shards import tree
from motherlode.shards.dataset import Dataset
from motherlode.shards.engine import LocalEngine
from motherlode.shards.manifest import Manifest
from motherlode.shards.task import map_tasks
from tests.mining.folders import coarse_unit_vectors, seed_matrix, write_vectors

SIZES = [30, 1200, 1, 69]  # one shard of more than a batch, one of a single row
LABELS = {"amber": [0, 1, 2], "basalt": [2, 3], "cobalt": [], "dolomite": [4]}


def retrieve(folder: Path, vectors: np.ndarray, seeds: SeedMatrix, top_k: int, workers: int = 1) -> Dataset:
    data = write_vectors(folder / "vectors", vectors, SIZES)
    seeds.save(folder / "seeds.safetensors")
    step = RetrieveStep(folder / "seeds.safetensors", seeds.digest, seeds.names, top_k)
    tasks = map_tasks(step, data, [(data, step.reads)])
    with (
        LocalEngine(workers, quiet=True) as engine,
        Manifest.open(folder / "retrieved", "retrieved", dict(step.settings())) as manifest,
    ):
        engine.run(tasks, manifest, "retrieve")
    return Dataset(folder / "retrieved")


@pytest.fixture(scope="module")
def problem() -> tuple[np.ndarray, SeedMatrix]:
    generator = np.random.default_rng(4)
    documents = coarse_unit_vectors(sum(SIZES), 12, generator)
    documents[100:160] = documents[99]  # duplicates
    documents[7] = 0
    return documents, seed_matrix(coarse_unit_vectors(5, 12, generator), LABELS)


def columns(retrieved: Dataset, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    best, which = [], []
    for name in names:
        wanted = [similarity_column(name), nearest_column(name)]
        parts = list(retrieved.batches(wanted))
        best.append(np.concatenate([part.column(0).to_numpy() for part in parts]))
        which.append(np.concatenate([part.column(1).to_numpy() for part in parts]))
    return np.stack(best, axis=1), np.stack(which, axis=1)


def test_nearest_seed_of_each_label(problem: tuple[np.ndarray, SeedMatrix], tmp_path: Path) -> None:
    documents, seeds = problem
    best, which = columns(retrieve(tmp_path, documents, seeds, 3), seeds.names)
    for row, document in enumerate(documents):
        for column, members in enumerate(LABELS.values()):
            cosines = {number: float(document @ seeds.vectors[number]) for number in members}
            expected = max(cosines, key=lambda number: (cosines[number], -number), default=-1)
            assert which[row, column] == expected
            assert best[row, column] == cosines.get(expected, -1)
    alone = seeds.nearest(documents)
    np.testing.assert_array_equal(alone[0], best)
    np.testing.assert_array_equal(alone[1], which)


def test_histograms_and_wins(problem: tuple[np.ndarray, SeedMatrix], tmp_path: Path) -> None:
    documents, seeds = problem
    retrieved = retrieve(tmp_path, documents, seeds, 3)
    best, _ = columns(retrieved, seeds.names)
    stats = merge_counts(retrieved, seeds.names)
    for column, name in enumerate(seeds.names):
        expected, wins = [0] * BINS, [0] * BINS
        for row in best:
            place = min(BINS - 1, int(np.floor((float(row[column]) + 1) * 200 + 1e-6)))
            expected[place] += 1
            wins[place] += column == int(row.argmax())
        assert stats[f"histogram:{name}"] == expected
        assert stats[f"wins:{name}"] == wins
        for threshold in (-0.75, 0.0, 0.25, 0.5, 1.0):
            exact = int((best[:, column] >= threshold).sum())
            assert at_least(expected, threshold) == exact or threshold == 1.0
    assert sum(sum(stats[f"wins:{name}"]) for name in seeds.names) == len(documents)


@pytest.mark.parametrize("top_k", [1, 3, 40, 70, 5000])
def test_nearest_documents_of_each_seed(problem: tuple[np.ndarray, SeedMatrix], tmp_path: Path, top_k: int) -> None:
    documents, seeds = problem
    found = merge_neighbours(retrieve(tmp_path, documents, seeds, top_k), top_k)
    starts = np.cumsum([0, *SIZES])
    number = starts[found.shard] + found.row
    for seed, vector in enumerate(seeds.vectors):
        cosines = documents @ vector
        expected = sorted(range(len(documents)), key=lambda row: (-cosines[row], row))[:top_k]
        mine = found.seed == seed
        assert number[mine].tolist() == expected, "best first, ties in the order of the corpus"
        np.testing.assert_array_equal(found.similarity[mine], cosines[expected])


@pytest.mark.parametrize("top_k", [1, 3, 70, 5000])
def test_a_tree_of_merges_finds_the_same(
    problem: tuple[np.ndarray, SeedMatrix], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, top_k: int
) -> None:
    retrieved = retrieve(tmp_path / "retrieved", *problem, top_k)
    alone = merge_neighbours(retrieved, top_k)
    monkeypatch.setattr(tree, "FAN_IN", 2)
    merged = merge_neighbours(retrieved, top_k, LocalEngine(1, quiet=True), tmp_path / "tree")
    assert sorted(path.name for path in (tmp_path / "tree").iterdir()) == ["level-1"]  # four shards, then two
    assert merged.shards == alone.shards
    for name in ("seed", "shard", "row", "similarity"):
        np.testing.assert_array_equal(getattr(merged, name), getattr(alone, name))


def test_a_tree_of_sums_counts_the_same(
    problem: tuple[np.ndarray, SeedMatrix], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents, seeds = problem
    retrieved = retrieve(tmp_path / "retrieved", documents, seeds, 3)
    alone = merge_counts(retrieved, seeds.names)
    monkeypatch.setattr(tree, "FAN_IN", 2)
    merged = merge_counts(retrieved, seeds.names, LocalEngine(1, quiet=True), tmp_path / "tree")
    assert sorted(path.name for path in (tmp_path / "tree").iterdir()) == ["level-1"]
    assert merged == alone
    assert not retrieved.stats, "the driver keeps no histogram of a shard"


def test_two_workers_find_the_same(problem: tuple[np.ndarray, SeedMatrix], tmp_path: Path) -> None:
    documents, seeds = problem
    one = retrieve(tmp_path / "one", documents, seeds, 7)
    two = retrieve(tmp_path / "two", documents, seeds, 7, workers=2)
    assert one.digest == two.digest
    assert merge_counts(one, seeds.names) == merge_counts(two, seeds.names)


def test_leave_one_out(problem: tuple[np.ndarray, SeedMatrix]) -> None:
    _, seeds = problem
    found = seeds.leave_one_out()
    for number in range(5):
        for column, members in enumerate(LABELS.values()):
            others = [float(seeds.vectors[number] @ seeds.vectors[other]) for other in members if other != number]
            assert found[number, column] == max(others, default=-1)


def test_seed_matrices_are_kept(problem: tuple[np.ndarray, SeedMatrix], tmp_path: Path) -> None:
    _, seeds = problem
    seeds.save(tmp_path / "seeds.safetensors")
    loaded = SeedMatrix.load(tmp_path / "seeds.safetensors")
    assert loaded.names == seeds.names
    assert loaded.digest == seeds.digest
    other = SeedMatrix(seeds.vectors, ~seeds.labels, seeds.names)
    renamed = SeedMatrix(seeds.vectors, seeds.labels, ("a", "b", "c", "d"))
    assert len({seeds.digest, other.digest, renamed.digest}) == 3


@given(st.lists(st.floats(-1, 1, width=32), max_size=30))
def test_a_histogram_counts_every_cosine_once(values: list[float]) -> None:
    counts = histogram(np.array(values, dtype=np.float32))
    assert len(counts) == BINS
    assert sum(counts) == len(values)


def test_histograms_at_the_edges_of_float32() -> None:
    for step in range(-199, 200):
        edge = np.float32(step / 200)
        assert at_least(histogram(np.array([edge])), step / 200) == 1
        assert at_least(histogram(np.array([edge])), (step + 1) / 200) == 0
        assert at_least(histogram(np.array([edge - np.float32(2e-7)])), step / 200) == 0


items = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20), st.sampled_from([0.0, 0.25, 0.5])), max_size=40)


@given(items, st.integers(1, 6))
def test_keep_top(found: list[tuple[int, int, float]], top_k: int) -> None:
    arrays = (
        np.array([seed for seed, _, _ in found], dtype=np.int32),
        np.array([row for _, row, _ in found], dtype=np.int64),
        np.array([value for _, _, value in found], dtype=np.float32),
    )
    kept = list(zip(*(array.tolist() for array in keep_top(*arrays, top_k)), strict=True))
    expected = []
    for seed in range(4):
        mine = sorted((item for item in found if item[0] == seed), key=lambda item: (-item[2], item[1]))
        expected += mine[:top_k]
    assert kept == expected
