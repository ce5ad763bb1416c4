"""Small static encoders of invented words, and corpora of their texts, made in a moment."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.shards.engine import LocalEngine
from tests.invented import write_lines

WORDS = [f"{first}{second}" for first in ("ba", "ce", "di", "fo", "gu", "ka", "le", "mi") for second in "bdfghklm"]


def write_model(folder: Path, vectors: np.ndarray) -> Path:
    """Write a model2vec model with a vector for each of `WORDS`."""
    model2vec = pytest.importorskip("model2vec", reason="the extra 'encoders' is not installed")
    tokenizers = pytest.importorskip("tokenizers")
    tokens = {word: number for number, word in enumerate(["[UNK]", "[PAD]", *WORDS])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(tokens, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    table = np.concatenate([np.zeros((2, vectors.shape[1])), vectors]).astype(np.float32)
    model2vec.StaticModel(table, tokenizer, normalize=True).save_pretrained(str(folder))
    return folder


def one_hot_model(folder: Path) -> Path:
    """A dimension a word: a text of four words has four entries of a half, whose products are exact and often tie."""
    return write_model(folder, np.eye(len(WORDS)))


def random_model(folder: Path) -> Path:
    """Words of the same first syllable are near each other."""
    generator = np.random.default_rng(5)
    centres = np.repeat(generator.normal(size=(8, 32)), 8, axis=0)
    return write_model(folder, centres + 0.7 * generator.normal(size=(64, 32)))


def texts_of(count: int, words: int, random_seed: int) -> list[str]:
    """Draw texts of distinct words, most of one first syllable; no two of the same words in the same order."""
    choice = random.Random(random_seed)
    found: dict[str, None] = {}
    while len(found) < count:
        syllable = choice.randrange(8) * 8
        own = choice.sample(WORDS[syllable : syllable + 8], words // 2)
        found[" ".join(own + choice.sample([word for word in WORDS if word not in own], words - words // 2))] = None
    return list(found)


def build(folder: Path, texts: Sequence[str], encoder: str, shard_rows: int = 100) -> Corpus:
    """Build and encode a corpus whose ids are `d0`, `d1` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"id": f"d{number}", "text": text} for number, text in enumerate(texts)]
    source = write_lines(folder / "documents.jsonl", rows)
    with LocalEngine(1, quiet=True) as engine:
        corpus = Corpus.build(source, folder / "corpus", engine=engine, shard_rows=shard_rows, min_words=1)
        corpus.encode(encoder, engine=engine)
    return corpus
