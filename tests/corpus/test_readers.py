"""Readers: every record once, whatever the format and the splits; one bad record never ends a file."""

from __future__ import annotations

import csv
import datetime
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from motherlode.corpus import readers
from motherlode.corpus.readers import Record, read_split
from motherlode.corpus.sources import find_inputs, plan_splits
from motherlode.errors import InputError
from tests.corpus.inputs import write_data, write_lines


def read(path: Path, split_bytes: int = 1 << 20, format: str | None = None) -> list[Record]:
    """Read all records of a file or folder, split by split."""
    splits = plan_splits(find_inputs([path], format).files, split_bytes)
    return [record for split in splits for record in read_split(split, "text")]


def fields(records: list[Record]) -> list[Any]:
    """Return the fields of readable records."""
    return [record.fields for record in records if record.fields is not None]


def errors(records: list[Record]) -> list[tuple[str, str | None]]:
    """Return place and reason of unreadable records."""
    return [(record.location, record.error) for record in records if record.fields is None]


LINES = st.lists(
    st.one_of(
        st.builds(lambda n: json.dumps({"n": n}).encode(), st.integers(0, 10**6)),
        st.builds(lambda t: json.dumps({"t": t}, ensure_ascii=False).encode(), st.text(st.characters(codec="utf-8"))),
        st.sampled_from([b"", b"  ", b"{broken", b"[1]", b'"text"', b"\xff\xfe{", b"\xe9t\xe9", b"nul\x00", b"NaN"]),
    ),
    max_size=25,
)


@settings(max_examples=200)
@given(LINES, st.sampled_from([b"\n", b"\r\n"]), st.booleans(), st.integers(1, 60), st.booleans())
def test_any_split_of_json_lines_gives_every_record_once(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[bytes],
    end: bytes,
    closed: bool,
    split_bytes: int,
    marked: bool,
) -> None:
    data = b'{"first": true}' + end + end.join(lines) + (end if closed else b"")
    data = b"\xef\xbb\xbf" + data if marked else data
    path = write_data(tmp_path_factory.mktemp("split") / "a.jsonl", data)
    whole, cut = read(path), read(path, split_bytes)
    expected: list[dict] = [{"first": True}]
    broken = 0
    for line in lines:
        try:
            value = json.loads(line) if line.strip() else None
        except ValueError:
            value = "broken"
        if isinstance(value, dict):
            expected.append(value)
        elif line.strip():
            broken += 1
    assert fields(whole) == fields(cut) == expected
    assert len(errors(whole)) == len(errors(cut)) == broken
    assert [(record.error, record.raw) for record in whole] == [(record.error, record.raw) for record in cut]


@settings(max_examples=60)
@given(st.lists(st.integers(0, 90), min_size=1, max_size=12), st.integers(1, 50))
def test_lines_that_are_too_long_are_skipped_whole_in_any_split(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], split_bytes: int
) -> None:
    lines = [json.dumps({"n": n, "x": "y" * size}).encode() for n, size in enumerate(sizes)]
    path = write_data(tmp_path_factory.mktemp("long") / "a.jsonl", b"\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "MOST_RECORD_BYTES", 64)
        records = read(path, split_bytes)
    for record, line in zip(records, lines, strict=True):
        if len(line) <= 64:
            assert record.fields == json.loads(line)
        else:
            assert record.error == "the line is longer than 0 MiB"
            assert record.raw == line[:65].decode()


def test_broken_json_lines_say_where_and_why(tmp_path: Path) -> None:
    deep = "[" * 100_000
    lines = [{"text": "good"}, "{torn", '["list"]', "", "7", deep, {"text": "good"}]
    records = read(write_lines(tmp_path / "a.jsonl", lines))
    assert fields(records) == [{"text": "good"}] * 2
    assert [place for place, _ in errors(records)] == ["line 2", "line 3", "line 5", "line 6"]
    reasons = [reason or "" for _, reason in errors(records)]
    assert reasons[0].startswith("not JSON (Expecting property name")
    assert reasons[1:3] == ["not a JSON object but list", "not a JSON object but int"]
    assert reasons[3].startswith("not JSON (maximum recursion depth")
    assert records[4].raw == deep[:2000]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_every_format_can_be_compressed(tmp_path: Path, suffix: str) -> None:
    table = 'id,text\n1,"two\nlines, and a comma"\n2,"a ""quote"""\n'
    write_data(tmp_path / f"a.csv{suffix}", table.encode())
    write_data(tmp_path / f"b.tsv{suffix}", b"id\ttext\n1\ta, b\n")
    write_lines(tmp_path / f"c.jsonl{suffix}", [{"text": "one"}, {"text": "två"}])
    write_data(tmp_path / f"d.txt{suffix}", "hej då\n".encode())
    assert fields(read(tmp_path)) == [
        {"id": "1", "text": "two\nlines, and a comma"},
        {"id": "2", "text": 'a "quote"'},
        {"id": "1", "text": "a, b"},
        {"text": "one"},
        {"text": "två"},
        {"id": f"d.txt{suffix}", "text": "hej då\n"},
    ]


def test_compressed_files_of_several_parts_are_read_to_the_end(tmp_path: Path) -> None:
    import gzip

    line = b'{"text": "again"}\n'
    compressor = zstandard.ZstdCompressor()
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip"
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(line) + gzip.compress(line * 2))
    parts = [compressor.compress(line), skippable, compressor.compress(b""), compressor.compress(line * 30_000)]
    (tmp_path / "b.jsonl.zst").write_bytes(b"".join(parts))
    assert len(fields(read(tmp_path / "a.jsonl.gz"))) == 3
    assert len(fields(read(tmp_path / "b.jsonl.zst"))) == 30_001


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "txt"])
def test_a_compressed_file_that_was_cut_off_says_so_and_keeps_what_came_before(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    import random

    choice = random.Random(5)
    words = [f"{choice.getrandbits(64):x}" for _ in range(20_000)]
    rows = {
        "jsonl": "".join(json.dumps({"text": word}) + "\n" for word in words),
        "csv": "text\n" + "\n".join(words),
        "txt": " ".join(words),
    }[kind]
    path = write_data(tmp_path / f"a.{kind}{suffix}", rows.encode())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    records = read(path)
    (_, reason), *more = errors(records)
    assert not more
    assert "damaged" in (reason or "")
    kept = [row["text"] for row in fields(records)]
    if kind != "txt":
        assert kept == words[: len(kept)]
        assert len(kept) > 1000
    for damage in (b"not compressed at all", whole[:3], bytes(200)):
        path.write_bytes(damage)
        found = read(path)
        assert fields(found) == []
        assert "damaged" in (found[0].error or "")


def test_a_cut_within_a_gigantic_line_is_reported_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setattr(readers, "MOST_RECORD_BYTES", 1000)
    path = write_data(tmp_path / "a.jsonl.gz", b'{"text": "good"}\n' + os.urandom(50_000).hex().encode())
    path.write_bytes(path.read_bytes()[:20_000])
    good, bad = read(path)
    assert good.fields == {"text": "good"}
    assert "damaged or cut off" in (bad.error or "")


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)


@settings(max_examples=100)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=8), st.sampled_from([",", "\t"]), st.booleans())
def test_tables_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], delimiter: str, marked: bool
) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter).writerows([("text", "b"), *rows])
    data = stream.getvalue().encode("utf-8-sig" if marked else "utf-8")
    path = write_data(tmp_path_factory.mktemp("table") / ("a.csv" if delimiter == "," else "a.tsv"), data)
    assert fields(read(path)) == [{"text": text, "b": b} for text, b in rows]


def test_broken_rows_of_a_table_say_where_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MOST_RECORD_BYTES", 100)
    long = "x" * 90
    data = f"id,text\n1,good\n2\n3,a,b\n\n4,caf\xe9\n5,{long}{long}\n6,{long},{long},{long}\n7,good\n".encode("latin-1")
    records = read(write_data(tmp_path / "a.csv", data))
    assert fields(records) == [{"id": "1", "text": "good"}, {"id": "7", "text": "good"}]
    assert errors(records) == [
        ("line 3", "1 columns, the header has 2"),
        ("line 4", "3 columns, the header has 2"),
        ("line 6", "not UTF-8"),
        ("line 7", "the line is longer than 0 MiB"),
        ("line 8", "the line is longer than 0 MiB"),
    ]
    monkeypatch.setattr(readers, "MOST_RECORD_BYTES", 1000)
    assert [place for place, _ in errors(read(tmp_path / "a.csv"))] == ["line 3", "line 4", "line 6", "line 8"]


def test_parquet_rows_come_in_order_from_any_row_group(tmp_path: Path) -> None:
    rows = [{"text": f"row {n}", "nested": {"url": f"u{n}"}, "list": [n, n + 1]} for n in range(1500)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=100)
    for split_bytes in (1024, 1 << 20):
        records = read(tmp_path / "a.parquet", split_bytes)
        assert fields(records) == rows
        assert [record.location for record in records] == [f"row {n}" for n in range(1500)]


def test_parquet_values_that_python_does_not_know_are_read(tmp_path: Path) -> None:
    nanoseconds = {
        "at": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns")),
        "zoned": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns", "UTC")),
        "time": pa.array([3_600_000_000_001], pa.time64("ns")),
        "took": pa.array([1_001], pa.duration("ns")),
        "text": pa.array(["good"], pa.large_string()),
    }
    pq.write_table(pa.table(nanoseconds), tmp_path / "a.parquet")
    (row,) = fields(read(tmp_path / "a.parquet"))
    assert row["text"] == "good"
    assert row["at"] == datetime.datetime(2023, 11, 14, 22, 13, 20, 123456)
    assert row["zoned"].timestamp() == pytest.approx(1_700_000_000.123456)
    assert row["time"] == datetime.time(1)
    assert row["took"] == datetime.timedelta(microseconds=1)


def test_a_parquet_string_that_is_not_utf8_costs_its_row_only(tmp_path: Path) -> None:
    raw = pa.array([b"good", b"caf\xe9", b"good too"], pa.binary())
    broken = pa.StringArray.from_buffers(3, raw.buffers()[1], raw.buffers()[2])
    pq.write_table(pa.table({"text": broken}), tmp_path / "a.parquet")
    records = read(tmp_path / "a.parquet")
    assert fields(records) == [{"text": "good"}, {"text": "good too"}]
    ((place, reason),) = errors(records)
    assert place == "row 1"
    assert (reason or "").startswith("not readable as Parquet")


def test_text_files_in_other_encodings(tmp_path: Path) -> None:
    write_data(tmp_path / "a.txt", "\ufeffmärkt".encode())
    write_data(tmp_path / "b.txt", "två".encode("utf-16"))
    write_data(tmp_path / "c.txt", b"\xfe\xff" + "tre".encode("utf-16-be"))
    write_data(tmp_path / "d.txt", b"caf\xe9 au lait")
    write_data(tmp_path / "e.txt", b"\x7fELF\x00\x01")
    write_data(tmp_path / "f.txt", b"\xff\xfea")
    records = read(tmp_path)
    assert [row["text"] for row in fields(records)] == ["märkt", "två", "tre"]
    assert [(record.file, record.error) for record in records if record.error] == [
        ("d.txt", "not UTF-8 (byte 3)"),
        ("e.txt", "binary data, not text"),
        ("f.txt", "not UTF-16 (byte 2)"),
    ]


def test_a_text_file_that_is_too_long_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MOST_RECORD_BYTES", 100)
    write_data(tmp_path / "a.txt", b"x" * 101)
    ((_, reason),) = errors(read(tmp_path))
    assert reason == "the file is longer than 0 MiB"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", b"\x89PNG\x00\x01\x02\n", "is binary data, not jsonl; name files by their format"),
        ("a.csv", b"\x7fELF\x00\x01", "is binary data, not csv; name files by their format"),
        ("a.tsv", "text\nett".encode("utf-16"), "is UTF-16, not UTF-8; convert it: iconv"),
        ("a.jsonl", '{"text": "ett"}\n'.encode("utf-16"), "is UTF-16, not UTF-8; convert it: iconv"),
        ("a.jsonl.gz", b"\x00\x01\x02", "is binary data, not jsonl"),
    ],
)
def test_binary_data_under_a_text_name_is_refused(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    path = write_data(tmp_path / name, data)
    with pytest.raises(InputError, match=f"{name}: {message}"):
        read(path)


def test_a_quote_that_is_not_closed_is_told_and_swallows_nothing_in_silence(tmp_path: Path) -> None:
    path = write_data(tmp_path / "a.csv", b'id,text\n1,"closed, ""here"" "\n2,"open\n3,more\n4,and more\n')
    records = list(read_split(plan_splits(find_inputs([path]).files)[0], "text"))
    assert records[0].fields == {"id": "1", "text": 'closed, "here" '}
    assert [(record.location, record.fields) for record in records[1:]] == [("line 3", None)]
    assert records[1].error is not None and "not closed before the end" in records[1].error
    path = write_data(tmp_path / "b.csv", b'id,text\n1,"closed at the end"')  # without a line end
    assert [r.fields for r in read_split(plan_splits(find_inputs([path]).files)[0], "text")] == [
        {"id": "1", "text": "closed at the end"}
    ]


def test_columns_of_one_name_are_all_kept(tmp_path: Path) -> None:
    table = pa.table([pa.array(["first"]), pa.array(["second"]), pa.array(["x"])], names=["text", "text", "text.1"])
    pq.write_table(table, tmp_path / "a.parquet")
    path = write_data(tmp_path / "b.csv", b"text,text,text.1\nfirst,second,x\n")
    for name in (tmp_path / "a.parquet", path):
        fields = next(read_split(plan_splits(find_inputs([name]).files)[0], "text")).fields
        assert fields == {"text": "first", "text.1": "second", "text.1.1": "x"}
