"""Hashes of any stretch of a text from one running sum: polynomials over code points modulo 2^64.

Equal stretches have equal hashes wherever they stand. That different ones meet is a matter of one in 10^12 documents,
unless someone builds such a text; then a rule counts a repeat too many.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Mask = NDArray[np.bool_]

_BASE = 0x9E3779B97F4A7C15
_MIX = np.uint64(0xD6E8FEB86659FD93)
_LEAST = 1 << 18


@cache
def _powers(length: int) -> tuple[Hashes, Hashes]:
    """Return the powers of the base and of its inverse, `[length] uint64` each, modulo 2^64."""
    both = []
    for base in (_BASE, pow(_BASE, -1, 1 << 64)):
        steps = np.full(length, np.uint64(base))
        steps[0] = 1
        both.append(np.cumprod(steps, dtype=np.uint64))
    return both[0], both[1]


def _powers_for(length: int) -> tuple[Hashes, Hashes]:
    if length <= 4 * _LEAST:
        return _powers(4 * _LEAST)
    return _powers.__wrapped__(length)  # of a giant text: not to be held for ever


def running_sums(codes: NDArray[np.uint32]) -> Hashes:
    """Return what `stretch_hashes` takes.

    Args:
        codes: `[c]` code points.

    Returns:
        `[c + 1] uint64`.
    """
    powers, _ = _powers_for(len(codes))
    sums = np.zeros(len(codes) + 1, dtype=np.uint64)
    np.cumsum((codes + np.uint64(1)) * powers[: len(codes)], out=sums[1:])
    return sums


def stretch_hashes(sums: Hashes, starts: Ints, ends: Ints) -> Hashes:
    """Hash stretches.

    Args:
        sums: The running sums of the text.
        starts: `[n]` where stretches begin.
        ends: `[n]` where they end.

    Returns:
        `[n] uint64`.
    """
    _, inverses = _powers_for(len(sums) - 1)
    return mix((sums[ends] - sums[starts]) * inverses[starts])


def mix(values: Hashes) -> Hashes:
    """Scramble hashes, so that sums and products of them do not meet."""
    values = (values ^ (values >> np.uint64(32))) * _MIX
    return (values ^ (values >> np.uint64(32))) * _MIX


def text_hash(text: str) -> np.uint64:
    """Return the hash that a stretch with this text has."""
    value = 0
    for place, character in enumerate(text):
        value += (ord(character) + 1) * pow(_BASE, place, 1 << 64)
    return np.uint64(mix(np.array([value % (1 << 64)], dtype=np.uint64))[0])


def text_hashes(texts: Iterable[str]) -> Hashes:
    """Return the hashes of some texts, ascending."""
    return np.sort(np.array([text_hash(text) for text in texts], dtype=np.uint64))


def is_in(values: Hashes, known: Hashes) -> Mask:
    """Return which hashes are among known ones, given ascending."""
    found: Mask = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return found
