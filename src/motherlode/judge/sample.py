"""Which documents are judged: a random sample of each stratum of a mined corpus.

Strata: for each domain the documents whose strongest label it is; of those without a label, the ones that some domain
came near to (a score of a tenth of its threshold or more), where what was missed is to be expected, and all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motherlode.corpus.corpus import Corpus
from motherlode.encode.rows import Best, fetch, numbered
from motherlode.mining.label import score_column
from motherlode.mining.result import MineResult
from motherlode.shards.dataset import Dataset

NEAR, FAR = "rejected, near", "rejected, far"
_NEAR = 0.1  # of a threshold


@dataclass(frozen=True)
class Drawn:
    """A document to judge.

    Attributes:
        id: Its id.
        text: Its text.
        labels: What it was given.
        scores: By domain.
        stratum: Its stratum's number.
    """

    id: str
    text: str
    labels: tuple[str, ...]
    scores: dict[str, float]
    stratum: int


@dataclass(frozen=True)
class Sample:
    """What was drawn.

    Attributes:
        domains: The run's domains.
        strata: Names of strata.
        sizes: `[strata]` documents of the corpus.
        labelled: `[strata, domains]` those with each label.
        documents: Those drawn, by stratum, in the order of the corpus.
    """

    domains: tuple[str, ...]
    strata: tuple[str, ...]
    sizes: NDArray[np.int64]
    labelled: NDArray[np.int64]
    documents: list[Drawn]


def draw(result: MineResult, corpus: Corpus, labels: Dataset, count: int, random_seed: int) -> Sample:
    """Draw documents.

    Args:
        result: The run.
        corpus: Its corpus.
        labels: Its scores.
        count: Documents of each domain; as many of the rejected, half of them near a domain.
        random_seed: Seed of the draw.

    Returns:
        The sample. Memory: a batch, and the documents drawn.
    """
    domains = tuple(result.domains)
    thresholds = np.array([result.domains[name].score_threshold for name in domains], dtype=np.float32)
    strata = (*domains, NEAR, FAR)
    wanted = [*(count for _ in domains), -(-count // 2), -(-count // 2)]
    best = [Best(most) for most in wanted]
    sizes = np.zeros(len(strata), dtype=np.int64)
    labelled = np.zeros((len(strata), len(domains)), dtype=np.int64)
    generator = np.random.default_rng(random_seed)
    shards = tuple(corpus.documents.shards)
    columns = [score_column(name) for name in domains]
    place = start = 0
    for shard, batch in corpus.documents.aligned(["words"], [(labels, columns)]):
        if shard != shards[place]:
            place, start = shards.index(shard, place), 0
        rows = numbered(place, start, batch.num_rows)
        start += batch.num_rows
        scores = np.stack([batch.column(name).to_numpy(zero_copy_only=False) for name in columns], axis=1)
        has = scores >= thresholds
        stratum = np.where(has, scores, -1).argmax(axis=1)
        near = (scores >= _NEAR * thresholds).any(axis=1)
        stratum = np.where(has.any(axis=1), stratum, np.where(near, len(domains), len(domains) + 1))
        keys = generator.random(batch.num_rows)
        for number in range(len(strata)):
            inside = stratum == number
            best[number].offer(keys[inside], rows[inside])
            sizes[number] += int(inside.sum())
            labelled[number] += has[inside].sum(axis=0)
    chosen = {int(row): number for number, rows in enumerate(best) for row in rows.rows}
    found = fetch([(corpus.documents, ["id", "text"]), (labels, columns)], shards, chosen)
    documents = [_drawn(found[row], chosen[row], domains, thresholds) for row in sorted(chosen)]
    return Sample(domains, strata, sizes, labelled, documents)


def _drawn(row: dict[str, Any], stratum: int, domains: tuple[str, ...], thresholds: NDArray[np.float32]) -> Drawn:
    scores = {name: float(row[score_column(name)]) for name in domains}
    given = [name for name, least in zip(domains, thresholds, strict=True) if np.float32(scores[name]) >= least]
    return Drawn(row["id"], row["text"], tuple(given), scores, stratum)
