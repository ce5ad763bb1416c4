"""The results of a comparison as tidy tables: one row a score, one row an item's outcome, one row a cost.

`results.parquet` and `items.parquet` depend on the inputs alone, so that a run that was killed and continued leaves the
same bytes; seconds are in `costs.parquet`. A job that failed has no rows. `probability` is that of the right choice
among the choices, null where an item has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from motherlode.comparison.jobs import Job, read_result
from motherlode.errors import InputError
from motherlode.shards import store
from motherlode.shards.manifest import Manifest

RESULTS, ITEMS, COSTS, SETS, MIX = "results", "items", "costs", "sets", "sources"
SELECTION, MINING = "selection", "mining"
_CELL = [
    ("comparison", pa.string()),
    ("method", pa.string()),
    ("domain", pa.string()),
    ("size", pa.int64()),
    ("n", pa.int64()),
    ("random_seed", pa.int64()),
]
SCHEMAS = {
    RESULTS: pa.schema(
        [
            *_CELL,
            ("task", pa.string()),
            ("metric", pa.string()),
            ("score", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
            ("chance", pa.float64()),
            ("majority", pa.float64()),
            ("probability", pa.float64()),
            ("probability_low", pa.float64()),
            ("probability_high", pa.float64()),
            ("items", pa.int64()),
            ("selected", pa.int64()),
            ("samples", pa.int64()),
            ("tokens", pa.int64()),
            ("steps", pa.int64()),
        ]
    ),
    ITEMS: pa.schema(
        [
            *_CELL,
            ("task", pa.string()),
            ("item", pa.string()),
            ("outcome", pa.float64()),
            ("probability", pa.float64()),
        ]
    ),
    COSTS: pa.schema(
        [
            *_CELL,
            ("selection_seconds", pa.float64()),
            ("training_seconds", pa.float64()),
            ("evaluation_seconds", pa.float64()),
        ]
    ),
    SETS: pa.schema(
        [
            ("method", pa.string()),
            ("domain", pa.string()),
            ("documents", pa.int64()),
            ("words", pa.int64()),
            ("seeds", pa.int64()),
            ("leaked", pa.int64()),
            ("t_sim", pa.float64()),
            ("retrieved", pa.int64()),
            ("precision", pa.float64()),
            ("recall", pa.float64()),
        ]
    ),
    MIX: pa.schema(
        [*_CELL[1:], ("source", pa.string()), ("candidates", pa.int64()), ("selected", pa.int64())],
    ),
}


@dataclass(frozen=True)
class Cell:
    """One method under one size, budget and seed, tested on one domain.

    Attributes:
        comparison: `selection` or `mining`.
        place: `method`, `domain`, `size`, `n`, `random_seed`.
        job: The evaluation.
    """

    comparison: str
    place: Mapping[str, Any]
    job: Job


def gather(folder: Path, manifest: Manifest, cells: Sequence[Cell], sets: Sequence[tuple[str, str, Job]]) -> None:
    """Write the tables of what is done.

    Args:
        folder: The output folder.
        manifest: What is done.
        cells: All cells.
        sets: The document sets of mining variants: variant, domain, job.
    """
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in SCHEMAS}

    def done(job: Job) -> bool:
        return manifest.holds(job.name, job.fingerprint)

    def seconds(job: Job | None) -> float:
        return 0.0 if job is None else float(manifest.entries[job.name].stats["seconds"])

    known: dict[str, dict[str, Any]] = {}
    for cell in cells:
        if not done(cell.job):
            continue
        place = {"comparison": cell.comparison, **cell.place}
        result = known.setdefault(cell.job.name, read_result(folder, cell.job))
        trained = None if result["chosen"] is None else cell.job.after[result["chosen"]]
        training = {} if trained is None else read_result(folder, trained)
        source = None if trained is None else trained.after.get("selection") or trained.after.get("documents")
        own = {name: training.get(name) for name in ("samples", "tokens", "steps")}
        if cell.comparison == SELECTION and source is not None:
            selection = read_result(folder, source)
            part = selection["budgets"][str(cell.place["n"])] if "budgets" in selection else selection
            own["selected"] = part["selected"]
            for name, (there, taken) in part.get("sources", {}).items():
                rows[MIX].append({**cell.place, "source": name, "candidates": there, "selected": taken})
        rows[RESULTS] += [{**place, **own, **score} for score in _scores(result)]
        rows[ITEMS] += [{**place, **item} for item in _items(result)]
        before = list(cell.job.after.values())
        selecting = seconds(source) + (seconds(source.after["mine"]) if source and "mine" in source.after else 0.0)
        rows[COSTS].append(
            {
                **place,
                "selection_seconds": selecting,
                "training_seconds": sum(map(seconds, before)),  # tuning is part of it
                "evaluation_seconds": seconds(cell.job),
            }
        )
    for variant, domain, job in sets:
        if done(job):
            found = read_result(folder, job)
            mined = read_result(folder, job.after["mine"])[domain] if "mine" in job.after else {}
            own = {name: mined.get(name) for name in ("t_sim", "retrieved")}
            rows[SETS].append({"method": variant, "domain": domain, **own, **found})
    for name, schema in SCHEMAS.items():
        store.write_table(folder / f"{name}.parquet", pa.Table.from_pylist(rows[name], schema))


def _scores(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    not_here = ("items", "ids", "probabilities")  # but in the rows of items
    for task, score in result["tasks"].items():
        numbers = {name: value for name, value in score.items() if name not in not_here}
        yield {"task": task, "items": len(score["items"]), **numbers}
    for name, text in result["texts"].items():
        limits = {"low": text["low"], "high": text["high"]}
        yield {"task": f"text: {name}", "metric": "loss", "score": text["loss"], "items": text["documents"], **limits}


def _items(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for task, score in result["tasks"].items():
        shares = score["probabilities"] or [None] * len(score["items"])
        for item, outcome, share in zip(score["ids"], score["items"], shares, strict=True):
            yield {"task": task, "item": item, "outcome": outcome, "probability": share}
    for name, text in result["texts"].items():
        for place, loss in enumerate(text["items"]):
            yield {"task": f"text: {name}", "item": str(place), "outcome": -loss}


def read_rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """Read a table that `gather` wrote.

    Raises:
        InputError: It is missing or damaged.
    """
    path = folder / f"{name}.parquet"
    try:
        rows: list[dict[str, Any]] = pq.read_table(path, schema=SCHEMAS[name]).to_pylist()
    except (OSError, pa.ArrowException) as error:
        said = str(error).splitlines()[0][:150] if str(error) else type(error).__name__
        raise InputError(f"cannot be read ({said})", where=str(path), hint="run `compare` again") from error
    return rows
