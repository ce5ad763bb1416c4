"""From outcomes of items to a score: mean and interval, chance, majority, macro F1, probability of the right choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

from motherlode.evaluation.answers import chance_f1, f1_of_choices, f1_of_words, same_answer
from motherlode.evaluation.items import TaskItem
from motherlode.evaluation.probability import probabilities_logged
from motherlode.evaluation.prompt import Style
from motherlode.evaluation.result import TaskScore
from motherlode.statistics import bootstrap_interval

Metric = Literal["auto", "acc", "acc_norm", "exact_match", "f1"]
_OF_CHOICES, _OF_WRITTEN = ("acc", "acc_norm"), ("f1", "exact_match")


def score_items(
    name: str,
    items: Sequence[TaskItem],
    samples: Sequence[Mapping[str, Any]],
    *,
    metric: Metric = "auto",
    style: Style = "cloze",
    shots: int = 0,
    truncated: int = 0,
    confidence: float = 0.95,
    random_seed: int = 0,
) -> TaskScore:
    """Score a file of items.

    Args:
        name: The task.
        items: What was asked.
        samples: What the harness logged of each, in the same order.
        metric: What counts; `auto`: `acc` where all items have the same choices or letters are scored, `acc_norm`
            where choices differ, `f1` of written answers. Items to which a metric does not apply take theirs of `auto`.
        style: How choices were shown.
        shots: Examples in each prompt.
        truncated: Prompts that lost their beginning.
        confidence: Of the interval.
        random_seed: Of the bootstrap.

    Returns:
        The score.
    """
    chosen = [item for item in items if item.kind == "choice"]
    same = len({item.choices for item in chosen}) <= 1
    of_choices = metric if metric in _OF_CHOICES else "acc" if same or style == "letters" else "acc_norm"
    of_written = metric if metric in _OF_WRITTEN else "f1"
    used = [of_choices if item.kind == "choice" else of_written for item in items]
    outcomes = tuple(float(sample[name]) for sample, name in zip(samples, used, strict=True))
    predictions = tuple(_prediction(*row) for row in zip(items, samples, used, strict=True))
    low, high = bootstrap_interval(outcomes, confidence=confidence, random_seed=random_seed)
    chances = [_chance(item, kind) for item, kind in zip(items, used, strict=True)]
    known = [value for value in chances if value is not None]
    written = [sample for item, sample in zip(items, samples, strict=True) if item.kind != "choice"]
    shown = [sample for item, sample in zip(items, samples, strict=True) if item.kind == "choice"]
    classes = len(chosen) == len(items) and same
    share = "probability_norm" if of_choices == "acc_norm" else "probability"
    shares = tuple(float(sample[share]) for sample in samples) if len(chosen) == len(items) else None
    return TaskScore(
        name=name,
        n=len(items),
        metric="+".join(dict.fromkeys(used)),
        score=fmean(outcomes),
        low=max(0.0, low),
        high=min(1.0, high),
        chance=fmean(known) if len(known) == len(items) else None,
        majority=_majority(items, used),
        acc=fmean(sample["acc"] for sample in shown) if shown else None,
        acc_norm=fmean(sample["acc_norm"] for sample in shown) if shown else None,
        items=outcomes,
        ids=tuple(item.id for item in items),
        exact_match=fmean(sample["exact_match"] for sample in written) if written else None,
        macro_f1=macro_f1([item.answer for item in items], predictions) if classes else None,
        predictions=predictions,
        shots=shots,
        truncated=truncated,
        confidence=confidence,
        **_of_probabilities(shares, confidence, random_seed),
    )


def score_logged(
    name: str,
    samples: Sequence[Mapping[str, Any]],
    *,
    shots: int = 0,
    truncated: int = 0,
    metric: Metric = "auto",
    confidence: float = 0.95,
    random_seed: int = 0,
    task: Any = None,
) -> TaskScore:
    """Score one of the harness's own tasks by what it logged.

    Args:
        name: The task.
        samples: Logged samples of one filter, in the order of the task's items.
        shots: Examples in each prompt.
        truncated: Prompts that lost their beginning.
        metric: What counts; `auto` is the first that the task has of acc, exact_match, f1, else its first.
        confidence: Of the interval.
        random_seed: Of the bootstrap.
        task: The task itself, which knows its choices; without it there is no probability of the right one.
    """
    names = list(samples[0]["metrics"])
    numbers = [key for key in names if all(isinstance(sample[key], (int, float)) for sample in samples)]
    wanted = [metric] if metric in numbers else [key for key in ("acc", "exact_match", "f1") if key in numbers]
    used = (wanted or numbers)[0]
    outcomes = tuple(float(sample[used]) for sample in samples)
    low, high = bootstrap_interval(outcomes, confidence=confidence, random_seed=random_seed)
    choices = [len(sample["arguments"]) for sample in samples]
    targets = Counter(str(sample["target"]) for sample in samples)
    closed = used.startswith("acc") and min(choices) > 1
    unit = all(0 <= value <= 1 for value in outcomes)
    shares = None if task is None else probabilities_logged(task, samples, used)
    return TaskScore(
        name=name,
        n=len(outcomes),
        metric=used,
        score=fmean(outcomes),
        low=max(0.0, low) if unit else low,
        high=min(1.0, high) if unit else high,
        chance=fmean(1 / count for count in choices) if closed else None,
        majority=max(targets.values()) / len(samples) if closed else None,
        acc=fmean(sample["acc"] for sample in samples) if "acc" in numbers else None,
        acc_norm=fmean(sample["acc_norm"] for sample in samples) if "acc_norm" in numbers else None,
        items=outcomes,
        ids=tuple(str(sample["doc_id"]) for sample in samples),
        exact_match=fmean(sample["exact_match"] for sample in samples) if "exact_match" in numbers else None,
        shots=shots,
        truncated=truncated,
        confidence=confidence,
        **_of_probabilities(shares, confidence, random_seed),
    )


def macro_f1(right: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the mean F1 of the classes that occur among the right answers, 0 to 1."""
    scores = []
    for label in dict.fromkeys(right):
        hits = sum(a == b == label for a, b in zip(right, predicted, strict=True))
        scores.append(2 * hits / (right.count(label) + list(predicted).count(label)))
    return fmean(scores)


def _of_probabilities(shares: tuple[float, ...] | None, confidence: float, random_seed: int) -> dict[str, Any]:
    """Return the fields of a score that are about the probability of the right choice."""
    if shares is None:
        return {}
    low, high = bootstrap_interval(shares, confidence=confidence, random_seed=random_seed)
    return {
        "probability": fmean(shares),
        "probability_low": max(0.0, low),
        "probability_high": min(1.0, high),
        "probabilities": shares,
    }


def _prediction(item: TaskItem, sample: Mapping[str, Any], metric: str) -> str:
    if item.kind == "choice":
        return item.choices[int(sample["predicted_norm" if metric == "acc_norm" else "predicted"])]
    return " ".join(str(sample["filtered_resps"][0]).split())


def _chance(item: TaskItem, metric: str) -> float | None:
    if item.kind == "choice":
        return 1 / len(item.choices)
    if item.kind == "several":
        wanted = len(item.answers)
        return chance_f1(len(item.choices), wanted) if metric == "f1" else 1 / (2 ** len(item.choices) - 1)
    return None


def _majority(items: Sequence[TaskItem], used: Sequence[str]) -> float:
    """Return the score of a constant answer: the most frequent one, or place where the choices differ."""
    kinds = {item.kind for item in items}
    total = 0.0
    for kind in kinds:
        own = [(item, metric) for item, metric in zip(items, used, strict=True) if item.kind == kind]
        same = len({item.choices for item, _ in own}) == 1
        by_place = kind == "choice" and not same
        answers = [str(item.gold) if by_place else item.answer for item, _ in own]
        best, count = Counter(answers).most_common(1)[0]
        if kind == "choice":
            total += count
            continue
        constant = next(item for item, _ in own if item.answer == best)
        total += sum(_of_constant(item, constant, metric) for item, metric in own)
    return total / len(items)


def _of_constant(item: TaskItem, constant: TaskItem, metric: str) -> float:
    if item.kind == "several":
        one, other = set(constant.answers), set(item.answers)
        return f1_of_choices(one, other) if metric == "f1" else float(one == other)
    if metric == "f1":
        return f1_of_words(constant.answer, item.answer)
    return float(same_answer(constant.answer, item.answer))
