"""`motherlode plan`: time, storage, memory and cost of a run, before it is begun."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from motherlode.planning.plan import Plan

_HINT = "e.g. 1e9, 1.8M or 8B"


def plan_command(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Argument(help="YAML file whose section `plan` sets options; typed ones win.", show_default=False),
    ] = None,
    documents: Annotated[str, typer.Option(help=f"Documents, or web pages, in the input, {_HINT}.")] = "0",
    words: Annotated[float, typer.Option(help="Words of a document.")] = 500,
    input: Annotated[str, typer.Option(help="text (JSON lines and its like), or web (WARC files).")] = "text",
    page_bytes: Annotated[float, typer.Option(help="Bytes of HTML of a page.")] = 140_000,
    compressed_page_bytes: Annotated[float, typer.Option(help="Bytes of a page in a WARC file.")] = 30_000,
    kept_share: Annotated[
        float | None,
        typer.Option(help="Share of the input that filters leave; default: 0.9, or 0.25 of pages.", show_default=False),
    ] = None,
    near_duplicates: Annotated[bool, typer.Option(help="Look for near-duplicates.")] = True,
    mine: Annotated[bool, typer.Option(help="Encode and mine the corpus.")] = True,
    mined_share: Annotated[float, typer.Option(help="Share of the corpus that is exported.")] = 0.05,
    domains: Annotated[int, typer.Option(help="Domains that are mined.")] = 4,
    shard_rows: Annotated[int, typer.Option(help="Documents in a shard.")] = 8192,
    select_samples: Annotated[str, typer.Option(help=f"Samples in the pool of `select`, {_HINT}; 0: none.")] = "0",
    sample_tokens: Annotated[float, typer.Option(help="Tokens of a sample.")] = 512,
    domain_samples: Annotated[str, typer.Option(help="Samples of the domain.")] = "1000",
    number: Annotated[str, typer.Option("-n", "--number", help="Samples that are selected.")] = "9000",
    preselect: Annotated[
        str, typer.Option(help="Who finds candidates: model, lexical (no model); none: all are scored.")
    ] = "model",
    engine: Annotated[str, typer.Option(help="Engine of the kernel: contraction, difference.")] = "contraction",
    warmup_epochs: Annotated[float, typer.Option(help="Epochs of the warm-up.")] = 3,
    parameters: Annotated[str, typer.Option(help=f"Parameters of the model, {_HINT}.")] = "8B",
    cpt_tokens: Annotated[str, typer.Option(help=f"Tokens of continued pre-training, {_HINT}.")] = "0",
    sft_tokens: Annotated[str, typer.Option(help=f"Tokens of fine-tuning, all epochs, {_HINT}.")] = "0",
    sft_method: Annotated[str, typer.Option(help="How fine-tuning trains: lora, full.")] = "lora",
    nodes: Annotated[int, typer.Option(help="Machines.")] = 1,
    cores_per_node: Annotated[
        int | None, typer.Option(help="Cores of a machine; default: as measured.", show_default=False)
    ] = None,
    memory_per_node: Annotated[
        float | None, typer.Option(help="GiB of a machine; default: 4 a core.", show_default=False)
    ] = None,
    gpus_per_node: Annotated[int, typer.Option(help="GPUs of a machine; 0: models run on its cores.")] = 0,
    gpu_tflops: Annotated[float, typer.Option(help="Dense bf16 TFLOP/s of a GPU, by its data sheet.")] = 989,
    gpu_memory: Annotated[float, typer.Option(help="GiB of a GPU.")] = 80,
    mfu: Annotated[float, typer.Option(help="Share of these TFLOP/s that a model reaches, 0 to 1.")] = 0.35,
    efficiency: Annotated[float, typer.Option(help="Share of a core's rate when all cores work, 0 to 1.")] = 0.85,
    network_gbit: Annotated[float, typer.Option(help="Gbit/s between a machine and the storage.")] = 10,
    node_price: Annotated[float | None, typer.Option(help="Price of a machine an hour.", show_default=False)] = None,
    storage_price: Annotated[
        float | None, typer.Option(help="Price of a GB (10^9 bytes) a month.", show_default=False)
    ] = None,
    currency: Annotated[str, typer.Option(help="Of the prices.")] = "USD",
    rates: Annotated[
        Path | None,
        typer.Option(help="File of measured rates; default: in the user's cache folder.", show_default=False),
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Measure this machine (about two minutes) and keep the rates.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Plan a run: time, storage, memory and cost of each stage, from rates measured on this machine."""
    from motherlode.cli.options import read_section, typed
    from motherlode.planning.options import PlanOptions
    from motherlode.planning.plan import plan
    from motherlode.planning.rates import default_path

    place = rates or default_path()
    values = {**read_section(config, "plan", PlanOptions), **typed(context, PlanOptions)}
    if calibrate:
        _calibrate(place)
        if not values:
            return
    measured, here = _rates(rates, place)
    planned = plan(PlanOptions.parse(values, "plan"), measured, measured_here=here)
    if json:
        import json as writer

        print(writer.dumps(planned.to_json(), indent=1))
    else:
        _print(planned)


def _rates(given: Path | None, place: Path) -> tuple[Any, bool]:
    """Return the rates, and whether they are of this machine."""
    from motherlode.planning import machine
    from motherlode.planning.rates import Rates, shipped_rates

    if given is None and not place.exists():
        return shipped_rates(), False
    found = Rates.read(place)
    here = machine.describe()
    return found, all(found.machine.get(key) == here[key] for key in ("processor", "cores", "memory_bytes", "system"))


def _calibrate(place: Path) -> None:
    from motherlode.cli.tables import table_of
    from motherlode.planning.calibrate import calibrate

    rates = calibrate()
    rates.write(place)
    table = table_of(f"{place}", ["stage", "a core", "driver", "bytes a document"])
    for name, rate in rates.stages.items():
        driver = f"{rate.driver_seconds:.2g} s + {rate.driver_per_document * 1e6:.2g} us a document"
        speed = 1 / rate.core_seconds if rate.core_seconds else 0.0
        table.add_row(name, f"{speed:,.0f} {rate.unit}/s", driver, f"{rate.bytes:,.0f}")
    from rich.console import Console

    Console().print(table)


def _print(planned: Plan) -> None:
    from rich.console import Console

    from motherlode.cli.tables import plain, table_of
    from motherlode.planning.figures import Figure, said_bytes, said_seconds

    console, options = Console(), planned.options
    table = table_of("", ["stage", "time", "limited by", "core/GPU hours", "storage", "a process", options.currency])
    for stage in planned.stages:
        cost = planned.cost(stage)
        table.add_row(
            stage.name,
            f"{said_seconds(stage.seconds.value)} {stage.seconds.basis.mark}",
            stage.bottleneck,
            f"{stage.core_hours.value:,.1f} {stage.core_hours.basis.mark}",
            f"{said_bytes(stage.written.value)}{' *' if stage.temporary else ''} {stage.written.basis.mark}",
            f"{said_bytes(stage.memory.value)} {stage.memory.basis.mark}",
            "" if cost is None else f"{cost.value:,.2f} {cost.basis.mark}",
        )

    def said(figure: Figure | None, show: Any) -> str:
        return "" if figure is None else f"{show(figure.value)} {figure.basis.mark}"

    table.add_row(
        "all",
        said(planned.seconds, said_seconds),
        "",
        said(planned.core_hours + planned.gpu_hours, lambda hours: f"{hours:,.1f}"),
        said(planned.kept, said_bytes),
        "",
        said(planned.machine_cost, lambda money: f"{money:,.2f}"),
    )
    console.print(table)
    worst = planned.bottleneck
    share = worst.seconds.value / max(1e-12, planned.seconds.value)
    console.print(plain(f"bottleneck: {worst.name}, limited by {worst.bottleneck}: {share:.0%} of the time"))
    temporary = planned.most_stored.value - planned.kept.value
    if temporary:
        console.print(plain(f"storage on the way: {said_bytes(temporary)} more (*), gone when the build is done"))
    if planned.storage_cost is not None:
        console.print(plain(f"storage: {planned.storage_cost.value:,.2f} {options.currency} a month"))
    for stage in planned.stages:
        for note in stage.notes:
            console.print(plain(f"  {stage.name}: {note}"))
    console.print(plain("m measured, x extrapolated from measured rates, a assumed (models, network, other machines)"))
    for warning in planned.warnings:
        console.print(plain(f"note: {warning}"))
