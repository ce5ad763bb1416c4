"""The stages of a selection that need the model: warm-up, hidden states, scores; each resumable."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from motherlode.models.lora import AdaptedModel, check_adapter
from motherlode.models.opened import OpenedModel
from motherlode.models.rows import Samples
from motherlode.models.tokens import Tokens
from motherlode.selection.checkpoints import Checkpoint
from motherlode.selection.engines import STEPS, Engine
from motherlode.selection.hidden import Pooling, mean_hidden
from motherlode.selection.options import SelectOptions
from motherlode.selection.resume import read_shards, run_in_shards, stage_folder
from motherlode.selection.score_task import Scorer, ScoreTask, score_table
from motherlode.selection.scoring import LinearEngine, choose_engine, make_scorer
from motherlode.selection.sketch import Sketches
from motherlode.selection.warmup import WarmupOptions, completion_losses, warm_up
from motherlode.shards import store
from motherlode.shards.engine import Engine as ShardEngine
from motherlode.shards.fingerprint import bytes_digest, file_digest
from motherlode.shards.local_copy import here
from motherlode.shards.manifest import Entry, Manifest, ShardFile

_ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


class ModelStages:
    """What needs the model: opened once, with its adapter."""

    def __init__(
        self,
        options: SelectOptions,
        work: Path,
        domain: Samples,
        domain_rows: Sequence[int],
        pool: Samples,
        quiet: bool,
        queries: Samples | None = None,
        runs_on: ShardEngine | None = None,
    ) -> None:
        """Load the model, tokenise the domain, and warm up (or load what an earlier run left).

        Args:
            options: What is set.
            work: The folder of what is kept.
            domain: What the warm-up reads.
            domain_rows: Which of its rows.
            pool: The pool.
            quiet: Whether no progress is shown.
            queries: What candidates are held against, all of it; by default the domain.
            runs_on: Who scores; by default this process.

        Raises:
            InputError: The model, the adapter or a domain sample cannot be used.
        """
        self.options, self.work, self.pool, self.quiet, self.runs_on = options, work, pool, quiet, runs_on
        self.opened = OpenedModel(options, options.layout)
        self.loaded, self.max_length, self.batcher = self.opened.loaded, self.opened.max_length, self.opened.batcher
        self.domain = self.opened.tokens(domain, domain_rows)
        self._query_samples = (domain, list(domain_rows))
        self.queries = self.domain
        if queries is not None:
            self._query_samples = (queries, list(range(len(queries.rows))))
            self.queries = self.opened.tokens(*self._query_samples)
        self.pooling: Pooling = "position" if options.method == "rds" else "mean"
        self.engine = choose_engine(options)
        self.losses: list[float] = []
        self.checkpoints: list[Checkpoint] = []
        self.truncated = 0
        self.depends: dict[str, Any] = {
            "model": self.loaded.digest,
            "dtype": str(self.loaded.dtype),
            "device": self.loaded.device.type,
            "attention": options.attention,
            "template": options.template,
            "max_length": self.max_length,
            "truncate": options.truncate,
            "token_budget": self.batcher.budget,
            "layout": options.layout,
            "domain": [domain.rows.digest, bytes_digest(np.asarray(domain_rows, dtype=np.int64).tobytes())],
            "fields": options.fields,
        }
        self.adapted, self.adapter_folder = self._adapter()
        self.depends["adapter"] = [file_digest(self.adapter_folder / name) for name in _ADAPTER_FILES]
        self.depends["pool"] = pool.rows.digest
        self.depends["queries"] = None if queries is None else queries.rows.digest
        self.depends["pooling"] = self.pooling

    def _query_place(self, number: int) -> str:
        samples, rows = self._query_samples
        return samples.rows.place(rows[number])

    def _adapter(self) -> tuple[AdaptedModel, Path]:
        options = self.options
        if options.adapter is not None:
            return self.opened.adapt(), here(options.adapter)
        settings = {
            **self.depends,
            "lora": [options.lora_rank, options.lora_alpha, sorted(options.lora_targets)],
            "warmup": [options.epochs, options.warmup_batch, options.learning_rate],
            "random_seed": options.random_seed,
            **({"checkpoints": True} if options.with_checkpoints else {}),
        }
        folder = stage_folder(self.work, "adapter", settings)
        with Manifest.open(folder, "adapter", settings) as manifest:
            if manifest.complete and manifest.holds("warm-up", "-"):
                self.losses = list(manifest.entries["warm-up"].stats["losses"])
                self.checkpoints = [checkpoint for checkpoint, _ in _epochs(manifest)]
                check_adapter(folder)
                return AdaptedModel.load(self.loaded, folder), folder
            adapted = self.opened.adapt()
            how = WarmupOptions.of(options, warmup_epochs=options.epochs)
            done = _epochs(manifest)
            self.checkpoints = [checkpoint for checkpoint, _ in done]

            def keep(checkpoint: Checkpoint, losses: list[float]) -> None:
                name = f"epoch-{len(self.checkpoints) + 1:06d}"
                data = checkpoint.to_bytes()
                store.write_bytes(folder / f"{name}.safetensors", data)
                file = ShardFile(f"{name}.safetensors", 0, len(data), bytes_digest(data))
                stats = {"step": checkpoint.step, "rate": checkpoint.rate, "losses": losses}
                manifest.commit(Entry(name, "-", (file,), {}, stats))
                self.checkpoints.append(checkpoint)

            keeper = keep if options.with_checkpoints else None
            args = (adapted, self.domain, self.batcher, how, options.random_seed, self.quiet)
            self.losses = warm_up(*args, done, keeper)
            files = _save(adapted, folder)
            manifest.commit(Entry("warm-up", "-", files, {}, {"losses": self.losses}))
            manifest.finish([*(name for name in sorted(manifest.entries) if name != "warm-up"), "warm-up"])
        return adapted, folder

    def tokens(self, rows: NDArray[np.int64]) -> list[Tokens]:
        """Tokenise rows of the pool."""
        return self.opened.tokens(self.pool, rows.tolist())

    @cached_property
    def domain_vectors(self) -> NDArray[np.float32]:
        """`[d, h]` mean last hidden states of the domain's side."""
        return mean_hidden(self.adapted, self.queries, self.batcher, self.pooling, self._query_place)

    def encode(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return mean last hidden states of rows of the pool."""
        tokens = self.tokens(rows)

        def place(number: int) -> str:
            return self.pool.rows.place(int(rows[number]))

        return mean_hidden(self.adapted, tokens, self.batcher, self.pooling, place)

    def scores(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Score rows of the pool by the kernel; resumable.

        Raises:
            InputError: A score is not finite.
        """
        options, engine = self.options, self.engine
        if engine == "sketch":
            return self.sketches.scores(rows)
        depends = {
            **self.depends,
            "kernel": options.kernel,
            "engine": engine,
            "normalize": options.normalize,
            "probes": options.probes if options.kernel == "ntk-signs" else 1,
            "step": (options.difference_step or STEPS[self.loaded.dtype]) if engine == "difference" else None,
            "random_seed": options.random_seed,
        }
        engines: list[Engine] = []

        def make(part: NDArray[np.int64]) -> pa.Table:
            if not engines:  # a run that has all scores needs no direction
                args = (self.adapted, options, engine, self.queries, self.batcher, self.checkpoints)
                engines.append(make_scorer(*args))
            tokens = self.tokens(part)
            return self._table(part, tokens, engines[0].score(tokens))

        def task(name: str, key: str, part: NDArray[np.int64]) -> ScoreTask:
            return ScoreTask(name, key, self._scorer(key, engine), part, str(self.pool.rows.path), self.tokens)

        return self._run("scores", depends, rows, make, task)

    def _scorer(self, key: str, engine: LinearEngine) -> Scorer:
        """Describe what workers open."""
        folder = self.adapter_folder.absolute()
        options = self.options.model_copy(
            update={"adapter": str(folder), "token_budget": self.batcher.budget, "max_length": self.max_length}
        )
        files = [
            (folder / f"epoch-{number:06d}.safetensors", checkpoint.step, checkpoint.rate)
            for number, checkpoint in enumerate(self.checkpoints, start=1)
        ]
        device = self.loaded.device.type
        return Scorer(key, options, engine, tuple(self.queries), tuple(files), device, torch.get_num_threads())

    @cached_property
    def sketches(self) -> Sketches:
        """The projected gradients of single samples."""
        return Sketches(self)

    def gradients(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """Return projected gradients of rows of the pool, in order, shard by shard: `[n_i, p]` float32; resumable.

        Inner products are unbiased estimates of the kernel. Arrays are mapped from disk and read-only.
        """
        return self.sketches.vectors(rows)

    def query_row(self, index: int) -> dict[str, Any]:
        """Return the row of a sample of the domain's side as it stands in its file."""
        samples, rows = self._query_samples
        return samples.rows[rows[index]]

    def place(self, kind: str, row: int) -> str:
        """Say where a sample stands, as `file:line`: a row of the pool, or of a domain stage the domain sample."""
        if kind.startswith("domain"):
            return self._query_place(row)
        return self.pool.rows.place(row)

    def losses_of(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the mean completion loss of rows of the pool, in nats; resumable."""

        def make(part: NDArray[np.int64]) -> pa.Table:
            tokens = self.tokens(part)
            return self._table(part, tokens, completion_losses(self.adapted, tokens, self.batcher))

        return self._run("losses", self.depends, rows, make)

    def _table(self, rows: NDArray[np.int64], tokens: Sequence[Tokens], scores: NDArray[np.float64]) -> pa.Table:
        return score_table(rows, tokens, scores, self.pool.rows.place)

    def _run(
        self, kind: str, depends: dict[str, Any], rows: NDArray[np.int64], make: Any, task: Any = None
    ) -> NDArray[np.float64]:
        folder = run_in_shards(
            self.work,
            kind,
            depends,
            rows,
            make,
            shard_rows=self.options.shard_rows,
            quiet=self.quiet,
            runs_on=self.runs_on,
            task=task,
        )
        cut = [column.to_numpy() for column in read_shards(folder, "truncated")]
        self.truncated = int(sum(part.sum() for part in cut))
        parts = [column.to_numpy() for column in read_shards(folder, "score")]
        return np.concatenate([*parts, np.zeros(0)])


def _epochs(manifest: Manifest) -> list[tuple[Checkpoint, list[float]]]:
    """Read the checkpoints that a warm-up has left, in order, with the losses of each epoch's steps."""
    found = []
    for name in sorted(name for name in manifest.entries if name.startswith("epoch-")):
        entry = manifest.entries[name]
        path = manifest.folder / entry.files[0].name
        checkpoint = Checkpoint.read(path, int(entry.stats["step"]), float(entry.stats["rate"]))
        found.append((checkpoint, list(entry.stats["losses"])))
    return found


def _save(adapted: AdaptedModel, folder: Path) -> tuple[ShardFile, ...]:
    """Write an adapter's files atomically, the same bytes every time."""
    files = []
    with tempfile.TemporaryDirectory() as temporary:
        adapted.save(Path(temporary))
        for name in _ADAPTER_FILES:
            data = (Path(temporary) / name).read_bytes()
            if name.endswith(".json"):  # PEFT writes a set, in any order
                values = json.loads(data)
                values["target_modules"] = sorted(values["target_modules"])
                values["base_model_name_or_path"] = adapted.loaded.name
                data = json.dumps(values, indent=2, sort_keys=True).encode()
            store.write_bytes(folder / name, data)
            files.append(ShardFile(name, 0, len(data), bytes_digest(data)))
    return tuple(files)
