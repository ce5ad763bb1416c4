"""Texts that mean nothing: topics with vocabularies of their own, made of syllables, over common words of all.

A document of a topic draws about half of its words from the topic's vocabulary, frequent ones more often, as words are
used in real texts. Seeds draw from the same vocabulary with another random state, and never repeat a document.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

SYLLABLES = "ba ce di fo gu ka le mi no pu ra se ti vo zu sha bre dro plu gri ska thu".split()
COMMON = "the of and to in that is was for with as by on it at from this be are were which had not have but".split()
TOPICS = ("velmar", "ostrin", "quendal")
NOISE = ("hum", "drone", "murmur", "clatter", "rustle", "babble")


def vocabulary(topic: str, size: int = 80) -> list[str]:
    """Return the words of a topic; those of different topics hardly ever coincide."""
    choice = random.Random(f"words of {topic}")
    return ["".join(choice.choices(SYLLABLES, k=choice.randint(3, 4))) for _ in range(size)]


def document(topics: Sequence[str], choice: random.Random, words: int | None = None) -> str:
    """Invent a document about one or several topics."""
    words = words or choice.randint(25, 60)
    parts = []
    for _ in range(words):
        if choice.random() < 0.5:
            own = vocabularies(choice.choice(topics))
            parts.append(own[min(int(choice.expovariate(0.05)), len(own) - 1)])
        else:
            parts.append(choice.choice(COMMON))
    return " ".join(parts).capitalize() + "."


def vocabularies(topic: str, _kept: dict[str, list[str]] = {}) -> list[str]:  # noqa: B006 - a cache
    """Return `vocabulary(topic)`, made once."""
    return _kept.setdefault(topic, vocabulary(topic))


def records(count: int, random_seed: int = 1) -> list[dict[str, str]]:
    """Invent a mixed corpus: a tenth of each topic, a twentieth of both first topics, the rest noise."""
    choice = random.Random(random_seed)
    made = []
    for number in range(count):
        kind = choice.random()
        topics: Sequence[str] = [choice.choice(NOISE)]
        if kind < 0.30:
            topics = [TOPICS[int(kind * 10)]]
        elif kind < 0.35:
            topics = TOPICS[:2]
        truth = " ".join(topic for topic in topics if topic in TOPICS)
        made.append({"id": f"doc-{number:05d}", "text": document(topics, choice), "truth": truth})
    return made


def write_lines(path: Path, rows: Sequence[object]) -> Path:
    """Write objects as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def seed_records(topic: str, count: int = 16) -> list[dict[str, object]]:
    """Invent the seeds of a topic."""
    choice = random.Random(f"seeds of {topic}")
    return [{"text": document([topic], choice, 60), "labels": [topic]} for _ in range(count)]
