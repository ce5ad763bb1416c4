"""Continued pre-training on a domain's documents, mixed with general ones so that the model forgets less.

DoPAMine (arXiv 2410.00260) trains on 25 % domain and 75 % general tokens and leaves the ratio open: `sweep_ratios`
measures several at the same budget, on domain and on general text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from motherlode.adaptation.options import CptOptions
from motherlode.shards.local_copy import here, path_here

if TYPE_CHECKING:
    from motherlode.adaptation.plan import Plan

__all__ = ["CptOptions", "Pretrained", "continue_pretraining", "plan_pretraining"]
MODEL, ADAPTER = "model", "adapter"


@dataclass(frozen=True, repr=False)
class Pretrained:
    """A model whose pre-training was continued.

    Attributes:
        folder: The run's folder.
        model: The folder of the model, in safetensors.
        tokens: Tokens that were trained on, repeats counted.
        domain_tokens: Those of the domain.
        general_tokens: The others.
        domain_readings: How often the domain's documents were read.
        general_readings: How often the general ones were.
        steps: Optimiser steps.
        seconds: Time that they took, evaluations included.
        losses: `[steps]` the mean loss of each step's tokens, in nats, before the step.
        domain_loss: On the domain's dev texts after training, in nats a token; None if there are none.
        general_loss: Likewise on general ones.
        domain_loss_before: On the domain's dev texts before training.
        general_loss_before: Likewise on general ones.
        domain_losses: `(step, loss)` on the domain's dev texts.
        general_losses: Likewise on general ones.
    """

    folder: Path
    model: Path
    tokens: int
    domain_tokens: int
    general_tokens: int
    domain_readings: float
    general_readings: float
    steps: int
    seconds: float
    losses: tuple[float, ...]
    domain_loss: float | None
    general_loss: float | None
    domain_loss_before: float | None
    general_loss_before: float | None
    domain_losses: tuple[tuple[int, float], ...]
    general_losses: tuple[tuple[int, float], ...]

    @property
    def ratio(self) -> float:
        """The share of the domain, by tokens, as it was."""
        return self.domain_tokens / max(1, self.tokens)

    @property
    def forgetting(self) -> float | None:
        """How much the loss on general text rose, in nats a token; negative if it fell."""
        if self.general_loss is None or self.general_loss_before is None:
            return None
        return self.general_loss - self.general_loss_before

    @classmethod
    def read(cls, folder: Path | str) -> Self:
        """Read a finished run.

        Raises:
            InputError: The folder holds none.
        """
        from motherlode.adaptation.folder import read_result
        from motherlode.adaptation.log import curves

        out = here(folder)
        values = read_result(out, "cpt")
        losses, dev = curves(out)
        domain, general = dev.get("domain", ()), dev.get("general", ())
        return cls(
            folder=out,
            model=out / MODEL,
            losses=losses,
            domain_loss=domain[-1][1] if domain else None,
            general_loss=general[-1][1] if general else None,
            domain_loss_before=domain[0][1] if domain else None,
            general_loss_before=general[0][1] if general else None,
            domain_losses=domain,
            general_losses=general,
            **values,
        )

    def __repr__(self) -> str:
        """Say what was trained on, and what became of the losses."""

        def change(before: float | None, after: float | None) -> str:
            return "-" if before is None or after is None else f"{before:.3f} -> {after:.3f}"

        return (
            f"Pretrained({str(self.folder)!r}, tokens={self.tokens:,}, ratio={self.ratio:.3f}, steps={self.steps:,}, "
            f"domain loss {change(self.domain_loss_before, self.domain_loss)}, "
            f"general loss {change(self.general_loss_before, self.general_loss)})"
        )


def continue_pretraining(
    domain: Path | str,
    out: Path | str,
    *,
    model: str,
    general: Path | str | None = None,
    domain_dev: Path | str | None = None,
    general_dev: Path | str | None = None,
    quiet: bool = True,
    overwrite: bool = False,
    tell: Callable[[Plan], None] | None = None,
    **options: Any,
) -> Pretrained:
    """Continue a model's pre-training; a run that was killed goes on, one that is done is read.

    Args:
        domain: The domain's documents: a corpus that `corpus build` made, a folder of `mine`'s domains, or JSONL or
            Parquet files with a field `text`.
        out: The run's folder.
        model: Folder or hub name of a causal language model.
        general: General documents, likewise; needed if `ratio` is less than 1.
        domain_dev: Held-out documents of the domain that the loss is measured on, before and after.
        general_dev: Held-out general ones.
        quiet: Whether no progress is shown.
        overwrite: Whether the folder of another run is emptied first.
        tell: Called with the plan before training starts.
        options: The other fields of `CptOptions`.

    Returns:
        What was trained.

    Raises:
        InputError: An option, a file, the model or the folder must be changed.
        MissingExtraError: The extra `train` is not installed.
        MotherlodeError: Memory does not suffice, or the loss is not finite.
    """
    from motherlode.adaptation.cpt_job import CptInputs, CptJob

    settings = CptOptions.parse({"model": str(model), **options}, "adapt cpt")
    with CptJob(CptInputs(domain, general, domain_dev, general_dev), path_here(out), settings, overwrite) as job:
        if not job.complete:
            if tell is not None:
                tell(job.plan())  # by all processes: passes are probed together
            job.train(quiet)
    return Pretrained.read(out)


def plan_pretraining(
    domain: Path | str,
    *,
    model: str,
    general: Path | str | None = None,
    domain_dev: Path | str | None = None,
    general_dev: Path | str | None = None,
    **options: Any,
) -> Plan:
    """Say what a continued pre-training would do and need; nothing is written.

    Raises:
        InputError: An option, a file or the model must be changed.
    """
    from motherlode.adaptation.cpt_job import CptInputs, CptJob

    settings = CptOptions.parse({"model": str(model), **options}, "adapt cpt")
    with CptJob(CptInputs(domain, general, domain_dev, general_dev), None, settings) as job:
        return job.plan()
