"""Mining from end to end, on invented topics whose truth is known: what is found, what is kept, what is refused."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.errors import InputError
from motherlode.mining.export import read_export
from motherlode.mining.mine import mine
from motherlode.mining.result import MineResult
from motherlode.mining.train import VERSION
from motherlode.seeds.seeds import Seed, Seeds
from motherlode.shards.dataset import Dataset
from motherlode.shards.engine import LocalEngine
from motherlode.shards.manifest import Manifest
from tests.invented import TOPICS, document, records, seed_records, write_lines
from tests.kill import Program, Victim, contents, kill_and_rerun

QUICK: dict[str, Any] = {"contrast": ("background",), "rounds": 1}


def run(
    corpus: Corpus, seeds: Any, out: Path, *, workers: int = 1, overwrite: bool = False, **settings: Any
) -> MineResult:
    with LocalEngine(workers, quiet=True) as engine:
        return mine(corpus, seeds, out, engine=engine, overwrite=overwrite, **settings)


@pytest.fixture(scope="module")
def mined(
    invented_corpus: Corpus, seed_files: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> MineResult:
    """A run with all defaults."""
    return run(invented_corpus, seed_files, tmp_path_factory.mktemp("mined") / "out")


def exported(result: MineResult, domain: str) -> list[dict[str, Any]]:
    return list(read_export(Path(result.domains[domain].folder)))


def test_topics_are_found(mined: MineResult) -> None:
    truth = {record["id"]: record["truth"].split() for record in records(600)}
    for topic in TOPICS:
        found = {record["id"] for record in exported(mined, topic)}
        alone = {name for name, topics in truth.items() if topics == [topic]}
        wrong = {name for name in found if topic not in truth[name]}
        assert len(found & alone) > 0.9 * len(alone), "recall"
        assert len(wrong) < 0.1 * len(found), "precision"


def test_numbers_agree_with_each_other(mined: MineResult, invented_corpus: Corpus) -> None:
    assert mined.documents == len(invented_corpus)
    labels = Dataset(Path(mined.folder) / "labels")
    lists = [value for batch in labels.batches(["labels"]) for value in batch.column(0).to_pylist()]
    assert mined.several_labels == sum(len(value) > 1 for value in lists)
    for name, domain in mined.domains.items():
        documents = exported(mined, name)
        assert domain.labelled == sum(name in value for value in lists)
        assert domain.documents == len(documents) == domain.labelled
        assert domain.words == sum(record["words"] for record in documents)
        assert sum(domain.score_histogram) == mined.documents
        assert domain.seeds == 16
        assert domain.expected_precision == pytest.approx(sum(r["score"] for r in documents) / len(documents), abs=1e-4)
        assert all(record["score"] >= domain.score_threshold - 1e-6 for record in documents)
        assert all(name in record["labels"] for record in documents)


def test_provenance_leads_to_a_seed(mined: MineResult) -> None:
    seeds = {record["id"]: record for record in _lines(Path(mined.folder) / "seeds.jsonl")}
    for topic in TOPICS:
        for record in exported(mined, topic):
            assert topic in seeds[record["seed"]]["labels"]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_result_is_read_back(mined: MineResult) -> None:
    assert MineResult.read(mined.folder) == mined
    assert f"{TOPICS[0]}=" in repr(mined)


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"domains": {"x": {}}}', '{"domains": 3}'])
def test_a_damaged_result_is_refused(tmp_path: Path, damage: str) -> None:
    with pytest.raises(InputError, match="holds no result"):
        MineResult.read(tmp_path)
    (tmp_path / "result.json").write_text(damage)
    with pytest.raises(InputError, match=r"is damaged.*run `mine` again"):
        MineResult.read(tmp_path)


def test_seeds_about_two_domains_give_documents_two_labels(
    invented_corpus: Corpus, seed_files: Mapping[str, Path], tmp_path: Path
) -> None:
    choice = random.Random(8)
    both = [{"text": document(TOPICS[:2], choice, 60), "labels": list(TOPICS[:2])} for _ in range(12)]
    files = dict(seed_files)
    for topic in TOPICS[:2]:
        files[topic] = write_lines(tmp_path / f"{topic}.jsonl", [*seed_records(topic), *both])
    result = run(invented_corpus, files, tmp_path / "out", **QUICK)
    truth = {record["id"]: record["truth"].split() for record in records(600)}
    several = [record["id"] for record in exported(result, TOPICS[0]) if len(record["labels"]) > 1]
    assert result.several_labels == len(several) > 5
    assert sum(len(truth[name]) == 2 for name in several) > 0.7 * len(several)


def test_a_rerun_and_two_workers_give_the_same_bytes(
    invented_corpus: Corpus, seed_files: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(invented_corpus.folder, tmp_path / "corpus")
    for name, workers in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)  # results name their folder as it was given
        run(Corpus("../corpus"), seed_files, Path("out"), workers=workers, **QUICK)
    first = contents(tmp_path / "one")
    assert first == contents(tmp_path / "two")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "two").rglob("*") if path.is_file()}
    run(Corpus("../corpus"), seed_files, Path("out"), workers=2, **QUICK)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "two").rglob("*") if path.is_file()} == times


def test_another_run_in_the_folder_is_refused(
    invented_corpus: Corpus, seed_files: Mapping[str, Path], tmp_path: Path
) -> None:
    first = {TOPICS[0]: seed_files[TOPICS[0]]}
    run(invented_corpus, first, tmp_path / "out", **QUICK)
    before = contents(tmp_path / "out")
    for seeds, settings in (
        (first, {**QUICK, "random_seed": 1}),
        (first, {**QUICK, "t_sim": 0.3}),
        ({TOPICS[1]: seed_files[TOPICS[1]]}, QUICK),
        ({"renamed": seed_files[TOPICS[0]]}, QUICK),
    ):
        with pytest.raises(InputError, match=r"other settings.*--overwrite"):
            run(invented_corpus, seeds, tmp_path / "out", **settings)
    assert contents(tmp_path / "out") == before, "nothing is lost"
    replaced = run(invented_corpus, {TOPICS[1]: seed_files[TOPICS[1]]}, tmp_path / "out", overwrite=True, **QUICK)
    assert list(replaced.domains) == [TOPICS[1]]
    assert not (tmp_path / "out" / "domains" / TOPICS[0]).exists()


def test_an_interrupted_run_is_not_thrown_away_by_another(
    invented_corpus: Corpus, seed_files: Mapping[str, Path], tmp_path: Path
) -> None:
    seeds = {TOPICS[0]: seed_files[TOPICS[0]]}
    run(invented_corpus, seeds, tmp_path / "out", **QUICK)
    with Manifest.open(tmp_path / "out", "mined", Manifest.read(tmp_path / "out").settings) as manifest:
        manifest.begin()  # as if it had been interrupted
    kept = contents(tmp_path / "out")
    with pytest.raises(InputError, match="other settings"):
        run(invented_corpus, seeds, tmp_path / "out", **QUICK, random_seed=3)
    assert contents(tmp_path / "out") == kept
    run(invented_corpus, seeds, tmp_path / "out", **QUICK)
    assert Manifest.read(tmp_path / "out").complete


def test_a_wrong_first_try_is_in_nobodys_way(
    invented_corpus: Corpus, seed_files: Mapping[str, Path], tmp_path: Path
) -> None:
    seeds = {TOPICS[0]: seed_files[TOPICS[0]]}
    for wrong in ({"encoder": "static:/none"}, {"contrast": ("backgroud",)}, {"format": "xml"}, {"top_k": 0}):
        with pytest.raises(InputError):
            run(invented_corpus, seeds, tmp_path / "out", **wrong)
    assert run(invented_corpus, seeds, tmp_path / "out", **QUICK).documents == 600


def test_a_pack_that_is_too_close_is_left_out(invented_corpus: Corpus, tmp_path: Path) -> None:
    pack = Seeds.builtin("finance")
    result = run(invented_corpus, {"money": pack}, tmp_path / "out", rounds=0)
    assert "finance" not in result.contrast
    assert "background" in result.contrast
    (finding,) = [finding for finding in result.findings if finding.code == "contrast-left-out"]
    assert (finding.domain, "'finance'" in finding.text) == ("money", True)


def test_packs_that_are_named_stay(invented_corpus: Corpus, tmp_path: Path) -> None:
    result = run(
        invented_corpus, {"money": Seeds.builtin("finance")}, tmp_path / "out", contrast=("finance",), rounds=0
    )
    assert result.contrast == ("finance",)


def test_no_contrast_is_said(invented_corpus: Corpus, seed_files: Mapping[str, Path], tmp_path: Path) -> None:
    result = run(invented_corpus, {TOPICS[0]: seed_files[TOPICS[0]]}, tmp_path / "out", contrast=(), rounds=0)
    assert result.contrast == ()
    assert "no-contrast" in {finding.code for finding in result.findings}


def test_budgets_formats_and_scores(invented_corpus: Corpus, seed_files: Mapping[str, Path], tmp_path: Path) -> None:
    whole = exported(run(invented_corpus, seed_files, tmp_path / "whole", **QUICK), TOPICS[0])
    result = run(invented_corpus, seed_files, tmp_path / "out", format="parquet", max_documents=10, **QUICK)
    best = exported(result, TOPICS[0])
    assert len(best) == 10
    assert {path.suffix for path in Path(result.domains[TOPICS[0]].folder).iterdir()} == {".parquet"}
    assert min(record["score"] for record in best) >= sorted(r["score"] for r in whole)[-10] - 1e-6
    few = run(invented_corpus, seed_files, tmp_path / "few", max_tokens=400, min_score=0.99, **QUICK)
    for topic in TOPICS:
        documents = exported(few, topic)
        assert sum(record["words"] for record in documents) * 4 / 3 <= 400
        assert all(record["score"] >= 0.99 for record in documents)
        assert Path(few.domains[topic].folder).is_dir()


@pytest.mark.parametrize("form", ["name", "names", "mapping of builtin", "mapping of paths", "mapping of seeds"])
def test_forms_of_seeds(invented_corpus: Corpus, seed_files: Mapping[str, Path], tmp_path: Path, form: str) -> None:
    own = Seeds.read(seed_files[TOPICS[0]])
    given: Any = {
        "name": "finance",
        "names": ["finance", "legal"],
        "mapping of builtin": {"finance": "builtin", "demo-networking": "builtin"},
        "mapping of paths": {"a": seed_files[TOPICS[0]], "b": str(seed_files[TOPICS[1]])},
        "mapping of seeds": {TOPICS[0]: own, "finance": Seeds.builtin("finance")},
    }[form]
    expected = ["finance"] if form == "name" else list(given)
    result = run(invented_corpus, given, tmp_path / "out", contrast=("background",), rounds=0)
    assert list(result.domains) == expected
    assert sorted(path.name for path in (tmp_path / "out" / "domains").iterdir() if path.is_dir()) == sorted(expected)


@pytest.mark.parametrize("given", [[], {}, "", ["finanse"], {"x": "/no/such/file.jsonl"}, {"../x": "builtin"}])
def test_seeds_that_are_refused(invented_corpus: Corpus, tmp_path: Path, given: Any) -> None:
    with pytest.raises(InputError) as caught:
        run(invented_corpus, given, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_corpus_of_one_document(tmp_path: Path) -> None:
    corpus = Corpus.build(write_lines(tmp_path / "one.jsonl", records(1)), tmp_path / "corpus")
    with pytest.raises(InputError, match="share too few words"):
        run(corpus, "finance", tmp_path / "out")


@pytest.mark.parametrize("count", [3, 12])
def test_tiny_corpora(seed_files: Mapping[str, Path], tmp_path: Path, count: int) -> None:
    corpus = Corpus.build(write_lines(tmp_path / "few.jsonl", records(count)), tmp_path / "corpus")
    result = run(corpus, dict(seed_files), tmp_path / "out", **QUICK)
    assert result.documents == count
    assert "too-few-retrieved" in {finding.code for finding in result.findings}


def test_one_seed_a_domain(invented_corpus: Corpus, tmp_path: Path) -> None:
    seeds = {topic: Seeds(topic, (Seed("one", seed_records(topic)[0]["text"], (topic,)),)) for topic in TOPICS}
    result = run(invented_corpus, seeds, tmp_path / "out", **QUICK)
    assert all(domain.seeds == 1 for domain in result.domains.values())


IMPORTS = """
import os
from motherlode.corpus.corpus import Corpus
from motherlode.mining.mine import mine
from motherlode.shards.engine import LocalEngine
import sklearn.cluster, sklearn.linear_model, sklearn.utils.extmath
"""
BODY = """
os.makedirs(sys.argv[1], exist_ok=True)
os.chdir(sys.argv[1])
with LocalEngine(int(sys.argv[2]), quiet=True) as engine:
    corpus = Corpus.build(sys.argv[3], "corpus", engine=engine, shard_rows=100)
    seeds = dict(argument.split("=") for argument in sys.argv[4:])
    mine(corpus, seeds, "out", engine=engine, contrast=("background",), rounds=1)
"""
DRIVERS: list[Victim] = ["driver", "group"]
ALL: list[Victim] = ["driver", "group", "worker"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "victims", "random_seed"),
    [
        (2, ["group", "worker"], 4),
        pytest.param(2, [ALL[n % 3] for n in range(9)], 3, marks=pytest.mark.long),
        *(pytest.param(1, [DRIVERS[n % 2] for n in range(8)], seed, marks=pytest.mark.long) for seed in (1, 2)),
    ],
)
@pytest.mark.timeout(900)
def test_a_killed_run_ends_in_the_same_bytes(
    seed_files: Mapping[str, Path], tmp_path: Path, workers: int, victims: list[Victim], random_seed: int
) -> None:
    source = write_lines(tmp_path / "documents.jsonl", records(300))
    seeds = tuple(f"{topic}={path}" for topic, path in seed_files.items())
    program = Program(IMPORTS, BODY, (str(workers), str(source), *seeds))
    seconds = program.run(tmp_path / "undisturbed")
    wanted = contents(tmp_path / "undisturbed")
    assert any(name.startswith("out/domains/") for name in wanted)
    assert kill_and_rerun(program, tmp_path / "killed", wanted, seconds, victims, random_seed) == len(victims)


def test_what_another_version_of_the_method_or_other_contrast_packs_made_is_not_taken_for_done(
    invented_corpus: Corpus, seed_files: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(invented_corpus, seed_files, tmp_path / "out", **QUICK)
    with monkeypatch.context() as patch:
        patch.setattr("motherlode.mining.mine.VERSION", 99)
        with pytest.raises(InputError, match=f"version: {VERSION} -> 99"):
            run(invented_corpus, seed_files, tmp_path / "out", **QUICK)
    with monkeypatch.context() as patch:
        patch.setattr("motherlode.mining.mine.contrast_packs", lambda names: {"background": Seeds.builtin("science")})
        with pytest.raises(InputError, match="contrast_seeds: "):
            run(invented_corpus, seed_files, tmp_path / "out", **QUICK)


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_seeds_are_mixed_in_on_request(
    invented_corpus: Corpus, seed_files: Mapping[str, Path], tmp_path: Path, format: str
) -> None:
    pack = Seeds.read(seed_files["velmar"], "velmar")
    synthetic = Seed(
        "w-1", pack.texts[0] + " And more.", ("velmar", "ostrin"), extra={"origin": "synthetic", "model": "m"}
    )
    pack = Seeds("velmar", (*pack.seeds, synthetic))
    plain = run(invented_corpus, {"velmar": pack}, tmp_path / "plain", format=format, **QUICK)
    mixed = run(invented_corpus, {"velmar": pack}, tmp_path / "mixed", format=format, mix_seeds=True, **QUICK)
    found = exported(mixed, "velmar")
    assert {record["origin"] for record in found} == {"mined", "seed", "synthetic"}
    assert [r["text"] for r in found if r["origin"] != "mined"] == pack.texts
    mined = [{k: v for k, v in r.items() if k != "origin"} for r in found if r["origin"] == "mined"]
    assert mined == exported(plain, "velmar")
    assert len(mined) == mixed.domains["velmar"].documents == plain.domains["velmar"].documents
    last = next(r for r in found if r["origin"] == "synthetic")
    assert (last["id"], last["labels"]) == ("seed:w-1", ["velmar"]), "ostrin was not mined"
    assert set(found[0]) == set(last)


def test_the_corpus_that_is_mined_is_not_overwritten(mined: MineResult) -> None:
    corpus = Path(mined.corpus)
    before = contents(corpus)
    for out in (corpus, corpus.parent):
        with pytest.raises(InputError, match="holds what is read"):
            mine(corpus, ["finance"], out, overwrite=True)
    assert contents(corpus) == before
