"""Joining a Ray cluster, or starting one on this machine, and what can be wrong with it, each in one line.

Ray itself waits ten minutes for a cluster that is not there; a plain connection tells within seconds.
"""

from __future__ import annotations

import os
import platform
import signal
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from motherlode import __version__
from motherlode.errors import InputError, MissingExtraError, MotherlodeError
from motherlode.shards.dataset import Source
from motherlode.shards.engine import usable_cores
from motherlode.shards.ray_worker import View
from motherlode.shards.resources import Resources

OPTION = "--ray-address"
_CURRENT = "ray_current_cluster"  # where `ray start` leaves the address
_PATIENCE = 5.0  # seconds for a connection
_OBJECTS = 256 << 20  # bytes of the object store of a Ray of one's own: results are small
_SET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to Ray's makers by a tool that was not asked to
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a worker without a GPU keeps the variables; else Ray warns
    "RAY_worker_niceness": "0",  # of a Ray that is started here: its workers get as much of a busy core as local ones
    "RAY_DEDUP_LOGS_SKIP_REGEX": "^A worker died or was killed",  # Ray says so on stdout; the engine says what counts
}
_STARTS = 3  # tries to start a Ray of one's own
_MOST_INPUTS = 64  # files that each node is asked about


def require_ray() -> Any:
    """Import Ray.

    Raises:
        MissingExtraError: It is not installed.
    """
    for name, value in _SET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise MissingExtraError("ray", "the engine 'ray'", where="--engine") from None
    return ray


def join(address: str | None, cores: int | None) -> bool:
    """Connect this process to a cluster.

    Args:
        address: `HOST:PORT`; `local` starts a Ray here; None: the one that runs here, if none runs one is started.
        cores: Cores of a Ray that is started; by default those that this process may use.

    Returns:
        Whether this process was not connected before.

    Raises:
        MissingExtraError: Ray is not installed.
        InputError: There is no cluster, or it does not fit this process.
        MotherlodeError: Ray does not start here.
    """
    ray = require_ray()
    if ray.is_initialized():
        return False
    found = _resolve(address)
    before = signal.getsignal(signal.SIGTERM)
    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    try:
        if found is None:
            _start(ray, {**options, "num_cpus": max(cores or 0, usable_cores())})
        else:
            ray.init(address=found, **options)
    except MotherlodeError:
        raise
    except Exception as error:
        raise _refused(error, found or "local") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray takes the signal, and would leave without a word
    return True


def _start(ray: Any, options: dict[str, Any]) -> None:
    """Start a Ray of one's own; a busy machine needs more than the half minute that Ray allows itself."""
    for tries_left in reversed(range(_STARTS)):
        try:
            ray.init(address="local", include_dashboard=False, object_store_memory=_OBJECTS, **options)
            return
        except Exception as error:
            ray.shutdown()
            if not tries_left:
                said = " ".join(str(error).split())[:300]
                raise MotherlodeError(
                    f"Ray does not start on this machine ({said})", hint="is it very busy, or short of memory?"
                ) from error


def _resolve(address: str | None) -> str | None:
    """Return the address of a cluster that answers; None if one is to be started."""
    if address == "local":
        return None
    given = address if address not in (None, "auto") else os.environ.get("RAY_ADDRESS") or None
    if given is None:
        current = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / _CURRENT  # noqa: S108 - Ray's own place
        running = current.read_text().strip() if current.exists() else ""
        if running and _answers(running):
            return running
        if address == "auto":
            raise InputError("no Ray cluster runs on this machine", where=OPTION, hint="start one: ray start --head")
        return None
    host, colon, port = given.rpartition(":")
    if "://" in given or not colon or not host or not port.isdigit():
        hint = "write HOST:PORT of the head node, e.g. 10.0.0.1:6379, and run on a machine of the cluster"
        raise InputError(f"{given!r} is no address of a cluster", where=OPTION, hint=hint)
    if not _answers(given):
        hint = "start one there (ray start --head --port ...), or leave the option out for a Ray of this machine"
        raise InputError(f"no Ray cluster answers at {given}", where=OPTION, hint=hint)
    return given


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_PATIENCE):
            return True
    except (OSError, ValueError):
        return False


def _refused(error: Exception, address: str) -> InputError:
    said = " ".join(str(error).split())
    if "ersion mismatch" in said:
        parts = said.partition("ersion mismatch: ")[2]
        return InputError(f"the cluster has other versions ({parts[:300]})", where=f"{OPTION} {address}")
    hint = "this machine must be part of the cluster: ray start --address HOST:PORT (--num-cpus 0 for none of its work)"
    return InputError(f"the cluster cannot be joined ({said[:300]})", where=f"{OPTION} {address}", hint=hint)


@dataclass(frozen=True)
class Node:
    """A node that is alive.

    Attributes:
        id: Its id.
        host: Its name.
        cpus: Cores.
        gpus: GPUs.
        memory: Bytes.
    """

    id: str
    host: str
    cpus: float
    gpus: float
    memory: float

    def holds(self, wanted: Resources) -> int:
        """Return how many workers fit."""
        pairs = ((self.cpus, wanted.cpus), (self.gpus, wanted.gpus), (self.memory, wanted.memory))
        return int(min((has / needs for has, needs in pairs if needs), default=0))


def nodes() -> list[Node]:
    """Return the nodes that are alive, as the cluster sees them now."""
    ray = require_ray()
    found = []
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            sizes = (float(has.get(name, 0)) for name in ("CPU", "GPU", "memory"))
            found.append(Node(node["NodeID"], node["NodeManagerHostname"], *sizes))
    return found


def require_room(wanted: Resources, there: Iterable[Node]) -> None:
    """Refuse a cluster where no node can ever run a task.

    Raises:
        InputError: There is none.
    """
    there = list(there)
    if any(node.holds(wanted) for node in there):
        return
    if wanted.gpus and not any(node.gpus for node in there):
        hint = "add a node with a GPU, or leave --device cuda out"
        raise InputError(
            f"a step needs {wanted}, and no node of the cluster has a GPU", where="--engine ray", hint=hint
        )
    most = max(there, key=lambda node: (node.gpus >= wanted.gpus, node.cpus), default=None)
    has = (
        "there is no node"
        if most is None
        else f"the largest node has {Resources(most.cpus, most.gpus, int(most.memory))}"
    )
    raise InputError(f"a step needs {wanted}, and {has}", where="--engine ray", hint="add a larger node")


def require_fit(view: View) -> None:
    """Refuse a node that cannot do this work.

    Raises:
        InputError: It has another version of Python or of the package, or does not see a path.
    """
    for name, here, there in (
        ("Python", platform.python_version(), view.python),
        ("motherlode", __version__, view.package),
    ):
        if here != there:
            hint = "install the same version on every node"
            raise InputError(f"has {name} {there}, this machine has {here}", where=f"node {view.host}", hint=hint)
    if view.hidden is not None:
        hint = "use a folder that all nodes share, such as NFS"
        raise InputError(f"the node {view.host} does not see it", where=str(view.hidden), hint=hint)


def inputs_of(tasks: Iterable[object]) -> tuple[Path, ...]:
    """Return files that tasks read, so far as they name them: those in the fields of tasks and their steps."""
    found: dict[Path, None] = {}
    for task in tasks:
        _collect(task, found, 0)
        if len(found) >= _MOST_INPUTS:
            break
    return tuple(path for path in list(found)[:_MOST_INPUTS] if path.is_absolute() and path.exists())


def _collect(value: object, found: dict[Path, None], depth: int) -> None:
    if len(found) >= _MOST_INPUTS or depth > 4:
        return
    if isinstance(value, Path):
        found.setdefault(value.absolute())
    elif isinstance(value, Source):
        found.setdefault(Path(value.path).absolute())
    elif isinstance(value, list | tuple):
        for part in value[:_MOST_INPUTS]:
            _collect(part, found, depth + 1)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            _collect(getattr(value, field.name), found, depth + 1)
