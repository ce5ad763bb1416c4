"""Addresses that do not come in: a list of hosts, with all below them, and of URL prefixes.

One entry a line: a host (`example.com` also blocks `www.example.com`), or an address (`example.com/forum` also blocks
`example.com/forum/7?page=2`, not `example.com/forums`). Comments begin with `#`; entries of hosts files (`0.0.0.0
example.com`) and filter lists (`||example.com^`, `*.example.com`) are understood. Entries are held as sorted 64-bit
digests: the largest public list, 4.6 million hosts, takes 37 MB in a worker, and a false match has odds of 1 in 10^12.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.errors import InputError
from motherlode.shards.fingerprint import file_digest
from motherlode.shards.local_copy import here
from motherlode.shards.step import Step, StepFunction, StepResult

BLOCKED = "URL blocked"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_HOSTS_LINE = re.compile(r"(?:0\.0\.0\.0|127\.0\.0\.1|::1?)[ \t]+(\S+)")
_HOST = re.compile(r"[\w.-]+|\[[0-9a-f:.]+\]")
_MOST_SEGMENTS = 16
_MOST_LABELS = 16


def split_url(url: str) -> tuple[str, str]:
    """Split an address into its host and the rest, both in one canonical form.

    Args:
        url: An address, with or without its scheme.

    Returns:
        The host in lower case and ASCII, without user, port and final dot; and the path with its query, unquoted,
        without slashes at its ends. The host is empty if there is none.
    """
    scheme = _SCHEME.match(url)
    rest = url[scheme.end() :] if scheme else url
    authority, slash, path = rest.partition("/")
    if not slash:
        authority, mark, path = rest.partition("?")
        path = mark + path
    host = authority.partition("#")[0].rpartition("@")[2].strip().lower()
    if not host.startswith("["):
        host = host.partition(":")[0].rstrip(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            host = host.encode("utf-8", "replace").decode()
    return host, unquote(path.partition("#")[0]).strip("/")


def _prefixes(url: str) -> Iterator[str]:
    """Yield every entry that would block an address, from the widest on."""
    host, path = split_url(url)
    labels = host.split(".")[-_MOST_LABELS:]
    yield from (".".join(labels[n:]) for n in range(len(labels) - 1, -1, -1))
    if not path:
        return
    before, mark, query = path.partition("?")
    place = f"{host}/"
    for segment in before.strip("/").split("/")[:_MOST_SEGMENTS]:
        place += segment
        yield place
        place += "/"
    if mark:
        yield f"{host}/{before}?{query}"


def _digest(entry: str) -> int:
    return int.from_bytes(hashlib.blake2b(entry.encode("utf-8", "replace"), digest_size=8).digest(), "little")


def _entry(line: str) -> str | None:
    """Return the canonical form of a line of a list, None for a comment, an empty or an unusable line."""
    line = line.partition(" #")[0].strip()
    if not line or line.startswith(("#", "!", "@@")):
        return None
    if hosts := _HOSTS_LINE.match(line):
        line = hosts[1]
    line = line.removeprefix("||").removesuffix("^").removeprefix("*.").lstrip(".")
    host, path = split_url(line)
    if not _HOST.fullmatch(host):
        return None
    return f"{host}/{path}" if path else host


class BlockList:
    """A block-list, read.

    Attributes:
        entries: How many entries it has.
    """

    def __init__(self, digests: NDArray[np.uint64]) -> None:
        """Hold sorted digests of entries."""
        self._digests = digests
        self.entries = len(digests)
        self._blocks = lru_cache(1 << 14)(self._blocks_uncached)  # pages of a host come together

    @classmethod
    def read(cls, path: Path) -> BlockList:
        """Read a list, plain or gzip.

        Raises:
            InputError: It is missing, damaged, or holds no entry.
        """
        try:
            data = path.read_bytes()
            data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        except FileNotFoundError:
            raise InputError("no such file", where=f"--block-urls {path}") from None
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"cannot be read ({error})", where=f"--block-urls {path}") from None
        if b"\0" in data:
            hint = "write one host or URL prefix a line, UTF-8, plain or gzip"
            raise InputError("is binary data, not a list", where=f"--block-urls {path}", hint=hint)
        entries = (_entry(line) for line in data.decode("utf-8-sig", "replace").splitlines())
        digests = np.fromiter((_digest(entry) for entry in entries if entry is not None), dtype=np.uint64)
        if not len(digests):
            raise InputError("holds no entry", where=f"--block-urls {path}", hint="write one host or URL prefix a line")
        return cls(np.unique(digests))

    def blocks(self, url: str) -> bool:
        """Return whether an address is blocked."""
        return self._blocks(url)

    def _blocks_uncached(self, url: str) -> bool:
        wanted = np.array([_digest(prefix) for prefix in _prefixes(url)], dtype=np.uint64)
        places = np.minimum(np.searchsorted(self._digests, wanted), self.entries - 1)
        return bool((self._digests[places] == wanted).any())


_LISTS: dict[tuple[Path, str], BlockList] = {}


class BlockUrls(Step):
    """Drop documents whose address is on a list; those without an address stay."""

    name: ClassVar[str] = "block-urls"
    reads = ("url",)

    def __init__(self, path: Path) -> None:
        """Name the list's file, which is read again in each worker.

        Raises:
            InputError: It cannot be read.
        """
        self.path = here(path)
        self.digest = file_digest(self.path) if self.path.exists() else ""

    @property
    def writes(self) -> pa.Schema:
        """Nothing."""
        return pa.schema([])

    def settings(self) -> Mapping[str, Any]:
        """The list's content decides."""
        return {"list": self.digest}

    def list(self) -> BlockList:
        """Return the list, read once in a process."""
        if (self.path, self.digest) not in _LISTS:
            _LISTS[self.path, self.digest] = BlockList.read(self.path)
        return _LISTS[self.path, self.digest]

    def open(self) -> StepFunction:
        """Return the function."""
        blocked = self.list()

        def block(batch: pa.RecordBatch) -> StepResult:
            reasons = [
                BLOCKED if url is not None and blocked.blocks(url) else None for url in batch.column("url").to_pylist()
            ]
            return StepResult({}, dropped=pa.array(reasons, pa.string()))

        return block
