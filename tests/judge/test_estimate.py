"""Estimates against brute force: whole populations, drawn again and again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.judge.estimate import Cell, precision, recall
from motherlode.statistics import wilson


def test_one_cell_is_wilson_s_interval() -> None:
    found = precision([Cell(10**9, 50, 43)])
    assert found.value == pytest.approx(0.86)
    assert (found.low, found.high) == pytest.approx(wilson(43, 50, 10**9))


def test_whole_populations_are_certain() -> None:
    accepted, rejected = [Cell(40, 40, 30), Cell(10, 10, 2)], [Cell(100, 100, 8)]
    found, all_found = precision(accepted), recall(accepted, rejected)
    assert (found.low, found.value, found.high) == pytest.approx((0.64, 0.64, 0.64))
    assert (all_found.low, all_found.value, all_found.high) == pytest.approx((0.8, 0.8, 0.8))


def test_nothing_missed_among_few_of_many_says_little() -> None:
    """Of a million rejected documents 100 were judged, and none belongs: up to 37,000 may."""
    found = recall([Cell(1000, 200, 190)], [Cell(1_000_000, 100, 0)])
    assert found.value == 1
    assert found.low < 0.05
    assert found.high == pytest.approx(1)


def test_what_was_not_judged_may_be_anything() -> None:
    assert precision([]).value is None
    assert precision([Cell(100, 0, 0)]).value is None
    half = precision([Cell(100, 100, 90), Cell(100, 0, 0)])
    assert half.value == pytest.approx(0.9)
    assert half.low == pytest.approx(0.45)
    assert half.high == pytest.approx(0.95)
    assert recall([Cell(10, 5, 0)], [Cell(10, 5, 0)]).value is None


@given(
    st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 50), st.floats(0, 1)), min_size=2, max_size=6),
    st.integers(1, 5),
)
def test_limits_enclose_the_value(cells: list[tuple[int, int, float]], cut: int) -> None:
    made = [Cell(size, min(size, judged), round(min(size, judged) * share)) for size, judged, share in cells]
    for found in (precision(made), recall(made[:cut], made[cut:])):
        assert 0 <= found.low <= found.high <= 1
        if found.value is not None:
            assert found.low - 1e-9 <= found.value <= found.high + 1e-9


POPULATIONS = [
    # of each stratum: size, documents with the label, true shares among those with it and without it
    [(3000, 3000, 0.9, 0.0), (2000, 100, 0.6, 0.05), (1500, 0, 0.0, 0.15), (20000, 0, 0.0, 0.002)],
    [(400, 400, 0.75, 0.0), (600, 20, 0.5, 0.1), (500, 0, 0.0, 0.3), (3000, 0, 0.0, 0.02)],
    [(5000, 5000, 0.98, 0.0), (4000, 0, 0.0, 0.01), (8000, 0, 0.0, 0.05), (40000, 0, 0.0, 0.0)],
]


@pytest.mark.parametrize("population", POPULATIONS)
def test_intervals_cover_the_truth_as_often_as_they_say(population: list[tuple[int, int, float, float]]) -> None:
    """Draw 100 documents a stratum 600 times, and count."""
    generator = np.random.default_rng(0)
    strata = []
    for size, labelled, with_it, without in population:
        has = np.arange(size) < labelled
        strata.append((has, generator.random(size) < np.where(has, with_it, without)))
    true_positive = sum(int((has & truth).sum()) for has, truth in strata)
    true_precision = true_positive / sum(int(has.sum()) for has, _ in strata)
    true_recall = true_positive / sum(int(truth.sum()) for _, truth in strata)
    covered = np.zeros(2)
    values = np.zeros(2)
    tries = 600
    for _ in range(tries):
        accepted, rejected = [], []
        for has, truth in strata:
            drawn = generator.choice(len(has), min(100, len(has)), replace=False)
            for cells, inside in ((accepted, has), (rejected, ~has)):
                here = drawn[inside[drawn]]
                cells.append(Cell(int(inside.sum()), len(here), int(truth[here].sum())))
        for place, (found, true) in enumerate(
            ((precision(accepted), true_precision), (recall(accepted, rejected), true_recall))
        ):
            assert found.value is not None
            covered[place] += found.low - 1e-12 <= true <= found.high + 1e-12
            values[place] += found.value / tries
    assert values[0] == pytest.approx(true_precision, abs=0.01)
    assert values[1] == pytest.approx(true_recall, abs=0.05)
    assert (covered / tries > 0.93).all(), covered / tries
