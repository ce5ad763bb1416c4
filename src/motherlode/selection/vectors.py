"""Vectors of samples by an encoder, and vectors of a whole pool in shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.encode.encoder import Encoder, load_encoder
from motherlode.encode.vectors import COLUMN, from_column, to_column
from motherlode.models.rows import Samples
from motherlode.selection.resume import read_shards, run_in_shards

_FIT = 20_000  # texts that the lexical encoder is fitted on


class VectorStages(Protocol):
    """What vectors are made by: the model or an encoder."""

    depends: dict[str, Any]

    @property
    def domain_vectors(self) -> NDArray[np.float32]:
        """`[d, h]` unit vectors of the domain samples."""

    def encode(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Encode rows of the pool."""


class EncoderStages:
    """Vectors by an encoder that is not the model."""

    def __init__(self, spec: str, domain: Samples, domain_rows: Sequence[int], pool: Samples, rows: NDArray[np.int64]):
        """Load the encoder, or fit it on the pool.

        Raises:
            InputError: It cannot be loaded.
        """
        self.pool = pool
        self.encoder: Encoder
        if spec == "lexical":
            from motherlode.encode.lexical import LexicalEncoder

            fit = rows[np.unique(np.linspace(0, len(rows) - 1, min(_FIT, len(rows))).astype(np.int64))]
            texts = [pool.text(int(row)) for row in fit] + [domain.text(row) for row in domain_rows]
            self.encoder = LexicalEncoder.fit(pa.array(texts, pa.string()))
        else:
            self.encoder = load_encoder(spec)
        self.depends: dict[str, Any] = {"encoder": self.encoder.fingerprint, "pool": pool.rows.digest}
        self.depends["fields"] = pool.fields
        self._domain_vectors = self._texts([domain.text(row) for row in domain_rows])

    def _texts(self, texts: list[str]) -> NDArray[np.float32]:
        return self.encoder.encode(pa.array(texts, pa.string()))

    @property
    def domain_vectors(self) -> NDArray[np.float32]:
        """`[d, h]` unit vectors of the domain samples."""
        return self._domain_vectors

    def encode(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Encode rows of the pool."""
        return self._texts([self.pool.text(int(row)) for row in rows])


def pool_vectors(stages: VectorStages, work: Path, rows: NDArray[np.int64], shard_rows: int, quiet: bool) -> Path:
    """Encode rows of the pool into a folder of shards; resumable."""

    def make(part: NDArray[np.int64]) -> pa.Table:
        return pa.table({"index": pa.array(part, pa.int64()), COLUMN: to_column(stages.encode(part))})

    return run_in_shards(work, "vectors", stages.depends, rows, make, shard_rows=shard_rows, quiet=quiet)


def vectors_of(folder: Path) -> Iterator[NDArray[np.float32]]:
    """Read the vectors of a folder, shard by shard: `[n_i, h] float32`."""
    return (from_column(column.combine_chunks()) for column in read_shards(folder, COLUMN))
