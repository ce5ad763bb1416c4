"""Whole evaluations: written answers, chat, what is kept and reused, the command line, its report, mistakes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from motherlode.cli import main
from motherlode.errors import InputError, MotherlodeError
from motherlode.evaluation.evaluate import evaluate
from motherlode.evaluation.items import read_task
from motherlode.evaluation.prompt import to_prompt
from motherlode.evaluation.result import Evaluation
from motherlode.evaluation.samples import task_samples
from motherlode.models.load import load_model
from motherlode.models.samples import to_sample
from motherlode.models.tokens import Tokeniser
from tests.evaluation import setting
from tests.kill import Program, contents, kill_and_rerun
from tests.models import tiny
from tests.report.conftest import HOSTILE


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return setting.tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def items(tmp_path: Path) -> Path:
    return setting.write(tmp_path / "task.dev.jsonl", setting.items(6))


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


def greedy(model: Path, prompt: str, tokens: int) -> str:
    """The answer, token by token, up to a line's end."""
    network = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    ids = tokenizer(prompt)["input_ids"]
    start = len(ids)
    for _ in range(tokens):
        with torch.no_grad():
            following = int(network(torch.tensor([ids])).logits[0, -1].argmax())
        if following == tokenizer.eos_token_id:
            break
        ids.append(following)
    return tokenizer.decode(ids[start:], skip_special_tokens=True).split("\n")[0]


def test_written_answers_are_the_model_s_own(model: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "f1", "question": "who?", "choices": [], "answer": "a man"},
        {"id": "s1", "question": "which ones of them?", "choices": ["x", "y", "z"], "answer": "x, z", "multi": True},
        {"id": "c1", "question": "is it?", "choices": ["yes", "no"], "answer": "no"},
        {"id": "f2", "question": "where is it then?", "choices": [], "answer": "there"},
    ]
    path = setting.write(tmp_path / "mixed.jsonl", rows)
    for batch in (None, 1):
        score = evaluate([path], model=str(model), device="cpu", max_new_tokens=5, batch=batch).tasks["mixed"]
        assert score.ids == ("f1", "s1", "c1", "f2")
        assert score.metric == "f1+acc"
        for place, item in enumerate(read_task(path).items):
            if item.kind != "choice":
                said = " ".join(greedy(model, to_prompt(item), 5).split())
                assert score.predictions[place] == said
    right = greedy(model, to_prompt(read_task(path).items[0]), 5)
    rows[0]["answer"] = right if right.strip() else "a man"
    path = setting.write(tmp_path / "mixed.jsonl", rows)
    again = evaluate([path], model=str(model), device="cpu", max_new_tokens=5).tasks["mixed"]
    assert again.items[0] == 1.0


def test_a_chat_template_gives_the_tokens_of_training(tmp_path: Path) -> None:
    folder = setting.tiny_model(tmp_path / "chat", chat=True)
    path = setting.write(tmp_path / "t.jsonl", setting.items(5, choices=2))
    score = evaluate([path], model=str(folder), device="cpu", template="chat", metric="acc").tasks["t"]
    loaded = load_model(str(folder), dtype="fp32", device="cpu")
    tokeniser = Tokeniser(loaded.tokenizer, template="auto")
    end = len(loaded.tokenizer("<|im_end|>\n")["input_ids"])
    for place, row in enumerate(setting.items(5, choices=2)):
        values = []
        for choice in row["choices"]:
            changed = setting.write(tmp_path / "one.jsonl", [{**row, "answer": choice}])
            tokens = tokeniser(to_sample(task_samples(changed, template="chat")[0]))
            ids = tokens.ids[: len(tokens.ids) - end]
            with torch.no_grad():
                logits = loaded.model(torch.tensor(ids[None])).logits[0].double().log_softmax(-1)
            values.append(sum(float(logits[at - 1, ids[at]]) for at in range(tokens.start, len(ids))))
        assert score.predictions[place] == row["choices"][values[1] > values[0]]


def test_letters_and_listed_choices(model: Path, items: Path) -> None:
    letters = evaluate([items], model=str(model), device="cpu", style="letters").tasks["task.dev"]
    assert (letters.metric, letters.acc, letters.n) == ("acc", letters.score, 6)
    assert letters.acc == letters.acc_norm  # letters are all of one length
    listed = evaluate([items], model=str(model), device="cpu", style="listed").tasks["task.dev"]
    assert listed.metric == "acc_norm"
    rows = setting.items(2, choices=2)
    rows[1]["choices"] = [f"c{n}" for n in range(27)]
    rows[1]["answer"] = "c3"
    path = setting.write(items.parent / "many.jsonl", rows)
    with pytest.raises(InputError, match="27 choices, more than letters"):
        evaluate([path], model=str(model), style="letters")


def test_an_adapter_changes_scores_and_one_of_another_model_is_refused(
    model: Path, items: Path, tmp_path: Path
) -> None:
    adapter = setting.adapter(model, tmp_path / "adapter")
    text = setting.write(tmp_path / "held.jsonl", [{"text": "a cat and a dog"}, {"text": "rain"}])
    plain = evaluate([items], model=str(model), texts={"held": text}, device="cpu")
    adapted = evaluate([items], model=str(model), adapter=adapter, texts={"held": text}, device="cpu")
    assert plain.texts["held"].loss != pytest.approx(adapted.texts["held"].loss, rel=1e-3)
    wide = setting.adapter(
        model, tmp_path / "kept", modules_to_save=["lm_head"]
    )  # LoRA kernels refuse it; this does not
    assert evaluate([], model=str(model), adapter=wide, texts={"held": text}, device="cpu").texts["held"].documents == 2
    other = tmp_path / "other"
    tiny.model("qwen3", hidden_size=48).save_pretrained(other)
    tiny.tokenizer().save_pretrained(other)
    deeper = tmp_path / "deeper"
    tiny.model("qwen3", num_hidden_layers=3).save_pretrained(deeper)
    tiny.tokenizer().save_pretrained(deeper)
    for strange, target in ((other, model), (deeper, model), (model, deeper)):
        misfit = setting.adapter(strange, tmp_path / f"of-{strange.name}-{target.name}", target_modules=["q_proj"])
        with pytest.raises(InputError, match="does not fit the model") as caught:
            evaluate([items], model=str(target), adapter=misfit, device="cpu")
        assert "\n" not in str(caught.value)
    (adapter / "adapter_model.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(InputError):
        evaluate([items], model=str(model), adapter=adapter, device="cpu")


def test_finished_scores_are_reused_as_long_as_nothing_changes(model: Path, items: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = setting.write(tmp_path / "held.jsonl", [{"text": "a cat and a dog"}, {"text": "rain on a stone"}])
    asked: dict[str, Any] = {"model": str(model), "texts": {"held": text}, "out": out, "device": "cpu"}
    first = evaluate([items], **asked)
    before = contents(out)
    assert evaluate([items], **asked) == first == Evaluation.read(out)
    assert evaluate([items], **asked, batch=2) == first  # how many at once changes no score
    assert contents(out) == before
    (stored,) = (out / "scores").glob("task-*.json")
    stored.write_text(stored.read_text().replace('"n":6', '"n":77'))
    assert evaluate([items], **asked).tasks["task.dev"].n == 77  # it was read, not made again
    assert evaluate([items], **asked, random_seed=1).tasks["task.dev"].n == 6
    stored.write_text("{")
    assert evaluate([items], **asked) == first
    rows = setting.items(6)
    rows[0]["question"] = "other?"
    setting.write(items, rows)
    assert evaluate([items], **asked).fingerprints["task:task.dev"] != first.fingerprints["task:task.dev"]
    copy = shutil.copytree(model, tmp_path / "copy")
    tiny.model("qwen3", random_seed=4, max_position_embeddings=512).save_pretrained(copy)
    assert evaluate([items], **(asked | {"model": str(copy)})).fingerprints != first.fingerprints


def test_what_was_finished_before_a_failure_is_kept(model: Path, items: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    rows = setting.items(2)
    rows[0]["choices"][0] = rows[0]["answer"] = "x" * 600  # longer than the window
    bad = setting.write(tmp_path / "bad.jsonl", rows)
    with pytest.raises(InputError, match=r"does not fit into 512"):
        evaluate([items, bad], model=str(model), out=out, device="cpu")
    assert len(list((out / "scores").iterdir())) == 1
    assert not (out / "evaluation.json").exists()


@pytest.mark.long
def test_killed_evaluations_end_in_the_same_bytes(model: Path, tmp_path: Path) -> None:
    tasks = [setting.write(tmp_path / f"t{n}.jsonl", setting.items(12, random_seed=n)) for n in range(5)]
    body = f"evaluate({[str(task) for task in tasks]!r}, model={str(model)!r}, out=sys.argv[1], device='cpu')"
    imports = (
        "from motherlode.evaluation.evaluate import evaluate\n"
        "import motherlode.evaluation.local_task, motherlode.evaluation.language_model"
    )
    program = Program(imports, body)
    seconds = program.run(tmp_path / "wanted")
    wanted = contents(tmp_path / "wanted")
    assert kill_and_rerun(program, tmp_path / "out", wanted, seconds, ["driver"] * 4, random_seed=1) == 4


def test_the_command_prints_a_table_and_writes_a_report(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = setting.items(8, choices=2)
    for number, row in enumerate(rows):
        row["choices"] = [HOSTILE[0], HOSTILE[1]]
        row["answer"] = HOSTILE[number % 2]
    hostile = setting.write(tmp_path / "h<b>\u202e.jsonl", rows)
    text = setting.write(tmp_path / "held.jsonl", [{"text": "a cat and a dog"}, {"text": "x" * 900}])
    out = tmp_path / "out"
    given = ["evaluate", "--model", model, "--tasks", hostile, "--texts", f"held={text}", "--out", out, "--shots", 1]
    assert command(*given, "--device", "cpu") == 0
    said = capsys.readouterr().out
    assert "50.0" in said
    assert re.search(r"(below|at) (chance|majority)", said)
    assert "\u202e" not in said
    assert "held" in said
    page = (out / "report.html").read_text()
    assert not re.search(r"<(script|img)\b|<a (?!href=\"#[a-z-]+\">)", page, re.IGNORECASE)
    assert "\u202e" not in page
    assert page.count('class="chart"') == 1
    assert "script&gt;" in page
    (out / "report.html").unlink()
    assert command("report", out) == 0
    assert (out / "report.html").read_text() == page
    capsys.readouterr()
    assert command(*given, "--device", "cpu", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["texts"]["held"]["windowed"] == 1
    (score,) = values["tasks"].values()
    assert (score["n"], score["shots"], len(score["items"])) == (8, 1, 8)
    right = f"{score['probability'] * 100:.2f}"
    assert right in said
    assert f"<td>{right}%</td>" in page
    assert len(score["probabilities"]) == 8
    assert values["versions"]["lm_eval"]


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (["--tasks", "{dir}/none.jsonl"], 2, "none.jsonl: no such file"),
        (["--tasks", "{dir}/empty.jsonl"], 2, "empty.jsonl: is empty"),
        (["--tasks", "{items}", "--tasks", "{dir}/sub/task.dev.jsonl"], 2, "two tasks are called 'task.dev'"),
        (["--tasks", "{items}", "--shots", "6"], 2, "6 examples are wanted, and there are 5 other items"),
        (["--tasks", "{items}:train={dir}/none.jsonl"], 2, "none.jsonl: no such file"),
        (["--tasks", "{items}", "--style", "clozed"], 2, "style = 'clozed'"),
        (["--tasks", "{items}", "--template", "chat"], 2, "the tokenizer has no chat template"),
        (["--tasks", "{items}", "--max-length", "4000"], 2, "the model's window is 512 tokens"),
        (["--tasks", "{items}", "--adapter", "{dir}/none"], 2, "no such folder"),
        (["--tasks", "fiqa-sa"], 2, "lm-evaluation-harness has no such task"),
        (["--tasks", "medqa"], 1, "the Hugging Face hub cannot be reached"),
        (["--texts", "held"], 2, "'held' is not NAME=FILE"),
        (["--texts", "held={items}"], 2, "has no text"),
        (["--texts", "held={dir}/none.jsonl"], 2, "no such file"),
        ([], 2, "there is nothing to evaluate"),
    ],
)
def test_mistakes_are_one_line(
    model: Path,
    items: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    given: list[str],
    code: int,
    said: str,
) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "sub").mkdir()
    shutil.copy(items, tmp_path / "sub" / "task.dev.jsonl")
    arguments = [text.format(dir=tmp_path, items=items) for text in given]
    assert command("evaluate", "--model", model, "--device", "cpu", *arguments) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("error: ")
    assert said in lines[-1]


def test_an_unknown_name_has_a_hint() -> None:
    with pytest.raises(InputError, match="did you mean 'medmcqa'"):
        evaluate(["medmcqaa"], model="none")
    with pytest.raises(MotherlodeError):
        evaluate(["pubmedqa"], model="none")
