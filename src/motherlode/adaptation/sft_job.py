"""One fine-tuning: samples, model, steps and folder put together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from motherlode.adaptation.folder import RunFolder, versions
from motherlode.adaptation.job import Job
from motherlode.adaptation.options import SftOptions
from motherlode.adaptation.place import agreed
from motherlode.adaptation.plan import Plan, make_plan
from motherlode.adaptation.rows import Row, pack
from motherlode.adaptation.run import Run
from motherlode.adaptation.sft import ADAPTER, MERGED
from motherlode.adaptation.steps import SampleSteps
from motherlode.adaptation.trainer import StepTrainer
from motherlode.adaptation.weights import merge, save_adapter, wants_bf16, with_adapter
from motherlode.errors import InputError
from motherlode.models.batches import token_budget
from motherlode.models.rows import Rows, Samples
from motherlode.models.tokens import Tokeniser, Tokens


class SftJob(Job):
    """A fine-tuning, as a context that holds its folder."""

    def __init__(
        self,
        train: Path | str | Sequence[Path | str],
        out: Path | None,
        dev: Path | str | None,
        options: SftOptions,
        overwrite: bool = False,
    ) -> None:
        """Read the files, and load the model unless the run is done.

        Raises:
            InputError: Something must be changed.
        """
        self.options = options
        named = [train] if isinstance(train, (str, Path)) else list(train)
        if not named:
            raise InputError("names no samples", where="--train")
        self.train_samples = [Samples.open(path, options.fields) for path in named]
        self.dev_samples = None if dev is None else Samples.open(dev, options.fields)
        inputs = {"train": [samples.rows.digest for samples in self.train_samples]}
        if self.dev_samples is not None:
            inputs["dev"] = [self.dev_samples.rows.digest]
        super().__init__("sft", out, options, {"inputs": inputs}, frozen=True, overwrite=overwrite)

    @cached_property
    def max_length(self) -> int:
        """Most tokens of a sample: what is set, or the model's window if that is less."""
        return min(self.options.max_length, self.loaded.window or self.options.max_length)

    @cached_property
    def tokens(self) -> list[Tokens]:
        """All samples as tokens."""
        return [item for samples in self.train_samples for item in self._tokens(samples)]

    @cached_property
    def dev_rows(self) -> list[Row]:
        """The dev set as rows."""
        tokens = [] if self.dev_samples is None else self._tokens(self.dev_samples)
        if not self.options.packing:
            return [[item] for item in tokens]
        return [[tokens[n] for n in row] for row in pack([len(item.ids) for item in tokens], self.max_length)]

    @cached_property
    def steps(self) -> SampleSteps:
        """What each step takes."""
        options = self.options
        return SampleSteps(
            self.tokens,
            batch=options.batch,
            epochs=options.epochs,
            max_steps=options.max_steps,
            capacity=self.max_length if options.packing else None,
            seed=options.random_seed,
        )

    def _tokens(self, samples: Samples) -> list[Tokens]:
        options = self.options
        tokenise = Tokeniser(
            self.loaded.tokenizer, template=options.template, max_length=self.max_length, truncate=options.truncate
        )
        made = []
        for row in range(len(samples.rows)):
            try:
                made.append(tokenise(samples[row]))
            except InputError as error:
                if options.bad_rows == "skip":
                    continue
                raise InputError(error.what, where=error.where or samples.rows.place(row), hint=error.hint) from None
        if not made:
            raise InputError("holds no sample", where=str(samples.rows.path), hint="every row was skipped")
        return made

    @cached_property
    def run(self) -> Run:
        """What follows the training."""
        dev = {"dev": self.dev_rows} if self.dev_samples is not None else {}
        return Run(
            self.out,
            self.options,
            self.place,
            len(self.steps),
            dev=dev,
            every=self.options.eval_every or self.steps.of_epoch,
            patience=self.options.patience if dev else 0,
        )

    @cached_property
    def trainer(self) -> StepTrainer:
        """The trainer, its model with the adapter."""
        adapted = with_adapter(self.loaded, self.options)
        budget = token_budget(self.options.token_budget, self.place.device)
        return StepTrainer(
            adapted.peft_model,
            self.loaded.tokenizer,
            self.steps,
            self.options,
            self.place,
            budget,
            self.run,
            wants_bf16(self.options, self.place),
            by_sample=self.options.average == "samples",
        )

    def plan(self, probe: bool = True) -> Plan:
        """Say what the run will do and need."""
        cut = sum(item.truncated > 0 for item in self.tokens)
        rows = sum(map(len, (samples.rows for samples in self.train_samples)))
        details: dict[str, Any] = {"truncated samples": cut, "skipped rows": rows - len(self.tokens)}
        if self.dev_samples is not None:
            details["dev samples"] = sum(map(len, self.dev_rows))
        return make_plan(
            self.trainer,
            samples=len(self.tokens),
            tokens=self.read(len(self.steps)),
            batch=self.options.batch,
            probe=probe,
            details={name: value for name, value in details.items() if value},
        )

    def read(self, steps: int) -> int:
        """Return the tokens that so many steps read, repeats counted."""
        return sum(len(self.tokens[index].ids) for step in range(steps) for index in self.steps.samples(step))

    def train(self, quiet: bool) -> None:
        """Train what is left, and write what came of it.

        Raises:
            MotherlodeError: Training failed.
        """
        out, loaded, model = self.train_through(self.run, self.trainer, self._record(), quiet, lora=True)
        if self.folder is not None:
            save_adapter(out / ADAPTER, model, loaded)
            if self.options.merge:
                merge(out / MERGED, out / ADAPTER, self.options, self.trainer.autocast)
            self._finish(self.folder)
        agreed(None, self.place.world)

    def _finish(self, folder: RunFolder) -> None:
        steps = self.run.progressed.step
        folder.finish(
            {
                "merged": self.options.merge,
                "samples": len(self.tokens),
                "tokens": self.read(steps),
                "steps": steps,
                "seconds": self.run.progressed.seconds,
                "best_step": self.run.best_step,
            }
        )
        self.run.clear()

    def _record(self) -> dict[str, Any]:
        def described(rows: Rows) -> dict[str, Any]:
            return {"file": str(rows.path), "digest": rows.digest, "rows": len(rows)}

        return {
            "kind": "sft",
            "versions": versions(),
            "options": self.options.model_dump(mode="json"),
            "train": [described(samples.rows) for samples in self.train_samples],
            "dev": None if self.dev_samples is None else described(self.dev_samples.rows),
            "model": {"name": self.loaded.name, "digest": self.loaded.digest},
            "device": self.place.device.type,
            "processes": self.place.world,
            "plan": self.plan(probe=False).as_record(),
        }
