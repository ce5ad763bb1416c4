"""Labels as side columns: what scores and thresholds become."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from motherlode.mining.label import SCORE_BINS, label_result, label_schema, round_column, score_column

DOMAINS = ("amber", "basalt")


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(0, 12), st.just(2)), elements=st.floats(-0.125, 1.125, width=32)),
    hnp.arrays(np.float32, 2, elements=st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0])),
)
def test_labels_follow_from_scores(scores: np.ndarray, thresholds: np.ndarray) -> None:
    rounds = np.zeros(scores.shape, dtype=np.int8)
    result = label_result(scores, rounds, thresholds, DOMAINS)
    schema = label_schema(DOMAINS)
    batch = pa.RecordBatch.from_arrays([result.columns[name] for name in schema.names], schema=schema)
    clipped = np.clip(scores, 0, 1)
    expected = [[d for d, s, t in zip(DOMAINS, row, thresholds, strict=True) if s >= t] for row in clipped]
    assert batch.column("labels").to_pylist() == expected
    for number, domain in enumerate(DOMAINS):
        np.testing.assert_array_equal(batch.column(score_column(domain)).to_numpy(), clipped[:, number])
        chosen = [row[number] for row, labels in zip(clipped, expected, strict=True) if domain in labels]
        assert result.stats[f"documents:{domain}"] == len(chosen)
        assert np.isclose(result.stats[f"expected:{domain}"], sum(map(float, chosen)))
        bins = result.stats[f"scores:{domain}"]
        assert (len(bins), sum(bins)) == (SCORE_BINS, len(scores))
    assert result.stats["several labels"] == sum(len(labels) > 1 for labels in expected)
    assert result.stats["no label"] == sum(not labels for labels in expected)


def test_rounds_and_names() -> None:
    rounds = np.array([[-1, 2], [0, 1]], dtype=np.int8)
    result = label_result(np.full((2, 2), 0.5, np.float32), rounds, np.array([0.4, 0.6], np.float32), DOMAINS)
    assert [result.columns[round_column(domain)].to_pylist() for domain in DOMAINS] == [[-1, 0], [2, 1]]
    assert result.columns["labels"].to_pylist() == [["amber"], ["amber"]]
