"""Side columns stand in the same rows as their parent, or are refused."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motherlode.errors import InputError, StaleError
from motherlode.shards.dataset import Dataset, Source, aligned_batches
from motherlode.shards.manifest import Manifest
from tests.shards.work import Double, Numbers, Ordinal, map_step, write_numbers


def column(dataset: Dataset, name: str) -> list[int]:
    """Return a whole column."""
    return [value for batch in dataset.batches([name]) for value in batch.column(name).to_pylist()]


def test_a_dataset_knows_its_rows_in_order(tmp_path: Path) -> None:
    numbers = write_numbers(tmp_path / "n", shards=4, count=7)
    assert numbers.rows == 28
    assert list(numbers.shards) == ["part-0", "part-1", "part-2", "part-3"]
    assert column(numbers, "number") == list(range(28))
    assert numbers.counts == {"read": 28, "kept": 28}
    assert len(set(numbers.digest)) == 4
    assert repr(numbers) == f"Dataset({str(tmp_path / 'n')!r}, rows=28, shards=4)"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40), st.integers(1, 15), st.integers(1, 15))
def test_batches_have_the_rows_asked_for_and_sides_agree(
    tmp_path_factory: pytest.TempPathFactory, rows: int, group: int, size: int
) -> None:
    folder = tmp_path_factory.mktemp("dataset")
    for name in ("a", "b"):  # the same rows, in row groups of different sizes
        table = pa.table({name: pa.array(range(rows), pa.int64())})
        pq.write_table(table, folder / name, row_group_size=group if name == "a" else group + 3)
    sources = [Source(folder / name, "d", rows) for name in ("a", "b")]
    batches = list(aligned_batches([(sources[0], ["a"]), (sources[1], ["b"])], size))
    assert [batch.num_rows for batch in batches] == [min(size, rows - start) for start in range(0, rows, size)]
    assert [row for batch in batches for row in batch.to_pylist()] == [{"a": row, "b": row} for row in range(rows)]
    assert sum(batch.num_rows for batch in aligned_batches([(sources[0], [])], size)) == rows


def test_a_side_reads_together_with_its_parent(tmp_path: Path) -> None:
    numbers = write_numbers(tmp_path / "n")
    doubled = map_step(Double(), numbers, tmp_path / "d")
    rows = [
        (shard, row)
        for shard, batch in numbers.aligned(["number"], [(doubled, ["doubled"])], 4)
        for row in batch.to_pylist()
    ]
    assert rows == [(f"part-{n // 10}", {"number": n, "doubled": 2 * n}) for n in range(30)]
    assert doubled.stats == {"sum": sum(range(30)), "rows": [30]}


def test_a_step_that_reads_nothing_still_gets_every_row(tmp_path: Path) -> None:
    numbers = write_numbers(tmp_path / "n")
    assert column(map_step(Ordinal(), numbers, tmp_path / "o", ()), "one") == [1] * 30


def test_a_side_of_another_version_is_refused(tmp_path: Path) -> None:
    numbers = write_numbers(tmp_path / "n")
    doubled = map_step(Double(), numbers, tmp_path / "d")
    for other in (write_numbers(tmp_path / "m", count=11), write_numbers(tmp_path / "k", shards=4)):
        with pytest.raises(
            StaleError, match=r"/d: belongs to another version of .*; run the command that makes it again"
        ):
            list(other.aligned(["number"], [(doubled, ["doubled"])]))
    same = write_numbers(tmp_path / "same")
    assert len(list(same.aligned(["number"], [(doubled, ["doubled"])]))) == 3


def test_a_missing_damaged_or_changed_shard_is_named(tmp_path: Path) -> None:
    numbers = write_numbers(tmp_path / "n")
    (tmp_path / "n" / "part-0.parquet").unlink()
    with pytest.raises(InputError, match=r"part-0.parquet: a shard is missing; run the command that makes it again"):
        list(numbers.batches(["number"]))
    (tmp_path / "n" / "part-0.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(InputError, match=r"part-0.parquet: cannot be read as Parquet"):
        list(numbers.batches(["number"]))
    pq.write_table(pa.table({"number": [1, 2]}), tmp_path / "n" / "part-0.parquet")
    with pytest.raises(StaleError, match="has 2 rows, its manifest says 10"):
        list(numbers.batches(["number"]))


def test_a_folder_that_is_not_complete_is_refused(tmp_path: Path) -> None:
    with Manifest.open(tmp_path, "numbers", {}) as manifest:
        manifest.commit(Numbers("a", 0, 3).run(tmp_path))
    with pytest.raises(InputError, match="is not complete; run the command that makes it again"):
        Dataset(tmp_path)
