"""What an engine costs: the local one and Ray on the same cores, the same shards, the same work.

Every line is a run in a process of its own. Start-up (joining Ray, the workers, their first task) is measured apart.
One local Ray serves all lines; how long it took to start is said first, and its processes count as memory of its lines.

* `compute`: shards of a fixed amount of arithmetic, about `--seconds` of it on an idle core; says what a user waits.
* `sleep`: shards that take `--seconds` and no core; says what the engine adds, on a busy machine too.
* `nothing`: `--many` shards that do nothing but write an empty file: the driver's own cost a shard, in seconds of its
  processor time and of the clock.

    python benchmarks/engines.py [--shards 8] [--seconds 10] [--many 10000] [--workers 1,2] [--repeats 1]
        [--parts compute,sleep,nothing,entries]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from motherlode.cli.engine import make_engine
from motherlode.mining.label import SCORE_BINS
from motherlode.shards import store
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.manifest import Entry, Manifest, ShardFile, merge_stats
from motherlode.shards.ray_cluster import require_ray

_BLOCK = b"motherlode" * 100


@dataclass(frozen=True)
class Busy:
    """A task that takes a while in one way or another."""

    name: str
    kind: str
    amount: float
    size: int = 1

    @property
    def fingerprint(self) -> str:
        """Digest of what it does."""
        return fingerprint(self.name, self.kind, self.amount)

    def run(self, folder: Path) -> Entry:
        """Take a while, and write one small file."""
        if self.kind == "sleep":
            time.sleep(self.amount)
        elif self.kind == "compute":
            compute(int(self.amount))
        data = self.name.encode()
        store.write_bytes(folder / f"{self.name}.parquet", data)
        return Entry(self.name, self.fingerprint, (ShardFile(f"{self.name}.parquet", 0, len(data), ""),))


def compute(rounds: int) -> None:
    """Do a fixed amount of arithmetic on one core."""
    digest = b""
    for _ in range(rounds):
        digest = hashlib.sha256(_BLOCK + digest).digest()


def rounds_of(seconds: float) -> int:
    """Return how many rounds take so long on a core by itself, by processor time."""
    begin = time.process_time()
    compute(100_000)
    return int(100_000 * seconds / (time.process_time() - begin))


def child(job: dict[str, Any]) -> None:
    """Run one line of the table, and print what it took as JSON."""
    folder = Path(tempfile.mkdtemp(prefix="engines-", dir=job["folder"]))
    begin = time.perf_counter()
    with make_engine(job["engine"], job["workers"], job["address"], quiet=True) as engine:
        with Manifest.open(folder / "start", "start", {}) as manifest:
            engine.run([Busy(f"start-{n}", "nothing", 0) for n in range(2 * job["workers"])], manifest, "start")
        start = time.perf_counter() - begin
        names = [f"shard-{number:06d}" for number in range(job["shards"])]
        with Manifest.open(folder / "work", "work", {}) as manifest:
            begin, driver = time.perf_counter(), time.process_time()
            engine.run([Busy(name, job["kind"], job["amount"]) for name in names], manifest, "work")
            seconds, driver = time.perf_counter() - begin, time.process_time() - driver
    print(json.dumps({"start": start, "seconds": seconds, "driver": driver}))


def watch(me: psutil.Process, peak: list[int], ended: threading.Event) -> None:
    """Keep the largest memory of a process and all below it."""
    while not ended.wait(0.2):
        total = 0
        try:
            family = [me, *me.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for process in family:
            try:
                memory = process.memory_full_info()
                total += int(getattr(memory, "pss", memory.rss))
            except psutil.Error:
                continue
        peak[0] = max(peak[0], total)


def start_ray(cores: int) -> str:
    """Start Ray, and return its address; it ends with this process.

    Its agents get ports: on a busy machine Ray gives up waiting for those that choose their own.
    """
    require_ray()
    from ray.cluster_utils import Cluster

    names = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")
    held = [socket.socket() for _ in names]
    for port in held:
        port.bind(("", 0))
    ports = {name: port.getsockname()[1] for name, port in zip(names, held, strict=True)}
    for port in held:
        port.close()
    node = {"num_cpus": cores, "object_store_memory": 256 << 20, "include_dashboard": False, **ports}
    for tries_left in (2, 1, 0):
        try:
            cluster = Cluster(initialize_head=True, shutdown_at_exit=True, head_node_args=node)
            break
        except Exception:
            if not tries_left:
                raise
    address: str = cluster.address
    return address


def line(job: dict[str, Any]) -> dict[str, float]:
    """Run a line in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--child", json.dumps(job)]
    done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    root = psutil.Process(done.pid) if job["engine"] == "local" else psutil.Process()  # this process started Ray
    peak, ended = [0], threading.Event()
    watcher = threading.Thread(target=watch, args=(root, peak, ended), daemon=True)
    watcher.start()
    out, errors = done.communicate()
    ended.set()
    watcher.join()
    if done.returncode:
        raise RuntimeError(errors[-2000:])
    result: dict[str, float] = json.loads(out.splitlines()[-1])
    return {**result, "peak": peak[0]}


def entries(shards: int, labels: int) -> None:
    """Say what the driver holds of the labels, whose shards have histograms of scores, and how long adding up takes."""
    text = Entry(
        "part-000000",
        "0" * 32,
        (ShardFile("part-000000.parquet", 8192, 1 << 20, "0" * 32),),
        {"read": 8192, "kept": 8192},
        {f"scores:{label}": [(7 * n) % 600 for n in range(SCORE_BINS)] for label in range(labels)},
    ).to_json()
    tracemalloc.start()
    held = [Entry.from_json(text) for _ in range(shards)]
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    begin = time.process_time()
    merge_stats(entry.stats for entry in held)
    seconds = time.process_time() - begin
    print(
        f"\nentries of labels with {labels} labels: {size / shards / 1e3:.0f} kB of memory and "
        f"{len(text) / 1e3:.0f} kB of manifest a shard; added up at {seconds / shards * 1e6:.0f} us a shard"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--parts", default="compute,sleep,nothing,entries")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(json.loads(arguments.child))
        return
    folder = tempfile.mkdtemp(prefix="engines-")
    parts, counts = arguments.parts.split(","), [int(count) for count in arguments.workers.split(",")]
    try:
        timed = [part for part in parts if part != "entries"]
        begin = time.perf_counter()
        address = start_ray(max(counts)) if timed else ""
        if timed:
            print(f"Ray itself started in {time.perf_counter() - begin:.1f} s\n")
            print(
                "| work | workers | engine | start-up s | s | shards/s | driver's processor ms/shard | peak memory MB |"
            )
            print("|---|---:|---|---:|---:|---:|---:|---:|", flush=True)
        for kind in timed:
            shards = arguments.many if kind == "nothing" else arguments.shards
            amount = {"compute": rounds_of(arguments.seconds), "sleep": arguments.seconds, "nothing": 0.0}[kind]
            for workers in counts:
                took: dict[str, list[dict[str, float]]] = {"local": [], "ray": []}
                for _ in range(arguments.repeats):
                    for engine, results in took.items():
                        job = {"engine": engine, "workers": workers, "kind": kind, "amount": amount, "shards": shards}
                        job |= {"folder": folder, "address": address if engine == "ray" else None}
                        results.append(line(job))
                medians: dict[str, float] = {}
                for engine, results in took.items():
                    m = {name: statistics.median(result[name] for result in results) for name in results[0]}
                    medians[engine] = m["seconds"]
                    print(
                        f"| {kind} | {workers} | {engine} | {m['start']:.1f} | {m['seconds']:.2f} "
                        f"| {shards / m['seconds']:.2f} | {m['driver'] / shards * 1e3:.2f} | {m['peak'] / 1e6:.0f} |",
                        flush=True,
                    )
                added = medians["ray"] / medians["local"] - 1
                print(f"| | | Ray against local | | {added:+.1%} | | | |", flush=True)
        if "entries" in parts:
            entries(1000, 10)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
