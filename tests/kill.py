"""Kill real runs at random points, run them again, and compare what they leave with an undisturbed run.

A `Program` is Python source that a fresh interpreter runs. Its imports come first and are not killed (nothing is at
stake there); then it says that it is ready, and everything after that moment is. Kills follow each other on one folder
as a chain, each run starting from what the one before left; the last run is left in peace. Whoever runs it last, and
however often it was interrupted, the folder must hold the same bytes.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

Victim = Literal["driver", "group", "worker"]
_PATIENCE = 600.0  # seconds until something counts as hanging; no test measures time


@dataclass(frozen=True)
class Program:
    """What is run: `imports`, then `body`, which finds the output folder in `sys.argv[1]`.

    Attributes:
        imports: Source that only imports.
        body: Source that does the work.
        arguments: What `sys.argv[2:]` holds.
    """

    imports: str
    body: str
    arguments: tuple[str, ...] = ()

    def start(self, folder: Path) -> subprocess.Popen[str]:
        """Start the program in a process group of its own, and return when it is ready."""
        source = f"import sys\n{self.imports}\nprint('ready', flush=True)\n{self.body}\n"
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        process = subprocess.Popen(
            [sys.executable, "-c", source, str(folder), *self.arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**environment, "OMP_NUM_THREADS": "1"},
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        if line != "ready\n":
            raise AssertionError(f"the program did not start: {process.communicate()[1]}")
        return process

    def run(self, folder: Path) -> float:
        """Run the program to its end, which must be a good one; return the seconds that it took once ready."""
        process = self.start(folder)
        started = time.monotonic()
        finish(process)
        return time.monotonic() - started


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for a program and demand that it succeeds."""
    _, errors = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 0, f"exit code {process.returncode}: {errors}"


def workers_of(pid: int) -> list[psutil.Process]:
    """Return the worker processes of a driver."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if _is_worker(child)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return any("multiprocessing.spawn" in part for part in process.cmdline())
    except psutil.Error:
        return False


def all_end(processes: Sequence[psutil.Process]) -> bool:
    """Return whether processes end without being told to."""
    _, alive = psutil.wait_procs(processes, timeout=_PATIENCE / 2)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its bytes, but for the locks and what is remembered of files' times."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".lock", ".digests.json")
    }


def differences(found: dict[str, bytes], wanted: dict[str, bytes]) -> list[str]:
    """Name the files that are missing, left over, or not the same."""
    return sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))


def kill(process: subprocess.Popen[str], victim: Victim, choice: random.Random) -> bool:
    """Kill a running program with SIGKILL.

    Args:
        process: The program.
        victim: The driver alone, its whole process group, or one of its workers (awaited if there is none yet).
        choice: Chooses the worker.

    Returns:
        Whether there was something to kill.
    """
    if victim == "worker":
        while process.poll() is None:
            if workers := workers_of(process.pid):
                with contextlib.suppress(psutil.NoSuchProcess):
                    choice.choice(workers).kill()
                    return True
            time.sleep(0.01)
        return False
    if process.poll() is not None:
        return False
    if victim == "group":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    return True


def kill_and_rerun(
    program: Program,
    folder: Path,
    wanted: dict[str, bytes],
    seconds: float,
    victims: Sequence[Victim],
    random_seed: int,
    chain: int = 5,
) -> int:
    """Kill a program again and again, and demand that it always ends in the same bytes.

    Args:
        program: What is run.
        folder: Where the outputs go; emptied between chains.
        wanted: The `contents` of an undisturbed run's folder.
        seconds: How long an undisturbed run takes: kills are spread evenly over this time.
        victims: Whom to kill, in order.
        random_seed: Where the kills fall.
        chain: Kills, at most, before a run is left to finish.

    Returns:
        The kills that met a running program; as many as there are victims.
    """
    choice = random.Random(random_seed)
    kills, missed, left = 0, 0, list(victims)
    orphans: list[psutil.Process] = []
    while left:
        for _ in range(min(chain, len(left))):
            process = program.start(folder)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(choice.uniform(0.0, seconds))
            orphans += workers_of(process.pid)
            if not kill(process, left[0], choice):  # it was done before
                missed += 1
                assert missed <= 5 * len(victims), f"there is no {left[0]} to kill"
                finish(process)
                break
            kills += 1
            if left.pop(0) == "worker":  # the driver outlives it, and starts another
                finish(process)
                break
            process.communicate(timeout=_PATIENCE)
        program.run(folder)
        wrong = differences(contents(folder), wanted)
        assert not wrong, f"after {kills} kills (random_seed={random_seed}): {wrong[:5]}"
        shutil.rmtree(folder)
    assert all_end(orphans), "workers outlived their driver"
    return kills
