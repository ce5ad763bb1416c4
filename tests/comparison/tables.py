"""Tables of a comparison, made up: for statistics against brute force, and for pages with hostile names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from motherlode.comparison.results import COSTS, ITEMS, MIX, RESULTS, SCHEMAS, SETS
from motherlode.comparison.summary import ABOUT
from motherlode.shards import store

METHODS = {
    "base": {"method": "base", "options": {}, "baseline": False},
    "domain-only": {"method": "domain-only", "options": {}, "baseline": True},
    "random": {"method": "random", "options": {}, "baseline": True},
    "dsir": {"method": "dsir", "options": {}, "baseline": True},
    "ntk": {"method": "ntk", "options": {}, "baseline": False},
    "ntk signs": {"method": "ntk", "options": {"kernel": "ntk-signs"}, "baseline": False},
}
LEVEL = {"base": 0.3, "domain-only": 0.4, "random": 0.5, "dsir": 0.55, "ntk": 0.7, "ntk signs": 0.65}
Places = Sequence[tuple[int | None, int | None]]


def made_up(
    tasks: Mapping[str, Mapping[str, int]],
    *,
    seeds: int = 3,
    places: Places = ((100, 1000),),
    methods: Mapping[str, Mapping[str, Any]] = METHODS,
    kind: str = "selection",
    random_seed: int = 0,
) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """Make up what a comparison writes.

    Args:
        tasks: Items of each task, by domain.
        seeds: Random seeds.
        places: Sizes and budgets.
        methods: Entries by name.
        kind: `selection` or `mining`.
        random_seed: Of the outcomes.

    Returns:
        What `comparison.json` holds, and the rows of all tables.
    """
    choice = np.random.default_rng(random_seed)
    share = np.random.default_rng([random_seed, 1])
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in SCHEMAS}
    for method, entry in methods.items():
        for domain, own in tasks.items():
            runs = [(None, None, None)] if entry["method"] == "base" else []
            runs = runs or [(size, n, seed) for size, n in places for seed in range(seeds)]
            for size, n, seed in runs:
                place = {"comparison": kind, "method": method, "domain": domain}
                place |= {"size": size, "n": n, "random_seed": seed}
                for task, count in own.items():
                    loss = task.startswith("text: ")
                    level = LEVEL.get(method, 0.5)
                    outcomes = -choice.gamma(9, (1.2 - level) / 9, count) if loss else choice.random(count) < level
                    outcomes = outcomes.astype(float)
                    score = float(-outcomes.mean() if loss else outcomes.mean())
                    told = {
                        "metric": "loss" if loss else "acc",
                        "score": score,
                        "low": score - 0.1,
                        "high": score + 0.1,
                    }
                    known = {} if loss else {"chance": 0.25, "majority": 0.3}
                    shares: list[float | None] = [None] * count
                    if not loss:  # little noise: a level between a guess and the score's
                        drawn = 0.25 + (level - 0.25) / 4 + share.uniform(-0.05, 0.05, count)
                        shares = drawn.tolist()
                        limits = (drawn.mean() - 0.01, drawn.mean() + 0.01)
                        known |= {"probability": float(drawn.mean())}
                        known |= dict(zip(("probability_low", "probability_high"), map(float, limits), strict=True))
                    trained = {"selected": n, "samples": 1100, "tokens": 5000 + 10 * (seed or 0), "steps": 7}
                    trained = {} if seed is None else trained
                    rows[RESULTS].append({**place, "task": task, "items": count, **told, **known, **trained})
                    rows[ITEMS] += [
                        {**place, "task": task, "item": f"i{number}", "outcome": value, "probability": right}
                        for number, (value, right) in enumerate(zip(outcomes.tolist(), shares, strict=True))
                    ]
                rows[COSTS].append(
                    {**place, "selection_seconds": 1.0, "training_seconds": 2.0, "evaluation_seconds": 3.0}
                )
                if n is not None and method not in ("domain-only",):
                    mixed = {key: value for key, value in place.items() if key != "comparison"}
                    rows[MIX] += [{**mixed, "source": f"source {k}", "candidates": 50, "selected": k} for k in (3, 7)]
    about = {
        "model": "tiny",
        "methods": dict(methods) if kind == "selection" else {},
        "variants": dict(methods) if kind == "mining" else {},
        "domains": {
            name: {"train": ["t.jsonl"], "tasks": [*own], "dev": None, "samples": 9} for name, own in tasks.items()
        },
        "pool": {"file": "pool.jsonl", "rows": 100},
        "sizes": sorted({size for size, _ in places if size}),
        "budgets": sorted({n for _, n in places if n}),
        "random_seeds": list(range(seeds)),
        "equal": "steps",
        "share": False,
        "decontaminate": True,
        "selection": {},
        "training": {},
        "evaluation": {},
        "tokens": None,
    }
    return about, rows


def write(
    folder: Path,
    about: Mapping[str, Any],
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    notes: Mapping[str, Any] | None = None,
) -> Path:
    """Write tables as `compare` does."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ABOUT).write_text(json.dumps(about))
    (folder / "notes.json").write_text(json.dumps(notes or {"failures": [], "jobs": {"train": 3}}))
    for name, schema in SCHEMAS.items():
        store.write_table(folder / f"{name}.parquet", pa.Table.from_pylist(list(rows[name]), schema))
    return folder


__all__ = ["METHODS", "SETS", "made_up", "write"]
