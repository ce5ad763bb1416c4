"""Extraction gives text and what a page says of itself, and ends, whatever the page."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motherlode.corpus.web.extract import EXTRACTORS, PageText, check_extractor, extract_page, wat_text
from motherlode.corpus.web.guard import ExtractionError, Extractor
from motherlode.errors import InputError
from tests.corpus.web.crawl import article

pytest.importorskip("resiliparse", reason="the extra 'web' is not installed")
pytest.importorskip("trafilatura", reason="the extra 'web' is not installed")


@pytest.mark.parametrize("name", EXTRACTORS)
def test_each_extractor_keeps_the_article(name: str) -> None:
    said = extract_page(article(7), "", True, name)
    assert "The harbour lantern with the number 7 was lit" in said.text
    assert "keeper of lantern 7" in said.text
    assert ("About the site" in said.text) == (name == "plain")
    assert said.title == "Lantern & river 7"
    assert said.published == "2021-03-08T10:00:00Z"
    assert (said.language_hint, said.charset) == ("en-GB", "utf-8")


@pytest.mark.parametrize(
    ("head", "date"),
    [
        ('<meta name="date" content="2020-05-06">', "2020-05-06"),
        ("<meta content='2020-05-06T07:08:09.123+0200' itemprop=datePublished>", "2020-05-06T07:08:09.123+0200"),
        ('<script type="application/ld+json">{"datePublished" : "2019-01-02T03:04"}</script>', "2019-01-02T03:04"),
        ('<meta name="date" content="6 May 2020">', None),
        ('<meta name="date" content="2020-13-45">', None),
        ('<meta name="description" content="2020-05-06">', None),
        ("", None),
    ],
)
def test_dates_are_told_as_pages_say_them(head: str, date: str | None) -> None:
    assert extract_page(f"<html><head>{head}</head><p>x".encode(), "", True, "resiliparse").published == date


def test_titles_and_languages_are_read_off_the_head() -> None:
    page = (
        b'<HTML dir=ltr LANG=de_AT class="x"><TITLE data-x="1">\n Caf\xc3\xa9 &eacute;\n two </TITLE><title>no</title>'
    )
    said = extract_page(page, "", True, "resiliparse")
    assert (said.title, said.language_hint) == ("Café é two", "de_AT")
    assert extract_page(b"<title></title><html lang=''>", "", True, "plain").title is None


def test_comments_are_kept_only_where_there_is_nothing_else() -> None:
    comments = (
        '<div class="comments"><div class="comment"><p>I have seen that lantern burn, many years ago.</p></div></div>'
    )
    alone = extract_page(f"<html><body>{comments}</body></html>".encode(), "", True, "resiliparse")
    assert "many years ago" in alone.text
    beside = article(1).replace(b"</article>", comments.encode() + b"</article>")
    assert "many years ago" not in extract_page(beside, "", True, "resiliparse").text


def test_plain_text_is_only_decoded() -> None:
    said = extract_page("<b>1 < 2</b> für".encode("cp1252"), "iso-8859-1", False, "resiliparse")
    assert said == PageText("<b>1 < 2</b> für", charset="cp1252")


def test_the_process_says_what_the_function_says() -> None:
    extractor = Extractor("resiliparse", 10)
    try:
        for data in (
            article(1),
            "<p>Grüße \ud83d\ude00</p>".encode("utf-8", "surrogatepass"),
            b"\xff\x00<p>x",
            b"",
            b"x" * 3_000_000,
        ):
            assert extractor(data) == extract_page(data, "", True, "resiliparse")
        assert extractor(b"caf\xe9", "windows-1252", html_page=False).text == "café"
    finally:
        extractor.close()


def test_a_page_that_takes_too_long_is_given_up_and_the_next_one_read() -> None:
    """Nested elements make the parser quadratic: these would take it hours, all of them in native code."""
    extractor = Extractor("resiliparse", 0.5)
    try:
        assert extractor(article(1)).title
        for _ in range(2):
            before = time.monotonic()
            with pytest.raises(ExtractionError, match=r"took longer than 0\.5 s"):
                extractor(b"<div>" * 1_000_000)
            assert time.monotonic() - before < 10
        assert extractor(article(2)).title == "Lantern & river 2"
    finally:
        extractor.close()


def test_a_process_that_is_killed_from_outside_costs_nothing() -> None:
    extractor = Extractor("resiliparse", 10)
    try:
        for number in range(3):
            assert extractor(article(number)).title == f"Lantern & river {number}"
            assert extractor._process is not None
            os.kill(extractor._process.pid, signal.SIGKILL)
    finally:
        extractor.close()


def test_memory_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that unfolds into more than the limit is told, and the next one read."""
    program = (
        "import sys, motherlode.corpus.web.extract_process as p\n"
        "import motherlode.corpus.web.extract as e\n"
        "p.MOST_MEMORY = 1 << 30\n"
        "known = e.extract_page\n"
        "e.extract_page = lambda data, **k: known(data if data[:1] == b'<' else bytes(2 << 30), **k)\n"
        "sys.argv = ['x', '10']\n"
        "p.main()\n"
    )
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda command, **more: popen([sys.executable, "-c", program], **more))
    extractor = Extractor("resiliparse", 10)
    try:
        with pytest.raises(ExtractionError, match="too much memory"):
            extractor(b"much")
        assert extractor(b"<p>good").text == "good"
    finally:
        extractor.close()


def test_the_process_ends_with_whoever_started_it(tmp_path: Path) -> None:
    program = (
        "import os, signal\n"
        "from motherlode.corpus.web.guard import Extractor\n"
        "e = Extractor('resiliparse', 30)\n"
        "e(b'<p>x')\n"
        "print(e._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    pid = int(done.stdout)
    deadline = time.monotonic() + 20
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_without_a_limit_there_is_no_process() -> None:
    extractor = Extractor("resiliparse", 0)
    assert extractor(article(3)).title == "Lantern & river 3"
    assert extractor._process is None


PIECES = (
    "<div> </div> <p> <table><tr><td> </table> <script> </script> <!-- --> <![CDATA[ ]]> <a&href='x '> <title> "
    "</title> "
    "<html&lang= &amp; &#x110000; &#0; <svg> <math> \0 word& é \ud83d <meta&name=date&content=2020-01-01 > <template> "
    "<select><option> <b><i></b>"
)
MARKUP = st.lists(
    st.sampled_from([piece.replace("&", " ") if not piece.startswith("&") else piece for piece in PIECES.split(" ")]),
    max_size=60,
).map("".join)


@settings(max_examples=300)
@given(
    st.one_of(MARKUP.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=300)), st.booleans()
)
def test_any_page_gives_some_text(data: bytes, html: bool) -> None:
    said = extract_page(data, "", html, "resiliparse")
    said.text.encode("utf-8", "surrogatepass")
    assert said.title is None or said.title.strip()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            '{"Title": "A  title", "Metas": [{"name": "Description", "content": "What it is."}]}',
            ("A title", "A title\n\nWhat it is."),
        ),
        ('{"Metas": [{"property": "og:description", "content": "Only this"}, 5, {"name": null}]}', (None, "Only this")),
        ('{"Title": "Only"}', ("Only", "Only")),
        ("{}", (None, "")),
        ("[]", (None, "")),
    ],
)
def test_metadata_records_tell_title_and_description(data: str, expected: tuple[str | None, str]) -> None:
    whole = (
        f'{{"Envelope": {{"Payload-Metadata": {{"HTTP-Response-Metadata": {{"HTML-Metadata": {{"Head": {data}}}}}}}}}}}'
    )
    said = wat_text(whole.encode())
    assert said is not None
    assert (said.title, said.text) == expected


def test_metadata_of_other_records_tells_nothing() -> None:
    for data in (
        b"{}",
        b"[]",
        b'{"Envelope": 5}',
        b'{"Envelope": {"Payload-Metadata": {"HTTP-Request-Metadata": {}}}}',
    ):
        assert wat_text(data) is None
    with pytest.raises(ValueError, match="Expecting"):
        wat_text(b"no json")


def test_an_unknown_extractor_is_named() -> None:
    with pytest.raises(InputError, match=r"--extractor: unknown extractor 'trafilature'; did you mean 'trafilatura'\?"):
        check_extractor("trafilature")
