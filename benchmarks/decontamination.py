"""What a corpus holds of evaluation files, and how fast that is found.

Holds every file of a corpus against every evaluation file and prints documents/s on one core, how many documents match
(in words, whole, fuzzily), and by evaluation file how many documents and items: where a corpus is known to hold an
evaluation set, it must be found; elsewhere, what matches shows how often stock phrases do.

    python benchmarks/decontamination.py [--data DIR] [--tasks DIR] [--fuzzy 0.6]
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections import Counter
from pathlib import Path

from labelled_data import DEFAULT_DATA
from motherlode.corpus.decontaminate import DecontaminateOptions, Decontaminator


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--tasks", type=Path, default=DEFAULT_DATA.parent / "tasks")
    parser.add_argument("--fuzzy", type=float, default=None, help="share of 5-grams; default: no fuzzy matches")
    arguments = parser.parse_args()
    options = DecontaminateOptions.parse({"decontaminate_fuzzy": arguments.fuzzy}, "benchmark")
    begin = time.perf_counter()
    files = [f"{path}:question,context" for path in sorted(arguments.tasks.glob("*.jsonl"))]
    if not files or not list(arguments.data.glob("*.jsonl.gz")):
        raise SystemExit(f"error: no files in {arguments.tasks} or {arguments.data}; name both with --tasks and --data")
    search = Decontaminator.from_files(files, options=options)
    index = search.index
    print(
        f"{index.items_in_all:,} items ({index.too_short:,} too short), {len(index.long.hashes):,} n-grams: "
        f"{time.perf_counter() - begin:.1f} s"
    )
    print(f"{'corpus file':<28} {'documents':>9} {'docs/s':>8} {'words':>6} {'whole':>6} {'fuzzy':>6}")
    matched: Counter[str] = Counter()
    items: dict[str, set[str]] = {}
    for path in sorted(arguments.data.glob("*.jsonl.gz")):
        with gzip.open(path, "rt") as stream:
            texts = [json.loads(line)["text"] for line in stream]
        begin = time.perf_counter()
        found = search.check(texts)
        seconds = time.perf_counter() - begin
        kinds = Counter(matches[0].kind for matches in found if matches)
        print(
            f"{path.name:<28} {len(texts):>9,} {len(texts) / seconds:>8,.0f} "
            f"{kinds['words']:>6,} {kinds['whole']:>6,} {kinds['fuzzy']:>6,}"
        )
        for matches in found:
            matched.update({match.file for match in matches})
            for match in matches:
                items.setdefault(match.file, set()).add(match.item)
    print(f"\n{'evaluation file':<40} {'documents':>9} {'items':>6}")
    for file, count in matched.most_common():
        print(f"{file:<40} {count:>9,} {len(items[file]):>6,}")


if __name__ == "__main__":
    main()
