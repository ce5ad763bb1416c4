"""`select`: from domain samples, a pool and a model to the samples of the pool that help (arXiv 2511.07380).

Candidates that are no sample, or hold evaluation items, are left out first; votes narrow the pool; a kernel (or a
baseline) scores; a selector takes. Vectors and scores are kept beside the output, so that a killed run continues and
another N costs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from motherlode import __version__
from motherlode.models.rows import Rows, Samples
from motherlode.selection.candidates import Candidates, find_candidates
from motherlode.selection.choose import Choice, choose, even_share
from motherlode.selection.methods.method import Order, Scored
from motherlode.selection.options import SelectOptions
from motherlode.selection.result import Selection
from motherlode.selection.run import SelectionRun
from motherlode.selection.summary import score_summary
from motherlode.selection.write import check_out, write_selection
from motherlode.shards import store
from motherlode.shards.engine import Engine
from motherlode.shards.local_copy import here, path_here

_SOURCES = 200  # that the record counts by name


def select(
    domain: Path | str,
    pool: Path | str,
    n: int,
    *,
    model: str | None = None,
    method: str = "ntk",
    dev: Path | str | None = None,
    out: Path | str | None = None,
    scores_out: Path | str | None = None,
    work: Path | str | None = None,
    quiet: bool = True,
    runs_on: Engine | None = None,
    **options: Any,
) -> Selection:
    """Select the samples of a pool that help a domain.

    Args:
        domain: Domain samples, about 1,000: a JSONL or Parquet file, a folder of such files, or a pattern.
        pool: General samples, likewise.
        n: How many to select, at most as many as the pool has.
        model: Folder or hub name of a causal language model (extra `select`), for the methods that need one.
        method: `ntk`, or a baseline: `less`, `random`, `longest`, `embedding`, `votes`, `dsir`, `tsds`, `rds`,
            `perplexity-middle`.
        dev: A development split of the domain. Candidates are then held against it, and the warm-up alone reads
            `domain`.
        out: JSONL file of the selection; a record of the same name, ending in `.record.json`, is written beside it.
        scores_out: Parquet file of `index` and `score` of every scored candidate.
        work: Folder of what is kept between runs; by default `OUT.work`. Without any, nothing is kept.
        quiet: Whether no progress is shown.
        runs_on: Who scores candidates by the kernel, e.g. a `RayEngine`; by default this process. `work` must then lie
            where its workers see it.
        options: The fields of `SelectOptions`.

    Returns:
        The selection.

    Raises:
        InputError: An option, a file, a sample or the model must be changed.
        MissingExtraError: The extra `select` is not installed.
    """
    settings = SelectOptions.parse({"n": n, "model": model, "method": method, **options}, "select")
    paths = (here(domain), here(pool), None if dev is None else here(dev))
    read = [path for path in paths if path is not None]
    target, table = (None if given is None else path_here(given) for given in (out, scores_out))
    if target is not None:
        check_out(target, read)
    if table is not None:
        check_out(table, read, "--scores-out", "Parquet")
    kept = target if work is None else path_here(work)
    place = kept if work is not None or kept is None else kept.with_name(f"{kept.name}.work")
    selection, found = _select(settings, paths, place, quiet, runs_on)
    if target is not None:
        write_selection(target, selection, found)
    if table is not None:
        import pyarrow as pa

        columns = {"index": pa.array(selection.indices), "score": pa.array(selection.scores)}
        store.write_table(table, pa.table(columns))
    return selection


def _select(
    options: SelectOptions,
    paths: tuple[Path, Path, Path | None],
    work: Path | None,
    quiet: bool,
    runs_on: Engine | None,
) -> tuple[Selection, Samples]:
    domain, pool = (Samples.open(path, options.fields) for path in paths[:2])
    dev = None if paths[2] is None else Samples.open(paths[2], options.fields)
    for samples in (domain, *([dev] if dev else [])):
        for row in range(len(samples.rows)):
            samples[row]  # the first that is no sample ends the run here
    candidates = find_candidates(options, pool)
    run = SelectionRun(options, domain, list(range(len(domain.rows))), pool, candidates.rows, work, quiet, dev, runs_on)
    scored = run.scored()
    ranked = run.ranked(scored)

    def again(count: int) -> tuple[Choice, dict[str, Any]]:
        """Take so many, and say what came of it."""
        choice = _choose(options, scored, ranked, candidates, pool, count)
        taken = scored.scores[np.searchsorted(scored.rows, choice.rows)]
        return choice, {
            "selected": len(choice.rows),
            "duplicates": len(choice.duplicates),
            "over_quota": choice.over_quota,
            "sources": _mix(candidates, choice.rows),
            "score_summary": score_summary(scored.scores, taken),
        }

    choice, found = again(options.n)
    record = {
        "motherlode": __version__,
        "options": options.model_dump(mode="json"),
        "domain": _described(domain.rows),
        "dev": None if dev is None else _described(dev.rows),
        "pool": _described(pool.rows),
        "left_out": dict(sorted(candidates.dropped.items())),
        "scored": len(scored.rows),
        **found,
        **run.notes(),
    }
    return (
        Selection(
            method=options.method,
            rows=tuple(choice.rows),
            indices=scored.rows,
            scores=scored.scores,
            pool_rows=len(pool.rows),
            duplicates=choice.duplicates,
            nearest=run.nearest(choice.rows),
            record=record,
            _again=again,
            _explained=run.nearest,
        ),
        pool,
    )


def _described(rows: Rows) -> dict[str, Any]:
    return {"file": str(rows.path), "digest": rows.digest, "rows": len(rows)}


def _mix(candidates: Candidates, chosen: Sequence[int]) -> dict[str, list[int]]:
    """Return how many rows of each source can be selected, and how many are, the most common first."""
    taken = Counter(map(candidates.source, chosen))
    names = [name for name, _ in candidates.sources.most_common(_SOURCES)]
    mix = {name: [candidates.sources[name], taken[name]] for name in names}
    if len(candidates.sources) > len(names):
        mix["(others)"] = [candidates.sources.total() - sum(a for a, _ in mix.values()), 0]
        mix["(others)"][1] = len(chosen) - sum(b for _, b in mix.values())
    return mix


def _choose(
    options: SelectOptions, scored: Scored, ranked: Order, candidates: Candidates, pool: Samples, count: int
) -> Choice:
    """Take the first of a ranking, under the quota of sources if there is one."""
    share: int | None = None
    even = options.selector == "quota" and options.quota is None
    if options.quota is not None:
        share = max(1, int(options.quota * count))
    elif even:
        share = even_share(map(candidates.source, scored.rows.tolist()), count)
    while True:
        choice = choose(
            (int(scored.rows[place]) for place in ranked(count)),
            count,
            pool.text,
            threshold=options.near_duplicates,
            source=None if share is None else candidates.source,
            most_of_source=share,
        )
        missing = count - len(choice.rows)
        if not even or not missing or not choice.over_quota:
            return choice
        assert share is not None  # duplicates were passed over: the other sources make up for them, evenly
        share += -(-missing // max(1, len(candidates.sources)))
