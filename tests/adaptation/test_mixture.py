"""The mixture: the ratio holds by tokens, all along; documents are read as often as is said."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the extra 'train' is not installed")

from motherlode.adaptation.documents import Documents, Stream, open_documents
from motherlode.adaptation.mixture import mix, windows
from motherlode.corpus.corpus import Corpus
from motherlode.models.rows import Rows
from tests.adaptation import setting
from tests.models import tiny

TOKENIZER = tiny.tokenizer()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixture")
    setting.texts(folder / "domain.jsonl", setting.DOMAIN, 40, most=60)
    setting.texts(folder / "general.jsonl", setting.GENERAL, 400, 1, most=20)
    return folder


def _streams(place: Path, random_seed: int = 0) -> tuple[Stream, Stream]:
    domain, general = (Documents(Rows(place / f"{name}.jsonl"), lambda: TOKENIZER) for name in ("domain", "general"))
    return Stream(domain, random_seed, 0), Stream(general, random_seed, 1)


@pytest.mark.parametrize("ratio", [0.1, 0.25, 0.5, 0.9])
def test_the_ratio_holds_by_tokens(place: Path, ratio: float) -> None:
    mixture = mix(*_streams(place), ratio=ratio, tokens=20_000, length=128)
    assert mixture.domain_tokens + mixture.general_tokens == 20_000
    assert abs(mixture.ratio - ratio) < 1e-4
    sizes = [sum(len(piece.ids) for piece in row) for row in mixture.sequences]
    assert set(sizes[:-1]) == {128}
    assert sum(sizes) == 20_000
    pieces = Counter(len(row) for row in mixture.sequences)
    assert max(pieces) > 1  # documents share sequences


@given(st.floats(0, 1), st.integers(2, 3000), st.integers(2, 200))
def test_any_ratio_holds_exactly_at_the_end_and_nearly_all_along(ratio: float, tokens: int, length: int) -> None:
    documents = [Documents.__new__(Documents) for _ in range(2)]
    for number, made in enumerate(documents):
        made.numbers, made.lengths = np.arange(5), {}
        made.tokens = lambda row, number=number: np.full(3 + 7 * row, number)  # type: ignore[method-assign]
    mixture = mix(Stream(documents[0], 0, 0), Stream(documents[1], 0, 1), ratio=ratio, tokens=tokens, length=length)
    flat = np.concatenate([piece.ids for row in mixture.sequences for piece in row])
    assert len(flat) == tokens
    assert (flat == 0).sum() == mixture.domain_tokens == round(ratio * tokens)
    off = np.cumsum(flat == 0) - ratio * np.arange(1, tokens + 1)
    assert np.abs(off).max() <= 2 * (3 + 7 * 4)  # never further than two of the longest documents


def test_a_small_domain_is_read_again_and_it_is_said_how_often(place: Path) -> None:
    domain, general = _streams(place)
    whole = domain.documents.count()
    mixture = mix(domain, general, ratio=0.5, tokens=6 * whole, length=64)
    assert mixture.domain_readings == pytest.approx(3.0)
    assert mixture.domain_tokens == 3 * whole


def test_the_order_depends_on_the_seed_alone(place: Path) -> None:
    def flat(random_seed: int) -> list[int]:
        mixture = mix(*_streams(place, random_seed), ratio=0.5, tokens=3_000, length=64)
        return [int(token) for row in mixture.sequences for piece in row for token in piece.ids]

    assert flat(1) == flat(1) != flat(2)


def test_held_out_documents_are_not_trained_on(place: Path) -> None:
    documents = Documents(Rows(place / "domain.jsonl"), lambda: TOKENIZER)
    rest, kept = documents.split(0.1, 3)
    assert (len(rest), len(kept)) == (36, 4)
    assert not {*rest.numbers.tolist()} & {*kept.numbers.tolist()}
    assert len({documents.digest, rest.digest, kept.digest}) == 3


def test_a_corpus_and_an_exported_domain_are_read(invented_corpus: Corpus, tmp_path: Path) -> None:
    rows = open_documents(invented_corpus.folder)
    assert len(rows) == invented_corpus.documents.rows
    export = tmp_path / "domains" / "law"
    export.mkdir(parents=True)
    (export / "part-00000.jsonl").write_text(json.dumps({"id": "1", "text": "a contract"}) + "\n")
    assert len(Documents(open_documents(export), lambda: TOKENIZER).tokens(0)) == len("a contract") + 1


def test_windows_cut_long_documents() -> None:
    rows = windows([np.arange(10), np.arange(1), np.arange(9)], 4)
    assert [len(row[0].ids) for row in rows] == [4, 4, 2, 4, 4]
