"""HTTP responses give their bodies, whatever their codings claim."""

from __future__ import annotations

import gzip
import io
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.corpus.web.http import BodyTooLongError, parse_response

MOST = 1 << 20
BODY = b"<p>The body of a page, long enough to be worth a coding.</p>" * 20


def answer(body: bytes, *headers: str, end: str = "\r\n") -> bytes:
    """Return a response of some headers."""
    return end.join(["HTTP/1.1 200 OK", *headers, "", ""]).encode() + body


def chunks(body: bytes, size: int) -> bytes:
    """Return a body in chunks."""
    parts = [body[place : place + size] for place in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def raw_deflate(body: bytes) -> bytes:
    """Compress without the header that zlib writes."""
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(body) + deflate.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(BODY, mtime=0)),
        ("x-gzip", gzip.compress(BODY, mtime=0)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", raw_deflate(BODY)),
        ("identity", BODY),
        ("deflate, gzip", gzip.compress(zlib.compress(BODY), mtime=0)),
        ("gzip", BODY),  # decoded by the crawler, which left the header
        ("deflate", BODY),
        ("br", BODY),
        ("something", BODY),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_codings_are_undone_or_were_undone_already(coding: str, body: bytes, chunked: bool) -> None:
    headers = [f"Content-Encoding: {coding}"] + ["Transfer-Encoding: chunked"] * chunked
    for end in ("\r\n", "\n"):
        response = parse_response(answer(chunks(body, 100) if chunked else body, *headers, end=end), MOST)
        assert (response.status, response.body) == (200, BODY)


def test_brotli_is_undone() -> None:
    streams = pytest.importorskip("fastwarc.stream_io", reason="the extra 'web' is not installed")

    def packed(body: bytes) -> bytes:
        sink = io.BytesIO()
        writer = streams.BrotliWriter(sink)
        writer.write(body)
        writer.close()
        return sink.getvalue()

    assert parse_response(answer(packed(BODY), "Content-Encoding: br"), MOST).body == BODY
    with pytest.raises(BodyTooLongError):
        parse_response(answer(packed(bytes(2 << 20)), "Content-Encoding: br"), MOST)


@given(st.binary(max_size=400), st.integers(1, 90))
def test_chunks_join_to_the_body(body: bytes, size: int) -> None:
    response = parse_response(answer(chunks(body, size), "Transfer-Encoding: chunked"), MOST)
    assert response.body == body


def test_chunks_of_wrong_sizes_keep_what_there_is() -> None:
    whole = b"5\r\nfirst\r\n6\r\nsecond\r\n"
    for rest, expected in [
        (b"ffff\r\ncut off", b"firstsecondcut off"),
        (b"3\r\nlonger than three", b"firstsecondlonger than three"),
        (b"", b"firstsecond"),
        (b"zz\r\nodd", b"firstsecond"),
        (b"0\r\n", b"firstsecond"),
    ]:
        assert parse_response(answer(whole + rest, "Transfer-Encoding: chunked"), MOST).body == expected
    for plain in (b"<html>not in chunks</html>", b"12\r\nshort"):
        assert parse_response(answer(plain, "Transfer-Encoding: chunked"), MOST).body in (plain, b"short", plain[4:])


def test_a_body_that_is_cut_off_gives_what_came_before() -> None:
    body = random.Random(1).randbytes(3000).hex().encode()
    squeezed = gzip.compress(body, mtime=0)[:1500]
    got = parse_response(answer(squeezed, "Content-Encoding: gzip"), MOST).body
    assert len(got) > 1000
    assert body.startswith(got)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_body_that_unfolds_without_end_is_refused(coding: str) -> None:
    bomb = gzip.compress(bytes(50 << 20)) if coding == "gzip" else zlib.compress(bytes(50 << 20))
    with pytest.raises(BodyTooLongError, match="more than 1 MiB"):
        parse_response(answer(bomb, f"Content-Encoding: {coding}"), MOST)


def test_what_is_no_response_is_a_body() -> None:
    response = parse_response(b"<html>no headers</html>", MOST)
    assert (response.status, response.headers, response.body) == (None, {}, b"<html>no headers</html>")
    assert parse_response(b"HTTP/1.1 404 Gone\r\nA: b", MOST).status == 404
    assert parse_response(b"HTTP/2 200\r\n\r\nx", MOST).body == b"x"
    assert parse_response(b"ICY 200 OK\r\n\r\nx", MOST).status == 200


@given(st.binary(max_size=300))
def test_any_bytes_are_some_response(data: bytes) -> None:
    parse_response(data, MOST)
    parse_response(answer(data, "Transfer-Encoding: chunked", "Content-Encoding: gzip, deflate, br"), MOST)
    parse_response(b"HTTP/1.1 200 OK\r\n" + data, MOST)
