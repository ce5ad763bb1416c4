"""Untrained models: every text can be written, the same seed gives the same bytes, and the package loads them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the extra 'select' is not installed")

from motherlode.errors import InputError
from motherlode.models.fresh import SHAPES, Shape, train_tokenizer, write_fresh
from motherlode.models.load import load_model
from tests.invented import records

TEXTS = [row["text"] for row in records(40)]
SMALL = Shape(vocabulary=300, hidden=32, layers=1, heads=2, key_value_heads=1, feed_forward=48, window=64)


def test_every_text_can_be_written_and_chats_have_a_form() -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    assert len(tokenizer) == 300
    for text in ("ünïcödé 漢字 \u202e \x00", TEXTS[0]):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    said = tokenizer.apply_chat_template([{"role": "user", "content": "a"}], tokenize=False, add_generation_prompt=True)
    assert said == "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n"


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    counts = [write_fresh(tmp_path / name, TEXTS, SMALL, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    assert len(set(counts)) == 1
    one, two, other = (load_model(str(tmp_path / name), device="cpu") for name in "abc")
    assert one.digest == two.digest != other.digest
    assert one.window == 64 and one.tokenizer.eos_token_id is not None
    assert sum(parameter.numel() for parameter in one.model.parameters()) == counts[0]


def test_what_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no text"):
        write_fresh(tmp_path / "x", [" "], SMALL)
    with pytest.raises(InputError, match="no even multiple"):
        Shape.parse({"hidden": 30, "heads": 4}, "shape")
    assert {name: shape.hidden % shape.heads for name, shape in SHAPES.items()} == dict.fromkeys(SHAPES, 0)
