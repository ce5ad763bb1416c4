"""Samples as tokens: the chat template or a plain format, where the completion starts, and truncation that is counted.

A plain text's prompt and completion are tokenised apart and joined, so that the completion's tokens never depend on
where the prompt ends; the end-of-sequence token belongs to the completion, as in TRL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from motherlode.errors import InputError
from motherlode.models.samples import Sample, as_messages

Template = Literal["auto", "chat", "plain"]
Side = Literal["left", "right"]
_NAMES = {"system": "System", "user": "User", "assistant": "Assistant"}


@dataclass(frozen=True)
class Tokens:
    """A sample's tokens.

    Attributes:
        ids: `[t]` int64.
        start: The completion is `ids[start:]`.
        truncated: How many tokens were cut off.
    """

    ids: NDArray[np.int64]
    start: int
    truncated: int = 0

    @property
    def targets(self) -> int:
        """Completion tokens that something before them predicts."""
        return len(self.ids) - max(self.start, 1)


class Tokeniser:
    """Samples to tokens, under one tokenizer and one set of choices."""

    def __init__(
        self, tokenizer: Any, *, template: Template = "auto", max_length: int = 1024, truncate: Side = "left"
    ) -> None:
        """Describe how samples become tokens.

        Args:
            tokenizer: A Hugging Face tokenizer; needs neither a padding token nor a chat template.
            template: `auto`: messages through the chat template if there is one, texts as they are; `chat`: everything
                through the template; `plain`: never.
            max_length: Most tokens of a sample, 2 or more.
            truncate: The side that is cut off a longer one: `left` keeps the completion.

        Raises:
            InputError: `chat` is wanted and the tokenizer has no template.
        """
        self.tokenizer, self.template, self.max_length, self.truncate = tokenizer, template, max_length, truncate
        self.has_template = bool(getattr(tokenizer, "chat_template", None))
        if template == "chat" and not self.has_template:
            raise InputError("the tokenizer has no chat template", where="--template chat", hint="use plain or auto")

    def __call__(self, sample: Sample) -> Tokens:
        """Tokenise a sample.

        Raises:
            InputError: The chat template refuses it, or truncation leaves nothing of the completion.
        """
        chat = self.template == "chat" or (
            self.template == "auto" and self.has_template and not isinstance(sample.prompt, str)
        )
        prompt, completion = self._chat(sample) if chat else self._plain(sample)
        ids, start = np.array([*prompt, *completion], dtype=np.int64), len(prompt)
        cut = max(0, len(ids) - self.max_length)
        if cut and self.truncate == "left":
            ids, start = ids[cut:], max(0, start - cut)
        elif cut:
            ids = ids[: self.max_length]
        tokens = Tokens(ids, start, cut)
        if tokens.targets < 1:
            if cut:
                raise InputError(
                    f"nothing of its completion is left in {self.max_length} tokens",
                    hint="use --truncate left, or a larger --max-length",
                )
            raise InputError("its completion is a single token that nothing predicts", hint="give it a prompt")
        return tokens

    def many(self, samples: Sequence[Sample]) -> list[Tokens]:
        """Tokenise samples in order."""
        return [self(sample) for sample in samples]

    def _plain(self, sample: Sample) -> tuple[list[int], list[int]]:
        if isinstance(sample.prompt, str):
            prompt = sample.prompt
        else:
            lines = [f"{_NAMES.get(item['role'], item['role'])}: {item['content']}\n" for item in sample.prompt]
            prompt = "".join([*lines, "Assistant: "])
        end = self.tokenizer.eos_token_id
        completion = self._encode(sample.completion, special=False)
        return self._encode(prompt, special=True), [*completion, *([end] if isinstance(end, int) else [])]

    def _encode(self, text: str, special: bool) -> list[int]:
        if not text and not special:
            return []
        ids: list[int] = self.tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
        end = self.tokenizer.eos_token_id
        if special and ids and ids[-1] == end and len(ids) > 1:  # some tokenizers end every text
            ids = ids[:-1]
        return ids

    def _chat(self, sample: Sample) -> tuple[list[int], list[int]]:
        given = as_messages(sample.prompt)
        whole = self._render([*given, {"role": "assistant", "content": sample.completion}], False)
        begin = self._render(given, True) if given else ""
        if not whole.startswith(begin):  # a template that rewrites earlier turns: what is common to both is the prompt
            same = next((i for i, (a, b) in enumerate(zip(begin, whole, strict=False)) if a != b), len(begin))
            begin = whole[:same]
        if not whole[len(begin) :].strip():
            raise InputError("the chat template leaves nothing of its completion", hint="use --template plain")
        encode = self.tokenizer
        prompt = encode(begin, add_special_tokens=False, verbose=False)["input_ids"] if begin else []
        return prompt, encode(whole[len(begin) :], add_special_tokens=False, verbose=False)["input_ids"]

    def _render(self, messages: Sequence[Any], generate: bool) -> str:
        try:
            text: str = self.tokenizer.apply_chat_template(
                [dict(item) for item in messages], tokenize=False, add_generation_prompt=generate
            )
        except Exception as error:
            line = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            raise InputError(f"the chat template refuses it ({line})", hint="use --template plain") from error
        return text
