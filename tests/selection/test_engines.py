"""Every engine gives `mean_d <g(d), g(c)>`, whatever the batches; the reference is autograd sample by sample."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'select' is not installed")
pytest.importorskip("peft", reason="the extra 'select' is not installed")
from scipy.stats import spearmanr  # noqa: E402

from motherlode.errors import InputError, MotherlodeError  # noqa: E402
from motherlode.models.batches import Batcher  # noqa: E402
from motherlode.models.lora import AdaptedModel  # noqa: E402
from motherlode.models.tokens import Tokens  # noqa: E402
from motherlode.selection.direction import domain_direction  # noqa: E402
from motherlode.selection.engines import Contraction, Difference, Reference  # noqa: E402
from motherlode.selection.kernels import Kernel, Objective, make_objective  # noqa: E402
from tests.models.tiny import SHAPES  # noqa: E402
from tests.selection.setting import adapted, samples  # noqa: E402

KERNELS: tuple[Kernel, ...] = ("ntk", "ntk-signs", "loss")


def brute_force(model: AdaptedModel, objective: Objective, domain: list[Tokens], pool: list[Tokens]) -> np.ndarray:
    """The definition: all pairs of per-sample gradients, from the full logits."""
    reference = Reference(model, objective, None)  # type: ignore[arg-type]

    def flat(tokens: Tokens, probe: int) -> torch.Tensor:
        return torch.cat([part.double().flatten() for part in reference.gradient(tokens, probe)])

    total = np.zeros(len(pool))
    for probe in range(objective.probes):
        left = torch.stack([flat(item, probe) for item in domain])
        right = torch.stack([flat(item, probe) for item in pool])
        total += (left @ right.T).mean(0).numpy()
    return total / objective.probes


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("shape", SHAPES)
def test_engines_agree_with_all_pairs_of_gradients(shape: str, kernel: Kernel) -> None:
    model, domain, pool = adapted(shape), samples(3, 1), samples(12, 2)
    objective = make_objective(model, kernel, probes=2)
    wanted = brute_force(model, objective, domain, pool)
    for layout, budget in (("right", 64), ("right", 1), ("left", 64), ("packed", 10_000)):
        batcher = Batcher(budget, layout)  # type: ignore[arg-type]
        direction = domain_direction(model, objective, domain, batcher)
        assert relative(Contraction(model, objective, direction, batcher).score(pool), wanted) < 1e-4
        difference = Difference(model, objective, direction, batcher).score(pool)
        assert spearmanr(difference, wanted).statistic >= 0.999
        assert relative(difference, wanted) < 0.01
    assert relative(Reference(model, objective, direction).score(pool), wanted) < 1e-4


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_order_of_samples_does_not_matter(shape: str, kernel: Kernel) -> None:
    model, domain, pool = adapted(shape), samples(5, 1), samples(30, 3)
    objective = make_objective(model, kernel, probes=2)
    batcher = Batcher(80)
    direction = domain_direction(model, objective, domain, batcher)
    engine = Contraction(model, objective, direction, batcher)
    order = np.random.default_rng(0).permutation(len(pool))
    assert relative(engine.score([pool[i] for i in order]), engine.score(pool)[order]) < 1e-5


def test_signs_converge_to_the_trace_of_the_full_kernel() -> None:
    vocabulary = 24
    model = adapted(vocabulary=vocabulary)
    domain, pool = samples(2, 1, vocabulary, 10), samples(8, 2, vocabulary, 10)

    def jacobian(tokens: Tokens) -> torch.Tensor:
        """The gradient of each mean logit: [v, p]."""
        model.trainable(True)
        mean = model.model(input_ids=torch.from_numpy(tokens.ids)[None], use_cache=False).logits[0].double().mean(0)
        rows = [torch.autograd.grad(value, model.parameters, retain_graph=True) for value in mean]
        model.trainable(False)
        return torch.stack([torch.cat([part.double().flatten() for part in row]) for row in rows])

    left = torch.stack([jacobian(item) for item in domain]).mean(0)
    trace = np.array([float((left * jacobian(item)).sum()) for item in pool])
    errors = []
    for probes in (4, 100):
        objective = make_objective(model, "ntk-signs", probes=probes, random_seed=4)
        batcher = Batcher(10_000)
        direction = domain_direction(model, objective, domain, batcher)
        errors.append(relative(Contraction(model, objective, direction, batcher).score(pool), trace))
    assert errors[1] < 0.2
    assert all(later < earlier / 2 for earlier, later in pairwise(errors))  # ideally a fifth


def test_a_difference_in_bfloat16_ranks_as_the_reference_does() -> None:
    rounded, exact = adapted(dtype=torch.bfloat16), adapted(dtype=torch.bfloat16)
    exact.model.float()  # the same rounded weights
    domain, pool = samples(5, 1), samples(60, 2)
    scores = []
    for model in (exact, rounded):
        objective = make_objective(model, "ntk")
        direction = domain_direction(model, objective, domain, Batcher(500))
        scores.append(Difference(model, objective, direction, Batcher(500)).score(pool))
    assert spearmanr(*scores).statistic > 0.9  # a model of width 32 is all rounding


def test_a_difference_leaves_the_model_as_it_was() -> None:
    model = adapted()
    before = {name: tensor.clone() for name, tensor in model.model.state_dict().items()}
    objective = make_objective(model, "ntk")
    direction = domain_direction(model, objective, samples(3), Batcher(100))
    first = Difference(model, objective, direction, Batcher(100)).score(samples(9, 5))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.model.state_dict().items())
    assert np.array_equal(Difference(model, objective, direction, Batcher(100)).score(samples(9, 5)), first)


def test_without_normalisation_sums_are_not_divided() -> None:
    model, domain, pool = adapted(), samples(1, 1), samples(9, 2)
    scores = []
    for normalize in ("length", "none"):
        objective = make_objective(model, "ntk", normalize=normalize)  # type: ignore[arg-type]
        direction = domain_direction(model, objective, domain, Batcher(100))
        scores.append(Contraction(model, objective, direction, Batcher(100)).score(pool))
    lengths = np.array([len(item.ids) for item in pool])
    np.testing.assert_allclose(scores[1], scores[0] * lengths * len(domain[0].ids), rtol=1e-4)


def test_a_model_that_caps_its_logits_is_refused() -> None:
    model = adapted("gemma2", final_logit_softcapping=1.0)
    with pytest.raises(InputError, match="after the output head"):
        make_objective(model, "ntk")


def test_a_zero_direction_is_an_error() -> None:
    model = adapted()
    with torch.no_grad():
        for factors in model.layers:
            factors.a.zero_()
            factors.b.zero_()
    with pytest.raises(MotherlodeError, match="gradient is zero"):
        domain_direction(model, make_objective(model, "ntk"), samples(3), Batcher(100))
