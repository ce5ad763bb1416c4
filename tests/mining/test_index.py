"""The vector index: what it finds against the exact search, how it follows the corpus, what stops it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.encode.vectors import encode_texts
from motherlode.errors import InputError
from motherlode.mining.index import (
    VectorIndex,
    build_index,
    find_index,
    neighbours_from_index,
    search_index,
)
from motherlode.mining.mine import MineResult, mine
from motherlode.mining.recall import recall_of
from motherlode.mining.retrieve import Neighbours, SeedMatrix
from motherlode.mining.search import nearest, search
from motherlode.shards.dataset import Dataset
from motherlode.shards.engine import LocalEngine
from tests.command import typed
from tests.kill import Program
from tests.mining.static_models import WORDS, build, random_model, texts_of

lance = pytest.importorskip("lance", reason="the extra 'index' is not installed")

BUILD = Program(
    "from motherlode.corpus.corpus import Corpus\n"
    "from motherlode.mining import lance_store\n"
    "from motherlode.mining.index import build_index\n"
    "import lance, model2vec, sklearn.cluster",
    "lance_store.GROUP_ROWS = 1  # a commit a shard\nbuild_index(Corpus(sys.argv[1]))",
)
HIDE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "lance":
            raise ImportError(name)
sys.meta_path.insert(0, Hidden())
import json
from motherlode.cli.main import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as left:
        print("left with", left.code, flush=True)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"static:{random_model(tmp_path_factory.mktemp('model') / 'random')}"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, model: str) -> Corpus:
    """4,000 texts in four shards, with an index of partitions."""
    corpus = build(tmp_path_factory.mktemp("large"), texts_of(4000, 8, 3), model, shard_rows=1000)
    build_index(corpus, kind="IVF_FLAT")
    return corpus


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory, invented_corpus: Corpus, seed_files: dict[str, Path]) -> Any:
    """A copy of the invented corpus with an index, mined by it."""
    folder = tmp_path_factory.mktemp("mined")
    shutil.copytree(invented_corpus.folder, folder / "corpus")
    corpus = Corpus(folder / "corpus")
    with LocalEngine(1, quiet=True) as engine:
        result = mine(corpus, dict(seed_files), folder / "run", engine=engine, retrieval="ann", contrast=(), top_k=40)
    return corpus, result


def held(index: VectorIndex) -> Counter[tuple[str, int]]:
    table = index.open().to_table(columns=["shard", "row"]).to_pydict()
    return Counter(zip(table["shard"], table["row"], strict=True))


def every_row(corpus: Corpus) -> Counter[tuple[str, int]]:
    shards = corpus.documents.shards
    return Counter((name, row) for name, entry in shards.items() for row in range(entry.files[0].rows))


def exactly(vectors: Any, seeds: SeedMatrix, k: int) -> list[list[tuple[str, int]]]:
    return [[(shard, row) for _, shard, row in nearest(vectors, seed, k)] for seed in seeds.vectors]


def seeds_of(corpus: Corpus, count: int) -> SeedMatrix:
    vectors = encode_texts(corpus.vectors().encoder, texts_of(count, 8, 77))
    return SeedMatrix(vectors, np.ones((count, 1), dtype=bool), ("amber",))


def test_scan_finds_what_the_exact_search_finds(tmp_path: Path, model: str) -> None:
    corpus = build(tmp_path, texts_of(330, 4, 1), model)
    index = build_index(corpus)
    assert (index.kind, index.rows, index.added, index.removed) == ("scan", 330, 330, 0)
    assert dict(index.recall_at_k) == {10: 1.0, 200: 1.0}
    assert held(index) == every_row(corpus)
    for query in (WORDS[0], f"{WORDS[1]} {WORDS[60]}", "unheard " + WORDS[7]):
        for k in (1, 10, 330, 500):
            assert search_index(corpus, query, k) == search(corpus, query, k)


def test_partitions_find_nearly_all_and_say_how_much(large: Corpus) -> None:
    index = find_index(large, large.vectors())
    assert index.kind == "IVF_FLAT"
    assert 8 <= index.parameters["nprobes"] <= index.parameters["partitions"]
    assert set(index.recall_at_k) == {10, 200}
    assert all(0.95 <= value <= 1 for value in index.recall_at_k.values())
    assert index.claim in index.describe()
    found = [len({h.id for h in search(large, w, 50)} & {h.id for h in search_index(large, w, 50)}) for w in WORDS[:20]]
    assert np.mean(found) >= 0.9 * 50


def test_neighbours_are_nearly_the_exact_ones(large: Corpus) -> None:
    vectors, seeds = large.vectors(), seeds_of(large, 30)
    index = find_index(large, vectors)
    found = neighbours_from_index(index, seeds, 100, large.documents)
    assert found.shards == tuple(large.documents.shards)
    assert np.bincount(found.seed).tolist() == [100] * 30
    matrices = dict(vectors.matrices())
    shares = []
    for seed, wanted in enumerate(exactly(vectors, seeds, 100)):
        mine_ = np.flatnonzero(found.seed == seed)
        places = [(found.shards[found.shard[place]], int(found.row[place])) for place in mine_]
        cosines = [float(matrices[shard][row] @ seeds.vectors[seed]) for shard, row in places]
        np.testing.assert_allclose(found.similarity[mine_], cosines, atol=1e-6)
        assert np.all(np.diff(found.similarity[mine_]) <= 0)
        shares.append(len(set(places) & set(wanted)) / 100)
    assert np.mean(shares) >= 0.9
    assert recall_of(found, seeds, vectors, 100) == pytest.approx(np.mean(shares), abs=0.01)


def test_recall_counts_what_is_missing(large: Corpus) -> None:
    vectors, seeds = large.vectors(), seeds_of(large, 10)
    places = {name: number for number, name in enumerate(large.documents.shards)}
    rows = [(s, places[n], r, c) for s, q in enumerate(seeds.vectors) for c, n, r in nearest(vectors, q, 40)[::2]]
    seed, shard, row, cosine = (np.array(column) for column in zip(*rows, strict=True))
    half = Neighbours(seed, shard, row, cosine.astype(np.float32), tuple(places))
    assert recall_of(half, seeds, vectors, 40) == pytest.approx(0.5, abs=0.03)


def test_same_corpus_gives_the_same_answers(large: Corpus, tmp_path: Path) -> None:
    shutil.copytree(large.folder, tmp_path / "corpus")
    shutil.rmtree(tmp_path / "corpus" / "index")
    other = Corpus(tmp_path / "corpus")
    build_index(other, kind="IVF_FLAT")
    first, second = (find_index(corpus, corpus.vectors()) for corpus in (large, other))
    assert (first.parameters, first.recall_at_k) == (second.parameters, second.recall_at_k)
    seeds = seeds_of(large, 10)
    one, two = (neighbours_from_index(index, seeds, 50, large.documents) for index in (first, second))
    for name in ("seed", "shard", "row", "similarity"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_kind_and_all_documents_may_change(tmp_path: Path, model: str) -> None:
    place = f"file://{tmp_path}/shared.lance"
    first = build(tmp_path / "first", texts_of(300, 6, 4), model)
    assert build_index(first, location=place).kind == "scan"
    index = build_index(first, kind="IVF_SQ")
    assert (index.kind, index.location, index.added, index.removed) == ("IVF_SQ", place, 0, 0)
    assert min(index.recall_at_k.values()) >= 0.95
    other = build(tmp_path / "other", texts_of(250, 6, 40), model)
    index = build_index(other, location=place)
    assert (index.kind, index.added, index.removed) == ("scan", 250, 300)
    assert held(index) == every_row(other)
    assert search_index(other, WORDS[4], 9) == search(other, WORDS[4], 9)


@pytest.mark.parametrize("kind", ["scan", "IVF_FLAT"])
def test_follows_a_growing_and_changing_corpus(tmp_path: Path, model: str, kind: str) -> None:
    texts, place = texts_of(700, 6, 4), str(tmp_path / "shared.lance")
    first = build(tmp_path / "first", texts[:600], model)
    before = build_index(first, location=place, kind=kind)
    again = build_index(first, location=place, kind=kind)
    assert (before.added, again.added, again.removed, again.version) == (600, 0, 0, before.version)

    grown = build(tmp_path / "grown", texts, model)
    index = build_index(grown, location=place, kind=kind)
    assert (index.added, index.removed, index.rows) == (100, 0, 700)
    assert held(index) == every_row(grown)

    changed = build(tmp_path / "changed", [*texts[:150], f"{WORDS[5]} {WORDS[50]}", *texts[151:500]], model)
    index = build_index(changed, location=place, kind=kind)
    assert (index.added, index.removed, index.rows) == (100, 300, 500)
    assert held(index) == every_row(changed)
    assert min(index.recall_at_k.values()) >= (1 if kind == "scan" else 0.95)
    assert search_index(changed, f"{WORDS[5]} {WORDS[50]}", 1)[0].id == "d150"
    with pytest.raises(InputError, match=r"was changed since .* run `corpus index` again"):
        search_index(first, WORDS[0])


def test_an_index_of_an_earlier_build_is_refused(tmp_path: Path, model: str) -> None:
    texts = texts_of(130, 6, 5)
    old, new = build(tmp_path / "old", texts[:120], model), build(tmp_path / "new", texts, model)
    build_index(old)
    with pytest.raises(InputError, match=r"has no index of the vectors .* motherlode corpus index"):
        search_index(new, WORDS[0])
    shutil.copytree(old.folder / "index", new.folder / "index")
    with pytest.raises(InputError, match="earlier build of the corpus"):
        search_index(new, WORDS[0])
    (record,) = (new.folder / "index").glob("*.json")
    record.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="is damaged"):
        search_index(new, WORDS[0])


def test_places_that_hold_something_else_are_refused(tmp_path: Path, model: str, invented_corpus: Corpus) -> None:
    corpus = build(tmp_path, texts_of(50, 6, 5), model)
    place = build_index(corpus, location=str(tmp_path / "mine.lance")).location
    other = tmp_path / "other"
    shutil.copytree(invented_corpus.folder, other)
    with pytest.raises(InputError, match=r"holds the vectors 'random-.*choose another --location"):
        build_index(Corpus(other), location=place)
    with pytest.raises(InputError, match="cannot be opened as a Lance dataset"):
        build_index(corpus, location=str(corpus.folder))
    lance.write_dataset(build_index(corpus).open().to_table(["id"]).replace_schema_metadata({}), str(tmp_path / "x"))
    with pytest.raises(InputError, match="something else than an index"):
        build_index(corpus, location=str(tmp_path / "x"))
    with pytest.raises(InputError, match=r"unknown kind 'IVF_FLT'.*did you mean 'IVF_FLAT'"):
        build_index(corpus, kind="IVF_FLT")
    index = build_index(corpus, location=place)
    shutil.rmtree(place)
    with pytest.raises(InputError, match="the index is gone"):
        index.open()


def test_a_killed_build_goes_on_where_it_was(tmp_path: Path, model: str) -> None:
    corpus = build(tmp_path, texts_of(400, 6, 6), model, shard_rows=10)
    (key,) = (item.name for item in (corpus.folder / "vectors").iterdir())
    place = corpus.folder / "index" / f"{key}.lance"
    for _ in range(5):  # on a busy machine the kill may come too late
        process = BUILD.start(corpus.folder)
        give_up = time.monotonic() + 120
        while len(list((place / "_versions").glob("*.manifest"))) < 6 and time.monotonic() < give_up:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode:
            break
        shutil.rmtree(corpus.folder / "index")
    committed = lance.dataset(str(place)).count_rows()
    assert 0 < committed < 400, "the build was to be killed amid its work"
    with pytest.raises(InputError, match="has no index"):
        search_index(corpus, WORDS[0])
    index = build_index(corpus)
    assert (index.added, index.removed) == (400 - committed, 0)
    assert held(index) == every_row(corpus)
    assert search_index(corpus, WORDS[0], 50) == search(corpus, WORDS[0], 50)


def test_mining_by_the_index_builds_it_and_reports_its_recall(mined: tuple[Corpus, MineResult]) -> None:
    corpus, result = mined
    assert result.retrieval == "ann"
    assert result.recall == 1.0  # so few documents are scanned
    assert MineResult.read(result.folder) == result
    assert not list(Path(result.folder, "retrieved").glob("*.top.parquet"))
    assert find_index(corpus, corpus.vectors()).rows == len(corpus)


def test_mining_by_the_index_finds_what_the_exact_pass_finds(
    mined: tuple[Corpus, MineResult], seed_files: dict[str, Path], tmp_path: Path
) -> None:
    corpus, result = mined
    with LocalEngine(1, quiet=True) as engine:
        exact = mine(corpus, dict(seed_files), tmp_path / "run", engine=engine, contrast=(), top_k=40)
    assert (exact.retrieval, exact.recall) == ("exact", None)
    for name, domain in exact.domains.items():
        assert result.domains[name].found == domain.found > 0
        assert result.domains[name].documents == domain.documents > 0


def test_labels_become_columns_without_rewriting_vectors(mined: tuple[Corpus, MineResult]) -> None:
    corpus, result = mined
    before = find_index(corpus, corpus.vectors())
    assert before.labels == ()
    with pytest.raises(InputError, match=r"no label 'velmar'.*--mined"):
        before.label_filter("velmar")
    files = set(Path(before.location, "data").iterdir())
    index = build_index(corpus, mined=result.folder)
    assert (index.added, index.removed, index.labels) == (0, 0, tuple(result.domains))
    assert files <= set(Path(index.location, "data").iterdir())
    ids = [value for batch in corpus.batches(["id"]) for value in batch.column("id").to_pylist()]
    labels = Dataset(Path(result.folder) / "labels")
    truth = dict(zip(ids, [v for b in labels.batches(["labels"]) for v in b.column("labels").to_pylist()], strict=True))
    rows = index.open().to_table(["id", "labels", "score:velmar"]).to_pylist()
    assert {row["id"]: row["labels"] for row in rows} == truth
    scores = [v for b in labels.batches(["score:velmar"]) for v in b.column("score:velmar").to_pylist()]
    assert {row["id"]: row["score:velmar"] for row in rows} == dict(zip(ids, scores, strict=True))

    query = next(iter(corpus.batches(["text"]))).column("text")[3].as_py()
    everything = search(corpus, query, len(corpus))
    wanted = [hit for hit in everything if "velmar" in truth[hit.id]]
    assert search_index(corpus, query, 25, where=index.label_filter("velmar")) == wanted[:25]
    with pytest.raises(InputError, match="the filter cannot be read"):
        search_index(corpus, query, 5, where="colour = 'red'")
    with pytest.raises(InputError, match=r"no label 'velmor'.*did you mean 'velmar'"):
        index.label_filter("velmor")
    assert build_index(corpus, mined=result.folder).version == index.version


def test_command_line(tmp_path: Path, model: str) -> None:
    corpus = build(tmp_path, texts_of(60, 6, 8), model)
    built = typed("corpus", "index", corpus.folder, "--location", tmp_path / "there.lance", COLUMNS="300")
    assert built.returncode == 0, built.stderr
    assert f"index: {tmp_path / 'there.lance'}" in built.stdout
    assert "recall against the exact search: 1.000 at 10, 1.000 at 200" in built.stdout
    exact, ann = (
        typed("search", WORDS[2], "--corpus", corpus.folder, "--json", "-k", "4", *more) for more in ([], ["--ann"])
    )
    assert ann.stdout == exact.stdout
    assert len([json.loads(line) for line in ann.stdout.splitlines()]) == 4
    refused = typed("search", WORDS[2], "--corpus", corpus.folder, "--label", "velmar")
    assert refused.returncode == 2
    assert "--label: only an index can choose by label; add --ann" in refused.stderr


def test_without_lance_everything_says_which_extra(tmp_path: Path, model: str) -> None:
    folder = str(build(tmp_path, texts_of(30, 6, 9), model).folder)
    exact = ["search", WORDS[0], "--corpus", folder]
    arguments = [["corpus", "index", folder], [*exact, "--ann"], exact]
    done = subprocess.run(
        [sys.executable, "-c", HIDE, json.dumps(arguments)], check=False, capture_output=True, text=True, timeout=240
    )
    said = [line for line in done.stdout.splitlines() if line.startswith("left with")]
    assert said == ["left with 2", "left with 2", "left with 0"], done.stderr
    errors = done.stderr.splitlines()
    assert len(errors) == 2
    assert all("pip install 'motherlode[index]'" in line for line in errors)
