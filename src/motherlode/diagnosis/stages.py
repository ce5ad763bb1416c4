"""The stages of a diagnosis, and what they share: model, samples, warm-up, and what was finished before."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from motherlode import __version__
from motherlode.diagnosis.agreement import Agreement
from motherlode.diagnosis.kept import Kept
from motherlode.diagnosis.kernels import TRACE, Scores, kernel_scores
from motherlode.diagnosis.opened import Opened, State, draw
from motherlode.diagnosis.options import DiagnoseOptions
from motherlode.diagnosis.outputs import Outputs, look_at_outputs
from motherlode.diagnosis.predict import Training
from motherlode.diagnosis.preselection import Preselection, look_at_preselection
from motherlode.diagnosis.recognition import Recognition, look_at_recognition
from motherlode.diagnosis.regression import Regression, look_at_regression
from motherlode.diagnosis.result import Subset
from motherlode.diagnosis.stability import KernelState, look_at_stability
from motherlode.diagnosis.subsets import draw_subsets, look_at_subsets
from motherlode.diagnosis.trace import TraceScores, trace_scores
from motherlode.diagnosis.variants import bf16_agreements, checked_dimensions, engine_agreements
from motherlode.errors import InputError
from motherlode.models.lora import AdaptedModel
from motherlode.models.rows import Samples
from motherlode.selection.checkpoints import Checkpoint
from motherlode.selection.hidden import mean_hidden
from motherlode.selection.kernels import Kernel, make_objective
from motherlode.selection.warmup import WarmupOptions, warm_up
from motherlode.shards.fingerprint import file_digest
from motherlode.shards.local_copy import here

KERNELS: tuple[Kernel, ...] = ("ntk", "loss")
# Options that single stages depend on: another value runs these again, and nothing else.
OF_STAGES = frozenset(
    "top probes vocabulary_sample output_samples difference_steps dimensions bf16 checkpoints kernel_samples "
    "preselect_factor subsets subset_size task task_train task_test memory_gib".split()
)


class Stages:
    """One diagnosis.

    Attributes:
        settings: Everything needed to repeat it.
        notes: What was not measured, and why.
        top: Candidates that count as chosen.
        pool_rows: Rows of the pool that are scored.
    """

    def __init__(self, options: DiagnoseOptions, domain_path: Path, pool_path: Path, work: Path | None) -> None:
        """Check the options, draw the samples, load the model.

        Raises:
            InputError: Something of these must be changed.
        """
        self.options, self.seed, self.notes = options, options.random_seed, list[str]()
        self.dimensions = checked_dimensions(options.dimensions)
        if wrong := [step for step in options.difference_steps if not 0 < step < 1]:
            raise InputError(f"{wrong[0]:g} is no step", where="--difference-steps", hint="write e.g. 0.01,0.001")
        domain, pool = (Samples.open(path, options.fields) for path in (domain_path, pool_path))
        domain_rows = draw(range(len(domain.rows)), options.domain_sample, self.seed, 1)
        usable = [row for row, _ in pool.usable(options.bad_rows)]
        self.pool_rows = draw(usable, options.pool_sample, self.seed, 2)
        if len(domain_rows) < 2 or len(self.pool_rows) < 8:
            raise InputError(
                f"{len(domain_rows)} domain and {len(self.pool_rows)} pool samples are too few to compare ranks",
                where=f"{domain_path} and {pool_path}",
                hint="give 2 and 8 or more; 64 and 256 tell something",
            )
        if options.top is not None and options.top > len(self.pool_rows):
            raise InputError(
                f"{options.top:,} of {len(self.pool_rows):,} pool samples cannot be the best",
                where="--top",
                hint="use a part of --pool-sample, e.g. a quarter",
            )
        self.opened = Opened(options)
        self.adapted: AdaptedModel = self.opened.adapted
        self.batcher = self.opened.batcher
        make_objective(self.adapted, "ntk")  # refuses a model that the kernels are not defined for
        self.all_domain = self.opened.tokens(domain, range(len(domain.rows)))
        self.domain = [self.all_domain[row] for row in domain_rows]
        self.pool = self.opened.tokens(pool, self.pool_rows)
        self.top = options.top or max(1, len(self.pool) // 4)
        self.settings: dict[str, Any] = {
            "motherlode": __version__,
            "options": options.model_dump(mode="json"),
            "domain": {"file": str(domain_path), "digest": domain.rows.digest, "rows": len(domain.rows)},
            "pool": {"file": str(pool_path), "digest": pool.rows.digest, "rows": len(pool.rows)},
            "left_out": len(pool.rows) - len(usable),
            "model_digest": self.opened.loaded.digest,
            "device": self.opened.loaded.device.type,
            "dtype": str(self.opened.loaded.dtype).removeprefix("torch."),
            "max_length": self.opened.max_length,
            "truncated": sum(item.truncated > 0 for item in [*self.domain, *self.pool]),
        }
        given = here(options.adapter) / "adapter_model.safetensors" if options.adapter is not None else None
        adapter = file_digest(given) if given is not None else None
        task = file_digest(here(options.task)) if options.task is not None and here(options.task).is_file() else None
        every = {name: value for name, value in self.settings["options"].items() if name not in OF_STAGES}
        self.task_digest = task
        self.kept = Kept(work, {**self.settings, "options": every, "adapter": adapter})
        self.checkpoints: list[Checkpoint] = []  # of the warm-up, one an epoch

    def regression(self) -> Regression | None:
        """Compare kernel regression with fine-tuning, before any warm-up."""
        if self.options.task is None:
            self.notes.append("kernel regression was not compared with fine-tuning: no --task was given")
            return None
        return self.kept.get(
            "regression",
            Regression,
            lambda: look_at_regression(self.opened, self.options),
            task=self.task_digest,
            samples=[self.options.task_train, self.options.task_test],
        )

    @cached_property
    def states(self) -> list[tuple[int, State]]:
        """Steps and parameters along a warm-up as `select` makes it, the start and the end among them."""
        options, states = self.options, [(0, self.adapted.state())]
        if options.adapter is not None or not options.warmup_epochs:
            self.notes.append("stability and the kernel 'loss-adam' were not measured: there was no warm-up")
            return states
        before = self.kept.warmed_up()
        if before is not None:
            self.checkpoints, losses = before
            self.adapted.restore(self.checkpoints[-1].factors)
        else:

            def keep(checkpoint: Checkpoint, _: list[float]) -> None:
                self.checkpoints.append(checkpoint)

            how = WarmupOptions.of(options)
            losses = warm_up(self.adapted, self.all_domain, self.batcher, how, self.seed, keep=keep)
            self.kept.keep_warm_up(self.checkpoints, losses)
        self.settings["warmup_losses"] = losses
        last = len(self.checkpoints)
        shown = {round(last * (place + 1) / options.checkpoints) for place in range(options.checkpoints)} - {0}
        chosen = [self.checkpoints[number - 1] for number in sorted(shown | {last})]
        return [*states, *((checkpoint.step, list(checkpoint.factors)) for checkpoint in chosen)]

    def trace(self) -> TraceScores:
        """Score by the trace of the full NTK."""
        options = self.options

        def make() -> dict[str, Any]:
            found = trace_scores(
                self.adapted,
                self.domain,
                self.pool,
                self.batcher,
                probes=options.probes,
                random_seed=self.seed,
                normalize=options.normalize,
            )
            return {**vars(found), "scores": found.scores.tolist()}

        values = self.kept.get("trace", dict[str, Any], make, probes=options.probes)
        return TraceScores(**{**values, "scores": np.array(values["scores"], dtype=np.float64)})

    def scores(self) -> dict[str, Scores]:
        """Score by every kernel."""

        def make() -> dict[str, list[float]]:
            found = kernel_scores(
                self.adapted,
                self.domain,
                self.pool,
                self.batcher,
                checkpoints=self.checkpoints,
                normalize=self.options.normalize,
                random_seed=self.seed,
            )
            return {name: values.tolist() for name, values in found.items()}

        found = self.kept.get("kernels", dict[str, list[float]], make)
        return {name: np.array(values, dtype=np.float64) for name, values in found.items()}

    def recognitions(self) -> list[Recognition]:
        """Tell other domain samples from the pool."""

        def make() -> list[Recognition]:
            how: Any = {"normalize": self.options.normalize}
            return look_at_recognition(self.adapted, self.domain, self.pool, self.batcher, **how)

        return self.kept.get("recognition", list[Recognition], make)

    def outputs(self) -> Outputs:
        """Make the per-output kernel of a few samples."""
        options, few = self.options, self.options.output_samples
        return self.kept.get(
            "outputs",
            Outputs,
            lambda: look_at_outputs(
                self.adapted,
                self.domain[:few],
                self.pool[:few],
                vocabulary_sample=options.vocabulary_sample,
                memory_gib=options.memory_gib,
                random_seed=self.seed,
            ),
            sizes=[options.vocabulary_sample, few],
        )

    def engines(self, scores: Mapping[str, Scores]) -> list[Agreement]:
        """Compare engines, layouts, projections and bf16 with exact scores."""
        options, found = self.options, list[Agreement]()
        for kernel in KERNELS:

            def make(kernel: Kernel = kernel) -> tuple[list[Agreement], list[str]]:
                return engine_agreements(
                    self.adapted,
                    self.domain,
                    self.pool,
                    self.batcher,
                    kernel=kernel,
                    normalize=options.normalize,
                    top=self.top,
                    steps=options.difference_steps,
                    dimensions=self.dimensions,
                    memory_gib=options.memory_gib,
                    random_seed=self.seed,
                )

            sizes = [self.top, self.dimensions, options.difference_steps]
            part, notes = self.kept.get(f"engines-{kernel}", tuple[list[Agreement], list[str]], make, sizes=sizes)
            found += part
            self.notes += [note for note in notes if note not in self.notes]
        if not options.bf16:
            self.notes.append("bf16 was not compared: --no-bf16")
        elif self.settings["dtype"] != "float32":
            self.notes.append("bf16 was not compared with fp32: the whole diagnosis ran in bf16; use --dtype fp32")
        else:
            wanted: dict[str, Scores] = {name: scores[name] for name in KERNELS}
            how: dict[str, Any] = {"normalize": options.normalize, "top": self.top}
            found += self.kept.get(
                "bf16",
                list[Agreement],
                lambda: bf16_agreements(self.opened, self.domain, self.pool, wanted, **how),
                top=self.top,
            )
        return found

    def stability(self) -> list[KernelState]:
        """Follow kernels along the warm-up."""
        found: list[KernelState] = []
        for kernel in KERNELS if len(self.states) > 1 else ():

            def make(kernel: Kernel = kernel) -> list[KernelState]:
                return look_at_stability(
                    self.adapted,
                    self.states,
                    self.domain,
                    self.pool,
                    self.batcher,
                    top=self.top,
                    kernels=(kernel,),
                    kernel_samples=self.options.kernel_samples,
                    normalize=self.options.normalize,
                    memory_gib=self.options.memory_gib,
                )

            sizes = [self.top, self.options.checkpoints, self.options.kernel_samples]
            found += self.kept.get(f"stability-{kernel}", list[KernelState], make, sizes=sizes)
        return found

    def preselections(self, scores: Mapping[str, Scores]) -> list[Preselection]:
        """Compare what votes keep with what kernels would choose."""

        def make() -> list[Preselection]:
            domain, pool = (mean_hidden(self.adapted, part, self.batcher) for part in (self.domain, self.pool))
            factor = self.options.preselect_factor
            return [look_at_preselection(name, scores[name], domain, pool, factor) for name in (*KERNELS, TRACE)]

        sizes = [self.options.preselect_factor, self.options.probes]  # the trace's scores are among them
        return self.kept.get("preselection", list[Preselection], make, sizes=sizes)

    def subsets(self, scores: Scores) -> list[Subset]:
        """Predict and measure what training on subsets does to the domain's loss."""
        options = self.options
        if not options.subsets:
            self.notes.append("predictions were not measured: --subsets 0")
            return []
        chosen = draw_subsets(scores, options.subsets, options.subset_size, self.seed)
        epoch = Training(options.learning_rate, "adam", 1, options.warmup_batch, self.seed)
        return self.kept.get(
            "subsets",
            list[Subset],
            lambda: look_at_subsets(self.adapted, self.domain, self.pool, self.batcher, chosen, epoch),
            sizes=[options.subsets, options.subset_size],
        )
