"""The few ways in which bytes reach the disk or an object store: complete under their final name, or not at all.

Every file is written under a temporary name in its own folder, flushed to the device, then renamed. A process that is
killed leaves at most a temporary file, which the next run removes. An object (`ObjectPath`) has no rename: it is put
whole, and a large one in parts that count for nothing until they are joined. All writing goes through this module.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import socket
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from motherlode.errors import StorageError
from motherlode.shards.fingerprint import bytes_digest
from motherlode.shards.location import ObjectPath
from motherlode.shards.objects import abort_uploads, object_errors

MANIFEST = "manifest.jsonl"
TEMPORARY = ".tmp"
_TEMPORARY_NAME = re.compile(r"\..+\.\d+" + re.escape(TEMPORARY))


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a path into one line.

    Raises:
        StorageError: In place of every `OSError` of the body.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                "the disk is full", where=str(path), hint="free some space and run the same command again"
            ) from error
        if error.errno == errno.EROFS:
            raise StorageError("cannot be written (the file system is read-only)", where=str(path)) from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise StorageError("cannot be written (permission denied)", where=str(path)) from error
        raise StorageError(f"cannot be written ({error.strerror})", where=str(path)) from error


def _process() -> str:
    """Return digits that no other process has, on this machine or on another that shares the folder."""
    return f"{os.getpid()}{zlib.crc32(socket.gethostname().encode()):010d}"


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Create a folder and its parents.

    Raises:
        StorageError: It cannot be created.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write a file atomically.

    Args:
        path: The final name.
        data: The content.

    Raises:
        StorageError: The disk is full or the folder cannot be written; nothing is left behind.
    """
    if isinstance(path, ObjectPath):
        path.put(bytes(data))
        return
    temporary = path.with_name(f".{path.name}.{_process()}{TEMPORARY}")
    with disk_errors(path):
        try:
            with temporary.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically; unpaired surrogates become U+FFFD."""
    write_bytes(path, text.encode("utf-8", "replace"))


def append_line(path: Path, line: str) -> None:
    """Append one line and flush it to the device.

    A kill can leave a torn line, always as the last one.

    Raises:
        StorageError: The disk is full or the file cannot be written; the file is as it was.
    """
    with disk_errors(path), path.open("ab", buffering=0) as stream:
        before = stream.seek(0, os.SEEK_END)
        try:
            rest = memoryview(line.encode("utf-8", "replace") + b"\n")
            while rest:
                rest = rest[stream.write(rest) :]
            os.fsync(stream.fileno())
        except OSError:
            stream.truncate(before)
            raise


def write_table(path: Path, table: pa.Table) -> tuple[str, int]:
    """Write a Parquet file atomically; the same table gives the same bytes.

    Args:
        path: The final name.
        table: The rows.

    Returns:
        The digest of the file's bytes, and their number.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    sink = pa.BufferOutputStream()
    dictionary = [field.name for field in table.schema if pa.types.is_string(field.type) and field.name == "source"]
    pq.write_table(table, sink, compression="zstd", compression_level=1, use_dictionary=dictionary)
    content = memoryview(sink.getvalue())
    write_bytes(path, content)
    return bytes_digest(content), len(content)


def write_arrow(path: Path, table: pa.Table) -> tuple[str, int]:
    """Write an uncompressed Arrow file of one record batch atomically; it can be mapped into memory.

    Args:
        path: The final name.
        table: The rows.

    Returns:
        The digest of the file's bytes, and their number.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    content = memoryview(sink.getvalue())
    write_bytes(path, content)
    return bytes_digest(content), len(content)


def link(source: Path, path: Path) -> None:
    """Give a file that will not change a second name; where the disk cannot do that, copy it.

    Args:
        source: The file.
        path: The second name; replaced if it is there.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    if isinstance(path, ObjectPath):
        if isinstance(source, ObjectPath) and source.protocol == path.protocol:
            source.copy_to(path)
        else:
            path.put(source.read_bytes())
        return
    temporary = path.with_name(f".{path.name}.{_process()}{TEMPORARY}")
    with disk_errors(path):
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError:
            write_bytes(path, source.read_bytes())
            return
        temporary.replace(path)
        temporary.unlink(missing_ok=True)  # it stays if both names were the same file before
        _sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds; nothing happens if there is none."""
    if isinstance(path, ObjectPath):
        path.remove()
        return
    with disk_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """Return whether a file's name is one that `write_bytes` writes under."""
    return _TEMPORARY_NAME.fullmatch(path.name) is not None


def sweep(folder: Path) -> None:
    """Remove the temporary files that a killed process left in a folder; of a store, the unfinished uploads.

    Folders inside that have a manifest of their own are passed over: another process may be writing there.
    """
    if isinstance(folder, ObjectPath):
        with object_errors(str(folder), "cleaned"):
            abort_uploads(folder.protocol, folder.key, lambda key: _belongs_within(folder, key))
        return
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not (Path(path) / name / MANIFEST).exists()]
        for name in files:
            if is_temporary(Path(name)):
                remove(Path(path) / name)


def _belongs_within(folder: ObjectPath, key: str) -> bool:
    """Return whether an object lies in a folder of its own below, which another process may be writing to."""
    inside = key[len(folder.key) + 1 :].split("/")[:-1]
    place: Path = folder
    for name in inside:
        place /= name
        if (place / MANIFEST).exists():
            return True
    return False


@contextlib.contextmanager
def parquet_file(path: Path, digest: str | None = None) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; an object is read whole.

    Args:
        path: The file.
        digest: Of its bytes; an object that has others is read a second time, then refused.

    Raises:
        StorageError: An object arrives with other bytes than were written.
    """
    if not isinstance(path, ObjectPath):
        with pq.ParquetFile(path) as file:
            yield file
        return
    with pq.ParquetFile(pa.BufferReader(checked_bytes(path, digest))) as file:
        yield file


def checked_bytes(path: Path, digest: str | None) -> bytes:
    """Read a file whole, a second time if its bytes are not those that were written.

    Raises:
        StorageError: They are not.
    """
    for _ in range(2):
        data = path.read_bytes()
        if digest is None or bytes_digest(data) == digest:
            return data
    raise StorageError("arrives with other bytes than were written", where=str(path), hint="run the same command again")


def read_table(path: Path, columns: Sequence[str] | None = None, schema: pa.Schema | None = None) -> pa.Table:
    """Read a Parquet file, wherever it lies."""
    names = None if columns is None else list(columns)
    source = pa.BufferReader(path.read_bytes()) if isinstance(path, ObjectPath) else path
    return pq.read_table(source, columns=names, schema=schema)


def read_schema(path: Path) -> pa.Schema:
    """Read the schema of a Parquet file, wherever it lies."""
    return pq.read_schema(pa.BufferReader(path.read_bytes()) if isinstance(path, ObjectPath) else path)


def map_arrow(path: Path, digest: str | None = None) -> pa.MemoryMappedFile:
    """Map a file into memory; an object by way of a temporary file, which goes with the map.

    Args:
        path: The file.
        digest: Of its bytes.

    Raises:
        StorageError: The disk for temporary files is full, or an object arrives with other bytes than were written.
    """
    if not isinstance(path, ObjectPath):
        return pa.memory_map(str(path))
    data = checked_bytes(path, digest)
    with tempfile.NamedTemporaryFile(prefix="motherlode-") as scratch:
        with disk_errors(Path(scratch.name)):
            scratch.write(data)
            scratch.flush()
        return pa.memory_map(scratch.name)
