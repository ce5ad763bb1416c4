"""Spawned worker processes: started with the first thing they are given, ended at once, and never without a driver.

A worker leaves Ctrl-C to the driver, and ends itself when it loses the driver.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


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


def start_worker(threads: int) -> None:
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
def interrupts_held() -> Iterator[None]:
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


class WorkerPool:
    """So many processes of this machine, which share its cores.

    Attributes:
        workers: How many.
    """

    def __init__(self, workers: int) -> None:
        """Describe the pool; processes start with the first call of `submit`."""
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a worker call a function.

        Raises:
            BrokenProcessPool: A worker has died; call `kill` before the next try.
        """
        with interrupts_held():  # the first task starts the processes, which inherit the signal mask
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    self.workers,
                    mp_context=multiprocessing.get_context("spawn"),
                    initializer=start_worker,
                    initargs=(max(1, usable_cores() // self.workers),),
                )
            return self._pool.submit(function, *args, **kwargs)

    def kill(self) -> None:
        """End the workers at once, and give up what they were at; the next call of `submit` starts others."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        processes = list((getattr(pool, "_processes", None) or {}).values())
        for process in processes:
            with contextlib.suppress(OSError, ValueError):
                process.kill()
        pool.shutdown(wait=True, cancel_futures=True)

    def close(self) -> None:
        """Release the workers when they have done what they were given."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True)
