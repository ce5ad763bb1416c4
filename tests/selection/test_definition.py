"""Scores against their definition, in plain transformers, PEFT and autograd: of ours there is the command alone."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

torch = pytest.importorskip("torch", reason="the extra 'select' is not installed")
peft = pytest.importorskip("peft", reason="the extra 'select' is not installed")
import transformers  # noqa: E402

from motherlode.cli import main  # noqa: E402
from tests.models import tiny  # noqa: E402

PAIRS = [
    ("Where does the river end? ", "In the sea."),
    ("How many windows has the harbour? ", "Twelve, and one door."),
    ("Name a metal. ", "Copper"),
    ("Who keeps the ledger? ", "The clerk of the market keeps it."),
    ("What is it? ", "A lantern."),
    ("", "Threads run through violet cloth."),
]
FORMS = ("texts", "alpaca", "messages")


def rows(form: str) -> list[dict[str, Any]]:
    """The pairs as rows of a form, an id each."""
    if form == "texts":
        return [{"prompt": prompt, "completion": completion} for prompt, completion in PAIRS]
    if form == "alpaca":
        return [{"instruction": "Answer.", "input": prompt, "output": completion} for prompt, completion in PAIRS]
    return [
        {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]}
        for prompt, completion in PAIRS
    ]


def tokens(tokenizer: Any, row: dict[str, Any]) -> tuple[list[int], int]:
    """A row's tokens, prompt, completion and end, and how many of them the prompt has."""
    if "messages" in row:
        turns = row["messages"]
        prompt = tokenizer.apply_chat_template(turns[:-1], tokenize=False, add_generation_prompt=True)
        completion = tokenizer.apply_chat_template(turns, tokenize=False)[len(prompt) :]
        end = []
    else:
        between = f"\n\n{row['input']}" if row.get("input") else ""
        prompt = row["prompt"] if "prompt" in row else f"{row['instruction']}{between}\n\n"
        completion, end = row.get("completion", row.get("output")), [tokenizer.eos_token_id]
    first = tokenizer(prompt)["input_ids"] if prompt else []
    return first + tokenizer(completion)["input_ids"] + end, len(first)


def gradient(model: Any, ids: list[int], start: int, kernel: str) -> Any:
    """The gradient of F at one sample, with respect to the adapter: one long vector."""
    logits = model(input_ids=torch.tensor([ids])).logits[0].double()
    if kernel == "ntk":
        value = logits.sum() / len(ids)
    else:
        first = max(start, 1)
        value = torch.nn.functional.cross_entropy(logits[first - 1 : -1], torch.tensor(ids[first:]))
    adapter = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.cat([part.flatten().double() for part in torch.autograd.grad(value, adapter)])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a chat template, and an adapter on some of its layers, as PEFT writes it."""
    folder = tiny.save(tmp_path_factory.mktemp("definition") / "model", chat=True).parent
    config = peft.LoraConfig(
        r=3, lora_alpha=12, target_modules=["q_proj", "down_proj"], lora_dropout=0.1, task_type="CAUSAL_LM"
    )
    with torch.random.fork_rng(), warnings.catch_warnings(action="ignore"):  # PEFT asks for what is deprecated
        torch.manual_seed(1)
        wrapped = peft.get_peft_model(tiny.model("qwen3"), config)
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, 0, 0.1)
    wrapped.save_pretrained(folder / "adapter")
    return folder


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kernel", ["ntk", "loss"])
def test_scores_are_means_of_inner_products_of_gradients(place: Path, tmp_path: Path, form: str, kernel: str) -> None:
    made = rows(form)
    for name, part in (("domain", made[:2]), ("pool", made[2:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    options = {"--model": place / "model", "--adapter": place / "adapter", "--kernel": kernel, "--preselect": "none"}
    options |= {"--domain": tmp_path / "domain.jsonl", "--pool": tmp_path / "pool.jsonl", "-n": 2, "--device": "cpu"}
    options |= {"--out": tmp_path / "out.jsonl", "--scores-out": tmp_path / "scores.parquet"}
    with pytest.raises(SystemExit) as left:
        main(["select", *(str(part) for pair in options.items() for part in pair)])
    assert left.value.code == 0

    tokenizer = transformers.AutoTokenizer.from_pretrained(place / "model")
    base = transformers.AutoModelForCausalLM.from_pretrained(place / "model")
    with warnings.catch_warnings(action="ignore"):
        model = peft.PeftModel.from_pretrained(base, place / "adapter", is_trainable=True).eval()
    found = [gradient(model, *tokens(tokenizer, row), kernel) for row in made]
    wanted = [float(torch.stack([d @ c for d in found[:2]]).mean()) for c in found[2:]]
    table = pq.read_table(tmp_path / "scores.parquet")
    assert table.column_names == ["index", "score"]
    assert table["index"].to_pylist() == [0, 1, 2, 3]
    np.testing.assert_allclose(table["score"].to_numpy(), wanted, rtol=1e-4, atol=1e-6 * np.abs(wanted).max())
