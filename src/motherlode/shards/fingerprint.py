"""Fingerprints: a short digest of everything that a piece of work depends on.

A shard's output may be reused only if its fingerprint, over (input digest, step configuration, step version), is the
one that the manifest records. A changed setting, another input or newer code therefore never meets stale output.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from motherlode.errors import InputError

_BLOCK = 1 << 20


def canonical_json(value: Any) -> str:
    """Write a value as JSON in one fixed way (sorted keys, no spaces, no NaN)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(*parts: Any) -> str:
    """Digest JSON-able values.

    Args:
        parts: Anything that `json` writes; order matters.

    Returns:
        32 hexadecimal digits (BLAKE2b, 128 bits).
    """
    return hashlib.blake2b(canonical_json(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def bytes_digest(data: bytes | memoryview) -> str:
    """Digest bytes as `file_digest` digests a file that holds them."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """Digest a file's content.

    Args:
        path: A readable file.

    Returns:
        32 hexadecimal digits (BLAKE2b, 128 bits).

    Raises:
        InputError: The file is missing or cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from error
    return digest.hexdigest()
