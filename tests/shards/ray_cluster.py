"""A real Ray cluster of several nodes on this machine, for tests."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import psutil

from motherlode.shards.ray_cluster import require_ray

_CONFIG = {  # a node that was killed is noticed within seconds
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 4000,
    "health_check_failure_threshold": 3,
}
_NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}
_AGENTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")


def _node() -> dict[str, int]:
    """Describe a node. Its agents get ports: Ray waits 15 seconds for those that choose their own, then breaks down."""
    with contextlib.ExitStack() as stack:
        ports = {}
        for name in _AGENTS:
            held = stack.enter_context(socket.socket())
            held.bind(("", 0))
            ports[name] = held.getsockname()[1]
    return {**_NODE, **ports}


@contextlib.contextmanager
def cluster(nodes: int = 1) -> Iterator[Any]:
    """Start a head and further nodes, of one core each; nothing of it is left afterwards."""
    ray = require_ray()
    from ray.cluster_utils import Cluster

    head = {**_node(), "include_dashboard": False, "_system_config": _CONFIG}
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(nodes):
            add_node(made)
        yield made
    finally:
        ray.shutdown()
        before = ray_workers(made)
        made.shutdown()
        psutil.wait_procs(before, timeout=120)
        assert not [process for process in before if process.is_running() and process.status() != "zombie"]


def add_node(made: Any) -> Any:
    """Add a node of one core; on a very busy machine Ray gives up waiting for it, which says nothing."""
    for _ in range(3):
        try:
            return made.add_node(**_node())
        except Exception as error:  # noqa: BLE001 - Ray raises nothing more special
            said = error
    raise said


def ray_workers(made: Any, title: str = "ray::") -> list[psutil.Process]:
    """Return the processes of a cluster that Ray gave a title: `ray::Worker` holds a worker of ours."""
    found = []
    for node in made.list_all_nodes():
        for raylet in node.all_processes.get("raylet", []):
            with contextlib.suppress(psutil.Error):
                for process in psutil.Process(raylet.process.pid).children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        if (process.cmdline() or [""])[0].startswith(title):
                            found.append(process)
    return found


def gone(made: Any, title: str, patience: float = 240.0) -> bool:
    """Wait until no process of a cluster has a title."""
    deadline = time.monotonic() + patience
    while ray_workers(made, title) and time.monotonic() < deadline:
        time.sleep(0.2)
    return not ray_workers(made, title)
