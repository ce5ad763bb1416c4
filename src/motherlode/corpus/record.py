"""One record of the input, as readers yield it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Record:
    """One record of the input.

    Attributes:
        file: The name of the file that it comes from.
        location: Its place there, for a person: `line 12`, `byte 88 after line 3`, `row 7`.
        fields: Names and values; None if it could not be read, or was dropped.
        error: Why it could not be read.
        raw: The beginning of what could not be read.
        dropped: The reason for which it was dropped as it was read.
    """

    file: str
    location: str
    fields: dict[str, Any] | None
    error: str | None = None
    raw: str = ""
    dropped: str | None = None
