"""Whether scores know the domain: the area against all pairs, its interval against what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

torch = pytest.importorskip("torch", reason="the extra 'select' is not installed")
pytest.importorskip("peft", reason="the extra 'select' is not installed")

from motherlode.diagnosis.recognition import (  # noqa: E402
    EMBEDDING,
    Recognition,
    area_interval,
    area_under_roc,
    look_at_recognition,
)
from motherlode.diagnosis.verdicts import recognition_verdicts  # noqa: E402
from motherlode.models.batches import Batcher  # noqa: E402
from motherlode.models.tokens import Tokens  # noqa: E402
from motherlode.selection.direction import domain_direction  # noqa: E402
from motherlode.selection.engines import Reference  # noqa: E402
from motherlode.selection.kernels import make_objective  # noqa: E402
from tests.selection.setting import adapted  # noqa: E402

SCORES = st.lists(st.integers(-3, 3), min_size=1, max_size=12)


@given(SCORES, SCORES)
def test_the_area_is_the_share_of_pairs_in_the_right_order(positive: list[int], negative: list[int]) -> None:
    pairs = [(a > b) + (a == b) / 2 for a in positive for b in negative]
    assert area_under_roc(positive, negative) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("apart", [0.0, 1.2, 2.5])
def test_the_interval_of_an_area_covers_it(apart: float) -> None:
    choice = np.random.default_rng(0)
    truth, inside = float(ndtr(apart / np.sqrt(2))), 0
    for _ in range(400):
        area = area_under_roc(choice.standard_normal(16) + apart, choice.standard_normal(60))
        low, high = area_interval(area, 16, 60)
        assert 0 <= low <= area <= high <= 1
        inside += low <= truth <= high
    assert 0.92 < inside / 400 < 0.99


def test_intervals_at_the_ends_are_no_points() -> None:
    low, high = area_interval(1.0, 8, 40)
    assert 0.5 < low < 0.95
    assert high == 1
    assert area_interval(0.0, 40, 8) == pytest.approx((0.0, 1 - low))  # the two kinds in each other's place
    assert area_interval(1.0, 80, 400)[0] > low


def _samples(count: int, words: range, random_seed: int) -> list[Tokens]:
    choice = np.random.default_rng(random_seed)
    return [Tokens(choice.choice(np.array(words), 12), 6) for _ in range(count)]


def test_areas_are_those_of_plain_gradients_and_unlike_texts_are_told_apart() -> None:
    model, batcher = adapted(), Batcher(200)
    domain, pool = _samples(7, range(10, 20), 1), _samples(9, range(100, 250), 2)
    found = {item.name: item for item in look_at_recognition(model, domain, pool, batcher)}
    assert list(found) == ["ntk", "ntk, cosine", "loss", "loss, cosine", EMBEDDING]
    known, candidates = domain[:4], [*domain[4:], *pool]
    for kernel in ("ntk", "loss"):
        objective = make_objective(model, kernel)
        reference = Reference(model, objective, domain_direction(model, objective, known, batcher))
        for name, cosine in ((kernel, False), (f"{kernel}, cosine", True)):
            scores = reference.score(candidates)
            if cosine:
                rows = [torch.cat([g.flatten().double() for g in reference.gradient(item)]) for item in candidates]
                own = [torch.cat([g.flatten().double() for g in reference.gradient(item)]) for item in known]
                mean = torch.stack([row / row.norm() for row in own]).mean(0)
                scores = np.array([float(row @ mean / row.norm()) for row in rows])
            assert found[name].area == pytest.approx(area_under_roc(scores[:3], scores[3:]))
            assert (found[name].known, found[name].unseen, found[name].pool) == (4, 3, 9)
    assert found[EMBEDDING].area > 0.9


def test_the_verdict_says_what_would_find_them() -> None:
    def told(name: str, area: float) -> Recognition:
        return Recognition(name, 32, 32, 256, area, *area_interval(area, 32, 256))

    areas = {"ntk": 0.3, "ntk, cosine": 0.97, "loss": 0.55, "loss, cosine": 0.5, EMBEDDING: 0.99}
    ones, loss = recognition_verdicts([told(name, area) for name, area in areas.items()])
    assert (ones.answer, loss.answer) == ("fails", "fails")
    assert "--normalize cosine" in ones.advice
    assert "--selector round-robin" in loss.advice
    few = [Recognition(item, 2, 2, 16, 0.5, *area_interval(0.5, 2, 16)) for item in areas]
    assert [verdict.answer for verdict in recognition_verdicts(few)] == ["doubtful", "doubtful"]
    (fine, _) = recognition_verdicts([told(name, 0.95) for name in areas])
    assert (fine.answer, fine.advice) == ("holds", "")
