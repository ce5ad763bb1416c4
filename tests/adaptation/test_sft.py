"""Fine-tuning: the same losses packed and unpacked, whatever the passes; what is written can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("trl", reason="the extra 'train' is not installed")

import torch
import transformers
from peft import PeftModel
from torch.nn.functional import cross_entropy
from trl.trainer import utils as trl_utils

from motherlode.adaptation import trainer
from motherlode.adaptation.sft import FineTuned, fine_tune
from motherlode.models.rows import Samples
from motherlode.models.tokens import Tokeniser
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


def test_by_samples_each_sample_counts_the_same_however_it_is_packed(place: Path, tmp_path: Path) -> None:
    def train(name: str, **options: Any) -> FineTuned:
        how = {"model": str(place / "model"), "average": "samples", "epochs": 1, "batch": 5, "learning_rate": 1e-2}
        return fine_tune(place / "pool.jsonl", tmp_path / name, dev=place / "domain.jsonl", **how, **options)

    model = transformers.AutoModelForCausalLM.from_pretrained(place / "model")
    tokenise = Tokeniser(transformers.AutoTokenizer.from_pretrained(place / "model"))
    samples = Samples.open(place / "domain.jsonl")
    own = []
    for row in range(10):
        tokens = tokenise(samples[row])
        ids = torch.as_tensor(np.asarray(tokens.ids, dtype=np.int64))[None]
        with torch.no_grad():
            logits = model(ids).logits[0]
        own.append(cross_entropy(logits[tokens.start - 1 : -1], ids[0, tokens.start :]).item())
    packed = train("packed")
    assert packed.dev_losses[0][1] == pytest.approx(np.mean(own), rel=1e-5)
    for name, options in (("unpacked", {"packing": False}), ("small", {"token_budget": 40})):
        other = train(name, **options)
        np.testing.assert_allclose(other.losses, packed.losses, rtol=2e-5)
        np.testing.assert_allclose(np.array(other.dev_losses), np.array(packed.dev_losses), rtol=2e-5)


def test_the_output_head_takes_predicted_positions_only_and_the_loss_is_the_same(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, taken = trl_utils._ChunkedLogProbFunction, []

    class Watched:
        @staticmethod
        def apply(hidden: torch.Tensor, *rest: Any) -> Any:
            taken.append(len(hidden))
            return head.apply(hidden, *rest)

    def train(name: str) -> tuple[float, int]:
        taken.clear()
        model = str(place / "model")
        done = fine_tune(place / "domain.jsonl", tmp_path / name, model=model, batch=10, max_steps=1)
        return done.losses[0], sum(taken)

    monkeypatch.setattr(trl_utils, "_ChunkedLogProbFunction", Watched)
    tokenizer = transformers.AutoTokenizer.from_pretrained(place / "model")
    samples = Samples.open(place / "domain.jsonl")
    predicted = sum(Tokeniser(tokenizer)(samples[row]).targets for row in range(10))
    loss, positions = train("targets")
    assert positions == predicted
    monkeypatch.setattr(trainer, "_ASKED", "is not there")
    whole, all_positions = train("everything")
    assert all_positions > predicted
    assert whole == pytest.approx(loss, rel=1e-5)


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
