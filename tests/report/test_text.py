import unicodedata
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from motherlode.report.page import listed, some, ticked
from motherlode.report.text import EXCERPT, excerpt, visible


@given(st.text())
def test_visible_text_holds_no_acting_character(text: str):
    shown = visible(text)
    for character in shown:
        assert character in "\n\t\u200c\u200d" or unicodedata.category(character) not in (
            "Cc",
            "Cf",
            "Cs",
            "Cn",
            "Zl",
            "Zp",
        )
    ET.fromstring(f"<t>{escape(shown)}</t>")
    shown.encode("utf-8")


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_ordinary_text_stays(text: str):
    assert visible(text) == text


@given(st.text())
def test_visible_twice_is_visible_once(text: str):
    assert visible(visible(text)) == visible(text)


def test_what_is_hidden_is_named():
    assert visible("a\u202eb\u200bc\ufeff\x00\x7f\x85\ud800") == "a[U+202E]b[U+200B]c[U+FEFF]\u2400\u2421\ufffd\ufffd"


def test_piled_marks_are_cut_down_and_accents_stay():
    assert visible("e" + "\u0301" * 50) == "e" + "\u0301" * 3
    assert visible("Vietnamese: e\u0323\u0302") == "Vietnamese: e\u0323\u0302"


@given(st.text(st.characters(categories=["L", "Zs"]), max_size=900))
def test_excerpt_is_short_and_one_line(text: str):
    cut = excerpt(text)
    assert len(cut) <= EXCERPT and "\n" not in cut
    assert cut.endswith("…") == (len(" ".join(text.split())) > EXCERPT)


def test_excerpt_ends_at_a_word():
    cut = excerpt("word " * 200)
    assert cut.endswith(" word…") and len(cut) <= EXCERPT
    assert excerpt("x" * 10**6) == "x" * (EXCERPT - 1) + "…"
    assert excerpt("short  and\n\nsweet") == "short and sweet"
    assert excerpt(" " * 10**7 + "far away").endswith("…")


def test_words_for_counts_and_lists():
    assert (some(1, "seed"), some(2000, "seed")) == ("1 seed", "2,000 seeds")
    assert (listed([]), listed(["a"]), listed(["a", "b", "c"])) == ("", "a", "a, b and c")


def test_backticks_become_code_and_nothing_else_does():
    assert ticked("run `a<b` now & `c`") == "run <code>a&lt;b</code> now &amp; <code>c</code>"
    assert ticked("one ` alone") == "one ` alone"
