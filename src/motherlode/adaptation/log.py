"""The log of a run: a line a step, one an evaluation; no times, so that an interrupted run ends with the same bytes.

{"learning_rate": 0.0002, "loss": 2.31, "step": 12, ...}
{"dev": {"dev": 2.4}, "step": 12}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from motherlode.errors import InputError
from motherlode.shards import store

LOG = "log.jsonl"


def append(out: Path, values: Mapping[str, Any]) -> None:
    """Add a line.

    Raises:
        StorageError: The disk is full.
    """
    store.append_line(out / LOG, json.dumps(values, sort_keys=True))


def cut_log(out: Path, step: int) -> None:
    """Remove what was logged after a step; all of it, if the step is 0: where a run starts is measured again."""
    lines = [line for line in read_log(out) if line["step"] <= step] if step else []
    store.write_text(out / LOG, "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines))


def read_log(out: Path) -> list[dict[str, Any]]:
    """Read a run's log; a line that a kill tore is passed over."""
    path = out / LOG
    if not path.exists():
        return []
    *lines, _torn = path.read_text(encoding="utf-8").split("\n")
    try:
        return [json.loads(line) for line in lines]
    except ValueError:
        raise InputError("is damaged", where=str(path), hint="run the command again with --overwrite") from None


def curves(out: Path) -> tuple[tuple[float, ...], dict[str, tuple[tuple[int, float], ...]]]:
    """Return the loss of every step, and the losses on each dev set with the steps after which they were measured."""
    losses: list[float] = []
    dev: dict[str, list[tuple[int, float]]] = {}
    for line in read_log(out):
        if "loss" in line:
            losses.append(float(line["loss"]))
        for name, loss in line.get("dev", {}).items():
            dev.setdefault(name, []).append((int(line["step"]), float(loss)))
    return tuple(losses), {name: tuple(points) for name, points in dev.items()}
