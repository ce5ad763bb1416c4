"""Second labels: what else a document is about, beside the label that it has.

The classifier's labels share one softmax, so that the first leaves next to nothing to a second: of documents joined
from two domains it gives both labels to one in two hundred. One binary head a domain (the multi-label classifier of
arXiv 2410.00260, section 3) asks instead whether a document is about the domain *at all*. Documents about two domains
are rare among those of which the classifier is sure, so they are made: texts of two sure documents are joined, those of
two domains as examples with both labels, those of a domain and the background as examples that strange words take
nothing away. On held-out joins of real documents 40 % get both labels, and about 1 % of all documents a second one.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

LEAST = 0.5  # probability from which on a second label is given
_SURE = 0.8
_FOREIGN = 0.1
_PER_LABEL = 2_000
_BACKGROUND = 6_000
_JOINED = 600
_ALL_PAIRS = 2_400
_STRENGTH = 10.0
_SEED_WEIGHT = 4.0


@dataclass(frozen=True)
class Heads:
    """One binary logistic regression a domain.

    Attributes:
        weights: `[f, domains] float32`.
        bias: `[domains] float32`.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    @classmethod
    def none(cls, features: int, domains: int) -> Heads:
        """Return heads that never give a label."""
        return cls(np.zeros((features, domains), np.float32), np.full(domains, -30, np.float32))

    def probabilities(self, features: sparse.csr_matrix) -> NDArray[np.float32]:
        """Return the probability `[n, domains]` that each document is about a domain at all."""
        logits = np.clip(features @ self.weights + self.bias, -30, 30)
        probabilities: NDArray[np.float32] = (1 / (1 + np.exp(-logits))).astype(np.float32)
        return probabilities


def add_second_labels(
    scores: NDArray[np.float32], second: NDArray[np.float32], thresholds: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Raise the scores of domains that a document, which has a label already, is also about.

    Args:
        scores: `[n, domains]`, of the classifier.
        second: `[n, domains]`, of the heads.
        thresholds: `[domains]`, the least score of each label.

    Returns:
        `[n, domains]`: the larger of both where another domain has the document and its head says yes, else the score.
    """
    has = scores >= thresholds
    other = has.sum(axis=1, keepdims=True) > has
    raised: NDArray[np.float32] = np.where(other & (second >= LEAST), np.maximum(scores, second), scores)
    return raised


def train_heads(
    counts: sparse.csr_matrix,
    to_features: Callable[[sparse.csr_matrix], sparse.csr_matrix],
    probability: NDArray[np.float32],
    raw: NDArray[np.float32],
    seed_features: sparse.csr_matrix,
    seed_labels: NDArray[np.bool_],
    random_seed: int,
) -> Heads:
    """Train the heads on the seeds and on documents of which the classifier is sure, single and joined.

    Args:
        counts: `[n, f]` hashed counts of the pool.
        to_features: Turns counts into the classifier's features.
        probability: `[n, domains]`, the classifier's probabilities.
        raw: `[n, domains]`, the same before smoothing.
        seed_features: `[s, features]`.
        seed_labels: `[s, domains]`.
        random_seed: Seed of all random choices.

    Returns:
        The heads; a domain without sure documents gets one that never gives a label.
    """
    domains = probability.shape[1]
    heads = Heads.none(seed_features.shape[1], domains)
    generator = np.random.default_rng(random_seed)
    sure = [np.flatnonzero((probability[:, d] >= _SURE) & (raw[:, d] >= _SURE / 2)) for d in range(domains)]
    foreign = np.flatnonzero(probability.sum(axis=1) < _FOREIGN)
    present = [d for d in range(domains) if len(sure[d])]
    if domains < 2 or len(present) < 2:
        return heads
    parts: list[tuple[sparse.csr_matrix, tuple[int, ...]]] = []

    def join(left: NDArray[np.int64], right: NDArray[np.int64], count: int, labels: tuple[int, ...]) -> None:
        if len(left) and len(right):
            joined = counts[generator.choice(left, count)] + counts[generator.choice(right, count)]
            parts.append((to_features(joined.tocsr()), labels))

    for domain in present:
        single = generator.permutation(sure[domain])[:_PER_LABEL]
        parts.append((to_features(counts[single]), (domain,)))
        count = min(_JOINED, len(sure[domain]))
        join(sure[domain], sure[domain], count, (domain,))
        join(sure[domain], foreign, count, (domain,))
    pairs = list(itertools.combinations(present, 2))
    for left, right in pairs:
        most = min(len(sure[left]), len(sure[right]), max(20, _ALL_PAIRS // len(pairs)))
        join(sure[left], sure[right], most, (left, right))
    parts.append((to_features(counts[generator.permutation(foreign)[:_BACKGROUND]]), ()))
    labels = np.concatenate([np.tile(np.isin(np.arange(domains), given), (rows.shape[0], 1)) for rows, given in parts])
    labels = np.concatenate([labels, seed_labels])
    features = sparse.vstack([*(rows for rows, _ in parts), seed_features]).tocsr()
    weight = np.ones(len(labels))
    weight[-len(seed_labels) :] = _SEED_WEIGHT
    for domain in present:
        _fit_head(heads, domain, features, labels[:, domain], weight)
    return heads


def _fit_head(
    heads: Heads, domain: int, features: sparse.csr_matrix, label: NDArray[np.bool_], weight: NDArray[np.float64]
) -> None:
    """Fit one head in place, if there are examples of both kinds."""
    from sklearn.linear_model import LogisticRegression

    if label.all() or not label.any():
        return
    model = LogisticRegression(C=_STRENGTH, max_iter=30, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # thirty steps settle which side of one half a document is on
        model.fit(features, label, sample_weight=weight)
    heads.weights[:, domain] = model.coef_[0]
    heads.bias[domain] = model.intercept_[0]
