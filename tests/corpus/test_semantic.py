"""Semantic near-duplicates: against each vector compared with each, exactly and by cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from motherlode.corpus import semantic
from motherlode.corpus.corpus import Corpus
from motherlode.corpus.semantic import SemanticOptions, deduplicate, find_semantic_duplicates
from motherlode.errors import InputError
from motherlode.shards.engine import LocalEngine
from tests.corpus.inputs import write_lines
from tests.corpus.test_near_duplicates import components
from tests.invented import records
from tests.kill import contents

ENGINE = LocalEngine(1, quiet=True)
THRESHOLD = 0.6


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("semantic")
    rows = records(300)
    rows += [{"id": f"again-{n}", "text": f"{row['text']} and that is it"} for n, row in enumerate(rows[:40])]
    source = write_lines(folder / "a.jsonl", rows)
    made = Corpus.build(source, folder / "corpus", engine=ENGINE, shard_rows=90, near_duplicates=False)
    made.encode(engine=ENGINE)
    return made


def truth(corpus: Corpus, threshold: float) -> set[tuple[int, int]]:
    """Compare each with each."""
    matrix = np.concatenate([part for _, part in corpus.vectors().matrices()]).astype(np.float64)
    matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    rows, columns = np.nonzero(np.triu(matrix @ matrix.T >= threshold, 1))
    return set(zip(rows.tolist(), columns.tolist(), strict=True))


@pytest.mark.parametrize("block", [7, 2048])
def test_clusters_are_those_of_comparing_each_with_each(
    corpus: Corpus, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(semantic, "_ROWS", block)
    monkeypatch.setattr(semantic, "_COLUMNS", 3 * block)
    pairs = truth(corpus, THRESHOLD)
    assert len(pairs) >= 40
    clusters, measured = find_semantic_duplicates(corpus, corpus.vectors(), SemanticOptions(threshold=THRESHOLD))
    assert measured == {"alike": len(pairs), "recall": 1.0}
    found = [set(clusters.members[a:b].tolist()) for a, b in zip(clusters.starts, clusters.starts[1:], strict=False)]
    assert found == sorted(components(pairs), key=min)


def test_cells_find_most_and_say_how_much(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(semantic, "EXACT_DOCUMENTS", 10)
    monkeypatch.setattr(semantic, "_CELL", 40)
    monkeypatch.setattr(semantic, "_SAMPLE", 1000)
    pairs = truth(corpus, THRESHOLD)
    _, measured = find_semantic_duplicates(corpus, corpus.vectors(), SemanticOptions(threshold=THRESHOLD, cells=3))
    assert measured["recall"] == pytest.approx(measured["alike"] / len(pairs), abs=1e-4)  # nothing that is not alike
    assert measured["recall"] > 0.8
    _, every = find_semantic_duplicates(corpus, corpus.vectors(), SemanticOptions(threshold=THRESHOLD, cells=100))
    assert every == {"alike": len(pairs), "recall": 1.0}


def test_the_new_corpus_holds_what_is_left(corpus: Corpus, tmp_path: Path) -> None:
    options = SemanticOptions(threshold=THRESHOLD)
    made = deduplicate(corpus, tmp_path / "out", options, engine=ENGINE)
    gone = sum(len(group) - 1 for group in components(truth(corpus, THRESHOLD)))
    assert len(made) == len(corpus) - gone
    stats = made.stats()
    assert stats.adds_up
    assert stats.dropped == {"semantic duplicate": gone}
    assert stats.near_duplicates is not None
    assert stats.near_duplicates["dropped"] == gone
    ids = [value for batch in made.batches(["id"]) for value in batch.column(0).to_pylist()]
    assert "again-0" in ids  # the longer one
    assert "doc-00000" not in ids
    with LocalEngine(2, quiet=True) as two:
        deduplicate(corpus, tmp_path / "two", options, engine=two)
    assert contents(tmp_path / "two") == contents(tmp_path / "out")
    assert len(deduplicate(corpus, tmp_path / "out", options, engine=ENGINE)) == len(made)
    with pytest.raises(InputError, match="holds the output of other settings"):
        deduplicate(corpus, tmp_path / "out", SemanticOptions(threshold=0.7), engine=ENGINE)


def test_without_vectors_there_is_one_line(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "a.jsonl", records(5))
    bare = Corpus.build(source, tmp_path / "corpus", engine=ENGINE)
    with pytest.raises(InputError):
        deduplicate(bare, tmp_path / "out", engine=ENGINE)
    assert not (tmp_path / "out").exists()


def test_chunks_go_one_by_one_and_their_document_with_the_last(tmp_path: Path) -> None:
    rows = records(30)
    whole = " ".join(row["text"] for row in rows[:6])
    given = [
        {"id": "book", "text": whole, "source": "a"},
        {"id": "copy", "text": whole, "source": "b"},  # all of its chunks are alike others
        {"id": "more", "text": f"{whole} {rows[6]['text']} {rows[7]['text']}", "source": "b"},  # and some of these
        {"id": "like#1", "text": rows[8]["text"], "source": "c"},  # no chunk: only its name is like one
        *({**row, "source": "c"} for row in rows[9:]),
    ]
    source = write_lines(tmp_path / "in.jsonl", given)
    words = 40
    made = Corpus.build(source, tmp_path / "corpus", engine=ENGINE, chunk_words=words, deduplicate=False, shard_rows=9)
    assert len(made) > made.stats().kept == len(given)
    made.encode(engine=ENGINE)
    left = deduplicate(made, tmp_path / "out", SemanticOptions(threshold=1), engine=ENGINE)
    before, after = (
        [(row["id"], row["text"]) for batch in corpus.batches(["id", "text"]) for row in batch.to_pylist()]
        for corpus in (made, left)
    )
    assert set(after) <= set(before)  # ids and texts as they were
    names = [identity.rpartition("#")[0] for identity, _ in before if identity.startswith("copy#")]
    documents_before, documents_after = (
        {identity.partition("#")[0] for identity, _ in rows} for rows in (before, after)
    )
    gone = documents_before - documents_after
    assert names and "copy" in gone and {"book", "more"} <= documents_after
    stats = left.stats()
    assert stats.adds_up and stats.kept == len(given) - len(gone)
    assert stats.dropped == {"semantic duplicate": len(gone)}
    assert stats.notes["chunks_dropped"] == len(before) - len(after)
    assert stats.by_source["b"]["semantic duplicates/semantic duplicate"] >= 1
    assert stats.by_source["a"]["kept"] == 1


def test_the_corpus_that_is_read_is_not_overwritten(corpus: Corpus) -> None:
    before = contents(corpus.folder)
    for out in (corpus.folder, corpus.folder.parent):
        with pytest.raises(InputError, match="holds what is read"):
            deduplicate(corpus, out, engine=ENGINE, overwrite=True)
    assert contents(corpus.folder) == before
