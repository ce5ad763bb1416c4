"""Test items in the pool: found, left out for every method, and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from motherlode.comparison.leakage import clean_pool
from tests.comparison.setting import write

TEXT = "a stone by the river shone in the violet light of a copper lantern that hung over the harbour market"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    item = {"id": "one", "question": "Stone?", "context": TEXT, "choices": ["yes", "no"], "answer": "yes"}
    write(tmp_path / "test.jsonl", [item, {**item, "id": "two", "context": "another one"}])
    rows = [{"prompt": f"question {number}", "completion": "yes"} for number in range(6)]
    rows[2]["prompt"] = f"Read this: {TEXT}. Is there a stone?"
    write(tmp_path / "pool.jsonl", rows)
    (tmp_path / "inputs").mkdir()
    write(tmp_path / "inputs" / "train.jsonl", [rows[0], {"prompt": TEXT.upper(), "completion": "no"}])
    (tmp_path / "jobs" / "pool").mkdir(parents=True)
    return tmp_path


def clean(place: Path, **changes: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    settings = {"pool": str(place / "pool.jsonl"), "tasks": [str(place / "test.jsonl")], "fields": {}}
    settings |= {"bad_rows": "fail", "decontaminate": True, "train": {"stones": "inputs/train.jsonl"}, **changes}
    folder = place / "jobs" / "pool"
    found = clean_pool(settings, folder)
    return found, [json.loads(line) for line in (folder / "pool.jsonl").read_text().splitlines()]


def test_rows_that_hold_a_test_item_are_left_out_and_told(place: Path) -> None:
    found, kept = clean(place)
    assert [row["prompt"] for row in kept] == [f"question {number}" for number in (0, 1, 3, 4, 5)]
    assert (found["rows"], found["kept"], found["no_sample"]) == (6, 5, 0)
    pool, train = found["pool"], found["train"]["stones"]
    assert (pool["held"], pool["items"], pool["files"]) == (1, 1, {"test.jsonl": 1})
    assert pool["examples"][0]["item"] == "one"
    assert (train["rows"], train["held"]) == (2, 1)


def test_they_stay_if_that_is_asked(place: Path) -> None:
    found, kept = clean(place, decontaminate=False)
    assert len(kept) == 6
    assert found["pool"]["held"] == 1


def test_rows_that_are_no_sample_are_passed_over_if_that_is_asked(place: Path) -> None:
    with (place / "pool.jsonl").open("a") as stream:
        stream.write('{"text": "no sample"}\n')
    found, kept = clean(place, bad_rows="skip")
    assert (found["rows"], found["no_sample"], len(kept)) == (7, 1, 5)
