"""How well each extractor finds the text of a page, and how fast.

Two sets of pages whose text is known: news pages with the article's body, and the pages of a reader view's tests with
what it keeps. Tokens are runs of letters and digits, compared as bags: precision is the share of the extracted tokens
that belong to the text, recall the share of the text that was extracted; their F1 is taken a page and averaged.
`empty` counts pages of which nothing was extracted. Speed is that of one process, through the guarded process of a
build, and without it.

    python benchmarks/extraction_quality.py [--data DIR] [--pages N]
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from motherlode.corpus.web.extract import EXTRACTORS, extract_page
from motherlode.corpus.web.guard import Extractor

DEFAULT_DATA = Path(__file__).parents[2] / "shared" / "data" / "web"
_TOKEN = re.compile(r"\w+")


def articles(folder: Path) -> Iterator[tuple[bytes, str]]:
    """Yield news pages and their bodies."""
    with (folder / "ground-truth.jsonl").open(encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            path = folder / row["file"]
            if path.exists():
                yield gzip.decompress(path.read_bytes()), row["articleBody"]


def reader_views(folder: Path) -> Iterator[tuple[bytes, str]]:
    """Yield pages and the text of what a reader view keeps of them."""
    for path in sorted(folder.glob("*.source.html.gz")):
        kept = path.with_name(path.name.replace(".source.", ".expected."))
        if kept.exists():
            expected = gzip.decompress(kept.read_bytes())
            yield gzip.decompress(path.read_bytes()), extract_page(expected, "", True, "plain").text


def score(found: str, truth: str) -> tuple[float, float, float]:
    """Return precision, recall and F1 of a bag of tokens."""
    ours, theirs = Counter(_TOKEN.findall(found.lower())), Counter(_TOKEN.findall(truth.lower()))
    common = sum((ours & theirs).values())
    if not common:
        return (1.0, 1.0, 1.0) if not ours and not theirs else (0.0, 0.0, 0.0)
    precision, recall = common / sum(ours.values()), common / sum(theirs.values())
    return precision, recall, 2 * precision * recall / (precision + recall)


def measure(name: str, pages: list[tuple[bytes, str]]) -> list[str]:
    """Return a row of the table."""
    guarded = Extractor(name, 60)
    guarded(b"<p>start")
    begin = time.perf_counter()
    for data, _ in pages:
        guarded(data)
    through = time.perf_counter() - begin
    guarded.close()
    begin = time.perf_counter()
    texts = [extract_page(data, "", True, name).text for data, _ in pages]
    bare = time.perf_counter() - begin
    scores = [score(text, truth) for text, (_, truth) in zip(texts, pages, strict=True)]
    means = [sum(values) / len(scores) for values in zip(*scores, strict=True)]
    empty = sum(not text for text in texts)
    megabytes = sum(len(data) for data, _ in pages) / 1e6
    return [
        name,
        *(f"{mean:.3f}" for mean in means),
        str(empty),
        f"{len(pages) / through:,.0f}",
        f"{len(pages) / bare:,.0f}",
        f"{megabytes / bare:,.1f}",
    ]


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=DEFAULT_DATA, help="folder with html-articles and html-readability"
    )
    parser.add_argument("--pages", type=int, help="pages of each set, at most")
    options = parser.parse_args()
    sets = {
        "news pages with the article's body": list(articles(options.data / "html-articles")),
        "pages of a reader view's tests": list(reader_views(options.data / "html-readability")),
    }
    columns = ["extractor", "precision", "recall", "F1", "empty", "pages/s", "pages/s bare", "MB/s bare"]
    for title, pages in sets.items():
        chosen = pages[: options.pages]
        print(f"\n{len(chosen)} {title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
        for name in EXTRACTORS:
            print(f"| {' | '.join(measure(name, chosen))} |", flush=True)


if __name__ == "__main__":
    main()
