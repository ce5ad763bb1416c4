"""One continued pre-training: documents, mixture, model and folder put together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from motherlode.adaptation.cpt import ADAPTER, MODEL
from motherlode.adaptation.documents import Documents, Stream, open_documents
from motherlode.adaptation.folder import RunFolder, versions
from motherlode.adaptation.job import Job
from motherlode.adaptation.mixture import Mixture, mix, windows
from motherlode.adaptation.options import CptOptions
from motherlode.adaptation.place import agreed
from motherlode.adaptation.plan import Plan, make_plan
from motherlode.adaptation.rows import Row
from motherlode.adaptation.run import Run
from motherlode.adaptation.steps import SequenceSteps
from motherlode.adaptation.trainer import StepTrainer
from motherlode.adaptation.weights import save_adapter, save_model, wants_bf16, with_adapter
from motherlode.errors import InputError
from motherlode.models.batches import token_budget

_DOMAIN, _GENERAL = "domain", "general"


@dataclass(frozen=True)
class CptInputs:
    """Where documents come from."""

    domain: Path | str
    general: Path | str | None = None
    domain_dev: Path | str | None = None
    general_dev: Path | str | None = None


class CptJob(Job):
    """A continued pre-training, as a context that holds its folder."""

    def __init__(self, inputs: CptInputs, out: Path | None, options: CptOptions, overwrite: bool = False) -> None:
        """Read the files, and load the model unless the run is done.

        Raises:
            InputError: Something must be changed.
        """
        self.options = options
        if options.ratio < 1 and inputs.general is None:
            raise InputError(
                f"general documents are needed for ratio {options.ratio:g}",
                where="--general",
                hint="name a general corpus, or train on the domain alone with --ratio 1",
            )
        named = {_DOMAIN: inputs.domain, _GENERAL: inputs.general if options.ratio < 1 or options.holdout else None}
        opened = {name: open_documents(path) for name, path in named.items() if path is not None}
        dev_named = {_DOMAIN: inputs.domain_dev, _GENERAL: inputs.general_dev}
        dev_opened = {name: open_documents(path) for name, path in dev_named.items() if path is not None}
        self.documents = {name: Documents(rows, self._tokenizer) for name, rows in opened.items()}
        self.dev = {name: Documents(rows, self._tokenizer) for name, rows in dev_opened.items()}
        if options.holdout:
            for name in [name for name in self.documents if name not in self.dev]:
                self.documents[name], self.dev[name] = self.documents[name].split(options.holdout, options.random_seed)
        digests = {
            "inputs": {name: documents.digest for name, documents in self.documents.items()},
            "dev": {name: documents.digest for name, documents in self.dev.items()},
        }
        super().__init__("cpt", out, options, digests, frozen=options.lora, overwrite=overwrite)

    def _tokenizer(self) -> Any:
        return self.loaded.tokenizer

    @cached_property
    def length(self) -> int:
        """Tokens of a sequence: what is set, or the model's window if that is less."""
        return min(self.options.sequence_length, self.loaded.window or self.options.sequence_length)

    @cached_property
    def dev_rows(self) -> dict[str, list[Row]]:
        """The dev texts in windows of a sequence's length."""
        made = {}
        for name, documents in self.dev.items():
            made[name] = windows(list(documents.once()), self.length)
            if not made[name]:
                raise InputError("holds no text to measure a loss on", where=str(documents.rows.path))
        return made

    @cached_property
    def mixture(self) -> Mixture:
        """What is trained on."""
        ratio, seed = self.options.ratio, self.options.random_seed
        batch = self.options.batch * self.length
        if self.options.tokens is not None:
            batch = min(batch, self.options.tokens)
        if ratio > 0:
            self._refuse_small(_DOMAIN, max(1, round(ratio * batch)))
        if ratio < 1:
            self._refuse_small(_GENERAL, max(1, round((1 - ratio) * batch)))
        budget = self.options.tokens or self.default_tokens()
        streams = {name: Stream(documents, seed, n) for n, (name, documents) in enumerate(self.documents.items())}
        return mix(
            streams[_DOMAIN] if ratio > 0 else None,
            streams[_GENERAL] if ratio < 1 else None,
            ratio=ratio,
            tokens=budget,
            length=self.length,
        )

    def default_tokens(self) -> int:
        """Return the budget that reads the domain once; without domain, the general documents once."""
        whole = self.documents[_DOMAIN if self.options.ratio > 0 else _GENERAL]
        return max(2, round(whole.count() / (self.options.ratio or 1.0)))

    def _refuse_small(self, name: str, wanted: int) -> None:
        """Refuse documents that a single step would read more than once."""
        found = 0
        documents = self.documents[name]
        for ids in documents.once():
            found += len(ids)
            if found >= wanted:
                return
        if not found:
            raise InputError("holds no text", where=str(documents.rows.path), hint="name other documents")
        raise InputError(
            f"holds {found:,} tokens, less than its share of one batch ({wanted:,})",
            where=str(documents.rows.path),
            hint="name more documents, or use a smaller --batch or --sequence-length",
        )

    @cached_property
    def steps(self) -> SequenceSteps:
        """What each step takes."""
        return SequenceSteps(self.mixture.sequences, self.options.batch)

    @cached_property
    def run(self) -> Run:
        """What follows the training."""
        every = self.options.eval_every or max(1, len(self.steps) // 10)
        return Run(self.out, self.options, self.place, len(self.steps), dev=self.dev_rows, every=every, patience=0)

    @cached_property
    def trainer(self) -> StepTrainer:
        """The trainer."""
        if self.options.lora:
            model = with_adapter(self.loaded, self.options).peft_model
        else:
            model = self.loaded.model.requires_grad_(True)
        budget = token_budget(self.options.token_budget, self.place.device)
        bf16 = wants_bf16(self.options, self.place)
        return StepTrainer(model, self.loaded.tokenizer, self.steps, self.options, self.place, budget, self.run, bf16)

    def plan(self, probe: bool = True) -> Plan:
        """Say what the run will do and need."""
        mixed = self.mixture
        details: dict[str, Any] = {
            "domain tokens": mixed.domain_tokens,
            "general tokens": mixed.general_tokens,
            "domain share": mixed.ratio,
            "readings of the domain": mixed.domain_readings,
            "readings of general text": mixed.general_readings,
        }
        details |= {f"{name} dev documents": len(documents) for name, documents in self.dev.items()}
        return make_plan(
            self.trainer,
            samples=len(mixed.sequences),
            tokens=mixed.domain_tokens + mixed.general_tokens,
            batch=self.options.batch,
            probe=probe,
            details=details,
        )

    def train(self, quiet: bool) -> None:
        """Train what is left, and write what came of it.

        Raises:
            MotherlodeError: Training failed.
        """
        out, loaded, model = self.train_through(self.run, self.trainer, self._record(), quiet, lora=self.options.lora)
        if self.folder is not None:
            if self.options.lora:
                save_adapter(out / ADAPTER, model, loaded)
                model = model.merge_and_unload()
            save_model(out / MODEL, model, loaded, self.trainer.autocast)
            self._finish(self.folder)
        agreed(None, self.place.world)

    def _finish(self, folder: RunFolder) -> None:
        mixed = self.mixture
        folder.finish(
            {
                "tokens": mixed.domain_tokens + mixed.general_tokens,
                "domain_tokens": mixed.domain_tokens,
                "general_tokens": mixed.general_tokens,
                "domain_readings": mixed.domain_readings,
                "general_readings": mixed.general_readings,
                "steps": self.run.progressed.step,
                "seconds": self.run.progressed.seconds,
            }
        )
        self.run.clear()

    def _record(self) -> dict[str, Any]:
        def described(documents: Documents) -> dict[str, Any]:
            return {"file": str(documents.rows.path), "digest": documents.digest, "documents": len(documents)}

        return {
            "kind": "cpt",
            "versions": versions(),
            "options": self.options.model_dump(mode="json"),
            "documents": {name: described(documents) for name, documents in self.documents.items()},
            "dev": {name: described(documents) for name, documents in self.dev.items()},
            "model": {"name": self.loaded.name, "digest": self.loaded.digest},
            "device": self.place.device.type,
            "processes": self.place.world,
            "plan": self.plan(probe=False).as_record(),
        }
