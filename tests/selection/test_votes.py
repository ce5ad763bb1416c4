"""Votes and choices against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motherlode.selection.choose import by_score, choose, round_robin
from motherlode.selection.votes import nearest, reverse_neighbours


@settings(max_examples=40)
@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 12), st.integers(1, 50), st.integers(1, 9))
def test_votes_do_not_depend_on_blocks(seed: int, count: int, domain: int, k: int, block: int) -> None:
    choice = np.random.default_rng(seed)
    vectors = choice.integers(-1, 2, (count, 3)).astype(np.float32)  # many ties
    targets = choice.integers(-1, 2, (domain, 3)).astype(np.float32)
    found = reverse_neighbours(targets, (vectors[i : i + block] for i in range(0, count, block)), k)
    cosines = vectors @ targets.T
    wanted = np.zeros(count, dtype=int)
    for sample in range(domain):
        wanted[sorted(range(count), key=lambda i: (-cosines[i, sample], i))[:k]] += 1
    assert found.votes.tolist() == wanted.tolist()
    np.testing.assert_allclose(found.mean, cosines.mean(1), rtol=1e-5, atol=1e-6)
    assert found.most.tolist() == cosines.max(1).tolist()
    order = sorted(range(count), key=lambda i: (-found.votes[i], -found.mean[i], i))
    assert found.order().tolist() == order


def test_nearest_domain_samples() -> None:
    found = nearest(np.eye(3, dtype=np.float32), np.array([[0.1, 0.9, 0.2]], dtype=np.float32), 2)
    assert [row for row, _ in found[0]] == [1, 2]


def test_duplicates_are_never_taken_twice() -> None:
    words = [f"word{i}" for i in range(60)]
    same = " ".join(words)
    near = " ".join([*words[:-1], "changed"])
    far = " ".join(reversed(words))
    texts = [same, same.upper() + "!", near, far, "short one", "Short  one", ""]
    found = choose([0, 1, 2, 0, 3, 4, 5, 6], 9, texts.__getitem__)
    assert found.rows == [0, 3, 4, 6]
    assert found.duplicates == {1: 0, 2: 0, 5: 4}
    assert choose(range(7), 9, texts.__getitem__, threshold=None).rows == list(range(7))
    assert choose([3, 2, 0], 1, texts.__getitem__).rows == [3]


@pytest.mark.parametrize("seed", range(3))
def test_near_duplicates_are_those_of_all_pairs(seed: int) -> None:
    choice = np.random.default_rng(seed)
    base = [f"w{i}" for i in range(40)]
    texts = []
    for _ in range(300):
        words = list(base) if choice.random() < 0.5 else [f"v{i}" for i in choice.integers(0, 30, 40)]
        for place in choice.integers(0, 40, choice.integers(0, 4)):
            words[place] = f"x{choice.integers(0, 5)}"
        texts.append(" ".join(words))

    def grams(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}

    sets = [grams(text) for text in texts]
    wanted: list[int] = []
    for row in range(len(texts)):
        if not any(len(sets[row] & sets[o]) >= 0.8 * len(sets[row] | sets[o]) for o in wanted):
            wanted.append(row)
    assert choose(range(len(texts)), 300, texts.__getitem__).rows == wanted


def test_quotas_of_sources() -> None:
    texts = [f"text number {i}" for i in range(10)]
    found = choose(range(10), 6, texts.__getitem__, source=lambda row: "a" if row < 7 else "b", most_of_source=3)
    assert found.rows == [0, 1, 2, 7, 8, 9]
    assert found.over_quota == 4


def test_ranks_and_turns() -> None:
    assert by_score(np.array([1.0, 3.0, 3.0, 2.0])).tolist() == [1, 2, 3, 0]
    similarity = np.array([[0.9, 0.8], [0.5, 0.9], [0.1, 0.7], [0.4, 0.0]], dtype=np.float32)
    assert list(round_robin(similarity)) == [0, 1, 3, 2]
