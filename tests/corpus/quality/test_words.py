"""Words, lines and sentences of a block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.corpus.quality.hashing import text_hash
from motherlode.corpus.quality.sentences import sentence_starts
from motherlode.corpus.quality.words import Block, blocks
from tests.corpus.quality.reference import words_of


def sentences(text: str, *, plain: bool = False) -> list[str]:
    block = Block([text])
    starts = block.word_starts[sentence_starts(block, plain=plain)].tolist()
    return [text[start:end].strip() for start, end in zip(starts, [*starts, len(text)][1:], strict=True)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The end. Really?!", "The|end|.|Really|?|!"),
        ("it's don't we're O'Brien can’t I'd reach'd", "it|'s|do|n't|we|'re|O'Brien|ca|n’t|I|'d|reach'd"),
        ("well-known 10-year 1990-95 80–85 a--b -5 --x", "well|-|known|10|-|year|1990|-|95|80–85|a|--|b|-5|--x"),
        ("3,000.50 a,b 10:30 and/or x/y 12/31", "3,000.50|a|,|b|10:30|and/or|x|/|y|12/31"),
        ("Mr. Smith of U.S. Inc. paid $5. No. 5 vs. 6", "Mr.|Smith|of|U.S.|Inc.|paid|$|5|.|No|.|5|vs.|6"),
        ("(see http://a.b/c?d=e.) www.x.org/y, f@g.h", "(|see|http://a.b/c?d=e|.|)|www.x.org/y|,|f@g.h"),
        ("wait... so…no #tag @user  50% .txt", "wait|...|so|…|no|#|tag|@user|50|%|.txt"),
        ("end.Next U.S.A version 2.0.1 cannot", "end|.|Next|U.S.A|version|2.0.1|can|not"),
        ("dont theyll Whats ill wed im 'cause", "do|nt|they|ll|What|s|ill|we|d|i|m|'cause"),
        ("10mg 5GB. (99m) 2pm 350°F. 3Dm", "10|mg|5|GB|.|(|99|m|)|2|pm|350|°|F|.|3Dm"),
        ("ok :-) (2018): so ;) :-} =-=- ==- -== +/- __x", "ok|:-)|(|2018|):|so|;)|:-}|=|-=-|=|=|-|-==|+|/-|_|_|x"),
        ("gov't turn'd n.d. e.g. p.m. C++ results/. They'll", "gov't|turn'd|n.d|.|e.g.|p.m.|C++|results/.|They|'ll"),
        ("law.”Next ", "law|.|”Next"),
        ("漢字とabc。ภาษา", "漢|字|と|abc|。|ภ|า|ษ|า"),
        ("naïve cafe\u0301 Δόξα सदन עברית", "naïve|cafe\u0301|Δόξα|सदन|עברית"),
    ],
)
def test_words_are_split_as_the_rules_say(text: str, words: str) -> None:
    assert words_of(text) == words.split("|")


CHARACTERS = st.sampled_from(
    [*"aB9é. ,'-/:_#$(\"\n\t\r\u2028\x00漢ท\u0301…", "://", "www.", "n't", "cannot", "Mr.", "dont", ":-)", "=-=", "9mg"]
)
TEXTS = st.one_of(st.text(max_size=40), st.lists(CHARACTERS, max_size=30).map("".join))


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_words_cover_all_but_white_space_in_order(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    block = Block(texts)
    covered = np.zeros(len(block.text), dtype=int)
    for start, end in zip(block.word_starts, block.word_ends, strict=True):
        assert start < end
        covered[start:end] += 1
    blank = [character.isspace() or (not character.isprintable() and ord(character) < 160) for character in block.text]
    for is_covered, is_blank, character in zip(covered, blank, block.text, strict=True):
        assert is_covered == (not is_blank) or character in "\x1c\x1d\x1e\x1f", (character, texts)
    assert (block.word_starts[1:] >= block.word_ends[:-1]).all()
    for number, text in enumerate(texts):
        low, high = block.word_offsets[number : number + 2]
        here = [block.text[a:b] for a, b in zip(block.word_starts[low:high], block.word_ends[low:high], strict=True)]
        assert here == words_of(text)


@given(st.lists(st.text("a\n\r\u2028\x85 b", max_size=12), min_size=1, max_size=4))
def test_lines_are_those_of_python(texts: list[str]) -> None:
    block = Block(texts)
    for number, text in enumerate(texts):
        low, high = block.line_offsets[number : number + 2]
        lines = [block.text[a:b] for a, b in zip(block.line_starts[low:high], block.line_ends[low:high], strict=True)]
        assert lines == (text + "\n").splitlines()


@given(st.text(max_size=30), st.text(max_size=5))
def test_equal_stretches_have_equal_hashes_wherever_they_stand(text: str, before: str) -> None:
    text, before = (part.encode("utf-8", "replace").decode() for part in (text, before))
    block = Block([before + text])
    start = np.array([len(before)])
    assert block.hashes(start, start + len(text))[0] == text_hash(text)
    other = Block([text + "x"])
    assert other.hashes(np.array([0]), np.array([len(text) + 1]))[0] != text_hash(text)


def test_blocks_hold_all_documents_in_order_and_giants_alone() -> None:
    texts = ["a b"] * 3000 + ["x " * 200_000] + ["c"] * 2
    found = [(start, len(block)) for start, block in blocks(texts)]
    assert [start for start, _ in found] == list(np.cumsum([0, *(count for _, count in found[:-1])]))
    assert sum(count for _, count in found) == len(texts)
    assert (3000, 1) in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One here. Two there! Three? Four", ["One here.", "Two there!", "Three?", "Four"]),
        ("Dr. J. R. Smith met Mr. Bo at 5 p.m. on Jan. 3. He left.", None),
        ('He asked, "Why?" and left. "No!" She said.', ['He asked, "Why?" and left.', '"No!"', "She said."]),
        ("See (it is true.) Then go. (Or stay.) Fine.", ["See (it is true.)", "Then go.", "(Or stay.)", "Fine."]),
        ("Version 2.0 of x.py is 3.5 MB. See http://a.b/c.d. Done.", None),
        ("Wait... what? Well... Yes.", ["Wait... what?", "Well...", "Yes."]),
        ("all of it is low. so it goes. and on.", ["all of it is low.", "so it goes.", "and on."]),
        ("これは文です。次の文です！終わり？はい", ["これは文です。", "次の文です！", "終わり？", "はい"]),
        ("यह वाक्य है। दूसरा वाक्य।", ["यह वाक्य है।", "दूसरा वाक्य।"]),
        ("هل هذا سؤال؟ نعم هو.", ["هل هذا سؤال؟", "نعم هو."]),
        ("See fig. 3 and no. 5, vol. 2, pp. 3 etc. Then end.", None),
        ("Das ist z.B. gut, bzw. besser. Ende.", ["Das ist z.B. gut, bzw. besser.", "Ende."]),
        ("", []),
        ("...", ["..."]),
    ],
)
def test_sentences(text: str, expected: list[str] | None) -> None:
    if expected is None:
        expected = {
            "D": ["Dr. J. R. Smith met Mr. Bo at 5 p.m. on Jan. 3.", "He left."],
            "V": ["Version 2.0 of x.py is 3.5 MB.", "See http://a.b/c.d.", "Done."],
            "S": ["See fig. 3 and no. 5, vol. 2, pp. 3 etc.", "Then end."],
        }[text[0]]
    assert sentences(text) == expected


def test_plain_sentences_go_by_marks_alone() -> None:
    text = "it was no. 5 of them. then... nothing. Why? (Yes.)"
    assert sentences(text, plain=True) == ["it was no.", "5 of them.", "then... nothing.", "Why?", "(Yes.)"]
