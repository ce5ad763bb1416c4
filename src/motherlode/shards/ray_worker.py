"""What runs on a Ray cluster's nodes: a worker that tries tasks, and a look at what a node has and sees."""

from __future__ import annotations

import os
import platform
import socket
from dataclasses import dataclass
from pathlib import Path

from motherlode import __version__
from motherlode.shards.engine import limit_threads
from motherlode.shards.manifest import Entry
from motherlode.shards.resources import Resources
from motherlode.shards.stage import Fault, attempt
from motherlode.shards.task import Task


@dataclass(frozen=True)
class Probe:
    """What a node must see before it gets work.

    Attributes:
        token: A file that the driver has just written into the output folder.
        content: What it holds.
        inputs: Files that tasks read.
    """

    token: Path
    content: str
    inputs: tuple[Path, ...]


@dataclass(frozen=True)
class View:
    """What a node says of itself.

    Attributes:
        node: Its id in the cluster.
        host: Its name.
        process: The process that looked.
        python: Version of Python.
        package: Version of motherlode.
        hidden: The first path that it does not see, None if it sees all.
    """

    node: str
    host: str
    process: int
    python: str
    package: str
    hidden: Path | None


def look(probe: Probe) -> View:
    """Say what this node is and whether it sees the files."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    hidden = None if _reads(probe.token) == probe.content else probe.token.parent
    if hidden is None:
        hidden = next((path for path in probe.inputs if not path.exists()), None)
    return View(node, socket.gethostname(), os.getpid(), platform.python_version(), __version__, hidden)


def _reads(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except OSError:
        return None


class Worker:
    """A process that lives as long as the engine: what a step opens in it (an encoder, a model) stays open."""

    def __init__(self, resources: Resources, folder: Path) -> None:
        """Limit its threads as those of a local worker are, and go where the driver is: paths may be relative."""
        if not resources.gpus:  # else every worker of a node would take the first GPU
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        limit_threads(max(1, int(resources.cpus)))
        if folder.is_dir():
            os.chdir(folder)

    def look(self, probe: Probe) -> View:
        """See `look`."""
        return look(probe)

    def attempt(self, task: Task, folder: Path) -> Entry | Fault:
        """Try a task once."""
        return attempt(task, folder)
