"""The same decisions as datatrove's filters, whose words and sentences are spaCy's, on real text.

What differs is counted by the rule at fault; every difference comes from how words and sentences are split.
"""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from motherlode.corpus.quality.presets import QualityConfig
from motherlode.corpus.quality.step import FilterQuality

DATA = Path(__file__).parents[4] / "shared" / "data" / "corpus"
DOCUMENTS = 600
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    if not DATA.is_dir():
        pytest.skip("there is no shared/data/corpus beside the repository")
    found = []
    for path in sorted(DATA.glob("*.jsonl.gz")):
        with gzip.open(path, "rt") as stream:
            found += [json.loads(line)["text"] for line in stream]
    return random.Random(5).sample(found, DOCUMENTS)


def theirs(family: str) -> list[Any]:
    filters = pytest.importorskip("datatrove.pipeline.filters", reason="datatrove is not installed")
    pytest.importorskip("spacy", reason="spacy is not installed")
    return {
        "gopher": [filters.GopherQualityFilter(), filters.GopherRepetitionFilter()],
        "c4": [filters.C4QualityFilter()],
        "fineweb": [filters.FineWebQualityFilter()],
    }[family]


@pytest.mark.parametrize("family", ["gopher", "c4", "fineweb"])
def test_decisions_are_those_of_datatrove(texts: list[str], family: str) -> None:
    checks = theirs(family)
    from datatrove.data import Document

    def judge(text: str) -> str | None:
        for check in checks:
            result = check.filter(Document(text=text, id=""))
            if result is not True:
                return str(result[1])
        return None

    wanted = [judge(text) for text in texts]
    found = FilterQuality((family,), QualityConfig()).open()(pa.record_batch({"text": texts})).dropped.to_pylist()
    pairs = list(zip(wanted, found, strict=True))
    differ = Counter((theirs, ours) for theirs, ours in pairs if (theirs is None) != (ours is None))
    assert sum(differ.values()) <= 0.005 * len(texts), differ
    assert 0.05 * len(texts) < sum(reason is not None for reason in found) < 0.8 * len(texts)
    # only rules that count words or sentences differ
    of_words = ("gopher: too few words", "gopher: most", "gopher: repeated", "c4: too few sentences", "None")
    of_theirs = ("gopher_below_alpha", "gopher_short", "top_", "duplicated_", "too_few_sentences", "None")
    for there, here in differ:
        assert str(here).startswith(of_words) and str(there).startswith(of_theirs), differ
