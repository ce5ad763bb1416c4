"""Cleaning repairs what ftfy repairs and nothing else; words are counted as a person would."""

from __future__ import annotations

import re

import ftfy
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motherlode.corpus import filters
from motherlode.corpus.filters import CleanText, CountWords, clean_text, count_words, document_steps, without_surrogates

# Characters that ftfy treats in some way, mixed with ones that it leaves alone: accented letters, punctuation, halves
# of mojibake, controls, ligatures, widths, line ends, surrogates, character references, tags, combining marks.
ALPHABET = (
    "abz AZ 09.,<>&;#x\n\n\t\r\x0b\x0c\x1b[0m\x00\x07\x7f\x80\x85\x9f\xa0\xad¡£©®°²½¿×÷ÂÃÎÐØÙàáâäçèéíñóöøüþÿŒœŠšŸžƒ"
    "–—‘’‚“”„†•…‰‹›€™−√≈≠ВГРСвЂΒβεАя漢字ﬁﬂĲ！，ｦＡ　\u2028\u2029\u200b\ufeff\ufffc\ufffd\u0301\u0308\ud83d\udca9😀"
)
PIECES = st.sampled_from(
    [
        *ALPHABET,
        "&amp;",
        "&eacute;",
        "&#233;",
        "<b>",
        "â€œ",
        "Ã©",
        "â€™",
        "Â ",
        "Ã la",
        "œ",
        "\r\n",
        "e\u0301",
        "l’été — “so”",
    ]
)
RAW = st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=40)


@settings(max_examples=1500)
@given(RAW)
def test_cleaning_is_what_ftfy_does(text: str) -> None:
    """The short cuts for lines that ftfy would leave alone must not change any result."""
    expected = ftfy.fix_text(without_surrogates(text), filters._CONFIG).strip()
    assert clean_text(text) == expected


@given(RAW)
def test_a_cleaned_text_is_clean_and_stays(text: str) -> None:
    once = clean_text(text)
    once.encode("utf-8")
    assert once == once.strip()
    assert not re.search(r"[\x00-\x08\x0b\x0e-\x1f\x7f]", once)
    assert ftfy.fix_text(once, filters._CONFIG).strip() == clean_text(once)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("The clientâ€™s cafÃ© closed", "The client’s café closed"),
        ("âœ” No problems", "✔ No problems"),
        ("plain   spaces \n stay", "plain   spaces \n stay"),
        ("Tom &amp; Ann &lt;3", "Tom & Ann <3"),
        ("<p>Tom &amp; Ann</p>", "<p>Tom &amp; Ann</p>"),
        ("first <br>\nTom &amp; Ann", "first <br>\nTom &amp; Ann"),
        ("bell\x07 null\x00 escape\x1b[31m!", "bell null escape!"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("oﬃce ﬁle", "office file"),
        ("cafe\u0301", "café"),
        ("half \ud83d done", "half � done"),
        ("pair \ud83d\ude00 done", "pair 😀 done"),
        ("“quotes” stay – as ‘they’ are", "“quotes” stay – as ‘they’ are"),
        ("\u3000 white space at the ends\xa0\n", "white space at the ends"),
    ],
)
def test_known_damage_is_repaired(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


@given(st.lists(st.text("ab \t\n\x0b\f\r\xa0\u2003é漢", max_size=20), max_size=20), st.integers(0, 5))
def test_words_are_runs_between_spaces(texts: list[str], offset: int) -> None:
    array = pa.array(["left out "] * offset + texts + ["left out too"], pa.string()).slice(offset, len(texts))
    trimmed = [text.strip(" \t\n\x0b\f\r\xa0\u2003") for text in texts]
    expected = [len([word for word in re.split(r"[ \t\n\f\r]+", text) if word]) for text in trimmed]
    assert count_words(array).to_pylist() == expected


def test_short_and_empty_texts_are_dropped_with_a_reason() -> None:
    step = CountWords(3)
    result = step.open()(pa.record_batch({"text": ["one two three", "one two", "", " \n ", "a b c d"]}))
    assert result.columns["words"].to_pylist() == [3, 2, 0, 0, 4]
    assert result.dropped.to_pylist() == [None, "under 3 words", "no text", "no text", None]
    free = CountWords(0).open()(pa.record_batch({"text": ["one", ""]}))
    assert free.dropped.to_pylist() == [None, "no text"]


def test_the_list_of_steps_follows_the_settings() -> None:
    assert [step.name for step in document_steps(True, 5)] == ["clean", "words"]
    assert [step.name for step in document_steps(False, 5)] == ["words"]
    assert document_steps(True, 5)[1].fingerprint != document_steps(True, 6)[1].fingerprint
    assert CleanText().settings() == {"ftfy": ftfy.__version__}
