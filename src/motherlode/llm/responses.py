"""Responses of a server, read with suspicion: a completion, or a reason to ask again."""

from __future__ import annotations

import json
from typing import Any

from motherlode.llm.chat import Answer, Question
from motherlode.llm.endpoint import redacted, shown


class Passing(Exception):  # noqa: N818  # not an error: a reason to try again
    """What went wrong and may go well the next time."""

    def __init__(self, reason: str, detail: str, wait: float | None = None, *, throttled: bool = False) -> None:
        """Describe it.

        Args:
            reason: What it is counted under.
            detail: What is said of it.
            wait: Seconds that the server asks to wait.
            throttled: Whether all requests should wait.
        """
        super().__init__(detail)
        self.reason, self.detail, self.wait, self.throttled = reason, detail, wait, throttled


def read_completion(response: dict[str, Any], question: Question, key: str | None) -> Answer:
    """Turn a completion into an answer.

    Args:
        response: The response's JSON.
        question: What was asked, to estimate tokens that the server did not count.
        key: The key, which is cut out, however it was escaped.

    Raises:
        Passing: It is no completion.
    """
    try:
        choice = response["choices"][0]
        message = choice["message"]
        content = message.get("content")
        if isinstance(content, list):
            content = "".join(part.get("text", "") for part in content)
        refusal = message.get("refusal")
        finish = choice.get("finish_reason") or "stop"
    except (KeyError, IndexError, TypeError, AttributeError):
        error = response.get("error")
        said = shown(message_of(json.dumps({"error": error})), key) if error else "its fields are not there"
        raise Passing("not a completion", f"a response that is no completion ({said})") from None
    text = content if isinstance(content, str) else ""
    text = redacted(text.encode("utf-8", "replace").decode(), key)  # halves of surrogate pairs are no text
    usage = response.get("usage")
    prompt = _count(usage, "prompt_tokens", question.prompt_tokens)
    completion = _count(usage, "completion_tokens", -(-len(text.encode()) // 3))
    return Answer(text, shown(str(finish), key), shown(str(refusal), key) if refusal else None, prompt, completion)


def _count(usage: Any, name: str, otherwise: int) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and 0 <= value < 1 << 40 else otherwise


def message_of(text: str) -> str:
    """Find the message in an error response; empty if it is a web page."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "" if text.lstrip().startswith("<") else text
    for key in ("error", "message", "detail"):
        if isinstance(value, dict) and value.get(key):
            value = value[key]
    return value if isinstance(value, str) else json.dumps(value)
