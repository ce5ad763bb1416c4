"""Gradients of single samples, exact, from one forward and one backward pass of a whole batch.

At a LoRA layer `W x + s B A x` with the gradient G of its output, a sample's gradients are sums over its own tokens:
`dA = s sum_t (B^T G_t) x_t^T` and `dB = s sum_t G_t (A x_t)^T`. They exist for one layer at a time and are handed on as
the backward pass reaches it: to a projection (`sketches`), to norms and inner products (`Cosine`), or to memory
(`sample_gradients`). Nothing here is projected unless a projection is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from motherlode.errors import MotherlodeError
from motherlode.models.batches import Batch, Batcher
from motherlode.models.lora import AdaptedModel, LoraFactors
from motherlode.models.tokens import Tokens
from motherlode.selection.direction import Direction
from motherlode.selection.kernels import Objective
from motherlode.selection.projection import Projection

# From a probe, the number of a parameter (A and B of each layer in turn) and the gradients of a batch's samples with
# respect to it, `[s, rows, columns]` float32.
Take = Callable[[int, int, torch.Tensor], None]
# From the number of a parameter and gradients with respect to it to what stands in their place, of the same shape.
Transform = Callable[[int, torch.Tensor], torch.Tensor]


class SampleGradients:
    """The gradients of samples, layer by layer.

    Attributes:
        size: D, the number of coordinates of a gradient: of all `A` and `B`.
        starts: For each parameter, its first coordinate.
    """

    def __init__(self, adapted: AdaptedModel, objective: Objective, batcher: Batcher) -> None:
        """Take the model, the kernel, and how samples are batched."""
        self.adapted, self.objective, self.batcher = adapted, objective, batcher
        ends = np.cumsum([0, *(parameter.numel() for parameter in adapted.parameters)])
        self.starts, self.size = [int(end) for end in ends[:-1]], int(ends[-1])
        self._batch: Batch | None = None
        self._take: Take | None = None
        self._probe = 0
        self._used: set[int] = set()

    def run(self, tokens: Sequence[Tokens], work: Callable[[Batch, Callable[[Take], None]], None]) -> None:
        """Compute the gradients of all samples.

        Args:
            tokens: The samples.
            work: Called for each batch, with a function that runs both passes and hands on every gradient; must leave
                no trace when it raises.

        Raises:
            MotherlodeError: Tokens cannot be followed through a layer, or memory does not suffice for one sample.
        """
        with self._hooked():
            self.batcher.run(tokens, lambda batch: work(batch, lambda take: self._passes(batch, take)))

    def _passes(self, batch: Batch, take: Take) -> None:
        self._batch, self._take = batch, take
        self._used.clear()
        try:
            with torch.enable_grad():
                hidden = self.adapted.hidden(batch.inputs)
                if not hidden.requires_grad:
                    raise MotherlodeError("no gradient reaches the model's embeddings", hint="use --engine difference")
                totals = [self.objective.tokens(hidden, batch, probe).sum() for probe in range(self.objective.probes)]
                for probe, total in enumerate(totals):
                    self._probe = probe
                    total.backward(retain_graph=probe + 1 < len(totals))
        finally:
            self._batch = self._take = None

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
        def forward(_module: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
            batch, take, x = self._batch, self._take, inputs[0].detach()
            assert batch is not None
            assert take is not None
            if output.shape[:-1] != batch.input_ids.shape or number in self._used:
                raise MotherlodeError(
                    f"the gradients of single samples cannot be told apart in {factors.name!r}",
                    hint="use --engine difference",
                )
            self._used.add(number)

            def backward(gradient: torch.Tensor) -> None:
                # half precision ends here: sums over tokens and all that follows are float32
                wide, seen, real = gradient.float(), x.float(), batch.real[..., None]
                down = torch.where(real, seen @ factors.a.detach().float().T, 0.0) * factors.scale
                up = torch.where(real, wide @ factors.b.detach().float(), 0.0) * factors.scale
                take(self._probe, 2 * number, _outer(batch, up, seen))
                take(self._probe, 2 * number + 1, _outer(batch, wide, down))

            output.register_hook(backward)

        return forward


def _outer(batch: Batch, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Sum outer products over each sample's tokens: `[b, t, m]` and `[b, t, n]` to `[s, m, n]`."""
    if len(left) == len(batch.samples):  # a row a sample; padding is zero in one of the two
        return left.transpose(1, 2) @ right
    bounds = [0, *torch.cumsum(batch.lengths.long(), 0).tolist()]
    parts = [slice(low, high) for low, high in pairwise(bounds)]
    return torch.stack([left[0, part].T @ right[0, part] for part in parts])


def sample_gradients(gradients: SampleGradients, tokens: Sequence[Tokens]) -> NDArray[np.float32]:
    """Return the gradients of samples as they are: `[n, probes * D]`, for few samples and small models.

    The inner product of two rows, divided by the number of probes, is the kernel.
    """
    found = np.zeros((len(tokens), gradients.objective.probes * gradients.size), dtype=np.float32)

    def work(batch: Batch, passes: Callable[[Take], None]) -> None:
        rows = list(batch.samples)

        def take(probe: int, number: int, part: torch.Tensor) -> None:
            start = probe * gradients.size + gradients.starts[number]
            found[rows, start : start + part[0].numel()] = part.flatten(1).cpu().numpy()

        passes(take)

    gradients.run(tokens, work)
    return found


def sketches(
    gradients: SampleGradients,
    tokens: Sequence[Tokens],
    projection: Projection,
    transform: Transform | None = None,
    start: int = 0,
) -> NDArray[np.float32]:
    """Return the projected gradients of samples.

    The inner product of two rows estimates the kernel, its average over probes included, without bias.

    Args:
        gradients: Where they come from.
        tokens: n samples.
        projection: To p dimensions.
        transform: What is done to each gradient before.
        start: The number of the first coordinate in the projection.

    Returns:
        `[n, p]` float32.
    """
    found = np.zeros((len(tokens), projection.dimension), dtype=np.float32)
    share = gradients.objective.probes**-0.5

    def work(batch: Batch, passes: Callable[[Take], None]) -> None:
        total = projection.empty(len(batch.samples), batch.input_ids.device)

        def take(probe: int, number: int, part: torch.Tensor) -> None:
            part = part if transform is None else transform(number, part)
            at = start + probe * gradients.size + gradients.starts[number]
            projection.add(total, part.flatten(1) * share, at)

        passes(take)
        found[list(batch.samples)] = total.cpu().numpy()

    gradients.run(tokens, work)
    return found


def gradient_norms(gradients: SampleGradients, tokens: Sequence[Tokens]) -> NDArray[np.float64]:
    """Return the exact length of each sample's gradient, the root of the kernel with itself: `[n]`."""
    return _norms_and_products(gradients, tokens, None)[0]


def _norms_and_products(
    gradients: SampleGradients, tokens: Sequence[Tokens], direction: Direction | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    squares, products = np.zeros(len(tokens)), np.zeros(len(tokens))
    probes = gradients.objective.probes

    def work(batch: Batch, passes: Callable[[Take], None]) -> None:
        found = torch.zeros(2, len(batch.samples), dtype=torch.float64, device=batch.input_ids.device)

        def take(probe: int, number: int, part: torch.Tensor) -> None:
            found[0] += part.square().sum((1, 2))
            if direction is not None:
                side = direction.b if number % 2 else direction.a
                found[1] += part.flatten(1) @ side[probe][number // 2].flatten()

        passes(take)
        squares[list(batch.samples)], products[list(batch.samples)] = (found / probes).cpu().numpy()

    gradients.run(tokens, work)
    return np.sqrt(squares), products


class Cosine:
    """An engine: the mean over domain samples d of the cosine of g(d) and g(c), exact, a batched backward pass each."""

    def __init__(self, gradients: SampleGradients, direction: Direction) -> None:
        """Take where gradients come from, and the mean over the domain of gradients of length 1."""
        self.gradients, self.direction = gradients, direction

    def score(self, tokens: Sequence[Tokens]) -> NDArray[np.float64]:
        """Return `[n]` scores, in the samples' order; 0 for a gradient of 0."""
        norms, products = _norms_and_products(self.gradients, tokens, self.direction)
        return np.divide(products, norms, out=np.zeros_like(products), where=norms != 0)
