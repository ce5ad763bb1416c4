"""Engines: who runs the tasks of a folder, and what happens when one fails, dies or is interrupted.

`LocalEngine` uses a pool of spawned processes that outlives a stage, so that a worker loads an encoder once. At most
two tasks a worker are in flight. A task that raises is tried again; one whose worker dies (the system ran out of
memory, say) is tried again alone, so that the guilty one is known; the others complete either way. A worker that
loses its driver ends itself.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Protocol, Self

from motherlode.errors import InputError, MotherlodeError
from motherlode.shards.manifest import Entry, Manifest
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


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_threads(threads: int) -> None:
    """Let this process use so many threads, and one for sums: bytes must not depend on the number of workers."""
    import pyarrow as pa
    from threadpoolctl import threadpool_limits

    os.environ["OMP_NUM_THREADS"] = str(threads)  # for libraries that are yet to be loaded
    threadpool_limits(threads)
    threadpool_limits(1, user_api="blas")
    pa.set_cpu_count(max(1, threads))


def _start_worker(threads: int) -> None:
    """Prepare a worker: Ctrl-C is the driver's business, and a worker without a driver ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # the driver blocked it while it started this process
    limit_threads(threads)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back: a worker that is just starting must not meet them, nor be left half started.

    The mask is inherited by the processes that start here; it is this thread's alone, and another thread may still take
    the signal for the whole process, so that the handlers wait as well. What came meanwhile is raised at the end.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    came: list[int] = []
    here = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) or signal.SIG_DFL for number in numbers}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        if here:
            for number in numbers:
                signal.signal(number, lambda number, _: came.append(number))
        yield
    finally:
        if here:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if came:
            signal.raise_signal(came[0])


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
        self._pool: ProcessPoolExecutor | None = None
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
                        flight[self._submit(queue[0], stage.manifest.folder)] = queue[0]
                    except BrokenProcessPool:  # a worker has just died; the tasks in flight will say so
                        if not flight:
                            self._kill()
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
                    self._kill()
                    deaths = self._count_death(deaths)
                    if len(dead) > 1 or stage.settle(dead[0], DIED):
                        suspects.extend(dead)
        except BaseException:
            self._kill()
            raise

    def _count_death(self, deaths: int) -> int:
        if deaths >= 2 and not self._succeeded:
            raise MotherlodeError(
                "worker processes die before they finish anything",
                hint="in a script, call from under `if __name__ == '__main__':`; or use one worker",
            )
        return deaths + 1

    def _submit(self, task: Task, folder: Path) -> Future[Entry | Fault]:
        with _interrupts_held():  # the first task starts the processes, which inherit the signal mask
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    self.workers,
                    mp_context=multiprocessing.get_context("spawn"),
                    initializer=_start_worker,
                    initargs=(max(1, usable_cores() // self.workers),),
                )
            return self._pool.submit(attempt, task, folder)

    def _kill(self) -> None:
        """End the workers at once; their unfinished files are temporary ones."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        processes = list((getattr(pool, "_processes", None) or {}).values())
        for process in processes:
            with contextlib.suppress(OSError, ValueError):
                process.kill()
        pool.shutdown(wait=True, cancel_futures=True)

    def close(self) -> None:
        """Release the workers."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Release the workers."""
        self.close()
