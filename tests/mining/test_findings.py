"""Every known way in which mining fails is recognised, in real runs that fail in that way."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.corpus.corpus import Corpus
from motherlode.mining.findings import Finding, confusion_between, seeds_without_documents
from motherlode.mining.mine import mine
from motherlode.mining.result import MineResult
from motherlode.mining.retrieve import Neighbours
from motherlode.shards.engine import LocalEngine
from tests.invented import TOPICS, document, seed_records, write_lines
from tests.mining.folders import coarse_unit_vectors, seed_matrix

TOPIC = TOPICS[0]
GREEK = "ποταμός λιμάνι φανάρι πέτρα δρόμος σπίτι θάλασσα βουνό ήλιος βροχή".split()


def run(corpus: Corpus, folder: Path, texts: Mapping[str, Sequence[str]], **settings: Any) -> MineResult:
    """Mine with seeds of some texts against one contrast pack."""
    files = {
        name: write_lines(folder / f"{name}.jsonl", [{"text": text} for text in some]) for name, some in texts.items()
    }
    with LocalEngine(1, quiet=True) as engine:
        return mine(corpus, files, folder / "mined", engine=engine, contrast=("background",), rounds=1, **settings)


def good_seeds(count: int = 16) -> list[str]:
    return [str(record["text"]) for record in seed_records(TOPIC, count)]


def codes(result: MineResult, domain: str) -> set[str]:
    return {finding.code for finding in result.findings if finding.domain == domain}


def found(result: MineResult, code: str) -> Finding:
    (finding,) = [finding for finding in result.findings if finding.code == code]
    return finding


def test_good_seeds_have_little_to_say(invented_corpus: Corpus, tmp_path: Path) -> None:
    result = run(invented_corpus, tmp_path, {TOPIC: good_seeds()}, target_precision=0.5)
    assert codes(result, TOPIC) <= {"not-stable"}


def test_seeds_of_another_language(invented_corpus: Corpus, tmp_path: Path) -> None:
    choice = random.Random(1)
    result = run(invented_corpus, tmp_path, {"greek": [" ".join(choice.choices(GREEK, k=40)) for _ in range(16)]})
    finding = found(result, "seeds-unknown")
    assert "16 of 16 seeds have no word that the encoder knows" in finding.text
    assert "language" in finding.advice
    assert len(result.domains["greek"].idle_seeds) == 16


def test_seeds_that_find_nothing(invented_corpus: Corpus, tmp_path: Path) -> None:
    result = run(invented_corpus, tmp_path, {TOPIC: good_seeds()}, t_sim=0.99)
    assert {"seeds-find-nothing", "too-few-retrieved"} <= codes(result, TOPIC)
    assert "16 of 16 seeds have no document at cosine 0.990" in found(result, "seeds-find-nothing").text
    assert "only 0 documents" in found(result, "too-few-retrieved").text
    assert len(result.domains[TOPIC].idle_seeds) == 16


def test_a_threshold_that_leaves_too_many(invented_corpus: Corpus, tmp_path: Path) -> None:
    result = run(invented_corpus, tmp_path, {TOPIC: good_seeds()}, t_sim=-0.9)
    assert "600 of 600 documents reach cosine -0.900" in found(result, "too-many-retrieved").text
    assert "--t-sim" in found(result, "too-many-retrieved").advice
    assert not codes(result, TOPIC) & {"too-few-retrieved", "seeds-find-nothing"}


def test_two_domains_with_the_same_seeds(invented_corpus: Corpus, tmp_path: Path) -> None:
    result = run(invented_corpus, tmp_path, {"first": good_seeds(), "second": good_seeds()})
    for domain, other in (("first", "second"), ("second", "first")):
        assert "close-to-another-domain" in codes(result, domain)
        (finding,) = [f for f in result.findings if f.domain == domain and f.code == "close-to-another-domain"]
        assert f"100% of its seeds are nearest to a seed of '{other}'" in finding.text
    assert "fails-on-own-seeds" in codes(result, "first") | codes(result, "second")


def test_seeds_of_noise(invented_corpus: Corpus, tmp_path: Path) -> None:
    choice = random.Random(3)
    noise = ["".join(choice.choices("abcdefghij      ", k=200)) for _ in range(16)]
    result = run(invented_corpus, tmp_path, {TOPIC: good_seeds(), "noise": noise})
    assert codes(result, "noise") & {"seeds-unknown", "seeds-find-nothing", "target-not-reached", "fails-on-own-seeds"}


def test_seeds_about_everything_fail_on_themselves(invented_corpus: Corpus, tmp_path: Path) -> None:
    choice = random.Random(4)
    mixed = [document([choice.choice(TOPICS)], choice, 60) for _ in range(16)]
    result = run(invented_corpus, tmp_path, {TOPIC: good_seeds(), TOPICS[1]: mixed})
    assert codes(result, TOPICS[1]) & {"fails-on-own-seeds", "close-to-another-domain"}


def test_every_finding_is_one_line_with_advice(invented_corpus: Corpus, tmp_path: Path) -> None:
    result = run(invented_corpus, tmp_path, {"first": good_seeds(), "second": good_seeds()}, t_sim=0.99)
    assert result.findings
    for finding in result.findings:
        line = str(finding)
        assert "\n" not in line
        assert line.startswith(f"{finding.domain}: ")
        assert finding.advice in line
    assert MineResult.read(result.folder).findings == result.findings


@given(st.integers(0, 300))
def test_confusion_between_labels(random_seed: int) -> None:
    generator = np.random.default_rng(random_seed)
    labels = {name: [n for n in range(9) if generator.random() < 0.4] for name in "xyz"}
    vectors = coarse_unit_vectors(9, 7, generator)
    vectors[8] = 0
    seeds = seed_matrix(vectors, labels)
    confused = confusion_between(seeds)
    for a, first in enumerate(labels.values()):
        for b, second in enumerate(labels.values()):
            lost = []
            for seed in first:
                others = [other for other in range(9) if other != seed]
                nearest = max(others, key=lambda other: (float(vectors[seed] @ vectors[other]), -other))
                lost.append(seed != 8 and nearest in second and nearest not in first and seed not in second)
            assert confused[a, b] == pytest.approx(np.mean(lost) if lost and a != b else 0)


def test_seeds_without_documents() -> None:
    seeds = seed_matrix(np.eye(4, 5), {"x": [0, 1], "y": [1, 2, 3]})
    near = Neighbours(
        np.array([0, 0, 1, 2], np.int32),
        np.zeros(4, np.int32),
        np.arange(4),
        np.array([0.1, 0.7, 0.69, 0.2], np.float32),
        ("part-0",),
    )
    assert seeds_without_documents(near, seeds, {"x": 0.7}) == {"x": [1]}, "float32(0.7) reaches 0.7"
    assert seeds_without_documents(near, seeds, {"x": 0.71, "y": 0.2}) == {"x": [0, 1], "y": [3]}
