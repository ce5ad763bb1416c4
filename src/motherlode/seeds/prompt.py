"""The seed prompt: how a model is asked for one document, as a template that can be replaced in YAML.

The idea is the paper's (arXiv 2410.00260, "Seed Data Generator"): the model first invents a topic, a premise, an
author, an audience and a motive, and then writes the document, so that it comes from somebody; the words are ours.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from motherlode.config import Config
from motherlode.errors import InputError, nearest
from motherlode.llm.chat import Form
from motherlode.seeds.template import DEMEANOURS, DOCUMENT_TYPES
from motherlode.shards.local_copy import here
from motherlode.yaml_file import read_yaml

FIELDS = ("topic", "premise", "author", "audience", "motive", "document")
PLACEHOLDERS = (
    "type",
    "demeanour",
    "length",
    "words",
    "domain",
    "definition",
    "subject",
    "language",
    "samples",
    "steer",
)
_MOST_FILE = 1 << 20
_MOST_VALUES = 1000
_SYSTEM = (
    "You write realistic sample documents for a collection that shows how people in many fields write. Every document "
    "is fiction that could be real: concrete names, numbers, places and details, no placeholders to fill in, no "
    "remarks about the task or about yourself."
)
_ONE = "{domain} ({definition})"
_TWO = "two fields at once, {first} and {second}, so that neither could be left out"
_PROMPT = """\
Invent one document of this type: {type}. It is about {subject}.

Work in this order:
1. topic: pick something specific within the field, at random; avoid what comes to mind first.
2. premise: say in one sentence what the document sets out to tell.
3. author: describe a person who works in the field and writes this.
4. audience: describe who is meant to read it.
5. motive: say why the author writes it now. While writing, the author's manner is {demeanour}.
6. document: write all of it, as this author would, in {language}. Its length is {length}: {words}.
{samples}{steer}"""
_SAMPLES = """
Real documents of the field follow, to show its matter and manner. Take no sentence, name or number from them.
{samples}
"""


class SeedAnswer(BaseModel):
    """What the model writes for one seed."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    topic: str = Field(min_length=1)
    premise: str = Field(min_length=1)
    author: str = Field(min_length=1)
    audience: str = Field(min_length=1)
    motive: str = Field(min_length=1)
    document: str = Field(min_length=1)


def answer_form() -> Form:
    """Return how a seed's answer is to look."""
    schema = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in FIELDS},
        "required": list(FIELDS),
        "additionalProperties": False,
    }
    names = ", ".join(f'"{name}"' for name in FIELDS)
    tags = "\n".join(f"<{name}>...</{name}>" for name in FIELDS)
    return Form(
        "seed",
        schema,
        f"Answer with one JSON object with the string fields {names}, in this order, and nothing else.",
        f"Answer in exactly this form, and write nothing else:\n{tags}",
    )


class SeedTemplate(Config):
    """The dimensions that seeds vary over, and the prompt that names them."""

    types: tuple[str, ...] = Field(DOCUMENT_TYPES, min_length=1, description="document types")
    demeanours: tuple[str, ...] = Field(DEMEANOURS, min_length=1, description="manners of the author")
    lengths: dict[str, tuple[int, int | None]] = Field(
        {"short": (60, 500), "long": (501, 1000), "very long": (1001, None)},
        min_length=1,
        description="least and most words by name; null is no limit",
    )
    further: dict[str, tuple[str, ...]] = Field({}, description="dimensions of your own, by placeholder")
    system: str = Field(_SYSTEM, description="the system message")
    prompt: str = Field(_PROMPT, min_length=1, description="the prompt")
    one_domain: str = Field(_ONE, min_length=1, description="the subject of a document about one domain")
    two_domains: str = Field(_TWO, min_length=1, description="the subject of a document about two domains")

    @field_validator("types", "demeanours")
    @classmethod
    def _values(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return _checked(values)

    @field_validator("further")
    @classmethod
    def _dimensions(cls, further: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, values in further.items():
            if not name.isidentifier() or name in PLACEHOLDERS or name in FIELDS:
                raise ValueError(f"{name!r} cannot name a dimension; use a word of your own")
            if not values:
                raise ValueError(f"the dimension {name!r} has no value")
            _checked(values)
        return further

    @field_validator("lengths")
    @classmethod
    def _ranges(cls, lengths: dict[str, tuple[int, int | None]]) -> dict[str, tuple[int, int | None]]:
        for name, (least, most) in lengths.items():
            if least < 1 or (most is not None and most < least) or (most or least) > 20_000:
                raise ValueError(f"{name!r} is not a range of words such as [501, 1000] or [1001, null]")
        return lengths

    @model_validator(mode="after")
    def _placeholders(self) -> Self:
        known = (*PLACEHOLDERS, *self.further)
        _check_placeholders("prompt", self.prompt, known)
        _check_placeholders("one_domain", self.one_domain, ("domain", "definition"))
        _check_placeholders("two_domains", self.two_domains, ("first", "second"))
        used = _placeholders_of(self.prompt)
        if not {"subject", "domain"} & used:
            raise ValueError("the prompt does not name the domain; use {subject}")
        if missing := [name for name in self.further if name not in used]:
            raise ValueError(f"the prompt does not use {{{missing[0]}}}")
        return self

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a template from YAML; what it leaves out stays as it is built in.

        Raises:
            InputError: The file is not there, not YAML, or a key, value or placeholder must be changed.
        """
        path = here(path)
        if path.is_file() and path.stat().st_size > _MOST_FILE:
            raise InputError("is larger than 1 MiB, too large for a template", where=str(path))
        values = read_yaml(path)
        if not values:
            raise InputError(
                "holds no template", where=str(path), hint=f"its keys may be {', '.join(cls.model_fields)}"
            )
        return cls.parse(values, str(path))

    @property
    def dimensions(self) -> dict[str, Sequence[str]]:
        """Values by dimension, for the design."""
        return {"type": self.types, "demeanour": self.demeanours, "length": tuple(self.lengths), **self.further}

    def subject(self, names: Sequence[str], definitions: Mapping[str, str]) -> str:
        """Say what a document is about.

        Args:
            names: One domain or two.
            definitions: What is known of them.
        """
        if len(names) == 1:
            definition = definitions.get(names[0], "")
            return self.one_domain.format(domain=names[0], definition=definition) if definition else names[0]
        first, second = (f"{n} ({definitions[n]})" if definitions.get(n) else n for n in names[:2])
        return self.two_domains.format(first=first, second=second)

    def ask(
        self,
        row: Mapping[str, str],
        names: Sequence[str],
        definitions: Mapping[str, str],
        language: str,
        samples: Sequence[str],
        steer: str,
    ) -> str:
        """Return the prompt of one seed.

        Args:
            row: A value of each dimension.
            names: The domain, or two.
            definitions: A sentence on each domain that has one.
            language: The language's English name.
            samples: Real documents to steer by.
            steer: What was wrong with the last answer; empty at first.
        """
        least, most = self.lengths[row["length"]]
        words = f"between {least} and {most} words" if most else f"at least {least} words"
        shown = "\n".join(f"<sample>\n{sample}\n</sample>" for sample in samples)
        values = {
            **row,
            "words": words,
            "domain": names[0],
            "definition": definitions.get(names[0], ""),
            "subject": self.subject(names, definitions),
            "language": language,
            "samples": _SAMPLES.format(samples=shown) if samples else "",
            "steer": f"\n{steer}\n" if steer else "",
        }
        return self.prompt.format_map(values).strip()


def _checked(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(values) > _MOST_VALUES or not all(value.strip() and len(value) <= 200 for value in values):
        raise ValueError(f"a dimension has 1 to {_MOST_VALUES} values of 1 to 200 characters")
    if len(set(values)) < len(values):
        raise ValueError("a value is listed twice")
    return values


def _placeholders_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def _check_placeholders(key: str, text: str, known: Sequence[str]) -> None:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{key}: {error}; write {{{{ and }}}} for braces") from None
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if name not in known:
            raise ValueError(f"{key}: unknown placeholder {{{name}}}; {nearest(name, known)}")
        if form or conversion:
            raise ValueError(f"{key}: write {{{name}}} without ':' and '!'")
