"""Static encoders: distilled here from a part of the packaged MiniLM, loaded from a folder, refused without one."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from motherlode.encode.encoder import Encoder, load_encoder
from motherlode.encode.static import StaticEncoder, distil
from motherlode.errors import InputError
from tests.invented import NOISE, document

pytest.importorskip("model2vec", reason="the extra 'encoders' is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder(distilled_folder: Path) -> Encoder:
    return load_encoder(f"static:{distilled_folder}")


def test_about_itself(encoder: Encoder, distilled_folder: Path) -> None:
    assert encoder.name == distilled_folder.name
    assert encoder.window is None
    assert encoder.dimensions == 64
    assert StaticEncoder(distilled_folder, "other").fingerprint == encoder.fingerprint


def test_unit_vectors_and_zeros_for_nothing(encoder: Encoder) -> None:
    vectors = encoder.encode(pa.array(["alder and birch", "", None, " ", "a long day " * 2000], pa.string()))
    assert vectors.shape == (5, 64)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors[[0, 4]], axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(vectors[[1, 2, 3]], 0)


def test_batches_and_order_do_not_matter(encoder: Encoder) -> None:
    choice = random.Random(3)
    texts = pa.array([document([choice.choice(NOISE)], choice, choice.randint(1, 900)) for _ in range(20)])
    whole = encoder.encode(texts)
    parts = [encoder.encode(texts.slice(start, 7)) for start in (0, 7, 14)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)
    np.testing.assert_allclose(encoder.encode(texts.take(pa.array(range(19, -1, -1))))[::-1], whole, atol=1e-6)


def test_nothing_is_cut_off(encoder: Encoder) -> None:
    text = "the weather was mild " * 1500
    before, after = encoder.encode(pa.array([text, text + "violin concerto in a minor"]))
    assert not np.array_equal(before, after)


def test_near_meanings_are_near(encoder: Encoder) -> None:
    vectors = encoder.encode(
        pa.array(["a doctor treats patients", "nurses in a hospital", "the goalkeeper kicks a ball"])
    )
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_the_tokeniser_decides_too(encoder: Encoder, distilled_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(distilled_folder, tmp_path / "copy")
    tokeniser = tmp_path / "copy" / "tokenizer.json"
    tokeniser.write_text(tokeniser.read_text() + "\n")
    assert StaticEncoder(tmp_path / "copy").fingerprint != encoder.fingerprint


@pytest.mark.parametrize("spec", ["lexical", "static:folder", "distil:minilm"])
def test_only_sentence_encoders_are_distilled(tmp_path: Path, spec: str) -> None:
    with pytest.raises(InputError, match="cannot distil"):
        distil(spec, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_the_packaged_model_is_distilled(tmp_path: Path) -> None:
    distil("minilm", tmp_path / "out", dimensions=64)
    vectors = load_encoder(f"static:{tmp_path / 'out'}").encode(
        pa.array(["a doctor treats patients", "nurses in a hospital", "the goalkeeper kicks a ball"])
    )
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.1


def damage(folder: Path, what: str) -> None:
    if what == "empty":
        shutil.rmtree(folder)
        folder.mkdir()
    elif what == "missing":
        shutil.rmtree(folder)
    elif what == "no weights":
        (folder / "model.safetensors").unlink()
    elif what == "torn weights":
        (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:500])
    elif what == "torn tokeniser":
        (folder / "tokenizer.json").write_text("{")
    elif what == "no tokeniser":
        (folder / "tokenizer.json").unlink()
    elif what == "torn settings":
        (folder / "config.json").write_text("{")


@pytest.mark.parametrize(
    "what",
    ["empty", "missing", "no weights", "torn weights", "torn tokeniser", "no tokeniser", "torn settings"],
)
def test_a_folder_without_a_model(distilled_folder: Path, tmp_path: Path, what: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(distilled_folder, folder)
    damage(folder, what)
    with pytest.raises(InputError) as caught:
        load_encoder(f"static:{folder}")
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
