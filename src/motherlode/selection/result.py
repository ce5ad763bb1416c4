"""A selection: what was taken and why, to be cut to another size, explained, and compared with another one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motherlode.errors import InputError
from motherlode.selection.choose import Choice
from motherlode.shards.local_copy import path_here


@dataclass(frozen=True)
class Comparison:
    """Two selections of the same pool.

    Attributes:
        overlap: Share of the smaller selection that is in the other.
        chance: The share that two random selections of these sizes have in common, on average.
        rank_correlation: Spearman's, over candidates that both scored; None if there are fewer than two.
        scored_by_both: How many candidates these are.
    """

    overlap: float
    chance: float
    rank_correlation: float | None
    scored_by_both: int


@dataclass(frozen=True, repr=False)
class Selection:
    """What `select` chose.

    Attributes:
        method: How candidates were scored.
        rows: Selected rows of the pool (from 0), the best first.
        indices: `[m]` int64: every scored candidate, in the pool's order.
        scores: `[m]` float64: their scores.
        pool_rows: Rows of the pool.
        duplicates: Candidates passed over, with the selected row that each is like.
        nearest: For each selected row, its nearest domain samples and their cosines; empty if none were computed.
        record: Everything needed to repeat the selection.
    """

    method: str
    rows: tuple[int, ...]
    indices: NDArray[np.int64]
    scores: NDArray[np.float64]
    pool_rows: int
    duplicates: Mapping[int, int] = field(default_factory=dict)
    nearest: Sequence[Sequence[tuple[int, float]]] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    _again: Callable[[int], tuple[Choice, dict[str, Any]]] | None = None
    _explained: Callable[[Sequence[int]], list[list[tuple[int, float]]]] | None = None

    def __repr__(self) -> str:
        """Say what was selected."""
        return (
            f"Selection(method={self.method!r}, selected={len(self.rows):,}, scored={len(self.indices):,}, "
            f"pool={self.pool_rows:,}, duplicates={len(self.duplicates):,}, first={list(self.rows[:3])})"
        )

    def __len__(self) -> int:
        """Return how many rows were selected."""
        return len(self.rows)

    def score(self, row: int) -> float | None:
        """Return a row's score, None if it was not scored."""
        place = int(np.searchsorted(self.indices, row))
        found = place < len(self.indices) and self.indices[place] == row
        return float(self.scores[place]) if found else None

    def cut(self, n: int) -> Selection:
        """Select another number of samples from the same scores.

        Args:
            n: 1 or more, at most as many as were scored.

        Raises:
            InputError: More than were scored are wanted.
        """
        if not 1 <= n <= len(self.indices):
            raise InputError(
                f"{n:,} of {len(self.indices):,} scored candidates cannot be selected", hint="select again with this n"
            )
        assert self._again is not None
        assert self._explained is not None
        choice, found = self._again(n)
        return replace(
            self,
            rows=tuple(choice.rows),
            duplicates=choice.duplicates,
            nearest=self._explained(choice.rows),
            record={**self.record, **found, "recut": n},
        )

    def explain(self, row: int) -> dict[str, Any]:
        """Say what became of a row of the pool, and why.

        Args:
            row: Its number, from 0.

        Returns:
            `selected`, `rank` (from 1, in the selection), `score`, `place` (from 1, among the scored), `scored`,
            `duplicate_of`, and `nearest` domain samples if it was selected.

        Raises:
            InputError: The pool has no such row.
        """
        if not 0 <= row < self.pool_rows:
            raise InputError(f"the pool has no row {row} (it has {self.pool_rows:,})")
        score = self.score(row)
        rank = self.rows.index(row) if row in self.rows else None
        return {
            "selected": rank is not None,
            "rank": None if rank is None else rank + 1,
            "score": score,
            "place": None if score is None else int((self.scores > score).sum()) + 1,
            "scored": len(self.indices),
            "duplicate_of": self.duplicates.get(row),
            "nearest": list(self.nearest[rank]) if rank is not None and self.nearest else [],
        }

    def plot(self, path: Path | str) -> Path:
        """Draw the selection: the histogram of scores, scores by rank, sources selected and in the pool.

        Args:
            path: The file: `.html` for a page that loads nothing, `.svg` for the charts alone, `.json` for the numbers.

        Returns:
            The file written.

        Raises:
            InputError: Its name ends otherwise.
        """
        from motherlode.report.selection import selection_page, selection_svg
        from motherlode.shards import store

        out = path_here(path)
        if out.suffix.lower() == ".html":
            store.write_text(out, selection_page(self.record))
        elif out.suffix.lower() == ".svg":
            store.write_text(out, selection_svg(self.record))
        elif out.suffix.lower() == ".json":
            drawn = {name: self.record[name] for name in ("score_summary", "sources")}
            store.write_text(out, json.dumps(drawn, indent=2, ensure_ascii=False) + "\n")
        else:
            raise InputError("a plot is .html, .svg or .json", where=str(out), hint="name the file accordingly")
        return out

    def compare(self, other: Selection) -> Comparison:
        """Compare with another selection of the same pool.

        Raises:
            InputError: The other one is of another pool.
        """
        if (self.pool_rows, self.record.get("pool")) != (other.pool_rows, other.record.get("pool")):
            raise InputError("the selections are of different pools")
        from scipy.stats import spearmanr

        smaller = max(1, min(len(self), len(other)))
        both, left, right = np.intersect1d(self.indices, other.indices, return_indices=True)
        a, b = self.scores[left], other.scores[right]
        varied = len(both) > 1 and bool(np.ptp(a) > 0) and bool(np.ptp(b) > 0)
        return Comparison(
            overlap=len({*self.rows} & {*other.rows}) / smaller,
            chance=max(len(self), len(other)) / self.pool_rows,
            rank_correlation=float(spearmanr(a, b).statistic) if varied else None,
            scored_by_both=len(both),
        )
