"""The cascade: a strong encoder reads what the cheap classifier is unsure of, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from motherlode.corpus.corpus import Corpus
from motherlode.errors import InputError
from motherlode.mining.cascade import BAND, StrongClassifier, uncertain
from motherlode.mining.label import score_column
from motherlode.mining.mine import mine
from motherlode.mining.result import MineResult
from motherlode.shards.dataset import Dataset
from motherlode.shards.engine import LocalEngine
from tests.invented import TOPICS, records, write_lines
from tests.kill import contents


@given(hnp.arrays(np.float32, (7, 2), elements=st.floats(0, 1, width=32)))
def test_uncertain_is_inside_the_band_for_some_domain(scores: np.ndarray) -> None:
    expected = [any(BAND[0] < value < BAND[1] for value in row) for row in scores.tolist()]
    assert uncertain(scores).tolist() == expected


@given(hnp.arrays(np.float32, (5, 2), elements=st.floats(0, 1, width=32)), st.integers(0, 100))
def test_probabilities_are_averaged_in_logits(cheap: np.ndarray, random_seed: int) -> None:
    generator = np.random.default_rng(random_seed)
    weights, bias = generator.normal(size=(4, 3)).astype(np.float32), generator.normal(size=3).astype(np.float32)
    vectors = generator.normal(size=(5, 4)).astype(np.float32)
    found = StrongClassifier(weights, bias, np.array([2, 0])).combine(cheap, vectors)
    raw = np.exp(vectors.astype(np.float64) @ weights + bias)
    strong = np.clip((raw / raw.sum(axis=1, keepdims=True))[:, [2, 0]], 1e-6, 1 - 1e-6)
    weak = np.clip(cheap.astype(np.float64), 1e-6, 1 - 1e-6)
    odds = np.sqrt(strong / (1 - strong) * weak / (1 - weak))
    np.testing.assert_allclose(found, odds / (1 + odds), atol=2e-3)
    assert found.dtype == np.float32


def test_a_strong_classifier_is_kept(tmp_path: Path) -> None:
    classifier = StrongClassifier(np.eye(3, 2, dtype=np.float32), np.ones(2, np.float32), np.array([1]))
    classifier.save(tmp_path)
    assert StrongClassifier.load(tmp_path).digest == classifier.digest


def run(corpus: Corpus, seeds: Mapping[str, Path], out: Path, spec: str) -> MineResult:
    with LocalEngine(1, quiet=True) as engine:
        return mine(corpus, seeds, out, engine=engine, cascade=spec, rounds=1, contrast=("background",))


@pytest.mark.slow
def test_only_uncertain_documents_are_read_again(
    seed_files: Mapping[str, Path], distilled_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Corpus.build(write_lines(tmp_path / "some.jsonl", records(120)), tmp_path / "corpus", shard_rows=50)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        result = run(Corpus("../corpus"), seed_files, Path("out"), f"static:{distilled_folder}")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    monkeypatch.chdir(tmp_path / "two")
    columns = [score_column(topic) for topic in TOPICS]

    def scores(name: str) -> np.ndarray:
        batches = Dataset(Path("out") / name).batches(columns)
        return np.concatenate([np.stack([c.to_numpy() for c in batch.columns], axis=1) for batch in batches])

    cheap, final = scores("screened"), scores("labels")
    again = uncertain(cheap)
    assert result.cascade is not None
    assert result.cascade.encoded == again.sum() > 0
    np.testing.assert_array_equal(final[~again], cheap[~again])
    assert (final[again] != cheap[again]).any(axis=1).all()
    assert result.cascade.audited == min(300, int((~again).sum()))
    assert 0 <= result.cascade.changed <= result.cascade.audited
    audit = json.loads((Path("out") / "cascade" / "audit.json").read_text())
    assert audit == {"audited": result.cascade.audited, "changed": result.cascade.changed}
    assert MineResult.read("out") == result


@pytest.mark.slow
def test_nothing_to_learn_from_but_seeds(
    seed_files: Mapping[str, Path], distilled_folder: Path, tmp_path: Path
) -> None:
    corpus = Corpus.build(write_lines(tmp_path / "few.jsonl", records(4)), tmp_path / "corpus")
    result = run(corpus, seed_files, tmp_path / "out", f"static:{distilled_folder}")
    assert result.documents == 4


@pytest.mark.parametrize("spec", ["minlm", "static:/no/such/folder", "lexical"])
def test_a_wrong_encoder_is_refused(
    invented_corpus: Corpus, seed_files: Mapping[str, Path], tmp_path: Path, spec: str
) -> None:
    with pytest.raises(InputError):
        run(invented_corpus, seed_files, tmp_path / "out", spec)
    assert (tmp_path / "out").exists() == spec.startswith("static"), "what can be told at once is told at once"
