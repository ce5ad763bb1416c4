"""The rules as slow, obvious programs, written from the papers; words and sentences come from the code under test."""

from __future__ import annotations

import re
from collections import Counter

from motherlode.corpus.quality.c4 import C4Config
from motherlode.corpus.quality.characters import TERMINALS
from motherlode.corpus.quality.fineweb import FineWebConfig
from motherlode.corpus.quality.gopher import GopherConfig, RepetitionConfig
from motherlode.corpus.quality.sentences import sentence_starts
from motherlode.corpus.quality.words import Block

QUOTES = "\"'”’»›」』"


def words_of(text: str) -> list[str]:
    block = Block([text])
    return [block.text[start:end] for start, end in zip(block.word_starts, block.word_ends, strict=True)]


def is_plain(word: str) -> bool:
    """Whether a word has a letter or a number."""
    return any(c.isalnum() or re.match(r"[^\W_]", c) for c in word)


def repetition(text: str, config: RepetitionConfig) -> str | None:
    paragraphs = [part for part in re.split(r"\n{2,}", text.strip("\n")) if part]
    lines = [part for part in text.split("\n") if part]
    for name, parts, most, most_characters in (
        ("paragraphs", paragraphs, config.paragraphs, config.paragraph_characters),
        ("lines", lines, config.lines, config.line_characters),
    ):
        seen: set[str] = set()
        repeats = [part for part in parts if part in seen or seen.add(part)]  # type: ignore[func-returns-value]
        if parts and len(repeats) / len(parts) > most:
            return f"gopher: repeated {name}"
        if text and sum(map(len, repeats)) / len(text) > most_characters:
            return f"gopher: characters in repeated {name}"
    words = words_of(text)
    for size, most in config.top_ngrams.items():
        grams = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
        if grams:
            gram, count = Counter(grams).most_common(1)[0]
            if len(" ".join(gram)) * count / len(text) > most:
                return f"gopher: most frequent {size}-gram"
    for size, most in config.repeated_ngrams.items():
        known: set[tuple[str, ...]] = set()
        place = characters = 0
        while place + size <= len(words):
            gram = tuple(words[place : place + size])
            if gram in known:
                characters += len("".join(gram))
                place += size
            else:
                known.add(gram)
                place += 1
        if text and characters / len(text) > most:
            return f"gopher: repeated {size}-grams"
    return None


def quality(text: str, config: GopherConfig, language: str) -> str | None:
    words = words_of(text)
    plain = [word for word in words if is_plain(word)]
    if len(plain) < config.min_words:
        return "gopher: too few words"
    if len(plain) > config.max_words:
        return "gopher: too many words"
    mean = sum(map(len, plain)) / len(plain) if plain else 0
    if mean < config.min_word_length:
        return "gopher: words too short"
    if mean > config.max_word_length:
        return "gopher: words too long"
    if words and text.count("#") / len(words) > config.max_symbol_ratio:
        return "gopher: too many hash signs"
    if words and (text.count("...") + text.count("…")) / len(words) > config.max_symbol_ratio:
        return "gopher: too many ellipses"
    lines = text.split("\n")
    if sum(line.strip().startswith(("•", "-")) for line in lines) / len(lines) > config.max_bullet_lines:
        return "gopher: too many bullet lines"
    if sum(line.strip().endswith(("...", "…")) for line in lines) / len(lines) > config.max_ellipsis_lines:
        return "gopher: too many lines end with an ellipsis"
    if sum(any(c.isalpha() for c in word) for word in words) / max(1, len(words)) < config.min_letter_words:
        return "gopher: too few words with letters"
    stop_words = config.stop_words.get(language)
    if stop_words is not None and len(set(stop_words) & set(words)) < config.min_stop_words:
        return "gopher: too few stop words"
    return None


def sentences_in(line: str) -> int:
    return int(sentence_starts(Block([line]), plain=True).sum())


def c4(text: str, config: C4Config) -> tuple[str | None, str]:
    kept = []
    count = 0
    lorem = curly = False
    for raw in text.split("\n"):
        line = raw.strip()
        words = line.split()
        if not line or any(len(word) > config.max_word_characters for word in words):
            continue
        if config.citations:
            line = re.sub(r"\[(\d*|edit|citation needed)\]", "", line).strip()
        if not line:
            continue
        if config.terminal_punctuation:
            ends = line[-1:] in TERMINALS or line[-1:] in QUOTES
            if not line or not ends or line.endswith("..."):
                continue
        if len(words) < config.min_line_words:
            continue
        low = line.lower()
        lorem |= "lorem ipsum" in low
        if config.javascript and "javascript" in low:
            continue
        curly |= "{" in line
        policies = "terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies"
        if config.policies and re.search(policies, low):
            continue
        count += sentences_in(raw.strip())
        kept.append(line)
    if lorem and config.lorem_ipsum:
        return "c4: lorem ipsum", text
    if curly and config.curly_bracket:
        return "c4: curly bracket", text
    if count < config.min_sentences:
        return "c4: too few sentences", text
    return None, "\n".join(kept)


def fineweb(text: str, config: FineWebConfig) -> str | None:
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        return "fineweb: no text"
    if sum(line[-1] in TERMINALS for line in lines) / len(lines) < config.min_terminal_lines:
        return "fineweb: too few lines end a sentence"
    if sum(len(line) <= config.short_line for line in lines) / len(lines) > config.max_short_lines:
        return "fineweb: too many short lines"
    seen: set[str] = set()
    filled = [line for line in text.split("\n") if line]
    repeats = [line for line in filled if line in seen or seen.add(line)]  # type: ignore[func-returns-value]
    if sum(map(len, repeats)) / len(text.replace("\n", "")) > config.max_repeated_characters:
        return "fineweb: characters in repeated lines"
    words = len(words_of(text))
    if words and text.count("\n") / words > config.max_breaks_per_word:
        return "fineweb: too many line breaks"
    return None
