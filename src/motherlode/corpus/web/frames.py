"""Records out of a run of bytes, whatever is wrong with them.

A record is a header block and as many bytes as its Content-Length says; then the next one begins, or the run ends.
Where that does not hold, the length is wrong, and the record ends where the next one really begins, or with the run.
What is no record is passed over to the next line that begins one, and told as one piece of damage. Memory is bounded:
of a record that is too long only the beginning is kept.

FastWARC's own iterator ends at the first damaged member (2.0.1: 24 of 50 records lost to one flipped bit), so that the
framing is done here; the tests hold it against FastWARC on sound files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from motherlode.corpus.web.members import RECORD_START, DamageError, Run, gzip_runs, plain_run

MOST_HEADER_BYTES = 1 << 18
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_LINE_ENDS = b"\r\n\t "
_TERMINATOR = b"\r\n\r\n"
_START_BYTES = 256  # enough to match `RECORD_START`, unless a header's name is absurd
_OVERLAP = 128


@dataclass
class Frame:
    """One record as bytes, or a piece of damage.

    Attributes:
        offset: Where it begins in the file: its own first byte in a plain file, that of its gzip member else.
        headers: WARC headers, names in lower case; of repeated ones the first.
        block: What the record holds.
        error: What is wrong, if it cannot be used; `block` then is what is known of it.
        relabelled: Whether the length was wrong and could be mended.
        noise: Whether no record begins here.
    """

    offset: int
    headers: dict[str, str] = field(default_factory=dict)
    block: bytes = b""
    error: str | None = None
    relabelled: bool = False
    noise: bool = False


def parse_headers(data: bytes) -> dict[str, str]:
    """Read header lines leniently: lines without a colon are passed over, continuation lines are joined.

    Args:
        data: The lines, without a first line that is no header.

    Returns:
        Values by names in lower case; of a repeated name the first value.
    """
    headers: dict[str, str] = {}
    last = ""
    for line in data.decode("utf-8", "replace").split("\n"):
        if line[:1] in (" ", "\t") and last:
            headers[last] = f"{headers[last]} {line.strip()}"
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        last = name if colon and name and name not in headers else ""
        if last:
            headers[last] = value.strip()
    return headers


class _Bytes:
    """A run, read ahead."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.data = bytearray()
        self.taken = 0  # bytes of the run before `data`
        self.ended = False
        self.damage: DamageError | None = None

    def fill(self, count: int) -> bool:
        """Have at least `count` bytes; False if the run ends before, or is damaged."""
        while len(self.data) < count and not self.ended:
            try:
                piece = self.run.read()
            except DamageError as error:
                self.damage, self.ended = error, True
                break
            self.ended = not piece
            self.data += piece
        return len(self.data) >= count

    def take(self, count: int) -> bytes:
        piece = bytes(self.data[:count])
        del self.data[:count]
        self.taken += len(piece)
        return piece

    def skip_line_ends(self) -> None:
        while self.fill(1):
            blank = len(self.data) - len(self.data.lstrip(_LINE_ENDS))
            if blank == 0:
                return
            self.take(blank)

    def at_record(self) -> bool:
        """Return whether a record begins here."""
        self.fill(_START_BYTES)
        return RECORD_START.match(self.data) is not None

    def skip_to_record(self, keep: int) -> bytes:
        """Go to the next record, or the end; return the first `keep` bytes passed over."""
        kept = bytearray()
        while True:
            found = RECORD_START.search(self.data)
            passed = found.start() if found else max(0, len(self.data) - (0 if self.ended else _OVERLAP))
            piece = self.take(passed)
            kept += piece[: max(0, keep - len(kept))]
            if found or (self.ended and not self.data):
                return bytes(kept)
            self.fill(len(self.data) + 1)


def _end_of_headers(data: _Bytes) -> int | None:
    """Return where the header block ends; None if it does not, or only behind the beginning of another record."""
    size = 1 << 12
    while True:
        whole = data.fill(size)
        found = _HEADER_END.search(data.data, 0, MOST_HEADER_BYTES)
        if found:
            return None if RECORD_START.search(data.data, 1, found.end()) else found.end()
        if not whole or size >= MOST_HEADER_BYTES:
            return None
        size *= 4


def frames(run: Run, most_bytes: int, plain: bool) -> Iterator[Frame]:
    """Cut a run into records.

    Args:
        run: Bytes that begin with a record, or ought to.
        most_bytes: The longest record that is held whole, in bytes.
        plain: Whether the run is a plain file: a record's offset then counts from the file's start, and is not its
            run's; and a record that lacks bytes at the end was cut off, for no gzip member says otherwise.

    Yields:
        Every record, and every piece of damage, in order.
    """
    data = _Bytes(run)
    while True:
        data.skip_line_ends()
        offset = run.offset + data.taken if plain else run.offset
        if not data.fill(1):
            if data.damage is not None:
                yield Frame(offset, error=str(data.damage))
            return
        if not data.at_record():
            passed = data.skip_to_record(1 << 12)
            yield Frame(offset, block=passed, error=str(data.damage or "is not a WARC record"), noise=True)
            data.damage = None if data.data else data.damage
            if data.damage is not None:
                return
            continue
        yield _record(data, offset, most_bytes, plain)
        if data.damage is not None and not data.data:
            return


def _record(data: _Bytes, offset: int, most_bytes: int, plain: bool) -> Frame:
    end = _end_of_headers(data)
    if end is None:
        reason = str(data.damage or "the record's headers do not end")
        first = data.take(1)  # so that the search finds the next record
        return Frame(offset, block=first + data.skip_to_record(1 << 12), error=reason)
    lines = data.take(end)
    headers = parse_headers(lines[lines.index(b"\n") + 1 :])
    declared = headers.get("content-length", "")
    length = int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 19 else -1
    if length > most_bytes:
        kept = data.take(min(len(data.data), 1 << 12)) if not RECORD_START.search(data.data) else b""
        kept += data.skip_to_record(max(0, (1 << 12) - len(kept)))
        return Frame(offset, headers, kept, str(data.damage or f"the record is longer than {most_bytes >> 20} MiB"))
    if length >= 0 and data.fill(length) and _ends_after(data, length):
        return Frame(offset, headers, data.take(length))
    if data.damage is not None:
        return Frame(offset, headers, data.take(len(data.data)), f"{data.damage}; {_how_much(length)}")
    frame = _relabel(data, offset, headers, most_bytes)
    if plain and data.ended and not data.data and len(frame.block) < length:
        frame.error = f"the file is cut off within the record; {_how_much(length)}"
    return frame


def _how_much(length: int) -> str:
    return f"the record should have {length} bytes" if length >= 0 else "the record has no length"


def _ends_after(data: _Bytes, length: int) -> bool:
    """Return whether some bytes are followed by what closes a record, by another record, or by the end of the run."""
    look = length + _START_BYTES
    data.fill(look)
    rest = bytes(data.data[length:look])
    following = rest.lstrip(_LINE_ENDS)
    return not following or rest.startswith(_TERMINATOR) or RECORD_START.match(following) is not None


def _relabel(data: _Bytes, offset: int, headers: dict[str, str], most_bytes: int) -> Frame:
    """End a record of wrong length where the next one begins, or with the run."""
    searched = 0
    while True:
        found = RECORD_START.search(data.data, searched)
        if found or data.ended or len(data.data) > most_bytes:
            break
        searched = max(0, len(data.data) - _OVERLAP)
        data.fill(len(data.data) + 1)
    if data.damage is not None and not found:
        return Frame(offset, headers, data.take(len(data.data)), str(data.damage))
    if not found and not data.ended:
        kept = data.take(1 << 12)
        data.skip_to_record(0)
        return Frame(offset, headers, kept, f"the record is longer than {most_bytes >> 20} MiB")
    block = data.take(found.start() if found else len(data.data))
    block = block[: -len(end)] if (end := _terminator(block)) else block
    return Frame(offset, headers, block, None, relabelled=True)


def _terminator(block: bytes) -> bytes:
    """Return the two line ends that close a record."""
    return next((end for end in (b"\r\n\r\n", b"\n\n") if block.endswith(end)), b"")


def read_frames(stream: IO[bytes], compressed: bool, start: int, stop: int | None, most_bytes: int) -> Iterator[Frame]:
    """Read the records that begin in a byte range of a file.

    Args:
        stream: The file; a part of it can be read only if it can seek.
        compressed: Whether it is gzip.
        start: The first byte of the range.
        stop: The byte after it; None: the end of the file.
        most_bytes: The longest record that is held whole, in bytes.

    Yields:
        Every record and every piece of damage. The ranges of a file together give each once.
    """
    if compressed:
        for run in gzip_runs(stream, start, stop):
            if isinstance(run, DamageError):
                yield Frame(run.offset, error=str(run))
            else:
                yield from frames(run, most_bytes, plain=False)
        return
    if start:
        position = _first_record(stream, start, stop)
        if position is None:
            return
        start = position
    for frame in frames(plain_run(stream, start), most_bytes, plain=True):
        if stop is not None and frame.offset >= stop and not frame.noise:
            return
        yield frame  # noise behind a record belongs to whom the record belongs to


def _first_record(stream: IO[bytes], start: int, stop: int | None) -> int | None:
    """Return where the first record begins at or after a byte of a plain file."""
    data = _Bytes(plain_run(stream, start))
    data.skip_to_record(0)
    position = start + data.taken
    return position if data.data and (stop is None or position < stop) else None
