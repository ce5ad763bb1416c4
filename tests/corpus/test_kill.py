"""`Corpus.build` is killed at random points, nine times, and ends in the same bytes; `make test-long`: 106 more.

The build has every step on, over a crawl, JSON lines and text files: reading, extraction, languages, quality,
decontamination, masking, near-duplicates, repeated paragraphs, chunks, rejected documents kept. All kills share one
undisturbed build; most of the time goes into starting interpreters.
"""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.shards.engine import LocalEngine
from tests.corpus.everything import write_everything
from tests.kill import Program, Victim, contents, kill_and_rerun

pytest.importorskip("resiliparse", reason="the extra 'web' is not installed")
pytest.importorskip("pycld2", reason="the extra 'web' is not installed")

IMPORTS = """
import json
import pycld2, resiliparse.extract.html2text, resiliparse.parse.encoding
from motherlode.corpus import build, decide, read
from motherlode.corpus.corpus import Corpus
from motherlode.shards.engine import LocalEngine
"""
BODY = """
workers, overwrite = int(sys.argv[2]), sys.argv[3] == "overwrite"
inputs, settings = json.loads(sys.argv[4])
with LocalEngine(workers, quiet=True) as engine:
    Corpus.build(inputs, sys.argv[1], engine=engine, overwrite=overwrite, **settings)
"""
GROUPS: list[Victim] = ["driver", "group"]
ALL: list[Victim] = ["driver", "group", "worker"]
# Chains of their own, so that parallel test processes share them evenly: (workers, whom to kill, random seed).
SOME = [(2, ALL, 9)]
MORE = [(1, GROUPS * 2, 0)]
MORE += [*((1, GROUPS * 5, seed) for seed in range(1, 8)), *((2, ALL * 2, seed) for seed in range(10, 16))]
RUNS = [*SOME, *(pytest.param(*run, marks=pytest.mark.long) for run in MORE)]


@dataclass(frozen=True)
class Undisturbed:
    """What an undisturbed build leaves, and how long it takes with one worker or two."""

    arguments: str
    wanted: dict[str, bytes]
    seconds: dict[int, float]

    def program(self, workers: int, overwrite: str = "") -> Program:
        return Program(IMPORTS, BODY, (str(workers), overwrite, self.arguments))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "in").mkdir()
    everything = write_everything(folder / "in", more=40)
    built = Undisturbed(json.dumps([everything.inputs, everything.settings]), {}, {})
    for workers in (1, 2):
        built.seconds[workers] = built.program(workers).run(folder / f"{workers}")
        assert contents(folder / f"{workers}") == contents(folder / "1")
    stats = Corpus(folder / "1").stats()
    assert stats.adds_up and stats.chunks and len(stats.stages) == 7
    wanted = contents(folder / "1")
    parts = {name.split("/")[0] for name in wanted}
    assert parts == {"contamination", "documents", "duplicates", "quarantine", "rejected", "manifest.jsonl"}
    assert sum(name.startswith("documents/") for name in wanted) > 6
    built.wanted.update(wanted)
    return built


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "victims", "random_seed"), RUNS)
def test_a_killed_build_ends_in_the_same_bytes(
    undisturbed: Undisturbed, tmp_path: Path, workers: int, victims: list[Victim], random_seed: int
) -> None:
    program, seconds = undisturbed.program(workers), undisturbed.seconds[workers]
    kills = kill_and_rerun(program, tmp_path / "out", undisturbed.wanted, seconds, victims, random_seed)
    assert kills == len(victims)


@pytest.mark.slow
def test_a_killed_overwriting_ends_in_the_same_bytes(undisturbed: Undisturbed, tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_text(json.dumps({"text": "another corpus that is in the way here"}) + "\n")
    program, choice = undisturbed.program(1, "overwrite"), random.Random(31)
    Corpus.build(tmp_path / "other.jsonl", tmp_path / "out", engine=LocalEngine(1, quiet=True), min_words=1)
    for _ in range(2):
        process = program.start(tmp_path / "out")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(choice.uniform(0, undisturbed.seconds[1] / 2))
        process.kill()
        process.communicate()
    program.run(tmp_path / "out")
    assert contents(tmp_path / "out") == undisturbed.wanted
