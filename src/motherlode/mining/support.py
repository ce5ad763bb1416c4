"""Support: whether the seeds stand behind what the classifier labelled.

A classifier's mean score says how sure it is, not whether it is right: where a domain is rare, rounds of relabelling
can drift to a crowd of other documents that resembles one seed, and end surer than ever (measured: psychology at 0.5 %
of a corpus, 703 documents labelled with a mean score of 0.98, three of them right). What the classifier does not decide
are the cosines of retrieval, and they betray two such cases:

- `agreement`, the share of labelled documents whose nearest seed of all, contrast packs included, carries the label,
  corrected for wins by chance as in `calibrate`: near zero if the seeds have nothing to do with what was labelled;
- `crowd`, the share of labelled documents whose nearest seed of the label is one and the same: 0.72 in the case above,
  0.2 at most in runs that went well.

Neither is a precision: seeds are written, documents are found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from motherlode.mining.findings import Finding
from motherlode.mining.label import score_column
from motherlode.mining.result import DomainResult
from motherlode.mining.retrieve import nearest_column, similarity_column
from motherlode.shards.dataset import Dataset

_FEW_DOCUMENTS = 50
_FEW_SEEDS = 8  # fewer cannot share the documents evenly
_AGREEMENT = 0.15  # 0.37 to 0.95 where what was labelled was right (benchmark, four domains at two shares)
_CROWD = 0.5  # 0.05 to 0.2 there; 0.7 where a rare domain drifted to documents that resemble one of its seeds


@dataclass(frozen=True)
class Support:
    """How far the seeds stand behind a label.

    Attributes:
        agreement: Share of labelled documents whose nearest seed carries the label, corrected for chance, 0 to 1.
        crowd: Share of labelled documents that are nearest to one and the same seed of the label, 0 to 1.
        seed: The number of that seed; -1 if no document is labelled.
    """

    agreement: float
    crowd: float
    seed: int


def measure_support(
    documents: Dataset,
    labels: Dataset,
    retrieved: Dataset,
    names: tuple[str, ...],
    thresholds: Mapping[str, float],
    false_hit: Mapping[str, float],
    seeds: int,
) -> dict[str, Support]:
    """Measure the support of each domain, in one pass over side columns.

    Args:
        documents: The corpus's documents.
        labels: Their scores.
        retrieved: Their cosines to the nearest seed of every label.
        names: All labels, contrast packs included.
        thresholds: The least score of a labelled document, by domain.
        false_hit: Share of the other labels' seeds whose nearest other seed carries the label (`seed_confusion`).
        seeds: Number of seeds, contrast packs included.

    Returns:
        The support of each domain.
    """
    labelled, won = dict.fromkeys(thresholds, 0), dict.fromkeys(thresholds, 0)
    nearest = {name: np.zeros(seeds, dtype=np.int64) for name in thresholds}
    similarities = [similarity_column(name) for name in names]
    near = [nearest_column(name) for name in thresholds]
    scores = [score_column(name) for name in thresholds]
    for _, batch in documents.aligned([], [(labels, scores), (retrieved, [*similarities, *near])]):
        cosines = np.stack([batch.column(name).to_numpy() for name in similarities], axis=1)
        winner = cosines.argmax(axis=1)
        for name, threshold in thresholds.items():
            chosen = batch.column(score_column(name)).to_numpy() >= np.float32(threshold)
            labelled[name] += int(chosen.sum())
            won[name] += int((winner[chosen] == names.index(name)).sum())
            chosen &= cosines[:, names.index(name)] > 0  # a text without a known word is near to nothing
            nearest[name] += np.bincount(batch.column(nearest_column(name)).to_numpy()[chosen], minlength=seeds)
    return {
        name: Support(
            agreement=_above_chance(won[name] / max(1, labelled[name]), false_hit[name]),
            crowd=float(nearest[name].max()) / max(1, labelled[name]),
            seed=int(nearest[name].argmax()) if labelled[name] else -1,
        )
        for name in thresholds
    }


def _above_chance(share: float, false_hit: float) -> float:
    return float(np.clip((share - false_hit) / max(1e-9, 1 - false_hit), 0, 1))


def unsupported(
    domains: Mapping[str, DomainResult], support: Mapping[str, Support], seeds: Sequence[str]
) -> list[Finding]:
    """Look for labels behind which the seeds do not stand, however sure the classifier is of itself.

    Args:
        domains: What was mined.
        support: The support of each domain.
        seeds: Ids of all seeds by number.

    Returns:
        What was found, in the order of the domains.
    """
    found: list[Finding] = []
    for name, domain in domains.items():
        if domain.labelled < _FEW_DOCUMENTS:
            continue
        claim = f"so do not trust the expected precision of {domain.expected_precision:.2f}"
        if support[name].agreement < _AGREEMENT:
            found.append(
                Finding(
                    "seeds-disagree",
                    name,
                    f"hardly any of the {domain.labelled:,} labelled documents is nearer to its seeds than to other "
                    f"seeds ({support[name].agreement:.0%} above chance), {claim}",
                    "read some in the report; the corpus may not hold the domain (`motherlode search`)",
                )
            )
        elif domain.seeds >= _FEW_SEEDS and support[name].crowd >= _CROWD:
            found.append(
                Finding(
                    "leans-on-one-seed",
                    name,
                    f"{support[name].crowd:.0%} of the {domain.labelled:,} labelled documents are nearest to one seed, "
                    f"{seeds[support[name].seed]}, {claim}",
                    "read some in the report; if they are not of the domain, rewrite that seed or use --cascade minilm",
                )
            )
    return found
