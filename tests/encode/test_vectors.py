"""Vectors beside a corpus: their precision, their repeatability, and how they are found again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from motherlode.corpus.corpus import Corpus
from motherlode.encode.lexical import LexicalConfig
from motherlode.encode.vectors import Vectors, encode_documents, encode_texts, find_vectors, from_column, to_column
from motherlode.errors import InputError
from motherlode.shards.engine import LocalEngine
from tests.invented import records, write_lines
from tests.kill import contents

SMALL = LexicalConfig(dimensions=16)


@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(-1, 1, width=32))
)
def test_round_trip_in_half_precision(vectors: np.ndarray) -> None:
    column = to_column(vectors)
    assert column.type == pa.list_(pa.float16(), vectors.shape[1])
    found = from_column(column)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, vectors.astype(np.float16).astype(np.float32))
    np.testing.assert_allclose(found, vectors, rtol=2**-11, atol=2**-24)


@given(st.integers(0, 5), st.integers(0, 6), st.sets(st.integers(0, 4)))
def test_slices_and_nulls(start: int, length: int, absent: set[int]) -> None:
    vectors = np.arange(1, 16, dtype=np.float32).reshape(5, 3)
    rows = [None if number in absent else row.tolist() for number, row in enumerate(vectors.astype(np.float16))]
    column = pa.array(rows, pa.list_(pa.float16(), 3)).slice(start, length)
    expected = np.where(np.isin(np.arange(5), list(absent))[:, None], 0, vectors)[start : start + length]
    np.testing.assert_array_equal(from_column(column), expected)


def build(folder: Path, count: int = 120, random_seed: int = 1) -> Corpus:
    source = write_lines(folder / f"documents-{random_seed}.jsonl", records(count, random_seed))
    with LocalEngine(1, quiet=True) as engine:
        return Corpus.build(source, folder / "corpus", engine=engine, shard_rows=30, overwrite=True)


def encode(corpus: Corpus, home: Path, workers: int = 1, spec: str = "lexical") -> Vectors:
    with LocalEngine(workers, quiet=True) as engine:
        return encode_documents(corpus.documents, home, spec, engine=engine, config=SMALL)


def test_one_vector_a_document(tmp_path: Path) -> None:
    corpus = build(tmp_path)
    vectors = encode(corpus, tmp_path / "vectors")
    assert vectors.rows == len(corpus)
    assert list(vectors.shards) == list(corpus.documents.shards)
    assert vectors.spec == "lexical"
    assert vectors.key == vectors.folder.name
    stored = np.concatenate([matrix for _, matrix in vectors.matrices()])
    texts = [text for batch in corpus.batches(["text"]) for text in batch.column(0).to_pylist()]
    np.testing.assert_array_equal(stored, encode_texts(vectors.encoder, texts).astype(np.float16))


def test_two_workers_write_what_one_writes(tmp_path: Path) -> None:
    corpus = build(tmp_path)
    first = encode(corpus, tmp_path / "first", workers=1)
    second = encode(corpus, tmp_path / "second", workers=2)
    assert first.key == second.key
    assert contents(first.folder) == contents(second.folder)


def test_a_second_call_changes_nothing_and_a_lost_shard_is_made_again(tmp_path: Path) -> None:
    corpus = build(tmp_path)
    vectors = encode(corpus, tmp_path / "vectors")
    before = contents(vectors.folder)
    times = {path: path.stat().st_mtime_ns for path in vectors.folder.rglob("*.parquet")}
    encode(corpus, tmp_path / "vectors")
    assert {path: path.stat().st_mtime_ns for path in vectors.folder.rglob("*.parquet")} == times
    lost = sorted(vectors.folder.glob("*.parquet"))[1]
    lost.unlink()
    encode(corpus, tmp_path / "vectors")
    assert contents(vectors.folder) == before
    after = {path: path.stat().st_mtime_ns for path in vectors.folder.rglob("*.parquet")}
    assert [path for path in times if times[path] != after[path]] == [lost], "only the lost shard is made again"


def test_settings_of_the_fit_lie_side_by_side(tmp_path: Path) -> None:
    corpus = build(tmp_path)
    small = encode(corpus, tmp_path / "vectors")
    with LocalEngine(1, quiet=True) as engine:
        other = LexicalConfig(dimensions=8)
        large = encode_documents(corpus.documents, tmp_path / "vectors", engine=engine, config=other)
    assert small.key != large.key
    assert (small.encoder.dimensions, large.encoder.dimensions) == (16, 8)


def test_find_the_only_ones(tmp_path: Path) -> None:
    corpus = build(tmp_path)
    made = encode(corpus, corpus.folder / "vectors")
    for spec in (None, "lexical"):
        assert find_vectors(corpus.documents, corpus.folder / "vectors", spec).key == made.key


def test_find_none(tmp_path: Path) -> None:
    corpus = build(tmp_path)
    with pytest.raises(InputError, match="has no vectors yet; motherlode corpus encode"):
        corpus.vectors()
    with pytest.raises(InputError, match=r"no vectors of the encoder 'minilm' \(there: none\)"):
        corpus.vectors("minilm")
    encode(corpus, corpus.folder / "vectors")
    with pytest.raises(InputError, match=r"no vectors of the encoder 'minilm' \(there: lexical\).*--encoder minilm"):
        corpus.vectors("minilm")


def test_vectors_of_an_earlier_build_are_not_used(tmp_path: Path) -> None:
    corpus = build(tmp_path)
    encode(corpus, tmp_path / "vectors")
    rebuilt = build(tmp_path, random_seed=2)
    with pytest.raises(InputError, match="earlier build; encode the corpus again"):
        find_vectors(rebuilt.documents, tmp_path / "vectors")
    fresh = encode(rebuilt, tmp_path / "vectors")
    assert find_vectors(rebuilt.documents, tmp_path / "vectors").key == fresh.key
    assert find_vectors(rebuilt.documents, tmp_path / "vectors", "lexical").key == fresh.key


def test_unfinished_vectors_are_not_found(tmp_path: Path) -> None:
    corpus = build(tmp_path)
    vectors = encode(corpus, tmp_path / "vectors")
    manifest = vectors.folder / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace('"complete":true', '"complete":false'))
    with pytest.raises(InputError, match="has no vectors yet"):
        find_vectors(corpus.documents, tmp_path / "vectors")
    assert encode(corpus, tmp_path / "vectors").rows == 120


@pytest.mark.slow
def test_two_encoders_side_by_side(tmp_path: Path, distilled_folder: Path) -> None:
    corpus = build(tmp_path, 40)
    home = corpus.folder / "vectors"
    copy = tmp_path / "model"
    shutil.copytree(distilled_folder, copy)
    encode(corpus, home)
    static = encode(corpus, home, spec=f"static:{copy}")
    assert static.encoder.dimensions == 64
    with pytest.raises(InputError, match=f"several encoders \\(lexical, static:{copy}\\); choose with --encoder"):
        corpus.vectors()
    assert corpus.vectors("lexical").spec == "lexical"
    assert corpus.vectors(f"static:{copy}").key == static.key
    shutil.rmtree(copy)
    assert corpus.vectors("lexical").spec == "lexical", "an encoder that cannot be loaded is in nobody's way"
    with pytest.raises(InputError, match="holds no model2vec model"):
        corpus.vectors(f"static:{copy}")


def break_description(folder: Path) -> None:
    (folder / "encoder" / "encoder.json").write_text("{}")


def lose_encoder(folder: Path) -> None:
    shutil.rmtree(folder / "encoder")


@pytest.mark.parametrize("damage", [break_description, lose_encoder])
def test_vectors_without_their_encoder(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    corpus = build(tmp_path, 40)
    vectors = encode(corpus, tmp_path / "vectors")
    damage(vectors.folder)
    with pytest.raises(InputError, match="holds no readable encoder"):
        find_vectors(corpus.documents, tmp_path / "vectors")


@pytest.mark.parametrize("spec", ["lexcal", "st:", "static"])
def test_a_bad_specification_leaves_nothing_behind(tmp_path: Path, spec: str) -> None:
    corpus = build(tmp_path, 40)
    with pytest.raises(InputError):
        encode(corpus, tmp_path / "vectors", spec=spec)
    assert not (tmp_path / "vectors").exists()
