"""Training the classifier: from labelled seeds, in rounds, on documents that it labels itself.

A multinomial logistic regression over tf-idf of hashed words tells the domains and the contrast packs apart. Trained
on the seeds alone (round 0) it is unsure about real documents, so each round retrains it on the documents of the pool
that it was surest of, a growing share of each label, beside the seeds. Five things keep this self-training from
running away, each measured over mixtures of sources in which the domains make up from 3 to 50 % of the documents:

* probabilities are smoothed over clusters in every round (see `smooth`);
* a document's certainty is ranked among all documents of its label *and* within its own cluster, so that a minority
  register (conversations among articles, say) is not crowded out;
* what no label holds with some certainty is left out: where a domain is rare, most of what looks like it is not it;
* documents of a rare label weigh as much as its seeds together: else what tells the label from the background best is
  that its seeds are written by a model;
* the background, which is everything else, is split into sub-classes by k-means: no one linear class describes it.

Every round's model is kept, so that each document can say which round first gave it its label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from motherlode.encode.lexical import inverse_document_frequency
from motherlode.mining.classify import DomainClassifier, Model
from motherlode.mining.first_model import SeedRows, fit_first_model
from motherlode.mining.pool import Pool
from motherlode.mining.retrieve import SeedMatrix
from motherlode.mining.rounds import (
    ClassifierConfig,
    document_weights,
    fit_softmax,
    split_background,
    surest_documents,
)
from motherlode.mining.several import train_heads
from motherlode.mining.smooth import Clusters

VERSION = 3  # of how a classifier comes about
BACKGROUND = "background"


@dataclass(frozen=True)
class Examples:
    """Documents whose labels are known, beside the seeds.

    Attributes:
        counts: `[v, f]` hashed counts.
        vectors: `[v, d] float32` unit vectors.
        labels: `[v, l] bool`, over the labels of the seeds; a row without any is an example of what is not wanted.
    """

    counts: sparse.csr_matrix
    vectors: NDArray[np.float32]
    labels: NDArray[np.bool_]


@dataclass(frozen=True)
class Training:
    """What happened in training.

    Attributes:
        rounds: For each round: its number, documents of the pool labelled by domain, share of changed labels.
        stable: Whether the rounds ended because labels stopped changing.
        own_seeds: Share of each domain's seeds that a model trained on the other folds gives to it.
        temperatures: Factors on the seeds-only model's logits, fitted by cross-validation, one a group of domains with
            similar numbers of seeds.
    """

    rounds: list[dict[str, Any]]
    stable: bool
    own_seeds: dict[str, float]
    temperatures: tuple[float, ...]


def train(
    pool: Pool,
    seed_counts: sparse.csr_matrix,
    seeds: SeedMatrix,
    domains: tuple[str, ...],
    config: ClassifierConfig | None = None,
    examples: Examples | None = None,
) -> tuple[DomainClassifier, Training]:
    """Train the classifier.

    Args:
        pool: Documents of the corpus.
        seed_counts: `[s, f]` hashed counts of the seeds.
        seeds: The seeds' vectors and labels, contrast packs included.
        domains: The labels wanted.
        config: How.
        examples: Further documents whose labels are known; they count as much as seeds.

    Returns:
        The classifier, and what happened.
    """
    with threadpool_limits(1):  # the same bytes on any machine, and no threads that spin beside busy workers
        return _train(pool, seed_counts, seeds, domains, config or ClassifierConfig(), examples)


def _train(
    pool: Pool,
    seed_counts: sparse.csr_matrix,
    seeds: SeedMatrix,
    domains: tuple[str, ...],
    config: ClassifierConfig,
    examples: Examples | None,
) -> tuple[DomainClassifier, Training]:
    generator = np.random.default_rng(config.random_seed)
    idf = inverse_document_frequency(pool.counts, min(3, max(1, len(pool) // 100)), config.most_features)
    clusters = Clusters.fit(pool.vectors, config.clusters, config.random_seed)
    background = seeds.names.index(BACKGROUND) if BACKGROUND in seeds.names else None
    offset = np.zeros(len(seeds.names), dtype=np.float32)
    if background is not None:
        offset[background] = np.log(config.prior)
    half = np.full(len(domains), 0.5, dtype=np.float32)
    classifier = DomainClassifier(seeds.names, domains, idf, clusters, [], config.smoothing, offset, half)
    features, seed_features = classifier.features(pool.counts), classifier.features(seed_counts)
    places = clusters.assign(pool.vectors)
    first = SeedRows.of(seeds, seed_features, classifier.columns, background)
    (weights, bias), found = fit_first_model(first, features, offset, config)
    accepted = _accepted(found.own, seeds, domains)
    if examples is not None:
        seeds, seed_features = _joined(seeds, seed_features, examples, classifier, weights, bias)
        first = SeedRows.of(seeds, seed_features, classifier.columns, background)
        (weights, bias), found = fit_first_model(first, features, offset, config)
    rows, labels, weight, few = first.rows, first.labels, first.weight, list(found.scarce)
    owner = np.arange(len(seeds.names))
    history: list[dict[str, Any]] = []
    probability = np.zeros((len(pool), len(seeds.names)), dtype=np.float32)
    winner = np.full(len(pool), -1, dtype=np.int64)
    for number in range(config.rounds + 1):
        if number:
            chosen, given = surest_documents(probability, places[-1], number, background, few, generator, config)
            classes, owner = split_background(
                np.concatenate([labels, given]),
                np.concatenate([seeds.vectors[rows], pool.vectors[chosen]]),
                background,
                len(seeds.names),
                config,
            )
            weights, bias = fit_softmax(
                sparse.vstack([seed_features[rows], features[chosen]]).tocsr(),
                classes,
                np.concatenate([weight * config.seed_weight, document_weights(labels, weight, given, config)]),
                len(owner),
                config,
            )
        raw = classifier.raw(features, weights, bias, owner)
        model = Model(weights, bias, owner, tuple(clusters.tables(places, raw, pool.weight)))
        classifier.models.append(model)
        probability = classifier.smoothed(features, places, model)
        before, winner = winner, probability.argmax(axis=1)
        changed = float(pool.weight[winner != before].sum() / pool.weight.sum())
        counts = {name: int((winner == seeds.names.index(name)).sum()) for name in domains}
        history.append({"round": number, "labelled": counts, "changed": changed})
        if number >= len(config.shares) and changed < config.changed:
            break
    stable = config.rounds == 0 or history[-1]["changed"] < config.changed
    classifier.thresholds = best_thresholds(probability[:, classifier.columns], pool.weight)
    classifier.heads = train_heads(
        pool.counts,
        classifier.features,
        probability[:, classifier.columns],
        raw[:, classifier.columns],
        seed_features,
        seeds.labels[:, classifier.columns],
        config.random_seed,
    )
    return classifier, Training(history, stable, accepted, found.temperatures)


def _accepted(own: NDArray[np.int64], seeds: SeedMatrix, domains: tuple[str, ...]) -> dict[str, float]:
    """Return the share of each domain's seeds whose label, cross-validated, is the domain."""
    numbers = {name: seeds.names.index(name) for name in domains}
    return {name: float((own[seeds.labels[:, number]] == number).mean()) for name, number in numbers.items()}


def _joined(
    seeds: SeedMatrix,
    seed_features: sparse.csr_matrix,
    examples: Examples,
    classifier: DomainClassifier,
    weights: NDArray[np.float32],
    bias: NDArray[np.float32],
) -> tuple[SeedMatrix, sparse.csr_matrix]:
    """Join the seeds with further examples.

    A document of no domain is one of the contrast packs', of that which the seeds' model finds likeliest; without a
    contrast pack there is no class that it could be an example of, and it is left out.
    """
    features = classifier.features(examples.counts)
    labels = examples.labels.copy()
    others = [number for number, name in enumerate(seeds.names) if name not in classifier.domains]
    none = np.flatnonzero(~labels.any(axis=1))
    if others and len(none):
        logits = features[none] @ weights + bias
        labels[none, np.array(others)[logits[:, others].argmax(axis=1)]] = True
    kept = np.flatnonzero(labels.any(axis=1))
    matrix = SeedMatrix(
        np.concatenate([seeds.vectors, examples.vectors[kept]]),
        np.concatenate([seeds.labels, labels[kept]]),
        seeds.names,
    )
    return matrix, sparse.vstack([seed_features, features[kept]]).tocsr()


def best_thresholds(probability: NDArray[np.float32], weight: NDArray[np.float64]) -> NDArray[np.float32]:
    """Choose each domain's threshold so that the expected F1 is largest, taking probabilities at their word.

    Args:
        probability: `[n, domains]`.
        weight: `[n]`, what each document stands for.

    Returns:
        `[domains] float32`, between 0.2 and 0.8.
    """
    chosen = []
    for column in probability.T:
        order = np.argsort(-column, kind="stable")
        hits = np.cumsum(column[order] * weight[order])
        size = np.cumsum(weight[order])
        best = int(np.argmax(2 * hits / (size + hits[-1] + 1e-12)))
        chosen.append(float(np.clip(column[order[best]], 0.2, 0.8)))
    return np.array(chosen, dtype=np.float32)
