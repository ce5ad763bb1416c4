"""A run in its folder: the log, evaluation on dev sets, early stopping, checkpoints, and going on after a kill."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from motherlode.adaptation.checkpoint import (
    FOLDER,
    Progressed,
    moments_of,
    put_checkpoint,
    put_weights,
    read_progress,
    weights_of,
    write_checkpoint,
)
from motherlode.adaptation.log import append, cut_log
from motherlode.adaptation.options import TrainOptions
from motherlode.adaptation.place import Place, agreed
from motherlode.adaptation.rows import Row
from motherlode.adaptation.trainer import StepLog, StepTrainer
from motherlode.progress import Progress
from motherlode.shards import store

BEST = "best.safetensors"


class Run:
    """What follows a training run, and keeps it.

    Attributes:
        progressed: How far it came.
        quiet: Whether no progress is shown.
        claim: Called before there is something to lose.
    """

    def __init__(
        self,
        out: Path | None,
        options: TrainOptions,
        place: Place,
        steps: int,
        *,
        dev: Mapping[str, Sequence[Row]],
        every: int,
        patience: int,
    ) -> None:
        """Describe the run.

        Args:
            out: Its folder; None if it is planned only.
            options: What is set.
            place: This process.
            steps: How many steps it has.
            dev: Dev sets by name; the first decides when training stops.
            every: Steps between evaluations.
            patience: Evaluations without a lower loss after which it stops, and the best weights are taken; 0: never.
        """
        self.out, self.options, self.place = out or Path(), options, place
        self.steps, self.dev = steps, dict(dev)
        self.every, self.patience, self.quiet = every, patience, True
        self.claim: Callable[[], None] = _nothing
        self.progressed = Progressed(0, 0, 0.0)
        self._before, self._started = 0.0, time.monotonic()
        self._progress = Progress("training", 0, "steps", quiet=True)

    @property
    def finished(self) -> bool:
        """Whether no step is left."""
        stopped = bool(self.patience) and self.progressed.stale >= self.patience
        return stopped or self.progressed.step >= self.steps

    @property
    def best_step(self) -> int:
        """The step whose weights count."""
        best = self.progressed.best if self.patience else None
        return self.progressed.step if best is None else best[1]

    def clear(self) -> None:
        """Remove what only a resume needs."""
        for name in (FOLDER, BEST):
            if (self.out / name).exists():
                store.remove(self.out / name)

    def train(self, trainer: StepTrainer) -> None:
        """Do the steps that are left, and leave the weights that count in the model.

        Raises:
            MotherlodeError: Training failed.
        """
        self.progressed = read_progress(self.out) or self.progressed
        self._before = self.progressed.seconds
        if self.progressed.budget:
            trainer.start_after(self.progressed.step, self.progressed.budget)
        if self.finished:
            put_checkpoint(self.out, trainer.model)
        else:
            if self.place.first:
                cut_log(self.out, self.progressed.step)
            quiet = self.quiet or not self.place.first
            self._progress = Progress("training", self.steps - self.progressed.step, "steps", quiet=quiet)
            with self._progress:
                trainer.run()
        agreed(None, self.place.world)  # the first process has written the best weights
        if self.patience and self.progressed.best is not None:
            put_weights(trainer.model, load_file(self.out / BEST))

    def begin(self, trainer: StepTrainer) -> None:
        """Put a checkpoint back, or measure where a fresh run starts."""
        self._started = time.monotonic()
        if self.progressed.step:
            put_checkpoint(self.out, trainer.model, trainer.optimizer)
        else:
            self._evaluate(trainer, 0)

    def after_step(self, trainer: StepTrainer, log: StepLog) -> bool:
        """Log a step, evaluate and keep a checkpoint where they are due; return whether training goes on."""
        self._write({name: value for name, value in log.__dict__.items() if value is not None})
        last = log.step == self.steps
        best, stale = self.progressed.best, self.progressed.stale
        if self.dev and (last or log.step % self.every == 0):
            best, stale = self._evaluate(trainer, log.step)
        seconds = self._before + time.monotonic() - self._started
        self.progressed = Progressed(log.step, trainer.budget, seconds, best, stale)
        if self.finished or log.step % self.options.checkpoint_every == 0:
            weights, moments = weights_of(trainer.model), moments_of(trainer.model, trainer.optimizer)
            if self.place.first:
                self.claim()
                write_checkpoint(self.out, weights, moments, self.progressed)
        self._progress.note = f"loss {log.loss:.3f}"
        self._progress.advance(1)
        return not self.finished

    def _evaluate(self, trainer: StepTrainer, step: int) -> tuple[tuple[float, int] | None, int]:
        """Log the loss on each dev set; return the best so far, and the evaluations since."""
        if not self.dev:
            return None, 0
        losses = {name: trainer.mean_loss(rows) for name, rows in self.dev.items()}
        self._write({"step": step, "dev": losses})
        first = next(iter(losses.values()))
        best, stale = self.progressed.best, self.progressed.stale + 1
        if best is None or first < best[0]:
            best, stale = (first, step), 0
            if self.patience:
                weights = weights_of(trainer.model)
                if self.place.first:
                    store.write_bytes(self.out / BEST, to_bytes(weights))
        self.progressed = Progressed(step, trainer.budget, self.progressed.seconds, best, stale)
        return best, stale

    def _write(self, values: Mapping[str, Any]) -> None:
        if self.place.first:
            append(self.out, values)


def _nothing() -> None:
    """Do nothing."""
