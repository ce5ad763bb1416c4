"""The stages of one selection: votes narrow the pool, a kernel or a baseline scores, a selector ranks."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from motherlode.models.rows import Samples
from motherlode.selection.choose import by_score, round_robin
from motherlode.selection.methods.method import Order, Scored
from motherlode.selection.methods.registry import BASELINES
from motherlode.selection.options import WITHOUT_VECTORS, SelectOptions
from motherlode.selection.votes import nearest, reverse_neighbours

if TYPE_CHECKING:
    from motherlode.selection.stages import ModelStages
    from motherlode.selection.vectors import EncoderStages, VectorStages
    from motherlode.shards.engine import Engine

_NEAREST = 3  # domain samples that a selected row is explained by


class SelectionRun:
    """The stages, opened as they are needed; what methods see of them is `Run`."""

    def __init__(
        self,
        options: SelectOptions,
        domain: Samples,
        domain_rows: Sequence[int],
        pool: Samples,
        rows: NDArray[np.int64],
        work: Path | None,
        quiet: bool,
        dev: Samples | None = None,
        runs_on: Engine | None = None,
    ) -> None:
        """Take what is set, the samples, and the rows of the pool that can be selected; nothing is opened yet."""
        self.options, self.domain, self.domain_rows, self.pool, self.rows = options, domain, domain_rows, pool, rows
        self.dev, self.runs_on = dev, runs_on
        self.queries = domain if dev is None else dev
        self.query_rows = list(domain_rows) if dev is None else list(range(len(dev.rows)))
        self.told: dict[str, Any] = {}
        self.work = Path(tempfile.mkdtemp(prefix="motherlode-")) if work is None else work
        if work is None:  # a selection may be cut again: what it rests on goes when the selection does
            weakref.finalize(self, shutil.rmtree, self.work, ignore_errors=True)
        self.quiet = quiet
        self._model: ModelStages | None = None
        self._encoder: EncoderStages | None = None
        self._votes = False

    @property
    def model(self) -> ModelStages:
        """The model with its adapter."""
        if self._model is None:
            from motherlode.selection.stages import ModelStages

            args = (self.options, self.work, self.domain, self.domain_rows, self.pool, self.quiet, self.dev)
            self._model = ModelStages(*args, runs_on=self.runs_on)
        return self._model

    @property
    def encoder(self) -> VectorStages:
        """What vectors are made by."""
        if self.options.encoder == "model":
            return self.model
        if self._encoder is None:
            from motherlode.selection.vectors import EncoderStages

            args = (self.queries, self.query_rows, self.pool, self.rows)
            self._encoder = EncoderStages(self.options.encoder, *args)
        return self._encoder

    def vectors(self, rows: NDArray[np.int64]) -> Iterable[NDArray[np.float32]]:
        """Return the unit vectors of rows of the pool, in blocks `[n_i, h]`; resumable."""
        from motherlode.selection.vectors import pool_vectors, vectors_of

        return vectors_of(pool_vectors(self.encoder, self.work, rows, self.options.shard_rows, self.quiet))

    def scored(self) -> Scored:
        """Return candidates with their scores and their order."""
        if self.options.method in BASELINES:
            return BASELINES[self.options.method](self)
        rows = self._preselected()
        in_turn = self.options.selector == "round-robin"
        if self.options.method == "less":
            similarities = self.model.sketches.less(rows)
            scored = Scored.top(rows, similarities.max(1).astype(np.float64))
        else:
            scored = Scored.top(rows, self.model.scores(rows))
            if in_turn:
                similarities = self.model.sketches.similarities(rows)
        if not in_turn:
            return scored
        return replace(scored, turns=lambda _count: round_robin(similarities))

    def ranked(self, scored: Scored) -> Order:
        """Return the order in which a selector looks at candidates."""
        selector = self.options.selector
        if selector == "auto":
            return scored.published
        if selector == "round-robin":
            assert scored.turns is not None
            return scored.turns
        if selector != "diverse":
            return lambda _count: by_score(scored.scores)
        return lambda count: self._diverse(scored, count)

    def _diverse(self, scored: Scored, count: int) -> Iterator[int]:
        from motherlode.selection.diverse import LOOKED_AT, diverse, nearest_among, relevance

        order = by_score(scored.scores)
        near = np.sort(order[: LOOKED_AT * count])
        vectors = np.concatenate(list(self.vectors(scored.rows[near])))
        worth = relevance(scored.scores[near], count)
        yield from (int(near[place]) for place in diverse(worth, nearest_among(vectors), self.options.diversity))
        yield from (int(place) for place in order[LOOKED_AT * count :])

    def _preselected(self) -> NDArray[np.int64]:
        most = self.options.preselect_factor * self.options.n
        if not self.options.by_votes or most >= len(self.rows):
            return self.rows
        self._votes = True
        near = reverse_neighbours(self.encoder.domain_vectors, self.vectors(self.rows), max(1, most // 4))
        return np.sort(self.rows[near.order()[:most]])

    def nearest(self, rows: Sequence[int]) -> list[list[tuple[int, float]]]:
        """Return the nearest domain samples of rows, if vectors belong to the method."""
        without = self.options.method in WITHOUT_VECTORS and self.options.selector != "diverse"
        if without or not rows:
            return []
        found = []
        size = self.options.shard_rows
        for start in range(0, len(rows), size):
            part = np.asarray(rows[start : start + size], dtype=np.int64)
            found += nearest(self.encoder.domain_vectors, self.encoder.encode(part), _NEAREST)
        return found

    def notes(self) -> dict[str, Any]:
        """Return what the stages have to tell."""
        noted: dict[str, Any] = {"preselected_by_votes": self._votes, **self.told}
        if self._model is not None:
            noted["model"] = {
                "name": self._model.loaded.name,
                "digest": self._model.loaded.digest,
                "dtype": str(self._model.loaded.dtype).removeprefix("torch."),
                "device": self._model.loaded.device.type,
                "max_length": self._model.max_length,
                "adapter": self._model.depends["adapter"],
                "engine": self._model.engine,
                "warmup_losses": self._model.losses,
                "truncated_candidates": self._model.truncated,
                "truncated_domain_samples": sum(item.truncated > 0 for item in self._model.domain),
            }
        if self._encoder is not None:
            noted["encoder"] = self._encoder.encoder.fingerprint
        return noted
