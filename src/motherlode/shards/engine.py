"""Engines: who runs the tasks of a folder, and what happens when one fails, dies or is interrupted.

`LocalEngine` uses a pool of spawned processes that outlives a stage, so that a worker loads an encoder once. At most
two tasks a worker are in flight. A task that raises is tried again; one whose worker dies (the system ran out of
memory, say) is tried again alone, so that the guilty one is known; the others complete either way. A worker that
loses its driver ends itself.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol, Self

from motherlode.errors import InputError, MotherlodeError
from motherlode.shards.manifest import Entry, Manifest
from motherlode.shards.pool import WorkerPool, limit_threads, usable_cores
from motherlode.shards.stage import Fault, Stage, TasksFailedError, attempt, this_process
from motherlode.shards.task import Task

__all__ = ["DIED", "Engine", "LocalEngine", "TasksFailedError", "limit_threads", "usable_cores"]
DIED = Fault("its worker process died (out of memory?)")


class Engine(Protocol):
    """What a stage needs of an engine."""

    @property
    def workers(self) -> int:
        """How many tasks run at a time."""

    def run(self, tasks: Sequence[Task], manifest: Manifest, title: str, unit: str = "documents") -> None:
        """Run the tasks that the manifest does not hold, commit each, and declare the folder complete."""

    def close(self) -> None:
        """Release the workers."""


class LocalEngine:
    """Tasks over processes of this machine.

    Attributes:
        workers: How many tasks run at a time; with one, they run in this very process.
        attempts: How often a failing task is tried.
    """

    def __init__(self, workers: int | None = None, attempts: int = 2, quiet: bool = False) -> None:
        """Describe the engine; processes start with the first task.

        Args:
            workers: Processes; by default one per usable core.
            attempts: Tries per task, 1 or more.
            quiet: Whether no progress is shown.

        Raises:
            InputError: `workers` or `attempts` is below 1.
        """
        if workers is not None and workers < 1:
            raise InputError(f"{workers} is not a number of processes", where="--workers", hint="use 1 or more")
        if attempts < 1:
            raise InputError(f"{attempts} is not a number of attempts", where="attempts", hint="use 1 or more")
        self.workers = workers or usable_cores()
        self.attempts = attempts
        self.quiet = quiet
        self._pool = WorkerPool(self.workers)
        self._succeeded = False

    def run(self, tasks: Sequence[Task], manifest: Manifest, title: str, unit: str = "documents") -> None:
        """Run what the manifest does not hold, commit each task, and declare the folder complete.

        Args:
            tasks: All tasks of the folder, in the order of its rows.
            manifest: The open manifest of the output folder.
            title: What the progress bar says.
            unit: What task sizes count.

        Raises:
            InputError: A task met input that must be changed; what was committed stays.
            StorageError: The disk is full; what was committed stays.
            TasksFailedError: Tasks failed after all attempts; the others are committed.
            KeyboardInterrupt: Ctrl-C; what was committed stays.
        """
        with Stage(tasks, manifest, title, unit, self.attempts, self.quiet) as stage:
            if self.workers == 1 or len(tasks) == 1:
                self._run_here(stage)
            elif stage.todo:
                self._run_in_pool(stage)
        stage.finish()

    def _run_here(self, stage: Stage) -> None:
        from threadpoolctl import threadpool_limits

        for task in stage.todo:
            again = True
            while again:
                with threadpool_limits(1, user_api="blas"):  # as in a worker
                    outcome = attempt(task, stage.manifest.folder)
                again = stage.settle(task, outcome)

    def _run_in_pool(self, stage: Stage) -> None:
        waiting: deque[Task] = deque(stage.todo)
        suspects: deque[Task] = deque()  # their worker died; each is tried again alone
        flight: dict[Future[Entry | Fault], Task] = {}
        deaths = 0
        try:
            while waiting or suspects or flight:
                queue, most = (suspects, 1) if suspects else (waiting, 2 * self.workers)
                while queue and len(flight) < most:
                    try:
                        flight[self._pool.submit(attempt, queue[0], stage.manifest.folder)] = queue[0]
                    except BrokenProcessPool:  # a worker has just died; the tasks in flight will say so
                        if not flight:
                            self._pool.kill()
                            deaths = self._count_death(deaths)
                        break
                    queue.popleft()
                if not flight:
                    continue
                done, _ = wait(flight, return_when=FIRST_COMPLETED)
                dead: list[Task] = []
                for future in done:
                    task = flight.pop(future)
                    try:
                        outcome = future.result()
                    except BrokenProcessPool:
                        dead.append(task)
                        continue
                    except Exception as error:  # noqa: BLE001 - the task could not be sent, or its result not come back
                        outcome = Fault(f"{type(error).__name__}: {error}", traceback.format_exc(), this_process())
                    if stage.settle(task, outcome):
                        waiting.append(task)
                    self._succeeded |= isinstance(outcome, Entry)
                if dead:
                    dead += flight.values()
                    flight.clear()
                    self._pool.kill()
                    deaths = self._count_death(deaths)
                    if len(dead) > 1 or stage.settle(dead[0], DIED):
                        suspects.extend(dead)
        except BaseException:
            self._pool.kill()
            raise

    def _count_death(self, deaths: int) -> int:
        if deaths >= 2 and not self._succeeded:
            raise MotherlodeError(
                "worker processes die before they finish anything",
                hint="in a script, call from under `if __name__ == '__main__':`; or use one worker",
            )
        return deaths + 1

    def close(self) -> None:
        """Release the workers."""
        self._pool.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Release the workers."""
        self.close()
