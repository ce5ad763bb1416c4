"""The engine on a Ray cluster: the same tasks, folders, manifests and bytes as the local engine.

The driver hands out tasks, commits what comes back, and alone writes manifests; workers write shards under their final
names, atomically. A worker that dies costs its task an attempt, and the task goes to another worker; one whose node
went with it costs nothing, a few times. Tasks that need other resources than those before get a crew of their own.
"""

from __future__ import annotations

import contextlib
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from motherlode.errors import InputError
from motherlode.shards import store
from motherlode.shards.engine import DIED
from motherlode.shards.manifest import Entry, Manifest
from motherlode.shards.ray_cluster import inputs_of, join, nodes, require_ray
from motherlode.shards.ray_crew import Crew, Member
from motherlode.shards.ray_worker import Probe
from motherlode.shards.resources import Resources, resources_of
from motherlode.shards.stage import Fault, Stage
from motherlode.shards.task import Task

_WAIT = 1.0  # seconds between looks at the cluster while nothing happens
_NODES_LOST = 4  # nodes that may go while they do one task, before that counts against the task
_SAY_AFTER = 30.0  # seconds without any worker until that is said


class RayEngine:
    """Tasks over the workers of a Ray cluster.

    Attributes:
        attempts: How often a failing task is tried.
    """

    def __init__(
        self, address: str | None = None, workers: int | None = None, attempts: int = 3, quiet: bool = False
    ) -> None:
        """Connect to a cluster; workers start with the first task.

        Args:
            address: `HOST:PORT`; `auto`: the one that runs on this machine; `local`: start one here; None: the one that
                runs here, if none runs one is started.
            workers: Workers, beyond the room that there is too; by default as many as there is room for.
            attempts: Tries per task, 1 or more.
            quiet: Whether no progress is shown.

        Raises:
            MissingExtraError: Ray is not installed.
            InputError: `workers` or `attempts` is below 1; there is no cluster, or it does not fit this process.
        """
        if workers is not None and workers < 1:
            raise InputError(f"{workers} is not a number of workers", where="--workers", hint="use 1 or more")
        if attempts < 1:
            raise InputError(f"{attempts} is not a number of attempts", where="attempts", hint="use 1 or more")
        self.attempts, self.quiet, self._workers = attempts, quiet, workers
        self._joined = join(address, workers)
        self._ray = require_ray()
        self._crew: Crew | None = None

    @property
    def workers(self) -> int:
        """How many tasks of one core run at a time."""
        return self._workers or max(1, sum(node.holds(Resources()) for node in nodes()))

    def run(self, tasks: Sequence[Task], manifest: Manifest, title: str, unit: str = "documents") -> None:
        """Run what the manifest does not hold, commit each task, and declare the folder complete.

        Args:
            tasks: All tasks of the folder, in the order of its rows.
            manifest: The open manifest of the output folder.
            title: What the progress bar says.
            unit: What task sizes count.

        Raises:
            InputError: A task met input that must be changed, or the cluster does not fit; what was committed stays.
            StorageError: The disk is full; what was committed stays.
            TasksFailedError: Tasks failed after all attempts; the others are committed.
            KeyboardInterrupt: Ctrl-C; what was committed stays.
        """
        with Stage(tasks, manifest, title, unit, self.attempts, self.quiet) as stage:
            groups: dict[Resources, list[Task]] = {}
            any_gpu = bool(stage.todo) and any(node.gpus for node in nodes())
            for task in stage.todo:
                groups.setdefault(resources_of(task).settled(any_gpu), []).append(task)
            try:
                for resources, group in groups.items():
                    with _probe(manifest.folder, group) as probe:
                        crew = self._crew_of(resources)
                        crew.check(probe)
                        self._run_group(group, crew, probe, stage)
            except BaseException:
                self.dismiss()  # at once: what is unfinished are temporary files
                raise
        stage.finish()

    def _crew_of(self, resources: Resources) -> Crew:
        if self._crew is None or self._crew.resources != resources:
            self.dismiss()
            self._crew = Crew(resources, self._workers)
        return self._crew

    def _run_group(self, tasks: Sequence[Task], crew: Crew, probe: Probe, stage: Stage) -> None:
        folder = stage.manifest.folder.absolute()
        waiting = deque(tasks)
        flight: dict[Any, tuple[Task, Member]] = {}
        lost: Counter[str] = Counter()
        since: float | None = time.monotonic()  # when there was a worker last; None once that was said

        def settled(task: Task, outcome: Entry | Fault) -> None:
            if stage.settle(task, outcome):
                waiting.append(task)

        while waiting or flight:
            crew.grow(len(waiting) + len(flight), probe)
            while waiting and crew.idle:
                task, member = waiting.popleft(), crew.idle.popleft()
                try:
                    flight[member.actor.attempt.remote(task, folder)] = task, member
                except Exception as error:  # noqa: BLE001 - the task cannot be sent
                    crew.idle.append(member)
                    settled(task, Fault(f"{type(error).__name__}: {error}"))
            since = self._say(crew, flight, since, stage)
            references = [*flight, *(crew.starting if waiting else ())]
            if not references:
                if waiting and not crew.idle:
                    time.sleep(_WAIT)  # all nodes are gone; others may come
                continue
            for reference in self._ray.wait(references, num_returns=1, timeout=_WAIT)[0]:
                if reference in crew.starting:
                    crew.started(reference, probe)
                    continue
                task, member = flight.pop(reference)
                try:
                    outcome = self._ray.get(reference)
                except self._ray.exceptions.RayActorError:
                    crew.dismiss(member)
                    gone = crew.lost_its_node(member)
                    lost[task.name] += gone
                    if gone and lost[task.name] <= _NODES_LOST:
                        waiting.append(task)
                    else:
                        settled(task, DIED)
                    continue
                except self._ray.exceptions.RayError as error:  # the task cannot be received, say
                    outcome = Fault(" ".join(str(error).split())[-500:], str(error))
                crew.idle.append(member)
                settled(task, outcome)

    def _say(
        self, crew: Crew, flight: dict[Any, tuple[Task, Member]], since: float | None, stage: Stage
    ) -> float | None:
        """Show how many work; say once if nobody can."""
        if flight or crew.idle:
            at = {member.view.host for _, member in flight.values() if member.view is not None}
            stage.progress.note = f"{len(flight)} workers on {len(at)} nodes"
            return time.monotonic()
        if since is not None and time.monotonic() - since > _SAY_AFTER:
            if not self.quiet:
                sys.stderr.write(f"{stage.title}: the cluster has no room yet for a worker of {crew.resources}\n")
            return None
        return since

    def dismiss(self) -> None:
        """Release the workers and stay connected; the next task starts others."""
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.dismiss_all()

    def close(self) -> None:
        """Release the workers, and the cluster if this engine connected to it."""
        if self._ray.is_initialized():
            self.dismiss()
            if self._joined:
                self._ray.shutdown()
        self._joined = False

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Release the workers."""
        self.close()


@contextlib.contextmanager
def _probe(folder: Path, tasks: Sequence[Task]) -> Iterator[Probe]:
    """Leave a file in the output folder, under a temporary file's name, that every node must see."""
    content = uuid.uuid4().hex
    token = folder.absolute() / f".seen.{uuid.uuid4().int % 10**12}{store.TEMPORARY}"
    store.write_text(token, content)
    try:
        yield Probe(token, content, inputs_of([*tasks[:8], *tasks[-1:]]))
    finally:
        store.remove(token)
