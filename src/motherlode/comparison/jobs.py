"""Jobs: the pieces of a comparison, each under the fingerprint of everything that its output depends on.

A job's folder carries its fingerprint in its name. A changed setting, another file, or another job before it therefore
leads to another folder, and what is done stays done whatever else is added to the comparison.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motherlode.errors import MotherlodeError
from motherlode.shards import store
from motherlode.shards.fingerprint import bytes_digest, fingerprint
from motherlode.shards.manifest import Entry, ShardFile

VERSION = 1  # of what jobs write
JOBS = "jobs"  # the folder of their folders
RESULT = "result.json"
_UNSAFE = re.compile(r"[^a-z0-9._=-]+")


@dataclass(frozen=True)
class Job:
    """One piece of work.

    Attributes:
        name: What it is, unique in the comparison.
        kind: Who does it, see `motherlode.comparison.work`.
        settings: What it is done with; JSON-able. Paths among them say where inputs lie.
        fingerprint: Of what the output depends on.
        after: Jobs that must be done before, by the role that their output plays.
        folder: Where it writes, below the output folder.
        lane: Jobs of one lane do not run at the same time; none if empty.
        flops: Estimated floating-point operations.
    """

    name: str
    kind: str
    settings: Mapping[str, Any]
    fingerprint: str
    after: Mapping[str, Job] = field(default_factory=dict)
    folder: str = ""
    lane: str = ""
    flops: float = 0.0

    @property
    def size(self) -> int:
        """One: progress counts jobs."""
        return 1

    def run(self, folder: Path) -> Entry:
        """Do the work in the job's own folder, and say what it left there.

        Args:
            folder: The output folder of the comparison.
        """
        from motherlode.comparison.work import work

        place = folder / self.folder
        store.make_folder(place)
        started, busy = time.monotonic(), time.process_time()
        before = {role: folder / job.folder for role, job in self.after.items()}
        result = work(self.kind, self.settings, place, before)
        spent = {"seconds": time.monotonic() - started, "cpu_seconds": time.process_time() - busy}
        data = (json.dumps(result, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
        store.write_bytes(place / RESULT, data)
        file = ShardFile(f"{self.folder}/{RESULT}", 1, len(data), bytes_digest(data))
        return Entry(self.name, self.fingerprint, (file,), {}, {name: round(value, 3) for name, value in spent.items()})


def read_result(folder: Path, job: Job) -> dict[str, Any]:
    """Read what a finished job said.

    Raises:
        MotherlodeError: It is damaged.
    """
    path = folder / job.folder / RESULT
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise MotherlodeError("is damaged", where=str(path), hint="remove its folder and run again") from error
    return found


class Jobs:
    """All jobs of a comparison, each after those that it needs."""

    def __init__(self) -> None:
        """Begin with none."""
        self._jobs: dict[str, Job] = {}

    def add(
        self,
        name: str,
        kind: str,
        settings: Mapping[str, Any],
        depends: Any,
        after: Mapping[str, Job] | None = None,
        lane: str = "",
        flops: float = 0.0,
    ) -> Job:
        """Add a job, or return the one of this name.

        Args:
            name: Unique among what is different.
            kind: Who does it.
            settings: What it is done with.
            depends: What the output depends on besides the jobs before: settings without places, digests of files.
            after: The jobs before, by role.
            lane: See `Job`.
            flops: See `Job`.
        """
        before = dict(after or {})
        earlier = {role: job.fingerprint for role, job in before.items()}
        key = fingerprint(VERSION, kind, depends, earlier)
        if name in self._jobs:
            assert self._jobs[name].fingerprint == key, f"two jobs are called {name}"
            return self._jobs[name]
        folder = f"{JOBS}/{_UNSAFE.sub('_', name.lower())[:80]}-{key[:12]}"
        job = Job(name, kind, settings, key, before, folder, lane, flops)
        self._jobs[name] = job
        return job

    def __iter__(self) -> Iterator[Job]:
        """Yield them in an order in which they can be done."""
        return iter(self._jobs.values())

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._jobs)

    def names(self) -> Iterable[str]:
        """Return their names, in order."""
        return self._jobs.keys()
