"""Gradients of single samples, and their inner products, in bounded memory.

`[n, P]` gradients of a large model do not fit: P is the number of LoRA parameters. Rows are made in tiles; a pair of
tiles lives at a time, and a tile that is needed again is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from motherlode.errors import InputError
from motherlode.models.batches import collate
from motherlode.models.lora import AdaptedModel
from motherlode.models.tokens import Tokens
from motherlode.selection.kernels import Objective

MakeRows = Callable[[range], torch.Tensor]
_GIB = 1 << 30
_COLUMNS = 1 << 20  # of a product that are summed in float32
_MOST_TILES = 64


def parameter_count(adapted: AdaptedModel) -> int:
    """Return P, the number of LoRA parameters."""
    return sum(parameter.numel() for parameter in adapted.parameters)


def flat(adapted: AdaptedModel, gradients: Sequence[torch.Tensor | None]) -> torch.Tensor:
    """Put the gradients of `A` and `B` of every layer into one `[P]` float32 row."""
    pairs = zip(gradients, adapted.parameters, strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).float().flatten() for g, p in pairs])


def sample_rows(adapted: AdaptedModel, objective: Objective, tokens: Sequence[Tokens], probe: int = 0) -> MakeRows:
    """Return a function that makes g of samples, one backward pass each: `[n, P]` float32.

    Args:
        adapted: The model.
        objective: The kernel.
        tokens: The samples.
        probe: Which of the objective's F.
    """

    def make(rows: range) -> torch.Tensor:
        adapted.trainable(True)
        try:
            found = []
            for row in rows:
                batch = collate(tokens, [row], "right", adapted.loaded.device)
                total = objective.tokens(adapted.hidden(batch.inputs), batch, probe).sum()
                found.append(flat(adapted, torch.autograd.grad(total, adapted.parameters, allow_unused=True)))
        finally:
            adapted.trainable(False)
        return torch.stack(found)

    return make


def tiles(count: int, width: int, memory_gib: float, live: int = 2) -> list[range]:
    """Cut rows into tiles so that `live` of them fit into memory.

    Args:
        count: Rows.
        width: Entries of a row, float32.
        memory_gib: Memory in GiB.
        live: Tiles that exist at a time.

    Returns:
        The tiles, equal but for the last.

    Raises:
        InputError: Not even one row fits, or far too many tiles would have to be made again and again.
    """
    size = int(memory_gib * _GIB / (4 * width * live))
    if size < 1 or -(-count // size) > _MOST_TILES:
        wanted = 4 * width * live * max(1, -(-count // _MOST_TILES)) / _GIB
        raise InputError(
            f"{count:,} gradients of {width:,} LoRA parameters need at least {wanted:.1f} GiB",
            where=f"--memory-gib {memory_gib:g}",
            hint="give more memory, fewer samples, or a smaller --lora-rank",
        )
    return [range(start, min(count, start + size)) for start in range(0, count, size)]


def product(left: torch.Tensor, right: torch.Tensor) -> NDArray[np.float64]:
    """Return `left @ right.T` of `[n, P]` and `[m, P]`, summed in float64 over blocks of columns."""
    total = torch.zeros(len(left), len(right), dtype=torch.float64, device=left.device)
    for start in range(0, left.shape[1], _COLUMNS):
        total += (left[:, start : start + _COLUMNS] @ right[:, start : start + _COLUMNS].T).double()
    found: NDArray[np.float64] = total.cpu().numpy()
    return found


def gram(make: MakeRows, count: int, width: int, memory_gib: float) -> NDArray[np.float64]:
    """Return all inner products of rows, tile by tile.

    Args:
        make: Makes rows, the same ones every time.
        count: Rows.
        width: Entries of a row.
        memory_gib: Memory for two tiles, in GiB.

    Returns:
        `[count, count]`, symmetric.

    Raises:
        InputError: See `tiles`.
    """
    whole = tiles(count, width, memory_gib)
    found = np.zeros((count, count))
    for place, first in enumerate(whole):
        left = make(first)
        for second in whole[place:]:
            right = left if second is first else make(second)
            part = product(left, right)
            found[first.start : first.stop, second.start : second.stop] = part
            found[second.start : second.stop, first.start : first.stop] = part.T
    return (found + found.T) / 2


def blocks(make: MakeRows, count: int, width: int, memory_gib: float) -> Iterator[tuple[range, torch.Tensor]]:
    """Make all rows once, tile by tile."""
    for part in tiles(count, width, memory_gib, live=1):
        yield part, make(part)


def kernel_matrix(
    adapted: AdaptedModel, objective: Objective, tokens: Sequence[Tokens], memory_gib: float
) -> NDArray[np.float64]:
    """Return `K[i, j] = <g(i), g(j)>`, averaged over the objective's probes: `[n, n]`."""
    total = np.zeros((len(tokens), len(tokens)))
    for probe in range(objective.probes):
        rows = sample_rows(adapted, objective, tokens, probe)
        total += gram(rows, len(tokens), parameter_count(adapted), memory_gib)
    return total / objective.probes
