"""Corpus build and mining on a Ray cluster of two nodes, input and output on an object store: the bytes of a disk."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.mining.mine import mine
from motherlode.shards.engine import LocalEngine
from motherlode.shards.location import location
from motherlode.shards.ray_engine import RayEngine
from tests.invented import TOPICS, records, write_lines
from tests.object_store import BUCKET, Store, files, objects, running_store
from tests.shards.ray_cluster import cluster, ray_workers

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
WORKER = "ray::Worker"


@pytest.fixture
def store() -> Iterator[Store]:
    with running_store() as running:
        yield running


@pytest.fixture
def nodes(store: Store) -> Iterator[Any]:
    """A cluster whose processes have the store in their environment, as nodes of a real one have."""
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    with cluster() as made:
        yield made


def _all(source: str, out: str, seeds: Mapping[str, str], engine: LocalEngine | RayEngine) -> None:
    corpus = Corpus.build(source, f"{out}/corpus", engine=engine, shard_rows=60, split_bytes=20_000)
    mine(corpus, seeds, f"{out}/mined", engine=engine, contrast=("background",), rounds=1)


def test_a_lost_worker_changes_nothing(
    store: Store, nodes: Any, seed_files: Mapping[str, Path], tmp_path: Path
) -> None:
    source = write_lines(tmp_path / "documents.jsonl", records(300))
    far = location(f"s3://{BUCKET}/in/documents.jsonl")
    far.put(source.read_bytes())  # type: ignore[attr-defined]
    seeds = {topic: f"s3://{BUCKET}/in/{topic}.jsonl" for topic in TOPICS[:2]}
    for topic, place in seeds.items():
        location(place).put(seed_files[topic].read_bytes())  # type: ignore[attr-defined]
    with LocalEngine(2, quiet=True) as engine:
        _all(str(far), str(tmp_path / "near"), seeds, engine)
    lost = threading.Event()

    def lose(request: str) -> None:
        if not lost.is_set() and re.match(r"PUT /bucket/out/corpus/documents/[^.].*parquet", request):
            lost.set()
            ray_workers(nodes, WORKER)[0].kill()

    store.on_request = lose
    with RayEngine(nodes.address, quiet=True) as engine:
        _all(str(far), f"s3://{BUCKET}/out", seeds, engine)
    assert lost.is_set()
    there, here = objects("out"), files(tmp_path / "near")
    assert not any(name.startswith(".lock") for name in map(os.path.basename, there))
    told = there.pop("mined/result.json").replace(f"s3://{BUCKET}/out".encode(), str(tmp_path / "near").encode())
    assert told == here.pop("mined/result.json")
    assert sorted(there) == sorted(here)
    assert [name for name in there if there[name] != here[name]] == []
