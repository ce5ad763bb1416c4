"""The items of lm-evaluation-harness tasks, where that package and the tasks' data are at hand (extra `evaluate`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from motherlode.corpus.decontaminate.items import table_of, texts_of
from motherlode.errors import InputError, MissingExtraError, nearest

_WHERE = "--decontaminate-tasks"


def read_tasks(names: Sequence[str], include: str | None = None) -> pa.Table:
    """Read what tasks evaluate on: their test documents, or the validation documents of tasks without a test part.

    Args:
        names: Names of tasks or groups.
        include: A folder with further tasks, as the harness takes it.

    Returns:
        A table of `items.ITEMS`; the file is `task:NAME`, the item the place of the document.

    Raises:
        MissingExtraError: The harness is not installed.
        InputError: There is no such task, or its data cannot be loaded (they are downloaded, unless they are local).
    """
    if not names:
        return table_of([])
    try:
        from lm_eval.tasks import TaskManager, get_task_dict
    except ImportError as error:
        raise MissingExtraError("evaluate", "decontamination against tasks", where=_WHERE) from error
    manager = TaskManager(include_path=include)
    rows: list[tuple[str, str, str, str]] = []
    for name in names:
        if name not in manager.all_tasks:
            raise InputError(f"there is no task '{name}'", where=_WHERE, hint=nearest(name, manager.all_tasks))
        try:
            for task_name, task in _flatten(get_task_dict([name], manager)):
                for place, document in enumerate(_documents(task)):
                    texts = texts_of(dict(document))
                    rows += [(f"task:{task_name}", str(place), field, text) for field, text in texts]
        except Exception as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise InputError(f"the data of the task '{name}' cannot be loaded ({reason})", where=_WHERE) from error
    return table_of(rows)


def _flatten(tasks: Any) -> Iterator[tuple[str, Any]]:
    for name, task in tasks.items():
        if isinstance(task, dict):
            yield from _flatten(task)
        else:
            yield str(name), task


def _documents(task: Any) -> Iterable[Any]:
    if task.has_test_docs():
        return task.test_docs()  # type: ignore[no-any-return]
    return task.validation_docs() if task.has_validation_docs() else []
