"""Batches by token budget: sorted by length, longest first, halved when memory runs out.

Three layouts give the same numbers: rows padded on the right (the default: a causal model needs no mask then, so that
fast attention stays available), rows padded on the left, and packing (samples one after another in a single row, told
apart by their positions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from motherlode.errors import MotherlodeError
from motherlode.models.tokens import Tokens

Layout = Literal["right", "left", "packed"]
IGNORED = -100
_CPU_TOKENS, _GPU_TOKENS = 1_024, 8_192  # of a batch


@dataclass(frozen=True)
class Batch:
    """Samples as tensors.

    Attributes:
        samples: Which samples of the list these are.
        input_ids: `[b, t]` int64.
        owner: `[b, t]` int64: which of `samples` a token belongs to; -1 for padding.
        labels: `[b, t]` int64: the completion token that a position predicts, -100 where it predicts none.
        lengths: `[s]` float64: each sample's tokens.
        targets: `[s]` float64: each sample's predicted completion tokens.
        inputs: What the model is called with.
    """

    samples: tuple[int, ...]
    input_ids: torch.Tensor
    owner: torch.Tensor
    labels: torch.Tensor
    lengths: torch.Tensor
    targets: torch.Tensor
    inputs: dict[str, Any]

    @property
    def real(self) -> torch.Tensor:
        """`[b, t]` bool: whether a token is one of a sample's."""
        return self.owner >= 0

    def per_sample(self, values: torch.Tensor) -> torch.Tensor:
        """Sum `[b, t]` values by sample: `[s]`; padding is left out."""
        total = torch.zeros(len(self.samples), dtype=values.dtype, device=values.device)
        return total.index_add(0, self.owner[self.real], values[self.real])


def plan(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Group samples of similar length.

    Args:
        lengths: Tokens of each sample.
        budget: Most tokens of a batch, padding included; a longer sample stands alone.

    Returns:
        Groups of sample numbers, the longest first.
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if groups and (len(groups[-1]) + 1) * lengths[groups[-1][0]] <= budget:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def collate(tokens: Sequence[Tokens], samples: Sequence[int], layout: Layout, device: torch.device) -> Batch:
    """Put samples into one batch.

    Args:
        tokens: All samples' tokens.
        samples: Which of them the batch holds.
        layout: How they stand in it.
        device: Where its tensors live.

    Returns:
        The batch.
    """
    chosen = [tokens[index] for index in samples]
    lengths = [len(item.ids) for item in chosen]
    packed = layout == "packed"
    shape = (1, sum(lengths)) if packed else (len(chosen), max(lengths))
    ids, positions = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    owner, labels = np.full(shape, -1, dtype=np.int64), np.full(shape, IGNORED, dtype=np.int64)
    at = 0
    for number, (item, length) in enumerate(zip(chosen, lengths, strict=True)):
        row = 0 if packed else number
        begin = at if packed else (shape[1] - length if layout == "left" else 0)
        ids[row, begin : begin + length] = item.ids
        positions[row, begin : begin + length] = np.arange(length)
        owner[row, begin : begin + length] = number
        first = max(item.start, 1)
        labels[row, begin + first - 1 : begin + length - 1] = item.ids[first:]
        at += length
    inputs: dict[str, Any] = {"input_ids": torch.from_numpy(ids).to(device)}
    if layout != "right":
        inputs["position_ids"] = torch.from_numpy(positions).to(device)
    if layout == "left":
        inputs["attention_mask"] = torch.from_numpy((owner >= 0).astype(np.int64)).to(device)
    return Batch(
        samples=tuple(samples),
        input_ids=inputs["input_ids"],
        owner=torch.from_numpy(owner).to(device),
        labels=torch.from_numpy(labels).to(device),
        lengths=torch.tensor(lengths, dtype=torch.float64, device=device),
        targets=torch.tensor([item.targets for item in chosen], dtype=torch.float64, device=device),
        inputs=inputs,
    )


def token_budget(wanted: int | None, device: torch.device) -> int:
    """Return how many tokens a batch may hold.

    Args:
        wanted: A number; None leaves it to the device.
        device: Where batches are computed. On a CPU small batches, whose activations stay in its caches, are up to
            twice as fast as large ones (models of 1M and 10M parameters, 512 to 1,024 tokens against 8,192).

    Returns:
        Tokens, padding included.
    """
    return wanted or (_CPU_TOKENS if device.type == "cpu" else _GPU_TOKENS)


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, on a GPU or on this machine."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


class Batcher:
    """Batches under a token budget that shrinks by itself.

    Attributes:
        budget: Most tokens of a batch at present.
    """

    def __init__(self, budget: int, layout: Layout = "right", device: torch.device | str = "cpu") -> None:
        """Describe the batches.

        Args:
            budget: Most tokens of a batch, padding included, 1 or more.
            layout: How samples stand in it.
            device: Where its tensors live.
        """
        self.budget, self.layout, self.device = budget, layout, torch.device(device)

    def plan(self, tokens: Sequence[Tokens]) -> Iterator[Batch]:
        """Put all samples into batches, without a way out of full memory."""
        for group in plan([len(item.ids) for item in tokens], self.budget):
            yield collate(tokens, group, self.layout, self.device)

    def run(self, tokens: Sequence[Tokens], work: Callable[[Batch], None]) -> None:
        """Do some work on every sample, in batches.

        Args:
            tokens: The samples.
            work: Called once for each batch; must leave no trace when it raises.

        Raises:
            MotherlodeError: Memory does not suffice for a single sample.
        """
        lengths = [len(item.ids) for item in tokens]
        left = plan(lengths, self.budget)
        while left:
            group = left[0]
            full = False
            try:
                work(collate(tokens, group, self.layout, self.device))
            except Exception as error:
                if not out_of_memory(error):
                    raise
                full = True
            if not full:  # memory that the failed try held is free only here, outside of its exception
                left.pop(0)
                continue
            if len(group) == 1:
                raise MotherlodeError(
                    f"memory does not suffice for one sample of {lengths[group[0]]:,} tokens",
                    hint="use a smaller --max-length, --dtype bf16, or a smaller model",
                )
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            self.budget = max(1, len(group) * lengths[group[0]] // 2)
            rest = sorted(index for part in left for index in part)
            left = [[rest[i] for i in part] for part in plan([lengths[i] for i in rest], self.budget)]
