"""`motherlode seeds`: list the packs that ship, let a model write seeds, and check them before mining."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motherlode.cli.generate import generate_seeds

if TYPE_CHECKING:
    from motherlode.seeds.seeds import Seeds

seeds_app = typer.Typer(
    help="Seed documents: the packs that ship, what a model writes, and checks.", no_args_is_help=True
)
seeds_app.command("generate")(generate_seeds)


@seeds_app.command("list")
def list_packs(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object for each pack.")] = False,
) -> None:
    """List the packs that ship: seeds, those about two domains, and what they cover."""
    import json

    from motherlode.seeds.seeds import BUILTIN, Seeds

    packs = [(name, Seeds.builtin(name), covers) for name, covers in BUILTIN.items()]
    rows = [(name, len(pack), sum(len(s.labels) > 1 for s in pack), pack.name, covers) for name, pack, covers in packs]
    if as_json:
        keys = ("pack", "seeds", "several_labels", "label", "covers")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("pack", box=None)
    table.add_column("seeds", justify="right")
    table.add_column("on two domains", justify="right")
    table.add_column("covers")
    for name, count, several, _, covers in rows:
        table.add_row(name, str(count), str(several), covers)
    Console().print(table)


@seeds_app.command("check")
def check_seeds(
    seeds: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE_OR_PACK...", help="A JSONL file, NAME=FILE, or a pack's name; several to compare."
        ),
    ],
    *,
    corpus: Annotated[
        Path | None, typer.Option("--corpus", metavar="DIR", help="Compare with documents of this corpus.")
    ] = None,
    sample: Annotated[int, typer.Option("--sample", min=2, help="Documents of the corpus to measure.")] = 500,
    near_duplicate: Annotated[
        float,
        typer.Option("--near-duplicate", help="Least Jaccard similarity of word 5-grams of a near-duplicate, (0, 1]."),
    ] = 0.3,
    random_seed: Annotated[int, typer.Option("--random-seed", help="Decides which documents are measured.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Check seeds: variety, readability, near-duplicates, coverage; alone, against real documents, or set by set."""
    from motherlode.seeds.seeds import Seeds

    sets = [(spec, Seeds.parse(spec)) for spec in seeds]  # before the heavy imports: a slip is answered at once
    if len(sets) > 1:
        _compare(sets, corpus, random_seed, as_json)
        return
    chosen = sets[0][1]
    from motherlode.seeds.check import check

    against = None
    if corpus is not None:
        from motherlode.corpus.corpus import Corpus

        against = Corpus(corpus)
    found = check(chosen, against, sample=sample, threshold=near_duplicate, random_seed=random_seed)
    if as_json:
        import json

        print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
        return
    from motherlode.seeds.table import print_check

    print_check(found)


def _compare(sets: list[tuple[str, Seeds]], corpus: Path | None, random_seed: int, as_json: bool) -> None:
    from motherlode.corpus.corpus import Corpus
    from motherlode.errors import InputError
    from motherlode.mining.compare_seeds import compare

    given = dict(sets)
    if len(given) < len(sets):
        raise InputError("a set is named twice", where="seeds check")
    found = compare(given, None if corpus is None else Corpus(corpus), random_seed=random_seed)
    if as_json:
        import dataclasses
        import json

        print(json.dumps([{**dataclasses.asdict(one), "check": one.check.to_dict()} for one in found], indent=2))
        return
    from motherlode.mining.compare_table import print_compared

    print_compared(found)
