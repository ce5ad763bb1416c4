"""Options that all verbs share which open a language model of one's own: samples, tokens, adapter, device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from motherlode.cli.shared import with_options
from motherlode.config import Config
from motherlode.shards.location import named

SAMPLES = "JSONL or Parquet; a file, folder or pattern"

# Options of everything that opens a model; each command has its own defaults.
LoraRank = Annotated[int, typer.Option(help="Rank of the LoRA matrices.")]
LoraAlpha = Annotated[float, typer.Option(help="LoRA scale: updates are multiplied by alpha / rank.")]
LoraTargets = Annotated[
    list[str] | None, typer.Option(help="Adapted modules; default: all linear but the head.", show_default=False)
]
Dtype = Annotated[str, typer.Option(help="auto (bf16 on CUDA, fp32 on a CPU), fp32 or bf16.")]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda or cuda:N; default: CUDA if there is one.", show_default=False)
]
Attention = Annotated[str, typer.Option(help="sdpa, eager or flash_attention_2.")]
TrustRemoteCode = Annotated[bool, typer.Option("--trust-remote-code", help="Run code that comes with the model.")]
RandomSeed = Annotated[int, typer.Option(help="Seed of all random choices.")]


@dataclass(frozen=True)
class Opening:
    """How samples are read and a model is opened, as it was typed; names are those of `ModelOptions`."""

    fields: Annotated[
        list[str] | None, typer.Option(help="OURS=THEIRS field names, e.g. prompt=question.", show_default=False)
    ] = None
    bad_rows: Annotated[
        str, typer.Option(help="Rows that are no sample, but of the domain: fail, or skip and count.")
    ] = "fail"
    template: Annotated[str, typer.Option(help="auto (messages through the chat template), chat, plain.")] = "auto"
    max_length: Annotated[int, typer.Option(help="Most tokens of a sample.")] = 1024
    truncate: Annotated[str, typer.Option(help="Side that is cut off longer samples: left or right.")] = "left"
    adapter: Annotated[
        Path | None, typer.Option(help="A LoRA adapter, in place of the warm-up.", show_default=False)
    ] = None
    lora_rank: LoraRank = 16
    lora_alpha: LoraAlpha = 32
    lora_targets: LoraTargets = None
    warmup_epochs: Annotated[int, typer.Option(help="Times that the warm-up reads the domain; 0: none.")] = 3
    warmup_batch: Annotated[int, typer.Option(help="Samples of a step of the warm-up.")] = 16
    dtype: Dtype = "auto"
    device: Device = None
    attention: Attention = "sdpa"
    trust_remote_code: TrustRemoteCode = False
    token_budget: Annotated[
        int | None,
        typer.Option(
            help="Most tokens of a batch; halved when memory runs out.", show_default="1024 on a CPU, 8192 on CUDA"
        ),
    ] = None
    random_seed: RandomSeed = 0


def opens(**defaults: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of `Opening`, after its own; it reads them with `given`.

    Args:
        defaults: Those that differ from `Opening`'s.
    """
    return lambda command: with_options(command, Opening, lambda _values: {}, **defaults)


def given(context: typer.Context, fields: type[Config]) -> dict[str, Any]:
    """Return the options of a configuration that were typed, as it takes them.

    Raises:
        InputError: A pair of field names is none.
    """
    from motherlode.cli.options import typed

    values = typed(context, fields)
    if "fields" in values:
        values["fields"] = _pairs(values["fields"], "--fields")
    for name in ("lora_targets", "eval_files"):
        if name in values:
            values[name] = tuple(values[name] or ())
    return {name: named(value) if isinstance(value, Path) else value for name, value in values.items()}


def _pairs(items: list[str], option: str) -> dict[str, str]:
    from motherlode.errors import InputError

    pairs = {}
    for item in items:
        ours, equals, theirs = item.partition("=")
        if not equals or not ours or not theirs:
            raise InputError(f"{item!r} is no pair", where=option, hint="write OURS=THEIRS, e.g. prompt=question")
        pairs[ours] = theirs
    return pairs
