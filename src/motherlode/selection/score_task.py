"""Scoring as tasks: one shard of candidates each, over workers that open the model and its direction once.

A worker needs the model and the adapter's folder; tokens travel with the task, made when it is sent. It scores with as
many threads as the driver has, so that the bytes are those that the driver would write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.errors import InputError
from motherlode.models.opened import OpenedModel
from motherlode.models.tokens import Tokens
from motherlode.selection.checkpoints import Checkpoint
from motherlode.selection.engines import Engine
from motherlode.selection.options import SelectOptions
from motherlode.selection.scoring import LinearEngine, make_scorer
from motherlode.shards.manifest import Entry
from motherlode.shards.resources import Resources
from motherlode.shards.task import write_shard


@dataclass(frozen=True)
class Scorer:
    """What a worker opens.

    Attributes:
        key: Names it among others.
        options: The selection, with the adapter's folder.
        engine: Which one scores.
        queries: The domain's side.
        checkpoints: Of the warm-up, for `loss-adam`: file, optimiser steps, learning rate.
        device: The driver's, `cpu` or `cuda`.
        threads: The driver's, of a model on the CPU.
    """

    key: str
    options: SelectOptions
    engine: LinearEngine
    queries: tuple[Tokens, ...]
    checkpoints: tuple[tuple[Path, int, float], ...]
    device: str
    threads: int

    @property
    def resources(self) -> Resources:
        """A GPU where the driver has one, else its threads."""
        return Resources(gpus=1) if self.device == "cuda" else Resources(cpus=self.threads)

    def open(self) -> Engine:
        """Load the model, put the adapter on, and find the direction."""
        import torch

        if self.device == "cpu":
            torch.set_num_threads(self.threads)
        opened = OpenedModel(self.options.model_copy(update={"device": self.device}), self.options.layout)
        checkpoints = [Checkpoint.read(path, step, rate) for path, step, rate in self.checkpoints]
        return make_scorer(opened.adapt(), self.options, self.engine, self.queries, opened.batcher, checkpoints)


@dataclass(frozen=True)
class ScoreTask:
    """Scores of one shard of candidates.

    Attributes:
        name: The shard's name.
        fingerprint: What the scores depend on.
        scorer: What is opened.
        rows: Rows of the pool.
        pool: The pool's name, for errors.
        tokens: Their tokens, or what makes them.
    """

    name: str
    fingerprint: str
    scorer: Scorer
    rows: NDArray[np.int64]
    pool: str
    tokens: Sequence[Tokens] | Callable[[NDArray[np.int64]], Sequence[Tokens]]

    def __reduce__(self) -> tuple[object, ...]:
        """Travel with tokens: workers need not see the pool."""
        ready = replace(self, tokens=self._tokens())
        return (ScoreTask, (ready.name, ready.fingerprint, ready.scorer, ready.rows, ready.pool, ready.tokens))

    def _tokens(self) -> list[Tokens]:
        return list(self.tokens(self.rows) if callable(self.tokens) else self.tokens)

    @property
    def size(self) -> int:
        """Candidates."""
        return len(self.rows)

    @property
    def resources(self) -> Resources:
        """Those of the scorer."""
        return self.scorer.resources

    def run(self, folder: Path) -> Entry:
        """Score the candidates and write the shard.

        Raises:
            InputError: A score is not finite.
        """
        tokens = self._tokens()
        scores = _opened(self.scorer).score(tokens)
        table = score_table(self.rows, tokens, scores, lambda row: f"{self.pool}, row {row}")
        file = write_shard(folder, f"{self.name}.parquet", table)
        return Entry(self.name, self.fingerprint, (file,), {"read": self.size, "kept": self.size})


_OPEN: dict[str, Engine] = {}


def _opened(scorer: Scorer) -> Engine:
    """Return the engine, opened once per process; one at a time, for models are large."""
    if scorer.key not in _OPEN:
        _OPEN.clear()
        _OPEN[scorer.key] = scorer.open()
    return _OPEN[scorer.key]


def score_table(
    rows: NDArray[np.int64], tokens: Sequence[Tokens], scores: NDArray[np.float64], place: Callable[[int], str]
) -> pa.Table:
    """Return the table of a shard: row of the pool, score, whether the sample was cut.

    Raises:
        InputError: A score is not finite; `place` says where.
    """
    wrong = np.flatnonzero(~np.isfinite(scores))
    if len(wrong):
        raise InputError(
            "its score is not a finite number",
            where=place(int(rows[wrong[0]])),
            hint="use --dtype fp32; if that does not help, the model's weights are damaged",
        )
    columns = {"index": pa.array(rows, pa.int64()), "score": pa.array(scores, pa.float64())}
    return pa.table({**columns, "truncated": pa.array([item.truncated > 0 for item in tokens], pa.bool_())})
