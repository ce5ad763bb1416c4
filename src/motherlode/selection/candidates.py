"""Which rows of the pool can be selected, and where they come from: counted in one pass."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from motherlode.errors import InputError
from motherlode.models.rows import Samples
from motherlode.selection.options import SelectOptions

_NONE = "(none)"
_CHECKED = 1024  # rows that are held against evaluation items at a time


@dataclass(frozen=True)
class Candidates:
    """The pool, looked through.

    Attributes:
        rows: `[n]` int64: rows that are samples and hold no evaluation item, ascending.
        dropped: Why others are left out, counted.
        names: `[n]` the source that each row names, `(none)` if it names none.
    """

    rows: NDArray[np.int64]
    dropped: Counter[str]
    names: Sequence[str]

    @cached_property
    def sources(self) -> Counter[str]:
        """How many rows each source has; empty if no row names one."""
        found = Counter(self.names)
        return Counter() if set(found) == {_NONE} else found

    def source(self, row: int) -> str:
        """Return the source of a row of the pool that can be selected."""
        return self.names[int(np.searchsorted(self.rows, row))]


def find_candidates(options: SelectOptions, pool: Samples) -> Candidates:
    """Look through the pool.

    Raises:
        InputError: A row is no sample and may not be skipped, or too few rows are left for the number wanted,
            or quotas are wanted and no row names a source.
    """
    dropped: Counter[str] = Counter()
    rows, names = [], []
    for row, values in pool.usable(options.bad_rows):
        source = values.get(options.source_field)
        rows.append(row)
        names.append(_NONE if source is None else sys.intern(str(source)))
    if len(rows) < len(pool.rows):
        dropped["no sample"] = len(pool.rows) - len(rows)
    if options.eval_files:
        kept = _without_evaluation_items(options, pool, rows)
        dropped["holds an evaluation item"] = len(rows) - len(kept)
        name_of = dict(zip(rows, names, strict=True))
        rows, names = kept, [name_of[row] for row in kept]
    if (options.quota is not None or options.selector == "quota") and {*names} <= {_NONE}:
        raise InputError(
            f"no row of the pool has a field {options.source_field!r}, which quotas go by",
            where=f"--source-field {options.source_field}",
            hint="name the field that tells the source",
        )
    if options.n > len(rows):
        usable = "" if len(rows) == len(pool.rows) else f" that can be used (left out: {dict(dropped)})"
        raise InputError(
            f"{options.n:,} samples are wanted, but the pool has {len(rows):,}{usable}",
            where="-n",
            hint="ask for fewer, or give a larger pool",
        )
    return Candidates(np.asarray(rows, dtype=np.int64), dropped, names)


def _without_evaluation_items(options: SelectOptions, pool: Samples, rows: list[int]) -> list[int]:
    from motherlode.corpus.decontaminate import Decontaminator

    known = Decontaminator.from_files(options.eval_files)
    kept = []
    for start in range(0, len(rows), _CHECKED):
        part = rows[start : start + _CHECKED]
        found = known.check_samples([pool.rows[row] for row in part])
        kept += [row for row, matches in zip(part, found, strict=True) if not matches]
    return kept
