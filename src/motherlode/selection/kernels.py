"""Kernels: the scalar F(x) whose gradient g(x), with respect to the LoRA parameters, stands for a sample.

The score of a candidate c is the mean over the domain samples d of <g(d), g(c)> (arXiv 2511.07380, section 4).

* `ntk`: F = sum of the logits over vocabulary and positions, divided by the number of tokens, as in the paper. The sum
  over the vocabulary is h . u, where u is the sum of the rows of the output head, so that nothing of the vocabulary's
  size is ever made.
* `ntk-signs`: F_v with u = W^T v for random signs v over the vocabulary. The mean over v of <g_v(d), g_v(c)> is the
  trace of the full NTK (Hutchinson's estimate), where the paper's all-ones v adds all cross terms.
* `loss`: F = mean cross-entropy of the completion's tokens.
"""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from motherlode.errors import InputError
from motherlode.models.batches import IGNORED, Batch
from motherlode.models.lora import AdaptedModel

Kernel = Literal["ntk", "ntk-signs", "loss"]
Normalize = Literal["length", "none"]
_LOGITS = 1 << 25  # logits of completion tokens that are held at a time


class Objective(Protocol):
    """F of every sample of a batch, as a sum over tokens.

    Attributes:
        probes: How many F there are; scores are averaged over them.
    """

    probes: int

    def tokens(self, hidden: torch.Tensor, batch: Batch, probe: int) -> torch.Tensor:
        """Return `[b, t]` float64: each token's part of its sample's F, from `[b, t, h]` last hidden states."""

    def logits(self, logits: torch.Tensor, batch: Batch, probe: int) -> torch.Tensor:
        """Return F of a batch of one sample by its definition, from `[1, t, v]` logits; for the reference engine."""


class LogitSum:
    """`ntk` and `ntk-signs`."""

    def __init__(self, signs: torch.Tensor | None, directions: torch.Tensor, normalize: Normalize) -> None:
        """Use `make_objective` instead."""
        self.signs, self.directions, self.normalize = signs, directions, normalize
        self.probes = len(directions)

    def _weights(self, batch: Batch) -> torch.Tensor:
        return torch.ones_like(batch.lengths) if self.normalize == "none" else 1 / batch.lengths

    def tokens(self, hidden: torch.Tensor, batch: Batch, probe: int) -> torch.Tensor:
        """See `Objective`."""
        values = hidden.double() @ self.directions[probe]
        return torch.where(batch.real, values * self._weights(batch)[batch.owner.clamp(min=0)], 0.0)

    def logits(self, logits: torch.Tensor, batch: Batch, probe: int) -> torch.Tensor:
        """See `Objective`."""
        values = logits.double()
        if self.signs is not None:
            values = values * self.signs[probe].to(values)
        return values.sum() * self._weights(batch)[0]


class CompletionLoss:
    """`loss`."""

    def __init__(self, head: torch.nn.Module, normalize: Normalize) -> None:
        """Use `make_objective` instead."""
        self.head, self.normalize, self.probes = head, normalize, 1

    def tokens(self, hidden: torch.Tensor, batch: Batch, probe: int) -> torch.Tensor:
        """See `Objective`; logits exist for the completion's tokens only, a slice at a time."""
        del probe
        chosen = batch.labels != IGNORED
        rows, labels = hidden[chosen], batch.labels[chosen]
        step = max(1, _LOGITS // max(1, self.head.weight.shape[0]))
        parts = []
        for start in range(0, len(rows), step):
            part = (rows[start : start + step], labels[start : start + step])
            if torch.is_grad_enabled() and rows.requires_grad:
                parts.append(checkpoint(self._losses, *part, use_reentrant=False))
            else:
                parts.append(self._losses(*part))
        losses = torch.cat(parts)
        if self.normalize == "length":
            losses = losses / batch.targets[batch.owner[chosen]]
        return torch.zeros(batch.labels.shape, dtype=torch.float64, device=hidden.device).masked_scatter(chosen, losses)

    def _losses(self, rows: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(self.head(rows).float(), labels, reduction="none").double()

    def logits(self, logits: torch.Tensor, batch: Batch, probe: int) -> torch.Tensor:
        """See `Objective`."""
        del probe
        reduction = "mean" if self.normalize == "length" else "sum"
        return functional.cross_entropy(logits[0].double(), batch.labels[0], ignore_index=IGNORED, reduction=reduction)


def make_objective(
    adapted: AdaptedModel,
    kernel: Kernel,
    *,
    probes: int = 8,
    random_seed: int = 0,
    normalize: Normalize = "length",
) -> Objective:
    """Make a kernel's objective.

    Args:
        adapted: The model.
        kernel: Which kernel.
        probes: Sign vectors of `ntk-signs`, 1 or more.
        random_seed: Seed of the signs.
        normalize: `length` divides by the number of tokens (of the completion, for `loss`), `none` does not.

    Returns:
        The objective.

    Raises:
        InputError: The model changes its logits after the output head, so that their sum is not linear in the last
            hidden states.
    """
    if kernel == "loss":
        _check_head(adapted, kernel)
        return CompletionLoss(adapted.head, normalize)
    _check_head(adapted, kernel)
    weight = adapted.head.weight
    if kernel == "ntk":
        total = torch.zeros(weight.shape[1], dtype=torch.float64, device=weight.device)
        for rows in weight.split(1 << 14):
            total += rows.double().sum(0)
        return LogitSum(None, total[None], normalize)
    generator = torch.Generator().manual_seed(random_seed)
    signs = torch.randint(0, 2, (probes, weight.shape[0]), generator=generator, dtype=torch.int8) * 2 - 1
    directions = torch.zeros(probes, weight.shape[1], dtype=torch.float64, device=weight.device)
    for part, rows in zip(signs.split(1 << 14, dim=1), weight.split(1 << 14), strict=True):
        directions += part.to(weight.device).double() @ rows.double()
    return LogitSum(signs, directions, normalize)


def _check_head(adapted: AdaptedModel, kernel: str) -> None:
    """Check on a few tokens that logits are the output head applied to the last hidden states, and nothing more."""
    device = adapted.loaded.device
    inputs = {"input_ids": torch.arange(4, device=device)[None] % adapted.head.weight.shape[0]}
    with torch.no_grad():
        logits = adapted.model(**inputs, use_cache=False).logits.double()
        plain = adapted.head(adapted.hidden(inputs)).double()
    if float((logits - plain).norm()) > 0.02 * float(logits.norm()):
        raise InputError(
            "the model changes its logits after the output head (a soft cap, or a scale)",
            where=f"--kernel {kernel}",
            hint="the kernels are defined for models whose logits are linear in the last hidden states",
        )
