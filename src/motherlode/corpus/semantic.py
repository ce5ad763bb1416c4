"""Semantic near-duplicates: documents whose vectors point in nearly the same direction (SemDeDup, arXiv 2303.09540).

`corpus deduplicate` reads the vectors that `corpus encode` has left beside a corpus and writes another corpus without
all but one of each cluster. Up to `EXACT_DOCUMENTS` documents each is compared with each. Beyond, documents are
compared within the cells of a k-means, each with its own cell and with the next nearest ones; which share of the pairs
that finds is measured on a sample, against each with each, and reported. All vectors are held in memory as float16.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motherlode.config import Config
from motherlode.corpus.chunk import original_id
from motherlode.corpus.corpus import Corpus
from motherlode.corpus.duplicates import Changes
from motherlode.corpus.near_duplicates.components import Clusters, cluster, join
from motherlode.corpus.near_duplicates.report import write_clusters
from motherlode.corpus.outcomes import dropped_later
from motherlode.corpus.stages import Numbers, first_numbers
from motherlode.corpus.write import WriteTask
from motherlode.shards.dataset import Dataset
from motherlode.shards.engine import Engine, LocalEngine
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.location import location
from motherlode.shards.manifest import Entry, Manifest
from motherlode.shards.outputs import check_output

if TYPE_CHECKING:
    from motherlode.encode.vectors import Vectors

EXACT_DOCUMENTS = 100_000
REASON = "semantic duplicate"
STAGE = "semantic duplicates"
_CELL = 2048  # documents, about
_TRAINING = 64  # documents a cell that k-means sees
_SAMPLE = 256  # documents by which the recall is measured
_ROWS, _COLUMNS = 2048, 8192  # compared at a time
_ROUNDING = 1e-6  # of a cosine in float32

Matrix = NDArray[np.float16]


class SemanticOptions(Config):
    """What `corpus deduplicate` does."""

    threshold: float = Field(0.95, gt=0, le=1, description="cosine from which two documents are alike")
    encoder: str | None = Field(None, description="which vectors; absent: the only ones there are")
    cells: int = Field(4, ge=1, description="cells that a document is compared with, in a large corpus")
    random_seed: int = Field(0, ge=0, description="of the k-means and of the sample")


def deduplicate(
    corpus: Corpus,
    out: str | Path,
    options: SemanticOptions | None = None,
    *,
    engine: Engine | None = None,
    overwrite: bool = False,
) -> Corpus:
    """Write a corpus without semantic near-duplicates; of each cluster the longest document stays, the first of equals.

    Args:
        corpus: A corpus with vectors.
        out: The folder of the new corpus.
        options: What can be set.
        engine: Who writes; by default this machine's cores.
        overwrite: Whether another corpus in the folder is replaced.

    Returns:
        The new corpus.

    Raises:
        InputError: There are no vectors, or several kinds and none is named; or the folder must be changed.
    """
    options = options or SemanticOptions.parse({}, "deduplicate")
    vectors = corpus.vectors(options.encoder)
    settings = {"deduplicated": [fingerprint(list(corpus.documents.digest)), vectors.key], **options.model_dump()}
    folder = location(out)
    check_output(folder, [corpus.folder])
    with Manifest.open(folder, "corpus", settings, overwrite=overwrite) as outer:
        if outer.complete:
            return Corpus(folder)
        sources = [corpus.documents.source(shard) for shard in corpus.documents.shards]
        starts = first_numbers(sources)
        clusters, measured = find_semantic_duplicates(corpus, vectors, options)
        write_clusters(folder, clusters, sources, starts, measured)
        dropped = clusters.dropped
        edges = np.searchsorted(dropped, starts)
        tasks = [
            WriteTask(
                shard,
                source,
                Changes({REASON: dropped[edges[n] : edges[n + 1]] - starts[n]} if edges[n] < edges[n + 1] else {}),
                by_place=False,
            )
            for n, (shard, source) in enumerate(zip(corpus.documents.shards, sources, strict=True))
        ]
        own = engine or LocalEngine()
        try:
            with Manifest.open(folder / Corpus.DOCUMENTS, "documents", settings, overwrite=overwrite) as manifest:
                own.run(tasks, manifest, "write")
        finally:
            if engine is None:
                own.close()
        before = corpus.manifest.entries["build"]
        documents = Dataset(folder / Corpus.DOCUMENTS)
        digest = fingerprint("summary", list(documents.digest))
        outer.commit(Entry("build", digest, (), *_outcomes(corpus, before, tasks, len(dropped))))
        outer.finish(["build"])
    return Corpus(folder)


def _outcomes(
    corpus: Corpus, before: Entry, tasks: Sequence[WriteTask], rows: int
) -> tuple[dict[str, int], dict[str, Any]]:
    """Return counts and statistics after documents went; one that was cut goes with the last of its chunks."""
    cut = before.stats.get("chunks", 0) > 0
    gone: Counter[str] = Counter()
    for task in tasks:
        lost = {int(row) for dropped in task.changes.dropped.values() for row in dropped}
        if not lost:
            continue
        source_of: dict[str, str] = {}
        stays: set[str] = set()
        row = 0
        for batch in corpus.documents.source(task.name).batches(["id", "source"]):
            for identity, source in zip(*(batch.column(place).to_pylist() for place in (0, 1)), strict=True):
                whole = original_id(identity) if cut else identity
                source_of[whole] = source
                if row not in lost:
                    stays.add(whole)
                row += 1
        gone.update(source for whole, source in source_of.items() if whole not in stays)
    count = sum(gone.values())
    counts = {**before.counts, "kept": before.counts["kept"] - count, f"dropped:{REASON}": count}
    stages = {**before.stats.get("stages", {}), STAGE: len(before.stats.get("stages", {}))}
    stats = {**before.stats, "stages": stages, **dropped_later(before.stats, STAGE, REASON, gone)}
    if cut:
        stats["chunks_dropped"] = rows
    return dict(sorted(counts.items())), stats


def find_semantic_duplicates(
    corpus: Corpus, vectors: Vectors, options: SemanticOptions
) -> tuple[Clusters, dict[str, float]]:
    """Find clusters of documents with nearly the same direction.

    Args:
        corpus: The documents.
        vectors: Their vectors.
        options: What can be set.

    Returns:
        The clusters over numbers of documents; how many pairs are `alike`, and the share of them that was found
        (`recall`, 1 where each was compared with each).
    """
    corpus.documents.check_side(vectors)
    matrix = np.concatenate([_unit(part).astype(np.float16) for _, part in vectors.matrices()])
    words = np.concatenate([batch.column(0).to_numpy() for batch in corpus.documents.batches(["words"])])
    if len(matrix) <= EXACT_DOCUMENTS:
        everything = np.arange(len(matrix))
        pairs, recall = _compare(matrix, everything, everything, options.threshold), 1.0
    else:
        cells = _cells(matrix, options)
        found = [np.zeros((0, 2), dtype=np.int64)]
        for cell in range(int(cells.max()) + 1):
            own, near = np.flatnonzero(cells[:, 0] == cell), np.flatnonzero((cells == cell).any(axis=1))
            found.append(_compare(matrix, own, near, options.threshold))
        pairs = np.unique(np.concatenate(found), axis=0)
        recall = _recall(matrix, pairs, options)
    members = np.unique(pairs)
    clusters = cluster(members, join(members, [pairs]), words[members].astype(np.float64))
    return clusters, {"alike": len(pairs), "recall": round(recall, 4)}


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors of length one; a zero vector stays, and is like nothing."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12)))


def _compare(matrix: Matrix, rows: Numbers, columns: Numbers, threshold: float) -> Numbers:
    """Return `[p, 2]` pairs of a row and another column that are alike, the smaller number first, each once."""
    found = [np.zeros((0, 2), dtype=np.int64)]
    for left in _blocks(rows, _ROWS):
        here = _unit(
            matrix[left].astype(np.float32)
        )  # again: float16 moves lengths, and equals must have a cosine of 1
        for right in _blocks(columns, _COLUMNS):
            if right[-1] <= left[0] and len(rows) == len(columns):
                continue  # the pair was met the other way round
            cosines = here @ _unit(matrix[right].astype(np.float32)).T
            row, column = np.nonzero(cosines >= np.float32(threshold - _ROUNDING))
            pairs = np.stack([left[row], right[column]], axis=1)
            found.append(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _blocks(numbers: Numbers, size: int) -> Iterator[Numbers]:
    return (numbers[start : start + size] for start in range(0, len(numbers), size))


def _cells(matrix: Matrix, options: SemanticOptions) -> Numbers:
    """Return `[n, cells]`: the nearest cells of each document, its own first."""
    from sklearn.cluster import MiniBatchKMeans

    count = max(1, len(matrix) // _CELL)
    generator = np.random.default_rng(options.random_seed)
    sample = np.sort(generator.choice(len(matrix), min(len(matrix), count * _TRAINING), replace=False))
    means = MiniBatchKMeans(count, n_init=1, random_state=options.random_seed, batch_size=max(1024, 4 * count))
    centres = _unit(means.fit(matrix[sample].astype(np.float32)).cluster_centers_.astype(np.float32))
    nearest = [
        np.argsort(-(matrix[part].astype(np.float32) @ centres.T), axis=1, kind="stable")[:, : options.cells]
        for part in _blocks(np.arange(len(matrix)), _ROWS)
    ]
    return np.concatenate(nearest)


def _recall(matrix: Matrix, pairs: Numbers, options: SemanticOptions) -> float:
    """Compare a sample of documents with all, and return which share of their pairs was found."""
    generator = np.random.default_rng(options.random_seed + 1)
    sample = np.sort(generator.choice(len(matrix), min(len(matrix), _SAMPLE), replace=False))
    truth = {(a, b) for a, b in _compare(matrix, sample, np.arange(len(matrix)), options.threshold).tolist()}
    found = {(a, b) for a, b in pairs[np.isin(pairs, sample).any(axis=1)].tolist()}
    return len(truth & found) / len(truth) if truth else 1.0
