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
from torch.distributed.tensor import DTensor, distribute_tensor

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
    """

    step: int
    budget: int
    seconds: float
    best: tuple[float, int] | None = None
    stale: int = 0


def trainable(model: Any) -> dict[str, torch.nn.Parameter]:
    """Return the weights that are trained, by name; those that are one under two names are there once."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def _copied(tensor: torch.Tensor) -> torch.Tensor:
    """Copy a tensor to the CPU; one that FSDP spread over processes is put together, by all of them."""
    whole = tensor.detach()
    if isinstance(whole, DTensor):
        whole = whole.full_tensor()
    return whole.cpu().clone()


def _like(tensor: torch.Tensor, model: torch.Tensor) -> torch.Tensor:
    """Move a whole tensor to where another one lives, and spread it as that one is."""
    moved = tensor.to(model.device, copy=True)
    if isinstance(model, DTensor):
        return distribute_tensor(moved, model.device_mesh, model.placements)
    return moved


def weights_of(model: Any) -> dict[str, torch.Tensor]:
    """Copy the weights that are trained to the CPU; under FSDP all processes must call this together."""
    return {name: _copied(parameter) for name, parameter in trainable(model).items()}


def put_weights(model: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Put copied weights back."""
    with torch.no_grad():
        for name, parameter in trainable(model).items():
            parameter.copy_(_like(weights[name], parameter.detach()))


def moments_of(model: Any, optimiser: Any) -> dict[str, torch.Tensor]:
    """Copy AdamW's state to the CPU, by the names of the weights; under FSDP all processes must call this together."""
    state = getattr(optimiser, "optimizer", optimiser).state
    made = {}
    for name, parameter in trainable(model).items():
        own = state.get(parameter)
        if own:
            made[f"{name}.step"] = _copied(own["step"])
            made |= {f"{name}.{moment}": _copied(own[moment]) for moment in _MOMENTS}
    return made


def put_moments(model: Any, optimiser: Any, moments: Mapping[str, torch.Tensor]) -> None:
    """Put copied moments back."""
    state = getattr(optimiser, "optimizer", optimiser).state
    for name, parameter in trainable(model).items():
        if f"{name}.step" in moments:
            own = {moment: _like(moments[f"{name}.{moment}"], parameter.detach()) for moment in _MOMENTS}
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


def write_checkpoint(
    out: Path, weights: Mapping[str, torch.Tensor], moments: Mapping[str, torch.Tensor], progressed: Progressed
) -> None:
    """Write how far a run came, in place of what was written before.

    Args:
        out: The run's folder.
        weights: What `weights_of` copied.
        moments: What `moments_of` copied.
        progressed: The rest.

    Raises:
        StorageError: The disk is full.
    """

    def write(folder: Path) -> None:
        store.write_bytes(folder / "weights.safetensors", to_bytes(dict(weights)))
        store.write_bytes(folder / "moments.safetensors", to_bytes(dict(moments)))
        store.write_text(folder / "state.json", json.dumps(progressed.__dict__, indent=2, sort_keys=True) + "\n")

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


def put_checkpoint(out: Path, model: Any, optimiser: Any = None) -> None:
    """Put weights and moments of a checkpoint into a model and its optimiser, if there is one.

    Raises:
        InputError: The checkpoint is damaged, or of another model.
    """
    folder = out / FOLDER
    try:
        put_weights(model, load_file(folder / "weights.safetensors"))
        if optimiser is not None:
            put_moments(model, optimiser, load_file(folder / "moments.safetensors"))
    except Exception as error:
        raise InputError("is damaged", where=str(folder), hint="remove it; training starts again") from error
