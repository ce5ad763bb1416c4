"""Vectors of samples from the model itself: a mean of its last hidden states.

`mean` weighs all tokens alike, as in arXiv 2511.07380, section 4.1; `position` weighs the i-th token by i, since a
later one has read more, as in RDS+ (arXiv 2503.01807) after SGPT (arXiv 2202.08904).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from motherlode.encode.encoder import unit_rows
from motherlode.errors import InputError
from motherlode.models.batches import Batch, Batcher
from motherlode.models.lora import AdaptedModel
from motherlode.models.tokens import Tokens

Pooling = Literal["mean", "position"]


def mean_hidden(
    adapted: AdaptedModel,
    tokens: Sequence[Tokens],
    batcher: Batcher,
    pooling: Pooling = "mean",
    place: Callable[[int], str] | None = None,
) -> NDArray[np.float32]:
    """Encode samples.

    Args:
        adapted: The model.
        tokens: The samples.
        batcher: How they are batched.
        pooling: How tokens are weighed.
        place: Says where a sample stands, for the error line.

    Returns:
        `[n, h] float32` of unit length.

    Raises:
        InputError: A hidden state is not finite.
    """
    vectors = np.zeros((len(tokens), adapted.head.weight.shape[1]), dtype=np.float32)

    def work(batch: Batch) -> None:
        hidden = adapted.hidden(batch.inputs)[batch.real].float()
        if pooling == "position":
            ranks = batch.inputs.get("position_ids")
            if ranks is None:
                ranks = torch.arange(batch.input_ids.shape[1], device=hidden.device).expand_as(batch.input_ids)
            hidden = hidden * (ranks[batch.real] + 1)[:, None].float()
        total = torch.zeros(len(batch.samples), hidden.shape[-1], dtype=torch.float32, device=hidden.device)
        total.index_add_(0, batch.owner[batch.real], hidden)
        weights = batch.lengths if pooling == "mean" else batch.lengths * (batch.lengths + 1) / 2
        vectors[list(batch.samples)] = (total / weights[:, None].float()).cpu().numpy()

    with torch.no_grad():
        batcher.run(tokens, work)
    wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(wrong):
        raise InputError(
            "its hidden states are not finite numbers",
            where=place(int(wrong[0])) if place else None,
            hint="use --dtype fp32; if that does not help, the model's weights are damaged",
        )
    return unit_rows(vectors)
