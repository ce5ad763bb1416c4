"""How good seeds are: their words beside real documents', and what mining finds with fewer or narrower ones.

Four parts, `--part all` for all of them, each a table:

- `words`: the paper's lexical table (arXiv 2410.00260) for the shipped packs, and for seed files named with
  `--seeds NAME=FILE`, against real documents of the same label, whole and cut to the seeds' median length.
- `number`: mining's F1 on a random sample of the labelled corpus with 10, 25, 50 and all seeds of each domain.
- `template`: with each dimension of the template narrowed to a random half of its values. (To one value it cannot be:
  a pack has four or five seeds of a type.) Beside it, as many seeds of any value, for a narrower
  set is a smaller one too. A dimension in which the packs do not vary is named, and left out.
- `domains`: without the seeds about two domains. Beside it, as many seeds of either kind.

Subsets are chosen at random, `--repeats` times; means over them are printed, and the range of the mean over domains.

    python benchmarks/seed_quality.py --part words
    python benchmarks/seed_quality.py --part all --documents 10000 --repeats 2      # minutes on two cores
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from labelled_data import DEFAULT_DATA, DOMAINS, LabelledCorpus, load_corpus
from mining_quality import build, ours
from motherlode import Seeds, mine
from motherlode.seeds.check import cut
from motherlode.seeds.lexical import LexicalSummary, measure_all
from motherlode.seeds.seeds import Seed
from motherlode.shards.engine import LocalEngine
from scores import score

COUNTS = (10, 25, 50)
DIMENSIONS = ("type", "demeanour", "length")
MINED = ("number", "template", "domains")
Packs = dict[str, Seeds]
Take = Callable[[Seeds, random.Random], list[Seed]]


def words_table(corpus: LabelledCorpus, given: dict[str, Seeds], sample: int) -> str:
    """Compare seeds with real documents, whole and cut to the seeds' median length."""
    head = ("set", "documents", "type-token", "hapax", "density", "MTLD", "Yule's K", "Flesch", "grade")
    lines = [f"{head[0]:34s}" + "".join(f"{name:>11s}" for name in head[1:])]
    generator = np.random.default_rng(0)
    labels = np.array(corpus.labels)
    for name, seeds in given.items():
        lines.append(_row(f"{name}, seeds", measure_all(seeds.texts)))
        rows = np.flatnonzero(labels == name)
        if len(rows):
            real = [corpus.texts[row] for row in generator.permutation(rows)[:sample]]
            median = round(statistics.median(len(text.split()) for text in seeds.texts))
            lines.append(_row(f"{name}, real", measure_all(real)))
            lines.append(_row(f"{name}, real, first {median} words", measure_all(cut(text, median) for text in real)))
    return "\n".join(lines)


def _row(name: str, found: LexicalSummary | None) -> str:
    if found is None:
        return f"{name:34s}  no word"
    m = found.mean
    values = (m.type_token_ratio, m.hapax_ratio, m.lexical_density, m.richness, m.yule_k, m.reading_ease, m.grade)
    return f"{name:34s}{found.documents:11d}" + "".join(f"{value:11.3f}" for value in values)


def variants(packs: Packs, part: str, repeats: int) -> Iterator[tuple[str, Packs]]:
    """Yield named subsets of the packs, once a repeat.

    Args:
        packs: By domain.
        part: `number`, `template` or `domains`.
        repeats: Random subsets of each kind.
    """
    for repeat in range(repeats):
        if part == "number":
            for count in COUNTS:
                yield (
                    f"{count} seeds",
                    _chosen(packs, repeat, lambda pack, choice, n=count: choice.sample(list(pack), n)),
                )
        if part == "template":
            for dimension in varied(packs):
                yield f"half of the {dimension}s", _chosen(packs, repeat, _narrowed(dimension))
                yield f"as many, any {dimension}", _chosen(packs, repeat, _as_many(_narrowed(dimension)))
        if part == "domains":
            if repeat == 0:
                yield "one domain alone", _chosen(packs, 0, _alone)
            yield "as many, one domain or two", _chosen(packs, repeat, _as_many(_alone))


def varied(packs: Packs) -> list[str]:
    """Return the dimensions of the template in which every pack has several values."""
    return [d for d in DIMENSIONS if all(len({getattr(seed, d) for seed in pack}) > 1 for pack in packs.values())]


def _narrowed(dimension: str) -> Take:
    def take(pack: Seeds, choice: random.Random) -> list[Seed]:
        values = sorted({str(getattr(seed, dimension)) for seed in pack})
        kept = set(choice.sample(values, max(1, len(values) // 2)))
        return [seed for seed in pack if str(getattr(seed, dimension)) in kept]

    return take


def _alone(pack: Seeds, _: random.Random) -> list[Seed]:
    return [seed for seed in pack if len(seed.labels) == 1]


def _as_many(narrow: Take) -> Take:
    """Return as many seeds at random as a narrowed set has: what the mere number costs."""
    return lambda pack, choice: choice.sample(list(pack), len(narrow(pack, choice)))


def _chosen(packs: Packs, repeat: int, take: Take) -> Packs:
    made = {}
    for name, pack in packs.items():
        seeds = take(pack, random.Random(f"{repeat} {name}"))
        made[name] = Seeds(pack.name, tuple(sorted(seeds, key=lambda seed: seed.id)))
    return made


class Mining:
    """Mines a labelled corpus with seeds, and scores what is found."""

    def __init__(self, corpus: LabelledCorpus, folder: Path, engine: LocalEngine) -> None:
        """Build the corpus once; its vectors are computed by the first run, and kept."""
        self.corpus, self.folder, self.engine = corpus, folder, engine
        self.built = build(corpus, folder, engine)

    def f1(self, seeds: Packs) -> list[float]:
        """Return F1 by domain."""
        out = self.folder / "mined"
        result = mine(self.built, seeds, out, engine=self.engine)
        found = ours(self.built, result, self.corpus, "seeds")
        rows = score("seeds", found.scores, found.selected, self.corpus)[: len(DOMAINS)]
        shutil.rmtree(out)
        return [row.f1 for row in rows]


def mining_table(mining: Mining, packs: Packs, part: str, repeats: int, whole: list[float]) -> str:
    """Mine with every subset of a part, and print F1 by domain."""
    scores: dict[str, list[list[float]]] = {"all seeds": [whole]}
    sizes: dict[str, list[float]] = {"all seeds": [statistics.mean(map(len, packs.values()))]}
    for name, chosen in variants(packs, part, repeats):
        scores.setdefault(name, []).append(mining.f1(chosen))
        sizes.setdefault(name, []).append(statistics.mean(map(len, chosen.values())))
        print(f"  {name}: mean F1 {statistics.mean(scores[name][-1]):.3f}", file=sys.stderr, flush=True)
    lines = [f"{'seeds':28s}{'number':>8s}" + "".join(f"{d:>12s}" for d in DOMAINS) + f"{'mean':>8s}{'range':>16s}"]
    for name, repeated in scores.items():
        means = [statistics.mean(values) for values in zip(*repeated, strict=True)]
        each = [statistics.mean(values) for values in repeated]
        spread = f"{min(each):.3f}-{max(each):.3f}" if len(each) > 1 else ""
        cells = "".join(f"{value:12.3f}" for value in means)
        lines.append(f"{name:28s}{statistics.mean(sizes[name]):8.0f}{cells}{statistics.mean(each):8.3f}{spread:>16s}")
    if part == "template" and (fixed := sorted(set(DIMENSIONS) - set(varied(packs)))):
        lines.append(f"not narrowed, for the packs hold one value only: {', '.join(fixed)}")
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of the labelled corpus")
    parser.add_argument("--part", choices=("words", *MINED, "all"), default="all")
    parser.add_argument("--seeds", action="append", default=[], help="NAME=FILE: further seeds for the words")
    parser.add_argument("--sample", type=int, default=500, help="real documents of a label, for the words")
    parser.add_argument("--documents", type=int, default=10_000, help="random sample that is mined")
    parser.add_argument("--repeats", type=int, default=2, help="random subsets of each kind")
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    corpus = load_corpus(options.data)
    packs = {domain: Seeds.builtin(domain) for domain in DOMAINS}
    if options.part in ("words", "all"):
        given = packs | {spec.partition("=")[0] + " (given)": Seeds.parse(spec) for spec in options.seeds}
        print(f"words: means over documents, at most {options.sample:,} real ones of each label")
        print(words_table(corpus, given, options.sample), flush=True)
    parts = MINED if options.part == "all" else [part for part in MINED if part == options.part]
    if not parts:
        return
    corpus = corpus.sample(min(options.documents, len(corpus)))
    with tempfile.TemporaryDirectory() as folder, LocalEngine(options.workers, quiet=True) as engine:
        mining = Mining(corpus, Path(folder), engine)
        whole = mining.f1(packs)
        for part in parts:
            print(f"\n{part}: F1 on {len(corpus):,} documents, {options.repeats} random subsets of each kind")
            print(mining_table(mining, packs, part, options.repeats, whole), flush=True)


if __name__ == "__main__":
    main()
