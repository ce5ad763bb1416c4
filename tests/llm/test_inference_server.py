"""The whole way against a real inference server: `transformers serve` over a tiny model with random weights.

What such a model writes is nonsense. So this is about the protocol, and about nonsense: it is counted as faults, ends
in one clear line, leaves no output behind, and every answer is kept, so that a second run asks for nothing.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.mining.mine import mine
from motherlode.shards.engine import LocalEngine
from tests.command import Done, typed

NEEDED = ("transformers", "torch", "fastapi", "uvicorn", "openai")  # not imported here: the server is another process
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"transformers[serving] is not installed: {MISSING}")

TEMPLATE = (
    "types: [memo, email]\ndemeanours: [tired]\nlengths: {tiny: [10, 30]}\nprompt: A {type} on {subject}. {steer}\n"
)
FAULTS = re.compile(r"\((?:(?:malformed|truncated|refused) \d+(?:, )?)+\)")


@dataclass(frozen=True)
class Running:
    """A server.

    Attributes:
        url: Its address.
        model: What it calls its model.
        process: Its process.
    """

    url: str
    model: str
    process: subprocess.Popen[str]


def environment(home: Path) -> dict[str, str]:
    (home / "hub").mkdir(parents=True, exist_ok=True)  # the server looks into it, and fails where it is not there
    kept = {name: value for name, value in os.environ.items() if name not in ("OPENAI_API_KEY", "MOTHERLODE_LLM_KEY")}
    return {**kept, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    from tests.models.tiny import save, tokenizer

    folder = tmp_path_factory.mktemp("served")
    model = save(folder / "tiny", chat=True)
    ends = {"eos_token_id": tokenizer().eos_token_id, "exponential_decay_length_penalty": [60, 1.3]}  # soon: it is slow
    (model / "generation_config.json").write_text(json.dumps({"do_sample": True, **ends}))
    command = [sys.executable, "-c", "from transformers.cli.transformers import main; main()", "serve", str(model)]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", "0", "--device", "cpu"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(folder / "home"),
    )
    assert process.stderr is not None
    said = []
    try:
        for line in process.stderr:  # it ends when the server does
            said.append(line)
            if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                break
        else:
            pytest.fail("the server did not start: " + "".join(said)[-2000:])
        threading.Thread(target=process.stderr.read, daemon=True).start()  # so that it is never full
        yield Running(f"{found[1]}/v1", str(model), process)
    finally:
        process.kill()
        process.wait()


def command(*arguments: object) -> Done:
    return typed(*arguments, OPENAI_API_KEY="", MOTHERLODE_LLM_KEY="")


def kept(store: Path) -> tuple[list[tuple[str, int, int]], int]:
    """Return the answers of a store (why each ended, tokens of prompt and answer), and how often a request was sent."""
    database = sqlite3.connect(store)
    try:
        answers = database.execute("SELECT finish, prompt_tokens, completion_tokens FROM answers").fetchall()
        (sent,) = database.execute("SELECT sum(times) FROM sent").fetchone()
        return answers, sent
    finally:
        database.close()


def error_of(done: Done) -> str:
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


def test_seeds_of_nonsense_are_refused_and_nothing_is_asked_twice(server: Running, tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    out = tmp_path / "seeds.jsonl"
    arguments = ("seeds", "generate", "--domain", "law", "--llm", server.url, "--model", server.model, "--out", out)
    options = ("--template", tmp_path / "template.yaml", "--n", 1, "--tries", 2)
    done = command(*arguments, *options)
    assert done.returncode == 1, done.stderr
    error = error_of(done)
    assert "the model wrote no document that can be used" in error
    assert FAULTS.search(error), error
    assert not out.exists()
    answers, sent = kept(tmp_path / "seeds.jsonl.answers.sqlite")
    assert len(answers) == sent == 2
    for finish, prompt_tokens, completion_tokens in answers:
        assert finish in ("stop", "length")
        assert prompt_tokens > 300, "the server counts bytes"
        assert 0 < completion_tokens <= 560, "no more than was asked for"
    again = command(*arguments, *options)
    assert (again.returncode, error_of(again)) == (1, error)
    assert kept(tmp_path / "seeds.jsonl.answers.sqlite") == (answers, sent)


def test_a_model_that_is_not_served_is_bad_input(server: Running, tmp_path: Path) -> None:
    arguments = ("seeds", "generate", "--domain", "law", "--llm", server.url, "--model", "other/model", "--n", 2)
    done = command(*arguments, "--out", tmp_path / "seeds.jsonl")
    assert done.returncode == 2
    assert "'other/model'" in error_of(done)


def test_a_judge_of_nonsense_has_no_verdict(
    server: Running, invented_corpus: Corpus, seed_files: Mapping[str, Path], tmp_path: Path
) -> None:
    mined = tmp_path / "mined"
    with LocalEngine(1, quiet=True) as engine:
        mine(invented_corpus, seed_files, mined, engine=engine, contrast=("background",), rounds=0)
    arguments = ("judge", "--mined", mined, "--llm", server.url, "--model", server.model, "--sample", 1, "--tries", 1)
    done = command(*arguments)
    assert done.returncode == 1, done.stderr
    assert "no answer of the judge could be used" in error_of(done)
    assert not (mined / "judge.json").exists()
    answers, sent = kept(mined / "judge.answers.sqlite")
    assert len(answers) == sent >= 3
    assert error_of(command(*arguments)) == error_of(done)
    assert kept(mined / "judge.answers.sqlite") == (answers, sent)
