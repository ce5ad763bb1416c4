"""Reductions as trees of tasks: where there are many shards, none of which one process should have to read alone.

Up to `FAN_IN` parts are merged by whoever asks. Of more, tasks merge `FAN_IN` at a time, level by level, until that
many are left. What is merged must not depend on how the parts are grouped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from motherlode.shards.dataset import Dataset, Source
from motherlode.shards.engine import Engine
from motherlode.shards.manifest import Manifest
from motherlode.shards.task import Task

FAN_IN = 64
P = TypeVar("P")


def merge_levels(
    parts: Sequence[P],
    make: Callable[[str, tuple[P, ...]], Task],
    as_part: Callable[[Source], P],
    *,
    engine: Engine | None,
    folder: Path | None,
    kind: str,
    settings: Mapping[str, Any],
) -> list[P]:
    """Merge parts until at most `FAN_IN` are left.

    Args:
        parts: What tasks read, in order.
        make: Returns the task of a name that merges some parts into one shard.
        as_part: Returns such a shard as a part of the next level.
        engine: Who runs the tasks; None: nothing is merged.
        folder: Where the levels are kept; None: nothing is merged.
        kind: What the levels' manifests are called, and the progress bar says.
        settings: What the merge depends on beside its parts.

    Returns:
        The parts that are left, in order.
    """
    left = list(parts)
    level = 0
    while engine is not None and folder is not None and len(left) > FAN_IN:
        level += 1
        tasks = [
            make(f"{kind}-{first // FAN_IN:06d}", tuple(left[first : first + FAN_IN]))
            for first in range(0, len(left), FAN_IN)
        ]
        place = folder / f"level-{level}"
        with Manifest.open(place, kind, dict(settings), overwrite=True) as manifest:
            engine.run(tasks, manifest, f"merge {kind}", "shards")
        merged = Dataset(place)
        left = [as_part(merged.source(task.name)) for task in tasks]
    return left
