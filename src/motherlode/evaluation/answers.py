"""Written answers against right ones: exact match and F1 of words (SQuAD, arXiv 1606.05250), F1 of listed choices."""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Iterable

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(text: str) -> list[str]:
    """Return the words of an answer: lower case, without punctuation and articles."""
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def same_answer(written: str, right: str) -> bool:
    """Return whether two answers have the same words; those without any are compared as they are."""
    one, other = normalised(written), normalised(right)
    return one == other if other else written.strip() == right.strip()


def f1_of_words(written: str, right: str) -> float:
    """Return the F1 of the words of an answer, 0 to 1."""
    one, other = normalised(written), normalised(right)
    if not one or not other:
        return float(same_answer(written, right))
    common = sum((Counter(one) & Counter(other)).values())
    return 2 * common / (len(one) + len(other))


def f1_of_choices(found: Iterable[str], wanted: Iterable[str]) -> float:
    """Return the F1 of two sets of choices, 0 to 1; `wanted` is not empty."""
    one, other = set(found), set(wanted)
    return 2 * len(one & other) / (len(one) + len(other))


def chance_f1(choices: int, wanted: int) -> float:
    """Return the mean F1 of a non-empty subset of the choices drawn at random.

    Args:
        choices: How many there are.
        wanted: How many of them are right, 1 or more.
    """
    total = 0.0
    for size in range(1, choices + 1):
        for hits in range(max(0, size - (choices - wanted)), min(size, wanted) + 1):
            ways = math.comb(wanted, hits) * math.comb(choices - wanted, size - hits)
            total += ways * 2 * hits / (size + wanted)
    return total / float(2**choices - 1)
