"""Where documents come from: finding input files, telling their format, and cutting large ones into splits.

A split is the part of the input that one task reads: a byte range of a plain JSONL file or of a WARC file, a run of row
groups of a Parquet file, a whole compressed or CSV file, or a handful of text or HTML files.
"""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from motherlode.corpus import remote
from motherlode.errors import InputError, nearest
from motherlode.shards.fingerprint import file_digest
from motherlode.shards.location import ObjectPath, location
from motherlode.shards.outputs import check_output

FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".rst": "text",
    ".warc": "warc",
    ".wet": "warc",
    ".wat": "warc",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
}
WEB_FORMATS = ("warc", "html")
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".lz4": "lz4"}
_LZ4_FORMATS = ("warc", "html")
SPLIT_BYTES = 64 << 20
_TEXT_FILES_PER_SPLIT = 512


@dataclass(frozen=True)
class InputFile:
    """One input file.

    Attributes:
        path: Where it lies: a path of this machine, or an address.
        name: What it is called in the corpus: relative to the folder or pattern that was given.
        format: One of the values of `FORMATS`.
        compression: `gzip`, `zstd`, `lz4` or None.
        digest: Digest of its bytes; of a remote file, of what its server says of it.
        bytes: Its size.
        delimiter: What separates the columns of a CSV or TSV file; None: a comma, or a tab.
    """

    path: Path | str
    name: str
    format: str
    compression: str | None
    digest: str
    bytes: int
    delimiter: str | None = None


@dataclass(frozen=True)
class Split:
    """What one task reads: whole files, or `[start, stop)` of one (bytes of JSONL or WARC, row groups of Parquet)."""

    files: tuple[InputFile, ...]
    start: int = 0
    stop: int | None = None

    @property
    def bytes(self) -> int:
        """The amount of input, for progress."""
        whole = sum(file.bytes for file in self.files)
        if self.files[0].format in ("jsonl", "warc") and self.stop is not None:
            return min(self.stop, whole) - self.start
        return whole


def tell_format(path: Path) -> tuple[str, str | None] | None:
    """Return the format and compression that a file's name says, or None."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    compression = COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    if compression:
        suffixes = suffixes[:-1]
    kind = FORMATS.get(suffixes[-1]) if suffixes else None
    if compression == "lz4" and kind not in _LZ4_FORMATS:
        return None
    return (kind, compression) if kind else None


@dataclass(frozen=True)
class Found:
    """The input files, and the names of files in given folders that no reader knows."""

    files: tuple[InputFile, ...]
    skipped: tuple[str, ...]


def find_inputs(inputs: Sequence[str | Path], format: str | None = None, out: Path | None = None) -> Found:
    """Find the input files: files, folders (searched through), glob patterns, and addresses of all these.

    Args:
        inputs: What a person named.
        format: A format for all files, whatever their names say.
        out: The output folder. Where a folder or pattern takes it in, it is passed over.

    Returns:
        The files in a stable order, each once.

    Raises:
        InputError: Nothing is there, a file is empty, unreadable or of an unknown format, or lies in the output folder.
        MissingExtraError: An address is of a kind for which a package is missing.
    """
    if not inputs:
        raise InputError("no input was given", hint="name files, folders or patterns")
    if format is not None and format not in FORMATS.values():
        raise InputError(f"unknown format {format!r}", where="--format", hint=nearest(format, set(FORMATS.values())))
    named: dict[Path | str, tuple[Path, str] | remote.RemoteFile] = {}  # by real path: what is named twice is read once
    skipped: list[str] = []
    for item in inputs:
        if not str(item).strip():
            raise InputError("a name of the input is empty", hint="name files, folders or patterns")
        if remote.is_url(item):
            far, ignored = _far_files(str(item), format)
            if isinstance(out, ObjectPath):
                _refuse_inside(str(item), far, out)
            named |= {file.url: file for file in far if file.url not in named}
            skipped += ignored
            continue
        path = Path(remote.local_path(str(item))).expanduser()
        try:
            several, found = _expand(path)
        except PermissionError as error:
            raise InputError("cannot be read (permission denied)", where=str(error.filename or item)) from error
        if not found and not several:
            raise InputError("no such file or folder", where=str(item))
        if out is not None and not out.is_file():
            check_output(out, [path] if path.exists() else [])
            apart = [pair for pair in found if not pair[0].resolve().is_relative_to(out.resolve())]
            if found and not apart:
                raise InputError("lies in the output folder", where=str(item), hint="choose another output folder")
            found = apart
        known = [pair for pair in found if format or tell_format(pair[0]) or not several]
        skipped += [str(file) for file, _ in found if several and not (format or tell_format(file))]
        if not known:
            raise InputError("holds no file of a known format", where=str(item), hint=_known_formats())
        for file, name in known:
            named.setdefault(file.resolve(), (file, name))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        files = list(pool.map(lambda found: _describe(found, format), named.values()))
    full = [file for file in files if file.bytes]
    if not full:
        raise InputError(
            "is empty" if len(files) == 1 else "is empty, and so are all other files", where=str(files[0].path)
        )
    return Found(tuple(full), (*skipped, *(f"{file.path} (empty)" for file in files if not file.bytes)))


def _expand(path: Path) -> tuple[bool, list[tuple[Path, str]]]:
    """Return whether a path may stand for several files (a folder, a pattern that matches), and the files' names."""
    if path.is_dir():
        return True, [(file, str(file.relative_to(path))) for file in _walk(path)]
    if path.exists():
        return False, [(path, path.name)]
    matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
    plain = list(itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
    files = [file for match in matches for file in (_walk(match) if match.is_dir() else [match]) if file.exists()]
    return bool(files), [(file, str(file.relative_to(Path(*plain)))) for file in dict.fromkeys(files)]


def _walk(folder: Path) -> list[Path]:
    """Return the files in a folder and the folders below it, but for hidden ones, in order."""

    def fail(error: OSError) -> None:
        raise error

    files: list[Path] = []
    for path, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(path, name) for name in names if not name.startswith(".")]
    return sorted(file for file in files if file.is_file())


def _known_formats() -> str:
    return f"known: {', '.join(sorted(FORMATS))}, each also .gz or .zst; or name one with --format"


def _refuse_inside(item: str, files: Sequence[remote.RemoteFile], out: ObjectPath) -> None:
    """Refuse input that lies where the output goes."""
    for file in files:
        if file.url.startswith(("http://", "https://")):
            continue
        if location(file.url).is_relative_to(out):
            raise InputError("lies in the output folder", where=item, hint="choose another output folder")


def _far_files(url: str, format: str | None) -> tuple[list[remote.RemoteFile], list[str]]:
    """Return the files that an address stands for, and those of them that no reader knows."""
    several, found = remote.expand(url)
    if not found and not several:
        raise InputError("no such file or folder", where=url)
    known = [file for file in found if format or tell_format(Path(file.name)) or not several]
    if not known:
        raise InputError("holds no file of a known format", where=url, hint=_known_formats())
    return known, [file.url for file in found if file not in known]


def _describe(found: tuple[Path, str] | remote.RemoteFile, format: str | None) -> InputFile:
    if isinstance(found, remote.RemoteFile):
        told = tell_format(Path(found.name))
        if told is None and format is None:
            raise InputError("unknown format", where=found.url, hint=_known_formats())
        compression = COMPRESSIONS.get(Path(found.name).suffix.lower())
        kind = format or (told[0] if told else "text")
        return InputFile(found.url, found.name, kind, compression, found.digest, found.bytes)
    path, name = found
    told = tell_format(path)
    if told is None and format is None:
        raise InputError("unknown format", where=str(path), hint=_known_formats())
    if not path.is_file():
        raise InputError("is not a regular file", where=str(path), hint="write it to a file first")
    compression = COMPRESSIONS.get(path.suffix.lower())
    kind = format or (told[0] if told else "text")
    return InputFile(path, name, kind, compression, file_digest(path), path.stat().st_size)


def plan_splits(files: Iterable[InputFile], split_bytes: int = SPLIT_BYTES) -> list[Split]:
    """Cut the input into splits of about `split_bytes`.

    Args:
        files: The input files in order.
        split_bytes: The size aimed at, in bytes of input.

    Returns:
        Splits in the order of the input.

    Raises:
        InputError: A Parquet file is damaged.
    """
    splits: list[Split] = []
    texts: list[InputFile] = []

    def flush() -> None:
        if texts:
            splits.append(Split(tuple(texts)))
            texts.clear()

    for file in files:
        if file.format in ("text", "html"):
            texts.append(file)
            if len(texts) >= _TEXT_FILES_PER_SPLIT or sum(f.bytes for f in texts) >= split_bytes:
                flush()
            continue
        flush()
        if file.format == "parquet":
            splits += _parquet_splits(file, split_bytes)
        elif (file.format == "jsonl" and file.compression is None) or (
            file.format == "warc" and file.compression in (None, "gzip")
        ):
            starts = range(0, file.bytes, split_bytes)
            splits += [Split((file,), start, min(start + split_bytes, file.bytes)) for start in starts]
        else:
            splits.append(Split((file,)))
    flush()
    return splits


def _parquet_splits(file: InputFile, split_bytes: int) -> list[Split]:
    try:
        with remote.readable(file.path) as source, pq.ParquetFile(source) as parquet:
            sizes = [parquet.metadata.row_group(i).total_byte_size for i in range(parquet.num_row_groups)]
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"is not a readable Parquet file ({str(error)[:120]})", where=str(file.path)) from error
    splits, start, size = [], 0, 0
    for index, group in enumerate(sizes):
        size += group
        if size >= split_bytes or index == len(sizes) - 1:
            splits.append(Split((file,), start, index + 1))
            start, size = index + 1, 0
    return splits
