"""The whole plan: every stage, what all of them take together, and where the time goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from motherlode.errors import InputError
from motherlode.planning.accelerators import model_stages
from motherlode.planning.figures import NOTHING, Figure, largest
from motherlode.planning.options import PlanOptions
from motherlode.planning.processors import Cores, Stage, corpus_stages, mining_stages
from motherlode.planning.rates import Rates

_GIB_PER_CORE = 4.0


@dataclass(frozen=True)
class Plan:
    """What a run will take.

    Attributes:
        options: What is planned.
        stages: In order.
        rates: What it rests on.
        measured_here: Whether the rates are of this machine.
        warnings: What will not work, or hardly.
    """

    options: PlanOptions
    stages: tuple[Stage, ...]
    rates: Rates
    measured_here: bool
    warnings: tuple[str, ...]

    @property
    def seconds(self) -> Figure:
        """All stages, one after the other."""
        return sum((stage.seconds for stage in self.stages), NOTHING)

    @property
    def core_hours(self) -> Figure:
        """Of the stages that cores do."""
        return sum((stage.core_hours for stage in self.stages if stage.bottleneck != "GPUs"), NOTHING)

    @property
    def gpu_hours(self) -> Figure:
        """Of the stages that GPUs do."""
        return sum((stage.core_hours for stage in self.stages if stage.bottleneck == "GPUs"), NOTHING)

    @property
    def bottleneck(self) -> Stage:
        """The stage that takes longest."""
        return max(self.stages, key=lambda stage: stage.seconds.value)

    @property
    def kept(self) -> Figure:
        """Bytes that stay."""
        return sum((stage.written for stage in self.stages if not stage.temporary), NOTHING)

    @property
    def most_stored(self) -> Figure:
        """Bytes at the largest moment: what stays, and what the build needs on its way."""
        return sum((stage.written for stage in self.stages), NOTHING)

    def cost(self, stage: Stage) -> Figure | None:
        """Return the price of a stage's machines, None if no price is known."""
        price = self.options.node_price
        return None if price is None else stage.seconds.times(price * self.options.nodes / 3600)

    @property
    def machine_cost(self) -> Figure | None:
        """The price of all machines while they work."""
        price = self.options.node_price
        return None if price is None else self.seconds.times(price * self.options.nodes / 3600)

    @property
    def storage_cost(self) -> Figure | None:
        """The price of a month of what stays."""
        price = self.options.storage_price
        return None if price is None else self.kept.times(price / 1e9)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON; seconds, hours, bytes and money, each with its basis."""
        stages = [
            {
                "name": stage.name,
                "seconds": _said(stage.seconds),
                "bottleneck": stage.bottleneck,
                "gpu_hours" if stage.bottleneck == "GPUs" else "core_hours": _said(stage.core_hours),
                "written_bytes": _said(stage.written),
                "temporary": stage.temporary,
                "process_bytes": _said(stage.memory),
                "moved_bytes": _said(stage.moved),
                "cost": _said(self.cost(stage)),
                "notes": list(stage.notes),
            }
            for stage in self.stages
        ]
        return {
            "options": self.options.model_dump(),
            "rates": {"date": self.rates.date, "machine": self.rates.machine, "this_machine": self.measured_here},
            "stages": stages,
            "seconds": _said(self.seconds),
            "core_hours": _said(self.core_hours),
            "gpu_hours": _said(self.gpu_hours),
            "kept_bytes": _said(self.kept),
            "most_stored_bytes": _said(self.most_stored),
            "machine_cost": _said(self.machine_cost),
            "storage_cost_a_month": _said(self.storage_cost),
            "bottleneck": {"stage": self.bottleneck.name, "of": self.bottleneck.bottleneck},
            "warnings": list(self.warnings),
        }


def _said(figure: Figure | None) -> dict[str, Any] | None:
    return None if figure is None else {"value": figure.value, "basis": figure.basis.word}


def plan(options: PlanOptions, rates: Rates, *, measured_here: bool) -> Plan:
    """Plan a run.

    Args:
        options: What is planned, and on what.
        rates: What a machine was measured to do.
        measured_here: Whether that machine is this one; times of another one are assumed ones.

    Returns:
        The plan.

    Raises:
        InputError: Nothing is planned, or the rates lack what the plan needs.
    """
    wanted = (options.documents, options.select_samples, options.cpt_tokens, options.sft_tokens)
    if not any(wanted):
        raise InputError(
            "nothing is to be planned",
            where="plan",
            hint="give --documents, --select-samples, --cpt-tokens or --sft-tokens",
        )
    if options.documents and options.input == "web" and not rates.pages:
        raise InputError(
            "the rates hold none of web pages",
            where="--input web",
            hint="install the extra 'web' and run motherlode plan --calibrate again",
        )
    stages = (
        *corpus_stages(options, rates, measured_here),
        *mining_stages(options, rates, measured_here),
        *model_stages(options, rates, measured_here),
    )
    return Plan(options, stages, rates, measured_here, tuple(_warnings(options, rates, stages, measured_here)))


def _warnings(options: PlanOptions, rates: Rates, stages: tuple[Stage, ...], measured_here: bool) -> list[str]:
    found = []
    cores = Cores(options, rates, measured_here).cores_per_node
    memory = options.memory_per_node or _GIB_PER_CORE * cores
    if options.documents and cores * rates.worker_bytes > memory * 2**30:
        need = cores * rates.worker_bytes / 2**30
        found.append(f"one process a core needs {need:,.0f} GiB a machine, which has {memory:,.0f}: use fewer workers")
    worst = largest([stage.memory for stage in stages if stage.bottleneck != "GPUs"])
    if worst.value > memory * 2**30:
        name = next(stage.name for stage in stages if stage.memory == worst)
        found.append(f"a process of '{name}' needs {worst.value / 2**30:,.0f} GiB, a machine has {memory:,.0f}")
    if not measured_here:
        said = rates.machine.get("processor", "another machine")
        found.append(f"rates are those of {said}, {rates.date}; motherlode plan --calibrate measures this machine")
    if rates.machine.get("load_before", 0) and rates.machine["load_before"] > rates.machine["cores"]:
        found.append(f"the machine was busy when it was measured (load {rates.machine['load_before']:g})")
    return found
