"""Words and n-grams of many texts at once, against one text at a time in plain Python."""

from __future__ import annotations

import random
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motherlode.corpus import words as module
from motherlode.corpus.words import fold, grams, split_words

ALPHABET = "abAB eé-.,\n\t0٣ß漢字カナ・ไทยก็ñÑ\u0301İ_한국𝐀😀\u200b𠀀'"
TEXTS = st.lists(st.text(st.sampled_from(ALPHABET), max_size=30), max_size=8)


def plain_words(text: str) -> list[tuple[str, int, int]]:
    """Return words with their places, one character after the other."""
    found: list[tuple[str, int, int]] = []
    open_word = False
    for place, character in enumerate(text):
        inside = unicodedata.category(character)[0] in "LMN"
        alone = inside and any(low <= ord(character) < high for low, high in module._WITHOUT_SPACES)
        if not inside:
            open_word = False
            continue
        folded = character
        for candidate in (unicodedata.normalize("NFKC", character).casefold(), character.lower()):
            if len(candidate) == 1:
                folded = candidate
                break
        if open_word and not alone:
            word, start, _ = found[-1]
            found[-1] = (word + folded, start, place + 1)
        else:
            found.append((folded, place, place + 1))
        open_word = not alone
    return found


@pytest.mark.parametrize("chunk", [40, 1 << 16])
@settings(max_examples=150)
@given(texts=TEXTS)
def test_words_are_those_of_each_text_alone(chunk: int, texts: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK", chunk)
        words = split_words(texts)
    assert len(words.bounds) == len(texts) + 1
    hashes: dict[str, int] = {}
    for text, low, high in zip(texts, words.bounds[:-1], words.bounds[1:], strict=True):
        expected = plain_words(text)
        places = list(zip(words.starts[low:high].tolist(), words.ends[low:high].tolist(), strict=True))
        assert places == [(start, end) for _, start, end in expected]
        assert fold(text) == [word for word, _, _ in expected]
        for (word, _, _), value in zip(expected, words.hashes[low:high].tolist(), strict=True):
            assert hashes.setdefault(word, value) == value
    assert len(set(hashes.values())) == len(hashes)


@settings(max_examples=150)
@given(TEXTS, st.integers(1, 5), st.booleans())
def test_ngrams_are_equal_where_their_words_are(texts: list[str], n: int, short: bool) -> None:
    words = split_words(texts)
    found = grams(words, n, short=short)
    hashes: dict[tuple[str, ...], int] = {}
    for number, text in enumerate(texts):
        own = fold(text)
        expected = [tuple(own[k : k + n]) for k in range(len(own) - n + 1)]
        if short and own and not expected:
            expected = [tuple(own)]
        inside = slice(found.bounds[number], found.bounds[number + 1])
        assert len(found.hashes[inside]) == len(expected)
        assert (found.first[inside] - words.bounds[number]).tolist() == list(range(len(expected)))
        for gram, value in zip(expected, found.hashes[inside].tolist(), strict=True):
            assert hashes.setdefault(gram, value) == value
    assert len(set(hashes.values())) == len(hashes)


def test_case_width_and_punctuation_make_no_difference_and_letters_do() -> None:
    assert fold("“Hello”, WORLD-wide Ｗｅｂ!") == ["hello", "world", "wide", "web"]
    assert fold("東京は大きい Tokyo") == [*"東京は大きい", "tokyo"]
    assert fold("हिन्दी भाषा") == ["हिन्दी", "भाषा"]
    left, right = (split_words([text]).hashes for text in ("one two", "One, TWO"))
    assert (left == right).all()
    assert len(np.unique(split_words(["ab ba aab aba baa a b"]).hashes)) == 7


def test_hashes_spread_over_all_bits() -> None:
    choice = random.Random(4)
    text = " ".join("".join(choice.choices("abcdefgh", k=choice.randint(1, 9))) for _ in range(40_000))
    distinct = set(fold(text))
    found = grams(split_words([text]), 3)
    assert len(np.unique(split_words([text]).hashes)) == len(distinct)
    for shift in range(64):
        ones = ((found.hashes >> np.uint64(shift)) & np.uint64(1)).mean()
        assert abs(ones - 0.5) < 0.02


def test_a_gigantic_text_is_cut_between_words() -> None:
    text = "some words and more of them " * 6000
    assert (split_words([text]).hashes == np.tile(split_words(["some words and more of them"]).hashes, 6000)).all()
    endless = "x" * 200_000
    assert len(split_words([endless, "y"]).hashes) >= 2
