"""Which engine `auto` stands for, and how many tokens a batch holds."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the extra 'select' is not installed")

from motherlode.models.batches import token_budget  # noqa: E402
from motherlode.selection.options import SelectOptions  # noqa: E402
from motherlode.selection.scoring import choose_engine  # noqa: E402


@pytest.mark.parametrize(
    ("given", "engine"),
    [
        ({}, "contraction"),
        ({"kernel": "loss"}, "contraction"),
        ({"kernel": "loss-adam"}, "contraction"),
        ({"kernel": "ntk-signs"}, "contraction"),
        ({"normalize": "cosine"}, "contraction"),
        ({"selector": "round-robin"}, "sketch"),
        ({"kernel": "loss-adam", "normalize": "cosine"}, "sketch"),
        ({"engine": "difference"}, "difference"),
        ({"engine": "reference"}, "reference"),
    ],
)
def test_auto_is_exact_unless_pairs_are_asked_for(given: dict[str, str], engine: str) -> None:
    assert choose_engine(SelectOptions.parse({"n": 1, "model": "-", **given}, "test")) == engine


def test_a_token_budget_is_the_device_s_unless_given() -> None:
    assert token_budget(None, torch.device("cpu")) < token_budget(None, torch.device("cuda"))
    assert token_budget(77, torch.device("cuda")) == 77
