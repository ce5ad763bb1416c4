"""Which engine `auto` stands for, and how many tokens a batch holds."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the extra 'select' is not installed")

from motherlode.models.batches import token_budget  # noqa: E402
from motherlode.selection.options import SelectOptions  # noqa: E402
from motherlode.selection.scoring import choose_engine  # noqa: E402


@pytest.mark.parametrize(
    ("given", "dtype", "engine"),
    [
        ({}, "float32", "difference"),
        ({"kernel": "loss"}, "float32", "difference"),
        ({"kernel": "loss-adam"}, "float32", "difference"),
        ({"kernel": "ntk-signs"}, "float32", "contraction"),
        ({"normalize": "cosine"}, "float32", "contraction"),
        ({}, "bfloat16", "contraction"),
        ({"kernel": "loss"}, "bfloat16", "contraction"),
        ({"selector": "round-robin"}, "float32", "sketch"),
        ({"kernel": "loss-adam", "normalize": "cosine"}, "bfloat16", "sketch"),
        ({"engine": "reference"}, "bfloat16", "reference"),
    ],
)
def test_auto_follows_the_type_and_what_is_asked_for(given: dict[str, str], dtype: str, engine: str) -> None:
    options = SelectOptions.parse({"n": 1, "model": "-", **given}, "test")
    assert choose_engine(options, getattr(torch, dtype)) == engine


def test_a_token_budget_is_the_device_s_unless_given() -> None:
    assert token_budget(None, torch.device("cpu")) < token_budget(None, torch.device("cuda"))
    assert token_budget(77, torch.device("cuda")) == 77
