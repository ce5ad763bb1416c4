"""One small input with a bit of everything: a crawl, JSON lines and text files, and what must become of each document.

Used by the test of a build with every step on, and by the test that kills it.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.corpus.web.crawl import record, response, write

NOUNS = (
    "river stone lantern market ledger violet harbour thread copper window orchard signal bridge garden teacher engine "
    "letter mountain kettle paper shadow village winter summer bottle carpet hammer island jacket kitchen ladder mirror"
).split()
VERBS = "carried followed painted measured gathered borrowed covered opened repaired counted lifted described".split()
TAILS = (
    "before the evening came to an end",
    "and nobody in the town could say why",
    "because it was needed for the work of the following day",
    "so that the children would have something to look at",
    "while the others were still waiting at the gate",
    "although it had been promised to somebody else",
    "as people have always done in that part of the country",
    "and then went home to be with the family",
)
GERMAN = (
    "Der alte Fluss fließt langsam durch das Tal, und die Leute am Ufer erzählen von dem Jahr, in dem er darüber "
    "trat. Damals stand das Wasser in allen Häusern, und niemand wusste, wann es wieder ginge. Heute erinnert nur "
    "noch eine kleine Tafel neben der Brücke daran, und die meisten gehen vorbei, ohne sie zu lesen. Nummer {}."
)
NOTICE = (
    "All that stands on these pages belongs to those who wrote it, and it may be read by everybody who comes along."
)
SECOND = "Whoever has a question about the things on this site is asked to write a letter to the people of the archive."
EVALUATION = "Which of the nine wooden bridges over the northern river was carried away by the ice in the last winter?"
SETTINGS: dict[str, Any] = {
    "shard_rows": 12,
    "shard_bytes": 30_000,
    "split_bytes": 12_000,
    "min_words": 5,
    "languages": ["en"],
    "mask_personal_data": True,
    "quality": "gopher,c4,fineweb",
    "quality_rules": {
        "gopher": {"min_words": 40, "repetition": {"repeated_ngrams": {}}},
        "c4": {"min_sentences": 3},
    },
    "repeated_paragraphs": "first",
    "keep_rejected": True,
    "chunk_words": 250,
}
KEPT = "kept"


@dataclass(frozen=True)
class Everything:
    """What `write_everything` wrote.

    Attributes:
        inputs: The files, in order.
        settings: Those of the build.
        fates: By the id of a document: `kept`, or `<stage>/<reason>`.
    """

    inputs: list[str]
    settings: dict[str, Any]
    fates: dict[str, str]


def prose(number: int, sentences: int = 8) -> str:
    """Invent an English text that breaks no rule of quality; equal numbers give texts that begin alike."""
    choice = random.Random(number)
    made = []
    for _ in range(sentences):
        one, two, three = choice.sample(NOUNS, 3)
        verb = choice.choice(VERBS)
        made.append(f"The {one} of {number} was {verb} with a {two} near that {three} {choice.choice(TAILS)}.")
    return " ".join(made)


def page(number: int, text: str, url: str, **settings: Any) -> bytes:
    """Return a WARC record of a page with paragraphs."""
    paragraphs = "".join(f"<p>{line}</p>" for line in text.split("\n"))
    head = f"<head><meta charset='utf-8'><title>Page {number}</title></head>"
    html = (
        f"<!doctype html><html>{head}<body><nav><a href='/'>Home</a></nav><article>{paragraphs}</article></body></html>"
    )
    return record(response(html.encode(), **settings), url=url, number=number)


def warc_id(number: int) -> str:
    """Return the id of a record."""
    return f"urn:uuid:00000000-0000-4000-8000-{number:012d}"


def write_everything(folder: Path, more: int = 0) -> Everything:
    """Write the inputs.

    Args:
        folder: Where they go.
        more: Further good documents in the JSON lines.
    """
    fates: dict[str, str] = {}

    def crawled(number: int, fate: str, text: str, url: str | None = None, **settings: Any) -> bytes:
        fates[warc_id(number)] = fate
        return page(number, text, url or f"http://example.com/{number}", **settings)

    records = [record(b"software: test\r\n", "warcinfo", None)]
    for number in range(1, 7):
        url = f"http://example.com/{number}"
        records.append(record(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "request", url, number))
        records.append(crawled(number, KEPT, prose(number) + f"\n{NOTICE}\n{SECOND}"))
        records.append(record(b"fetchTimeMs: 7\r\n", "metadata", url, number))
    records.append(crawled(7, "read/HTTP status 404", prose(7), status=404))
    records.append(crawled(8, "read/not HTML", prose(8), content_type="application/pdf"))
    records.append(crawled(9, "read/URL blocked", prose(9), url="http://ads.example.org/9"))
    records.append(crawled(10, "language/other language", GERMAN.format(10)))
    records.append(crawled(11, "duplicates/near duplicate", prose(12, 7)))
    records.append(b"these bytes are no record at all\r\n\r\n")
    records.append(crawled(12, KEPT, prose(12)))
    write(folder / "1-crawl.warc.gz", records)

    rows: list[Any] = []

    def row(identity: str, fate: str, text: str, **fields: Any) -> None:
        fates[identity] = fate
        rows.append({"id": identity, "text": text, "source": f"site {len(rows) % 3}", **fields})

    for number in range(20, 26):
        row(f"good {number}", KEPT, prose(number))
    row("like a page", "duplicates/near duplicate", prose(12, 7).replace("The ", "Then the ", 1))
    row("repeated", "repeated paragraphs/too short without repeated paragraphs", prose(2))
    row("exact", "duplicates/exact duplicate", prose(21))
    row(
        "near",
        "duplicates/near duplicate",
        prose(22).replace("before", "until", 1).replace("The ", "That ", 1)[:-3] + ".",
    )
    row("boilerplate", KEPT, prose(30) + f"\n{NOTICE}")
    row(
        "only boilerplate",
        "repeated paragraphs/too short without repeated paragraphs",
        f"{NOTICE}\n{SECOND}\nThat is all.",
    )
    row("contaminated", "decontaminate/contaminated", prose(31) + " " + EVALUATION)
    row(
        "personal",
        KEPT,
        prose(32) + " Write to jane.doe@example.com or call +1 202 555 0143 if you have seen the ledger.",
    )
    row("german", "language/other language", GERMAN.format(1))
    row("list", "quality/gopher: too many bullet lines", "- item of the list that is to be read\n" * 30)
    row(
        "template",
        "quality/gopher: repeated lines",
        "It is the same line that stands here, and again with the others.\n" * 12,
    )
    row("short", "quality/gopher: too few words", "This is the end of it, and there is not more to be said.")
    row("blocked", "block-urls/URL blocked", prose(33), url="http://ads.example.org/33")
    row("long", KEPT, prose(34, 40))
    rows += ['{"text": "torn', {"body": "there is no text", "source": "site 0"}]
    for number in range(100, 100 + more):
        row(f"good {number}", KEPT, prose(number))
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / "2-lines.jsonl").write_text("".join(f"{line}\n" for line in lines))

    for number in range(40, 45):
        path = folder / "3-texts" / f"{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(prose(number))
        fates[f"{number}.txt"] = KEPT
    (folder / "3-texts" / "torn.txt").write_bytes(b"caf\xe9 is not UTF-8 here")
    (folder / "blocked.txt").write_text("ads.example.org\n")
    (folder / "evaluation.jsonl").write_text(json.dumps({"question": EVALUATION}) + "\n")
    inputs = [str(folder / name) for name in ("1-crawl.warc.gz", "2-lines.jsonl", "3-texts")]
    extra = {"block_urls": str(folder / "blocked.txt"), "decontaminate": [str(folder / "evaluation.jsonl")]}
    return Everything(inputs, {**SETTINGS, **extra}, fates)
