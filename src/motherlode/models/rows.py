"""The rows of JSONL and Parquet files, by their number, without holding the files in memory.

The files are read once, checked, and their rows are kept in an unnamed temporary file, so that a compressed pool of
millions of rows can be read in any order. Memory: 16 bytes a row.
"""

from __future__ import annotations

import datetime
import decimal
import glob
import json
import os
import re
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from motherlode.errors import InputError
from motherlode.models.samples import Sample, check_fields, to_sample
from motherlode.seeds.files import read_records
from motherlode.shards.fingerprint import file_digest, fingerprint
from motherlode.shards.local_copy import here

_SHAPE = 'write each sample on a line of its own, as {"prompt": "...", "completion": "..."} or {"messages": [...]}'
_FILES = re.compile(r"\.(jsonl|ndjson)(\.gz|\.zst)?$|\.parquet$", re.IGNORECASE)
_PARQUET = b"PAR1"
_BATCH = 256  # rows of a Parquet file that are decoded at a time


class Rows:
    """Rows of JSONL files (plain, gzip or Zstandard) and Parquet files, numbered from 0; blank lines do not count.

    Attributes:
        path: What was named.
        files: The files, in the order of their rows.
        digest: Digest of their bytes.
    """

    def __init__(self, path: Path | str) -> None:
        """Read and check the files.

        Args:
            path: A file, a folder (searched through for `.jsonl`, `.jsonl.gz`, `.jsonl.zst` and `.parquet`), or a
                pattern.

        Raises:
            InputError: There is none, or one is missing, empty, damaged, or of another format; the line names the
                place.
        """
        self.path = here(path)
        self.files = _find(self.path)
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the object
        self._offsets, self._lines = array("q", [0]), array("q")
        self._starts: list[int] = []
        for file in self.files:
            self._starts.append(len(self._lines))
            for line, data in _read(file):
                self._offsets.append(self._offsets[-1] + self._spool.write(data))
                self._lines.append(line)
        digests = [file_digest(file) for file in self.files]
        self.digest = digests[0] if len(digests) == 1 else fingerprint(digests)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._lines)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return a row.

        Raises:
            IndexError: There is no such row.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        start, stop = self._offsets[index], self._offsets[index + 1]
        self._spool.seek(start)
        row: dict[str, Any] = json.loads(self._spool.read(stop - start))
        return row

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Read all rows in order."""
        return (self[index] for index in range(len(self)))

    def place(self, index: int) -> str:
        """Say where a row stands: `file:line`, or `file: row number` (from 0) in a Parquet file."""
        file = self.files[bisect_right(self._starts, index) - 1]
        line = self._lines[index]
        return f"{file}:{line}" if line > 0 else f"{file}: row {-line}"


def _find(path: Path) -> list[Path]:
    if path.is_dir():
        inside = (file for file in path.rglob("*") if not any(p.startswith(".") for p in file.relative_to(path).parts))
        found = sorted(file for file in inside if file.is_file() and _FILES.search(file.name))
        if not found:
            raise InputError("holds no .jsonl, .jsonl.gz, .jsonl.zst or .parquet file", where=str(path), hint=_SHAPE)
        return found
    if not path.exists() and glob.has_magic(os.fspath(path)):
        found = [
            type(path)(match) for match in sorted(glob.glob(os.fspath(path), recursive=True)) if Path(match).is_file()
        ]
        if not found:
            raise InputError("no file matches", where=str(path), hint="quote the pattern, and check the folder")
        return found
    return [path]


def _read(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield each row's place and JSON: the line number from 1; of a Parquet file, minus the row number from 0."""
    try:
        with path.open("rb") as stream:
            parquet = stream.read(4) == _PARQUET
    except OSError:
        parquet = False  # whatever it is, the other reader says so
    if parquet or path.suffix.lower() == ".parquet":
        yield from _read_parquet(path)
        return
    try:
        for line, record in read_records(path):
            yield line, json.dumps(record, ensure_ascii=False).encode()
    except InputError as error:
        raise InputError(error.what, where=error.where, hint=_SHAPE if error.hint else None) from None


def _read_parquet(path: Path) -> Iterator[tuple[int, bytes]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    yield -number, _as_json(row, f"{path}: row {number}")
                    number += 1
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), hint="name a JSONL or Parquet file of samples") from None
    except (OSError, pa.ArrowException, ValueError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise InputError(
            f"cannot be read as Parquet ({lines[0][:150]})", where=str(path), hint="download or write it again"
        ) from error
    if not number:
        raise InputError("holds no row", where=str(path))


def _as_json(row: dict[str, Any], where: str) -> bytes:
    def plain(value: Any) -> Any:
        if isinstance(value, (datetime.date, datetime.time)):
            return value.isoformat()
        if isinstance(value, (decimal.Decimal, datetime.timedelta)):
            return str(value)
        raise InputError(f"holds {type(value).__name__}, which JSON cannot", where=where, hint="drop that column")

    try:
        text = json.dumps(row, ensure_ascii=False, allow_nan=False, default=plain)
    except ValueError:
        text = json.dumps(_without_nan(row), ensure_ascii=False, default=plain)
    return text.encode()


def _without_nan(value: Any) -> Any:
    """Put null in place of numbers that JSON lacks (pandas writes what is missing as NaN)."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return [_without_nan(item) for item in value] if isinstance(value, (list, tuple)) else value


class Samples:
    """The rows of a file as samples, errors with their place."""

    def __init__(self, rows: Rows, fields: dict[str, str]) -> None:
        """Take the rows and how their fields are named."""
        self.rows, self.fields = rows, fields

    @classmethod
    def open(cls, path: Path | str, fields: Mapping[str, str] | None = None) -> Self:
        """Open a file, a folder or a pattern, see `Rows`.

        Raises:
            InputError: It is missing, empty or damaged, or a field's name is unknown.
        """
        checked = check_fields(fields)
        return cls(Rows(path), checked)

    def __getitem__(self, index: int) -> Sample:
        """Return a sample.

        Raises:
            InputError: The row is no sample.
        """
        return self.read(index)[1]

    def read(self, index: int) -> tuple[dict[str, Any], Sample]:
        """Return a row with the sample that it is.

        Raises:
            InputError: The row is no sample.
        """
        row = self.rows[index]
        try:
            return row, to_sample(row, self.fields)
        except InputError as error:
            raise InputError(error.what, where=self.rows.place(index), hint=error.hint) from None

    def usable(self, bad_rows: str = "fail") -> Iterator[tuple[int, dict[str, Any]]]:
        """Read all rows in order, and yield the number and the fields of those that are samples.

        Args:
            bad_rows: `fail`, or `skip` to pass over the others.

        Raises:
            InputError: A row is no sample, and none may be skipped.
        """
        for index in range(len(self.rows)):
            try:
                values, _ = self.read(index)
            except InputError:
                if bad_rows == "fail":
                    raise
            else:
                yield index, values

    def text(self, index: int) -> str:
        """Return a sample as one text."""
        return self[index].text
