"""What a person asks about near-duplicates: how large the clusters are, and what is in the largest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motherlode.corpus.near_duplicates.components import Clusters
from motherlode.shards import store
from motherlode.shards.dataset import Source

FOLDER = "duplicates"
FILE = "near.json"
_EXAMPLES = 10  # clusters
_MEMBERS = 5  # of each
_CHARACTERS = 160  # of each text's beginning


def write_clusters(
    folder: Path, clusters: Clusters, shards: Sequence[Source], starts: NDArray[np.int64], pairs: Mapping[str, float]
) -> None:
    """Write sizes and examples into a corpus.

    Args:
        folder: The corpus.
        clusters: The clusters.
        shards: Staging shards, for ids and texts of the examples.
        starts: `[s + 1]`, the number of the first document of each shard.
        pairs: Counts of pairs, by what became of them.
    """
    sizes = clusters.sizes
    bins = np.bincount(np.log2(sizes).astype(np.int64)) if len(sizes) else np.zeros(0, dtype=np.int64)
    largest = np.argsort(-sizes, kind="stable")[:_EXAMPLES]
    chosen = {int(c): clusters.members[clusters.starts[c] : clusters.starts[c + 1]][:_MEMBERS] for c in largest}
    shown = _beginnings(np.unique(np.concatenate([*chosen.values(), np.zeros(0, dtype=np.int64)])), shards, starts)
    content = {
        "pairs": dict(pairs),
        "clusters": len(sizes),
        "documents": int(sizes.sum()),
        "dropped": int((sizes - 1).sum()),
        "size_histogram": bins.tolist(),
        "examples": [
            {"size": int(sizes[c]), "documents": [shown[int(number)] for number in members]}
            for c, members in chosen.items()
        ],
    }
    store.make_folder(folder / FOLDER)
    store.write_text(folder / FOLDER / FILE, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def read_clusters(folder: Path) -> dict[str, Any] | None:
    """Return what `write_clusters` wrote into a corpus, None if near-duplicates were not looked for.

    `size_histogram[b]` counts clusters of [2^b, 2^(b+1)) documents; in each example the first document stayed.
    """
    path = folder / FOLDER / FILE
    content: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return content


def _beginnings(
    numbers: NDArray[np.int64], shards: Sequence[Source], starts: NDArray[np.int64]
) -> dict[int, dict[str, str]]:
    shown: dict[int, dict[str, str]] = {}
    for place in np.unique(np.searchsorted(starts, numbers, side="right") - 1).tolist():
        inside = numbers[(numbers >= starts[place]) & (numbers < starts[place + 1])]
        first = int(starts[place])
        for batch in shards[place].batches(["id", "text", "source"]):
            for number in inside[(inside >= first) & (inside < first + batch.num_rows)].tolist():
                row = batch.slice(number - first, 1).to_pylist()[0]
                shown[number] = {**row, "text": " ".join(row["text"][: 4 * _CHARACTERS].split())[:_CHARACTERS]}
            first += batch.num_rows
    return shown
