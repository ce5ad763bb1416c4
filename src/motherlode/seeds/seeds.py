"""Seed documents: the examples that say what a domain is.

A seed is one short document that belongs to a domain, or to two at once (arXiv 2410.00260, "Seed Data Generator").
Mining looks for documents like the seeds, so their breadth is the breadth of what is found. Sets of seeds come from
JSONL files or from the packs that ship with the package; this module loads without NumPy or Arrow.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from motherlode.errors import InputError, nearest
from motherlode.seeds.files import read_records, write_records
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.local_copy import here, path_here

BUILTIN = {
    "healthcare": "clinical care, public health, nursing, pharmacy, dentistry, health services",
    "finance": "markets, banking, accounting, insurance, monetary policy, company news",
    "legal": "courts, contracts, legislation, legal advice and practice",
    "psychology": "research, therapy, mental health, development, social and work psychology",
    "software": "engineering, operations, security, data, open source, product",
    "science": "physics, chemistry, biology, earth and space, mathematics, laboratory life",
    "background": "a contrast set: everyday topics that belong to none of the other packs",
    "society": "a contrast set: government, education, history, religion, workplaces and other neighbours of domains",
    "everyday": "a contrast set: ordinary talk about ordinary life, mostly informal",
    "demo-networking": "for the demo: sockets, protocols, web clients and servers",
    "demo-statistics": "for the demo: distributions, estimation, testing, random numbers",
    "demo-filesystem": "for the demo: paths, files, folders, archives, permissions",
}
"""The packs that ship, with what they cover."""

_DESCRIPTORS = ("type", "demeanour", "length", "topic", "premise", "author", "audience", "motive")
_FILE_ENDINGS = (".jsonl", ".ndjson", ".json", ".gz", ".zst", ".txt", ".csv", ".parquet")
_MOST_NAME = 100


@dataclass(frozen=True)
class Seed:
    """One seed document.

    Attributes:
        id: Its name, unique within a set.
        text: The document; never empty.
        labels: The domains that it belongs to, at least one.
        type: Document type, one of `motherlode.seeds.template.DOCUMENT_TYPES` or any other.
        demeanour: How its author sounds.
        length: `short`, `long` or `very long`, as it was ordered.
        topic: What it is about.
        premise: The idea behind it, in one sentence.
        author: Who speaks.
        audience: To whom.
        motive: Why.
        extra: Further fields of its record, kept as they are.
    """

    id: str
    text: str
    labels: tuple[str, ...]
    type: str | None = None
    demeanour: str | None = None
    length: str | None = None
    topic: str | None = None
    premise: str | None = None
    author: str | None = None
    audience: str | None = None
    motive: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise InputError("'text' is empty", where=f"seed {self.id}")
        if not self.labels:
            raise InputError("has no label", where=f"seed {self.id}")
        for label in self.labels:
            check_name(label, f"seed {self.id}")
        if clash := _KNOWN & set(self.extra):
            raise InputError(f"extra field '{min(clash)}' is a field of every seed", where=f"seed {self.id}")

    def record(self) -> dict[str, Any]:
        """Return the seed as the object that a seed file holds, without fields that are not set."""
        described = {name: getattr(self, name) for name in _DESCRIPTORS if getattr(self, name) is not None}
        return {"id": self.id, "text": self.text, "labels": list(self.labels), **described, **self.extra}


_KNOWN = {f.name for f in fields(Seed)} - {"extra"} | {"label"}


@dataclass(frozen=True, repr=False)
class Seeds:
    """A named, ordered set of seed documents.

    Attributes:
        name: The domain's name.
        seeds: The documents.
    """

    name: str
    seeds: tuple[Seed, ...]

    def __post_init__(self) -> None:
        check_name(self.name, "seeds")
        object.__setattr__(self, "seeds", tuple(self.seeds))
        if not self.seeds:
            raise InputError("holds no seed", where=f"seeds {self.name!r}")
        twice = [name for name, count in Counter(seed.id for seed in self.seeds).items() if count > 1]
        if twice:
            raise InputError(f"id {twice[0]!r} is used twice", where=f"seeds {self.name!r}")

    def __len__(self) -> int:
        """Return the number of seeds."""
        return len(self.seeds)

    def __iter__(self) -> Iterator[Seed]:
        """Go through the seeds in order."""
        return iter(self.seeds)

    def __getitem__(self, index: int) -> Seed:
        """Return the seed at a position."""
        return self.seeds[index]

    def __repr__(self) -> str:
        """Say what and how much."""
        labels = ", ".join(f"{label}: {count}" for label, count in self.labels.items())
        return f"Seeds({self.name!r}, {len(self)} seeds, labels {{{labels}}})"

    @property
    def texts(self) -> list[str]:
        """The documents' texts in order."""
        return [seed.text for seed in self.seeds]

    @property
    def labels(self) -> dict[str, int]:
        """Seeds by label, most frequent first."""
        return dict(Counter(label for seed in self.seeds for label in seed.labels).most_common())

    @cached_property
    def digest(self) -> str:
        """Digest of everything that the seeds say, but not of the set's name (32 hexadecimal digits)."""
        return fingerprint([seed.record() for seed in self.seeds])

    @staticmethod
    def builtin_names() -> tuple[str, ...]:
        """Return the names of the packs that ship with the package."""
        return tuple(BUILTIN)

    @staticmethod
    def builtin(name: str) -> Seeds:
        """Load a pack that ships with the package.

        Args:
            name: One of `builtin_names()`.

        Returns:
            The seeds, named after the label that all of them carry: `healthcare` for the pack `healthcare`,
            `networking` for `demo-networking`.

        Raises:
            InputError: There is no such pack.
        """
        if name not in BUILTIN:
            raise InputError(f"there is no pack {name!r}", hint=nearest(name, BUILTIN))
        with resources.as_file(resources.files("motherlode.seeds") / "packs" / f"{name}.jsonl") as path:
            return Seeds.read(path)

    @staticmethod
    def read(path: str | Path, name: str | None = None) -> Seeds:
        """Read seeds from a JSONL file, plain or compressed (gzip, Zstandard).

        Each line is an object with `text`; all else is optional: `id` (default `NAME-0001` and so on), `labels` (a
        list) or `label` (a string; default NAME), `type`, `demeanour`, `length`, `topic`, `premise`, `author`,
        `audience`, `motive` (strings), and whatever fields more, which are kept in `Seed.extra`.

        Args:
            path: The file.
            name: The set's name; by default the label that all its seeds carry, or the file's name if they share none.

        Returns:
            The seeds in the file's order.

        Raises:
            InputError: The file or a line of it must be changed; the error names the line.
        """
        path = here(path).expanduser()
        default = name if name is not None else _stem(path)
        lines: dict[str, int] = {}
        seeds: list[Seed] = []
        for number, record in read_records(path):
            seed = _seed(record, default, len(seeds) + 1, f"{path}:{number}")
            if seed.id in lines:
                raise InputError(
                    f"id {seed.id!r} is also the id of line {lines[seed.id]}",
                    where=f"{path}:{number}",
                    hint="give each seed an id of its own, or none of them one",
                )
            lines[seed.id] = number
            seeds.append(seed)
        if len(seeds) > 1 and len({" ".join(seed.text.split()) for seed in seeds}) == 1:
            raise InputError(
                f"all {len(seeds)} documents have the same text", where=str(path), hint="seeds must differ to be of use"
            )
        if name is None:
            shared = [label for label in seeds[0].labels if all(label in seed.labels for seed in seeds)]
            default = shared[0] if shared else default
        return Seeds(default, tuple(seeds))

    @staticmethod
    def parse(spec: str) -> Seeds:
        """Read what a command line names: `NAME=FILE`, `NAME=builtin`, the NAME of a pack, or a FILE.

        Args:
            spec: The option's value.

        Returns:
            The seeds.

        Raises:
            InputError: Nothing of that name is there, or the file must be changed.
        """
        if not spec.strip():
            raise InputError("no seeds are named", hint="write NAME=FILE, or the name of a pack")
        name, equals, source = spec.partition("=")
        if equals and not here(spec).expanduser().is_file():
            if not name or not source:
                raise InputError("is not NAME=FILE or NAME=builtin", where=f"seeds {spec!r}")
            if source == "builtin":
                return Seeds.builtin(name)
            if source in BUILTIN and not Path(source).exists():
                raise InputError("no such file", where=source, hint=f"for the pack, write {source}=builtin")
            return Seeds.read(source, name)
        if spec in BUILTIN:
            return Seeds.builtin(spec)
        if os.sep in spec or spec.lower().endswith(_FILE_ENDINGS) or here(spec).expanduser().exists():
            return Seeds.read(spec)
        raise InputError(f"there is no pack or file {spec!r}", hint=nearest(spec, BUILTIN))

    def write(self, path: str | Path) -> None:
        """Write a seed file that `read` reads back; `.gz` and `.zst` are compressed.

        Args:
            path: The file; its folder exists.

        Raises:
            MotherlodeError: It cannot be written.
        """
        write_records(path_here(path).expanduser(), (seed.record() for seed in self.seeds))


def _stem(path: Path) -> str:
    name = path.name
    while name.lower().endswith(_FILE_ENDINGS):
        name = name.rpartition(".")[0]
    return name


def check_name(name: str, where: str) -> None:
    """Refuse names that could not be a folder's name, for each label's documents are exported to one.

    Args:
        name: A domain's name.
        where: Where it stands, for the error line.

    Raises:
        InputError: It cannot be used.
    """
    if (
        not name.strip()
        or name != name.strip()
        or name.startswith(".")
        or len(name) > _MOST_NAME
        or not name.isprintable()
        or set(name) & set("/\\:=")
    ):
        raise InputError(
            f"{name[:_MOST_NAME]!r} cannot name a domain",
            where=where,
            hint=f"use 1 to {_MOST_NAME} printable characters without '/', '\\', ':' and '=', not starting with '.'",
        )


def _seed(record: dict[str, Any], default: str, position: int, where: str) -> Seed:
    text = record.get("text")
    if "text" not in record:
        shown = ", ".join(list(record)[:8]) or "none"
        raise InputError(
            "has no field 'text'", where=where, hint=f"its fields: {shown}; rename the document's to 'text'"
        )
    if not isinstance(text, str):
        raise InputError(f"'text' is {_kind(text)}, not a string", where=where)
    if not text.strip():
        raise InputError("'text' is empty", where=where, hint="remove the line, or write the document")
    own = record.get("id")
    if own == "" or isinstance(own, bool) or not isinstance(own, str | int | None):
        raise InputError(f"'id' is {_kind(own)}, not a string", where=where)
    described = {key: record[key] for key in _DESCRIPTORS if record.get(key) is not None}
    for key, value in described.items():
        if not isinstance(value, str):
            raise InputError(f"'{key}' is {_kind(value)}, not a string", where=where)
    labels = _labels(record, default, where)
    for label in labels:
        check_name(label, where)
    extra = {key: value for key, value in record.items() if key not in _KNOWN}
    return Seed(f"{default}-{position:04}" if own is None else str(own), text, labels, **described, extra=extra)


def _labels(record: dict[str, Any], default: str, where: str) -> tuple[str, ...]:
    if record.get("labels") is not None and record.get("label") is not None:
        raise InputError("has both 'labels' and 'label'", where=where, hint="keep 'labels'")
    if (label := record.get("label")) is not None:
        if not isinstance(label, str):
            raise InputError(f"'label' is {_kind(label)}, not a string", where=where, hint="a list is named 'labels'")
        return (label,)
    labels = record.get("labels")
    if labels is None:
        return (default,)
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        raise InputError("'labels' is not a list of strings", where=where, hint='for example ["finance", "legal"]')
    return tuple(dict.fromkeys(labels))


def _kind(value: Any) -> str:
    if value == "":
        return "an empty string"
    names = {"str": "a string", "int": "a number", "float": "a number", "list": "a list", "dict": "an object"}
    return {"NoneType": "null", "bool": "true or false"}.get(type(value).__name__) or names[type(value).__name__]
