"""A small task and tiny models for the tests of evaluation."""

from __future__ import annotations

import json
import random
import warnings
from pathlib import Path
from typing import Any

import peft
import torch

from motherlode.models.load import load_model
from tests.models import tiny

WORDS = "red blue green cat dog sun rain fish tree stone".split()


def items(count: int, choices: int = 3, random_seed: int = 0) -> list[dict[str, Any]]:
    """Items whose choices differ in length and number of tokens."""
    chance = random.Random(random_seed)
    made = []
    for number in range(count):
        words = [" ".join(chance.sample(WORDS, chance.randint(1, 2))) for _ in range(choices)]
        words = [f"{word} {letter}" for word, letter in zip(words, "abcdefgh", strict=False)]
        context = "It is " + " ".join(chance.sample(WORDS, 2)) + "." if number % 3 else ""
        question = f"{number} {chance.choice(WORDS)}?"
        row = {"id": f"q{number}", "question": question, "context": context, "choices": words}
        made.append({**row, "answer": chance.choice(words)})
    return made


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def adapter(model: Path, folder: Path, random_seed: int = 3, **changes: Any) -> Path:
    """A LoRA adapter that changes what the model says."""
    network = load_model(str(model), dtype="fp32", device="cpu").model
    options: dict[str, Any] = {"target_modules": "all-linear", **changes}
    config = peft.LoraConfig(r=4, lora_alpha=8, task_type="CAUSAL_LM", **options)
    with warnings.catch_warnings(action="ignore"):
        wrapped = peft.get_peft_model(network, config)
    with torch.random.fork_rng():
        torch.manual_seed(random_seed)
        for name, parameter in wrapped.named_parameters():
            if "lora_" in name:
                parameter.data.normal_(0, 0.3)
    wrapped.save_pretrained(str(folder))
    return folder


def tiny_model(folder: Path, shape: str = "qwen3", chat: bool = False, window: int = 512) -> Path:
    """A tiny model with a window that few-shot prompts fit into."""
    sizes = {"n_positions": window} if shape == "gpt2" else {"max_position_embeddings": window}
    tiny.model(shape, **sizes).save_pretrained(folder)
    tiny.tokenizer(chat).save_pretrained(folder)
    return folder
