"""A question to a model and what came back; a question's fingerprint is what its answer is kept under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from motherlode.shards.fingerprint import fingerprint

_CHARACTERS_PER_TOKEN = 3  # of prompts; fewer than English has, so that budgets err on the safe side


@dataclass(frozen=True)
class Form:
    """How an answer is to look: by a JSON schema where the server enforces one, else as tagged text.

    Attributes:
        name: The schema's name.
        schema: JSON schema of the answer.
        json_note: Closes the prompt where the schema is sent.
        text_note: Closes the prompt where it is not.
    """

    name: str
    schema: Mapping[str, Any]
    json_note: str
    text_note: str


@dataclass(frozen=True)
class Question:
    """One call to a model.

    Attributes:
        system: The system message.
        prompt: The user's message, without the note on the answer's form.
        form: The form of the answer.
        most_tokens: Tokens of the answer, at most.
        temperature: Of sampling.
        seed: Of sampling, for servers that heed it; tells repeated questions apart.
        plain: Whether the schema is left out even where the server could enforce it.
    """

    system: str
    prompt: str
    form: Form
    most_tokens: int
    temperature: float
    seed: int
    plain: bool = False

    def messages(self, schema: bool) -> list[dict[str, str]]:
        """Return the messages, for a request with the schema or one without."""
        note = self.form.json_note if schema else self.form.text_note
        return [{"role": "system", "content": self.system}, {"role": "user", "content": f"{self.prompt}\n\n{note}"}]

    def fingerprint(self, url: str, model: str) -> str:
        """Return what the answer is kept under: everything that it depends on."""
        form = [self.form.name, dict(self.form.schema), self.form.json_note, self.form.text_note]
        rest = [self.most_tokens, self.temperature, self.seed, self.plain]
        return fingerprint("chat", 1, url, model, self.system, self.prompt, form, rest)

    @property
    def prompt_tokens(self) -> int:
        """A safe estimate of the prompt's tokens."""
        notes = max(len(self.form.json_note), len(self.form.text_note))
        return (len((self.system + self.prompt).encode()) + notes) // _CHARACTERS_PER_TOKEN + 16


@dataclass(frozen=True)
class Answer:
    """What a model answered.

    Attributes:
        text: The message, as it came.
        finish: Why it ended: `stop`, `length`, `content_filter`, or what else the server says.
        refusal: What the server says of a refusal; None if it was none.
        prompt_tokens: As the server counted them; estimated if it did not.
        completion_tokens: Likewise.
    """

    text: str
    finish: str
    refusal: str | None
    prompt_tokens: int
    completion_tokens: int
