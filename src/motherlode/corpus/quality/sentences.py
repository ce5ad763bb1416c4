"""Where sentences begin: after a full stop, exclamation or question mark of any script, and what closes it.

A full stop ends no sentence after an abbreviation or an initial, within a number or an address (there it belongs to a
word), nor before a word in lower case. Built on the words of a `Block`, for many documents at a time.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from motherlode.corpus.quality.characters import LETTER, TERMINAL, UPPER, WORD
from motherlode.corpus.quality.hashing import Hashes, Ints, Mask, is_in, text_hashes
from motherlode.corpus.quality.words import Block, totals

_ABBREVIATIONS = (
    "adj adm apr approx art assn asst aug ave bldg blvd bros ca capt cf ch chap cmdr col dec dept dr ed eds "
    "ex feb fig figs fr ft gen gov hon hr jan jr lt ltd maj max messrs min mr mrs ms mt mtg no nos nov oct op "
    "p pp par phd prof pt rd rep rev sen sep sept sgt sr st str univ v vol vs viz "
    "bzw ca dipl evtl ggf hrsg inkl nr usw vgl zzgl env mlle mm mme sra srta sig dott"
).split()
_NO_CAPITALS = 0.6  # share of sentences that would begin in lower case, from which on a text has no capitals


@cache
def _abbreviations() -> Hashes:
    return text_hashes({form for word in _ABBREVIATIONS for form in (word, word.capitalize())})


def sentence_starts(block: Block, *, plain: bool = False) -> Mask:
    """Find the words that begin a sentence.

    Args:
        block: The documents.
        plain: Whether every single mark ends a sentence, whatever stands before and after, and several dots end none:
            what C4 and FineWeb count by.

    Returns:
        `[w]` whether a word is the first of a sentence. The first word of a document is; that of a line is not by that
        alone.
    """
    starts, ends, offsets = block.word_starts, block.word_ends, block.word_offsets
    begins = np.zeros(len(starts), dtype=bool)
    if not len(starts):
        return begins
    symbol = (block.word_kinds & WORD) == 0
    first = block.flags[starts]
    touches = np.append(False, starts[1:] == ends[:-1])
    marks = symbol & ((first & TERMINAL) > 0)
    if plain:
        marks &= ends - starts == 1
    else:
        stops = np.flatnonzero(marks & touches & (block.codes[starts] == ord(".")))
        marks[stops[is_in(block.word_hashes[stops - 1], _abbreviations())]] = False
    # a sentence begins with the first word that does not stick to the mark before it as a closing quote does
    heads = np.flatnonzero(~(symbol & touches))
    passed = np.append(0, np.cumsum(marks))
    ended = np.append(False, passed[heads[1:]] > passed[heads[:-1]]) & ~marks[heads]
    heads = heads[ended]
    mark = np.maximum.accumulate(np.where(marks, np.arange(len(marks)), 0))[heads - 1]
    spaced = block.codes[starts[mark]] < 0x250
    heads = heads[plain | ~touches[heads] | ~spaced | ((first[heads] & UPPER) > 0)]
    if not plain:
        heads = heads[~_in_lower_case(block, heads)]
    begins[heads] = True
    begins[offsets[:-1][np.diff(offsets) > 0]] = True
    return begins


def _in_lower_case(block: Block, heads: Ints) -> Mask:
    """Return which words cannot begin a sentence, as they are in lower case in a document where others are not."""
    words = np.append(np.flatnonzero(block.word_kinds & WORD), len(block.word_starts) - 1)
    following = words[np.searchsorted(words[:-1], heads)]
    opening = block.flags[block.word_starts[following]]
    lower = ((opening & LETTER) > 0) & ((opening & UPPER) == 0) & (block.codes[block.word_starts[following]] < 0x530)
    bounds = np.searchsorted(heads, block.word_offsets)
    without_capitals = totals(lower, bounds) > _NO_CAPITALS * np.diff(bounds)
    result: Mask = lower & ~np.repeat(without_capitals, np.diff(bounds))
    return result
