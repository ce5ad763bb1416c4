"""A model opened for a diagnosis: with its adapter, which stages move and put back; and samples drawn at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from motherlode.models.opened import OpenedModel
from motherlode.models.options import ModelOptions

State = list[torch.Tensor]


class Opened(OpenedModel):
    """A model and its adapter: a given one, or a fresh one (`A` random, `B` zero).

    Attributes:
        adapted: The model with it.
    """

    def __init__(self, options: ModelOptions) -> None:
        """Load the model.

        Raises:
            InputError: The model or the adapter cannot be used.
        """
        super().__init__(options)
        self.adapted = self.adapt()
        self.adapted.trainable(False)


def draw(rows: Sequence[int], wanted: int, random_seed: int, stream: int) -> list[int]:
    """Draw rows without replacement, in ascending order; all of them if there are no more than wanted."""
    if wanted >= len(rows):
        return sorted(rows)
    choice = np.random.default_rng([random_seed, stream])
    return sorted(rows[place] for place in choice.choice(len(rows), wanted, replace=False))
