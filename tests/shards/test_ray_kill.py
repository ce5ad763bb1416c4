"""Corpus build and mining on a Ray cluster, killed at random points: the bytes of an undisturbed local run.

The victims are workers, whole nodes, and the driver; `make test-long`: 36 kills.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest

from tests.invented import records, write_lines
from tests.kill import Program, contents, differences, finish
from tests.shards.ray_cluster import add_node, gone, ray_workers

Victim = Literal["worker", "node", "driver"]
OURS = "ray::Worker"
IMPORTS = """
import os
from motherlode.cli.engine import make_engine
from motherlode.corpus.corpus import Corpus
from motherlode.mining.mine import mine
import sklearn.cluster, sklearn.linear_model, sklearn.utils.extmath
name, address = sys.argv[2:4]
engine = make_engine(name, 2 if name == "local" else None, address or None, quiet=True)
"""
BODY = """
os.makedirs(sys.argv[1], exist_ok=True)
os.chdir(sys.argv[1])
with engine:
    corpus = Corpus.build(sys.argv[4], "corpus", engine=engine, shard_rows=60, split_bytes=20_000)
    seeds = dict(argument.split("=") for argument in sys.argv[5:])
    mine(corpus, seeds, "out", engine=engine, contrast=("background",), rounds=1)
"""


@dataclass
class Setting:
    """A cluster of two nodes, the program on it, and what an undisturbed local run leaves."""

    cluster: Any
    program: Program
    wanted: dict[str, bytes]
    seconds: float

    def kill(self, process: subprocess.Popen[str], victim: Victim, choice: random.Random) -> bool:
        """Kill with SIGKILL; return whether there was something to kill."""
        if process.poll() is not None:
            return False
        if victim == "driver":
            process.kill()
        elif victim == "worker":
            workers = ray_workers(self.cluster, OURS)
            if not workers:
                return False
            with contextlib.suppress(psutil.NoSuchProcess):
                choice.choice(workers).kill()
        else:
            node = next(iter(self.cluster.worker_nodes))
            self.cluster.remove_node(node, allow_graceful=False)
            add_node(self.cluster)
        return True


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory, seed_files: Mapping[str, Path], ray_cluster: Any) -> Setting:
    folder = tmp_path_factory.mktemp("undisturbed")
    source = write_lines(folder / "documents.jsonl", records(300))
    more = (str(source), *(f"{topic}={path}" for topic, path in seed_files.items()))
    seconds = Program(IMPORTS, BODY, ("local", "", *more)).run(folder / "local")
    wanted = contents(folder / "local")
    assert any(name.startswith("out/domains/") for name in wanted)
    assert len([name for name in wanted if name.startswith("corpus/documents/")]) > 4
    return Setting(ray_cluster, Program(IMPORTS, BODY, ("ray", ray_cluster.address, *more)), wanted, seconds)


def kill_in_turn(setting: Setting, folder: Path, victims: Sequence[Victim], random_seed: int) -> int:
    """Kill one victim after the other, on runs that go on from each other, and compare what is left in the end."""
    choice, kills = random.Random(random_seed), 0
    for victim in victims:
        process = setting.program.start(folder)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(choice.uniform(0.0, setting.seconds))
        kills += setting.kill(process, victim, choice)
        if victim == "driver":
            process.communicate(timeout=600)
            assert gone(setting.cluster, OURS), "workers outlived their driver"
            continue
        finish(process)  # whatever it lost
        wrong = differences(contents(folder), setting.wanted)
        assert not wrong, f"after {kills} kills (random_seed={random_seed}): {wrong[:5]}"
        shutil.rmtree(folder)
    setting.program.run(folder)
    assert differences(contents(folder), setting.wanted) == []
    shutil.rmtree(folder)
    return kills


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_that_loses_a_worker_ends_in_the_same_bytes(setting: Setting, tmp_path: Path) -> None:
    process = setting.program.start(tmp_path / "out")
    begun, killed = tmp_path / "out" / "corpus" / "documents", False
    while process.poll() is None and not killed:
        time.sleep(0.05)
        killed = begun.exists() and setting.kill(process, "worker", random.Random(0))
    assert killed
    finish(process)
    assert differences(contents(tmp_path / "out"), setting.wanted) == []


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("random_seed", [1, 2, 3, 4])
@pytest.mark.timeout(3600)
def test_a_killed_run_ends_in_the_same_bytes(setting: Setting, tmp_path: Path, random_seed: int) -> None:
    victims: list[Victim] = ["driver", "worker", "node"]
    kills = kill_in_turn(setting, tmp_path / "out", victims * 3, random_seed)
    assert kills >= 6  # some find nothing to kill: the run was over, or no worker had started
