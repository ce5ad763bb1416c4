"""Warm-up: LoRA fine-tuning on the domain, so that gradients mean something (at `B = 0` those of `A` vanish).

A plain loop: AdamW on the mean completion loss, a short rise and then a linear fall of the learning rate, samples in a
random order that the seed fixes. The state after each epoch can be kept, and a run that was killed goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import torch
from pydantic import Field

from motherlode.config import Config
from motherlode.errors import InputError
from motherlode.models.batches import Batch, Batcher
from motherlode.models.lora import AdaptedModel
from motherlode.models.options import ModelOptions
from motherlode.models.tokens import Tokens
from motherlode.progress import Progress
from motherlode.selection.checkpoints import BETAS, EPS, Checkpoint
from motherlode.selection.kernels import make_objective

_RISE = 0.1  # share of the steps over which the learning rate rises
_LONGEST_GRADIENT = 1.0


class WarmupOptions(Config):
    """How the warm-up trains."""

    warmup_epochs: int = Field(3, ge=0, le=1000, description="times that the domain is read; 0: no warm-up")
    warmup_batch: int = Field(16, ge=1, description="samples of an optimiser step")
    learning_rate: float = Field(2e-4, gt=0, description="highest learning rate of AdamW")

    @classmethod
    def of(cls, options: ModelOptions, **changes: Any) -> Self:
        """Take them from the options of a verb, but for the changes."""
        names = ("warmup_epochs", "warmup_batch", "learning_rate")
        return cls(**{**{name: getattr(options, name) for name in names}, **changes})


def warm_up(
    adapted: AdaptedModel,
    tokens: Sequence[Tokens],
    batcher: Batcher,
    options: WarmupOptions | None = None,
    random_seed: int = 0,
    quiet: bool = True,
    done: Sequence[tuple[Checkpoint, Sequence[float]]] = (),
    keep: Callable[[Checkpoint, list[float]], None] | None = None,
) -> list[float]:
    """Train the adapter on samples.

    Args:
        adapted: The model; its adapter is changed.
        tokens: The samples.
        batcher: How they are batched; a step's samples are split if they exceed its budget.
        options: How it trains.
        random_seed: Seed of the order.
        quiet: Whether no progress is shown.
        done: What `keep` was given by an earlier run of the same settings: these epochs are not run again.
        keep: Called after each epoch with the state and the losses of its steps.

    Returns:
        The mean completion loss of each step's samples, before the step.

    Raises:
        InputError: The loss is no longer finite.
    """
    options = options or WarmupOptions.parse({}, "warm-up")
    objective = make_objective(adapted, "loss")
    choice = np.random.default_rng(random_seed)
    size = options.warmup_batch
    steps = options.warmup_epochs * -(-len(tokens) // size)
    rise = max(1, round(_RISE * steps))
    adapted.trainable(True)
    optimiser = torch.optim.AdamW(adapted.parameters, lr=options.learning_rate, betas=BETAS, eps=EPS, weight_decay=0.0)
    losses = [loss for _, part in done for loss in part]
    if done:
        done[-1][0].restore(adapted, optimiser)
    try:
        with Progress("warm-up", steps - len(losses), "steps", quiet=quiet or len(losses) == steps) as progress:
            for epoch in range(options.warmup_epochs):
                order = choice.permutation(len(tokens))
                if epoch < len(done):
                    continue
                before, rates = len(losses), []
                for start in range(0, len(tokens), size):
                    chosen = [tokens[index] for index in order[start : start + size]]
                    rate = min((len(losses) + 1) / rise, (steps - len(losses)) / max(1, steps - rise))
                    rates.append(options.learning_rate * min(1.0, rate))
                    for group in optimiser.param_groups:
                        group["lr"] = rates[-1]
                    losses.append(_step(adapted, objective, chosen, batcher))
                    torch.nn.utils.clip_grad_norm_(adapted.parameters, _LONGEST_GRADIENT)
                    optimiser.step()
                    optimiser.zero_grad()
                    progress.advance(1)
                if keep is not None:
                    state = Checkpoint.of(adapted, optimiser, len(losses), sum(rates) / len(rates))
                    keep(state, losses[before:])
    finally:
        adapted.trainable(False)
    return losses


def _step(adapted: AdaptedModel, objective: Any, chosen: Sequence[Tokens], batcher: Batcher) -> float:
    """Leave the gradient of the mean loss on the parameters; return the loss."""
    parts: list[float] = []
    sums = [torch.zeros_like(parameter) for parameter in adapted.parameters]

    def work(batch: Batch) -> None:
        total = objective.tokens(adapted.hidden(batch.inputs), batch, 0).sum() / len(chosen)
        gradients = torch.autograd.grad(total, adapted.parameters, allow_unused=True)
        parts.append(float(total.detach()))
        for target, gradient in zip(sums, gradients, strict=True):
            if gradient is not None:
                target.add_(gradient)

    batcher.run(chosen, work)
    if not np.isfinite(sum(parts)):
        raise InputError("the warm-up's loss is not finite", hint="use a smaller --learning-rate, or --dtype fp32")
    for parameter, gradient in zip(adapted.parameters, sums, strict=True):
        parameter.grad = gradient
    return sum(parts)


def completion_losses(adapted: AdaptedModel, tokens: Sequence[Tokens], batcher: Batcher) -> np.ndarray[Any, Any]:
    """Return each sample's mean completion loss, in nats: `[n]` float64."""
    objective = make_objective(adapted, "loss")
    losses = np.zeros(len(tokens))

    def work(batch: Batch) -> None:
        part = objective.tokens(adapted.hidden(batch.inputs), batch, 0)
        losses[list(batch.samples)] = batch.per_sample(part).cpu().numpy()

    with torch.no_grad():
        batcher.run(tokens, work)
    return losses
