"""`motherlode corpus`: build a corpus, look at it, encode it, index it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motherlode.cli.engine import Runs, runs_tasks
from motherlode.shards.location import location

corpus_app = typer.Typer(help="Build a corpus of clean documents, and look at it.", no_args_is_help=True)

Folder = Annotated[
    Path, typer.Argument(help="Folder of a corpus, also s3:// or gs://.", parser=location, show_default=False)
]


@corpus_app.command("build")
@runs_tasks
def build_command(
    context: typer.Context,
    out: Annotated[
        Path, typer.Option(help="Folder of the corpus, also s3:// or gs://.", parser=location, show_default=False)
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, patterns, and addresses (s3://, gs://, https://): .warc .wet .wat .html .jsonl "
            ".parquet .csv .tsv .txt .md .rst, also .gz or .zst; default: those that --config names.",
            show_default=False,
        ),
    ] = None,
    text_field: Annotated[
        str, typer.Option(help="Field that holds the text; a dot reaches into nested ones.")
    ] = "text",
    id_field: Annotated[str, typer.Option(help="Field that holds the id; absent: a digest of the content.")] = "id",
    source_field: Annotated[str, typer.Option(help="Field that holds the source; absent: the file's name.")] = "source",
    format: Annotated[
        str | None,
        typer.Option(
            help="Format of all inputs, whatever their names say: jsonl, parquet, csv, tsv, text, warc, html.",
            show_default=False,
        ),
    ] = None,
    csv_delimiter: Annotated[
        str | None,
        typer.Option(
            help="What separates the columns of CSV and TSV files, e.g. ';'.",
            show_default="a comma; a tab in TSV",
        ),
    ] = None,
    clean: Annotated[bool, typer.Option(help="Repair Unicode (mojibake, control characters) with ftfy.")] = True,
    min_words: Annotated[int, typer.Option(help="Drop documents with fewer words.")] = 5,
    deduplicate: Annotated[bool, typer.Option(help="Drop documents whose content an earlier one has.")] = True,
    quality: Annotated[
        str,
        typer.Option(
            help="Quality filters: none, gopher, c4, fineweb (or several, with commas), all, web (those of FineWeb); "
            "auto: web for web pages, none for other input."
        ),
    ] = "auto",
    quality_config: Annotated[
        Path | None, typer.Option(help="YAML file with thresholds of the filters.", show_default=False)
    ] = None,
    keep_rejected: Annotated[
        bool, typer.Option("--keep-rejected", help="Write dropped documents, with the reason, to OUT/rejected.")
    ] = False,
    chunk_words: Annotated[
        int, typer.Option(help="Cut documents at sentence ends into chunks of at most so many words; 0: not at all.")
    ] = 0,
    min_chunk_words: Annotated[
        int, typer.Option(help="Drop what is left over at a cut document's end if it has fewer words.")
    ] = 20,
    extractor: Annotated[
        str,
        typer.Option(help="Who extracts text from HTML: resiliparse (fast), trafilatura, plain (all visible text)."),
    ] = "resiliparse",
    page_seconds: Annotated[
        float, typer.Option(help="Processor time that a page may take, in seconds; 0: no limit.")
    ] = 10.0,
    languages: Annotated[
        str | None,
        typer.Option(help="Languages that stay, e.g. en,de (ISO 639-1); default: all.", show_default=False),
    ] = None,
    min_language_score: Annotated[
        float, typer.Option(help="Least score of a language that stays, 0 to 1 (cld2: its share of the text).")
    ] = 0.5,
    identifier: Annotated[
        str,
        typer.Option(help="Who tells languages: cld2, resiliparse, none; auto: cld2 for web formats or --languages."),
    ] = "auto",
    mask_personal_data: Annotated[
        bool, typer.Option("--mask-personal-data", help="Mask e-mail addresses, phone numbers and IP addresses.")
    ] = False,
    block_urls: Annotated[
        Path | None,
        typer.Option(help="File of hosts and URL prefixes that are dropped, one a line, also .gz.", show_default=False),
    ] = None,
    near_duplicates: Annotated[
        bool | None,
        typer.Option(
            help="Drop all but one of documents that are nearly alike; default: as --deduplicate.", show_default=False
        ),
    ] = None,
    near_duplicate_threshold: Annotated[
        float, typer.Option(help="Jaccard similarity of n-grams, 0 to 1, from which two documents are alike.")
    ] = 0.8,
    near_duplicate_ngram: Annotated[int, typer.Option(help="Words in such an n-gram.")] = 5,
    near_duplicate_bands: Annotated[
        int | None, typer.Option(help="Bands of a signature; default: by the threshold.", show_default=False)
    ] = None,
    near_duplicate_rows: Annotated[
        int | None, typer.Option(help="Values in a band; default: by the threshold.", show_default=False)
    ] = None,
    near_duplicate_verify: Annotated[
        str, typer.Option(help="How candidates are compared: exact (all n-grams), signature, none.")
    ] = "exact",
    near_duplicate_keep: Annotated[
        str, typer.Option(help="Which one stays: longest, first, quality (highest --quality-field).")
    ] = "longest",
    quality_field: Annotated[str, typer.Option(help="Field with a score, for --near-duplicate-keep quality.")] = (
        "quality"
    ),
    repeated_paragraphs: Annotated[
        str,
        typer.Option(help="Paragraphs that several documents have: keep, first (stay in the first one), drop."),
    ] = "keep",
    repeated_in: Annotated[
        int | None,
        typer.Option(help="Documents from which a paragraph is repeated; default: 2, or 10.", show_default=False),
    ] = None,
    paragraph_unit: Annotated[str, typer.Option(help="What a paragraph is: line, or paragraph (blank lines).")] = (
        "line"
    ),
    paragraph_characters: Annotated[int, typer.Option(help="Paragraphs with fewer characters stay.")] = 40,
    decontaminate: Annotated[
        list[str] | None,
        typer.Option(
            help="Evaluation file, FILE or FILE:FIELD,FIELD, whose items documents must not hold; may be repeated.",
            show_default=False,
        ),
    ] = None,
    decontaminate_tasks: Annotated[
        str | None,
        typer.Option(help="Tasks of lm-evaluation-harness, NAME,NAME (extra evaluate).", show_default=False),
    ] = None,
    contaminated: Annotated[str, typer.Option(help="What becomes of documents that hold some: remove, tag.")] = (
        "remove"
    ),
    decontaminate_ngram: Annotated[int, typer.Option(help="Words in a row shared with an item.")] = 13,
    decontaminate_fuzzy: Annotated[
        float | None,
        typer.Option(help="Share of an item's 5-grams, close together, that counts too, 0 to 1.", show_default=False),
    ] = None,
    decontaminate_short: Annotated[
        int, typer.Option(help="Items of fewer words than an n-gram, but this many, count where they stand whole.")
    ] = 8,
    decontaminate_frequent: Annotated[
        int, typer.Option(help="N-grams in more items of a file than this, or than 1 %, do not count (prompts).")
    ] = 25,
    shard_rows: Annotated[int, typer.Option(help="Documents in a shard.")] = 8192,
    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML file whose section `corpus` sets options and inputs, with paths relative to it; typed ones win.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another corpus in the folder.")] = False,
    *,
    runs: Runs,
) -> None:
    """Build a corpus of clean, unique documents from files."""
    from motherlode.cli.options import corpus_section, refuse_idle, typed
    from motherlode.corpus.build import BuildConfig, build
    from motherlode.errors import InputError

    given = typed(context, BuildConfig)
    section = corpus_section(config)
    named = inputs or section.pop("inputs", None)
    section.pop("inputs", None)
    if not named:
        raise InputError("no input was given", where="corpus build", hint="name files, folders or patterns")
    values = {**section, **given}
    if quality_config is not None:
        from motherlode.corpus.quality.presets import read_quality_config

        values["quality_rules"] = read_quality_config(quality_config)
    settings = BuildConfig.parse(values, "corpus build")
    refuse_idle(given, settings)
    with runs.over(config).open() as engine:
        corpus = build(list(named), out, settings, engine=engine, overwrite=overwrite)
    from motherlode.cli.tables import print_corpus

    print_corpus(corpus, sources=False)


@corpus_app.command("stats")
def stats_command(
    folder: Folder,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what became of every record, documents by length and by source."""
    from motherlode.corpus.corpus import Corpus

    corpus = Corpus(folder)
    if json:
        import dataclasses
        import json as writer

        stats = corpus.stats()
        print(writer.dumps({**dataclasses.asdict(stats), "adds_up": stats.adds_up}, indent=1))
    else:
        from motherlode.cli.tables import print_corpus

        print_corpus(corpus, sources=True)


@corpus_app.command("encode")
@runs_tasks
def encode_command(
    folder: Folder,
    encoder: Annotated[
        str, typer.Option(help="lexical, minilm, st:MODEL, static:FOLDER, distil:minilm or distil:st:MODEL.")
    ] = "lexical",
    *,
    runs: Runs,
) -> None:
    """Encode every document; `mine` does this by itself when it has to."""
    from motherlode.corpus.corpus import Corpus

    with runs.open() as engine:
        vectors = Corpus(folder).encode(encoder, engine=engine)
    print(f"{vectors.rows:,} vectors of {vectors.encoder.dimensions} dimensions in {vectors.folder}")


@corpus_app.command("deduplicate")
@runs_tasks
def deduplicate_command(
    folder: Folder,
    out: Annotated[
        Path, typer.Option(help="Folder of the new corpus, also s3:// or gs://.", parser=location, show_default=False)
    ],
    threshold: Annotated[float, typer.Option(help="Cosine, 0 to 1, from which two documents are alike.")] = 0.95,
    encoder: Annotated[
        str | None, typer.Option(help="Which vectors; default: the only ones there are.", show_default=False)
    ] = None,
    cells: Annotated[
        int, typer.Option(help="Cells of a clustering that a document is compared with, beyond 100,000 documents.")
    ] = 4,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another corpus in the folder.")] = False,
    *,
    runs: Runs,
) -> None:
    """Write a corpus without documents whose vectors are nearly the same; run `corpus encode` before."""
    from motherlode.corpus.corpus import Corpus
    from motherlode.corpus.semantic import SemanticOptions, deduplicate

    values = {"threshold": threshold, "encoder": encoder, "cells": cells}
    options = SemanticOptions.parse(values, "corpus deduplicate")
    with runs.open() as engine:
        corpus = deduplicate(Corpus(folder), out, options, engine=engine, overwrite=overwrite)
    from motherlode.cli.tables import print_corpus

    print_corpus(corpus, sources=False)


@corpus_app.command("index")
def index_command(
    folder: Folder,
    encoder: Annotated[
        str | None, typer.Option(help="Which vectors; default: the only ones there are.", show_default=False)
    ] = None,
    mined: Annotated[
        Path | None,
        typer.Option(help="Folder of a `mine` run whose labels are stored beside the vectors.", show_default=False),
    ] = None,
    location: Annotated[
        str | None,
        typer.Option(
            help="Folder or address of the index, e.g. s3://bucket/name.lance; default: beside the corpus.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[str, typer.Option(help="auto (by size), scan, IVF_FLAT or IVF_SQ.")] = "auto",
) -> None:
    """Build a persistent vector index beside the corpus (extra `index`), and measure its recall."""
    from motherlode.corpus.corpus import Corpus
    from motherlode.mining.index import build_index

    index = build_index(Corpus(folder), encoder, mined=mined, location=location, kind=kind)
    print(index.describe())
