"""What the classifier labelled is held against the seeds: against brute force, and in real runs."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.mining.mine import mine
from motherlode.mining.result import MineResult
from motherlode.mining.support import Support, measure_support, unsupported
from motherlode.shards.engine import LocalEngine
from tests.invented import TOPICS, document, records, seed_records, vocabulary, write_lines
from tests.mining.folders import split, write_dataset

NAMES = ("x", "y", "contrast")
THRESHOLDS = {"x": 0.7, "y": 0.25}


@pytest.fixture(scope="module")
def result(
    invented_corpus: Corpus, seed_files: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> MineResult:
    """A run that goes well."""
    with LocalEngine(1, quiet=True) as engine:
        out = tmp_path_factory.mktemp("supported") / "mined"
        return mine(invented_corpus, seed_files, out, engine=engine, contrast=("background",), rounds=1)


def test_support_is_what_brute_force_says(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    rows, seeds, sizes = 400, 9, [150, 0, 250]
    scores = {name: generator.random(rows).astype(np.float32) for name in THRESHOLDS}
    scores["x"][:5] = np.float32(0.7)
    cosine = generator.uniform(-0.2, 1, (rows, len(NAMES))).astype(np.float32)
    nearest = generator.integers(0, seeds, (rows, len(NAMES))).astype(np.int32)
    documents = write_dataset(tmp_path / "documents", split(pa.table({"id": [str(n) for n in range(rows)]}), sizes))
    labels = pa.table({f"score:{name}": values for name, values in scores.items()})
    retrieved = {f"similarity:{name}": cosine[:, number] for number, name in enumerate(NAMES)}
    retrieved |= {f"nearest:{name}": nearest[:, number] for number, name in enumerate(NAMES)}
    found = measure_support(
        documents,
        write_dataset(tmp_path / "labels", split(labels, sizes), documents),
        write_dataset(tmp_path / "retrieved", split(pa.table(retrieved), sizes), documents),
        NAMES,
        THRESHOLDS,
        {"x": 0.1, "y": 0.0},
        seeds,
    )
    for place, (name, chance) in enumerate({"x": 0.1, "y": 0.0}.items()):
        chosen = [row for row in range(rows) if scores[name][row] >= np.float32(THRESHOLDS[name])]
        wins = sum(cosine[row].argmax() == place for row in chosen) / len(chosen)
        near = [int(nearest[row, place]) for row in chosen if cosine[row, place] > 0]
        most = max(near.count(seed) for seed in range(seeds))
        assert found[name].agreement == pytest.approx((wins - chance) / (1 - chance))
        assert found[name].crowd == pytest.approx(most / len(chosen))
        assert near.count(found[name].seed) == most


def test_a_domain_without_documents_has_no_support(tmp_path: Path) -> None:
    documents = write_dataset(tmp_path / "documents", [pa.table({"id": ["a", "b"]})])
    labels = write_dataset(tmp_path / "labels", [pa.table({"score:x": np.zeros(2, np.float32)})], documents)
    columns = {"similarity:x": np.ones(2, np.float32), "nearest:x": np.zeros(2, np.int32)}
    retrieved = write_dataset(tmp_path / "retrieved", [pa.table(columns)], documents)
    assert measure_support(documents, labels, retrieved, ("x",), {"x": 0.5}, {"x": 0.0}, 3) == {
        "x": Support(0.0, 0.0, -1)
    }


def test_a_run_that_goes_well_is_supported(result: MineResult) -> None:
    assert not {finding.code for finding in result.findings} & {"seeds-disagree", "leans-on-one-seed"}
    for domain in result.domains.values():
        assert domain.labelled >= 40
        assert domain.agreement is not None and domain.agreement > 0.5
        assert domain.crowd is not None and domain.crowd < 0.5
    assert MineResult.read(result.folder).domains == result.domains


def test_labels_that_lean_on_one_seed_are_told(result: MineResult) -> None:
    name = TOPICS[0]
    domains = {name: dataclasses.replace(result.domains[name], labelled=703, expected_precision=0.98)}
    ids = [f"seed-{number}" for number in range(40)]
    (finding,) = unsupported(domains, {name: Support(0.6, 0.72, 7)}, ids)
    assert finding.code == "leans-on-one-seed"
    assert "72% of the 703 labelled documents are nearest to one seed, seed-7" in finding.text
    assert "expected precision of 0.98" in finding.text
    assert unsupported(domains, {name: Support(0.6, 0.3, 7)}, ids) == []
    few = {name: dataclasses.replace(domains[name], seeds=3)}
    assert unsupported(few, {name: Support(0.6, 0.72, 7)}, ids) == [], "three seeds cannot share evenly"


def test_a_classifier_that_is_sure_of_what_the_seeds_know_nothing_of_is_told(
    seed_files: Mapping[str, Path], tmp_path: Path
) -> None:
    """The domain is not in the corpus; one stray seed makes a model that is sure of nearly everything."""
    choice = random.Random(2)
    crowd = [{"id": f"c-{n}", "text": document([TOPICS[0]], choice, 60)} for n in range(150)]
    others = [record for record in records(900) if TOPICS[0] not in record["truth"]]
    elsewhere = [{"text": " ".join(choice.choices(vocabulary("absent"), k=60))} for _ in range(15)]
    seeds = [*elsewhere, seed_records(TOPICS[0])[0]]
    source = write_lines(tmp_path / "documents.jsonl", [*crowd, *others])
    files = {"rare": write_lines(tmp_path / "rare.jsonl", seeds), TOPICS[1]: seed_files[TOPICS[1]]}
    with LocalEngine(1, quiet=True) as engine:
        corpus = Corpus.build(source, tmp_path / "corpus", engine=engine, near_duplicates=False)
        found = mine(corpus, files, tmp_path / "mined", engine=engine, contrast=("background",), rounds=1)
    rare = found.domains["rare"]
    assert rare.labelled > 300 and rare.expected_precision > 0.9, "150 documents at most are of any of its seeds"
    (finding,) = [finding for finding in found.findings if finding.code in ("seeds-disagree", "leans-on-one-seed")]
    assert finding.domain == "rare"
    assert f"do not trust the expected precision of {rare.expected_precision:.2f}" in finding.text
