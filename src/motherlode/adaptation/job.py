"""What fine-tuning and continued pre-training have in common: a place, a model, and a folder taken when all is well.

A folder that is there is opened at once, so that a run that is done or another one's is told early; the model is
loaded only if something is left to do. A new folder is made, and one that is to be replaced is emptied, only when
training starts: a mistake leaves and takes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from motherlode.adaptation.folder import RunFolder
from motherlode.adaptation.options import TrainOptions
from motherlode.adaptation.place import agreed, find_place
from motherlode.adaptation.run import Run
from motherlode.adaptation.trainer import StepTrainer
from motherlode.adaptation.weights import open_base, whole
from motherlode.errors import InputError
from motherlode.models.load import CausalModel, check_checkpoint, checkpoint_digest
from motherlode.shards.local_copy import here


class Job:
    """A run that is put together, as a context that holds its folder."""

    def __init__(
        self,
        kind: str,
        out: Path | None,
        options: TrainOptions,
        inputs: Mapping[str, Any],
        frozen: bool,
        overwrite: bool = False,
    ) -> None:
        """Open the folder if it is there, and load the model unless the run is done.

        Args:
            kind: `sft` or `cpt`.
            out: The run's folder; None if it is planned only.
            options: What is set.
            inputs: Digests of what is read: with `options` and the model, all that the outcome depends on.
            frozen: Whether an adapter is trained, not the model's own weights.
            overwrite: Whether the folder of another run is emptied first.

        Raises:
            InputError: The model cannot be loaded, the folder holds something else, or another process writes to it.
        """
        self.kind, self.out, self.frozen, self.overwrite = kind, out, frozen, overwrite
        self._options, self.place = options, find_place(options.device)
        self.settings = {**options.model_dump(mode="json"), **inputs, "weights": self._digest}
        self.folder: RunFolder | None = None
        if out is not None and out.exists():
            try:
                self._open(out, overwrite=False)
            except InputError:
                if not overwrite:
                    raise
        if not self.complete:
            self._load()

    @cached_property
    def loaded(self) -> CausalModel:
        """The model that is trained."""
        return open_base(self._options, self.place, frozen=self.frozen)

    @cached_property
    def _digest(self) -> str:
        """Digest of the model; that of a folder is told without loading it."""
        folder = here(self._options.model)
        if not folder.is_dir():
            return self.loaded.digest
        check_checkpoint(folder)
        return checkpoint_digest(folder)

    def _load(self) -> None:
        try:
            _ = self.loaded
        except BaseException:
            self.__exit__()  # others may have the folder
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

    def train_through(
        self, run: Run, trainer: StepTrainer, record: Mapping[str, Any], quiet: bool, lora: bool
    ) -> tuple[Path, CausalModel, Any]:
        """Take the folder, and train what is left.

        Args:
            run: The run.
            trainer: What it trains with.
            record: What is needed to repeat it.
            quiet: Whether no progress is shown.
            lora: Whether an adapter is trained.

        Returns:
            The folder, the base model, and the trained one: whole, where processes had shares of its weights.

        Raises:
            MotherlodeError: Training failed.
        """
        out = self.take_folder(record)
        if self.folder is not None:
            run.claim = self.folder.claim
        run.quiet = quiet
        run.train(trainer)
        if self.place.sharded:
            return out, *whole(trainer.model, self._options, self.place, lora=lora)
        return out, self.loaded, trainer.model
