"""Balanced designs against counting."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from motherlode.seeds.design import balanced, spread
from motherlode.seeds.template import DEMEANOURS, DOCUMENT_TYPES, LENGTHS

PAPER = {"type": DOCUMENT_TYPES, "demeanour": DEMEANOURS, "length": tuple(LENGTHS)}


def gap(counts: Counter[object], possible: int) -> int:
    return max(counts.values()) - (min(counts.values()) if len(counts) == possible else 0)


def test_the_paper_s_dimensions_are_balanced_in_every_beginning() -> None:
    rows = balanced(PAPER, 1200, 0)
    cells: Counter[object] = Counter()
    margins = {name: Counter[object]() for name in PAPER}
    for row in rows:
        cells[tuple(row.values())] += 1
        assert gap(cells, 17 * 11 * 3) <= 1
        for name, counts in margins.items():
            counts[row[name]] += 1
            assert gap(counts, len(PAPER[name])) <= 2
    pairs = Counter((row["type"], row["demeanour"]) for row in rows[:187])
    assert len(pairs) > 150, "nearly all of the 187 pairs of type and demeanour occur before one repeats"


def test_it_is_reproducible_and_grows() -> None:
    assert balanced(PAPER, 60, 3) == balanced(PAPER, 60, 3)
    assert balanced(PAPER, 60, 3) == balanced(PAPER, 90, 3)[:60]
    assert balanced(PAPER, 60, 3) != balanced(PAPER, 60, 4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=4), st.integers(1, 150), st.integers(0, 9))
def test_any_dimensions(sizes: list[int], count: int, random_seed: int) -> None:
    dimensions = {f"d{number}": [str(value) for value in range(size)] for number, size in enumerate(sizes)}
    rows = balanced(dimensions, count, random_seed)
    cells = 1
    for size in sizes:
        cells *= size
    assert len(rows) == count
    assert gap(Counter(tuple(row.values()) for row in rows), cells) <= 1
    for name, values in dimensions.items():
        assert gap(Counter(row[name] for row in rows), len(values)) <= 2


def test_very_many_combinations() -> None:
    dimensions = {name: [str(value) for value in range(40)] for name in "abcd"}
    rows = balanced(dimensions, 200, 0)
    assert len({tuple(row.values()) for row in rows}) == 200
    assert all(gap(Counter(row[name] for row in rows), 40) <= 2 for name in dimensions)


@given(st.integers(0, 300), st.floats(0, 1))
def test_a_share_is_spread_evenly(count: int, share: float) -> None:
    marked = spread(count, share)
    assert len(marked) == count
    for n in range(count + 1):
        assert abs(sum(marked[:n]) - n * share) < 1 + 1e-6
