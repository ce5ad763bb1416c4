"""What the methods of `select` take from a general pool into which questions of known domains are mixed.

For each domain, samples of its tasks are the domain, and the pool is general samples plus questions of all domains from
other sources. Printed are, for every method at the same N: the share of truly in-domain samples (precision) beside
chance and beside the range of random selections over several seeds; the sources that it prefers; how much the methods
agree (overlap of selections, rank correlation of scores). Domain labels are used to score, never to select, and
nothing was tuned to them. It says which method finds the domain's *topic*; whether the samples help training is
another question.

    python benchmarks/select_quality.py                                       # without a model: seconds
    python benchmarks/select_quality.py --model ../shared/models/base-8m      # all methods
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import itertools
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from motherlode import Selection, select
from scores import plain_table

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
DOMAINS = {"healthcare": "medical", "finance": "finance", "legal": "legal", "psychology": "psych"}
# Tasks that were made from a source which the pool holds too: what they find there is no merit.
SAME_SOURCE = ("finance_tatqa", "legal_policyqa", "psych_counsel_topic")
LIGHT: dict[str, dict[str, Any]] = {
    "longest": {"method": "longest"},
    "dsir": {"method": "dsir"},
    "embedding mean, lexical": {"method": "embedding", "preselect_encoder": "lexical"},
    "embedding turns, lexical": {"method": "embedding", "selector": "round-robin", "preselect_encoder": "lexical"},
    "votes, lexical": {"method": "votes", "preselect_encoder": "lexical"},
    "tsds, lexical": {"method": "tsds", "preselect_encoder": "lexical"},
    "votes + diverse, lexical": {"method": "votes", "selector": "diverse", "preselect_encoder": "lexical"},
}
WITH_MODEL: dict[str, dict[str, Any]] = {
    "perplexity-middle": {"method": "perplexity-middle"},
    "embedding mean, model": {"method": "embedding"},
    "votes, model": {"method": "votes"},
    "tsds, model": {"method": "tsds"},
    "rds": {"method": "rds"},
    "ntk": {"preselect": "none"},
    "ntk after votes": {},
    "ntk-signs": {"kernel": "ntk-signs", "preselect": "none"},
    "loss": {"kernel": "loss", "preselect": "none"},
}


def read(path: Path) -> list[dict[str, Any]]:
    """Read a JSONL file, plain or gzip."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write a JSONL file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def task_sample(item: dict[str, Any]) -> dict[str, str]:
    """Turn an item of a task into a prompt and a completion."""
    options = "".join(f"\n- {choice}" for choice in item.get("choices") or ())
    parts = [item.get("context") or "", item["question"] + (f"\nOptions:{options}" if options else "")]
    answer = item["answer"]
    text = ", ".join(map(str, answer)) if isinstance(answer, list) else str(answer)
    return {"prompt": "\n".join(part for part in parts if part) + "\nAnswer: ", "completion": text}


def domain_samples(data: Path, prefix: str, count: int, random_seed: int) -> list[dict[str, str]]:
    """Draw samples evenly from the training parts of a domain's tasks."""
    files = sorted(data.glob(f"tasks/{prefix}_*.train.jsonl"))
    files = [file for file in files if file.name.split(".")[0] not in SAME_SOURCE]
    choice = random.Random(random_seed)
    drawn = []
    for place, file in enumerate(files):
        rows = [row for row in map(task_sample, read(file)) if row["completion"].strip()]
        drawn += choice.sample(rows, min(len(rows), count // len(files) + (place < count % len(files))))
    return drawn


def mixed_pool(data: Path, general: int, questions: int, longest: int, random_seed: int) -> list[dict[str, Any]]:
    """Draw general samples and as many questions of each domain, none longer than so many characters."""
    choice = random.Random(random_seed)

    def usable(row: dict[str, Any]) -> bool:
        return bool(row["output"].strip()) and sum(len(row[k]) for k in ("instruction", "input", "output")) <= longest

    rows = choice.sample([row for row in read(data / "pool" / "general.jsonl.gz") if usable(row)], general)
    known = [row for row in read(data / "pool" / "domain_questions.jsonl.gz") if usable(row)]
    for domain in DOMAINS:
        mine = [row for row in known if row["domain"] == domain]
        rows += choice.sample(mine, min(questions, len(mine)))
    choice.shuffle(rows)
    return rows


def main() -> None:
    """Select with every method for every domain, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--model", type=Path, help="causal language model; without one, the methods that need none")
    parser.add_argument("--methods", nargs="+", choices=[*LIGHT, *WITH_MODEL], help="default: all that can run")
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=list(DOMAINS))
    parser.add_argument("--samples", type=int, default=100, help="domain samples")
    parser.add_argument("--general", type=int, default=1_000, help="general samples of the pool")
    parser.add_argument("--questions", type=int, default=100, help="questions of each domain in the pool")
    parser.add_argument("-n", type=int, default=100, help="samples selected")
    parser.add_argument("--longest", type=int, default=600, help="most characters of a pool sample")
    parser.add_argument("--max-length", type=int, default=192, help="most tokens of a sample")
    parser.add_argument("--warmup-epochs", type=int, default=3)
    parser.add_argument("--dtype", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--random-draws", type=int, default=20, help="seeds of the random selection")
    parser.add_argument("--random-seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder of what is kept between runs")
    parser.add_argument("--out", type=Path, help="JSON of the numbers")
    options = parser.parse_args()
    methods = {**LIGHT, **(WITH_MODEL if options.model else {})}
    if missing := set(options.methods or ()) - set(methods):
        parser.error(f"--model is needed for: {', '.join(sorted(missing))}")
    methods = {name: how for name, how in methods.items() if not options.methods or name in options.methods}
    found: dict[str, dict[str, Any]] = {}
    with contextlib.ExitStack() as stack:
        work = options.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work.mkdir(parents=True, exist_ok=True)
        pool = mixed_pool(options.data, options.general, options.questions, options.longest, options.random_seed)
        write(work / "pool.jsonl", pool)
        labels = np.array([row["domain"] for row in pool])
        for domain in options.domains:
            if not (labels == domain).any():
                print(f"# {domain}: left out, the pool has no question of it; use a larger --longest", flush=True)
                continue
            samples = domain_samples(options.data, DOMAINS[domain], options.samples, options.random_seed)
            write(work / f"{domain}.jsonl", samples)
            found[domain] = run(domain, work, methods, labels, options)
    print(
        f"pool of {len(pool):,}: {', '.join(f'{k} {v:,}' for k, v in Counter(labels.tolist()).most_common())}; ", end=""
    )
    print(f"{options.samples} domain samples, N = {options.n}\n")
    print(precision_table(found, methods), source_table(found, methods, pool), sep="\n\n")
    print("", agreement_table(found, methods, "overlap"), agreement_table(found, methods, "rank"), sep="\n\n")
    if options.out:
        options.out.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


def run(
    domain: str, work: Path, methods: dict[str, dict[str, Any]], labels: np.ndarray, options: argparse.Namespace
) -> dict[str, Any]:
    """Select with every method for one domain."""
    given: dict[str, Any] = {"domain": work / f"{domain}.jsonl", "pool": work / "pool.jsonl", "n": options.n}
    given |= {"work": work / "work", "random_seed": options.random_seed, "token_budget": 4096}
    if options.model:
        given |= {"model": str(options.model), "max_length": options.max_length, "dtype": options.dtype}
        given |= {"warmup_epochs": options.warmup_epochs}
    right = labels == domain

    def precision(selection: Selection) -> float:
        return float(right[list(selection.rows)].mean())

    draws = [
        precision(select(**{**given, "random_seed": seed}, method="random")) for seed in range(options.random_draws)
    ]
    selections, seconds = {}, {}
    for name, how in methods.items():
        started = time.perf_counter()
        selections[name] = select(**given, **how)
        seconds[name] = round(time.perf_counter() - started, 1)
        print(f"# {domain}, {name}: {precision(selections[name]):.3f} in {seconds[name]} s", flush=True)
    pairs = {f"{a} | {b}": selections[a].compare(selections[b]) for a, b in itertools.combinations(methods, 2)}
    return {
        "chance": float(right.mean()),
        "best": min(1.0, float(right.sum()) / options.n),
        "random": [float(np.quantile(draws, q)) for q in (0.025, 0.975)] + [float(np.mean(draws))],
        "precision": {name: precision(selection) for name, selection in selections.items()},
        "selected": {name: list(selection.rows) for name, selection in selections.items()},
        "overlap": {pair: compared.overlap for pair, compared in pairs.items()},
        "rank": {pair: compared.rank_correlation for pair, compared in pairs.items()},
        "seconds": seconds,
    }


def precision_table(found: dict[str, dict[str, Any]], methods: dict[str, Any]) -> str:
    """Lay out precision by method and domain, beside chance and random's range."""
    lines = []
    for name in methods:
        values = [part["precision"][name] for part in found.values()]
        lines.append([name, *(f"{value:.3f}" for value in [*values, float(np.mean(values))])])
    fixed = {"best possible": "best", "chance": "chance"}
    for name, key in fixed.items():
        values = [part[key] for part in found.values()]
        lines.append([name, *(f"{value:.3f}" for value in [*values, float(np.mean(values))])])
    means = [part["random"][2] for part in found.values()]
    lines.append(["random, mean", *(f"{value:.3f}" for value in [*means, float(np.mean(means))])])
    lines.append(
        ["random, 95 % of draws", *("{:.2f} to {:.2f}".format(*part["random"]) for part in found.values()), ""]
    )
    return plain_table(("precision at N", *found, "mean"), lines)


def source_table(found: dict[str, dict[str, Any]], methods: dict[str, Any], pool: list[dict[str, Any]]) -> str:
    """Lay out the three sources that each method prefers most, with the factor over their share of the pool."""
    there = Counter(row["source"] for row in pool)
    common = [source for source, count in there.items() if count >= 10]
    lines = []
    for domain, part in found.items():
        for name in methods:
            rows = part["selected"][name]
            taken = Counter(pool[row]["source"] for row in rows)
            factor = {source: (taken[source] / len(rows)) / (there[source] / len(pool)) for source in common}
            best = sorted(common, key=lambda source: -factor[source])[:3]
            lines.append([domain, name, ", ".join(f"{source} x{factor[source]:.1f}" for source in best)])
    return plain_table(("domain", "method", "preferred sources"), lines, left=3)


def agreement_table(found: dict[str, dict[str, Any]], methods: dict[str, Any], what: str) -> str:
    """Lay out how much each two methods agree, averaged over domains."""

    def value(a: str, b: str) -> str:
        if a == b:
            return "-"
        key = f"{a} | {b}" if list(methods).index(a) < list(methods).index(b) else f"{b} | {a}"
        values = [part[what][key] for part in found.values() if part[what][key] is not None]
        return f"{np.mean(values):.2f}" if values else ""

    lines = [[f"{place} {a}", *(value(a, b) for b in methods)] for place, a in enumerate(methods)]
    return plain_table((what, *(str(place) for place in range(len(methods)))), lines)


if __name__ == "__main__":
    main()
