"""The direction: the mean gradient V of the domain, along which every engine scores.

The score `mean_d <g(d), g(c)>` is linear in the domain's side, so that this one gradient is all that is needed of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from motherlode.errors import InputError, MotherlodeError
from motherlode.models.batches import Batch, Batcher
from motherlode.models.lora import AdaptedModel
from motherlode.models.tokens import Tokens
from motherlode.selection.kernels import Objective

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Direction:
    """The mean gradient of the domain, by probe and layer.

    Attributes:
        a: For each probe, for each layer, `[r, in]` float32.
        b: For each probe, for each layer, `[out, r]` float32.
    """

    a: tuple[tuple[torch.Tensor, ...], ...]
    b: tuple[tuple[torch.Tensor, ...], ...]

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return all tensors by name, for a file."""
        return {
            f"{probe}.{layer}.{side}": tensor.contiguous()
            for side, probes in (("a", self.a), ("b", self.b))
            for probe, layers in enumerate(probes)
            for layer, tensor in enumerate(layers)
        }

    @property
    def norm(self) -> float:
        """The root of the sum of squares of all entries."""
        return float(torch.sqrt(sum((t.double() ** 2).sum() for t in self.tensors().values())))


def domain_direction(
    adapted: AdaptedModel,
    objective: Objective,
    tokens: Sequence[Tokens],
    batcher: Batcher,
    weights: Scores | None = None,
) -> Direction:
    """Compute the mean gradient of the domain samples.

    Args:
        adapted: The model.
        objective: The kernel.
        tokens: The domain samples, 1 or more.
        batcher: How they are batched.
        weights: `[n]` factors of the samples' gradients, e.g. the inverse of their lengths; default: 1 each.

    Returns:
        The direction.

    Raises:
        InputError: It is not finite.
        MotherlodeError: It is zero.
    """
    parameters = adapted.parameters
    sums = [[torch.zeros_like(p, dtype=torch.float32) for p in parameters] for _ in range(objective.probes)]
    adapted.trainable(True)
    shares = torch.from_numpy((np.ones(len(tokens)) if weights is None else weights) / len(tokens))

    def work(batch: Batch) -> None:
        hidden = adapted.hidden(batch.inputs)
        found = []
        share = shares[list(batch.samples)].to(hidden.device)
        for probe in range(objective.probes):
            total = (batch.per_sample(objective.tokens(hidden, batch, probe)) * share).sum()
            keep = probe + 1 < objective.probes
            found.append(torch.autograd.grad(total, parameters, retain_graph=keep, allow_unused=True))
        for into, gradients in zip(sums, found, strict=True):
            for target, gradient in zip(into, gradients, strict=True):
                if gradient is not None:
                    target.add_(gradient.float())

    try:
        batcher.run(tokens, work)
    finally:
        adapted.trainable(False)
    direction = Direction(tuple(tuple(s[0::2]) for s in sums), tuple(tuple(s[1::2]) for s in sums))
    if not np.isfinite(direction.norm):
        raise InputError("the domain's mean gradient is not finite", hint="use --dtype fp32, or fewer epochs")
    if direction.norm == 0:
        raise MotherlodeError("the domain's mean gradient is zero", hint="use another adapter, or more warm-up")
    return direction
