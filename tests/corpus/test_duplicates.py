"""Exact duplicates: the first in input order stays, whatever the shards, the workers and the bands."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motherlode.corpus import columns, duplicates, key_tasks
from motherlode.corpus.columns import content_key
from motherlode.corpus.duplicates import find_repeats
from motherlode.corpus.stages import Scratch
from motherlode.shards.dataset import Source
from motherlode.shards.engine import LocalEngine
from motherlode.shards.task import write_shard
from tests.corpus.inputs import build, documents, texts, write_lines

SHARDS = st.lists(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6)), min_size=1, max_size=12), max_size=6)


def key(value: int) -> bytes:
    """Return a key; some differ in one half only."""
    spread = hashlib.blake2b(bytes([value // 2]), digest_size=8).digest()
    return spread + bytes([0] * 7 + [value % 2]) if value < 8 else bytes([0] * 7 + [value]) + spread


def write(folder: Path, shards: list[list[tuple[int, int]]]) -> list[Source]:
    """Write staging shards of (key, id key)."""
    sources = []
    for number, rows in enumerate(shards):
        columns = {
            "key": pa.array([key(left) for left, _ in rows], pa.binary(16)),
            "id_key": pa.array([key(right) for _, right in rows], pa.binary(16)),
        }
        file = write_shard(folder, f"{number}.parquet", pa.table(columns))
        sources.append(Source(folder / file.name, file.digest, file.rows))
    return sources


@pytest.mark.parametrize("band", [1, 3, 1000])
@settings(max_examples=30)
@given(shards=SHARDS)
def test_repeats_are_those_that_a_set_finds(
    tmp_path_factory: pytest.TempPathFactory, band: int, shards: list[list[tuple[int, int]]]
) -> None:
    sources = write(tmp_path_factory.mktemp("keys"), shards)
    seen: set[int] = set()
    seen_ids: set[int] = set()
    repeated: list[list[int]] = []
    renamed: list[list[int]] = []
    for rows in shards:
        repeated.append([])
        renamed.append([])
        for row, (content, identity) in enumerate(rows):
            if content in seen:
                repeated[-1].append(row)
                continue
            seen.add(content)
            if identity in seen_ids:
                renamed[-1].append(row)
            seen_ids.add(identity)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "_BAND_KEYS", band)
        found = find_repeats(sources, "key")
        assert [rows.tolist() for rows in found] == repeated
        assert [rows.tolist() for rows in find_repeats(sources, "id_key", found)] == renamed


@settings(max_examples=8)
@given(shards=SHARDS)
def test_tasks_find_the_same_repeats(
    tmp_path_factory: pytest.TempPathFactory, shards: list[list[tuple[int, int]]]
) -> None:
    sources = write(tmp_path_factory.mktemp("keys"), shards)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "_BAND_KEYS", 4)
        scratch = Scratch(tmp_path_factory.mktemp("tasks"), {}, LocalEngine(1, quiet=True))
        gone = find_repeats(sources, "key")
        found = key_tasks.find_repeats(sources, "key", scratch)
        assert [rows.tolist() for rows in found] == [rows.tolist() for rows in gone]
        expected = [rows.tolist() for rows in find_repeats(sources, "id_key", gone)]
        assert [rows.tolist() for rows in key_tasks.find_repeats(sources, "id_key", scratch, gone)] == expected


def test_white_space_makes_no_difference_and_letters_do() -> None:
    assert content_key("a  b\n c") == content_key(" a b c ")
    assert content_key("a b c") != content_key("a b C")
    assert content_key("ab c") != content_key("a bc")


def test_the_first_in_input_order_stays_across_files_shards_and_splits(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        records = [{"text": f"shared text number {n % 9} has words", "from": name} for n in range(30)]
        own = [{"text": f"own text {n} of the file {name}", "from": name} for n in range(5)]
        write_lines(tmp_path / f"{name}.jsonl", own + records)
    for order, first in (["a", "b", "c"], "a"), (["c", "b", "a"], "c"):
        inputs = [tmp_path / f"{name}.jsonl" for name in order]
        corpus = build(inputs, tmp_path / f"out-{first}", shard_rows=4, split_bytes=1024)
        assert corpus.stats().dropped == {"exact duplicate": 90 - 9}
        shared = [row for row in documents(corpus) if row["text"].startswith("shared")]
        assert len(shared) == 9
        assert {row["metadata"] for row in shared} == {f'{{"from": "{first}"}}'}
    everything = build(inputs, tmp_path / "all", deduplicate=False, shard_rows=4)
    assert len(everything) == 105
    assert everything.stats().notes["ids_renamed"] == 90 - 9


TEXTS = st.lists(st.lists(st.sampled_from(["w", "v", "w ", "v\n"]), min_size=1, max_size=3).map(" ".join), max_size=30)


@settings(max_examples=20)
@given(TEXTS, st.integers(1, 6), st.integers(1, 3))
def test_a_corpus_keeps_what_a_set_would(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], shard_rows: int, files: int
) -> None:
    folder = tmp_path_factory.mktemp("corpus")
    for file in range(files):
        write_lines(folder / "in" / f"{file}.jsonl", [{"text": line} for line in lines[file::files]] or [""])
    write_lines(folder / "in" / "last.jsonl", [{"text": "never empty"}])
    kept: dict[str, None] = dict.fromkeys(
        " ".join(line.split()) for file in range(files) for line in lines[file::files]
    ) | {"never empty": None}
    corpus = build(folder / "in", folder / "out", min_words=0, shard_rows=shard_rows)
    assert [" ".join(text.split()) for text in texts(corpus)] == list(kept)


@given(st.text("ab \n\u3000\ud800é", max_size=40), st.integers(1, 9))
def test_the_key_of_a_long_text_is_made_piece_by_piece_as_if_at_once(text: str, piece: int) -> None:
    whole = hashlib.blake2b(" ".join(text.split()).encode("utf-8", "replace"), digest_size=16).digest()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "_PIECE", piece)
        assert content_key(text) == whole
