"""Gradients of single samples, tiles, exact and projected scores, and kernels along a training."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'select' is not installed")
pytest.importorskip("peft", reason="the extra 'select' is not installed")

from motherlode.diagnosis.gradients import gram, kernel_matrix, parameter_count, sample_rows, tiles  # noqa: E402
from motherlode.diagnosis.preselection import look_at_preselection  # noqa: E402
from motherlode.diagnosis.stability import centred, frobenius_cosine, look_at_stability  # noqa: E402
from motherlode.diagnosis.variants import Exact, checked_dimensions  # noqa: E402
from motherlode.errors import InputError  # noqa: E402
from motherlode.models.batches import Batcher  # noqa: E402
from motherlode.selection.direction import domain_direction  # noqa: E402
from motherlode.selection.engines import Reference  # noqa: E402
from motherlode.selection.kernels import Kernel, make_objective  # noqa: E402
from motherlode.selection.projection import Projection  # noqa: E402
from tests.models.tiny import SHAPES  # noqa: E402
from tests.selection.setting import adapted, samples  # noqa: E402


@pytest.mark.parametrize("kernel", ["ntk", "loss"])
@pytest.mark.parametrize("shape", SHAPES)
def test_exact_scores_are_those_of_the_reference(shape: str, kernel: Kernel) -> None:
    model, domain, pool = adapted(shape), samples(3, 1), samples(9, 2)
    objective = make_objective(model, kernel)
    direction = domain_direction(model, objective, domain, Batcher(200))
    wanted = Reference(model, objective, direction).score(pool)
    width = parameter_count(model)
    tight = 4 * width * 2 / (1 << 30)  # two rows
    exact = Exact(model, objective, domain, pool, (64,), memory_gib=tight, random_seed=5)
    assert np.abs(exact.scores - wanted).max() < 1e-4 * np.abs(wanted).max()
    # projected by hand, all rows at once
    rows = sample_rows(model, objective, [*domain, *pool])(range(12))
    for kind in ("rademacher", "sparse"):
        projection = Projection(kind, 64, 5)
        into = projection.empty(12)
        projection.add(into, rows)
        by_hand = (into[3:].double() @ into[:3].double().mean(0)).numpy()
        np.testing.assert_allclose(exact.projected[kind, 64], by_hand, rtol=1e-4, atol=1e-6 * np.abs(by_hand).max())


def test_tiles_give_the_kernel_of_all_pairs() -> None:
    model, tokens = adapted(), samples(7, 3)
    objective = make_objective(model, "ntk-signs", probes=2)
    width = parameter_count(model)
    rows = [sample_rows(model, objective, tokens, probe)(range(7)).double() for probe in range(2)]
    wanted = sum((part @ part.T).numpy() for part in rows) / 2
    for per_tile in (1, 3, 100):
        found = kernel_matrix(model, objective, tokens, 4 * width * 2 * per_tile / (1 << 30))
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6 * np.abs(wanted).max())


def test_memory_that_cannot_do_is_refused_with_what_would() -> None:
    assert [len(part) for part in tiles(10, 1 << 18, 8 / 1024)] == [4, 4, 2]  # a row is 1 MiB
    with pytest.raises(InputError, match=r"1,000 gradients of 262,144 LoRA parameters need at least 0.0 GiB"):
        tiles(1000, 1 << 18, 2 / 1024)
    with pytest.raises(InputError, match="smaller --lora-rank"):
        gram(lambda rows: torch.zeros(len(rows), 1), 3, 1 << 40, 1.0)
    with pytest.raises(InputError, match="0 is no dimension"):
        checked_dimensions((64, 0))


def test_a_common_part_hides_change_from_the_frobenius_cosine() -> None:
    choice = np.random.default_rng(0)
    noise = [(a + a.T) / 2 for a in choice.standard_normal((2, 40, 40))]
    first, second = (20 + part for part in noise)
    wanted = (first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum())
    assert frobenius_cosine(first, second) == pytest.approx(wanted)
    assert wanted > 0.99
    middle = np.eye(40) - 1 / 40
    np.testing.assert_allclose(centred(first), middle @ first @ middle, atol=1e-10)
    assert abs(frobenius_cosine(centred(first), centred(second))) < 0.1
    assert frobenius_cosine(first, 3 * first) == pytest.approx(1)


def test_kernels_along_a_training() -> None:
    model, domain, pool = adapted(), samples(4, 1), samples(12, 2)
    with torch.no_grad():
        for factors in model.layers:
            factors.b.zero_()
    states = [(0, model.state())]
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for factors in model.layers:
            factors.b.normal_(0, 0.3, generator=generator)
    states.append((5, model.state()))
    with torch.no_grad():
        model.parameters[0].add_(1)  # must not matter: states are put back
    found = look_at_stability(model, states, domain, pool, Batcher(200), top=3, kernels=("ntk",), kernel_samples=8)
    start, end = found
    assert (start.step, end.step) == (0, 5)
    assert start.share_of_a == 0  # B is zero, and with it A's gradient
    assert 0 < end.share_of_a < 1
    assert (start.frobenius, start.centred) == (pytest.approx(1), pytest.approx(1))
    assert (end.spearman, end.overlap) == (pytest.approx(1), 1)
    assert all(torch.equal(p, kept) for p, kept in zip(model.parameters, states[1][1], strict=True))
    objective = make_objective(model, "ntk")
    last = kernel_matrix(model, objective, [*domain, *pool[:4]], 1.0)
    with torch.no_grad():
        for factors in model.layers:
            factors.b.zero_()
    first = kernel_matrix(model, objective, [*domain, *pool[:4]], 1.0)
    assert end.frobenius == pytest.approx(frobenius_cosine(first, last), rel=1e-4)


def test_what_votes_decide() -> None:
    choice = np.random.default_rng(0)
    vectors = choice.standard_normal((64, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    domain = vectors[:8]
    near = (vectors @ domain.T).mean(1).astype(np.float64)
    found = look_at_preselection("k", near, domain, vectors, 4)
    assert (found.candidates, found.kept, found.chosen, found.chance) == (64, 16, 4, 0.25)
    assert found.spearman == pytest.approx(1)
    votes = np.zeros(64, dtype=int)
    for row in domain:
        votes[np.argsort(-(vectors @ row), kind="stable")[:4]] += 1
    order = sorted(range(64), key=lambda i: (-votes[i], -near[i]))
    best = {*np.argsort(-near)[:4].tolist()}
    assert found.retained == len(best & {*order[:16]}) / 4
    assert found.votes_alone == len(best & {*order[:4]}) / 4
    # the chance to retain as many, counted over random pre-selections
    drawn = [len(best & {*choice.choice(64, 16, replace=False).tolist()}) / 4 for _ in range(4000)]
    assert found.p_value == pytest.approx(np.mean([share >= found.retained for share in drawn]), abs=0.03)
    against = look_at_preselection("k", -near, domain, vectors, 4)
    assert against.retained == 0
    assert against.p_value == 1
