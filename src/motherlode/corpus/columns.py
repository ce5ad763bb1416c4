"""The columns of a build's rows on their way: as records are mapped, as they are staged, as documents are written."""

from __future__ import annotations

import hashlib
import re

import pyarrow as pa

_SPACE = re.compile(r"\s")
_PIECE = 1 << 20  # characters whose words are joined at a time

# What a web page says of itself; null where a source has no field of that name.
PAGE = pa.schema(
    [
        ("url", pa.string()),
        ("title", pa.string()),
        ("date", pa.string()),
        ("language", pa.string()),
        ("language_score", pa.float32()),
    ]
)
RECORD = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("source", pa.string()),
        ("metadata", pa.string()),
        *PAGE,
        ("origin", pa.string()),
        ("location", pa.string()),
    ]
)
STAGED = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("source", pa.string()),
        ("words", pa.int32()),
        ("metadata", pa.string()),
        *PAGE,
        ("key", pa.binary(16)),
        ("id_key", pa.binary(16)),
    ]
)
DOCUMENT = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("source", pa.string()),
        ("words", pa.int32()),
        ("metadata", pa.string()),
        *PAGE,
    ]
)


def content_key(text: str) -> bytes:
    """Return 16 bytes that equal texts share, whatever their white space."""
    key, start, between = hashlib.blake2b(digest_size=16), 0, ""
    while start < len(text):  # piece by piece: the words of a text take fifteen times its memory
        end = _SPACE.search(text, start + _PIECE)
        stop = end.start() if end else len(text)
        if words := text[start:stop].split():
            key.update((between + " ".join(words)).encode("utf-8", "replace"))
            between = " "
        start = stop
    return key.digest()
