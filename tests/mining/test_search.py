"""Search against brute force over all vectors: order, ties, limits, and queries that cannot be answered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.encode.vectors import encode_texts
from motherlode.errors import InputError
from motherlode.mining.search import nearest, search
from motherlode.shards.engine import LocalEngine
from tests.mining.static_models import WORDS, build, one_hot_model, texts_of


@pytest.fixture(scope="module")
def tied_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """230 texts of four words each in three shards, whose cosines to a query of few words take few values."""
    folder = tmp_path_factory.mktemp("tied")
    return build(folder, texts_of(230, 4, 1), f"static:{one_hot_model(folder / 'onehot')}")


def by_brute_force(corpus: Corpus, query: str, k: int) -> tuple[list[str], list[float]]:
    vectors = corpus.vectors()
    matrix = np.concatenate([part for _, part in vectors.matrices()])
    similarity = matrix @ encode_texts(vectors.encoder, [query])[0]
    ids = [value for batch in corpus.batches(["id"]) for value in batch.column("id").to_pylist()]
    order = np.argsort(-similarity, kind="stable")[:k]
    return [ids[place] for place in order], similarity[order].tolist()


@pytest.mark.parametrize("k", [1, 7, 100, 101, 229, 230, 1000])
@pytest.mark.parametrize("query", [WORDS[3], f"{WORDS[3]} {WORDS[40]}"])
def test_finds_what_brute_force_finds_with_ties_in_the_order_of_the_corpus(
    tied_corpus: Corpus, query: str, k: int
) -> None:
    ids, similarity = by_brute_force(tied_corpus, query, k)
    assert len(set(similarity)) < len(similarity) or k == 1
    hits = search(tied_corpus, query, k)
    assert [hit.id for hit in hits] == ids
    np.testing.assert_allclose([hit.similarity for hit in hits], similarity, atol=1e-6)


def test_hits_are_the_documents_themselves(tied_corpus: Corpus) -> None:
    texts = {
        row["id"]: (row["text"], row["source"])
        for batch in tied_corpus.batches(["id", "text", "source"])
        for row in batch.to_pylist()
    }
    for hit in search(tied_corpus, WORDS[9], 150):
        assert (hit.text, hit.source) == texts[hit.id]


def test_default_encoder_finds_what_brute_force_finds(invented_corpus: Corpus) -> None:
    first = next(iter(invented_corpus.batches(["text"]))).column("text")[5].as_py()
    ids, similarity = by_brute_force(invented_corpus, first, 20)
    hits = search(invented_corpus, first, 20)
    assert [hit.id for hit in hits] == ids
    np.testing.assert_allclose([hit.similarity for hit in hits], similarity, atol=1e-6)
    assert hits[0].text == first
    assert hits[0].similarity == pytest.approx(1, abs=2e-3)


def test_nearest_is_the_same_for_every_k(invented_corpus: Corpus) -> None:
    vectors = invented_corpus.vectors()
    query = next(vectors.matrices())[1][17]
    longest = nearest(vectors, query, 600)
    assert len(longest) == 600
    for k in (1, 2, 50, 599):
        assert nearest(vectors, query, k) == longest[:k]


@pytest.mark.parametrize(
    ("query", "k", "message"),
    [("", 3, "is empty"), (" \n", 3, "is empty"), ("zzzz qqqq", 3, "no word of the query"), ("babe", 0, "number")],
)
def test_what_cannot_be_asked(tied_corpus: Corpus, query: str, k: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        search(tied_corpus, query, k)


def test_several_encoders_need_a_choice(tmp_path: Path) -> None:
    spec = f"static:{one_hot_model(tmp_path / 'onehot')}"
    corpus = build(tmp_path, texts_of(40, 4, 2), spec, shard_rows=20)
    with LocalEngine(1, quiet=True) as engine:
        corpus.encode("lexical", engine=engine)
    with pytest.raises(InputError, match="several encoders"):
        search(corpus, WORDS[0], 2)
    assert len(search(corpus, WORDS[0], 2, spec)) == 2
    with pytest.raises(InputError, match="no vectors of the encoder 'minilm'"):
        search(corpus, WORDS[0], 2, "minilm")
