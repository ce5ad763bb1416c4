"""Rows: what is packed together is computed as if it stood alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the extra 'train' is not installed")

import torch

from motherlode.adaptation.rows import as_inputs, length, pack, split, targets
from motherlode.models.tokens import Tokens
from tests.models import tiny
from tests.selection.setting import samples


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 60))
def test_packing_loses_nothing_and_fills_no_row_over(lengths: list[int], capacity: int) -> None:
    rows = pack(lengths, capacity)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(len(row) == 1 or sum(lengths[index] for index in row) <= capacity for row in rows)
    half_empty = [row for row in rows if sum(lengths[index] for index in row) * 2 <= capacity]
    assert len(half_empty) <= 1  # two such rows would have been one


@given(st.lists(st.integers(2, 30), min_size=1, max_size=20), st.integers(1, 100))
def test_passes_hold_all_rows_within_the_budget(lengths: list[int], budget: int) -> None:
    rows = [[Tokens(np.zeros(n, dtype=np.int64), 1)] for n in lengths]
    passes = split(rows, budget)
    assert sorted(length(row) for part in passes for row in part) == sorted(lengths)
    assert all(len(part) == 1 or len(part) * max(map(length, part)) <= budget for part in passes)


def _loss(model: Any, inputs: dict[str, Any]) -> Any:
    labels = inputs.pop("labels")
    logits = model(**inputs, use_cache=False).logits[:, :-1].flatten(0, 1)
    return torch.nn.functional.cross_entropy(logits, labels[:, 1:].flatten(), ignore_index=-100, reduction="sum")


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("shape", tiny.SHAPES)
def test_a_packed_row_has_the_loss_and_the_gradient_of_its_pieces(shape: str, attention: str) -> None:
    model = tiny.model(shape)
    model.set_attn_implementation(attention)
    pieces = samples(9)
    alone = [[piece] for piece in pieces]
    packed = [[pieces[index] for index in row] for row in pack([len(piece.ids) for piece in pieces], 60)]
    assert len(packed) < 6
    found = []
    for rows in (alone, packed):
        model.zero_grad()
        total = _loss(model, as_inputs(rows, torch.device("cpu")))
        total.backward()
        found.append((total.item(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])))
    single = sum(_loss(model, as_inputs([row], torch.device("cpu"))).item() for row in alone)
    assert found[0][0] == pytest.approx(single, rel=1e-5)
    assert found[1][0] == pytest.approx(single, rel=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-3, atol=1e-4)
    counted = int((as_inputs(packed, torch.device("cpu"))["labels"] != -100).sum())
    assert counted == targets(alone) == sum(piece.targets for piece in pieces)


def test_joined_to_one_row_the_tokens_are_the_same() -> None:
    pieces = samples(5)
    flat = as_inputs([[pieces[0], pieces[1]], pieces[2:]], torch.device("cpu"), flat=True)
    assert flat["input_ids"].tolist() == [[int(token) for piece in pieces for token in piece.ids]]
    assert flat["position_ids"][0].tolist() == [place for piece in pieces for place in range(len(piece.ids))]


def test_a_silent_pass_predicts_nothing() -> None:
    assert (as_inputs([samples(3)], torch.device("cpu"), silent=True)["labels"] == -100).all()
