"""Intervals: their coverage on simulated data, against known answers, and the same every time."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from motherlode.errors import InputError
from motherlode.statistics import Difference, bootstrap_interval, paired_bootstrap, wilson, win_rate

TRIALS = 600
NOMINAL = (0.92, 0.98)  # 95 % and three standard errors of TRIALS trials


def test_wilson_against_the_equation_it_solves() -> None:
    """The limits are the p at which |share - p| is z standard errors of p."""
    for positive, judged in ((0, 10), (3, 10), (10, 10), (41, 200), (199, 200)):
        share = positive / judged
        for limit in wilson(positive, judged):
            if 1e-9 < limit < 1 - 1e-9:
                error = math.sqrt(limit * (1 - limit) / judged)
                assert abs(share - limit) == pytest.approx(1.959963984540054 * error, rel=1e-9)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(5, 20, 20) == (0.25, 0.25)


@given(st.integers(1, 60), st.data())
def test_the_interval_of_a_share_is_wilsons(count: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, count))
    wanted = scipy.stats.binomtest(successes, count).proportion_ci(method="wilson")
    assert wilson(successes, count) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


@pytest.mark.parametrize(
    ("draw", "truth"),
    [
        pytest.param(lambda rng: rng.random(250) < 0.25, 0.25, id="choices at chance"),
        pytest.param(lambda rng: rng.random(100) < 0.9, 0.9, id="nearly all right"),
        pytest.param(lambda rng: rng.random(60) < 0.03, 0.03, id="rare"),
        pytest.param(lambda rng: rng.normal(2, 1, 5), 2.0, id="five seeds"),
        pytest.param(lambda rng: rng.gamma(4, 0.25, 80), 1.0, id="skewed"),
    ],
)
def test_intervals_of_a_mean_hold_it_as_often_as_they_say(
    draw: Callable[[np.random.Generator], np.ndarray], truth: float
) -> None:
    rng = np.random.default_rng(7)
    inside = 0
    for trial in range(TRIALS):
        low, high = bootstrap_interval(draw(rng), resamples=500, random_seed=trial)
        inside += low <= truth <= high
    assert NOMINAL[0] <= inside / TRIALS <= 0.99 if truth < 0.1 else NOMINAL[0] <= inside / TRIALS <= NOMINAL[1]


def test_another_confidence_is_kept_too() -> None:
    rng = np.random.default_rng(8)
    inside = 0
    for trial in range(TRIALS):
        low, high = bootstrap_interval(rng.normal(size=20), confidence=0.8, resamples=500, random_seed=trial)
        inside += low <= 0 <= high
    assert inside / TRIALS == pytest.approx(0.8, abs=0.05)


def test_weighted_means_are_held_too() -> None:
    """Loss a token over documents of different lengths, where longer ones are easier."""
    rng = np.random.default_rng(9)
    inside = 0
    truth = (300 * 2.5 + 100 * 3.5) / 400
    for trial in range(TRIALS):
        tokens = rng.choice([100, 300], 60)
        loss = np.where(tokens == 300, 2.5, 3.5) + rng.normal(0, 0.5, 60)
        low, high = bootstrap_interval(loss, weights=tokens, resamples=500, random_seed=trial)
        inside += low <= truth <= high
    assert NOMINAL[0] <= inside / TRIALS <= NOMINAL[1]


@pytest.mark.parametrize(
    ("seeds", "of_seed", "of_item", "of_rest"),
    [
        pytest.param(5, 0.1, 1.0, 0.5, id="items differ"),
        pytest.param(5, 0.3, 0.2, 1.0, id="seeds differ"),
        pytest.param(5, 0.0, 0.0, 1.0, id="only noise"),
        pytest.param(1, 0.0, 1.0, 1.0, id="one seed"),
    ],
)
def test_paired_intervals_hold_the_difference_as_often_as_they_say(
    seeds: int, of_seed: float, of_item: float, of_rest: float
) -> None:
    rng = np.random.default_rng(10)
    inside, items = 0, 60
    for trial in range(TRIALS):
        shared = rng.normal(size=(seeds, items))  # what both methods have in common must not matter
        effect = (
            rng.normal(0, of_seed, (seeds, 1))
            + rng.normal(0, of_item, (1, items))
            + rng.normal(0, of_rest, (seeds, items))
        )
        found = paired_bootstrap(shared + effect + 0.3, shared, resamples=500, random_seed=trial)
        inside += found.low <= 0.3 <= found.high
    assert NOMINAL[0] <= inside / TRIALS <= 0.99


def test_paired_outcomes_of_two_models_under_five_seeds() -> None:
    """Right or wrong, harder and easier items: the case that comparisons have."""
    rng = np.random.default_rng(11)
    inside, trials, truth = 0, 300, 0.0
    grid = np.linspace(-6, 6, 4001)
    mass = scipy.stats.norm(scale=1.5).pdf(grid)
    truth = float(np.average(1 / (1 + np.exp(-grid - 0.3)) - 1 / (1 + np.exp(-grid)), weights=mass))
    for trial in range(trials):
        item = rng.normal(0, 1.5, (1, 250))
        first = rng.random((5, 250)) < 1 / (1 + np.exp(-item - 0.3))
        second = rng.random((5, 250)) < 1 / (1 + np.exp(-item))
        found = paired_bootstrap(first, second, resamples=500, random_seed=trial)
        inside += found.low <= truth <= found.high
    assert 0.91 <= inside / trials <= 0.995


def test_seeds_widen_the_interval_only_as_far_as_they_vary() -> None:
    rng = np.random.default_rng(12)
    items = rng.normal(size=200)
    same = np.tile(items, (5, 1))
    one = bootstrap_interval(items)
    assert bootstrap_interval(same) == pytest.approx(one, abs=0.02)
    apart = same + np.array([-1.0, -0.5, 0, 0.5, 1])[:, None]
    low, high = bootstrap_interval(apart)
    assert high - low > 2 * (one[1] - one[0])


def test_the_interval_is_near_students_on_normal_values() -> None:
    values = np.random.default_rng(13).normal(5, 2, 40)
    wanted = scipy.stats.t.interval(0.95, 39, values.mean(), scipy.stats.sem(values))
    assert bootstrap_interval(values, resamples=50_000) == pytest.approx(wanted, abs=0.05)


def test_the_two_ways_of_drawing_agree() -> None:
    """Few distinct values are drawn by multiplicity, many one by one."""
    rng = np.random.default_rng(14)
    few = rng.integers(0, 3, 400).astype(float)
    many = few + rng.normal(0, 1e-9, 400)
    assert bootstrap_interval(few, resamples=40_000) == pytest.approx(
        bootstrap_interval(many, resamples=40_000), abs=3e-3
    )
    table = rng.integers(0, 2, (3, 400)).astype(float)
    close = table + rng.normal(0, 1e-9, (3, 400))
    assert bootstrap_interval(table, resamples=40_000) == pytest.approx(
        bootstrap_interval(close, resamples=40_000), abs=3e-3
    )


def test_the_same_inputs_give_the_same_numbers() -> None:
    rng = np.random.default_rng(15)
    first, second = rng.random((2, 3, 50))
    assert bootstrap_interval(first) == bootstrap_interval(first)
    assert paired_bootstrap(first, second) == paired_bootstrap(first, second)
    assert bootstrap_interval(first, random_seed=1) != bootstrap_interval(first, random_seed=2)


def test_all_right_is_not_certain() -> None:
    assert bootstrap_interval([1] * 250) == wilson(250, 250)
    assert bootstrap_interval(np.ones((3, 250))) == wilson(250, 250)
    same = paired_bootstrap([1, 0] * 50, [1, 0] * 50)
    assert same.mean == 0
    assert same.probability == 0.5
    assert 0.03 < same.high == -same.low < 0.06
    assert not same.certain


def test_a_clear_difference_is_certain_and_turns_round() -> None:
    rng = np.random.default_rng(16)
    base = rng.normal(size=(4, 80))
    better = base + 0.5 + rng.normal(0, 0.1, (4, 80))
    found, back = paired_bootstrap(better, base), paired_bootstrap(base, better)
    assert found.certain
    assert found.probability == 1.0
    assert back.probability == 0.0
    assert (back.mean, back.low, back.high) == pytest.approx((-found.mean, -found.high, -found.low), abs=0.01)


def test_a_single_value_bounds_nothing() -> None:
    assert bootstrap_interval([0.7]) == (-math.inf, math.inf)
    assert bootstrap_interval([1]) == wilson(1, 1)
    assert bootstrap_interval([[0.2], [0.4], [0.3]]) == bootstrap_interval([0.2, 0.4, 0.3])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_win_rates_by_counting(pairs: list[tuple[int, int]]) -> None:
    first, second = zip(*pairs, strict=True)
    wins = sum(1 if a > b else 0.5 if a == b else 0 for a, b in pairs)
    assert win_rate(first, second) == pytest.approx(wins / len(pairs))
    assert win_rate(second, first) == pytest.approx(1 - wins / len(pairs))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: bootstrap_interval([]), "not empty"),
        (lambda: bootstrap_interval([1.0, math.nan]), "not finite"),
        (lambda: bootstrap_interval([1.0, 2.0], confidence=1.0), "between 0 and 1"),
        (lambda: bootstrap_interval([1.0, 2.0], resamples=0), "1 or more"),
        (lambda: bootstrap_interval([1.0, 2.0], weights=[1.0]), "weights"),
        (lambda: bootstrap_interval([1.0, 2.0], weights=[1.0, 0.0]), "positive"),
        (lambda: paired_bootstrap([1, 2], [1, 2, 3]), "paired"),
        (lambda: win_rate([1, 2], [[1, 2], [3, 4]]), "paired"),
    ],
)
def test_bad_values_are_one_line(call: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()


def test_a_difference_is_certain_only_without_zero() -> None:
    assert Difference(0.1, 0.01, 0.2, 0.99).certain
    assert Difference(-0.1, -0.2, -0.01, 0.01).certain
    assert not Difference(0.1, -0.01, 0.2, 0.9).certain
