"""Killed runs: whenever, however often, the next run goes on and ends in the same bytes."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from motherlode.shards.manifest import Manifest
from tests.kill import Program, contents, differences, finish, kill, kill_and_rerun
from tests.workflow.setting import states, write_config, write_data

PROGRAM = Program(
    """
import motherlode.workflow.stages.corpus, motherlode.workflow.stages.mine, motherlode.workflow.stages.select
import motherlode.workflow.stages.report, motherlode.selection.select, motherlode.report.mining
from pathlib import Path
from motherlode.shards.engine import LocalEngine
from motherlode.workflow.run import run_project
""",
    """
with LocalEngine(1, quiet=True) as engine:
    run_project(Path(sys.argv[1]).parent / "motherlode.yaml", engine=engine, quiet=True)
""",
)


@pytest.mark.slow
def test_a_killed_project_ends_in_the_same_bytes(tmp_path: Path) -> None:
    write_config(write_data(tmp_path, 80))
    out = tmp_path / "out"
    seconds = PROGRAM.run(out)
    wanted = contents(out)
    shutil.rmtree(out)
    assert kill_and_rerun(PROGRAM, out, wanted, seconds, ["driver"], random_seed=6) == 1


@pytest.mark.long
def test_a_killed_project_ends_in_the_same_bytes_wherever_the_kill_falls(tmp_path: Path) -> None:
    write_config(write_data(tmp_path, 150))
    out = tmp_path / "out"
    seconds = PROGRAM.run(out)
    wanted = contents(out)
    shutil.rmtree(out)
    victims = ["driver", "group"] * 12
    assert kill_and_rerun(PROGRAM, out, wanted, seconds, victims, random_seed=7) == len(victims)  # type: ignore[arg-type]


@pytest.mark.long
def test_a_stale_project_that_is_killed_on_its_way_ends_as_a_new_one(tmp_path: Path) -> None:
    """Options change, the run is killed, and changes back and forth leave nothing of what was between."""
    out = tmp_path / "out"
    changed = {"corpus": {"inputs": ["data/raw.jsonl"], "shard_rows": 100, "min_words": 35}}
    config = write_config(write_data(tmp_path, 150), **changed)
    PROGRAM.run(out)
    wanted = contents(out)
    shutil.rmtree(out)
    write_config(tmp_path)
    seconds = PROGRAM.run(out)
    choice = random.Random(8)
    for changes in (changed, {}):
        write_config(tmp_path, **changes)
        process = PROGRAM.start(out)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(choice.uniform(0.1, 0.7) * seconds)
        kill(process, "driver", choice)
        process.communicate()
    write_config(tmp_path, **changed)
    finish(PROGRAM.start(out))
    assert set(states(config).values()) == {"done"}
    wrong = differences(contents(out), wanted)
    assert [name for name in wrong if not name.startswith("select/work/")] in ([], ["manifest.jsonl"])
    done = {name for name, entry in Manifest.read(out).entries.items() if entry.stats}
    assert done == {"corpus", "seeds", "mine", "select", "report"}
