"""Seed sets side by side: diversity against sets of known diversity, yield on invented topics."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.mining.compare_seeds import compare, diversity
from motherlode.seeds.seeds import Seed, Seeds
from tests.invented import document


def test_diversity_of_known_sets() -> None:
    same, apart = np.tile(np.eye(8, dtype=np.float32)[:1], (5, 1)), np.eye(8, dtype=np.float32)
    assert diversity(same) == (pytest.approx(1), pytest.approx(1))
    assert diversity(apart) == (pytest.approx(0), pytest.approx(8))
    assert diversity(np.repeat(apart, 3, axis=0)) == (pytest.approx(1), pytest.approx(8))
    assert diversity(apart[:1]) == (None, pytest.approx(1))


def test_sets_with_and_without_a_corpus(invented_corpus: Corpus, seed_files: Mapping[str, Path]) -> None:
    good = Seeds.read(seed_files["velmar"], "velmar")
    choice = random.Random(5)
    strange = [
        Seed(f"strange-{n}", " ".join(choice.choices("zzq xxv wwk qqj".split(), k=40)), ("velmar",)) for n in (1, 2)
    ]
    other = [Seed(f"other-{n}", document(["hum"], choice, 60), ("velmar",)) for n in range(6)]
    mixed = Seeds("velmar", (*good.seeds[:8], *strange, *other))
    alone = compare({"good": good, "mixed": mixed})
    assert [one.name for one in alone] == ["good", "mixed"]
    assert all(one.found is None for one in alone)
    assert all(1 < one.effective < 16 for one in alone)
    found_good, found_mixed = (one.found for one in compare({"good": good, "mixed": mixed}, invented_corpus))
    assert found_good is not None
    assert found_mixed is not None
    assert found_good.documents == 600
    assert found_good.found > 30
    assert not found_good.idle
    assert {"strange-1", "strange-2"} <= set(found_mixed.idle)
    assert found_mixed.per_seed < found_good.per_seed
