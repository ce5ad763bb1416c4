"""A build with every step on, over every kind of input: each document's fate, the sums, and the same bytes again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.report.corpus import write_corpus_report
from motherlode.shards.engine import LocalEngine
from tests.corpus.everything import KEPT, NOTICE, Everything, write_everything
from tests.kill import contents

pytest.importorskip("resiliparse", reason="the extra 'web' is not installed")
pytest.importorskip("pycld2", reason="the extra 'web' is not installed")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Everything, Corpus]:
    folder = tmp_path_factory.mktemp("everything")
    (folder / "in").mkdir()
    everything = write_everything(folder / "in")
    engine = LocalEngine(1, quiet=True)
    return everything, Corpus.build(everything.inputs, folder / "out", engine=engine, **everything.settings)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_each_document_has_its_fate(built: tuple[Everything, Corpus]) -> None:
    everything, corpus = built
    found = {row["id"]: f"{row['stage']}/{row['reason']}" for row in rows(corpus.folder / "rejected")}
    kept = {row["id"].split("#")[0]: KEPT for row in rows(corpus.folder / "documents")}
    assert not set(kept) & set(found)
    as_read = {identity for identity, fate in everything.fates.items() if fate.startswith("read/")}  # there is no text
    assert found | kept == {identity: fate for identity, fate in everything.fates.items() if identity not in as_read}
    stats = corpus.stats()
    assert stats.kept == len(kept)
    assert len(as_read) == sum(
        stats.stages["read"][reason] for reason in ("HTTP status 404", "not HTML", "URL blocked")
    )


def test_sums_agree_for_the_whole_by_stage_and_by_source(built: tuple[Everything, Corpus]) -> None:
    _, corpus = built
    stats = corpus.stats()
    assert stats.adds_up and not any(stats.all_other.values())
    stages = ["read", "block-urls", "language", "quality", "decontaminate", "duplicates", "repeated paragraphs"]
    assert list(stats.stages) == stages
    crawl, texts = stats.by_source["1-crawl.warc.gz"], stats.by_source["2-lines.jsonl"]
    assert (crawl["read"], crawl["quarantined"], texts) == (26, 1, {"read": 1, "quarantined": 1})
    assert stats.quarantined == len(rows(corpus.folder / "quarantine")) == 3
    rejected = Counter((row["source"], row["stage"]) for row in rows(corpus.folder / "rejected"))
    for source, row in stats.by_source.items():
        assert row["read"] == sum(count for outcome, count in row.items() if outcome != "read")
        of_stage = Counter[str]()
        for outcome, count in row.items():
            of_stage[outcome.split("/")[0]] += count if "/" in outcome else 0
        for stage in stages[1:]:
            assert of_stage[stage] == rejected[source, stage]


def test_texts_are_as_every_step_left_them(built: tuple[Everything, Corpus]) -> None:
    _, corpus = built
    documents = {row["id"]: row for row in rows(corpus.folder / "documents")}
    assert "jane.doe" not in documents["personal"]["text"] and "555 0143" not in documents["personal"]["text"]
    assert sum(NOTICE in row["text"] for row in documents.values()) == 1
    chunks = [documents[f"long#{number}"] for number in (1, 2, 3)]
    assert all(0 < row["words"] <= 250 == corpus.manifest.settings["chunk_words"] for row in chunks)
    assert {row["language"] for row in documents.values()} == {"en"}
    (match,) = rows(corpus.folder / "contamination")
    assert (match["document"], match["origin"]) == ("contaminated", "2-lines.jsonl")
    assert {row["id"] for row in rows(corpus.folder / "rejected") if row["reason"] == "contaminated"} == {
        "contaminated"
    }
    report = write_corpus_report(corpus.folder).read_text()
    (corpus.folder / "report.html").unlink()
    for shown in ("repeated paragraphs", "near duplicate", "contaminated", "emails masked", "evaluation.jsonl"):
        assert shown in report
    assert json.loads((corpus.folder / "duplicates" / "near.json").read_text())["dropped"] == stats_of_near(corpus)


def stats_of_near(corpus: Corpus) -> int:
    return corpus.stats().stages["duplicates"]["near duplicate"]


def test_two_workers_write_the_same_bytes(built: tuple[Everything, Corpus], tmp_path: Path) -> None:
    everything, corpus = built
    with LocalEngine(2, quiet=True) as engine:
        again = Corpus.build(everything.inputs, tmp_path / "out", engine=engine, **everything.settings)
    assert contents(again.folder) == contents(corpus.folder)
