"""The body of a request, and the optional fields that a server turned out not to know, which are then left out."""

from __future__ import annotations

from typing import Any

from motherlode.errors import InputError
from motherlode.llm.chat import Question
from motherlode.llm.endpoint import Endpoint
from motherlode.llm.store import AnswerStore

_OPTIONAL = {  # fields, by what a refusal of them says
    "response_format": ("response_format", "json_schema", "guided", "grammar", "structured output"),
    "max_tokens": ("max_completion_tokens",),
    "temperature": ("temperature",),
    "seed": ("seed",),
}


class Requests:
    """Requests as one server takes them; what it does not know is remembered in the store."""

    def __init__(self, endpoint: Endpoint, store: AnswerStore) -> None:
        """Know what earlier runs learned.

        Args:
            endpoint: The server and the model.
            store: Where it is remembered.
        """
        self._endpoint, self._store = endpoint, store

    def body(self, question: Question) -> dict[str, Any]:
        """Return the body of a request."""
        schema = not question.plain and self._endpoint.answers != "text" and self._takes("response_format")
        body: dict[str, Any] = {"model": self._endpoint.model, "messages": question.messages(schema), "stream": False}
        if self._takes("temperature"):
            body["temperature"] = question.temperature
        if self._takes("seed"):
            body["seed"] = question.seed
        body["max_tokens" if self._takes("max_tokens") else "max_completion_tokens"] = question.most_tokens
        if schema:
            form = {"name": question.form.name, "strict": True, "schema": question.form.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body

    def learn(self, message: str, body: dict[str, Any]) -> bool:
        """Leave out from now on what a refusal is about; return whether that was in the request.

        Args:
            message: The server's, without the key.
            body: The request that was refused.

        Raises:
            InputError: It is the schema, and the schema is demanded.
        """
        said = message.lower()
        for field, signs in _OPTIONAL.items():
            if field in body and any(sign in said for sign in signs):
                if field == "response_format" and self._endpoint.answers == "schema":
                    hint = "use --answers auto or text"
                    raise InputError(f"knows no JSON schema ({message})", where=self._endpoint.url, hint=hint)
                self._store.learn(self._fact(field), message)
                return True
        return False

    def _takes(self, field: str) -> bool:
        return self._store.fact(self._fact(field)) is None

    def _fact(self, field: str) -> str:
        return f"left out: {field} {self._endpoint.url} {self._endpoint.model}"
