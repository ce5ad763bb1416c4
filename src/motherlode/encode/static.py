"""Static encoders: a vector a token, averaged; models made by model2vec, from a folder or distilled here.

Distilling (Tulkens & van Dongen, model2vec) passes every token of a sentence encoder's vocabulary through it once,
reduces the outputs and weights them by frequency; the result reads texts of any length at thousands of documents a
second on a CPU.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.encode.encoder import parse_spec, unit_rows
from motherlode.errors import InputError, MissingExtraError
from motherlode.shards import store
from motherlode.shards.fingerprint import file_digest, fingerprint

_FILES = ("model.safetensors", "tokenizer.json", "config.json")
_HINT = "name a folder that model2vec saved, or use distil:minilm"


class StaticEncoder:
    """A static token-embedding model."""

    window: int | None = None

    def __init__(self, folder: Path, name: str | None = None) -> None:
        """Load a model from a folder (`model.safetensors`, `tokenizer.json`, `config.json`).

        Args:
            folder: Where it lies.
            name: What it is called; by default the folder's name.

        Raises:
            MissingExtraError: model2vec is not installed.
            InputError: The folder holds no such model.
        """
        try:
            from model2vec import StaticModel
        except ImportError:
            raise MissingExtraError("encoders", "a static encoder", where="--encoder") from None
        if not (folder / "model.safetensors").exists():
            raise InputError(
                "holds no model2vec model (no model.safetensors)", where=f"--encoder static:{folder}", hint=_HINT
            )
        try:
            self._model = StaticModel.from_pretrained(str(folder), normalize=True)
        except Exception as error:
            line = " ".join(str(error).split()) or type(error).__name__
            raise InputError(
                f"the model cannot be loaded ({line[:200]})", where=f"--encoder static:{folder}", hint=_HINT
            ) from error
        self.name = name or folder.name
        self._digest = [file_digest(path) for name in _FILES if (path := folder / name).exists()]

    @property
    def dimensions(self) -> int:
        """The length of a vector."""
        return int(self._model.dim)

    @property
    def fingerprint(self) -> str:
        """Digest of weights, tokeniser and settings."""
        return fingerprint("static", 2, self._digest)

    def encode(self, texts: pa.Array) -> NDArray[np.float32]:
        """Encode `[n]` strings as `[n, d] float32` of unit length; a text without known tokens gives zeros."""
        strings = texts.fill_null("").to_pylist()
        vectors = self._model.encode(strings, max_length=None, use_multiprocessing=False)
        return unit_rows(np.nan_to_num(np.asarray(vectors, dtype=np.float32)))


def distil(spec: str, folder: Path, dimensions: int = 256) -> None:
    """Distil a sentence encoder into a static one.

    Args:
        spec: `minilm` or `st:NAME_OR_FOLDER`.
        folder: Where the model goes.
        dimensions: Length of a vector.

    Raises:
        InputError: The specification names no sentence encoder.
        MissingExtraError: What distilling needs is not installed.
    """
    kind, rest = parse_spec(spec)
    if kind not in ("minilm", "st"):
        raise InputError(f"cannot distil {spec!r}", where="--encoder", hint="use distil:minilm or distil:st:MODEL")
    from motherlode.encode.sentence import minilm_folder

    path = str(minilm_folder()) if kind == "minilm" else rest
    try:
        from model2vec.distill import distill
    except ImportError:
        raise MissingExtraError("encoders", "distilling an encoder", where="--encoder") from None
    model = distill(path, pca_dims=dimensions)
    temporary = folder.with_name(f".{folder.name}.distil")
    store.remove(temporary)
    model.save_pretrained(str(temporary))
    store.make_folder(folder)
    for file in sorted(temporary.iterdir(), key=lambda item: item.name == "config.json"):
        if file.is_file():
            store.write_bytes(folder / file.name, file.read_bytes())
    store.remove(temporary)
