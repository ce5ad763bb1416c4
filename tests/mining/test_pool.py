"""The training pool stands for the corpus, and holds what retrieval found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.corpus.corpus import Corpus
from motherlode.encode.hashing import hashed_counts
from motherlode.encode.sample import Rows
from motherlode.encode.vectors import encode_texts
from motherlode.mining.calibrate import Calibration
from motherlode.mining.pool import build_pool, found_rows, seed_counts
from motherlode.mining.retrieve import Neighbours
from tests.invented import TOPICS, seed_records
from tests.mining.folders import coarse_unit_vectors, seed_matrix


def calibration(label: str, threshold: float) -> Calibration:
    return Calibration(label, threshold, False, 0.9, True, 0, 0.0, 1.0, 0.0, (), ())


neighbours = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 8), st.sampled_from([0.1, 0.5, 0.7, 0.9])),
    max_size=40,
)


@given(neighbours, st.integers(1, 6), st.sampled_from([0.0, 0.5, 0.7, 1.0]))
def test_found_rows(near: list[tuple[int, int, int, float]], most: int, threshold: float) -> None:
    labels = {"x": [0, 1, 2], "y": [2, 3], "contrast": [4]}
    seeds = seed_matrix(coarse_unit_vectors(5, 8, np.random.default_rng(0)), labels)
    shards = ("part-0", "part-1", "part-2")
    columns = [np.array(column) for column in zip(*near, strict=True)] or [np.zeros(0)] * 4
    given_ = Neighbours(
        columns[0].astype(np.int32),
        columns[1].astype(np.int32),
        columns[2].astype(np.int64),
        columns[3].astype(np.float32),
        shards,
    )
    rows, found = found_rows(given_, seeds, [calibration("x", threshold), calibration("y", 0.7)], most)
    expected: set[tuple[str, int]] = set()
    for name, limit in (("x", threshold), ("y", 0.7)):
        best: dict[tuple[str, int], float] = {}
        for seed, shard, row, cosine in near:
            if seed in labels[name] and np.float32(cosine) >= np.float32(limit):
                place = (shards[shard], row)
                best[place] = max(best.get(place, -1.0), cosine)
        assert found[name] == len(best)
        if len(best) <= most:
            expected |= best.keys()
        else:
            least = sorted(best.values(), reverse=True)[most - 1]
            taken = {(shard, int(row)) for shard, some in rows.of.items() for row in some}
            assert {place for place, value in best.items() if value > least} <= taken
            expected |= {place for place in taken if best.get(place, -1.0) >= least}
    assert "contrast" not in found
    assert {(shard, int(row)) for shard, some in rows.of.items() for row in some} == expected
    assert all((np.diff(some) > 0).all() for some in rows.of.values())


@pytest.mark.parametrize("sample", [100, 550, 10_000])
def test_the_pool_stands_for_the_corpus(invented_corpus: Corpus, sample: int) -> None:
    vectors = invented_corpus.vectors()
    texts = [str(record["text"]) for topic in TOPICS for record in seed_records(topic, 4)]
    members = {topic: range(4 * number, 4 * number + 4) for number, topic in enumerate(TOPICS)}
    seeds = seed_matrix(encode_texts(vectors.encoder, texts), members)
    wanted = [calibration(TOPICS[0], 0.2), calibration(TOPICS[1], 2.0)]
    found = Rows({"part-000001": np.array([0, 3, 149]), "part-000003": np.array([10])})
    pool = build_pool(invented_corpus.documents, vectors, seeds, wanted, found, sample, 5)
    assert pool.weight.sum() == pytest.approx(600)
    assert min(600, sample) <= len(pool) <= min(600, sample + 4)
    assert pool.counts.shape[0] == pool.vectors.shape[0] == len(pool.weight) == len(pool.found) == len(pool)
    ours = pool.weight == 1.0
    assert ours.sum() == (4 if sample < 600 else 600)
    best, _ = seeds.nearest(pool.vectors)
    assert not pool.found[:, 1:].any(), "no document is found for labels without a threshold that it reaches"
    assert pool.found.sum() <= 4
    assert (best[pool.found[:, 0], 0] >= np.float32(0.2)).all()
    again = build_pool(invented_corpus.documents, vectors, seeds, wanted, found, sample, 5)
    np.testing.assert_array_equal(again.vectors, pool.vectors)
    assert (again.counts != pool.counts).nnz == 0


def test_the_pool_holds_each_document_once_with_its_own_words(invented_corpus: Corpus) -> None:
    vectors = invented_corpus.vectors()
    texts = [str(record["text"]) for record in seed_records(TOPICS[0], 4)]
    seeds = seed_matrix(encode_texts(vectors.encoder, texts), {TOPICS[0]: range(4)})
    pool = build_pool(invented_corpus.documents, vectors, seeds, [], Rows({}), 10_000, 0)
    whole = [hashed_counts(batch.column("text")) for batch in invented_corpus.batches(["text"])]
    assert pool.counts.sum() == sum(part.sum() for part in whole)
    stored = np.concatenate([matrix for _, matrix in vectors.matrices()])
    np.testing.assert_array_equal(pool.vectors, stored)


def test_seed_counts() -> None:
    assert seed_counts(["alder birch alder", ""]).sum(axis=1).ravel().tolist() == [[3.0, 0.0]]
