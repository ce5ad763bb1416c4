"""Tiny causal language models with random weights, and a tokenizer, made here: no download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SHAPES = ("qwen3", "llama", "gpt2")


def tokenizer(chat: bool = False) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer of 256 bytes and an end-of-sequence token; it has no padding token."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = Tokenizer(BPE({letter: number for number, letter in enumerate(letters)}, []))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<|end|>")
    if chat:
        made.chat_template = CHAT
    return made


def model(shape: str, random_seed: int = 0, vocabulary: int = 260, **changes: Any) -> Any:
    """A model of two layers; weights are larger than at an ordinary start, so that nothing is nearly linear."""
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 128,
        "initializer_range": 0.2,
    }
    if shape == "gpt2":
        sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, "initializer_range": 0.2}
        sizes |= {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    kind = {
        "qwen3": transformers.Qwen3Config,
        "llama": transformers.LlamaConfig,
        "gpt2": transformers.GPT2Config,
        "gemma2": transformers.Gemma2Config,
    }[shape]
    config = kind(vocab_size=vocabulary, tie_word_embeddings=shape != "llama", **{**sizes, **changes})
    with torch.random.fork_rng():
        torch.manual_seed(random_seed)
        return transformers.AutoModelForCausalLM.from_config(config).eval()


def save(folder: Path, shape: str = "qwen3", chat: bool = False, random_seed: int = 0) -> Path:
    """Write a tiny model and its tokenizer as a folder."""
    model(shape, random_seed).save_pretrained(folder)
    tokenizer(chat).save_pretrained(folder)
    return folder
