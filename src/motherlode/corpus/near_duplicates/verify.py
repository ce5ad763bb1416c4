"""How alike candidate pairs are: their Jaccard similarity, from all distinct n-grams or from signatures.

Only documents of candidate pairs are looked at again. Their n-grams (4 bytes each) are written per staging shard as
Arrow files that are mapped into memory, so that a pair's two documents may lie anywhere; then pairs are compared by
tasks, each with a range of first documents. A pair costs two short reads and a sort of some hundred numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.corpus.mapped import read_mapped, write_mapped
from motherlode.corpus.near_duplicates.bands import read_pairs, unique_pairs
from motherlode.corpus.near_duplicates.minhash import shingle_sets, shingles, signatures
from motherlode.corpus.near_duplicates.options import NearDuplicateOptions
from motherlode.corpus.stages import Numbers
from motherlode.corpus.words import text_runs
from motherlode.shards.dataset import Source
from motherlode.shards.fingerprint import bytes_digest, fingerprint
from motherlode.shards.manifest import Entry
from motherlode.shards.task import write_shard

EDGES = pa.schema([("left", pa.int64()), ("right", pa.int64()), ("similarity", pa.float32())])
_TASK_PAIRS = 2_000_000  # candidates a task compares, about
_VALUES = 1_000_000  # numbers sorted at a time


@dataclass(frozen=True)
class SketchTask:
    """What the candidates of one staging shard are compared by."""

    name: str
    source: Source
    rows: Numbers
    ngram: int
    permutations: int  # 0: all distinct n-grams

    @property
    def fingerprint(self) -> str:
        """Digest of the shard, of the rows and of how they are read."""
        rows = bytes_digest(self.rows.tobytes())
        return fingerprint("near-duplicate sketches", 1, self.source.digest, rows, self.ngram, self.permutations)

    @property
    def size(self) -> int:
        """Candidates."""
        return len(self.rows)

    def run(self, folder: Path) -> Entry:
        """Write the rows and what they are compared by."""
        values, sizes = [], []
        start = 0
        for batch in self.source.batches(["text"]):
            inside = self.rows[(self.rows >= start) & (self.rows < start + batch.num_rows)] - start
            texts = batch.column(0).take(pa.array(inside)).to_pylist()
            start += batch.num_rows
            for run in text_runs(texts):
                found = shingles(run, self.ngram)
                if self.permutations:
                    signature = signatures(found, self.permutations)
                    values.append(signature.reshape(-1))
                    sizes.append(np.full(len(signature), self.permutations))
                else:
                    these, bounds = shingle_sets(found)
                    values.append(these)
                    sizes.append(np.diff(bounds))
        offsets = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64)
        table = pa.table(
            {
                "row": pa.array(self.rows, pa.int64()),
                "values": pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(values))),
            }
        )
        file = write_mapped(folder, f"{self.name}.arrow", table)
        return Entry(self.name, self.fingerprint, (file,))


@dataclass(frozen=True)
class Sketches:
    """The sketches of all shards that have candidates.

    Attributes:
        starts: `[s + 1]`, the number of the first document of each staging shard.
        sources: By shard, its file.
    """

    starts: Numbers
    sources: dict[int, Source]

    def of(self, number: int) -> NDArray[np.uint32]:
        """Return what a document is compared by."""
        shard = int(np.searchsorted(self.starts, number, side="right")) - 1
        source = self.sources[shard]
        batch = read_mapped(source)
        place = int(np.searchsorted(batch.column(0).to_numpy(), number - self.starts[shard]))
        values: NDArray[np.uint32] = batch.column(1)[place].values.to_numpy()
        return values


@dataclass(frozen=True)
class VerifyTask:
    """The candidate pairs whose first document is in a range."""

    name: str
    pairs: tuple[Source, ...]
    low: int
    high: int
    sketches: Sketches
    threshold: float
    signatures: bool

    @property
    def fingerprint(self) -> str:
        """Digest of the pairs, of the sketches and of the threshold."""
        pairs = [source.digest for source in self.pairs]
        sketches = [[shard, source.digest] for shard, source in self.sketches.sources.items()]
        where = [self.low, self.high, self.sketches.starts.tolist()]
        return fingerprint("near-duplicate edges", 1, pairs, sketches, where, self.threshold, self.signatures)

    @property
    def size(self) -> int:
        """Documents in the range."""
        return self.high - self.low

    def run(self, folder: Path) -> Entry:
        """Write the pairs that reach the threshold."""
        parts = (part[(part[:, 0] >= self.low) & (part[:, 0] < self.high)] for part in read_pairs(self.pairs))
        pairs = unique_pairs(np.concatenate([np.zeros((0, 2), dtype=np.int64), *parts]))
        similarity = self._similarities(pairs)
        alike = similarity >= self.threshold
        columns = [pairs[alike, 0], pairs[alike, 1], similarity[alike].astype(np.float32)]
        file = write_shard(folder, f"{self.name}.parquet", pa.table(columns, schema=EDGES))
        return Entry(self.name, self.fingerprint, (file,), stats={"compared": len(pairs), "alike": int(alike.sum())})

    def _similarities(self, pairs: Numbers) -> NDArray[np.float64]:
        result = np.zeros(len(pairs))
        start, last = 0, -1
        lefts: list[NDArray[np.uint32]] = []
        rights: list[NDArray[np.uint32]] = []
        held = 0
        compare = shared_places if self.signatures else jaccard
        for place, (left, right) in enumerate(pairs.tolist()):
            lefts.append(lefts[-1] if left == last and lefts else self.sketches.of(left))
            rights.append(self.sketches.of(right))
            last = left
            held += len(lefts[-1]) + len(rights[-1])
            if held >= _VALUES:
                result[start : place + 1] = compare(lefts, rights)
                start, held, lefts, rights = place + 1, 0, [], []
        if lefts:
            result[start:] = compare(lefts, rights)
        return result


def jaccard(lefts: Sequence[NDArray[np.uint32]], rights: Sequence[NDArray[np.uint32]]) -> NDArray[np.float64]:
    """Return the Jaccard similarities of n pairs of sets.

    Args:
        lefts: n sets, each an array without repeats; none is empty.
        rights: n sets.
    """
    pair = np.arange(len(lefts), dtype=np.uint64) << np.uint64(32)
    left_sizes = np.fromiter(map(len, lefts), dtype=np.int64, count=len(lefts))
    right_sizes = np.fromiter(map(len, rights), dtype=np.int64, count=len(rights))
    left = np.concatenate(lefts).astype(np.uint64) | np.repeat(pair, left_sizes)
    right = np.concatenate(rights).astype(np.uint64) | np.repeat(pair, right_sizes)
    both = np.sort(np.concatenate([left, right]))
    common = both[1:][both[1:] == both[:-1]] >> np.uint64(32)
    shared = np.bincount(common.astype(np.int64), minlength=len(lefts))
    return np.asarray(shared / (left_sizes + right_sizes - shared))


def shared_places(lefts: Sequence[NDArray[np.uint32]], rights: Sequence[NDArray[np.uint32]]) -> NDArray[np.float64]:
    """Return the share of places where n pairs of signatures of one length agree."""
    return np.asarray((np.stack(lefts) == np.stack(rights)).mean(axis=1))


def sketch_tasks(
    shards: Sequence[Source], starts: Numbers, wanted: NDArray[np.bool_], options: NearDuplicateOptions
) -> dict[int, SketchTask]:
    """Plan one task for every shard that has candidates.

    Args:
        shards: Staging shards.
        starts: `[s + 1]`, the number of the first document of each.
        wanted: `[n]`, which documents are candidates.
        options: What can be set.
    """
    bands, rows = options.bands_and_rows
    permutations = bands * rows if options.near_duplicate_verify == "signature" else 0
    tasks = {}
    for place, shard in enumerate(shards):
        these = np.flatnonzero(wanted[starts[place] : starts[place + 1]])
        if len(these):
            ngram = options.near_duplicate_ngram
            tasks[place] = SketchTask(f"sketch-{shard.path.stem}", shard, these, ngram, permutations)
    return tasks


def verify_tasks(
    pairs: Sequence[Source], first_of_pairs: Numbers, sketches: Sketches, options: NearDuplicateOptions
) -> list[VerifyTask]:
    """Plan the comparison of all pairs.

    Args:
        pairs: Files of candidate pairs.
        first_of_pairs: `[s]`, how many pairs have their first document in each staging shard.
        sketches: What documents are compared by.
        options: What can be set.
    """
    ranges, held, low = [], 0, 0
    for place, count in enumerate(first_of_pairs.tolist()):
        held += count
        if held >= _TASK_PAIRS or place == len(first_of_pairs) - 1:
            ranges.append((int(sketches.starts[low]), int(sketches.starts[place + 1])))
            held, low = 0, place + 1
    signature = options.near_duplicate_verify == "signature"
    threshold = options.near_duplicate_threshold
    return [
        VerifyTask(f"edges-{n:04d}", tuple(pairs), low, high, sketches, threshold, signature)
        for n, (low, high) in enumerate(ranges)
    ]
