"""Which symbols belong to a word: the rules by which spaCy's tokenizer for English cuts, put into arrays.

A symbol (anything but letters, numbers and white space) is a word by itself, unless one of these rules joins it to
what stands beside it. The rules are spaCy's prefixes, suffixes and infixes with the commonest of its exceptions.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from motherlode.corpus.quality.characters import ALONE, LETTER, SPACE, STICKY, UPPER, WORD
from motherlode.corpus.quality.exceptions import cut_odd_words, join_emoticons
from motherlode.corpus.quality.hashing import Hashes, Ints, Mask, is_in, text_hashes

if TYPE_CHECKING:
    from motherlode.corpus.quality.words import Block

Codes = NDArray[np.uint32]

_DOT, _PLUS, _ELLIPSIS = ord("."), ord("+"), ord("…")
_APOSTROPHES = (ord("'"), ord("’"))
_HYPHENS = [ord("-"), ord("~"), ord("–"), ord("—")]
_CONTRACTIONS = ("s", "t", "d", "m", "re", "ve", "ll")
# What spaCy cuts off the beginning and off the end of a word one by one, besides pictures (category So).
_PUNCTUATION = ",:;!?¿¡()[]{}<>_#*&" + "؟。？！，、；：～·।،۔؛٪"
_QUOTES = "'\"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉"
_CUT_FIRST = frozenset(_PUNCTUATION + _QUOTES + "…—–§%=+$£€¥฿₽₹₺₴")
_CUT_LAST = frozenset(_PUNCTUATION + _QUOTES + "…—–")
_ADDRESS_ENDS = frozenset(".,;:!?)]}>\"'")
# A full stop after these belongs to the word; after a single letter it does too.
_ABBREVIATIONS = frozenset(
    (
        "Mr Mrs Ms Messrs Dr Prof Rev Gen Gov Sen Rep Adm St Mt Jr Inc Ltd Co co Corp Bros vs "
        "Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec "
        "Ala Ariz Ark Calif Colo Conn Del Fla Ga Ill Ind Kan Ky La Mass Md Mich Minn Miss Mo Mont Neb Nev Okla Ore Pa "
        "Tenn Va Wash Wis"
    ).split()
)
_DOTTED = frozenset("a.m p.m e.g i.e v.s".split())
_SUBJECTS = frozenset(
    form
    for word in (
        "i you he she it we they that there this these those who what when where why how could might must should would"
    ).split()
    for form in (word, word.capitalize())
)


def join_symbols(block: Block, begins: Mask, places: Ints) -> None:
    """Take back word boundaries at symbols that belong to a word.

    Args:
        block: The documents, of which characters are known and words not yet.
        begins: `[c]` where words begin; changed.
        places: Where symbols are; the last character is none.
    """
    if len(places):
        _join(block, begins, places)
    cut_odd_words(block, begins)
    if len(places):
        join_emoticons(block, begins)


def _join(block: Block, begins: Mask, places: Ints) -> None:
    flags, code = block.flags, block.codes[places]
    before, after = flags[places - 1], flags[places + 1]  # the last character, a line end, stands before the first
    word_before, word_after = _is_word(before), _is_word(after)
    letter_before, letter_after = (before & LETTER) > 0, (after & LETTER) > 0
    upper_before, upper_after = (before & UPPER) > 0, (after & UPPER) > 0
    inside = word_before & word_after
    sticky, dot, hyphen = (flags[places] & STICKY) > 0, code == _DOT, np.isin(code, _HYPHENS)

    cut = hyphen & letter_before & letter_after
    cut |= (code == ord("-")) & ~letter_before
    cut |= (code == ord(",")) & letter_before & letter_after
    cut |= _any(code, ":<>=/°") & letter_after
    cut |= _any(code, "+*^") & ~letter_before & ~letter_after
    cut |= dot & letter_before & ~upper_before & upper_after & ((flags[places - 2] & WORD) > 0)
    cut |= code == _ELLIPSIS
    _unite(begins, places[inside & ~cut])

    touching = np.diff(places) == 1
    same = np.append(
        False,
        touching & ((sticky[1:] & sticky[:-1] & ((code[1:] != _PLUS) | (code[:-1] == _PLUS))) | (dot[1:] & dot[:-1])),
    )
    begins[places[same]] = False  # -- and ... are one
    opens, closes = np.append(True, ~touching), np.append(~touching, True)
    run = np.cumsum(opens) - 1
    several = (word_before[opens] & word_after[closes]) & (np.bincount(run) > 1)
    fresh = np.bincount(run, weights=~same)  # different symbols in a run
    ellipses = np.bincount(run, weights=(same & dot) | (code == _ELLIPSIS)) > 0
    dashes = several & (fresh == 1) & (hyphen[opens])
    stays = (several & ~dashes & ~ellipses)[run]  # within a word
    begins[places[stays]] = begins[places[stays & closes] + 1] = False
    quoted = np.append(dot[:-1] & touching & _any(code[1:], _QUOTES), False) & letter_before & ~upper_before & stays
    begins[places[quoted]] = begins[places[quoted] + 1] = True  # a full stop before a quotation mark within a word
    loose = (several & (dashes | ellipses))[run]
    sticky &= ~inside & ~loose
    plus = code == _PLUS
    begins[places[sticky & word_before & (~plus | letter_before)]] = False
    begins[places[sticky & word_after & (~plus | ~letter_after)] + 1] = False
    begins[places[dot & word_after & ((before & SPACE) > 0)] + 1] = False  # .5 and .txt
    begins[places[(code == ord("$")) & word_before]] = False

    lone = ((before[opens] & SPACE) > 0) & ((after[closes] & SPACE) > 0) & ~opens[closes]
    if lone.any():
        _cut_ends(begins, places, code, lone[run], run, same & dot)
    dots = places[dot & ~word_after & letter_before]
    two_back = block.codes[dots - 2]
    initial = ((flags[dots - 1] & UPPER) > 0) & ((flags[dots - 2] & UPPER) == 0)
    initial |= ((flags[dots - 2] & WORD) == 0) & ((two_back != _DOT) | _of_words(block, dots, _DOTTED))
    initial &= ~_any(two_back, "'’°")
    begins[dots[initial | _of_words(block, dots, _ABBREVIATIONS)]] = False
    begins[places[dot & _any(block.codes[places - 1], "\\/")]] = False
    _cut_contractions(block, begins, places[inside & np.isin(code, _APOSTROPHES)])
    _join_addresses(block, begins)


def _cut_ends(begins: Mask, places: Ints, code: Codes, lone: Mask, run: Ints, within_dots: Mask) -> None:
    """Cut symbols that stand between spaces: punctuation at both ends by itself, what is between it as one word."""
    chosen = np.flatnonzero(lone)
    codes, run = code[chosen], run[chosen]
    dots = (codes == _DOT) & (within_dots[chosen] | np.append(within_dots[chosen][1:], False))
    first = np.flatnonzero(np.diff(run, prepend=-1))
    keeps_first, keeps_last = ~(_of(codes, _CUT_FIRST) | dots), ~(_of(codes, _CUT_LAST) | dots)
    number = np.arange(len(chosen))
    starts = np.minimum.reduceat(np.where(keeps_first, number, len(chosen)), first)
    stops = np.maximum.reduceat(np.where(keeps_last, number, -1), first)
    of = np.cumsum(np.diff(run, prepend=-1) > 0) - 1
    begins[places[chosen]] = ((number <= starts[of]) | (number > stops[of])) & ~within_dots[chosen]


def _of(codes: Codes, known: frozenset[str]) -> Mask:
    """Return which characters are known ones, or pictures."""
    distinct, place = np.unique(codes, return_inverse=True)
    texts = map(chr, distinct.tolist())
    hits = np.array([text in known or (text != "°" and unicodedata.category(text) == "So") for text in texts])
    found: Mask = hits[place]
    return found


def _is_word(flags: NDArray[np.uint16]) -> Mask:
    word: Mask = ((flags & WORD) > 0) & ((flags & ALONE) == 0)
    return word


def _any(code: Codes, characters: str) -> Mask:
    return np.isin(code, [ord(character) for character in characters])


def _unite(begins: Mask, places: Ints) -> None:
    begins[places] = begins[places + 1] = False


@cache
def _hashes(words: frozenset[str]) -> dict[int, Hashes]:
    """Return the hashes of words by their length."""
    lengths = sorted({len(word) for word in words})
    return {length: text_hashes(word for word in words if len(word) == length) for length in lengths}


def _of_words(block: Block, ends: Ints, words: frozenset[str]) -> Mask:
    """Return before which places one of some words stands, by itself."""
    found = np.zeros(len(ends), dtype=bool)
    for length, known in _hashes(words).items():
        starts = np.maximum(ends - length, 0)
        fits = (ends >= length) & ((block.flags[starts - 1] & WORD) == 0)
        found[fits] |= is_in(block.hashes(starts[fits], ends[fits]), known)
    return found


def _cut_contractions(block: Block, begins: Mask, places: Ints) -> None:
    """Let a word begin in contractions: it 's, we 're, do n't."""
    if not len(places):
        return
    last = len(block.codes) - 1
    first, second = block.codes[places + 1] | 32, block.codes[np.minimum(places + 2, last)] | 32
    ended = [(block.flags[np.minimum(places + shift, last)] & WORD) == 0 for shift in (2, 3)]
    cut = np.zeros(len(places), dtype=bool)
    for tail in _CONTRACTIONS:
        found = first == ord(tail[0])
        cut |= found & ended[0] if len(tail) == 1 else found & (second == ord(tail[1])) & ended[1]
    negation = (first == ord("t")) & ((block.codes[places - 1] | 32) == ord("n"))
    known = (first == ord("s")) | negation | _of_words(block, places, _SUBJECTS)
    cut &= known & ((first != ord("t")) | negation)
    places, first = places[cut], first[cut]
    negation = (first == ord("t")) & ((block.codes[places - 1] | 32) == ord("n")) & ~begins[places - 1]
    begins[places - negation] = True


def _join_addresses(block: Block, begins: Mask) -> None:
    """Make one word of what holds `://` or begins with `www.`, but for punctuation at its end."""
    text, flags = block.text, block.flags
    for mark in ("://", "www."):
        place = text.find(mark)
        while place >= 0:
            start = stop = place
            while start > 0 and flags[start - 1] & WORD:
                start -= 1
            while not flags[stop] & SPACE:
                stop += 1
            while stop > start and text[stop - 1] in _ADDRESS_ENDS and text[stop - 2 : stop] != "/.":
                stop -= 1
            begins[start + 1 : stop] = False
            begins[stop] = not flags[stop] & SPACE
            place = text.find(mark, max(stop, place + len(mark)))
