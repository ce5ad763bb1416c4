"""Loss on held-out documents: nats a token, over all of every document.

A document longer than the model's window is read in overlapping windows: every token is predicted once, from at least
half a window of what stands before it (where there is so much). The first token is predicted from the beginning-of- or
end-of-sequence token, as lm-evaluation-harness does. Interval: documents are resampled with their tokens, for tokens of
one document say the same thing again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from motherlode.errors import InputError
from motherlode.evaluation.result import TextScore
from motherlode.models.batches import IGNORED, Batch, Batcher, token_budget
from motherlode.models.load import CausalModel
from motherlode.models.rows import Rows
from motherlode.models.tokens import Tokens
from motherlode.statistics import bootstrap_interval

_SHAPE = 'write each document on a line of its own, as {"text": "..."}'


def read_texts(path: Path | str) -> tuple[list[str], str]:
    """Read held-out documents.

    Args:
        path: JSONL or Parquet with `text`; a file, a folder or a pattern.

    Returns:
        The texts, and the digest of the files.

    Raises:
        InputError: There is none, or a row has no text.
    """
    try:
        rows = Rows(path)
    except InputError as error:
        raise InputError(error.what, where=error.where, hint=_SHAPE if error.hint else None) from None
    texts = []
    for number, row in enumerate(rows):
        text = row.get("text")
        if not isinstance(text, str) or not text.strip():
            raise InputError("has no text", where=rows.place(number), hint=_SHAPE)
        texts.append(text)
    return texts, rows.digest


def windows(length: int, window: int) -> list[tuple[int, int, int]]:
    """Divide a sequence into overlapping windows.

    Args:
        length: Tokens, the first of which is given, 2 or more.
        window: Most tokens of a window, 2 or more.

    Returns:
        For each, where it begins and ends, and the first token that it predicts; each token but the first is
        predicted by one window.
    """
    made, done = [], 1
    while done < length:
        end = min(length, max(window, done + window - window // 2))
        begin = max(0, end - window)
        made.append((begin, end, done))
        done = end
    return made


def score_texts(
    name: str,
    texts: Sequence[str],
    loaded: CausalModel,
    model: Any = None,
    *,
    batch: int | None = None,
    max_length: int | None = None,
    confidence: float = 0.95,
    random_seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> TextScore:
    """Measure the loss of a model on documents.

    Args:
        name: The set.
        texts: The documents.
        loaded: The model and its tokenizer.
        model: The same model with an adapter on it, if there is one.
        batch: Most tokens of a batch.
        max_length: Most tokens of a window; by default the model's window, or 2,048 if it does not say.
        confidence: Of the interval.
        random_seed: Of the bootstrap.
        advance: Told how many windows have been read.

    Returns:
        The score.

    Raises:
        InputError: The tokenizer makes nothing of a document.
    """
    network = loaded.model if model is None else model
    window = max_length or loaded.window or 2048
    start = loaded.tokenizer.bos_token_id
    start = loaded.tokenizer.eos_token_id if start is None else start
    parts, owners, lengths = [], [], []
    for number, text in enumerate(texts):
        ids = loaded.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        sequence = np.array(ids if start is None else [start, *ids], dtype=np.int64)
        if len(sequence) < 2:
            raise InputError(f"document {number} has no token to predict", where=f"--texts {name}")
        lengths.append(len(sequence) - 1)
        for begin, end, first in windows(len(sequence), window):
            parts.append(Tokens(sequence[begin:end], first - begin))
            owners.append(number)
    totals = np.zeros(len(texts))

    def work(read: Batch) -> None:
        logits = network(**read.inputs, use_cache=False).logits
        scored = (read.labels != IGNORED).nonzero(as_tuple=True)
        losses = torch.nn.functional.cross_entropy(logits[scored].float(), read.labels[scored], reduction="none")
        sums = torch.zeros(len(read.samples), dtype=torch.float64, device=losses.device)
        sums.index_add_(0, read.owner[scored], losses.double())
        for place, value in zip(read.samples, sums.tolist(), strict=True):
            totals[owners[place]] += value
        if advance is not None:
            advance(len(read.samples))

    batcher = Batcher(batch or token_budget(None, loaded.device), device=loaded.device)
    with torch.inference_mode():
        batcher.run(parts, work)
    counts = np.array(lengths)
    loss = float(totals.sum() / counts.sum())
    low, high = bootstrap_interval(totals / counts, weights=counts, confidence=confidence, random_seed=random_seed)
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    return TextScore(
        name=name,
        documents=len(texts),
        tokens=int(counts.sum()),
        loss=loss,
        perplexity=_exp(loss),
        low=_exp(low),
        high=_exp(high),
        losses=tuple((totals / counts).tolist()),
        lengths=tuple(lengths),
        windowed=sum(length + 1 > window for length in lengths),
        bits_per_byte=float(totals.sum()) / math.log(2) / size,
        confidence=confidence,
    )


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf
