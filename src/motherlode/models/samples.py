"""Samples: what a model is trained on, read from the field names in use.

    {"prompt": "...", "completion": "..."}                        both texts, or both lists of messages (TRL)
    {"messages": [{"role": "user", "content": "..."}, ...]}       the last message, by the assistant, is the completion
    {"instruction": "...", "input": "...", "output": "..."}       Alpaca
    {"conversations": [{"from": "human", "value": "..."}, ...]}   ShareGPT

Other names are mapped: `fields={"prompt": "question", "completion": "answer"}`. A row that has none of the mapped names
is read under ours, so that files of two kinds go together. A field that is null is not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from motherlode.errors import InputError

Message = Mapping[str, str]
TARGETS = ("prompt", "completion", "messages", "instruction", "input", "output", "conversations")
_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}


@dataclass(frozen=True)
class Sample:
    """A prompt and its completion.

    Attributes:
        prompt: What is given: a text, or messages.
        completion: What is to be written; not empty.
    """

    prompt: str | tuple[Message, ...]
    completion: str

    @property
    def text(self) -> str:
        """Prompt and completion as one plain text."""
        if isinstance(self.prompt, str):
            return f"{self.prompt}\n{self.completion}" if self.prompt else self.completion
        return "\n".join([*(message["content"] for message in self.prompt), self.completion])


def check_fields(fields: Mapping[str, str] | None) -> dict[str, str]:
    """Check a mapping of field names.

    Args:
        fields: Our name to the file's name.

    Raises:
        InputError: A name on our side is unknown.
    """
    for name in fields or {}:
        if name not in TARGETS:
            raise InputError(f"{name!r} is no field of a sample", where="--fields", hint=f"known: {', '.join(TARGETS)}")
    return dict(fields or {})


def to_sample(row: Mapping[str, Any], fields: Mapping[str, str] | None = None) -> Sample:
    """Read a row as a sample.

    Args:
        row: The row's fields.
        fields: Our names to the row's names, where they differ.

    Returns:
        The sample.

    Raises:
        InputError: Fields are missing, of a wrong type, or the completion is empty.
    """
    fields = fields or {}
    missing = [theirs for theirs in fields.values() if theirs not in row]
    if fields and (len(missing) < len(fields) or not _native(row)):
        if missing:
            raise InputError(f"has no field {missing[0]!r}", hint=f"it has: {_shown(row)}")
        row = {ours: row[theirs] for ours, theirs in fields.items()}
    row = {
        name: value for name, value in row.items() if value is not None
    }  # a Parquet file has all columns in all rows
    if "messages" in row:
        return _from_messages(row["messages"], "messages")
    if "conversations" in row:
        return _from_messages(_from_sharegpt(row["conversations"]), "conversations")
    if "completion" in row:
        if "prompt" not in row:
            raise InputError("has a 'completion' but no 'prompt'", hint='an empty one is written as "prompt": ""')
        return _from_pair(row["prompt"], row["completion"])
    if "instruction" in row and "output" in row:
        given = [_text(row, "instruction"), _text(row, "input") if row.get("input") else ""]
        return Sample("\n\n".join(part for part in given if part) + "\n\n", _completion(_text(row, "output")))
    raise InputError(
        f"is no sample (its fields: {_shown(row)})",
        hint="needs prompt + completion, messages, instruction + output, or conversations; --fields maps other names",
    )


def _native(row: Mapping[str, Any]) -> bool:
    """Return whether a row has the fields of a sample under our own names."""
    shapes = ({"prompt", "completion"}, {"messages"}, {"instruction", "output"}, {"conversations"})
    return any(all(row.get(name) is not None for name in shape) for shape in shapes)


def _shown(row: Mapping[str, Any]) -> str:
    names = [str(name)[:40] for name in list(row)[:8]]
    return ", ".join(names) + (", ..." if len(row) > 8 else "") if names else "none"


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise InputError(f"the field {name!r} is not text but {type(value).__name__}")
    return value


def _completion(text: str) -> str:
    if not text.strip():
        raise InputError("has an empty completion", hint="there is nothing to learn from it; remove the row")
    return text


def _from_pair(prompt: Any, completion: Any) -> Sample:
    if isinstance(prompt, str) and isinstance(completion, str):
        return Sample(prompt, _completion(completion))
    if isinstance(prompt, list) and isinstance(completion, list):
        return _from_messages([*prompt, *completion], "completion")
    raise InputError("'prompt' and 'completion' must both be texts or both be lists of messages")


def _from_sharegpt(turns: Any) -> list[dict[str, Any]]:
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise InputError("'conversations' is not a list of turns")
    messages = []
    for turn in turns:
        if "from" not in turn or "value" not in turn:
            raise InputError("a turn of 'conversations' lacks 'from' or 'value'")
        if turn["from"] not in _ROLES:
            raise InputError(f"a turn of 'conversations' is from {str(turn['from'])[:40]!r}", hint="use human or gpt")
        messages.append({"role": _ROLES[turn["from"]], "content": turn["value"]})
    return messages


def _from_messages(messages: Any, name: str) -> Sample:
    if not isinstance(messages, list) or not messages or not all(isinstance(item, dict) for item in messages):
        raise InputError(f"{name!r} is not a list of messages")
    for item in messages:
        if not isinstance(item.get("role"), str) or not isinstance(item.get("content"), str):
            raise InputError(f"a message of {name!r} lacks 'role' or 'content' as text")
    if messages[-1]["role"] != "assistant":
        raise InputError(f"the last message of {name!r} is not by the assistant", hint="there is nothing to learn from")
    prompt = tuple({"role": item["role"], "content": item["content"]} for item in messages[:-1])
    return Sample(prompt, _completion(messages[-1]["content"]))


def as_messages(prompt: str | Sequence[Message]) -> list[Message]:
    """Return a prompt as messages; a text is the user's, an empty one no message."""
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt.strip()}] if prompt.strip() else []
    return list(prompt)
