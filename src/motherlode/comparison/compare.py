"""`compare`: methods at equal budgets, over sizes, random seeds and tasks, from one file; resumable.

Everything that is read is looked through first. Then jobs run in one queue: a selection serves all its budgets, the
base model is tested once a domain, what an earlier run of the file (or of one that shares some of it) did is kept.
A job that fails is told, and takes along only what needs it. In the end there are the tables, and a page.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motherlode import __version__
from motherlode.comparison.config import CompareConfig, read_config
from motherlode.comparison.inputs import Checked, check
from motherlode.comparison.jobs import JOBS, Job, Jobs, read_result
from motherlode.comparison.mining_plan import MiningPlan
from motherlode.comparison.plan import SelectionPlan
from motherlode.comparison.queue import Failure, Queue
from motherlode.comparison.results import MINING, SELECTION, Cell, gather
from motherlode.comparison.summary import ABOUT, KIND, Summary
from motherlode.errors import InputError
from motherlode.shards import store
from motherlode.shards.local_copy import here, path_here
from motherlode.shards.manifest import Manifest
from motherlode.shards.outputs import check_output

_DTYPE_BYTES = 2  # of a weight as it is usually stored, for estimates


@dataclass(frozen=True)
class Kind:
    """How many jobs of a kind there are, and what they cost.

    Attributes:
        name: The kind.
        jobs: All of them.
        left: Those that are not done.
        flops: Estimated floating-point operations of those left.
        seconds: Estimated from those that are done; None if none is.
    """

    name: str
    jobs: int
    left: int
    flops: float
    seconds: float | None


@dataclass(frozen=True)
class Comparison:
    """What `compare` did.

    Attributes:
        folder: The output folder.
        jobs: How many there are.
        failures: Those that failed, and those left out for them.
    """

    folder: Path
    jobs: int
    failures: tuple[Failure, ...]

    def __repr__(self) -> str:
        """Say how it went."""
        return f"Comparison({str(self.folder)!r}, jobs={self.jobs:,}, failures={len(self.failures):,})"

    def summaries(self) -> list[Summary]:
        """Return what the results say, one summary for selection and one for mining."""
        return Summary.read(self.folder)


class Plan:
    """A comparison whose inputs are checked and whose jobs are known; nothing is written yet."""

    def __init__(self, config: Path | str | CompareConfig) -> None:
        """Check everything.

        Raises:
            InputError: The file, or something that it names, must be changed.
            MissingExtraError: What trains or evaluates is not installed.
        """
        self.config = config if isinstance(config, CompareConfig) else read_config(here(config))
        self.checked: Checked = check(self.config)
        self.jobs = Jobs()
        parameters = weights(self.config.model)
        self.cells: list[Cell] = []
        self.sets: list[tuple[str, str, Job]] = []
        self.selection = None
        if self.config.methods:
            self.selection = SelectionPlan(self.checked, self.jobs, parameters)
            self.selection.add()
            self.cells += [_cell(SELECTION, values) for values in self.selection.cells]
        if self.config.mining is not None:
            mining = MiningPlan(self.checked, self.jobs, parameters)
            mining.add()
            self.cells += [_cell(MINING, values) for values in mining.cells]
            self.sets = mining.sets

    def run(self, out: Path, *, workers: int = 1, quiet: bool = True) -> Comparison:
        """Do what is left, and write the tables and the page's data.

        Args:
            out: The output folder; continued if a comparison was made or interrupted there.
            workers: Processes; 1: this one.
            quiet: Whether no progress is shown.

        Raises:
            InputError: The folder holds something else, or another process writes there.
            StorageError: The disk is full.
        """
        check_output(out)
        with Manifest.open(out, KIND, {"version": 1}) as manifest:
            if self.selection is not None:
                for drawn in self.selection.drawn.values():
                    drawn.write(out)
                for samples in self.checked.domains.values():
                    samples.train.write(out)
                    if samples.dev is not None:
                        samples.dev.write(out)
            failures = Queue(self.jobs, manifest, workers, quiet).run()
            store.write_text(out / ABOUT, json.dumps(self._about(), indent=2, ensure_ascii=False) + "\n")
            self._write(out, manifest, failures)
            if not failures:
                names = [*self.jobs.names(), *(name for name in manifest.entries if name not in set(self.jobs.names()))]
                manifest.finish(names)
                _sweep(out, manifest)
        return Comparison(out, len(self.jobs), tuple(failures))

    def kinds(self, out: Path) -> list[Kind]:
        """Return how many jobs of each kind there are, and what those that are left will cost.

        Args:
            out: The output folder, which may hold some of them; it is not written to.
        """
        held = Manifest.read(out) if (out / store.MANIFEST).is_file() else None
        found: dict[str, list[Job]] = {}
        for job in self.jobs:
            found.setdefault(job.kind, []).append(job)
        kinds = []
        for name, jobs in found.items():
            left = [job for job in jobs if held is None or not held.holds(job.name, job.fingerprint)]
            entries = [] if held is None else [held.entries[job.name] for job in jobs if job not in left]
            spent = sum(float(entry.stats["seconds"]) for entry in entries)
            done = sum(job.flops for job in jobs if job not in left)
            flops = sum(job.flops for job in left)
            per_job = spent / len(entries) * len(left) if entries else None
            kinds.append(Kind(name, len(jobs), len(left), flops, spent * flops / done if done else per_job))
        return kinds

    def _about(self) -> dict[str, Any]:
        """Return what the report needs to know of the configuration; no path but the names of files."""
        config = self.config
        return {
            "motherlode": __version__,
            "model": Path(config.model).name,
            "model_digest": self.checked.model_digest,
            "methods": {name: method.model_dump(mode="json") for name, method in config.methods.items()},
            "variants": {}
            if config.mining is None
            else {name: variant.model_dump(mode="json") for name, variant in config.mining.variants.items()},
            "domains": {
                name: {
                    "train": [Path(file).name for file in domain.train],
                    "tasks": [Path(task).name for task in domain.tasks],
                    "dev": None if domain.dev is None else Path(domain.dev).name,
                    "samples": len(self.checked.domains[name]) if name in self.checked.domains else None,
                }
                for name, domain in config.domains.items()
            },
            "pool": None if config.pool is None else {"file": Path(config.pool).name, "rows": self.checked.pool_rows},
            "sizes": list(config.sizes),
            "budgets": list(config.budgets),
            "random_seeds": list(config.random_seeds),
            "equal": config.equal,
            "share": config.share,
            "decontaminate": config.decontaminate,
            "selection": config.selection,
            "training": config.training,
            "evaluation": config.evaluation,
            "tokens": None if config.mining is None else config.mining.tokens,
        }

    def _write(self, out: Path, manifest: Manifest, failures: list[Failure]) -> None:
        gather(out, manifest, self.cells, self.sets)
        found: dict[str, Any] = {
            "failures": [{"job": item.job, "error": item.error, "because": item.because} for item in failures],
            "jobs": dict(Counter(job.kind for job in self.jobs)),
        }
        for job in self.jobs:
            if job.kind in ("pool", "general") and manifest.holds(job.name, job.fingerprint):
                found[job.kind] = read_result(out, job)
        store.write_text(out / "notes.json", json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def compare(config: Path | str | CompareConfig, out: Path | str, *, workers: int = 1, quiet: bool = True) -> Comparison:
    """Compare methods as a file says.

    Args:
        config: The YAML file, or the comparison itself.
        out: The output folder; an interrupted comparison is continued, a changed one keeps what is still the same.
        workers: Jobs at a time, each in a process; 1: one after the other, in this process.
        quiet: Whether no progress is shown.

    Returns:
        What was done; jobs that failed are in `failures`.

    Raises:
        InputError: The file, or something that it names, must be changed; nothing was started.
        MissingExtraError: What trains or evaluates is not installed.
        StorageError: The disk is full; what is done is kept.
    """
    if workers < 1:
        raise InputError(f"{workers} is not a number of processes", where="--workers", hint="use 1 or more")
    return Plan(config).run(path_here(out), workers=workers, quiet=quiet)


def weights(model: str) -> float:
    """Return about how many parameters a model's files hold; 0 if it lies on the hub."""
    folder = here(model)
    if not folder.is_dir():
        return 0.0
    return sum(file.stat().st_size for file in folder.glob("*.safetensors")) / _DTYPE_BYTES


def _cell(kind: str, values: Mapping[str, Any]) -> Cell:
    place = {name: value for name, value in values.items() if name != "job"}
    return Cell(kind, place, values["job"])


def _sweep(out: Path, manifest: Manifest) -> None:
    """Remove folders of jobs that no entry refers to any longer."""
    used = {file.name.split("/")[1] for entry in manifest.entries.values() for file in entry.files}
    for folder in (out / JOBS).iterdir():
        if folder.name not in used:
            store.remove(folder)
    store.remove(out / "work")  # what methods shared
