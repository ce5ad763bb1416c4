"""Steps: rows that fail are isolated, the others are as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.errors import InputError
from motherlode.shards.step import Failure, StepFunction, StepResult, apply, check_chain, opened
from motherlode.shards.task import QUARANTINE_SCHEMA
from tests.shards.work import Double, map_step, write_numbers


def numbers(count: int) -> pa.RecordBatch:
    """Return a batch of the first numbers."""
    return pa.record_batch({"number": pa.array(range(count), pa.int64())})


@given(st.integers(0, 70).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, max(0, n - 1))))))
def test_every_set_of_failing_rows_is_found_and_the_rest_is_unchanged(case: tuple[int, set[int]]) -> None:
    count, bad = case
    bad &= set(range(count))
    step = Double(frozenset(bad))
    result, failures = apply(step, step.open(), numbers(count))
    assert failures == [Failure(row, f"ValueError: cannot double {row} ?") for row in sorted(bad)]
    assert result.columns["doubled"].to_pylist() == [None if row in bad else 2 * row for row in range(count)]
    if count > len(bad):
        assert result.stats["sum"] == sum(set(range(count)) - bad)
        assert sum(result.stats["rows"]) == count - len(bad)
        assert result.dropped.to_pylist() == ["odd" if row % 2 and row not in bad else None for row in range(count)]
        assert result.extras["largest"].to_pydict() == {"largest": [max(set(range(count)) - bad)]}


class Short(Double):
    """Returns a row too few when a batch has more than one."""

    def open(self) -> StepFunction:
        return lambda batch: StepResult({"doubled": pa.array([7] * (batch.num_rows // 2 + 1), pa.int64())})


def test_a_step_that_returns_the_wrong_number_of_rows_is_caught() -> None:
    result, failures = apply(Short(), Short().open(), numbers(3))
    assert failures == []
    assert result.columns["doubled"].to_pylist() == [7, 7, 7]


class Refuses(Double):
    """Finds that the whole input is wrong."""

    def open(self) -> StepFunction:
        def refuse(batch: pa.RecordBatch) -> StepResult:
            raise InputError("the model is missing")

        return refuse


def test_an_error_about_the_whole_input_is_not_blamed_on_rows() -> None:
    with pytest.raises(InputError, match="the model is missing"):
        apply(Refuses(), Refuses().open(), numbers(8))


def test_failed_rows_go_to_quarantine_with_their_place(tmp_path: Path) -> None:
    parent = write_numbers(tmp_path / "n", shards=2, count=1500)  # more than a batch
    side = map_step(Double(frozenset({3, 1030, 2999})), parent, tmp_path / "d")
    assert side.counts == {"read": 3000, "kept": 2997, "quarantined": 3}
    found = pq.read_table(tmp_path / "d" / "part-0.quarantine.parquet")
    assert found.schema.equals(QUARANTINE_SCHEMA)
    assert [(row["origin"], row["location"]) for row in found.to_pylist()] == [
        ("part-0.parquet", "row 3"),
        ("part-0.parquet", "row 1030"),
    ]
    values = [row for batch in side.batches(["doubled"]) for row in batch.column("doubled").to_pylist()]
    assert values == [None if n in {3, 1030, 2999} else 2 * n for n in range(3000)]
    largest = pq.read_table(tmp_path / "d" / "part-1.largest.parquet").to_pydict()
    assert largest == {"largest": [2998]}


def test_columns_that_nothing_provides_are_found_before_any_work() -> None:
    check_chain(["number"], [Double()])
    with pytest.raises(InputError, match="the step 'double' reads the column 'number', which nothing provides"):
        check_chain(["text"], [Double()])


def test_a_step_is_opened_once_a_process_and_again_for_other_settings() -> None:
    assert opened(Double(factor=5)) is opened(Double(factor=5))
    assert opened(Double(factor=5)) is not opened(Double(factor=6))
    first = opened(Double(factor=10))
    for factor in range(11, 31):  # a process does not keep every model that it has met
        opened(Double(factor=factor))
    assert opened(Double(factor=10)) is not first
