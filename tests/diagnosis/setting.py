"""The full per-output Jacobian by its definition: one backward pass for each entry of the vocabulary."""

from __future__ import annotations

import torch

from motherlode.models.lora import AdaptedModel
from motherlode.models.tokens import Tokens


def jacobian(model: AdaptedModel, tokens: Tokens) -> torch.Tensor:
    """The gradient of each logit's mean over positions, from the full logits: `[v, p]` float64."""
    model.trainable(True)
    mean = model.model(input_ids=torch.from_numpy(tokens.ids)[None], use_cache=False).logits[0].double().mean(0)
    rows = [torch.autograd.grad(value, model.parameters, retain_graph=True, allow_unused=True) for value in mean]
    model.trainable(False)
    parameters = model.parameters
    return torch.stack(
        [
            torch.cat(
                [
                    (torch.zeros_like(p) if g is None else g).double().flatten()
                    for g, p in zip(r, parameters, strict=True)
                ]
            )
            for r in rows
        ]
    )
