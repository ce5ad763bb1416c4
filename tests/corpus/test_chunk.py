"""Chunks: whole sentences up to so many words, nothing lost but short remainders, ids that tell where they are from."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.corpus import chunk as chunking
from motherlode.corpus.chunk import cut_documents, cut_text
from motherlode.errors import InputError
from tests.corpus.everything import prose
from tests.corpus.inputs import build, documents, write_lines

SENTENCE = "This sentence number {} has exactly eight words."
LONG = " ".join(SENTENCE.format(n) for n in range(20))

TEXTS = st.lists(
    st.sampled_from(["word", "Next", "end.", "So!", "\n", "\n\n", "漢字。", "x" * 9, "(a", "b)."]), max_size=60
)


@given(TEXTS.map(" ".join), st.integers(1, 12))
def test_chunks_are_the_text_in_order_and_not_too_long(text: str, most: int) -> None:
    chunks = cut_text(text, most)
    assert "".join("".join(chunk.split()) for chunk, _ in chunks) == "".join(text.split())
    for chunk, words in chunks:
        assert chunk == chunk.strip() and chunk
        assert 0 < words <= most
        assert cut_text(chunk, 10**6)[0][1] == words
    place = 0
    for chunk, _ in chunks:
        place = text.index(chunk, place) + len(chunk)


def test_chunks_end_where_sentences_do() -> None:
    chunks = cut_text(LONG, 25)
    assert [words for _, words in chunks] == [24] * 6 + [16]
    assert all(chunk.startswith("This sentence") and chunk.endswith("words.") for chunk, _ in chunks)
    assert cut_text(LONG, 160) == [(LONG, 160)]


def test_a_sentence_that_is_too_long_is_cut_at_a_line_or_a_word() -> None:
    lines = "\n".join("one two three four five" for _ in range(4))
    assert [chunk for chunk, _ in cut_text(lines, 12)] == ["one two three four five\none two three four five"] * 2
    assert [chunk for chunk, _ in cut_text("a b c d e", 2)] == ["a b", "c d", "e"]
    paragraphs = "a heading without a stop\n\nand then five more words"
    assert [chunk for chunk, _ in cut_text(paragraphs, 6)] == paragraphs.split("\n\n")


def test_letters_count_as_words_where_there_are_no_spaces() -> None:
    text = "これは文です。" * 10
    assert [(chunk, words) for chunk, words in cut_text(text, 20)] == [("これは文です。" * 3, 18)] * 3 + [
        ("これは文です。", 6)
    ]


def test_documents_that_fit_stay_as_they_are() -> None:
    table = pa.table({"id": ["a", "b"], "text": ["one two\n ", "x"], "words": pa.array([2, 1], pa.int32())})
    same, counts = cut_documents(table, 2, 1)
    assert same.equals(table) and counts["documents_cut"] == 0
    assert cut_documents(table, 0, 1) == (table, {})


def test_a_build_cuts_long_documents_and_counts_remainders_apart(tmp_path: Path) -> None:
    records = [
        {"id": "long", "text": LONG, "site": "s", "source": "here"},
        {"id": "short", "text": "a document that is left as it is"},
        {"id": "long#1", "text": "its id looks like that of a chunk"},
        {"id": "tail", "text": LONG.replace("number", "no") + " And a tail."},
    ]
    corpus = build_chunks(write_lines(tmp_path / "a.jsonl", records), tmp_path / "out", 40)
    rows = documents(corpus)
    ids = [row["id"] for row in rows]
    assert ids[:6] == ["long#1", "long#2", "long#3", "long#4", "short", ids[5]]
    assert ids[5].startswith("long#1~")
    assert ids[6:] == ["tail#1", "tail#2", "tail#3", "tail#4"]
    assert len(set(ids)) == len(ids)
    assert {row["metadata"] for row in rows[:4]} == {'{"site": "s"}'} and rows[0]["source"] == "here"
    assert [row["words"] for row in rows] == [40] * 4 + [8, 8] + [40] * 4
    stats = corpus.stats()
    assert stats.adds_up and stats.kept == 4 and stats.chunks == 8
    assert stats.notes["documents_cut"] == 2 and stats.notes["remainders_dropped"] == 1


def build_chunks(path: Path, out: Path, most: int):  # type: ignore[no-untyped-def]
    from motherlode.corpus.corpus import Corpus
    from motherlode.shards.engine import LocalEngine

    return Corpus.build(path, out, engine=LocalEngine(1, quiet=True), chunk_words=most)


def test_chunks_shorter_than_remainders_are_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": LONG}])
    with pytest.raises(InputError, match="chunk_words = 10 is less than min_chunk_words = 20"):
        build(path, tmp_path / "out", chunk_words=10)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("characters", [400, 1000])
def test_long_texts_are_cut_piece_by_piece_as_if_at_once(monkeypatch: pytest.MonkeyPatch, characters: int) -> None:
    text = "\n\n".join(prose(number, 12) for number in range(8))
    whole = cut_text(text, 40)
    assert len(whole) > 20
    monkeypatch.setattr(chunking, "PIECE_CHARACTERS", characters)
    assert cut_text(text, 40) == whole
    assert cut_text(text, 100_000) == [(text, len(text.split()))]


def test_memory_does_not_grow_with_the_chunks_of_a_document() -> None:
    text = "word " * 100_000  # 4,000 chunks: as many copies would not fit into an Arrow array
    table = pa.table({"id": ["a"], "text": [text], "words": pa.array([100_000], pa.int32()), "metadata": ["{}"]})
    cut, counts = cut_documents(table, 25, 20)
    assert counts["chunks"] == cut.num_rows == 4_000
    assert cut.schema == table.schema
    assert set(cut.column("text").to_pylist()) == {("word " * 25).strip()}
    assert cut.column("id").to_pylist()[-1] == "a#4000" and set(cut.column("metadata").to_pylist()) == {"{}"}
