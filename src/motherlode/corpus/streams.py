"""Input files as streams of bytes, decompressed as they are read.

Whatever is wrong with a compressed file, that it was cut off above all, shows as one of `DAMAGE` while it is read.
"""

from __future__ import annotations

import gzip
import io
import zlib
from abc import abstractmethod
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard

from motherlode.corpus.remote import open_remote
from motherlode.corpus.sources import InputFile
from motherlode.errors import MissingExtraError

BUFFER_BYTES = 1 << 17
DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError)
_FRAME_BYTES = 1 << 12  # read at a time; what they unfold to is held in memory


def open_input(file: InputFile, folded: bool = False) -> io.BufferedReader[Any]:
    """Open a file for reading what it holds, decompressed.

    Args:
        file: A file of this machine, or a remote one.
        folded: Whether its bytes are wanted as they are, compressed.

    Raises:
        OSError: It cannot be opened.
        InputError: A remote file cannot be opened.
        MissingExtraError: It is compressed as lz4, and FastWARC is not installed.
    """
    opened = file.path.open("rb", buffering=0) if isinstance(file.path, Path) else open_remote(file.path)
    raw = io.BufferedReader(cast(io.RawIOBase, opened), BUFFER_BYTES)
    if folded:
        return raw
    if file.compression == "gzip":
        return io.BufferedReader(_Gzip(raw), BUFFER_BYTES)
    if file.compression == "zstd":
        return io.BufferedReader(_Zstandard(raw), BUFFER_BYTES)
    if file.compression == "lz4":
        return io.BufferedReader(_Lz4(raw), BUFFER_BYTES)
    return raw


class _Unfolded(io.RawIOBase):
    """Decompressed content, handed out before any damage that follows it is met."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._content = memoryview(b"")

    @abstractmethod
    def _next(self) -> bytes:
        """Return some more content, nothing at the end."""

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        if not self._content:
            self._content = memoryview(self._next())
        count = min(len(target), len(self._content))
        target[:count] = self._content[:count]
        self._content = self._content[count:]
        return count

    def close(self) -> None:
        super().close()
        self._raw.close()


class _Gzip(_Unfolded):
    def __init__(self, raw: BinaryIO) -> None:
        super().__init__(raw)
        self._file = gzip.GzipFile(fileobj=raw, mode="rb")

    def _next(self) -> bytes:
        return self._file.read1(BUFFER_BYTES)


class _Lz4(_Unfolded):
    def __init__(self, raw: BinaryIO) -> None:
        super().__init__(raw)
        try:
            from fastwarc.stream_io import Lz4Reader
        except ImportError:
            raise MissingExtraError("web", "reading lz4 files") from None
        self._file: Any = Lz4Reader(raw)

    def _next(self) -> bytes:
        try:
            content: bytes = self._file.read(BUFFER_BYTES)
        except (OSError, ValueError) as error:
            raise EOFError(str(error)) from error
        return content


class _Zstandard(_Unfolded):
    """Unlike the library's own reader, it notices that a file was cut off."""

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__(raw)
        self._frame: Any = None
        self._rest = b""

    def _next(self) -> bytes:
        while data := self._rest or self._raw.read(_FRAME_BYTES):
            if self._frame is None:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            content: bytes = self._frame.decompress(data)
            self._rest = b""
            if self._frame.eof:
                self._rest, self._frame = self._frame.unused_data, None
            if content:
                return content
        if self._frame is not None:
            raise EOFError("the file ends within a frame")
        return b""
