"""Seed sets side by side: several models' seeds, packs, real documents; how varied they are and what they find.

Diversity is measured in the vectors that mining itself compares: the mean cosine of a seed to its nearest neighbour in
the set, and the Vendi score (Friedman & Dieng 2023), the exponential of the entropy of the eigenvalues of the cosines
over n: how many wholly different documents the set is worth. What a set finds is measured on a sample of a corpus, each
set alone against the contrast packs, at a threshold calibrated for it as in mining.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.corpus.corpus import Corpus
from motherlode.encode.encoder import Encoder
from motherlode.encode.lexical import LexicalConfig, LexicalEncoder
from motherlode.encode.sample import sample_documents
from motherlode.encode.vectors import COLUMN, Vectors, encode_texts, from_column
from motherlode.errors import InputError
from motherlode.mining.calibrate import calibrate, seed_confusion
from motherlode.mining.contrast import with_contrast
from motherlode.mining.retrieve import histogram
from motherlode.seeds.check import SeedCheck, check
from motherlode.seeds.seeds import Seeds

SAMPLE = 20_000  # documents
_FOREIGN = 0.5  # share of what a seed finds that is nearer to other labels, above which it finds other domains
_BLOCK = 4096


@dataclass(frozen=True)
class Yield:
    """What a set finds in a sample of a corpus.

    Attributes:
        documents: Documents looked at.
        threshold: Cosine from which a seed finds a document.
        found: Documents that some seed finds.
        per_seed: Mean of the documents that a seed finds.
        idle: Ids of seeds that find nothing.
        foreign: Ids of seeds most of whose documents are nearer to a seed of another label.
    """

    documents: int
    threshold: float
    found: int
    per_seed: float
    idle: tuple[str, ...]
    foreign: tuple[str, ...]


@dataclass(frozen=True)
class SetCompared:
    """One set.

    Attributes:
        name: As it was named.
        check: What `seeds check` says of it alone.
        neighbour: Mean cosine of a seed to its nearest neighbour in the set; None for a single seed.
        effective: The Vendi score, 1 to the number of seeds.
        found: What it finds; None without a corpus.
    """

    name: str
    check: SeedCheck
    neighbour: float | None
    effective: float
    found: Yield | None


def compare(
    sets: Mapping[str, Seeds],
    corpus: Corpus | None = None,
    *,
    encoder: str = "lexical",
    sample: int = SAMPLE,
    random_seed: int = 0,
) -> list[SetCompared]:
    """Compare sets of seeds.

    Args:
        sets: By name.
        corpus: Where they look for documents; without one, an encoder is fitted on the sets themselves.
        encoder: The encoder of seeds and corpus.
        sample: Documents of the corpus that are looked at.
        random_seed: Seed of the sample.

    Returns:
        One result a set, in the order given.

    Raises:
        InputError: An option must be changed, or the corpus cannot be read.
    """
    if sample < 2:
        raise InputError(f"{sample} is less than 2", where="sample")
    vectors = documents = None
    if corpus is not None:
        vectors = corpus.encode(encoder)
        rows = sample_documents(corpus.documents, sample, random_seed)
        documents = np.concatenate([from_column(b.column(COLUMN)) for _, _, b in rows.batches([(vectors, [COLUMN])])])
        model: Encoder = vectors.encoder
    elif encoder == "lexical":
        texts = [text for seeds in sets.values() for text in seeds.texts]
        model = LexicalEncoder.fit(pa.array(texts, pa.string()), LexicalConfig(least_documents=1))
    else:
        from motherlode.encode.encoder import load_encoder

        model = load_encoder(encoder)
    found = []
    for name, seeds in sets.items():
        matrix = encode_texts(model, seeds.texts)
        neighbour, effective = diversity(matrix)
        finds = None if vectors is None or documents is None else _yield(seeds, vectors, documents)
        found.append(SetCompared(name, check(seeds), neighbour, effective, finds))
    return found


def diversity(vectors: NDArray[np.float32]) -> tuple[float | None, float]:
    """Measure how varied vectors are.

    Args:
        vectors: `[n, d] float32` of unit length.

    Returns:
        The mean cosine to the nearest other vector (None for one vector), and the Vendi score, 1 to n.
    """
    similarity = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    shares = np.clip(np.linalg.eigvalsh(similarity / len(vectors)), 0, None)
    total = shares.sum()
    shares = shares[shares > 1e-12 * max(total, 1e-300)] / max(total, 1e-300)
    effective = math.exp(-float((shares * np.log(shares)).sum())) if len(shares) else 1.0
    if len(vectors) < 2:
        return None, effective
    np.fill_diagonal(similarity, -2)
    return float(similarity.max(axis=1).mean()), effective


def _yield(seeds: Seeds, vectors: Vectors, documents: NDArray[np.float32]) -> Yield:
    """Look for documents with one set, against the contrast packs."""
    label = seeds.name
    packs, matrix, _, _ = with_contrast({label: seeds}, None, vectors)
    place = matrix.names.index(label)
    cosine = np.zeros(len(documents), dtype=np.float32)
    own = np.zeros(len(documents), dtype=bool)
    for start in range(0, len(documents), _BLOCK):
        best, _ = matrix.nearest(documents[start : start + _BLOCK])
        cosine[start : start + _BLOCK] = best[:, place]
        own[start : start + _BLOCK] = best[:, place] >= best.max(axis=1)
    stats: dict[str, Any] = {f"histogram:{label}": histogram(cosine), f"wins:{label}": histogram(cosine[own])}
    hit, false_hit = seed_confusion(matrix)
    threshold = calibrate(label, stats, float(hit[place]), float(false_hit[place])).threshold
    mine = matrix.vectors[: len(packs[label])]
    finds, foreign = np.zeros(len(mine), dtype=np.int64), np.zeros(len(mine), dtype=np.int64)
    for start in range(0, len(documents), _BLOCK):
        above = documents[start : start + _BLOCK] @ mine.T >= np.float32(threshold)
        finds += above.sum(axis=0)
        foreign += above[~own[start : start + _BLOCK]].sum(axis=0)
    ids = [seed.id for seed in seeds]
    return Yield(
        documents=len(documents),
        threshold=threshold,
        found=int((cosine >= np.float32(threshold)).sum()),
        per_seed=float(finds.mean()),
        idle=tuple(ids[i] for i in np.flatnonzero(finds == 0)),
        foreign=tuple(ids[i] for i in np.flatnonzero(foreign > _FOREIGN * np.maximum(finds, 1))),
    )
