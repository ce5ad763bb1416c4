"""Stages that a model does: selection, continued pre-training, fine-tuning, by their floating-point operations.

A token costs 2 P operations forward and 4 P backward, for P parameters (arXiv 2001.08361, section 2.1); a backward pass
through frozen weights, as LoRA's, saves the 2 P of their gradients. Attention over long contexts is not in that: for 8
billion parameters it adds some percent at 2,000 tokens. Of a GPU's operations a share is reached (`mfu`), which is
assumed: there was no GPU to measure on. Without GPUs the operations are those of a matrix product on the cores,
measured in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

from motherlode.planning.figures import Basis, Figure
from motherlode.planning.options import PlanOptions
from motherlode.planning.processors import Cores, Stage
from motherlode.planning.rates import Rates

FORWARD = 2.0  # operations a parameter and token
TRAIN_FULL = 6.0
TRAIN_LORA = 4.0
_PASSES = {"contraction": 3.0, "difference": 2.0}  # forward passes that an engine costs; see docs/select.md
_FACTOR = 4  # candidates for each sample that is selected
_BYTES_SCORE, _BYTES_FULL, _BYTES_LORA = 2.0, 16.0, 2.2  # a parameter: bf16; with gradients and Adam; with adapters
_ACTIVATIONS = 8 * 2.0**30  # bytes beside the weights
_VECTOR = 4 * 4096  # bytes of a sample's mean hidden state


@dataclass(frozen=True)
class Accelerators:
    """What models run on.

    Attributes:
        options: What is planned.
        rates: What was measured.
        measured_here: Whether on this machine.
    """

    options: PlanOptions
    rates: Rates
    measured_here: bool

    @property
    def on_gpus(self) -> bool:
        """Whether there are GPUs."""
        return self.options.gpus_per_node > 0

    @property
    def count(self) -> int:
        """GPUs of all machines, or their cores."""
        if self.on_gpus:
            return self.options.nodes * self.options.gpus_per_node
        return Cores(self.options, self.rates, self.measured_here).count

    @property
    def flops(self) -> float:
        """Operations a second that all of them reach together."""
        if self.on_gpus:
            return self.count * self.options.gpu_tflops * 1e12 * self.options.mfu
        return self.count * self.rates.flops * self.options.mfu

    def stage(self, name: str, operations: float, bytes_per_parameter: float, written: float, note: str) -> Stage:
        """Put a stage together."""
        seconds = operations / self.flops
        weights = self.options.parameters * bytes_per_parameter
        notes = [note]
        if self.on_gpus:
            memory = self.options.gpu_memory * 2**30
            if weights + _ACTIVATIONS > memory:
                share = -(-weights // max(1.0, memory - _ACTIVATIONS))
                notes.append(f"does not fit a GPU: its weights must be spread over {share:.0f}, which is slower")
        return Stage(
            name,
            Figure(seconds, Basis.ASSUMED),
            "GPUs" if self.on_gpus else "cores",
            Figure(seconds * self.count / 3600, Basis.ASSUMED),
            Figure(written, Basis.ASSUMED),
            memory=Figure(weights + _ACTIVATIONS, Basis.ASSUMED),
            notes=tuple(notes),
        )


def model_stages(options: PlanOptions, rates: Rates, measured_here: bool) -> list[Stage]:
    """Plan selection and training.

    Args:
        options: What is planned.
        rates: What was measured.
        measured_here: Whether on this machine.

    Returns:
        The stages that are asked for.
    """
    machine = Accelerators(options, rates, measured_here)
    stages = selection_stages(options, machine) if options.select_samples else []
    forward = options.parameters
    if options.cpt_tokens:
        operations = TRAIN_FULL * forward * options.cpt_tokens
        note = f"{TRAIN_FULL:.0f} operations a parameter and token"
        stages.append(machine.stage("pre-train (CPT)", operations, _BYTES_FULL, 2 * options.parameters, note))
    if options.sft_tokens:
        full = options.sft_method == "full"
        each, weight = (TRAIN_FULL, _BYTES_FULL) if full else (TRAIN_LORA, _BYTES_LORA)
        written = 2 * options.parameters * (1.0 if full else 0.01)
        note = f"{each:.0f} operations a parameter and token"
        stages.append(
            machine.stage(
                f"fine-tune ({options.sft_method})", each * forward * options.sft_tokens, weight, written, note
            )
        )
    return stages


def selection_stages(options: PlanOptions, machine: Accelerators) -> list[Stage]:
    """Plan `select`: warm-up, candidates, kernel."""
    token = FORWARD * options.parameters * options.sample_tokens
    pool = options.select_samples
    scored = pool if options.preselect == "none" else min(pool, _FACTOR * options.number)
    stages = []
    if options.warmup_epochs:
        warmup = TRAIN_LORA / FORWARD * token * options.domain_samples * options.warmup_epochs
        note = f"LoRA, {options.warmup_epochs:g} epochs over {options.domain_samples:,.0f} samples"
        stages.append(machine.stage("select: warm up", warmup, _BYTES_LORA, 0.02 * options.parameters, note))
    if options.preselect == "model":
        note = f"a forward pass over {pool:,.0f} samples"
        stages.append(machine.stage("select: preselect", token * pool, _BYTES_SCORE, _VECTOR * pool, note))
    elif options.preselect == "lexical":
        stages.append(_lexical(options, machine))
    passes = _PASSES[options.engine]
    note = f"{passes:.0f} forward passes' work over {scored:,.0f} candidates ({options.engine})"
    stages.append(machine.stage("select: kernel", passes * token * scored, _BYTES_LORA, 12 * scored, note))
    return stages


def _lexical(options: PlanOptions, machine: Accelerators) -> Stage:
    """Preselect by the encoder of words: cores of one process do that."""
    rate = machine.rates.stages["encode"]
    words = options.select_samples * options.sample_tokens * 0.75
    seconds = words * rate.core_seconds + rate.driver_seconds
    basis = Basis.EXTRAPOLATED if machine.measured_here else Basis.ASSUMED
    return Stage(
        "select: preselect",
        Figure(seconds, basis),
        "driver",
        Figure(seconds / 3600, basis),
        Figure(1024 * options.select_samples, basis),
        memory=Figure(machine.rates.worker_bytes, basis),
        notes=("the encoder `lexical`, in one process",),
    )
