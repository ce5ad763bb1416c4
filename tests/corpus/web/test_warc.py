"""Which records hold a page, and why the others do not."""

from __future__ import annotations

import gzip

import pytest

from motherlode.corpus.web.frames import Frame, parse_headers
from motherlode.corpus.web.warc import Page, page_kind, record_page
from tests.corpus.web.crawl import article, record, response

MOST = 1 << 20


def page_of(data: bytes) -> Page:
    """Return the page of a record."""
    head, _, block = data.partition(b"\r\n\r\n")
    return record_page(Frame(0, parse_headers(head.partition(b"\n")[2]), block.removesuffix(b"\r\n\r\n")), MOST)


def test_a_response_of_html_is_a_page() -> None:
    body = article(1)
    page = page_of(record(response(body, "text/html; charset=Latin1", more="Content-Language: de, en\r\n"), number=5))
    assert page == Page(
        url="http://example.com/",
        date="2024-05-18T01:58:10Z",
        identity="urn:uuid:00000000-0000-4000-8000-000000000005",
        content_type="text/html",
        charset="latin1",
        language_hint="de",
        data=body,
        html=True,
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (record(b"software: x", "warcinfo", None), "WARC type warcinfo"),
        (record(b"GET / HTTP/1.1\r\n\r\n", "request"), "WARC type request"),
        (record(b"fetchTimeMs: 1", "metadata"), "WARC type metadata"),
        (record(b"", "revisit"), "WARC type revisit"),
        (record(b"x", "screenshot"), "WARC type unknown"),
        (record(response(b"gone", status=404)), "HTTP status 404"),
        (record(response(b"", status=301)), "HTTP status 301"),
        (record(response(b"%PDF-1.5", "application/pdf")), "not HTML"),
        (record(response(b"%PDF-1.5")), "not HTML"),
        (record(response(b"\x89PNG\r\n", "text/html")), "not HTML"),
        (record(response(b"bin\x00ary", "text/html")), "not HTML"),
        (record(response(b'{"a": 1}', "application/json")), "not HTML"),
        (record(response(b"<p>x"), more="WARC-Identified-Payload-Type: application/pdf\r\n"), "not HTML"),
        (record(response(b"no type, no markup", "")), "not HTML"),
        (
            record(b"20240101 example.org 10.0.0.1").replace(b"application/http; msgtype=response", b"text/dns"),
            "not HTML",
        ),
    ],
)
def test_other_records_are_dropped_under_a_name(data: bytes, reason: str) -> None:
    assert page_of(data).dropped == reason


@pytest.mark.parametrize(
    ("body", "claimed", "identified", "html"),
    [
        (b"<p>x", "text/html", "", True),
        (b"x", "application/xhtml+xml", "", True),
        (b"x", "text/plain", "", False),
        (b"<!DOCTYPE HTML><p>", "text/plain", "", True),
        (b"<html>", "", "", True),
        (b"x", "application/octet-stream", "text/html", True),
        (b"<html>", "application/octet-stream", "", None),
        ("<p>x".encode("utf-16"), "text/html", "", True),
        (b"", "text/html", "", True),
    ],
)
def test_what_a_body_is(body: bytes, claimed: str, identified: str, html: bool | None) -> None:
    assert page_kind(body, claimed, identified) is html


def test_a_conversion_is_text_already() -> None:
    data = record("Text über alles".encode(), "conversion", more="WARC-Identified-Content-Language: deu,eng\r\n")
    page = page_of(data)
    assert (page.dropped, page.text, page.data, page.language_hint) == (None, "Text über alles", None, "deu")


def test_a_resource_is_a_page_by_its_own_type() -> None:
    data = record(b"<p>saved", "resource").replace(b"application/warc-fields", b"text/html; charset=koi8-r")
    page = page_of(data)
    assert (page.data, page.html, page.charset) == (b"<p>saved", True, "koi8-r")


def test_what_cannot_be_used_says_why() -> None:
    with pytest.raises(ValueError, match="no WARC-Type"):
        page_of(record(b"x").replace(b"WARC-Type: response\r\n", b""))
    bomb = response(gzip.compress(bytes(2 << 20)), more="Content-Encoding: gzip\r\n")
    with pytest.raises(ValueError, match="unfolds to more than 1 MiB"):
        page_of(record(bomb))
    broken = record(b"{torn", "metadata").replace(b"application/warc-fields", b"application/json")
    with pytest.raises(ValueError, match="Expecting"):
        page_of(broken)


def test_addresses_may_stand_in_angle_brackets() -> None:
    assert page_of(record(response(b"<p>x"), url="<http://example.com/a>")).url == "http://example.com/a"
