"""What an HTTP response in a WARC record holds: status, headers, and its body without transfer and content codings.

Crawlers often store a body decoded and leave the header that names its coding; a body that is not in the coding that
it claims is therefore taken as it is.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from motherlode.corpus.web.frames import parse_headers
from motherlode.errors import MissingExtraError

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})\b|(?:ICY|HTTP)[ \t]+(\d{3})\b")
_HEADER_END = re.compile(rb"\r?\n[ \t]*\r?\n")
_MOST_HEADER_BYTES = 1 << 17
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_GZIP = b"\x1f\x8b"


class BodyTooLongError(ValueError):
    """A body that is compressed unfolds to more than may be held."""


@dataclass(frozen=True)
class Response:
    """An HTTP response.

    Attributes:
        status: The status code, None if there is no status line.
        headers: Headers, names in lower case.
        body: The body, decoded.
    """

    status: int | None
    headers: Mapping[str, str]
    body: bytes


def parse_response(block: bytes, most_bytes: int) -> Response:
    """Read an HTTP response.

    Args:
        block: The record's block.
        most_bytes: The longest body that is held.

    Returns:
        The response; a block that does not look like one is a body without headers.

    Raises:
        BodyTooLongError: The body unfolds to more than `most_bytes`.
        MissingExtraError: The body is coded as brotli, and FastWARC is not installed.
    """
    status = _STATUS.match(block)
    if status is None:
        return Response(None, {}, block)
    end = _HEADER_END.search(block, 0, _MOST_HEADER_BYTES)
    lines, body = (block[: end.start()], block[end.end() :]) if end else (block[:_MOST_HEADER_BYTES], b"")
    _, _, rest = lines.partition(b"\n")
    headers = parse_headers(rest)
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _without_chunks(body)
    for coding in reversed([part.strip().lower() for part in headers.get("content-encoding", "").split(",")][:4]):
        body = _decode(body, coding, most_bytes)
    return Response(int(status[1] or status[2]), headers, body)


def _without_chunks(body: bytes) -> bytes:
    """Join the chunks of a body; one without chunks stays as it is, one that breaks off keeps what came before."""
    parts: list[bytes] = []
    place = 0
    while match := _CHUNK.match(body, place):
        size = int(match[1], 16)
        if size == 0:
            return b"".join(parts)
        start = match.end()
        if start + size > len(body) or body[start + size : start + size + 2].strip(b"\r\n"):
            break  # the sizes are wrong
        parts.append(body[start : start + size])
        place = start + size
        place += 2 if body[place : place + 2] == b"\r\n" else 1 if body[place : place + 1] == b"\n" else 0
    if not parts:
        return body
    tail = _CHUNK.match(body, place)
    return b"".join(parts) + (body[tail.end() :] if tail else b"")


def _decode(body: bytes, coding: str, most_bytes: int) -> bytes:
    if coding in ("gzip", "x-gzip"):
        return _inflate(body, 31, most_bytes) if body.startswith(_GZIP) else body
    if coding == "deflate":
        try:
            return _inflate(body, 15, most_bytes, strict=True)
        except zlib.error:
            return _inflate(body, -15, most_bytes)
    if coding == "br":
        return _unbrotli(body, most_bytes)
    return body


def _inflate(body: bytes, window: int, most_bytes: int, strict: bool = False) -> bytes:
    """Decompress; a body that breaks off gives what came before, one that is not compressed stays as it is."""
    inflate = zlib.decompressobj(window)
    parts: list[bytes] = []
    size, rest = 0, body
    while rest and not inflate.eof:
        try:
            part = inflate.decompress(rest, 1 << 18)
        except zlib.error:
            if strict and not parts:
                raise
            break
        if not part and not inflate.unconsumed_tail:
            break
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            raise BodyTooLongError(f"the body unfolds to more than {most_bytes >> 20} MiB")
        rest = inflate.unconsumed_tail
    return b"".join(parts) if parts else body


def _unbrotli(body: bytes, most_bytes: int) -> bytes:
    if body[:64].lstrip()[:1] == b"<":  # decoded long ago
        return body
    try:
        from fastwarc.stream_io import BrotliReader
    except ImportError:
        raise MissingExtraError("web", "reading bodies in brotli coding") from None
    try:
        content: bytes = BrotliReader(io.BytesIO(body)).read(most_bytes + 1)
    except (OSError, ValueError):
        return body
    if len(content) > most_bytes:
        raise BodyTooLongError(f"the body unfolds to more than {most_bytes >> 20} MiB")
    return content
