"""What a run will do and need, said before it starts: steps, tokens, memory, time.

Time comes from a short probe: forward and backward passes of the run's own first rows, measured on the machine. Memory
is counted: weights, gradients and moments by their types, activations as what autograd keeps for the backward pass.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from motherlode.adaptation.rows import Row, as_inputs, length, split, targets
from motherlode.adaptation.trainer import StepTrainer
from motherlode.models.batches import out_of_memory

_PASSES = 3  # measured, after one that is not
_OPTIMISER = 0.02  # of a step's time: the optimiser, logging and what else is no pass, with small models


@dataclass(frozen=True)
class Plan:
    """What a run will do and need.

    Attributes:
        samples: Samples, or sequences, that are read once.
        tokens: Tokens that are trained on, repeats counted.
        steps: Optimiser steps.
        batch: Samples or sequences of a step.
        parameters: All weights.
        trained: Those that are trained.
        memory: Bytes, by what holds them: `weights`, `gradients`, `moments`, `activations`.
        tokens_per_second: As probed; None if nothing was.
        seconds: Time for all steps; None if nothing was probed.
        details: What else there is to say, by name.
    """

    samples: int
    tokens: int
    steps: int
    batch: int
    parameters: int
    trained: int
    memory: Mapping[str, int]
    tokens_per_second: float | None = None
    seconds: float | None = None
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def memory_total(self) -> int:
        """Bytes that the run needs on each process, without what the libraries take."""
        return sum(self.memory.values())

    def as_record(self) -> dict[str, Any]:
        """Return what is the same for every run of these settings, for the record."""
        values = dataclasses.asdict(self)
        for measured in ("tokens_per_second", "seconds"):
            del values[measured]
        return values


def make_plan(
    trainer: StepTrainer, *, samples: int, tokens: int, batch: int, probe: bool, details: Mapping[str, Any]
) -> Plan:
    """Plan a run.

    Args:
        trainer: With model and steps.
        samples: Samples or sequences.
        tokens: Tokens that are trained on, repeats counted.
        batch: Samples or sequences of a step.
        probe: Whether passes are measured; they leave no trace.
        details: What else there is to say.

    Returns:
        The plan.
    """
    parameters = list(trainer.model.parameters())
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    memory = {
        "weights": sum(p.numel() * p.element_size() for p in parameters),
        "gradients": sum(p.numel() * p.element_size() for p in trained),
        "moments": sum(2 * p.numel() * p.element_size() for p in trained),
    }
    rate = None
    if probe and not trainer.place.sharded:
        activations, rate = _probe(trainer)
        memory["activations"] = activations
    return Plan(
        samples=samples,
        tokens=tokens,
        steps=len(trainer.steps),
        batch=batch,
        parameters=sum(p.numel() for p in parameters),
        trained=sum(p.numel() for p in trained),
        memory=memory,
        tokens_per_second=rate,
        seconds=None if rate is None else tokens / rate / trainer.place.world * (1 + _OPTIMISER),
        details=dict(details),
    )


def _probe(trainer: StepTrainer) -> tuple[int, float]:
    """Return the bytes that autograd keeps for the largest pass of the first step, and the tokens of a second."""
    rows = trainer.steps.rows(0)
    while True:
        parts = split(rows, trainer.budget)
        full = False
        try:
            kept = _pass(trainer, parts[0], count=True)
            chosen = [parts[number * len(parts) // _PASSES] for number in range(min(_PASSES, len(parts)))]
            begun = time.perf_counter()
            for part in chosen:
                _pass(trainer, part)
            seconds = time.perf_counter() - begun
        except Exception as error:
            if not out_of_memory(error):
                raise
            full = True
        if not full:
            return kept, sum(length(row) for part in chosen for row in part) / max(seconds, 1e-9)
        trainer.lower_budget(rows)


def _pass(trainer: StepTrainer, rows: list[Row], count: bool = False) -> int:
    device = trainer.place.device
    kept: dict[int, int] = {}
    own = {parameter.untyped_storage().data_ptr() for parameter in trainer.model.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        trainer.model.train()
        inputs = as_inputs(rows, device, trainer.flat)
        items = torch.tensor(targets(rows), device=device)
        try:
            with trainer.precision(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                loss = trainer.compute_loss(trainer.model, inputs, num_items_in_batch=items)
            loss.backward()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
        finally:
            trainer.model.zero_grad(set_to_none=True)
            trainer.forget_metrics()
    return sum(kept.values()) if count else 0
