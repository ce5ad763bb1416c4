"""Outcomes by item and random seed, as arrays that can be paired.

A task's outcomes are `[seeds, items]`. Several tasks of a domain are put side by side, weighted so that each task
counts the same: their runs share the random seeds, so that resampling seeds and items of the whole keeps what belongs
together. Weights are on how far outcomes lie from their task's mean: which tasks there are does not vary, and a
resample that happens to hold more items of one task is not another score.

What was trained on no seed (the base model) stands for every seed. Of texts it is minus each document's loss, weighted
by its length, so that the mean is that of all tokens and larger is better everywhere. In place of outcomes, the
probability of the right choice can be taken, of those tasks that have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Place = tuple[str, str, int | None, int | None]
"""Method, domain, |D|, N."""
Measure = Literal["outcome", "probability"]
"""Columns of `items.parquet`: what the metric says, or the probability of the right choice among the choices."""


@dataclass(frozen=True)
class Runs:
    """One method in one place on one task.

    Attributes:
        by_seed: Outcomes `[items]` of each random seed; the seed of the base model is None.
        items: What the items are called, in the order of the outcomes.
    """

    by_seed: Mapping[int | None, Floats]
    items: tuple[str, ...]


class Outcomes:
    """All outcomes of one comparison."""

    def __init__(self, items: Iterable[Mapping[str, Any]], measure: Measure = "outcome") -> None:
        """Take a measure from the rows of one comparison's items; those without it are left out."""
        found: dict[tuple[Place, str], dict[int | None, dict[str, float]]] = {}
        self._beyond: set[str] = set()
        for row in items:
            value = row.get(measure)
            if value is None:
                continue
            runs = found.setdefault((_place(row), row["task"]), {})
            runs.setdefault(row["random_seed"], {})[row["item"]] = value
            if is_text(row["task"]) or not 0 <= value <= 1:
                self._beyond.add(row["task"])
        self._runs: dict[Place, dict[str, Runs]] = {}
        for (place, task), by_seed in found.items():
            names = tuple(next(iter(by_seed.values())))
            arrays = {seed: np.array([own[name] for name in names]) for seed, own in by_seed.items()}
            self._runs.setdefault(place, {})[task] = Runs(arrays, names)

    @property
    def domains(self) -> list[str]:
        """All domains, in order."""
        return list(dict.fromkeys(domain for _, domain, _, _ in self._runs))

    def tasks(self, domain: str, texts: bool = False) -> list[str]:
        """Return a domain's tasks, or its texts."""
        found = dict.fromkeys(task for place, runs in self._runs.items() if place[1] == domain for task in runs)
        return [task for task in found if is_text(task) == texts]

    def within_unit(self, tasks: Iterable[str]) -> bool:
        """Return whether all outcomes of tasks lie within 0 and 1, and so do their means; losses of texts never do."""
        return self._beyond.isdisjoint(tasks)

    def runs(self, method: str, domain: str, size: int | None, n: int | None) -> Mapping[str, Runs]:
        """Return a method's outcomes by task; those of the base model stand for every size and budget."""
        return self._runs.get((method, domain, size, n)) or self._runs.get((method, domain, None, None)) or {}

    def table(
        self, methods: Sequence[str], domain: str, tasks: Sequence[str], size: int | None, n: int | None
    ) -> list[Floats] | None:
        """Return the outcomes of methods as arrays of one shape, paired by seed and item.

        Args:
            methods: One or two.
            domain: The domain.
            tasks: Tasks that count the same.
            size: |D|.
            n: N.

        Returns:
            `[seeds, items]` for each method: seeds that all have, items of all tasks; None if there are none. The mean
            is that of the tasks' means.
        """
        runs = [self.runs(method, domain, size, n) for method in methods]
        if not all(task in own for own in runs for task in tasks):
            return None
        seeds = common_seeds([own[task] for own in runs for task in tasks])
        if not seeds:
            return None
        whole = sum(len(runs[0][task].items) for task in tasks)
        tables = []
        for own in runs:
            parts = [np.stack([_of_seed(own[task], seed) for seed in seeds]) for task in tasks]
            tables.append(_side_by_side(parts, whole))
        return tables


def _side_by_side(parts: Sequence[Floats], whole: int) -> Floats:
    """Return the outcomes of tasks as one table, of which the mean is that of the tasks' means.

    Outcomes of 0 and 1 of as many items each stay what they are, for which there are limits of their own.
    """
    weights = [whole / (len(parts) * part.shape[1]) for part in parts]
    if all(weight == 1 and ((part == 0) | (part == 1)).all() for part, weight in zip(parts, weights, strict=True)):
        return np.concatenate(parts, axis=1)
    mean = sum(float(part.mean()) for part in parts) / len(parts)
    apart = [weight * (part - part.mean()) for part, weight in zip(parts, weights, strict=True)]
    return mean + np.concatenate(apart, axis=1)


def is_text(task: str) -> bool:
    """Return whether what is called so are documents, not a task."""
    return task.startswith("text: ")


def common_seeds(runs: Sequence[Runs]) -> list[int | None]:
    """Return the random seeds that all runs have; None alone if none of them has any."""
    seeded = [set(run.by_seed) for run in runs if None not in run.by_seed]
    if not seeded:
        return [None]
    return sorted(set.intersection(*seeded), key=lambda seed: -1 if seed is None else seed)


def _of_seed(runs: Runs, seed: int | None) -> Floats:
    return runs.by_seed[None] if None in runs.by_seed else runs.by_seed[seed]


def _place(row: Mapping[str, Any]) -> Place:
    return row["method"], row["domain"], row["size"], row["n"]
