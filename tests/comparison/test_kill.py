"""A comparison that is killed goes on: the same tables, byte by byte, whenever and however often it happens."""

from __future__ import annotations

import contextlib
import random
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="the extra 'train' is not installed")
pytest.importorskip("lm_eval", reason="the extra 'evaluate' is not installed")

from tests.comparison.setting import config, files, save
from tests.kill import Program, finish, kill

pytestmark = pytest.mark.timeout(900)  # a busy machine is slow; nothing here measures time

IMPORTS = """
from motherlode.comparison.compare import compare
import lm_eval, trl, motherlode.evaluation.evaluate, motherlode.adaptation.sft_job, motherlode.selection.select
"""
TABLES = ("results", "items", "sources")


def program(path: Path, workers: int) -> Program:
    call = f"made = compare(sys.argv[2], sys.argv[1], workers={workers})\nassert not made.failures, made.failures"
    return Program(IMPORTS, f"if __name__ == '__main__':\n    {call.replace(chr(10), chr(10) + '    ')}", (str(path),))


def tables(out: Path) -> dict[str, bytes]:
    return {name: (out / f"{name}.parquet").read_bytes() for name in TABLES}


def check(tmp_path: Path, workers: int, kills: int) -> None:
    folder = files(tmp_path / "files")
    methods = {"base": None, "domain-only": {"epochs": [1]}, "ntk": {"warmup_epochs": 1, "preselect": "none"}}
    path = save(folder, config(methods=methods, random_seeds=1))
    seconds = program(path, workers).run(tmp_path / "whole")
    wanted = tables(tmp_path / "whole")
    choice = random.Random(7)
    out = tmp_path / "killed"
    met = 0
    for _ in range(kills):
        process = program(path, workers).start(out)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(choice.uniform(0.1, 0.8) * seconds)
        met += kill(process, "group", choice)
        process.communicate(timeout=120)
    last = program(path, workers).start(out)
    finish(last)
    assert met
    assert tables(out) == wanted


@pytest.mark.long
def test_killed_and_run_again(tmp_path: Path) -> None:
    check(tmp_path, workers=1, kills=2)


@pytest.mark.long
def test_killed_again_and_again_with_workers(tmp_path: Path) -> None:
    check(tmp_path, workers=2, kills=4)
