"""Calibration: on mixtures whose precision is known, at given thresholds, and where nothing can be estimated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.errors import InputError
from motherlode.mining.calibrate import SWEEP, _lowest_good, calibrate, seed_confusion
from motherlode.mining.retrieve import BINS, histogram
from tests.mining.folders import coarse_unit_vectors, seed_matrix

FALSE_HIT = 0.1


def mixture(
    positives: int, negatives: int, random_seed: int = 0, gap: float = 0.3
) -> tuple[dict[str, list[int]], np.ndarray, np.ndarray]:
    """Draw cosines of documents of a label, which all win, and of others, which win by chance as often as seeds do."""
    generator = np.random.default_rng(random_seed)
    true = np.arange(positives + negatives) < positives
    cosine = np.clip(generator.normal(np.where(true, 0.3 + gap, 0.3), 0.1), -1, 1).astype(np.float32)
    won = generator.random(len(true)) < np.where(true, 1.0, FALSE_HIT)
    return {"histogram:x": histogram(cosine), "wins:x": histogram(cosine[won])}, cosine, true


def reach(cosine: np.ndarray, threshold: float) -> np.ndarray:
    """Tell which cosines reach a threshold, to the precision of float32."""
    return cosine.astype(np.float64) >= threshold - 5e-8


def largest_at(precision: float, cosine: np.ndarray, true: np.ndarray) -> int:
    """Return how many documents, best first, can be kept at a precision by one who knows the truth."""
    ordered = true[np.argsort(-cosine, kind="stable")]
    return int(np.flatnonzero(np.cumsum(ordered) / np.arange(1, len(true) + 1) >= precision)[-1] + 1)


@pytest.mark.parametrize("random_seed", range(5))
@pytest.mark.parametrize("target", [0.6, 0.8, 0.9])
@pytest.mark.parametrize(("positives", "negatives"), [(4000, 40_000), (20_000, 20_000), (1000, 100_000)])
def test_the_estimate_is_near_the_truth(positives: int, negatives: int, target: float, random_seed: int) -> None:
    stats, cosine, true = mixture(positives, negatives, random_seed)
    found = calibrate("x", stats, 1.0, FALSE_HIT, target=target)
    assert found.automatic
    assert found.reached
    kept = reach(cosine, found.threshold)
    assert found.kept == kept.sum()
    truth = true[kept].mean()
    assert found.precision >= target
    assert found.precision == pytest.approx(truth, abs=0.02 + 1.2 / np.sqrt(kept.sum()))
    assert kept.sum() > 0.25 * largest_at(target, cosine, true), "chance at the top does not decide"
    for threshold, count, precision in found.curve:
        above = reach(cosine, threshold)
        if count > 2000:
            assert precision == pytest.approx(true[above].mean(), abs=0.06)


def test_the_threshold_is_the_smallest_that_does() -> None:
    stats, cosine, true = mixture(20_000, 20_000)
    found = calibrate("x", stats, 1.0, FALSE_HIT, target=0.9)
    lower = cosine >= found.threshold - 0.05
    assert true[lower].mean() < 0.9


def test_a_higher_target_asks_for_a_higher_threshold() -> None:
    stats, _, _ = mixture(4000, 40_000)
    thresholds = [calibrate("x", stats, 1.0, FALSE_HIT, target=target).threshold for target in (0.3, 0.5, 0.7, 0.9)]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < thresholds[-1]


@pytest.mark.parametrize("threshold", [-0.9, 0.0, 0.3, 0.5, 0.85, 0.995])
def test_a_given_threshold_is_kept(threshold: float) -> None:
    stats, cosine, true = mixture(4000, 40_000)
    found = calibrate("x", stats, 1.0, FALSE_HIT, threshold=threshold)
    assert found.threshold == threshold
    assert not found.automatic
    above = reach(cosine, threshold)
    assert found.kept == above.sum()
    if found.kept > 2000:
        assert found.precision == pytest.approx(true[above].mean(), abs=0.06)


def test_sweep_and_curve_count_documents() -> None:
    stats, cosine, _ = mixture(4000, 4000)
    found = calibrate("x", stats, 1.0, FALSE_HIT)
    assert [threshold for threshold, _ in found.sweep] == list(SWEEP) == [0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    assert [count for _, count in found.sweep] == [int(reach(cosine, t).sum()) for t in SWEEP]
    assert all(count == reach(cosine, t).sum() for t, count, _ in found.curve)
    counts = [count for _, count, _ in found.curve]
    assert counts == sorted(counts, reverse=True)


def test_a_target_that_nothing_reaches() -> None:
    stats, _, _ = mixture(500, 40_000, gap=0.0)  # the label's documents are no nearer than others
    found = calibrate("x", stats, 1.0, FALSE_HIT, target=0.9)
    assert not found.reached
    assert found.precision < 0.9
    assert found.precision == max(precision for _, _, precision in [(0, 0, found.precision), *found.curve])


@pytest.mark.parametrize("false_hit", [0.1, 0.5, 1.0])
def test_wins_by_chance_promise_nothing(false_hit: float) -> None:
    generator = np.random.default_rng(0)
    cosine = generator.uniform(0, 0.5, 50_000).astype(np.float32)
    won = generator.random(len(cosine)) < false_hit
    found = calibrate("x", {"histogram:x": histogram(cosine), "wins:x": histogram(cosine[won])}, 1.0, false_hit)
    assert not found.reached
    assert all(precision < 0.05 for _, count, precision in found.curve if count > 5000)


def test_true_documents_that_do_not_win_make_the_estimate_cautious() -> None:
    generator = np.random.default_rng(1)
    cosine = generator.uniform(0.4, 0.6, 10_000).astype(np.float32)
    stats = {"histogram:x": histogram(cosine), "wins:x": histogram(cosine[generator.random(10_000) < 0.8])}
    found = calibrate("x", stats, 1.0, 0.0, threshold=0.4)
    assert found.precision == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("documents", [0, 1, 3, 19, 21])
def test_tiny_corpora(documents: int) -> None:
    generator = np.random.default_rng(documents)
    cosine = generator.uniform(-0.2, 0.9, documents).astype(np.float32)
    stats = {"histogram:x": histogram(cosine), "wins:x": histogram(cosine[: documents // 2])}
    found = calibrate("x", stats, 1.0, 0.0)
    assert -1 <= found.threshold <= 1
    assert 0 <= found.precision <= 1
    assert found.kept <= documents


@given(
    st.lists(st.tuples(st.floats(-1, 1, width=32), st.booleans()), max_size=60),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0.01, 0.99),
)
def test_any_statistics_give_a_calibration(
    documents: list[tuple[float, bool]], hit: float, false_hit: float, target: float
) -> None:
    cosine = np.array([value for value, _ in documents], dtype=np.float32)
    won = np.array([flag for _, flag in documents], dtype=bool)
    stats = {"histogram:x": histogram(cosine), "wins:x": histogram(cosine[won])}
    found = calibrate("x", stats, hit, false_hit, target=target)
    assert found.kept == (histogram(cosine)[round((found.threshold + 1) * 200) :] and
                          sum(histogram(cosine)[round((found.threshold + 1) * 200) :]))  # fmt: skip
    assert 0 <= found.precision <= 1
    if found.reached:
        assert found.precision >= target


@pytest.mark.parametrize("threshold", [-1.0, 1.01, float("nan"), 85.0])
def test_what_is_not_a_cosine(threshold: float) -> None:
    stats, _, _ = mixture(10, 10)
    with pytest.raises(InputError, match="--t-sim"):
        calibrate("x", stats, 1.0, 0.0, threshold=threshold)


@pytest.mark.parametrize("target", [0.0, 1.0, -1.0, 90.0, float("nan")])
def test_what_is_not_a_precision(target: float) -> None:
    stats, _, _ = mixture(10, 10)
    with pytest.raises(InputError, match="--target-precision"):
        calibrate("x", stats, 1.0, 0.0, target=target)


@given(st.lists(st.sampled_from(["good", "bad", "unclear"]), min_size=1, max_size=40), st.integers(0, 5))
def test_lowest_good_walks_down_from_the_last_good_one(kinds: list[str], beyond: int) -> None:
    kinds = [*kinds, "good"] if "good" not in kinds else kinds
    last = len(kinds) - 1
    place = lowest = max(number for number in range(len(kinds)) if kinds[number] == "good")
    while place >= 0 and kinds[place] != "bad":
        lowest = place if kinds[place] == "good" else lowest
        place -= 1
    more = [*kinds, *["good"] * beyond]
    good, bad = np.array([kind == "good" for kind in more]), np.array([kind == "bad" for kind in more])
    assert _lowest_good(good, bad, last) == lowest


@given(st.integers(0, 1000), st.integers(2, 12))
def test_seed_confusion(random_seed: int, count: int) -> None:
    generator = np.random.default_rng(random_seed)
    labels = {"x": [n for n in range(count) if generator.random() < 0.5], "y": [n for n in range(count) if n % 2]}
    seeds = seed_matrix(coarse_unit_vectors(count, 8, generator), labels)
    hits, false_hits = seed_confusion(seeds)
    for column, members in enumerate(labels.values()):
        nearest = []
        for seed in range(count):
            others = [(float(seeds.vectors[seed] @ seeds.vectors[o]), -o) for o in range(count) if o != seed]
            nearest.append(-max(others)[1] in members)
        own = [nearest[seed] for seed in members]
        rest = [nearest[seed] for seed in range(count) if seed not in members]
        assert hits[column] == pytest.approx(np.mean(own) if own else 0)
        assert false_hits[column] == pytest.approx(np.mean(rest) if rest else 0)


def test_there_are_as_many_bins_as_the_grid_has() -> None:
    stats, _, _ = mixture(10, 10)
    assert len(stats["histogram:x"]) == BINS
    assert len(calibrate("x", stats, 1, 0).curve) == BINS // 4
