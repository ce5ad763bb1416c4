"""What `motherlode adapt` prints: the plan before, what was trained after; by a launcher's first process alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from motherlode.adaptation.cpt import Pretrained
    from motherlode.adaptation.plan import Plan
    from motherlode.adaptation.sft import FineTuned
    from motherlode.adaptation.sweep import Sweep


def is_first() -> bool:
    """Return whether this is the process of a launcher's group that prints."""
    return os.environ.get("RANK", "0") == "0"


def print_plan(plan: Plan, unit: str) -> None:
    """Print what a run will do and need."""
    if not is_first():
        return
    from rich.console import Console

    from motherlode.cli.tables import plain, table_of

    table = table_of("Plan", ["", ""])
    table.show_header = False
    rows = {
        unit: f"{plan.samples:,}",
        "tokens": f"{plan.tokens:,}",
        "steps": f"{plan.steps:,} of {plan.batch:,} {unit}",
        "trained weights": f"{plan.trained:,} of {plan.parameters:,}",
    }
    for name, value in plan.details.items():
        rows[name] = f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
    held = ", ".join(f"{name} {_bytes(size)}" for name, size in plan.memory.items())
    rows["memory"] = f"{_bytes(plan.memory_total)} ({held})"
    if plan.tokens_per_second is not None and plan.seconds is not None:
        rows["time"] = f"{_duration(plan.seconds)} (probed: {plan.tokens_per_second:,.0f} tokens/s)"
    for name, value in rows.items():
        table.add_row(plain(name), plain(value))
    Console().print(table)


def print_tuned(tuned: FineTuned) -> None:
    """Print what was fine-tuned."""
    from rich.console import Console

    from motherlode.cli.tables import plain, table_of
    from motherlode.report.adaptation import write_adaptation_report

    table = table_of("Fine-tuned", ["samples", "tokens", "steps", "time", "loss", "dev loss", "taken from step"])
    dev = "-"
    if tuned.dev_losses:
        dev = f"{tuned.dev_losses[0][1]:.4f} -> {min(loss for _, loss in tuned.dev_losses):.4f}"
    table.add_row(
        f"{tuned.samples:,}",
        f"{tuned.tokens:,}",
        f"{tuned.steps:,}",
        _duration(tuned.seconds),
        f"{tuned.losses[0]:.4f} -> {tuned.losses[-1]:.4f}",
        dev,
        f"{tuned.best_step:,}",
    )
    console = Console()
    console.print(table)
    console.print(plain(f"adapter: {tuned.adapter}"))
    if tuned.merged is not None:
        console.print(plain(f"model: {tuned.merged}"))
    console.print(plain(f"report: {write_adaptation_report(tuned.folder)}"))


def _row(trained: Pretrained) -> list[str]:
    def change(before: float | None, after: float | None) -> str:
        return "-" if before is None or after is None else f"{before:.4f} -> {after:.4f}"

    return [
        f"{trained.ratio:.4f}",
        f"{trained.tokens:,}",
        f"{trained.domain_tokens:,}",
        f"{trained.domain_readings:.2f}",
        f"{trained.steps:,}",
        _duration(trained.seconds),
        change(trained.domain_loss_before, trained.domain_loss),
        change(trained.general_loss_before, trained.general_loss),
        "-" if trained.forgetting is None else f"{trained.forgetting:+.4f}",
    ]


_COLUMNS = ["ratio", "tokens", "domain", "readings", "steps", "time", "domain loss", "general loss", "forgetting"]


def print_pretrained(trained: Pretrained) -> None:
    """Print what a continued pre-training came to."""
    from rich.console import Console

    from motherlode.cli.tables import plain, table_of
    from motherlode.report.adaptation import write_adaptation_report

    table = table_of("Continued pre-training", _COLUMNS)
    table.add_row(*_row(trained))
    console = Console()
    console.print(table)
    console.print(plain(f"model: {trained.model}"))
    console.print(plain(f"report: {write_adaptation_report(trained.folder)}"))


def print_sweep(swept: Sweep) -> None:
    """Print the ratios of a sweep beside each other."""
    from rich.console import Console

    from motherlode.cli.tables import plain, table_of
    from motherlode.report.adaptation import write_sweep_report

    table = table_of("Ratios at the same budget", _COLUMNS)
    for trained in swept.runs:
        table.add_row(*_row(trained))
    console = Console()
    console.print(table)
    console.print(plain(f"report: {write_sweep_report(swept)}"))


def _bytes(size: int) -> str:
    value, unit = float(size), "B"
    for name in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, name
    return f"{value:.3g} {unit}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"
