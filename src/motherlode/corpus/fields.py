"""Fields of a record mapped to columns: which is the text, the id, the source; what a web page says; the rest."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from motherlode.corpus.columns import PAGE
from motherlode.corpus.filters import without_surrogates
from motherlode.corpus.record import Record
from motherlode.errors import InputError

MOST_NAMES = 8  # of fields, shown when none of them is the text field


@dataclass(frozen=True)
class Fields:
    """Which fields of a record mean what; a dot reaches into nested ones (`meta.url`)."""

    text: str = "text"
    id: str = "id"
    source: str = "source"

    def row(self, record: Record, fields: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Return the columns of `RECORD`, or None if there is no text."""
        text = _reach(fields, self.text)
        if isinstance(text, bytes):
            text = text.decode()
        if not isinstance(text, str):
            return None
        identity, source = _reach(fields, self.id), _reach(fields, self.source)
        used = {self.text, self.id, self.source}
        page = [_page_value(fields.get(name), name) if name not in used else None for name in PAGE.names]
        used |= {name for name, value in zip(PAGE.names, page, strict=True) if value is not None}
        rest = {key: value for key, value in fields.items() if key not in used and value is not None}
        row = (
            None if identity is None or identity == "" else str(_plain(identity)),
            text,
            record.file if source is None else str(_plain(source)),
            _metadata(rest) if rest else None,
            *page,
            record.file,
            record.location,
        )
        return tuple(
            value if not isinstance(value, str) or value.isascii() else without_surrogates(value) for value in row
        )

    def source_of(self, record: Record) -> str:
        """Return the source that a record counts under; its file if the field cannot be had."""
        if record.fields is None:
            return record.file
        try:
            source = _reach(record.fields, self.source)
            return record.file if source is None else without_surrogates(str(_plain(source)))
        except Exception:  # noqa: BLE001 - the same record will be quarantined for it
            return record.file


def _reach(fields: Mapping[str, Any], name: str) -> Any:
    if name in fields:
        return fields[name]
    value: Any = fields
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _plain(value: Any) -> str:
    """Write a value of a Parquet file that JSON does not know."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, datetime.date | datetime.datetime | datetime.time):
        return value.isoformat()
    return str(value)


def _page_value(value: Any, name: str) -> str | float | None:
    """Return a field's value if a column of `PAGE` can hold it, else None: it then stays among the metadata."""
    if name == "language_score":
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
    if isinstance(value, datetime.date | datetime.datetime) and name == "date":
        return value.isoformat()
    return value if isinstance(value, str) and value else None


def _metadata(values: Mapping[str, Any]) -> str:
    try:
        return json.dumps(values, ensure_ascii=False, default=_plain, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(values), ensure_ascii=False, default=_plain, allow_nan=False)


def _finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON does not know, by null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value


def no_text_field(field: str, names: Iterable[str], where: str) -> InputError:
    """Say that no record has the text field, or none has a string there, and which fields there are."""
    names = list(names)
    if field in names:
        what = f"the field '{field}' holds no string in any record"
        return InputError(what, where=where, hint="name the field with the text with --text-field")
    separator = next((mark for mark in ";|\t" if len(names) == 1 and field in names[0].split(mark)), None)
    hint = "name it with --text-field"
    if separator is not None:
        hint = f"columns are separated by {separator!r}: " + (
            "use --format tsv" if separator == "\t" else f"name that with --csv-delimiter '{separator}'"
        )
    return InputError(
        f"no record has the text field '{field}' (there are: {', '.join(names[:MOST_NAMES]) or 'none'})",
        where=where,
        hint=hint,
    )
