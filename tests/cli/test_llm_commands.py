"""`seeds generate` and `judge` as a person meets them: a real server, one line for each error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import Done, typed
from tests.llm.server import Server, serving

DEAD = "http://127.0.0.1:9/v1"


def command(*arguments: object, **changes: str) -> Done:
    return typed(*arguments, **{"OPENAI_API_KEY": "", "MOTHERLODE_LLM_KEY": "", **changes})


def generate(out: Path, url: str, *more: object, n: int = 5) -> Done:
    return command(
        "seeds", "generate", "--domain", "law", "--llm", url, "--model", "tiny", "--out", out, "--n", n, *more
    )


def test_seeds_are_generated_and_the_spend_is_shown(tmp_path: Path) -> None:
    with serving(Server(key="sk-123456789")) as server:
        done = command(
            *("seeds", "generate", "--domain", "law", "--llm", server.url, "--model", "tiny", "--n", 5),
            *("--out", tmp_path / "s.jsonl", "--price-in", 1, "--price-out", 2, "--json"),
            MOTHERLODE_LLM_KEY="sk-123456789",
        )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["seeds"], said["requests"], said["prompt_tokens"]) == (5, 5, 500)
    assert said["cost"] == pytest.approx(0.001)
    assert "5 seeds" in done.stderr
    assert "5 requests, 750 tokens, cost 0.001" in done.stderr
    assert len((tmp_path / "s.jsonl").read_text().splitlines()) == 5
    assert all(b"sk-123456789" not in path.read_bytes() for path in tmp_path.iterdir())


def test_what_is_missing_is_an_exit_code_of_one(tmp_path: Path) -> None:
    with serving(Server(script=lambda number, body: "refusal" if number == 0 else None)) as server:
        done = generate(tmp_path / "s.jsonl", server.url, "--tries", 1)
    assert done.returncode == 1
    assert "4 of 5 seeds were written" in done.stderr
    assert "refused 1" in done.stderr
    assert len((tmp_path / "s.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("--llm", DEAD), "no server answers"),
        (("--llm", "localhost"), "not an address"),
        (("--llm", ""), "--llm: is empty"),
        (("--model", ""), "--model: is empty"),
        (("--model", "tin"), "did you mean 'tiny'?"),
        (("--domain", ""), "cannot name a domain"),
        (("--domain", "x" * 3000), "cannot name a domain"),
        (("--n", 0), "--n: 0 seeds are ordered"),
        (("--out", "/proc/nowhere/s.jsonl"), "does not exist"),
        (("--template", "/nowhere.yaml"), "/nowhere.yaml"),
        (("--max-cost", 1), "--price-in"),
    ],
)
def test_each_mistake_is_one_line(tmp_path: Path, change: tuple[str, object], reason: str) -> None:
    with serving() as server:
        done = generate(tmp_path / "s.jsonl", server.url, *change)
    assert done.returncode == 2, done.stderr
    assert reason in done.stderr
    errors = [line for line in done.stderr.splitlines() if not line.startswith("write seeds:")]
    assert len(errors) == 1, done.stderr
    assert errors[0].startswith("error: ")
    assert not (tmp_path / "s.jsonl").exists()


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with serving(Server(key="sk-123456789")) as server:
        done = generate(tmp_path / "s.jsonl", server.url)
    assert done.returncode == 2
    assert "wants a key" in done.stderr
    assert "MOTHERLODE_LLM_KEY" in done.stderr


def test_sets_are_compared(tmp_path: Path) -> None:
    with serving() as server:
        assert generate(tmp_path / "s.jsonl", server.url).returncode == 0
    done = command("seeds", "check", tmp_path / "s.jsonl", "demo-networking")
    assert done.returncode == 0, done.stderr
    assert "effective number of seeds" in done.stdout
    done = command("judge", "--mined", tmp_path, "--llm", DEAD, "--model", "tiny")
    assert done.returncode == 2
    assert "holds no result of `mine`" in done.stderr
