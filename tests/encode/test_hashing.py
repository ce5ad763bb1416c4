"""Whole-column hashing against a slow reference that splits one text at a time into Python strings."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.encode.hashing import hashed_counts, word_hashes

# A script without spaces: each character is a word. Any other letter, mark or digit continues a word; blocks of
# punctuation, and everything else below U+00C0, separate words.
ALONE = "\u0e00-\u0eff\u3000-\u9fff"
APART = "\u0000-\u002f\u003a-\u0060\u007b-\u00bf\u2000-\u207f\u3000-\u3004\u3008-\u303f\uff00-\uff0f\uff1a-\uff3f"
WORD = re.compile(f"(?![{APART}])[{ALONE}]|(?:(?![{APART}{ALONE}]).)+", re.DOTALL)

PIECES = ["e\u0301", "\u200b", "\u2014", "\u00a0", "\u00ad", "\n", "\t", " ", "", "a" * 60, "\x00"]
PIECES += "river River don't 2024 1999 x naïve ñ straße ИЛИ или λόγος 日本語 かな カナ 漢 ภาษาไทย ລາວ 한국어".split()
PIECES += "العربية हिन्दी 😀 𝔘 “quoted” … « » 。 、 ！ Ａ ５ ５５x 人々 〇 〆 ： - _ % é 日a a日 日1日".split()
texts = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
                  st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join))  # fmt: skip
columns = st.lists(st.one_of(st.none(), texts), max_size=8)


def words(text: str | None) -> list[str]:
    """Split one text, slowly."""
    lowered = pc.utf8_lower(pa.scalar(text or "", pa.string())).as_py()
    return [re.sub("[0-9]", "0", word) for word in WORD.findall(lowered)]


def strings(values: list[str | None]) -> pa.Array:
    return pa.array(values, pa.string())


def dense_rows(column: pa.Array, bits: int = 18, bigrams: bool = False) -> list[dict[int, float]]:
    matrix = hashed_counts(column, bits, bigrams)
    return [dict(zip(matrix[n].indices.tolist(), matrix[n].data.tolist(), strict=True)) for n in range(matrix.shape[0])]


@given(columns)
def test_words_are_those_of_the_reference(column: list[str | None]) -> None:
    hashes, row = word_hashes(strings(column))
    expected = [(number, word) for number, text in enumerate(column) for word in words(text)]
    assert row.tolist() == [number for number, _ in expected]
    of: dict[str, set[int]] = {}
    for value, (_, word) in zip(hashes.tolist(), expected, strict=True):
        of.setdefault(word, set()).add(value)
    assert all(len(values) == 1 for values in of.values()), "one word, one hash"
    short = {word: values for word, values in of.items() if len(word.encode()) <= 48}
    assert len({next(iter(values)) for values in short.values()}) == len(short), "other words, other hashes"


@given(columns, st.sampled_from([10, 18, 24]))
def test_counts_are_those_of_the_reference(column: list[str | None], bits: int) -> None:
    vocabulary = sorted({word for text in column for word in words(text)})
    feature = {}
    for word in vocabulary:
        (place,) = hashed_counts(strings([word]), bits).indices
        feature[word] = int(place)
    expected = []
    for text in column:
        counted: Counter[int] = Counter()
        for word in words(text):
            counted[feature[word]] += 1
        expected.append(dict(counted))
    assert dense_rows(strings(column), bits) == expected


@given(columns, st.integers(0, 8), st.booleans())
def test_a_column_in_pieces_gives_the_same_rows(column: list[str | None], at: int, bigrams: bool) -> None:
    whole = hashed_counts(strings(column), bigrams=bigrams)
    cut = min(at, len(column))
    parts = [hashed_counts(strings(column).slice(*piece), bigrams=bigrams) for piece in ((0, cut), (cut,))]
    assert whole.shape[0] == parts[0].shape[0] + parts[1].shape[0]
    for name in ("indices", "data"):
        np.testing.assert_array_equal(getattr(whole, name), np.concatenate([getattr(part, name) for part in parts]))
    lengths = np.concatenate([np.diff(part.indptr) for part in parts])
    np.testing.assert_array_equal(np.diff(whole.indptr), lengths)


@given(columns, st.integers(0, 8), st.integers(0, 8))
def test_sliced_and_large_arrays(column: list[str | None], start: int, length: int) -> None:
    part = strings(column).slice(min(start, len(column)), length)
    copied = strings(part.to_pylist())
    assert dense_rows(part) == dense_rows(copied) == dense_rows(copied.cast(pa.large_string()))


@given(columns)
def test_bigrams_add_pairs_of_neighbours_within_a_document(column: list[str | None]) -> None:
    single, double = hashed_counts(strings(column), 24), hashed_counts(strings(column), 24, bigrams=True)
    lengths = [len(words(text)) for text in column]
    np.testing.assert_array_equal(np.asarray(single.sum(axis=1)).ravel(), lengths)
    np.testing.assert_array_equal(
        np.asarray(double.sum(axis=1)).ravel(), [2 * length - 1 if length else 0 for length in lengths]
    )


def test_bigrams_tell_order_and_do_not_cross_documents() -> None:
    forth, back = dense_rows(strings(["alder birch", "birch alder"]), 24, bigrams=True)
    assert len(forth.keys() & back.keys()) == 2
    together = dense_rows(strings(["alder", "birch"]), 24, bigrams=True)
    assert together == dense_rows(strings(["alder"]), 24, bigrams=True) + dense_rows(
        strings(["birch"]), 24, bigrams=True
    )


@given(columns)
def test_the_matrix_is_canonical(column: list[str | None]) -> None:
    matrix = hashed_counts(strings(column), bigrams=True)
    assert matrix.dtype == np.float32
    assert matrix.has_canonical_format
    copy = matrix.copy()
    copy.has_canonical_format = False
    copy.sum_duplicates()
    np.testing.assert_array_equal(copy.indices, matrix.indices)


@pytest.mark.parametrize("bits", [10, 13, 18, 24])
def test_features_stay_within_the_bits(bits: int) -> None:
    column = strings([f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(600)])
    matrix = hashed_counts(column, bits, bigrams=True)
    assert matrix.shape == (600, 1 << bits)
    assert matrix.indices.min() >= 0
    assert matrix.indices.max() < 1 << bits
    used = len(np.unique(matrix.indices))
    expected = (1 << bits) * (1 - np.exp(-600 / (1 << bits)))  # balls in bins
    assert used > 0.9 * expected, "features are spread evenly"


def test_digits_are_folded_to_shapes() -> None:
    first, second, third, fourth = dense_rows(strings(["in 1987", "in 2024", "in 202", "in 2o24"]))
    assert first == second
    assert third != first
    assert fourth != first


def test_case_is_folded_beyond_ascii() -> None:
    upper, lower = dense_rows(strings(["ÜBER ОТЧЁТ ΩMEGA", "über отчёт ωmega"]))
    assert upper == lower


def test_typographic_punctuation_separates_like_ascii() -> None:
    plain, typographic, spaced = dense_rows(
        strings(["alder-birch, cedar", "“alder”—birch… cedar", "alder\u00a0birch\u2009cedar"])
    )
    assert plain == typographic == spaced


def test_scripts_without_spaces_count_characters() -> None:
    hashes, row = word_hashes(strings(["漢字かな", "กข", "漢a字"]))
    assert np.bincount(row).tolist() == [4, 2, 3]
    assert hashes[0] == hashes[6], "the same character is the same word"


def test_a_long_run_is_one_word() -> None:
    column = strings(["a" * 5000, "a" * 47 + "b" + "a" * 20, "a" * 47 + "c" + "a" * 20, "a" * 5000 + " end"])
    hashes, row = word_hashes(column)
    assert row.tolist() == [0, 1, 2, 3, 3]
    assert hashes[0] == hashes[3]
    assert hashes[1] != hashes[2], "the first 48 bytes are told apart"


@pytest.mark.parametrize("column", [[], [None], [""], ["", None, "..."], ["!"], ["é"], ["漢"], ["\u2014"]])
def test_tiny_columns(column: list[str | None]) -> None:
    matrix = hashed_counts(strings(column), bigrams=True)
    assert matrix.shape[0] == len(column)
    assert matrix.sum() == sum(len(words(text)) for text in column)
