"""Second labels: who gets one, and that documents about two topics are among them."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from motherlode.encode.hashing import hashed_counts
from motherlode.mining.several import LEAST, Heads, add_second_labels, train_heads
from tests.invented import NOISE, TOPICS, document

scores_of = hnp.arrays(np.float32, (9, 3), elements=st.floats(0, 1, width=32))


@given(scores_of, scores_of, hnp.arrays(np.float32, 3, elements=st.floats(0.25, 0.75, width=32)))
def test_only_documents_of_another_domain_get_a_second_label(
    scores: np.ndarray, second: np.ndarray, thresholds: np.ndarray
) -> None:
    raised = add_second_labels(scores, second, thresholds)
    for row in range(9):
        for domain in range(3):
            others = [d for d in range(3) if d != domain and scores[row, d] >= thresholds[d]]
            if others and second[row, domain] >= LEAST:
                assert raised[row, domain] == max(scores[row, domain], second[row, domain])
            else:
                assert raised[row, domain] == scores[row, domain]


def test_probabilities_are_those_of_a_logistic_model() -> None:
    generator = np.random.default_rng(0)
    features = sparse.random(20, 50, 0.2, format="csr", random_state=0, dtype=np.float32)
    heads = Heads(generator.normal(size=(50, 2)).astype(np.float32), np.array([-1, 50], dtype=np.float32))
    exact = 1 / (1 + np.exp(-(features.toarray().astype(np.float64) @ heads.weights + heads.bias)))
    np.testing.assert_allclose(heads.probabilities(features), exact, atol=1e-6)
    assert not Heads.none(50, 2).probabilities(features).round(6).any()


def trained(topics: list[str], domains: int) -> Heads:
    """Train heads on documents of one topic each, as a classifier that is always right would have it."""
    choice = random.Random(3)
    counts = hashed_counts(pa.array([document([topic], choice) for topic in topics]))
    truth = np.array([[topic == TOPICS[d] for d in range(domains)] for topic in topics], dtype=np.float32)
    seeds = hashed_counts(pa.array([document([topic], choice, 60) for topic in TOPICS[:domains]]))
    return train_heads(counts, lambda rows: rows, truth, truth, seeds, np.eye(domains, dtype=bool), 0)


def test_documents_about_two_topics_get_both_labels_and_others_do_not() -> None:
    heads = trained([*TOPICS, *NOISE] * 60, 3)
    choice = random.Random(4)
    both = hashed_counts(pa.array([document(TOPICS[:2], choice, 60) for _ in range(100)]))
    given_both = heads.probabilities(both) >= LEAST
    assert given_both[:, :2].all(axis=1).mean() > 0.8
    assert not given_both[:, 2].any()
    for number, topic in enumerate(TOPICS):
        alone = hashed_counts(pa.array([document([topic, NOISE[0]], choice, 60) for _ in range(100)]))
        wrong = np.delete(heads.probabilities(alone) >= LEAST, number, axis=1)
        assert wrong.mean() < 0.03


@pytest.mark.parametrize(
    ("topics", "domains"), [([*TOPICS[:1], *NOISE] * 9, 1), ([*NOISE] * 9, 3), ([TOPICS[0], *NOISE] * 9, 2)]
)
def test_without_two_domains_no_second_label_is_given(topics: list[str], domains: int) -> None:
    heads = trained(topics, domains)
    assert not heads.weights.any() and (heads.bias < -10).all()


def test_the_same_documents_give_the_same_heads() -> None:
    first, second = trained([*TOPICS, *NOISE] * 9, 3), trained([*TOPICS, *NOISE] * 9, 3)
    np.testing.assert_array_equal(first.weights, second.weights)
    np.testing.assert_array_equal(first.bias, second.bias)
