"""The trained classifier: a probability of each domain for any document, in one streaming pass.

It is a multinomial logistic regression over tf-idf of hashed words, smoothed over clusters of the corpus (`smooth`);
`train` says how it comes about. Every round's model is kept, so that each document can say which round first gave it
its label. It is stored as safetensors and JSON; nothing is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from scipy import sparse

from motherlode.encode.lexical import weighted
from motherlode.errors import InputError
from motherlode.mining.several import Heads, add_second_labels
from motherlode.mining.smooth import Clusters, log_softmax, smooth
from motherlode.shards import store
from motherlode.shards.fingerprint import bytes_digest, fingerprint

VERSION = 2
_WEIGHTS = "classifier.safetensors"
_ABOUT = "classifier.json"
_TINY = np.float32(1e-7)


@dataclass(frozen=True)
class Model:
    """One round: a linear model over classes, the label of each class, and cluster means of its probabilities."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    owner: NDArray[np.int64]
    tables: tuple[NDArray[np.float32], ...]


class DomainClassifier:
    """A trained classifier.

    Attributes:
        names: All labels, contrast packs included.
        domains: The labels wanted.
        thresholds: `[domains] float32`, the least probability of each.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        domains: tuple[str, ...],
        idf: NDArray[np.float32],
        clusters: Clusters,
        models: Sequence[Model],
        smoothing: float,
        offset: NDArray[np.float32],
        thresholds: NDArray[np.float32],
    ) -> None:
        """Use `motherlode.mining.train.train`, or `load`."""
        self.names, self.domains, self.thresholds = names, domains, thresholds
        self._idf, self.clusters, self.models = idf, clusters, list(models)
        self._smoothing, self._offset = smoothing, offset
        self._used = np.flatnonzero(idf)
        self.heads = Heads.none(len(self._used) + 1, len(domains))
        self._place = np.full(len(idf), len(self._used), dtype=np.int32)
        self._place[self._used] = np.arange(len(self._used), dtype=np.int32)
        self.columns = [names.index(domain) for domain in domains]

    def features(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        """Turn hashed counts `[n, f]` into tf-idf over the features in use, `[n, used + 1]` (the last one unused)."""
        matrix = weighted(counts, self._idf)
        shape = (matrix.shape[0], len(self._used) + 1)
        return sparse.csr_matrix((matrix.data, self._place[matrix.indices], matrix.indptr), shape=shape)

    def probabilities(
        self, counts: sparse.csr_matrix, vectors: NDArray[np.float32], model: int = -1
    ) -> NDArray[np.float32]:
        """Return the probability of every label, `[n, l] float32`, by the last round's model or another's."""
        places = self.clusters.assign(vectors)
        return self.smoothed(self.features(counts), places, self.models[model])

    def smoothed(
        self, features: sparse.csr_matrix, places: Sequence[NDArray[np.int64]], model: Model
    ) -> NDArray[np.float32]:
        """Return the smoothed probability of every label, `[n, l] float32`, by one round's model.

        Args:
            features: What `features` returned.
            places: The clusters of each document.
            model: The round's model.
        """
        raw = self.raw(features, model.weights, model.bias, model.owner)
        smoothed = smooth(np.log(raw + _TINY), places, model.tables, self._smoothing)
        offset = self._offset if model is self.models[0] else np.float32(0)
        return np.exp(log_softmax(smoothed + offset))

    def raw(
        self,
        features: sparse.csr_matrix,
        weights: NDArray[np.float32],
        bias: NDArray[np.float32],
        owner: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Return unsmoothed probabilities of labels `[n, l]`, the sub-classes of a label added up."""
        classes = np.exp(log_softmax(features @ weights + bias))
        if len(owner) == len(self.names):
            return classes
        members = np.zeros((len(owner), len(self.names)), dtype=np.float32)
        members[np.arange(len(owner)), owner] = 1
        labels: NDArray[np.float32] = classes @ members
        return labels

    def score(
        self, counts: sparse.csr_matrix, vectors: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Score documents.

        Args:
            counts: `[n, f]` hashed counts.
            vectors: `[n, d] float32` unit vectors.

        Returns:
            `[n, domains] float32` probabilities, second labels included (see `several`), and `[n, domains] int8` the
            first round whose model reached the threshold (-1 if none did).
        """
        features, places = self.features(counts), self.clusters.assign(vectors)
        first = np.full((len(vectors), len(self.domains)), -1, dtype=np.int8)
        scores = np.zeros(first.shape, dtype=np.float32)
        for number, model in enumerate(self.models):
            scores = self.smoothed(features, places, model)[:, self.columns]
            first = np.where((first < 0) & (scores >= self.thresholds), np.int8(number), first)
        scores = add_second_labels(scores, self.heads.probabilities(features), self.thresholds)
        first = np.where((first < 0) & (scores >= self.thresholds), np.int8(len(self.models) - 1), first)
        return scores, first

    @property
    def digest(self) -> str:
        """Digest of everything that scores depend on."""
        tensors = self._tensors()
        return fingerprint(VERSION, self._about(), {name: bytes_digest(t.tobytes()) for name, t in tensors.items()})

    def _about(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "names": list(self.names),
            "domains": list(self.domains),
            "models": len(self.models),
            "granularities": len(self.clusters.centres),
            "smoothing": self._smoothing,
        }

    def _tensors(self) -> dict[str, NDArray[Any]]:
        tensors: dict[str, NDArray[Any]] = {"idf": self._idf, "offset": self._offset, "thresholds": self.thresholds}
        tensors["heads.weights"], tensors["heads.bias"] = self.heads.weights, self.heads.bias
        for number, centre in enumerate(self.clusters.centres):
            tensors[f"centres.{number}"] = centre
        for number, model in enumerate(self.models):
            tensors[f"weights.{number}"], tensors[f"bias.{number}"] = model.weights, model.bias
            tensors[f"owner.{number}"] = model.owner
            for level, table in enumerate(model.tables):
                tensors[f"table.{number}.{level}"] = table
        return {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}

    def save(self, folder: Path) -> None:
        """Write the classifier as safetensors and JSON."""
        store.make_folder(folder)
        store.write_bytes(folder / _WEIGHTS, save(self._tensors()))
        store.write_text(folder / _ABOUT, json.dumps(self._about(), indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> DomainClassifier:
        """Read what `save` wrote.

        Raises:
            InputError: There is no classifier, or it is damaged or of another version.
        """
        try:
            about = json.loads((folder / _ABOUT).read_text("utf-8"))
            if about["version"] != VERSION:
                raise InputError("holds a classifier of another version", where=str(folder), hint="run `mine` again")
            tensors = load((folder / _WEIGHTS).read_bytes())
            levels = range(about["granularities"])
            clusters = Clusters(tuple(tensors[f"centres.{level}"] for level in levels))
            models = [
                Model(
                    tensors[f"weights.{number}"],
                    tensors[f"bias.{number}"],
                    tensors[f"owner.{number}"],
                    tuple(tensors[f"table.{number}.{level}"] for level in levels),
                )
                for number in range(about["models"])
            ]
            names, domains = tuple(about["names"]), tuple(about["domains"])
            smoothing = about["smoothing"]
            arrays = tensors["idf"], tensors["offset"], tensors["thresholds"]
            heads = Heads(tensors["heads.weights"], tensors["heads.bias"])
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise InputError(f"holds no readable classifier ({error})", where=str(folder)) from error
        classifier = cls(names, domains, arrays[0], clusters, models, smoothing, arrays[1], arrays[2])
        classifier.heads = heads
        return classifier
