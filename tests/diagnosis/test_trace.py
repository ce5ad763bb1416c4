"""The trace of the full NTK and single outputs against the whole Jacobian, made entry by entry of the vocabulary."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'select' is not installed")
pytest.importorskip("peft", reason="the extra 'select' is not installed")

from motherlode.diagnosis.kernels import score  # noqa: E402
from motherlode.diagnosis.outputs import look_at_head, look_at_outputs  # noqa: E402
from motherlode.diagnosis.trace import head_moments, trace_directions, trace_scores  # noqa: E402
from motherlode.errors import InputError  # noqa: E402
from motherlode.models.batches import Batcher  # noqa: E402
from motherlode.selection.kernels import make_objective  # noqa: E402
from tests.diagnosis.setting import jacobian  # noqa: E402
from tests.models.tiny import SHAPES  # noqa: E402
from tests.selection.setting import adapted, samples  # noqa: E402

VOCABULARY = 40


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("shape", SHAPES)
def test_the_exact_trace_is_that_of_all_pairs_of_outputs(shape: str) -> None:
    model = adapted(shape, vocabulary=VOCABULARY)
    domain, pool = samples(2, 1, VOCABULARY, 8), samples(4, 2, VOCABULARY, 8)
    left, right = ([jacobian(model, item) for item in side] for side in (domain, pool))
    wanted = np.zeros(len(pool))
    for c, of_c in enumerate(right):
        for of_d in left:
            for k in range(VOCABULARY):
                wanted[c] += float(of_d[k] @ of_c[k]) / len(domain)
    found = trace_scores(model, domain, pool, Batcher(100), probes=32)
    assert found.exact
    assert found.probes == 32  # the hidden size: fewer passes than outputs
    assert relative(found.scores, wanted) < 1e-4
    # an estimate is the sum over its directions, of which the head's own rows make up the Jacobian
    inverse = torch.linalg.pinv(model.head.weight.detach().double())
    of_hidden = [[inverse @ item for item in side] for side in (left, right)]
    top, halves = trace_directions(model, 8, random_seed=3)
    assert halves is not None
    weighted = [(1.0, top), *((1 / (2 * len(half)), half) for half in halves)]
    by_hand = np.zeros(len(pool))
    for c, of_c in enumerate(of_hidden[1]):
        for of_d in of_hidden[0]:
            for weight, directions in weighted:
                by_hand[c] += weight * float(((directions @ of_d) * (directions @ of_c)).sum()) / len(domain)
    estimate = trace_scores(model, domain, pool, Batcher(100), probes=8, random_seed=3)
    assert (estimate.exact, estimate.probes) == (False, 8)
    assert relative(estimate.scores, by_hand) < 1e-4


def test_estimates_are_unbiased() -> None:
    model = adapted("llama", vocabulary=VOCABULARY)
    wanted = head_moments(model)
    weight = model.head.weight.detach().double()
    torch.testing.assert_close(wanted, weight.T @ weight)

    def moments(random_seed: int) -> torch.Tensor:
        top, halves = trace_directions(model, 8, random_seed)
        assert halves is not None
        return top.T @ top + sum(half.T @ half / len(half) for half in halves) / 2

    drawn = [moments(random_seed) for random_seed in range(400)]
    single = float(torch.stack([part - wanted for part in drawn]).norm(dim=(1, 2)).mean())
    together = float((torch.stack(drawn).mean(0) - wanted).norm())
    assert together < single / 10  # ideally over the root of 400
    whole, halves = trace_directions(model, 32)
    assert halves is None
    torch.testing.assert_close(whole.T @ whole, wanted)


def test_single_outputs_are_those_of_the_jacobian() -> None:
    model = adapted(vocabulary=VOCABULARY)
    domain, pool = samples(3, 1, VOCABULARY, 8), samples(2, 2, VOCABULARY, 8)
    left, right = (torch.stack([jacobian(model, item) for item in side]) for side in (domain, pool))
    found = look_at_outputs(model, domain, pool, vocabulary_sample=VOCABULARY)
    inner = torch.einsum("ikp,jlp->ijkl", left, right)
    norms = torch.einsum("ik,jl->ijkl", left.norm(dim=2), right.norm(dim=2))
    apart = ~torch.eye(VOCABULARY, dtype=torch.bool)
    cosines = (inner / norms)[:, :, apart]
    assert found.between.pairs == cosines.numel()
    assert found.between.mean.value == pytest.approx(float(cosines.mean()), abs=1e-5)
    assert found.between.positive.value == pytest.approx(float((cosines > 0).double().mean()), abs=1e-3)
    assert found.between.magnitude.value == pytest.approx(float(cosines.abs().mean()), abs=1e-5)
    assert sum(found.between.histogram) == cosines.numel()
    terms = inner[:, :, apart]
    wanted = float(terms.sum().abs() / (terms**2).sum().sqrt())
    assert found.between.coherence == pytest.approx(wanted, rel=1e-3)
    own = torch.einsum("ikp,ilp->ikl", left, left) / torch.einsum("ik,il->ikl", left.norm(dim=2), left.norm(dim=2))
    theirs = torch.einsum("ikp,ilp->ikl", right, right)
    theirs /= torch.einsum("ik,il->ikl", right.norm(dim=2), right.norm(dim=2))
    within = torch.cat([own[:, apart], theirs[:, apart]])
    assert found.within.mean.value == pytest.approx(float(within.mean()), abs=1e-5)
    # over the whole vocabulary, trace and cross terms make up the all-ones kernel
    ones = score(model, make_objective(model, "ntk"), domain, pool, Batcher(100))
    assert found.trace + found.cross == pytest.approx(float(ones.mean()), rel=1e-4)
    exact = trace_scores(model, domain, pool, Batcher(100), probes=1000).scores
    assert found.trace == pytest.approx(float(exact.mean()), rel=1e-4)
    assert found.ratio_whole == pytest.approx(found.ratio)
    for estimate in (found.between.mean, found.between.positive, found.between.magnitude, found.within.mean):
        assert estimate.low <= estimate.value <= estimate.high


def test_little_memory_changes_nothing_but_the_work() -> None:
    model = adapted(vocabulary=VOCABULARY)
    domain, pool = samples(2, 1, VOCABULARY, 8), samples(2, 2, VOCABULARY, 8)
    whole = look_at_outputs(model, domain, pool, vocabulary_sample=7)
    width = sum(p.numel() for p in model.parameters)
    tight = look_at_outputs(model, domain, pool, vocabulary_sample=7, memory_gib=4 * width * 10 / (1 << 30))
    assert tight.between.mean.value == pytest.approx(whole.between.mean.value, abs=1e-6)
    assert tight.trace == pytest.approx(whole.trace, rel=1e-5)
    with pytest.raises(InputError, match=r"28 gradients of [\d,]+ LoRA parameters need at least"):
        look_at_outputs(model, domain, pool, vocabulary_sample=7, memory_gib=1e-9)


def test_a_shared_direction_of_the_head_is_seen_in_signs() -> None:
    domain, pool = samples(3, 1, VOCABULARY, 8), samples(3, 2, VOCABULARY, 8)
    ratios = []
    for shift in (0.0, 2.0):
        model = adapted("llama", vocabulary=VOCABULARY)  # its head is not tied to the embeddings
        with torch.no_grad():
            weight = model.head.weight
            weight -= weight.mean(0)
            weight[:, 0] += shift
        head, found = look_at_head(model), look_at_outputs(model, domain, pool, vocabulary_sample=24)
        ratios.append(found.ratio_whole)
        if shift:
            assert head.shared > 0.5
            assert head.amplification > VOCABULARY / 2
            assert max(found.within.positive.value, 1 - found.within.positive.value) > 0.95
            assert found.within.mean.low > 0.3
        else:
            assert head.shared < 1e-9 or head.amplification < 1e-9
            assert abs(found.within.mean.value) < 0.1
    assert ratios[1] > 5 * ratios[0]


def test_a_head_of_equal_rows_shares_all_of_its_norm() -> None:
    model = adapted("llama", vocabulary=VOCABULARY)
    with torch.no_grad():
        model.head.weight[:] = model.head.weight[0].clone()
    head = look_at_head(model)
    assert head.shared == pytest.approx(1)
    assert head.amplification == pytest.approx(VOCABULARY)
    assert head.largest == pytest.approx(1)
    assert head.shared_by_chance == 1 / 32
