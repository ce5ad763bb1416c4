"""Rows of every usual shape become samples and tokens; what is wrong with one is said in one line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from motherlode.errors import InputError
from motherlode.models.rows import Rows, Samples
from motherlode.models.samples import Sample, to_sample

TURNS = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]


@pytest.mark.parametrize(
    ("row", "prompt", "completion"),
    [
        ({"prompt": "Why?", "completion": "Because."}, "Why?", "Because."),
        ({"prompt": "", "completion": "Because.", "id": 3}, "", "Because."),
        ({"messages": TURNS}, (TURNS[0],), "Because."),
        ({"prompt": TURNS[:1], "completion": TURNS[1:]}, (TURNS[0],), "Because."),
        ({"instruction": "Explain.", "input": "", "output": "So."}, "Explain.\n\n", "So."),
        ({"instruction": "Explain.", "input": "This.", "output": "So."}, "Explain.\n\nThis.\n\n", "So."),
        (
            {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "Because."}]},
            (TURNS[0],),
            "Because.",
        ),
    ],
)
def test_rows_of_every_shape(row: dict[str, Any], prompt: Any, completion: str) -> None:
    assert to_sample(row) == Sample(prompt, completion)


def test_fields_are_mapped() -> None:
    row = {"question": "Why?", "answer": "Because.", "completion": "another"}
    assert to_sample(row, {"prompt": "question", "completion": "answer"}) == Sample("Why?", "Because.")
    with pytest.raises(InputError, match="no field 'query'"):
        to_sample(row, {"prompt": "query"})


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ({"prompt": "Why?", "completion": " \n"}, "empty completion"),
        ({"completion": "Because."}, "no 'prompt'"),
        ({"text": "Because."}, "is no sample"),
        ({}, "is no sample"),
        ({"messages": TURNS[:1]}, "not by the assistant"),
        ({"messages": []}, "not a list of messages"),
        ({"messages": [{"role": "user"}]}, "lacks 'role' or 'content'"),
        ({"prompt": "Why?", "completion": 3}, "must both be"),
        ({"conversations": [{"from": "robot", "value": "x"}]}, "is from 'robot'"),
        ({"conversations": [{"value": "x"}]}, "lacks 'from'"),
        ({"instruction": 3, "output": "So."}, "not text but int"),
    ],
)
def test_what_is_wrong_is_said(row: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line) as caught:
        to_sample(row)
    assert "\n" not in str(caught.value)


def test_rows_are_read_in_any_order_and_errors_have_a_place(tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl.gz"
    lines = ['{"prompt": "é", "completion": "a"}', "", '{"prompt": "b", "completion": ""}', '{"n": 1.5}']
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    rows = Rows(path)
    assert len(rows) == 3
    assert [rows[2], rows[0]] == [json.loads(lines[3]), json.loads(lines[0])]
    assert list(rows) == [json.loads(line) for line in lines if line]
    with pytest.raises(IndexError):
        rows[3]
    with pytest.raises(InputError, match=r"pool.jsonl.gz:3: has an empty completion"):
        Samples(rows, {})[1]
    with pytest.raises(InputError, match=r"no such file; write each sample"):
        Rows(tmp_path / "absent.jsonl")


def test_mapped_names_and_our_own_go_together() -> None:
    fields = {"instruction": "question", "input": "context", "output": "answer"}
    asked = to_sample({"question": "Who?", "context": "A tale.", "answer": "he"}, fields)
    assert (asked.prompt, asked.completion) == ("Who?\n\nA tale.\n\n", "he")
    assert to_sample({"prompt": "a", "completion": "b"}, fields) == Sample("a", "b")
    with pytest.raises(InputError, match="has no field 'context'"):
        to_sample({"question": "Who?", "answer": "he", "prompt": "a", "completion": "b"}, fields)
    with pytest.raises(InputError, match="has no field 'question'"):
        to_sample({"text": "a"}, fields)
