"""DSIR: importance resampling on hashed n-grams (arXiv 2302.03169, section 3).

A text is a bag of words and word pairs, lower-cased, hashed into 10,000 buckets. Two multinomial models are fitted by
counting: p to the domain's texts, q to the pool's. A candidate with counts z has the weight `prod_j (p_j / q_j)^z_j`,
and candidates are sampled without replacement in proportion to their weights: the largest of `log weight + Gumbel
noise` (section 3.2). The sum over a text's n-grams is the published form; being negative for most, it prefers short
texts. Nothing is learnt, no model is needed; the pool is read twice, in blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from motherlode.selection.methods.method import Run, Scored

BUCKETS = 10_000
_NEVER = 1e-8  # added to probabilities, as in the authors' package: an n-gram that one side lacks
_BLOCK = 1024  # texts
_WORDS = r"\w+|[^\w\s]+"  # words and runs of punctuation

Texts = Callable[[], Iterable[str]]


def log_weights(target: Iterable[str], raw: Texts, buckets: int = BUCKETS) -> NDArray[np.float64]:
    """Compute the log importance weights of texts.

    Args:
        target: The domain's texts, 1 or more.
        raw: Gives the pool's texts; called twice.
        buckets: How many features n-grams are hashed into.

    Returns:
        `[n]` float64, natural logarithms.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    counter = HashingVectorizer(
        ngram_range=(1, 2), n_features=buckets, token_pattern=_WORDS, alternate_sign=False, norm=None
    )

    def counts(texts: Iterable[str]) -> Iterator[NDArray[np.float64]]:
        return (counter.transform(block) for block in _blocks(texts))

    def log_probabilities(texts: Iterable[str]) -> NDArray[np.float64]:
        total = np.zeros(buckets)
        for block in counts(texts):
            total += np.asarray(block.sum(axis=0)).ravel()
        return np.asarray(np.log(total / max(1.0, total.sum()) + _NEVER))

    ratio = log_probabilities(target) - log_probabilities(raw())
    return np.concatenate([*(block @ ratio for block in counts(raw())), np.zeros(0)])


def _blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    each = iter(texts)
    while block := list(islice(each, _BLOCK)):
        yield block


def resampled(weights: NDArray[np.float64], random_seed: int) -> NDArray[np.int64]:
    """Sample all candidates without replacement, in proportion to their weights (the Gumbel top-k trick).

    Args:
        weights: `[n]` natural logarithms of weights; minus infinity is a weight of 0.
        random_seed: Seed of the noise.

    Returns:
        `[n]` int64: candidates in the order in which they are drawn; those of weight 0 come last, as they came.
    """
    keys = weights + np.random.default_rng(random_seed).gumbel(size=len(weights))
    return np.argsort(-keys, kind="stable")


def dsir(run: Run) -> Scored:
    """Score by the log importance weight; the published order is a sample."""
    target = [run.queries.text(row) for row in run.query_rows]
    weights = log_weights(target, lambda: (run.pool.text(int(row)) for row in run.rows))
    return Scored(run.rows, weights, lambda _count: resampled(weights, run.options.random_seed))
