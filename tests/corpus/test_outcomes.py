"""Records are counted by stage, reason and source, and every sum adds up; rejected documents are kept aside."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from motherlode.corpus.corpus import Corpus
from motherlode.corpus.outcomes import OTHER_SOURCES, SOURCES, Outcomes, bounded, by_stage, settled
from motherlode.shards.engine import LocalEngine
from motherlode.shards.manifest import merge_stats
from tests.corpus.inputs import LONG, write_lines
from tests.kill import contents

PROSE = "The river and the stone have to be part of a market with a lantern, and that is all that we can say about it. "


def records() -> list[Any]:
    made: list[Any] = ['{"text": "torn']
    for number in range(60):
        source = f"site {number % 4}"
        made.append({"id": f"p{number}", "text": PROSE * 3 + str(number % 40), "source": source})
        made.append({"id": f"s{number}", "text": f"short {number}", "source": source})
        made.append({"id": f"b{number}", "text": "- item\n" * 30 + str(number), "source": source})
        made.append({"body": "no text", "source": source})
    return made


def build(tmp_path: Path, name: str, workers: int = 1, **settings: Any) -> Corpus:
    path = tmp_path / "in.jsonl"
    if not path.exists():
        write_lines(path, records())
    with LocalEngine(workers, quiet=True) as engine:
        lenient = {"gopher": {"repetition": {"top_ngrams": {}, "repeated_ngrams": {}}, "min_stop_words": 1}}
        options = {
            "quality": "gopher",
            "quality_rules": lenient,
            "shard_rows": 30,
            "split_bytes": 4000,
            "near_duplicates": False,
        }
        options |= settings
        return Corpus.build(path, tmp_path / name, engine=engine, **options)


def test_the_funnel_adds_up_by_stage_reason_and_source(tmp_path: Path) -> None:
    stats = build(tmp_path, "out").stats()
    assert stats.adds_up
    assert list(stats.stages) == ["read", "quality", "duplicates"]
    assert stats.stages["read"] == {"no field 'text'": 60}
    assert stats.stages["duplicates"] == {"exact duplicate": 20}
    assert sum(stats.stages["quality"].values()) == 120
    assert stats.read == 241 and stats.quarantined == 1 and stats.kept == 40
    assert stats.by_source["in.jsonl"] == {"quarantined": 1, "read": 1}
    assert sum(row["read"] for row in stats.by_source.values()) == 241
    assert {name: row["kept"] for name, row in stats.by_source.items() if "kept" in row} == stats.sources
    assert Counter(row["read"] for row in stats.by_source.values()) == {60: 4, 1: 1}
    for row in stats.by_source.values():
        assert row["read"] == sum(count for outcome, count in row.items() if outcome != "read")


def test_rejected_documents_are_kept_with_reason_and_origin(tmp_path: Path) -> None:
    corpus = build(tmp_path, "out", keep_rejected=True)
    rows = [
        row
        for path in sorted((tmp_path / "out" / "rejected").glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    stats = corpus.stats()
    expected = Counter(stats.dropped)
    del expected["no field 'text'"]  # there is no document
    assert Counter(row["reason"] for row in rows) == expected
    assert Counter(row["stage"] for row in rows) == {"quality": 120, "duplicates": 20}
    read = [row for row in rows if row["stage"] == "quality"]
    assert [row["id"] for row in read] == [f"{kind}{n}" for n in range(60) for kind in "sb"]
    assert all(row["origin"] == "in.jsonl" and row["location"] for row in read)
    assert read[0]["text"] == "short 0"
    kept = {row for batch in corpus.batches(["id"]) for row in batch.column("id").to_pylist()}
    assert kept.isdisjoint(row["id"] for row in rows)
    assert not (tmp_path / "out" / "staging").exists()


def test_bytes_do_not_depend_on_workers(tmp_path: Path) -> None:
    settings = {"keep_rejected": True, "chunk_words": 25}
    one, two = build(tmp_path, "one", 1, **settings), build(tmp_path, "two", 2, **settings)
    assert contents(one.folder) == contents(two.folder)
    assert len(list((one.folder / "rejected").glob("*.parquet"))) > 3


def test_nothing_rejected_is_an_empty_folder(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": LONG}])
    corpus = Corpus.build(path, tmp_path / "out", engine=LocalEngine(1, quiet=True), keep_rejected=True)
    assert sorted(p.name for p in (corpus.folder / "rejected").iterdir() if p.name != ".lock") == ["manifest.jsonl"]
    assert corpus.stats().stages == {}


EVENTS = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(["kept", "quarantined", "a/x", "b/y", "a/y"])), max_size=60
)


@given(st.lists(EVENTS, max_size=5), st.integers(1, 8))
def test_sums_stay_exact_however_many_sources_have_to_share_a_row(tasks: list[Any], most: int) -> None:
    parts, truth = [], Counter()
    for events in tasks:
        outcomes = Outcomes()
        for source, outcome in events:
            outcomes.add("read", [str(source)])
            stage, separator, reason = outcome.partition("/")
            if separator:
                outcomes.drop(stage, reason, [str(source)])
            else:
                outcomes.add(outcome, [str(source)])
            truth[outcome] += 1
            truth["read"] += 1
        parts.append(bounded(outcomes.stats(), most))
        assert len(parts[-1][SOURCES]) <= most
    found = settled(merge_stats(parts))
    rows = [*found[SOURCES].values(), found[OTHER_SOURCES]]
    assert +Counter(merge_stats(rows)) == +truth
    assert all(2 * row.get("read", 0) == sum(row.values()) for row in rows)
    stages = by_stage(rows, ["b"])
    assert list(stages) == [name for name in ("b", "a") if name in stages]
    assert sum(sum(reasons.values()) for reasons in stages.values()) == sum(n for k, n in truth.items() if "/" in k)


def test_a_source_that_is_torn_between_rows_has_no_row() -> None:
    stats = {SOURCES: {"whole": {"read": 2, "kept": 2}, "torn": {"read": 3, "kept": 1}}, OTHER_SOURCES: {"kept": 2}}
    assert settled(stats) == {SOURCES: {"whole": {"kept": 2, "read": 2}}, OTHER_SOURCES: {"kept": 3, "read": 3}}


def test_a_corpus_from_before_counts_by_source_still_has_statistics(tmp_path: Path) -> None:
    corpus = build(tmp_path, "out")
    now = corpus.stats()
    entry = corpus.manifest.entries["build"]
    old = {key: value for key, value in entry.stats.items() if key not in ("stages", SOURCES, OTHER_SOURCES)}
    corpus.manifest.entries["build"] = replace(entry, stats=old)
    stats = corpus.stats()
    assert stats.adds_up and (stats.read, stats.kept, stats.dropped) == (now.read, now.kept, now.dropped)
    assert stats.stages == {"build": dict(sorted(stats.dropped.items(), key=lambda item: (-item[1], item[0])))}
