"""Running the demo: collect, build, mine, and compare with the truth that modules tell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from motherlode.corpus.corpus import Corpus
from motherlode.demo.docstrings import TOPICS, collect, python_version, true_topic
from motherlode.mining.mine import mine
from motherlode.mining.result import MineResult
from motherlode.seeds.seeds import Seeds
from motherlode.shards import store
from motherlode.shards.dataset import Dataset
from motherlode.shards.engine import Engine


@dataclass(frozen=True)
class TopicScore:
    """How well one topic was mined.

    Attributes:
        topic: The topic.
        true: Documents of the topic.
        mined: Documents that were given the topic, borderline ones aside.
        precision: Share of those that are of the topic.
        recall: Share of the topic's documents that were found.
    """

    topic: str
    true: int
    mined: int
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.precision * self.recall / max(1e-12, self.precision + self.recall)


def score(corpus: Corpus, labels: Dataset) -> list[TopicScore]:
    """Compare labels with the topics that modules tell.

    Args:
        corpus: The demo's corpus.
        labels: The labels of its documents.

    Returns:
        One score a topic.
    """
    true = dict.fromkeys(TOPICS, 0)
    mined, hits = dict(true), dict(true)
    for _, batch in corpus.documents.aligned(["metadata"], [(labels, ["labels"])]):
        for metadata, given in zip(
            batch.column("metadata").to_pylist(), batch.column("labels").to_pylist(), strict=True
        ):
            truth = true_topic(json.loads(metadata)["module"])
            if truth is None:
                continue
            for topic in TOPICS:
                true[topic] += truth == topic
                mined[topic] += topic in given
                hits[topic] += truth == topic and topic in given
    return [
        TopicScore(
            topic, true[topic], mined[topic], hits[topic] / max(1, mined[topic]), hits[topic] / max(1, true[topic])
        )
        for topic in TOPICS
    ]


def run_demo(out: Path, engine: Engine) -> tuple[MineResult, list[TopicScore]]:
    """Run the demo and print what it found.

    Args:
        out: Folder of the corpus, the results and the report; what an earlier demo left there is replaced.
        engine: Who does the work.

    Returns:
        What was mined, and the scores.
    """
    from rich.console import Console

    from motherlode.cli.tables import print_corpus, print_mined, topic_table
    from motherlode.report.mining import write_report

    console = Console()
    console.print(f"Collecting the documentation strings of Python {python_version()} and its packages ...")
    store.make_folder(out)
    source = out / "docstrings.jsonl"
    store.write_text(source, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in collect()))
    corpus = Corpus.build(source, out / "corpus", engine=engine, overwrite=True)
    print_corpus(corpus, sources=False)
    seeds = {topic: Seeds.builtin(f"demo-{topic}") for topic in TOPICS}
    result = mine(corpus, seeds, out / "mined", engine=engine, overwrite=True)
    print_mined(result)
    scores = score(corpus, Dataset(out / "mined" / "labels"))
    console.print()
    console.print(topic_table(scores))
    report = write_report(out / "mined")
    store.write_bytes(out / "report.html", report.read_bytes())
    console.print(f"report: {out / 'report.html'}", markup=False)
    return result, scores
