"""Repeated paragraphs: what is cut is what counting in a dictionary would cut, over all shards."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motherlode.corpus import repeated_paragraphs
from motherlode.corpus.repeated_paragraphs import REASON, paragraph_key, split_paragraphs
from motherlode.errors import InputError
from tests.corpus.inputs import build, documents, texts, write_lines

LINES = [
    "all rights reserved by us",
    "ALL rights  reserved by us",
    "menu",
    "a b",
    "",
    "one more long line here",
    "third line",
]
DOCUMENTS = st.lists(st.lists(st.sampled_from(LINES), min_size=1, max_size=6), min_size=1, max_size=10)


def expected(many: list[list[str]], rule: str, least: int, characters: int) -> list[str]:
    """Cut lines by counting them in a dictionary."""

    def key(line: str) -> str | None:
        folded = " ".join(line.lower().split())
        return folded if len(folded) >= characters else None

    holders: dict[str, list[int]] = {}
    for number, lines in enumerate(many):
        for folded in {key(line) for line in lines} - {None}:
            assert folded is not None
            holders.setdefault(folded, []).append(number)
    kept = []
    for number, lines in enumerate(many):
        left = []
        for line in lines:
            have = holders.get(key(line) or "", [])
            if len(have) < least or (rule == "first" and have[0] == number):
                left.append(line)
        kept.append("\n".join(left).strip())
    return kept


@pytest.mark.parametrize("rule", ["first", "drop"])
@pytest.mark.parametrize("held", [2, 1000])
@settings(max_examples=12)
@given(many=DOCUMENTS, least=st.integers(2, 4), characters=st.integers(1, 12), shard_rows=st.integers(1, 5))
def test_what_is_cut_is_what_a_dictionary_says(
    tmp_path_factory: pytest.TempPathFactory,
    rule: str,
    held: int,
    many: list[list[str]],
    least: int,
    characters: int,
    shard_rows: int,
) -> None:
    folder = tmp_path_factory.mktemp("paragraphs")
    written = ["\n".join(lines) for lines in many]
    rows: list[dict[str, Any]] = [{"text": text, "id": n} for n, text in enumerate(written)]
    path = write_lines(folder / "a.jsonl", [*rows, {"text": "the last document stays whatever the others hold"}])
    options = {"repeated_paragraphs": rule, "repeated_in": least, "paragraph_characters": characters}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeated_paragraphs, "_KEYS", held)
        corpus = build(
            path, folder / "out", deduplicate=False, clean=False, min_words=0, shard_rows=shard_rows, **options
        )
    cut = expected([text.split("\n") for text in written], rule, least, characters)
    kept = [text for text, before in zip(cut, written, strict=True) if text.split()]
    assert [text.strip() for text in texts(corpus)[:-1]] == kept
    dropped = corpus.stats().dropped
    assert dropped.get("no text", 0) + dropped.get(REASON, 0) == len(many) - len(kept)
    for row in documents(corpus):
        assert row["words"] == len(row["text"].split())


NOTICE = "This site uses cookies in order to give you what you came for"


def test_a_document_of_which_too_little_is_left_is_dropped_under_its_own_reason(tmp_path: Path) -> None:
    rows = [{"text": f"{NOTICE}\nand {n} words of the page itself\n", "id": n} for n in range(3)]
    rows.append({"text": f"short one\n{NOTICE}", "id": "short"})
    path = write_lines(tmp_path / "a.jsonl", rows)
    corpus = build(path, tmp_path / "first", repeated_paragraphs="first", near_duplicates=False)
    assert [row["text"].count(NOTICE) for row in documents(corpus)] == [1, 0, 0]
    assert corpus.stats().dropped == {REASON: 1}
    assert corpus.stats().notes["paragraphs_cut"] == 3
    assert corpus.stats().notes["words_cut"] == 3 * len(NOTICE.split())
    rare = build(path, tmp_path / "drop", repeated_paragraphs="drop", near_duplicates=False)
    assert [row["text"].count(NOTICE) for row in documents(rare)] == [1, 1, 1, 1]  # ten documents make boilerplate
    often = build(path, tmp_path / "five", repeated_paragraphs="drop", repeated_in=4, near_duplicates=False)
    assert [row["text"] for row in documents(often)] == [f"and {n} words of the page itself" for n in range(3)]


def test_duplicates_do_not_count_as_documents(tmp_path: Path) -> None:
    page = f"{NOTICE}\nand some words of the page itself"
    path = write_lines(tmp_path / "a.jsonl", [{"text": page, "id": 1}, {"text": page, "id": 2}])
    assert texts(build(path, tmp_path / "out", repeated_paragraphs="drop", repeated_in=2)) == [page]


def test_paragraphs_stand_between_blank_lines(tmp_path: Path) -> None:
    one = f"Some words of the first\n\n{NOTICE}\nover two lines\n  \nand the end of it"
    two = f"{NOTICE}\nover two lines\n\n\nother words of the second page"
    path = write_lines(tmp_path / "a.jsonl", [{"text": one}, {"text": two}])
    corpus = build(path, tmp_path / "out", repeated_paragraphs="drop", repeated_in=2, paragraph_unit="paragraph")
    assert texts(corpus) == ["Some words of the first\n\nand the end of it", "other words of the second page"]


@given(st.text("ab \n\t", max_size=40))
def test_splitting_loses_nothing_but_white_space(text: str) -> None:
    assert "\n".join(split_paragraphs(text, "line")) == text
    assert re.sub(r"\s", "", "".join(split_paragraphs(text, "paragraph"))) == re.sub(r"\s", "", text)


def test_keys() -> None:
    assert paragraph_key("Same  words", 5) == paragraph_key(" same words", 5)
    assert paragraph_key("same words", 5) != paragraph_key("same word", 5)
    assert paragraph_key("a       b", 5) is None


def test_what_is_set_must_make_sense(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": "five words are enough here"}])
    for more, line in (
        ({"repeated_in": 1}, "repeated-in = 1: input should be greater than or equal to 2"),
        ({"repeated_paragraphs": "some"}, "repeated-paragraphs = 'some': input should be 'keep', 'first' or 'drop'"),
        ({"paragraph_unit": "page"}, "paragraph-unit = 'page': input should be 'line' or 'paragraph'"),
    ):
        with pytest.raises(InputError) as error:
            build(path, tmp_path / "out", **more)
        assert line in str(error.value)
