"""Whether near-duplicates are found, against brute force, and what that costs in time and memory as a corpus grows.

Real documents, of which some are replaced by edited copies of others: words replaced, put in, left out, or the end cut
off, at graded rates. The truth is every pair with a Jaccard similarity of at least the threshold over the same word
n-grams, by sparse matrix products. Prints recall and precision of pairs and of dropped documents, recall by similarity,
then documents/s and peak memory of the near-duplicate stages at several sizes, each in a process of its own.

    python benchmarks/near_duplicates.py [--data DIR] [--documents 20000] [--sizes 5000,20000,80000]
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from labelled_data import DEFAULT_DATA, load_corpus
from mining_throughput import documents
from motherlode.corpus.filters import count_words
from motherlode.corpus.near_duplicates.bands import read_pairs
from motherlode.corpus.near_duplicates.decide import find_near_duplicates
from motherlode.corpus.near_duplicates.minhash import shingles
from motherlode.corpus.near_duplicates.options import NearDuplicateOptions
from motherlode.corpus.stages import Scratch, all_files
from motherlode.shards.dataset import Dataset, Source
from motherlode.shards.engine import LocalEngine
from motherlode.shards.task import write_shard

SHARD_ROWS = 8192
EDITED = 0.3  # share of documents that are edited copies
RATES = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1)  # of words that are edited


def plant(texts: list[str], random_seed: int) -> list[str]:
    """Replace some of the texts by edited copies of others."""
    chance = random.Random(random_seed)
    vocabulary = [word for text in texts[:500] for word in text.split()]
    made = list(texts)
    copies = chance.sample(range(len(texts)), int(EDITED * len(texts)))
    originals = sorted({*range(len(texts))} - {*copies})
    for place in copies:
        words = made[chance.choice(originals)].split()
        rate, kinds = chance.choice(RATES), chance.choice(["replace", "insert", "delete", "truncate", "all"])
        if kinds == "truncate":
            words = words[: max(1, round(len(words) * chance.uniform(0.7, 1)))]
        else:
            for at in range(len(words) - 1, -1, -1):
                if chance.random() < rate:
                    kind = chance.choice(["replace", "insert", "delete"]) if kinds == "all" else kinds
                    new = [] if kind == "delete" else [chance.choice(vocabulary)]
                    words[at : at + 1] = [*new, words[at]] if kind == "insert" else new
        made[place] = " ".join(words)
    return made


def write_shards(folder: Path, texts: list[str]) -> list[Source]:
    """Write staging shards."""
    sources = []
    for start in range(0, len(texts), SHARD_ROWS):
        part = pa.array(texts[start : start + SHARD_ROWS], pa.string())
        ids = pa.array([str(start + n) for n in range(len(part))], pa.string())
        table = pa.table({"id": ids, "text": part, "source": ids, "words": count_words(part)})
        file = write_shard(folder, f"shard-{start:08d}.parquet", table)
        sources.append(Source(folder / file.name, file.digest, file.rows))
    return sources


def truth(texts: list[str], ngram: int, threshold: float) -> dict[tuple[int, int], float]:
    """Return all pairs that are alike, by comparing each with each."""
    found = shingles(texts, ngram)
    _, columns = np.unique(found.hashes, return_inverse=True)
    shape = (len(texts), int(columns.max()) + 1)
    matrix = sparse.csr_matrix((np.ones(len(columns), dtype=np.int32), columns, found.bounds), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    sizes, transposed = np.diff(matrix.indptr), matrix.T.tocsr()
    pairs: dict[tuple[int, int], float] = {}
    for start in range(0, len(texts), 1000):
        shared = (matrix[start : start + 1000] @ transposed).tocoo()
        left, right = shared.row + start, shared.col
        similarity = shared.data / (sizes[left] + sizes[right] - shared.data)
        alike = (left < right) & (similarity >= threshold)
        triples = zip(left[alike].tolist(), right[alike].tolist(), similarity[alike].tolist(), strict=True)
        pairs |= {(a, b): value for a, b, value in triples}
    return pairs


def dropped_by(pairs: set[tuple[int, int]], texts: list[str]) -> set[int]:
    """Return what goes if the longest of each connected component stays, the first of equals."""
    ends = np.array(sorted(pairs))
    graph = sparse.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(texts),) * 2)
    _, label = connected_components(graph, directed=False)
    best: dict[int, int] = {}
    words = count_words(pa.array(texts, pa.string())).to_pylist()
    for number in range(len(texts)):
        kept = best.setdefault(int(label[number]), number)
        if words[number] > words[kept]:
            best[int(label[number])] = number
    return {*range(len(texts))} - {*best.values()}


def score(texts: list[str], options: NearDuplicateOptions) -> None:
    """Print recall and precision."""
    real = truth(texts, options.near_duplicate_ngram, options.near_duplicate_threshold)
    gone = dropped_by(set(real), texts)
    with tempfile.TemporaryDirectory() as name:
        shards = write_shards(Path(name), texts)
        scratch = Scratch(Path(name) / "scratch", {}, LocalEngine(1, quiet=True))
        nothing = [np.zeros(0, dtype=np.int64) for _ in shards]
        clusters, counts = find_near_duplicates(shards, nothing, options, scratch)
        stage = "pairs" if options.near_duplicate_verify == "none" else "edges"
        edges = all_files(Dataset(scratch.folder / stage))
        found = {(int(a), int(b)) for part in read_pairs(edges) for a, b in part}
    dropped = set(clusters.dropped.tolist())
    hit, bands = len(found & set(real)), options.bands_and_rows
    by_similarity = []
    for low in (0.8, 0.85, 0.9, 0.95):
        these = [pair for pair, value in real.items() if low <= value < low + 0.05 + (low == 0.95)]
        by_similarity.append(f"{sum(pair in found for pair in these) / max(1, len(these)):>8.4f}")
    candidates = counts.get("candidates", len(found))
    print(
        f"{options.near_duplicate_verify:>9} {bands[0]:>3} x {bands[1]:<3} {candidates:>10,} ",
        f"{len(real):>7,} {hit / len(real):>7.4f} {hit / max(1, len(found)):>9.4f} ",
        f"{len(gone):>7,} {len(dropped & gone) / len(gone):>7.4f} {len(dropped & gone) / len(dropped):>9.4f} ",
        *by_similarity,
    )


def _cost(folder: str, pipe: Any) -> None:
    paths = sorted(Path(folder).glob("shard-*.parquet"))
    import pyarrow.parquet as pq

    from motherlode.shards.fingerprint import file_digest

    shards = [Source(path, file_digest(path), pq.read_metadata(path).num_rows) for path in paths]
    nothing = [np.zeros(0, dtype=np.int64) for _ in shards]
    begin = time.perf_counter()
    scratch = Scratch(Path(folder) / "scratch", {}, LocalEngine(1, quiet=True))
    clusters, counts = find_near_duplicates(shards, nothing, NearDuplicateOptions(), scratch)
    seconds = time.perf_counter() - begin
    status = Path("/proc/self/status").read_text()  # `ru_maxrss` would tell the parent's memory
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    size = sum(file.stat().st_size for file in (Path(folder) / "scratch").rglob("*") if file.is_file())
    pipe.send((seconds, peak, size, len(clusters.sizes), counts["candidates"]))


def cost(source: list[str], size: int) -> None:
    """Print time and memory of one process on one core."""
    with tempfile.TemporaryDirectory() as name:
        write_shards(Path(name), plant([row["text"] for row in documents(source, size)], 1))
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_cost, args=(name, theirs))
        process.start()
        seconds, peak, disk, clusters, candidates = ours.recv()
        process.join()
    print(f"{size:>9,} {size / seconds:>11,.0f} {peak:>9,.0f} {disk / size:>15,.0f} {clusters:>9,} {candidates:>10,}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--sizes", default="5000,20000,80000")
    arguments = parser.parse_args()
    texts = list(load_corpus(arguments.data).texts)
    random.Random(0).shuffle(texts)
    print(f"{'pairs':>47} {'dropped':>27} {'recall of pairs by similarity':>43}")
    columns = f"{'true':>7} {'recall':>7} {'precision':>9} "
    print("   verify bands     candidates ", columns, columns, *(f"{low:>7}+" for low in (0.8, 0.85, 0.9, 0.95)))
    planted = plant(texts[: arguments.documents], 0)
    for verify in ("exact", "signature", "none"):
        score(planted, NearDuplicateOptions(near_duplicate_verify=verify))  # type: ignore[arg-type]
    score(planted, NearDuplicateOptions(near_duplicate_bands=14, near_duplicate_rows=8))
    print()
    print("documents documents/s  peak MiB  disk bytes/doc  clusters candidates")
    for size in arguments.sizes.split(","):
        cost(texts, int(size))


if __name__ == "__main__":
    main()
