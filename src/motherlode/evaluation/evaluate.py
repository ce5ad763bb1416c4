"""Evaluate a model: tasks through lm-evaluation-harness, perplexity on held-out documents; resumable task by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from motherlode.errors import InputError
from motherlode.evaluation.asked import prepare, unique
from motherlode.evaluation.options import NOT_IN_SCORES, EvaluateOptions
from motherlode.evaluation.result import Evaluation, TaskScore
from motherlode.evaluation.run import Run, quiet_harness, versions
from motherlode.shards.local_copy import path_here
from motherlode.shards.location import named

__all__ = ["EvaluateOptions", "evaluate"]


def evaluate(
    tasks: Sequence[Path | str],
    *,
    model: str,
    adapter: Path | str | None = None,
    texts: Mapping[str, Path | str] | None = None,
    out: Path | str | None = None,
    quiet: bool = True,
    **options: Any,
) -> Evaluation:
    """Evaluate a causal language model.

    Args:
        tasks: Files of items (see `items`; `FILE:train=FILE2` names where examples come from, otherwise a file's other
            items), or names of tasks (see `names`).
        model: Hugging Face folder or hub name.
        adapter: Folder of a PEFT adapter for it.
        texts: Names and files of held-out documents.
        out: Folder for `evaluation.json` and finished scores, which are not made again as long as the model's weights,
            the task and the options stay the same.
        quiet: Whether no progress is shown.
        options: Of `EvaluateOptions`.

    Returns:
        The scores.

    Raises:
        InputError: A file, name, option, model or adapter cannot be used; nothing is written but finished scores.
        MotherlodeError: The hub cannot be reached, or memory ran out.
    """
    settings = EvaluateOptions.parse(options, "evaluate")
    folder = None if out is None else path_here(out)
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InputError("is a file", where=f"--out {out}", hint="name a folder")
    if not tasks and not texts:
        raise InputError("there is nothing to evaluate", where="--tasks", hint="give tasks, or --texts NAME=FILE")
    with quiet_harness():
        asked = unique([prepare(str(spec), settings) for spec in dict.fromkeys(map(str, tasks))])
    read = _read_texts(texts or {}, settings.limit)
    run = Run(model, adapter, settings, folder, quiet)
    scores: dict[str, TaskScore] = {}
    with quiet_harness():
        for work in asked:
            scores |= work.scores(run)
    losses = {name: run.text(name, documents, digest) for name, (documents, digest) in read.items()}
    found = Evaluation(
        tasks=scores,
        texts=losses,
        model=model,
        adapter=None if adapter is None else named(adapter),
        settings=settings.model_dump(exclude=NOT_IN_SCORES),
        versions=versions(),
        fingerprints=run.fingerprints,
    )
    if folder is not None:
        found.write(folder)
    return found


def _read_texts(texts: Mapping[str, Path | str], limit: int | None) -> dict[str, tuple[list[str], str]]:
    if not texts:
        return {}
    from motherlode.evaluation.perplexity import read_texts

    read = {name: read_texts(path) for name, path in texts.items()}
    return {name: (documents[:limit], digest) for name, (documents, digest) in read.items()}
