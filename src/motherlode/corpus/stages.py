"""What the stages of a build share: running tasks into a folder of their own, and documents counted over all shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motherlode.shards import store
from motherlode.shards.dataset import Dataset, Source
from motherlode.shards.engine import Engine
from motherlode.shards.fingerprint import bytes_digest
from motherlode.shards.manifest import Manifest
from motherlode.shards.task import Task

Numbers = NDArray[np.int64]  # of documents, in input order over all staging shards; or of rows in one


@dataclass(frozen=True)
class Scratch:
    """Where stages keep what the build needs until it is done.

    Attributes:
        folder: A folder within the corpus.
        settings: The build's settings, which all stages belong to.
        engine: Who does the work.
        overwrite: Whether what another build left there is replaced.
    """

    folder: Path
    settings: Mapping[str, Any]
    engine: Engine
    overwrite: bool = False

    def run(self, name: str, tasks: Sequence[Task], title: str, unit: str = "documents") -> Dataset:
        """Run the tasks of a stage that are not done, and return what they left."""
        with Manifest.open(self.folder / name, name, self.settings, overwrite=self.overwrite) as manifest:
            self.engine.run(tasks, manifest, title, unit)
        return Dataset(self.folder / name)


def all_files(dataset: Dataset) -> list[Source]:
    """Return every file of a stage, in order."""
    return [
        Source(dataset.folder / file.name, file.digest, file.rows)
        for entry in dataset.manifest.entries.values()
        for file in entry.files
    ]


def first_numbers(shards: Sequence[Source]) -> Numbers:
    """Return `[s + 1]`: the number of the first document of each shard, and of the end."""
    return np.concatenate([[0], np.cumsum([shard.rows for shard in shards])]).astype(np.int64)


@dataclass(frozen=True)
class Skipped:
    """A file of one bit a document, set for those that have gone already."""

    path: Path
    digest: str

    @staticmethod
    def write(path: Path, starts: Numbers, gone: Sequence[Numbers]) -> Skipped:
        """Write the bits.

        Args:
            path: The file.
            starts: `[s + 1]`, as `first_numbers` returns them.
            gone: For each shard, the rows that have gone.
        """
        skip = np.zeros(starts[-1], dtype=bool)
        for start, rows in zip(starts.tolist(), gone, strict=False):
            skip[rows + start] = True
        bits = np.packbits(skip).tobytes()
        store.make_folder(path.parent)
        store.write_bytes(path, bits)
        return Skipped(path, bytes_digest(bits))

    def read(self, count: int) -> NDArray[np.bool_]:
        """Return `[count]` bools."""
        return np.unpackbits(np.frombuffer(self.path.read_bytes(), dtype=np.uint8), count=count).astype(bool)
