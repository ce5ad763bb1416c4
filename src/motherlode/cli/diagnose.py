"""`motherlode diagnose` and `motherlode predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motherlode.cli.models import SAMPLES, given, opens
from motherlode.cli.shared import mirrors
from motherlode.shards.local_copy import here
from motherlode.shards.location import location

if TYPE_CHECKING:
    from motherlode.diagnosis.result import Diagnosis

Model = Annotated[str, typer.Option(help="Hugging Face folder or name of a causal language model.", show_default=False)]
Domain = Annotated[Path, typer.Option(help=f"Domain samples: {SAMPLES}.", show_default=False)]


@opens(dtype="fp32")
@mirrors("out")
def diagnose_command(
    context: typer.Context,
    model: Model,
    domain: Domain,
    pool: Annotated[Path, typer.Option(help=f"General samples: {SAMPLES}.", show_default=False)],
    out: Annotated[
        Path, typer.Option(help="Folder of diagnosis.json and report.html.", parser=location, show_default=False)
    ],
    domain_sample: Annotated[int, typer.Option(help="Domain samples that scores are for, at random.")] = 64,
    pool_sample: Annotated[int, typer.Option(help="Pool samples that are scored, at random.")] = 256,
    top: Annotated[
        int | None, typer.Option(help="Samples that count as chosen; default: a quarter.", show_default=False)
    ] = None,
    normalize: Annotated[str, typer.Option(help="length: F divided by a sample's tokens; or none.")] = "length",
    vocabulary_sample: Annotated[int, typer.Option(help="Outputs whose gradients are made one by one.")] = 48,
    output_samples: Annotated[int, typer.Option(help="Samples of domain and of pool for which they are made.")] = 6,
    probes: Annotated[int, typer.Option(help="Backward passes of the trace kernel; hidden size or more: exact.")] = 32,
    difference_steps: Annotated[
        str, typer.Option(help="Relative steps of the engine 'difference'.")
    ] = "1e-2,1e-3,1e-4",
    dimensions: Annotated[str, typer.Option(help="Dimensions of projected gradients.")] = "512,2048,8192",
    bf16: Annotated[bool, typer.Option(help="Compare with bf16; loads the model once more.")] = True,
    checkpoints: Annotated[int, typer.Option(help="Ends of epochs of the warm-up that are looked at.")] = 4,
    kernel_samples: Annotated[int, typer.Option(help="Samples of kernel matrices.")] = 48,
    preselect_factor: Annotated[int, typer.Option(help="Candidates that votes keep for each one selected.")] = 4,
    subsets: Annotated[int, typer.Option(help="Random subsets whose effect is predicted and measured; 0: none.")] = 6,
    subset_size: Annotated[int, typer.Option(help="Samples of such a subset.")] = 32,
    task: Annotated[
        Path | None,
        typer.Option(help="JSONL of a labelled task (question, choices, answer), for regression.", show_default=False),
    ] = None,
    task_train: Annotated[int, typer.Option(help="Task samples to learn from.")] = 128,
    task_test: Annotated[int, typer.Option(help="Task samples to test on.")] = 128,
    memory_gib: Annotated[float, typer.Option(help="Most memory for gradients of single samples, in GiB.")] = 4.0,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate of the warm-up.")] = 2e-4,
) -> None:
    """Measure whether the kernel's assumptions are true of a model and its data."""
    from motherlode.diagnosis.diagnose import diagnose
    from motherlode.diagnosis.options import DiagnoseOptions
    from motherlode.errors import InputError
    from motherlode.report.diagnosis import write_diagnosis_report

    if out.exists() and not out.is_dir():
        raise InputError("is a file", where=f"--out {out}", hint="name a folder")
    values = given(context, DiagnoseOptions)
    found = diagnose(values.pop("model"), domain, pool, out=out, quiet=False, **values)
    print_diagnosis(found)
    print(f"report: {write_diagnosis_report(out)}")


def print_diagnosis(found: Diagnosis) -> None:
    """Print agreements and verdicts."""
    from rich.console import Console

    from motherlode.cli.tables import plain, table_of

    console = Console()
    title = f"Scores of {found.pool_samples:,} pool samples for {found.domain_samples:,} of the domain"
    table = table_of(title, ["scored by", "against", "rank correlation", "95 %", f"top {found.top}", "chance", "error"])
    table.columns[1].justify = "left"
    for row in found.agreements:
        table.add_row(
            plain(row.name),
            plain(row.against),
            "constant" if row.spearman is None else f"{row.spearman:.4f}",
            "" if row.low is None or row.high is None else f"{row.low:.3f} to {row.high:.3f}",
            f"{row.overlap:.2f}",
            f"{row.chance:.2f}",
            "" if row.error is None else f"{row.error:.1e}",
        )
    console.print(table)
    console.print()
    table = table_of("The domain's other samples against the pool's", ["scored by", "above", "95 %"])
    for told in found.recognitions:
        table.add_row(plain(told.name), f"{told.area:.2f}", f"{told.low:.2f} to {told.high:.2f}")
    console.print(table)
    console.print()
    table = table_of("Assumptions", ["assumption", "here", "measured"])
    table.columns[1].justify = table.columns[2].justify = "left"
    styles = {"holds": "green", "doubtful": "yellow", "fails": "red"}
    for verdict in found.verdicts:
        answer = plain(verdict.answer)
        answer.stylize(styles[verdict.answer])
        table.add_row(plain(verdict.assumption), answer, plain(verdict.measured))
    console.print(table)
    for note in found.notes:
        console.print(plain(f"! {note}"))


@opens(dtype="fp32", warmup_epochs=0)
@mirrors(files=("out",))
def predict_command(
    context: typer.Context,
    model: Model,
    domain: Domain,
    train: Annotated[
        Path, typer.Option(help=f"Training set, e.g. what `select` wrote: {SAMPLES}.", show_default=False)
    ],
    learning_rate: Annotated[float, typer.Option(help="Learning rate of the training.", show_default=False)],
    optimiser: Annotated[str, typer.Option(help="sgd or adam.")] = "sgd",
    epochs: Annotated[int, typer.Option(help="Times that the set is read.")] = 1,
    batch: Annotated[int, typer.Option(help="Samples of a step; 0: all in one step.")] = 0,
    measure: Annotated[bool, typer.Option("--measure", help="Run the training too, and measure the change.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="JSON file of the prediction.", parser=location, show_default=False)
    ] = None,
    warmup_rate: Annotated[float, typer.Option(help="Highest learning rate of the warm-up.")] = 2e-4,
) -> None:
    """Predict how training on a set changes the domain's loss, to first order."""
    from motherlode.diagnosis.options import PredictOptions
    from motherlode.diagnosis.predict import predict_loss_change
    from motherlode.selection.write import check_out

    if out is not None:
        check_out(out, [here(domain), here(train)], kind="JSON")
    values = given(context, PredictOptions)
    change = predict_loss_change(values.pop("model"), domain, train, quiet=False, **values)
    steps = f"{change.steps:,} step{'s' if change.steps > 1 else ''} of {change.training.optimiser}"
    print(f"domain loss {change.before:.4f} nats over {change.domain_samples:,} samples")
    print(f"predicted change {change.predicted:+.6f} from {steps} on {change.train_samples:,} samples")
    if change.measured is not None:
        error = "" if change.relative_error is None else f" (relative error {change.relative_error:.2%})"
        print(f"measured change {change.measured:+.6f}{error}")
    if change.contributions is not None:
        helpful = int((change.contributions < 0).sum())
        print(f"{helpful:,} of {change.train_samples:,} samples lower the loss by themselves")
    if out is not None:
        change.write(out)
        print(f"written: {out}")
