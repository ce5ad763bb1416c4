"""Mutated crawls, pages and JSON lines through the readers: no crash, no hang, and counts that add up.

Each input is written as a file and read as `corpus build` reads it: split into parts, records read, pages extracted (in
a guarded process for some inputs, in this one for the others, where a crash of the parser would end the fuzzing),
filters run, staging written. After each, what was read must equal what was kept, dropped and quarantined, and no input
may take longer than its limit. With atheris installed, libFuzzer mutates and is guided by the coverage of this
package's own code; else a seeded mutator works blindly. Each kind is fuzzed in a process of its own.

    python benchmarks/fuzz_readers.py [--runs 3000] [--kinds warc,warc.gz,html,jsonl] [--seed 1] [--blind] [--data DIR]
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

KINDS = ("warc", "warc.gz", "html", "jsonl")
_REFUSED = ("is binary data", "is UTF-16", "is one JSON array")  # what a file of another format is told
DEFAULT_DATA = Path(__file__).parents[2] / "shared" / "data" / "web"
_MOST_BYTES = 1 << 15
_INPUT_SECONDS = 20.0
_TOKENS = [
    *(b"WARC/1.0\r\n", b"WARC/1.1\n", b"Content-Length: ", b"WARC-Type: response\r\n", b"\r\n\r\n", b"\n\n"),
    *(b"HTTP/1.1 200 OK\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"1f\r\n", b"0\r\n"),
    *(b"Content-Encoding: deflate\r\n", b"\x1f\x8b\x08", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", b"\0\0\0\0"),
    *(b"99999999999999999999", b"-1", b"\xff\xfe", b"\xef\xbb\xbf", b"charset=utf-7", b"charset=iso-2022-jp"),
    *(b"<div>", b"<table><tr><td>", b"<script>", b"<!--", b"<![CDATA[", b"<title>", b"&#x110000;"),
    *(b'{"text": "', b'"}\n', b"\\ud800", b"[[[[[[[[", b"NaN", b"1e999"),
    b'{"url": 5, "language_score": "x", "text": "five words are in here"}\n',
]  # fmt: skip


def seeds(kind: str, data: Path) -> list[bytes]:
    """Return inputs to start from: real files where there are any, and made ones."""
    page = (
        b"<html lang=en><head><title>T</title></head><body><article><p>"
        + b"Some words of an article. " * 20
        + b"</article>"
    )
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page) + page
    squeezed = gzip.compress(page, mtime=0)
    coded = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    coded += b"%x\r\n%s\r\n0\r\n\r\n" % (len(squeezed), squeezed)
    records = [
        b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://e.org/\r\nContent-Type: application/http\r\n"
        b"Content-Length: %d\r\n\r\n%s\r\n\r\n" % (len(block), block)
        for block in (http, coded, http)
    ]
    if kind == "warc":
        found = [b"".join(records)] + [path.read_bytes() for path in sorted((data / "warc").glob("*.warc"))]
    elif kind == "warc.gz":
        found = [
            b"".join(gzip.compress(record, mtime=0) for record in records),
            gzip.compress(b"".join(records), mtime=0),
        ]
        found += [path.read_bytes() for path in sorted((data / "warc").glob("*.warc.gz"))]
    elif kind == "html":
        found = [page, page.decode().encode("utf-16")]
        found += [
            gzip.decompress(path.read_bytes())
            for path in sorted((data / "html-readability").glob("*.source.html.gz"))[:40]
        ]
    else:
        found = [
            b'{"text": "five words are in here", "url": "http://e.org"}\n' * 5,
            b'{"text": "tor',
            b"[]\n{}\nnull\n",
        ]
    return [seed[:_MOST_BYTES] for seed in found]


class Checker:
    """Reads inputs, and counts what became of them."""

    def __init__(self, kind: str, folder: Path, totals: Path) -> None:
        """Prepare; imports what is fuzzed."""
        from motherlode.corpus.blocklist import BlockUrls
        from motherlode.corpus.filters import document_steps
        from motherlode.corpus.language import IdentifyLanguage
        from motherlode.corpus.privacy import MaskPersonalData
        from motherlode.corpus.web.reader import WebReading

        (folder / "list.txt").write_text("blocked.org\n")
        self.block = BlockUrls(folder / "list.txt")
        self.steps = document_steps(
            True, 2, block=self.block, language=IdentifyLanguage("cld2"), personal_data=MaskPersonalData()
        )
        self.web = [WebReading("resiliparse", seconds, self.block) for seconds in (0.0, 5.0)]
        self.kind, self.folder, self.totals = kind, folder, totals
        self.inputs = 0
        self.outcomes: dict[str, int] = {}
        self.slowest = 0.0

    def __call__(self, data: bytes) -> None:
        """Check one input."""
        from motherlode.corpus.fields import Fields
        from motherlode.corpus.read import read_tasks
        from motherlode.corpus.sources import find_inputs, plan_splits
        from motherlode.errors import InputError

        if not data:
            return
        path = self.folder / f"input.{self.kind}"
        path.write_bytes(data)
        self.inputs += 1
        begin = time.perf_counter()
        split_bytes = 1024 + zlib.crc32(data) % 20_000
        web = self.web[self.inputs % 25 == 0]
        refused = False
        for number, split in enumerate(plan_splits(find_inputs([path]).files, split_bytes)):
            out = self.folder / "out"
            out.mkdir(exist_ok=True)
            steps = {split.files[0].format: self.steps}
            (task,) = read_tasks([split], Fields(), steps, 1000, 1 << 20, web)
            try:
                counts = dict(task.run(out).counts)
            except InputError as error:
                if number == 0 and any(words in str(error) for words in _REFUSED):
                    refused = True  # a whole file that is of another format is refused in one line
                    continue
                raise
            read, rest = counts.pop("read", 0), sum(counts.values())
            if read != rest:
                raise AssertionError(f"{read} records were read, {rest} have an outcome: {counts}")
            for name, count in counts.items():
                self.outcomes[name] = self.outcomes.get(name, 0) + count
        if refused:
            self.outcomes["file refused"] = self.outcomes.get("file refused", 0) + 1
        took = time.perf_counter() - begin
        self.slowest = max(self.slowest, took)
        if took > _INPUT_SECONDS:
            raise AssertionError(f"an input took {took:.1f} s")
        if self.inputs % 10 == 0:
            self.save()

    def save(self) -> None:
        """Write what was counted so far, for libFuzzer ends the process without a word."""
        self.totals.write_text(json.dumps({"inputs": self.inputs, "slowest": self.slowest, "outcomes": self.outcomes}))


def mutate(seed: bytes, choice: random.Random) -> bytes:
    """Change an input in a few places."""
    data = bytearray(seed)
    for _ in range(choice.randint(1, 6)):
        place, kind = choice.randrange(len(data) + 1), choice.randrange(6)
        if kind == 0 and data:
            data[place % len(data)] ^= 1 << choice.randrange(8)
        elif kind == 1:
            data[place:place] = choice.choice(_TOKENS)
        elif kind == 2:
            del data[place : place + choice.randint(1, 200)]
        elif kind == 3:
            start = choice.randrange(len(data) + 1)
            data[place:place] = data[start : start + choice.randint(1, 2000)]
        elif kind == 4:
            data[place:place] = choice.randbytes(choice.randint(1, 50))
        else:
            data = data[: max(1, place)]
    return bytes(data[:_MOST_BYTES])


def fuzz(kind: str, options: argparse.Namespace, folder: Path) -> None:
    """Fuzz one kind in this process."""
    totals = folder / "totals.json"
    found = seeds(kind, options.data)
    if options.blind or find_spec("atheris") is None:
        checker = Checker(kind, folder, totals)
        choice = random.Random(f"{options.seed}-{kind}")
        while checker.inputs < options.runs:
            data = mutate(choice.choice(found), choice)
            (folder / "last").write_bytes(data)
            checker(data)
        checker.save()
        return
    import atheris

    with atheris.instrument_imports(include=["motherlode.corpus"]):
        checker = Checker(kind, folder, totals)
        checker(found[0])
    (folder / "seeds").mkdir()
    for number, seed in enumerate(found):
        (folder / "seeds" / str(number)).write_bytes(seed)
    words = "".join('"' + "".join(f"\\x{byte:02x}" for byte in token) + '"\n' for token in _TOKENS)
    (folder / "words").write_text(words)
    arguments = [
        f"-runs={options.runs}",
        f"-seed={options.seed}",
        f"-max_len={_MOST_BYTES}",
        "-timeout=60",
        "-verbosity=0",
    ]
    arguments += [f"-dict={folder / 'words'}", f"-artifact_prefix={folder}/", "-rss_limit_mb=6000", "-len_control=0"]
    atheris.Setup([sys.argv[0], *arguments, str(folder / "seeds")], checker)
    atheris.Fuzz()


def main() -> None:
    """Fuzz every kind in a process of its own, and print what became of the inputs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3000, help="inputs of each kind")
    parser.add_argument("--kinds", default=",".join(KINDS), help="which kinds, by comma")
    parser.add_argument("--seed", type=int, default=1, help="seed of all random choices")
    parser.add_argument("--blind", action="store_true", help="do not use atheris")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with warc and html-readability")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        fuzz(options.only, options, options.folder)
        return
    failed = False
    for kind in options.kinds.split(","):
        folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
        command = [sys.executable, __file__, *sys.argv[1:], "--only", kind, "--folder", str(folder)]
        begin = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begin
        told: dict[str, Any] = (
            json.loads((folder / "totals.json").read_text()) if (folder / "totals.json").exists() else {}
        )
        outcomes = ", ".join(f"{name} {count:,}" for name, count in sorted(told.get("outcomes", {}).items()))
        about = f"{told.get('inputs', 0):,} inputs, {seconds:.0f} s, slowest {told.get('slowest', 0):.2f} s"
        print(f"{kind}: {about}; {outcomes}", flush=True)
        if done.returncode:
            failed = True
            print(f"  FAILED with exit code {done.returncode}; the input lies in {folder}\n{done.stderr[-3000:]}")
        else:
            shutil.rmtree(folder)
    sys.exit(failed)


if __name__ == "__main__":
    main()
