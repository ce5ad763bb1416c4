"""The harness's own tasks, from a local file: the probability of the right choice against direct log-likelihoods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from motherlode.evaluation.asked import NamedWork
from motherlode.evaluation.options import EvaluateOptions
from motherlode.evaluation.run import Run, quiet_harness
from tests.evaluation import setting


def direct(network: Any, tokenizer: Any, prompt: str, completion: str) -> float:
    """The log-likelihood of a completion, by one forward pass."""
    start, whole = len(tokenizer(prompt)["input_ids"]), tokenizer(prompt + completion)["input_ids"]
    with torch.no_grad():
        logits = network(torch.tensor([whole])).logits[0].double().log_softmax(-1)
    return sum(float(logits[place - 1, whole[place]]) for place in range(start, len(whole)))


@pytest.mark.parametrize("metrics", [["acc"], ["acc_norm"], ["acc_bytes"], ["acc", "acc_mutual_info"]])
@pytest.mark.parametrize("target", ["{{choices.index(answer)}}", "{{answer}}"])
def test_probabilities_are_those_of_what_the_metric_compares(tmp_path: Path, metrics: list[str], target: str) -> None:
    from lm_eval.api.task import ConfigurableTask

    rows = setting.items(5)
    rows[2]["choices"] = [choice.replace("e", "é") for choice in rows[2]["choices"]]  # more bytes than characters
    rows[2]["answer"] = rows[2]["answer"].replace("e", "é")
    model = setting.tiny_model(tmp_path / "model")
    with quiet_harness():
        task = ConfigurableTask(
            config={
                "task": "own",
                "dataset_path": "json",
                "dataset_kwargs": {"data_files": {"test": str(setting.write(tmp_path / "own.jsonl", rows))}},
                "test_split": "test",
                "output_type": "multiple_choice",
                "doc_to_text": "{{question}} say:",
                "doc_to_choice": "choices",
                "doc_to_target": target,
                "metric_list": [{"metric": name} for name in metrics],
            }
        )
        work = NamedWork.__new__(NamedWork)
        work.name, work.settings, work.tasks = "own", EvaluateOptions(dtype="fp32", device="cpu"), {"own": task}
        score = work.scores(Run(str(model), None, work.settings, None, quiet=True))["own"]
    assert score.metric == metrics[0]
    network = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    measure = {"acc": lambda _: 1, "acc_norm": len, "acc_bytes": lambda text: len(text.encode())}[metrics[0]]
    wanted = []
    for row in rows:
        values = [
            direct(network, tokenizer, f"{row['question']} say:", f" {choice}") / measure(choice)
            for choice in row["choices"]
        ]
        wanted.append(np.exp(values[row["choices"].index(row["answer"])]) / np.exp(values).sum())
    assert score.probabilities == pytest.approx(wanted, abs=1e-5)
    assert score.probability == pytest.approx(np.mean(wanted), abs=1e-5)
