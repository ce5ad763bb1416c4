"""A small comparison's files: a tiny model, tasks whose answers a word tells, and a pool of two kinds of sample."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import yaml

from tests.models import tiny

WORDS = "river stone lantern market ledger violet harbour thread copper window orchard signal".split()


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as JSONL."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def items(count: int, random_seed: int, name: str) -> list[dict[str, Any]]:
    """Task items: is there a stone?"""
    choice = random.Random(random_seed)
    made = []
    for number in range(count):
        words = choice.sample(WORDS, 3)
        answer = "yes" if "stone" in words else "no"
        made.append(
            {
                "id": f"{name}-{number}",
                "question": "Stone?",
                "context": f"{' '.join(words)} {name} {number}",
                "choices": ["yes", "no"],
                "answer": answer,
            }
        )
    return made


def pool(count: int) -> list[dict[str, Any]]:
    """Samples, a third of them of the domain `stones`."""
    choice = random.Random(3)
    made = []
    for number in range(count):
        words = choice.sample(WORDS, 3)
        inside = number % 3 == 0
        completion = ("yes" if "stone" in words else "no") if inside else " ".join(choice.sample(WORDS, 2))
        prompt = f"{' '.join(words)} {number}\n"
        made.append(
            {
                "prompt": prompt,
                "completion": completion,
                "domain": "stones" if inside else "other",
                "source": f"s{number % 4}",
            }
        )
    return made


def files(folder: Path) -> Path:
    """Write a model, two domains' files and a pool."""
    folder.mkdir(parents=True, exist_ok=True)
    tiny.save(folder / "model")
    for place, name in enumerate(("stones", "rivers")):
        write(folder / f"{name}.train.jsonl", items(20, place, f"{name}-train"))
        write(folder / f"{name}.dev.jsonl", items(6, 10 + place, f"{name}-dev"))
        write(folder / f"{name}.test.jsonl", items(12, 20 + place, f"{name}-test"))
    write(folder / "pool.jsonl", pool(36))
    return folder


def config(**changes: Any) -> dict[str, Any]:
    """A comparison of them; a change of None leaves the name out."""
    values: dict[str, Any] = {
        "model": "model",
        "pool": "pool.jsonl",
        "domains": {"stones": {"train": "stones.train.jsonl", "dev": "stones.dev.jsonl", "tasks": "stones.test.jsonl"}},
        "methods": {"base": None, "domain-only": {"epochs": [1]}, "random": None, "dsir": None},
        "sizes": [6],
        "budgets": [10],
        "random_seeds": 2,
        "selection": {"max_length": 100, "device": "cpu"},
        "training": {"epochs": 1, "batch": 4, "max_length": 100, "device": "cpu", "learning_rate": 1e-2},
        "evaluation": {"device": "cpu"},
        **changes,
    }
    return {name: value for name, value in values.items() if value is not None}


def save(folder: Path, values: dict[str, Any], name: str = "compare.yaml") -> Path:
    """Write a comparison's file."""
    path = folder / name
    path.write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")
    return path
