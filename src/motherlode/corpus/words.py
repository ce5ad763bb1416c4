"""Words of many texts at once: a 64-bit hash and a place for each, and the hashes of their n-grams.

What near-duplicates and decontamination compare. A word is a run of letters, digits and marks, folded for case and
width; a character of a script that is written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) is a word
of its own, so that word n-grams are character n-grams there, also within a mixed text. No Python runs per word: texts
become arrays of code points, and the hash of any span is a difference of two prefix sums of a polynomial modulo 2^64
(Karp and Rabin 1987). Such hashes can be collided on purpose; whoever drops something by them compares words.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

_RUN_TEXTS = 256  # looked at together: what is computed of them stays in the cache
_RUN_CHARACTERS = 1 << 20  # of a run, unless one text alone has more; each takes some 15 bytes while it is looked at
_CHUNK = 1 << 16  # characters hashed at a time: the arrays of a chunk stay in the cache (2^20 takes twice as long)
_ODD = 0x9E3779B97F4A7C15
_ODD_OF_WORDS = 0xD1342543DE82EF95
_CODES = 0x110000
_LAST_LISTED = 0x20000  # beyond are ideographs, and nothing that is written
_IDEOGRAPHS = (0x20000, 0x40000)
_WITHOUT_SPACES = (
    (0x0E00, 0x0F00),  # Thai, Lao
    (0x1000, 0x10A0),  # Burmese
    (0x1780, 0x1800),  # Khmer
    (0x3005, 0x3008),  # iteration marks
    (0x3040, 0x3100),  # kana
    (0x31F0, 0x3200),
    (0x3400, 0x4DC0),
    (0x4E00, 0xA000),
    (0xF900, 0xFB00),
    (0x1B000, 0x1B170),
    _IDEOGRAPHS,
)


@dataclass(frozen=True)
class Words:
    """The words of n texts.

    Attributes:
        hashes: `[w] uint64`, equal for words that are equal when folded.
        starts: `[w]`, where each word begins, in characters of its text.
        ends: `[w]`, where it ends.
        bounds: `[n + 1]`; the words of text i are `bounds[i]:bounds[i + 1]`.
    """

    hashes: Hashes
    starts: Places
    ends: Places
    bounds: Places


@dataclass(frozen=True)
class Grams:
    """The n-grams of the words of n texts.

    Attributes:
        hashes: `[g] uint64`.
        first: `[g]`, the place in `Words.hashes` of the first word of each.
        bounds: `[n + 1]`; the n-grams of text i are `bounds[i]:bounds[i + 1]`.
    """

    hashes: Hashes
    first: Places
    bounds: Places


def mix(values: Hashes) -> Hashes:
    """Spread 64-bit values so that each bit depends on all (the finaliser of SplitMix64, Steele et al. 2014)."""
    mixed = values ^ (values >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def fold(text: str) -> list[str]:
    """Return the words of one text as they are compared, for people and for checks; slower than `split_words`."""
    codes = _fold_table()[_code_points(text)]
    folded = codes.astype("<u4").tobytes().decode("utf-32-le", "replace")
    words = split_words([text])
    return [folded[start:end] for start, end in zip(words.starts.tolist(), words.ends.tolist(), strict=True)]


def split_words(texts: Sequence[str]) -> Words:
    """Find and hash the words of texts.

    Args:
        texts: Any texts that UTF-8 can hold.

    Returns:
        Their words; the same hashes whatever the other texts are.
    """
    hashes, starts, ends = [], [], []
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum(lengths + 1, out=offsets[1:])
    for begin, chunk in _chunks(texts, offsets):
        these, start, end = _hash_words(_code_points(chunk))
        hashes.append(these)
        starts.append(start + begin)
        ends.append(end + begin)
    if not hashes:
        nothing = np.zeros(0, dtype=np.int64)
        return Words(nothing.astype(np.uint64), nothing, nothing, np.zeros(len(texts) + 1, dtype=np.int64))
    all_starts, all_ends = np.concatenate(starts), np.concatenate(ends)
    bounds = np.searchsorted(all_starts, offsets)
    shift = np.repeat(offsets[:-1], np.diff(bounds))
    return Words(np.concatenate(hashes), all_starts - shift, all_ends - shift, bounds)


def grams(words: Words, n: int, *, short: bool = False) -> Grams:
    """Hash the n-grams of words.

    Args:
        words: The words of some texts.
        n: Words in an n-gram, 1 or more.
        short: Whether a text of fewer than n words, but one at least, has a single n-gram of all of them.

    Returns:
        The n-grams in order, repeated ones included.
    """
    have = np.diff(words.bounds)
    count = np.maximum(have - n + 1, 0)
    if short:
        count = np.maximum(count, have > 0)
    bounds = np.zeros(len(count) + 1, dtype=np.int64)
    np.cumsum(count, out=bounds[1:])
    first = np.arange(bounds[-1]) + np.repeat(words.bounds[:-1] - bounds[:-1], count)
    last = first + n
    if short:
        last = np.minimum(last, np.repeat(words.bounds[1:], count))
    sums = np.zeros(len(words.hashes) + 1, dtype=np.uint64)
    powers, inverses = _powers(_ODD_OF_WORDS, len(words.hashes))
    np.cumsum(words.hashes * powers[: len(words.hashes)], out=sums[1:])
    return Grams(mix((sums[last] - sums[first]) * inverses[first]), first, bounds)


def text_runs(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut a batch of texts into runs that are small enough to be looked at together."""
    start = characters = 0
    for place, text in enumerate(texts):
        if place > start and (place - start == _RUN_TEXTS or characters + len(text) > _RUN_CHARACTERS):
            yield texts[start:place]
            start, characters = place, 0
        characters += len(text)
    if start < len(texts):
        yield texts[start:]


def _chunks(texts: Sequence[str], offsets: Places) -> Iterator[tuple[int, str]]:
    """Yield runs of texts joined by line ends, of about `_CHUNK` characters, with the place where each begins.

    A longer text is cut, between words where that is possible.
    """
    first = 0
    while first < len(texts):
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + _CHUNK, side="right")) - 1)
        begin = int(offsets[first])
        if last > first + 1 or len(texts[first]) <= _CHUNK:
            yield begin, "\n".join(texts[first:last])
        else:
            text, start = texts[first], 0
            while start < len(text):
                stop = start + _CHUNK
                space = text.rfind(" ", start + _CHUNK // 2, stop) if stop < len(text) else -1
                stop = space + 1 if space > 0 else stop
                yield begin + start, text[start:stop]
                start = stop
        first = last


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "replace"), dtype="<u4")


def _hash_words(codes: NDArray[np.uint32]) -> tuple[Hashes, Places, Places]:
    """Return hash, start and end of every word in an array of code points."""
    kinds, values = _tables()
    kind = kinds[codes]
    run, single = kind == 1, kind == 2
    edge = np.zeros(len(codes) + 1, dtype=bool)
    edge[1:-1] = run[1:] != run[:-1]
    if len(codes):
        edge[0], edge[-1] = run[0], run[-1]
    changes = np.flatnonzero(edge)
    starts, ends = changes[::2], changes[1::2]
    if single.any():
        alone = np.flatnonzero(single)
        starts, ends = np.concatenate([starts, alone]), np.concatenate([ends, alone + 1])
        order = np.argsort(starts)
        starts, ends = starts[order], ends[order]
    powers, inverses = _powers(_ODD, len(codes))
    sums = np.zeros(len(codes) + 1, dtype=np.uint64)
    np.cumsum(values[codes] * powers[: len(codes)], out=sums[1:])
    return mix((sums[ends] - sums[starts]) * inverses[starts]), starts, ends


_POWERS: dict[int, tuple[Hashes, Hashes]] = {}


def _powers(base: int, count: int) -> tuple[Hashes, Hashes]:
    """Return at least `count` powers of an odd number modulo 2^64, and of its inverse."""
    known = _POWERS.get(base)
    if known is None or len(known[0]) < count:
        size = max(_CHUNK, 1 << max(0, count - 1).bit_length())
        known = _POWERS[base] = _raise(base, size), _raise(pow(base, -1, 1 << 64), size)
    return known


def _raise(base: int, size: int) -> Hashes:
    powers = np.ones(size, dtype=np.uint64)
    done = 1
    while done < size:
        powers[done : 2 * done] = powers[: min(done, size - done)] * np.uint64(pow(base, done, 1 << 64))
        done *= 2
    return powers


@functools.cache
def _fold_table() -> NDArray[np.uint32]:
    """Return, for each code point, the one that it is compared as."""
    table = np.arange(_CODES, dtype=np.uint32)
    for code in range(_LAST_LISTED):
        character = chr(code)
        if 0xD800 <= code < 0xE000:
            continue
        for folded in (unicodedata.normalize("NFKC", character).casefold(), character.lower()):
            if len(folded) == 1:
                table[code] = ord(folded)
                break
    return table


@functools.cache
def _tables() -> tuple[NDArray[np.uint8], Hashes]:
    """Return, for each code point, its kind (0 between words, 1 within, 2 a word of its own) and its random value."""
    kinds = np.zeros(_CODES, dtype=np.uint8)
    kinds[:_LAST_LISTED] = [unicodedata.category(chr(code))[0] in "LMN" for code in range(_LAST_LISTED)]
    kinds[slice(*_IDEOGRAPHS)] = 1
    for low, high in _WITHOUT_SPACES:
        kinds[low:high] *= 2
    values = mix(_fold_table().astype(np.uint64) + np.uint64(_ODD))
    return kinds, values
