"""Documents split into words and lines, many at a time, without a loop over words.

A block of documents is one array of code points. Words, lines and their hashes are arrays over the block, found by
comparing each character's class with its neighbours', and shared by all rules. A word is what spaCy's tokenizer for
English makes of a text, in its main cases: punctuation stands alone (`end` `.`), contractions are cut (`it` `'s`), so
are words joined by hyphens (`well` `-` `known`); numbers (`3,000.50`), abbreviations (`U.S.`) and addresses of pages
stay whole. In scripts that are written without spaces each letter is a word. `tests/corpus/quality/test_parity.py`
counts what the differences change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from motherlode.corpus.quality.characters import ALONE, BREAK, MARK, SPACE, WORD, Flags, flags
from motherlode.corpus.quality.exceptions import cut_contractions_without_apostrophe, cut_units
from motherlode.corpus.quality.hashing import Hashes, Ints, running_sums, stretch_hashes
from motherlode.corpus.quality.symbols import join_symbols

BLOCK_CHARACTERS = 1 << 18  # arrays of a block fit into the caches of a core
BLOCK_DOCUMENTS = 1024


class Block:
    """Some documents, as arrays over their characters, words and lines.

    Attributes:
        text: The documents, a line end after each.
        starts: `[d]` where each document begins in `text`.
        ends: `[d]` where it ends.
        codes: `[c]` code points.
        flags: `[c]` classes of characters.
        word_starts: `[w]` where words begin.
        word_ends: `[w]` where they end.
        word_offsets: `[d + 1]` the first word of each document.
        line_starts: `[l]` where lines begin, empty ones included.
        line_ends: `[l]` where they end, without what breaks them.
        line_offsets: `[d + 1]` the first line of each document.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        """Classify and split.

        Args:
            texts: Documents, at least one; without lone surrogates.
        """
        self.text = "\n".join([*texts, ""])
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        self.ends = np.cumsum(lengths + 1) - 1
        self.starts = self.ends - lengths
        self.codes = np.frombuffer(self.text.encode("utf-32-le"), dtype=np.uint32)
        self.flags = flags()[self.codes]
        self._find_words()
        self._find_lines()

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.starts)

    @property
    def lengths(self) -> Ints:
        """`[d]` characters of each document."""
        return self.ends - self.starts

    @cached_property
    def _sums(self) -> Hashes:
        return running_sums(self.codes)

    def hashes(self, starts: Ints, ends: Ints) -> Hashes:
        """Hash stretches of the text.

        Args:
            starts: `[n]` where they begin.
            ends: `[n]` where they end.

        Returns:
            `[n] uint64`: equal for equal texts, wherever they stand.
        """
        return stretch_hashes(self._sums, starts, ends)

    @cached_property
    def word_hashes(self) -> Hashes:
        """`[w] uint64` hashes of the words."""
        return self.hashes(self.word_starts, self.word_ends)

    @cached_property
    def word_kinds(self) -> Flags:
        """`[w]` the flags of all characters of each word together."""
        if not len(self.word_starts):
            return self.flags[:0]
        kinds: Flags = np.bitwise_or.reduceat(self.flags, self.word_starts)
        return kinds

    @cached_property
    def line_edges(self) -> tuple[Ints, Ints]:
        """`[l]` the first and the last character of each line that is no white space; first > last if there is none."""
        most = max(0, len(self.word_starts) - 1)
        if not len(self.word_starts):
            return self.line_ends, self.line_ends - 1
        first = self.word_starts[np.minimum(np.searchsorted(self.word_starts, self.line_starts), most)]
        last = self.word_ends[np.searchsorted(self.word_ends, self.line_ends, side="right") - 1] - 1
        empty = (first >= self.line_ends) | (last < self.line_starts)
        return np.where(empty, self.line_ends, first), np.where(empty, self.line_ends - 1, last)

    def _find_words(self) -> None:
        flags = self.flags
        space = (flags & SPACE) != 0
        symbol = (flags & (SPACE | WORD)) == 0
        begins = ~space
        apart = symbol[1:] | symbol[:-1] | space[:-1]
        if (flags & ALONE).any():
            alone = (flags & ALONE) != 0
            apart |= alone[1:] | (alone[:-1] & ((flags[1:] & MARK) == 0))
        begins[1:] &= apart
        join_symbols(self, begins, np.flatnonzero(symbol))
        goes_on = np.append(~space[1:] & ~begins[1:], False)
        self.word_starts = np.flatnonzero(begins)
        self.word_ends = np.flatnonzero(~space & ~goes_on) + 1
        cuts = [
            find(self, self.word_starts, self.word_ends) for find in (cut_contractions_without_apostrophe, cut_units)
        ]
        if any(map(len, cuts)):
            self.word_starts = np.sort(np.concatenate([self.word_starts, *cuts]))
            self.word_ends = np.sort(np.concatenate([self.word_ends, *cuts]))
        self.word_offsets = np.append(np.searchsorted(self.word_starts, self.starts), len(self.word_starts))

    def _find_lines(self) -> None:
        breaks = np.flatnonzero(self.flags & BREAK)
        carriage = breaks[self.codes[breaks] == ord("\r")]
        if len(carriage):  # \r\n breaks once, at the \n, and the \r belongs to no line
            breaks = np.setdiff1d(breaks, carriage[self.codes[carriage + 1] == ord("\n")])
        self.line_starts = np.concatenate([[0], breaks[:-1] + 1])
        self.line_ends = breaks.copy()
        if len(carriage):
            self.line_ends -= (breaks > 0) & (self.codes[breaks] == ord("\n")) & (self.codes[breaks - 1] == ord("\r"))
            self.line_ends = np.maximum(self.line_ends, self.line_starts)
        self.line_offsets = np.append(np.searchsorted(self.line_starts, self.starts), len(self.line_starts))


def totals(values: NDArray[np.generic], offsets: Ints) -> Ints:
    """Add up values of consecutive groups, of which some may be empty.

    Args:
        values: `[n]` numbers or truth values.
        offsets: `[g + 1]` where groups begin.

    Returns:
        `[g]` sums.
    """
    sums = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(values, out=sums[1:])
    result: Ints = sums[offsets[1:]] - sums[offsets[:-1]]
    return result


def blocks(texts: Sequence[str]) -> Iterator[tuple[int, Block]]:
    """Cut documents into blocks.

    Args:
        texts: Documents.

    Yields:
        The number of a block's first document, and the block. What a document's arrays hold does not depend on the
        documents beside it.
    """
    start = size = 0
    for place, text in enumerate(texts):
        if place > start and (size + len(text) >= BLOCK_CHARACTERS or place - start == BLOCK_DOCUMENTS):
            yield start, Block(texts[start:place])
            start, size = place, 0
        size += len(text) + 1
    if start < len(texts):
        yield start, Block(texts[start:])
