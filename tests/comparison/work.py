"""Jobs for the queue's tests: they note that they ran, or fail, or die."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from motherlode.comparison.jobs import Job
from motherlode.errors import InputError
from motherlode.shards import store
from motherlode.shards.fingerprint import bytes_digest
from motherlode.shards.manifest import Entry, ShardFile


@dataclass(frozen=True)
class Note(Job):
    """Writes its name into a file of its own, and a line into `log` when it begins and when it ends."""

    def run(self, folder: Path) -> Entry:
        """Note, or fail as its kind says."""
        for need in self.after.values():
            assert (folder / f"{need.name}.txt").is_file()
        store.append_line(folder / "log", f"begin {self.name}")
        if self.kind == "fail":
            raise InputError("is not to be done", where=self.name)
        if self.kind == "break":
            raise ValueError("two\nlines \x1b[31m")
        if self.kind == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "die once" and not (folder / "died").exists():
            (folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "slow":
            time.sleep(0.2)
        data = self.name.encode()
        store.write_bytes(folder / f"{self.name}.txt", data)
        store.append_line(folder / "log", f"end {self.name}")
        file = ShardFile(f"{self.name}.txt", 1, len(data), bytes_digest(data))
        return Entry(self.name, self.fingerprint, (file,), {}, {"seconds": 0.0})


def note(name: str, kind: str = "", *after: Job, key: str = "k", lane: str = "") -> Note:
    """Make a job."""
    return Note(name, kind, {}, key, {job.name: job for job in after}, name, lane)
