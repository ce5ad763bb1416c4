"""Kernel ridge regression with the kernel at the start, against LoRA fine-tuning, on a small labelled task.

If training is NTK-like, regression with the kernel at the start predicts as well as fine-tuning does (arXiv 2511.07380
after arXiv 2210.05643). The kernel is that of the prompts alone, normalised to cosines; answers are one-hot, centred;
the ridge is chosen on the training samples by leave-one-out error in closed form. Controls: the same regression on
the model's mean last hidden states, the model before training, and the majority class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motherlode.diagnosis.gradients import kernel_matrix
from motherlode.diagnosis.opened import Opened
from motherlode.diagnosis.options import DiagnoseOptions
from motherlode.errors import InputError
from motherlode.models.rows import Samples
from motherlode.models.samples import Sample, to_sample
from motherlode.models.tokens import Tokens
from motherlode.selection.hidden import mean_hidden
from motherlode.selection.kernels import make_objective
from motherlode.selection.warmup import WarmupOptions, completion_losses, warm_up
from motherlode.statistics import wilson

_MOST_CLASSES = 32
RIDGES = tuple(float(f"1e{power}") for power in range(-5, 3))  # relative to the mean of the kernel's diagonal


@dataclass(frozen=True)
class Accuracy:
    """How many test samples a method answers rightly, with the 95 % interval (Wilson)."""

    method: str
    right: int
    tested: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Regression:
    """Kernel regression and fine-tuning on one task.

    Attributes:
        classes: Distinct answers.
        trained: Training samples.
        tested: Test samples.
        ridge: The ridge that was chosen, relative to the mean of the kernel's diagonal.
        kernel: Regression with the all-ones kernel.
        hidden_states: Regression on the mean last hidden states.
        fine_tuned: The model after LoRA fine-tuning: the answer with the largest likelihood.
        before: The model before it.
        majority: The most frequent answer of the training samples.
        both_right: Test samples that kernel regression and fine-tuning both answer rightly.
    """

    classes: int
    trained: int
    tested: int
    ridge: float
    kernel: Accuracy
    hidden_states: Accuracy
    fine_tuned: Accuracy
    before: Accuracy
    majority: Accuracy
    both_right: int


def read_task(path: Path | str, fields: dict[str, str]) -> list[tuple[str | Any, str]]:
    """Read a labelled task: prompts and answers.

    Args:
        path: JSONL of `question` (+ `context`) and `answer`, or of samples with few distinct completions.
        fields: Names of a sample's fields.

    Returns:
        Prompt and answer of each row.

    Raises:
        InputError: A row is neither, or there are fewer than 2 or more than 32 distinct answers.
    """
    samples = Samples.open(path, fields)
    found: list[tuple[str | Any, str]] = []
    for index, row in enumerate(samples.rows):
        try:
            if "question" in row and "answer" in row and not fields:
                if not isinstance(row["question"], str) or not isinstance(row["answer"], str):
                    raise InputError("'question' and 'answer' must be texts")
                context = str(row.get("context") or "")
                found.append((f"{context}\n\n{row['question']}\nAnswer:".lstrip(), f" {row['answer']}"))
            else:
                sample = to_sample(row, fields)
                found.append((sample.prompt, sample.completion))
        except InputError as error:
            raise InputError(error.what, where=samples.rows.place(index), hint=error.hint) from None
    classes = len({answer for _, answer in found})
    if not 2 <= classes <= _MOST_CLASSES:
        raise InputError(
            f"has {classes:,} distinct answers",
            where=f"--task {path}",
            hint=f"kernel regression needs a task with 2 to {_MOST_CLASSES}, e.g. yes and no",
        )
    return found


def ridge_predictions(
    matrix: NDArray[np.float64], labels: NDArray[np.int64], train: int, classes: int
) -> tuple[NDArray[np.int64], float]:
    """Predict by kernel ridge regression, `K_* (K + r I)^-1 (Y - mean) + mean`.

    The ridge r is the one of `RIDGES`, times the mean of the diagonal, with the least squared leave-one-out error of
    the training samples: residual_i = [(K + r I)^-1 Y]_i / [(K + r I)^-1]_ii.

    Args:
        matrix: `[n, n]` kernel, training samples first.
        labels: `[train]` classes from 0.
        train: Training samples.
        classes: How many classes there are.

    Returns:
        `[n - train]` classes, and the ridge.
    """
    own, cross = matrix[:train, :train], matrix[train:, :train]
    targets = np.eye(classes)[labels]
    mean = targets.mean(0)
    values, vectors = np.linalg.eigh(own)
    values = np.maximum(values, 0)
    scale = float(np.diag(own).mean()) or 1.0
    rotated = vectors.T @ (targets - mean)
    best: tuple[float, float, NDArray[np.float64]] | None = None
    for ridge in RIDGES:
        inverse = 1 / (values + ridge * scale)
        weights = vectors @ (inverse[:, None] * rotated)
        error = float(((weights / ((vectors**2) @ inverse)[:, None]) ** 2).mean())
        if best is None or error < best[0]:
            best = (error, ridge, weights)
    assert best is not None
    return np.argmax(cross @ best[2] + mean, axis=1), best[1]


def cosine_kernel(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `K_ij / sqrt(K_ii K_jj)`; rows of zero norm stay zero."""
    norms = np.sqrt(np.maximum(np.diag(matrix), 0))
    scale = np.outer(norms, norms)
    cosines: NDArray[np.float64] = np.divide(matrix, scale, out=np.zeros_like(matrix), where=scale > 0)
    return cosines


def look_at_regression(opened: Opened, options: DiagnoseOptions, quiet: bool = True) -> Regression:
    """Compare kernel ridge regression with fine-tuning; the adapter is put back.

    Args:
        opened: The model, at its start.
        options: `task`, how many samples, how the fine-tuning trains.
        quiet: Whether no progress is shown.

    Raises:
        InputError: The task cannot be used.
    """
    assert options.task is not None
    rows = read_task(options.task, options.fields)
    order = np.random.default_rng([options.random_seed, 21]).permutation(len(rows))
    train = min(options.task_train, len(rows) // 2)
    chosen = [rows[index] for index in order[: train + options.task_test]]
    known = sorted({answer for _, answer in chosen[:train]})
    if train < 4 or len(known) < 2:
        raise InputError("too few rows to learn from", where=f"--task {options.task}", hint="give 100 or more")
    tested = len(chosen) - train
    answers = [answer for _, answer in chosen]
    tokens = [_tokens(opened, prompt, answer, options.task) for prompt, answer in chosen]
    prompts = [Tokens(item.ids[: item.start], item.start) for item in tokens]
    if any(len(item.ids) == 0 for item in prompts):
        raise InputError("a prompt is empty", where=f"--task {options.task}", hint="kernel regression needs prompts")
    adapted, batcher = opened.adapted, opened.batcher
    labels = np.array([known.index(answer) for answer in answers[:train]], dtype=np.int64)
    objective = make_objective(adapted, "ntk", normalize=options.normalize)
    by_kernel, ridge = ridge_predictions(
        cosine_kernel(kernel_matrix(adapted, objective, prompts, options.memory_gib)), labels, train, len(known)
    )
    vectors = mean_hidden(adapted, prompts, batcher).astype(np.float64)
    by_hidden, _ = ridge_predictions(vectors @ vectors.T, labels, train, len(known))
    questions = [prompt for prompt, _ in chosen[train:]]
    before = _likeliest(opened, questions, known, options.task)
    start = adapted.state()
    how = WarmupOptions.of(options, warmup_epochs=max(1, options.warmup_epochs))
    try:
        warm_up(adapted, tokens[:train], batcher, how, options.random_seed, quiet)
        after = _likeliest(opened, questions, known, options.task)
    finally:
        adapted.restore(start)
    frequent = known.index(max(sorted(Counter(answers[:train]).items()), key=lambda item: item[1])[0])
    truth = answers[train:]

    def rate(method: str, predicted: Sequence[int] | NDArray[np.int64]) -> Accuracy:
        right = sum(known[int(place)] == answer for place, answer in zip(predicted, truth, strict=True))
        return Accuracy(method, right, tested, right / tested, *wilson(right, tested))

    return Regression(
        classes=len(known),
        trained=train,
        tested=tested,
        ridge=ridge,
        kernel=rate("kernel regression", by_kernel),
        hidden_states=rate("regression on hidden states", by_hidden),
        fine_tuned=rate("fine-tuning", after),
        before=rate("before training", before),
        majority=rate("majority class", [frequent] * tested),
        both_right=sum(
            known[int(a)] == answer == known[int(b)] for a, b, answer in zip(by_kernel, after, truth, strict=True)
        ),
    )


def _tokens(opened: Opened, prompt: Any, answer: str, task: str) -> Tokens:
    try:
        return opened.tokeniser(Sample(prompt, answer))
    except InputError as error:
        raise InputError(error.what, where=error.where or f"--task {task}", hint=error.hint) from None


def _likeliest(opened: Opened, prompts: Sequence[Any], known: Sequence[str], task: str) -> NDArray[np.int64]:
    """Return for each prompt the answer that the model finds likeliest."""
    tokens = [_tokens(opened, prompt, answer, task) for prompt in prompts for answer in known]
    losses = completion_losses(opened.adapted, tokens, opened.batcher)
    sums = losses * np.array([item.targets for item in tokens])
    best: NDArray[np.int64] = np.argmin(sums.reshape(len(prompts), len(known)), axis=1)
    return best
