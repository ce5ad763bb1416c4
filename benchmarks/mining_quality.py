"""How well mining finds domains in a labelled corpus, given nothing but the names of shipped seed packs.

Prints, for motherlode and for its peers at the number of documents that motherlode selected, precision, recall, F1 and
average precision of each domain, and the recall of every source. Peers that need MiniLM vectors of the whole corpus
take long on a CPU (about 10 documents/s and core): `--documents` takes a random sample of the corpus, on which then
*every* method works, motherlode included; `--cache` keeps the vectors.

    python benchmarks/mining_quality.py                              # everything but the MiniLM peers, whole corpus
    python benchmarks/mining_quality.py --documents 4096 --peers all --cache DIR
"""

from __future__ import annotations

import argparse
import functools
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from labelled_data import DEFAULT_DATA, DOMAINS, LabelledCorpus, load_corpus, load_seeds
from motherlode import Corpus, mine
from motherlode.mining.result import MineResult
from motherlode.shards.dataset import Dataset
from motherlode.shards.engine import LocalEngine
from peers import (
    Prediction,
    Task,
    dsir,
    fasttext_seeds,
    mean_similarity,
    paper_recipe,
    supervised_upper_bound,
)
from scores import DomainScore, chance, score, score_table, source_table

LIGHT: dict[str, Callable[[Task], list[Prediction]]] = {
    "dsir": dsir,
    "fasttext": fasttext_seeds,
    "supervised": supervised_upper_bound,
}
MINILM: dict[str, Callable[[Task], list[Prediction]]] = {"paper": paper_recipe, "similarity": mean_similarity}


def build(corpus: LabelledCorpus, folder: Path, engine: LocalEngine) -> Corpus:
    """Build a motherlode corpus that holds every document and no label."""
    path = folder / "documents.jsonl"
    order = np.random.default_rng(0).permutation(len(corpus))
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps({"id": corpus.ids[row], "text": corpus.texts[row]}) + "\n" for row in order)
    return Corpus.build(path, folder / "corpus", engine=engine, min_words=0, deduplicate=False)


def ours(built: Corpus, result: MineResult, corpus: LabelledCorpus, name: str) -> Prediction:
    """Read the labels of a run in the order of the labelled corpus."""
    place = {identity: row for row, identity in enumerate(corpus.ids)}
    scores = np.zeros((len(corpus), len(DOMAINS)), dtype=np.float32)
    selected = np.zeros(scores.shape, dtype=bool)
    columns = ["labels", *(f"score:{domain}" for domain in DOMAINS)]
    for _, batch in built.documents.aligned(["id"], [(Dataset(Path(result.folder) / "labels"), columns)]):
        rows = [place[identity] for identity in batch.column("id").to_pylist()]
        for column, domain in enumerate(DOMAINS):
            scores[rows, column] = batch.column(f"score:{domain}").to_numpy()
        given = batch.column("labels").to_pylist()
        selected[rows] = [[domain in labels for domain in DOMAINS] for labels in given]
    return Prediction(name, scores, selected, own=True)


def calibration_table(result: MineResult, rows: Sequence[DomainScore]) -> str:
    """Say how honest the estimates are that a user without labels sees."""
    lines = ["domain        score threshold  labelled  expected precision  true precision"]
    for domain, row in zip(DOMAINS, rows, strict=False):
        found = result.domains[domain]
        lines.append(
            f"{domain:12s} {found.score_threshold:16.2f} {found.labelled:9,} {found.expected_precision:19.2f} "
            f"{row.precision:15.2f}"
        )
    return "\n".join(lines)


def retrieval_table(built: Corpus, result: MineResult, corpus: LabelledCorpus) -> str:
    """Compare the precision that calibration estimated at its threshold with the true one."""
    place = {identity: row for row, identity in enumerate(corpus.ids)}
    truth = corpus.truth(DOMAINS)
    lines = ["domain        t_sim      kept  estimated precision  true precision"]
    side = Dataset(Path(result.folder) / "retrieved")
    values = np.zeros((len(corpus), len(DOMAINS)), dtype=np.float32)
    for _, batch in built.documents.aligned(["id"], [(side, [f"similarity:{domain}" for domain in DOMAINS])]):
        rows = [place[identity] for identity in batch.column("id").to_pylist()]
        for column, domain in enumerate(DOMAINS):
            values[rows, column] = batch.column(f"similarity:{domain}").to_numpy()
    for column, domain in enumerate(DOMAINS):
        calibration = result.domains[domain].calibration
        kept = values[:, column] >= np.float32(calibration.threshold)
        true = float(truth[kept, column].mean()) if kept.any() else 0.0
        lines.append(
            f"{domain:12s} {calibration.threshold:6.3f} {int(kept.sum()):9,} {calibration.precision:20.2f} {true:15.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Run motherlode and the peers, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of the labelled corpus")
    parser.add_argument("--documents", type=int, help="size of a random sample; default: all")
    parser.add_argument("--share", type=float, default=1.0, help="share of the domains' documents that stay")
    parser.add_argument("--encoder", default="lexical", help="motherlode's encoder")
    parser.add_argument("--cascade", help="also run motherlode with this strong encoder behind the cheap one")
    parser.add_argument("--peers", default="light", help="light, all, none, or names separated by commas")
    parser.add_argument("--cache", type=Path, help="folder in which MiniLM vectors are kept")
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    known = {**LIGHT, **MINILM}
    chosen = {"light": list(LIGHT), "all": list(known), "none": []}.get(options.peers, options.peers.split(","))
    corpus = load_corpus(options.data).thin(options.share)
    if options.documents is not None and options.documents < len(corpus):
        # 200 neighbours of a seed are as many as the sample has shares of the corpus
        top_k = max(1, round(200 * options.documents / len(corpus)))
        known["paper"] = functools.partial(paper_recipe, top_k=top_k)
        corpus = corpus.sample(options.documents)
    predictions: list[Prediction] = []
    with tempfile.TemporaryDirectory() as folder, LocalEngine(options.workers, quiet=True) as engine:
        built = build(corpus, Path(folder), engine)
        runs = {f"motherlode ({options.encoder})": {}}
        if options.cascade:
            runs[f"motherlode (cascade {options.cascade})"] = {"cascade": options.cascade}
        for number, (name, settings) in enumerate(runs.items()):
            begin = time.perf_counter()
            out = Path(folder) / f"mined-{number}"
            result = mine(built, list(DOMAINS), out, engine=engine, encoder=options.encoder, **settings)
            print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)
            for finding in result.findings:
                print(f"  {finding}")
            if result.cascade is not None:
                print(f"  {result.cascade}")
            predictions.append(ours(built, result, corpus, name))
            if number == 0:
                first = result
        sizes = [int(size) for size in predictions[0].selected.sum(axis=0)]
        task = Task(corpus, load_seeds(), sizes, cache=options.cache)
        for name in chosen:
            begin = time.perf_counter()
            found = known[name](task)
            print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)
            predictions += found
        rows = [row for p in predictions for row in score(p.name, p.scores, p.selected, corpus)]
        print(
            f"\n{len(corpus):,} documents; every method takes as many as motherlode where it has no rule of its own\n"
        )
        print(score_table([*rows, *chance(sizes, corpus)]))
        print("\nRecall of sources (of foreign ones, marked !: share taken by mistake)\n")
        print(source_table({p.name: p.selected for p in predictions[:1] + predictions[-1:]}, corpus))
        print("\nEstimates made without labels against the truth\n")
        print(retrieval_table(built, first, corpus))
        print()
        print(calibration_table(first, rows))
        for prediction in predictions:
            if prediction.note:
                print(f"\n{prediction.name}: {prediction.note}")


if __name__ == "__main__":
    main()
