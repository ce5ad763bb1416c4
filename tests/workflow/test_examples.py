"""The examples that ship: each is sound, and one of them runs, at a small size, on files of the kind that it names."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
import yaml

from tests.invented import document, records, write_lines
from tests.workflow.setting import run, states

pytest.importorskip("trl", reason="the extra 'train' is not installed")
pytest.importorskip("lm_eval", reason="the extra 'evaluate' is not installed")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ("finance", "healthcare", "legal", "psychology")
STAGES = ["corpus", "seeds", "mine", "select", "adapt.cpt", "adapt.sft"]


def test_there_is_one_a_domain() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.yaml")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_sound(name: str) -> None:
    from motherlode.workflow.project import Project

    project = Project.read(EXAMPLES / f"{name}.yaml")
    assert [stage.name for stage in project.stages] == [
        *STAGES,
        "evaluate.base",
        "evaluate.cpt",
        "evaluate.sft",
        "report",
    ]
    assert project.place.domains == (name,)
    for stage in project.stages:  # what a stage names is where the README says, or made by a stage
        for path in stage.reads.values():
            inside = Path(path).relative_to(EXAMPLES)
            assert inside.parts[0] in ("data", "models", "out")


def items(topic: str, count: int, random_seed: int) -> list[dict[str, object]]:
    choice = random.Random(random_seed)
    made: list[dict[str, object]] = []
    for number in range(count):
        answer = choice.choice(["yes", "no"])
        context = document([topic if answer == "yes" else "hum"], choice, 10)
        asked = {"question": f"Is it about {topic}?", "context": context, "choices": ["yes", "no"], "answer": answer}
        made.append({"id": f"{topic}-{random_seed}-{number}", **asked})
    return made


@pytest.mark.slow
def test_one_runs_from_documents_to_scores_and_is_resumed_by_parts(tmp_path: Path) -> None:
    from motherlode.evaluation.result import Evaluation
    from tests.models import tiny

    config = tmp_path / "healthcare.yaml"
    values = yaml.safe_load((EXAMPLES / "healthcare.yaml").read_text())
    values |= {"device": "cpu", "mine": {"contrast": [], "rounds": 0, "top_k": 20}}
    values["seeds"]["domains"] = {"healthcare": "data/seeds.jsonl"}
    values["select"] |= {"n": 10, "max_length": 96, "warmup_epochs": 1, "preselect_factor": 2}
    values["adapt"]["cpt"] |= {"tokens": 1500, "sequence_length": 64, "batch": 4}
    values["adapt"]["sft"] |= {"max_steps": 3, "batch": 8, "max_length": 96}
    values["evaluate"] |= {"limit": 6}
    config.write_text(yaml.safe_dump(values))
    tiny.save(tmp_path / "models" / "base")
    (tmp_path / "data" / "corpus").mkdir(parents=True)
    write_lines(tmp_path / "data" / "corpus" / "all.jsonl", records(150))
    choice = random.Random(1)
    seeds = [{"text": document(["velmar"], choice, 40)} for _ in range(16)]
    write_lines(tmp_path / "data" / "seeds.jsonl", seeds)
    pool = [
        {"id": f"p{n}", "source": "s", "instruction": document(["velmar"], choice, 6), "input": "", "output": "yes"}
        for n in range(40)
    ]
    (tmp_path / "data" / "pool").mkdir()
    write_lines(tmp_path / "data" / "pool" / "general.jsonl", pool)
    (tmp_path / "data" / "tasks").mkdir()
    for number, task in enumerate(("medical_pubmedqa", "medical_rqe")):
        write_lines(tmp_path / "data" / "tasks" / f"{task}.train.jsonl", items("velmar", 12, number))
        write_lines(tmp_path / "data" / "tasks" / f"{task}.dev.jsonl", items("ostrin", 8, 10 + number))
    config.write_text(config.read_text().replace("general.jsonl.gz", "general.jsonl"))

    first = run(config)
    assert first.ran == (*STAGES, "evaluate.base", "evaluate.cpt", "evaluate.sft", "report") and not first.skipped
    assert set(states(config).values()) == {"done"}
    out = tmp_path / "out" / "healthcare"
    for name in ("base", "cpt", "sft"):
        found = Evaluation.read(out / "evaluate" / name)
        assert {task.n for task in found.tasks.values()} == {6} and len(found.tasks) == 2
    page = (out / "report.html").read_text()
    assert "Did it help?" in page and "chance 0.500" in page
    assert page.count("no difference can be told") + page.count("better") + page.count("worse") >= 4

    values["adapt"]["sft"]["max_steps"] = 4
    config.write_text(yaml.safe_dump(values).replace("general.jsonl.gz", "general.jsonl"))
    changed = states(config)
    assert [name for name, state in changed.items() if state == "stale"] == ["adapt.sft", "evaluate.sft", "report"]
    plans = []
    done = run(config, show_plan=lambda plan, unit: plans.append((plan.steps, unit)))
    assert done.ran == ("adapt.sft", "evaluate.sft", "report")
    assert plans == [(4, "samples")], "what is trained is told before"

    shutil.rmtree(out / "adapt" / "cpt" / "model")
    assert states(config)["adapt.cpt"] == "missing"
    again = run(config, only="adapt")
    assert again.ran == ("adapt.cpt",) and again.skipped == ("adapt.sft",)  # the same weights: what follows stands
    assert set(states(config).values()) == {"done"}
