"""Where a process trains: its device, and its place among the processes that a launcher started.

`torchrun` and `accelerate launch` describe the group in the environment. Data is the same in all processes, each takes
its rows of every step; the first one alone prints and writes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch

from motherlode.errors import InputError, MissingExtraError
from motherlode.models.load import choose_device

try:
    from accelerate import PartialState
except ImportError:
    raise MissingExtraError("train", "training") from None


@dataclass(frozen=True)
class Place:
    """A process.

    Attributes:
        device: Where it computes.
        rank: Its number, from 0.
        world: How many processes there are.
        sharded: Whether FSDP spreads the weights over them.
    """

    device: torch.device
    rank: int = 0
    world: int = 1
    sharded: bool = False

    @property
    def first(self) -> bool:
        """Whether this process prints and writes."""
        return self.rank == 0


def find_place(device: str | None) -> Place:
    """Read the environment that a launcher left.

    Args:
        device: `cpu`, `cuda`, `cuda:N`; by default CUDA if there is one.

    Raises:
        InputError: The device is unknown or not there, or the launcher asks for what cannot be done.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world < 2:
        return Place(choose_device(device))
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    chosen = choose_device(device)
    if chosen.type == "cuda":
        chosen = choose_device(f"cuda:{local}")
    sharded = os.environ.get("ACCELERATE_USE_FSDP", "false").lower() in ("1", "true", "yes") and chosen.type == "cuda"
    if sharded and os.environ.get("FSDP_VERSION", "1") != "2":
        raise InputError(
            "FSDP version 1 is not supported",
            where="accelerate launch",
            hint="use --fsdp_version 2, or fsdp_version: 2",
        )
    PartialState(cpu=chosen.type == "cpu")  # the processes meet here
    return Place(chosen, rank, world, sharded)


def agreed(value: Any, world: int) -> Any:
    """Return what the first process holds, in all of them."""
    if world < 2:
        return value
    box = [value]
    torch.distributed.broadcast_object_list(box, src=0)
    return box[0]


def largest(value: int, place: Place) -> int:
    """Return the largest of all processes' numbers, in all of them."""
    if place.world < 2:
        return value
    number = torch.tensor(value, device=place.device)
    torch.distributed.all_reduce(number, op=torch.distributed.ReduceOp.MAX)
    return int(number)
