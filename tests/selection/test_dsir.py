"""DSIR against its definition, worked out by hand, and against its authors' package where that is installed."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from motherlode.selection.methods.dsir import log_weights, resampled

MANY = 1 << 20  # buckets, so many that no two n-grams of a small vocabulary meet
TARGET = ["The kiln fires clay. Clay, then glaze!", "glaze the clay"]
POOL = ["Clay and GLAZE", "sail the boat, the boat", "clay", "", "the glaze; the boat"]


def grams(text: str) -> Counter[str]:
    words = re.findall(r"\w+|[^\w\s]+", text.lower())
    return Counter(words) + Counter(f"{a} {b}" for a, b in pairwise(words))


def by_hand(target: list[str], pool: list[str]) -> list[float]:
    """The sum over a text's n-grams of log p - log q, each model being relative frequencies."""
    p, q = (sum((grams(text) for text in texts), Counter()) for texts in (target, pool))

    def ratio(gram: str) -> float:
        return math.log(p[gram] / p.total() + 1e-8) - math.log(q[gram] / q.total() + 1e-8)

    return [sum(count * ratio(gram) for gram, count in grams(text).items()) for text in pool]


def test_weights_are_those_of_the_definition() -> None:
    found = log_weights(TARGET, lambda: POOL, MANY)
    np.testing.assert_allclose(found, by_hand(TARGET, POOL), rtol=1e-9, atol=1e-9)
    assert found[0] == max(found[i] for i in (0, 1, 4))


def test_weights_do_not_depend_on_blocks() -> None:
    choice = np.random.default_rng(0)
    pool = [" ".join(choice.choice(list("abcdefgh"), choice.integers(1, 9))) for _ in range(2500)]
    whole = log_weights(TARGET, lambda: pool)
    order = choice.permutation(len(pool))
    again = log_weights(TARGET, lambda: [pool[i] for i in order])
    np.testing.assert_allclose(again, whole[order], rtol=1e-9)


def test_weights_are_those_of_the_authors_package(tmp_path: Path) -> None:
    package = pytest.importorskip("data_selection", reason="data-selection is not installed")
    choice = np.random.default_rng(1)
    words = [f"w{i}" for i in range(20)] + [".", ",", "Don't", "Ünder"]
    pool = [" ".join(choice.choice(words, choice.integers(1, 40))) for _ in range(200)]
    target = [" ".join(choice.choice(words[:8], 30)) for _ in range(20)]
    peer = package.HashedNgramDSIR(
        ["pool"],
        ["target"],
        str(tmp_path),
        raw_load_dataset_fn=lambda _: ({"text": text} for text in pool),
        target_load_dataset_fn=lambda _: ({"text": text} for text in target),
        num_proc=1,
        num_buckets=MANY,
    )
    peer.fit_importance_estimator(num_tokens_to_fit="all")
    wanted = np.array([peer.importance_estimator(peer.featurizer(text)) for text in pool])
    # both hash into 2^20 buckets by functions of their own, where hardly two of 600 n-grams meet
    found = log_weights(target, lambda: pool, MANY)
    exact = np.array(by_hand(target, pool))
    np.testing.assert_allclose(found, exact, rtol=1e-9)
    assert np.mean(np.isclose(wanted, exact, rtol=1e-6)) > 0.9
    assert np.corrcoef(wanted, exact)[0, 1] > 0.999


def test_resampling_draws_in_proportion_to_the_weights() -> None:
    weights = np.array([1.0, 2.0, 5.0, 0.0])
    with np.errstate(divide="ignore"):
        logs = np.log(weights)
    draws = np.array([resampled(logs, seed)[:3] for seed in range(4000)])
    assert (draws != 3).all()
    first = np.bincount(draws[:, 0], minlength=3) / len(draws)
    np.testing.assert_allclose(first, weights[:3] / 8, atol=0.03)
    pair = np.mean((draws[:, 0] == 2) & (draws[:, 1] == 1))  # without replacement: 5/8, then 2/3
    assert pair == pytest.approx(5 / 8 * 2 / 3, abs=0.03)
    assert resampled(logs, 7).tolist() == resampled(logs, 7).tolist()
