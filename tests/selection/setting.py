"""A tiny adapted model whose LoRA factors are not at their start, and random samples of many lengths."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from motherlode.models.load import CausalModel
from motherlode.models.lora import AdaptedModel, LoraOptions
from motherlode.models.tokens import Tokens
from tests.models import tiny


def adapted(
    shape: str = "qwen3", dtype: torch.dtype = torch.float32, vocabulary: int = 260, **changes: Any
) -> AdaptedModel:
    """A tiny model with an adapter of rank 4 where both factors are random."""
    model = tiny.model(shape, vocabulary=vocabulary, **changes).to(dtype).requires_grad_(False)
    loaded = CausalModel(shape, model, tiny.tokenizer(), torch.device("cpu"), dtype, 128, "-")
    made = AdaptedModel.attach(loaded, LoraOptions(rank=4, alpha=8))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for factors in made.layers:
            factors.b.normal_(0, 0.1, generator=generator)
    made.trainable(False)
    return made


def samples(count: int, random_seed: int = 0, vocabulary: int = 260, most: int = 24) -> list[Tokens]:
    """Random tokens; prompts may be a single token, completions too."""
    choice = np.random.default_rng(random_seed)
    made = []
    for _ in range(count):
        length = int(choice.integers(2, most))
        made.append(Tokens(choice.integers(0, vocabulary, length), int(choice.integers(1, length))))
    return made


def files(folder: Path, domain: int = 6, pool: int = 17) -> Path:
    """Write a tiny model, a domain and a pool into a folder; rows have a field `task` of three values."""
    choice = random.Random(0)
    words = "river stone lantern market ledger violet harbour thread copper window orchard signal".split()
    tiny.save(folder / "model")
    for name, count in (("domain", domain), ("pool", pool)):
        rows = []
        for number in range(count):
            prompt = " ".join(choice.choices(words, k=choice.randint(1, 4))) + f" {number}? "
            completion = " ".join(choice.choices(words, k=choice.randint(1, 5)))
            rows.append({"prompt": prompt, "completion": completion, "task": f"t{number % 3}"})
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
