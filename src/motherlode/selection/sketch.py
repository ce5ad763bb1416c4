"""The engine `sketch`: projected gradients of single samples, kept on disk, for all that needs pairs of samples.

Scores of each domain sample, cosines, diversity, and LESS (arXiv 2402.04333) read them. A shard is an uncompressed
Arrow file of float32 vectors: projected gradients do not compress (their bits are nearly random), half precision would
lose those of small losses, and a mapped file costs no memory however many samples there are. Each shard is committed
on its own.

With the kernel `loss-adam` a sample's vector holds its gradients at all checkpoints, each multiplied by `sqrt(w_i P_i)`
before the projection, so that inner products are the kernel (see `checkpoints`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.encode.encoder import unit_rows
from motherlode.errors import InputError
from motherlode.models.tokens import Tokens
from motherlode.selection.checkpoints import adam_update, placed, preconditioner, scaling, weights
from motherlode.selection.gradients import SampleGradients, sketches
from motherlode.selection.projection import Projection
from motherlode.selection.resume import read_shards, run_in_shards
from motherlode.selection.scoring import objective_of

if TYPE_CHECKING:
    from motherlode.selection.stages import ModelStages

_COLUMN = "gradient"
Vectors = NDArray[np.float32]


class Sketches:
    """Projected gradients of the samples of a selection."""

    def __init__(self, stages: ModelStages) -> None:
        """Take the model, its checkpoints, domain and pool."""
        options = stages.options
        self.stages, self.options = stages, options
        auto: Any = "rademacher" if options.method == "less" else "sparse"
        kind = auto if options.projection == "auto" else options.projection
        self.projection = Projection(kind, options.projection_dimension, options.random_seed)
        self._gradients: SampleGradients | None = None
        self._domain: Vectors | None = None

    def vectors(self, rows: NDArray[np.int64]) -> Iterator[Vectors]:
        """Return the vectors of rows of the pool, shard by shard: `[n_i, p]` float32, mapped and read-only; resumable.

        Inner products of two are unbiased estimates of the kernel. With `normalize: cosine` they are of length 1, in
        memory.
        """
        folder = self._run("gradients", rows, self.stages.tokens, self._kernel_vectors, {})
        self._count_truncated(folder)
        return (self._normalised(part) for part in _read(folder))

    @property
    def domain(self) -> Vectors:
        """`[d, p]`: the vectors of the domain samples."""
        if self._domain is None:
            folder = self._run_domain(self._kernel_vectors, {})
            self._domain = self._normalised(np.concatenate(list(_read(folder))))
        return self._domain

    def scores(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return `[n]`: the mean over domain samples of the estimated kernel."""
        target = self.domain.mean(0, dtype=np.float64)
        return np.concatenate([*(part @ target for part in self.vectors(rows)), np.zeros(0)])

    def similarities(self, rows: NDArray[np.int64]) -> Vectors:
        """Return `[n, d]`: the estimated kernel with each domain sample."""
        return np.concatenate([part @ self.domain.T for part in self.vectors(rows)])

    def less(self, rows: NDArray[np.int64]) -> Vectors:
        """Score rows of the pool for each sub-task by LESS's definition; resumable.

        The sum over checkpoints i of the epoch's learning rate times the cosine of
        the candidate's projected Adam step and of the mean projected gradient of the sub-task's samples (arXiv
        2402.04333, sections 3 and 4). Learning rates are divided by their sum.

        Args:
            rows: Rows of the pool.

        Returns:
            `[n, j]` scores, from -1 to 1; a row's score is the largest of its sub-tasks j.
        """
        groups = self._subtasks()
        total = np.zeros((len(rows), len(groups)), dtype=np.float32)
        for number, share in enumerate(weights(self.stages.checkpoints)):
            at = {"checkpoint": number}
            plain = self._run_domain(partial(self._at, number, False), {**at, "of": "sgd"})
            gradients = np.concatenate(list(_read(plain)))
            targets = unit_rows(np.stack([gradients[group].mean(0) for group in groups]))
            make = partial(self._at, number, True)
            steps = self._run("gradients", rows, self.stages.tokens, make, {**at, "of": "adam"})
            self._count_truncated(steps)
            cosines = [unit_rows(part) @ targets.T for part in _read(steps)]
            total += np.float32(share) * np.concatenate(cosines)
        return total

    def _subtasks(self) -> list[list[int]]:
        """Return the domain samples of each sub-task: all in one, each alone if it is to choose, or by a field."""
        count = len(self.stages.queries)
        if self.options.subtask_field is None:
            alone = self.options.similarity == "max" or self.options.selector == "round-robin"
            return [[index] for index in range(count)] if alone else [list(range(count))]
        names = [self.stages.query_row(index).get(self.options.subtask_field) for index in range(count)]
        groups: dict[str, list[int]] = {}
        for index, name in enumerate(names):
            groups.setdefault(str(name), []).append(index)
        return list(groups.values())

    def _normalised(self, vectors: Vectors) -> Vectors:
        return unit_rows(vectors) if self.options.normalize == "cosine" else vectors

    @property
    def _source(self) -> SampleGradients:
        if self._gradients is None:
            stages = self.stages
            objective = objective_of(stages.adapted, self.options)
            self._gradients = SampleGradients(stages.adapted, objective, stages.batcher)
        return self._gradients

    def _kernel_vectors(self, tokens: Sequence[Tokens]) -> Vectors:
        source, stages = self._source, self.stages
        if self.options.kernel != "loss-adam":
            return sketches(source, tokens, self.projection)
        total = np.zeros((len(tokens), self.projection.dimension), dtype=np.float32)
        shares = weights(stages.checkpoints)
        for number, (checkpoint, share) in enumerate(zip(stages.checkpoints, shares, strict=True)):
            factors = [(share * factor).sqrt() for factor in preconditioner(checkpoint)]
            transform = scaling(factors, stages.loaded.device)
            with placed(stages.adapted, checkpoint):
                total += sketches(source, tokens, self.projection, transform, number * source.size)
        return total

    def _at(self, number: int, adam: bool, tokens: Sequence[Tokens]) -> Vectors:
        checkpoint = self.stages.checkpoints[number]
        transform = adam_update(checkpoint, self.stages.loaded.device) if adam else None
        with placed(self.stages.adapted, checkpoint):
            return sketches(self._source, tokens, self.projection, transform)

    def _depends(self) -> dict[str, Any]:
        options = self.options
        return {
            **self.stages.depends,
            "kernel": "loss" if options.method == "less" else options.kernel,
            "normalize": "none" if options.normalize == "none" else "length",
            "probes": options.probes if options.kernel == "ntk-signs" else 1,
            "projection": [self.projection.kind, self.projection.dimension],
            "random_seed": options.random_seed,
        }

    def _run(
        self,
        kind: str,
        rows: NDArray[np.int64],
        tokens_of: Callable[[NDArray[np.int64]], list[Tokens]],
        make: Callable[[list[Tokens]], Vectors],
        more: dict[str, Any],
    ) -> Path:
        def table(part: NDArray[np.int64]) -> pa.Table:
            tokens = tokens_of(part)
            found = make(tokens)
            wrong = np.flatnonzero(~np.isfinite(found).all(1))
            if len(wrong):
                raise InputError(
                    "its gradient is not finite",
                    where=self.stages.place(kind, int(part[wrong[0]])),
                    hint="use --dtype fp32; if that does not help, the model's weights are damaged",
                )
            flat = pa.FixedSizeListArray.from_arrays(pa.array(found.ravel()), found.shape[1])
            columns = {"index": pa.array(part, pa.int64()), _COLUMN: flat}
            return pa.table({**columns, "truncated": pa.array([item.truncated > 0 for item in tokens], pa.bool_())})

        stages, size = self.stages, self.options.shard_rows
        depends = {**self._depends(), **more}
        return run_in_shards(stages.work, kind, depends, rows, table, shard_rows=size, quiet=stages.quiet, mapped=True)

    def _run_domain(self, make: Callable[[list[Tokens]], Vectors], more: dict[str, Any]) -> Path:
        domain = self.stages.queries
        rows = np.arange(len(domain), dtype=np.int64)
        return self._run("domain-gradients", rows, lambda part: [domain[int(row)] for row in part], make, more)

    def _count_truncated(self, folder: Path) -> None:
        cut = [column.to_numpy() for column in read_shards(folder, "truncated")]
        self.stages.truncated = int(sum(part.sum() for part in cut))


def _read(folder: Path) -> Iterator[Vectors]:
    for column in read_shards(folder, _COLUMN):
        (chunk,) = column.chunks
        yield chunk.flatten().to_numpy().reshape(len(chunk), chunk.type.list_size)
