"""How much of a document repeats: lines, paragraphs, n-grams of words; counted over hashes, many documents at a time.

An n-gram can only repeat where the (n-1)-grams at both of its ends do. So only pairs of words are sorted in full; each
longer n-gram is looked for among the few places that the shorter one left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from motherlode.corpus.quality.hashing import Hashes, Ints, Mask, mix
from motherlode.corpus.quality.rules import share
from motherlode.corpus.quality.words import BLOCK_DOCUMENTS, Block, totals

_FACTOR = np.uint64(0xA24BAED4963EE407)


@dataclass(frozen=True)
class LineRepeats:
    """Lines or paragraphs of each document of a block.

    Attributes:
        all: `[d]` how many there are, empty ones left out.
        repeats: `[d]` how many repeat an earlier one.
        characters: `[d]` the characters of these.
    """

    all: Ints
    repeats: Ints
    characters: Ints


def line_repeats(block: Block, *, paragraphs: bool = False) -> LineRepeats:
    """Count the lines, or paragraphs, that repeat an earlier one of their document.

    Args:
        block: The documents.
        paragraphs: Whether lines that follow each other without an empty one between them count as one.

    Returns:
        The counts.
    """
    full = block.line_ends > block.line_starts
    starts, ends = block.line_starts[full], block.line_ends[full]
    offsets = np.append(0, np.cumsum(totals(full, block.line_offsets)))
    if paragraphs and len(starts):
        numbers = np.flatnonzero(full)
        opens = np.append(True, np.diff(numbers) > 1)
        opens[offsets[:-1][np.diff(offsets) > 0]] = True
        closes = np.append(opens[1:], True)
        offsets = np.append(0, np.cumsum(totals(opens, offsets)))
        starts, ends = starts[opens], ends[closes]
    documents = np.repeat(np.arange(len(block)), np.diff(offsets))
    groups = _groups(documents, block.hashes(starts, ends))
    later = groups.members[~groups.first]
    repeats = np.bincount(documents[later], minlength=len(block))
    characters = np.bincount(documents[later], weights=(ends - starts)[later], minlength=len(block))
    return LineRepeats(np.diff(offsets), repeats, characters.astype(np.int64))


@dataclass(frozen=True)
class _Groups:
    """Items that share a document and a hash, two or more of them.

    Attributes:
        members: `[m]` items of all groups, group by group, in order within each.
        first: `[m]` whether a member is the first of its group.
    """

    members: Ints
    first: Mask


def _groups(documents: Ints, hashes: Hashes) -> _Groups:
    """Group items; sorting whole numbers that hold document, hash and place is five times as fast as sorting places."""
    count = len(hashes)
    bits_of_place = 20 if count <= 1 << 20 else 32
    bits_of_document = BLOCK_DOCUMENTS.bit_length() if bits_of_place == 20 else 0  # so long a document is alone
    bits_of_hash = 64 - bits_of_place - bits_of_document
    keys = documents.astype(np.uint64) << np.uint64(bits_of_hash) if bits_of_document else np.zeros(count, np.uint64)
    keys |= hashes >> np.uint64(64 - bits_of_hash)
    keys = (keys << np.uint64(bits_of_place)) | np.arange(count, dtype=np.uint64)
    keys.sort()
    places = (keys & np.uint64((1 << bits_of_place) - 1)).astype(np.int64)
    keys >>= np.uint64(bits_of_place)
    same = np.zeros(count + 1, dtype=bool)
    near = np.flatnonzero(keys[1:] == keys[:-1])
    same[near + 1] = hashes[places[near]] == hashes[places[near + 1]]
    inside = same[:-1] | same[1:]
    return _Groups(places[inside], ~same[:-1][inside])


def ngram_repeats(block: Block, top: Mapping[int, float], repeated: Mapping[int, float]) -> Iterator[tuple[str, Mask]]:
    """Find the documents of which too many characters stand in repeated n-grams.

    Args:
        block: The documents.
        top: The largest share of characters in the most frequent n-gram (ties: the first), blanks between words
            included, by n.
        repeated: The largest share of characters in n-grams that stood earlier in the document, those that overlap
            counted once, by n.

    Yields:
        A reason, and `[d]` whether it holds for a document: first all most frequent n-grams, then all repeated ones.
    """
    words = block.word_hashes
    lengths = block.word_ends - block.word_starts
    sums = np.append(0, np.cumsum(lengths))
    offsets = block.word_offsets
    documents = np.repeat(np.arange(len(block)), np.diff(offsets))
    last = np.repeat(offsets[1:], np.diff(offsets))  # the end of the document that a word stands in
    places = np.arange(len(words))
    hashes = words.copy()
    characters = block.lengths
    findings: dict[str, Mask] = {}
    for size in range(2, max([1, *top, *repeated]) + 1):
        fits = places + size <= last[places]
        places, hashes = places[fits], hashes[fits]
        hashes = mix(hashes * _FACTOR + words[places + size - 1])
        groups = _groups(documents[places], hashes)
        if size in top:
            found = _most_frequent(block, groups, places, sums, size)
            findings[f"most frequent {size}-gram"] = share(found, characters) > top[size]
        places_of_members = places[groups.members]
        if size in repeated:
            order = np.argsort(places_of_members)
            candidates = places_of_members[order]
            covered = _covered(candidates, size, sums, documents, len(block))
            broken = share(covered, characters) > repeated[size]
            for document in np.flatnonzero(broken):  # few: the others have too few characters in any repeat at all
                low, high = np.searchsorted(candidates, offsets[document : document + 2])
                keys = hashes[groups.members[order[low:high]]]
                found_characters = _walk(candidates[low:high], keys, size, sums)
                broken[document] = found_characters / characters[document] > repeated[size]
            findings[f"repeated {size}-grams"] = broken
        # a longer n-gram can repeat only where this one does, at its beginning and one word later
        repeats = np.zeros(len(words) + 1, dtype=bool)
        repeats[places_of_members] = True
        goes_on = repeats[places] & repeats[places + 1]
        places, hashes = places[goes_on], hashes[goes_on]
    yield from ((reason, broken) for reason, broken in findings.items() if reason.startswith("most"))
    yield from ((reason, broken) for reason, broken in findings.items() if not reason.startswith("most"))


def _most_frequent(block: Block, groups: _Groups, places: Ints, sums: Ints, size: int) -> Ints:
    """Return the characters that all occurrences of each document's most frequent n-gram have, blanks included."""
    offsets = block.word_offsets
    best = np.where(np.diff(offsets) >= size, offsets[:-1], -1)  # none repeats: the first is as frequent as any
    counts = np.ones(len(block), dtype=np.int64)
    firsts = np.flatnonzero(groups.first)
    if len(firsts):
        times = np.diff(np.append(firsts, len(groups.members)))
        where = places[groups.members[firsts]]
        documents = np.searchsorted(offsets, where, side="right") - 1
        order = np.lexsort((where, -times, documents))
        _, chosen = np.unique(documents[order], return_index=True)
        chosen = order[chosen]
        best[documents[chosen]], counts[documents[chosen]] = where[chosen], times[chosen]
    length = np.where(
        best >= 0, sums[np.maximum(best, 0) + np.where(best >= 0, size, 0)] - sums[np.maximum(best, 0)], 0
    )
    result: Ints = (length + np.where(best >= 0, size - 1, 0)) * counts
    return result


def _covered(candidates: Ints, size: int, sums: Ints, documents: Ints, count: int) -> Ints:
    """Return the characters of each document's words that stand in any repeated n-gram, its first occurrence too."""
    if not len(candidates):
        return np.zeros(count, dtype=np.int64)
    ends = candidates + size
    starts = np.maximum(candidates, np.append(0, ends[:-1]))
    lengths = sums[ends] - sums[np.minimum(starts, ends)]
    return np.bincount(documents[candidates], weights=lengths, minlength=count).astype(np.int64)


def _walk(places: Ints, hashes: Hashes, size: int, sums: Ints) -> int:
    """Go through a document's repeated n-grams in order, jumping over each that stood earlier; add up characters."""
    seen: set[int] = set()
    free, characters = 0, 0
    for place, key in zip(places.tolist(), hashes.tolist(), strict=True):
        if place < free:
            continue
        if key in seen:
            characters += int(sums[place + size] - sums[place])
            free = place + size
        else:
            seen.add(key)
    return characters
