"""What a run of `mine` says of itself: counts, thresholds, curves, findings; written as JSON, read by the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motherlode.errors import InputError
from motherlode.mining.calibrate import Calibration
from motherlode.mining.findings import Finding
from motherlode.shards.location import location


@dataclass(frozen=True)
class DomainResult:
    """What was mined for one domain.

    Attributes:
        name: The domain.
        folder: Where its documents lie.
        seeds: Number of seeds.
        calibration: The retrieval threshold, and how it came about.
        found: Documents that retrieval found (nearest of some seed and above the threshold).
        score_threshold: Least score of a labelled document.
        labelled: Documents with the label.
        documents: Documents exported.
        words: Words exported.
        expected_precision: Mean score of the labelled documents: the precision that the classifier expects of itself.
        own_seeds: Share of the domain's seeds that the classifier accepts, cross-validated.
        idle_seeds: Ids of seeds that found nothing.
        score_histogram: Documents by score, in hundredths.
        agreement: Share of the labelled documents whose nearest seed of all carries the label, corrected for chance;
            None in results of earlier versions.
        crowd: Share of the labelled documents that are nearest to one and the same seed; None as above.
    """

    name: str
    folder: str
    seeds: int
    calibration: Calibration
    found: int
    score_threshold: float
    labelled: int
    documents: int
    words: int
    expected_precision: float
    own_seeds: float
    idle_seeds: tuple[str, ...]
    score_histogram: tuple[int, ...]
    agreement: float | None = None
    crowd: float | None = None


@dataclass(frozen=True)
class CascadeResult:
    """What a cascade did, and what it passed over.

    Attributes:
        encoder: The strong encoder's specification.
        encoded: Documents that it read.
        audited: Random passed-over documents that it read as well, as a check.
        changed: How many of these would have changed a label: what the cascade loses.
    """

    encoder: str
    encoded: int
    audited: int
    changed: int


@dataclass(frozen=True)
class MineResult:
    """What `mine` did.

    Attributes:
        folder: The output folder.
        corpus: The corpus's folder.
        encoder: The encoder's specification.
        documents: Documents in the corpus.
        contrast: Contrast packs that took part.
        domains: Results by domain.
        rounds: For each round: its number, documents labelled by domain, share of the pool whose label changed.
        stable: Whether the rounds ended because labels stopped changing.
        several_labels: Documents with more than one label.
        cascade: What the cascade did; None without one.
        findings: What a person should know.
        retrieval: How the nearest documents of each seed were found: exact, or ann (by the index).
        recall: Share of the exact ones that the index found, measured on a sample of the seeds; None if exact.
    """

    folder: str
    corpus: str
    encoder: str
    documents: int
    contrast: tuple[str, ...]
    domains: dict[str, DomainResult]
    rounds: tuple[Mapping[str, Any], ...]
    stable: bool
    several_labels: int
    cascade: CascadeResult | None
    findings: tuple[Finding, ...]
    retrieval: str = "exact"
    recall: float | None = None

    def __repr__(self) -> str:
        """Say what was found."""
        parts = [f"{name}={result.documents:,}" for name, result in self.domains.items()]
        return f"MineResult({self.folder!r}, of={self.documents:,}, {', '.join(parts)}, findings={len(self.findings)})"

    @classmethod
    def read(cls, folder: str | Path) -> MineResult:
        """Read the result of an earlier run.

        Raises:
            InputError: There is none, or it is damaged.
        """
        path = location(folder) / "result.json"
        try:
            values = json.loads(path.read_text("utf-8"))
            domains = {}
            for name, value in values.pop("domains").items():
                calibration = value.pop("calibration")
                for key in ("curve", "sweep"):
                    calibration[key] = tuple(tuple(point) for point in calibration[key])
                for key in ("idle_seeds", "score_histogram"):
                    value[key] = tuple(value[key])
                domains[name] = DomainResult(calibration=Calibration(**calibration), **value)
            findings = tuple(Finding(**value) for value in values.pop("findings"))
            cascade = values.pop("cascade")
            values["cascade"] = None if cascade is None else CascadeResult(**cascade)
            rounds, contrast = tuple(values.pop("rounds")), tuple(values.pop("contrast"))
            return cls(domains=domains, findings=findings, rounds=rounds, contrast=contrast, **values)
        except OSError:
            what = "holds no result of `mine`" if path.parent.is_dir() else "no such folder"
            raise InputError(what, where=str(folder), hint="name a folder that `mine` wrote") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"is damaged ({error})", where=str(path), hint="run `mine` again") from error
