"""Rows of tokens: several pieces (samples, or parts of documents) one after another, kept apart by their positions.

Positions begin again with every piece. Transformers reads that as the border of a sequence, and its masks are block
diagonal for `sdpa` and `eager`: a token sees its own piece alone, so that a packed row has the loss of its
pieces. Flash attention recognises borders in a batch of a single row only; there all rows are joined to one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from motherlode.models.batches import IGNORED
from motherlode.models.tokens import Tokens

Row = Sequence[Tokens]


def pack(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Put pieces into rows: the longest first, each into the first row with room (first fit decreasing).

    Args:
        lengths: Tokens of each piece.
        capacity: Most tokens of a row; a longer piece stands alone.

    Returns:
        Rows of piece numbers.
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        place = next((n for n, free in enumerate(room) if free >= lengths[index]), None)
        if place is None:
            rows.append([index])
            room.append(capacity - lengths[index])
        else:
            rows[place].append(index)
            room[place] -= lengths[index]
    return rows


def split(rows: Sequence[Row], budget: int) -> list[list[Row]]:
    """Split rows into passes.

    Args:
        rows: The rows.
        budget: Most tokens of a pass, padding included; a longer row stands alone.

    Returns:
        Passes, rows of similar length together, the longest first.
    """
    passes: list[list[Row]] = []
    for row in sorted(rows, key=length, reverse=True):
        if passes and (len(passes[-1]) + 1) * length(passes[-1][0]) <= budget:
            passes[-1].append(row)
        else:
            passes.append([row])
    return passes


def length(row: Row) -> int:
    """Return a row's tokens."""
    return sum(len(piece.ids) for piece in row)


def targets(rows: Sequence[Row]) -> int:
    """Return how many tokens of rows are predicted."""
    return sum(piece.targets for row in rows for piece in row)


def target_weights(rows: Sequence[Row], device: torch.device, flat: bool = False) -> torch.Tensor:
    """Return what each predicted token counts if every piece counts the same: 1 / its piece's predicted tokens.

    Args:
        rows: As for `as_inputs`.
        device: Where the tensor lives.
        flat: As for `as_inputs`.

    Returns:
        `[b, t]` float32, where the labels stand; 0 where nothing is predicted.
    """
    if flat:
        rows = [[piece for row in rows for piece in row]]
    weights = np.zeros((len(rows), max(map(length, rows))), dtype=np.float32)
    for number, row in enumerate(rows):
        at = 0
        for piece in row:
            end = at + len(piece.ids)
            weights[number, at + max(piece.start, 1) : end] = 1 / max(1, piece.targets)
            at = end
    return torch.from_numpy(weights).to(device)


def as_inputs(
    rows: Sequence[Row], device: torch.device, flat: bool = False, silent: bool = False
) -> dict[str, torch.Tensor]:
    """Put rows into one batch, padded on the right; the padding continues the last piece, where nothing sees it.

    Args:
        rows: At least one.
        device: Where the tensors live.
        flat: Whether all rows are joined to one, for flash attention.
        silent: Whether nothing is predicted: the pass only keeps other processes company.

    Returns:
        `input_ids`, `position_ids` and `labels`, each `[b, t]` int64. A label stands at its own token, as in
        Transformers; -100 where nothing is predicted.
    """
    if flat:
        rows = [[piece for row in rows for piece in row]]
    shape = (len(rows), max(map(length, rows)))
    ids, labels = np.zeros(shape, dtype=np.int64), np.full(shape, IGNORED, dtype=np.int64)
    positions = np.zeros(shape, dtype=np.int64)
    for number, row in enumerate(rows):
        at = 0
        for piece in row:
            end = at + len(piece.ids)
            ids[number, at:end] = piece.ids
            positions[number, at:] = np.arange(shape[1] - at)
            first = max(piece.start, 1)
            if not silent:
                labels[number, at + first : end] = piece.ids[first:]
            at = end
    arrays = {"input_ids": ids, "position_ids": positions, "labels": labels}
    return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
