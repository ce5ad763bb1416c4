"""The queue: jobs in the order of their needs, committed one by one; one that fails takes along only what needs it.

A comparison that is killed goes on with the jobs that are left. With several workers, jobs run in spawned processes
that live as long as the queue, so that each loads its libraries once; with one, in this very process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from motherlode.comparison.jobs import Job
from motherlode.errors import MotherlodeError, StorageError
from motherlode.progress import Progress
from motherlode.shards.manifest import Entry, Manifest
from motherlode.shards.pool import WorkerPool
from motherlode.shards.stage import run_task


@dataclass(frozen=True)
class Failure:
    """A job that failed, or one that was left out because another had.

    Attributes:
        job: Its name.
        error: One line.
        because: The job that it waited for; None if it failed itself.
    """

    job: str
    error: str
    because: str | None = None


class Queue:
    """Runs what a manifest does not hold."""

    def __init__(self, jobs: Iterable[Job], manifest: Manifest, workers: int = 1, quiet: bool = False) -> None:
        """Take the jobs, in an order in which they can be done."""
        self.manifest, self.workers, self.quiet = manifest, workers, quiet
        self.jobs = list(jobs)
        self.done = {job.name for job in self.jobs if manifest.holds(job.name, job.fingerprint)}
        self.failures: dict[str, Failure] = {}
        self._pool = WorkerPool(workers)

    @property
    def left(self) -> list[Job]:
        """Jobs that are neither done nor have failed, in order."""
        return [job for job in self.jobs if job.name not in self.done and job.name not in self.failures]

    def run(self) -> list[Failure]:
        """Do all that can be done.

        Returns:
            What failed and what was left out for it, in the order of the jobs.

        Raises:
            StorageError: The disk is full; what was committed stays.
        """
        left = self.left
        if left or not self.manifest.complete:
            self.manifest.begin()
        with Progress("compare", len(left), "jobs", quiet=self.quiet or not left) as progress:
            try:
                (self._run_here if self.workers == 1 else self._run_in_pool)(progress.advance)
            finally:
                self._pool.kill()
        return [self.failures[job.name] for job in self.jobs if job.name in self.failures]

    def _ready(self, running: Iterable[Job]) -> Job | None:
        """Return the next job whose needs are met; jobs whose needs have failed are left out on the way."""
        lanes = {job.lane for job in running if job.lane}
        busy = {job.name for job in running}
        for job in self.left:
            failed = next((need.name for need in job.after.values() if need.name in self.failures), None)
            if failed is not None:
                origin = self.failures[failed].because or failed
                self.failures[job.name] = Failure(job.name, f"needs {origin}", origin)
            elif job.name not in busy and job.lane not in lanes and self._met(job):
                return job
        return None

    def _met(self, job: Job) -> bool:
        return all(need.name in self.done for need in job.after.values())

    def _commit(self, job: Job, entry: Entry) -> None:
        self.manifest.commit(entry)
        self.done.add(job.name)

    def _fail(self, job: Job, error: Exception) -> None:
        if isinstance(error, StorageError):
            raise error
        line = " ".join(str(error).split())[:500] or type(error).__name__
        self.failures[job.name] = Failure(job.name, line)
        if not self.quiet:
            shown = "".join(c if c.isprintable() else " " for c in f"! {job.name} failed: {line}")
            print(shown, file=sys.stderr)  # noqa: T201 - as progress does

    def _run_here(self, advance: Callable[[int], None]) -> None:
        while (job := self._ready(())) is not None:
            try:
                entry = run_task(job, self.manifest.folder)
            except Exception as error:  # noqa: BLE001 - whatever a job raises is reported with the job
                self._fail(job, error)
            else:
                self._commit(job, entry)
            advance(1)

    def _run_in_pool(self, advance: Callable[[int], None]) -> None:
        flight: dict[Future[Entry], Job] = {}
        suspects: list[Job] = []  # in flight when a worker died; each is tried again alone
        alone: set[str] = set()  # those that were
        while True:
            while len(flight) < (1 if suspects else self.workers):
                job = suspects[0] if suspects else self._ready(flight.values())
                if job is None:
                    break
                try:
                    flight[self._pool.submit(run_task, job, self.manifest.folder)] = job
                except BrokenProcessPool:  # a worker has just died; the jobs in flight will say so
                    if flight:
                        break
                    self._pool.kill()
                else:
                    if suspects:
                        alone.add(job.name)
            if not flight:
                return
            finished, _ = wait(flight, return_when=FIRST_COMPLETED)
            dead: list[Job] = []
            for future in finished:
                job = flight.pop(future)
                try:
                    entry = future.result()
                except BrokenProcessPool:
                    dead.append(job)
                    continue
                except Exception as error:  # noqa: BLE001 - as above
                    self._fail(job, error)
                else:
                    self._commit(job, entry)
                suspects = [other for other in suspects if other is not job]
                advance(1)
            if dead:
                dead += flight.values()
                flight.clear()
                self._pool.kill()
                for job in dead:
                    if job.name in alone:
                        self._fail(job, MotherlodeError("its worker process died (out of memory?)"))
                        suspects = [other for other in suspects if other is not job]
                        advance(1)
                    elif job not in suspects:
                        suspects.append(job)
