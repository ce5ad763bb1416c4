"""`motherlode judge`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motherlode.cli.llm import Asking, asks
from motherlode.shards.location import location

if TYPE_CHECKING:
    from motherlode.judge.estimate import Estimate
    from motherlode.judge.judge import Judged


@asks
def judge_command(
    asking: Asking,
    mined: Annotated[Path, typer.Option(help="Folder that `mine` wrote.", parser=location)],
    sample: Annotated[
        int, typer.Option(help="Documents of each domain, and of the rejected ones, drawn at random.")
    ] = 200,
    description: Annotated[
        list[str] | None,
        typer.Option(help="NAME=TEXT: what belongs to a domain; repeatable.", show_default=False),
    ] = None,
    tries: Annotated[int, typer.Option(help="Answers asked for one document, at most.")] = 3,
    random_seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Let a language model judge what was mined: precision and recall of each domain, with intervals."""
    from motherlode.errors import InputError

    endpoint, budget = asking.endpoint, asking.budget
    definitions = {}
    for given in description or []:
        name, equals, text = given.partition("=")
        if not equals or not text.strip():
            raise InputError(f"{given[:60]!r} is not NAME=TEXT", where="--description")
        definitions[name] = " ".join(text.split())
    from motherlode.judge.judge import judge
    from motherlode.report.mining import write_report

    found = judge(
        mined,
        endpoint,
        definitions=definitions,
        budget=budget,
        sample=sample,
        tries=tries,
        random_seed=random_seed,
    )
    write_report(mined)
    _print(found, as_json)


def _print(found: Judged, as_json: bool) -> None:
    if as_json:
        import json

        print(json.dumps(dataclasses.asdict(found), indent=2))
        return
    from rich.console import Console

    from motherlode.cli.tables import plain, table_of

    columns = ["domain", "precision", "95 %", "recall", "95 %", "agreed", "missed"]
    table = table_of(f"{found.documents:,} documents judged by {found.model}", columns)
    for name, domain in found.domains.items():
        cells = [*_cells(domain.precision), *_cells(domain.recall)]
        table.add_row(plain(name), *cells, f"{domain.agreed:,} of {domain.labelled:,}", f"{domain.missed:,}")
    console = Console()
    console.print(table)
    console.print(f"labels and judge agree in full on {found.agreement:.1%} of the documents judged", highlight=False)
    drawn = "; ".join(f"{name} {count:,} of {size:,}" for name, (size, count) in found.strata.items())
    console.print(plain(f"judged, by strongest label: {drawn}"))
    if found.unjudged:
        said = ", ".join(f"{name} {count}" for name, count in found.unjudged.items())
        console.print(f"without a usable answer: {said}", highlight=False)
    cost = "" if found.cost is None else f", cost {found.cost:.4g}"
    console.print(plain(f"{found.requests:,} requests{cost}; verdicts: {found.folder}/verdicts.jsonl"))


def _cells(estimate: Estimate) -> tuple[str, str]:
    if estimate.value is None:
        return "unknown", ""
    return f"{estimate.value:.1%}", f"{estimate.low:.1%} to {estimate.high:.1%}"
