"""The report of a corpus: its numbers, its examples, and that nothing in it acts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.errors import InputError
from motherlode.report.corpus import is_corpus, write_corpus_report
from motherlode.shards.engine import LocalEngine
from tests.report.conftest import HOSTILE, sentence
from tests.report.pages import Page, parse


def build(folder: Path, **settings: object) -> Corpus:
    import random

    generator = random.Random(1)
    with (folder / "in.jsonl").open("w") as stream:
        stream.write("torn\n")
        for number in range(90):
            text = sentence(generator, "dough yeast oven flour crust knead loaf butter sugar batter", 70)
            body = text if number % 3 else f"{HOSTILE[number // 3 % len(HOSTILE)]} few words"
            source = f"<b>site {number % 7}</b>{HOSTILE[1]}"
            stream.write(json.dumps({"id": f"{HOSTILE[0]}{number}", "text": body, "source": source}) + "\n")
        stream.write(json.dumps({"id": "again", "text": text, "source": "last"}) + "\n")
    with LocalEngine(1, quiet=True) as engine:
        rules = {"gopher": {"repetition": {"top_ngrams": {}, "repeated_ngrams": {}}, "min_stop_words": 1}}
        return Corpus.build(
            folder / "in.jsonl",
            folder / "out",
            engine=engine,
            quality="gopher",
            quality_rules=rules,
            clean=False,
            **settings,
        )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build(tmp_path_factory.mktemp("corpus"), keep_rejected=True)


@pytest.fixture(scope="module")
def page(corpus: Corpus) -> Page:
    return parse(write_corpus_report(corpus.folder).read_text("utf-8"))


def test_nothing_can_act(page: Page) -> None:
    assert page.tags <= Page.KNOWN_TAGS
    assert {name for _, name, _ in page.attributes} <= Page.KNOWN_ATTRIBUTES
    assert not page.comments and not page.unclosed
    assert "default-src 'none'" in page.meta["Content-Security-Policy"]
    assert all(value.startswith("#") for _, name, value in page.attributes if name == "href")
    assert "<script>alert(1)</script>" in page.text  # shown, as text


def test_the_funnel_is_that_of_the_statistics(corpus: Corpus, page: Page) -> None:
    stats = corpus.stats()
    rows = {row[0]: row[1] for row in page.table("Records by stage and reason")[1:]}
    assert rows["read"] == "92" and rows["could not be read, in quarantine"] == "1"
    assert rows["duplicates exact duplicate"] == "1"
    for stage, reasons in stats.stages.items():
        for reason, count in reasons.items():
            assert rows[f"{stage} {reason}"] == str(count)
    assert rows["left after duplicates"] == str(stats.kept)
    assert "The counts add up" in page.text


def test_every_row_of_sources_adds_up(corpus: Corpus, page: Page) -> None:
    head, *rows = page.table("Records by source and reason")
    assert len(rows) == 7 + 2 + 1 and rows[-1][0] == "all"
    for row in rows:
        numbers = dict(zip(head, row, strict=True))
        lost = sum(int(numbers[name]) for name in head[4:])
        assert int(numbers["Read"]) == int(numbers["Kept"]) + lost
    assert sum(int(row[1]) for row in rows[:-1]) == int(rows[-1][1]) == corpus.stats().read


def test_examples_are_shown_by_reason(corpus: Corpus, page: Page) -> None:
    assert "few words" in page.text and "gopher: too few words" in page.text
    assert page.text.count("exact duplicate") >= 2
    first = write_corpus_report(corpus.folder).read_bytes()
    assert first == write_corpus_report(corpus.folder).read_bytes()


def test_without_rejected_documents_it_says_how_to_keep_them(tmp_path: Path) -> None:
    corpus = build(tmp_path)
    assert "--keep-rejected" in parse(write_corpus_report(corpus.folder).read_text("utf-8")).text


def test_a_corpus_is_told_from_other_folders(corpus: Corpus, tmp_path: Path) -> None:
    assert is_corpus(corpus.folder) and not is_corpus(corpus.documents.folder) and not is_corpus(tmp_path)
    with pytest.raises(InputError):
        write_corpus_report(tmp_path)
