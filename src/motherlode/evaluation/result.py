"""What an evaluation found: scores beside what they must be compared with, and every item's outcome."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self, TypeVar

from motherlode.errors import InputError
from motherlode.shards import store
from motherlode.shards.fingerprint import canonical_json
from motherlode.shards.local_copy import here, path_here

FILE = "evaluation.json"
_FORMAT = 1


@dataclass(frozen=True)
class TaskScore:
    """The score on one task.

    Attributes:
        name: The task.
        n: Items that were scored.
        metric: What the score is: `acc`, `acc_norm` (by length), `exact_match`, `f1` (of words or choices).
        score: Mean of the items' outcomes, 0 to 1.
        low: Lower limit of its interval.
        high: Upper limit.
        chance: What guessing gives; None if that is not known, as of free answers.
        majority: What always giving the most frequent answer gives; None if that is not known.
        acc: Share of items whose right choice is the likeliest; None without choices.
        acc_norm: The same by log-likelihood a character, which does not favour short choices.
        items: The outcome of each item, in the file's order.
        ids: The items' names.
        exact_match: Share of answers written exactly right; None where none is written.
        macro_f1: Mean F1 of the classes; None if the choices differ between items.
        predictions: What was answered, by item.
        shots: Examples in each prompt.
        truncated: Prompts that lost their beginning because the model's window is too short.
        confidence: Of the interval.
        probability: Mean probability of the right choice among the choices, 0 to 1 (see `probability`); None if an item
            has no choices of which one is right.
        probability_low: Lower limit of its interval; None as that.
        probability_high: Upper limit.
        probabilities: That of each item, in the file's order; None as that.
    """

    name: str
    n: int
    metric: str
    score: float
    low: float
    high: float
    chance: float | None
    majority: float | None
    acc: float | None
    acc_norm: float | None
    items: tuple[float, ...]
    ids: tuple[str, ...]
    exact_match: float | None = None
    macro_f1: float | None = None
    predictions: tuple[str, ...] = ()
    shots: int = 0
    truncated: int = 0
    confidence: float = 0.95
    probability: float | None = None
    probability_low: float | None = None
    probability_high: float | None = None
    probabilities: tuple[float, ...] | None = None

    @property
    def flag(self) -> str:
        """A word on the score: `below chance`, `at chance`, `below majority`, `at majority`, or nothing."""
        for name, value in (("chance", self.chance), ("majority", self.majority)):
            if value is not None and self.score < value:
                return f"below {name}"
            if value is not None and self.low <= value:
                return f"at {name}"
        return ""


@dataclass(frozen=True)
class TextScore:
    """The loss on held-out documents.

    Attributes:
        name: The set.
        documents: How many.
        tokens: Their tokens, each predicted once.
        loss: Nats a token, over all tokens.
        perplexity: exp(loss).
        low: Lower limit of the perplexity, over documents.
        high: Upper limit.
        losses: Nats a token of each document.
        lengths: Tokens of each document.
        windowed: Documents longer than the model's window, read in overlapping parts.
        bits_per_byte: Loss a byte of text, in bits: comparable between tokenizers.
        confidence: Of the interval.
    """

    name: str
    documents: int
    tokens: int
    loss: float
    perplexity: float
    low: float
    high: float
    losses: tuple[float, ...] = ()
    lengths: tuple[int, ...] = ()
    windowed: int = 0
    bits_per_byte: float = math.nan
    confidence: float = 0.95


@dataclass(frozen=True)
class Evaluation:
    """All scores of one model.

    Attributes:
        tasks: By name.
        texts: By name.
        model: Folder or hub name.
        adapter: Folder of the adapter, if there is one.
        settings: Options that the scores depend on.
        versions: Versions of the libraries that made them.
        fingerprints: What each score depends on, by `task:NAME` and `text:NAME`.
    """

    tasks: Mapping[str, TaskScore]
    texts: Mapping[str, TextScore]
    model: str = ""
    adapter: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path | str) -> Path:
        """Write `evaluation.json` into a folder; the same scores give the same bytes."""
        store.make_folder(path_here(folder))
        path = path_here(folder) / FILE
        values = {"motherlode": _FORMAT, **asdict(self)}
        store.write_text(path, json.dumps(finite(values), sort_keys=True, indent=1, ensure_ascii=False) + "\n")
        return path

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read what `write` wrote.

        Args:
            path: The folder or the file.

        Raises:
            InputError: There is none, or it is damaged.
        """
        source = here(path) / FILE if here(path).is_dir() else here(path)
        try:
            values = json.loads(source.read_text("utf-8"))
            if values.pop("motherlode") != _FORMAT:
                raise ValueError(_FORMAT)
            tasks = {name: score_from(TaskScore, score) for name, score in values.pop("tasks").items()}
            texts = {name: score_from(TextScore, score) for name, score in values.pop("texts").items()}
            return cls(tasks=tasks, texts=texts, **values)
        except OSError:
            raise InputError("holds no evaluation", where=str(path), hint="run `evaluate` with --out first") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError("is damaged", where=str(source), hint="run `evaluate` again") from error


Score = TypeVar("Score", "TaskScore", "TextScore")


def score_from(kind: type[Score], values: Mapping[str, Any]) -> Score:
    """Read a score from JSON; limits that are null are infinite.

    Raises:
        TypeError: Fields are missing or unknown.
    """
    limits = {"low": -math.inf, "high": math.inf, "bits_per_byte": math.nan}
    known = {item.name for item in fields(kind)}
    made: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    made |= {name: limit for name, limit in limits.items() if name in known and made.get(name, 0.0) is None}
    return kind(**made)


def finite(value: Any) -> Any:
    """Put null in place of numbers that JSON lacks."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: finite(item) for name, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def stored(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """Return a finished part of an earlier run, if it depends on the same things."""
    try:
        values = json.loads(path.read_text("utf-8"))
        return dict(values["score"]) if values["fingerprint"] == fingerprint else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # none, or torn by other hands: it is made again


def keep(path: Path, fingerprint: str, score: TaskScore | TextScore) -> None:
    """Write a finished part."""
    store.make_folder(path.parent)
    store.write_text(path, canonical_json(finite({"fingerprint": fingerprint, "score": asdict(score)})) + "\n")
