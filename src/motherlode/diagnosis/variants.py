"""Every way to compute a kernel's scores beside the exact ones: engines, projections, types, layouts."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from motherlode.diagnosis.agreement import Agreement, compare
from motherlode.diagnosis.gradients import blocks, parameter_count, sample_rows
from motherlode.diagnosis.opened import Opened
from motherlode.errors import InputError, MotherlodeError
from motherlode.models.batches import Batcher, Layout
from motherlode.models.lora import AdaptedModel
from motherlode.models.tokens import Tokens
from motherlode.selection.direction import domain_direction
from motherlode.selection.engines import Contraction, Difference, Engine
from motherlode.selection.kernels import Kernel, Normalize, Objective, make_objective
from motherlode.selection.projection import KINDS, Projection

Scores = NDArray[np.float64]
_MOST_SIGNS = 1 << 36  # of a dense projection: 68 thousand million, minutes on a CPU
_MOST_SIGNS_GPU = 1 << 40


class Exact:
    """Scores from gradients of single samples, made once, exact and projected.

    Attributes:
        scores: `[n]` exact scores `mean_d <g(d), g(c)>`, from per-sample autograd.
        projected: Scores from projected gradients, by kind and dimension.
        left_out: Projections that would cost too much, and why.
    """

    def __init__(
        self,
        adapted: AdaptedModel,
        objective: Objective,
        domain: Sequence[Tokens],
        pool: Sequence[Tokens],
        dimensions: Sequence[int] = (),
        *,
        memory_gib: float = 4.0,
        random_seed: int = 0,
    ) -> None:
        """Make the gradients of all samples, tile by tile.

        Raises:
            InputError: Memory does not suffice.
        """
        device, width = adapted.loaded.device, parameter_count(adapted)
        most = _MOST_SIGNS if device.type == "cpu" else _MOST_SIGNS_GPU
        self.left_out: list[str] = []
        used: dict[tuple[str, int], Projection] = {}
        for kind in KINDS:
            for dimension in dimensions:
                if kind == "rademacher" and dimension * width > most:
                    self.left_out.append(
                        f"a dense projection to {dimension:,} dimensions of {width:,} LoRA parameters was left out: "
                        f"{dimension * width:.1e} signs"
                    )
                else:
                    used[kind, dimension] = Projection(kind, dimension, random_seed)
        samples = [*domain, *pool]
        mean = torch.zeros(width, dtype=torch.float64, device=device)
        kept = {key: projection.empty(len(samples), device) for key, projection in used.items()}
        rows = sample_rows(adapted, objective, samples)
        exact = np.zeros(len(samples))
        first = len(domain)
        for part, made in blocks(rows, first, width, memory_gib):
            mean += made.double().sum(0) / first
            self._project(used, kept, part, made)
        for part, made in blocks(lambda r: rows(range(r.start + first, r.stop + first)), len(pool), width, memory_gib):
            moved = range(part.start + first, part.stop + first)
            exact[moved.start : moved.stop] = [float(row.double() @ mean) for row in made]
            self._project(used, kept, moved, made)
        self.scores: Scores = exact[first:]
        self.projected: dict[tuple[str, int], Scores] = {
            key: (vectors[first:].double() @ vectors[:first].double().mean(0)).cpu().numpy()
            for key, vectors in kept.items()
        }

    @staticmethod
    def _project(
        used: dict[tuple[str, int], Projection],
        kept: dict[tuple[str, int], torch.Tensor],
        part: range,
        made: torch.Tensor,
    ) -> None:
        for key, projection in used.items():
            projection.add(kept[key][part.start : part.stop], made)


def engine_agreements(
    adapted: AdaptedModel,
    domain: Sequence[Tokens],
    pool: Sequence[Tokens],
    batcher: Batcher,
    *,
    kernel: Kernel,
    normalize: Normalize,
    top: int,
    steps: Sequence[float],
    dimensions: Sequence[int],
    memory_gib: float,
    random_seed: int,
) -> tuple[list[Agreement], list[str]]:
    """Compare engines, steps, projections and layouts with per-sample autograd.

    Args:
        adapted: The model.
        domain: The domain samples.
        pool: The candidates.
        batcher: How they are batched.
        kernel: A kernel of one F.
        normalize: See `make_objective`.
        top: Candidates that count as the top.
        steps: Relative steps of the engine `difference`.
        dimensions: Dimensions of projections.
        memory_gib: Memory for gradients.
        random_seed: Seed of the projections.

    Returns:
        One agreement each, and what was left out.
    """
    objective = make_objective(adapted, kernel, normalize=normalize)
    exact = Exact(adapted, objective, domain, pool, dimensions, memory_gib=memory_gib, random_seed=random_seed)
    notes = list(exact.left_out)
    found = []

    def add(name: str, scores: Scores) -> None:
        found.append(compare(name, f"{kernel}, sample by sample", scores, exact.scores, top, same_unit=True))

    direction = domain_direction(adapted, objective, domain, batcher)
    layouts: tuple[Layout, ...] = ("right", "left", "packed")
    for layout in layouts:
        padded = {"right": "padded right", "left": "padded left", "packed": "packed"}[layout]
        other = Batcher(batcher.budget, layout, batcher.device)
        try:
            moved = domain_direction(adapted, objective, domain, other)
            add(f"contraction, {padded}", Contraction(adapted, objective, moved, other).score(pool))
        except MotherlodeError as error:
            notes.append(f"contraction, {padded}, was left out: {error}")
    for step in steps:
        add(f"difference, step {step:g}", Difference(adapted, objective, direction, batcher, step).score(pool))
    for (kind, dimension), scores in exact.projected.items():
        add(f"{kind} projection to {dimension:,}", scores)
    return found, notes


def bf16_agreements(
    opened: Opened,
    domain: Sequence[Tokens],
    pool: Sequence[Tokens],
    wanted: dict[str, Scores],
    *,
    normalize: Normalize,
    top: int,
) -> list[Agreement]:
    """Compare scores in bf16, by a model loaded once more, with those in fp32.

    Args:
        opened: The model in fp32; its adapter is copied.
        domain: The domain samples.
        pool: The candidates.
        wanted: Exact scores by kernel.
        normalize: See `make_objective`.
        top: Candidates that count as the top.

    Returns:
        One agreement for each kernel and engine.
    """
    with tempfile.TemporaryDirectory() as temporary:
        opened.adapted.save(Path(temporary))
        changes = {"dtype": "bf16", "device": str(opened.loaded.device), "adapter": temporary}
        adapted = Opened(opened.options.model_copy(update=changes)).adapted
    found = []
    for kernel, exact in wanted.items():
        objective = make_objective(adapted, kernel, normalize=normalize)  # type: ignore[arg-type]
        direction = domain_direction(adapted, objective, domain, opened.batcher)
        engines: dict[str, Engine] = {
            "contraction": Contraction(adapted, objective, direction, opened.batcher),
            "difference": Difference(adapted, objective, direction, opened.batcher),
        }
        for name, engine in engines.items():
            scores = engine.score(pool)
            found.append(compare(f"bf16 {name}", f"{kernel} in fp32", scores, exact, top, same_unit=True))
    return found


def checked_dimensions(dimensions: Sequence[int]) -> tuple[int, ...]:
    """Return dimensions in ascending order, each once.

    Raises:
        InputError: One is not positive.
    """
    if wrong := [dimension for dimension in dimensions if dimension < 1]:
        raise InputError(f"{wrong[0]} is no dimension", where="--dimensions", hint="write e.g. 512,2048,8192")
    return tuple(sorted({*dimensions}))
