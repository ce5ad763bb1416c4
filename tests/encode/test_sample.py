"""Random samples of rows: uniform, repeatable, from a bounded number of shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.encode.sample import Rows, sample_documents
from motherlode.shards.dataset import Dataset
from motherlode.shards.manifest import Entry, Manifest
from motherlode.shards.task import write_shard


def dataset(folder: Path, sizes: Sequence[int]) -> Dataset:
    """Write shards of the numbers 0, 1, 2, ..."""
    start = 0
    with Manifest.open(folder, "numbers", {}) as manifest:
        names = []
        for number, size in enumerate(sizes):
            names.append(f"part-{number:06d}")
            table = pa.table({"number": pa.array(range(start, start + size), pa.int64())})
            file = write_shard(folder, f"{names[-1]}.parquet", table)
            manifest.commit(Entry(names[-1], str(number), (file,)))
            start += size
        manifest.finish(names)
    return Dataset(folder)


def numbers(rows: Rows, data: Dataset) -> list[int]:
    return [value for _, _, batch in rows.batches([(data, ["number"])]) for value in batch.column("number").to_pylist()]


def test_a_sample_is_distinct_rows_and_repeatable(tmp_path: Path) -> None:
    data = dataset(tmp_path, [5, 40, 1, 14])
    first, second, other = (sample_documents(data, 20, seed) for seed in (1, 1, 2))
    assert len(first) == len(set(numbers(first, data))) == 20
    assert numbers(first, data) == numbers(second, data) == sorted(numbers(first, data))
    assert numbers(first, data) != numbers(other, data)


@pytest.mark.parametrize("count", [0, 1, 59, 60, 61, 10_000])
def test_never_more_than_there_are(tmp_path: Path, count: int) -> None:
    data = dataset(tmp_path, [5, 40, 1, 14])
    drawn = sample_documents(data, count, 0)
    assert len(drawn) == min(count, 60)
    if count >= 60:
        assert numbers(drawn, data) == list(range(60))


def test_rows_are_drawn_alike(tmp_path: Path) -> None:
    data = dataset(tmp_path, [5, 40, 1, 14])
    times = np.zeros(60)
    for seed in range(1000):
        for shard, rows in sample_documents(data, 6, seed).of.items():
            start = {"part-000000": 0, "part-000001": 5, "part-000002": 45, "part-000003": 46}[shard]
            times[start + rows] += 1
    assert times.sum() == 6_000
    assert np.abs(times - 100).max() < 5 * np.sqrt(100), "each row about 100 times"


def test_rows_are_drawn_alike_from_a_bounded_number_of_shards(tmp_path: Path) -> None:
    sizes = [2 if number % 2 else 10 for number in range(60)]
    data = dataset(tmp_path, sizes)
    times = {2: 0, 10: 0}
    for seed in range(600):
        drawn = sample_documents(data, 12, seed, most_shards=10)
        assert len(drawn) == 12
        assert len(drawn.of) <= 10
        for shard, rows in drawn.of.items():
            times[data.shards[shard].files[0].rows] += len(rows)
    assert times[10] / times[2] == pytest.approx(5, rel=0.2), "as many times as there are rows"


def test_small_shards_do_not_make_a_sample_small(tmp_path: Path) -> None:
    data = dataset(tmp_path, [4] * 20)
    assert len(sample_documents(data, 50, 0, most_shards=3)) == 50


row_sets = st.dictionaries(st.sampled_from("abcd"), st.sets(st.integers(0, 9)), max_size=4)


@given(row_sets, row_sets)
def test_union(left: dict[str, set[int]], right: dict[str, set[int]]) -> None:
    def rows(values: dict[str, set[int]]) -> Rows:
        return Rows({name: np.array(sorted(some), dtype=np.int64) for name, some in values.items()})

    joined = rows(left) | rows(right)
    assert {name: found.tolist() for name, found in joined.of.items()} == {
        name: sorted(left.get(name, set()) | right.get(name, set())) for name in {**left, **right}
    }
    assert len(joined) == sum(len(found) for found in joined.of.values())


def test_batches_read_several_datasets_in_the_same_rows(tmp_path: Path) -> None:
    data, side = dataset(tmp_path / "a", [30, 20]), dataset(tmp_path / "b", [30, 20])
    rows = Rows({"part-000001": np.array([0, 19]), "part-000000": np.array([3])})
    found = [
        (shard, taken.tolist(), batch.column(0).to_pylist())
        for shard, taken, batch in rows.batches([(data, ["number"]), (side, [])])
    ]
    assert found == [("part-000000", [3], [3]), ("part-000001", [0, 19], [30, 49])]
