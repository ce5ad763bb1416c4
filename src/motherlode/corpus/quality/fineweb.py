"""The rules that FineWeb added to those of Gopher and C4.

Source: arXiv 2406.17557, section 3.6, and the program that its authors published, datatrove. The bounds are datatrove's
defaults, 0.01 for characters in repeated lines among them.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from motherlode.config import Config
from motherlode.corpus.quality.characters import TERMINAL
from motherlode.corpus.quality.repetition import line_repeats
from motherlode.corpus.quality.rules import Verdict, share
from motherlode.corpus.quality.words import Block, totals


class FineWebConfig(Config):
    """What a document that is no list, menu or template looks like; every bound is allowed."""

    min_terminal_lines: float = Field(0.12, ge=0, le=1, description="lines that end a sentence, share, at least")
    short_line: int = Field(30, ge=0, description="characters of a short line, at most")
    max_short_lines: float = Field(0.67, ge=0, le=1, description="short lines, share, at most")
    max_repeated_characters: float = Field(0.01, ge=0, le=1, description="characters in repeated lines, share, at most")
    max_breaks_per_word: float = Field(0.3, ge=0, description="line breaks a word, at most")


def check_fineweb(block: Block, config: FineWebConfig, verdict: Verdict) -> None:
    """Drop documents that are lists, menus or templates.

    Args:
        block: The documents.
        config: The bounds.
        verdict: What is dropped so far; changed.
    """
    first, last = block.line_edges
    filled = first <= last
    lines = totals(filled, block.line_offsets)
    verdict.drop(lines == 0, "fineweb: no text")
    # as the last character stands: a line that goes on with a blank does not end a sentence
    ending = block.flags[np.maximum(block.line_ends - 1, 0)]
    terminal = totals(filled & ((ending & TERMINAL) > 0), block.line_offsets)
    verdict.drop(share(terminal, lines) < config.min_terminal_lines, "fineweb: too few lines end a sentence")
    short = totals(filled & (block.line_ends - block.line_starts <= config.short_line), block.line_offsets)
    verdict.drop(share(short, lines) > config.max_short_lines, "fineweb: too many short lines")
    breaks = np.diff(block.line_offsets) - 1
    repeated = line_repeats(block).characters
    characters = block.lengths - breaks
    verdict.drop(share(repeated, characters) > config.max_repeated_characters, "fineweb: characters in repeated lines")
    words = np.diff(block.word_offsets)
    verdict.drop(share(breaks, words) > config.max_breaks_per_word, "fineweb: too many line breaks")
