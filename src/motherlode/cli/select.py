"""`motherlode select`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from motherlode.cli.engine import make_engine
from motherlode.cli.models import SAMPLES, given, opens
from motherlode.cli.shared import mirrors
from motherlode.shards.location import location


@opens()
@mirrors("work", files=("out", "scores_out"))
def select_command(
    context: typer.Context,
    domain: Annotated[Path, typer.Option(help=f"Domain samples, about 1,000: {SAMPLES}.", show_default=False)],
    pool: Annotated[Path, typer.Option(help=f"General samples: {SAMPLES}.", show_default=False)],
    n: Annotated[int, typer.Option("-n", help="Samples to select.", show_default=False)],
    out: Annotated[Path, typer.Option(help="JSONL of the selection.", parser=location, show_default=False)],
    model: Annotated[
        str | None, typer.Option(help="Hugging Face folder or name of a causal language model.", show_default=False)
    ] = None,
    method: Annotated[
        str, typer.Option(help="ntk, less, random, longest, embedding, votes, dsir, tsds, rds or perplexity-middle.")
    ] = "ntk",
    dev: Annotated[
        Path | None,
        typer.Option(
            help="Development split that candidates are held against, in place of the domain.", show_default=False
        ),
    ] = None,
    kernel: Annotated[str, typer.Option(help="ntk, ntk-signs, loss or loss-adam.")] = "ntk",
    engine: Annotated[str, typer.Option(help="auto, contraction, difference, sketch or reference.")] = "auto",
    normalize: Annotated[
        str, typer.Option(help="length: F divided by a sample's tokens; cosine: of gradients; or none.")
    ] = "length",
    projection: Annotated[str, typer.Option(help="Of sketch and less: sparse, rademacher; auto.")] = "auto",
    projection_dimension: Annotated[int, typer.Option(help="Numbers kept of each projected gradient.")] = 8192,
    subtask_field: Annotated[
        str | None, typer.Option(help="Field of domain rows that names sub-tasks, for less.", show_default=False)
    ] = None,
    probes: Annotated[int, typer.Option(help="Sign vectors of ntk-signs.")] = 8,
    difference_step: Annotated[
        float | None,
        typer.Option(
            help="Relative step of the engine difference; default: 3e-4 in fp32, 1e-3 in bf16.", show_default=False
        ),
    ] = None,
    preselect: Annotated[
        str, typer.Option(help="votes (reverse nearest neighbours), none; auto: votes for ntk, none for less.")
    ] = "auto",
    preselect_encoder: Annotated[
        str, typer.Option(help="model, lexical, minilm, st:MODEL, static:FOLDER; auto: the model if there is one.")
    ] = "auto",
    preselect_factor: Annotated[int, typer.Option(help="Candidates scored for each sample selected.")] = 4,
    similarity: Annotated[
        str, typer.Option(help="mean or max over domain samples, for embedding, rds, less.")
    ] = "mean",
    tsds_alpha: Annotated[float, typer.Option(help="Weight of distances against diversity, 0 to 1, for tsds.")] = 0.5,
    tsds_bandwidth: Annotated[
        float, typer.Option(help="Distance of unit vectors from which two are not alike, 0 to 2, for tsds.")
    ] = 0.75,
    selector: Annotated[
        str,
        typer.Option(
            help="top, round-robin (ntk, less, embedding, rds), diverse, quota; auto: as the method was published."
        ),
    ] = "auto",
    diversity: Annotated[float, typer.Option(help="Weight of diversity, 0 to 1, for --selector diverse.")] = 0.5,
    near_duplicates: Annotated[
        float, typer.Option(help="Share of word 5-grams (Jaccard) from which samples are the same; 0: all are taken.")
    ] = 0.8,
    quota: Annotated[
        float | None,
        typer.Option(help="Most of the selection from one source, 0 to 1; --selector quota: even.", show_default=False),
    ] = None,
    source_field: Annotated[str, typer.Option(help="Field that names a row's source.")] = "source",
    eval_files: Annotated[
        list[str] | None,
        typer.Option(help="Evaluation FILE or FILE:FIELD,FIELD that must not be selected.", show_default=False),
    ] = None,
    layout: Annotated[
        str, typer.Option(help="How samples stand in a batch: right or left (padded there), or packed.")
    ] = "right",
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate of the warm-up.")] = 2e-4,
    scores_out: Annotated[
        Path | None, typer.Option(help="Parquet of index and score of every scored candidate.", show_default=False)
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="Score on a Ray cluster, a worker a GPU (extra `ray`): HOST:PORT; auto: the one that runs on this "
            "machine; local: a new one.",
            show_default=False,
        ),
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="Folder of what is kept between runs; default: OUT.work.", show_default=False)
    ] = None,
) -> None:
    """Select the samples of a general pool that help a domain."""
    from motherlode.selection.options import SelectOptions
    from motherlode.selection.select import select

    options = given(context, SelectOptions)
    if near_duplicates == 0:
        options["near_duplicates"] = None
    with contextlib.ExitStack() as stack:
        runs_on = None if ray_address is None else stack.enter_context(make_engine("ray", None, ray_address))
        options |= {"dev": dev, "out": out, "scores_out": scores_out, "work": work, "runs_on": runs_on}
        selection = select(domain, pool, quiet=False, **options)
    left_out = sum(selection.record["left_out"].values())
    print(
        f"selected {len(selection):,} of {selection.pool_rows:,} samples into {out} "
        f"({len(selection.indices):,} scored, {left_out:,} left out, {len(selection.duplicates):,} duplicates)"
    )
    if len(selection) < n:
        print(f"! {n - len(selection):,} fewer than wanted: the other candidates are duplicates or over the quota")
