"""A killed run goes on to the same curve, the same weights and the same log; nothing that it leaves is a pickle."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="the extra 'train' is not installed")

import torch

from motherlode.adaptation.cpt import Pretrained, continue_pretraining
from motherlode.adaptation.log import read_log
from motherlode.adaptation.sft import FineTuned, fine_tune
from motherlode.errors import InputError
from tests.adaptation import setting
from tests.kill import Program

_BYTES = ("adapter/adapter_model.safetensors", "adapter/adapter_config.json", "model/model.safetensors", "log.jsonl")
_PATIENCE = 250.0


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Compute as the killed process does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def sft(folder: Path, out: Path, **options: Any) -> FineTuned:
    """Fine-tune for 32 steps."""
    files = [folder / "domain.jsonl", folder / "pool.jsonl"]
    given = {"epochs": 4, "batch": 3, "checkpoint_every": 3, "eval_every": 2, "patience": 100, **options}
    return fine_tune(files, out, model=str(folder / "model"), dev=files[0], learning_rate=1e-2, **given)


def cpt(folder: Path, out: Path) -> Pretrained:
    """Continue pre-training for 32 steps."""
    names = {"general": "general", "domain_dev": "domain-dev"}
    files = {name: folder / f"{file}.jsonl" for name, file in names.items()}
    sizes = {"sequence_length": 48, "batch": 4, "tokens": 6000, "checkpoint_every": 3, "eval_every": 4}
    return continue_pretraining(
        folder / "domain.jsonl", out, model=str(folder / "model"), ratio=0.5, learning_rate=1e-2, **files, **sizes
    )


def _kill_after(way: str, folder: Path, out: Path, step: int) -> None:
    """Run in another process, and kill it once it has logged a step; again if it was done before the kill came."""
    imports = f"from pathlib import Path\nfrom tests.adaptation.test_resume import {way}"
    program = Program(imports, f"{way}(Path(sys.argv[2]), Path(sys.argv[1]))", (str(folder),))
    before = out.with_name("before")
    if out.exists():
        shutil.copytree(out, before)
    for _ in range(5):
        process = program.start(out)
        began = time.monotonic()
        while process.poll() is None and time.monotonic() - began < _PATIENCE:
            if any(line["step"] >= step and "loss" in line for line in read_log(out)):
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        if process.returncode == -signal.SIGKILL:
            break
        assert process.returncode == 0, errors
        shutil.rmtree(out)
        if before.exists():
            shutil.copytree(before, out)
    assert process.returncode == -signal.SIGKILL
    shutil.rmtree(before, ignore_errors=True)


def _pickles(out: Path) -> list[str]:
    endings = {".safetensors", ".json", ".jsonl", ".jinja", ".lock"}
    return [path.name for path in out.rglob("*") if path.is_file() and (path.suffix or path.name) not in endings]


@pytest.mark.parametrize(
    ("train", "kills"),
    [(sft, [5]), (cpt, [5]), pytest.param(sft, [1, 4, 11, 14, 20, 25], marks=pytest.mark.long)],
    ids=["sft", "cpt", "sft-many"],
)
def test_a_killed_run_ends_as_one_that_was_not(tmp_path: Path, train: Callable[..., Any], kills: list[int]) -> None:
    (setting.samples if train is sft else setting.documents)(tmp_path)
    killed = tmp_path / "killed"
    for step in kills:
        _kill_after(train.__name__, tmp_path, killed, step)
        assert not _pickles(killed)
    state = json.loads((killed / "checkpoint" / "state.json").read_text())
    assert state["step"] > kills[-1] - 3  # it goes on from here, not from the start
    if train is sft:
        with pytest.raises(InputError, match=r"holds the output of other settings \(epochs: 4 -> 5\)"):
            sft(tmp_path, killed, epochs=5)
    again, whole = train(tmp_path, killed), train(tmp_path, tmp_path / "whole")
    assert len(whole.losses) == 32
    assert again.losses == whole.losses
    for name in _BYTES:
        assert (killed / name).exists() == (tmp_path / "whole" / name).exists()
        if (killed / name).exists():
            assert (killed / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert not (killed / "checkpoint").exists()
    assert not (killed / "best.safetensors").exists()
    before = (killed / "result.json").stat().st_mtime_ns
    assert train(tmp_path, killed) == again  # done: read, not repeated
    assert (killed / "result.json").stat().st_mtime_ns == before
