"""Options that all verbs share which map over shards: who runs the tasks, and how many at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motherlode.cli.shared import with_options
from motherlode.errors import InputError, nearest
from motherlode.shards.local_copy import here

if TYPE_CHECKING:
    from motherlode.shards.engine import LocalEngine
    from motherlode.shards.ray_engine import RayEngine

ENGINES = ("local", "ray")
KEYS = ("engine", "ray_address", "workers")  # of motherlode.yaml, beside the sections


@dataclass(frozen=True)
class Runs:
    """Who runs the tasks, as it was typed."""

    engine: Annotated[
        str | None,
        typer.Option(
            help="local: processes of this machine; ray: a cluster (extra `ray`). Default: local.", show_default=False
        ),
    ] = None
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="HOST:PORT of a Ray cluster, or local; default: the one that runs on this machine, else a new one.",
            show_default=False,
        ),
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(help="Processes; default: one a core, of the machine or of the cluster.", show_default=False),
    ] = None

    def over(self, config: Path | None) -> Runs:
        """Fill in what a YAML file sets (`engine`, `ray_address`, `workers` at its top) and was not typed.

        Raises:
            InputError: A value there cannot be used.
        """
        if config is None:
            return self
        from motherlode.yaml_file import read_yaml

        return self.filled(read_yaml(here(config)), str(config))

    def filled(self, values: Mapping[str, Any], where: str) -> Runs:
        """Fill in values that were not typed.

        Raises:
            InputError: One cannot be used; the line begins with `where`.
        """
        kinds: dict[str, type] = {"engine": str, "ray_address": str, "workers": int}
        found: dict[str, Any] = {}
        for name, kind in kinds.items():
            value = values.get(name)
            if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
                raise InputError(f"{value!r} is no {kind.__name__}", where=f"{where}: {name}")
            typed = getattr(self, name)
            found[name] = value if typed is None else typed
        return Runs(**found)

    def open(self, quiet: bool = False) -> LocalEngine | RayEngine:
        """Open the engine.

        Raises:
            InputError: It is unknown; or there is no cluster to run on.
            MissingExtraError: Ray is not installed.
        """
        return make_engine(self.engine, self.workers, self.ray_address, quiet=quiet)


def make_engine(
    name: str | None, workers: int | None = None, ray_address: str | None = None, *, quiet: bool = False
) -> LocalEngine | RayEngine:
    """Open an engine by its name.

    Args:
        name: One of `ENGINES`; None: local.
        workers: How many tasks run at a time; None: as many as there is room for.
        ray_address: Of a cluster, for `ray`.
        quiet: Whether no progress is shown.

    Raises:
        InputError: It is unknown, or an address is given to the local one; or there is no cluster to run on.
        MissingExtraError: Ray is not installed.
    """
    if name not in (None, *ENGINES):
        raise InputError(f"unknown engine {name!r}", where="--engine", hint=nearest(name, ENGINES))
    if name == "ray":
        from motherlode.shards.mirror import refuse_mirrors
        from motherlode.shards.ray_engine import RayEngine

        refuse_mirrors("the workers of a cluster cannot see")
        return RayEngine(ray_address, workers, quiet=quiet)
    if ray_address is not None:
        raise InputError("has no effect without --engine ray", where="--ray-address", hint="add it")
    from motherlode.shards.engine import LocalEngine

    return LocalEngine(workers, quiet=quiet)


def runs_tasks(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Runs`, after its own; it gets them as its parameter `runs`."""
    return with_options(command, Runs, lambda values: {"runs": Runs(**values)}, leave_out="runs")
