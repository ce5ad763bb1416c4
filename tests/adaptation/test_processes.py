"""Two processes of a launcher train to the curve of one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("trl", reason="the extra 'train' is not installed")

from motherlode.adaptation.sft import FineTuned, fine_tune
from tests.adaptation import setting


@pytest.mark.long
@pytest.mark.parametrize("average", ["tokens", "samples"])
def test_two_processes_have_the_curve_of_one(average: str, tmp_path: Path) -> None:
    setting.samples(tmp_path, 10, 11)
    files = [tmp_path / "domain.jsonl", tmp_path / "pool.jsonl"]
    how = {"epochs": 2, "batch": 4, "learning_rate": 1e-2, "average": average}
    one = fine_tune(files, tmp_path / "one", model=str(tmp_path / "model"), dev=files[0], **how)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = Path(__file__).parents[2]
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    command = [
        sys.executable,
        *launcher,
        "--master-port",
        str(port),
        "-m",
        "tests.adaptation.two",
        str(tmp_path),
        average,
    ]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("done") == 2
    two = FineTuned.read(tmp_path / "two")
    np.testing.assert_allclose(two.losses, one.losses, rtol=1e-4)
    np.testing.assert_allclose([loss for _, loss in two.dev_losses], [loss for _, loss in one.dev_losses], rtol=1e-4)
    assert (two.samples, two.tokens, two.best_step) == (one.samples, one.tokens, one.best_step)
