"""Gradients of single samples out of a batch are those of autograd sample by sample; what is built on them agrees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'select' is not installed")
pytest.importorskip("peft", reason="the extra 'select' is not installed")

from motherlode.errors import MotherlodeError  # noqa: E402
from motherlode.models.batches import Batcher  # noqa: E402
from motherlode.models.lora import AdaptedModel  # noqa: E402
from motherlode.models.tokens import Tokens  # noqa: E402
from motherlode.selection.direction import domain_direction  # noqa: E402
from motherlode.selection.engines import Reference  # noqa: E402
from motherlode.selection.gradients import (  # noqa: E402
    Cosine,
    SampleGradients,
    gradient_norms,
    sample_gradients,
    sketches,
)
from motherlode.selection.kernels import Kernel, Objective, make_objective  # noqa: E402
from motherlode.selection.projection import KINDS, Projection, ProjectionKind, project  # noqa: E402
from tests.models.tiny import SHAPES  # noqa: E402
from tests.selection.setting import adapted, samples  # noqa: E402

LAYOUTS: tuple[tuple[Any, int], ...] = (("right", 64), ("right", 1), ("left", 64), ("packed", 10_000))


def one_by_one(model: AdaptedModel, objective: Objective, tokens: list[Tokens]) -> np.ndarray:
    """Gradients by autograd, from the full logits: `[n, probes * D]`."""
    reference = Reference(model, objective, None)  # type: ignore[arg-type]
    rows = []
    for item in tokens:
        parts = [part for probe in range(objective.probes) for part in reference.gradient(item, probe)]
        rows.append(torch.cat([part.flatten() for part in parts]).numpy())
    return np.stack(rows).astype(np.float64)


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("kernel", ["ntk-signs", "loss"])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_of_samples_are_those_of_autograd(shape: str, kernel: Kernel) -> None:
    model, pool = adapted(shape), samples(12, 2)
    objective = make_objective(model, kernel, probes=2)
    wanted = one_by_one(model, objective, pool)
    for layout, budget in LAYOUTS:
        found = sample_gradients(SampleGradients(model, objective, Batcher(budget, layout)), pool)
        assert relative(found, wanted) < 1e-4
        norms = gradient_norms(SampleGradients(model, objective, Batcher(budget, layout)), pool)
        np.testing.assert_allclose(norms, np.sqrt((wanted**2).sum(1) / objective.probes), rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_sketches_are_projected_gradients(kind: ProjectionKind) -> None:
    model, pool = adapted(), samples(9, 2)
    objective = make_objective(model, "ntk-signs", probes=2)
    wanted = project(one_by_one(model, objective, pool) / 2**0.5, 300, kind, 5)
    for layout, budget in LAYOUTS:
        gradients = SampleGradients(model, objective, Batcher(budget, layout))
        assert relative(sketches(gradients, pool, Projection(kind, 300, 5)), wanted) < 1e-4


@pytest.mark.parametrize("kernel", ["ntk-signs", "loss"])
def test_cosines_are_those_of_all_pairs(kernel: Kernel) -> None:
    model, domain, pool = adapted("llama"), samples(4, 1), samples(12, 2)
    objective = make_objective(model, kernel, probes=2)
    left, right = one_by_one(model, objective, domain), one_by_one(model, objective, pool)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (left, right)]
    wanted = (unit[1] @ unit[0].T).mean(1)
    for layout, budget in LAYOUTS:
        batcher = Batcher(budget, layout)
        gradients = SampleGradients(model, objective, batcher)
        direction = domain_direction(model, objective, domain, batcher, 1 / gradient_norms(gradients, domain))
        assert relative(Cosine(gradients, direction).score(pool), wanted) < 1e-4
    assert relative(Reference(model, objective, direction, cosine=True).score(pool), wanted) < 1e-4


def test_a_layer_that_runs_twice_is_refused() -> None:
    model = adapted()
    blocks = model.model.model.layers
    blocks[1] = blocks[0]  # shared weights: uses of one layer by one sample
    objective = make_objective(model, "ntk")
    with pytest.raises(MotherlodeError, match="cannot be told apart"):
        sample_gradients(SampleGradients(model, objective, Batcher(100)), samples(2))
