import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.seeds.lexical import (
    count_syllables,
    is_content,
    measure,
    measure_all,
    moving_type_token_ratio,
    mtld,
    split_sentences,
    split_words,
)

word_lists = st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=200)


def test_values_computed_by_hand() -> None:
    # 11 words of one syllable in 2 sentences: the 3 times, cat twice, sat on mat a dog saw once; content words: cat sat
    # mat dog saw cat; letters 3 3 3 2 3 3 and 1 3 3 3 3
    found = measure("The cat sat on the mat. A dog saw the cat!")
    assert found is not None
    assert (found.words, found.sentences) == (11, 2)
    assert found.type_token_ratio == pytest.approx(8 / 11)
    assert found.hapax_ratio == pytest.approx(6 / 11)
    assert found.lexical_density == pytest.approx(6 / 11)
    assert found.sentence_length == pytest.approx(5.5)
    assert found.word_length == pytest.approx(30 / 11)
    assert found.reading_ease == pytest.approx(206.835 - 1.015 * 5.5 - 84.6)
    assert found.grade == pytest.approx(0.39 * 5.5 + 11.8 - 15.59)
    assert found.yule_k == pytest.approx(1e4 * (3**2 + 2**2 + 6 - 11) / 121)
    assert found.moving_type_token_ratio == found.type_token_ratio  # shorter than a window


def test_moving_ratio_by_hand() -> None:
    # windows of 3 over a b a a c: aba 2/3, baa 2/3, aac 2/3; of 2: ab ba aa ac
    assert moving_type_token_ratio(list("abaac"), 3) == pytest.approx(2 / 3)
    assert moving_type_token_ratio(list("abaac"), 2) == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert moving_type_token_ratio(list("ab"), 5) == 1


def test_mtld_by_hand() -> None:
    # forwards: a b a -> 2/3 <= 0.72, a factor; then c d, ratio 1, nothing: 5 / 1.
    # backwards: d c a b a -> 4/5, not yet: (1 - 0.8) / 0.28 factors = 0.714...: 5 / 0.714... = 7
    assert mtld(list("abacd")) == pytest.approx((5 + 7) / 2)
    assert mtld(list("abcdef")) == 6  # without a repeat it has no value: the number of words stands in
    assert mtld(["a"] * 10) == 2  # each second word completes a factor
    # 18 words, 7 of them again: 18 / 25 is the threshold itself and completes a factor, the 26th word begins another;
    # backwards the ratio ends at 19 / 26, above it
    words = [*"abcdefghijklmnopqr", *"abcdefg", "z"]
    assert mtld(words) == pytest.approx((26 + 26 * 0.28 / (1 - 19 / 26)) / 2)


@given(words=word_lists, window=st.integers(1, 60))
def test_moving_ratio_is_the_mean_over_windows(words: list[str], window: int) -> None:
    spans = [words[i : i + window] for i in range(max(1, len(words) - window + 1))]
    expected = sum(len(set(span)) / len(span) for span in spans) / len(spans)
    assert moving_type_token_ratio(words, window) == pytest.approx(expected)


@given(words=word_lists)
def test_mtld_is_the_same_both_ways_and_blind_to_names(words: list[str]) -> None:
    assert mtld(words) == pytest.approx(mtld(words[::-1]))
    assert mtld(words) == mtld([word.upper() for word in words])
    assert 0 < mtld(words) < math.inf


@given(text=st.text(max_size=300))
def test_any_text_is_measured_within_ranges(text: str) -> None:
    found = measure(text)
    assert (found is None) == (not split_words(text))
    if found is not None:
        assert 1 <= found.sentences <= found.words
        assert 0 < found.type_token_ratio <= 1 and 0 < found.moving_type_token_ratio <= 1
        assert 0 <= found.hapax_ratio <= found.type_token_ratio
        assert 0 <= found.lexical_density <= 1 and found.yule_k >= 0


@given(text=st.text(max_size=300))
def test_sentences_keep_every_word(text: str) -> None:
    assert [word for sentence in split_sentences(text) for word in split_words(sentence)] == split_words(text)


def test_words() -> None:
    assert split_words("Don't re-enter: it’s 1,200 café_x") == ["don't", "re", "enter", "it's", "café", "x"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three? Four…", 4),
        ("Dr. J. Smith et al. saw Mr. Jones of Acme Inc. on Monday.", 1),
        ("It cost 3.5 million, e.g. in the U.S. market.", 1),
        ('"Stop." "Why?" (Because.) So it was', 4),
        ("A heading\n\nthen a paragraph.", 2),
        ("- First item\n- Second item", 2),
        ("A hard-wrapped\nline goes on.", 1),
        ("wait... what", 1),
        ("No words: 123. 456.", 1),
        ("", 0),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert len(split_sentences(text)) == count


@pytest.mark.parametrize(
    ("word", "count"),
    [
        ("a", 1), ("the", 1), ("cat", 1), ("make", 1), ("table", 2), ("rule", 1), ("whole", 1), ("agreed", 2),
        ("walked", 1), ("wanted", 2), ("boxes", 2), ("judges", 2), ("wages", 2), ("names", 1), ("tables", 2),
        ("being", 2), ("radio", 3), ("nation", 2), ("special", 2), ("social", 2), ("period", 3), ("statement", 2),
        ("likely", 2), ("useless", 2), ("moment", 2), ("prism", 2), ("didn't", 2), ("wasn't", 2), ("don't", 1),
        ("company's", 3), ("university", 5), ("psychology", 4), ("mmm", 1),
    ],
)  # fmt: skip
def test_syllables(word: str, count: int) -> None:
    assert count_syllables(word) == count


def test_content_words() -> None:
    closed = "the of and don't can't it's they're we'd whose herself mustn't"
    assert not any(is_content(word) for word in closed.split())
    assert all(is_content(word) for word in ("court", "patient's", "quickly", "red", "invest"))


def test_harder_text_has_a_higher_grade_and_richer_text_more_richness() -> None:
    plain = measure("The dog ran. The dog sat. The man saw the dog run. The dog and the man sat. " * 4)
    hard = measure(
        "Notwithstanding considerable institutional resistance, administrative reorganisation proceeded expeditiously, "
        "occasioning unanticipated jurisdictional disagreements between neighbouring municipalities."
    )
    assert plain is not None and hard is not None
    assert hard.grade > plain.grade + 10 and hard.reading_ease < plain.reading_ease
    assert hard.moving_type_token_ratio > plain.moving_type_token_ratio
    assert hard.yule_k < plain.yule_k and hard.lexical_density > plain.lexical_density


def test_means_and_deviations_over_documents() -> None:
    found = measure_all(["One two three.", "123", "One two three four five."])
    assert found is not None
    assert (found.documents, found.mean.words) == (2, 4)
    assert found.deviation.words == pytest.approx(math.sqrt(2))
    assert measure_all([]) is None and measure_all(["42", ""]) is None
    single = measure_all(["One."])
    assert single is not None and single.deviation.words == 0
