"""A WARC file as runs: stretches of decompressed bytes that begin with a record.

In a gzip file every record is a member of its own, as a rule; a run then is one record, and damage to one costs no
other. Members that do not begin with a record continue the one before (a file gzipped whole, a record in pieces). A
plain file is a single run. A task owns the runs that begin in its byte range: it looks for the first one from where
its range starts, so that one large file is many tasks, and no byte is read in advance to plan them.
"""

from __future__ import annotations

import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import IO, Any

# What begins a record: the version and the name of a first header. ARC, the older format, has no such line.
RECORD_START = re.compile(rb"WARC/\d\.\d{1,2}[ \t]*\r?\n[!-9;-~]{1,64}[ \t]*:")
_LINE_SPACE = b"\r\n\t "
_START_BYTES = 512  # decompressed, to tell whether a member begins a record
_MAGIC = b"\x1f\x8b\x08"
_READ_BYTES = 1 << 16
_MOST_BYTES = 1 << 18  # decompressed at a time: a few bytes can unfold to any amount


class DamageError(Exception):
    """The compressed stream is broken here.

    Attributes:
        offset: Where in the file the broken member begins.
    """

    def __init__(self, offset: int, reason: str) -> None:
        """Say where and how."""
        super().__init__(reason)
        self.offset = offset


def begins_record(head: bytes) -> bool:
    """Return whether decompressed bytes begin with a WARC record, after line ends at most."""
    return RECORD_START.match(head.lstrip(_LINE_SPACE)) is not None


class Run(ABC):
    """Bytes that begin with a record.

    Attributes:
        offset: Where it begins in the file, in compressed bytes.
    """

    def __init__(self, offset: int) -> None:
        """Set where it begins."""
        self.offset = offset

    @abstractmethod
    def read(self) -> bytes:
        """Return some bytes, none at the end.

        Raises:
            DamageError: The compressed stream is broken.
        """


class _Raw:
    """The file, read ahead, with the offset of the next byte."""

    def __init__(self, stream: IO[bytes], offset: int) -> None:
        self.stream, self.offset, self.ended = stream, offset, False
        self.data = b""

    def more(self) -> bool:
        """Read more bytes behind those that are there; False at the end."""
        here = self.offset + len(self.data)  # pieces end in the same places wherever a range starts: so do their errors
        piece = b"" if self.ended else self.stream.read(_READ_BYTES - here % _READ_BYTES)
        self.ended = not piece
        self.data += piece
        return bool(piece)

    def take(self, count: int) -> None:
        """Go on by some bytes."""
        self.data, self.offset = self.data[count:], self.offset + count


class _Member:
    """A gzip member under decompression."""

    def __init__(self, raw: _Raw) -> None:
        self.raw, self.offset = raw, raw.offset
        self.ended = False
        self._inflate = zlib.decompressobj(31)

    def read(self) -> bytes:
        while not self.ended:
            if not self.raw.data and not self.raw.more():
                raise DamageError(self.offset, "the file is cut off within a gzip member")
            given = self.raw.data
            try:
                content = self._inflate.decompress(given, _MOST_BYTES)
            except zlib.error as error:
                raise DamageError(self.offset, f"damaged gzip member ({error})") from None
            self.ended = self._inflate.eof
            rest = self._inflate.unused_data if self.ended else self._inflate.unconsumed_tail
            self.raw.take(len(given) - len(rest))
            if content:
                return content
        return b""


class _GzipRun(Run):
    """Members that hold one record, or several behind each other."""

    def __init__(self, member: _Member, head: bytes) -> None:
        super().__init__(member.offset)
        self._member, self._head = member, head
        self.following: tuple[_Member, bytes] | None = None  # the member that begins the next run, and its first bytes
        self.damage: DamageError | None = None  # met behind this run, while looking for the next one

    def read(self) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        while self.following is None and self.damage is None:
            if content := self._member.read():
                return content
            try:
                started = _start(self._member.raw)
            except DamageError as error:
                self.damage = error
                break
            if started is None:
                break
            if begins_record(started[1]):
                self.following = started
                break
            self._member, head = started
            if head:
                return head
        return b""


def _start(raw: _Raw) -> tuple[_Member, bytes] | None:
    """Begin the member that comes next, and return its first bytes; None at the end of the file."""
    while len(raw.data) < len(_MAGIC) and raw.more():
        pass
    while raw.data and not raw.data.strip(b"\0"):  # padding, which gzip allows
        raw.take(len(raw.data))
        raw.more()
    if not raw.data:
        return None
    padding = len(raw.data) - len(raw.data.lstrip(b"\0"))
    if padding:
        raw.take(padding)
        while len(raw.data) < len(_MAGIC) and raw.more():
            pass
    if not raw.data.startswith(_MAGIC):
        raise DamageError(raw.offset, "what follows is no gzip member")
    member = _Member(raw)
    head = member.read()
    while len(head.lstrip(_LINE_SPACE)) < _START_BYTES and (more := member.read()):
        head += more
        if len(head) > _MOST_BYTES:
            break
    return member, head


def gzip_runs(stream: IO[bytes], start: int, stop: int | None) -> Iterator[Run | DamageError]:
    """Find the runs of a gzip file that begin in a byte range.

    Args:
        stream: The file, which can seek.
        start: The first byte of the range; what lies before the first record there belongs to the range before.
        stop: The byte after the range; None: the end.

    Yields:
        Runs in order, each to be read to its end before the next one; and damage between them. Damage inside a run
        is raised by its `read`; the search for the next run goes on behind it.
    """
    stream.seek(start)
    raw = _Raw(stream, start)
    found: tuple[_Member, bytes] | None = None
    try:
        found = _search(stream, start, stop) if start else _start(raw)
    except DamageError as error:
        yield error
        found = _search(stream, 1, stop)
    while found is not None and (stop is None or found[0].offset < stop):
        run = _GzipRun(*found)
        damaged: DamageError | None = None
        try:
            yield run
            while run.read():  # whoever takes the run may leave some of it
                pass
        except DamageError as error:
            damaged = error
        if run.damage is not None:
            yield run.damage  # whoever owns the run before it tells it, wherever a range ends
            damaged = run.damage
        found = run.following if damaged is None else _search(stream, damaged.offset + 1, stop)


def _search(stream: IO[bytes], position: int, stop: int | None) -> tuple[_Member, bytes] | None:
    """Find the next member that begins a record, from a position on and before `stop`."""
    stream.seek(position)
    tail, at = b"", position
    while piece := stream.read(_READ_BYTES):
        data = tail + piece
        place = data.find(_MAGIC)
        while place >= 0:
            offset = at - len(tail) + place
            if stop is not None and offset >= stop:
                return None
            stream.seek(offset)
            try:
                started = _start(_Raw(stream, offset))
            except DamageError:
                started = None
            if started and begins_record(started[1]):
                return started
            place = data.find(_MAGIC, place + 1)
        at += len(piece)
        if stop is not None and at >= stop + len(_MAGIC):
            return None
        tail = data[-len(_MAGIC) + 1 :]
        stream.seek(at)
    return None


class _PlainRun(Run):
    def __init__(self, stream: Any, offset: int) -> None:
        super().__init__(offset)
        self._stream = stream

    def read(self) -> bytes:
        content: bytes = self._stream.read(_READ_BYTES)
        return content


def plain_run(stream: IO[bytes], start: int) -> Run:
    """Return a plain file, from a byte on, as one run."""
    if start:
        stream.seek(start)
    return _PlainRun(stream, start)
