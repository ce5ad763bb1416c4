"""Checkpoints without pickles: trainable weights and the optimiser's moments in safetensors, the rest in JSON.

A checkpoint is one folder that is renamed into place when it is whole, so that a kill leaves the one before. Generators
of random numbers are not part of it: every step seeds its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from motherlode.errors import InputError
from motherlode.shards import store

FOLDER = "checkpoint"
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Progressed:
    """How far a run came.

    Attributes:
        step: Steps that are done.
        budget: Most tokens of a pass.
        seconds: Time that they took.
        best: The lowest loss on dev, and the step after which it was measured; None if none was.
        stale: Evaluations since then.
        extra: What else the way of training keeps.
    """

    step: int
    budget: int
    seconds: float
    best: tuple[float, int] | None = None
    stale: int = 0
    extra: Mapping[str, Any] | None = None


def trainable(model: Any) -> dict[str, torch.nn.Parameter]:
    """Return the weights that are trained, by name; those that are one under two names are there once."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def weights_of(model: Any) -> dict[str, torch.Tensor]:
    """Copy the weights that are trained to the CPU."""
    return {name: parameter.detach().cpu().clone() for name, parameter in trainable(model).items()}


def put_weights(model: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Put copied weights back."""
    with torch.no_grad():
        for name, parameter in trainable(model).items():
            parameter.copy_(weights[name])


def moments_of(model: Any, optimiser: Any) -> dict[str, torch.Tensor]:
    """Copy AdamW's state to the CPU, by the names of the weights."""
    state = getattr(optimiser, "optimizer", optimiser).state
    made = {}
    for name, parameter in trainable(model).items():
        own = state.get(parameter)
        if own:
            made[f"{name}.step"] = own["step"].detach().cpu().clone()
            made |= {f"{name}.{moment}": own[moment].detach().cpu().clone() for moment in _MOMENTS}
    return made


def put_moments(model: Any, optimiser: Any, moments: Mapping[str, torch.Tensor]) -> None:
    """Put copied moments back."""
    state = getattr(optimiser, "optimizer", optimiser).state
    for name, parameter in trainable(model).items():
        if f"{name}.step" in moments:
            own = {moment: moments[f"{name}.{moment}"].to(parameter.device, copy=True) for moment in _MOMENTS}
            state[parameter] = {"step": moments[f"{name}.step"].clone(), **own}


def write_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Write a folder under another name, and rename it when it is whole; what stood there before is replaced."""
    fresh, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    for left in (fresh, old):
        if left.exists():
            store.remove(left)
    store.make_folder(fresh)
    write(fresh)
    with store.disk_errors(folder):
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
    if old.exists():
        store.remove(old)


def write_checkpoint(out: Path, model: Any, optimiser: Any, progressed: Progressed) -> None:
    """Write how far a run came, in place of what was written before.

    Args:
        out: The run's folder.
        model: The model, as it is trained.
        optimiser: Its optimiser.
        progressed: The rest.

    Raises:
        StorageError: The disk is full.
    """

    def write(folder: Path) -> None:
        store.write_bytes(folder / "weights.safetensors", to_bytes(weights_of(model)))
        store.write_bytes(folder / "moments.safetensors", to_bytes(moments_of(model, optimiser)))
        values = {**progressed.__dict__, "extra": dict(progressed.extra or {})}
        store.write_text(folder / "state.json", json.dumps(values, indent=2, sort_keys=True) + "\n")

    write_folder(out / FOLDER, write)


def read_progress(out: Path) -> Progressed | None:
    """Read how far a run came; None if it left no checkpoint.

    Raises:
        InputError: The checkpoint is damaged.
    """
    folder = out / FOLDER
    old = folder.with_name(f".{FOLDER}.old")
    if not folder.exists() and old.exists():  # killed between two renames
        old.rename(folder)
    try:
        values = json.loads((folder / "state.json").read_text())
        best = values.pop("best")
        return Progressed(**values, best=None if best is None else (float(best[0]), int(best[1])))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        raise InputError("is damaged", where=str(folder), hint="remove it; training starts again") from None


def put_checkpoint(out: Path, model: Any, optimiser: Any) -> None:
    """Put weights and moments of a checkpoint into a model and its optimiser.

    Raises:
        InputError: The checkpoint is damaged, or of another model.
    """
    folder = out / FOLDER
    try:
        put_weights(model, load_file(folder / "weights.safetensors"))
        put_moments(model, optimiser, load_file(folder / "moments.safetensors"))
    except Exception as error:
        raise InputError("is damaged", where=str(folder), hint="remove it; training starts again") from error
