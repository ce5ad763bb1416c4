"""Decontamination against brute force over words, then builds, tags, review tables and every refusal."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motherlode.corpus.corpus import Corpus
from motherlode.corpus.decontaminate import DecontaminateOptions, Decontaminator
from motherlode.corpus.decontaminate.harness import read_tasks
from motherlode.corpus.decontaminate.items import read_items, table_of
from motherlode.corpus.decontaminate.review import read_review, summarise
from motherlode.corpus.words import fold
from motherlode.errors import InputError
from motherlode.shards.engine import LocalEngine
from tests.corpus.inputs import documents, write_lines
from tests.invented import TOPICS, document

WORDS = st.sampled_from("a b c d".split())
TEXTS = st.lists(st.lists(WORDS, max_size=12).map(" ".join), min_size=1, max_size=6)


def options(**values: Any) -> DecontaminateOptions:
    """Return options."""
    return DecontaminateOptions.parse(values, "test")


def items(*texts: str) -> pa.Table:
    """Return items of one file."""
    return table_of([("file", f"item {n}", "question", text) for n, text in enumerate(texts)])


def invented(random_seed: int, words: int = 60) -> str:
    """Invent a text."""
    return document([TOPICS[random_seed % 3]], random.Random(random_seed), words)


def longest_run(left: list[str], right: list[str]) -> int:
    """Return the length of the longest run of words that two lists share."""
    best = 0
    for i in range(len(left)):
        for j in range(len(right)):
            k = 0
            while i + k < len(left) and j + k < len(right) and left[i + k] == right[j + k]:
                k += 1
            best = max(best, k)
    return best


@settings(max_examples=200)
@given(evaluation=TEXTS, texts=TEXTS, n=st.integers(2, 6), short=st.integers(1, 4))
def test_matches_are_those_of_comparing_all_words(evaluation: list[str], texts: list[str], n: int, short: int) -> None:
    search = Decontaminator(
        items(*evaluation), options(decontaminate_ngram=n, decontaminate_short=short, decontaminate_frequent=1000)
    )
    found = search.check(texts)
    first: dict[str, int] = {}
    for number, text in enumerate(evaluation):
        first.setdefault(text, number)
    for text, matches in zip(texts, found, strict=True):
        expected = {}
        for item, number in first.items():
            run, length = longest_run(fold(text), fold(item)), len(fold(item))
            if run >= n:
                expected[f"item {number}"] = ("words", run)
            elif min(short, n) <= length < n and run == length:
                expected[f"item {number}"] = ("whole", run)
        assert {match.item: (match.kind, match.words) for match in matches} == expected
        for match in matches:
            assert fold(text[match.start : match.end]) == fold(match.evaluation_span)
            assert match.span == text[match.start : match.end]
            assert len(fold(match.span)) == match.words
        assert [match.words for match in matches] == sorted((match.words for match in matches), reverse=True)


def test_case_and_punctuation_do_not_hide_an_item() -> None:
    question = "Which of these rivers, by the old bridge, flows past the market town of Ostrin in spring?"
    text = "Before. WHICH of these rivers by the old bridge flows past — the market town of “Ostrin” in spring: after"
    (matches,) = Decontaminator(items(question)).check([text])
    assert len(matches) == 1
    assert matches[0].words == 17
    assert (matches[0].start, text[matches[0].end :]) == (8, ": after")


def test_short_items_count_only_where_they_stand_whole() -> None:
    eight, four = "what is the deepest lake in the world", "what is a lake"
    search = Decontaminator(items(eight, four))
    assert [
        len(matches) for matches in search.check([f"so, {eight}?", "what is the deepest lake in the land", four])
    ] == [
        1,
        0,
        0,
    ]
    assert (search.index.too_short, search.index.items_in_all) == (1, 2)


def test_prompts_do_not_count_and_what_stands_in_few_items_does() -> None:
    prompt = "What is the sentiment of this sentence from an investor's point of view, as it seems to you today?"
    rows = [f"{prompt} {invented(n)}" for n in range(40)]
    search = Decontaminator(items(*rows, *[f"the same context {invented(99)}"] * 20))
    assert search.check([prompt]) == [[]]
    assert len(search.check([invented(7)])[0]) == 1
    assert [match.item for match in search.check([invented(99)])[0]] == ["item 40"]
    always = Decontaminator(items(*rows), options(decontaminate_frequent=40))
    assert len(always.check([prompt])[0]) == 16


def edited(text: str, every: int) -> str:
    """Replace each n-th word."""
    return " ".join(word if place % every else "changed" for place, word in enumerate(text.split(), start=1))


def test_fuzzy_finds_what_was_edited_and_nothing_else() -> None:
    question = invented(1, 60)
    changed = edited(question, 12)
    texts = [f"{invented(2)} {changed} {invented(3)}", invented(2), invented(4, 20)]
    assert Decontaminator(items(question)).check(texts) == [[], [], []]
    found = Decontaminator(items(question), options(decontaminate_fuzzy=0.5)).check(texts)
    assert [len(matches) for matches in found] == [1, 0, 0]
    match = found[0][0]
    own = fold(question)
    grams = {tuple(own[k : k + 5]) for k in range(len(own) - 4)}
    there = fold(changed)
    shared = grams & {tuple(there[k : k + 5]) for k in range(len(there) - 4)}
    assert match.kind == "fuzzy"
    assert match.share == pytest.approx(len(shared) / len(grams))
    assert match.span.split()[0] in changed
    assert Decontaminator(items(question), options(decontaminate_fuzzy=0.95)).check(texts) == [[], [], []]


def test_fuzzy_wants_the_matches_close_together() -> None:
    question = invented(1, 60)
    words = question.split()
    pieces = [" ".join(words[k : k + 10]) for k in range(0, 60, 10)]
    apart = " ".join(f"{piece} {invented(20 + n, 80)}" for n, piece in enumerate(pieces))
    search = Decontaminator(items(question), options(decontaminate_fuzzy=0.5))
    assert search.check([apart]) == [[]]
    together = " ".join(f"{piece} between" for piece in pieces)
    assert [match.kind for match in search.check([together])[0]] == ["fuzzy"]


def test_samples_of_any_shape_are_checked() -> None:
    question = invented(4)
    rows = [
        {"prompt": question, "completion": "yes"},
        {"messages": [{"role": "user", "content": f"Tell me: {question}"}, {"role": "assistant", "content": "no"}]},
        {"prompt": invented(5), "completion": "no", "score": 3},
    ]
    found = Decontaminator(items(question)).check_samples(rows)
    assert [len(matches) for matches in found] == [1, 1, 0]


def test_matches_do_not_depend_on_the_other_texts() -> None:
    many = [f"{invented(n)} {invented(n + 1)}" for n in range(300)]
    search = Decontaminator(items(*(invented(n) for n in range(0, 300, 7))), options(decontaminate_fuzzy=0.6))
    together = search.check(many)
    assert together[100:120] == [search.check([text])[0] for text in many[100:120]]
    assert sum(map(bool, together)) >= 2 * 42


# ---- files


def evaluation(folder: Path) -> Path:
    """Write an evaluation file with a question and a context."""
    rows = [{"id": f"q{n}", "question": invented(n, 30), "context": {"text": [invented(50 + n)]}} for n in range(6)]
    return write_lines(folder / "test.jsonl.gz", rows)


def test_fields_are_read_by_name_and_in_every_format(tmp_path: Path) -> None:
    path = evaluation(tmp_path)
    every = read_items([str(path)])
    assert every.column("field").to_pylist()[:3] == ["id", "question", "context.text"]
    one = read_items([f"{path}:question"])
    assert one.to_pylist()[2] == {"file": path.name, "item": "q2", "field": "question", "text": invented(2, 30)}
    assert set(read_items([f"{path}:question,context"]).column("field").to_pylist()) == {"question", "context.text"}
    pq.write_table(pa.table({"question": [invented(1)]}), tmp_path / "a.parquet")
    assert read_items([f"{tmp_path}/a.parquet:question"]).to_pylist()[0]["item"] == "row 0"
    colon = write_lines(tmp_path / "a:b.jsonl", [{"question": "why"}])
    assert read_items([str(colon)]).num_rows == 1


def test_what_is_wrong_with_an_evaluation_file_is_one_line(tmp_path: Path) -> None:
    path = evaluation(tmp_path)
    torn = write_lines(tmp_path / "torn.jsonl", ['{"question": "a"}', "{torn"])
    numbers = write_lines(tmp_path / "numbers.jsonl", [{"n": 1}])
    for named, line in (
        (f"{path}:qestion", "no item has text in the field 'qestion'; did you mean 'question'?"),
        (f"{path}:", "names no field"),
        (str(tmp_path / "missing.jsonl"), "no such file"),
        (str(torn), "line 2 cannot be read"),
        (str(numbers), "holds no text"),
    ):
        with pytest.raises(InputError) as error:
            build_(tmp_path, decontaminate=[named])
        assert line in str(error.value)
        assert not (tmp_path / "out").exists()


def build_(folder: Path, name: str = "out", workers: int = 1, **more: Any) -> Corpus:
    """Build a corpus of twenty texts, of which some hold evaluation items."""
    rows: list[dict[str, Any]] = [{"text": f"{invented(n + 200)}", "id": f"d{n}"} for n in range(20)]
    rows[3]["text"] += " " + invented(2, 30)
    rows[4] = {"text": f"{invented(53)} {invented(301)}", "note": "kept"}
    source = write_lines(folder / "in" / "a.jsonl", rows)
    with LocalEngine(workers, quiet=True) as engine:
        return Corpus.build(source, folder / name, engine=engine, shard_rows=6, split_bytes=2000, **more)


def test_contaminated_documents_go_and_the_table_says_why(tmp_path: Path) -> None:
    path = evaluation(tmp_path)
    corpus = build_(tmp_path, decontaminate=[str(path)])
    stats = corpus.stats()
    assert stats.adds_up
    assert stats.dropped == {"contaminated": 2}
    assert {row["id"] for row in documents(corpus)} == {f"d{n}" for n in range(20)} - {"d3", "d4"}
    review = read_review(corpus.folder)
    assert review is not None
    rows = {row["field"]: row for row in review.to_pylist()}
    assert rows["question"]["document"] == "d3"
    assert (rows["question"]["file"], rows["question"]["item"], rows["question"]["words"]) == (
        "test.jsonl.gz",
        "q2",
        30,
    )
    assert fold(rows["question"]["span"]) == fold(invented(2, 30))[: len(fold(rows["question"]["span"]))]
    assert rows["context.text"]["item"] == "q3"
    assert len(rows["context.text"]["document"]) == 32  # the digest that would have been the id
    assert rows["context.text"]["location"]
    assert stats.contamination == summarise(corpus.folder)
    assert stats.contamination is not None
    assert {k: v for k, v in stats.contamination[0].items() if k != "example"} == {
        "file": "test.jsonl.gz",
        "documents": 2,
        "items": 2,
        "longest": 60,
    }


def test_contaminated_documents_are_tagged(tmp_path: Path) -> None:
    path = evaluation(tmp_path)
    corpus = build_(tmp_path, decontaminate=[str(path)], contaminated="tag")
    assert len(corpus) == 20
    metadata = {row["metadata"] for row in documents(corpus)} - {None}
    assert {json.dumps(json.loads(value), sort_keys=True) for value in metadata} == {
        '{"contaminated": ["test.jsonl.gz:q2"]}',
        '{"contaminated": ["test.jsonl.gz:q3"], "note": "kept"}',
    }
    assert corpus.stats().notes["tagged_contaminated"] == 2


def test_a_build_depends_on_the_items_and_not_on_the_workers(tmp_path: Path) -> None:
    from tests.kill import contents

    path = evaluation(tmp_path)
    one = build_(tmp_path, decontaminate=[f"{path}:question"])
    two = build_(tmp_path, "two", 2, decontaminate=[f"{path}:question"])
    assert contents(one.folder) == contents(two.folder)
    write_lines(path, [{"question": invented(203)}])
    with pytest.raises(InputError, match="holds the output of other settings"):
        build_(tmp_path, decontaminate=[f"{path}:question"])
    again = build_(tmp_path, decontaminate=[f"{path}:question"], overwrite=True)
    assert again.stats().dropped == {"contaminated": 1}


def test_without_matches_there_is_no_table(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test.jsonl", [{"question": invented(999)}])
    corpus = build_(tmp_path, decontaminate=[str(path)])
    assert read_review(corpus.folder) is None
    assert corpus.stats().contamination == []  # it was held against items, and none was found
    assert not (corpus.folder / "contamination").exists()
    assert build_(tmp_path, "bare").stats().contamination is None


def test_tags_stay_on_every_chunk_of_a_document_that_was_masked_and_cut(tmp_path: Path) -> None:
    item, notice = invented(2, 30), "This notice stands in every document and goes from all but the first of them."
    bodies = [f"Write to person{n}@example.com now. {invented(100 + n, 90)}" for n in range(6)]
    held = {1: f"{bodies[1]}\n{item}", 4: f"{bodies[4]}\n{notice} {item}"}
    rows = [{"id": f"d{n}", "text": f"{notice}\n{held.get(n, body)}"} for n, body in enumerate(bodies)]
    rows += [{"id": "d1", "text": f"{invented(300, 80)}\n{item}"}, {"id": "short#1", "text": f"Short and {item}"}]
    source = write_lines(tmp_path / "in.jsonl", rows)
    path = write_lines(tmp_path / "test.jsonl", [{"id": "q", "question": item}])
    corpus = Corpus.build(
        source,
        tmp_path / "corpus",
        engine=LocalEngine(1, quiet=True),
        decontaminate=[str(path)],
        contaminated="tag",
        mask_personal_data=True,
        repeated_paragraphs="first",
        chunk_words=40,
    )
    assert corpus.stats().adds_up and corpus.stats().kept == len(rows)
    tagged: dict[str, list[str]] = {}
    for row in documents(corpus):
        document, _, number = row["id"].partition("#")
        assert number or document.startswith("short"), row["id"]  # all others were cut
        if row["metadata"] and "contaminated" in json.loads(row["metadata"]):
            assert json.loads(row["metadata"])["contaminated"] == ["test.jsonl:q"]
            tagged.setdefault(document, []).append(row["text"])
        else:
            assert document not in tagged  # all chunks of a document, or none
        assert "@example.com" not in row["text"]
    renamed = {document for document in tagged if document.startswith("d1~")}
    assert set(tagged) == {"d1", "d4", "short", *renamed} and len(renamed) == 1
    assert len(tagged["d1"]) >= 3 and sum(fold(item)[0] in fold(text) for text in tagged["d1"]) <= len(tagged["d1"])
    review = read_review(corpus.folder)
    assert review is not None
    assert [(row["document"], row["location"]) for row in review.to_pylist()] == [
        ("d1", "line 2"),
        ("d4", "line 5"),
        ("d1", "line 7"),
        ("short#1", "line 8"),
    ]
    for row in review.to_pylist():  # places count in the text as it was before masks, cuts and chunks
        text = rows[int(row["location"].removeprefix("line ")) - 1]["text"]
        assert fold(text[row["start"] : row["end"]]) == fold(item)


# ---- lm-evaluation-harness


def test_without_the_harness_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.setitem(sys.modules, "lm_eval.tasks", None)
    with pytest.raises(InputError, match="needs the extra 'evaluate'"):
        read_tasks(["hellaswag"])
    assert read_tasks([]).num_rows == 0


TASK = """
task: invented_task
dataset_path: json
dataset_kwargs: {{data_files: {{test: {path}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
metric_list: [{{metric: exact_match}}]
"""


@pytest.mark.long
def test_tasks_of_the_harness_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lm_eval", reason="the extra 'evaluate' is not installed")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    path = write_lines(tmp_path / "data.jsonl", [{"question": invented(n), "answer": "yes"} for n in range(3)])
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "invented_task.yaml").write_text(TASK.format(path=path))
    found = read_tasks(["invented_task"], include=str(tmp_path / "tasks"))
    assert found.to_pylist()[2] == {
        "file": "task:invented_task",
        "item": "1",
        "field": "question",
        "text": invented(1),
    }
    assert found.num_rows == 6
    with pytest.raises(InputError, match="there is no task 'invented_tusk'; did you mean 'invented_task'"):
        read_tasks(["invented_tusk"], include=str(tmp_path / "tasks"))
