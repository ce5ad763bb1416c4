"""What is decided over all documents of a build: exact and near-duplicates, ids, repeated paragraphs.

In this order: exact duplicates go first, near-duplicates among the rest, and paragraphs are counted over what stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from motherlode.corpus.duplicates import Changes
from motherlode.corpus.key_tasks import find_repeats
from motherlode.corpus.near_duplicates.decide import find_near_duplicates
from motherlode.corpus.near_duplicates.options import NearDuplicateOptions
from motherlode.corpus.near_duplicates.report import write_clusters
from motherlode.corpus.repeated_paragraphs import Cuts, RepeatedParagraphOptions, paragraph_tasks, repeat_tasks
from motherlode.corpus.stages import Numbers, Scratch, Skipped, all_files, first_numbers
from motherlode.shards.dataset import Source

SCRATCH = "deciding"


class DecideOptions(NearDuplicateOptions, RepeatedParagraphOptions):
    """All that is decided over the whole corpus, but for exact duplicates."""


@dataclass(frozen=True)
class Decisions:
    """What is to be done to the staging shards.

    Attributes:
        changes: For each shard, what goes and which ids change.
        cuts: For each shard, the paragraphs that are cut; None if all stay.
    """

    changes: Sequence[Changes]
    cuts: Sequence[Cuts] | None


def decide(
    shards: Sequence[Source],
    options: DecideOptions,
    corpus: Path,
    scratch: Scratch,
    *,
    deduplicate: bool,
    min_words: int,
) -> Decisions:
    """Decide over all documents.

    Args:
        shards: Staging shards in input order.
        options: What can be set.
        corpus: The folder of the corpus.
        scratch: Where the stages keep their files, and who does the work.
        deduplicate: Whether documents with the content of an earlier one go.
        min_words: Words that a document must have when repeated paragraphs are cut.

    Returns:
        What is to be done.

    Raises:
        InputError: A setting must be changed.
    """
    nothing: list[Numbers] = [np.zeros(0, dtype=np.int64) for _ in shards]
    starts = first_numbers(shards)
    exact = find_repeats(shards, "key", scratch) if deduplicate else nothing
    near = nothing
    wanted = deduplicate if options.near_duplicates is None else options.near_duplicates
    if wanted:
        clusters, pairs = find_near_duplicates(shards, exact, options, scratch)
        write_clusters(corpus, clusters, shards, starts, pairs)
        dropped = clusters.dropped
        edges = np.searchsorted(dropped, starts)
        near = [dropped[edges[n] : edges[n + 1]] - starts[n] for n in range(len(shards))]
    gone = [np.sort(np.concatenate(both)) for both in zip(exact, near, strict=True)]
    renamed = find_repeats(shards, "id_key", scratch, gone)
    reasons = [{"exact duplicate": e, "near duplicate": n} for e, n in zip(exact, near, strict=True)]
    changes = [
        Changes({reason: rows for reason, rows in why.items() if len(rows)}, ids)
        for why, ids in zip(reasons, renamed, strict=True)
    ]
    if options.repeated_paragraphs == "keep":
        return Decisions(changes, None)
    skipped = Skipped.write(scratch.folder / "without-duplicates.bits", starts, gone)
    paragraphs = all_files(scratch.run("paragraphs", paragraph_tasks(shards, options), "find paragraphs"))
    tasks = repeat_tasks(paragraphs, starts, skipped, options)
    cuts = tuple(all_files(scratch.run("repeats", tasks, "count paragraphs", "paragraphs")))
    unit = options.paragraph_unit
    return Decisions(
        changes, [Cuts(cuts, int(start), s.rows, unit, min_words) for start, s in zip(starts, shards, strict=False)]
    )
