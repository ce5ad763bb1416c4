"""The stages of near-duplicates in order: mark, pair, sketch, verify, join.

Each stage is a folder of committed tasks below the corpus, so that a killed build goes on where it was; the last one,
who stays, is numbers only and is done again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from motherlode.corpus.near_duplicates.bands import band_tasks, read_pairs
from motherlode.corpus.near_duplicates.components import Clusters, cluster, join
from motherlode.corpus.near_duplicates.mark import RANK, mark_tasks
from motherlode.corpus.near_duplicates.options import NearDuplicateOptions
from motherlode.corpus.near_duplicates.verify import Sketches, sketch_tasks, verify_tasks
from motherlode.corpus.stages import Numbers, Scratch, Skipped, all_files, first_numbers
from motherlode.errors import InputError
from motherlode.shards.dataset import Source

_MARKS, _PAIRS, _SKETCHES, _EDGES = "marks", "pairs", "sketches", "edges"
_SKIPPED = "skipped.bits"


def find_near_duplicates(
    shards: Sequence[Source],
    gone: Sequence[Numbers],
    options: NearDuplicateOptions,
    scratch: Scratch,
) -> tuple[Clusters, dict[str, int]]:
    """Find clusters of documents that are nearly alike.

    Args:
        shards: Staging shards in input order, with `text`, and what the keep rule reads.
        gone: For each shard, rows that have gone already (exact duplicates).
        options: What can be set.
        scratch: Where the stages keep their files, and who does the work.

    Returns:
        The clusters over numbers of documents, and what became of pairs: `candidates` and `alike`.

    Raises:
        InputError: Documents are to stay by a score that none has.
    """
    starts = first_numbers(shards)
    marks = all_files(scratch.run(_MARKS, mark_tasks(shards, options), "mark near-duplicates"))
    skipped = Skipped.write(scratch.folder / _SKIPPED, starts, gone)
    bands, _ = options.bands_and_rows
    pairs = all_files(scratch.run(_PAIRS, band_tasks(marks, bands, skipped), "pair near-duplicates", "keys"))
    wanted = np.zeros(starts[-1], dtype=bool)
    first_of_pairs = np.zeros(len(shards), dtype=np.int64)
    for part in read_pairs(pairs):
        wanted[part] = True
        first_of_pairs += np.histogram(part[:, 0], starts)[0]
    if options.near_duplicate_verify == "none":
        edges, counts = pairs, {}
    else:
        tasks = sketch_tasks(shards, starts, wanted, options)
        sketched = all_files(scratch.run(_SKETCHES, list(tasks.values()), "read candidates"))
        sketches = Sketches(starts, dict(zip(tasks, sketched, strict=True)))
        planned = verify_tasks(pairs, first_of_pairs, sketches, options) if tasks else []
        compared = scratch.run(_EDGES, planned, "compare candidates")
        counts = {"candidates": compared.stats.get("compared", 0), "alike": compared.stats.get("alike", 0)}
        edges = all_files(compared)
        wanted[:] = False
        for part in read_pairs(edges):
            wanted[part] = True
    members = np.flatnonzero(wanted)
    roots = join(members, read_pairs(edges))
    return cluster(members, roots, _ranks(marks, starts, members, options)), counts


def _ranks(
    marks: Sequence[Source], starts: Numbers, members: Numbers, options: NearDuplicateOptions
) -> NDArray[np.float64]:
    """Return `[m]`, by which members stay.

    Raises:
        InputError: None of them has a score.
    """
    ranks = np.zeros(len(members))
    for start, mark in zip(starts.tolist(), marks, strict=False):
        inside = slice(*np.searchsorted(members, [start, start + mark.rows]))
        if inside.start < inside.stop:
            column = np.concatenate([batch.column(0).to_numpy() for batch in mark.batches([RANK], 1 << 16)])
            ranks[inside] = column[members[inside] - start]
    if options.near_duplicate_keep == "quality" and len(ranks) and not np.isfinite(ranks).any():
        raise InputError(
            f"no document has a number in the field '{options.quality_field}', by which the best is to stay",
            where="--quality-field",
            hint="name the field that holds the score, or use --near-duplicate-keep longest",
        )
    return ranks
