"""How fast a crawl becomes a corpus, against datatrove on the same WARC files, and whether both decide alike.

Pages are made from real ones (`web/html-articles`, with their navigation and scripts) and from real texts
(`corpus/*.jsonl.gz`), joined to about 570 words, wrapped as HTML with a menu and a footer; one in ten is a near-copy of
an earlier page. Each tool runs in processes of its own, with as many workers, in its own environment; seconds are of
the whole command, start included. Stages that this version of motherlode does not have are left out, and said so.

    python benchmarks/corpus_throughput.py --peer PYTHON_OF_AN_ENVIRONMENT_WITH_DATATROVE
        [--data DIR] [--pages 10000] [--workers 2] [--stages judge,filters,extract,near-duplicates,whole]

The peer needs `datatrove[io,processing]==0.10.1 spacy lxml_html_clean psutil`.
"""

from __future__ import annotations

import argparse
import gzip
import html
import io
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
DEFAULT_DATA = HERE.parents[1] / "shared" / "data"
STAGES = ("judge", "filters", "extract", "near-duplicates", "whole")
WORDS = 570
_MENU = "".join(
    f'<li><a href="/{name}">{name.title()}</a></li>' for name in "home news about contact shop help".split()
)


def texts(folder: Path, count: int, chance: random.Random) -> Iterator[str]:
    """Yield real texts joined to about `WORDS` words, one in ten a near-copy of an earlier one."""
    pool: list[str] = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            pool += [json.loads(line)["text"] for line in stream]
    made: list[str] = []
    for _ in range(count):
        if made and chance.random() < 0.1:
            words = chance.choice(made[-1000:]).split(" ")
            for _ in range(max(1, len(words) // 100)):
                words[chance.randrange(len(words))] = chance.choice(("other", "changed", "edited"))
            made.append(" ".join(words))
        else:
            parts: list[str] = []
            while sum(len(part.split()) for part in parts) < WORDS:
                parts.append(chance.choice(pool))
            made.append("\n\n".join(parts))
        yield made[-1]


def wrap(text: str, number: int) -> bytes:
    """Return a text as a page with a menu, a script and a footer."""
    body = "".join(f"<p>{html.escape(part)}</p>\n" for part in text.split("\n") if part.strip())
    page = (
        f"<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>Page {number}</title><script>var page={number};"
        f"</script></head><body><nav><ul>{_MENU}</ul></nav><main><article><h1>Page {number}</h1>{body}</article></main>"
        f"<aside><h2>More</h2><ul>{_MENU}</ul></aside><footer>Copyright. All rights reserved.</footer></body></html>"
    )
    return page.encode()


def record(page: bytes, number: int) -> bytes:
    """Return a page as a compressed WARC record."""
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(page)
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\n"
        f"WARC-Record-ID: <urn:uuid:{number:08x}-0000-4000-8000-000000000000>\r\n"
        f"WARC-Target-URI: http://site{number % 97}.example/page/{number}\r\nWARC-Date: 2024-01-01T00:00:00Z\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http) + len(page)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + http + page + b"\r\n\r\n", 6)


def write_inputs(data: Path, folder: Path, pages: int, files: int) -> dict[str, int]:
    """Write the same documents as WARC and as JSONL files, and return bytes of HTML and of text."""
    chance = random.Random(0)
    real = [gzip.decompress(path.read_bytes()) for path in sorted((data / "web" / "html-articles").glob("*.html.gz"))]
    for name in ("warc", "jsonl"):
        (folder / name).mkdir()
    warcs = [(folder / "warc" / f"{n:02d}.warc.gz").open("wb") for n in range(files)]
    lines = [(folder / "jsonl" / f"{n:02d}.jsonl").open("w", encoding="utf-8") for n in range(files)]
    sizes = Counter({"html": 0, "text": 0})
    for number, text in enumerate(texts(data / "corpus", pages, chance)):
        if real and number % 20 == 0:  # one page in twenty is a real one, made unlike all others
            page = chance.choice(real).replace(b"</p>", b" %d.</p>" % number)
        else:
            page = wrap(text, number)
        sizes["html"] += len(page)
        sizes["text"] += len(text.encode())
        warcs[number % files].write(record(page, number))
        lines[number % files].write(json.dumps({"id": str(number), "text": text}) + "\n")
    for stream in (*warcs, *lines):
        stream.close()
    return dict(sizes)


def measure(command: list[str]) -> tuple[float, int, str]:
    """Run a command, and return its seconds, the peak of its process tree's memory in bytes, and what it printed."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = [0]

    def watch() -> None:
        root = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                tree = [root, *root.children(recursive=True)]
                peak[0] = max(peak[0], sum(_resident(one) for one in tree))
            except psutil.Error:
                pass
            time.sleep(0.05)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    out, errors = process.communicate()
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{errors[-2000:]}")
    return seconds, peak[0], out


def _resident(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
        return int(getattr(memory, "pss", memory.rss))
    except psutil.Error:
        return 0


def ours(stage: str, folder: Path, workers: int) -> list[str] | None:
    """Return the command of a stage, None if this version has none."""
    from motherlode.corpus.build import BuildConfig
    from motherlode.corpus.sources import FORMATS

    web, near = "warc" in FORMATS.values(), "near_duplicates" in BuildConfig.model_fields
    source = "jsonl" if stage in ("filters", "near-duplicates") else "warc"
    if (source == "warc" and not web) or (stage in ("near-duplicates", "whole") and not near):
        return None
    options = {
        "filters": ["--quality", "web", "--no-clean", "--no-deduplicate"],
        "extract": ["--quality", "none", "--no-clean", "--no-deduplicate"],
        "near-duplicates": ["--quality", "none", "--no-clean", "--near-duplicates"],
        "whole": ["--quality", "web", "--near-duplicates"],
    }[stage]
    command = [sys.executable, "-m", "motherlode", "corpus", "build", str(folder / source)]
    out = folder / f"ours-{stage}"
    return [*command, "--out", str(out), "--min-words", "0", "--workers", str(workers), *options]


def judge(folder: Path, peer: str) -> None:
    """Compare rates and decisions of the filters alone, on texts in memory, one core each."""
    import pyarrow as pa

    from motherlode.corpus.quality.presets import QualityConfig, rules_for
    from motherlode.corpus.quality.step import FilterQuality

    path = sorted((folder / "jsonl").iterdir())[0]
    found = [json.loads(line)["text"] for line in path.open(encoding="utf-8")]
    function = FilterQuality(("gopher", "c4", "fineweb"), rules_for("web", QualityConfig(), "jsonl")).open()
    function(pa.record_batch({"text": found[:10]}))
    begin = time.perf_counter()
    decisions: list[str | None] = []
    for start in range(0, len(found), 1024):
        decisions += function(pa.record_batch({"text": found[start : start + 1024]})).dropped.to_pylist()
    seconds = time.perf_counter() - begin
    _, _, out = measure([peer, str(HERE / "datatrove_peer.py"), "judge", str(path), "-", "1"])
    theirs = json.loads(out.splitlines()[-1])
    size = sum(len(text.encode()) for text in found) / 1e6
    for name, value in (("motherlode", seconds), ("datatrove", theirs["seconds"])):
        print(f"| judge | {name} | {value:.1f} | {len(found) / value:,.0f} | {size / value:.2f} | | |")
    print(f"\njudge: {theirs['seconds'] / seconds:.1f} times datatrove's rate; seconds there: {theirs['by_filter']}")
    pairs = list(zip(decisions, theirs["decisions"], strict=True))
    differ = Counter((mine, other) for mine, other in pairs if (mine is None) != (other is None))
    print(f"judge: {1 - sum(differ.values()) / len(pairs):.4f} of {len(pairs):,} decisions agree; the others:")
    for (mine, other), count in differ.most_common():
        print(f"  {count} motherlode: {mine or 'kept'}; datatrove: {other or 'kept'}")
    print()


def main() -> None:
    """Make the input, run every stage of both, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--peer", required=True, help="Python of an environment with datatrove")
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--stages", default=",".join(STAGES))
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="throughput-"))
    try:
        sizes = write_inputs(arguments.data, folder, arguments.pages, 2 * arguments.workers)
        shown = ", ".join(f"{size / 1e6:.0f} MB of {name}" for name, size in sizes.items())
        print(f"{arguments.pages:,} pages, {shown}, {arguments.workers} workers\n")
        peer = [arguments.peer, str(HERE / "datatrove_peer.py")]
        print("| stage | tool | s | pages/s | MB/s | peak memory MB | kept |\n|---|---|---:|---:|---:|---:|---:|")
        for stage in arguments.stages.split(","):
            if stage == "judge":
                judge(folder, arguments.peer)
                continue
            command = ours(stage, folder, arguments.workers)
            if command is None:
                print(f"| {stage} | not in this version | | | | | |")
                continue
            kind = "text" if stage in ("filters", "near-duplicates") else "html"
            source = str(folder / ("jsonl" if kind == "text" else "warc"))
            out = folder / f"theirs-{stage}"
            rates = []
            for name, line in (
                ("motherlode", command),
                ("datatrove", [*peer, stage, source, str(out), str(arguments.workers)]),
            ):
                seconds, peak, _ = measure(line)
                kept = count_ours(folder / f"ours-{stage}") if name == "motherlode" else count_theirs(out)
                rate, bandwidth = arguments.pages / seconds, sizes[kind] / 1e6 / seconds
                print(
                    f"| {stage} | {name} | {seconds:.1f} | {rate:,.0f} | {bandwidth:.2f} "
                    f"| {peak / 1e6:.0f} | {kept:,} |"
                )
                rates.append(rate)
            print(f"\n{stage}: {rates[0] / rates[1]:.1f} times datatrove's rate\n", flush=True)
        mine = subprocess.run(
            [sys.executable, peer[1], "packages", "motherlode", "web", "0"], capture_output=True, text=True, check=True
        )
        theirs = subprocess.run(
            [*peer, "packages", "datatrove", "io,processing", "0"], capture_output=True, text=True, check=True
        )
        print(f"packages: motherlode {mine.stdout.strip()}, datatrove {theirs.stdout.strip()} (spaCy not counted)")
    finally:
        shutil.rmtree(folder)


def count_ours(folder: Path) -> int:
    """Return how many documents a build kept."""
    from motherlode import Corpus

    return len(Corpus(folder))


def count_theirs(folder: Path) -> int:
    """Return how many documents datatrove kept."""
    kept = folder / "dedup" / "kept" if (folder / "dedup").exists() else folder / "kept"
    return sum(sum(1 for _ in io.TextIOWrapper(gzip.open(path))) for path in kept.glob("*.jsonl.gz"))


if __name__ == "__main__":
    main()
