"""Reading a model's answer: JSON, JSON in a fence or among talk, or tagged text, as pydantic checks it.

Models without enforced schemas wrap, prefix and cut what they were asked for. Everything that can be read without
guessing at words is; the rest is malformed, and asked for again.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

_THOUGHT = re.compile(r"^.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)  # chat templates may swallow the opening mark
_MOST_TRIED = 20  # braces at which JSON may begin

Model = TypeVar("Model", bound=BaseModel)


def read_answer(text: str, model: type[Model]) -> Model | None:
    """Read an answer.

    Args:
        text: What the model wrote.
        model: Its fields; tags are their names.

    Returns:
        The answer; None if it cannot be read.
    """
    text = _THOUGHT.sub("", text)
    for values in (_json(text), _tagged(text, list(model.model_fields))):
        if values is not None:
            try:
                return model.model_validate(values)
            except ValidationError:
                continue
    return None


def _json(text: str) -> dict[str, Any] | None:
    """Find the first JSON object; line breaks within strings are let pass."""
    decoder = json.JSONDecoder(strict=False)
    start = -1
    for _ in range(_MOST_TRIED):
        start = text.find("{", start + 1)
        if start < 0:
            return None
        try:
            value, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return {str(key).strip().lower(): part for key, part in value.items()}
    return None


def _tagged(text: str, names: list[str]) -> dict[str, Any] | None:
    """Find `<name>...</name>`; the last field may lack its end only if the text does not end early elsewhere."""
    values: dict[str, Any] = {}
    for name in names:
        found = re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL | re.IGNORECASE)
        if found:
            values[name] = found.group(1).strip()
    return values or None
