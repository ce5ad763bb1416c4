"""What a method is: from a selection's stages to scored candidates and the order in which they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from motherlode.selection.choose import by_score

if TYPE_CHECKING:
    from motherlode.models.rows import Samples
    from motherlode.selection.options import SelectOptions
    from motherlode.selection.stages import ModelStages
    from motherlode.selection.vectors import VectorStages

Order = Callable[[int], Iterable[int]]
"""From how many are wanted to places of candidates, the best first; more may follow, none comes twice."""


@dataclass(frozen=True)
class Scored:
    """What a method says of the candidates.

    Attributes:
        rows: `[m]` int64: rows of the pool, ascending.
        scores: `[m]` float64: the larger, the better.
        published: The order of the method as it was published.
        turns: The order where domain samples choose in turn; None if the method knows no single domain samples.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    published: Order
    turns: Order | None = None

    @classmethod
    def top(cls, rows: NDArray[np.int64], scores: NDArray[np.float64]) -> Self:
        """Rank by score alone."""
        return cls(rows, scores, lambda _count: by_score(scores))


class Run(Protocol):
    """The stages of a selection, opened as a method needs them.

    Attributes:
        options: What is set.
        queries: The domain's side: the development split if there is one, else the domain.
        query_rows: Which of its rows are used.
        pool: The pool.
        rows: `[n]` int64: the rows of the pool that can be selected, ascending.
        told: What a method has to tell, for the record.
    """

    options: SelectOptions
    queries: Samples
    query_rows: list[int]
    pool: Samples
    rows: NDArray[np.int64]
    told: dict[str, Any]

    @property
    def model(self) -> ModelStages:
        """The model with its adapter."""

    @property
    def encoder(self) -> VectorStages:
        """What vectors are made by."""

    def vectors(self, rows: NDArray[np.int64]) -> Iterable[NDArray[np.float32]]:
        """Return the unit vectors of rows of the pool, in blocks `[n_i, h]`."""


Method = Callable[[Run], Scored]
