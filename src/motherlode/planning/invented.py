"""Text that means nothing, to measure on: invented words, as frequent as real ones are, among common English ones.

Word frequencies fall as 1/rank (Zipf's law), so that compression, n-grams and fitted vocabularies meet what they meet
in real text. A part of the documents draws on the words of a shipped pack of seeds, so that mining finds something.
"""

from __future__ import annotations

import gzip
import html
import itertools
import random
from collections.abc import Iterator, Sequence

_SYLLABLES = "ba ce di fo gu ka le mi no pu ra se ti vo zu sha bre dro plu gri ska thu lan mer sol vin".split()
_COMMON = "the of and to in that is was for with as by on it at from this be are were which had not have but".split()
_VOCABULARY = 50_000
_NEAR_COPY = 20  # one document in so many is a near-copy of the one before
_ABOUT_SEEDS = 5  # one in so many draws on the words of a pack


def _words() -> list[str]:
    chance = random.Random("words")  # noqa: S311 - not for secrets
    return ["".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4))) for _ in range(_VOCABULARY)]


def documents(count: int, words: int, packs: Sequence[Sequence[str]], random_seed: int = 0) -> Iterator[str]:
    """Invent documents.

    Args:
        count: How many.
        words: Words in each, 10 or more.
        packs: Texts of seeds, by domain.
        random_seed: Seed of all choices.

    Yields:
        Sentences in paragraphs.
    """
    chance = random.Random(random_seed)  # noqa: S311 - not for secrets
    invented = _words()
    weights = list(itertools.accumulate(1 / (rank + 10) for rank in range(len(invented))))
    pools = [[word for text in texts for word in text.split()] for texts in packs]
    before = ""
    for number in range(count):
        if before and number % _NEAR_COPY == 0:
            yield before.replace(" the ", " that ", 1)
            continue
        drawn = chance.choices(invented, cum_weights=weights, k=words)
        for place in range(0, words, 3):
            drawn[place] = chance.choice(_COMMON)
        if pools and number % _ABOUT_SEEDS == 0:
            pool = chance.choice(pools)
            for place in range(1, words, 3):
                drawn[place] = chance.choice(pool)
        before = _sentences(drawn, chance)
        yield before


def _sentences(words: list[str], chance: random.Random) -> str:
    parts, start = [], 0
    while start < len(words):
        length = chance.randint(8, 22)
        parts.append(" ".join(words[start : start + length]).capitalize() + ".")
        start += length
    return "\n\n".join(" ".join(parts[place : place + 5]) for place in range(0, len(parts), 5))


def page(text: str, number: int, size: int) -> bytes:
    """Wrap a text as a web page: menus, links, styles and scripts around it, as the average page has.

    Args:
        text: The main content.
        number: Of the page.
        size: Bytes of HTML, about.

    Returns:
        UTF-8, at least as long as the text needs.
    """
    body = "".join(f"<p>{html.escape(part)}</p>\n" for part in text.split("\n") if part.strip())
    menu = "".join(
        f'<li class="menu-item item-{n}"><a href="/section/{n}/index.html" title="Section {n}">Section {n}</a></li>'
        for n in range(40)
    )
    head = f"<title>Page {number}</title><meta charset=utf-8>"
    frame = f'<nav id="top"><ul>{menu}</ul></nav>'
    missing = max(0, size - len(body) - 2 * len(frame) - len(head) - 300)
    card = '<div class="card c-{0}" data-id="{0}"><a href="/item/{0}"><img src="/i/{0}.jpg"><b>{0}</b></a></div>'
    cards = "".join(card.format(number * 7 + n) for n in range(missing // 3 // len(card)))
    rule = ".c-{0}{{margin:0 auto;padding:{0}px 4px;color:#{0:06x};display:block}}\n"
    rules = "".join(rule.format(n) for n in range(missing // 3 // len(rule)))
    state = '{{"id":{0},"state":"ready","items":[{0},{0}],"url":"/api/v1/{0}"}},'
    states = "".join(state.format(number * 3 + n) for n in range(missing // 3 // len(state)))
    return (
        f"<!DOCTYPE html><html lang=en><head>{head}<style>{rules}</style><script>var data=[{states}];</script></head>"
        f"<body>{frame}<main><article><h1>Page {number}</h1>{body}</article></main><aside>{cards}</aside>"
        f"<footer>{frame}</footer></body></html>"
    ).encode()


def warc_record(content: bytes, number: int) -> bytes:
    """Return a page as a WARC record, compressed as crawls are: a gzip member of its own."""
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(content)
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\n"
        f"WARC-Record-ID: <urn:uuid:{number:08x}-0000-4000-8000-000000000000>\r\n"
        f"WARC-Target-URI: http://site{number % 97}.example/page/{number}\r\nWARC-Date: 2024-01-01T00:00:00Z\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http) + len(content)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + http + content + b"\r\n\r\n", 6)
