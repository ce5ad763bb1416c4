"""The classifier's properties: what holds for any texts and settings; how well it does is the benchmarks' business."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from motherlode.encode.hashing import hashed_counts
from motherlode.encode.lexical import LexicalConfig, LexicalEncoder
from motherlode.errors import InputError
from motherlode.mining.classify import DomainClassifier
from motherlode.mining.pool import Pool, seed_counts
from motherlode.mining.retrieve import SeedMatrix
from motherlode.mining.rounds import ClassifierConfig
from motherlode.mining.train import Training, best_thresholds, train
from tests.invented import NOISE, TOPICS, document
from tests.mining.folders import seed_matrix

SMALL: dict[str, Any] = {"rounds": 2, "clusters": (4, 8), "iterations": 10}
FIRST, SECOND, _ = TOPICS


class World:
    """Documents of invented topics with an encoder fitted on them, and seeds."""

    def __init__(self, topics: Mapping[str, int], random_seed: int = 1) -> None:
        choice = random.Random(random_seed)
        self.topics = [topic for topic, count in topics.items() for _ in range(count)]
        choice.shuffle(self.topics)
        self.texts = [document([topic], choice) for topic in self.topics]
        self.encoder = LexicalEncoder.fit(pa.array(self.texts), LexicalConfig(dimensions=24))

    def pool(self, weight: float = 1.0) -> Pool:
        texts = pa.array(self.texts)
        found = np.zeros((len(self.texts), 1), dtype=bool)
        weights = np.full(len(self.texts), weight)
        return Pool(hashed_counts(texts), self.encoder.encode(texts), weights, found)

    def seeds(self, labels: Mapping[str, Sequence[str]], each: int = 12) -> tuple[SeedMatrix, Any]:
        """Make seeds of labels, each about some topics."""
        choice = random.Random(99)
        texts = [document([choice.choice(topics)], choice, 60) for topics in labels.values() for _ in range(each)]
        members = {label: range(each * number, each * number + each) for number, label in enumerate(labels)}
        return seed_matrix(self.encoder.encode(pa.array(texts)), members), seed_counts(texts)

    def train(
        self, labels: Mapping[str, Sequence[str]], domains: Sequence[str], **config: Any
    ) -> tuple[DomainClassifier, Training]:
        seeds, counts = self.seeds(labels)
        return train(self.pool(), counts, seeds, tuple(domains), ClassifierConfig(**{**SMALL, **config}))

    def score(self, classifier: DomainClassifier) -> tuple[np.ndarray, np.ndarray]:
        pool = self.pool()
        return classifier.score(pool.counts, pool.vectors)


LABELS = {FIRST: [FIRST], SECOND: [SECOND], "background": NOISE[:3]}


@pytest.fixture(scope="module")
def world() -> World:
    return World({FIRST: 60, SECOND: 60, **dict.fromkeys(NOISE, 30)})


@pytest.fixture(scope="module")
def trained(world: World) -> tuple[DomainClassifier, Training]:
    return world.train(LABELS, [FIRST, SECOND])


def test_probabilities_add_up(world: World, trained: tuple[DomainClassifier, Training]) -> None:
    classifier, _ = trained
    pool = world.pool()
    for model in (0, -1):
        probability = classifier.probabilities(pool.counts, pool.vectors, model)
        assert probability.shape == (300, 3)
        np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-4)
    scores, _ = world.score(classifier)
    np.testing.assert_array_equal(scores, classifier.probabilities(pool.counts, pool.vectors)[:, :2])


def test_it_learns(world: World, trained: tuple[DomainClassifier, Training]) -> None:
    classifier, training = trained
    scores, _ = world.score(classifier)
    for column, topic in enumerate((FIRST, SECOND)):
        chosen = scores[:, column] >= classifier.thresholds[column]
        true = np.array([name == topic for name in world.topics])
        assert (chosen & true).sum() > 0.9 * max(true.sum(), chosen.sum())
    assert training.own_seeds == {FIRST: 1.0, SECOND: 1.0}


def test_rounds_are_counted(world: World, trained: tuple[DomainClassifier, Training]) -> None:
    classifier, training = trained
    assert [one["round"] for one in training.rounds] == list(range(len(training.rounds)))
    assert 1 <= len(training.rounds) <= 3
    scores, first = world.score(classifier)
    assert first.dtype == np.int8
    assert first.min() >= -1
    assert first.max() < len(training.rounds)
    assert (first[scores >= classifier.thresholds] >= 0).all(), "what has the label got it in some round"
    json.dumps(training.rounds)


def test_batches_do_not_matter(world: World, trained: tuple[DomainClassifier, Training]) -> None:
    classifier, _ = trained
    pool = world.pool()
    scores, first = classifier.score(pool.counts, pool.vectors)
    parts = [classifier.score(pool.counts[rows], pool.vectors[rows]) for rows in (slice(0, 7), slice(7, 300))]
    np.testing.assert_allclose(np.concatenate([part[0] for part in parts]), scores, atol=1e-6)
    np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), first)


def test_save_and_load(world: World, trained: tuple[DomainClassifier, Training], tmp_path: Path) -> None:
    classifier, _ = trained
    classifier.save(tmp_path)
    loaded = DomainClassifier.load(tmp_path)
    assert loaded.digest == classifier.digest
    assert (loaded.names, loaded.domains) == (classifier.names, classifier.domains)
    for one, other in zip(world.score(classifier), world.score(loaded), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not [path for path in tmp_path.iterdir() if path.suffix not in (".json", ".safetensors")], "no pickle"


def test_the_same_input_gives_the_same_classifier(world: World, trained: tuple[DomainClassifier, Training]) -> None:
    again, training = world.train(LABELS, [FIRST, SECOND])
    assert again.digest == trained[0].digest
    assert training == trained[1]


@pytest.mark.parametrize("what", ["missing", "torn weights", "torn description", "a list", "version", "tensor"])
def test_a_damaged_classifier_is_refused(trained: tuple[DomainClassifier, Training], tmp_path: Path, what: str) -> None:
    trained[0].save(tmp_path)
    (description,) = tmp_path.glob("*.json")
    (weights,) = tmp_path.glob("*.safetensors")
    about = json.loads(description.read_text())
    if what == "missing":
        weights.unlink()
    elif what == "torn weights":
        weights.write_bytes(weights.read_bytes()[:100])
    elif what == "torn description":
        description.write_text("{")
    elif what == "a list":
        description.write_text("[]")
    elif what == "version":
        description.write_text(json.dumps({**about, "version": 99}))
    elif what == "tensor":
        description.write_text(json.dumps({**about, "models": 20}))
    with pytest.raises(InputError) as caught:
        DomainClassifier.load(tmp_path)
    assert caught.value.where == str(tmp_path)


def test_no_rounds(world: World) -> None:
    classifier, training = world.train(LABELS, [FIRST, SECOND], rounds=0)
    assert len(training.rounds) == 1
    assert training.stable
    _, first = world.score(classifier)
    assert set(np.unique(first)) <= {-1, 0}


@pytest.mark.parametrize(
    ("labels", "domains"),
    [
        pytest.param({FIRST: [FIRST], "background": NOISE}, [FIRST], id="one domain"),
        pytest.param({FIRST: [FIRST], SECOND: [SECOND]}, [FIRST, SECOND], id="no background"),
        pytest.param({FIRST: [FIRST], SECOND: [SECOND]}, [FIRST], id="one domain against another"),
        pytest.param({FIRST: [FIRST]}, [FIRST], id="nothing to tell it from"),
        pytest.param({FIRST: [FIRST], "absent": ["quagmire"], "background": NOISE}, [FIRST, "absent"], id="absent"),
        pytest.param({FIRST: [FIRST], "twin": [FIRST], "background": NOISE}, [FIRST, "twin"], id="twins"),
    ],
)
def test_sets_of_labels(world: World, labels: Mapping[str, Sequence[str]], domains: Sequence[str]) -> None:
    classifier, training = world.train(labels, domains)
    scores, first = world.score(classifier)
    assert scores.shape == first.shape == (300, len(domains))
    assert np.isfinite(scores).all()
    assert scores.min() >= 0
    assert scores.max() <= 1.0001
    assert ((classifier.thresholds >= 0) & (classifier.thresholds <= 1)).all()
    assert set(training.own_seeds) == set(domains)
    if "background" in labels and "twin" not in labels:
        chosen = scores[:, 0] >= classifier.thresholds[0]
        true = np.array([name == FIRST for name in world.topics])
        assert (chosen & true).sum() > 0.85 * max(true.sum(), chosen.sum())
    if "absent" in labels:
        assert (scores[:, 1] >= classifier.thresholds[1]).sum() < 30, "a domain that is not there is hardly found"


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_few_documents(count: int) -> None:
    world = World({FIRST: 60, "hum": 60})
    seeds, counts = world.seeds({FIRST: [FIRST], "background": ["hum"]})
    pool = world.pool()
    part = Pool(pool.counts[:count], pool.vectors[:count], pool.weight[:count], pool.found[:count])
    classifier, _ = train(part, counts, seeds, (FIRST,), ClassifierConfig(**SMALL))
    scores, _ = classifier.score(pool.counts, pool.vectors)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("each", [1, 2])
def test_few_seeds(world: World, each: int) -> None:
    seeds, counts = world.seeds(LABELS, each)
    classifier, training = train(world.pool(), counts, seeds, (FIRST,), ClassifierConfig(**SMALL))
    assert np.isfinite(world.score(classifier)[0]).all()
    assert 0 <= training.own_seeds[FIRST] <= 1


def test_duplicated_documents(world: World) -> None:
    seeds, counts = world.seeds(LABELS)
    pool = world.pool()
    rows = np.zeros(200, dtype=np.int64)
    same = Pool(pool.counts[rows], pool.vectors[rows], pool.weight[rows], pool.found[rows])
    classifier, _ = train(same, counts, seeds, (FIRST, SECOND), ClassifierConfig(**SMALL))
    scores, first = classifier.score(same.counts, same.vectors)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores, np.tile(scores[:1], (200, 1)), atol=1e-6)
    assert (first == first[0]).all()


def test_empty_documents_and_unknown_words(world: World, trained: tuple[DomainClassifier, Training]) -> None:
    texts = pa.array(["", "zzqx wwrk", "...", " ".join(["hum"] * 5000)])
    scores, _ = trained[0].score(hashed_counts(texts), world.encoder.encode(texts))
    assert np.isfinite(scores).all()
    assert (scores[:3] < trained[0].thresholds).all(), "nothing is known of them"


columns = hnp.arrays(np.float32, st.integers(1, 25), elements=st.floats(0, 1, width=32))


@settings(max_examples=200)
@given(columns, st.integers(0, 99))
def test_thresholds_maximise_the_expected_f1(column: np.ndarray, random_seed: int) -> None:
    weight = np.random.default_rng(random_seed).uniform(0.1, 5, len(column))
    (chosen,) = best_thresholds(column[:, None], weight)
    assert 0 <= chosen <= 1

    def expected_f1(threshold: float) -> float:
        kept = column >= np.float32(threshold)
        hits, total = float((column * weight)[kept].sum()), float((column * weight).sum())
        return 2 * hits / max(1e-12, float(weight[kept].sum()) + total)

    best = max(expected_f1(value) for value in column)
    if chosen in column:  # else no document's probability lies where a threshold may
        assert expected_f1(float(chosen)) == pytest.approx(best, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize(
    "wrong", [{"rounds": -1}, {"rounds": 51}, {"smoothing": 1.5}, {"regularisation": 0}, {"round": 3}]
)
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="train"):
        ClassifierConfig.parse(wrong, "train")
