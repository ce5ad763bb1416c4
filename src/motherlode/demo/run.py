"""Running the demo: collect, build, mine, compare with the truth that modules tell; then train, and see if it helps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from motherlode.corpus.corpus import Corpus
from motherlode.demo.docstrings import TOPICS, collect, python_version, true_topic
from motherlode.demo.split import CHOICES, TOPIC, documents_of
from motherlode.demo.training import CAUTION, EXTRA, RANDOM, Sizes, Trained, missing, train_and_compare
from motherlode.mining.mine import mine
from motherlode.mining.result import MineResult
from motherlode.seeds.seeds import Seeds
from motherlode.shards import store
from motherlode.shards.dataset import Dataset
from motherlode.shards.engine import Engine

if TYPE_CHECKING:
    from rich.table import Table


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


def run_demo(
    out: Path, engine: Engine, sizes: Sizes | None = None
) -> tuple[MineResult, list[TopicScore], Trained | None]:
    """Run the demo and print what it found.

    Args:
        out: Folder of the corpus, the results and the report; what an earlier demo left there is replaced.
        engine: Who does the work.
        sizes: How much is trained.

    Returns:
        What was mined, the scores, and what training found (None without the extra `train`).
    """
    from rich.console import Console

    from motherlode.cli.tables import plain, print_corpus, print_mined, topic_table
    from motherlode.report.demo import write_demo_report
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
    write_report(out / "mined")
    trained = None
    if absent := missing():
        console.print(
            plain(f"No model was trained: that needs the extra 'train' ({', '.join(absent)}): pip install '{EXTRA}'"),
            soft_wrap=True,
        )
    else:
        console.print()
        console.print(f"Training a tiny model on documentation of other topics, to see what helps it with {TOPIC} ...")
        trained = train_and_compare(documents_of(corpus), out / "model", sizes)
        console.print()
        console.print(model_table(trained))
        console.print(plain(f"{trained.verdict}."))
        console.print(plain(f"Chance of the right one of {CHOICES}: {trained.chance:.2f}. {CAUTION}"))
    report = write_demo_report(out / "report.html", result, scores, trained)
    console.print(f"report: {report}", markup=False)
    return result, scores, trained


def model_table(trained: Trained) -> Table:
    """Make the table of the demo's models."""
    from motherlode.cli.tables import table_of

    columns = ["model", "samples", "of the topic", "loss", "against + random", "right of 4"]
    table = table_of(f"{TOPIC}: loss on unseen modules, nats per token, with 95 % intervals", columns)
    random = trained.model(RANDOM)
    for model in trained.models:
        loss, right = model.loss, model.accuracy
        gap = model.against(random)
        table.add_row(
            model.name,
            f"{model.samples:,}",
            f"{model.of_topic:,}",
            f"{loss[0]:.3f} [{loss[1]:.3f}, {loss[2]:.3f}]",
            "" if model is random else f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]",
            f"{right[0]:.2f} [{right[1]:.2f}, {right[2]:.2f}]",
        )
    return table
