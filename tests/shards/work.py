"""Tasks and steps that worker processes can import, and that fail on demand."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from motherlode.errors import InputError, StorageError
from motherlode.shards import store
from motherlode.shards.dataset import Dataset
from motherlode.shards.engine import Engine, LocalEngine
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.manifest import Entry, Manifest
from motherlode.shards.step import Step, StepFunction, StepResult
from motherlode.shards.task import map_tasks, write_shard


class Unpicklable(Exception):
    """An exception that cannot travel between processes: it wants two arguments and hands on one."""

    def __init__(self, left: str, right: str) -> None:
        super().__init__(left + right)


@dataclass(frozen=True)
class Numbers:
    """A task that writes the numbers `[first, first + count)`, or fails in the way that `fault` says."""

    name: str
    first: int
    count: int
    fault: str = ""
    notes: str = ""
    size: int = field(default=1)

    @property
    def fingerprint(self) -> str:
        return fingerprint("numbers", self.first, self.count)

    def run(self, folder: Path) -> Entry:
        self._fail(folder)
        table = pa.table({"number": pa.array(range(self.first, self.first + self.count), pa.int64())})
        file = write_shard(folder, f"{self.name}.parquet", table)
        return Entry(self.name, self.fingerprint, (file,), {"read": self.count, "kept": self.count})

    def _fail(self, folder: Path) -> None:
        if self.notes:  # one file an attempt, outside the output folder
            attempts = len(list(Path(self.notes).glob(f"{self.name}.*")))
            (Path(self.notes) / f"{self.name}.{attempts}").write_text(str(os.getpid()))
            if self.fault == "once" and attempts == 0:
                raise RuntimeError("the first attempt fails")
            if self.fault == "die once" and attempts == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "raise":
            raise RuntimeError(f"no luck with {self.name}")
        if self.fault == "unpicklable":
            raise Unpicklable("cannot be ", "pickled")
        if self.fault == "exit":
            os._exit(3)
        if self.fault == "kill":
            store.write_text(folder / ".before.tmp-not", "")  # a worker may die at any point of its work
            (folder / f".{self.name}.parquet.{os.getpid()}.tmp").write_bytes(b"torn")
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "input":
            raise InputError("holds no numbers", where=self.name, hint="add some")
        if self.fault == "storage":
            raise StorageError("the disk is full", where=self.name)
        if self.fault == "sleep":
            time.sleep(600)
        if self.fault == "slow":
            time.sleep(0.05)


def write_numbers(folder: Path, shards: int = 3, count: int = 10, engine: Engine | None = None) -> Dataset:
    """Write a dataset of numbers."""
    tasks = [Numbers(f"part-{shard}", shard * count, count) for shard in range(shards)]
    with Manifest.open(folder, "numbers", {"count": count}) as manifest:
        (engine or LocalEngine(1, quiet=True)).run(tasks, manifest, "numbers")
    return Dataset(folder)


class Double(Step):
    """Doubles numbers; raises on any batch that has one of the bad ones."""

    name: ClassVar[str] = "double"
    reads = ("number",)

    def __init__(self, bad: frozenset[int] = frozenset(), factor: int = 2) -> None:
        self.bad, self.factor = bad, factor

    @property
    def writes(self) -> pa.Schema:
        return pa.schema([("doubled", pa.int64())])

    def settings(self) -> Mapping[str, Any]:
        return {"factor": self.factor, "bad": sorted(self.bad)}

    def open(self) -> StepFunction:
        def double(batch: pa.RecordBatch) -> StepResult:
            numbers = batch.column("number")
            met = self.bad.intersection(numbers.to_pylist())
            if met:
                raise ValueError(f"cannot double {min(met)} \ud800")
            odd = pc.equal(pc.bit_wise_and(numbers, 1), 1)
            return StepResult(
                {"doubled": pc.multiply(numbers, self.factor)},
                dropped=pc.if_else(odd, "odd", pa.scalar(None, pa.string())),
                stats={"sum": pc.sum(numbers).as_py() or 0, "rows": [batch.num_rows]},
                extras={"largest": pa.table({"largest": [pc.max(numbers).as_py()]})},
            )

        return double

    def combine(self, extra: str, tables: Any) -> pa.Table:
        return pa.table({"largest": [pc.max(pa.concat_tables(tables).column("largest")).as_py()]})


class Ordinal(Step):
    """Reads nothing and writes a constant."""

    name: ClassVar[str] = "ordinal"

    @property
    def writes(self) -> pa.Schema:
        return pa.schema([("one", pa.int64())])

    def settings(self) -> Mapping[str, Any]:
        return {}

    def open(self) -> StepFunction:
        return lambda batch: StepResult({"one": pa.array([1] * batch.num_rows, pa.int64())})


def map_step(step: Step, parent: Dataset, folder: Path, columns: tuple[str, ...] = ("number",)) -> Dataset:
    """Map a step over a dataset into a side dataset."""
    with Manifest.open(folder, "side", {"step": step.name}) as manifest:
        LocalEngine(1, quiet=True).run(map_tasks(step, parent, [(parent, columns)]), manifest, "side")
    return Dataset(folder)
