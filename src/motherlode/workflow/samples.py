"""Samples for training out of what a project names: sample files as they are, files of tasks in the form of evaluation.

A task's row (`question`, `choices`, `answer`) is turned into the prompt and the completion that `evaluate` scores, so
that a model is trained on what it is asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from motherlode.models.rows import Rows
from motherlode.shards import store
from motherlode.workflow.place import Place

_OF_A_TASK = ("question", "choices", "answer")


def is_task(rows: Rows) -> bool:
    """Return whether rows are items of a task, by the first one."""
    return len(rows) > 0 and all(name in rows[0] for name in _OF_A_TASK)


def task_form(place: Place) -> dict[str, Any]:
    """Return how items of tasks are written: as `evaluate` asks them."""
    section = place.sections.get("evaluate", {})
    return {"style": str(section.get("style", "cloze")), "template": str(section.get("template", "auto"))}


def gather_samples(paths: Sequence[Path], out: Path, form: Mapping[str, Any]) -> Path:
    """Return one file of samples.

    Args:
        paths: Files, folders or patterns of samples or tasks, one or more.
        out: Where they are written if they are several, or hold tasks.
        form: The form of tasks, see `task_form`.

    Returns:
        The one path that was given, if it can be taken as it is; else `out`.

    Raises:
        InputError: A file is missing or damaged, or an item of a task is none.
    """
    opened = [Rows(path) for path in paths]
    tasks = [is_task(rows) for rows in opened]
    if len(paths) == 1 and not tasks[0]:
        return paths[0]
    lines = []
    for rows, task in zip(opened, tasks, strict=True):
        if task:
            from motherlode.evaluation.samples import task_samples

            found = (sample for file in rows.files for sample in task_samples(file, **form))
            lines += [json.dumps(dict(sample), ensure_ascii=False) + "\n" for sample in found]
        else:
            lines += [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    store.write_bytes(out, "".join(lines).encode("utf-8", "replace"))
    return out
