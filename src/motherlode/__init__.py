"""Motherlode finds the data that a low-resource domain lacks in general sources, and measures whether it helps.

Importing this package is cheap: what needs NumPy, Arrow or PyTorch is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from motherlode.adaptation.cpt import continue_pretraining
    from motherlode.adaptation.sft import fine_tune
    from motherlode.comparison.compare import compare
    from motherlode.corpus.corpus import Corpus
    from motherlode.diagnosis.diagnose import diagnose
    from motherlode.diagnosis.predict import predict_loss_change
    from motherlode.errors import InputError, MotherlodeError
    from motherlode.evaluation.evaluate import evaluate
    from motherlode.evaluation.samples import task_samples
    from motherlode.mining.mine import mine
    from motherlode.report.mining import write_report
    from motherlode.seeds.seeds import Seeds
    from motherlode.selection.result import Selection
    from motherlode.selection.select import select

__version__ = "0.1.0"
__all__ = [
    "Corpus",
    "InputError",
    "MotherlodeError",
    "Seeds",
    "Selection",
    "__version__",
    "compare",
    "continue_pretraining",
    "diagnose",
    "evaluate",
    "fine_tune",
    "mine",
    "predict_loss_change",
    "select",
    "task_samples",
    "write_report",
]

_HOMES = {
    "Corpus": "motherlode.corpus.corpus",
    "InputError": "motherlode.errors",
    "MotherlodeError": "motherlode.errors",
    "Seeds": "motherlode.seeds.seeds",
    "Selection": "motherlode.selection.result",
    "compare": "motherlode.comparison.compare",
    "continue_pretraining": "motherlode.adaptation.cpt",
    "diagnose": "motherlode.diagnosis.diagnose",
    "evaluate": "motherlode.evaluation.evaluate",
    "fine_tune": "motherlode.adaptation.sft",
    "mine": "motherlode.mining.mine",
    "predict_loss_change": "motherlode.diagnosis.predict",
    "select": "motherlode.selection.select",
    "task_samples": "motherlode.evaluation.samples",
    "write_report": "motherlode.report.mining",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'motherlode' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
