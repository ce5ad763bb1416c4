"""The Slurm recipe, with `srun` and `scontrol` that know one machine only: it starts Ray, runs a command, and ends it.

What this cannot show is Slurm itself: allocation, placement of the steps, signals at the time limit.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.shards.engine import LocalEngine
from tests.kill import contents

RECIPE = Path(__file__).parents[2] / "docs" / "ray.sbatch"
SRUN = """#!/bin/bash
while [[ "$1" == --* ]]; do shift; done
if [[ "$1" == hostname ]]; then echo 127.0.0.1; else exec "$@"; fi
"""
SCONTROL = "#!/bin/bash\nprintf 'one\\ntwo\\n'\n"


def test_the_recipe_is_a_shell_script_that_parses() -> None:
    subprocess.run(["bash", "-n", str(RECIPE)], check=True)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_command_runs_on_the_nodes_of_an_allocation(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    (tmp_path / "bin").mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    source = tmp_path / "in.jsonl"
    texts = [f"document {number} tells of the river and of {number * 7} boats on it" for number in range(40)]
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RAY_PORT": str(port),
        "SLURM_CPUS_PER_TASK": "1",
        "SLURM_JOB_NODELIST": "[one-two]",
        "SLURM_JOB_NUM_NODES": "2",
    }
    command = [sys.executable, "-m", "motherlode", "corpus", "build", str(source), "--engine", "ray"]
    done = subprocess.run(
        ["bash", str(RECIPE), *command, "--out", str(tmp_path / "ray"), "--shard-rows", "5"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "Ray outlived the job"
    with LocalEngine(1, quiet=True) as engine:
        Corpus.build(source, tmp_path / "local", engine=engine, shard_rows=5)
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
