"""Do the quality filters decide as datatrove's do? Each family by itself, on real texts.

Texts are drawn at random from `corpus/*.jsonl.gz`; each is judged whole by every family, whatever the others say. What
differs is counted by the reasons of both. datatrove splits words with spaCy, motherlode with arrays by the same rules.

    python benchmarks/filter_agreement.py --peer PYTHON_OF_AN_ENVIRONMENT_WITH_DATATROVE [--documents 6000] [--data DIR]
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow as pa

from motherlode.corpus.quality.presets import QualityConfig, rules_for
from motherlode.corpus.quality.step import FilterQuality

HERE = Path(__file__).resolve().parent
FAMILIES = {
    "gopher": ("GopherQualityFilter", "GopherRepetitionFilter"),
    "c4": ("C4QualityFilter",),
    "fineweb": ("FineWebQualityFilter",),
}


def ours(texts: list[str], families: tuple[str, ...]) -> list[str | None]:
    """Return the reason for which each text is dropped, None if it is kept."""
    function = FilterQuality(families, rules_for("web", QualityConfig(), "jsonl")).open()
    reasons: list[str | None] = []
    for start in range(0, len(texts), 512):
        reasons += function(pa.record_batch({"text": texts[start : start + 512]})).dropped.to_pylist()
    return reasons


def main() -> None:
    """Judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data" / "corpus")
    parser.add_argument("--peer", required=True, help="Python of an environment with datatrove")
    parser.add_argument("--documents", type=int, default=6_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    texts: list[str] = []
    for path in sorted(options.data.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            texts += [json.loads(line)["text"] for line in stream]
    texts = random.Random(options.seed).sample(texts, min(options.documents, len(texts)))
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
        file.flush()
        command = [options.peer, str(HERE / "datatrove_peer.py"), "each", file.name, "-", "1"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs: dict[str, list[str | None]] = json.loads(done.stdout.splitlines()[-1])
    print(f"{len(texts):,} documents\n\n| filter | datatrove drops | agree | differ |\n|---|---:|---:|---:|")
    differ: Counter[tuple[str, str, str]] = Counter()
    judged = {family: ours(texts, (family,)) for family in FAMILIES}
    for name, families in [*((family, (family,)) for family in FAMILIES), ("any", tuple(FAMILIES))]:
        names = [one for family in families for one in FAMILIES[family]]
        wanted = [next(filter(None, reasons), None) for reasons in zip(*(theirs[n] for n in names), strict=True)]
        found = [next(filter(None, reasons), None) for reasons in zip(*(judged[f] for f in families), strict=True)]
        pairs = list(zip(wanted, found, strict=True))
        wrong = [(there, here) for there, here in pairs if (there is None) != (here is None)]
        dropped = sum(there is not None for there in wanted)
        print(f"| {name} | {dropped:,} | {1 - len(wrong) / len(pairs):.4f} | {len(wrong)} |")
        if name != "any":
            differ.update((name, there or "kept", here or "kept") for there, here in wrong)
    print("\n| differ | filter | datatrove | motherlode |\n|---:|---|---|---|")
    for (name, there, here), count in differ.most_common():
        print(f"| {count} | {name} | {there} | {here} |")


if __name__ == "__main__":
    main()
