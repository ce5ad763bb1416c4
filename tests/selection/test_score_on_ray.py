"""Kernel scores from workers of a Ray cluster: the bytes of the path within one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from motherlode.errors import InputError
from motherlode.selection.score_task import score_table
from motherlode.selection.select import select
from motherlode.shards.ray_engine import RayEngine
from tests.kill import contents
from tests.selection import setting


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["ntk", pytest.param("loss-adam", marks=pytest.mark.long)])
def test_scores_of_two_workers_are_those_of_one_process(tmp_path: Path, ray_cluster: Any, kernel: str) -> None:
    folder = setting.files(tmp_path)
    options: dict[str, Any] = {"model": str(folder / "model"), "kernel": kernel, "preselect": "none", "shard_rows": 4}
    options |= {"warmup_epochs": 2, "lora_rank": 4, "warmup_batch": 4, "max_length": 64}
    paths = (folder / "domain.jsonl", folder / "pool.jsonl")
    here = select(*paths, 5, work=folder / "here", **options)
    with RayEngine(ray_cluster.address, quiet=True) as engine:
        there = select(*paths, 5, work=folder / "there", runs_on=engine, **options)
        (folder / "pool.jsonl").rename(folder / "elsewhere.jsonl")
        moved = (folder / "domain.jsonl", folder / "elsewhere.jsonl")
        again = select(*moved, 5, work=folder / "there", runs_on=engine, **options)
    assert contents(folder / "here") == contents(folder / "there")
    assert there.scores.tolist() == here.scores.tolist() == again.scores.tolist()
    assert len(list((folder / "there").glob("scores-*/*.parquet"))) == 5


def test_a_score_that_is_not_finite_is_named() -> None:
    rows, scores = np.array([3, 7]), np.array([0.5, np.nan])
    tokens = setting.samples(2)
    with pytest.raises(InputError, match=r"^row 7: its score is not a finite number"):
        score_table(rows, tokens, scores, lambda row: f"row {row}")
    assert score_table(rows, tokens, np.zeros(2), str).num_rows == 2
