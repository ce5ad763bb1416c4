"""TRL's SFTTrainer, fed with whole optimiser steps.

The trainer keeps what it is good at: the model under Accelerate (one process, DDP, FSDP), mixed precision, the
optimiser, clipping, a loss that never builds the logits. What must not depend on chance is taken out of its hands:

- An item of the data set is a step, not a sample. `training_step` splits it into passes under a token budget and sums
  their gradients; when memory runs out the budget is halved and the same step is done again.
- A step's random numbers (dropout) come from the seed and its number, so that no state of a generator has to be kept.
- A resumed run trains on the steps that are left, with weights and moments put back (`checkpoint`); the trainer's own
  checkpoints, which are pickles, are not used.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from motherlode.adaptation.options import TrainOptions
from motherlode.adaptation.place import Place, largest
from motherlode.adaptation.rate import share_of_rate
from motherlode.adaptation.rows import Row, as_inputs, length, split, target_weights, targets
from motherlode.adaptation.steps import Steps
from motherlode.errors import MissingExtraError, MotherlodeError
from motherlode.models.batches import out_of_memory

try:
    import datasets
    from transformers import TrainerCallback
    from transformers.trainer_callback import PrinterCallback, ProgressCallback
    from transformers.utils import logging as transformers_logging
    from trl import SFTConfig, SFTTrainer
    from trl.trainer import utils as trl_utils
except ImportError:
    raise MissingExtraError("train", "training") from None

WHAT_TO_LOWER = (
    "use a smaller --max-length or --sequence-length, --gradient-checkpointing, --dtype bf16, or a smaller model"
)
_ASKED = "_use_triton"  # by TRL's fused head, whether to take predicted positions only


@dataclass(frozen=True)
class StepLog:
    """What is known of a step when it is done."""

    step: int
    loss: float
    learning_rate: float
    grad_norm: float | None
    accuracy: float | None


class Watcher(Protocol):
    """What follows a run."""

    def begin(self, trainer: StepTrainer) -> None:
        """Called once model and optimiser are in place, before the first step."""

    def after_step(self, trainer: StepTrainer, log: StepLog) -> bool:
        """Called after each step; returns whether training goes on."""


class StepTrainer(SFTTrainer):  # type: ignore[misc]
    """A trainer over the steps of a run from `done` on."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        steps: Steps,
        options: TrainOptions,
        place: Place,
        budget: int,
        watcher: Watcher,
        bf16: bool = False,
        by_sample: bool = False,
    ) -> None:
        """Take the model and the work.

        Args:
            model: A causal model or one with a LoRA adapter, its trainable weights marked.
            tokenizer: Its tokenizer.
            steps: The work.
            options: How it is done.
            place: This process.
            budget: Most tokens of a pass.
            watcher: What follows the run.
            bf16: Whether passes are computed in bf16, whatever the type of the weights.
            by_sample: Whether the loss is a mean over samples, not over predicted tokens.
        """
        self.steps, self.options, self.place, self.budget = steps, options, place, budget
        self.watcher, self.done = watcher, 0
        self.flat = options.attention == "flash_attention_2"
        self.autocast, self.by_sample = bf16, by_sample
        with warnings.catch_warnings(action="ignore"), _silence():
            super().__init__(
                model=model,
                args=self._arguments(),
                train_dataset=self._left(),
                processing_class=tokenizer,
                data_collator=self._collate,
                callbacks=[_Callback(self)],
            )
        for printing in (PrinterCallback, ProgressCallback):
            self.remove_callback(printing)

    def _arguments(self) -> Any:
        cuda = self.place.device.type == "cuda"
        arguments = SFTConfig(
            output_dir=str(Path.cwd()),  # nothing is written there: it must exist, and nothing is saved
            use_cpu=not cuda,
            per_device_train_batch_size=1,
            num_train_epochs=1,
            learning_rate=self.options.learning_rate,
            weight_decay=self.options.weight_decay,
            max_grad_norm=self.options.clip,
            optim="adamw_torch",
            logging_strategy="steps",
            logging_steps=1,
            logging_nan_inf_filter=False,
            save_strategy="no",
            eval_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            train_sampling_strategy="sequential",
            gradient_checkpointing=self.options.gradient_checkpointing,
            dataset_kwargs={"skip_prepare_dataset": True},
            seed=self.options.random_seed,
            bf16=False,
            ddp_find_unused_parameters=False,
        )
        if cuda and self.place.world < 2:
            torch.cuda.set_device(self.place.device)
            arguments._n_gpu = 1
        return arguments

    def _left(self) -> Any:
        """Return the numbers of the steps that are left, once for each process."""
        numbers = [step for step in range(self.done, len(self.steps)) for _ in range(self.place.world)]
        return datasets.Dataset.from_dict({"step": numbers})

    def start_after(self, done: int, budget: int) -> None:
        """Leave out steps that an earlier run did."""
        self.done, self.budget = done, budget
        self.train_dataset = self._left()

    def _collate(self, items: Sequence[dict[str, int]]) -> dict[str, torch.Tensor]:
        return {"step": torch.tensor([item["step"] for item in items])}

    def floating_point_ops(self, inputs: Any) -> int:
        """Return 0: operations are not counted."""
        return 0

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Make the schedule of the learning rate, over all steps of the run."""
        total = len(self.steps)
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer or self.optimizer, lambda step: share_of_rate(self.done + step, total, self.options)
        )
        return self.lr_scheduler

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Leave the gradient of a whole step on the parameters; return its loss.

        Raises:
            MotherlodeError: Memory does not suffice, or the loss is not finite.
        """
        step = int(inputs["step"][0])
        rows = self.steps.rows(step)
        model.train()
        while True:
            torch.manual_seed(_seed(self.options.random_seed, step, self.place.rank))
            full = False
            try:
                loss = self._passes(model, rows[self.place.rank :: self.place.world], self._whole(rows), backward=True)
            except Exception as error:
                if not out_of_memory(error) or self.place.world > 1:
                    raise
                full = True
            if not full:  # memory that the failed try held is free only here, outside of its exception
                break
            model.zero_grad(set_to_none=True)
            self.lower_budget(rows)
        if not bool(torch.isfinite(loss)):
            raise MotherlodeError(
                f"the loss of step {step + 1} is not finite", hint="use a smaller --learning-rate, or --dtype fp32"
            )
        return loss

    def lower_budget(self, rows: Sequence[Row]) -> None:
        """Halve the tokens of a pass, because memory ran out.

        Raises:
            MotherlodeError: A single row did not fit.
        """
        passes = split(rows, self.budget)
        most = max(len(part) * max(map(length, part)) for part in passes)
        if all(len(part) == 1 for part in passes):
            raise MotherlodeError(f"memory does not suffice for one row of {most:,} tokens", hint=WHAT_TO_LOWER)
        if self.place.device.type == "cuda":
            torch.cuda.empty_cache()
        self.budget = max(1, min(self.budget, most) // 2)

    def _passes(self, model: Any, rows: Sequence[Row], count: int, backward: bool) -> torch.Tensor:
        """Sum a loss over passes: each process takes its rows, all take equally many passes."""
        passes = split(rows, self.budget)
        total = torch.zeros((), device=self.place.device)
        every = largest(len(passes), self.place)
        silent = [self.steps.rows(0)[0]]
        items = torch.tensor(count, device=self.place.device)
        for number in range(every):
            mine = number < len(passes)
            taken = passes[number] if mine else silent
            alone = backward and number < every - 1 and self.place.world > 1
            with self.accelerator.no_sync(model) if alone else contextlib.nullcontext():
                with self.precision(), _head_on_targets():
                    loss = self._loss(model, taken, items, silent=not mine)
                if backward:
                    self.accelerator.backward(loss)
            total += loss.detach().float()
        return total

    def _whole(self, rows: Sequence[Row]) -> int:
        """Return what a loss over rows is divided by."""
        return sum(map(len, rows)) if self.by_sample else targets(rows)

    def _loss(self, model: Any, rows: Sequence[Row], items: torch.Tensor, silent: bool) -> torch.Tensor:
        """Return the part of a mean loss over so many items that rows have."""
        inputs = as_inputs(rows, self.place.device, self.flat, silent=silent)
        if not self.by_sample:
            loss: torch.Tensor = self.compute_loss(model, inputs, num_items_in_batch=items)
            return loss
        outputs = model(**inputs, use_cache=False, fused_lm_head=True)
        self._count_right(outputs)
        weights = target_weights(rows, self.place.device, self.flat)[:, 1:]
        mean: torch.Tensor = -(outputs.log_probs * weights).sum() / items
        return mean * self.place.world  # gradients are averaged over processes

    def _count_right(self, outputs: Any) -> None:
        """Keep the share of tokens that are predicted best, as `compute_loss` does."""
        counts = torch.stack([outputs.is_top1.sum(), outputs.label_mask.sum()])[None]
        right, predicted = self.accelerator.gather_for_metrics(counts).sum(0).tolist()
        if self.model.training:
            self._metrics["train"]["mean_token_accuracy"].append(right / max(1, predicted))

    def precision(self) -> Any:
        """Return the context in which the model is run."""
        if not self.autocast:
            return contextlib.nullcontext()
        return torch.autocast(self.place.device.type, dtype=torch.bfloat16)

    def mean_loss(self, rows: Sequence[Row]) -> float:
        """Return the mean loss of rows' targets, in nats a token; every process gets the same number.

        Raises:
            MotherlodeError: Memory does not suffice.
        """
        model = self.model_wrapped
        model.eval()
        budget = self.budget
        with torch.no_grad():
            while True:
                full = False
                try:
                    mine = rows[self.place.rank :: self.place.world]
                    loss = self._passes(model, mine, self._whole(rows), backward=False)
                except Exception as error:
                    if not out_of_memory(error) or self.place.world > 1:
                        raise
                    full = True
                if not full:
                    break
                self.lower_budget(rows)
        self.budget = budget
        if self.place.world > 1:
            torch.distributed.all_reduce(loss, op=torch.distributed.ReduceOp.SUM)
            loss /= self.place.world
        return float(loss)

    def forget_metrics(self) -> None:
        """Leave what passes outside of training counted (by TRL, for its next log line) out of that line."""
        self._metrics["train"].clear()

    def run(self) -> None:
        """Train on the steps that are left.

        Raises:
            MotherlodeError: Memory does not suffice, or the loss is not finite.
        """
        try:
            with warnings.catch_warnings(action="ignore"), _silence():
                self.train()
        except Exception as error:
            if not out_of_memory(error):
                raise
            what = "memory does not suffice for weights, gradients and the optimiser's moments"
            raise MotherlodeError(what, hint="train a LoRA adapter, use --dtype bf16, or a smaller model") from error


@contextlib.contextmanager
def _head_on_targets() -> Iterator[None]:
    """Have TRL apply the output head to predicted positions only, on a CPU too.

    Without Triton it takes every position, padding and prompts too, for the sake of compilers that want fixed shapes.
    It has no option for this; where it no longer asks the function replaced here, nothing changes but the time.
    """
    asked = getattr(trl_utils, _ASKED, None)
    if asked is None:
        yield
        return
    setattr(trl_utils, _ASKED, lambda _: True)
    try:
        yield
    finally:
        setattr(trl_utils, _ASKED, asked)


class _Callback(TrainerCallback):
    """Hands the trainer's events to the watcher."""

    def __init__(self, trainer: StepTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.trainer.watcher.begin(self.trainer)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> Any:
        if logs and "loss" in logs:
            log = StepLog(
                step=self.trainer.done + state.global_step,
                loss=float(logs["loss"]),
                learning_rate=float(logs["learning_rate"]),
                grad_norm=float(logs["grad_norm"]) if "grad_norm" in logs else None,
                accuracy=float(logs["mean_token_accuracy"]) if "mean_token_accuracy" in logs else None,
            )
            if not self.trainer.watcher.after_step(self.trainer, log):
                control.should_training_stop = True
        return control


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep what Transformers would say while it trains from the terminal."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)


def _seed(random_seed: int, step: int, rank: int) -> int:
    return int(np.random.SeedSequence([random_seed, step, rank]).generate_state(1)[0])
