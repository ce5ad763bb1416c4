"""What a diagnosis found: numbers, verdicts in words, and what was not measured."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from motherlode.diagnosis.agreement import Agreement
from motherlode.diagnosis.outputs import Head, Outputs
from motherlode.diagnosis.preselection import Preselection
from motherlode.diagnosis.recognition import Recognition
from motherlode.diagnosis.regression import Regression
from motherlode.diagnosis.stability import KernelState
from motherlode.shards import store
from motherlode.shards.local_copy import path_here

Answer = Literal["holds", "doubtful", "fails"]
JSON = "diagnosis.json"


@dataclass(frozen=True)
class Verdict:
    """An assumption, and whether it is true here.

    Attributes:
        assumption: What is assumed.
        answer: `holds`, `doubtful` or `fails`.
        measured: The number that decides, in words.
        rule: The thresholds.
        advice: What to do; empty if it holds.
    """

    assumption: str
    answer: Answer
    measured: str
    rule: str
    advice: str = ""


@dataclass(frozen=True)
class Subset:
    """A subset of the pool sample: what training on it was predicted to do to the domain's loss, and did.

    Attributes:
        training: `small step` (one plain gradient step) or `epoch` (of Adam, at the warm-up's rate and batch).
        subset: `best` or `worst` by the kernel `loss`, or `random 1`, `random 2`, ...
        predicted: Change of the loss, in nats.
        measured: Change of the loss, in nats.
    """

    training: str
    subset: str
    predicted: float
    measured: float


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """Whether the kernel's assumptions are true of a model and its data.

    Attributes:
        model: The model's name.
        domain_samples: Domain samples that scores were for.
        pool_samples: Pool samples that were scored.
        top: How many count as chosen.
        trace_probes: Backward passes a batch of the trace kernel.
        trace_exact: Whether it was exact.
        trace_reliability: Agreement of two halves of its random part.
        head: The output head's rows.
        outputs: Single outputs on a part of the vocabulary.
        cross_to_trace: Sum over candidates of |all-ones score - trace score| / sum of |trace score|, whole vocabulary.
        agreements: Kernels against the trace kernel; engines, projections, types and layouts against exact scores.
        stability: Kernels along the warm-up.
        preselections: What votes decide, by kernel.
        regression: Kernel regression against fine-tuning, if a task was given.
        subsets: Predicted and measured changes of the domain's loss.
        predictions: Rank correlation of predicted with measured changes, by training.
        recognitions: Whether scores tell other domain samples from the pool.
        verdicts: The assumptions.
        notes: What was not measured, and why.
        scores: Scores of the pool sample by kernel, for plots.
        pool_rows: Which rows of the pool these are.
        settings: Everything needed to repeat it.
    """

    model: str
    domain_samples: int
    pool_samples: int
    top: int
    trace_probes: int
    trace_exact: bool
    trace_reliability: float | None
    head: Head
    outputs: Outputs
    cross_to_trace: float
    agreements: Sequence[Agreement]
    stability: Sequence[KernelState]
    preselections: Sequence[Preselection]
    regression: Regression | None
    subsets: Sequence[Subset]
    predictions: Mapping[str, float | None]
    recognitions: Sequence[Recognition]
    verdicts: Sequence[Verdict]
    notes: Sequence[str]
    scores: Mapping[str, Sequence[float]] = field(default_factory=dict)
    pool_rows: Sequence[int] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Say what holds."""
        counts = {answer: sum(v.answer == answer for v in self.verdicts) for answer in ("holds", "doubtful", "fails")}
        failing = ", ".join(repr(verdict.assumption) for verdict in self.verdicts if verdict.answer == "fails")
        return (
            f"Diagnosis(model={self.model!r}, domain={self.domain_samples:,}, pool={self.pool_samples:,}, "
            f"holds={counts['holds']}, doubtful={counts['doubtful']}, fails={counts['fails']}"
            f"{f', failing=[{failing}]' if failing else ''})"
        )

    def agreement(self, name: str, against: str | None = None) -> Agreement | None:
        """Return one comparison by its name, e.g. `ntk`; the first of that name unless `against` says which."""
        found = (row for row in self.agreements if row.name == name and against in (None, row.against))
        return next(found, None)

    def as_json(self) -> str:
        """Return everything as JSON: numbers that are not finite become null."""
        text = json.dumps(_plain(dataclasses.asdict(self)), indent=2, ensure_ascii=False, sort_keys=True)
        return text + "\n"

    def write(self, folder: Path | str) -> Path:
        """Write `diagnosis.json` into a folder, which is made if needed.

        Raises:
            StorageError: The folder cannot be written.
        """
        store.make_folder(path_here(folder))
        path = path_here(folder) / JSON
        store.write_text(path, self.as_json())
        return path


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
