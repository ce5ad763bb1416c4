"""`motherlode compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motherlode.cli.shared import mirrors

if TYPE_CHECKING:
    from rich.console import Console

    from motherlode.comparison.compare import Plan
    from motherlode.comparison.summary import Gain, Score, Setting, Summary

_WIDTH = 132  # of tables that go into a file
DIGITS = {"outcome": 3, "probability": 4}  # probabilities differ by less, and are known better


@mirrors("out")
def compare_command(
    config: Annotated[Path, typer.Argument(help="YAML file of the comparison.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder of jobs, tables and report; continued.", show_default=False)],
    workers: Annotated[int, typer.Option(help="Jobs at a time, each in a process; 1: one after the other.")] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, print the jobs and their estimated cost, and leave.")
    ] = False,
) -> None:
    """Compare methods at equal budgets, over sizes, random seeds and tasks."""
    from motherlode.comparison.compare import Plan
    from motherlode.errors import InputError
    from motherlode.report.comparison import write_comparison_report

    if workers < 1:
        raise InputError(f"{workers} is not a number of processes", where="--workers", hint="use 1 or more")
    plan = Plan(config)
    if dry_run:
        print_plan(plan, out)
        return
    made = plan.run(out, workers=workers, quiet=False)
    summaries = made.summaries()
    for summary in summaries:
        print_summary(summary)
    if summaries:
        print(f"report: {write_comparison_report(out)}")
    for failure in made.failures:
        if failure.because is None:
            _say(f"! {failure.job} failed: {failure.error}")
    if made.failures:
        own = sum(failure.because is None for failure in made.failures)
        _say(f"! {own:,} of {made.jobs:,} jobs failed, {len(made.failures) - own:,} were left out for them; run again")
        raise typer.Exit(1)


def _say(line: str) -> None:
    from rich.console import Console

    from motherlode.cli.tables import plain

    Console().print(plain(line), style="yellow", soft_wrap=True)


def print_plan(plan: Plan, out: Path) -> None:
    """Print the jobs, and what those that are not done are estimated to cost."""
    from rich.console import Console

    from motherlode.cli.tables import plain, table_of

    console = Console()
    kinds = plan.kinds(out)
    table = table_of("Jobs", ["kind", "jobs", "left", "PFLOP left", "seconds left"])
    for kind in kinds:
        seconds = "unknown" if kind.seconds is None else f"{kind.seconds:,.0f}"
        seconds = "" if not kind.left else seconds
        table.add_row(kind.name, f"{kind.jobs:,}", f"{kind.left:,}", f"{kind.flops / 1e15:,.3f}", seconds)
    flops = sum(kind.flops for kind in kinds) / 1e15
    table.add_row("all", f"{sum(k.jobs for k in kinds):,}", f"{sum(k.left for k in kinds):,}", f"{flops:,.3f}", "")
    console.print(table)
    for job in plan.jobs:
        console.print(plain(f"  {job.name}"), soft_wrap=True)
    console.print("seconds are estimated from jobs that are done in the output folder; operations from model and data")


def print_summary(summary: Summary) -> None:
    """Print each method's mean, its domains, and its differences; the same of the probability of the right choice."""
    from rich.console import Console

    from motherlode.cli.tables import plain
    from motherlode.report.comparison_findings import findings

    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH)
    measured = [summary] if summary.by_probability is None else [summary, summary.by_probability]
    for part in measured:
        for setting in part.settings:
            _print_setting(console, part, setting)
    for part in measured:
        for finding in findings(part):
            console.print(plain(f"- {finding['text'].replace('`', '')}"), soft_wrap=True)
    console.print()


def _print_setting(console: Console, summary: Summary, setting: Setting) -> None:
    from motherlode.cli.tables import plain, table_of

    domains = summary.outcomes.domains
    what = "Loss on held-out documents, nats a token" if summary.texts else "Score"
    what = "Probability of the right choice" if summary.measure == "probability" else what
    digits = DIGITS[summary.measure]
    at = f", {setting}" if str(setting) else ""
    best, reference = summary.best_baseline(setting), summary.reference
    columns = [
        "method",
        "mean (95 %)",
        f"over {reference} (95 %)",
        "wins",
        f"over {best}, the best baseline (95 %)",
    ]
    table = table_of(f"{what}{at}", columns)
    for method in summary.methods:
        gains = [_gain(summary, method, against, setting) for against in (reference, best)]
        wins = "" if gains[0] is None else f"{gains[0].wins:.0%}"
        shown = ["" if gain is None else _difference(gain, digits) for gain in gains]
        whole = _score(summary.score(method, None, setting), summary.texts, digits)
        table.add_row(plain(method), whole, shown[0], wins, shown[1])
    console.print(table)
    if len(domains) > 1:
        table = table_of(f"{what} by domain{at}", ["method", *domains])
        for method in summary.methods:
            scores = [summary.score(method, domain, setting) for domain in domains]
            means = ["none" if score is None else f"{abs(score.mean):.{digits}f}" for score in scores]
            table.add_row(plain(method), *means)
        console.print(table)


def _gain(summary: Summary, method: str, against: str | None, setting: Setting) -> Gain | None:
    return None if against is None or against == method else summary.gain(method, against, None, setting)


def _score(score: Score | None, loss: bool, digits: int) -> str:
    if score is None:
        return "none"
    mean, low, high = (-score.mean, -score.high, -score.low) if loss else (score.mean, score.low, score.high)
    return f"{mean:.{digits}f} ({low:.{digits}f}, {high:.{digits}f})"


def _difference(gain: Gain, digits: int) -> str:
    found = gain.difference
    return f"{found.mean:+.{digits}f} ({found.low:+.{digits}f}, {found.high:+.{digits}f})"
