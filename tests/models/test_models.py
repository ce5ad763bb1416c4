"""Models are loaded from safetensors only; samples become tokens with or without a chat template; memory runs out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'select' is not installed")
pytest.importorskip("peft", reason="the extra 'select' is not installed")

from motherlode.errors import InputError, MotherlodeError  # noqa: E402
from motherlode.models.batches import Batch, Batcher, plan  # noqa: E402
from motherlode.models.load import load_model  # noqa: E402
from motherlode.models.lora import AdaptedModel, LoraOptions  # noqa: E402
from motherlode.models.rows import Samples  # noqa: E402
from motherlode.models.samples import Sample  # noqa: E402
from motherlode.models.token_cache import TokenCache  # noqa: E402
from motherlode.models.tokens import Tokeniser  # noqa: E402
from tests.models import tiny  # noqa: E402
from tests.selection.setting import samples  # noqa: E402

TALK = Sample(({"role": "user", "content": "Why?"},), "Because.")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("shape", tiny.SHAPES)
def test_an_adapter_is_saved_and_loaded_to_the_bit(tmp_path: Path, shape: str) -> None:
    tiny.save(tmp_path / "model", shape)
    first = AdaptedModel.attach(load_model(str(tmp_path / "model"), device="cpu"), LoraOptions(rank=3), random_seed=5)
    with torch.no_grad():
        for factors in first.layers:
            factors.b.normal_()
    first.save(tmp_path / "adapter")
    again = AdaptedModel.load(load_model(str(tmp_path / "model"), device="cpu"), tmp_path / "adapter")
    assert [f.name for f in again.layers] == [f.name for f in first.layers]
    assert all(torch.equal(a, b) for a, b in zip(first.parameters, again.parameters, strict=True))
    inputs = {"input_ids": torch.tensor([[1, 2, 3]])}
    assert torch.equal(first.hidden(inputs), again.hidden(inputs))


def test_checkpoints_that_cannot_be_loaded(folder: Path, tmp_path: Path) -> None:
    def refused(name: str, line: str) -> None:
        with pytest.raises(InputError, match=line) as caught:
            load_model(str(tmp_path / name), device="cpu")
        assert "\n" not in str(caught.value)

    refused("absent", "no such folder")
    (tmp_path / "empty").mkdir()
    refused("empty", r"has no config\.json")
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "config.json").write_bytes((folder / "config.json").read_bytes())
    refused("pickled", "has no weights")
    (tmp_path / "pickled" / "pytorch_model.bin").write_bytes(b"\x80\x04")
    refused("pickled", "only pickled weights .* can run code")
    tiny.save(tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    refused("cut", "cannot be loaded .*; the weights are damaged, cut off")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "cut" / "model.safetensors.index.json").write_text(json.dumps(index))
    refused("cut", "lacks 2 of 2 weight files.*interrupted")
    tiny.save(tmp_path / "mute")
    for path in (tmp_path / "mute").glob("tokenizer*"):
        path.unlink()
    refused("mute", "tokenizer knows no letter.*files are missing")
    with pytest.raises(InputError, match="is no device"):
        load_model(str(folder), device="abacus")
    with pytest.raises(InputError, match="install flash-attn, or use --attention sdpa"):
        load_model(str(folder), device="cpu", attention="flash_attention_2")


def test_downloads_from_the_hub_that_were_interrupted(folder: Path, tmp_path: Path) -> None:
    """In a process of its own: where the cache lies and whether there is a network is read when it starts."""
    cache = tmp_path / "hub" / "models--org--part"
    snapshot = cache / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc")
    for path in folder.iterdir():
        if path.suffix != ".safetensors":
            (snapshot / path.name).write_bytes(path.read_bytes())
    script = """
import sys
from motherlode.errors import InputError
from motherlode.models.load import load_model
for name in ("org/absent", "org/part"):
    try:
        load_model(name, device="cpu")
    except InputError as error:
        print(error)
"""
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    absent, part = done.stdout.splitlines()
    assert "the hub is not reached" in absent
    assert "its download was interrupted" in part


def test_a_model_without_targets_and_adapters_that_do_not_fit(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no modules that LoRA can adapt"):
        AdaptedModel.attach(load_model(str(folder), device="cpu"), LoraOptions(targets=("absent",)))
    with pytest.raises(InputError, match="not a plain linear map"):
        AdaptedModel.attach(load_model(str(folder), device="cpu"), LoraOptions(targets=("embed_tokens",)))
    with pytest.raises(InputError, match="no such folder"):
        AdaptedModel.load(load_model(str(folder), device="cpu"), tmp_path / "absent")
    AdaptedModel.attach(load_model(str(folder), device="cpu")).save(tmp_path / "adapter")
    config = tmp_path / "adapter" / "adapter_config.json"
    values = json.loads(config.read_text())
    config.write_text(json.dumps({**values, "use_dora": True}))
    with pytest.raises(InputError, match="use_dora"):
        AdaptedModel.load(load_model(str(folder), device="cpu"), tmp_path / "adapter")
    config.write_text(json.dumps(values))
    (tmp_path / "adapter" / "adapter_model.safetensors").rename(tmp_path / "adapter" / "adapter_model.bin")
    with pytest.raises(InputError, match="only pickled weights"):
        AdaptedModel.load(load_model(str(folder), device="cpu"), tmp_path / "adapter")


def test_tokens_of_texts_and_messages() -> None:
    plain, chat = tiny.tokenizer(), tiny.tokenizer(chat=True)

    def halves(tokeniser: Tokeniser, sample: Sample) -> tuple[str, str]:
        tokens = tokeniser(sample)
        decode = tokeniser.tokenizer.decode
        return decode(tokens.ids[: tokens.start]), decode(tokens.ids[tokens.start :])

    assert halves(Tokeniser(plain), Sample("Why? ", "So.")) == ("Why? ", "So.<|end|>")
    assert halves(Tokeniser(plain), TALK) == ("User: Why?\nAssistant: ", "Because.<|end|>")
    assert halves(Tokeniser(chat), Sample("Why? ", "So.")) == ("Why? ", "So.<|end|>")
    given = "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
    begin, end = halves(Tokeniser(chat), TALK)
    assert begin == given
    assert end.startswith("Because.<|im_end|>")
    assert halves(Tokeniser(chat, template="chat"), Sample("Why? ", "Because."))[0] == given
    assert halves(Tokeniser(chat, template="plain"), TALK)[0] == "User: Why?\nAssistant: "
    with pytest.raises(InputError, match="no chat template"):
        Tokeniser(plain, template="chat")


def test_rows_are_tokenised_once_whatever_the_order(tmp_path: Path) -> None:
    texts = [f"{'word ' * (number % 7)}{number}" for number in range(20)]
    rows = [{"prompt": text, "completion": text[::-1]} for text in texts] + [{"prompt": "a"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = Samples.open(tmp_path / "rows.jsonl")
    tokeniser = Tokeniser(tiny.tokenizer(), max_length=40)
    asked: list[Any] = []
    cache = TokenCache(read, lambda sample: (asked.append(sample), tokeniser(sample))[1])  # type: ignore[arg-type]
    wanted = [tokeniser(read[row]) for row in range(20)]
    for order in (range(5, 15), range(20), [3, 3, 19, 0]):
        for row, found in zip(order, cache(order), strict=True):
            assert found.ids.dtype == np.int64
            assert found.ids.tolist() == wanted[row].ids.tolist()
            assert (found.start, found.truncated) == (wanted[row].start, wanted[row].truncated)
    assert len(asked) == 20
    assert any(tokens.truncated for tokens in wanted)
    with pytest.raises(InputError, match=r"rows\.jsonl:21: is no sample"):
        cache([20])


def test_longer_samples_are_cut_and_counted() -> None:
    sample = Sample("abcdefgh", "ij")
    left = Tokeniser(tiny.tokenizer(), max_length=5)(sample)
    assert (len(left.ids), left.start, left.truncated, left.targets) == (5, 2, 6, 3)
    with pytest.raises(InputError, match="nothing of its completion is left"):
        Tokeniser(tiny.tokenizer(), max_length=5, truncate="right")(sample)
    right = Tokeniser(tiny.tokenizer(), max_length=9, truncate="right")(sample)
    assert (len(right.ids), right.start, right.truncated) == (9, 8, 2)


def test_a_plan_keeps_to_its_budget() -> None:
    lengths = np.random.default_rng(0).integers(1, 50, 200).tolist()
    groups = plan(lengths, 120)
    assert sorted(index for group in groups for index in group) == list(range(200))
    assert all(len(group) * max(lengths[i] for i in group) <= 120 for group in groups)
    assert plan([5, 500, 7], 100) == [[1], [2, 0]]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("out"), RuntimeError("can't allocate memory: you tried")])
def test_batches_shrink_when_memory_runs_out(error: Exception) -> None:
    tokens = samples(50)
    seen: list[int] = []

    def work(batch: Batch) -> None:
        if batch.input_ids.numel() > 40:
            raise error
        seen.extend(batch.samples)

    batcher = Batcher(300)
    batcher.run(tokens, work)
    assert sorted(seen) == list(range(50))
    assert batcher.budget <= 40
    with pytest.raises(MotherlodeError, match="does not suffice for one sample"):
        Batcher(300).run(tokens, lambda _batch: (_ for _ in ()).throw(error))
    with pytest.raises(ValueError, match="other"):
        Batcher(300).run(tokens, lambda _batch: (_ for _ in ()).throw(ValueError("other")))
