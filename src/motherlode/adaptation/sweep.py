"""Which ratio? Continued pre-training at several ratios with one budget, measured on domain and on general text.

Every ratio gets the same model, tokens, steps, schedule and dev texts. Without a budget the largest ratio reads the
domain once, so that no ratio repeats a document.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motherlode.adaptation.cpt import Pretrained, continue_pretraining, plan_pretraining
from motherlode.adaptation.options import CptOptions
from motherlode.errors import InputError
from motherlode.shards.local_copy import path_here

if TYPE_CHECKING:
    from motherlode.adaptation.plan import Plan


@dataclass(frozen=True)
class Sweep:
    """Runs at several ratios.

    Attributes:
        folder: The folder of their folders.
        runs: One a ratio, in the order of the ratios.
    """

    folder: Path
    runs: tuple[Pretrained, ...]


def parse_ratios(text: str) -> tuple[float, ...]:
    """Read ratios with commas between them.

    Raises:
        InputError: One is no number from 0 to 1, or stands there twice.
    """
    ratios = []
    for part in text.split(","):
        try:
            ratio = float(part)
        except ValueError:
            raise InputError(
                f"{part.strip()!r} is no number", where="--ratio-sweep", hint="write 0.1,0.25,0.5"
            ) from None
        if not 0 <= ratio <= 1:
            raise InputError(f"{part.strip()} is not from 0 to 1", where="--ratio-sweep", hint="write 0.1,0.25,0.5")
        if ratio in ratios:
            raise InputError(f"{part.strip()} stands there twice", where="--ratio-sweep")
        ratios.append(ratio)
    return tuple(ratios)


def sweep_ratios(
    domain: Path | str,
    out: Path | str,
    ratios: Sequence[float],
    *,
    model: str,
    general: Path | str | None = None,
    domain_dev: Path | str | None = None,
    general_dev: Path | str | None = None,
    quiet: bool = True,
    overwrite: bool = False,
    tell: Callable[[Plan], None] | None = None,
    **options: Any,
) -> Sweep:
    """Continue a model's pre-training at several ratios; what is done is not done again.

    Args:
        domain: The domain's documents.
        out: The folder of the runs' folders, `ratio-0.25` and so on.
        ratios: Shares of the domain, 0 to 1.
        model: Folder or hub name of a causal language model.
        general: General documents.
        domain_dev: Held-out documents of the domain; without any, `holdout` keeps some.
        general_dev: Held-out general documents, likewise.
        quiet: Whether no progress is shown.
        overwrite: Whether folders of other runs are emptied first.
        tell: Called with each run's plan before it starts.
        options: The other fields of `CptOptions`.

    Returns:
        The runs.

    Raises:
        InputError: An option, a file, the model or a folder must be changed.
        MotherlodeError: A run failed.
    """
    files = {"model": model, "general": general, "domain_dev": domain_dev, "general_dev": general_dev}
    options = _with_budget(domain, ratios, files, options)
    runs = [
        continue_pretraining(
            domain,
            path_here(out) / f"ratio-{ratio:g}",
            **files,  # type: ignore[arg-type]
            quiet=quiet,
            overwrite=overwrite,
            tell=tell,
            **{**options, "ratio": ratio},
        )
        for ratio in ratios
    ]
    return Sweep(path_here(out), tuple(runs))


def plan_sweep(domain: Path | str, ratios: Sequence[float], **given: Any) -> list[Plan]:
    """Say what the runs of a sweep would do and need; nothing is written.

    Raises:
        InputError: An option, a file or the model must be changed.
    """
    files = {name: given.pop(name, None) for name in ("model", "general", "domain_dev", "general_dev")}
    options = _with_budget(domain, ratios, files, given)
    return [plan_pretraining(domain, **files, **{**options, "ratio": ratio}) for ratio in ratios]


def _with_budget(
    domain: Path | str, ratios: Sequence[float], files: dict[str, Any], options: dict[str, Any]
) -> dict[str, Any]:
    """Check what a sweep needs, and set the budget that all ratios share."""
    if not ratios:
        raise InputError("names no ratio", where="--ratio-sweep", hint="write 0.1,0.25,0.5")
    settings = CptOptions.parse({"model": str(files["model"]), **options, "ratio": max(ratios)}, "adapt cpt")
    if not settings.holdout and not (files["domain_dev"] and files["general_dev"]):
        raise InputError(
            "a sweep needs dev documents of the domain and general ones",
            where="--ratio-sweep",
            hint="name --domain-dev and --general-dev, or keep some with --holdout 0.05",
        )
    if files["general"] is None:
        raise InputError("general documents are needed for a sweep", where="--general", hint="name a general corpus")
    if settings.tokens is not None:
        return options
    from motherlode.adaptation.cpt_job import CptInputs, CptJob

    inputs = CptInputs(domain, files["general"], files["domain_dev"], files["general_dev"])
    with CptJob(inputs, None, settings) as job:
        return {**options, "tokens": job.default_tokens()}
