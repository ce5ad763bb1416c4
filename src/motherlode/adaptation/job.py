"""What a fine-tuning and a continued pre-training have in common: a place, and a folder that is taken when all is well.

A folder that is there is opened at once, so that a run that is done or another one's is told early. A new one is made,
and one that is to be replaced is emptied, only when training starts: a mistake leaves and takes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from motherlode.adaptation.folder import RunFolder
from motherlode.adaptation.place import Place, agreed
from motherlode.errors import InputError


class Job:
    """A run that is put together, as a context that holds its folder."""

    def __init__(
        self, kind: str, out: Path | None, settings: Mapping[str, Any], place: Place, overwrite: bool = False
    ) -> None:
        """Open the folder if it is there.

        Args:
            kind: `sft` or `cpt`.
            out: The run's folder; None if it is planned only.
            settings: All that the outcome depends on.
            place: This process.
            overwrite: Whether the folder of another run is emptied first.

        Raises:
            InputError: It holds something else, or another process writes to it.
        """
        self.kind, self.out, self.settings, self.place, self.overwrite = kind, out, settings, place, overwrite
        self.folder: RunFolder | None = None
        if out is not None and out.exists():
            try:
                self._open(out, overwrite=False)
            except InputError:
                if not overwrite:
                    raise

    def _open(self, out: Path, overwrite: bool) -> None:
        if self.place.first and self.folder is None:
            self.folder = RunFolder(out, self.kind, self.settings, overwrite)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release the folder."""
        if self.folder is not None:
            self.folder.close()

    @cached_property
    def complete(self) -> bool:
        """Whether the run is done; the processes wait for the first one to say so."""
        return bool(agreed(self.folder is not None and self.folder.complete, self.place.world))

    def take_folder(self, record: Mapping[str, Any]) -> Path:
        """Make the folder, or empty that of another run, and write what this one needs to be repeated.

        Raises:
            InputError: Another process writes to it, or it holds what motherlode did not make.
        """
        assert self.out is not None
        self._open(self.out, self.overwrite)
        if self.folder is not None:
            self.folder.begin(record)
        agreed(None, self.place.world)
        return self.out
