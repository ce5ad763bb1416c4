"""Which rows each optimiser step takes: fixed by the random seed before training starts.

A step's samples are the same with and without packing, on one process and on many, and after a resume, because the
order depends on the seed and the number of the epoch alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from motherlode.adaptation.rows import Row, pack
from motherlode.models.tokens import Tokens


class Steps(Protocol):
    """The steps of a run."""

    def __len__(self) -> int:
        """Return how many there are."""

    def rows(self, step: int) -> list[Row]:
        """Return the rows that all processes together take in a step."""


class SampleSteps:
    """Steps of a fixed number of samples; every epoch reads each sample once, in an order of its own."""

    def __init__(
        self,
        tokens: Sequence[Tokens],
        *,
        batch: int,
        epochs: int,
        max_steps: int | None,
        capacity: int | None,
        seed: int,
    ) -> None:
        """Describe the steps.

        Args:
            tokens: The samples, at least one.
            batch: Samples of a step; the last one of an epoch takes what is left.
            epochs: Times that the samples are read.
            max_steps: Steps, in place of epochs.
            capacity: Most tokens of a row that samples are packed into; None: a row each.
            seed: Seed of the order.
        """
        self.tokens, self.batch, self.capacity, self.seed = tokens, batch, capacity, seed
        self.of_epoch = -(-len(tokens) // batch)
        self._count = max_steps or epochs * self.of_epoch
        self._known: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        """Return the number of steps."""
        return self._count

    def samples(self, step: int) -> list[int]:
        """Return which samples a step takes."""
        epoch, place = divmod(step, self.of_epoch)
        if self._known is None or self._known[0] != epoch:
            self._known = epoch, np.random.default_rng([self.seed, epoch]).permutation(len(self.tokens))
        order: list[int] = self._known[1][place * self.batch : (place + 1) * self.batch].tolist()
        return order

    def rows(self, step: int) -> list[Row]:
        """Return a step's rows."""
        chosen = [self.tokens[index] for index in self.samples(step)]
        if self.capacity is None:
            return [[item] for item in chosen]
        return [[chosen[index] for index in row] for row in pack([len(item.ids) for item in chosen], self.capacity)]


class SequenceSteps:
    """Steps of a fixed number of sequences, in the order given, each once."""

    def __init__(self, sequences: Sequence[Row], batch: int) -> None:
        """Take the sequences, and how many of them a step takes."""
        self.sequences, self.batch = sequences, batch

    def __len__(self) -> int:
        """Return the number of steps."""
        return math.ceil(len(self.sequences) / self.batch)

    def rows(self, step: int) -> list[Row]:
        """Return a step's sequences."""
        return list(self.sequences[step * self.batch : (step + 1) * self.batch])
