"""The lexical encoder: against tf-idf computed by hand and an exact decomposition, and what must not change it."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from motherlode.encode.hashing import hashed_counts
from motherlode.encode.lexical import LexicalConfig, LexicalEncoder, inverse_document_frequency, weighted
from motherlode.errors import InputError
from tests.invented import NOISE, TOPICS, document

SMALL = LexicalConfig(dimensions=12, least_documents=1)


def invented(count: int, random_seed: int = 3) -> pa.Array:
    choice = random.Random(random_seed)
    return pa.array([document([choice.choice(TOPICS + NOISE)], choice) for _ in range(count)], pa.string())


@pytest.fixture(scope="module")
def encoder() -> LexicalEncoder:
    return LexicalEncoder.fit(invented(200), SMALL)


counts = st.lists(st.lists(st.integers(0, 4), min_size=6, max_size=6), min_size=1, max_size=8)


@given(counts, st.integers(1, 3), st.one_of(st.none(), st.integers(1, 6)))
def test_tf_idf_by_hand(rows: list[list[int]], least: int, most: int | None) -> None:
    matrix = sparse.csr_matrix(np.array(rows, dtype=np.float32))
    matrix.eliminate_zeros()
    frequency = [sum(row[f] > 0 for row in rows) for f in range(6)]
    kept = [f for f in sorted(range(6), key=lambda f: (-frequency[f], f)) if frequency[f] >= least][:most]
    idf = [math.log((len(rows) + 1) / (frequency[f] + 1)) if f in kept else 0.0 for f in range(6)]
    found = inverse_document_frequency(matrix, least, most)
    np.testing.assert_allclose(found, idf, rtol=1e-6)
    expected = []
    for row in rows:
        raw = [(1 + math.log(n)) * idf[f] if n else 0.0 for f, n in enumerate(row)]
        norm = math.sqrt(sum(value * value for value in raw))
        expected.append([value / norm if norm else 0.0 for value in raw])
    np.testing.assert_allclose(weighted(matrix, found).toarray(), expected, atol=1e-6)


def test_weighting_leaves_its_input_alone() -> None:
    matrix = hashed_counts(invented(5))
    before = matrix.data.copy()
    weighted(matrix, inverse_document_frequency(matrix, 1))
    np.testing.assert_array_equal(matrix.data, before)


def test_rows_are_unit_or_zero(encoder: LexicalEncoder) -> None:
    vectors = encoder.encode(pa.array([*invented(20, 9).to_pylist(), "", "!!! ...", "zzzyx qqqw", None], pa.string()))
    assert vectors.dtype == np.float32
    assert vectors.shape == (24, encoder.dimensions)
    np.testing.assert_allclose(np.linalg.norm(vectors[:20], axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(vectors[20:], 0)


@settings(max_examples=8)
@given(cut=st.integers(0, 30))
def test_batches_do_not_matter(encoder: LexicalEncoder, cut: int) -> None:
    texts = invented(30, 11)
    parts = [encoder.encode(texts.slice(0, cut)), encoder.encode(texts.slice(cut))]
    np.testing.assert_array_equal(np.concatenate(parts), encoder.encode(texts))


def test_encode_counts_is_encode(encoder: LexicalEncoder) -> None:
    texts = invented(10, 12)
    np.testing.assert_array_equal(encoder.encode_counts(hashed_counts(texts)), encoder.encode(texts))


def test_same_input_same_encoder_and_another_input_another_one(encoder: LexicalEncoder) -> None:
    again = LexicalEncoder.fit(invented(200), SMALL)
    assert again.fingerprint == encoder.fingerprint
    np.testing.assert_array_equal(again.components, encoder.components)
    assert LexicalEncoder.fit(invented(200, 4), SMALL).fingerprint != encoder.fingerprint


def test_save_and_load(encoder: LexicalEncoder, tmp_path: Path) -> None:
    encoder.save(tmp_path / "encoder")
    loaded = LexicalEncoder.load(tmp_path / "encoder")
    assert loaded.fingerprint == encoder.fingerprint
    texts = invented(15, 13)
    np.testing.assert_array_equal(loaded.encode(texts), encoder.encode(texts))
    before = {path.name: path.read_bytes() for path in (tmp_path / "encoder").iterdir()}
    loaded.save(tmp_path / "encoder")
    assert {path.name: path.read_bytes() for path in (tmp_path / "encoder").iterdir()} == before


def test_the_projection_is_the_leading_subspace() -> None:
    texts = invented(300)
    config = LexicalConfig(dimensions=5, least_documents=1)
    encoder = LexicalEncoder.fit(texts, config)
    idf = inverse_document_frequency(hashed_counts(texts), 1)
    np.testing.assert_array_equal(idf, encoder.idf)
    matrix = weighted(hashed_counts(texts), idf)[:, np.flatnonzero(idf)].toarray().astype(np.float64)
    _, values, right = np.linalg.svd(matrix, full_matrices=False)
    found = encoder.components[:-1].astype(np.float64)
    basis, _ = np.linalg.qr(found)
    cosines = np.linalg.svd(right[:5] @ basis, compute_uv=False)
    assert cosines.min() > 0.9, "angles between the subspaces"
    captured = np.linalg.norm(matrix @ basis) ** 2
    assert captured > 0.99 * (values[:5] ** 2).sum(), "it captures what the exact one does"
    np.testing.assert_array_equal(encoder.components[-1], 0)


def test_directions_are_scaled_by_the_root_of_their_singular_value() -> None:
    texts = invented(300)
    encoder = LexicalEncoder.fit(texts, LexicalConfig(dimensions=4, least_documents=1))
    matrix = weighted(hashed_counts(texts), encoder.idf)[:, np.flatnonzero(encoder.idf)]
    values = np.linalg.svd(matrix.toarray(), compute_uv=False)[:4]
    np.testing.assert_allclose((encoder.components**2).sum(axis=0), 1 / values, rtol=0.02)


def test_documents_of_one_topic_are_nearer_than_others(encoder: LexicalEncoder) -> None:
    choice = random.Random(5)
    vectors = [encoder.encode(pa.array([document([topic], choice) for _ in range(10)])) for topic in TOPICS]
    within = np.mean([(group @ group.T)[~np.eye(10, dtype=bool)].mean() for group in vectors])
    between = np.mean([(vectors[a] @ vectors[b].T).mean() for a in range(3) for b in range(3) if a != b])
    assert within > between + 0.5


@pytest.mark.parametrize(
    "texts", [[], ["alone with itself"], ["", "", ""], ["one two", "one two"], ["...", "!!!"], [None, "word"]]
)
def test_too_little_to_fit(texts: list[str | None]) -> None:
    with pytest.raises(InputError, match="share too few words"):
        LexicalEncoder.fit(pa.array(texts, pa.string()))


def test_few_documents_give_few_dimensions() -> None:
    encoder = LexicalEncoder.fit(pa.array(["alder birch", "birch cedar", "cedar dogwood", "elm"]))
    assert 1 <= encoder.dimensions <= 4


def damaged(folder: Path, what: str) -> None:
    if what == "missing weights":
        (folder / "encoder.safetensors").unlink()
    elif what == "torn weights":
        path = folder / "encoder.safetensors"
        path.write_bytes(path.read_bytes()[:1000])
    elif what == "empty weights":
        (folder / "encoder.safetensors").write_bytes(b"")
    elif what == "no description":
        (folder / "encoder.json").unlink()
    elif what == "torn description":
        (folder / "encoder.json").write_text('{"kind"')
    elif what == "a list":
        (folder / "encoder.json").write_text("[]")
    elif what == "no digest":
        (folder / "encoder.json").write_text("{}")
    elif what == "other version":
        about = json.loads((folder / "encoder.json").read_text())
        (folder / "encoder.json").write_text(json.dumps({**about, "version": -1}))


@pytest.mark.parametrize(
    "what",
    [
        "missing weights",
        "torn weights",
        "empty weights",
        "no description",
        "torn description",
        "a list",
        "no digest",
        "other version",
    ],
)
def test_a_damaged_encoder_is_refused(encoder: LexicalEncoder, tmp_path: Path, what: str) -> None:
    encoder.save(tmp_path)
    damaged(tmp_path, what)
    with pytest.raises(InputError) as caught:
        LexicalEncoder.load(tmp_path)
    assert caught.value.where == str(tmp_path)
    assert "\n" not in str(caught.value)
