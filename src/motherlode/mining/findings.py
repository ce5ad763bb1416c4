"""Findings: the known ways in which mining fails, recognised in the numbers and said in plain words, with advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motherlode.mining.calibrate import Calibration
from motherlode.mining.retrieve import Neighbours, SeedMatrix

_FEW_DOCUMENTS = 50
_LARGE_SHARE = 0.5
_CONFUSED = 0.3
_IDLE_SEEDS = 0.8  # a threshold that aims at high precision leaves half of a good pack without documents
_OWN_SEEDS = 0.4  # a model that saw four fifths of a shipped pack takes half to nine tenths of the rest for its own


@dataclass(frozen=True)
class Finding:
    """Something that a person should know.

    Attributes:
        code: A stable name of the failure.
        domain: The domain that it concerns.
        text: What was seen, with its numbers.
        advice: What to do.
    """

    code: str
    domain: str
    text: str
    advice: str

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.domain}: {self.text}; {self.advice}"


def seeds_without_documents(
    neighbours: Neighbours, seeds: SeedMatrix, threshold: Mapping[str, float]
) -> dict[str, list[int]]:
    """Find seeds with no document at or above their label's threshold.

    Args:
        neighbours: The nearest documents of each seed.
        seeds: The seeds.
        threshold: The threshold of each domain.

    Returns:
        For each domain, the numbers of such seeds.
    """
    best = np.full(len(seeds.vectors), -1.0)
    np.maximum.at(best, neighbours.seed, neighbours.similarity)
    best[~seeds.vectors.any(axis=1)] = -np.inf  # no word of theirs is known: their cosine of 0 says nothing
    return {
        name: [
            int(seed) for seed in np.flatnonzero(seeds.labels[:, number]) if best[seed] < np.float32(threshold[name])
        ]
        for number, name in enumerate(seeds.names)
        if name in threshold
    }


def confusion_between(seeds: SeedMatrix) -> NDArray[np.float64]:
    """Return `[l, l]`: share of the first label's own seeds whose nearest other seed carries the second label alone.

    Seeds without a known word are near to nothing.
    """
    similarity = seeds.vectors @ seeds.vectors.T
    np.fill_diagonal(similarity, -2)
    carried = seeds.labels[similarity.argmax(axis=1)]
    known: NDArray[np.bool_] = np.any(seeds.vectors != 0, axis=1)
    result = np.zeros((len(seeds.names), len(seeds.names)))
    for first in range(len(seeds.names)):
        own = seeds.labels[:, first]
        for second in range(len(seeds.names)):
            if own.any() and first != second:
                lost = carried[own, second] & ~carried[own, first] & ~seeds.labels[own, second] & known[own]
                result[first, second] = lost.mean()
    return result


def find(
    domains: Sequence[str],
    seeds: SeedMatrix,
    calibrations: Mapping[str, Calibration],
    idle: Mapping[str, Sequence[int]],
    documents: int,
    selected: Mapping[str, int],
    own_seeds: Mapping[str, float],
    stable: bool,
) -> list[Finding]:
    """Look for all known failures.

    Args:
        domains: The domains mined.
        seeds: All seeds.
        calibrations: The calibration of each domain.
        idle: Seeds that found nothing, by domain.
        documents: Documents in the corpus.
        selected: Documents labelled, by domain.
        own_seeds: Share of its own seeds that the classifier accepts, by domain (cross-validated).
        stable: Whether the rounds ended because labels stopped changing.

    Returns:
        What was found, in the order of the domains.
    """
    found: list[Finding] = []
    confused = confusion_between(seeds)
    for domain in domains:
        place = seeds.names.index(domain)
        calibration = calibrations[domain]
        own = int(seeds.labels[:, place].sum())
        blank = int((seeds.labels[:, place] & ~seeds.vectors.any(axis=1)).sum())
        if blank * 2 >= own:
            found.append(
                Finding(
                    "seeds-unknown",
                    domain,
                    f"{blank} of {own} seeds have no word that the encoder knows",
                    "check their language, or use an --encoder that was not fitted on this corpus, e.g. minilm",
                )
            )
        elif idle[domain] and len(idle[domain]) >= _IDLE_SEEDS * own:
            found.append(
                Finding(
                    "seeds-find-nothing",
                    domain,
                    f"{len(idle[domain])} of {own} seeds have no document at cosine {calibration.threshold:.3f} up",
                    "lower --t-sim, or check that the corpus holds the domain (`motherlode search`)",
                )
            )
        if calibration.automatic and not calibration.reached:
            found.append(
                Finding(
                    "target-not-reached",
                    domain,
                    f"no threshold reaches precision {calibration.target:.2f}; at {calibration.threshold:.3f} it "
                    f"is estimated at {calibration.precision:.2f}",
                    "use a stronger --encoder, more varied seeds, or a lower --target-precision",
                )
            )
        if calibration.kept < _FEW_DOCUMENTS:
            found.append(
                Finding(
                    "too-few-retrieved",
                    domain,
                    f"only {calibration.kept} documents reach cosine {calibration.threshold:.3f}",
                    "lower --t-sim or --target-precision; the classifier leans on the seeds alone",
                )
            )
        elif calibration.kept > _LARGE_SHARE * documents:
            found.append(
                Finding(
                    "too-many-retrieved",
                    domain,
                    f"{calibration.kept:,} of {documents:,} documents reach cosine {calibration.threshold:.3f}",
                    "raise --t-sim, or make the seeds more specific",
                )
            )
        rival = int(confused[place].argmax())
        if confused[place, rival] >= _CONFUSED:
            found.append(
                Finding(
                    "close-to-another-domain",
                    domain,
                    f"{confused[place, rival]:.0%} of its seeds are nearest to a seed of '{seeds.names[rival]}'",
                    "make the seeds more specific, or mine the two as one domain",
                )
            )
        if own_seeds[domain] < _OWN_SEEDS:
            found.append(
                Finding(
                    "fails-on-own-seeds",
                    domain,
                    f"the classifier accepts only {own_seeds[domain]:.0%} of the domain's own seeds",
                    "check the seeds with `motherlode seeds check`; add seeds or remove odd ones",
                )
            )
        if selected[domain] == 0:
            found.append(
                Finding(
                    "nothing-selected",
                    domain,
                    "no document was labelled",
                    "check the corpus and the seeds, or lower --min-score",
                )
            )
        elif selected[domain] > _LARGE_SHARE * documents and documents >= _FEW_DOCUMENTS:
            found.append(
                Finding(
                    "too-many-selected",
                    domain,
                    f"{selected[domain]:,} of {documents:,} documents were labelled",
                    "check a few by eye in the report; the seeds may be too general for this corpus",
                )
            )
    if not stable:
        found.append(
            Finding("not-stable", "all domains", "labels were still changing after the last round", "raise --rounds")
        )
    return found
