"""What spaCy's tokenizer for English knows by heart: emoticons, contractions without an apostrophe, odd words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from motherlode.corpus.quality.characters import DIGIT, LETTER, SPACE, WORD
from motherlode.corpus.quality.hashing import Hashes, Ints, Mask, is_in, text_hash, text_hashes

if TYPE_CHECKING:
    from motherlode.corpus.quality.words import Block

_WORDS = {"cannot": 3, "Cannot": 3, "and/or": 0}  # where a second word begins
_WORDS.update({mark + word: 0 for mark in "'’" for word in ("cause", "em", "bout", "cos", "cuz", "nuff")})
_EMOTICONS = sorted(
    (
        ":) :( :| :/ :* :] :} :> :)) :))) :(( :((( :-) :-( :-| :-/ :-* :-] :-} :-> :-)) :-))) :-(( :-((( "
        ":'( :') :'-( :'-) :’( :’) ;) ;-) (: (; (-: (-; (= ): )-: =) =( =/ =| =] =[ ]= [= [: [-: :() "
        ":D :P :p :O :o :X :x :0 :1 :3 :-D :-P :-p :-O :-o :-X :-x :-0 :-3 :o) (o: ;D ;-D =D =3 8) 8-) 8D 8-D (-8 "
        "<3 <33 <333 </3 -_- ^_^ ._. >.< >.> <.< @_@ ;_; >:( >:o '' ’’"
    ).split(),
    key=lambda text: (-len(text), text),
)
_BARE = {  # contractions written without an apostrophe: what is cut off whom
    "d": "i you he it we they that there this these those who what when where why how",
    "ll": "you it they that there this these those who what when where why how",
    "ve": "i you we they there these those who what when where why how could might must should would not",
    "re": "you they there these those what when where why how",
    "s": "he she that there this who what when where why how",
    "m": "i",
    "nt": "ai are ca could dare did does do had has have is may might must need ought sha should was were wo would",
    "na": "gon",
    "ta": "got",
    "all": "y",
}
_UNITS = "km m dm cm mm nm kg g mg lb oz ha mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K am pm".split()


@cache
def _bare_contractions() -> dict[int, tuple[Hashes, Ints]]:
    """Return by length: hashes of contractions written without an apostrophe, ascending, and where to cut them."""
    words = {stem + tail: len(stem) for tail, stems in _BARE.items() for stem in stems.split()}
    words.update({word[0].upper() + word[1:]: cut for word, cut in list(words.items())})
    by_length: dict[int, tuple[Hashes, Ints]] = {}
    for length in sorted({len(word) for word in words}):
        chosen = [(text_hash(word), cut) for word, cut in words.items() if len(word) == length]
        hashes = np.array([item[0] for item in chosen], dtype=np.uint64)
        cuts = np.array([item[1] for item in chosen], dtype=np.int64)
        order = np.argsort(hashes)
        by_length[length] = (hashes[order], cuts[order])
    return by_length


def cut_contractions_without_apostrophe(block: Block, starts: Ints, ends: Ints) -> Ints:
    """Return where words begin inside the likes of `dont`, `theyll` and `whats`.

    Args:
        block: The documents.
        starts: `[w]` where words begin.
        ends: `[w]` where they end.

    Returns:
        Places, ascending.
    """
    lengths = ends - starts
    found = []
    for length, (hashes, cuts) in _bare_contractions().items():
        chosen = starts[lengths == length]
        if len(chosen):
            values = block.hashes(chosen, chosen + length)
            place = np.minimum(np.searchsorted(hashes, values), len(hashes) - 1)
            hit = hashes[place] == values
            found.append(chosen[hit] + cuts[place[hit]])
    return np.sort(np.concatenate(found)) if found else starts[:0]


def cut_units(block: Block, starts: Ints, ends: Ints) -> Ints:
    """Return where units begin that stand right after a number, as in `10mg`.

    Args:
        block: The documents.
        starts: `[w]` where words begin.
        ends: `[w]` where they end.

    Returns:
        Places, ascending.
    """
    found = []
    for length, known in _unit_hashes().items():
        places = ends - length
        places = places[places > starts]
        places = places[(block.flags[places - 1] & DIGIT) > 0]
        places = places[(block.flags[places] & LETTER) > 0]
        found.append(places[is_in(block.hashes(places, places + length), known)])
    return np.sort(np.concatenate(found))


@cache
def _unit_hashes() -> dict[int, Hashes]:
    lengths = sorted({len(unit) for unit in _UNITS})
    return {length: text_hashes(unit for unit in _UNITS if len(unit) == length) for length in lengths}


def cut_odd_words(block: Block, begins: Mask) -> None:
    """Cut `cannot`, and leave the likes of `and/or` and `'cause` whole."""
    for word, cut in _WORDS.items():
        for place in _places(block.text, word):
            stop = place + len(word)
            if not (block.flags[place - 1] | block.flags[stop]) & WORD:
                begins[place + 1 : stop] = False
                begins[place + cut] = True


def join_emoticons(block: Block, begins: Mask) -> None:
    """Make one word of an emoticon whose ends are ends of words, the longest first."""
    for emoticon in _EMOTICONS:
        for place in _places(block.text, emoticon):
            stop = place + len(emoticon)
            if begins[place] and (begins[stop] or block.flags[stop] & SPACE):
                begins[place + 1 : stop] = False


def _places(text: str, part: str) -> Iterator[int]:
    place = text.find(part)
    while place >= 0:
        yield place
        place = text.find(part, place + len(part))
