"""Kernel ridge regression against scikit-learn and explicit leave-one-out; reading tasks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

pytest.importorskip("torch", reason="the extra 'select' is not installed")
pytest.importorskip("peft", reason="the extra 'select' is not installed")

from motherlode.diagnosis.opened import Opened
from motherlode.diagnosis.options import DiagnoseOptions
from motherlode.diagnosis.regression import (
    RIDGES,
    cosine_kernel,
    look_at_regression,
    read_task,
    ridge_predictions,
)
from motherlode.errors import InputError
from tests.models import tiny


def test_predictions_are_those_of_scikit_learn_at_the_best_ridge() -> None:
    choice = np.random.default_rng(0)
    points = choice.standard_normal((50, 5))
    labels = (points[:, 0] > 0).astype(np.int64) + (points[:, 1] > 1)
    points += 0.3 * choice.standard_normal(points.shape)
    matrix = np.exp(-((points[:, None] - points[None]) ** 2).sum(2) / 10)
    train = 36
    targets = np.eye(3)[labels[:train]]
    mean, scale = targets.mean(0), np.diag(matrix)[:train].mean()

    def model(ridge: float, rows: list[int]) -> Any:
        kernel = KernelRidge(alpha=ridge * scale, kernel="precomputed")
        return kernel.fit(matrix[np.ix_(rows, rows)], targets[rows] - mean)

    errors = []
    for ridge in RIDGES:
        residuals = []
        for out in range(train):  # leave one out, one by one
            rows = [row for row in range(train) if row != out]
            residuals.append(targets[out] - mean - model(ridge, rows).predict(matrix[out : out + 1, rows])[0])
        errors.append(float(np.mean(np.square(residuals))))
    best = RIDGES[int(np.argmin(errors))]
    found, ridge = ridge_predictions(matrix, labels[:train], train, 3)
    assert ridge == best
    assert best not in (RIDGES[0], RIDGES[-1])  # there is something to choose
    wanted = model(best, list(range(train))).predict(matrix[train:, :train]) + mean
    assert found.tolist() == wanted.argmax(1).tolist()


def test_a_cosine_kernel() -> None:
    rows = np.array([[1.0, 0.0], [2.0, 2.0], [0.0, 0.0]])
    found = cosine_kernel(rows @ rows.T)
    np.testing.assert_allclose(found, [[1, 0.5**0.5, 0], [0.5**0.5, 1, 0], [0, 0, 0]], atol=1e-12)


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_tasks_are_read_in_both_forms(tmp_path: Path) -> None:
    row = {"question": "Q?", "context": "C.", "choices": ["a", "b"], "answer": "a"}
    asked = write(tmp_path / "asked.jsonl", [row, {"question": "Q?", "answer": "b"}])
    assert read_task(asked, {}) == [("C.\n\nQ?\nAnswer:", " a"), ("Q?\nAnswer:", " b")]
    pairs = write(tmp_path / "pairs.jsonl", [{"prompt": "p", "completion": c} for c in "xyx"])
    assert read_task(pairs, {}) == [("p", "x"), ("p", "y"), ("p", "x")]
    with pytest.raises(InputError, match="1 distinct answers"):
        read_task(write(tmp_path / "one.jsonl", [row, row]), {})
    with pytest.raises(InputError, match=r"bad.jsonl:2: 'question' and 'answer' must be texts"):
        read_task(write(tmp_path / "bad.jsonl", [row, {"question": "Q?", "answer": 3}]), {})


def test_a_task_that_the_prompt_gives_away(tmp_path: Path) -> None:
    choice = np.random.default_rng(0)
    rows = []
    for n in range(48):
        yes = bool(choice.integers(2))
        rows.append({"prompt": ("AAAA" if yes else "zzzz") + f" {n}", "completion": "y" if yes else "n"})
    task = write(tmp_path / "task.jsonl", rows)
    given = {"model": str(tiny.save(tmp_path / "model")), "task": str(task), "device": "cpu", "lora_rank": 2}
    options = DiagnoseOptions.parse(
        {**given, "task_train": 24, "task_test": 24, "warmup_epochs": 4, "learning_rate": 1e-2}, "-"
    )
    opened = Opened(options)
    before = opened.adapted.state()
    found = look_at_regression(opened, options)
    assert (found.trained, found.tested, found.classes) == (24, 24, 2)
    assert found.kernel.accuracy > 0.9
    assert found.fine_tuned.accuracy > 0.9
    assert found.majority.accuracy < 0.75
    assert found.both_right > 20
    assert all((a == b).all() for a, b in zip(opened.adapted.parameters, before, strict=True))
    few = write(tmp_path / "few.jsonl", rows[:6])
    with pytest.raises(InputError, match="too few rows"):
        look_at_regression(opened, options.model_copy(update={"task": str(few)}))
