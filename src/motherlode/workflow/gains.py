"""Did it help? The evaluations of a project's models, held against the base model item by item."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from motherlode.evaluation.result import FILE, Evaluation
from motherlode.workflow.place import Place

BASE = "base"
MODELS: tuple[Literal["base", "cpt", "sft"], ...] = ("base", "cpt", "sft")
LOSS = "loss"


@dataclass(frozen=True)
class Gain:
    """One model on one task or text, and its difference from the base model.

    Attributes:
        what: The task's or text's name.
        model: `base`, `cpt` or `sft`.
        metric: `acc` and the like; `loss` of texts, in nats per token, where less is better.
        n: Items, or documents.
        score: Score of the model.
        low: Lower end of its 95 % interval.
        high: Upper end.
        chance: Score of a random answer; None where there is none.
        majority: Score of always giving the most frequent answer; None where there is none.
        difference: Mean difference from the base model on the same items; None for the base model itself.
        difference_low: Lower end of its 95 % interval (paired bootstrap over items).
        difference_high: Upper end.
        flag: A word on the score beside chance and majority: `below chance`, `at majority`, or nothing.
    """

    what: str
    model: str
    metric: str
    n: int
    score: float
    low: float
    high: float
    chance: float | None
    majority: float | None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    flag: str = ""

    @property
    def verdict(self) -> str:
        """What the interval of the difference says, in words."""
        if self.difference is None or self.difference_low is None or self.difference_high is None:
            return ""
        if self.difference_low <= 0 <= self.difference_high:
            return "no difference can be told"
        return "better" if (self.difference > 0) != (self.metric == LOSS) else "worse"


def gains(place: Place) -> list[Gain]:
    """Compare the models that a project has evaluated.

    Args:
        place: The project's folders.

    Returns:
        One row a task or text and model, tasks first, the base model first; none without evaluations.
    """
    found = {name: place.evaluation(name) for name in MODELS if (place.evaluation(name) / FILE).exists()}
    if not place.has("evaluate") or not found:
        return []
    from motherlode.statistics import bootstrap_interval, paired_bootstrap

    read: dict[str, Evaluation] = {name: Evaluation.read(folder) for name, folder in found.items()}
    base = read.get(BASE)
    rows = []
    for task in dict.fromkeys(name for evaluation in read.values() for name in evaluation.tasks):
        for model, evaluation in read.items():
            if (of := evaluation.tasks.get(task)) is None:
                continue
            row = Gain(task, model, of.metric, of.n, of.score, of.low, of.high, of.chance, of.majority, flag=of.flag)
            first = base.tasks.get(task) if base is not None and model != BASE else None
            if first is not None and first.ids == of.ids:
                held = paired_bootstrap(of.items, first.items)
                row = replace(row, difference=held.mean, difference_low=held.low, difference_high=held.high)
            rows.append(row)
    for text in dict.fromkeys(name for evaluation in read.values() for name in evaluation.texts):
        for model, evaluation in read.items():
            if (found_loss := evaluation.texts.get(text)) is None:
                continue
            low, high = math.log(found_loss.low), math.log(found_loss.high)
            row = Gain(text, model, LOSS, found_loss.documents, found_loss.loss, low, high, None, None)
            same = base.texts.get(text) if base is not None and model != BASE else None
            if same is not None and same.lengths == found_loss.lengths:
                apart = np.subtract(found_loss.losses, same.losses)
                low, high = bootstrap_interval(apart, weights=found_loss.lengths)
                mean = found_loss.loss - same.loss
                row = replace(row, difference=mean, difference_low=low, difference_high=high)
            rows.append(row)
    return rows
