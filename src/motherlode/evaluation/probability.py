"""The probability of the right choice among the choices: a second score, which moves with every item.

Softmax over an item's choices of the log-likelihoods that the metric compares, of which the share of the right choice
is taken: of their sums for `acc`, of log-likelihood a character for `acc_norm` (a byte for `acc_bytes`). It is larger
than all others exactly where the item is right by that metric. A model that guesses has 1 / choices; with
log-likelihoods a character it stays near that, for these differ by fractions of a nat, and what counts is a change.
Sums would be no better there: between choices of different lengths they differ by so many nats that the shortest one
has nearly everything, whatever the item is. It is no accuracy, and may rise where that falls.

This is the normalised probability of the correct answer in DataDecide (arXiv 2504.11393, proxy metrics), which compares
it and others with accuracy as what decides between data sets.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def probability_of_right(likelihoods: ArrayLike, right: Collection[int], lengths: ArrayLike | None = None) -> float:
    """Return the share of the right choice in the softmax over an item's choices, 0 to 1.

    Args:
        likelihoods: `[choices]` log-likelihood of each, in nats; one that is not finite, as of a model whose training
            diverged, has no share, and where none is finite all have the same.
        right: Places of the right choice; of several, their shares are added.
        lengths: `[choices]` what each log-likelihood is divided by before, above 0; None: nothing.
    """
    values = np.asarray(likelihoods, dtype=np.float64)
    if lengths is not None:
        values = values / np.asarray(lengths, dtype=np.float64)
    values = np.where(np.isfinite(values), values, -np.inf)
    shares = np.exp(values - values.max()) if np.isfinite(values.max()) else np.ones(len(values))
    return float(min(1.0, shares[sorted(right)].sum() / shares.sum()))


def probabilities_logged(task: Any, samples: Sequence[Mapping[str, Any]], metric: str) -> tuple[float, ...] | None:
    """Return the probability of the right choice of each item of one of the harness's own tasks.

    Args:
        task: The task.
        samples: What the harness logged of its items.
        metric: The metric whose log-likelihoods are compared: `acc`, `acc_norm` or `acc_bytes`.

    Returns:
        A probability an item; None if the task is not one of choices, or the metric compares no choices, or the right
        one of an item is not known.
    """
    measures = {"acc": None, "acc_norm": len, "acc_bytes": lambda text: len(text.encode())}
    if getattr(task, "OUTPUT_TYPE", None) != "multiple_choice" or metric not in measures:
        return None
    measure = measures[metric]
    found = []
    for sample in samples:
        doc = sample["doc"]
        choices = list(task.doc_to_choice(doc))
        right = _right(task, doc, choices)
        answers = sample["filtered_resps"][: len(choices)]  # what may follow is the same without the question
        if right is None or len(answers) < len(choices):
            return None
        lengths = None if measure is None else [float(measure(choice)) for choice in choices]
        found.append(probability_of_right([float(answer[0]) for answer in answers], right, lengths))
    return tuple(found)


def _right(task: Any, doc: Any, choices: Sequence[str]) -> set[int] | None:
    """Return the places of the right choice, as the harness finds them."""
    target = task.doc_to_text(doc) if getattr(task, "multiple_input", 0) else task.doc_to_target(doc)
    places = {
        choices.index(one) if isinstance(one, str) and one in choices else one
        for one in (target if isinstance(target, (list, tuple)) else [target])
    }
    known = {place for place in places if isinstance(place, int) and 0 <= place < len(choices)}
    return known if known and len(known) == len(places) else None
