"""Checkpoints of the warm-up, one an epoch, with the optimiser's moments: what LESS (arXiv 2402.04333) looks back on.

Adam (arXiv 1412.6980) moves the parameters along `Gamma = m' / (sqrt(v') + eps)`, where m' and v' are the moments after
the sample's gradient g has entered them, corrected for their start at 0:

    m' = (beta1 m + (1 - beta1) g) / (1 - beta1^(t+1)),    v' = (beta2 v + (1 - beta2) g^2) / (1 - beta2^(t+1)).

`adam_update` is this function, as LESS uses it (section 3 there). It is not linear in g. `preconditioner` keeps the
second moment as the checkpoint has it, `P = 1 / (sqrt(v / (1 - beta2^t)) + eps)`. The step is then `P g`, but for a
factor and a summand that all samples of a checkpoint share, and the kernel `loss-adam`,

    sum over checkpoints i of  w_i  mean over d of  <g_i(d), P_i g_i(c)>,    w_i the epoch's share of the learning rate,

is linear in g(c). P moves to the domain's side, so every exact engine computes it, with one direction a checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from motherlode.models.lora import AdaptedModel
from motherlode.models.tokens import Tokens
from motherlode.selection.direction import Direction
from motherlode.selection.engines import Engine
from motherlode.selection.gradients import Transform

BETAS, EPS = (0.9, 0.999), 1e-8  # AdamW's in PyTorch, which the warm-up runs with
_PARTS = ("factor", "first", "second")


@dataclass(frozen=True)
class Checkpoint:
    """The adapter and the optimiser after an epoch.

    Attributes:
        factors: `A` and `B` of every layer, in order.
        first: Adam's first moments, m; not bias-corrected.
        second: Adam's second moments, v.
        step: Optimiser steps so far, t.
        rate: Mean learning rate of the epoch's steps.
    """

    factors: tuple[torch.Tensor, ...]
    first: tuple[torch.Tensor, ...]
    second: tuple[torch.Tensor, ...]
    step: int
    rate: float

    @classmethod
    def of(cls, adapted: AdaptedModel, optimiser: torch.optim.AdamW, step: int, rate: float) -> Self:
        """Copy the state of a training run."""
        states = [optimiser.state[parameter] for parameter in adapted.parameters]

        def copied(tensors: Iterable[torch.Tensor]) -> tuple[torch.Tensor, ...]:
            return tuple(tensor.detach().cpu().clone() for tensor in tensors)

        first, second = copied(s["exp_avg"] for s in states), copied(s["exp_avg_sq"] for s in states)
        return cls(copied(adapted.parameters), first, second, step, rate)

    def restore(self, adapted: AdaptedModel, optimiser: torch.optim.AdamW) -> None:
        """Let a training run go on from here."""
        self.place(adapted)
        for parameter, first, second in zip(adapted.parameters, self.first, self.second, strict=True):
            optimiser.state[parameter] = {
                "step": torch.tensor(float(self.step)),
                "exp_avg": first.to(parameter.device, copy=True),
                "exp_avg_sq": second.to(parameter.device, copy=True),
            }

    def place(self, adapted: AdaptedModel) -> None:
        """Put the factors into a model."""
        adapted.restore(self.factors)

    def to_bytes(self) -> bytes:
        """Return all tensors as a safetensors file."""
        parts = zip(_PARTS, (self.factors, self.first, self.second), strict=True)
        tensors = {f"{name}.{n}": tensor for name, part in parts for n, tensor in enumerate(part)}
        data: bytes = to_bytes({name: tensor.contiguous() for name, tensor in tensors.items()})
        return data

    @classmethod
    def read(cls, path: Path, step: int, rate: float) -> Self:
        """Read a file that holds `to_bytes`."""
        tensors = load_file(path)
        count = len(tensors) // len(_PARTS)
        factors, first, second = (tuple(tensors[f"{name}.{n}"] for n in range(count)) for name in _PARTS)
        return cls(factors, first, second, step, rate)


@contextmanager
def placed(adapted: AdaptedModel, checkpoint: Checkpoint) -> Iterator[None]:
    """Have a checkpoint's factors in the model for a while."""
    kept = adapted.state()
    try:
        checkpoint.place(adapted)
        yield
    finally:
        adapted.restore(kept)


def weights(checkpoints: Sequence[Checkpoint]) -> NDArray[np.float64]:
    """Return each checkpoint's share: its epoch's mean learning rate over the sum of all."""
    rates = np.array([checkpoint.rate for checkpoint in checkpoints])
    return np.asarray(rates / rates.sum())


def preconditioner(checkpoint: Checkpoint) -> list[torch.Tensor]:
    """Return `P = 1 / (sqrt(v / (1 - beta2^t)) + eps)`, a positive tensor for each parameter."""
    correction = 1 - BETAS[1] ** checkpoint.step
    return [1 / ((second / correction).sqrt() + EPS) for second in checkpoint.second]


def preconditioned(direction: Direction, factors: Sequence[torch.Tensor]) -> Direction:
    """Multiply a direction by a tensor for each parameter, element by element."""
    scales = [factor.to(direction.a[0][0].device) for factor in factors]
    a = tuple(tuple(t * s for t, s in zip(probe, scales[0::2], strict=True)) for probe in direction.a)
    b = tuple(tuple(t * s for t, s in zip(probe, scales[1::2], strict=True)) for probe in direction.b)
    return Direction(a, b)


def scaling(factors: Sequence[torch.Tensor], device: torch.device) -> Transform:
    """Return a transform that multiplies gradients by a tensor for each parameter."""
    scales = [factor.to(device) for factor in factors]
    return lambda number, gradients: gradients * scales[number]


def adam_update(checkpoint: Checkpoint, device: torch.device) -> Transform:
    """Return a transform from gradients to the Adam step that each alone would cause, `Gamma`, at a checkpoint."""
    first = [tensor.to(device) for tensor in checkpoint.first]
    second = [tensor.to(device) for tensor in checkpoint.second]
    slow, fast = (1 - beta ** (checkpoint.step + 1) for beta in BETAS)

    def update(number: int, gradients: torch.Tensor) -> torch.Tensor:
        moment = torch.lerp(gradients, first[number].expand_as(gradients), BETAS[0]) / slow
        square = torch.lerp(gradients.square(), second[number].expand_as(gradients), BETAS[1]) / fast
        return moment / (square.sqrt_() + EPS)

    return update


class AlongCheckpoints:
    """An engine: the weighted sum of one engine's scores at each checkpoint."""

    def __init__(self, adapted: AdaptedModel, checkpoints: Sequence[Checkpoint], engines: Sequence[Engine]) -> None:
        """Take the model, its checkpoints, and an engine made at each."""
        self.adapted, self.checkpoints, self.engines = adapted, checkpoints, engines

    def score(self, tokens: Sequence[Tokens]) -> NDArray[np.float64]:
        """Return `[n]` scores, in the samples' order."""
        total = np.zeros(len(tokens))
        shares: Any = weights(self.checkpoints)
        for checkpoint, engine, share in zip(self.checkpoints, self.engines, shares, strict=True):
            with placed(self.adapted, checkpoint):
                total += share * engine.score(tokens)
        return total
