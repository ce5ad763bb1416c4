"""A mined folder as a report sees it: opened, checked, and looked through once."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motherlode.corpus.corpus import Corpus, CorpusStats
from motherlode.encode.vectors import COLUMN
from motherlode.errors import InputError
from motherlode.mining.label import round_column, score_column
from motherlode.mining.result import MineResult
from motherlode.mining.retrieve import SeedMatrix, nearest_column, similarity_column
from motherlode.report.rows import Best, fetch, numbered
from motherlode.shards.dataset import Dataset
from motherlode.shards.location import location
from motherlode.shards.manifest import Manifest

EXTREMES = 8  # documents of each kind shown for a domain
PER_SOURCE = 2  # of the most certain documents
_MAP_SHARDS = 64  # shards that the map's documents come from, at most: each has to be read for their texts
_BATCH = 1 << 16


@dataclass(frozen=True)
class SeedText:
    """A seed as the run kept it."""

    id: str
    labels: tuple[str, ...]
    type: str
    text: str


@dataclass
class DomainView:
    """What the pass found for one domain.

    Attributes:
        top: Rows with the highest scores.
        by_source: Rows with the highest scores of each source known.
        above: Rows at or above the score threshold, nearest to it first.
        below: Rows below the score threshold, nearest to it first.
        sample: Random rows with the label.
        near: `[s]` documents at or above the retrieval threshold whose nearest seed is this one.
        near_labelled: `[s]` those of them that got the label.
        sources: Documents with the label, by source, among the sources known.
        labelled: Documents with the label.
    """

    top: Best
    above: Best
    below: Best
    sample: Best
    near: NDArray[np.int64]
    near_labelled: NDArray[np.int64]
    by_source: dict[str, Best] = field(default_factory=dict)
    sources: Counter[str] = field(default_factory=Counter)
    labelled: int = 0

    def most_certain(self) -> list[int]:
        """Return rows with the highest scores, few of one source as long as there are others."""
        several = Best(EXTREMES)
        rows = np.concatenate([best.rows for best in self.by_source.values()] or [self.top.rows])
        keys = np.concatenate([best.keys for best in self.by_source.values()] or [self.top.keys])
        order = np.argsort(rows)
        several.offer(keys[order], rows[order])
        chosen = dict.fromkeys(several.rows.tolist())
        for row in self.top.rows.tolist():
            if len(chosen) < EXTREMES:
                chosen.setdefault(row)
        key = dict(
            zip([*rows.tolist(), *self.top.rows.tolist()], [*keys.tolist(), *self.top.keys.tolist()], strict=True)
        )
        return sorted(chosen, key=lambda row: (key[row], row))


@dataclass(frozen=True)
class View:
    """What the pass found.

    Attributes:
        domains: By domain.
        sample: Random rows of the whole corpus.
        unlabelled: Documents without any label.
    """

    domains: dict[str, DomainView]
    sample: Best
    unlabelled: int


class Mined:
    """A finished run of `mine` and what it was made from.

    Attributes:
        folder: The mined folder.
        result: Its result.
        corpus: The corpus.
        stats: Counts of the corpus.
        seeds: All seeds, by number.
        matrix: Their vectors and labels.
        labels: Side columns with scores.
        retrieved: Side columns with nearest seeds.
        vectors: Side columns with vectors; None if they are gone.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder.

        Args:
            folder: The output folder of `mine`.

        Raises:
            InputError: It, or its corpus, is missing, incomplete or damaged.
            StaleError: The corpus is another one than the run's.
        """
        self.folder = folder
        self.result = MineResult.read(folder)
        self.corpus = Corpus(self._corpus_folder())
        self.stats: CorpusStats = self.corpus.stats()
        self.labels, self.retrieved = Dataset(folder / "labels"), Dataset(folder / "retrieved")
        self.corpus.documents.check_side(self.labels)
        self.corpus.documents.check_side(self.retrieved)
        self.matrix = SeedMatrix.load(folder / "seeds.safetensors")
        self.seeds = _read_seeds(folder / "seeds.jsonl")
        if len(self.seeds) != len(self.matrix.vectors):
            raise InputError("does not belong to this run", where=str(folder / "seeds.jsonl"), hint="run `mine` again")
        self.vectors = self._vectors()
        self.shards = tuple(self.corpus.documents.shards)

    def _corpus_folder(self) -> Path:
        """Return the corpus's folder: where it was, or beside the mined one if both were moved."""
        named = location(self.result.corpus)
        beside = self.folder.resolve().parent / named.name
        return beside if not named.exists() and beside.exists() else named

    def _vectors(self) -> Dataset | None:
        """Find the vectors without loading their encoder."""
        home = self.corpus.folder / Corpus.VECTORS
        for item in sorted(home.iterdir(), reverse=True) if home.is_dir() else []:
            try:
                if Manifest.read(item).settings.get("encoder") == self.result.encoder:
                    vectors = Dataset(item)
                    self.corpus.documents.check_side(vectors)
                    return vectors
            except InputError:
                continue
        return None

    def look(self, map_points: int, random_seed: int) -> View:
        """Go once through all side columns.

        Args:
            map_points: How many documents to sample: half at random, half with labels, equally many of each domain.
            random_seed: Seed of the sample.

        Returns:
            What was found. Memory: a batch, and a few rows for each list.
        """
        names = list(self.result.domains)
        seeds = len(self.seeds)
        labelled_points = map_points // 2
        view = {
            name: DomainView(
                top=Best(EXTREMES),
                above=Best(EXTREMES),
                below=Best(EXTREMES),
                sample=Best(labelled_points // max(1, len(names))),
                near=np.zeros(seeds, dtype=np.int64),
                near_labelled=np.zeros(seeds, dtype=np.int64),
            )
            for name in names
        }
        sample = Best(map_points - labelled_points)
        generator = np.random.default_rng(random_seed)
        mapped = set(generator.permutation(len(self.shards))[:_MAP_SHARDS].tolist())
        unlabelled = place = start = 0
        known = set(self.stats.sources)
        columns = [similarity_column(name) for name in names], [nearest_column(name) for name in names]
        sides = [(self.labels, [score_column(name) for name in names]), (self.retrieved, [*columns[0], *columns[1]])]
        for shard, batch in self.corpus.documents.aligned(["source"], sides, _BATCH):
            if shard != self.shards[place]:
                place, start = self.shards.index(shard, place), 0
            rows = numbered(place, start, batch.num_rows)
            start += batch.num_rows
            lots = generator.random(len(rows)) if place in mapped else None
            any_label = np.zeros(len(rows), dtype=bool)
            sources = batch.column("source").dictionary_encode()
            codes, texts = sources.indices.to_numpy(), sources.dictionary.to_pylist()
            for name, found in view.items():
                score = batch.column(score_column(name)).to_numpy(zero_copy_only=False)
                has = score >= np.float32(self.result.domains[name].score_threshold)
                any_label |= has
                _extremes(found, score, has, rows, self.result.domains[name].score_threshold)
                near = batch.column(similarity_column(name)).to_numpy(zero_copy_only=False)
                which = batch.column(nearest_column(name)).to_numpy(zero_copy_only=False)
                reached = (near >= np.float32(self.result.domains[name].calibration.threshold)) & (which >= 0)
                found.near += np.bincount(which[reached], minlength=seeds)
                found.near_labelled += np.bincount(which[reached & has], minlength=seeds)
                for code in np.unique(codes[has]):
                    if (source := texts[code]) in known:
                        inside = has & (codes == code)
                        found.sources[source] += int(inside.sum())
                        found.by_source.setdefault(source, Best(PER_SOURCE)).offer(-score[inside], rows[inside])
                if lots is not None:
                    found.sample.offer(1 - lots[has], rows[has])  # far from those of the random half
            unlabelled += int((~any_label).sum())
            if lots is not None:
                sample.offer(lots, rows)
        return View(view, sample, unlabelled)

    def read(self, rows: set[int], *, vectors: bool) -> dict[int, dict[str, Any]]:
        """Read all that is shown of chosen rows.

        Args:
            rows: Their numbers.
            vectors: Whether to read their vectors too.

        Returns:
            Values by column, by row.
        """
        names = list(self.result.domains)
        per_document = [*map(score_column, names), *map(round_column, names), "labels"]
        per_seed = [*map(similarity_column, names), *map(nearest_column, names)]
        inputs = [
            (self.corpus.documents, ["id", "text", "source", "words"]),
            (self.labels, per_document),
            (self.retrieved, per_seed),
        ]
        if vectors and self.vectors is not None:
            inputs.append((self.vectors, [COLUMN]))
        return fetch(inputs, self.shards, rows)


def _extremes(
    found: DomainView, score: NDArray[np.float32], has: NDArray[np.bool_], rows: NDArray[np.int64], threshold: float
) -> None:
    found.labelled += int(has.sum())
    found.top.offer(-score[has], rows[has])
    distance = np.abs(score.astype(np.float64) - threshold)
    found.above.offer(distance[has], rows[has])
    found.below.offer(distance[~has], rows[~has])


def _read_seeds(path: Path) -> list[SeedText]:
    try:
        with path.open(encoding="utf-8") as stream:
            records = [json.loads(line) for line in stream]
        return [SeedText(r["id"], tuple(r["labels"]), str(r.get("type") or ""), r["text"]) for r in records]
    except OSError:
        raise InputError("the run's seeds are missing", where=str(path), hint="run `mine` again") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"is damaged ({error})", where=str(path), hint="run `mine` again") from error
