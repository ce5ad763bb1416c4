"""Scores through the harness against log-likelihoods computed one sequence at a time, here."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
import transformers

from motherlode.evaluation.evaluate import evaluate
from motherlode.evaluation.items import TaskItem, read_task
from motherlode.evaluation.language_model import HarnessModel
from motherlode.evaluation.local_task import LocalTask
from motherlode.evaluation.perplexity import score_texts, windows
from motherlode.evaluation.prompt import to_completion, to_prompt
from motherlode.models.load import load_model
from tests.evaluation import setting

TRAINED = Path(__file__).parents[3] / "shared" / "models" / "base-8m"


class Request:
    """What the harness passes to a model."""

    def __init__(self, *args: Any) -> None:
        self.args = args


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return setting.tiny_model(tmp_path_factory.mktemp("model"))


def direct(network: Any, tokenizer: Any, prompt: str, completion: str) -> float:
    """The log-likelihood of a completion, by the model's own forward pass on one whole sequence."""
    given = tokenizer(prompt)["input_ids"]
    whole = tokenizer(prompt + completion)["input_ids"]
    with torch.no_grad():
        logits = network(torch.tensor([whole])).logits[0].double().log_softmax(-1)
    return sum(float(logits[place - 1, whole[place]]) for place in range(len(given), len(whole)))


def answers(
    network: Any, tokenizer: Any, items: Sequence[TaskItem], prompts: Sequence[str]
) -> tuple[list[int], list[int], list[list[float]]]:
    """Which choice is likeliest, as it is and by its length; and the right one's probability, both ways."""
    plain, by_length, shares = [], [], []
    for item, prompt in zip(items, prompts, strict=True):
        values = np.array([direct(network, tokenizer, prompt, f" {choice}") for choice in item.choices])
        divided = values / np.array([len(choice) for choice in item.choices])
        plain.append(int(values.argmax()))
        by_length.append(int(divided.argmax()))
        shares.append([float(np.exp(each[item.gold]) / np.exp(each).sum()) for each in (values, divided)])
    return plain, by_length, shares


def check(
    model: str,
    items: Path,
    shots: int,
    adapter: Path | None,
    train: Path | None = None,
    metric: str = "auto",
) -> None:
    found = evaluate(
        [f"{items}:train={train}" if train else items],
        model=model,
        adapter=adapter,
        shots=shots,
        dtype="fp32",
        device="cpu",
        random_seed=5,
        metric=metric,
    )
    (score,) = found.tasks.values()
    network = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    if adapter is not None:
        with warnings.catch_warnings(action="ignore"):
            network = peft.PeftModel.from_pretrained(network, str(adapter)).eval()
    task = read_task(items)
    pool = read_task(train).items if train else task.items
    drawn = LocalTask("t", task.items, pool=pool, shots=shots, random_seed=5)
    prompts = []
    for item in task.items:
        shown = drawn.examples(item)
        assert len(shown) == shots
        assert item not in shown
        text = "".join(f"{to_prompt(other)}{to_completion(other)}\n\n" for other in shown)
        prompts.append(text + to_prompt(item))
    plain, by_length, shares = answers(network, tokenizer, task.items, prompts)
    acc = [float(place == item.gold) for place, item in zip(plain, task.items, strict=True)]
    acc_norm = [float(place == item.gold) for place, item in zip(by_length, task.items, strict=True)]
    assert score.acc == pytest.approx(np.mean(acc))
    assert score.acc_norm == pytest.approx(np.mean(acc_norm))
    assert score.items == tuple(acc_norm if score.metric == "acc_norm" else acc)
    wanted = by_length if score.metric == "acc_norm" else plain
    assert score.predictions == tuple(item.choices[place] for item, place in zip(task.items, wanted, strict=True))
    assert score.truncated == 0
    wanted_shares = [pair[score.metric == "acc_norm"] for pair in shares]
    assert score.probabilities == pytest.approx(wanted_shares, abs=1e-5)
    assert score.probability == pytest.approx(np.mean(wanted_shares), abs=1e-5)
    assert score.probability_low < score.probability < score.probability_high


@pytest.mark.parametrize("shots", [0, 2])
@pytest.mark.parametrize("adapted", [False, True])
def test_outcomes_are_those_of_direct_log_likelihoods(model: Path, tmp_path: Path, shots: int, adapted: bool) -> None:
    adapter = setting.adapter(model, tmp_path / "adapter") if adapted else None
    items = setting.write(tmp_path / "t.jsonl", setting.items(12))
    check(str(model), items, shots, adapter)
    check(str(model), items, shots, adapter, metric="acc")


def test_examples_come_from_the_file_that_is_named(model: Path, tmp_path: Path) -> None:
    items = setting.write(tmp_path / "t.jsonl", setting.items(5))
    train = setting.write(tmp_path / "train.jsonl", setting.items(9, random_seed=1))
    check(str(model), items, 3, None, train)


@pytest.mark.parametrize("shots", [0, 3])
def test_outcomes_of_a_trained_model_too(tmp_path: Path, shots: int) -> None:
    if not TRAINED.is_dir():
        pytest.skip("shared/models/base-8m is not here")
    items = setting.write(tmp_path / "t.jsonl", setting.items(6, choices=4))
    check(str(TRAINED), items, shots, None)


@pytest.mark.parametrize("shape", ["qwen3", "llama", "gpt2"])
def test_log_likelihoods_are_direct_ones_whatever_the_batch(tmp_path: Path, shape: str) -> None:
    loaded = load_model(str(setting.tiny_model(tmp_path / shape, shape)), dtype="fp32", device="cpu")
    rows = setting.items(7, choices=4)
    pairs = [(f"{row['question']} say:", f" {choice}") for row in rows for choice in row["choices"]]
    pairs += [("one choice:", " only this"), ("one token:", "x"), ("one token:", "y")]
    wanted = [direct(loaded.model, loaded.tokenizer, *pair) for pair in pairs]
    for batch, budget in ((None, 1024), (1, 1024), (3, 60), (None, 1)):
        asked = HarnessModel(loaded, batch=batch)
        asked.budget = budget
        found = asked.loglikelihood([Request(*pair) for pair in pairs])
        assert asked._tree is True
        assert [value for value, _ in found] == pytest.approx(wanted, abs=1e-4)
    greedy = [loaded.model(loaded.tokenizer(pair[0], return_tensors="pt")["input_ids"]).logits[0, -1] for pair in pairs]
    first = [
        int(row.argmax()) == loaded.tokenizer(pair[1])["input_ids"][0] for row, pair in zip(greedy, pairs, strict=True)
    ]
    for (_, same), right in zip(found, first, strict=True):
        assert right or not same


def test_choices_of_one_token_are_read_off_one_row(model: Path) -> None:
    loaded = load_model(str(model), dtype="fp32", device="cpu")
    read: list[tuple[int, ...]] = []
    asked = HarnessModel(loaded)
    hook = loaded.model.register_forward_pre_hook(
        lambda _module, _args, given: read.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    found = asked.loglikelihood([Request("which:", choice) for choice in "abcd"])
    assert read == [(1, len("which:"))]
    read.clear()
    asked.loglikelihood([Request("which:", choice) for choice in (" one", " two", "c", "d")])
    hook.remove()
    assert read[-1] == (1, len("which:") + 2 * len(" on"))
    wanted = [direct(loaded.model, loaded.tokenizer, "which:", choice) for choice in "abcd"]
    assert [value for value, _ in found] == pytest.approx(wanted, abs=1e-4)


def test_the_harness_s_own_scoring_agrees(model: Path) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    loaded = load_model(str(model), dtype="fp32", device="cpu")
    pairs = [(row["question"], f" {choice}") for row in setting.items(5) for choice in row["choices"]]
    pairs += [("", "from nothing"), ("trailing space: ", "word"), ("line\n", "next")]
    own = HarnessModel(loaded).loglikelihood([Request(*pair) for pair in pairs])
    requests = [
        Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=0, metadata=("t", 0, 1)) for pair in pairs
    ]
    theirs = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=2).loglikelihood(
        requests, disable_tqdm=True
    )
    assert [value for value, _ in own] == pytest.approx([value for value, _ in theirs], abs=1e-4)
    assert [same for _, same in own] == [same for _, same in theirs]


def test_a_model_with_sliding_windows_is_read_one_choice_at_a_time(tmp_path: Path) -> None:
    from tests.models import tiny

    tiny.model("gemma2", sliding_window=16).save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    loaded = load_model(str(tmp_path), dtype="fp32", device="cpu", attention="eager")
    asked = HarnessModel(loaded)
    question = "a rather long question, longer than the window"
    pairs = [(question, choice) for choice in (" red cat", " blue dog", "x", "y")]
    found = asked.loglikelihood([Request(*pair) for pair in pairs])
    assert asked._tree is False
    wanted = [direct(loaded.model, loaded.tokenizer, *pair) for pair in pairs]
    assert [value for value, _ in found] == pytest.approx(wanted, abs=1e-4)


def test_long_prompts_lose_their_beginning_for_all_choices_alike_and_are_counted(model: Path, tmp_path: Path) -> None:
    loaded = load_model(str(model), dtype="fp32", device="cpu")
    prompt = "x" * 600 + " end:"
    asked = HarnessModel(loaded)
    found = asked.loglikelihood([Request(prompt, " a"), Request(prompt, " longer"), Request("short:", " a")])
    assert asked.cut == {prompt}
    kept = prompt[-(512 + 1 - len(" longer")) :]
    wanted = [direct(loaded.model, loaded.tokenizer, kept, choice) for choice in (" a", " longer")]
    assert [value for value, _ in found[:2]] == pytest.approx(wanted, abs=1e-4)
    rows = setting.items(4)
    rows[2]["context"] = "y" * 700
    score = evaluate([setting.write(tmp_path / "t.jsonl", rows)], model=str(model), device="cpu").tasks["t"]
    assert score.truncated == 1


@pytest.mark.parametrize(("length", "window"), [(2, 8), (8, 8), (9, 8), (40, 8), (41, 7), (5, 2)])
def test_windows_predict_every_token_once_with_half_a_window_before(length: int, window: int) -> None:
    seen = []
    for begin, end, first in windows(length, window):
        assert end - begin <= window
        assert begin < first
        assert first - begin >= min(first, window // 2)
        seen += range(first, end)
    assert seen == list(range(1, length))


def test_perplexity_is_the_direct_one(model: Path) -> None:
    loaded = load_model(str(model), dtype="fp32", device="cpu")
    texts = ["a cat.", "the sun " * 20, "rain on stone and tree " * 40]
    start = loaded.tokenizer.eos_token_id
    total, count, by_text = 0.0, 0, []
    for text in texts:
        ids = [start, *loaded.tokenizer(text)["input_ids"]]
        loss = 0.0
        for begin, end, first in windows(len(ids), 512):
            logits = loaded.model(torch.tensor([ids[begin:end]])).logits[0].double().log_softmax(-1)
            loss -= sum(float(logits[place - 1 - begin, ids[place]].detach()) for place in range(first, end))
        by_text.append(loss / (len(ids) - 1))
        total, count = total + loss, count + len(ids) - 1
    for batch in (None, 40):
        found = score_texts("t", texts, loaded, batch=batch)
        assert found.loss == pytest.approx(total / count, rel=1e-5)
        assert found.losses == pytest.approx(by_text, rel=1e-5)
        assert (found.tokens, found.documents, found.windowed) == (count, 3, 1)
        assert found.perplexity == pytest.approx(np.exp(total / count), rel=1e-5)
        assert found.low <= found.perplexity <= found.high
    assert found.bits_per_byte == pytest.approx(total / np.log(2) / sum(map(len, texts)), rel=1e-5)
