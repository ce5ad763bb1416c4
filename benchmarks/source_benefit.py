r"""Which source of the pool helps which domain, and does a kernel know it?

Selection can help as far as samples differ in how much they help. That is measured here: for each domain and each
source of the pool, a model is fine-tuned on |D| domain samples and N samples of that source alone, for the same steps,
and tested. Beside them stand the domain alone (the same steps), a uniform mix of general sources, and N more samples of
the domain's tasks, which is about the most that a pool could give. The gain of a source is the difference to the
uniform mix, by the probability of the right choice, over test items.

Then each way of scoring scores some samples of every source, and its mean scores are compared with the gains: a way
that knows what helps has a positive rank correlation, over sources. Those further samples of the domain are scored too:
a way that knows the domain ranks them above the sources.

It can be killed and run again: what is measured is kept in OUT.

    python benchmarks/source_benefit.py --model ../shared/models/base-8m --out DIR --workers 2
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptation import TASKS, as_task, usable
from motherlode.diagnosis.recognition import area_under_roc
from motherlode.shards.pool import WorkerPool
from motherlode.statistics import paired_bootstrap
from scores import plain_table
from select_quality import DEFAULT_DATA, DOMAINS, read, write

MIX, MORE, ALONE = "uniform mix", "more of the domain", "domain alone"
FIELDS = ("instruction", "input", "output")
GENERAL = (
    "alpaca",
    "code_alpaca",
    "esnli",
    "flan_cot:creak",
    "flan_cot:ecqa",
    "flan_cot:sensemaking",
    "mmlu_other",
    "t0",
)
SCORES: dict[str, dict[str, Any]] = {
    "ntk": {"method": "ntk"},
    "ntk, cosine": {"method": "ntk", "normalize": "cosine", "engine": "contraction"},
    "ntk-signs": {"method": "ntk", "kernel": "ntk-signs"},
    "loss": {"method": "ntk", "kernel": "loss"},
    "loss, sum": {"method": "ntk", "kernel": "loss", "normalize": "none"},
    "loss, cosine": {"method": "ntk", "kernel": "loss", "normalize": "cosine", "engine": "contraction"},
    "less": {"method": "less", "projection": "sparse", "projection_dimension": 1024},
    "embedding": {"method": "embedding"},
    "embedding, lexical": {"method": "embedding", "preselect_encoder": "lexical"},
    "rds": {"method": "rds"},
}


def write_inputs(options: argparse.Namespace) -> dict[str, dict[str, Path]]:
    """Write D, tests and each source's samples for every domain and random seed."""
    folder: Path = options.out / "data"
    folder.mkdir(parents=True, exist_ok=True)
    sources: dict[str, list[dict[str, Any]]] = {}
    home: dict[str, str] = {}
    for name in ("general", "domain_questions"):
        for row in read(options.data / "pool" / f"{name}.jsonl.gz"):
            if row["output"].strip() and sum(len(row[k]) for k in FIELDS) <= options.characters:
                sources.setdefault(row["source"], []).append(as_task(row))
                home[row["source"]] = row["domain"]
    sources = {
        name: found
        for name, found in sources.items()
        if len(found) >= options.n
        and (name in GENERAL or home[name] != "general")
        and (options.sources is None or name in {*options.sources, *GENERAL})
    }
    files: dict[str, dict[str, Path]] = {}
    for domain in options.domains:
        for seed in options.seeds:
            choice = random.Random(seed)
            own, more = [], []
            for task in TASKS[domain]:
                items = [item for item in read(options.data / "tasks" / f"{task}.train.jsonl") if usable(item)]
                choice.shuffle(items)
                half = options.size // 2
                own += items[:half]
                more += items[half : half + options.n // 2]
            place = folder / f"{domain}-{seed}"
            place.mkdir(exist_ok=True)
            found = {"domain": write(place / "domain.jsonl", own), MORE: write(place / "more.jsonl", more)}
            for name in [name for name in sources if home[name] in ("general", domain)]:
                taken = choice.sample(sources[name], options.n)
                found[name] = write(place / f"{name.replace(':', '_')}.jsonl", taken)
            general = [name for name in GENERAL if name in sources]
            mixed = [choice.choice(sources[choice.choice(general)]) for _ in range(options.n)]
            found[MIX] = write(place / "mix.jsonl", mixed)
            files[f"{domain}-{seed}"] = found
        for place, task in enumerate(TASKS[domain]):
            test = [item for item in read(options.data / "tasks" / f"{task}.dev.jsonl") if usable(item)]
            random.Random(place).shuffle(test)
            write(folder / f"{task}.test.jsonl", test[: options.limit])
    return files


def train_and_test(options: argparse.Namespace, domain: str, seed: int, name: str, files: dict[str, Path]) -> Path:
    """Fine-tune on the domain's samples and a source's, test, and keep what came of it."""
    out: Path = options.out / "runs" / f"{domain}-{seed}-{name.replace(':', '_')}.json"
    if out.is_file():
        return out
    from motherlode import evaluate, fine_tune, task_samples

    work = options.out / "work" / out.stem
    work.mkdir(parents=True, exist_ok=True)
    own = write(work / "domain.jsonl", task_samples(files["domain"]))
    train = [own]
    if name == MORE:
        train.append(write(work / "more.jsonl", task_samples(files[MORE])))
    elif name != ALONE:
        train.append(files[name])
    steps = options.epochs * -(-(options.size + options.n) // options.batch)
    tuned = fine_tune(
        train,
        work / "adapted",
        model=str(options.model),
        max_length=options.max_length,
        batch=options.batch,
        learning_rate=options.learning_rate,
        average=options.average,
        random_seed=seed,
        max_steps=steps,
        overwrite=True,
    )
    tests = [options.out / "data" / f"{task}.test.jsonl" for task in TASKS[domain]]
    found = evaluate(tests, model=str(options.model), adapter=tuned.adapter, max_length=options.max_length)
    kept = {
        "domain": domain,
        "seed": seed,
        "source": name,
        "tasks": {
            task: {"score": score.score, "items": list(score.items), "probabilities": list(score.probabilities or ())}
            for task, score in found.tasks.items()
        },
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(kept), "utf-8")
    shutil.rmtree(work)
    return out


def score(options: argparse.Namespace, domain: str, seed: int, names: Sequence[str], files: dict[str, Path]) -> Path:
    """Score some samples of every source in every way, and keep the mean scores."""
    out: Path = options.out / "scores" / f"{domain}-{seed}.json"
    from motherlode import select, task_samples

    kept: dict[str, Any] = json.loads(out.read_text("utf-8")) if out.is_file() else {}
    work = options.out / "work" / f"scores-{domain}-{seed}"
    work.mkdir(parents=True, exist_ok=True)
    own = write(work / "domain.jsonl", task_samples(files["domain"]))
    rows: list[dict[str, Any]] = []
    owner: list[str] = []
    for name in names:
        part = task_samples(files[MORE]) if name == MORE else read(files[name])
        part = part[:: max(1, len(part) // options.scored)][: options.scored]
        rows += [{"prompt": row["prompt"], "completion": row["completion"]} for row in part]
        owner += [name] * len(part)
    pool = write(work / "pool.jsonl", rows)
    for name, settings in SCORES.items():
        if name in kept:
            continue
        values = dict(settings)
        if values["method"] == "ntk":
            values["preselect"] = "none"
        found = select(
            own,
            pool,
            len(rows),
            model=str(options.model),
            work=work / "select",
            max_length=options.max_length,
            warmup_epochs=1,
            learning_rate=options.learning_rate,
            random_seed=seed,
            near_duplicates=None,
            **values,
        )
        by_source: dict[str, list[float]] = {source: [] for source in names}
        for row, value in zip(found.indices, found.scores, strict=True):
            by_source[owner[int(row)]].append(float(value))
        kept[name] = by_source
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(kept), "utf-8")
    shutil.rmtree(work)
    return out


def jobs(options: argparse.Namespace) -> Iterator[tuple[Any, ...]]:
    """Yield what is to be done, in the order in which it is most useful."""
    files = write_inputs(options)
    for seed in options.seeds:
        for domain in options.domains:
            found = files[f"{domain}-{seed}"]
            general = [name for name in found if name not in ("domain", MORE, MIX)]
            wanted = [name for name in general if options.sources is None or name in options.sources]
            for name in () if options.scores_only else (MIX, MORE, ALONE, *wanted):
                yield train_and_test, options, domain, seed, name, found
            if wanted:
                yield score, options, domain, seed, [MORE, MIX, *wanted], found


def probabilities(found: dict[str, Any]) -> NDArray[np.float64]:
    """Return the probability of the right choice of each test item, each task with the same weight in their mean."""
    tasks = [np.asarray(task["probabilities"]) for task in found["tasks"].values()]
    whole = sum(map(len, tasks))
    return np.concatenate([task * (whole / len(tasks) / len(task)) for task in tasks])


def gain_table(options: argparse.Namespace, runs: dict[tuple[str, int, str], dict[str, Any]]) -> str:
    """Lay out gains over the uniform mix, by source and domain."""
    names = list(dict.fromkeys(name for _, _, name in runs if name != MIX))
    names.sort(key=lambda name: (name not in (MORE, ALONE), name))
    lines = []
    for name in names:
        cells = []
        for domain in options.domains:
            seeds = [seed for seed in options.seeds if (domain, seed, name) in runs]
            if not seeds:
                cells.append("")
                continue
            tables = [np.array([probabilities(runs[domain, seed, which]) for seed in seeds]) for which in (name, MIX)]
            found = paired_bootstrap(*tables)
            cells.append(f"{found.mean:+.3f} ({found.low:+.3f}, {found.high:+.3f})")
        lines.append([name, *cells])
    scores = []
    for domain in options.domains:
        mixed = [runs[domain, seed, MIX] for seed in options.seeds]
        right = np.mean([np.mean([task["score"] for task in run["tasks"].values()]) for run in mixed])
        scores.append(f"{np.mean([probabilities(run).mean() for run in mixed]):.3f} (score {right:.3f})")
    return plain_table(("source", *options.domains), [[MIX, *scores], *lines])


def agreement_table(options: argparse.Namespace, runs: dict[tuple[str, int, str], dict[str, Any]]) -> str:
    """Lay out the rank correlation between mean scores and gains, over sources."""
    from scipy.stats import spearmanr

    lines = []
    for way in SCORES:
        cells = []
        for domain in options.domains:
            scores: dict[str, list[float]] = {}
            gains: dict[str, list[float]] = {}
            for seed in options.seeds:
                kept = json.loads((options.out / "scores" / f"{domain}-{seed}.json").read_text("utf-8"))
                base = probabilities(runs[domain, seed, MIX]).mean()
                for name, values in kept[way].items():
                    if name not in (MIX, MORE):
                        scores.setdefault(name, []).append(float(np.mean(values)))
                        gains.setdefault(name, []).append(probabilities(runs[domain, seed, name]).mean() - base)
            pairs = [(np.mean(scores[name]), np.mean(gains[name])) for name in scores]
            cells.append(float(spearmanr(*zip(*pairs, strict=True)).statistic))
        lines.append([way, *(f"{cell:+.2f}" for cell in cells), f"{np.mean(cells):+.2f}"])
    return plain_table(("scores by", *options.domains, "mean"), lines)


def recognition_table(options: argparse.Namespace) -> str:
    """Lay out the chance that an unseen sample of the domain scores above one of the sources."""
    lines = []
    for way in SCORES:
        cells = []
        for domain in options.domains:
            areas = []
            for seed in options.seeds:
                kept = json.loads((options.out / "scores" / f"{domain}-{seed}.json").read_text("utf-8"))[way]
                others = [value for name, values in kept.items() if name not in (MIX, MORE) for value in values]
                areas.append(area_under_roc(kept[MORE], others))
            cells.append(float(np.mean(areas)))
        lines.append([way, *(f"{cell:.2f}" for cell in cells), f"{np.mean(cells):.2f}"])
    return plain_table(("scores by", *options.domains, "mean"), lines)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--model", type=Path, required=True, help="causal language model")
    parser.add_argument("--out", type=Path, required=True, help="folder of what is measured; continued")
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=list(DOMAINS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument(
        "--sources", nargs="*", help="which are measured; default: all; none: the domain and the mix only"
    )
    parser.add_argument("--scores-only", action="store_true", help="score, and train nothing")
    parser.add_argument("--size", type=int, default=100, help="domain samples, |D|")
    parser.add_argument("--n", type=int, default=100, help="samples of a source")
    parser.add_argument("--epochs", type=int, default=3, help="readings of |D| + N samples; steps are equal")
    parser.add_argument("--scored", type=int, default=24, help="samples of a source that are scored")
    parser.add_argument("--characters", type=int, default=300, help="of the longest sample of the pool")
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--limit", type=int, default=100, help="test items of each task")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=5e-3)
    parser.add_argument("--average", choices=("tokens", "samples"), default="samples", help="what the loss is over")
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Measure, and print tables."""
    options = arguments()
    options.model = options.model.resolve()
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    ways = ("domains", "seeds", "sources", "workers", "out", "data", "model", "scores_only")
    settings = {name: value for name, value in vars(options).items() if name not in ways}
    known = options.out / "settings.json"
    if known.is_file() and json.loads(known.read_text("utf-8")) != settings:
        raise SystemExit(f"{known} has other settings: name another --out")
    known.write_text(json.dumps(settings), "utf-8")
    pool = WorkerPool(options.workers)
    try:
        for done in [pool.submit(*job) for job in jobs(options)]:
            done.result()
    finally:
        pool.kill()
    if options.scores_only:
        print(recognition_table(options))
        return
    found = [json.loads(path.read_text("utf-8")) for path in sorted((options.out / "runs").glob("*.json"))]
    runs = {(run["domain"], run["seed"], run["source"]): run for run in found}
    print("Probability of the right choice: the uniform mix, and gains over it (95 %)\n")
    print(gain_table(options, runs))
    if options.sources is None or options.sources:
        print("\nRank correlation over sources, of the mean score and the gain\n")
        print(agreement_table(options, runs))
        print(
            "\nChance that an unseen sample of the domain scores above one of a source (0.5: the score knows nothing)\n"
        )
        print(recognition_table(options))


if __name__ == "__main__":
    main()
