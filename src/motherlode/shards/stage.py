"""One run of an engine over a folder: what is left to do, what became of it, and what failed.

Whoever runs the tasks, this is done by the driver alone: it commits to the manifest, counts attempts, and keeps the
errors of shards that were given up, with their tracebacks, in `failed.jsonl` of the output folder. The file goes when
the folder is complete.
"""

from __future__ import annotations

import json
import os
import socket
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from motherlode.errors import InputError, MotherlodeError, StorageError
from motherlode.progress import Progress
from motherlode.shards import store
from motherlode.shards.fingerprint import canonical_json
from motherlode.shards.manifest import Entry, Manifest
from motherlode.shards.task import Task

FAILED = "failed.jsonl"
_MOST_KEPT = 200  # shards whose errors are kept: where more fail, most fail for one reason


class TasksFailedError(MotherlodeError):
    """Some tasks failed after all attempts; the others are committed."""


@dataclass(frozen=True)
class Fault:
    """Why one attempt failed; unlike an exception it always survives the way back from a worker.

    Attributes:
        error: One line.
        details: The traceback; empty if the worker died.
        where: Host and process of the worker.
        stops: The error, if going on with other tasks would be of no use.
    """

    error: str
    details: str = ""
    where: str = ""
    stops: MotherlodeError | None = None


@dataclass(frozen=True)
class FailedShard:
    """A line of `failed.jsonl`: a shard that was given up."""

    task: str
    attempts: int
    error: str
    where: str
    traceback: str


def find_failed(folder: Path) -> Iterator[tuple[Path, str, FailedShard]]:
    """Yield the shards that were given up in a folder and in all folders below: file, line, and what it says.

    Raises:
        InputError: A file is damaged.
    """
    for path in sorted(folder.glob(f"**/{FAILED}")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            try:
                shard = FailedShard(**json.loads(line))
            except (ValueError, TypeError):
                raise InputError(f"line {number} is damaged", where=str(path)) from None
            yield path, line, shard


def this_process() -> str:
    """Name host and process."""
    return f"{socket.gethostname()}, process {os.getpid()}"


def attempt(task: Task, folder: Path) -> Entry | Fault:
    """Run a task once, wherever this process is."""
    try:
        return task.run(folder)
    except (InputError, StorageError) as error:
        return Fault(str(error), traceback.format_exc(), this_process(), error)
    except Exception as error:  # noqa: BLE001 - whatever a shard raises is reported with the shard
        said = str(error) if isinstance(error, MotherlodeError) else ": ".join(filter(None, _parts(error)))
        return Fault(said, traceback.format_exc(), this_process())


def run_task(task: Task, folder: Path) -> Entry:
    """Run a task once, and raise what it comes to as an error that survives the way back from a worker.

    Raises:
        MotherlodeError: It failed.
    """
    outcome = attempt(task, folder)
    if isinstance(outcome, Fault):
        raise outcome.stops or MotherlodeError(outcome.error)
    return outcome


def _parts(error: Exception) -> tuple[str, str]:
    return type(error).__name__, str(error)


class Stage:
    """The tasks of a folder that its manifest does not hold, as a context that shows progress.

    Attributes:
        todo: What is left to do, in order.
        progress: The bar.
    """

    def __init__(
        self, tasks: Sequence[Task], manifest: Manifest, title: str, unit: str, attempts: int, quiet: bool
    ) -> None:
        """Look up what is left to do, and reopen the folder if anything is."""
        prints = {task.name: task.fingerprint for task in tasks}
        self.tasks, self.manifest, self.title, self.attempts = tasks, manifest, title, attempts
        self.todo = [task for task in tasks if not manifest.holds(task.name, prints[task.name])]
        if self.todo or not manifest.complete:
            manifest.begin()
            store.remove(self._failed)
        self._tried: Counter[str] = Counter()
        self._given_up: dict[str, str] = {}
        self._lines: list[str] = []
        self.progress = Progress(title, sum(task.size for task in self.todo), unit, quiet=quiet or not self.todo)

    @property
    def _failed(self) -> Path:
        return self.manifest.folder / FAILED

    def settle(self, task: Task, outcome: Entry | Fault) -> bool:
        """Commit what a task did, or count the attempt.

        Args:
            task: The task.
            outcome: What its attempt came to.

        Returns:
            Whether it is to be tried again.

        Raises:
            InputError: It met input that must be changed.
            StorageError: The disk is full.
        """
        if isinstance(outcome, Entry):
            self.manifest.commit(outcome)
            self.progress.advance(task.size)
            return False
        if outcome.stops is not None:
            raise outcome.stops
        self._tried[task.name] += 1
        if self._tried[task.name] < self.attempts:
            return True
        self._given_up[task.name] = outcome.error
        said = FailedShard(task.name, self._tried[task.name], outcome.error, outcome.where, outcome.details)
        if len(self._lines) < _MOST_KEPT:
            self._lines.append(canonical_json(asdict(said)))
            store.write_text(self._failed, "".join(f"{line}\n" for line in self._lines))
        return False

    def finish(self) -> None:
        """Declare the folder complete.

        Raises:
            TasksFailedError: Tasks were given up; the line names one of them.
        """
        if self._given_up:
            first, error = min(self._given_up.items())
            raise TasksFailedError(
                f"{self.title}: {len(self._given_up)} of {len(self.tasks)} shards failed, first {first} "
                f"({error[:300]})",
                where=str(self.manifest.folder),
                hint="the others are kept, `motherlode failures` shows why; mend the cause and run the same command "
                "again",
            )
        store.remove(self._failed)
        self.manifest.finish(task.name for task in self.tasks)

    def __enter__(self) -> Self:
        """Show the progress."""
        self.progress.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the bar."""
        self.progress.__exit__(*exception)
