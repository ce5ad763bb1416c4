"""`motherlode seeds generate`."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motherlode.cli.llm import Asking, asks
from motherlode.cli.shared import mirrors
from motherlode.shards.location import location

if TYPE_CHECKING:
    from motherlode.seeds.generate import Generated


@asks
@mirrors(files=("out",))
def generate_seeds(
    asking: Asking,
    domain: Annotated[str, typer.Option(help="Name of the domain; the paper's 21 industries are known.")],
    out: Annotated[Path, typer.Option(help="Seed file to write (JSONL); answers are kept beside it.", parser=location)],
    n: Annotated[int, typer.Option("--n", "-n", help="Seeds to write.")] = 200,
    description: Annotated[
        str | None, typer.Option(help="A sentence on what belongs to the domain.", show_default=False)
    ] = None,
    template: Annotated[
        Path | None, typer.Option(help="YAML file with dimensions and prompt of your own.", show_default=False)
    ] = None,
    samples: Annotated[
        Path | None, typer.Option(help="Real documents to steer by: JSONL with 'text'.", show_default=False)
    ] = None,
    shots: Annotated[int, typer.Option(help="Samples shown in a prompt.")] = 3,
    language: Annotated[str, typer.Option(help="Language of the documents: a code or an English name.")] = "en",
    two_domains: Annotated[float, typer.Option(help="Share of seeds about two domains, 0 to 1.")] = 0.2,
    partner: Annotated[
        list[str] | None,
        typer.Option(help="A second domain; repeatable; default: the other industries.", show_default=False),
    ] = None,
    tries: Annotated[int, typer.Option(help="Answers asked for one seed, at most.")] = 5,
    temperature: Annotated[float, typer.Option(help="Temperature of sampling.")] = 1.0,
    random_seed: Annotated[int, typer.Option(help="Seed of the design.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace other seeds in the file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Let a language model write seed documents, through any server that speaks OpenAI's chat completions."""
    from motherlode.errors import InputError, MotherlodeError

    if n < 1:
        raise InputError(f"{n} seeds are ordered", where="--n", hint="order 1 or more")
    endpoint, budget = asking.endpoint, asking.budget
    from motherlode.seeds.generate import generate, read_samples
    from motherlode.seeds.prompt import SeedTemplate
    from motherlode.seeds.screen import counted

    done = generate(
        domain,
        out,
        endpoint,
        description=description,
        template=None if template is None else SeedTemplate.read(template),
        samples=[] if samples is None else read_samples(samples),
        budget=budget,
        overwrite=overwrite,
        count=n,
        language=language,
        two_domains=two_domains,
        partners=tuple(partner or ()),
        shots=shots,
        tries=tries,
        temperature=temperature,
        random_seed=random_seed,
    )
    _print(done, as_json)
    if done.missing:
        faults = Counter(fault for found in done.missing.values() for fault in found)
        raise MotherlodeError(
            f"{len(done.seeds)} of {done.ordered} seeds were written; the others failed in {tries} tries each "
            f"({counted(faults)})",
            where=str(out),
            hint="give more --tries, or another model, and run again: answers are kept",
        )


def _print(done: Generated, as_json: bool) -> None:
    if as_json:
        import json

        values = {field.name: getattr(done, field.name) for field in dataclasses.fields(done) if field.name != "seeds"}
        print(json.dumps({**values, "seeds": len(done.seeds)}, indent=2))
        return
    from rich.console import Console

    from motherlode.cli.tables import plain, table_of

    table = table_of(done.path, ["", "count"])
    rows: list[tuple[str, str]] = [("seeds", f"{len(done.seeds):,} of {done.ordered:,}")]
    rows += [(f"not used: {name}", f"{count:,}") for name, count in done.faults.items()]
    rows += [(f"sent again: {name}", f"{count:,}") for name, count in done.retries.items()]
    rows += [("requests, all runs", f"{done.requests:,}"), ("tokens of prompts", f"{done.prompt_tokens:,}")]
    rows += [("tokens of answers", f"{done.completion_tokens:,}")]
    if done.cost is not None:
        rows.append(("cost", f"{done.cost:.4f}"))
    for name, value in rows:
        table.add_row(plain(name), value)
    console = Console()
    console.print(table)
    if not done.language_checked:
        console.print("languages were not told apart: that needs the extra 'web'", highlight=False)
