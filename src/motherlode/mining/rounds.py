"""What a round of the classifier's training reads: documents it was surest of, their weights, their classes."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from motherlode.config import Config

_MAYBE = 0.1  # probability from which on a document may be a label's
_AT_LEAST = 30  # documents of a label that a round trains on, however unsure it is of them


class ClassifierConfig(Config):
    """How the classifier is trained."""

    rounds: int = Field(5, ge=0, le=50, description="rounds of relabelling, at most")
    shares: tuple[float, ...] = Field((0.5, 0.7, 0.9), description="surest share of a label that each round trains on")
    certainty: float = Field(0.45, ge=0, lt=1, description="least probability of what a round trains on")
    per_label: int = Field(3_000, ge=10, description="documents of a label in a round, at most")
    background: int = Field(12_000, ge=10, description="documents of the background in a round, at most")
    regularisation: float = Field(30.0, gt=0, description="inverse strength (C) of the logistic regression")
    iterations: int = Field(30, ge=5, description="L-BFGS iterations of a round")
    subclasses: int = Field(10, ge=1, description="sub-classes of the background")
    seed_weight: float = Field(8.0, gt=0, description="weight of a seed against a document")
    document_weight: float = Field(10.0, ge=1, description="weight of a document of a rare label, at most")
    most_features: int = Field(50_000, ge=100, description="words that the model reads, the most frequent ones")
    clusters: tuple[int, ...] = Field((50, 100, 200), description="granularities of smoothing")
    smoothing: float = Field(0.8, ge=0, le=1, description="share of the clusters in a smoothed probability")
    prior: float = Field(2.0, gt=0, description="odds in favour of the background before the first round")
    changed: float = Field(0.02, ge=0, lt=1, description="share of changed labels under which the rounds end")
    random_seed: int = Field(0, ge=0, description="seed of all random choices")


def fit_softmax(
    features: sparse.csr_matrix | NDArray[np.float32],
    labels: NDArray[np.int64],
    weight: NDArray[np.float64],
    count: int,
    config: ClassifierConfig,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit a multinomial logistic regression; labels that do not occur get a hopeless bias."""
    from sklearn.linear_model import LogisticRegression

    present = np.unique(labels)
    weights = np.zeros((features.shape[1], count), dtype=np.float32)
    bias = np.full(count, -30.0, dtype=np.float32)
    if len(present) == 1:
        bias[present] = 0.0
        return weights, bias
    model = LogisticRegression(C=config.regularisation, max_iter=config.iterations, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a round need not converge: the next one starts from new labels anyway
        model.fit(features, labels, sample_weight=weight)
    if len(present) == 2:
        weights[:, present[1]] = model.coef_[0]
        bias[present] = [0.0, model.intercept_[0]]
    else:
        weights[:, present] = model.coef_.T
        bias[present] = model.intercept_
    return weights, bias


def document_weights(
    seed_labels: NDArray[np.int64], seed_weight: NDArray[np.float64], given: NDArray[np.int64], config: ClassifierConfig
) -> NDArray[np.float64]:
    """Weigh a round's documents: those of a rare label together as much as its seeds, else one each.

    Where a label has a handful of documents among heavy seeds, and the background has thousands, what tells the two
    apart best is that seeds are written by a model; the label would lose its documents round by round.
    """
    count = max(seed_labels.max(), given.max()) + 1
    seeds = np.bincount(seed_labels, seed_weight * config.seed_weight, count)
    documents = np.bincount(given, minlength=count)
    each = np.clip(seeds / np.maximum(documents, 1), 1.0, config.document_weight)
    weights: NDArray[np.float64] = each[given]
    return weights


def split_background(
    labels: NDArray[np.int64],
    vectors: NDArray[np.float32],
    background: int | None,
    count: int,
    config: ClassifierConfig,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split the background's documents into sub-classes: the class of each row, and the label of each class."""
    owner = np.arange(count)
    if background is None:
        return labels, owner
    rows = np.flatnonzero(labels == background)
    parts = min(config.subclasses, len(rows) // 20)
    if parts < 2:
        return labels, owner
    from sklearn.cluster import KMeans

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer distinct points than clusters
        model = KMeans(parts, n_init=1, max_iter=20, random_state=config.random_seed).fit(vectors[rows])
    part = model.labels_.astype(np.int64)
    classes = labels.copy()
    classes[rows] = np.where(part == 0, background, count + part - 1)
    return classes, np.concatenate([owner, np.full(parts - 1, background)])


def surest_documents(
    probability: NDArray[np.float32],
    cluster: NDArray[np.int64],
    number: int,
    background: int | None,
    few: list[int],
    generator: np.random.Generator,
    config: ClassifierConfig,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose a round's documents: of each label a random part of its surest share.

    Labels with few seeds find part of their documents at first, and the others would be the background's examples: so
    in the first round what may be such a label's is no example of the background.
    """
    share = config.shares[min(number, len(config.shares)) - 1] if config.shares else 1.0
    scale = min(1.0, len(probability) / 40_000)
    winner, confidence = probability.argmax(axis=1), probability.max(axis=1)
    rows, labels = [], []
    for label in range(probability.shape[1]):
        mine = np.flatnonzero(winner == label)
        if len(mine) == 0:
            continue
        rank = _rank(confidence[mine]) + _rank_within(confidence[mine], cluster[mine])
        surest = mine[np.argsort(rank, kind="stable")[: int(len(mine) * share) + 1]]
        if label != background:
            least = max(_AT_LEAST, int((confidence[mine] >= config.certainty).sum()))
            certain = mine[np.argsort(-confidence[mine], kind="stable")[:least]]
            surest = surest[np.isin(surest, certain)]
        elif number == 1 and few:
            surest = surest[probability[surest][:, few].max(axis=1) < _MAYBE]
        most = max(10, int((config.background if label == background else config.per_label) * scale))
        if len(surest) > most:
            surest = generator.choice(surest, most, replace=False)
        rows.append(np.sort(surest))
        labels.append(np.full(len(surest), label, dtype=np.int64))
    return np.concatenate(rows), np.concatenate(labels)


def _rank(confidence: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the rank of each value among all, from 0 (surest) to 1."""
    rank = np.empty(len(confidence))
    rank[np.argsort(-confidence, kind="stable")] = np.arange(len(confidence)) / len(confidence)
    return rank


def _rank_within(confidence: NDArray[np.float32], group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the rank of each value within its group, from 0 (surest) to 1."""
    order = np.lexsort((-confidence, group))
    ordered = group[order]
    first = np.searchsorted(ordered, ordered, side="left")
    size = np.searchsorted(ordered, ordered, side="right") - first
    rank = np.empty(len(confidence))
    rank[order] = (np.arange(len(order)) - first) / size
    return rank
