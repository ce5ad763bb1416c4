"""Means with intervals, and paired differences: what the results say, and how surely.

A domain's score is the mean of its tasks; its interval resamples random seeds and items together. The mean over
domains has the interval of independent parts: half-widths add in squares. The best baseline is the one with the highest
mean over all domains at a size and budget, chosen on the same scores, which favours it: a method that beats it has
beaten the luckiest. Limits of what lies within 0 and 1 are cut off there, and those of its differences at -1 and 1:
after domains have been joined, whose half-widths are taken as they come.

All of it can be said of another measure than the tasks' metrics: of the probability of the right choice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from motherlode.comparison.outcomes import Measure, Outcomes
from motherlode.comparison.results import ITEMS, MINING, RESULTS, SELECTION, read_rows
from motherlode.errors import InputError
from motherlode.statistics import Difference, bootstrap_interval, paired_bootstrap, win_rate

ABOUT = "comparison.json"
KIND = "comparison"  # of the folder's manifest
_RESAMPLES = 10_000


@dataclass(frozen=True)
class Score:
    """A mean with its interval of 95 %; where a single number is all there is, limits are as far as can be."""

    mean: float
    low: float
    high: float
    seeds: int


@dataclass(frozen=True)
class Gain:
    """How much better a method is than another.

    Attributes:
        difference: The mean of the paired differences, its interval and probability.
        wins: Share of (task, random seed) in which its score is higher, ties for half.
        pairs: How many these are.
    """

    difference: Difference
    wins: float
    pairs: int


@dataclass(frozen=True)
class Setting:
    """A size and a budget; both None where only mining is compared."""

    size: int | None
    n: int | None

    def __str__(self) -> str:
        """Say it."""
        return "" if self.size is None else f"|D| = {self.size:,}, N = {self.n:,}"


class Summary:
    """What a comparison's tables say.

    Attributes:
        about: What was compared, as `comparison.json` has it.
        kind: `selection` or `mining`.
        measure: `outcome` (of each task's metric, and losses of texts) or `probability` (of the right choice).
        methods: Methods that have results, in the order of the configuration.
        settings: Sizes and budgets.
    """

    def __init__(
        self,
        about: Mapping[str, Any],
        kind: str,
        results: Sequence[Mapping[str, Any]],
        items: Sequence[Mapping[str, Any]],
        measure: Measure = "outcome",
    ) -> None:
        """Take the rows of all comparisons; those of this kind that have the measure are used."""
        self.about, self.kind, self.measure = about, kind, measure
        self.results = [row for row in results if row["comparison"] == kind and _has(row, measure)]
        self._items = [row for row in items if row["comparison"] == kind]
        self.outcomes = Outcomes(self._items, measure)
        there = {row["method"] for row in self.results}
        self.methods = [name for name in about["methods" if kind == SELECTION else "variants"] if name in there]
        sized = {(row["size"], row["n"]) for row in self.results if row["size"] is not None}
        self.settings = [Setting(*pair) for pair in sorted(sized)] or [Setting(None, None)]
        self._scores: dict[Any, Score | None] = {}
        self._gains: dict[Any, Gain | None] = {}

    @classmethod
    def read(cls, folder: Path) -> list[Summary]:
        """Read what `compare` wrote: one summary for each kind that has results.

        Raises:
            InputError: There is nothing, or it is damaged.
        """
        path = folder / ABOUT
        try:
            about = json.loads(path.read_text("utf-8"))
            results, items = read_rows(folder, RESULTS), read_rows(folder, ITEMS)
            return [made for kind in (SELECTION, MINING) if (made := cls(about, kind, results, items)).methods]
        except OSError:
            raise InputError("holds no comparison", where=str(folder), hint="run `compare` first") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"is damaged ({error})", where=str(path), hint="run `compare` again") from error

    @cached_property
    def by_probability(self) -> Summary | None:
        """The same of the probability of the right choice, in those domains and tasks that have it; None without."""
        if self.measure == "probability":
            return self
        made = Summary(self.about, self.kind, self.results, self._items, "probability")
        return made if made.methods else None

    @property
    def texts(self) -> bool:
        """Whether texts, not tasks, are what is compared: mining is measured on held-out documents first."""
        return self.kind == MINING and self.measure == "outcome"

    def entry(self, method: str) -> Mapping[str, Any]:
        """Return a method's entry in the configuration."""
        entry: Mapping[str, Any] = self.about["methods" if self.kind == SELECTION else "variants"][method]
        return entry

    @property
    def reference(self) -> str | None:
        """What everything is compared with first: random selection, or general text alone."""
        wanted = "random" if self.kind == SELECTION else "general-only"
        return next((name for name in self.methods if self.entry(name)["method"] == wanted), None)

    def score(self, method: str, domain: str | None, setting: Setting, task: str | None = None) -> Score | None:
        """Return a method's mean.

        Args:
            method: The method.
            domain: The domain; None: the mean over all.
            setting: Size and budget.
            task: One task of the domain, or a text; None: the mean over its tasks (for mining: its domain's text).

        Returns:
            The score (of texts: minus the loss); None if there is none.
        """
        found = self._score(method, domain, setting, task)
        if found is None or not self._within_unit(domain, task):
            return found
        return replace(found, low=max(0.0, found.low), high=min(1.0, found.high))

    def _score(self, method: str, domain: str | None, setting: Setting, task: str | None) -> Score | None:
        key = method, domain, setting, task
        if key not in self._scores:
            self._scores[key] = self._new_score(*key)
        return self._scores[key]

    def _new_score(self, method: str, domain: str | None, setting: Setting, task: str | None) -> Score | None:
        if domain is None:
            parts = [self._score(method, name, setting, None) for name in self.outcomes.domains]
            if not parts or any(part is None for part in parts):
                return None
            known = [part for part in parts if part is not None]
            mean, low, high = independent([(part.mean, part.low, part.high) for part in known])
            return Score(mean, low, high, min(part.seeds for part in known))
        tables = self.outcomes.table([method], domain, self._tasks(domain, task), setting.size, setting.n)
        if tables is None:
            return None
        low, high = bootstrap_interval(_levels(tables[0]), resamples=_RESAMPLES)
        return Score(float(tables[0].mean()), low, high, len(tables[0]))

    def gain(
        self, method: str, against: str, domain: str | None, setting: Setting, task: str | None = None
    ) -> Gain | None:
        """Return how much better a method is than another; arguments as of `score`."""
        found = self._gain(method, against, domain, setting, task)
        if found is None or not self._within_unit(domain, task):
            return found
        whole = found.difference
        return replace(found, difference=replace(whole, low=max(-1.0, whole.low), high=min(1.0, whole.high)))

    def _gain(self, method: str, against: str, domain: str | None, setting: Setting, task: str | None) -> Gain | None:
        key = method, against, domain, setting, task
        if key not in self._gains:
            self._gains[key] = self._new_gain(*key)
        return self._gains[key]

    def _new_gain(
        self, method: str, against: str, domain: str | None, setting: Setting, task: str | None
    ) -> Gain | None:
        if domain is None:
            parts = [self._gain(method, against, name, setting, None) for name in self.outcomes.domains]
            known = [part for part in parts if part is not None]
            if not known or len(known) < len(parts):
                return None
            whole = [part.difference for part in known]
            mean, low, high = independent([(part.mean, part.low, part.high) for part in whole])
            pairs = sum(part.pairs for part in known)
            wins = sum(part.wins * part.pairs for part in known) / pairs
            return Gain(Difference(mean, low, high, _probability(mean, low, high)), wins, pairs)
        tasks = self._tasks(domain, task)
        tables = self.outcomes.table([method, against], domain, tasks, setting.size, setting.n)
        if tables is None:
            return None
        difference = paired_bootstrap(*map(_levels, tables), resamples=_RESAMPLES)
        scores = [self.outcomes.table([method, against], domain, [name], setting.size, setting.n) for name in tasks]
        first, second = (np.concatenate([pair[k].mean(axis=1) for pair in scores if pair]) for k in (0, 1))
        return Gain(difference, win_rate(first, second), len(first))

    def _tasks(self, domain: str, task: str | None) -> list[str]:
        if task is not None:
            return [task]
        return ["text: domain"] if self.texts else self.outcomes.tasks(domain)

    def _within_unit(self, domain: str | None, task: str | None) -> bool:
        domains = self.outcomes.domains if domain is None else [domain]
        return all(self.outcomes.within_unit(self._tasks(name, task)) for name in domains)

    def best_baseline(self, setting: Setting) -> str | None:
        """Return the baseline with the highest mean over all domains."""
        means = {}
        for name in self.methods:
            if self.entry(name)["baseline"] and (score := self.score(name, None, setting)) is not None:
                means[name] = score.mean
        return max(means, key=lambda name: means[name]) if means else None

    def best_of_ours(self, setting: Setting) -> str | None:
        """Return the method with the highest mean that is no baseline, nor the base model, nor an oracle."""
        means = {}
        for name in self.methods:
            entry = self.entry(name)
            if not entry["baseline"] and entry["method"] not in ("base", "oracle"):
                score = self.score(name, None, setting)
                if score is not None:
                    means[name] = score.mean
        return max(means, key=lambda name: means[name]) if means else None

    def below_chance(self) -> list[Mapping[str, Any]]:
        """Return results of which the interval of the metric's score lies below chance."""
        return [row for row in self.results if row["chance"] is not None and row["high"] < row["chance"]]


def independent(parts: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Return the mean of independent means, with limits: half-widths add in squares.

    Args:
        parts: Means with their limits.
    """
    count = len(parts)
    mean = sum(part[0] for part in parts) / count
    low = mean - math.sqrt(sum((part[0] - part[1]) ** 2 for part in parts)) / count
    high = mean + math.sqrt(sum((part[2] - part[0]) ** 2 for part in parts)) / count
    return mean, low, high


def _has(row: Mapping[str, Any], measure: Measure) -> bool:
    """Return whether a row of the results has a measure; scores all have."""
    return measure == "outcome" or row.get("probability") is not None


def _levels(table: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a table of one seed as `[items]`."""
    return table[0] if len(table) == 1 else table


def _probability(mean: float, low: float, high: float) -> float:
    """Return the probability that a normal mean with these limits is above 0."""
    half = (high - low) / 2
    if not math.isfinite(half):
        return 0.5
    if half == 0:
        return 0.5 if mean == 0 else float(mean > 0)
    return 0.5 * (1 + math.erf(mean / (half / 1.959963984540054) / math.sqrt(2)))
