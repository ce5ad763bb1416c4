"""Which engine scores, and how it is put together from the options: direction, checkpoints, cosine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import numpy as np

from motherlode.errors import InputError, MotherlodeError
from motherlode.models.batches import Batcher
from motherlode.models.lora import AdaptedModel
from motherlode.models.tokens import Tokens
from motherlode.selection.checkpoints import AlongCheckpoints, Checkpoint, placed, preconditioned, preconditioner
from motherlode.selection.direction import Direction, domain_direction
from motherlode.selection.engines import Engine, EngineName, Reference, make_engine
from motherlode.selection.gradients import Cosine, SampleGradients, gradient_norms
from motherlode.selection.kernels import Kernel, Objective, make_objective
from motherlode.selection.options import SelectOptions

LinearEngine = Literal["contraction", "difference", "reference"]


def choose_engine(options: SelectOptions) -> EngineName:
    """Return the engine that `auto` stands for.

    `contraction`, whose scores are exact to rounding: in fp32 it differs from plain autograd by 3e-7 (`ntk`) and 3e-6
    (`loss`) of the largest score on a trained model of 8M parameters, in bf16 it ranks as fp32 does (0.9997 and
    0.9993). `difference` takes two thirds of the time or less, ranks the same in fp32 (1.0000), but is out by 1e-4 of
    the largest score, which is per cents of a score near 0; in bf16 its ranking for `loss` is another (0.971), since
    the loss is rounded more coarsely than a small step changes it. It is there to be asked for. `sketch` where pairs
    are needed.

    Args:
        options: The selection.

    Returns:
        The engine's name.
    """
    if options.engine != "auto":
        return options.engine
    along = options.kernel == "loss-adam" and options.normalize == "cosine"
    return "sketch" if options.selector == "round-robin" or along else "contraction"


def objective_of(adapted: AdaptedModel, options: SelectOptions) -> Objective:
    """Make the objective of the options' kernel; that of `loss-adam` and `less` is the loss."""
    loss = options.kernel == "loss-adam" or options.method == "less"
    return make_objective(
        adapted,
        "loss" if loss else cast(Kernel, options.kernel),
        probes=options.probes,
        random_seed=options.random_seed,
        normalize="none" if options.normalize == "none" else "length",
    )


def make_scorer(
    adapted: AdaptedModel,
    options: SelectOptions,
    engine: LinearEngine,
    domain: Sequence[Tokens],
    batcher: Batcher,
    checkpoints: Sequence[Checkpoint] = (),
) -> Engine:
    """Make the engine that scores candidates against the domain.

    Args:
        adapted: The model.
        options: The selection.
        engine: One that is linear in the domain.
        domain: The domain samples.
        batcher: How samples are batched.
        checkpoints: Of the warm-up, for `loss-adam`.

    Returns:
        The engine.

    Raises:
        InputError: The domain's gradients are not finite.
        MotherlodeError: They are zero.
    """
    objective = objective_of(adapted, options)
    if options.normalize == "cosine":
        gradients, direction = _cosine_parts(adapted, objective, domain, batcher)
        return Reference(adapted, objective, direction, True) if engine == "reference" else Cosine(gradients, direction)
    step = options.difference_step
    if options.kernel != "loss-adam":
        direction = domain_direction(adapted, objective, domain, batcher)
        return make_engine(engine, adapted, objective, direction, batcher, step)
    return adam_engine(adapted, objective, engine, domain, batcher, checkpoints, step)


def cosine_engine(adapted: AdaptedModel, objective: Objective, domain: Sequence[Tokens], batcher: Batcher) -> Cosine:
    """Make the engine of mean cosines of gradients.

    Raises:
        InputError: The domain's gradients are not finite.
        MotherlodeError: They are zero.
    """
    return Cosine(*_cosine_parts(adapted, objective, domain, batcher))


def _cosine_parts(
    adapted: AdaptedModel, objective: Objective, domain: Sequence[Tokens], batcher: Batcher
) -> tuple[SampleGradients, Direction]:
    gradients = SampleGradients(adapted, objective, batcher)
    norms = gradient_norms(gradients, domain)
    if not np.isfinite(norms).all():
        raise InputError("the domain's gradients are not finite", hint="use --dtype fp32")
    if not norms.any():
        raise MotherlodeError("the domain's gradients are zero", hint="use another adapter, or more warm-up")
    inverse = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms != 0)
    return gradients, domain_direction(adapted, objective, domain, batcher, inverse)


def adam_engine(
    adapted: AdaptedModel,
    objective: Objective,
    engine: LinearEngine,
    domain: Sequence[Tokens],
    batcher: Batcher,
    checkpoints: Sequence[Checkpoint],
    step: float | None = None,
) -> AlongCheckpoints:
    """Make the engine of `loss-adam`: at each checkpoint one along its preconditioned direction, see `checkpoints`.

    Raises:
        MotherlodeError: The domain's mean gradient is zero or not finite.
    """
    engines = []
    for checkpoint in checkpoints:
        with placed(adapted, checkpoint):
            direction = domain_direction(adapted, objective, domain, batcher)
            direction = preconditioned(direction, preconditioner(checkpoint))
            engines.append(make_engine(engine, adapted, objective, direction, batcher, step))
    return AlongCheckpoints(adapted, checkpoints, engines)
