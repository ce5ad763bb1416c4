"""The engine on a Ray cluster of two nodes: the bytes of the local engine, whoever fails, dies or is interrupted."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from motherlode import __version__
from motherlode.cli import main
from motherlode.errors import InputError, MotherlodeError, StorageError
from motherlode.shards.dataset import Dataset
from motherlode.shards.engine import LocalEngine, TasksFailedError
from motherlode.shards.manifest import Manifest
from motherlode.shards.ray_cluster import Node, inputs_of, join, require_fit, require_room
from motherlode.shards.ray_engine import RayEngine
from motherlode.shards.ray_worker import View
from motherlode.shards.resources import Resources
from motherlode.shards.stage import FAILED, find_failed
from tests.kill import Program, contents, finish
from tests.shards.ray_cluster import add_node, gone
from tests.shards.work import Numbers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def joined(ray_cluster: Any) -> Iterator[RayEngine]:
    """An engine that stays connected for the module."""
    with RayEngine(ray_cluster.address, quiet=True) as opened:
        yield opened


@pytest.fixture
def engine(joined: RayEngine) -> Iterator[RayEngine]:
    """An engine whose workers leave the cluster's cores to the next test."""
    yield joined
    joined.dismiss()


@dataclass(frozen=True)
class Sized(Numbers):
    """Numbers that need more than a core."""

    resources: Resources = field(default_factory=Resources)


def tasks(faults: str = "", fault: str = "", notes: Path | None = None, count: int = 6) -> list[Numbers]:
    """Return tasks `a`, `b`, ..., of which those named in `faults` have a fault."""
    names = "abcdefghijklmnopqrstuvwxyz"[:count]
    return [Numbers(name, 5 * i, 5, fault if name in faults else "", str(notes or "")) for i, name in enumerate(names)]


def run(engine: LocalEngine | RayEngine, folder: Path, todo: list[Numbers]) -> Dataset:
    """Run tasks into a folder."""
    with Manifest.open(folder, "numbers", {}) as manifest:
        engine.run(todo, manifest, "numbers")
    return Dataset(folder)


def attempts(notes: Path, name: str) -> int:
    """Return how often a task was tried."""
    return len(list(notes.glob(f"{name}.*")))


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


def test_the_bytes_are_those_of_the_local_engine_and_workers_live_on(
    tmp_path: Path, notes: Path, engine: RayEngine
) -> None:
    assert engine.workers == 2
    run(engine, tmp_path / "ray", tasks("abcdefghij", "slow", notes, count=10))
    run(LocalEngine(1, quiet=True), tmp_path / "local", tasks(count=10))
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    first = {path.read_text() for path in notes.iterdir()}
    run(engine, tmp_path / "again", tasks("abcdefghij", "slow", notes, count=10))
    assert {path.read_text() for path in notes.iterdir()} == first
    assert len(first) == 2
    assert str(os.getpid()) not in first


def test_failures_are_kept_with_their_traceback_and_the_others_stay(
    tmp_path: Path, notes: Path, engine: RayEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "x"
    faults = {"b": "raise", "c": "exit", "d": "unpicklable", "e": "once", "f": "die once"}
    todo = [Numbers(t.name, t.first, t.count, faults.get(t.name, ""), str(notes)) for t in tasks()]
    with pytest.raises(TasksFailedError, match=r"3 of 6 shards failed, first b \(RuntimeError: no luck with b\)"):
        run(engine, folder, todo)
    assert [attempts(notes, name) for name in "abcdef"] == [1, 3, 3, 3, 2, 2]
    assert set(Manifest.read(folder).entries) == set("aef")
    failed = {shard.task: shard for _, _, shard in find_failed(tmp_path)}
    assert set(failed) == set("bcd")
    assert "raise RuntimeError" in failed["b"].traceback
    assert failed["c"].error == "its worker process died (out of memory?)"
    assert failed["d"].error == "Unpicklable: cannot be pickled"
    with pytest.raises(SystemExit) as left:
        main(["failures", str(tmp_path)])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert "b, 3 attempts: RuntimeError: no luck with b" in shown
    assert shown.endswith("3 shards failed\n")
    run(engine, folder, tasks())
    assert not (folder / FAILED).exists()
    run(LocalEngine(1, quiet=True), tmp_path / "y", tasks())
    assert contents(folder) == contents(tmp_path / "y")


@pytest.mark.parametrize(("fault", "kind"), [("input", InputError), ("storage", StorageError)])
def test_input_that_must_change_and_a_full_disk_stop_the_run_at_once(
    tmp_path: Path, notes: Path, engine: RayEngine, fault: str, kind: type[MotherlodeError]
) -> None:
    with pytest.raises(kind, match=r"^b: "):
        run(engine, tmp_path / "x", tasks("b", fault, notes, count=26))
    assert attempts(notes, "b") == 1
    assert not Manifest.read(tmp_path / "x").complete


def test_a_node_that_is_lost_costs_its_tasks_no_attempt(tmp_path: Path, notes: Path, ray_cluster: Any) -> None:
    names = [f"{number:02d}" for number in range(40)]
    todo = [Numbers(name, 5 * int(name), 5, "slow", str(notes)) for name in names]
    with RayEngine(ray_cluster.address, attempts=1, quiet=True) as engine:
        victim = add_node(ray_cluster)
        killer = threading.Thread(
            target=lambda: (_wait_for(notes, 8), ray_cluster.remove_node(victim, allow_graceful=False))
        )
        killer.start()
        run(engine, tmp_path / "x", todo)
        killer.join()
    run(LocalEngine(1, quiet=True), tmp_path / "y", [Numbers(t.name, t.first, t.count) for t in todo])
    assert contents(tmp_path / "x") == contents(tmp_path / "y")


def _wait_for(notes: Path, count: int) -> None:
    while len(list(notes.iterdir())) < count:
        time.sleep(0.02)


def test_resources_are_asked_for_before_the_work_starts(tmp_path: Path, engine: RayEngine) -> None:
    room = [Sized("a", 0, 1, resources=Resources(1, memory=1 << 20)), Sized("b", 0, 1)]
    assert run(engine, tmp_path / "x", list(room)).rows == 2
    with pytest.raises(InputError, match=r"a step needs 1 CPU, 1 GPU, and no node of the cluster has a GPU; add a"):
        run(engine, tmp_path / "y", [Sized("a", 0, 1, resources=Resources(gpus=1))])
    with pytest.raises(InputError, match=r"a step needs 64 CPU, and the largest node has 1 CPU"):
        run(engine, tmp_path / "z", [Sized("a", 0, 1, resources=Resources(64))])
    assert not Manifest.read(tmp_path / "y").entries


def test_a_folder_that_workers_cannot_see_is_found_before_the_work_starts(
    tmp_path: Path, notes: Path, engine: RayEngine
) -> None:
    (tmp_path / "here").mkdir()
    handle = os.open(tmp_path / "here", os.O_RDONLY)  # a path that only this process has
    try:
        folder = Path(f"/proc/self/fd/{handle}/x")
        with pytest.raises(InputError, match=rf"^{folder}: the node .* does not see it; use a folder that all nodes"):
            run(engine, folder, tasks(notes=notes))
        assert not list(notes.iterdir())
        assert [path.name for path in (tmp_path / "here" / "x").iterdir()] == [".lock", "manifest.jsonl"]
    finally:
        os.close(handle)


# --- bad input that needs no cluster --------------------------------------------------------------------------------


def test_a_node_must_have_the_same_versions() -> None:
    here = (platform.python_version(), __version__)
    require_fit(View("n", "host", 1, *here, None))
    with pytest.raises(InputError, match=r"^node host: has motherlode 0\.0\.1, this machine has .*; install the same"):
        require_fit(View("n", "host", 1, here[0], "0.0.1", None))
    with pytest.raises(InputError, match=r"^node host: has Python 3\.99\.0, this machine has 3\."):
        require_fit(View("n", "host", 1, "3.99.0", here[1], None))
    with pytest.raises(InputError, match=r"^/data/in: the node host does not see it"):
        require_fit(View("n", "host", 1, *here, Path("/data/in")))


def test_room_is_counted_by_the_scarcest_resource() -> None:
    node = Node("n", "host", cpus=16, gpus=2, memory=64e9)
    assert node.holds(Resources()) == 16
    assert node.holds(Resources(4, gpus=1)) == 2
    assert node.holds(Resources(1, gpus=0.25)) == 8
    assert node.holds(Resources(1, memory=int(30e9))) == 2
    assert Resources(gpus_if_any=1).settled(any_gpu=True) == Resources(gpus=1)
    assert Resources(gpus_if_any=1).settled(any_gpu=False) == Resources()
    require_room(Resources(16, gpus=2), [node])
    with pytest.raises(InputError, match=r"the largest node has 16 CPU, 2 GPU, 60 GiB"):
        require_room(Resources(1, gpus=4), [node])
    with pytest.raises(InputError, match="there is no node"):
        require_room(Resources(), [])


def test_files_that_tasks_name_are_found(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("")

    @dataclass(frozen=True)
    class Reads:
        sources: tuple[Path, ...]

    assert inputs_of([Reads((tmp_path / "in", tmp_path / "missing")), object()]) == (tmp_path / "in",)


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("127.0.0.1:1", "--ray-address: no Ray cluster answers at 127.0.0.1:1; start one there"),
        ("ray://head:10001", "--ray-address: 'ray://head:10001' is no address of a cluster; write HOST:PORT"),
        ("head", "--ray-address: 'head' is no address of a cluster"),
    ],
)
def test_an_address_without_a_cluster_is_refused_at_once(address: str, line: str) -> None:
    import ray

    if ray.is_initialized():  # a process is in one cluster at a time
        ray.shutdown()
    with pytest.raises(InputError) as caught:
        join(address, None)
    assert str(caught.value).startswith(line)


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="--workers: 0 is not a number of workers; use 1 or more"):
        RayEngine(workers=0)
    with pytest.raises(InputError, match="attempts: 0 is not a number of attempts"):
        RayEngine(attempts=0)


def test_without_ray_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("Some words that make a document here.")
    source = (
        "import sys; sys.modules['ray'] = None\n"
        "from motherlode.cli import main\n"
        f"main(['corpus', 'build', {str(tmp_path / 'in.txt')!r}, '--out', {str(tmp_path / 'x')!r}, '--engine', 'ray'])"
    )
    left = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert (left.returncode, left.stderr) == (
        2,
        "error: --engine: the engine 'ray' needs the extra 'ray', which is not installed; "
        "pip install 'motherlode[ray]'\n",
    )


# --- drivers as processes of their own ------------------------------------------------------------------------------

IMPORTS = """
from pathlib import Path
from motherlode.shards.manifest import Manifest
from motherlode.shards.ray_engine import RayEngine
from tests.shards.work import Numbers
engine = RayEngine(sys.argv[2], attempts=6, quiet=True)
"""
BODY = """
names = [f"{n:02d}" for n in range(30)]
fault = {name: "slow" for name in names} | {name: sys.argv[3] for name in names[20:22]}
with Manifest.open(Path(sys.argv[1]), "numbers", {}) as manifest, engine:
    engine.run([Numbers(name, 5 * int(name), 5, fault[name]) for name in names], manifest, "numbers")
"""
OURS = "ray::Worker"


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_driver_that_is_stopped_leaves_no_worker_and_goes_on_where_it_was(
    tmp_path: Path, ray_cluster: Any, how: signal.Signals
) -> None:
    folder = tmp_path / "x"
    process = Program(IMPORTS, BODY, (ray_cluster.address, "sleep")).start(folder)
    while process.poll() is None and len(_held(folder)) < 20:
        time.sleep(0.02)
    process.send_signal(how)
    _, errors = process.communicate(timeout=240)
    assert gone(ray_cluster, OURS)
    if how == signal.SIGINT:
        assert "KeyboardInterrupt" in errors.splitlines()
    held = _held(folder)
    assert len(held) >= 20
    times = {name: (folder / f"{name}.parquet").stat().st_mtime_ns for name in held}
    finish(Program(IMPORTS, BODY, (ray_cluster.address, "slow")).start(folder))
    assert times == {name: (folder / f"{name}.parquet").stat().st_mtime_ns for name in held}
    run(LocalEngine(1, quiet=True), tmp_path / "y", [Numbers(f"{n:02d}", 5 * n, 5) for n in range(30)])
    assert contents(folder) == contents(tmp_path / "y")


def _held(folder: Path) -> list[str]:
    return list(Manifest.read(folder).entries) if (folder / "manifest.jsonl").exists() else []


def test_a_cluster_of_another_version_is_refused(tmp_path: Path, ray_cluster: Any) -> None:
    (tmp_path / "in.txt").write_text("Some words that make a document here.")
    source = """
import json, sys
import ray
from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_put
from motherlode.cli import main
ray.init(address=sys.argv[1], logging_level="ERROR", log_to_driver=False)
kept = _internal_kv_get("CLUSTER_METADATA", namespace="cluster")
other = json.dumps({**json.loads(kept), "python_version": "3.8.1"})
_internal_kv_put("CLUSTER_METADATA", other, overwrite=True, namespace="cluster")
ray.shutdown()
try:
    main(["corpus", "build", sys.argv[2], "--out", sys.argv[3], "--engine", "ray", "--ray-address", sys.argv[1]])
finally:
    from ray._raylet import GcsClient
    GcsClient(address=sys.argv[1]).internal_kv_put(b"CLUSTER_METADATA", kept, True, b"cluster")
"""
    arguments = [ray_cluster.address, str(tmp_path / "in.txt"), str(tmp_path / "x")]
    left = subprocess.run([sys.executable, "-c", source, *arguments], capture_output=True, text=True, check=False)
    assert left.returncode == 2, left.stderr
    (line,) = (line for line in left.stderr.splitlines() if line.startswith("error: "))
    assert line.startswith(f"error: --ray-address {ray_cluster.address}: the cluster has other versions")
    assert "3.8.1" in line
