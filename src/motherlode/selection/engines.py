"""Engines: how the scores `mean_d <g(d), g(c)>` are computed.

The score is linear in the domain's side, so one mean gradient V of the domain is enough, and a candidate's score is
the derivative of its F along V.

* `reference`: autograd sample by sample, from the full logits; slow, and what the others are tested against.
* `contraction`: one backward pass for a whole batch, by the gradients of activations only. At a layer `W x + s B A x`
  with the gradient G of its output, <g, V> = s sum_t [(V_B^T G_t) . (A x_t) + (B^T G_t) . (V_A x_t)].
* `difference`: F in the merged weights moved along V and against it; two plain forward passes, no autograd. With merged
  weights `W + s B A` the direction is `s (V_B A + B V_A)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol

import numpy as np
import torch

from motherlode.errors import MotherlodeError
from motherlode.models.batches import Batch, Batcher, collate
from motherlode.models.lora import AdaptedModel, LoraFactors
from motherlode.models.tokens import Tokens
from motherlode.selection.direction import Direction, Scores
from motherlode.selection.kernels import Objective

EngineName = Literal["contraction", "difference", "sketch", "reference"]
# relative move of the adapted weights: in fp32 rounding rules below, curvature above (a trained model of 8M parameters,
# largest error as a part of the largest score at 1e-4, 2e-4, 4e-4, 8e-4: ntk 6e-5, 2e-5, 3e-5, 1e-4; loss 2e-4, 2e-4,
# 1e-4, 3e-4)
STEPS = {torch.float32: 3e-4, torch.bfloat16: 1e-3}


class Engine(Protocol):
    """Scores of samples."""

    def score(self, tokens: Sequence[Tokens]) -> Scores:
        """Return `[n]` scores, in the samples' order."""


class Reference:
    """Sample by sample, through the full logits."""

    def __init__(self, adapted: AdaptedModel, objective: Objective, direction: Direction, cosine: bool = False) -> None:
        """Take the model, the kernel and the domain's direction; `cosine` divides by the length of the gradient."""
        self.adapted, self.objective, self.direction, self.cosine = adapted, objective, direction, cosine

    def gradient(self, tokens: Tokens, probe: int = 0) -> list[torch.Tensor]:
        """Return g of one sample: the gradients of `A` and `B` of every layer, in order."""
        batch = collate([tokens], [0], "right", self.adapted.loaded.device)
        self.adapted.trainable(True)
        try:
            logits = self.adapted.model(**batch.inputs, use_cache=False).logits
            value = self.objective.logits(logits, batch, probe)
            found = torch.autograd.grad(value, self.adapted.parameters, allow_unused=True)
        finally:
            self.adapted.trainable(False)
        pairs = zip(found, self.adapted.parameters, strict=True)
        return [torch.zeros_like(p) if gradient is None else gradient for gradient, p in pairs]

    def score(self, tokens: Sequence[Tokens]) -> Scores:
        """See `Engine`."""
        scores = np.zeros(len(tokens))
        for index, item in enumerate(tokens):
            square = 0.0
            for probe in range(self.objective.probes):
                gradients = self.gradient(item, probe)
                square += sum(float(g.double().square().sum()) for g in gradients) / self.objective.probes
                pairs = [*zip(gradients[0::2], self.direction.a[probe], strict=True)]
                pairs += zip(gradients[1::2], self.direction.b[probe], strict=True)
                scores[index] += sum(float((g.double() * v.double()).sum()) for g, v in pairs) / self.objective.probes
            if self.cosine and square:
                scores[index] /= square**0.5
        return scores


class Contraction:
    """One backward pass for a whole batch."""

    def __init__(self, adapted: AdaptedModel, objective: Objective, direction: Direction, batcher: Batcher) -> None:
        """Take the model, the kernel, the domain's direction, and how samples are batched."""
        self.adapted, self.objective, self.batcher = adapted, objective, batcher
        self._probe = 0
        self._sum: torch.Tensor | None = None
        self._down, self._up = [], []
        for number, factors in enumerate(adapted.layers):
            dtype = factors.weight.dtype
            down = [factors.a, *(layers[number] for layers in direction.a)]
            self._down.append(torch.cat([item.detach().to(dtype) for item in down]))  # [(1 + probes) r, in]
            up = [torch.cat([layers[number].float(), factors.b.detach().float()], 1) for layers in direction.b]
            self._up.append([(item * factors.scale).to(dtype) for item in up])  # [out, 2 r]

    def score(self, tokens: Sequence[Tokens]) -> Scores:
        """See `Engine`."""
        scores = np.zeros(len(tokens))

        def work(batch: Batch) -> None:
            total = self._batch(batch) / self.objective.probes
            scores[list(batch.samples)] = total.cpu().numpy()

        with self._hooked():
            self.batcher.run(tokens, work)
        return scores

    def _batch(self, batch: Batch) -> torch.Tensor:
        shape = batch.input_ids.shape
        self._sum = torch.zeros(shape, dtype=torch.float64, device=batch.input_ids.device)
        with torch.enable_grad():
            hidden = self.adapted.hidden(batch.inputs)
            if not hidden.requires_grad:
                raise MotherlodeError("no gradient reaches the model's embeddings", hint="use --engine difference")
            totals = [self.objective.tokens(hidden, batch, probe).sum() for probe in range(self.objective.probes)]
            for probe, total in enumerate(totals):
                self._probe = probe
                total.backward(retain_graph=probe + 1 < len(totals))
        return batch.per_sample(self._sum)

    @contextmanager
    def _hooked(self) -> Iterator[None]:
        embeddings = self.adapted.model.get_input_embeddings()
        handles = [embeddings.register_forward_hook(lambda _module, _inputs, output: output.requires_grad_(True))]
        for number, factors in enumerate(self.adapted.layers):
            handles.append(factors.module.register_forward_hook(self._hook(number, factors)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, number: int, factors: LoraFactors) -> Any:
        rank = factors.a.shape[0]

        def forward(_module: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
            x = inputs[0].detach()
            assert self._sum is not None
            if output.shape[:-1] != self._sum.shape:
                raise MotherlodeError(
                    f"the engine 'contraction' cannot follow tokens through {factors.name!r}",
                    hint="use --engine difference",
                )
            with torch.no_grad():
                projected = x.to(self._down[number].dtype) @ self._down[number].T

            def backward(gradient: torch.Tensor) -> None:
                found = gradient @ self._up[number][self._probe]  # [b, t, 2 r]: V_B^T G, then B^T G
                first = rank * (1 + self._probe)
                own, moved = projected[..., :rank], projected[..., first : first + rank]
                part = (found[..., :rank].float() * own.float()).sum(-1)
                part += (found[..., rank:].float() * moved.float()).sum(-1)
                assert self._sum is not None
                self._sum += part

            output.register_hook(backward)

        return forward


class Difference:
    """Two forward passes in merged weights."""

    def __init__(
        self,
        adapted: AdaptedModel,
        objective: Objective,
        direction: Direction,
        batcher: Batcher,
        step: float | None = None,
    ) -> None:
        """Take the model, the kernel, the domain's direction, and how samples are batched.

        Args:
            adapted: The model.
            objective: The kernel.
            direction: The mean gradient of the domain.
            batcher: How samples are batched.
            step: Norm of the move along the direction, relative to the norm of the adapted weights.
        """
        self.adapted, self.objective, self.direction, self.batcher = adapted, objective, direction, batcher
        self.step = step or STEPS[adapted.loaded.dtype]
        self._epsilons: dict[int, float] = {}

    def score(self, tokens: Sequence[Tokens]) -> Scores:
        """See `Engine`."""
        total = np.zeros(len(tokens))
        for probe in range(self.objective.probes):
            epsilon = self._epsilon(probe)
            values = []
            for sign in (1.0, -1.0):
                with self._moved(probe, sign * epsilon):
                    values.append(self._forward(tokens, probe))
            total += (values[0] - values[1]) / (2 * epsilon)
        return total / self.objective.probes

    def _forward(self, tokens: Sequence[Tokens], probe: int) -> Scores:
        values = np.zeros(len(tokens))

        def work(batch: Batch) -> None:
            part = self.objective.tokens(self.adapted.hidden(batch.inputs), batch, probe)
            values[list(batch.samples)] = batch.per_sample(part).cpu().numpy()

        with torch.no_grad():
            self.batcher.run(tokens, work)
        return values

    def _delta(self, number: int, factors: LoraFactors, probe: int) -> torch.Tensor:
        a, b = self.direction.a[probe][number], self.direction.b[probe][number]
        delta: torch.Tensor = factors.scale * (b @ factors.a.detach().float() + factors.b.detach().float() @ a)
        return delta

    def _epsilon(self, probe: int) -> float:
        if probe in self._epsilons:  # it reads every weight: once for all shards of candidates
            return self._epsilons[probe]
        moved = kept = 0.0
        for number, factors in enumerate(self.adapted.layers):
            moved += float(self._delta(number, factors, probe).double().square().sum())
            kept += float(factors.weight.double().square().sum())
        if moved == 0:
            raise MotherlodeError("the domain's mean gradient moves no weight", hint="use more warm-up")
        self._epsilons[probe] = float(self.step * (kept / moved) ** 0.5)
        return self._epsilons[probe]

    @contextmanager
    def _moved(self, probe: int, epsilon: float) -> Iterator[None]:
        """Put `W + s B A + epsilon dW` in place of the weights; the adapter is off meanwhile."""
        kept = [factors.weight.data for factors in self.adapted.layers]
        try:
            with torch.no_grad():
                for number, factors in enumerate(self.adapted.layers):
                    change = factors.scale * (factors.b.detach().float() @ factors.a.detach().float())
                    change = factors.oriented(change + epsilon * self._delta(number, factors, probe))
                    factors.weight.data = (kept[number].float() + change).to(kept[number].dtype)
            with self.adapted.peft_model.disable_adapter():
                yield
        finally:
            for factors, weight in zip(self.adapted.layers, kept, strict=True):
                factors.weight.data = weight
            self.adapted.trainable(False)


def make_engine(
    name: Literal["contraction", "difference", "reference"],
    adapted: AdaptedModel,
    objective: Objective,
    direction: Direction,
    batcher: Batcher,
    step: float | None = None,
) -> Engine:
    """Make an engine by its name."""
    if name == "reference":
        return Reference(adapted, objective, direction)
    if name == "contraction":
        return Contraction(adapted, objective, direction, batcher)
    return Difference(adapted, objective, direction, batcher, step)
