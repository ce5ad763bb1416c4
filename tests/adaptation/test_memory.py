"""Memory that runs out, really: the process may have a little more than it has, and goes on in smaller passes."""

from __future__ import annotations

import contextlib
import json
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("trl", reason="the extra 'train' is not installed")

import torch
from safetensors.torch import load_file

from motherlode.adaptation.options import SftOptions
from motherlode.adaptation.sft import FineTuned, fine_tune
from motherlode.adaptation.sft_job import SftJob
from motherlode.errors import MotherlodeError
from tests.models import tiny


@contextlib.contextmanager
def _no_more_than(more: int) -> Iterator[None]:
    """Let this process have so many more bytes of addresses than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _samples(path: Path, count: int, letters: int) -> Path:
    rows = [{"prompt": f"{n} ", "completion": "abcdefgh"[n % 8] * letters} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_step_that_does_not_fit_is_done_in_smaller_passes(tmp_path: Path) -> None:
    tiny.save(tmp_path / "model")
    file = _samples(tmp_path / "train.jsonl", 320, 110)
    options = {"batch": 320, "max_steps": 1, "learning_rate": 1e-2, "lora_rank": 4, "packing": False}
    usual = fine_tune(file, tmp_path / "usual", model=str(tmp_path / "model"), **options)
    settings = SftOptions(model=str(tmp_path / "model"), token_budget=60_000, **options)
    with SftJob(file, tmp_path / "narrow", None, settings) as job:
        assert job.trainer.budget == 60_000
        with _no_more_than(120 << 20):
            job.train(quiet=True)
        assert job.trainer.budget < 30_000
    narrow = FineTuned.read(tmp_path / "narrow")
    np.testing.assert_allclose(narrow.losses, usual.losses, rtol=1e-5)
    weights = [load_file(run.adapter / "adapter_model.safetensors") for run in (usual, narrow)]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(tensor, weights[1][name], rtol=1e-3, atol=1e-4)


def test_one_row_that_does_not_fit_is_one_line(tmp_path: Path) -> None:
    tiny.model("qwen3", max_position_embeddings=100_000).save_pretrained(tmp_path / "model")
    tiny.tokenizer().save_pretrained(tmp_path / "model")
    file = _samples(tmp_path / "train.jsonl", 1, 16_000)
    settings = SftOptions(model=str(tmp_path / "model"), max_length=100_000)
    with (
        SftJob(file, tmp_path / "out", None, settings) as job,
        _no_more_than(6 << 20),
        pytest.raises(MotherlodeError, match=r"memory does not suffice for one row of 16,0.. tokens; use a smaller"),
    ):
        assert job.trainer.steps.rows(0)
        job.train(quiet=True)
