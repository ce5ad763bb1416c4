"""Single outputs: gradients of logits one by one, and whether the terms between different outputs cancel.

The all-ones kernel is <sum_k grad f_k(d), sum_l grad f_l(c)> = trace + cross, with trace = sum_k <grad f_k(d), grad
f_k(c)> and cross the sum over k != l. The paper (arXiv 2511.07380, section 4) argues that cross terms have random signs
and are small, from the mean absolute cosine between gradients of different outputs. Small cosines do not suffice: V (V
- 1) of them with one sign outweigh V terms of the trace. So signs and means are measured, not only magnitudes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from motherlode.diagnosis.gradients import MakeRows, flat, gram, parameter_count
from motherlode.models.batches import collate
from motherlode.models.lora import AdaptedModel
from motherlode.models.tokens import Tokens

BINS = 41
_REPEATS = 400  # of the bootstrap


@dataclass(frozen=True)
class Head:
    """The rows W_k of the output head.

    Attributes:
        shared: Share of the squared norm along the mean row: sum_k (W_k . m / |m|)^2 / sum_k |W_k|^2, m the mean row.
        shared_by_chance: 1 / h, that share for rows that point anywhere.
        amplification: |sum_k W_k|^2 / sum_k |W_k|^2: how much longer the all-ones direction is than a random-sign one
            (1 on average); V if all rows are the same.
        largest: Share of the squared norm along the direction that holds most of it.
        vocabulary: V.
        hidden: h.
    """

    shared: float
    shared_by_chance: float
    amplification: float
    largest: float
    vocabulary: int
    hidden: int


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % bootstrap interval, over samples and outputs."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Cosines:
    """Cosines between gradients of different outputs.

    Attributes:
        pairs: How many.
        mean: Mean cosine; 0 if signs are random.
        positive: Share above 0; one half if signs are random.
        magnitude: Mean absolute cosine, what the paper reports.
        coherence: |sum of the inner products| / root of the sum of their squares: about 1 if signs are random, the root
            of their number if all are the same.
        histogram: Counts in 41 equal bins from -1 to 1.
    """

    pairs: int
    mean: Estimate
    positive: Estimate
    magnitude: Estimate
    coherence: float
    histogram: tuple[int, ...]


@dataclass(frozen=True)
class Outputs:
    """Single outputs of a few samples, on a random part of the vocabulary.

    Attributes:
        outputs: Entries of the vocabulary, m.
        domain_samples: Samples of the domain.
        pool_samples: Samples of the pool.
        between: Outputs k != l of a domain and a pool sample: the cross terms of the score.
        within: Outputs k != l of one and the same sample.
        trace: Mean over pairs of samples of the trace over the m outputs.
        cross: Mean of the cross terms over them.
        ratio: Sum over pairs of |cross| / sum over pairs of |trace|, on the m outputs.
        ratio_whole: The same, carried to the whole vocabulary: times (V - 1) / (m - 1).
    """

    outputs: int
    domain_samples: int
    pool_samples: int
    between: Cosines
    within: Cosines
    trace: float
    cross: float
    ratio: float
    ratio_whole: float


def look_at_head(adapted: AdaptedModel) -> Head:
    """Measure how far the rows of the output head share a direction."""
    from motherlode.diagnosis.trace import head_moments

    weight = adapted.head.weight.detach()
    moments = head_moments(adapted)
    total = torch.zeros(weight.shape[1], dtype=torch.float64, device=weight.device)
    for rows in weight.split(1 << 14):
        total += rows.double().sum(0)
    squares = float(moments.trace())
    unit = total / total.norm().clamp(min=1e-300)
    return Head(
        shared=float(unit @ moments @ unit) / squares,
        shared_by_chance=1 / weight.shape[1],
        amplification=float(total @ total) / squares,
        largest=float(torch.linalg.eigvalsh(moments)[-1]) / squares,
        vocabulary=weight.shape[0],
        hidden=weight.shape[1],
    )


def output_rows(adapted: AdaptedModel, tokens: Sequence[Tokens], chosen: NDArray[np.int64]) -> MakeRows:
    """Return a function that makes gradients of single outputs; row `i * m + k` is output `chosen[k]` of sample i.

    Output k of a sample is the mean over its positions of logit k; one backward pass each.
    """
    rows_of_head = adapted.head.weight.detach()[torch.from_numpy(chosen).to(adapted.loaded.device)].double()
    count = len(chosen)

    def make(rows: range) -> torch.Tensor:
        adapted.trainable(True)
        found = []
        try:
            for sample in range(rows.start // count, -(-rows.stop // count)):
                batch = collate(tokens, [sample], "right", adapted.loaded.device)
                mean = adapted.hidden(batch.inputs)[0].double().mean(0)
                wanted = range(max(rows.start, sample * count), min(rows.stop, (sample + 1) * count))
                for row in wanted:
                    value = mean @ rows_of_head[row - sample * count]
                    keep = row + 1 < wanted.stop
                    grads = torch.autograd.grad(value, adapted.parameters, retain_graph=keep, allow_unused=True)
                    found.append(flat(adapted, grads))
        finally:
            adapted.trainable(False)
        return torch.stack(found)

    return make


def look_at_outputs(
    adapted: AdaptedModel,
    domain: Sequence[Tokens],
    pool: Sequence[Tokens],
    *,
    vocabulary_sample: int = 48,
    memory_gib: float = 4.0,
    random_seed: int = 0,
) -> Outputs:
    """Make the full per-output kernel on a random part of the vocabulary.

    Args:
        adapted: The model.
        domain: A few domain samples.
        pool: A few pool samples.
        vocabulary_sample: m, drawn without replacement; 2 or more.
        memory_gib: Memory for gradients.
        random_seed: Seed of the drawing and of the bootstrap.

    Returns:
        What was seen.

    Raises:
        InputError: Memory does not suffice.
    """
    vocabulary = adapted.head.weight.shape[0]
    count = min(vocabulary_sample, vocabulary)
    choice = np.random.default_rng([random_seed, 11])
    chosen = np.sort(choice.choice(vocabulary, count, replace=False))
    samples = [*domain, *pool]
    rows = output_rows(adapted, samples, chosen)
    size = len(samples)
    whole = gram(rows, size * count, parameter_count(adapted), memory_gib)
    inner = whole.reshape(size, count, size, count).transpose(0, 2, 1, 3)  # [sample, sample, output, output]
    norms = np.sqrt(np.maximum(np.diag(whole), 0)).reshape(size, count)
    scale = norms[:, None, :, None] * norms[None, :, None, :]
    cosines = np.divide(inner, scale, out=np.zeros_like(inner), where=scale > 0)
    first = len(domain)
    between = inner[:first, first:]
    trace = np.trace(between, axis1=2, axis2=3)
    cross = between.sum((2, 3)) - trace
    own = np.arange(size)
    ratio = float(np.abs(cross).sum() / max(np.abs(trace).sum(), 1e-300))
    return Outputs(
        outputs=count,
        domain_samples=first,
        pool_samples=size - first,
        between=_cosines(cosines[:first, first:], between, choice),
        within=_cosines(cosines[own, own][:, None], inner[own, own][:, None], choice),
        trace=float(trace.mean()),
        cross=float(cross.mean()),
        ratio=ratio,
        ratio_whole=ratio * (vocabulary - 1) / (count - 1),
    )


def _cosines(cosines: NDArray[np.float64], inner: NDArray[np.float64], choice: np.random.Generator) -> Cosines:
    """Summarise `[i, j, k, l]` cosines over k != l, with a bootstrap over i, j and outputs."""
    left, right, count, _ = cosines.shape
    apart = ~np.eye(count, dtype=bool)
    values, products = cosines[:, :, apart], inner[:, :, apart]
    # what the bootstrap weighs: sums over samples cost most, so they are taken once for each measure
    measures = {"mean": cosines, "positive": (cosines > 0).astype(np.float64), "magnitude": np.abs(cosines)}
    drawn: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(_REPEATS):
        by_left = np.bincount(choice.integers(0, left, left), minlength=left).astype(np.float64)
        by_right = np.bincount(choice.integers(0, right, right), minlength=right).astype(np.float64)
        by_output = np.bincount(choice.integers(0, count, count), minlength=count).astype(np.float64)
        weights = np.outer(by_output, by_output) * apart
        whole = weights.sum() * by_left.sum() * by_right.sum()
        if whole == 0:
            continue
        for name, measure in measures.items():
            total = np.tensordot(by_right, np.tensordot(by_left, measure, 1), 1)
            drawn[name].append(float((total * weights).sum() / whole))
    estimates = {}
    for name, measure in measures.items():
        low, high = np.quantile(drawn[name] or [np.nan], [0.025, 0.975])
        estimates[name] = Estimate(float(measure[:, :, apart].mean()), float(low), float(high))
    histogram, _ = np.histogram(np.clip(values, -1, 1), bins=BINS, range=(-1, 1))
    return Cosines(
        pairs=int(values.size),
        **estimates,
        coherence=float(abs(products.sum()) / max(np.sqrt((products**2).sum()), 1e-300)),
        histogram=tuple(int(n) for n in histogram),
    )
