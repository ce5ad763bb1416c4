"""The n-grams of evaluation texts as sorted 64-bit hashes, each with the places where it stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.corpus.decontaminate.options import FUZZY_NGRAM, DecontaminateOptions
from motherlode.corpus.words import Grams, Hashes, Places, Words, grams, split_words

_SHARE = 0.01  # of a file's items: n-grams in more of them are prompts
_MOST_PLACES = 64  # of one n-gram that are told
_MOST_FILTER_BITS = 24


@dataclass(frozen=True)
class GramIndex:
    """Where n-grams stand in evaluation texts.

    Attributes:
        n: Words in an n-gram.
        hashes: `[g]` ascending.
        starts: `[g + 1]`; the places of n-gram i are `starts[i]:starts[i + 1]`.
        text: `[p]`, the number of the text.
        word: `[p]`, the place of the first word in the text.
        known: A table that says of most hashes that they are not here, at a fraction of the cost of a search.
    """

    n: int
    hashes: Hashes
    starts: Places
    text: Places
    word: Places
    known: NDArray[np.bool_]

    @staticmethod
    def build(found: Grams, bounds: Places, n: int, texts: Places, frequent: NDArray[np.bool_]) -> GramIndex:
        """Sort n-grams.

        Args:
            found: The n-grams of some texts.
            bounds: `[t + 1]`, where the words of each of these texts begin.
            n: Words in an n-gram.
            texts: `[t]`, the numbers of these texts.
            frequent: `[g]`, which n-grams are left out.
        """
        place = np.repeat(np.arange(len(texts)), np.diff(found.bounds))
        chosen = np.flatnonzero(~frequent)
        hashes, place, first = found.hashes[chosen], place[chosen], found.first[chosen]
        order = np.argsort(hashes, kind="stable")  # texts stay in order within an n-gram
        hashes, place, first = hashes[order], place[order], first[order]
        new = np.ones(len(hashes), dtype=bool)
        new[1:] = hashes[1:] != hashes[:-1]
        start = np.flatnonzero(new)
        within = np.arange(len(hashes)) - np.repeat(start, np.diff(np.append(start, len(hashes))))
        told = within < _MOST_PLACES
        hashes, place, first, new = hashes[told], place[told], first[told], new[told]
        start = np.flatnonzero(new)
        bits = min(_MOST_FILTER_BITS, max(10, (16 * len(hashes)).bit_length()))
        known = np.zeros(1 << bits, dtype=bool)
        known[_slot(hashes, bits)] = True
        starts = np.append(start, len(hashes))
        return GramIndex(n, hashes[start], starts, texts[place], first - bounds[place], known)

    def find(self, found: Grams) -> tuple[Places, Places, Places]:
        """Look n-grams up.

        Returns:
            For each occurrence of an n-gram of the index: its place in `found`, the text, and the word there.
        """
        maybe = np.flatnonzero(self.known[_slot(found.hashes, len(self.known).bit_length() - 1)])
        at = np.searchsorted(self.hashes, found.hashes[maybe])
        at[at == len(self.hashes)] = 0
        hit = self.hashes[at] == found.hashes[maybe] if len(self.hashes) else np.zeros(len(maybe), dtype=bool)
        maybe, at = maybe[hit], at[hit]
        counts = self.starts[at + 1] - self.starts[at]
        ends = np.cumsum(counts)
        place = np.arange(counts.sum()) + np.repeat(self.starts[at] - (ends - counts), counts)
        return np.repeat(maybe, counts), self.text[place], self.word[place]


def _slot(hashes: Hashes, bits: int) -> NDArray[np.int64]:
    return (hashes >> np.uint64(64 - bits)).astype(np.int64)


@dataclass(frozen=True)
class EvaluationIndex:
    """All that documents are held against.

    Attributes:
        files: `[t]`, the file of each text.
        items: `[t]`, the first item that has the text there.
        fields: `[t]`, its field.
        texts: `[t]`.
        words: `[t]`, how many words it has.
        long: n-grams of texts that have as many words.
        whole: Texts of fewer words, by their number of words.
        fuzzy: Short n-grams of the long texts; None if not wanted.
        fuzzy_grams: `[t]`, how many different ones of each text count.
        too_short: Items of which no text has enough words to be looked for.
        items_in_all: Items.
    """

    files: list[str]
    items: list[str]
    fields: list[str]
    texts: list[str]
    words: Places
    long: GramIndex
    whole: dict[int, GramIndex]
    fuzzy: GramIndex | None
    fuzzy_grams: Places
    too_short: int
    items_in_all: int

    @staticmethod
    def build(items: pa.Table, options: DecontaminateOptions) -> EvaluationIndex:
        """Index evaluation texts.

        Args:
            items: A table of `items.ITEMS`.
            options: What can be set.
        """
        rows = list(zip(*(items.column(name).to_pylist() for name in items.schema.names), strict=True))
        unique: dict[tuple[str, str], int] = {}
        weights: list[int] = []  # how many rows of the file have the text
        kept: list[tuple[str, str, str, str]] = []
        for row in rows:
            number = unique.setdefault((row[0], row[3]), len(kept))
            if number == len(kept):
                kept.append(row)
                weights.append(0)
            weights[number] += 1
        texts = [row[3] for row in kept]
        words = split_words(texts)
        count = np.diff(words.bounds)
        n, short = options.decontaminate_ngram, min(options.decontaminate_short, options.decontaminate_ngram)
        limits = _limits(rows, options.decontaminate_frequent)
        limit = np.array([limits[row[0]] for row in kept], dtype=np.int64)
        weight = np.array(weights, dtype=np.int64)
        file = np.unique(np.array([row[0] for row in kept], dtype=object), return_inverse=True)[1] if kept else limit
        numbers = np.arange(len(texts))

        def index(length: int, chosen: Places) -> tuple[GramIndex, Grams, NDArray[np.bool_]]:
            part = _choose(words, chosen)
            found = grams(part, length)
            frequent = _frequent(found, file[chosen], weight[chosen], limit[chosen])
            return GramIndex.build(found, part.bounds, length, chosen, frequent), found, frequent

        long = numbers[count >= n]
        lengths = range(short, n)
        fuzzy, fuzzy_grams = None, np.zeros(len(texts), dtype=np.int64)
        if options.decontaminate_fuzzy is not None:
            fuzzy, found, frequent = index(FUZZY_NGRAM, long)
            fuzzy_grams[long] = _different(found, frequent)
        enough = {
            row[:2] for row, words_of in zip(rows, _counts(rows, unique, count), strict=True) if words_of >= short
        }
        everything = {row[:2] for row in rows}
        return EvaluationIndex(
            [row[0] for row in kept],
            [row[1] for row in kept],
            [row[2] for row in kept],
            texts,
            count,
            index(n, long)[0],
            {length: index(length, numbers[count == length])[0] for length in lengths if (count == length).any()},
            fuzzy,
            fuzzy_grams,
            len(everything) - len(enough),
            len(everything),
        )


def _counts(rows: list[tuple[str, ...]], unique: dict[tuple[str, str], int], count: Places) -> list[int]:
    return [int(count[unique[row[0], row[3]]]) for row in rows]


def _limits(rows: list[tuple[str, ...]], frequent: int) -> dict[str, int]:
    """Return, for each file, the number of items from which on an n-gram does not count."""
    items: dict[str, set[str]] = {}
    for row in rows:
        items.setdefault(row[0], set()).add(row[1])
    return {file: max(frequent, int(_SHARE * len(these))) for file, these in items.items()}


def _choose(words: Words, texts: Places) -> Words:
    """Return the words of some of the texts."""
    counts = np.diff(words.bounds)[texts]
    bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    place = np.arange(bounds[-1]) + np.repeat(words.bounds[:-1][texts] - bounds[:-1], counts)
    return Words(words.hashes[place], words.starts[place], words.ends[place], bounds)


def _frequent(found: Grams, file: Places, weight: Places, limit: Places) -> NDArray[np.bool_]:
    """Return `[g]`: whether an n-gram is in more items of its file than count."""
    text = np.repeat(np.arange(len(file)), np.diff(found.bounds))
    order = np.lexsort((text, found.hashes, file[text]))
    hashes, of = found.hashes[order], text[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (hashes[1:] != hashes[:-1]) | (file[of[1:]] != file[of[:-1]])
    new_text = new | np.concatenate([np.zeros(min(1, len(of)), dtype=bool), of[1:] != of[:-1]])
    items = np.bincount(np.cumsum(new) - 1, weights=weight[of] * new_text, minlength=1)
    result = np.zeros(len(order), dtype=bool)
    result[order] = items[np.cumsum(new) - 1] > limit[of] if len(order) else False
    return result


def _different(found: Grams, frequent: NDArray[np.bool_]) -> Places:
    """Return how many different n-grams of each text are not frequent; 0 where most are."""
    text = np.repeat(np.arange(len(found.bounds) - 1), np.diff(found.bounds))
    order = np.lexsort((found.hashes, text))
    new = np.ones(len(order), dtype=bool)
    new[1:] = (found.hashes[order][1:] != found.hashes[order][:-1]) | (text[order][1:] != text[order][:-1])
    first = order[new]
    all_of = np.bincount(text[first], minlength=len(found.bounds) - 1)
    these = np.bincount(text[first], weights=~frequent[first], minlength=len(found.bounds) - 1).astype(np.int64)
    return np.where(2 * these >= all_of, these, 0)
