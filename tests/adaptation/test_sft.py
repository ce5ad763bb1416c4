"""Fine-tuning: the same losses packed and unpacked, whatever the passes; what is written can be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("trl", reason="the extra 'train' is not installed")

import torch
import transformers
from peft import PeftModel

from motherlode.adaptation.sft import FineTuned, fine_tune
from tests.adaptation import setting


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return setting.samples(tmp_path_factory.mktemp("sft"))


@pytest.fixture(scope="module")
def tuned(place: Path) -> FineTuned:
    files = [place / "domain.jsonl", place / "pool.jsonl"]
    return fine_tune(
        files,
        place / "tuned",
        model=str(place / "model"),
        dev=files[0],
        epochs=2,
        batch=4,
        learning_rate=1e-2,
        merge=True,
    )


def test_losses_fall_and_the_run_is_read_again(place: Path, tuned: FineTuned) -> None:
    assert tuned.steps == 2 * 6 == len(tuned.losses)
    assert tuned.losses[-1] < tuned.losses[0]
    assert [step for step, _ in tuned.dev_losses] == [0, 6, 12]
    assert FineTuned.read(place / "tuned") == tuned


def test_packed_and_unpacked_training_are_the_same(place: Path, tuned: FineTuned) -> None:
    files = [place / "domain.jsonl", place / "pool.jsonl"]
    for name, options in (("unpacked", {"packing": False}), ("small-passes", {"token_budget": 40})):
        other = fine_tune(
            files,
            place / name,
            model=str(place / "model"),
            dev=files[0],
            epochs=2,
            batch=4,
            learning_rate=1e-2,
            **options,
        )
        np.testing.assert_allclose(other.losses, tuned.losses, rtol=2e-5)
        assert other.tokens == tuned.tokens


@pytest.mark.filterwarnings("ignore::FutureWarning")  # PEFT's calls of Transformers
def test_merged_model_computes_what_base_and_adapter_do(place: Path, tuned: FineTuned) -> None:
    assert tuned.merged is not None
    base = transformers.AutoModelForCausalLM.from_pretrained(place / "model")
    ids = torch.arange(20)[None]
    with torch.no_grad():
        plain = base(ids).logits
        adapted = PeftModel.from_pretrained(base, str(tuned.adapter))(ids).logits
        merged = transformers.AutoModelForCausalLM.from_pretrained(tuned.merged)(ids).logits
    assert not torch.allclose(plain, adapted, atol=1e-2)
    torch.testing.assert_close(adapted, merged, atol=1e-4, rtol=1e-4)
