"""The demo's corpus and its truth; the whole demo is what `make demo` runs."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.demo.docstrings import BORDER, LEAST_WORDS, TOPICS, collect, true_topic
from motherlode.demo.run import TopicScore, score
from motherlode.mining.mine import mine
from motherlode.seeds.seeds import Seeds
from motherlode.shards.dataset import Dataset
from motherlode.shards.engine import LocalEngine
from tests.invented import write_lines


@pytest.fixture(scope="module")
def collected() -> list[dict[str, str]]:
    return list(collect())


def test_thousands_of_documents_that_tell_their_topic(collected: list[dict[str, str]]) -> None:
    assert len(collected) > 5000
    identifiers = [record["id"] for record in collected]
    assert len(set(identifiers)) == len(identifiers)
    for record in collected:
        assert set(record) == {"id", "text", "source", "module"}
        assert len(record["text"].split()) >= LEAST_WORDS
        assert record["id"].partition(":")[0] == record["module"]
        assert record["source"] == record["module"].partition(".")[0]
    truth = [true_topic(record["module"]) for record in collected]
    for topic in (*TOPICS, "other"):
        assert truth.count(topic) > 100


def test_no_package_is_most_of_the_corpus(collected: list[dict[str, str]]) -> None:
    sources = [record["source"] for record in collected]
    assert max(sources.count(name) for name in set(sources)) < len(collected) / 3
    assert not {"test", "tests", "idlelib"} & {part for record in collected for part in record["module"].split(".")}


def test_the_same_python_gives_the_same_corpus(collected: list[dict[str, str]]) -> None:
    first = collect()
    assert [next(first) for _ in range(300)] == collected[:300]


@pytest.mark.parametrize(
    ("module", "topic"),
    [
        ("socket", "networking"),
        ("urllib.request", "networking"),
        ("urllibx", "other"),
        ("asyncio", None),
        ("asyncio.tasks", None),
        ("asyncio.streams", "networking"),
        ("numpy", "statistics"),
        ("numpy.linalg", "statistics"),
        ("numpy.testing._private.utils", None),
        ("scipy.io", None),
        ("scipy.io.wavfile", None),
        ("scipy.stats", "statistics"),
        ("os", "filesystem"),
        ("os.path", "filesystem"),
        ("ossaudiodev", "other"),
        ("pip", None),
        ("pip._vendor.urllib3.util", "networking"),
        ("json", "other"),
        ("", "other"),
    ],
)
def test_the_longest_prefix_tells_the_topic(module: str, topic: str | None) -> None:
    assert true_topic(module) == topic


def test_no_prefix_is_of_two_topics() -> None:
    prefixes = [prefix for group in (*TOPICS.values(), BORDER) for prefix in group]
    assert len(set(prefixes)) == len(prefixes)


def test_seeds_of_every_topic_ship() -> None:
    for topic in TOPICS:
        assert Seeds.builtin(f"demo-{topic}").name == topic


def test_f1() -> None:
    assert TopicScore("x", 10, 10, 0.5, 0.5).f1 == pytest.approx(0.5)
    assert TopicScore("x", 10, 5, 0.8, 0.4).f1 == pytest.approx(0.64 / 1.2)
    assert TopicScore("x", 0, 0, 0.0, 0.0).f1 == 0


def test_scores_count_what_labels_say(collected: list[dict[str, str]], tmp_path: Path) -> None:
    some = random.Random(0).sample(collected, 800)
    with LocalEngine(1, quiet=True) as engine:
        corpus = Corpus.build(write_lines(tmp_path / "some.jsonl", some), tmp_path / "corpus", engine=engine)
        seeds = {topic: Seeds.builtin(f"demo-{topic}") for topic in TOPICS}
        mine(corpus, seeds, tmp_path / "out", engine=engine, rounds=0, contrast=("background",))
    labels = Dataset(tmp_path / "out" / "labels")
    given: dict[str, list[str]] = {}
    truth: dict[str, str | None] = {}
    for _, batch in corpus.documents.aligned(["id", "metadata"], [(labels, ["labels"])]):
        for record in batch.to_pylist():
            given[record["id"]] = record["labels"]
            truth[record["id"]] = true_topic(json.loads(record["metadata"])["module"])
    for found in score(corpus, labels):
        true = {name for name, topic in truth.items() if topic == found.topic}
        mined = {name for name, topics in given.items() if found.topic in topics and truth[name] is not None}
        assert (found.true, found.mined) == (len(true), len(mined))
        assert found.recall == pytest.approx(len(true & mined) / max(1, len(true)))
        assert found.precision == pytest.approx(len(true & mined) / max(1, len(mined)))
        assert found.true > 10
