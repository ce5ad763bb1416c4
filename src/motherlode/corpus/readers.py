"""Readers: from a split to records, one at a time, in bounded memory.

A reader yields either a record's fields or, for a record that cannot be read, the reason. One bad record never ends a
file; what it said goes to quarantine with its place.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from motherlode.corpus.record import Record
from motherlode.corpus.remote import readable
from motherlode.corpus.sources import InputFile, Split
from motherlode.corpus.streams import BUFFER_BYTES, DAMAGE, open_input
from motherlode.corpus.web.reader import WebReading, read_html, read_warc
from motherlode.errors import InputError

MOST_RECORD_BYTES = 32 << 20
_SHOWN_BYTES = 2_000  # of a bad record, kept in quarantine
_PARQUET_ROWS = 256
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_split(split: Split, text_field: str, id_field: str = "id", web: WebReading | None = None) -> Iterator[Record]:
    """Read the records of a split.

    Args:
        split: What to read.
        text_field: The field under which a text file's content appears.
        id_field: The field under which a text file's name appears.
        web: How pages are read, if there are any.

    Yields:
        Records in order.

    Raises:
        InputError: A file cannot be opened, or is binary data under a text format's name.
    """
    web = web or WebReading()
    for file in split.files:
        try:
            if file.format == "text":
                yield _read_text(file, text_field, id_field)
            elif file.format == "parquet":
                yield from _read_parquet(file, split.start, split.stop)
            elif file.format == "jsonl":
                yield from _read_jsonl(file, split.start, split.stop)
            elif file.format == "warc":
                yield from read_warc(file, split.start, split.stop, text_field, id_field, web, MOST_RECORD_BYTES)
            elif file.format == "html":
                yield read_html(file, text_field, id_field, web, MOST_RECORD_BYTES)
            else:
                yield from _read_csv(file, file.delimiter or ("\t" if file.format == "tsv" else ","))
        except PermissionError as error:
            raise InputError("cannot be read (permission denied)", where=str(file.path)) from error


def _shown(raw: bytes) -> str:
    return raw[:_SHOWN_BYTES].decode("utf-8", "replace")


def _refuse_binary(file: InputFile, head: bytes) -> None:
    if head.startswith(_UTF16_MARKS):
        raise InputError(
            "is UTF-16, not UTF-8", where=str(file.path), hint="convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW"
        )
    if b"\0" in head[:4096]:
        raise InputError(
            f"is binary data, not {file.format}",
            where=str(file.path),
            hint="name files by their format (.jsonl, .jsonl.gz, .parquet, .csv, .txt), or leave it out",
        )
    start = head.strip(b"\xef\xbb\xbf \t\r\n")
    if file.format == "jsonl" and (start in (b"[", b"{") or start.startswith(b"[{")):
        whole, query = ("object over several lines", ".") if start == b"{" else ("array", ".[]")
        raise InputError(
            f"is one JSON {whole}, not a record a line",
            where=str(file.path),
            hint=f"convert it: jq -c '{query}' OLD > NEW.jsonl",
        )


def _lines(file: InputFile, start: int, stop: int | None) -> Iterator[tuple[int, bytes | None, str | None]]:
    """Yield (byte offset, line without its end, error); a line that is too long is skipped in pieces."""
    with open_input(file) as stream:
        position = 0
        if start:
            stream.seek(start - 1)  # the line that a split starts in belongs to the one before
            position = start - 1 + _skip_line(stream, None if stop is None else stop - start + 1)
        while stop is None or position < stop:
            at, line = position, b""
            try:
                line = stream.readline(MOST_RECORD_BYTES + 1)
                if not line:
                    return
                position += len(line)
                if at == 0:
                    _refuse_binary(file, line)
                if len(line) > MOST_RECORD_BYTES and not line.endswith(b"\n"):
                    position += _skip_line(stream)
                    yield at, line[:_SHOWN_BYTES], f"the line is longer than {MOST_RECORD_BYTES >> 20} MiB"
                    continue
            except DAMAGE as error:
                yield at, line[:_SHOWN_BYTES], f"the compressed stream is damaged or cut off ({error})"
                return
            yield at, line.rstrip(b"\r\n"), None


def _skip_line(stream: BinaryIO, most: int | None = None) -> int:
    """Skip what is left of a line, or `most` bytes and a little more of it, in pieces; return the bytes skipped."""
    skipped = 0
    while piece := stream.readline(BUFFER_BYTES):
        skipped += len(piece)
        if piece.endswith(b"\n") or (most is not None and skipped >= most):
            break
    return skipped


def _read_jsonl(file: InputFile, start: int, stop: int | None) -> Iterator[Record]:
    for number, (offset, line, error) in enumerate(_lines(file, start, stop), start=1):
        place = f"line {number}" if start == 0 else f"byte {offset}"
        if error is not None:
            yield Record(file.name, place, None, error, _shown(line or b""))
            continue
        assert line is not None
        if not line.strip():
            continue
        try:
            fields = json.loads(line.decode("utf-8-sig" if offset == 0 else "utf-8"))
        except UnicodeDecodeError as problem:
            yield Record(file.name, place, None, f"not UTF-8 (byte {problem.start} of the line)", _shown(line))
            continue
        except (ValueError, RecursionError) as problem:
            yield Record(file.name, place, None, f"not JSON ({str(problem)[:100]})", _shown(line))
            continue
        if not isinstance(fields, dict):
            yield Record(file.name, place, None, f"not a JSON object but {type(fields).__name__}", _shown(line))
            continue
        yield Record(file.name, place, fields)


def _read_csv(file: InputFile, delimiter: str) -> Iterator[Record]:
    csv.field_size_limit(MOST_RECORD_BYTES)
    with open_input(file) as stream:
        try:
            _refuse_binary(file, stream.peek(4096))
        except DAMAGE as problem:
            yield Record(file.name, "line 1", None, f"the compressed stream is damaged or cut off ({problem})")
            return
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
        lines = _TextLines(text)
        reader = csv.reader(lines, delimiter=delimiter)
        header: list[str] | None = None
        while True:
            first = reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as problem:
                yield Record(file.name, f"line {reader.line_num}", None, f"not CSV ({problem})")
                continue
            except DAMAGE as problem:
                message = f"the compressed stream is damaged or cut off ({problem})"
                yield Record(file.name, f"line {reader.line_num}", None, message)
                return
            place = f"line {reader.line_num}"
            if lines.cut:
                lines.cut = False
                message = f"the line is longer than {MOST_RECORD_BYTES >> 20} MiB"
                yield Record(file.name, place, None, message, delimiter.join(row)[:_SHOWN_BYTES])
                continue
            if header is None:
                header = _distinct(row)
                continue
            if not row:
                continue
            joined = delimiter.join(row)
            if lines.ended:  # and the row is not: its quote would swallow all rows behind it
                message = "a quote opens here that is not closed before the end of the file"
                shown = joined.encode("utf-8", "surrogateescape")
                yield Record(file.name, f"line {first}", None, message, _shown(shown))
            elif any("\udc80" <= character <= "\udcff" for character in joined):
                shown = joined.encode("utf-8", "surrogateescape")
                yield Record(file.name, place, None, "not UTF-8", _shown(shown))
            elif len(row) != len(header):
                yield Record(
                    file.name, place, None, f"{len(row)} columns, the header has {len(header)}", joined[:_SHOWN_BYTES]
                )
            else:
                yield Record(file.name, place, dict(zip(header, row, strict=True)))


class _TextLines:
    """The lines of a text, of which gigantic ones are cut short instead of held in memory."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.cut = self.ended = False

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(MOST_RECORD_BYTES):
            if len(line) == MOST_RECORD_BYTES and not line.endswith("\n"):
                self.cut = True
                while more := self._text.readline(BUFFER_BYTES):
                    if more.endswith("\n"):
                        break
            yield line
        self.ended = True


def _distinct(names: list[str]) -> list[str]:
    """Return column names of which none stands twice: a second `text` becomes `text.1`, as pandas has it."""
    taken: dict[str, None] = {}
    for name in names:
        number, new = 0, name
        while new in taken:
            number += 1
            new = f"{name}.{number}"
        taken[new] = None
    return list(taken)


def _read_parquet(file: InputFile, start: int, stop: int | None) -> Iterator[Record]:
    try:
        with readable(file.path) as source, pq.ParquetFile(source) as parquet:
            row = sum(parquet.metadata.row_group(i).num_rows for i in range(start))
            groups = list(range(start, parquet.num_row_groups if stop is None else stop))
            for batch in parquet.iter_batches(batch_size=_PARQUET_ROWS, row_groups=groups):
                for fields, error in _rows(batch):
                    yield Record(file.name, f"row {row}", fields, error)
                    row += 1
    except (OSError, pa.ArrowInvalid) as problem:
        yield Record(file.name, f"row groups {start}..{stop}", None, f"not readable as Parquet ({str(problem)[:200]})")


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[dict[str, Any] | None, str | None]]:
    """Yield rows as dictionaries, or the error of the one that cannot be read (a string that is not UTF-8, say)."""
    batch = batch.rename_columns(_distinct(batch.schema.names))
    for place, field in enumerate(batch.schema):
        if getattr(field.type, "unit", None) == "ns":  # which Python's dates and times do not know
            coarse = _microseconds(field.type)
            batch = batch.set_column(place, field.name, batch.column(place).cast(coarse, safe=False))
    try:
        yield from [(fields, None) for fields in batch.to_pylist()]
    except (ValueError, OverflowError) as error:
        if batch.num_rows == 1:
            yield None, f"not readable as Parquet ({str(error)[:200]})"
            return
        for row in range(batch.num_rows):
            yield from _rows(batch.slice(row, 1))


def _microseconds(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.time64("us") if pa.types.is_time(kind) else pa.duration("us")


def _read_text(file: InputFile, text_field: str, id_field: str) -> Record:
    try:
        with open_input(file) as stream:
            raw = stream.read(MOST_RECORD_BYTES + 1)
    except DAMAGE as error:
        return Record(file.name, "", None, f"the compressed file is damaged ({error})")
    if len(raw) > MOST_RECORD_BYTES:
        return Record(file.name, "", None, f"the file is longer than {MOST_RECORD_BYTES >> 20} MiB", _shown(raw))
    if b"\0" in raw[:4096] and not raw.startswith(_UTF16_MARKS):
        return Record(file.name, "", None, "binary data, not text")
    encoding = "utf-16" if raw.startswith(_UTF16_MARKS) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        name = "UTF-16" if encoding == "utf-16" else "UTF-8"
        return Record(file.name, "", None, f"not {name} (byte {error.start})", _shown(raw))
    return Record(file.name, "", {id_field: Path(file.name).as_posix(), text_field: text})
