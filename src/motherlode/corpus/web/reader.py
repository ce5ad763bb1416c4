"""Readers of web formats: WARC, WET and WAT files, and HTML files, as records of the corpus.

Each WARC record counts as one record of the input, and so does each stretch of bytes that is none. Blocked addresses
are dropped before anything is extracted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motherlode.corpus.blocklist import BLOCKED, BlockList, BlockUrls
from motherlode.corpus.record import Record
from motherlode.corpus.sources import InputFile
from motherlode.corpus.streams import DAMAGE, open_input
from motherlode.corpus.web.extract import extractor_versions
from motherlode.corpus.web.frames import Frame, read_frames
from motherlode.corpus.web.guard import ExtractionError, extractor
from motherlode.corpus.web.warc import NOT_HTML, Page, page_kind, record_page

_SHOWN_BYTES = 2_000
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class WebReading:
    """How pages are read.

    Attributes:
        extractor: One of `extract.EXTRACTORS`.
        page_seconds: Processor time that a page may take; 0: no limit.
        block: Addresses that are dropped.
    """

    extractor: str = "resiliparse"
    page_seconds: float = 10.0
    block: BlockUrls | None = None

    def settings(self) -> list[Any]:
        """Return everything that a page's text depends on."""
        return [self.extractor, extractor_versions(self.extractor), self.page_seconds]


@dataclass(frozen=True)
class _Names:
    text: str
    id: str


def read_warc(
    file: InputFile, start: int, stop: int | None, text_field: str, id_field: str, how: WebReading, most_bytes: int
) -> Iterator[Record]:
    """Read the records of a WARC, WET or WAT file that begin in a byte range.

    Args:
        file: The file: plain, gzip (records then are found in parts of it too), zstd or lz4.
        start: The first byte of the range.
        stop: The byte after it; None: the end.
        text_field: The field under which the text appears.
        id_field: The field under which the record's id appears.
        how: How pages are read.
        most_bytes: The longest record that is held.

    Yields:
        One record a WARC record, and one a piece of damage.
    """
    names = _Names(text_field, id_field)
    gzip = _is_gzip(file)
    block = how.block.list() if how.block is not None else None
    with open_input(file, folded=gzip or file.compression == "gzip") as stream:
        found = read_frames(stream, gzip, start, stop, most_bytes)
        offset = start
        while True:
            try:
                frame = next(found, None)
            except DAMAGE as error:  # of a file that is compressed in another way than gzip
                yield Record(file.name, f"behind byte {offset}", None, f"the compressed stream is damaged ({error})")
                return
            if frame is None:
                return
            offset = frame.offset
            yield _warc_record(file, frame, names, how, block, most_bytes)


def _is_gzip(file: InputFile) -> bool:
    """Return whether a file is gzip: by its first bytes, for names of crawl files often lie, or a remote one's name."""
    if file.compression not in (None, "gzip") or not isinstance(file.path, Path):
        return file.compression == "gzip"
    with file.path.open("rb") as stream:
        return stream.read(2) == _GZIP


def _warc_record(
    file: InputFile, frame: Frame, names: _Names, how: WebReading, block: BlockList | None, most_bytes: int
) -> Record:
    place = f"byte {frame.offset}"
    if frame.error is not None:
        return Record(file.name, place, None, frame.error, _shown(frame.block, frame.headers))
    try:
        page = record_page(frame, most_bytes)
        if page.dropped is None and block is not None and page.url and block.blocks(page.url):
            page = Page(dropped=BLOCKED)
        if page.dropped is not None:
            return Record(file.name, place, None, dropped=page.dropped)
        fields = _fields(page, names, how)
    except (ValueError, ExtractionError) as error:
        return Record(file.name, place, None, str(error), _shown(frame.block, frame.headers))
    fields["offset"] = frame.offset
    return Record(file.name, place, fields)


def _fields(page: Page, names: _Names, how: WebReading) -> dict[str, Any]:
    """Extract a page, and lay out its fields."""
    fields: dict[str, Any] = {"url": page.url, "title": page.title, "date": page.date}
    text, language_hint = page.text, page.language_hint
    if page.data is not None:
        said = extractor(how.extractor, how.page_seconds)(page.data, page.charset, page.html)
        text, language_hint = said.text, said.language_hint or language_hint
        fields |= {"title": said.title, "published": said.published, "charset": said.charset}
    fields |= {"content_type": page.content_type, "language_hint": language_hint}
    return {**fields, names.id: page.identity, names.text: text}


def read_html(file: InputFile, text_field: str, id_field: str, how: WebReading, most_bytes: int) -> Record:
    """Read an HTML file, compressed or not, as one record."""
    try:
        with open_input(file) as stream:
            data = stream.read(most_bytes + 1)
    except DAMAGE as error:
        return Record(file.name, "", None, f"the compressed file is damaged ({error})")
    if len(data) > most_bytes:
        return Record(file.name, "", None, f"the file is longer than {most_bytes >> 20} MiB", _shown(data))
    if page_kind(data, "text/html") is None:
        return Record(file.name, "", None, dropped=NOT_HTML)
    page = Page(identity=Path(file.name).as_posix(), content_type="text/html", data=data)
    try:
        return Record(file.name, "", _fields(page, _Names(text_field, id_field), how))
    except ExtractionError as error:
        return Record(file.name, "", None, str(error), _shown(data))


def _shown(data: bytes, headers: dict[str, str] | None = None) -> str:
    about = f"{headers['warc-target-uri']}\n" if headers and "warc-target-uri" in headers else ""
    return about + data[:_SHOWN_BYTES].decode("utf-8", "replace")
