"""A small selection's files: a tiny model, a domain, a pool of three sources."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from motherlode import Selection, select

WORDS = "river stone lantern market ledger violet harbour thread copper window orchard signal".split()


def row(choice: random.Random, number: int, **more: Any) -> dict[str, Any]:
    """A sample of a few words, its source one of three."""
    prompt = " ".join(choice.choices(WORDS, k=choice.randint(1, 5))) + f" {number}? "
    completion = " ".join(choice.choices(WORDS, k=choice.randint(1, 6)))
    return {"prompt": prompt, "completion": completion, "source": f"s{number % 3}", **more}


def write(path: Path, rows: list[Any]) -> Path:
    """Write rows as JSONL."""
    path.write_text("".join(json.dumps(item) + "\n" for item in rows))
    return path


def read(path: Path) -> list[dict[str, Any]]:
    """Read rows of JSONL."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def given(place: Path, **options: Any) -> Selection:
    """Select from `pool.jsonl` for `domain.jsonl` with the model in `model`."""
    fixed: dict[str, Any] = {"model": str(place / "model"), "device": "cpu", "max_length": 100}
    return select(place / "domain.jsonl", place / "pool.jsonl", **{**fixed, **options})
