"""Corpora and mined folders on an object store: the bytes of a folder of this machine, whatever goes wrong."""

from __future__ import annotations

import importlib.util
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.corpus.semantic import SemanticOptions, deduplicate
from motherlode.errors import InputError
from motherlode.mining.mine import mine
from motherlode.shards.engine import LocalEngine
from motherlode.shards.objects import file_system
from tests.invented import TOPICS, records, write_lines
from tests.object_store import BUCKET, Fault, Store, files, objects, running_store, unfinished_uploads

ROWS = 40
BUILD = """
import sys
from motherlode.corpus.build import BuildConfig, build
from motherlode.shards.engine import LocalEngine
if __name__ == "__main__":
    with LocalEngine(int(sys.argv[3]), quiet=True) as engine:
        build([sys.argv[1]], sys.argv[2], BuildConfig(shard_rows=40, split_bytes=1 << 14), engine=engine)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with running_store() as running:
        yield running


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = records(100)
    rows += [{**row, "id": f"copy-{row['id']}"} for row in rows[:10]]
    rows += [{**row, "id": f"near-{row['id']}", "text": row["text"] + " More."} for row in rows[10:20]]
    return write_lines(tmp_path_factory.mktemp("input") / "documents.jsonl", rows)


def built(source: Path, out: str | Path, **settings: Any) -> Corpus:
    with LocalEngine(1, quiet=True) as engine:
        return Corpus.build(source, out, engine=engine, shard_rows=ROWS, split_bytes=1 << 14, **settings)


@pytest.fixture(scope="module")
def near(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus on this machine, not to be written to."""
    folder = tmp_path_factory.mktemp("near") / "corpus"
    built(source, folder)
    return folder


def test_a_corpus_has_the_bytes_of_one_on_a_disk(source: Path, near: Path, server: Store, tmp_path: Path) -> None:
    settings = {"keep_rejected": True, "repeated_paragraphs": "first", "near_duplicate_keep": "first"}
    far = built(source, f"s3://{BUCKET}/first/corpus", **settings)
    beside = built(source, tmp_path / "corpus", **settings)
    assert objects("first/corpus") == files(tmp_path / "corpus")
    assert far.stats() == beside.stats()
    assert far.stats().adds_up
    again = built(source, f"s3://{BUCKET}/first/corpus", **settings)
    assert again.documents.digest == beside.documents.digest


def test_input_may_lie_there_too_but_not_in_the_output(source: Path, server: Store) -> None:
    from motherlode.shards.location import location

    place = location(f"s3://{BUCKET}/in/documents.jsonl")
    place.put(source.read_bytes())  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="lies in the output folder"):
        built(f"s3://{BUCKET}/in", f"s3://{BUCKET}/in")  # type: ignore[arg-type]
    corpus = built(f"s3://{BUCKET}/in", f"s3://{BUCKET}/from-there")  # type: ignore[arg-type]
    assert len(corpus) > 90


def test_mining_there_has_the_bytes_of_mining_here(
    source: Path,
    near: Path,
    server: Store,
    seed_files: dict[str, Path],
    tmp_path: Path,
) -> None:
    far = built(source, f"s3://{BUCKET}/mining/corpus")
    seeds = {topic: seed_files[topic] for topic in TOPICS[:2]}
    with LocalEngine(1, quiet=True) as engine:
        result = mine(far, seeds, f"s3://{BUCKET}/mining/mined", engine=engine, contrast=(), rounds=1)
        beside = built(source, tmp_path / "corpus")
        mine(beside, seeds, tmp_path / "mined", engine=engine, contrast=(), rounds=1)
    there, here = objects("mining/mined"), files(tmp_path / "mined")
    assert result.folder == f"s3://{BUCKET}/mining/mined"
    told = there.pop("result.json").replace(f"s3://{BUCKET}/mining".encode(), str(tmp_path).encode())
    assert told == here.pop("result.json")
    assert there == here
    assert objects("mining/corpus") == files(tmp_path / "corpus")
    from motherlode.mining.search import search

    text = next(iter(seeds.values())).read_text().split('"')[3]
    assert search(far, text, 5) == search(beside, text, 5)
    with LocalEngine(1, quiet=True) as engine:
        deduplicate(far, f"s3://{BUCKET}/mining/fewer", SemanticOptions(), engine=engine)
        deduplicate(beside, tmp_path / "fewer", SemanticOptions(), engine=engine)
    assert objects("mining/fewer") == files(tmp_path / "fewer")


def test_failures_that_pass_change_nothing(source: Path, near: Path, server: Store) -> None:
    before = server.happened
    server.faults += [
        Fault("^PUT", "503", times=3, after=2),
        Fault("^PUT .*part-0", "drop", after=1),
        Fault("^PUT .*split-", "lost", after=2),
        Fault("^PUT .*manifest", "hang", after=3),
        Fault("^GET .*parquet", "truncate", times=2, after=3),
        Fault("^GET", "500", times=2, after=8),
        Fault("^POST .*delete", "503"),
        Fault("list-type", "503", times=2, after=5),
    ]
    built(source, f"s3://{BUCKET}/failing/corpus")
    assert server.happened - before == 13
    assert server.faults == []
    assert objects("failing/corpus") == files(near)


def kill_and_continue(source: Path, name: str, server: Store, points: list[int], workers: int = 1) -> None:
    """Kill builds after so many written objects, each continuing the one before; the last one is left in peace."""
    for point in [*points, 0]:
        process = subprocess.Popen([sys.executable, "-c", BUILD, source, f"s3://{BUCKET}/{name}/corpus", str(workers)])
        written = 0

        def count(request: str, process: Any = process, point: int = point) -> None:
            nonlocal written
            if request.startswith(("PUT", "POST")):
                written += 1
                if point and written == point:
                    process.kill()

        server.on_request = count
        code = process.wait(timeout=240)
        server.on_request = lambda request: None
        assert code == (0 if not point or written < point else -9)


def test_killed_builds_go_on_and_end_in_the_same_bytes(source: Path, near: Path, server: Store) -> None:
    kill_and_continue(source, "killed", server, [9, 25])
    assert objects("killed/corpus") == files(near)
    assert unfinished_uploads() == []


@pytest.mark.long
def test_killed_builds_go_on_wherever_they_were_killed(source: Path, near: Path, server: Store) -> None:
    chance = random.Random(7)
    for run in range(10):
        kill_and_continue(source, f"run-{run}", server, [chance.randint(1, 60) for _ in range(3)], workers=2)
        assert objects(f"run-{run}/corpus") == files(near)


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run the command line in this process: its exit code, and what it printed."""
    from motherlode.cli import main

    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
    finally:
        signal.signal(signal.SIGTERM, before)
    out, errors = capsys.readouterr()
    return int(str(left.value.code)), out, errors


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("s3://nowhere/x", "there is no bucket 'nowhere'"),
        ("s4://bucket/x", "s4:// addresses are not known"),
        ("gs://bucket/x", "pip install 'motherlode[gcs]'"),
        ("https://example.com/x", "can only be read"),
    ],
)
def test_places_that_cannot_be_written_are_one_line(
    source: Path, server: Store, capsys: pytest.CaptureFixture[str], out: str, said: str
) -> None:
    if out.startswith("gs:") and importlib.util.find_spec("gcsfs") is not None:
        pytest.skip("the extra 'gcs' is installed")
    code, _, errors = command(capsys, "corpus", "build", source, "--out", out, "--workers", 1)
    assert (code, errors.count("\n")) == (2, 1), errors
    assert said in errors


@pytest.fixture
def fresh(server: Store) -> Iterator[None]:
    """File systems that are made anew, before the test and after it."""
    import s3fs

    def forget() -> None:
        s3fs.S3FileSystem.clear_instance_cache()
        file_system.cache_clear()

    forget()
    yield
    forget()


@pytest.mark.usefixtures("fresh")
def test_without_credentials_it_says_where_they_go(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    code, _, errors = command(capsys, "corpus", "build", source, "--out", f"s3://{BUCKET}/x", "--workers", 1)
    assert (code, errors.count("\n")) == (2, 1), errors
    assert "set them in the environment" in errors


@pytest.mark.usefixtures("fresh")
def test_without_the_extra_it_is_named(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    code, _, errors = command(capsys, "corpus", "build", source, "--out", f"s3://{BUCKET}/x", "--workers", 1)
    assert (code, errors.count("\n")) == (2, 1), errors
    assert "pip install 'motherlode[s3]'" in errors


def test_the_demo_says_that_it_does_not_write_there(server: Store, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = command(capsys, "demo", "--out", f"s3://{BUCKET}/x")
    assert (code, errors.count("\n")) == (2, 1), errors
    assert f"s3://{BUCKET}/x: is an address" in errors


def test_stats_are_read_from_there(near: Path, server: Store, capsys: pytest.CaptureFixture[str]) -> None:
    from motherlode.shards.location import location

    for name, content in files(near).items():
        (location(f"s3://{BUCKET}/stats") / name).put(content)  # type: ignore[attr-defined]
    far = command(capsys, "corpus", "stats", f"s3://{BUCKET}/stats", "--json")
    assert far == command(capsys, "corpus", "stats", near, "--json")
    assert far[0] == 0
