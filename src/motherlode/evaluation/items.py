"""Labelled tasks as JSONL or Parquet: one item a row, checked before a model is asked.

    {"id": "...", "question": "...", "context": "...", "choices": ["yes", "no"], "answer": "yes"}

No choices (`[]`) means a free answer; `"multi": true` means that the answer lists several choices, joined by `, `.
`context` and `id` may be left out (an item is then known by its place), `rationale` is for training only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from motherlode.errors import InputError
from motherlode.models.rows import Rows
from motherlode.shards.local_copy import here

Kind = Literal["choice", "several", "free"]
_SHAPE = 'write each item on a line of its own, as {"question": "...", "choices": [...], "answer": "..."}'
_ENDINGS = (".gz", ".zst", ".jsonl", ".ndjson", ".json", ".parquet")
SEPARATOR = ", "


@dataclass(frozen=True)
class TaskItem:
    """One question.

    Attributes:
        id: Its name, unique in the file.
        question: What is asked; not empty.
        context: What it is asked about; may be empty.
        choices: Possible answers, in order; none: a free answer.
        answer: The right answer; one of the choices, or several joined by `, `.
        kind: `choice`: one of the choices; `several`: some of them; `free`: any text.
        rationale: Why, if the file says so.
    """

    id: str
    question: str
    context: str
    choices: tuple[str, ...]
    answer: str
    kind: Kind
    rationale: str = ""

    @property
    def gold(self) -> int:
        """Place of the answer among the choices."""
        return self.choices.index(self.answer)

    @property
    def answers(self) -> tuple[str, ...]:
        """The choices that the answer lists."""
        return split_answers(self.answer, self.choices) or (self.answer,)


@dataclass(frozen=True)
class TaskFile:
    """The items of one file.

    Attributes:
        name: The file's name without its endings.
        path: The file.
        items: Its items, in order; at least one.
        digest: Digest of its bytes.
    """

    name: str
    path: Path
    items: tuple[TaskItem, ...]
    digest: str


def task_name(path: Path | str) -> str:
    """Return a task's name: the file's without its endings, e.g. `rqe.dev` of `rqe.dev.jsonl.gz`."""
    name = Path(path).name
    while name.lower().endswith(_ENDINGS) and Path(name).stem != name:
        name = Path(name).stem
    return name


def read_task(path: Path | str) -> TaskFile:
    """Read and check a file of items.

    Args:
        path: JSONL (plain, gzip or Zstandard) or Parquet.

    Returns:
        The items.

    Raises:
        InputError: The file is missing, empty or damaged, or an item is none; the line names the first one.
    """
    if here(path).is_dir():
        raise InputError("is a folder", where=str(path), hint="name a file of task items")
    try:
        rows = Rows(path)
    except InputError as error:
        hint = "name a JSONL or Parquet file of task items" if error.what == "no such file" else _SHAPE
        raise InputError(error.what, where=error.where, hint=hint if error.hint else None) from None
    if not len(rows):
        raise InputError("holds no item", where=str(path), hint=_SHAPE)
    items, places = [], dict[str, str]()
    for number, row in enumerate(rows):
        place = rows.place(number)
        try:
            item = to_item(row, number)
        except InputError as error:
            raise InputError(error.what, where=place, hint=error.hint) from None
        if item.id in places:
            what = f"the id {item.id[:60]!r} is also that of {places[item.id]}"
            raise InputError(what, where=place, hint="give every item an id of its own")
        places[item.id] = place
        items.append(item)
    return TaskFile(task_name(path), here(path), tuple(items), rows.digest)


def to_item(row: Mapping[str, Any], number: int = 0) -> TaskItem:
    """Check one row.

    Args:
        row: Its fields.
        number: Its place in the file, the name of an item without `id`.

    Raises:
        InputError: It is no item.
    """
    question, answer = _text(row, "question"), _text(row, "answer")
    if not question:
        raise InputError("has no question", hint=_SHAPE)
    if not answer:
        raise InputError("has no answer", hint="an item without a right answer cannot be scored")
    choices = row.get("choices")
    if not isinstance(choices, list):
        raise InputError("has no list of choices", hint='an item with a free answer says "choices": []')
    texts = tuple(_one_line(choice) if isinstance(choice, str) else "" for choice in choices)
    if "" in texts:
        raise InputError(f"choice {texts.index('') + 1} is not a text or is empty", hint="every choice is a text")
    if len(set(texts)) < len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        raise InputError(f"the choice {twice[:60]!r} is there twice", hint="give each choice once")
    if len(texts) == 1:
        raise InputError("has a single choice", hint='give two or more, or "choices": [] for a free answer')
    given = row.get("id")
    rationale = _text(row, "rationale") if row.get("rationale") is not None else ""
    context = _text(row, "context") if row.get("context") is not None else ""
    kind: Kind = "free" if not texts else "several" if row.get("multi") else "choice"
    if kind == "choice" and answer not in texts:
        hint = "it must be one of the choices; \"multi\": true allows several, joined by ', '"
        raise InputError(f"the answer {answer[:60]!r} is not among the {len(texts)} choices", hint=hint)
    if kind == "several" and not split_answers(answer, texts):
        hint = "it must list some of them, each once, joined by ', '"
        raise InputError(f"the answer {answer[:60]!r} does not list choices", hint=hint)
    name = str(number) if given is None else str(given)
    return TaskItem(name, question, context, texts, answer, kind, rationale)


def split_answers(text: str, choices: tuple[str, ...]) -> tuple[str, ...]:
    """Read a text as a list of choices, each at most once, joined by `, `; a choice may hold a comma itself.

    Returns:
        The choices in the order in which they are listed; none if the text is no such list.
    """
    for choice in sorted(choices, key=len, reverse=True):
        if text == choice:
            return (choice,)
        if text.startswith(choice + SEPARATOR):
            rest = split_answers(text[len(choice) + len(SEPARATOR) :], tuple(c for c in choices if c != choice))
            if rest:
                return (choice, *rest)
    return ()


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        raise InputError(f"has no field {name!r}", hint=_SHAPE)
    if not isinstance(value, str):
        raise InputError(f"the field {name!r} is not text but {type(value).__name__}", hint=_SHAPE)
    return _one_line(value) if name == "answer" else value.strip()


def _one_line(text: str) -> str:
    return " ".join(text.split())
