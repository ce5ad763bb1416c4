"""Tasks by name: those that papers on these domains report, and whatever else lm-evaluation-harness knows.

The harness finds its tasks by parsing 15,000 YAML files, which takes 10 s and more. The names below are known here with
the folder that describes them; other names are looked for in the files' text, and only their folder is parsed. All of
these tasks download their data from the Hugging Face hub.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motherlode.errors import InputError, MissingExtraError, MotherlodeError, nearest

_NAMED = re.compile(r"""^\s*["']?(task|group|tag|-)["']?:?[ \t]+["']?([\w.+-]+)["']?[ \t]*$""", re.MULTILINE)


@dataclass(frozen=True)
class PaperTask:
    """A task under the name that papers give it.

    Attributes:
        harness: What lm-evaluation-harness calls it, or its parts; none: it has no such task.
        folder: Where in the harness's tasks it is described.
        note: What to know.
    """

    harness: tuple[str, ...]
    folder: str = ""
    note: str = ""


def _mmlu(*subjects: str) -> PaperTask:
    return PaperTask(tuple(f"mmlu_{subject}" for subject in subjects), "mmlu/default", "one score a subject")


_MEDICAL = ("anatomy", "clinical_knowledge", "college_biology", "college_medicine", "medical_genetics")
_NO_FINANCE = PaperTask((), note="the harness has no such task")
PAPER_TASKS: dict[str, PaperTask] = {
    "mmlu-medical": _mmlu(*_MEDICAL, "professional_medicine"),
    "mmlu-finance": _mmlu(
        "professional_accounting", "econometrics", "high_school_macroeconomics", "high_school_microeconomics"
    ),
    "mmlu-law": _mmlu("professional_law", "international_law", "jurisprudence"),
    "mmlu-psychology": _mmlu("professional_psychology", "high_school_psychology"),
    "medqa": PaperTask(("medqa_4options",), "medqa", "USMLE, four options"),
    "medmcqa": PaperTask(("medmcqa",), "medmcqa", "validation split"),
    "pubmedqa": PaperTask(("pubmedqa",), "pubmedqa", "labelled questions; its data set brings code"),
    "contractnli": PaperTask(("scrolls_contractnli",), "scrolls", "whole contracts: needs a long window"),
    "legalbench": PaperTask(("legalbench",), "legalbench", "162 tasks"),
    "ledgar": PaperTask(("ledgar",), "unitxt", "needs the package unitxt"),
    "unfair-tos": PaperTask(("unfair_tos",), "unitxt", "needs the package unitxt"),
    "fiqa-sa": _NO_FINANCE,
    "fpb": _NO_FINANCE,
    "headlines": _NO_FINANCE,
    "tatqa": _NO_FINANCE,
    "policyqa": _NO_FINANCE,
}


def load_named(name: str) -> dict[str, Any]:
    """Load tasks of the harness; their data is downloaded.

    Args:
        name: One of `PAPER_TASKS`, or a task, group or tag of the harness.

    Returns:
        The tasks by name.

    Raises:
        InputError: The name is unknown, or the harness has no such task.
        MotherlodeError: The hub cannot be reached, or the data cannot be loaded.
    """
    try:
        import lm_eval.tasks as harness
    except ImportError:
        raise MissingExtraError("evaluate", "evaluation") from None
    where = f"--tasks {name}"
    known = PAPER_TASKS.get(name.lower())
    if known is not None and not known.harness:
        raise InputError(
            "lm-evaluation-harness has no such task",
            where=where,
            hint="give its items as a JSONL file (docs/evaluate.md)",
        )
    if known is not None:
        folder = Path(harness.__file__).parent / known.folder
        manager = harness.TaskManager(include_defaults=False, include_path=str(folder))
        wanted: Sequence[str] = known.harness
    else:
        names = harness_names(Path(harness.__file__).parent)
        if name not in names:
            looks = nearest(name, [*PAPER_TASKS, *names])
            hint = looks if looks.startswith("did") else "give a JSONL file, or a name of lm-evaluation-harness"
            raise InputError("is no file and no task", where=where, hint=hint)
        file = names[name]
        near = None if file is None else harness.TaskManager(include_defaults=False, include_path=str(file.parent))
        manager, wanted = near if near is not None and name in near.all_subtasks else harness.TaskManager(), (name,)
    try:
        loaded = manager.load(list(wanted))
    except Exception as error:
        raise _cannot(error, where) from error
    return dict(sorted(loaded["tasks"].items()))


def harness_names(folder: Path) -> dict[str, Path | None]:
    """Find the names of tasks, groups and tags in the text of the harness's files.

    Args:
        folder: Where they are.

    Returns:
        Names, with the first file that describes a task; None for groups and tags.
    """
    names: dict[str, Path | None] = {}
    for file in sorted(folder.rglob("*.yaml")):
        for kind, name in _NAMED.findall(file.read_text("utf-8", "replace")):
            names[name] = names.get(name) or (file if kind == "task" else None)
    return names


def _cannot(error: BaseException, where: str) -> MotherlodeError:
    """Say why a task's data could not be loaded."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    texts = " ".join(f"{type(item).__name__} {item}" for item in causes).lower()
    signs = (
        "offline",
        "connection",
        "couldn't reach",
        "cannot reach",
        "timed out",
        "timeout",
        "resolve",
        "max retries",
    )
    if any(sign in texts for sign in signs):
        offline = any(os.environ.get(key, "0") not in ("", "0") for key in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"))
        hint = "HF_HUB_OFFLINE is set" if offline else "check the network"
        return MotherlodeError(
            "its data is not here and the Hugging Face hub cannot be reached",
            where=where,
            hint=f"{hint}, or give the items as a JSONL file",
        )
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = (lines or [type(error).__name__])[0][:200]
    return MotherlodeError(f"cannot be loaded ({line})", where=where, hint="give its items as a JSONL file instead")
