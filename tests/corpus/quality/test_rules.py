"""Every rule against a slow, obvious program; thresholds at which a rule just holds; blocks that change nothing."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motherlode.corpus.quality import step
from motherlode.corpus.quality.c4 import C4Config, apply_c4
from motherlode.corpus.quality.fineweb import FineWebConfig, check_fineweb
from motherlode.corpus.quality.gopher import GopherConfig, RepetitionConfig, check_quality, check_repetition
from motherlode.corpus.quality.presets import QualityConfig
from motherlode.corpus.quality.rules import Verdict
from motherlode.corpus.quality.step import FilterQuality
from motherlode.corpus.quality.words import Block, blocks
from tests.corpus.everything import prose
from tests.corpus.quality import reference

PIECES = [
    *"the of and with that have be to river Stone lantern's don't market, ledger. violet! harbour? thread-copper".split(),  # noqa: E501
    *'3,000.5 # ## ... … • - -- “quoted” (so) U.S. Mr. e.g. x=y {code} [1] [edit] a 漢字 ที่ é #tag !? ." 17 % & * _'.split(),  # noqa: E501
    *["lorem ipsum", "JavaScript", "privacy policy", "[citation needed]", "w" * 12, "http://a.b/c?d=e."],
]
LINES = st.lists(st.sampled_from(PIECES), max_size=9).map(" ".join)
TEXTS = st.lists(st.one_of(LINES, st.sampled_from(["", "Same line here again.", "- item", "The end..."])), max_size=14)
DOCUMENTS = st.lists(TEXTS.map("\n".join), min_size=1, max_size=6)

# thresholds low enough that small texts come near to them
SMALL = GopherConfig(min_words=4, max_words=40, max_bullet_lines=0.4, max_word_length=6, min_letter_words=0.6)
LOW_REPETITION = RepetitionConfig(
    lines=0.3,
    top_ngrams={2: 0.2, 3: 0.18, 4: 0.16, 6: 0.1},
    repeated_ngrams={2: 0.3, 3: 0.25, 5: 0.15, 7: 0.05},
)


def invent(choice: random.Random, lines: int) -> str:
    """A text with repeats of all kinds, of some length."""
    phrases = [" ".join(choice.choices(PIECES, k=choice.randint(1, 12))) for _ in range(choice.randint(2, 12))]
    made = []
    for _ in range(lines):
        made.append(" ".join(choice.choices(phrases, k=choice.randint(0, 4))))
        if choice.random() < 0.2:
            made.append("")
    return "\n".join(made).strip()


@given(DOCUMENTS)
def test_repetition_is_what_the_paper_says(texts: list[str]) -> None:
    block = Block(texts)
    for config in (RepetitionConfig(), LOW_REPETITION):
        verdict = Verdict(block)
        check_repetition(block, config, verdict)
        assert list(verdict.reasons) == [reference.repetition(text, config) for text in texts]


def test_repetition_of_longer_texts_is_what_the_paper_says() -> None:
    choice = random.Random(7)
    texts = [invent(choice, choice.randint(1, 60)) for _ in range(250)]
    reasons: list[str | None] = []
    for _, block in blocks(texts):
        verdict = Verdict(block)
        check_repetition(block, LOW_REPETITION, verdict)
        reasons += list(verdict.reasons)
    assert reasons == [reference.repetition(text, LOW_REPETITION) for text in texts]
    assert len(set(reasons)) > 6


@given(DOCUMENTS, st.sampled_from(["en", "de"]))
def test_quality_is_what_the_paper_says(texts: list[str], language: str) -> None:
    texts = [text.replace("漢字", "x").replace("ที่", "y") for text in texts]  # these are judged otherwise
    block = Block(texts)
    verdict = Verdict(block)
    check_quality(block, SMALL, [language] * len(texts), verdict)
    assert list(verdict.reasons) == [reference.quality(text, SMALL, language) for text in texts]


@given(DOCUMENTS)
def test_lines_and_documents_go_as_c4_says(texts: list[str]) -> None:
    for config in (C4Config(), C4Config(terminal_punctuation=False, min_sentences=2, max_word_characters=11)):
        block = Block(texts)
        verdict = Verdict(block)
        edited = apply_c4(block, config, verdict)
        expected = [reference.c4(text, config) for text in texts]
        assert list(verdict.reasons) == [reason for reason, _ in expected]
        for number, (reason, text) in enumerate(expected):
            if reason is None:
                assert edited.get(number, texts[number]) == text


@given(DOCUMENTS)
def test_fineweb_is_what_its_authors_say(texts: list[str]) -> None:
    config = FineWebConfig(short_line=12)
    block = Block(texts)
    verdict = Verdict(block)
    check_fineweb(block, config, verdict)
    assert list(verdict.reasons) == [reference.fineweb(text, config) for text in texts]


@settings(max_examples=40)
@given(DOCUMENTS)
def test_decisions_do_not_depend_on_the_documents_beside(texts: list[str]) -> None:
    step = FilterQuality(("gopher", "c4", "fineweb"), QualityConfig(gopher=SMALL, c4=C4Config(min_sentences=2)))
    function = step.open()
    whole = function(pa.record_batch({"text": texts}))
    alone = [function(pa.record_batch({"text": [text]})) for text in texts]
    assert whole.dropped.to_pylist() == [one.dropped[0].as_py() for one in alone]
    assert whole.columns["text"].to_pylist() == [one.columns["text"][0].as_py() for one in alone]


def test_all_families_in_turn_are_the_families_one_after_the_other() -> None:
    choice = random.Random(3)
    texts = [invent(choice, choice.randint(1, 30)) for _ in range(150)]
    repetition = RepetitionConfig(lines=0.5, line_characters=0.5, top_ngrams={2: 0.3}, repeated_ngrams={5: 0.5})
    rules = QualityConfig(
        gopher=GopherConfig(min_words=3, min_letter_words=0.5, max_symbol_ratio=0.3, repetition=repetition),
        c4=C4Config(terminal_punctuation=False, curly_bracket=False, lorem_ipsum=False, min_sentences=2),
        fineweb=FineWebConfig(min_terminal_lines=0.01, max_repeated_characters=0.4),
    )
    together = FilterQuality(("gopher", "c4", "fineweb"), rules).open()(pa.record_batch({"text": texts}))
    left, reasons = list(texts), [None] * len(texts)
    for family in ("gopher", "c4", "fineweb"):
        result = FilterQuality((family,), rules).open()(pa.record_batch({"text": left}))
        left = result.columns["text"].to_pylist() if "text" in result.columns else left
        reasons = [old or new for old, new in zip(reasons, result.dropped.to_pylist(), strict=True)]
    assert together.dropped.to_pylist() == reasons
    kept = [number for number, reason in enumerate(reasons) if reason is None]
    assert kept and [together.columns["text"][n].as_py() for n in kept] == [left[n] for n in kept]
    assert {str(reason).split(":")[0] for reason in reasons} == {"gopher", "c4", "fineweb", "None"}


GERMAN = " ".join(f"{a}{b} {b}{a}, das" for a in ("Wald", "Haus", "Feld", "See") for b in "weg rand tier blick".split())
GERMAN += " " + " ".join(f"{a}ung{b} ist" for a in ("Ord", "Heiz", "Sitz", "Bild") for b in "en s ".split(" "))


@pytest.mark.parametrize(
    ("text", "language", "reason"),
    [
        ("short", "en", "gopher: too few words"),
        (GERMAN, "en", "gopher: too few stop words"),
        (GERMAN, "de", None),
        ("漢字仮名交じり文は日本語の文章で普通に使われている。", "ja", "gopher: too few words"),
        ("".join(chr(0x4E00 + 7 * n) for n in range(300)), "zh", None),
        (" ".join(f"Wort{n}" + "verlängerungsmöglichkeit" for n in range(60)), "de", "gopher: words too long"),
    ],
)
def test_other_languages_and_scripts_are_judged_by_what_makes_sense_there(
    text: str, language: str, reason: str | None
) -> None:
    function = FilterQuality(("gopher",), QualityConfig()).open()
    result = function(pa.record_batch({"text": [text], "language": pa.array([language], pa.string())}))
    assert result.dropped.to_pylist() == [reason]


def test_a_language_of_the_reader_may_have_a_region_or_be_unknown() -> None:
    function = FilterQuality(("gopher",), QualityConfig(language="de")).open()
    batch = pa.record_batch({"text": [GERMAN] * 3, "language": ["de-AT", None, "en_GB"]})
    assert function(batch).dropped.to_pylist() == [None, None, "gopher: too few stop words"]


def test_an_empty_batch_and_empty_texts_are_judged() -> None:
    function = FilterQuality(("gopher", "c4", "fineweb"), QualityConfig()).open()
    assert function(pa.record_batch({"text": pa.array([], pa.string())})).dropped.to_pylist() == []
    found = function(pa.record_batch({"text": ["", " \n ", "\r\n", "#", ".", "\u2028"]})).dropped.to_pylist()
    assert found == ["gopher: too few words"] * 6
    lenient = QualityConfig(gopher=GopherConfig(min_words=0, min_word_length=0, min_letter_words=0, min_stop_words=0))
    assert FilterQuality(("gopher",), lenient).open()(pa.record_batch({"text": [""]})).dropped.to_pylist() == [None]


def test_a_very_long_text_is_judged_by_its_beginning_and_cleaned_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "MOST_CHARACTERS", 1500)
    good = "\n".join(prose(number, 2) for number in range(40))
    unfinished = "".join(f"{prose(number, 2)}\nline {number} without an end\n" for number in range(40))
    texts = [good, unfinished, "- item\n" * 400 + good, good + "\n{ lorem ipsum here. }"]
    rules = QualityConfig(gopher=GopherConfig(repetition=RepetitionConfig(top_ngrams={}, repeated_ngrams={})))
    result = FilterQuality(["gopher", "c4"], rules).open()(pa.RecordBatch.from_pydict({"text": texts}))
    assert result.dropped is not None
    assert result.dropped.to_pylist() == [None, None, "gopher: too many bullet lines", None]
    assert result.columns["text"].to_pylist()[:3] == [good, good, texts[2]]
