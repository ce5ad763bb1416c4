"""What a machine was measured to do, stage by stage, and the file that keeps it."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from motherlode.config import Config
from motherlode.errors import InputError
from motherlode.shards import store

READ_TEXT, READ_WEB = "read text", "read web"


class StageRate(Config):
    """What one stage costs.

    The seconds of a stage are those of its tasks, which cores share, and those of the process that drives it, which
    nobody shares: a fixed part, and one that grows with the documents.
    """

    unit: Literal["words", "bytes", "documents"] = Field(description="what the work of tasks is proportional to")
    core_seconds: float = Field(ge=0, description="seconds of one core a unit")
    driver_seconds: float = Field(0, ge=0, description="seconds of the driving process, whatever the size")
    driver_per_document: float = Field(0, ge=0, description="seconds of the driving process a document")
    bytes: float = Field(0, ge=0, description="bytes written a document")


class Rates(Config):
    """What a machine was measured to do."""

    format: Literal[1] = 1
    date: str = Field(description="day of the measurement")
    version: str = Field(description="version of motherlode")
    machine: dict[str, Any] = Field(description="the machine, as `machine.describe` does")
    documents: int = Field(ge=1, description="documents of the larger measurement")
    words: float = Field(gt=0, description="words of a document there")
    pages: int = Field(ge=0, description="web pages; 0: not measured, for the extra 'web' was not installed")
    page_bytes: float = Field(gt=0, description="bytes of HTML of a page there")
    compressed_page_bytes: float = Field(gt=0, description="bytes of such a page in a compressed WARC file")
    document_bytes: float = Field(gt=0, description="bytes of a document as a line of JSON")
    worker_bytes: float = Field(gt=0, description="peak of resident memory of one process that does everything")
    commit_seconds: float = Field(ge=0, description="seconds of the driving process a task: sending it, committing it")
    key_seconds: float = Field(ge=0, description="seconds of one core to read one 64-bit key of a stage's files")
    flops: float = Field(gt=0, description="float32 operations a second of one core in a matrix product")
    stages: dict[str, StageRate] = Field(description="by stage")

    def write(self, path: Path) -> None:
        """Write the file.

        Raises:
            StorageError: It cannot be written.
        """
        store.make_folder(path.parent)
        store.write_text(path, json.dumps(self.model_dump(), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Rates:
        """Read the file.

        Raises:
            InputError: There is none, or it is damaged or of another version.
        """
        try:
            values = json.loads(path.read_text("utf-8"))
        except OSError as error:
            hint = "motherlode plan --calibrate writes it"
            raise InputError(f"cannot be read ({error.strerror})", where=str(path), hint=hint) from error
        except ValueError as error:
            raise InputError("is not JSON", where=str(path), hint="motherlode plan --calibrate writes it") from error
        if not isinstance(values, dict) or values.get("format") != 1:
            hint = "motherlode plan --calibrate writes it"
            raise InputError("holds no rates of this version", where=str(path), hint=hint)
        return cls.parse(values, str(path))


def default_path() -> Path:
    """Return where this machine's rates are kept: in the cache folder of the user."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "motherlode" / "rates.json"


def shipped_rates() -> Rates:
    """Return the rates that ship with the package, of the machine on which it was written."""
    content = files("motherlode.planning").joinpath("rates.json").read_text("utf-8")
    return Rates.parse(json.loads(content), "rates.json")
