"""Random projections of long vectors to a few thousand dimensions, so that inner products are kept on average.

Two kinds. Both give `E <Px, Py> = <x, y>` with a variance of at most `(|x|^2 |y|^2 + <x, y>^2) / p`, p the dimension:

* `rademacher`: a dense matrix of random signs / sqrt(p), as in arXiv 2511.07380 and 2402.04333. It is made in blocks,
  used, and forgotten; n vectors of length D cost n D p multiplications.
* `sparse`: one sign in each of the matrix's columns (a count sketch; Charikar et al. 2002, arXiv 1207.6365), n D
  additions. Its variance is that of `rademacher`, term by term: only the sum over pairs that share a bucket counts,
  and a pair does so with probability 1/p (pairs of the same block never). Buckets are a random rotation of each block
  of p coordinates rather than a hash of each, so that a block is added as two slices.

Signs are the bits of SplitMix64 (Steele et al. 2014) counted by coordinate. A coordinate's column is therefore a
function of the seed and its number alone: a vector may be projected piece by piece, in any order, on any device.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from motherlode.errors import InputError

ProjectionKind = Literal["rademacher", "sparse"]
KINDS: tuple[ProjectionKind, ...] = ("rademacher", "sparse")
DIMENSION = 8192
_WORD = 64
_SIGNS = 1 << 21  # signs of the dense matrix that exist at a time: 8 MiB
_MASK = (1 << 64) - 1
_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def _mix(word: int) -> int:
    """The output function of SplitMix64, of a Python integer."""
    word = ((word ^ (word >> 30)) * _FIRST) & _MASK
    word = ((word ^ (word >> 27)) * _SECOND) & _MASK
    return word ^ (word >> 31)


def _words(base: int, start: int, count: int, device: torch.device) -> torch.Tensor:
    """Words `start` to `start + count` of a sequence: int64, the same on every device."""
    word = torch.arange(start + 1, start + count + 1, device=device) * _signed(_STEP) + _signed(base)
    word = (word ^ ((word >> 30) & ((1 << 34) - 1))) * _signed(_FIRST)
    word = (word ^ ((word >> 27) & ((1 << 37) - 1))) * _signed(_SECOND)
    return word ^ ((word >> 31) & ((1 << 33) - 1))


def _sign_table(device: torch.device) -> torch.Tensor:
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    return torch.from_numpy(bits.astype(np.float32) * 2 - 1).to(device)


class Projection:
    """A projection of vectors of any length.

    Attributes:
        kind: Which one.
        dimension: p.
        random_seed: Decides all signs.
    """

    def __init__(self, kind: ProjectionKind = "rademacher", dimension: int = DIMENSION, random_seed: int = 0) -> None:
        """Describe the projection.

        Args:
            kind: `rademacher` or `sparse`.
            dimension: p, 1 or more.
            random_seed: Decides all signs.

        Raises:
            InputError: The kind is unknown, or the dimension is not positive.
        """
        if kind not in KINDS:
            raise InputError(f"{kind!r} is no projection", where="--projection", hint=f"known: {', '.join(KINDS)}")
        if dimension < 1:
            raise InputError(f"{dimension} dimensions are none", where="--projection-dimension", hint="8192 is usual")
        self.kind, self.dimension, self.random_seed = kind, dimension, random_seed
        self._signs, self._shifts = (_mix(_mix(random_seed & _MASK) ^ stream) for stream in (1, 2))

    def empty(self, count: int, device: torch.device | str = "cpu") -> torch.Tensor:
        """Return the projection of `count` zero vectors, `[count, p]` float32, to be added to."""
        return torch.zeros(count, self.dimension, device=device)

    def add(self, into: torch.Tensor, piece: torch.Tensor, start: int = 0) -> None:
        """Add the projection of a piece of vectors.

        Args:
            into: `[n, p]` float32, changed in place.
            piece: `[n, d]`: coordinates `start` to `start + d` of the vectors.
            start: The number of the first coordinate.
        """
        piece = piece.to(torch.float32)
        if self.kind == "rademacher":
            self._add_dense(into, piece / self.dimension**0.5, start)
        else:
            self._add_sparse(into, piece, start)

    def _add_dense(self, into: torch.Tensor, piece: torch.Tensor, start: int) -> None:
        table = _sign_table(piece.device)
        wide = -(-self.dimension // _WORD)  # words of a column
        size = max(1, _SIGNS // (wide * _WORD))
        for at in range(0, piece.shape[1], size):
            part = piece[:, at : at + size]
            words = _words(self._signs, (start + at) * wide, part.shape[1] * wide, piece.device)
            signs = table.index_select(0, words.view(torch.uint8).int()).view(part.shape[1], wide * _WORD)
            into.addmm_(part, signs[:, : self.dimension])

    def _add_sparse(self, into: torch.Tensor, piece: torch.Tensor, start: int) -> None:
        stop, size = start + piece.shape[1], self.dimension
        first = start // _WORD
        words = _words(self._signs, first, -(-stop // _WORD) - first, piece.device)
        signs = _sign_table(piece.device).index_select(0, words.view(torch.uint8).int()).view(-1)
        signed = piece * signs[start - first * _WORD :][: stop - start]
        for block in range(start // size, -(-stop // size)):
            shift = _mix((self._shifts + (block + 1) * _STEP) & _MASK) % size
            low, high = max(start, block * size), min(stop, (block + 1) * size)
            bucket, at = low - block * size + shift, low - start
            while at < high - start:  # at most two slices: up to the end of the buckets, and on from the first
                bucket %= size
                count = min(high - start - at, size - bucket)
                into[:, bucket : bucket + count] += signed[:, at : at + count]
                bucket, at = bucket + count, at + count


def project(
    vectors: NDArray[np.floating],
    dimension: int = DIMENSION,
    kind: ProjectionKind = "rademacher",
    random_seed: int = 0,
) -> NDArray[np.float32]:
    """Project vectors; inner products of the results are unbiased estimates of theirs.

    Args:
        vectors: `[n, D]`.
        dimension: p, 1 or more.
        kind: `rademacher` or `sparse`.
        random_seed: Decides all signs; only vectors projected under one seed may be compared.

    Returns:
        `[n, p]` float32.

    Raises:
        InputError: The kind is unknown, or the dimension is not positive.
    """
    projection = Projection(kind, dimension, random_seed)
    found = projection.empty(len(vectors))
    projection.add(found, torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32)))
    projected: NDArray[np.float32] = found.numpy()
    return projected
