"""Seed files as records: JSONL, plain or compressed, where every mistake is one line that names file and line.

A seed file is small and written by hand or by a language model, so the first mistake stops the reading and says what
to change. (A corpus is large and foreign: there a broken record goes to quarantine, see `motherlode.corpus.readers`.)
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from motherlode.errors import InputError
from motherlode.shards.local_copy import here

MOST_LINE_BYTES = 4 << 20
_ZSTD_STEP = 1 << 10  # bytes read at once: at worst they unfold to 32 MiB
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_LIKE_THIS = 'write each document as {"text": "..."} on a line of its own'
_SEED_FILE = "name a JSONL file of seed documents"


def read_records(path: Path, wanted: str = _SEED_FILE, line: str = _LIKE_THIS) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read the objects of a JSONL file; gzip and Zstandard are told by their first bytes.

    Args:
        path: The file.
        wanted: What to do where there is no such file.
        line: How a line is written.

    Yields:
        Line number (from 1) and object; blank lines are passed over.

    Raises:
        InputError: The file is missing, empty, compressed and damaged, not UTF-8, or not JSONL.
    """
    try:
        with here(path).open("rb") as raw:
            if not raw.read(1):
                raise InputError("is empty", where=str(path), hint=line)
            raw.seek(0)
            with _decompressed(raw) as stream:
                yield from _parse(path, stream)
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), hint=wanted) from None
    except IsADirectoryError:
        raise InputError("is a folder", where=str(path), hint=wanted) from None
    except (OSError, EOFError, zlib.error) as error:
        what = getattr(error, "strerror", None) or f"damaged or cut off: {error}"
        raise InputError(f"cannot be read ({what})", where=str(path)) from error


def _decompressed(raw: BinaryIO) -> io.BufferedReader:
    head = raw.read(4)
    raw.seek(0)
    if head.startswith(_GZIP):
        return io.BufferedReader(gzip.GzipFile(fileobj=raw))
    if head == _ZSTD:
        return io.BufferedReader(_Zstandard(raw))
    return io.BufferedReader(raw)  # type: ignore[arg-type]


class _Zstandard(io.RawIOBase):
    """A Zstandard stream whose damage is an `OSError`, as gzip's is.

    The library's own stream reader ends without a word where a file was cut off; a decompressor knows its frame's end.
    """

    def __init__(self, raw: BinaryIO) -> None:
        import zstandard

        self._raw, self._new, self._error = raw, zstandard.ZstdDecompressor().decompressobj, zstandard.ZstdError
        self._frame: Any = None
        self._input = self._output = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._output:
            self._input = self._input or self._raw.read(_ZSTD_STEP)
            if not self._input:
                if self._frame is not None:
                    raise OSError("the last frame has no end")
                return 0
            self._frame = self._frame or self._new()
            try:
                self._output = self._frame.decompress(self._input)
            except self._error as error:
                raise OSError(str(error)) from error
            self._input = self._frame.unused_data if self._frame.eof else b""
            self._frame = None if self._frame.eof else self._frame
        count = min(len(buffer), len(self._output))
        buffer[:count], self._output = self._output[:count], self._output[count:]
        return count


def _parse(path: Path, stream: io.BufferedReader) -> Iterator[tuple[int, dict[str, Any]]]:
    first = True
    number = 0
    while line := stream.readline(MOST_LINE_BYTES + 1):
        number += 1
        where = f"{path}:{number}"
        if first and b"\0" in line[:4096]:
            raise InputError("is binary data, not JSONL", where=str(path), hint=_LIKE_THIS)
        if len(line) > MOST_LINE_BYTES:
            raise InputError(
                f"the line is longer than {MOST_LINE_BYTES >> 20} MiB", where=where, hint="a seed is one short document"
            )
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            raise InputError(
                f"not UTF-8 (byte {error.start + 1} of the line)", where=where, hint="save the file as UTF-8"
            ) from None
        if not text:
            continue
        try:
            record = json.loads(text, parse_constant=_refuse_constant)
            if not isinstance(record, dict):
                _refuse_other(path, where, first, text)
            json.dumps(record, ensure_ascii=False, allow_nan=False).encode()
        except UnicodeEncodeError:
            raise InputError("half of a surrogate pair (\\ud800 to \\udfff) stands alone", where=where) from None
        except (ValueError, RecursionError) as error:
            if first and not text.startswith("{"):
                _refuse_other(path, where, first, text)
            hint = "write each object on one line" if text == "{" else None
            raise InputError(f"not JSON ({str(error)[:100]})", where=where, hint=hint) from None
        first = False
        yield number, record
    if first:
        raise InputError("holds no document", where=str(path), hint=_LIKE_THIS)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _refuse_other(path: Path, where: str, first: bool, text: str) -> NoReturn:
    """Say what the file is, in place of objects on lines."""
    if first and text.startswith("["):
        raise InputError("is a JSON array, not JSONL", where=str(path), hint=_LIKE_THIS)
    if first:
        raise InputError("is plain text, not JSONL", where=str(path), hint=_LIKE_THIS)
    raise InputError("not a JSON object", where=where, hint=_LIKE_THIS)


def write_records(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write objects as JSONL, atomically; `.gz` and `.zst` are compressed. The same records give the same bytes.

    Args:
        path: The file; its folder exists.
        records: What JSON can hold.

    Raises:
        MotherlodeError: The disk is full or the folder cannot be written.
    """
    from motherlode.shards.store import write_bytes

    data = "".join(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n" for record in records).encode()
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    elif path.suffix == ".zst":
        import zstandard

        data = zstandard.ZstdCompressor().compress(data)
    write_bytes(path, data)
