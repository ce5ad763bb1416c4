"""The rules of C4: lines that are no sentences go, and pages with too little left.

Source: arXiv 1910.10683, section 2.2, with the bounds of its first version and of the program that its authors
published (5 sentences, lines of 3 words), which also drops lines with overlong words and lines about cookies and terms
of use. Not here: the paper's list of bad words, which also removes what minorities write about themselves, and
repeated three-sentence spans, which are duplicates across documents.
"""

from __future__ import annotations

import re

import numpy as np
from pydantic import Field

from motherlode.config import Config
from motherlode.corpus.quality.characters import SPACE, TERMINAL, TERMINALS
from motherlode.corpus.quality.hashing import Ints, Mask
from motherlode.corpus.quality.rules import Verdict
from motherlode.corpus.quality.sentences import sentence_starts
from motherlode.corpus.quality.words import Block, totals

_CITATION = re.compile(r"\[(?:\d*|edit|citation needed)\]")
_QUOTES = "\"'”’»›」』"
_ENDS = tuple(sorted(TERMINALS | set(_QUOTES)))
_POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


class C4Config(Config):
    """Which lines and documents stay."""

    terminal_punctuation: bool = Field(True, description="drop lines that do not end a sentence or a quotation")
    min_line_words: int = Field(3, ge=0, description="words of a line, at least")
    max_word_characters: int = Field(1000, ge=1, description="characters of the longest word of a line, at most")
    min_sentences: int = Field(5, ge=0, description="sentences of a document, counted in lines that stay, at least")
    citations: bool = Field(True, description="remove [1], [edit] and [citation needed]")
    lorem_ipsum: bool = Field(True, description="drop documents with this phrase")
    javascript: bool = Field(True, description="drop lines with this word")
    curly_bracket: bool = Field(True, description="drop documents with a curly bracket")
    policies: bool = Field(True, description="drop lines about cookies, privacy policies and terms of use")


def apply_c4(block: Block, config: C4Config, verdict: Verdict) -> dict[int, str]:
    """Drop documents, and lines of the others.

    Args:
        block: The documents.
        config: What stays.
        verdict: What is dropped so far; changed.

    Returns:
        The new texts of documents that stay and change, by document.
    """
    first, last = block.line_edges
    keep = first <= last
    documents = np.repeat(np.arange(len(block)), np.diff(block.line_offsets))
    keep &= (verdict.reasons == None)[documents]  # noqa: E711 - element by element
    counts = _spaced_words(block, config.max_word_characters, keep)
    cleaned = _without_citations(block, first, last, keep) if config.citations else {}
    keep[[line for line, text in cleaned.items() if not text]] = False
    if config.terminal_punctuation:
        keep &= _ends_sentence(block, first, last, cleaned)
    keep &= counts >= config.min_line_words
    lowered = _lowered(block.text)
    if config.lorem_ipsum:
        verdict.drop(totals(keep & _has(block, lowered, "lorem ipsum"), block.line_offsets) > 0, "c4: lorem ipsum")
    if config.javascript:
        keep &= ~_has(block, lowered, "javascript")
    if config.curly_bracket:
        verdict.drop(totals(keep & _has(block, lowered, "{"), block.line_offsets) > 0, "c4: curly bracket")
    if config.policies:
        for phrase in _POLICIES:
            keep &= ~_has(block, lowered, phrase)
    verdict.drop(_sentences(block, keep, config.min_sentences) < config.min_sentences, "c4: too few sentences")
    return _edited(block, keep, first, last, cleaned, verdict)


def _spaced_words(block: Block, most_characters: int, keep: Mask) -> Ints:
    """Count words between white space in each line, and let no line with an overlong one stay."""
    fresh = np.append(True, (block.flags[block.word_starts[1:] - 1] & SPACE) > 0)[: len(block.word_starts)]
    opens = np.flatnonzero(fresh)
    starts, ends = block.word_starts[opens], block.word_ends[np.append(opens, len(block.word_starts))[1:] - 1]
    bounds = np.append(np.searchsorted(starts, block.line_starts), len(starts))
    long = np.flatnonzero(ends - starts > most_characters)
    keep[np.searchsorted(bounds, long, side="right") - 1] = False
    return np.diff(bounds)


def _without_citations(block: Block, first: Ints, last: Ints, keep: Mask) -> dict[int, str]:
    """Return the lines that hold citations, without them, by line."""
    if "[" not in block.text:
        return {}
    places = np.array([found.start() for found in _CITATION.finditer(block.text)], dtype=np.int64)
    lines = np.unique(np.searchsorted(block.line_starts, places, side="right") - 1)
    return {
        int(line): _CITATION.sub("", block.text[first[line] : last[line] + 1]).strip() for line in lines if keep[line]
    }


def _ends_sentence(block: Block, first: Ints, last: Ints, cleaned: dict[int, str]) -> Mask:
    """Return which lines end with a terminal mark or a closing quote, but not with three dots."""
    last = np.maximum(last, 0)
    closing = block.codes[last]
    ends = ((block.flags[last] & TERMINAL) > 0) | np.isin(closing, [ord(quote) for quote in _QUOTES])
    dots = ends & (closing == ord(".")) & (last - first >= 2)
    places = last[dots]
    dots[dots] = (block.codes[places - 1] == ord(".")) & (block.codes[places - 2] == ord("."))
    ends &= ~dots
    for line, text in cleaned.items():
        ends[line] = text.endswith(_ENDS) and not text.endswith("...")
    return ends


def _lowered(text: str) -> str:
    """Return a text in lower case, each character at its place."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else text.replace("\u0130", "i").lower()  # the only one that grows


def _has(block: Block, lowered: str, phrase: str) -> Mask:
    """Return which lines hold a phrase."""
    found = np.zeros(len(block.line_starts), dtype=bool)
    place = lowered.find(phrase)
    while place >= 0:
        line = int(np.searchsorted(block.line_starts, place, side="right")) - 1
        found[line] = True
        place = lowered.find(phrase, int(block.line_ends[line]))
    return found


def _sentences(block: Block, keep: Mask, least: int) -> Ints:
    """Count the sentences of lines that stay; lines alone where they are enough, for each has one at least."""
    count = totals(keep, block.line_offsets)
    if not ((count > 0) & (count < least)).any():
        return count
    starts = np.flatnonzero(sentence_starts(block, plain=True))
    line_of = np.searchsorted(block.line_starts, block.word_starts[starts], side="right") - 1
    # a line's first word begins a sentence there, whatever stands before
    lines_first = np.searchsorted(block.word_starts, block.line_starts)
    inner = starts != lines_first[line_of]
    inside = np.bincount(line_of[inner], minlength=len(keep))
    return count + totals(np.where(keep, inside, 0), block.line_offsets)


def _edited(
    block: Block, keep: Mask, first: Ints, last: Ints, cleaned: dict[int, str], verdict: Verdict
) -> dict[int, str]:
    """Put together the texts of documents that stay and lose something."""
    whole = keep & (first == block.line_starts) & (last + 1 == block.line_ends)
    changed = totals(~whole, block.line_offsets) > 0
    for line in cleaned:
        changed[np.searchsorted(block.line_offsets, line, side="right") - 1] = True
    texts: dict[int, str] = {}
    for document in np.flatnonzero(changed & (verdict.reasons == None)).tolist():  # noqa: E711 - element by element
        low, high = block.line_offsets[document : document + 2].tolist()
        lines = (np.flatnonzero(keep[low:high]) + low).tolist()
        texts[document] = "\n".join(
            cleaned[line] if line in cleaned else block.text[first[line] : last[line] + 1] for line in lines
        )
    return texts
