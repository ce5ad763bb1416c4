"""Prediction of the change of the domain's loss from training on a set, to first order, and its measurement.

With plain gradient descent on batches b_1 ... b_S and the learning rate lr, to first order in lr

    L(theta_S) - L(theta_0) = - lr sum_s <grad L, grad L_{b_s}>,   all gradients at theta_0,

which is a weighted sum of the candidates' scores by the kernel `loss`: the same number that `select --kernel loss`
ranks by, with its unit back. For one step the error is of second order in lr. For Adam the optimiser is run on
gradients frozen at theta_0, and the change is <grad L, displacement>.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from motherlode.diagnosis.opened import Opened
from motherlode.diagnosis.options import PredictOptions
from motherlode.errors import InputError, MotherlodeError
from motherlode.models.batches import Batcher
from motherlode.models.lora import AdaptedModel
from motherlode.models.rows import Samples
from motherlode.models.tokens import Tokens
from motherlode.selection.direction import domain_direction
from motherlode.selection.engines import Contraction
from motherlode.selection.kernels import make_objective
from motherlode.selection.warmup import WarmupOptions, completion_losses, warm_up
from motherlode.shards import store
from motherlode.shards.local_copy import path_here

Optimiser = Literal["sgd", "adam"]


@dataclass(frozen=True)
class Training:
    """The training whose effect is predicted.

    Attributes:
        learning_rate: Constant.
        optimiser: `sgd` (plain) or `adam` (without weight decay).
        epochs: Times that the set is read.
        batch: Samples of a step; 0: all in one.
        random_seed: Seed of the order.
    """

    learning_rate: float
    optimiser: Optimiser = "sgd"
    epochs: int = 1
    batch: int = 0
    random_seed: int = 0

    def batches(self, count: int) -> list[list[int]]:
        """Return which samples each step takes."""
        size = self.batch or count
        choice = np.random.default_rng(self.random_seed)
        orders = [choice.permutation(count).tolist() for _ in range(self.epochs)]
        return [sorted(order[start : start + size]) for order in orders for start in range(0, count, size)]


@dataclass(frozen=True, repr=False)
class LossChange:
    """The change of the domain's loss from training on a set.

    Attributes:
        training: How the set is trained on.
        steps: Optimiser steps.
        domain_samples: Samples of the domain.
        train_samples: Samples of the set.
        before: Mean completion loss of the domain before, in nats.
        predicted: Its change, to first order, in nats.
        measured: Its change after the training was run; None if it was not.
        contributions: `[n]` each sample's part of `predicted`; they add up to it. None for Adam, where they do not add.
        rows: Which rows of the file the samples of the set are, from 0; empty if they come from none.
    """

    training: Training
    steps: int
    domain_samples: int
    train_samples: int
    before: float
    predicted: float
    measured: float | None = None
    contributions: NDArray[np.float64] | None = field(default=None, compare=False)
    rows: tuple[int, ...] = field(default=(), compare=False)

    @property
    def relative_error(self) -> float | None:
        """|predicted - measured| / |measured|; None if nothing was measured, or it did not change."""
        return abs(self.predicted - self.measured) / abs(self.measured) if self.measured else None

    def write(self, path: Path | str) -> None:
        """Write everything as JSON.

        Raises:
            StorageError: The file cannot be written.
        """
        values = {**dataclasses.asdict(self), "relative_error": self.relative_error}
        if self.contributions is not None:
            values["contributions"] = self.contributions.tolist()
        store.write_text(path_here(path), json.dumps(values, indent=2, sort_keys=True) + "\n")

    def __repr__(self) -> str:
        """Say what is predicted."""
        measured = "" if self.measured is None else f", measured={self.measured:+.3g}"
        return (
            f"LossChange(predicted={self.predicted:+.3g}{measured}, before={self.before:.4f}, "
            f"{self.training.optimiser}, learning_rate={self.training.learning_rate:g}, steps={self.steps:,}, "
            f"train={self.train_samples:,}, domain={self.domain_samples:,})"
        )


def mean_gradient(adapted: AdaptedModel, tokens: Sequence[Tokens], batcher: Batcher) -> list[torch.Tensor]:
    """Return the gradient of the mean completion loss: float32, for `A` and `B` of every layer in order.

    Raises:
        MotherlodeError: It is zero or not finite.
    """
    try:
        direction = domain_direction(adapted, make_objective(adapted, "loss"), tokens, batcher)
    except MotherlodeError as error:
        what = error.what.replace("the domain's mean gradient", f"the mean gradient of {len(tokens):,} samples")
        raise type(error)(what, where=error.where, hint=error.hint) from None
    return [part for pair in zip(direction.a[0], direction.b[0], strict=True) for part in pair]


def predict_change(
    adapted: AdaptedModel, domain: Sequence[Tokens], train: Sequence[Tokens], batcher: Batcher, training: Training
) -> LossChange:
    """Predict the change of the domain's loss, to first order; the model is left as it was.

    Args:
        adapted: The model, at the state that training starts from.
        domain: The domain samples.
        train: The training set.
        batcher: How samples are batched.
        training: How it is trained on.

    Returns:
        The prediction.

    Raises:
        MotherlodeError: A gradient is zero or not finite.
    """
    before = float(completion_losses(adapted, domain, batcher).mean())
    steps = training.batches(len(train))
    contributions = None
    if training.optimiser == "sgd":
        objective = make_objective(adapted, "loss")
        direction = domain_direction(adapted, objective, domain, batcher)
        scores = Contraction(adapted, objective, direction, batcher).score(train)
        weights = np.zeros(len(train))
        for step in steps:
            weights[step] += training.learning_rate / len(step)
        contributions = -weights * scores
        predicted = float(contributions.sum())
    else:
        towards = mean_gradient(adapted, domain, batcher)
        start = adapted.state()
        moved = [parameter.clone().float() for parameter in start]
        optimiser = torch.optim.Adam(moved, lr=training.learning_rate)
        known: dict[tuple[int, ...], list[torch.Tensor]] = {}
        for step in steps:
            if tuple(step) not in known:
                known.clear()  # one batch at a time: only the same one again is not made again
                known[tuple(step)] = mean_gradient(adapted, [train[row] for row in step], batcher)
            for parameter, gradient in zip(moved, known[tuple(step)], strict=True):
                parameter.grad = gradient.clone()
            optimiser.step()
        triples = zip(towards, moved, start, strict=True)
        predicted = sum(float(g.double().flatten() @ (m.double() - s.double()).flatten()) for g, m, s in triples)
    return LossChange(training, len(steps), len(domain), len(train), before, predicted, None, contributions)


def measure_change(
    adapted: AdaptedModel, domain: Sequence[Tokens], train: Sequence[Tokens], batcher: Batcher, training: Training
) -> float:
    """Train on the set, measure the change of the domain's loss in nats, and put the model back.

    Raises:
        MotherlodeError: The loss after it is not finite.
    """
    start = adapted.state()
    before = float(completion_losses(adapted, domain, batcher).mean())
    kinds: dict[str, Any] = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    optimiser = kinds[training.optimiser](adapted.parameters, lr=training.learning_rate)
    try:
        for step in training.batches(len(train)):
            gradients = mean_gradient(adapted, [train[row] for row in step], batcher)
            for parameter, gradient in zip(adapted.parameters, gradients, strict=True):
                parameter.grad = gradient.to(parameter.dtype)
            optimiser.step()
        after = float(completion_losses(adapted, domain, batcher).mean())
    finally:
        for parameter in adapted.parameters:
            parameter.grad = None
        adapted.restore(start)
    if not np.isfinite(after):
        raise MotherlodeError("the loss after the training is not finite", hint="use a smaller --learning-rate")
    return after - before


def predict_loss_change(
    model: str,
    domain: Path | str,
    train: Path | str,
    *,
    learning_rate: float = 1e-3,
    measure: bool = False,
    quiet: bool = True,
    **options: Any,
) -> LossChange:
    """Predict what training on a set does to the domain's loss, and measure it if wanted.

    Args:
        model: Folder or hub name of a causal language model.
        domain: Domain samples: a JSONL or Parquet file, a folder of such files, or a pattern.
        train: The training set, likewise, e.g. what `select` wrote.
        learning_rate: Of the training.
        measure: Whether the training is run too.
        quiet: Whether no progress is shown.
        options: The other fields of `PredictOptions`.

    Returns:
        The change.

    Raises:
        InputError: An option, a file, a sample or the model must be changed.
        MotherlodeError: A gradient is zero, or something is not finite.
    """
    values = {"model": str(model), "learning_rate": learning_rate, "measure": measure, **options}
    settings = PredictOptions.parse(values, "predict")
    domain_samples, train_samples = (Samples.open(path, settings.fields) for path in (domain, train))
    rows = [row for row, _ in train_samples.usable(settings.bad_rows)]
    if not rows:
        raise InputError("holds no sample", where=str(train), hint="every row was skipped")
    opened = Opened(settings)
    wanted = opened.tokens(domain_samples, range(len(domain_samples.rows)))
    given = opened.tokens(train_samples, rows)
    if settings.adapter is None and settings.warmup_epochs:
        how = WarmupOptions.of(settings, learning_rate=settings.warmup_rate)
        warm_up(opened.adapted, wanted, opened.batcher, how, settings.random_seed, quiet)
    training = Training(
        settings.learning_rate, settings.optimiser, settings.epochs, settings.batch, settings.random_seed
    )
    change = predict_change(opened.adapted, wanted, given, opened.batcher, training)
    change = dataclasses.replace(change, rows=tuple(rows))
    if not settings.measure:
        return change
    measured = measure_change(opened.adapted, wanted, given, opened.batcher, training)
    return dataclasses.replace(change, measured=measured)
