"""The workers of a Ray engine: actors of one size, hired as nodes have room, dismissed when they die.

Every worker has one task at a time, so that when one dies the guilty task is known. A worker that waits for room on
the cluster is asked for only where a number of workers was given: it is what an autoscaler adds nodes for.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motherlode.errors import InputError, MotherlodeError
from motherlode.shards.ray_cluster import nodes, require_fit, require_ray, require_room
from motherlode.shards.ray_worker import Probe, View, Worker, look
from motherlode.shards.resources import Resources

_LOOK_AGAIN = 5.0  # seconds until the cluster is asked again how large it is
_MOST_STARTS = 4  # workers that may die while they start, one after another
_PATIENCE = 120.0  # seconds for a node to say what it sees
_NODE_IS_MISSED = 3.0  # seconds after which the cluster knows that a node went with its workers


@dataclass(eq=False)
class Member:
    """A worker.

    Attributes:
        actor: Its handle.
        view: What it said of its node; None until it has started.
    """

    actor: Any
    view: View | None = None


class Crew:
    """Workers of one size.

    Attributes:
        resources: The size.
        idle: Those without a task.
        starting: Those that have not said anything yet, by the reference of their first answer.
    """

    def __init__(self, resources: Resources, most: int | None) -> None:
        """Describe the crew; nobody is hired yet.

        Args:
            resources: What each worker needs.
            most: How many there are to be; None: as many as the cluster has room for.
        """
        self._ray = require_ray()
        self.resources, self._most = resources, most
        self.members: set[Member] = set()
        self.idle: deque[Member] = deque()
        self.starting: dict[Any, tuple[Member, Probe]] = {}
        self._room, self._looked, self._deaths = 0, 0.0, 0
        self._kind = self._ray.remote(Worker).options(
            num_cpus=resources.cpus,
            num_gpus=resources.gpus,
            memory=resources.memory or None,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )

    def check(self, probe: Probe) -> None:
        """Ask every node that can work whether it fits, before it gets any.

        Raises:
            InputError: No node is large enough; or one has other versions, or does not see the files.
        """
        there = nodes()
        require_room(self.resources, there)
        known = {member.view.node: member for member in self.members if member.view is not None}
        asked: dict[Any, str] = {}
        remote = self._ray.remote(look)
        for node in there:
            if node.holds(self.resources):
                if node.id in known:
                    asked[known[node.id].actor.look.remote(probe)] = node.host
                    continue
                place = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node.id, soft=False)
                asked[remote.options(num_cpus=0, max_retries=0, scheduling_strategy=place).remote(probe)] = node.host
        self._ray.wait(list(asked), num_returns=len(asked), timeout=_PATIENCE)
        for answer, host in asked.items():
            try:
                view = self._ray.get(answer, timeout=0)
            except self._ray.exceptions.RayTaskError as error:
                raise _cannot_look(host, error) from error
            except self._ray.exceptions.RayError:
                continue  # lost, or too busy to say: its workers are asked again when they start
            require_fit(view)

    def grow(self, wanted: int, probe: Probe) -> None:
        """Hire up to so many workers, if the cluster has room."""
        if time.monotonic() - self._looked > _LOOK_AGAIN or not self.members:
            self._room, self._looked = sum(node.holds(self.resources) for node in nodes()), time.monotonic()
        room = self._room if self._most is None else self._most
        while len(self.members) < min(wanted, room):
            member = Member(self._kind.remote(self.resources, Path.cwd()))
            self.members.add(member)
            self.starting[member.actor.look.remote(probe)] = member, probe

    def started(self, answer: Any, probe: Probe) -> None:
        """Take the first answer of a worker; one that was asked for another stage is asked again.

        Raises:
            InputError: Its node does not fit.
            MotherlodeError: Workers die while they start.
        """
        member, asked = self.starting.pop(answer)
        try:
            member.view = self._ray.get(answer)
        except self._ray.exceptions.RayTaskError as error:
            raise _cannot_look("of the cluster", error) from error
        except self._ray.exceptions.RayError as error:
            self.dismiss(member)
            self._deaths += 1
            if self._deaths >= _MOST_STARTS:
                said = " ".join(str(error).split())[:300]
                raise MotherlodeError(
                    f"workers die while they start ({said})", hint="`ray status` and the logs of Ray say more"
                ) from error
            return
        assert member.view is not None
        self._deaths = 0
        if asked != probe:
            self.starting[member.actor.look.remote(probe)] = member, probe
            return
        require_fit(member.view)
        self.idle.append(member)

    def dismiss(self, member: Member) -> None:
        """Part with a worker, dead or alive."""
        self.members.discard(member)
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(member.actor, no_restart=True)

    def lost_its_node(self, member: Member) -> bool:
        """Return whether a dead worker's node is gone too, of which the cluster learns a little later."""
        assert member.view is not None
        end = time.monotonic() + _NODE_IS_MISSED
        while any(node.id == member.view.node for node in nodes()):
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def dismiss_all(self) -> None:
        """Part with all."""
        for member in list(self.members):
            self.dismiss(member)
        self.idle.clear()
        self.starting.clear()


def _cannot_look(host: str, error: Exception) -> InputError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    hint = "install the same version of motherlode on every node"
    return InputError(
        f"cannot run motherlode ({lines[-1][:200] if lines else error!r})", where=f"node {host}", hint=hint
    )
