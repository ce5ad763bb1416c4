"""What one `--tasks` asks for: a file of items, or tasks of the harness."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from motherlode.errors import InputError
from motherlode.evaluation.items import TaskFile, read_task
from motherlode.evaluation.options import EvaluateOptions
from motherlode.evaluation.prompt import check_style
from motherlode.evaluation.result import TaskScore
from motherlode.evaluation.run import Run
from motherlode.evaluation.scores import score_items, score_logged
from motherlode.shards.local_copy import here

_FILE_ENDING = re.compile(r"\.(jsonl|ndjson|json|parquet)(\.gz|\.zst)?$", re.IGNORECASE)
_TRAIN = ":train="


class Work(Protocol):
    """Something that is asked for by one `--tasks`."""

    name: str

    def scores(self, run: Run) -> dict[str, TaskScore]:
        """Return its scores."""
        ...


class FileWork:
    """A file of items."""

    def __init__(self, file: TaskFile, train: TaskFile | None, settings: EvaluateOptions) -> None:
        self.name, self.file, self.train, self.settings = file.name, file, train, settings
        self.items = file.items[: settings.limit]
        for item in self.items:
            check_style(item, settings.style)
        pool = (train or file).items
        self.groups = {
            kind: (
                [item for item in self.items if item.kind == kind],
                [item for item in pool if item.kind == kind],
            )
            for kind in dict.fromkeys(item.kind for item in self.items)
        }
        if settings.shots:
            from motherlode.evaluation.local_task import check_pool

            for own, others in self.groups.values():
                check_pool(own, others, settings.shots, f"--tasks {(train or file).path}")

    def scores(self, run: Run) -> dict[str, TaskScore]:
        """Return the file's one score."""
        digests = [self.file.digest, None if self.train is None else self.train.digest]
        return {self.name: run.task(self.name, digests, lambda: self._score(run))}

    def _score(self, run: Run) -> TaskScore:
        from motherlode.evaluation.local_task import LocalTask

        options = self.settings
        made = {
            kind: LocalTask(
                f"{self.name}:{kind}",
                items,
                pool=pool,
                shots=options.shots,
                style=options.style,
                max_new_tokens=run.new_tokens,
                random_seed=options.random_seed,
            )
            for kind, (items, pool) in self.groups.items()
        }
        requests = sum(len(item.choices) if item.kind == "choice" else 1 for item in self.items)
        logged, cut = run.ask({task.config.task: task for task in made.values()}, self.name, requests)
        by_id = {}
        for kind, (items, _) in self.groups.items():
            own = sorted(logged[f"{self.name}:{kind}"], key=lambda sample: sample["doc_id"])
            by_id.update({item.id: sample for item, sample in zip(items, own, strict=True)})
        return score_items(
            self.name,
            self.items,
            [by_id[item.id] for item in self.items],
            metric=options.metric,
            style=options.style,
            shots=options.shots,
            truncated=cut,
            confidence=options.confidence,
            random_seed=options.random_seed,
        )


class NamedWork:
    """Tasks of the harness under one name."""

    def __init__(self, name: str, settings: EvaluateOptions) -> None:
        from motherlode.evaluation.names import load_named

        self.name, self.settings = name, settings
        self.tasks = load_named(name)

    def scores(self, run: Run) -> dict[str, TaskScore]:
        """Return a score for each task."""
        return {
            name: run.task(
                name, ["harness", str(task.VERSION)], lambda name=name, task=task: self._score(run, name, task)
            )
            for name, task in self.tasks.items()
        }

    def _score(self, run: Run, name: str, task: Any) -> TaskScore:
        options = self.settings
        if task.get_config("num_fewshot") != 0 or not options.shots:
            task.set_config(key="num_fewshot", value=options.shots)
        task.set_fewshot_seed(seed=options.random_seed)
        logged, cut = run.ask({name: task}, name, 0, limit=options.limit)
        samples = sorted(logged[name], key=lambda sample: sample["doc_id"])
        first = [sample for sample in samples if sample["filter"] == samples[0]["filter"]]
        return score_logged(
            name,
            first,
            shots=options.shots,
            truncated=cut,
            metric=options.metric,
            confidence=options.confidence,
            random_seed=options.random_seed,
            task=task,
        )


def prepare(spec: str, settings: EvaluateOptions) -> Work:
    """Read what one `--tasks` names, so that mistakes come before the model is loaded.

    Raises:
        InputError: A file or an item of it cannot be used, or no task has the name.
        MotherlodeError: The hub cannot be reached.
    """
    path, _, train = spec.partition(_TRAIN)
    if here(path).exists() or _FILE_ENDING.search(path) or "/" in path or train:
        return FileWork(read_task(path), read_task(train) if train else None, settings)
    return NamedWork(spec, settings)


def unique(works: Sequence[Work]) -> Sequence[Work]:
    """Return what is asked for.

    Raises:
        InputError: Two have one name.
    """
    names = [work.name for work in works]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two tasks are called {name!r}", where="--tasks", hint="rename one of the files")
    return works
