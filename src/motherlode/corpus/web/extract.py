"""From a page's bytes to its main text, title, date and language hint.

`resiliparse` (Bevendorff et al.) is fast and keeps what looks like main content; `trafilatura` (Barbaresi, 2021) is 10
to 20 times slower and stricter; `plain` keeps all visible text. What is not the text (title, date, language) is read
off the head of the page by pattern: walking the parsed tree for it takes longer than the extraction itself.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from motherlode.corpus.web.charset import decode
from motherlode.errors import InputError, MissingExtraError, nearest

EXTRACTORS = ("resiliparse", "trafilatura", "plain")
_NEEDS = {"resiliparse": ("resiliparse",), "trafilatura": ("resiliparse", "trafilatura"), "plain": ("resiliparse",)}
_HEAD_CHARACTERS = 1 << 16
_LONGEST_TITLE = 1000
_LITTLE_TEXT = 250  # characters
_TITLE = re.compile(r"<title(?:\s[^>]{0,200})?>([^<]{1,4000})", re.IGNORECASE)
_LANGUAGE = re.compile(
    r"<html\s[^>]{0,800}?\b(?:xml:)?lang\s*=\s*[\"']?([A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*)", re.IGNORECASE
)
_META = re.compile(r"<meta\s([^>]{1,1000})>", re.IGNORECASE)
_NAME = re.compile(r"\b(?:name|property|itemprop|http-equiv)\s*=\s*[\"']?([\w:.-]{3,60})", re.IGNORECASE)
_CONTENT = re.compile(r"\bcontent\s*=\s*(?:\"([^\"]{0,800})|'([^']{0,800})|([^\s\"'>]{1,200}))", re.IGNORECASE)
_LINKED_DATA = re.compile(r"\"datePublished\"\s*:\s*\"([^\"]{8,40})\"")
_DATE = re.compile(
    r"(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?"
)
_DATE_NAMES = ("article:published_time", "datepublished", "date", "dc.date", "dcterms.created", "dc.date.issued",
               "pubdate", "publishdate", "og:published_time", "sailthru.date", "citation_publication_date")  # fmt: skip


@dataclass(frozen=True)
class PageText:
    """What a page says.

    Attributes:
        text: Its main text.
        title: Its title.
        published: When it says it was published, ISO 8601.
        language_hint: The language that it claims, as a tag.
        charset: The charset it was decoded with.
    """

    text: str
    title: str | None = None
    published: str | None = None
    language_hint: str | None = None
    charset: str = "utf-8"


def check_extractor(name: str) -> None:
    """Check that an extractor exists and is installed.

    Raises:
        InputError: There is no such extractor.
        MissingExtraError: It is not installed.
    """
    if name not in EXTRACTORS:
        raise InputError(f"unknown extractor {name!r}", where="--extractor", hint=nearest(name, EXTRACTORS))
    if any(find_spec(package) is None for package in _NEEDS[name]):
        raise MissingExtraError("web", f"extracting text from HTML with {name}", where="--extractor")


def extractor_versions(name: str) -> dict[str, str]:
    """Return the versions of the packages that decide what an extractor says; those that are not installed lack."""
    return {package: metadata.version(package) for package in _NEEDS[name] if find_spec(package) is not None}


def extract_page(data: bytes, declared: str, html_page: bool, extractor: str) -> PageText:
    """Extract a page.

    Args:
        data: Its bytes.
        declared: The charset that the HTTP header names, if it names one.
        html_page: Whether it is HTML; plain text is only decoded.
        extractor: One of `EXTRACTORS`.

    Returns:
        What it says; the text may be empty.
    """
    source, charset = decode(data, declared)
    if not html_page:
        return PageText(source, charset=charset)
    source = source.replace("\0", "\ufffd")
    head = source[:_HEAD_CHARACTERS]
    language = _LANGUAGE.search(head)
    return PageText(
        text=_TEXT[extractor](source).strip(),
        title=_title(head),
        published=_published(head),
        language_hint=language[1] if language else None,
        charset=charset,
    )


def _title(head: str) -> str | None:
    match = _TITLE.search(head)
    title = " ".join(html.unescape(match[1]).split())[:_LONGEST_TITLE] if match else ""
    return title or None


def _published(head: str) -> str | None:
    found: dict[str, str] = {}
    for tag in _META.finditer(head):
        name, content = _NAME.search(tag[1]), _CONTENT.search(tag[1])
        if name and content and name[1].lower() in _DATE_NAMES:
            found.setdefault(name[1].lower(), content[1] or content[2] or content[3] or "")
    candidates = [found[name] for name in _DATE_NAMES if name in found]
    if linked := _LINKED_DATA.search(head):
        candidates.insert(0, linked[1])
    for candidate in candidates:
        if date := _DATE.match(candidate.strip()):
            return date[0]
    return None


def _resiliparse(source: str) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    def main_text(comments: bool) -> str:
        text: str = extract_plain_text(source, main_content=True, alt_texts=False, post_meta=False, comments=comments)
        return text

    text = main_text(comments=False)
    if len(text) < _LITTLE_TEXT:  # a forum, perhaps, where comments are all there is
        text = max(text, main_text(comments=True), key=len)
    return text


def _plain(source: str) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    text: str = extract_plain_text(source, main_content=False, alt_texts=False)
    return text


def _trafilatura(source: str) -> str:
    import trafilatura

    return trafilatura.extract(source, include_comments=False, deduplicate=False) or ""


_TEXT: dict[str, Callable[[str], str]] = {"resiliparse": _resiliparse, "trafilatura": _trafilatura, "plain": _plain}


def wat_text(data: bytes) -> PageText | None:
    """Return what a WAT record (Common Crawl's metadata, JSON) tells of an HTML page: its title and description.

    Args:
        data: The record's block.

    Returns:
        Title and description as text; None if the record does not describe an HTML response.

    Raises:
        ValueError: It is not JSON.
    """
    try:
        payload = json.loads(data)["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]
        head = payload["HTML-Metadata"].get("Head", {})
    except (KeyError, TypeError, AttributeError):
        return None
    title = head.get("Title") if isinstance(head, dict) else None
    metas = head.get("Metas") if isinstance(head, dict) else None
    described = {
        str(meta.get("name") or meta.get("property", "")).lower(): str(meta.get("content", ""))
        for meta in (metas if isinstance(metas, list) else [])
        if isinstance(meta, dict)
    }
    title = " ".join(str(title).split())[:_LONGEST_TITLE] if title else None
    description = described.get("description") or described.get("og:description") or ""
    return PageText("\n\n".join(part for part in (title, description) if part), title)
