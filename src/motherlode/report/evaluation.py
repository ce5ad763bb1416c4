"""The report of an evaluation: scores beside chance and majority, what is at or below them, losses, from one file.

The same `evaluation.json` gives the same bytes. Names and answers come from files of any origin, and are inert.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from markupsafe import Markup

from motherlode.errors import InputError
from motherlode.evaluation.result import FILE, Evaluation, TaskScore
from motherlode.report.page import render
from motherlode.report.score_intervals import Interval, intervals
from motherlode.shards import store
from motherlode.shards.local_copy import here

REPORT = "report.html"
_ANSWERS = 12  # kinds of answers that are listed


def is_evaluation(folder: Path | str) -> bool:
    """Return whether a folder holds an evaluation."""
    return (here(folder) / FILE).is_file()


def write_evaluation_report(folder: Path | str) -> Path:
    """Write `report.html` into the folder of an evaluation.

    Args:
        folder: Where `evaluation.json` is.

    Returns:
        The file written.

    Raises:
        InputError: `evaluation.json` is missing or damaged.
        StorageError: The file cannot be written; an earlier report stays as it was.
    """
    found = Evaluation.read(folder)
    try:
        page = render("evaluation.html", _values(found))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, TemplateError) as error:
        raise InputError("is damaged", where=str(here(folder) / FILE), hint="run `evaluate` again") from error
    path = here(folder) / REPORT
    store.write_text(path, page)
    return path


def _values(found: Evaluation) -> dict[str, Any]:
    tasks = list(found.tasks.values())
    return {
        "found": found,
        "tasks": tasks,
        "texts": list(found.texts.values()),
        "name": Path(found.model).name or found.model,
        "adapter": found.adapter,
        "flagged": [task for task in tasks if task.flag],
        "above": sum(not task.flag for task in tasks),
        "chart": _chart(tasks),
        "answers": [(task, _answers(task)) for task in tasks if task.predictions],
        "confidence": round(float(found.settings.get("confidence", 0.95)) * 100),
        "finite": math.isfinite,
    }


def _chart(tasks: list[TaskScore]) -> Markup | None:
    if not tasks:
        return None
    rows = [
        Interval(
            task.name,
            task.score,
            task.low,
            task.high,
            [
                (name, value)
                for name, value in (("chance", task.chance), ("majority", task.majority))
                if value is not None
            ],
            7 if task.flag.startswith("below") else 0,
            task.flag,
        )
        for task in tasks
    ]
    return intervals("scores", "Scores", rows, x_label="score; ticks are chance and majority", limits=(0.0, 1.0))


def _compared(task: TaskScore) -> list[tuple[str, float | None]]:
    return [("chance", task.chance), ("majority", task.majority)]


def _answers(task: TaskScore) -> list[tuple[str, int]]:
    """Return the most frequent answers of the model: a model that always says the same shows here."""
    counts = Counter(task.predictions)
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:_ANSWERS]
