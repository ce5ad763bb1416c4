"""The jobs of a comparison of selection methods: who selects what, trains on what, and is tested on what.

Equal budgets: at |D| domain samples and N selected ones, every method takes as many optimiser steps as `epochs`
readings of |D| + N samples need. The oracle has other numbers of samples, and reads them as often as the steps allow.
Domain-only has |D| samples: it is trained for several numbers of epochs, the equal steps among them and none beyond,
and the one with the lowest loss on `dev` is tested (without `dev`: equal steps). With `equal: tokens`, steps are set so
that tokens are equal in place of steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from motherlode.comparison.config import CompareConfig
from motherlode.comparison.inputs import Checked, Drawn
from motherlode.comparison.jobs import Job, Jobs
from motherlode.comparison.methods import MethodConfig
from motherlode.evaluation.run import VERSION
from motherlode.shards.fingerprint import fingerprint

CHARACTERS = 4.0  # of a token, for estimates
_ITEM_TOKENS = 200.0  # of a task's item with all its choices, for estimates
_PLACES = ("device", "quiet")  # options that results do not depend on


class SelectionPlan:
    """Adds the jobs of a comparison's methods."""

    def __init__(self, checked: Checked, jobs: Jobs, parameters: float) -> None:
        """Take what was checked.

        Args:
            checked: The comparison.
            jobs: Where jobs are added.
            parameters: Of the model, for estimates.
        """
        self.checked, self.config, self.jobs = checked, checked.config, jobs
        self.parameters = parameters
        self.drawn: dict[tuple[str, int, int], Drawn] = {}
        self.cells: list[dict[str, Any]] = []

    def add(self) -> None:
        """Add everything."""
        pool = self._pool()
        for domain in self.config.domains:
            for size in self.config.sizes:
                for seed in self.config.random_seeds:
                    self.drawn[domain, size, seed] = self.checked.domains[domain].draw(size, seed)
        for name, method in self.config.methods.items():
            for domain in self.config.domains:
                if method.method == "base":
                    self._cell(name, domain, None, None, None, self._evaluate(f"evaluate {domain} base", domain, {}))
                    continue
                for size in self.config.sizes:
                    for seed in self.config.random_seeds:
                        self._trained(name, method, domain, size, seed, pool)

    def _cell(self, method: str, domain: str, size: int | None, n: int | None, seed: int | None, job: Job) -> None:
        place = {"method": method, "domain": domain, "size": size, "n": n, "random_seed": seed}
        self.cells.append({**place, "job": job})

    def _trained(self, name: str, method: MethodConfig, domain: str, size: int, seed: int, pool: Job) -> None:
        if method.method == "domain-only":
            self._domain_only(name, method, domain, size, seed, pool)
            return
        select = self._select(name, method, domain, size, seed, pool)
        for n in self.config.budgets:
            label = f"{domain} d{size} n{n} s{seed} {name}"
            train = self._train(f"train {label}", domain, size, seed, n, pool, {"selection": select})
            evaluate = self._evaluate(f"evaluate {label}", domain, {"0": train})
            self._cell(name, domain, size, n, seed, evaluate)

    def _domain_only(self, name: str, method: MethodConfig, domain: str, size: int, seed: int, pool: Job) -> None:
        dev = self.checked.domains[domain].dev
        for n in self.config.budgets:
            label = f"{domain} d{size} n{n} s{seed} {name}"
            candidates: dict[str, Job] = {}
            if dev is not None:
                for epochs in method.epochs:
                    steps = epochs * -(-size // self.batch)
                    if steps < self.steps(size, n):
                        key = f"train {domain} d{size} s{seed} domain-only e{epochs}"
                        candidates[str(len(candidates))] = self._train(key, domain, size, seed, None, pool, {}, steps)
            key = f"train {domain} d{size} n{n} s{seed} domain-only"
            candidates[str(len(candidates))] = self._train(key, domain, size, seed, n, pool, {})
            self._cell(name, domain, size, n, seed, self._evaluate(f"evaluate {label}", domain, candidates))

    @property
    def batch(self) -> int:
        """Samples of an optimiser step."""
        return int(self._training()["batch"])

    def steps(self, size: int, n: int) -> int:
        """Return the optimiser steps of a budget."""
        return int(self._training()["epochs"]) * -(-(size + n) // self.batch)

    def _training(self) -> dict[str, Any]:
        from motherlode.adaptation.options import SftOptions

        parsed = SftOptions.parse({"model": self.config.model, **self._own_training}, "training")
        values: dict[str, Any] = parsed.model_dump(mode="json")
        return values

    @property
    def _own_training(self) -> dict[str, Any]:
        """Options of training; fields are called as selection calls them."""
        fields = {"fields": self.config.selection["fields"]} if self.config.selection.get("fields") else {}
        return {**fields, **self.config.training}

    def _pool(self) -> Job:
        tasks = sorted({task for domain in self.config.domains.values() for task in domain.tasks})
        settings = {
            "pool": self.config.pool,
            "tasks": tasks,
            "fields": self.config.selection.get("fields") or {},
            "bad_rows": self.config.selection.get("bad_rows", "fail"),
            "decontaminate": self.config.decontaminate,
            "train": {name: found.train.name for name, found in self.checked.domains.items()},
        }
        depends = [
            self.checked.pool_digest,
            [self.checked.digests.get(task, task) for task in tasks],
            [found.train.digest for found in self.checked.domains.values()],
            {name: value for name, value in settings.items() if name not in ("pool", "tasks", "train")},
        ]
        return self.jobs.add("pool", "pool", settings, depends)

    def _select(self, name: str, method: MethodConfig, domain: str, size: int, seed: int, pool: Job) -> Job:
        drawn = self.drawn[domain, size, seed]
        label = f"select {domain} d{size} s{seed} {name}"
        if method.method == "oracle":
            wanted = {"field": self.config.in_domain_field, "label": self.config.domains[domain].label or domain}
            return self.jobs.add(f"select {domain} oracle", "oracle", wanted, wanted, {"pool": pool})
        most = max(self.config.budgets)
        options = {**self.config.selection, **method.options, "method": method.method, "random_seed": seed, "n": most}
        settings: dict[str, Any] = {
            "model": self.config.model,
            "domain": drawn.name,
            "budgets": list(self.config.budgets),
            "options": options,
            "share": f"work/{fingerprint(domain, size, seed)[:12]}" if self.config.share else None,
        }
        depends = [self.checked.model_digest, drawn.digest, list(self.config.budgets), _without_places(options)]
        lane = f"{domain} d{size} s{seed}" if self.config.share else ""
        return self.jobs.add(
            label, "select", settings, depends, {"pool": pool}, lane, self._select_flops(options, size, most)
        )

    def _train(
        self,
        label: str,
        domain: str,
        size: int,
        seed: int,
        n: int | None,
        pool: Job,
        after: Mapping[str, Job],
        steps: int | None = None,
    ) -> Job:
        """Add a training run: of a budget N, or of so many steps."""
        drawn, dev = self.drawn[domain, size, seed], self.checked.domains[domain].dev
        alone = not after
        options = {**self._own_training, "random_seed": seed}
        equal = "tokens" if n is not None and self.config.equal == "tokens" else "steps"
        settings: dict[str, Any] = {
            "model": self.config.model,
            "domain": drawn.name,
            "dev": dev.name if dev is not None and alone else None,
            "n": n,
            "size": size,
            "equal": equal,
            "steps": self.steps(size, n or 0) if steps is None else steps,
            "options": options,
        }
        before = dict(after)
        if equal == "tokens":
            before["lengths"] = self._lengths(pool)
        depends: list[Any] = [
            self.checked.model_digest,
            drawn.digest,
            dev.digest if dev is not None and alone else None,
            n,
            equal,
            settings["steps"],
            _without_places(self._training() | options),
        ]
        tokens = int(settings["steps"]) * self.batch * self._sample_tokens
        return self.jobs.add(label, "train", settings, depends, before, flops=6 * self.parameters * tokens)

    def _lengths(self, pool: Job) -> Job:
        names = ("max_length", "truncate", "template", "fields")
        options = {name: value for name, value in self._training().items() if name in names}
        settings = {"model": self.config.model, "options": options}
        return self.jobs.add("lengths", "lengths", settings, [self.checked.model_digest, options], {"pool": pool})

    def _evaluate(self, label: str, domain: str, candidates: Mapping[str, Job]) -> Job:
        tasks = self.config.domains[domain].tasks
        return add_evaluation(self.jobs, self.checked, label, tasks, {}, candidates, self.parameters)

    @property
    def _sample_tokens(self) -> float:
        return min(float(self._training()["max_length"]), self.checked.pool_characters / CHARACTERS)

    def _select_flops(self, options: Mapping[str, Any], size: int, n: int) -> float:
        """Estimate a selection: a forward pass costs 2 operations a parameter and token, a backward pass 4 more."""
        method, rows = options["method"], self.checked.pool_rows
        if method in ("random", "longest", "dsir"):
            return 0.0
        if options.get("preselect_encoder", "auto") not in ("auto", "model") and method in (
            "embedding",
            "votes",
            "tsds",
        ):
            return 0.0
        forward = 2 * self.parameters * min(float(options.get("max_length", 1024)), self._sample_tokens)
        total = forward * rows
        if method in ("ntk", "less"):
            whole = options.get("preselect", "auto") == "none" or (method == "less" and "preselect" not in options)
            scored = rows if whole else min(rows, n * int(options.get("preselect_factor", 4)))
            epochs = int(options.get("warmup_epochs", 3))
            total = (0.0 if whole else total) + 3 * forward * (
                scored * (epochs if method == "less" else 1) + epochs * size
            )
        return total


def add_evaluation(
    jobs: Jobs,
    checked: Checked,
    label: str,
    tasks: tuple[str, ...],
    texts: Mapping[str, str],
    candidates: Mapping[str, Job],
    parameters: float,
) -> Job:
    """Add an evaluation of what was trained; of several, of the one with the lowest loss on dev.

    Args:
        jobs: Where it is added.
        checked: The comparison.
        label: The job's name.
        tasks: Task files, or names of the harness's tasks.
        texts: Held-out documents by name.
        candidates: Training jobs; none: the base model.
        parameters: Of the model, for the estimate.
    """
    config: CompareConfig = checked.config
    options = dict(config.evaluation)
    settings = {"model": config.model, "tasks": list(tasks), "texts": dict(texts), "options": options}
    files = [checked.digests.get(task, task) for task in tasks]
    held = {name: checked.digests[path] for name, path in texts.items()}
    names = [Path(task).name for task in tasks]
    depends = [VERSION, checked.model_digest, files, names, held, _without_places(options)]
    items = sum(checked.items.get(task) or 500 for task in tasks) * (1 + int(options.get("shots", 0)))
    if options.get("limit"):
        items = min(items, int(options["limit"]) * len(tasks))
    return jobs.add(label, "evaluate", settings, depends, candidates, flops=2 * parameters * items * _ITEM_TOKENS)


def _without_places(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in _PLACES and name != "model"}
