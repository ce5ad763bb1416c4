"""`motherlode adapt sft` and `motherlode adapt cpt`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from motherlode.cli.adapt_tables import is_first, print_plan, print_pretrained, print_sweep, print_tuned
from motherlode.cli.models import (
    SAMPLES,
    Attention,
    Device,
    Dtype,
    LoraAlpha,
    LoraRank,
    LoraTargets,
    RandomSeed,
    TrustRemoteCode,
    given,
)
from motherlode.cli.shared import mirrors, with_options
from motherlode.config import Config

DOCUMENTS = "a corpus, a folder of mine's domains, or JSONL or Parquet with `text`"

adapt_app = typer.Typer(
    name="adapt", help="Train on what was found.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)


@dataclass(frozen=True)
class Training:
    """How both ways train, as it was typed; names are those of `TrainOptions`."""

    adapter: Annotated[
        Path | None, typer.Option(help="A LoRA adapter of this very model to start from.", show_default=False)
    ] = None
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate of AdamW.")] = 2e-4
    warmup: Annotated[float, typer.Option(help="Share of the steps over which the learning rate rises, 0 to 1.")] = 0.1
    schedule: Annotated[
        str, typer.Option(help="How it falls: linear, cosine, constant, or stable (the last fifth of the steps only).")
    ] = "linear"
    floor: Annotated[float, typer.Option(help="Learning rate at the end, as a share of the highest.")] = 0.0
    weight_decay: Annotated[float, typer.Option(help="Weight decay of AdamW.")] = 0.0
    clip: Annotated[float, typer.Option(help="Longest gradient; longer ones are scaled down; 0: none are.")] = 1.0
    lora_rank: LoraRank = 16
    lora_alpha: LoraAlpha = 32
    lora_targets: LoraTargets = None
    dtype: Dtype = "auto"
    device: Device = None
    attention: Attention = "sdpa"
    trust_remote_code: TrustRemoteCode = False
    token_budget: Annotated[
        int | None,
        typer.Option(
            help="Most tokens of a forward and backward pass; gradients of a step's passes are added up; halved when "
            "memory runs out.",
            show_default="1024 on a CPU, 8192 on CUDA",
        ),
    ] = None
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="Recompute activations: less memory, more time.")
    ] = False
    eval_every: Annotated[
        int | None, typer.Option(help="Steps between evaluations.", show_default="an epoch; cpt: a tenth of the run")
    ] = None
    checkpoint_every: Annotated[int, typer.Option(help="Steps between checkpoints.")] = 100
    random_seed: RandomSeed = 0
    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML file whose section `adapt` holds options, under `sft` and `cpt`; what is typed here wins.",
            show_default=False,
        ),
    ] = None
    plan_only: Annotated[bool, typer.Option("--plan-only", help="Print the plan, and stop.")] = False
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output of another run.")] = False


def trains(**defaults: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of `Training`, after its own; it reads them from the context.

    Args:
        defaults: Those that differ from `Training`'s.
    """
    return lambda command: with_options(command, Training, lambda _values: {}, **defaults)


_PROJECT = (
    "train",
    "dev",
    "selected",
    "domain",
    "general",
    "domain_dev",
    "general_dev",
)  # what `run` reads: typed here


def _options(context: typer.Context, way: str, fields: type[Config]) -> dict[str, Any]:
    """Return options from the file's section, and over them what was typed; the model must be among them.

    Raises:
        InputError: A name or value must be changed, or there is no model.
    """
    from motherlode.adaptation.options import AdaptSection
    from motherlode.cli.options import read_section
    from motherlode.errors import InputError

    path = context.params["config"]
    section = read_section(path, "adapt", AdaptSection).get(way, {})
    section = {name: value for name, value in section.items() if name not in _PROJECT}
    fields.parse({"model": "-", **section}, f"{path}: adapt.{way}")
    values = {**section, **given(context, fields)}
    if not values.get("model"):
        raise InputError("names no model", where="--model", hint="name a Hugging Face folder or hub name")
    return values


Model = Annotated[
    str | None, typer.Option(help="Hugging Face folder or name of a causal language model.", show_default=False)
]
Out = Annotated[Path | None, typer.Option(help="Folder of the run; not needed with --plan-only.", show_default=False)]


@adapt_app.command("sft")
@trains()
@mirrors("out")
def sft_command(
    context: typer.Context,
    train: Annotated[
        list[str], typer.Option(help=f"Samples, e.g. the domain's and what `select` wrote; repeatable: {SAMPLES}.")
    ],
    model: Model = None,
    out: Out = None,
    dev: Annotated[
        Path | None,
        typer.Option(help="Samples that decide which weights are taken, and when to stop.", show_default=False),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Times that the samples are read.")] = 3,
    max_steps: Annotated[
        int | None, typer.Option(help="Optimiser steps, in place of epochs.", show_default=False)
    ] = None,
    batch: Annotated[int, typer.Option(help="Samples of an optimiser step.")] = 16,
    max_length: Annotated[int, typer.Option(help="Most tokens of a sample.")] = 1024,
    truncate: Annotated[str, typer.Option(help="Side that is cut off longer samples: left or right.")] = "left",
    packing: Annotated[bool, typer.Option(help="Several samples in a row of the batch, kept apart.")] = True,
    average: Annotated[
        str,
        typer.Option(help="What the loss is a mean over: tokens, or samples (a short answer counts as a long one)."),
    ] = "tokens",
    template: Annotated[str, typer.Option(help="auto (messages through the chat template), chat, plain.")] = "auto",
    fields: Annotated[
        list[str] | None, typer.Option(help="OURS=THEIRS field names, e.g. prompt=question.", show_default=False)
    ] = None,
    bad_rows: Annotated[str, typer.Option(help="Rows that are no sample: fail, or skip and count.")] = "fail",
    merge: Annotated[bool, typer.Option("--merge", help="Write a model with the adapter merged in, too.")] = False,
    patience: Annotated[
        int, typer.Option(help="Evaluations on dev without a lower loss after which training stops; 0: never.")
    ] = 3,
) -> None:
    """Fine-tune a LoRA adapter on samples: a run that was killed goes on where it was."""
    from motherlode.adaptation.options import SftOptions

    options = _options(context, "sft", SftOptions)
    files: dict[str, Any] = {"model": options.pop("model"), "dev": dev}
    if context.params["plan_only"]:
        from motherlode.adaptation.sft import plan_fine_tuning

        print_plan(plan_fine_tuning(train, **files, **options), "samples")
        return
    from motherlode.adaptation.sft import fine_tune

    tuned = fine_tune(
        train,
        _named(out),
        **files,
        quiet=False,
        overwrite=context.params["overwrite"],
        tell=lambda plan: print_plan(plan, "samples"),
        **options,
    )
    if is_first():
        print_tuned(tuned)


@adapt_app.command("cpt")
@trains(learning_rate=5e-5, warmup=0.03, schedule="cosine", floor=0.1, weight_decay=0.01)
@mirrors("out")
def cpt_command(
    context: typer.Context,
    domain: Annotated[str, typer.Option(help=f"The domain's documents: {DOCUMENTS}.", show_default=False)],
    model: Model = None,
    out: Out = None,
    general: Annotated[
        str | None, typer.Option(help="General documents, likewise; needed below --ratio 1.", show_default=False)
    ] = None,
    domain_dev: Annotated[
        str | None, typer.Option(help="Held-out documents of the domain, to measure on.", show_default=False)
    ] = None,
    general_dev: Annotated[
        str | None, typer.Option(help="Held-out general documents, to measure forgetting.", show_default=False)
    ] = None,
    ratio: Annotated[float, typer.Option(help="Share of the domain by tokens, 0 to 1.")] = 0.25,
    ratio_sweep: Annotated[
        str | None,
        typer.Option(help="Several ratios, e.g. 0.1,0.25,0.5: a run each, at the same budget.", show_default=False),
    ] = None,
    tokens: Annotated[
        int | None,
        typer.Option(help="Tokens to train on, repeats counted.", show_default="as many as read the domain once"),
    ] = None,
    sequence_length: Annotated[int, typer.Option(help="Tokens of a sequence.")] = 1024,
    batch: Annotated[int, typer.Option(help="Sequences of an optimiser step.")] = 8,
    lora: Annotated[bool, typer.Option("--lora", help="Train a LoRA adapter and merge it, not all weights.")] = False,
    holdout: Annotated[
        float, typer.Option(help="Share of the documents kept to measure on, where no dev documents are named.")
    ] = 0.0,
) -> None:
    """Continue pre-training on a domain's documents, mixed with general text by tokens."""
    from motherlode.adaptation.options import CptOptions
    from motherlode.errors import InputError

    options = _options(context, "cpt", CptOptions)
    files: dict[str, Any] = {
        "model": options.pop("model"),
        "general": general,
        "domain_dev": domain_dev,
        "general_dev": general_dev,
    }
    told: dict[str, Any] = {
        "quiet": False,
        "overwrite": context.params["overwrite"],
        "tell": lambda plan: print_plan(plan, "sequences"),
    }
    if ratio_sweep is not None:
        from motherlode.adaptation.sweep import parse_ratios, sweep_ratios

        if "ratio" in options and context.get_parameter_source("ratio").name != "DEFAULT":  # type: ignore[union-attr]
            raise InputError("cannot be given with --ratio-sweep", where="--ratio", hint="leave one of them out")
        options.pop("ratio", None)
        ratios = parse_ratios(ratio_sweep)
        if context.params["plan_only"]:
            from motherlode.adaptation.sweep import plan_sweep

            for plan in plan_sweep(domain, ratios, **files, **options):
                print_plan(plan, "sequences")
            return
        swept = sweep_ratios(domain, _named(out), ratios, **files, **told, **options)
        if is_first():
            print_sweep(swept)
        return
    if context.params["plan_only"]:
        from motherlode.adaptation.cpt import plan_pretraining

        print_plan(plan_pretraining(domain, **files, **options), "sequences")
        return
    from motherlode.adaptation.cpt import continue_pretraining

    trained = continue_pretraining(domain, _named(out), **files, **told, **options)
    if is_first():
        print_pretrained(trained)


def _named(out: Path | None) -> Path:
    from motherlode.errors import InputError

    if out is None:
        raise InputError("names no folder", where="--out", hint="name one, or stop at the plan with --plan-only")
    return out
