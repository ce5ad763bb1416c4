"""The first model, from seeds alone: fair to labels with few seeds.

A regression on ten seeds of a domain beside 126 of the background ranks documents well (of the hundred likeliest,
nearly all are the domain's) but finds none likely: hardly a word of a real document occurs in ten seeds, and what
remains is the background's. So the weights of such a label come from models in which no label has more seeds than it,
over several draws of the others' seeds, averaged (balanced bagging; Liu, Wu & Zhou 2009, "EasyEnsemble"). What counts
is a label's difference to the background; differences from models of several sizes are put side by side.

A balanced model takes a rare label for a frequent one. It is asked only where the plain one finds next to nothing: less
than a quarter of what the balanced one finds in the pool. One that finds more than half of the pool is not believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from motherlode.mining.retrieve import SeedMatrix
from motherlode.mining.rounds import ClassifierConfig, fit_softmax
from motherlode.mining.smooth import log_softmax

_ALIKE = 1.5  # numbers of seeds within this factor count as equal: those of the packs that ship do
_LITTLE = 0.25  # share of what a balanced model finds
_MUCH = 0.5  # share of the pool
_READ = 2  # times that draws read each seed of the label with the most, at least
_FOLDS = 5
_DOUBT = 2.8  # odds against a label with few seeds: else one that the corpus lacks is found in thousands of documents

Weights = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class FirstModel:
    """What cross-validation over the seeds said.

    Attributes:
        temperatures: Factors on logits, one a group of labels with similar numbers of seeds, ascending.
        own: `[s]` the label that each seed gets from a model that has not seen it.
        scarce: Labels whose weights come from balanced models.
    """

    temperatures: tuple[float, ...]
    own: NDArray[np.int64]
    scarce: tuple[int, ...]


@dataclass(frozen=True)
class SeedRows:
    """Seeds as rows of a regression.

    Attributes:
        features: `[s, f]` features of seeds.
        rows: `[r]` the seed of each row; a seed of several labels has one row a label.
        labels: `[r]`.
        weight: `[r]`.
        names: The labels.
        wanted: Which of them documents are wanted of.
        background: Which one is everything else, if any is.
        scarce: Wanted labels whose weights come from balanced models.
    """

    features: sparse.csr_matrix
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    weight: NDArray[np.float64]
    names: tuple[str, ...]
    wanted: list[int]
    background: int | None
    scarce: tuple[int, ...] = ()

    @classmethod
    def of(cls, seeds: SeedMatrix, features: sparse.csr_matrix, wanted: list[int], background: int | None) -> SeedRows:
        """Give a seed of several labels one row a label, of shared weight."""
        return cls(features, *seed_rows(seeds), seeds.names, wanted, background)

    def groups(self) -> list[tuple[int, list[int]]]:
        """Group labels: the most seeds of a label that a group's models read, and its labels.

        Scarce labels of similar numbers of seeds are a group each, ascending; all others are the last one, or go with
        the last one if no label but scarce ones is wanted.
        """
        seeds = np.bincount(self.labels, minlength=len(self.names))
        groups: list[tuple[int, list[int]]] = []
        for number, label in sorted((int(seeds[label]), label) for label in self.scarce):
            if groups and number <= _ALIKE * groups[-1][0]:
                groups[-1][1].append(label)
            else:
                groups.append((number, [label]))
        others = [label for label in range(len(self.names)) if label not in self.scarce]
        if groups and set(self.wanted) == set(self.scarce):
            groups[-1][1].extend(others)
            return groups
        return [*groups, (int(seeds.max()), others)]

    def few(self) -> tuple[int, ...]:
        """Return the wanted labels that have few seeds beside some other label."""
        seeds = np.bincount(self.labels, minlength=len(self.names))
        return tuple(label for label in self.wanted if 0 < _ALIKE * seeds[label] < seeds.max())

    def balanced(self, chosen: NDArray[np.bool_], most: int, config: ClassifierConfig) -> Weights:
        """Fit with at most so many seeds a label, averaged over draws; on all of them if none has many more."""
        count = len(self.names)
        of_label = [np.flatnonzero(chosen & (self.labels == label)) for label in range(count)]
        if max(map(len, of_label)) <= _ALIKE * most:
            drawn = [np.flatnonzero(chosen)]
        else:
            generator = np.random.default_rng(config.random_seed)
            draws = max(8, -(-_READ * max(map(len, of_label)) // most))
            drawn = [
                np.sort(np.concatenate([generator.permutation(rows)[:most] for rows in of_label]))
                for _ in range(min(draws, 32))
            ]
        weights = np.zeros((self.features.shape[1], count), dtype=np.float32)
        bias = np.zeros(count, dtype=np.float32)
        for part in drawn:
            one = fit_softmax(self.features[self.rows[part]], self.labels[part], self.weight[part], count, config)
            weights += one[0] / np.float32(len(drawn))
            bias += one[1] / np.float32(len(drawn))
        return weights, bias

    def temperature(self, most: int, config: ClassifierConfig) -> tuple[float, NDArray[np.float32]]:
        """Fit the factor on logits that makes probabilities of held-out seeds honest.

        Returns:
            The factor, and the logits of each seed by a model that has not seen it, times the factor.
        """
        from scipy.optimize import minimize_scalar

        seeds = self.features.shape[0]
        fold = np.random.default_rng(config.random_seed).permutation(seeds) % _FOLDS
        logits = np.zeros((seeds, len(self.names)), dtype=np.float32)
        for number in range(_FOLDS):
            chosen, held = fold[self.rows] != number, fold == number
            if chosen.any():
                weights, bias = self.balanced(chosen, max(1, most * (_FOLDS - 1) // _FOLDS), config)
                logits[held] = self.features[held] @ weights + bias

        def loss(factor: float) -> float:
            honest = log_softmax(logits * np.float32(factor))[self.rows, self.labels]
            return -float((honest * self.weight).sum())

        factor = float(minimize_scalar(loss, bounds=(0.2, 20), method="bounded").x)
        return factor, logits * np.float32(factor)

    def joined(self, parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Take each wanted label's column from its group's part, the others from that of the most seeds.

        Args:
            parts: One a group: arrays whose last axis is the labels.
        """
        if len(parts) == 1:
            return parts[0]
        parts = [_relative(part, self.background) for part in parts]
        joined = parts[-1].copy()
        for part, (_, members) in zip(parts[:-1], self.groups()[:-1], strict=True):
            joined[..., members] = part[..., members]
        return joined


def fit_first_model(
    seeds: SeedRows, pool: sparse.csr_matrix, offset: NDArray[np.float32], config: ClassifierConfig
) -> tuple[Weights, FirstModel]:
    """Fit the model of the seeds.

    Args:
        seeds: The seeds.
        pool: `[n, f]` features of documents.
        offset: `[labels]` added to logits of documents.
        config: How the classifier is trained.

    Returns:
        Weights `[f, labels]` and bias `[labels]`, and what cross-validation said.
    """
    plain = _fit(seeds, config)
    few = seeds.few()
    if not few:
        return plain
    balanced = _fit(replace(seeds, scarce=few), config)
    little, much = _winners(plain[0], pool, offset), _winners(balanced[0], pool, offset)
    most = _MUCH * pool.shape[0]
    scarce = tuple(label for label in few if little[label] < _LITTLE * much[label] and much[label] <= most)
    if scarce == few:
        return balanced
    return _fit(replace(seeds, scarce=scarce), config) if scarce else plain


def _winners(model: Weights, pool: sparse.csr_matrix, offset: NDArray[np.float32]) -> NDArray[np.int64]:
    """Count the documents of each label."""
    weights, bias = model
    return np.bincount((pool @ weights + (bias + offset)).argmax(axis=1), minlength=len(bias))


def _fit(seeds: SeedRows, config: ClassifierConfig) -> tuple[Weights, FirstModel]:
    every = np.ones(len(seeds.rows), dtype=bool)
    groups = seeds.groups()
    found = [seeds.temperature(most, config) for most, _ in groups]
    models = [
        (weights * np.float32(factor), bias * np.float32(factor))
        for (factor, _), (weights, bias) in zip(
            found, (seeds.balanced(every, most, config) for most, _ in groups), strict=True
        )
    ]
    weights, bias = seeds.joined([w for w, _ in models]), seeds.joined([b for _, b in models])
    bias[list(seeds.scarce)] -= np.float32(np.log(_DOUBT))
    own = seeds.joined([logits for _, logits in found]).argmax(axis=1)
    return (weights, bias), FirstModel(tuple(factor for factor, _ in found), own, seeds.scarce)


def seed_rows(seeds: SeedMatrix) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Give a seed of several labels one row a label, of shared weight: rows, labels, weights."""
    rows, labels = np.nonzero(seeds.labels)
    return rows, labels, 1.0 / seeds.labels.sum(axis=1)[rows]


def _relative(part: NDArray[np.float32], background: int | None) -> NDArray[np.float32]:
    """Subtract the background's column, or the mean of all, which changes no probability."""
    middle = part.mean(axis=-1, keepdims=True) if background is None else part[..., [background]]
    relative: NDArray[np.float32] = part - middle
    return relative
