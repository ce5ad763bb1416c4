"""Labels for every document: the trained classifier, applied in one streaming pass, as side columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.encode.hashing import hashed_counts
from motherlode.encode.vectors import COLUMN, from_column
from motherlode.mining.classify import DomainClassifier
from motherlode.shards.step import Step, StepFunction, StepResult

SCORE_BINS = 100  # of probability over [0, 1]


def score_column(label: str) -> str:
    """Return the name of the column with a label's probability."""
    return f"score:{label}"


def round_column(label: str) -> str:
    """Return the name of the column with the first round that gave the label (-1: none did)."""
    return f"round:{label}"


def label_schema(domains: tuple[str, ...]) -> pa.Schema:
    """Return the columns of labels."""
    fields = [(score_column(domain), pa.float32()) for domain in domains]
    fields += [(round_column(domain), pa.int8()) for domain in domains]
    return pa.schema([*fields, ("labels", pa.list_(pa.string()))])


@dataclass(frozen=True)
class LabelStep(Step):
    """Texts and vectors to probabilities and labels.

    Attributes:
        folder: Where the classifier lies.
        digest: Its digest.
        domains: The labels wanted.
    """

    folder: Path
    digest: str
    domains: tuple[str, ...]
    name: ClassVar[str] = "label"
    reads: ClassVar[tuple[str, ...]] = ("text", COLUMN)

    @property
    def writes(self) -> pa.Schema:
        """Probability and round of each domain, and the list of labels."""
        return label_schema(self.domains)

    def settings(self) -> Mapping[str, Any]:
        """The classifier decides everything."""
        return {"classifier": self.digest, "domains": list(self.domains)}

    def open(self) -> StepFunction:
        """Load the classifier."""
        classifier = DomainClassifier.load(self.folder)

        def label(batch: pa.RecordBatch) -> StepResult:
            counts = hashed_counts(batch.column("text"))
            scores, rounds = classifier.score(counts, from_column(batch.column(COLUMN)))
            return label_result(scores, rounds, classifier.thresholds, self.domains)

        return label


def label_result(
    scores: NDArray[np.float32],
    rounds: NDArray[np.int8],
    thresholds: NDArray[np.float32],
    domains: tuple[str, ...],
) -> StepResult:
    """Turn scores into the columns and statistics of labels.

    Args:
        scores: `[n, domains]`.
        rounds: `[n, domains]`.
        thresholds: `[domains]`.
        domains: The domains.

    Returns:
        The result of a step that writes `label_schema`.
    """
    scores = np.clip(scores, 0, 1).astype(np.float32)
    chosen = scores >= thresholds
    columns: dict[str, pa.Array] = {}
    stats: dict[str, Any] = {}
    for number, domain in enumerate(domains):
        columns[score_column(domain)] = pa.array(scores[:, number])
        columns[round_column(domain)] = pa.array(rounds[:, number], pa.int8())
        bins = np.minimum((scores[:, number] * SCORE_BINS).astype(np.int64), SCORE_BINS - 1)
        stats[f"documents:{domain}"] = int(chosen[:, number].sum())
        stats[f"expected:{domain}"] = float(scores[chosen[:, number], number].astype(np.float64).sum())
        stats[f"scores:{domain}"] = [int(count) for count in np.bincount(bins, minlength=SCORE_BINS)]
    columns["labels"] = _label_lists(chosen, domains)
    stats["several labels"] = int((chosen.sum(axis=1) > 1).sum())
    stats["no label"] = int((~chosen.any(axis=1)).sum())
    return StepResult(columns, stats=stats)


def _label_lists(chosen: NDArray[np.bool_], domains: tuple[str, ...]) -> pa.Array:
    which = np.nonzero(chosen)[1]
    offsets = np.concatenate([[0], np.cumsum(chosen.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.array(domains, dtype=object)[which], pa.string()))
