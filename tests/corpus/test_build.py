"""`Corpus.build`: from files to documents; every record ends as kept, dropped with a reason, or in quarantine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motherlode.corpus.corpus import Corpus
from motherlode.errors import InputError, StorageError
from motherlode.shards.engine import LocalEngine
from motherlode.shards.manifest import Manifest
from tests.corpus.inputs import LONG, build, documents, quarantine, texts, write_data, write_lines
from tests.kill import contents


def test_every_format_and_mixture_gives_documents(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write_lines(folder / "a.jsonl", [{"text": f"{LONG} a"}])
    write_lines(folder / "b.jsonl.gz", [{"text": f"{LONG} b"}])
    write_lines(folder / "c.ndjson.zst", [{"text": f"{LONG} c"}])
    write_data(folder / "d.csv", f"text\n{LONG} d\n".encode())
    write_data(folder / "e.tsv", f"text\n{LONG} e\n".encode())
    pq.write_table(pa.table({"text": [f"{LONG} f", None]}), folder / "f.parquet")
    write_data(folder / "deep" / "er" / "g.txt", f"{LONG} g\n".encode())
    write_data(folder / "deep" / "h.md.gz", f"{LONG} h\n".encode())
    write_data(folder / ".hidden.txt", f"{LONG} hidden".encode())
    write_data(folder / "i.exe", b"\x00")
    corpus = build(folder, tmp_path / "out")
    found = {row["source"]: row["text"].removeprefix(f"{LONG} ") for row in documents(corpus)}
    assert found == {
        "a.jsonl": "a",
        "b.jsonl.gz": "b",
        "c.ndjson.zst": "c",
        "d.csv": "d",
        "e.tsv": "e",
        "f.parquet": "f",
        "deep/er/g.txt": "g",
        "deep/h.md.gz": "h",
    }
    stats = corpus.stats()
    assert stats.notes["files_skipped"] == 1 and stats.skipped == ["i.exe"]
    assert stats.dropped == {"no field 'text'": 1}
    assert {row["id"] for row in documents(corpus)} >= {"deep/er/g.txt", "deep/h.md.gz"}


def test_fields_can_be_mapped_and_the_rest_is_metadata(tmp_path: Path) -> None:
    records = [
        {"doc": {"body": f"{LONG} 1", "url": "u1"}, "key": 17, "kind": ["a", 2], "none": None, "text": "other"},
        {"doc": {"body": f"{LONG} 2"}, "key": None, "doc.url": "flat"},
        {"doc": "not nested", "key": 3},
    ]
    path = write_lines(tmp_path / "a.jsonl", records)
    corpus = build(path, tmp_path / "out", text_field="doc.body", id_field="key", source_field="doc.url")
    first, second = documents(corpus)
    assert (first["id"], first["source"], first["text"]) == ("17", "u1", f"{LONG} 1")
    assert json.loads(first["metadata"]) == {
        "doc": {"body": f"{LONG} 1", "url": "u1"},
        "kind": ["a", 2],
        "text": "other",
    }
    assert second["source"] == "flat"
    assert second["id"] == hashlib.blake2b(f"{LONG} 2".encode(), digest_size=16).hexdigest()
    assert corpus.stats().dropped == {"no field 'doc.body'": 1}


def test_mapped_names_apply_to_text_files_too(tmp_path: Path) -> None:
    write_data(tmp_path / "in" / "a.txt", LONG.encode())
    (row,) = documents(build(tmp_path / "in", tmp_path / "out", text_field="id.body", id_field="url"))
    assert (row["id"], row["text"], row["metadata"]) == ("a.txt", LONG, None)


def test_ids_that_are_missing_do_not_depend_on_runs_files_or_their_order(tmp_path: Path) -> None:
    bodies = [f"{LONG} number {n}" for n in range(30)]
    write_lines(tmp_path / "a.jsonl", [{"text": body} for body in bodies])
    write_lines(tmp_path / "b.jsonl", [{"text": body, "id": ""} for body in reversed(bodies)])
    first = build(tmp_path / "a.jsonl", tmp_path / "one", shard_rows=4)
    second = build(tmp_path / "b.jsonl", tmp_path / "two", split_bytes=1024)
    assert {row["id"]: row["text"] for row in documents(first)} == {row["id"]: row["text"] for row in documents(second)}


def test_an_id_that_several_texts_have_is_made_unique_in_the_same_way_whatever_the_shards(tmp_path: Path) -> None:
    records = [{"id": n % 3, "text": f"{LONG} number {n}"} for n in range(12)]
    path = write_lines(tmp_path / "a.jsonl", records)
    runs = [documents(build(path, tmp_path / f"out{rows}", shard_rows=rows)) for rows in (2, 5, 100)]
    ids = [[row["id"] for row in run] for run in runs]
    assert ids[0] == ids[1] == ids[2]
    assert ids[0][:3] == ["0", "1", "2"]
    assert all(identity.startswith(f"{n % 3}~") for n, identity in enumerate(ids[0]) if n >= 3)
    assert [row["text"] for row in runs[0]] == [record["text"] for record in records]
    without = build(write_lines(tmp_path / "b.jsonl", records * 2), tmp_path / "kept", deduplicate=False)
    assert len(without) == 24


def test_texts_are_cleaned_unless_told_otherwise(tmp_path: Path) -> None:
    raw = "The cafÃ© sells \ud800 five\x00 good things &amp; more"
    path = write_lines(tmp_path / "a.jsonl", [{"text": raw, "id": "\udfff", "note": "\ud83d"}])
    cleaned = build(path, tmp_path / "clean")
    (row,) = documents(cleaned)
    assert row["text"] == "The café sells � five good things & more"
    assert (row["id"], json.loads(row["metadata"])) == ("�", {"note": "�"})
    assert cleaned.stats().notes["texts_repaired"] == 1
    assert texts(build(path, tmp_path / "raw", clean=False)) == [raw.replace("\ud800", "�")]


def test_values_that_json_has_no_word_for_become_plain(tmp_path: Path) -> None:
    table = {
        "text": [LONG.encode()],  # without the type of a string, as some programs write it
        "score": pa.array([float("nan")]),
        "deep": [{"low": [float("-inf"), 1.5]}],
        "day": pa.array([19_000], pa.date32()),
        "raw": [b"caf\xe9"],
        "price": pa.array([1], pa.decimal128(5, 2)),
    }
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    (row,) = documents(build(tmp_path / "a.parquet", tmp_path / "out"))
    assert row["text"] == LONG
    assert json.loads(row["metadata"], parse_constant=pytest.fail) == {
        "score": None,
        "deep": {"low": [None, 1.5]},
        "day": "2022-01-08",
        "raw": "caf�",
        "price": "1.00",
    }


def test_records_that_break_the_mapping_go_to_quarantine(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [LONG.encode(), b"\xff\xfe not text at all"]}), tmp_path / "a.parquet")
    corpus = build(tmp_path / "a.parquet", tmp_path / "out")
    (bad,) = quarantine(corpus)
    assert (bad["origin"], bad["location"]) == ("a.parquet", "row 1")
    assert bad["error"].startswith("UnicodeDecodeError")


def test_quarantine_keeps_the_beginning_of_what_was_bad(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jsonl")  # a file name that is not UTF-8
    write_lines(tmp_path / "in" / name, [{"text": LONG}, '{"text": "torn' + "x" * 5000])
    (bad,) = quarantine(build(tmp_path / "in", tmp_path / "out"))
    assert bad["origin"] == "caf�.jsonl"
    assert bad["location"] == "line 2"
    assert bad["error"].startswith("not JSON (Unterminated string")
    assert bad["record"] == ('{"text": "torn' + "x" * 5000)[:2000]


GOOD = st.integers(0, 10).map(lambda n: json.dumps({"text": f"{LONG} {n}"}))
RECORDS = st.one_of(
    GOOD,
    GOOD,
    st.integers(0, 4).map(lambda n: json.dumps({"text": "word " * n})),
    st.sampled_from(
        ['{"text": null}', '{"body": "x"}', '{"text": 5}', "{}", "[]", "{torn", "\x00", "null", '{"text": ""}']
    ),
)


@settings(max_examples=40)
@given(st.lists(RECORDS, max_size=30), st.integers(1, 5), st.sampled_from([1024, 1 << 20]), st.booleans())
def test_counts_always_add_up(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], shard_rows: int, split_bytes: int, deduplicate: bool
) -> None:
    folder = tmp_path_factory.mktemp("mixture")
    whole = json.dumps({"text": f"{LONG} always", "padding": "x" * 900})
    path = write_lines(folder / "a.jsonl", [whole, *lines])
    corpus = build(
        path,
        folder / "out",
        shard_rows=shard_rows,
        split_bytes=split_bytes,
        deduplicate=deduplicate,
        near_duplicates=False,
    )  # which checks that they add up
    values: list[Any] = []
    broken = 0
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        values += [value] if isinstance(value, dict) else []
        broken += not isinstance(value, dict)
    bodies = [value.get("text") for value in values]
    strings = [body.strip() for body in bodies if isinstance(body, str)]
    long = [body for body in strings if len(body.split()) >= 5]
    expected = {
        "no field 'text'": sum(not isinstance(body, str) for body in bodies),
        "no text": strings.count(""),
        "under 5 words": sum(0 < len(body.split()) < 5 for body in strings),
        "exact duplicate": len(long) - len(set(long)) if deduplicate else 0,
    }
    stats = corpus.stats()
    assert stats.read == len(lines) + 1
    assert stats.quarantined == broken
    assert stats.dropped == {reason: count for reason, count in expected.items() if count}
    assert stats.kept == 1 + (len(set(long)) if deduplicate else len(long))


@settings(max_examples=12)
@given(st.integers(1, 7), st.integers(1, 40), st.integers(1024, 3000))
def test_shards_have_at_most_the_rows_and_bytes_asked_for(
    tmp_path_factory: pytest.TempPathFactory, shard_rows: int, size: int, shard_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    bodies = [f"{LONG} {n} " + "long " * (size if n % 3 else 1) for n in range(40)]
    path = write_lines(folder / "a.jsonl", [{"text": body} for body in bodies])
    corpus = build(path, folder / "out", shard_rows=shard_rows, shard_bytes=shard_bytes, near_duplicates=False)
    assert texts(corpus) == [body.strip() for body in bodies]
    for shard in corpus.documents.shards:
        lengths = [
            len(text)
            for batch in corpus.documents.source(shard).batches(["text"])
            for text in batch["text"].to_pylist()
        ]
        assert len(lengths) <= shard_rows
        assert sum(lengths[:-1]) < shard_bytes


def test_documents_do_not_depend_on_splits_and_shards_and_bytes_not_on_workers(tmp_path: Path) -> None:
    for name in "abc":
        records = [{"text": f"{LONG} {n % 70} {name if n % 2 else ''}", "id": n % 50} for n in range(120)]
        write_lines(tmp_path / "in" / f"{name}.jsonl", [*records, "{torn"])
    reference = documents(build(tmp_path / "in", tmp_path / "reference"))
    small = {"shard_rows": 16, "split_bytes": 2048}
    assert documents(build(tmp_path / "in", tmp_path / "one", **small)) == reference
    with LocalEngine(2, quiet=True) as engine:
        Corpus.build(tmp_path / "in", tmp_path / "two", engine=engine, **small)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_statistics_describe_the_corpus(tmp_path: Path) -> None:
    records = [{"text": "w " * count + str(n), "source": f"s{n % 2}"} for n, count in enumerate([4, 5, 7, 15, 31])]
    corpus = build(write_lines(tmp_path / "a.jsonl", records), tmp_path / "out")
    stats = corpus.stats()
    assert (stats.read, stats.kept, stats.words) == (5, 5, 5 + 6 + 8 + 16 + 32)
    assert stats.length_histogram[:7] == [0, 0, 2, 1, 1, 1, 0]
    assert stats.sources == {"s0": 3, "s1": 2}
    assert stats.other_sources == 0
    assert repr(corpus) == f"Corpus({str(tmp_path / 'out')!r}, documents=5, shards=1)"
    many = [{"text": f"{LONG} {n}", "source": f"site {n:03d}"} for n in range(130)]
    stats = build(write_lines(tmp_path / "b.jsonl", many), tmp_path / "many").stats()
    assert len(stats.sources) == 100
    assert stats.other_sources == 30


def test_a_second_build_reads_nothing_again(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": LONG}])
    build(path, tmp_path / "out")
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("*") if file.name != ".lock"}
    (tmp_path / "out" / "staging").mkdir()  # a kill came after the last line of the manifest
    (tmp_path / "out" / "staging" / "file").write_text("")
    build(path, tmp_path / "out")
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("*") if file.name != ".lock"}


# --- bad input: each is one clear line ------------------------------------------------------------------------------


def refused(inputs: Any, out: Path, **options: Any) -> str:
    """Return the one line that a build is refused with."""
    with pytest.raises(InputError) as caught:
        Corpus.build(inputs, out, engine=LocalEngine(1, quiet=True), **options)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_wrong_field_names_are_answered_with_the_right_ones_and_a_second_try_works(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"body": f"{LONG} {n}", "url": "u"} for n in range(2000)])
    line = refused(path, tmp_path / "out")
    assert line == f"{path}: no record has the text field 'text' (there are: body, url); name it with --text-field"
    assert len(build(path, tmp_path / "out", text_field="body")) == 2000
    few = write_lines(tmp_path / "b.jsonl", [{"title": "t", "body": LONG}, "{torn"])
    assert "no record has the text field 'text' (there are: body, title)" in refused(few, tmp_path / "few")
    assert len(build(few, tmp_path / "few", text_field="body", overwrite=True)) == 1
    write_data(tmp_path / "c.csv", f"id,content\n1,{LONG}\n".encode())
    write_data(tmp_path / "semicolons.csv", f"id;text\n1;{LONG}\n".encode())
    assert "columns are separated by ';'" in refused(tmp_path / "semicolons.csv", tmp_path / "semicolons")
    assert "(there are: content, id)" in refused(tmp_path / "c.csv", tmp_path / "table")


def test_columns_may_be_separated_by_another_character(tmp_path: Path) -> None:
    write_data(tmp_path / "in" / "a.csv", f'id;text\n1;"{LONG}; one"\n'.encode())
    write_data(tmp_path / "in" / "b.tsv", f"id;text\n2;{LONG}, two\n".encode())
    write_lines(tmp_path / "in" / "c.jsonl", [{"id": "3", "text": f"{LONG} three"}])
    found = documents(build(tmp_path / "in", tmp_path / "out", csv_delimiter=";"))
    assert {row["id"]: row["text"] for row in found} == {
        "1": f"{LONG}; one",
        "2": f"{LONG}, two",
        "3": f"{LONG} three",
    }
    write_data(tmp_path / "tabs.csv", f"id\ttext\n1\t{LONG}\n".encode())
    assert texts(build(tmp_path / "tabs.csv", tmp_path / "tabs", csv_delimiter="\\t")) == [LONG]
    path = tmp_path / "in" / "a.csv"
    assert "--csv-delimiter ';'" in refused(path, tmp_path / "x")
    assert "--csv-delimiter: ';;' cannot separate columns" in refused(path, tmp_path / "x", csv_delimiter=";;")
    assert "no input is CSV or TSV" in refused(tmp_path / "in" / "c.jsonl", tmp_path / "x", csv_delimiter=";")
    settings = Manifest.read(tmp_path / "out").settings
    assert settings["csv_delimiter"] == ";"
    assert "csv_delimiter" not in Manifest.read(build(tmp_path / "in" / "c.jsonl", tmp_path / "y").folder).settings


def test_a_file_without_the_text_field_beside_good_ones_is_counted(tmp_path: Path) -> None:
    write_lines(tmp_path / "in" / "a.jsonl", [{"text": LONG}])
    write_lines(tmp_path / "in" / "b.jsonl", [{"body": LONG}] * 3)
    assert build(tmp_path / "in", tmp_path / "out").stats().dropped == {"no field 'text'": 3}


def test_input_of_which_nothing_is_left_says_why(tmp_path: Path) -> None:
    torn = write_lines(tmp_path / "torn.jsonl", ["{torn", "[]"])
    line = refused(torn, tmp_path / "a")
    assert line.startswith(f"{tmp_path / 'a'}: no document is left of 2 records (quarantined: 2); the first error is: ")
    assert "torn.jsonl, line 1: not JSON" in line
    short = write_lines(tmp_path / "short.jsonl", [{"text": "a b"}, {"text": ""}])
    assert refused(short, tmp_path / "b") == (
        f"{tmp_path / 'b'}: no document is left of 2 records (no text: 1, under 5 words: 1); check the format and the "
        "field names, or lower --min-words"
    )
    assert "no document is left" in refused(short, tmp_path / "b")  # the same again
    assert texts(build(short, tmp_path / "b", min_words=1)) == ["a b"]  # nothing stood in the way of the second try
    assert "holds the output of other settings (min_words: 1 -> 5)" in refused(short, tmp_path / "b")
    array = write_data(tmp_path / "array.json", b'[\n{"text": "one"},\n{"text": "two"}\n]\n')
    line = refused(array, tmp_path / "d")
    assert line.startswith(f"{array}: is one JSON array") and "jq -c '.[]' OLD > NEW.jsonl" in line
    few = {"paragraph_characters": 5}
    boiler = {"text": f"{LONG}\n{LONG}"}
    lines = write_lines(tmp_path / "same.jsonl", [{**boiler, "n": n} for n in range(12)])
    line = refused(lines, tmp_path / "e", deduplicate=False, near_duplicates=False, repeated_paragraphs="drop", **few)
    assert "no document is left of 12 records (" in line and ": 12)" in line
    header = write_data(tmp_path / "only.csv", b"id,text\n")
    assert "no document is left of 0 records (the input holds none)" in refused(header, tmp_path / "c")
    with pytest.raises(InputError):
        Corpus(tmp_path / "c")


def test_the_folder_of_another_run_and_a_foreign_one_are_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": LONG}])
    other = write_lines(tmp_path / "b.jsonl", [{"text": f"{LONG} too"}])
    build(path, tmp_path / "out")
    before = contents(tmp_path / "out")
    assert "holds the output of other settings (inputs: changed)" in refused(other, tmp_path / "out")
    assert "holds the output of other settings (min_words: 5 -> 2)" in refused(path, tmp_path / "out", min_words=2)
    with Manifest.open(tmp_path / "mined", "mining", {}) as manifest:
        manifest.finish([])
    assert "holds the output of a run of another kind (mining)" in refused(path, tmp_path / "mined")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("precious")
    for overwrite in (False, True):
        line = refused(path, tmp_path / "thesis", overwrite=overwrite)
        assert "is not empty and was not made by motherlode (it holds 'thesis.tex')" in line
    assert [file.name for file in (tmp_path / "thesis").iterdir()] == ["thesis.tex"]
    assert "is a file, not a folder" in refused(path, path)
    assert contents(tmp_path / "out") == before
    assert texts(build(other, tmp_path / "out", overwrite=True)) == [f"{LONG} too"]


def test_settings_that_make_no_sense_are_refused_by_name(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": LONG}])
    assert "unknown key 'min_word'; did you mean 'min_words'?" in refused(path, tmp_path / "x", min_word=3)
    assert "min-words = -1: input should be greater than or equal to 0" in refused(path, tmp_path / "x", min_words=-1)
    assert "unknown format 'word'" in refused(path, tmp_path / "x", format="word")
    assert not (tmp_path / "x").exists()


def test_what_is_no_corpus_is_named(tmp_path: Path) -> None:
    with Manifest.open(tmp_path / "mined", "mining", {}) as manifest:
        manifest.finish([])
    with pytest.raises(InputError, match="is not a corpus but 'mining'"):
        Corpus(tmp_path / "mined")
    with pytest.raises(InputError, match="does not exist"):
        Corpus(tmp_path / "absent")
    Manifest.open(tmp_path / "begun", "corpus", {}).close()
    with pytest.raises(InputError, match="its build was interrupted; run `corpus build` again"):
        Corpus(tmp_path / "begun")


UNPRIVILEGED = """
import os, sys
from motherlode.corpus.corpus import Corpus
from motherlode.errors import MotherlodeError
from motherlode.shards.engine import LocalEngine
from motherlode.corpus import build, read
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
for inputs, out in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        Corpus.build(inputs, out, engine=LocalEngine(1, quiet=True))
    except MotherlodeError as error:
        print(error.exit_code, error)
"""


def test_what_may_not_be_read_or_written_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    open_file = write_lines(tmp_path / "open.jsonl", [{"text": LONG}])
    closed_file = write_lines(tmp_path / "closed.jsonl", [{"text": LONG}])
    write_lines(tmp_path / "folder" / "inner" / "a.jsonl", [{"text": LONG}])
    (tmp_path / "full").mkdir()
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked" / "manifest.jsonl").write_text("{}\n")
    closed_file.chmod(0)
    (tmp_path / "folder" / "inner").chmod(0)
    for name in ("full", "locked"):
        (tmp_path / name).chmod(0o555)
    pairs = [
        (closed_file, tmp_path / "x"),
        (tmp_path / "folder", tmp_path / "x"),
        (tmp_path / "folder" / "inner" / "a.jsonl", tmp_path / "x"),
        (open_file, tmp_path / "full" / "x"),
        (open_file, tmp_path / "full"),
        (open_file, tmp_path / "locked"),
    ]
    arguments = [str(path) for pair in pairs for path in pair]
    result = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    (tmp_path / "folder" / "inner").chmod(0o755)
    assert result.stdout.splitlines() == [
        f"2 {closed_file}: cannot be read (Permission denied)",
        f"2 {tmp_path / 'folder' / 'inner'}: cannot be read (permission denied)",
        f"2 {tmp_path / 'folder' / 'inner' / 'a.jsonl'}: cannot be read (permission denied)",
        f"1 {tmp_path / 'full' / 'x'}: cannot be written (permission denied)",
        f"1 {tmp_path / 'full'}: cannot be written (permission denied)",
        f"1 {tmp_path / 'locked'}: cannot be written (permission denied)",
    ], result.stderr


LIMITED = """
import resource, sys
from motherlode.corpus import build, read
from motherlode.corpus.corpus import Corpus
from motherlode.errors import StorageError
from motherlode.shards.engine import LocalEngine
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
try:
    Corpus.build(sys.argv[1], sys.argv[2], engine=LocalEngine(1, quiet=True), split_bytes=8192, shard_rows=20)
except StorageError as error:
    print(error)
"""


def test_a_disk_that_takes_no_more_keeps_what_is_committed(tmp_path: Path) -> None:
    """Every file is limited to some bytes, which the manifest reaches after a while."""
    path = write_lines(tmp_path / "a.jsonl", [{"text": f"{LONG} {n} {'z' * (n % 90)}"} for n in range(900)])
    command = [sys.executable, "-c", LIMITED, str(path), str(tmp_path / "out"), "5200"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    log = tmp_path / "out" / "staging" / "manifest.jsonl"
    assert result.stdout == f"{log}: cannot be written (File too large)\n", result.stderr
    held = list(Manifest.read(log.parent).entries)
    assert held
    times = {name: (log.parent / f"{name}-0000.parquet").stat().st_mtime_ns for name in held}
    subprocess.run([*command[:-1], "5600"], capture_output=True, text=True, check=False, timeout=120)
    assert {name: (log.parent / f"{name}-0000.parquet").stat().st_mtime_ns for name in held} == times
    settings = {"split_bytes": 8192, "shard_rows": 20}
    again = build(path, tmp_path / "out", **settings)
    fresh = build(path, tmp_path / "fresh", **settings)
    assert contents(again.folder) == contents(fresh.folder)


def test_storage_errors_are_failures_not_bad_input() -> None:
    assert not issubclass(StorageError, InputError)
    assert StorageError.exit_code == 1


MEASURED = """
import resource, sys
from motherlode.corpus import build, read
from motherlode.corpus.corpus import Corpus
from motherlode.shards.engine import LocalEngine
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
near = sys.argv[3] == "True"
corpus = Corpus.build(sys.argv[1], sys.argv[2], engine=LocalEngine(1, quiet=True), near_duplicates=near)
print(len(corpus), corpus.stats().quarantined, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def measure(path: Path, out: Path, near: bool = False) -> tuple[int, int, int]:
    """Build in a child; return documents, records in quarantine, and the MiB that its peak grew by."""
    result = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path), str(out), str(near)],
        capture_output=True,
        text=True,
        check=True,
        timeout=280,
    )
    kept, bad, grown = map(int, result.stdout.split())
    print(f"{path.stat().st_size >> 20} MiB of input, peak grown by {grown} MiB")
    return kept, bad, grown


@pytest.mark.slow
@pytest.mark.long
def test_memory_does_not_grow_with_a_large_compressed_file(tmp_path: Path) -> None:
    """300 MB of JSON lines, of which no more than a shard, its Parquet image and a batch are held at a time."""
    import gzip

    filler = " ".join(f"word{n % 977}" for n in range(4000))  # 30 kB
    with gzip.open(tmp_path / "a.jsonl.gz", "wt", compresslevel=1) as stream:
        for number in range(10_000):
            stream.write(json.dumps({"text": f"{number} {filler}"}) + "\n")
    kept, _, grown = measure(tmp_path / "a.jsonl.gz", tmp_path / "out")
    assert kept == 10_000
    assert grown < 350


@pytest.mark.slow
def test_memory_does_not_grow_with_a_gigantic_line(tmp_path: Path) -> None:
    """A line of 400 MB, which every split of the file must pass over."""
    with (tmp_path / "a.jsonl").open("wb") as stream:
        stream.write(json.dumps({"text": LONG}).encode() + b'\n{"text": "')
        for _ in range(400):
            stream.write(b"x" * 1_000_000)
        stream.write(b'"}\n' + json.dumps({"text": f"{LONG} too"}).encode())
    kept, bad, grown = measure(tmp_path / "a.jsonl", tmp_path / "out")
    assert (kept, bad) == (2, 1)
    assert grown < 150


@pytest.mark.slow
@pytest.mark.parametrize(("near", "most"), [(False, 350), pytest.param(True, 600, marks=pytest.mark.long)])
def test_memory_does_not_grow_with_large_documents(tmp_path: Path, near: bool, most: int) -> None:
    """Thirty documents of 5 MB: a batch of them is cut short long before it has 1,024.

    Near-duplicates hold the words of one document at a time.
    """
    filler = "word " * 1_000_000
    with (tmp_path / "a.jsonl").open("w") as stream:
        for number in range(30):
            stream.write(json.dumps({"text": f"{number} {filler}"}) + "\n")
    kept, _, grown = measure(tmp_path / "a.jsonl", tmp_path / "out", near=near)
    assert kept == 30
    assert grown < most


def test_what_is_read_is_not_replaced_by_what_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write_lines(folder / "a.jsonl", [{"text": LONG}])
    corpus = build(folder, folder / "corpus")  # the output lies beside the input: it is passed over
    before = contents(corpus.folder)
    assert texts(build(folder, folder / "corpus")) == [LONG]
    inputs = [corpus.folder, corpus.folder / "documents", str(corpus.folder / "documents" / "*.parquet")]
    for item in inputs[:2]:
        assert "holds what is read" in refused(item, corpus.folder, overwrite=True)
    assert "lies in the output folder" in refused(inputs[2], corpus.folder, overwrite=True)
    write_lines(corpus.folder / "blocked.txt", ["example.com"])
    assert "holds what is read" in refused(
        folder, corpus.folder, block_urls=corpus.folder / "blocked.txt", overwrite=True
    )
    write_lines(corpus.folder / "test.jsonl", [{"question": LONG}])
    assert "holds what is read" in refused(
        folder, corpus.folder, decontaminate=[f"{corpus.folder / 'test.jsonl'}:question"], overwrite=True
    )
    for name in ("blocked.txt", "test.jsonl"):
        (corpus.folder / name).unlink()
    assert contents(corpus.folder) == before


def test_addresses_and_empty_names_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": LONG}])
    monkeypatch.chdir(tmp_path)
    assert "s4:// addresses are not known" in refused(path, Path("s4://bucket/corpus"))
    assert [item.name for item in tmp_path.iterdir()] == ["a.jsonl"]
    assert "a name of the input is empty" in refused("", tmp_path / "out")
    assert "a name of the input is empty" in refused(path, tmp_path / "out", decontaminate=[""])


def test_a_text_field_that_holds_no_string_is_named_so(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": ["a", "list"]}, {"text": 5}])
    assert "the field 'text' holds no string in any record" in refused(path, tmp_path / "out")
    path = write_lines(tmp_path / "b.jsonl", [{"body": LONG}])
    assert "(there are: body)" in refused(path, tmp_path / "out")
    assert texts(build(path, tmp_path / "out", text_field="body")) == [LONG]


def test_thresholds_that_no_filter_uses_are_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": LONG}])
    rules = {"gopher": {"min_words": 3}}
    assert "no filter holds for this input" in refused(path, tmp_path / "out", quality_rules=rules)
    assert len(build(path, tmp_path / "out", quality_rules=rules, quality="none")) == 1
