"""`motherlode evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motherlode.cli.models import Attention, Device, Dtype, TrustRemoteCode
from motherlode.cli.shared import mirrors

if TYPE_CHECKING:
    from motherlode.evaluation.result import Evaluation, TaskScore

_WIDE = 110  # columns of a terminal from which all that there is is shown


@mirrors("out")
def evaluate_command(
    context: typer.Context,
    model: Annotated[
        str, typer.Option(help="Hugging Face folder or name of a causal language model.", show_default=False)
    ],
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            help="JSONL of items (FILE, or FILE:train=FILE2 for examples from another), or the name of a task of "
            "lm-evaluation-harness; repeatable.",
            show_default=False,
        ),
    ] = None,
    texts: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE of held-out documents, for perplexity; repeatable.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of evaluation.json, scores and report.html.", show_default=False)
    ] = None,
    adapter: Annotated[
        Path | None, typer.Option(help="Folder of a PEFT adapter of the model.", show_default=False)
    ] = None,
    shots: Annotated[int, typer.Option(help="Examples in each prompt.")] = 0,
    limit: Annotated[
        int | None, typer.Option(help="Most items of a task, and documents of a set.", show_default="all")
    ] = None,
    style: Annotated[
        str, typer.Option(help="cloze (score the choices' texts), listed (and list them), letters (score A, B, C).")
    ] = "cloze",
    metric: Annotated[
        str, typer.Option(help="auto (acc, acc_norm where choices differ, f1), acc, acc_norm, exact_match, f1.")
    ] = "auto",
    template: Annotated[
        str, typer.Option(help="auto or plain (texts as they are), chat (the chat template).")
    ] = "auto",
    max_length: Annotated[
        int | None,
        typer.Option(help="Most tokens of a prompt with its answer.", show_default="the model's window"),
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(help="Most tokens of a written answer.")] = 64,
    dtype: Dtype = "auto",
    device: Device = None,
    attention: Attention = "sdpa",
    batch: Annotated[
        int | None, typer.Option(help="Most prompts at once.", show_default="as many as fit a token budget")
    ] = None,
    trust_remote_code: TrustRemoteCode = False,
    confidence: Annotated[float, typer.Option(help="Of the intervals, between 0 and 1.")] = 0.95,
    random_seed: Annotated[int, typer.Option(help="Seed of few-shot examples and of the bootstrap.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Evaluate a model on tasks and held-out documents, each score beside chance, majority and an interval."""
    from motherlode.cli.options import typed
    from motherlode.errors import InputError
    from motherlode.evaluation.evaluate import evaluate
    from motherlode.evaluation.options import EvaluateOptions

    documents: dict[str, str] = {}
    for given in texts or []:
        name, equals, path = given.partition("=")
        if not equals or not name or not path:
            raise InputError(f"{given[:80]!r} is not NAME=FILE", where="--texts", hint="write e.g. news=heldout.jsonl")
        if name in documents:
            raise InputError(f"two sets are called {name!r}", where="--texts", hint="name them apart")
        documents[name] = path
    values = typed(context, EvaluateOptions)
    found = evaluate(tasks or (), model=model, adapter=adapter, texts=documents, out=out, quiet=False, **values)
    if as_json:
        import dataclasses
        import json

        from motherlode.evaluation.result import finite

        print(json.dumps(finite(dataclasses.asdict(found)), indent=1))
    else:
        print_evaluation(found)
    if out is not None:
        from motherlode.report.evaluation import write_evaluation_report

        report = write_evaluation_report(out)
        if not as_json:
            print(f"report: {report}")


def print_evaluation(found: Evaluation) -> None:
    """Print scores, and a word on those that say nothing."""
    from rich.console import Console

    from motherlode.cli.tables import plain, table_of

    console = Console()
    if found.tasks:
        level = f"{next(iter(found.tasks.values())).confidence:.0%}"
        columns = ["task", "items", "metric", "score", level, "chance", "p(right)", "majority", "acc", "acc_norm", ""]
        wide = console.width >= _WIDE
        with_adapter = f" with {found.adapter}" if found.adapter else ""
        table = table_of(f"{found.model}{with_adapter}, in %", [*columns[:-1], "macro F1", ""] if wide else columns)
        table.columns[-1].no_wrap = True
        for task in found.tasks.values():
            word = plain(task.flag)
            word.stylize("red" if task.flag.startswith("below") else "yellow")
            more = [_share(task.macro_f1)] if wide else []
            table.add_row(plain(task.name), f"{task.n:,}", plain(task.metric), *_numbers(task), *more, word)
        console.print(table)
        for task in found.tasks.values():
            if task.truncated:
                said = f"! {task.name}: {task.truncated:,} of {task.n:,} prompts lost their beginning to the window"
                console.print(plain(said), style="yellow")
    if found.texts:
        level = f"{next(iter(found.texts.values())).confidence:.0%}"
        columns = ["documents", "number", "tokens", "nats a token", "perplexity", level, "bits a byte", "windowed"]
        table = table_of("Held-out documents", columns)
        for text in found.texts.values():
            table.add_row(
                plain(text.name),
                f"{text.documents:,}",
                f"{text.tokens:,}",
                f"{text.loss:.4f}",
                f"{text.perplexity:,.2f}",
                f"{text.low:,.2f} to {text.high:,.2f}",
                f"{text.bits_per_byte:.3f}",
                f"{text.windowed:,}",
            )
        console.print(table)


def _numbers(task: TaskScore) -> list[str]:
    limits = f"{task.low * 100:.1f}-{task.high * 100:.1f}"
    right = "" if task.probability is None else f"{task.probability * 100:.2f}"  # changes by less than scores do
    return [
        _share(task.score),
        limits,
        _share(task.chance),
        right,
        *map(_share, (task.majority, task.acc, task.acc_norm)),
    ]


def _share(value: float | None) -> str:
    return "" if value is None else f"{value * 100:.1f}"
