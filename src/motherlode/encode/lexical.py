"""The default encoder: hashed words, weighted by rarity, reduced to a few hundred dimensions on the user's corpus.

It is latent semantic analysis (Deerwester et al. 1990) over hashed features: term frequencies are damped by their
logarithm, weighted by inverse document frequency, and projected on the leading right singular vectors of a sample of
the corpus. Words that occur in the same documents of *this* corpus come close to each other, which is what retrieval
inside it needs; no weights are downloaded. Directions are scaled by the inverse square root of their singular value:
measured on mixed text this raises the average precision of nearest-seed retrieval from 0.46 to 0.50.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from scipy import sparse
from threadpoolctl import threadpool_limits

from motherlode.encode.encoder import unit_rows
from motherlode.encode.hashing import hashed_counts
from motherlode.errors import InputError
from motherlode.shards import store
from motherlode.shards.fingerprint import bytes_digest, fingerprint

VERSION = 3
BITS = 18
_WEIGHTS = "encoder.safetensors"


@dataclass(frozen=True)
class LexicalConfig:
    """How the encoder is fitted.

    Attributes:
        dimensions: Length of a vector; fewer if the sample has fewer documents or words.
        sample: Documents that it is fitted on.
        least_documents: Features in fewer documents of the sample are left out.
        most_features: At most so many features are kept, the most frequent ones.
        random_seed: Seed of the randomised decomposition.
    """

    dimensions: int = 256
    sample: int = 20_000
    least_documents: int = 3
    most_features: int = 50_000
    random_seed: int = 0


def weighted(counts: sparse.csr_matrix, idf: NDArray[np.float32]) -> sparse.csr_matrix:
    """Turn counts into damped tf-idf rows of unit length.

    Args:
        counts: `[n, f]` counts.
        idf: `[f]` weights; features of weight zero vanish.

    Returns:
        `[n, f]` float32; zero rows stay zero.
    """
    matrix = counts.astype(np.float32, copy=True)
    matrix.data = (1 + np.log(matrix.data)) * idf[matrix.indices]
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    matrix.data *= np.repeat(scale, np.diff(matrix.indptr)).astype(np.float32)
    return matrix


def inverse_document_frequency(
    counts: sparse.csr_matrix, least_documents: int, most_features: int | None = None
) -> NDArray[np.float32]:
    """Return `[f]` idf weights `log((n + 1) / (df + 1))`, zero for features that are left out."""
    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    keep = frequency >= least_documents
    if most_features is not None and keep.sum() > most_features:
        order = np.lexsort((np.arange(len(frequency)), -frequency))
        keep = np.zeros_like(keep)
        keep[order[:most_features]] = True
    weights = np.log((counts.shape[0] + 1) / (frequency + 1.0))
    return np.where(keep, weights, 0.0).astype(np.float32)


class LexicalEncoder:
    """Hashed words, weighted and reduced.

    Attributes:
        idf: `[2 ** BITS] float32` weights of features, zero for unused ones.
        components: `[used + 1, d] float32` projection of the used features; the last row is zero.
    """

    name = "lexical"
    window: int | None = None

    def __init__(self, idf: NDArray[np.float32], components: NDArray[np.float32], digest: str) -> None:
        """Use `fit` or `load` instead."""
        self.idf, self.components, self._digest = idf, components, digest
        used = np.flatnonzero(idf)
        self._place = np.full(len(idf), len(used), dtype=np.int32)
        self._place[used] = np.arange(len(used), dtype=np.int32)

    @property
    def dimensions(self) -> int:
        """The length of a vector."""
        return int(self.components.shape[1])

    @property
    def fingerprint(self) -> str:
        """Digest of the fitted weights."""
        return fingerprint("lexical", VERSION, self._digest)

    @classmethod
    def fit(cls, texts: pa.Array, config: LexicalConfig | None = None) -> LexicalEncoder:
        """Fit the encoder on a sample of a corpus.

        Args:
            texts: `[n]` strings, at least two with words in common.
            config: How.

        Returns:
            The encoder.

        Raises:
            InputError: The texts share too few words to fit anything.
        """
        from sklearn.utils.extmath import randomized_svd

        config = config or LexicalConfig()
        counts = hashed_counts(texts, BITS)
        least = min(config.least_documents, max(1, len(texts) // 100))
        idf = inverse_document_frequency(counts, least, config.most_features)
        used = np.flatnonzero(idf)
        if len(used) < 2 or len(texts) < 2:
            raise InputError(
                f"{len(texts)} documents share too few words to fit the lexical encoder",
                where="--encoder lexical",
                hint="add documents, or choose an encoder that is not fitted, e.g. --encoder minilm",
            )
        matrix = weighted(counts, idf)[:, used]
        rank = min(config.dimensions, len(texts), len(used))
        with threadpool_limits(1):  # the same bytes on any machine, and no threads that spin beside busy workers
            _, values, right = randomized_svd(
                matrix, rank, n_iter=2, power_iteration_normalizer="none", random_state=config.random_seed
            )
        kept = values > values[0] * 1e-4
        components = np.zeros((len(used) + 1, int(kept.sum())), dtype=np.float32)
        components[:-1] = (right[kept].T / np.sqrt(values[kept])).astype(np.float32)
        return cls(idf, components, bytes_digest(components.tobytes() + idf.tobytes()))

    def encode(self, texts: pa.Array) -> NDArray[np.float32]:
        """Encode `[n]` strings as `[n, d] float32` of unit length; a text of unknown words gives zeros."""
        return self.encode_counts(hashed_counts(texts, BITS))

    def encode_counts(self, counts: sparse.csr_matrix) -> NDArray[np.float32]:
        """Encode hashed counts (`[n, 2 ** BITS]`), for callers that need both."""
        matrix = weighted(counts, self.idf)
        places = sparse.csr_matrix(
            (matrix.data, self._place[matrix.indices], matrix.indptr), shape=(matrix.shape[0], len(self.components))
        )
        return unit_rows(places @ self.components)

    def save(self, folder: Path) -> None:
        """Write the fitted weights as safetensors."""
        store.make_folder(folder)
        store.write_bytes(folder / _WEIGHTS, save({"idf": self.idf, "components": self.components}))
        about = {"kind": self.name, "version": VERSION, "bits": BITS, "digest": self._digest}
        store.write_text(folder / "encoder.json", json.dumps(about, indent=1, sort_keys=True) + "\n")

    @classmethod
    def load(cls, folder: Path) -> LexicalEncoder:
        """Read an encoder that `save` wrote.

        Raises:
            InputError: There is none, or it is damaged.
        """
        try:
            about: dict[str, Any] = json.loads((folder / "encoder.json").read_text("utf-8"))
            weights = load((folder / _WEIGHTS).read_bytes())
            encoder = cls(weights["idf"], weights["components"], about["digest"])
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise InputError(f"holds no readable encoder ({error})", where=str(folder)) from error
        if about.get("version") != VERSION or about.get("bits") != BITS:
            raise InputError("holds an encoder of another version", where=str(folder), hint="encode the corpus again")
        return encoder
