"""Files of items: what is read, and the one line on what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.errors import InputError
from motherlode.evaluation.items import read_task, split_answers, task_name
from motherlode.evaluation.samples import task_samples
from motherlode.models.samples import to_sample

ITEM = {"id": "a", "question": "Is it wet?", "context": "It rains.", "choices": ["yes", "no"], "answer": "yes"}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def test_items_of_all_kinds_are_read(tmp_path: Path) -> None:
    several = {"question": "Which?", "choices": ["x", "y", "z, w"], "answer": "z, w, x", "multi": True}
    free = {"id": 7, "question": " Who? ", "choices": [], "answer": "a  man", "rationale": "He said so."}
    file = read_task(write(tmp_path / "rain.dev.jsonl", ITEM, several, free))
    assert file.name == "rain.dev"
    assert [item.kind for item in file.items] == ["choice", "several", "free"]
    assert [item.id for item in file.items] == ["a", "1", "7"]
    assert file.items[0].gold == 0
    assert file.items[1].answers == ("z, w", "x")
    assert (file.items[2].question, file.items[2].answer) == ("Who?", "a man")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"choices": ["yes", "no", "yes"]}, "the choice 'yes' is there twice"),
        ({"choices": ["yes", " "]}, "choice 2 is not a text or is empty"),
        ({"choices": ["yes", 3]}, "choice 2 is not a text"),
        ({"choices": ["yes"]}, "has a single choice"),
        ({"choices": None}, "has no list of choices"),
        ({"answer": "maybe"}, "the answer 'maybe' is not among the 2 choices"),
        ({"answer": "yes, yes", "multi": True}, "does not list choices"),
        ({"answer": "yes, perhaps", "multi": True}, "does not list choices"),
        ({"answer": ""}, "has no answer"),
        ({"answer": 0}, "the field 'answer' is not text but int"),
        ({"question": "  "}, "has no question"),
        ({"question": None}, "has no field 'question'"),
    ],
)
def test_what_is_wrong_with_an_item_is_one_line_with_its_place(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = write(tmp_path / "t.jsonl", {**ITEM, "id": "first"}, {**ITEM, **change})
    with pytest.raises(InputError) as caught:
        read_task(path)
    assert said in str(caught.value)
    assert f"{path}:2" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_choices_are_not_a_free_answer(tmp_path: Path) -> None:
    row = {name: value for name, value in ITEM.items() if name != "choices"}
    with pytest.raises(InputError, match="has no list of choices"):
        read_task(write(tmp_path / "t.jsonl", row))


def test_ids_are_unique(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", ITEM, {**ITEM, "id": "b"}, ITEM)
    with pytest.raises(InputError, match=r"t\.jsonl:3: the id 'a' is also that of .*t\.jsonl:1"):
        read_task(path)


@pytest.mark.parametrize("content", ["", "\n\n", "{", "[1]\n"])
def test_files_without_items_are_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_task(path)
    assert str(path) in str(caught.value)
    with pytest.raises(InputError, match="no such file"):
        read_task(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="is a folder"):
        read_task(tmp_path)


@given(
    st.lists(st.text("ab, ", min_size=1, max_size=4).map(str.strip).filter(bool), min_size=2, max_size=5, unique=True)
)
def test_lists_of_choices_come_back(choices: list[str]) -> None:
    wanted = choices[1:]
    found = split_answers(", ".join(wanted), tuple(choices))
    assert ", ".join(found) == ", ".join(wanted)
    assert len(set(found)) == len(found)


def test_names_of_files() -> None:
    assert task_name("a/b.c.dev.jsonl.gz") == "b.c.dev"
    assert task_name("rqe.parquet") == "rqe"


def test_training_samples_have_the_format_of_the_evaluation(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", {**ITEM, "rationale": "Rain is wet."}, {**ITEM, "id": "b", "context": ""})
    plain = task_samples(path)
    assert plain[0] == {"id": "a", "prompt": "It rains.\n\nQuestion: Is it wet?\nAnswer:", "completion": " yes"}
    assert plain[1]["prompt"] == "Question: Is it wet?\nAnswer:"
    assert task_samples(path, rationale=True)[0]["completion"] == " yes\nReason: Rain is wet."
    assert task_samples(path, rationale=True)[1]["completion"] == " yes"
    letters = task_samples(path, style="letters", limit=1)
    assert letters[0]["prompt"].endswith("Is it wet?\nA. yes\nB. no\nAnswer:")
    assert [row["completion"] for row in letters] == [" A"]
    assert task_samples(path, style="listed")[0]["prompt"].endswith("Options:\n- yes\n- no\nAnswer:")
    for row in [*plain, *task_samples(path, template="chat")]:
        sample = to_sample(row)
        assert sample.completion.strip() == "yes"
