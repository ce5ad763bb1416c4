"""The cascade: a strong encoder, only for the documents that can still matter.

The cheap classifier is sure about most of a corpus. Where it is not (some domain's probability lies inside a band), a
strong encoder reads the document, a second classifier over its vectors gives its own probabilities, and the two are
averaged in logits. The second classifier learns from the seeds and from documents of which the first was sure, so it
brings another view of the same labels. What the cascade cannot correct, errors among the sure ones, is measured: a
random sample of passed-over documents is read by the strong encoder as well, and the share whose labels would have
changed is reported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from motherlode.encode.encoder import Encoder, load_encoder
from motherlode.encode.sample import Rows, sample_documents
from motherlode.encode.vectors import encoder_resources
from motherlode.mining.first_model import seed_rows
from motherlode.mining.label import label_result, label_schema, round_column, score_column
from motherlode.mining.retrieve import SeedMatrix
from motherlode.mining.rounds import ClassifierConfig, fit_softmax
from motherlode.mining.smooth import log_softmax
from motherlode.shards import store
from motherlode.shards.dataset import Dataset
from motherlode.shards.fingerprint import bytes_digest, fingerprint
from motherlode.shards.resources import Resources
from motherlode.shards.step import Step, StepFunction, StepResult

BAND = (0.02, 0.98)
_PER_LABEL = 300
_AUDITED = 300
_SURE = 0.9
_WEIGHTS = "cascade.safetensors"
_ENCODER = "encoder"


def _logit(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    result: NDArray[np.float32] = np.log(clipped) - np.log1p(-clipped)
    return result


@dataclass(frozen=True)
class StrongClassifier:
    """A softmax classifier over a strong encoder's vectors.

    Attributes:
        weights: `[d, l] float32`.
        bias: `[l] float32`.
        columns: Places of the wanted domains among the labels.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    columns: NDArray[np.int64]

    def combine(self, cheap: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Average the cheap probabilities `[n, domains]` with this classifier's, in logits."""
        strong = np.exp(log_softmax(vectors @ self.weights + self.bias))[:, self.columns]
        mean = (_logit(cheap) + _logit(strong)) / 2
        combined: NDArray[np.float32] = (1 / (1 + np.exp(-mean))).astype(np.float32)
        return combined

    def save(self, folder: Path) -> None:
        """Write it as safetensors."""
        tensors: dict[str, NDArray[Any]] = {"weights": self.weights, "bias": self.bias, "columns": self.columns}
        store.write_bytes(folder / _WEIGHTS, save(tensors))

    @classmethod
    def load(cls, folder: Path) -> StrongClassifier:
        """Read what `save` wrote."""
        tensors = load_file(folder / _WEIGHTS)
        return cls(tensors["weights"], tensors["bias"], tensors["columns"])

    @property
    def digest(self) -> str:
        """Digest of the weights."""
        return bytes_digest(self.weights.tobytes() + self.bias.tobytes() + self.columns.tobytes())


def uncertain(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which documents can still matter: `[n]` for scores `[n, domains]`."""
    inside: NDArray[np.bool_] = np.any((scores > BAND[0]) & (scores < BAND[1]), axis=1)
    return inside


@dataclass(frozen=True)
class CascadeStep(Step):
    """Cheap labels to final ones.

    Attributes:
        spec: The strong encoder's specification.
        folder: Where the strong classifier (and a distilled encoder) lies.
        digest: Digest of encoder and classifier.
        domains: The domains.
        thresholds: The least score of each.
    """

    spec: str
    folder: Path
    digest: str
    domains: tuple[str, ...]
    thresholds: tuple[float, ...]
    name: ClassVar[str] = "cascade"
    reads: ClassVar[tuple[str, ...]] = ("text",)

    @property
    def writes(self) -> pa.Schema:
        """The same columns as the cheap labels."""
        return label_schema(self.domains)

    def settings(self) -> Mapping[str, Any]:
        """Encoder, classifier, band and thresholds."""
        return {"strong": self.digest, "band": list(BAND), "thresholds": list(self.thresholds)}

    @property
    def resources(self) -> Resources:
        """A model takes a GPU where there is one."""
        return encoder_resources(self.spec)

    def open(self) -> StepFunction:
        """Load the strong encoder and classifier."""
        encoder = load_encoder(self.spec, self.folder / _ENCODER)
        classifier = StrongClassifier.load(self.folder)
        thresholds = np.array(self.thresholds, dtype=np.float32)

        def cascade(batch: pa.RecordBatch) -> StepResult:
            scores, first = _scores(batch, self.domains)
            rows = np.flatnonzero(uncertain(scores))
            if len(rows):
                vectors = encoder.encode(batch.column("text").take(pa.array(rows)))
                scores[rows] = classifier.combine(scores[rows], vectors)
            result = label_result(scores, first, thresholds, self.domains)
            return StepResult(result.columns, stats={**result.stats, "encoded": len(rows)})

        return cascade


def _scores(batch: pa.RecordBatch, domains: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    scores = np.stack([batch.column(score_column(d)).to_numpy(zero_copy_only=False) for d in domains], axis=1)
    first = np.stack([batch.column(round_column(d)).to_numpy(zero_copy_only=False) for d in domains], axis=1)
    return scores.astype(np.float32), first.astype(np.int8)


def screened_columns(domains: tuple[str, ...]) -> list[str]:
    """Return the columns of cheap labels that the cascade reads."""
    return [name for name in label_schema(domains).names if name != "labels"]


@dataclass(frozen=True)
class Cascade:
    """A cascade ready to run.

    Attributes:
        step: The step.
        audited: Passed-over documents that the strong encoder read all the same.
        changed: How many of these would have changed a label.
    """

    step: CascadeStep
    audited: int
    changed: int


def prepare_cascade(
    spec: str,
    folder: Path,
    documents: Dataset,
    screened: Dataset,
    seeds: SeedMatrix,
    seed_texts: Sequence[str],
    domains: tuple[str, ...],
    thresholds: Sequence[float],
    random_seed: int,
) -> Cascade:
    """Train the strong classifier and measure what the cascade passes over.

    Args:
        spec: The strong encoder's specification.
        folder: Where the classifier goes.
        documents: The corpus's documents.
        screened: Their cheap labels.
        seeds: The seeds' labels, contrast packs included.
        seed_texts: The seeds' texts.
        domains: The domains.
        thresholds: The least score of each.
        random_seed: Seed of all random choices.

    Returns:
        The cascade.
    """
    store.make_folder(folder)
    encoder = _encoder(spec, folder)
    inputs = [(documents, ["text"]), (screened, screened_columns(domains))]
    drawn = sample_documents(documents, 40_000, random_seed)
    texts, labels, audit, audit_scores = _choose(drawn, inputs, domains, seeds, random_seed)
    rows, given, weight = seed_rows(seeds)
    vectors = np.concatenate([encoder.encode(pa.array(seed_texts, pa.string()))[rows], encoder.encode(texts)])
    weights, bias = fit_softmax(
        vectors,
        np.concatenate([given, labels]),
        np.concatenate([weight, np.ones(len(labels))]),
        len(seeds.names),
        ClassifierConfig(iterations=200),
    )
    classifier = StrongClassifier(weights, bias, np.array([seeds.names.index(d) for d in domains], dtype=np.int64))
    classifier.save(folder)
    least = np.array(thresholds, dtype=np.float32)
    changed = 0
    if len(audit):
        combined = classifier.combine(audit_scores, encoder.encode(audit))
        changed = int(((combined >= least) != (audit_scores >= least)).any(axis=1).sum())
    digest = fingerprint(encoder.fingerprint, classifier.digest)
    store.write_text(folder / "audit.json", json.dumps({"audited": len(audit), "changed": changed}) + "\n")
    step = CascadeStep(spec, folder, digest, domains, tuple(float(value) for value in thresholds))
    return Cascade(step, len(audit), changed)


def _encoder(spec: str, folder: Path) -> Encoder:
    if spec.startswith("distil:") and not (folder / _ENCODER / "config.json").exists():
        from motherlode.encode.static import distil

        distil(spec.partition(":")[2], folder / _ENCODER)
    return load_encoder(spec, folder / _ENCODER)


def _choose(
    drawn: Rows,
    inputs: Sequence[tuple[Dataset, Sequence[str]]],
    domains: tuple[str, ...],
    seeds: SeedMatrix,
    random_seed: int,
) -> tuple[pa.Array, NDArray[np.int64], pa.Array, NDArray[np.float32]]:
    """Choose texts to train on, of which the cheap classifier is sure, and passed-over ones to audit."""
    generator = np.random.default_rng(random_seed)
    parts = [(batch.column("text"), _scores(batch, domains)[0]) for _, _, batch in drawn.batches(inputs)]
    texts = pa.concat_arrays([text for text, _ in parts])
    scores = np.concatenate([score for _, score in parts])
    rest = next((n for n, name in enumerate(seeds.names) if name not in domains), None)
    rows, labels = [], []
    for number, domain in enumerate(domains):
        sure = np.flatnonzero(scores[:, number] >= _SURE)
        chosen = np.sort(generator.permutation(sure)[:_PER_LABEL])
        rows.append(chosen)
        labels.append(np.full(len(chosen), seeds.names.index(domain)))
    if rest is not None:
        place = seeds.names.index("background") if "background" in seeds.names else rest
        sure = np.flatnonzero(scores.max(axis=1) <= 1 - _SURE)
        chosen = np.sort(generator.permutation(sure)[: 3 * _PER_LABEL])
        rows.append(chosen)
        labels.append(np.full(len(chosen), place))
    picked = np.concatenate(rows)
    passed = np.flatnonzero(~uncertain(scores))
    audited = np.sort(generator.permutation(passed)[:_AUDITED])
    return (
        texts.take(pa.array(picked)),
        np.concatenate(labels).astype(np.int64),
        texts.take(pa.array(audited)),
        scores[audited],
    )
