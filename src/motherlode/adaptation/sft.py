"""LoRA fine-tuning on samples: domain samples, selected samples, or both together.

Samples become tokens as everywhere in this package (chat template or plain text, the loss on completions alone), and
are trained on by TRL's SFTTrainer. The folder of a run holds the adapter, its log and all that is needed to repeat it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from motherlode.adaptation.options import SftOptions
from motherlode.errors import InputError
from motherlode.shards.local_copy import here, path_here

if TYPE_CHECKING:
    from motherlode.adaptation.plan import Plan

__all__ = ["FineTuned", "SftOptions", "fine_tune", "plan_fine_tuning"]
ADAPTER, MERGED = "adapter", "merged"


@dataclass(frozen=True, repr=False)
class FineTuned:
    """A fine-tuned model.

    Attributes:
        folder: The run's folder.
        adapter: The folder of the PEFT adapter.
        merged: The folder of the model with the adapter merged in; None if it was not asked for.
        samples: Samples that were trained on.
        tokens: Tokens that were trained on, repeats counted.
        steps: Optimiser steps that were done.
        seconds: Time that they took, evaluations included.
        losses: `[steps]` the mean loss of each step's completion tokens, in nats, before the step.
        dev_losses: `(step, loss)` on the dev set; empty if there is none.
        best_step: The step whose weights were taken; the last one without dev set.
    """

    folder: Path
    adapter: Path
    merged: Path | None
    samples: int
    tokens: int
    steps: int
    seconds: float
    losses: tuple[float, ...]
    dev_losses: tuple[tuple[int, float], ...]
    best_step: int

    @classmethod
    def read(cls, folder: Path | str) -> Self:
        """Read a finished run.

        Raises:
            InputError: The folder holds none.
        """
        from motherlode.adaptation.folder import read_result
        from motherlode.adaptation.log import curves

        out = here(folder)
        values = read_result(out, "sft")
        losses, dev = curves(out)
        merged = out / MERGED if values.pop("merged") else None
        return cls(
            folder=out, adapter=out / ADAPTER, merged=merged, losses=losses, dev_losses=dev.get("dev", ()), **values
        )

    def __repr__(self) -> str:
        """Say what was trained, and how far the losses fell."""
        first, last = (f"{self.losses[at]:.3f}" if self.losses else "-" for at in (0, -1))
        dev = ""
        if self.dev_losses:
            dev = f", dev {self.dev_losses[0][1]:.3f} -> {min(loss for _, loss in self.dev_losses):.3f}"
        return (
            f"FineTuned({str(self.folder)!r}, samples={self.samples:,}, tokens={self.tokens:,}, "
            f"steps={self.steps:,}, loss {first} -> {last}{dev})"
        )


def fine_tune(
    train: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    model: str,
    dev: Path | str | None = None,
    quiet: bool = True,
    overwrite: bool = False,
    tell: Callable[[Plan], None] | None = None,
    **options: Any,
) -> FineTuned:
    """Fine-tune a LoRA adapter on samples; a run that was killed goes on, one that is done is read.

    Args:
        train: Samples: a JSONL or Parquet file, a folder of such files, a pattern, or several of these.
        out: The run's folder.
        model: Folder or hub name of a causal language model.
        dev: Samples that are evaluated on: the weights with the lowest loss are taken, and training stops early.
        quiet: Whether no progress is shown.
        overwrite: Whether the folder of another run is emptied first.
        tell: Called with the plan before training starts.
        options: The other fields of `SftOptions`.

    Returns:
        What was trained.

    Raises:
        InputError: An option, a file, a sample, the model or the folder must be changed.
        MissingExtraError: The extra `train` is not installed.
        MotherlodeError: Memory does not suffice, or the loss is not finite.
    """
    from motherlode.adaptation.sft_job import SftJob

    with SftJob(train, path_here(out), dev, _options(model, options), overwrite) as job:
        if not job.complete:
            if tell is not None:
                tell(job.plan())  # by all processes: passes are probed together
            job.train(quiet)
    return FineTuned.read(out)


def plan_fine_tuning(
    train: Path | str | Sequence[Path | str], *, model: str, dev: Path | str | None = None, **options: Any
) -> Plan:
    """Say what a fine-tuning would do and need; nothing is written.

    Raises:
        InputError: An option, a file, a sample or the model must be changed.
    """
    from motherlode.adaptation.sft_job import SftJob

    with SftJob(train, None, dev, _options(model, options)) as job:
        return job.plan()


def _options(model: str, options: dict[str, Any]) -> SftOptions:
    settings = SftOptions.parse({"model": str(model), **options}, "adapt sft")
    if not settings.model:
        raise InputError("names no model", where="--model")
    return settings
