"""The texts of evaluation files: every string of a record, under the name of its field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from motherlode.corpus.filters import without_surrogates
from motherlode.corpus.readers import read_split
from motherlode.corpus.remote import is_url
from motherlode.corpus.sources import find_inputs, plan_splits
from motherlode.errors import InputError, nearest

ITEMS = pa.schema([("file", pa.string()), ("item", pa.string()), ("field", pa.string()), ("text", pa.string())])
_WHERE = "--decontaminate"
_MOST_NAMES = 1000  # of fields, remembered for an error's hint


@dataclass(frozen=True)
class EvaluationFile:
    """A file or pattern, and the fields wanted of it (all if none is named)."""

    path: str
    fields: tuple[str, ...]

    @staticmethod
    def parse(named: str) -> EvaluationFile:
        """Read `FILE` or `FILE:FIELD,FIELD`; a colon in the name of an existing file, or of an address, is part of it.

        Raises:
            InputError: A colon, and no field after it.
        """
        path, colon, fields = named.rpartition(":")
        if not colon or (is_url(named) and "/" in fields) or Path(named).expanduser().exists():
            return EvaluationFile(named, ())
        names = tuple(name.strip() for name in fields.split(",") if name.strip())
        if not names or not path:
            raise InputError(f"{named!r} names no field", where=_WHERE, hint="write FILE or FILE:FIELD,FIELD")
        return EvaluationFile(path, names)


def texts_of(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string within a value, with the name of its field; a dot reaches into nested ones."""
    if isinstance(value, str):
        yield field, without_surrogates(value)
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from texts_of(part, f"{field}.{name}" if field else str(name))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts_of(part, field)


def wanted(field: str, names: Sequence[str]) -> bool:
    """Return whether a field is one of those named, or within one; all are if none is named."""
    return not names or any(field == name or field.startswith(f"{name}.") for name in names)


def read_items(files: Iterable[str]) -> pa.Table:
    """Read evaluation files in any format that a build reads.

    Args:
        files: As `EvaluationFile.parse` takes them.

    Returns:
        A table of `ITEMS`: one row a text, an item after the other.

    Raises:
        InputError: A file is missing, has a damaged record, or none with a named field.
    """
    rows: list[tuple[str, str, str, str]] = []
    for named in files:
        evaluation = EvaluationFile.parse(named)
        seen: dict[str, None] = {}
        missing = set(evaluation.fields)
        for split in plan_splits(find_inputs([evaluation.path]).files):
            for record in read_split(split, "text", "id"):
                if record.fields is None:
                    raise InputError(
                        f"{record.location or 'the file'} cannot be read: {record.error}",
                        where=str(split.files[0].path),
                    )
                item = str(record.fields.get("id") or record.location or record.file)
                for field, text in texts_of(record.fields):
                    if len(seen) < _MOST_NAMES:
                        seen.setdefault(field)
                    if wanted(field, evaluation.fields):
                        rows.append((record.file, without_surrogates(item), field, text))
                        missing -= {name for name in missing if wanted(field, [name])}
        if missing:
            name = min(missing)
            raise InputError(
                f"no item has text in the field '{name}'", where=str(evaluation.path), hint=nearest(name, seen)
            )
        if not seen:
            raise InputError("holds no text to look for", where=str(evaluation.path))
    return table_of(rows)


def table_of(rows: Sequence[tuple[str, str, str, str]]) -> pa.Table:
    """Return rows as a table of `ITEMS`."""
    columns = zip(*rows, strict=True) if rows else [()] * len(ITEMS)
    return pa.table([pa.array(list(column), pa.string()) for column in columns], schema=ITEMS)
