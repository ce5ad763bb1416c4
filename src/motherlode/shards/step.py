"""Steps: pure functions from one Arrow record batch to columns in the same rows.

A step is a small picklable description (its configuration, the columns that it reads and writes). `open` turns it into
the function itself and is called once per worker: models are loaded there. A row that the function cannot stand is
found by halving the batch, and goes to quarantine with its error; its neighbours go on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from motherlode.errors import InputError, MotherlodeError
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.manifest import merge_stats
from motherlode.shards.resources import Resources


@dataclass(frozen=True)
class StepResult:
    """What a step says of a batch of n rows.

    Attributes:
        columns: The columns that the step writes, each of n rows.
        dropped: `[n]` string, null where the row stays, else the reason; None if all stay.
        stats: Statistics of the batch, merged by addition.
        extras: Further tables, by name, that are not aligned with rows (e.g. the best rows per query).
    """

    columns: Mapping[str, pa.Array]
    dropped: pa.Array | None = None
    stats: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, pa.Table] = field(default_factory=dict)


StepFunction = Callable[[pa.RecordBatch], StepResult]


class Step(ABC):
    """A description of a step; picklable, cheap to build."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ()

    @property
    def resources(self) -> Resources:
        """What a worker needs while it maps the step; the output does not depend on it."""
        return Resources()

    @property
    @abstractmethod
    def writes(self) -> pa.Schema:
        """The columns that the step writes."""

    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """Everything that the output depends on beside the input and the code's version; JSON-able."""

    @abstractmethod
    def open(self) -> StepFunction:
        """Load what is needed and return the function; called once per worker."""

    def combine(self, extra: str, tables: Sequence[pa.Table]) -> pa.Table:
        """Merge an extra table over the batches of one shard; by default the rows follow each other."""
        return pa.concat_tables(tables)

    @property
    def fingerprint(self) -> str:
        """Digest of the step's name, version and settings."""
        return fingerprint(self.name, self.version, self.settings())


@dataclass(frozen=True)
class Failure:
    """A row that a step could not stand: its place in the batch, and the error."""

    row: int
    error: str


def apply(step: Step, function: StepFunction, batch: pa.RecordBatch) -> tuple[StepResult, list[Failure]]:
    """Run a step over a batch, isolating rows that fail.

    Args:
        step: The description, for the columns that it writes.
        function: What `step.open()` returned.
        batch: The rows; it has the columns that the step reads.

    Returns:
        The result over all rows, with nulls in failed ones, and the failures.

    Raises:
        MotherlodeError: As raised by the step: such an error concerns more than one row.
    """
    try:
        result = function(batch)
        for name in step.writes.names:
            if len(result.columns[name]) != batch.num_rows:
                raise ValueError(f"column {name} has {len(result.columns[name])} rows instead of {batch.num_rows}")
        return result, []
    except (MotherlodeError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a record provokes is kept with the record
        if batch.num_rows <= 1:
            nulls = {f.name: pa.nulls(batch.num_rows, f.type) for f in step.writes}
            message = f"{type(error).__name__}: {error}"[:500].encode("utf-8", "replace").decode()
            return StepResult(nulls), [Failure(0, message)] * batch.num_rows
    half = batch.num_rows // 2
    first, first_failures = apply(step, function, batch.slice(0, half))
    second, second_failures = apply(step, function, batch.slice(half))
    failures = first_failures + [Failure(f.row + half, f.error) for f in second_failures]
    return _concat([first, second], [half, batch.num_rows - half], step), failures


def _concat(parts: Sequence[StepResult], rows: Sequence[int], step: Step) -> StepResult:
    columns = {f.name: pa.concat_arrays([part.columns[f.name].cast(f.type) for part in parts]) for f in step.writes}
    dropped = None
    if any(part.dropped is not None for part in parts):
        pieces = [
            pa.nulls(count, pa.string()) if part.dropped is None else part.dropped
            for part, count in zip(parts, rows, strict=True)
        ]
        dropped = pa.concat_arrays(pieces)
    names = sorted({name for part in parts for name in part.extras})
    extras = {name: step.combine(name, [p.extras[name] for p in parts if name in p.extras]) for name in names}
    return StepResult(columns, dropped, merge_stats(part.stats for part in parts), extras)


def check_chain(columns: Sequence[str], steps: Sequence[Step]) -> None:
    """Check that each step finds the columns that it reads, before any work starts.

    Args:
        columns: What the input has.
        steps: The steps in order; each adds what it writes.

    Raises:
        InputError: A step reads a column that nothing before it provides.
    """
    known = set(columns)
    for step in steps:
        for name in step.reads:
            if name not in known:
                raise InputError(f"the step '{step.name}' reads the column '{name}', which nothing provides")
        known.update(step.writes.names)


_OPENED: dict[str, StepFunction] = {}
# A worker that outlives a stage must not keep every model it has met. A build has about eight steps a format, of which
# a large block-list or index of evaluation items takes long to open: with fewer places each task would open all again.
_MOST_OPEN = 16


def opened(step: Step) -> StepFunction:
    """Return a step's function, opened once per process and fingerprint."""
    key = step.fingerprint
    if key not in _OPENED:
        while len(_OPENED) >= _MOST_OPEN:
            del _OPENED[next(iter(_OPENED))]
        _OPENED[key] = step.open()
    return _OPENED[key]
