"""Export: budgets are exact, formats agree, and each document says why it is there."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motherlode.errors import InputError, StaleError
from motherlode.mining.contrast import gather_seeds
from motherlode.mining.export import EXPORTED, Selection, export_tasks, read_export, select
from motherlode.mining.label import round_column, score_column
from motherlode.mining.retrieve import nearest_column, similarity_column
from motherlode.seeds.seeds import Seed, Seeds
from motherlode.shards.dataset import Dataset
from motherlode.shards.engine import LocalEngine
from motherlode.shards.manifest import Manifest
from tests.mining.folders import split, write_dataset

DOMAIN, OTHER = "amber rocks", "basalt"
SIZES = [40, 3, 1100, 57]
COUNT = sum(SIZES)
SEEDS = ("seed-a", "seed-ß")
METADATA = [
    {"nested": {"list": [1, 2.5, None], "text": 'ü\n"quoted" \u2028'}, "n": 1},
    {},
    {"id": "not the id", "score": 3},
]


class Folders:
    """Documents with scores that tie, and what retrieval said of them."""

    def __init__(self, folder: Path) -> None:
        generator = np.random.default_rng(0)
        self.scores = generator.choice(np.linspace(0, 1, 12), COUNT).astype(np.float32)
        self.scores[17] = np.nan  # a row that no label could be computed for
        self.words = generator.integers(1, 60, COUNT)
        self.similarity = generator.uniform(-1, 1, COUNT).astype(np.float32)
        numbers = range(COUNT)
        documents = pa.table(
            {
                "id": [f"doc {n}" for n in numbers],
                "text": [f'text {n} \U0001f600 line\nbreak "quoted"\t\u2028 end' for n in numbers],
                "source": [f"source-{n % 5}" for n in numbers],
                "words": pa.array(self.words, pa.int32()),
                "metadata": [json.dumps(METADATA[n % 3]) if n % 7 else "" for n in numbers],
            }
        )
        columns: dict[str, pa.Array] = {}
        for name in (DOMAIN, OTHER):
            columns[score_column(name)] = pa.array(self.scores, pa.float32(), from_pandas=True)
            columns[round_column(name)] = pa.array([n % 3 for n in numbers], pa.int8())
        columns["labels"] = pa.array([[DOMAIN] if n % 2 else [DOMAIN, OTHER] for n in numbers])
        near: dict[str, pa.Array] = {}
        for name in (DOMAIN, OTHER):
            near[similarity_column(name)] = pa.array(self.similarity)
            near[nearest_column(name)] = pa.array([n % 3 - 1 for n in numbers], pa.int32())
        self.documents = write_dataset(folder / "documents", split(documents, SIZES))
        self.labels = write_dataset(folder / "labels", split(pa.table(columns), SIZES), self.documents)
        self.retrieved = write_dataset(folder / "retrieved", split(pa.table(near), SIZES), self.documents)

    def expected(self, threshold: float, documents: int | None, tokens: int | None) -> list[int]:
        """Choose by brute force: the best first, ties in order, until a document does not fit."""
        order = [n for n in range(COUNT) if self.scores[n] >= np.float32(threshold)]
        order.sort(key=lambda n: (-self.scores[n], n))
        chosen, used = [], 0
        for number in order:
            used += int(self.words[number])
            if (documents is not None and len(chosen) == documents) or (tokens is not None and used * 4 / 3 > tokens):
                break
            chosen.append(number)
        return sorted(chosen)

    def export(self, folder: Path, selections: list[Selection], format: str, workers: int = 1) -> Dataset:
        tasks = export_tasks(selections, format, self.documents, self.labels, self.retrieved, SEEDS)
        with LocalEngine(workers, quiet=True) as engine, Manifest.open(folder, "domains", {}) as manifest:
            engine.run(tasks, manifest, "export")
        return Dataset(folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return Folders(tmp_path_factory.mktemp("export"))


def numbers(folder: Path, domain: str = DOMAIN) -> list[int]:
    return [int(record["id"].removeprefix("doc ")) for record in read_export(folder / domain)]


budgets = st.one_of(st.none(), st.integers(1, COUNT + 10))


@settings(max_examples=25)
@given(st.sampled_from([0.0, 0.3, 0.5, 0.91, 1.0]), budgets, st.one_of(st.none(), st.integers(1, 60_000)))
def test_a_selection_is_exact(folders: Folders, threshold: float, documents: int | None, tokens: int | None) -> None:
    chosen = select(folders.documents, folders.labels, DOMAIN, threshold, documents, tokens)
    expected = folders.expected(threshold, documents, tokens)
    assert chosen.documents == len(expected)
    assert chosen.words == folders.words[expected].sum()


@pytest.mark.parametrize(
    ("threshold", "documents", "tokens"),
    [(0.5, None, None), (0.0, None, None), (1.0, None, None), (0.5, 100, None), (0.5, 101, None), (0.2, 1, None),
     (0.5, None, 5000), (0.5, 100, 5000), (0.0, 1199, None), (0.5, None, 1), (0.95, 50, None)],
)  # fmt: skip
def test_what_is_selected_is_exported(
    folders: Folders, tmp_path: Path, threshold: float, documents: int | None, tokens: int | None
) -> None:
    chosen = select(folders.documents, folders.labels, DOMAIN, threshold, documents, tokens)
    folders.export(tmp_path, [chosen], "parquet")
    assert numbers(tmp_path) == folders.expected(threshold, documents, tokens) if chosen.documents else True
    assert chosen.documents or not (tmp_path / DOMAIN).exists()


def test_both_formats_hold_the_same(folders: Folders, tmp_path: Path) -> None:
    chosen = select(folders.documents, folders.labels, DOMAIN, 0.4, 300)
    folders.export(tmp_path / "parquet", [chosen], "parquet")
    folders.export(tmp_path / "jsonl", [chosen], "jsonl")
    columnar = list(read_export(tmp_path / "parquet" / DOMAIN))
    lines = list(read_export(tmp_path / "jsonl" / DOMAIN))
    assert len(columnar) == len(lines) == 300
    for one, other in zip(columnar, lines, strict=True):
        assert list(one) == list(other) == EXPORTED.names
        assert other["metadata"] == (json.loads(one["metadata"]) if one["metadata"] else {})
        for key in ("id", "text", "labels", "source", "words", "seed", "round"):
            assert one[key] == other[key]
        for key in ("score", "similarity"):
            assert math.isclose(one[key], other[key], abs_tol=1e-6)


def test_provenance(folders: Folders, tmp_path: Path) -> None:
    chosen = select(folders.documents, folders.labels, DOMAIN, 0.4)
    folders.export(tmp_path, [chosen], "jsonl")
    for record in read_export(tmp_path / DOMAIN):
        number = int(record["id"].removeprefix("doc "))
        assert record["text"] == f'text {number} \U0001f600 line\nbreak "quoted"\t\u2028 end'
        assert record["score"] == pytest.approx(float(folders.scores[number]), abs=1e-6)
        assert record["similarity"] == pytest.approx(float(folders.similarity[number]), abs=1e-6)
        assert record["seed"] == (None, *SEEDS)[number % 3]
        assert record["round"] == number % 3
        assert record["labels"] == ([DOMAIN] if number % 2 else [DOMAIN, OTHER])
        assert record["metadata"] == (METADATA[number % 3] if number % 7 else {})
        assert record["words"] == folders.words[number]


def test_a_line_of_jsonl_is_a_document(folders: Folders, tmp_path: Path) -> None:
    folders.export(tmp_path, [select(folders.documents, folders.labels, DOMAIN, 0.4, 200)], "jsonl")
    lines = [line for path in sorted((tmp_path / DOMAIN).iterdir()) for line in path.read_bytes().split(b"\n")]
    assert sum(bool(line) for line in lines) == 200


def test_several_domains_and_no_stray_files(folders: Folders, tmp_path: Path) -> None:
    chosen = [select(folders.documents, folders.labels, name, 0.5, 40) for name in (DOMAIN, OTHER)]
    exported = folders.export(tmp_path, chosen, "jsonl")
    for name in (DOMAIN, OTHER):
        assert {path.suffix for path in (tmp_path / name).iterdir()} == {".jsonl"}
        assert not (tmp_path / name / "manifest.jsonl").exists()
        assert len(numbers(tmp_path, name)) == 40
    assert exported.counts["kept"] == 80


def test_many_documents_are_split_into_files(folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = select(folders.documents, folders.labels, DOMAIN, 0.0)
    monkeypatch.setattr("motherlode.mining.export._DOCUMENTS_PER_FILE", 400)
    one = folders.export(tmp_path / "one", [chosen], "parquet")
    two = folders.export(tmp_path / "two", [chosen], "parquet", workers=2)
    assert len(list((tmp_path / "one" / DOMAIN).iterdir())) > 1
    assert numbers(tmp_path / "one") == folders.expected(0.0, None, None)
    assert one.digest == two.digest


def test_a_changed_selection_replaces_files(folders: Folders, tmp_path: Path) -> None:
    many = select(folders.documents, folders.labels, DOMAIN, 0.0, 500)
    few = select(folders.documents, folders.labels, DOMAIN, 0.0, 5)
    folders.export(tmp_path, [many], "jsonl")
    folders.export(tmp_path, [few], "jsonl")
    assert len(numbers(tmp_path)) == 5
    folders.export(tmp_path, [few], "parquet")
    assert {path.suffix for path in (tmp_path / DOMAIN).iterdir()} == {".parquet"}


def test_labels_of_another_corpus_are_refused(folders: Folders, tmp_path: Path) -> None:
    stale = Folders(tmp_path)
    other = write_dataset(tmp_path / "other", split(pa.table({"n": range(COUNT)}), SIZES))
    with pytest.raises(StaleError):
        select(other, folders.labels, DOMAIN, 0.5)
    chosen = replace(select(stale.documents, stale.labels, DOMAIN, 0.5), domain=DOMAIN)
    with pytest.raises(StaleError):
        export_tasks([chosen], "jsonl", other, stale.labels, stale.retrieved, SEEDS)


@pytest.mark.parametrize(
    "name",
    ["", " ", "..", ".hidden", "a/b", "../up", "/etc", "a\\b", "a:b", "a=b", "nul\0", "line\nbreak", "esc\x1b[0m",
     "x" * 300, " padded ", "manifest.jsonl", "bidi\u202e"],
)  # fmt: skip
def test_hostile_domain_names_are_refused(name: str, tmp_path: Path) -> None:
    seeds = Seeds("fine", (Seed("one", "alder birch", ("fine",)),))
    seeds.write(tmp_path / "seeds.jsonl")
    for value in (seeds, str(tmp_path / "seeds.jsonl"), "builtin"):
        with pytest.raises(InputError) as caught:
            gather_seeds({name: value})
        assert "\n" not in str(caught.value)
        assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("name", ["santé publique", "法律", "R&D", "a b", "x" * 100, "law (EU)", "c++"])
def test_names_of_any_language_are_fine(name: str) -> None:
    seeds = Seeds("fine", (Seed("one", "alder birch", ("fine",)),))
    assert list(gather_seeds({name: seeds})) == [name]
