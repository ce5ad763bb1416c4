"""From WARC records to pages: which records hold a page, and why the others do not.

A response or resource of HTML or plain text is a page (WARC); a conversion is a text that is extracted already (WET);
a metadata record of JSON tells a page's title and description (WAT). Every other record is dropped under its type, its
HTTP status, or as not HTML. The payload type that the crawler identified counts before the one that the server claimed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from motherlode.corpus.web.charset import decode, header_charset
from motherlode.corpus.web.extract import wat_text
from motherlode.corpus.web.frames import Frame
from motherlode.corpus.web.http import BodyTooLongError, Response, parse_response

NOT_HTML = "not HTML"
_HTML = ("text/html", "application/xhtml+xml")
_PLAIN = "text/plain"
_TYPES = ("warcinfo", "response", "resource", "request", "metadata", "revisit", "conversion", "continuation")
_BINARY = (
    *(b"%PDF", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"PK\x03\x04", b"\x1f\x8b", b"\x7fELF", b"RIFF", b"OggS", b"ID3"),
    *(b"BZh", b"7z\xbc\xaf", b"Rar!", b"\xd0\xcf\x11\xe0", b"wOFF", b"wOF2", b"\x00\x00\x01\x00", b"II*\0", b"MM\0*"),
)
_MARKUP = re.compile(rb"<(?:!doctype\s+html|html|head|body|title|meta|div|p|h1|table|span|a|br)\b", re.IGNORECASE)
_SNIFFED_BYTES = 1024
_OK = 200


@dataclass(frozen=True)
class Page:
    """A page, or why a record is none.

    Attributes:
        dropped: The reason for which the record is dropped, None if it is a page.
        url: Its address.
        date: When it was fetched, as the record says (ISO 8601).
        identity: The record's id.
        content_type: Its media type.
        charset: The charset that the HTTP header names, or nothing.
        language_hint: The language that the headers name.
        data: Its bytes, if it is still to be extracted.
        text: Its text, if it was extracted already.
        title: Its title, likewise.
        html: Whether the bytes are HTML, or plain text.
    """

    dropped: str | None = None
    url: str | None = None
    date: str | None = None
    identity: str | None = None
    content_type: str | None = None
    charset: str = ""
    language_hint: str | None = None
    data: bytes | None = None
    text: str | None = None
    title: str | None = None
    html: bool = True


def media_type(content_type: str) -> str:
    """Return the media type of a Content-Type header, without parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def record_page(frame: Frame, most_bytes: int) -> Page:
    """Tell what page a record holds.

    Args:
        frame: A record without an error.
        most_bytes: The longest body that is held.

    Returns:
        The page, or the reason for which the record is dropped.

    Raises:
        ValueError: The record cannot be used: no type, a body that unfolds without end, JSON that is none.
        MissingExtraError: The body is coded as brotli, and FastWARC is not installed.
    """
    headers = frame.headers
    kind = headers.get("warc-type", "").lower()
    if not kind:
        raise ValueError("the record has no WARC-Type")
    about = Page(
        url=headers.get("warc-target-uri", "").strip("<> \t") or None,
        date=headers.get("warc-date") or None,
        identity=headers.get("warc-record-id", "").strip("<> \t") or None,
    )
    if kind == "response":
        return _response(frame, about, most_bytes)
    content_type = media_type(headers.get("content-type", ""))
    if kind == "resource":
        body = Response(None, {"content-type": headers.get("content-type", "")}, frame.block)
        return _payload(body, headers, about)
    if kind == "conversion" and content_type in ("", _PLAIN):
        text, _ = decode(frame.block)
        language = headers.get("warc-identified-content-language", "").partition(",")[0] or None
        return replace(about, content_type=_PLAIN, text=text, language_hint=language)
    if kind == "metadata" and content_type == "application/json":
        described = wat_text(frame.block)
        if described is not None:
            return replace(about, content_type=_HTML[0], text=described.text, title=described.title)
    return replace(about, dropped=f"WARC type {kind if kind in _TYPES else 'unknown'}")


def _response(frame: Frame, about: Page, most_bytes: int) -> Page:
    if media_type(frame.headers.get("content-type", "application/http")) not in ("application/http", ""):
        return replace(about, dropped=NOT_HTML)  # e.g. text/dns
    try:
        response = parse_response(frame.block, most_bytes)
    except BodyTooLongError as error:
        raise ValueError(str(error)) from None
    if response.status is not None and response.status != _OK:
        return replace(about, dropped=f"HTTP status {response.status}")
    return _payload(response, frame.headers, about)


def _payload(response: Response, headers: Mapping[str, str], about: Page) -> Page:
    claimed = response.headers.get("content-type", "")
    identified = media_type(headers.get("warc-identified-payload-type", ""))
    html = page_kind(response.body, media_type(claimed), identified)
    content_type = identified or media_type(claimed) or None
    if html is None:
        return replace(about, dropped=NOT_HTML, content_type=content_type)
    language = response.headers.get("content-language", "").partition(",")[0].strip() or None
    return replace(
        about,
        content_type=content_type,
        charset=header_charset(claimed),
        language_hint=language,
        data=response.body,
        html=html,
    )


def page_kind(body: bytes, claimed: str, identified: str = "") -> bool | None:
    """Tell what a body is.

    Args:
        body: The bytes.
        claimed: The media type that the server claims, or nothing.
        identified: The one that the crawler found, or nothing.

    Returns:
        True for HTML, False for plain text, None for anything else.
    """
    head = body[:_SNIFFED_BYTES]
    if head.startswith(_BINARY) or (b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff"))):
        return None
    types = {kind for kind in (identified, claimed) if kind}
    if identified and identified not in (*_HTML, _PLAIN):
        return None
    if types & set(_HTML):
        return True
    if _MARKUP.search(head) and (not types or _PLAIN in types):
        return True
    return False if _PLAIN in types else None
