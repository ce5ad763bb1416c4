"""`motherlode mine` and `motherlode search`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from motherlode.cli.engine import Runs, runs_tasks
from motherlode.shards.location import location


def _parse_seeds(specs: list[str]) -> dict[str, Any]:
    from motherlode.errors import InputError

    given: dict[str, Any] = {}
    for spec in specs:
        name, equals, value = spec.partition("=")
        if not equals and ("/" in spec or spec.endswith(".jsonl")):
            raise InputError(f"{spec!r} has no domain name", where="--seeds", hint=f"write NAME={spec}")
        if name in given:
            raise InputError(f"the domain {name!r} is given twice", where="--seeds")
        given[name] = value if equals and value else "builtin"
    return given


def _parse_threshold(value: str) -> float | None:
    from motherlode.errors import InputError

    if value == "auto":
        return None
    try:
        return float(value)
    except ValueError:
        raise InputError(
            f"{value!r} is not a cosine", where="--t-sim", hint="use 'auto' or a number such as 0.85"
        ) from None


@runs_tasks
def mine_command(
    corpus: Annotated[
        Path, typer.Option(help="Folder of the corpus, also s3:// or gs://.", parser=location, show_default=False)
    ],
    seeds: Annotated[
        list[str],
        typer.Option(help="NAME=FILE, NAME=builtin, or the NAME of a pack; once a domain.", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of the results, also s3:// or gs://.", parser=location, show_default=False)
    ],
    encoder: Annotated[
        str, typer.Option(help="lexical, minilm, st:MODEL, static:FOLDER, distil:minilm or distil:st:MODEL.")
    ] = "lexical",
    t_sim: Annotated[str, typer.Option(help="Retrieval threshold (cosine), or auto: calibrated per domain.")] = "auto",
    target_precision: Annotated[float, typer.Option(help="Precision that --t-sim auto aims at, 0 to 1.")] = 0.9,
    top_k: Annotated[int, typer.Option(help="Nearest documents of each seed.")] = 200,
    contrast: Annotated[
        list[str] | None,
        typer.Option(
            help="Pack of what is not wanted, or none; repeatable; default: the usual ones.", show_default=False
        ),
    ] = None,
    cascade: Annotated[
        str | None,
        typer.Option(
            help="A stronger encoder for the documents that can still matter, e.g. minilm.", show_default=False
        ),
    ] = None,
    retrieval: Annotated[str, typer.Option(help="exact, or ann: by the index of `corpus index`.")] = "exact",
    rounds: Annotated[
        int | None, typer.Option(help="Rounds of relabelling, at most; default: 5.", show_default=False)
    ] = None,
    mix_seeds: Annotated[
        bool, typer.Option("--mix-seeds", help="Export the seeds beside the mined documents, marked by origin.")
    ] = False,
    format: Annotated[str, typer.Option(help="Format of the export: jsonl or parquet.")] = "jsonl",
    min_score: Annotated[
        float | None,
        typer.Option(help="Least score of a document, 0 to 1; default: chosen per domain.", show_default=False),
    ] = None,
    max_documents: Annotated[
        int | None, typer.Option(help="Documents of a domain, at most; the best ones.", show_default=False)
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Tokens of a domain, at most (4/3 of its words).", show_default=False)
    ] = None,
    verdicts: Annotated[
        Path | None,
        typer.Option(help="Judged documents to train on too: a file that `judge` wrote.", show_default=False),
    ] = None,
    random_seed: Annotated[int, typer.Option(help="Seed of all random choices.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another run in the folder.")] = False,
    *,
    runs: Runs,
) -> None:
    """Mine domains out of a corpus, from their names or seed documents."""
    from motherlode.cli.tables import print_mined
    from motherlode.errors import InputError
    from motherlode.mining.mine import mine
    from motherlode.report.mining import write_report

    if contrast is not None and "none" in contrast and len(contrast) > 1:
        raise InputError("'none' stands beside names of packs", where="--contrast", hint="give none alone, or packs")
    settings: dict[str, Any] = {
        "encoder": encoder,
        "t_sim": _parse_threshold(t_sim),
        "target_precision": target_precision,
        "top_k": top_k,
        "contrast": None if contrast is None else tuple(name for name in contrast if name != "none"),
        "cascade": cascade,
        "format": format,
        "min_score": min_score,
        "max_documents": max_documents,
        "max_tokens": max_tokens,
        "random_seed": random_seed,
    }
    if mix_seeds:
        settings["mix_seeds"] = True
    if retrieval != "exact":
        settings["retrieval"] = retrieval
    if rounds is not None:
        settings["rounds"] = rounds
    with runs.open() as engine:
        given = _parse_seeds(seeds)
        result = mine(corpus, given, out, engine=engine, overwrite=overwrite, verdicts=verdicts, **settings)
    write_report(result.folder)
    print_mined(result)


def _escape_controls(line: str) -> str:
    """Escape the control characters that JSON lets stand but a terminal obeys (U+007F to U+009F)."""
    return "".join(f"\\u{ord(c):04x}" if "\x7f" <= c <= "\x9f" else c for c in line)


def search_command(
    query: Annotated[str, typer.Argument(help="Any text.", show_default=False)],
    corpus: Annotated[
        Path, typer.Option(help="Folder of the corpus, also s3:// or gs://.", parser=location, show_default=False)
    ],
    k: Annotated[int, typer.Option("-k", help="How many documents.")] = 10,
    encoder: Annotated[
        str | None, typer.Option(help="Which vectors; default: the only ones there are.", show_default=False)
    ] = None,
    ann: Annotated[
        bool, typer.Option("--ann", help="Search the index of `corpus index` instead of all vectors.")
    ] = False,
    label: Annotated[
        str | None,
        typer.Option(help="With --ann: only documents with this label (`corpus index --mined`).", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON a document.")] = False,
) -> None:
    """Find the documents nearest to a query, over stored vectors."""
    from motherlode.corpus.corpus import Corpus
    from motherlode.errors import InputError

    if ann:
        from motherlode.mining.index import find_index, search_index

        opened = Corpus(corpus)
        vectors = opened.vectors(encoder)
        index = find_index(opened, vectors)
        where = None if label is None else index.label_filter(label)
        hits = search_index(opened, query, k, vectors, where)
        if not json:
            print(index.claim)
    elif label is not None:
        raise InputError("only an index can choose by label", where="--label", hint="add --ann")
    else:
        from motherlode.mining.search import search

        hits = search(Corpus(corpus), query, k, encoder)
    if json:
        import dataclasses
        import json as writer

        for hit in hits:
            print(_escape_controls(writer.dumps(dataclasses.asdict(hit), ensure_ascii=False)))
    else:
        from motherlode.cli.tables import print_hits

        print_hits(hits)
