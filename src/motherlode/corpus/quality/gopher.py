"""The rules for quality and repetition that filtered MassiveText for Gopher.

Source: arXiv 2112.11446, appendix A1.1 ("Quality Filtering" and "Repetition Removal", table A1). Where the paper
leaves room, decisions are those of datatrove: shares of characters are of all characters of the document, white space
included; a rule of repetition looks for exact repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from motherlode.config import Config
from motherlode.corpus.quality.characters import ALONE, LETTER, WORD
from motherlode.corpus.quality.hashing import Mask, text_hash
from motherlode.corpus.quality.repetition import line_repeats, ngram_repeats
from motherlode.corpus.quality.rules import Verdict, share
from motherlode.corpus.quality.words import Block, totals

ENGLISH_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
_MOST_WORDS_IN_NGRAM = 20
_DOT, _ELLIPSIS, _HASH = ord("."), ord("…"), ord("#")
_BULLETS = (ord("•"), ord("-"))


def _check_sizes(shares: Mapping[int, float]) -> Mapping[int, float]:
    for size, most in shares.items():
        if not 2 <= size <= _MOST_WORDS_IN_NGRAM:
            raise ValueError(f"n-grams have 2 to {_MOST_WORDS_IN_NGRAM} words, not {size}")
        if not 0 <= most <= 1:
            raise ValueError(f"{most} is not a share from 0 to 1")
    return dict(sorted(shares.items()))


class RepetitionConfig(Config):
    """Table A1 of the paper: a document with a larger share goes. 1 turns a rule off."""

    lines: float = Field(0.30, ge=0, le=1, description="lines that repeat an earlier one, share of lines")
    paragraphs: float = Field(
        0.30, ge=0, le=1, description="paragraphs that repeat an earlier one, share of paragraphs"
    )
    line_characters: float = Field(0.20, ge=0, le=1, description="characters in repeated lines, share of characters")
    paragraph_characters: float = Field(0.20, ge=0, le=1, description="characters in repeated paragraphs, share")
    top_ngrams: Mapping[int, float] = Field(
        {2: 0.20, 3: 0.18, 4: 0.16}, description="characters in the most frequent n-gram, share, by n"
    )
    repeated_ngrams: Mapping[int, float] = Field(
        {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10},
        description="characters in repeated n-grams, share, by n",
    )

    _sizes = field_validator("top_ngrams", "repeated_ngrams")(_check_sizes)


class GopherConfig(Config):
    """What a document of good quality is; every bound is allowed."""

    min_words: int = Field(50, ge=0, description="words, punctuation not counted, at least")
    max_words: int = Field(100_000, ge=0, description="words, punctuation not counted, at most")
    min_word_length: float = Field(3, ge=0, description="mean length of words, at least")
    max_word_length: float = Field(10, ge=0, description="mean length of words, at most")
    max_symbol_ratio: float = Field(0.1, ge=0, description="hash signs, and ellipses, a word, at most")
    max_bullet_lines: float = Field(0.9, ge=0, le=1, description="lines that begin with a bullet, share, at most")
    max_ellipsis_lines: float = Field(0.3, ge=0, le=1, description="lines that end with an ellipsis, share, at most")
    min_letter_words: float = Field(0.8, ge=0, le=1, description="words with a letter, share of words, at least")
    min_stop_words: int = Field(2, ge=0, description="different stop words, at least")
    stop_words: Mapping[str, tuple[str, ...]] = Field(
        {"en": ENGLISH_STOP_WORDS}, description="stop words by language; the rule holds for languages that are listed"
    )
    repetition: RepetitionConfig = Field(RepetitionConfig(), description="bounds on repetition")


def check_repetition(block: Block, config: RepetitionConfig, verdict: Verdict) -> None:
    """Drop documents that repeat themselves.

    Args:
        block: The documents.
        config: The bounds.
        verdict: What is dropped so far; changed.
    """
    characters = block.lengths
    for name, most, most_characters in (
        ("paragraphs", config.paragraphs, config.paragraph_characters),
        ("lines", config.lines, config.line_characters),
    ):
        found = line_repeats(block, paragraphs=name == "paragraphs")
        verdict.drop(share(found.repeats, found.all) > most, f"gopher: repeated {name}")
        verdict.drop(share(found.characters, characters) > most_characters, f"gopher: characters in repeated {name}")
    for reason, broken in ngram_repeats(block, config.top_ngrams, config.repeated_ngrams):
        verdict.drop(broken, f"gopher: {reason}")


def check_quality(block: Block, config: GopherConfig, languages: list[str], verdict: Verdict) -> None:
    """Drop documents that do not look like running text.

    Args:
        block: The documents.
        config: The bounds.
        languages: `[d]` their languages, for the stop words.
        verdict: What is dropped so far; changed.
    """
    kinds, offsets = block.word_kinds, block.word_offsets
    count = np.diff(offsets)
    is_word = (kinds & WORD) > 0
    words = totals(is_word, offsets)
    verdict.drop(words < config.min_words, "gopher: too few words")
    verdict.drop(words > config.max_words, "gopher: too many words")
    lengths = block.word_ends - block.word_starts
    mean = share(totals(np.where(is_word, lengths, 0), offsets), words)
    spaced = (
        2 * totals((kinds & ALONE) > 0, offsets) <= words
    )  # else each letter is a word, and its length says nothing
    verdict.drop((mean < config.min_word_length) & spaced, "gopher: words too short")
    verdict.drop((mean > config.max_word_length) & spaced, "gopher: words too long")
    hashes, ellipses = _count(block, block.codes == _HASH), _count(block, _ellipses(block))
    verdict.drop(share(hashes, count) > config.max_symbol_ratio, "gopher: too many hash signs")
    verdict.drop(share(ellipses, count) > config.max_symbol_ratio, "gopher: too many ellipses")
    lines = np.diff(block.line_offsets)
    bullets, trailing = _line_marks(block)
    verdict.drop(share(bullets, lines) > config.max_bullet_lines, "gopher: too many bullet lines")
    verdict.drop(share(trailing, lines) > config.max_ellipsis_lines, "gopher: too many lines end with an ellipsis")
    with_letters = totals((kinds & LETTER) > 0, offsets)
    verdict.drop(share(with_letters, count) < config.min_letter_words, "gopher: too few words with letters")
    if config.min_stop_words:
        verdict.drop(_few_stop_words(block, config, languages), "gopher: too few stop words")


def _count(block: Block, marks: Mask) -> Any:
    places = np.flatnonzero(marks)
    return np.searchsorted(places, block.ends) - np.searchsorted(places, block.starts)


def _ellipses(block: Block) -> Mask:
    """Return where ellipses begin; six dots are two."""
    marks: Mask = block.codes == _ELLIPSIS
    dots = np.flatnonzero(block.codes == _DOT)
    if len(dots) > 2:
        fresh = np.append(True, np.diff(dots) > 1)
        place_in_run = np.arange(len(dots)) - np.maximum.accumulate(np.where(fresh, np.arange(len(dots)), 0))
        starts = np.flatnonzero(place_in_run % 3 == 2)
        marks[dots[starts]] = True
    return marks


def _line_marks(block: Block) -> tuple[Any, Any]:
    """Return how many lines of each document begin with a bullet, and how many end with an ellipsis."""
    first, last = block.line_edges
    some = last >= first
    opening, closing = block.codes[first], block.codes[last]
    bullet = some & ((opening == _BULLETS[0]) | (opening == _BULLETS[1]))
    dots = some & (closing == _DOT) & (last - first >= 2)
    places = last[dots]
    dots[dots] = (block.codes[places - 1] == _DOT) & (block.codes[places - 2] == _DOT)
    trailing = dots | (some & (closing == _ELLIPSIS))
    return totals(bullet, block.line_offsets), totals(trailing, block.line_offsets)


def _few_stop_words(block: Block, config: GopherConfig, languages: list[str]) -> Mask:
    few = np.zeros(len(block), dtype=bool)
    hashes = block.word_hashes
    for language, stop_words in config.stop_words.items():
        concerned = np.array([code == language for code in languages])
        if not concerned.any():
            continue
        different = np.zeros(len(block), dtype=np.int64)
        for word in stop_words:
            different += totals(hashes == text_hash(word), block.word_offsets) > 0
        few |= concerned & (different < config.min_stop_words)
    return few
