r"""Does it help to train on what was selected? Methods at equal budgets on tasks of four domains, with intervals.

The training part of two tasks in each of medicine, finance, law and psychology is the domain; the pool is general
samples with questions of all domains mixed in, from other sources, and with `--planted` further items of all tasks, so
that there is something to find; the tasks' dev parts are the test here, and some of the training part, which nothing is
trained on, is what domain-only's epochs are tuned on. Everything is done by `motherlode compare`: this program writes
its files and `compare.yaml`, runs it, and prints tables. It can be killed and run again.

    python benchmarks/adaptation.py --model ../shared/models/base-8m --out adaptation --workers 2 --n 100 --epochs 1 \
        --general 400 --questions 60 --limit 50 --dev 12 --warmup-epochs 1 \
        --methods base domain-only random embedding dsir ntk "ntk loss" oracle                        # on two cores
    python benchmarks/adaptation.py --model MODEL --out adaptation --sizes 100 1000 --n 1000 9000 --seeds 5 \
        --general 30000 --questions 1000 --max-length 512 --limit 0                                   # on a GPU
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import yaml

from motherlode import task_samples
from motherlode.cli.compare import DIGITS
from motherlode.comparison.compare import Plan
from motherlode.comparison.summary import Score, Setting, Summary
from motherlode.report.comparison import write_comparison_report
from motherlode.statistics import Difference
from scores import plain_table
from select_quality import DEFAULT_DATA, DOMAINS, mixed_pool, read, write

TASKS = {
    "healthcare": ("medical_rqe", "medical_bioasq_yesno"),
    "finance": ("finance_fpb", "finance_headlines"),
    "legal": ("legal_contractnli", "legal_legalbench"),
    "psychology": ("psych_dreaddit", "psych_sad"),
}
METHODS: dict[str, dict[str, Any] | None] = {
    "base": None,
    "domain-only": None,
    "random": None,
    "votes": None,
    "embedding": None,
    "dsir": None,
    "less": {"projection": "sparse", "projection_dimension": 1024},  # dense ones take minutes a hundred rows on a CPU
    "tsds": None,
    "ntk": None,
    "ntk cosine": {"method": "ntk", "normalize": "cosine", "engine": "contraction"},
    "ntk signs": {"method": "ntk", "kernel": "ntk-signs"},
    "ntk loss": {"method": "ntk", "kernel": "loss"},
}
ABLATIONS: dict[str, dict[str, Any] | None] = {
    "ntk cosine, no votes": {
        "method": "ntk",
        "normalize": "cosine",
        "engine": "contraction",
        "preselect": "none",
    },
    "ntk loss, no votes": {"method": "ntk", "kernel": "loss", "preselect": "none"},
    "ntk loss, no warm-up": {"method": "ntk", "kernel": "loss", "warmup_epochs": 0},
    "ntk loss, cosine": {"method": "ntk", "kernel": "loss", "normalize": "cosine"},
    "ntk loss, in turn": {
        "method": "ntk",
        "kernel": "loss",
        "selector": "round-robin",
        "engine": "sketch",
        "projection_dimension": 1024,
    },
    "oracle": None,
}
MOST_CHOICES = 10  # of an item: each one is a pass of the model


def usable(item: dict[str, Any]) -> bool:
    """Return whether an item has one right answer among a few choices."""
    return 2 <= len(item["choices"]) <= MOST_CHOICES and not item.get("multi")


def as_task(row: dict[str, Any]) -> dict[str, Any]:
    """Put a sample of the pool into the format of the tasks, so that format is no difference between the two."""
    question = "\n".join(part for part in (row["instruction"], row["input"]) if part)
    kept = {name: row[name] for name in ("id", "source", "domain")}
    return {**kept, "prompt": f"Question: {question}\nAnswer:", "completion": f" {row['output']}"}


def write_inputs(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Write the pool and each domain's files, and return the comparison."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    pool = mixed_pool(options.data, options.general, options.questions, options.characters, options.random_seed)
    rows = [as_task(row) for row in pool]
    domains: dict[str, Any] = {}
    for domain in options.domains:
        train, dev, tests = [], [], []
        for place, task in enumerate(TASKS[domain]):
            items = [item for item in read(options.data / "tasks" / f"{task}.train.jsonl") if usable(item)]
            random.Random(options.random_seed + place).shuffle(items)
            dev += items[: options.dev]
            planted, items = items[options.dev :][: options.planted], items[options.dev + options.planted :]
            train.append(str(write(data / f"{task}.train.jsonl", items).relative_to(folder)))
            if planted:
                found = task_samples(write(data / f"{task}.planted.jsonl", planted))
                rows += [{**row, "source": task, "domain": domain} for row in found]
            test = [item for item in read(options.data / "tasks" / f"{task}.dev.jsonl") if usable(item)]
            random.Random(options.random_seed + place).shuffle(test)  # --limit takes the first
            tests.append(str(write(data / f"{task}.test.jsonl", test).relative_to(folder)))
        tuned = write(data / f"{domain}.dev.jsonl", dev).relative_to(folder)
        domains[domain] = {"train": train, "dev": str(tuned), "tasks": tests}
    if options.planted:
        random.Random(options.random_seed).shuffle(rows)
    write(data / "pool.jsonl", rows)
    known = {**METHODS, **ABLATIONS, "domain-only": {"epochs": options.tried_epochs}}
    shared = {name: value for name, value in (("device", options.device), ("dtype", options.dtype)) if value}
    evaluation = {**shared, "max_length": options.max_length}
    if options.limit:
        evaluation["limit"] = options.limit
    return {
        "model": str(options.model.resolve()) if options.model.exists() else str(options.model),
        "pool": "data/pool.jsonl",
        "in_domain_field": "domain",
        "domains": domains,
        "methods": {name: known[name] for name in options.methods},
        "sizes": options.sizes,
        "budgets": options.n,
        "random_seeds": list(range(options.first_seed, options.first_seed + options.seeds)),
        "equal": options.equal,
        "share": options.share,
        "selection": {
            **shared,
            "max_length": options.max_length,
            "warmup_epochs": options.warmup_epochs,
            "preselect_factor": options.preselect_factor,
            "preselect_encoder": options.preselect_encoder,
            "learning_rate": options.learning_rate,
        },
        "training": {
            **shared,
            "max_length": options.max_length,
            "epochs": options.epochs,
            "average": options.average,
            "batch": options.batch,
            "learning_rate": options.learning_rate,
        },
        "evaluation": evaluation,
    }


def shown(found: Score | Difference | None, digits: int, sign: str = "") -> str:
    """Write a number with its limits."""
    if found is None:
        return ""
    mean, low, high = (f"{value:{sign}.{digits}f}" for value in (found.mean, found.low, found.high))
    return f"{mean} ({low}, {high})"


def score_tables(summary: Summary, setting: Setting) -> str:
    """Lay out scores (or probabilities) by domain, and gains over random and over the best baseline."""
    best, reference, digits = summary.best_baseline(setting), summary.reference, DIGITS[summary.measure]
    domains = summary.outcomes.domains
    scores, gains = [], []
    for method in summary.methods:
        found = [summary.score(method, domain, setting) for domain in (*domains, None)]
        scores.append([method, *(shown(score, digits) for score in found)])
        cells = []
        for against in (reference, best):
            gain = None if against in (None, method) else summary.gain(method, str(against), None, setting)
            cells.append(shown(None if gain is None else gain.difference, digits, "+"))
            cells.append("" if gain is None else f"{gain.wins:.0%}")
        gains.append([method, *cells])
    heads = ("method", f"over {reference}", "wins", f"over {best} (best baseline)", "wins")
    return "\n\n".join((plain_table(("method", *domains, "mean"), scores), plain_table(heads, gains)))


def gains_by_domain(summary: Summary, setting: Setting) -> str:
    """Lay out what each method gains over random in each domain: the oracle's says what there is to gain."""
    reference, digits = str(summary.reference), DIGITS[summary.measure]
    domains, lines = summary.outcomes.domains, []
    for method in [name for name in summary.methods if name != reference]:
        gains = [summary.gain(method, reference, domain, setting) for domain in domains]
        lines.append([method, *(shown(gain and gain.difference, digits, "+") for gain in gains)])
    return plain_table((f"over {reference}", *domains), lines)


def chance_table(summary: Summary) -> str:
    """Lay out what guessing and the majority class reach."""
    seen = {(row["domain"], row["task"]): row for row in summary.results}
    lines = [
        [domain, task, str(row["items"]), row["metric"], *(f"{row[name]:.3f}" for name in ("chance", "majority"))]
        for (domain, task), row in seen.items()
    ]
    return plain_table(("domain", "task", "items", "metric", "chance", "majority"), lines, left=2)


def verdict(summary: Summary, setting: Setting) -> str:
    """Say in how many domains the best of ours surely beats the others, by the summary's measure."""
    ours, lines = summary.best_of_ours(setting), []
    domains = summary.outcomes.domains
    for other in [name for name in summary.methods if ours and summary.entry(name)["baseline"]]:
        gains = [summary.gain(str(ours), other, domain, setting) for domain in domains]
        surely = sum(gain is not None and gain.difference.low > 0 for gain in gains)
        ahead = sum(gain is not None and gain.difference.mean > 0 for gain in gains)
        worse = sum(gain is not None and gain.difference.high < 0 for gain in gains)
        lines.append([str(ours), other, f"{ahead} of {len(domains)}", str(surely), str(worse)])
    heads = ("best of ours", "against", "ahead in domains", "interval above 0", "interval below 0")
    return plain_table(heads, lines, left=2)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--model", type=Path, required=True, help="causal language model")
    parser.add_argument("--out", type=Path, required=True, help="folder of inputs, comparison and report; continued")
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=list(DOMAINS))
    parser.add_argument("--methods", nargs="+", choices=[*METHODS, *ABLATIONS], default=list(METHODS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[100], help="domain samples, |D|")
    parser.add_argument("--n", nargs="+", type=int, default=[300], help="selected samples, N")
    parser.add_argument("--seeds", type=int, default=3, help="random seeds")
    parser.add_argument(
        "--first-seed", type=int, default=0, help="the first of them: new ones can confirm what others found"
    )
    parser.add_argument("--equal", choices=("steps", "tokens"), default="steps")
    parser.add_argument("--general", type=int, default=1_200, help="general samples of the pool")
    parser.add_argument("--questions", type=int, default=100, help="questions of each domain mixed into the pool")
    parser.add_argument("--planted", type=int, default=0, help="further training items of each task in the pool")
    parser.add_argument("--characters", type=int, default=600, help="of the longest sample of the pool")
    parser.add_argument("--dev", type=int, default=25, help="training items of each task kept to tune epochs on")
    parser.add_argument("--limit", type=int, default=100, help="test items of each task; 0: all")
    parser.add_argument("--max-length", type=int, default=160, help="tokens of a sample")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--average", choices=("tokens", "samples"), default="tokens", help="what the loss is over")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--warmup-epochs", type=int, default=3)
    parser.add_argument(
        "--tried-epochs", nargs="+", type=int, default=[1, 3, 10], help="of domain-only, beside equal steps"
    )
    parser.add_argument("--preselect-factor", type=int, default=4, help="candidates of the kernels, in N")
    parser.add_argument("--preselect-encoder", default="auto", help="what embeddings and votes are made by")
    parser.add_argument(
        "--share", action="store_true", help="share warm-up and vectors; seconds then count where spent"
    )
    parser.add_argument("--device")
    parser.add_argument("--dtype", help="fp32 or bf16; default: by device")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--random-seed", type=int, default=0, help="of the pool and the split")
    parser.add_argument("--dry-run", action="store_true", help="print the jobs and their estimated cost")
    return parser.parse_args()


def main() -> None:
    """Write the inputs, compare, and print tables."""
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    config = options.out / "compare.yaml"
    config.write_text(yaml.safe_dump(write_inputs(options.out, options), sort_keys=False), "utf-8")
    plan, out = Plan(config), options.out / "comparison"
    if options.dry_run:
        from motherlode.cli.compare import print_plan

        print_plan(plan, out)
        return
    made = plan.run(out, workers=options.workers, quiet=False)
    for failure in made.failures:
        print(f"! {failure.job}: {failure.error}")
    (summary,) = made.summaries()
    print(chance_table(summary))
    for measured, what in ((summary, "score"), (summary.by_probability, "probability of the right choice")):
        for setting in [] if measured is None else measured.settings:
            seeds, epochs = options.seeds, options.epochs
            print(f"\n{what}: {setting}, {seeds} random seeds, {epochs} epochs of |D| + N samples, mean (95 %)\n")
            tables = (score_tables, gains_by_domain, verdict)
            print(*(table(measured, setting) for table in tables), sep="\n\n")
    pool = json.loads((out / "notes.json").read_text("utf-8"))["pool"]
    print(f"\npool: {pool['rows']:,} rows, {pool['pool']['held']:,} left out because they hold a test item")
    print(f"report: {write_comparison_report(out)}")


if __name__ == "__main__":
    main()
