"""Tiny models and texts in two kinds that are easy to tell apart, for training in seconds."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.models import tiny
from tests.selection.setting import files

DOMAIN = "copper harbour lantern tide mast anchor".split()
GENERAL = "the of and to in is it that was for".split()


def texts(path: Path, words: list[str], count: int, random_seed: int = 0, most: int = 40) -> Path:
    """Write documents of random words as JSONL."""
    choice = random.Random(random_seed)
    rows = [{"id": f"{n}", "text": " ".join(choice.choices(words, k=choice.randint(3, most)))} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def samples(folder: Path, domain: int = 10, pool: int = 14) -> Path:
    """Write a tiny model, `domain.jsonl` and `pool.jsonl`."""
    return files(folder, domain, pool)


def documents(folder: Path, domain: int = 30, general: int = 60) -> Path:
    """Write a tiny model, and documents of a domain and general ones, to train on and to measure on."""
    tiny.save(folder / "model")
    texts(folder / "domain.jsonl", DOMAIN, domain)
    texts(folder / "general.jsonl", GENERAL, general, 1)
    texts(folder / "domain-dev.jsonl", DOMAIN, 4, 2)
    texts(folder / "general-dev.jsonl", GENERAL, 4, 3)
    return folder
