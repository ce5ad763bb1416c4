"""Writing WARC files of any condition."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

ARTICLE = """<!doctype html><html lang="en-GB"><head><meta charset="utf-8"><title>Lantern &amp; river {n}</title>
<meta property="article:published_time" content="2021-03-{day:02d}T10:00:00Z"></head><body>
<nav><a href="/">Home</a> <a href="/about">About the site and all of its many pages</a></nav>
<article><h1>Lantern number {n}</h1><p>The harbour lantern with the number {n} was lit again after the long winter, and
the people of the town walked down to the river to see it burn over the quiet water.</p><p>They stayed until late in the
evening, and told each other what the old keeper of lantern {n} had told them when they were children.</p></article>
<footer>Copyright, contact, imprint</footer></body></html>"""


def article(number: int) -> bytes:
    """Return a page of HTML."""
    return ARTICLE.format(n=number, day=1 + number % 28).encode()


def response(body: bytes, content_type: str = "text/html; charset=utf-8", status: int = 200, more: str = "") -> bytes:
    """Return an HTTP response."""
    head = f"HTTP/1.1 {status} Said\r\nContent-Type: {content_type}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def record(
    block: bytes,
    kind: str = "response",
    url: str | None = "http://example.com/",
    number: int = 0,
    length: int | None = None,
    version: str = "1.0",
    more: str = "",
) -> bytes:
    """Return a WARC record."""
    types = {
        "response": "application/http; msgtype=response",
        "conversion": "text/plain",
        "request": "application/http",
    }
    lines = [
        f"WARC/{version}",
        f"WARC-Type: {kind}",
        f"WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-{number:012d}>",
        "WARC-Date: 2024-05-18T01:58:10Z",
        *([f"WARC-Target-URI: {url}"] if url else []),
        f"Content-Type: {types.get(kind, 'application/warc-fields')}",
        f"Content-Length: {len(block) if length is None else length}",
    ]
    return ("\r\n".join(lines) + "\r\n" + more + "\r\n").encode() + block + b"\r\n\r\n"


def page(number: int, url: str | None = None, **settings: object) -> bytes:
    """Return the record of a page."""
    url = url or f"http://example.com/{number}"
    return record(response(article(number)), url=url, number=number, **settings)  # type: ignore[arg-type]


def crawl(pages: int) -> list[bytes]:
    """Return the records of a small crawl: its own description, then request, response and metadata of each page."""
    records = [record(b"software: test\r\n", "warcinfo", None)]
    for number in range(pages):
        url = f"http://example.com/{number}"
        records.append(record(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "request", url, number))
        records.append(page(number))
        records.append(record(b"fetchTimeMs: 7\r\n", "metadata", url, number))
    return records


def write(path: Path, records: Iterable[bytes]) -> Path:
    """Write records, each a member of its own if the name ends in .gz."""
    parts = [gzip.compress(part, 6, mtime=0) if path.suffix == ".gz" else part for part in records]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(parts))
    return path
