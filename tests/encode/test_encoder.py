"""Specifications of encoders: what is read, and what is refused before anything heavy is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from motherlode.encode.encoder import KINDS, load_encoder, parse_spec, unit_rows
from motherlode.errors import InputError


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("lexical", ("lexical", "")),
        ("minilm", ("minilm", "")),
        ("st:some/model", ("st", "some/model")),
        ("st:/a:b", ("st", "/a:b")),
        ("static:folder", ("static", "folder")),
        ("distil:minilm", ("distil", "minilm")),
        ("distil:st:some/model", ("distil", "st:some/model")),
    ],
)
def test_specifications(spec: str, parts: tuple[str, str]) -> None:
    assert parse_spec(spec) == parts


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("lexcal", "did you mean 'lexical'"),
        ("minilmm", "did you mean 'minilm'"),
        ("static", "static:MODEL"),
        ("st:", "st:MODEL"),
        ("distil", "distil:MODEL"),
        ("lexical:x", "takes no model"),
        ("minilm:large", "takes no model"),
        ("", "known: "),
        ("word2vec", "known: "),
        (":x", "known: "),
    ],
)
def test_what_is_refused(spec: str, said: str) -> None:
    with pytest.raises(InputError, match="--encoder") as caught:
        parse_spec(spec)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(spec: str) -> None:
    try:
        kind, rest = parse_spec(spec)
    except InputError:
        return
    assert kind in KINDS
    assert spec == (f"{kind}:{rest}" if rest else kind) or spec == f"{kind}:"


@pytest.mark.parametrize("spec", ["lexical", "distil:minilm"])
def test_fitted_encoders_need_a_folder(spec: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        load_encoder(spec)
    with pytest.raises(InputError):
        load_encoder(spec, tmp_path / "none")


@given(hnp.arrays(np.float32, (4, 3), elements=st.floats(-1e6, 1e6, width=32)))
def test_unit_rows(rows: np.ndarray) -> None:
    scaled = unit_rows(rows)
    norms = np.linalg.norm(rows.astype(np.float64), axis=1)
    safe = norms > 1e-15  # squares of smaller ones vanish in float32
    np.testing.assert_allclose(np.linalg.norm(scaled[safe], axis=1), 1, rtol=1e-4)
    np.testing.assert_array_equal(scaled[norms == 0], 0)
    assert np.isfinite(scaled).all()
