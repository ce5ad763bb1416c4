r"""What is mining worth to a model? Continued pre-training on what was mined, at equal tokens, on held-out documents.

The labelled corpus is mined without its labels, starting from the shipped packs; documents of each domain, drawn by a
hash of their names, are held out of it. Every variant ends as a model that was trained on the same number of tokens,
the same share of them from its documents of the domain, the rest from documents labelled `other`; measured is the loss
on held-out text of the domain, and on general text. Everything is done by `motherlode compare`, but for the ratios,
which are `motherlode adapt cpt --ratio-sweep`. It can be killed and run again.

    python benchmarks/continued.py --model ../shared/models/base-8m --out continued --parts rate \
        --documents 12000                                             # which learning rate? on the dev documents
    python benchmarks/continued.py --model ../shared/models/base-8m --out continued --documents 12000 \
        --learning-rate RATE                                          # everything else, on the test documents
    python benchmarks/continued.py --model MODEL --out continued --tokens 5000000 --seeds 5 --heldout 500 \
        --heldout-words 0 --device cuda                               # the whole corpus, on a GPU

Parts: `rate` (learning rates on the dev documents of one domain, with its true labels), `main` (variants, domains,
random seeds), `sweep` (retrieval thresholds on one domain), `ratio` (shares of the domain, with what `main` mined).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from continued_tables import (
    AUTO,
    DOMAIN_TEXT,
    GENERAL_TEXT,
    MIXED,
    OURS,
    PAPER,
    gain_tables,
    perplexity_table,
    ratio_table,
    retrieval_table,
    set_table,
    sweep_table,
)
from labelled_data import DEFAULT_DATA, DOMAINS, LabelledCorpus, load_corpus
from motherlode import Corpus
from motherlode.adaptation.cpt import Pretrained
from motherlode.comparison.compare import Plan
from motherlode.comparison.config import read_config
from motherlode.comparison.corpora import DOCUMENTS, GENERAL, MINED, read_labels
from motherlode.comparison.summary import Summary
from motherlode.evaluation.evaluate import evaluate
from motherlode.report.comparison import write_comparison_report
from motherlode.shards import store
from motherlode.shards.engine import LocalEngine
from scores import plain_table

PARTS = ("main", "sweep", "ratio")
VARIANTS: dict[str, dict[str, Any] | None] = {
    "base": None,
    "general-only": None,
    "random": {},
    "dsir": {},
    PAPER: {"method": "mine", "t_sim": 0.85, "rounds": 0, "min_score": 0.5, "baseline": True},
    OURS: {"method": "mine"},
    MIXED: {"method": "mine", "mix_seeds": True},
    "oracle": None,
}
THRESHOLDS = (0.20, 0.30, 0.40, 0.50, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95)
TESTED, TUNED = "test", "dev"
_OTHER = "other"


def share_of(identity: str) -> str:
    """Return what a document's name alone decides: its place in the draw of held-out documents."""
    return hashlib.sha256(identity.encode()).hexdigest()


def hold_out(corpus: LabelledCorpus, test: int, dev: int) -> tuple[dict[str, dict[str, list[int]]], LabelledCorpus]:
    """Draw held-out documents of each label by a hash of their names.

    Args:
        corpus: The documents.
        test: Documents of each label to measure on.
        dev: Further ones to tune on.

    Returns:
        Positions by part and label, and the corpus without them.
    """
    held: dict[str, dict[str, list[int]]] = {TESTED: {}, TUNED: {}}
    labels = np.array(corpus.labels)
    for label in (*DOMAINS, _OTHER):
        order = sorted(np.flatnonzero(labels == label), key=lambda row: share_of(corpus.ids[row]))
        held[TESTED][label], held[TUNED][label] = order[:test], order[test : test + dev]
    gone = [row for part in held.values() for rows in part.values() for row in rows]
    return held, corpus.take(np.setdiff1d(np.arange(len(corpus)), gone))


def write_lines(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """Write JSONL, whole or not at all."""
    store.write_bytes(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())


def cut(text: str, words: int) -> str:
    """Return the beginning of a text; all of it if `words` is 0."""
    return " ".join(text.split()[:words]) if words else text


def prepare(options: argparse.Namespace) -> dict[str, int]:
    """Write the corpus, its truth, general text and held-out documents; return how many documents a label has."""
    data: Path = options.out / "data"
    store.make_folder(data)
    whole = load_corpus(options.data)
    held, rest = hold_out(whole, options.heldout, options.dev)
    for part, by_label in held.items():
        for label, rows in by_label.items():
            texts = [{"id": whole.ids[row], "text": cut(whole.texts[row], options.heldout_words)} for row in rows]
            write_lines(data / f"{label}.{part}.jsonl", texts)
    if options.documents is not None:
        rest = rest.sample(options.documents)
    order = np.random.default_rng(0).permutation(len(rest))
    write_lines(data / "truth.jsonl", ({"id": rest.ids[row], "label": rest.labels[row]} for row in order))
    general = [row for row in order if rest.labels[row] == _OTHER]
    for name, rows in (("documents", order), ("general", general)):
        write_lines(data / f"{name}.jsonl", ({"id": rest.ids[row], "text": rest.texts[row]} for row in rows))
    with LocalEngine(options.workers, quiet=True) as engine:
        built = {"min_words": 0, "deduplicate": False}  # it may be of other sizes: then it is replaced
        Corpus.build(data / "documents.jsonl", data / "corpus", engine=engine, overwrite=True, **built)
    return {label: rest.labels.count(label) for label in (*DOMAINS, _OTHER)}


def comparison(
    options: argparse.Namespace,
    variants: dict[str, dict[str, Any] | None],
    domains: Sequence[str],
    seeds: int,
    part: str = TESTED,
    rate: float | None = None,
) -> dict[str, Any]:
    """Return a comparison's file."""
    shared = {name: value for name, value in (("device", options.device), ("dtype", options.dtype)) if value}
    taken = {
        name: {"documents": options.take, **(values or {})} if name in ("random", "dsir") else values
        for name, values in variants.items()
    }
    return {
        "model": str(options.model.resolve()) if options.model.exists() else str(options.model),
        "random_seeds": seeds,
        "domains": {name: {"seeds": "builtin", "heldout": f"data/{name}.{part}.jsonl"} for name in domains},
        "evaluation": shared,
        "mining": {
            "corpus": "data/corpus",
            "general": "data/general.jsonl",
            "general_heldout": f"data/{_OTHER}.{part}.jsonl",
            "labels": "data/truth.jsonl",
            "tokens": options.tokens,
            "variants": taken,
            "mine": {"encoder": options.encoder},
            "training": {
                **shared,
                "ratio": options.ratio,
                "learning_rate": rate or options.learning_rate,
                "sequence_length": options.sequence_length,
                "batch": options.batch,
                "warmup": options.warmup,
            },
        },
    }


def run(options: argparse.Namespace, name: str, values: dict[str, Any]) -> tuple[Plan, Summary, Path]:
    """Write a comparison's file, do what is left of it, and read it."""
    config = options.out / f"{name}.yaml"
    store.write_text(config, yaml.safe_dump(values, sort_keys=False))
    plan, out = Plan(read_config(config)), options.out / name
    made = plan.run(out, workers=options.workers, quiet=False)
    for failure in made.failures:
        print(f"! {failure.job}: {failure.error}")
    (summary,) = made.summaries()
    print(f"report: {write_comparison_report(out)}\n", flush=True)
    return plan, summary, out


def rate_part(options: argparse.Namespace) -> None:
    """Try learning rates on dev documents, with true labels."""
    lines = []
    domain = options.one
    for rate in options.rates:
        values = comparison(options, {"base": None, "oracle": None}, [domain], 1, TUNED, rate)
        _, summary, _ = run(options, f"rate-{rate:g}", values)
        for method in summary.methods if not lines else ["oracle"]:
            scores = [summary.score(method, domain, summary.settings[0], text) for text in (DOMAIN_TEXT, GENERAL_TEXT)]
            losses = [f"{-score.mean:.4f}" if score else "" for score in scores]
            lines.append([method, f"{rate:g}" if method == "oracle" else "", *losses])
    print(f"learning rates, {domain}, dev documents, {options.tokens:,} tokens, one random seed\n")
    print(plain_table(("variant", "rate", "domain loss", "general loss"), lines))


def main_part(options: argparse.Namespace) -> Plan:
    """Compare variants."""
    values = comparison(options, {name: VARIANTS[name] for name in options.variants}, options.domains, options.seeds)
    plan, summary, out = run(options, "main", values)
    about = f"{options.tokens:,} tokens, {options.ratio:.0%} of the domain, {options.seeds} random seeds, mean (95 %)"
    print(f"perplexity on held-out text of the domain, {about}\n\n{perplexity_table(summary, DOMAIN_TEXT)}")
    print(f"\nperplexity on held-out general text, {about}\n\n{perplexity_table(summary, GENERAL_TEXT)}")
    print(f"\nhow much lower the loss on the domain is, nats a token, paired\n\n{gain_tables(summary)}")
    print(f"\nthe document sets\n\n{set_table(out)}\n", flush=True)
    return plan


def sweep_part(options: argparse.Namespace) -> None:
    """Compare retrieval thresholds on one domain."""
    names = {f"{OURS} {threshold:g}": {"method": "mine", "t_sim": threshold} for threshold in options.t_sim}
    variants = {"general-only": None, AUTO: {"method": "mine"}, **names, "oracle": None}
    values = comparison(options, variants, [options.one], options.one_seeds)
    values["mining"]["mine"]["sample"] = options.sweep_sample
    plan, summary, out = run(options, "sweep", values)
    told = f"encoder {options.encoder}, a sample of {options.sweep_sample:,} beside what retrieval found"
    print(f"retrieval thresholds, {options.one}, {told}, {options.one_seeds} random seed(s)\n")
    print(sweep_table(summary, out, options.one))
    mined = out / next(job.folder for job in plan.jobs if job.name == f"mine {AUTO}") / MINED
    truth = read_labels(options.out / "data" / "truth.jsonl")
    print(f"\nwhat thresholds alone take, {options.one}\n")
    thresholds = sorted({*THRESHOLDS, *options.t_sim})
    print(retrieval_table(options.out / "data" / "corpus", mined, options.one, truth, thresholds), "\n", flush=True)


def ratio_part(options: argparse.Namespace, plan: Plan) -> None:
    """Train at several shares of the domain on what `main` mined, by the command line, and measure each model."""
    jobs = {job.name: options.out / "main" / job.folder for job in plan.jobs}
    domain, data, shared = options.one, options.out / "data", []
    for name, value in (("device", options.device), ("dtype", options.dtype)):
        shared += [f"--{name}", value] if value else []
    texts = {"domain": data / f"{domain}.{TESTED}.jsonl", "general": data / f"{_OTHER}.{TESTED}.jsonl"}
    steps = max(1, options.tokens // (options.batch * options.sequence_length))
    found: dict[str, list[Any]] = {"base": [_losses(options.model, texts, options)]}
    for seed in range(options.one_seeds):
        out = options.out / "ratio" / f"s{seed}"
        arguments = {
            "domain": jobs[f"documents {domain} {OURS}"] / DOCUMENTS,
            "general": jobs["general"] / GENERAL,
            "model": options.model,
            "domain-dev": texts["domain"],
            "general-dev": texts["general"],
            "ratio-sweep": ",".join(f"{ratio:g}" for ratio in options.ratios),
            "tokens": options.tokens,
            "learning-rate": options.learning_rate,
            "sequence-length": options.sequence_length,
            "batch": options.batch,
            "warmup": options.warmup,
            "eval-every": steps,
            "random-seed": seed,
            "out": out,
        }
        given = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
        command = [sys.executable, "-m", "motherlode", "adapt", "cpt", *given, *shared]
        subprocess.run(command, check=True, env={**os.environ, "COLUMNS": "132"})
        for ratio in options.ratios:
            trained = Pretrained.read(out / f"ratio-{ratio:g}")
            found.setdefault(f"{ratio:g}", []).append(_losses(trained.model, texts, options))
    told = f"{options.tokens:,} tokens, {options.one_seeds} random seed(s), nats a token"
    print(f"\nshares of the domain, {domain}, {told}\n")
    print(ratio_table(found), flush=True)


def _losses(model: Path, texts: dict[str, Path], options: argparse.Namespace) -> dict[str, np.ndarray]:
    """Measure a model on held-out texts: each document's loss, weighted so that the mean is that of all tokens."""
    shared = {name: value for name, value in (("device", options.device), ("dtype", options.dtype)) if value}
    found = evaluate([], model=str(model), texts=texts, quiet=True, **shared).texts
    return {
        name: np.array(score.losses) * np.array(score.lengths) * score.documents / score.tokens
        for name, score in found.items()
    }


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of the labelled corpus")
    parser.add_argument("--model", type=Path, required=True, help="causal language model")
    parser.add_argument("--out", type=Path, required=True, help="folder of inputs, comparisons and reports; continued")
    parser.add_argument("--parts", nargs="+", choices=("rate", *PARTS), default=list(PARTS))
    parser.add_argument("--documents", type=int, help="size of a random sample of the corpus; default: all")
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=list(DOMAINS))
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--one", choices=DOMAINS, default="finance", help="domain of the parts rate, sweep and ratio")
    parser.add_argument("--seeds", type=int, default=3, help="random seeds of main")
    parser.add_argument("--one-seeds", type=int, default=1, help="random seeds of sweep and ratio")
    parser.add_argument("--tokens", type=int, default=24_000, help="that every model is trained on")
    parser.add_argument("--ratio", type=float, default=0.25, help="share of the domain, by tokens")
    parser.add_argument("--ratios", nargs="+", type=float, default=[0.1, 0.25, 0.5])
    parser.add_argument("--t-sim", nargs="+", type=float, default=list(THRESHOLDS))
    parser.add_argument(
        "--sweep-sample",
        type=int,
        default=1_000,
        help="random documents that the sweep's classifiers see beside what the threshold lets through; where they are "
        "the whole corpus, as by default, it decides nothing",
    )
    parser.add_argument("--encoder", default="lexical", help="of `mine`")
    parser.add_argument("--take", type=int, help="documents of random and DSIR; default: an eighth of the corpus")
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--rates", nargs="+", type=float, default=[1e-4, 3e-4, 1e-3])
    parser.add_argument("--sequence-length", type=int, default=256)
    parser.add_argument("--batch", type=int, default=4, help="sequences of a step")
    parser.add_argument("--warmup", type=float, default=0.2, help="share of the steps: AdamW begins without moments")
    parser.add_argument("--heldout", type=int, default=64, help="documents of each label that are measured on")
    parser.add_argument("--dev", type=int, default=64, help="further ones that the learning rate is tuned on")
    parser.add_argument("--heldout-words", type=int, default=120, help="words of each that are read; 0: all")
    parser.add_argument("--device")
    parser.add_argument("--dtype", help="fp32 or bf16; default: by device")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    if "ratio" in options.parts and "main" not in options.parts:
        parser.error("the part ratio trains on what main mined: name both")
    if "ratio" in options.parts and OURS not in options.variants:
        parser.error(f"the part ratio trains on what {OURS!r} found: name it among the variants")
    return options


def main() -> None:
    """Write the inputs, compare, and print tables."""
    options = arguments()
    counts = prepare(options)
    documents = sum(counts.values())
    options.take = options.take or max(1, documents // 8)
    told = ", ".join(f"{label} {count:,}" for label, count in counts.items())
    print(
        f"{documents:,} documents to mine ({told}); held out: {options.heldout} and {options.dev} of each\n", flush=True
    )
    if "rate" in options.parts:
        rate_part(options)
    if "main" in options.parts:
        plan = main_part(options)
        if "sweep" in options.parts:
            sweep_part(options)
        if "ratio" in options.parts:
            ratio_part(options, plan)
    elif "sweep" in options.parts:
        sweep_part(options)


if __name__ == "__main__":
    main()
