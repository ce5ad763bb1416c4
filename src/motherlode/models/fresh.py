"""Untrained models: a byte-level BPE tokenizer learnt from texts, and random weights of a shape (Qwen3).

For where no trained model is at hand: pre-training a small one from nothing then is `continue_pretraining` on it. The
same texts, shape and seed give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from motherlode.config import Config
from motherlode.errors import InputError, MissingExtraError

try:
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
except ImportError:
    raise MissingExtraError("select", "making a language model") from None

END, PADDING = "<|endoftext|>", "<|pad|>"
_SPECIAL = (END, "<|im_start|>", "<|im_end|>", PADDING)
_BYTES = 256
CHAT_TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


class Shape(Config):
    """The sizes of a model; heads are of 64 dimensions or less."""

    vocabulary: int = Field(8192, ge=_BYTES + len(_SPECIAL), description="tokens of the tokenizer, at most")
    hidden: int = Field(256, ge=8, description="width of the residual stream")
    layers: int = Field(8, ge=1, description="layers")
    heads: int = Field(4, ge=1, description="attention heads")
    key_value_heads: int = Field(2, ge=1, description="heads of keys and values, shared by several attention heads")
    feed_forward: int = Field(768, ge=8, description="width inside the feed-forward blocks")
    window: int = Field(1024, ge=16, description="most tokens that it reads")

    @model_validator(mode="after")
    def _divides(self) -> Shape:
        if self.hidden % self.heads or self.heads % self.key_value_heads or (self.hidden // self.heads) % 2:
            raise ValueError("hidden is no even multiple of heads, or heads no multiple of key-value-heads")
        return self


SHAPES = {
    "1m": Shape(vocabulary=2048, hidden=128, layers=4, heads=4, key_value_heads=2, feed_forward=384, window=512),
    "8m": Shape(),
    "30m": Shape(vocabulary=16_384, hidden=448, layers=12, heads=7, key_value_heads=7, feed_forward=1152),
    "60m": Shape(vocabulary=16_384, hidden=640, layers=12, heads=10, key_value_heads=5, feed_forward=1792),
    "100m": Shape(vocabulary=16_384, hidden=768, layers=14, heads=12, key_value_heads=4, feed_forward=2304),
}
"""Shapes by their rough number of parameters."""


def train_tokenizer(texts: Iterable[str], vocabulary: int, window: int = 1024) -> Any:
    """Learn a byte-level BPE tokenizer: every text can be written in it.

    Args:
        texts: What it is learnt from.
        vocabulary: Tokens, at most: 256 bytes and 4 special ones, the rest learnt.
        window: The most tokens of a text, which the tokenizer notes.

    Returns:
        A Hugging Face tokenizer with an end-of-sequence token, a padding token and a chat template.
    """
    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(_SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    plain.train_from_iterator(texts, trainer)
    kind: Any = transformers.PreTrainedTokenizerFast
    made = kind(tokenizer_object=plain, bos_token=END, eos_token=END, pad_token=PADDING, model_max_length=window)
    made.chat_template = CHAT_TEMPLATE
    return made


def fresh_model(tokenizer: Any, shape: Shape, random_seed: int = 0) -> Any:
    """Make a model with random weights, input and output embeddings tied.

    Args:
        tokenizer: Its tokenizer; embeddings are rounded up to a multiple of 64 tokens.
        shape: Its sizes.
        random_seed: Seed of the weights.

    Returns:
        The model, in fp32.
    """
    config = transformers.Qwen3Config(
        vocab_size=-(-len(tokenizer) // 64) * 64,
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.hidden // shape.heads,
        max_position_embeddings=shape.window,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(random_seed)
        loader: Any = transformers.AutoModelForCausalLM
        return loader.from_config(config, dtype=torch.float32).eval()


def write_fresh(folder: Path, texts: Iterable[str], shape: Shape, random_seed: int = 0) -> int:
    """Write an untrained model and its tokenizer as a folder that `load_model` reads.

    Args:
        folder: The folder.
        texts: What the tokenizer is learnt from.
        shape: The model's sizes.
        random_seed: Seed of the weights.

    Returns:
        The number of parameters.

    Raises:
        InputError: There is no text.
    """
    tokenizer = train_tokenizer(_some(texts), shape.vocabulary, shape.window)
    model = fresh_model(tokenizer, shape, random_seed)
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model.save_pretrained(str(folder), safe_serialization=True)
    tokenizer.save_pretrained(str(folder))
    return int(sum(parameter.numel() for parameter in model.parameters()))


def _some(texts: Iterable[str]) -> Iterable[str]:
    found = False
    for text in texts:
        found = found or bool(text.strip())
        yield text
    if not found:
        raise InputError("there is no text to learn a tokenizer from")
