r"""An item as a prompt and a completion: one format for training, zero-shot and few-shot.

    {context}

    Question: {question}
    Answer:| {answer}

The completion begins with its space, as byte-level tokenizers have it. Three styles: `cloze` scores the choices' texts
and does not list them (base models; short prompts), `listed` lists them first, `letters` lists them as A, B, C and
scores the letter (what MMLU does with large models). Through a chat template the prompt is the user's turn and the
bare answer the assistant's. A rationale comes after the answer, so that the answer stands where it is scored.
"""

from __future__ import annotations

from typing import Any, Literal

from motherlode.errors import InputError
from motherlode.evaluation.items import SEPARATOR, TaskItem

Style = Literal["cloze", "listed", "letters"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SHOT_END = "\n\n"  # between examples


def check_style(item: TaskItem, style: Style) -> None:
    """Check that an item can be asked in a style.

    Raises:
        InputError: It has more choices than there are letters.
    """
    if style == "letters" and len(item.choices) > len(LETTERS):
        raise InputError(
            f"has {len(item.choices)} choices, more than letters", where="--style letters", hint="use cloze or listed"
        )


def to_prompt(item: TaskItem, style: Style = "cloze") -> str:
    """Return what a model is given; ends with `Answer:`."""
    lines = [f"{item.context}\n"] if item.context else []
    lines.append(f"Question: {item.question}")
    if item.choices and style == "letters":
        lines += [f"{letter}. {choice}" for letter, choice in zip(LETTERS, item.choices, strict=False)]
    elif item.choices and style == "listed":
        lines += ["Options:", *(f"- {choice}" for choice in item.choices)]
    return "\n".join([*lines, "Answer:"])


def to_choices(item: TaskItem, style: Style = "cloze") -> list[str]:
    """Return what the choices are scored as, without the space before."""
    return list(LETTERS[: len(item.choices)]) if style == "letters" else list(item.choices)


def to_answer(item: TaskItem, style: Style = "cloze") -> str:
    """Return the right answer as a model should write it, without the space before."""
    if style == "letters" and item.choices:
        return SEPARATOR.join(LETTERS[item.choices.index(answer)] for answer in item.answers)
    return item.answer


def to_completion(item: TaskItem, style: Style = "cloze", *, rationale: bool = False) -> str:
    """Return what a model is to write after the prompt.

    Args:
        item: The item.
        style: How choices are shown.
        rationale: Whether the item's rationale follows, where it has one.
    """
    reason = f"\nReason: {item.rationale}" if rationale and item.rationale else ""
    return f" {to_answer(item, style)}{reason}"


def to_messages(prompt: str, completion: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a prompt and its completion as turns of a chat."""
    return [{"role": "user", "content": prompt}], [{"role": "assistant", "content": completion.strip()}]
