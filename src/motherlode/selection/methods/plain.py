"""Methods that look at no domain sample: at random, the longest, and the middle of the model's losses.

Random selection is the baseline that every method must beat; long completions (arXiv 2402.04833) and the middle of the
perplexities (arXiv 2309.04564) are the two strongest of the simple ones.
"""

from __future__ import annotations

import numpy as np

from motherlode.selection.methods.method import Run, Scored


def random(run: Run) -> Scored:
    """Score at random."""
    return Scored.top(run.rows, np.random.default_rng(run.options.random_seed).random(len(run.rows)))


def longest(run: Run) -> Scored:
    """Score by the completion's length, in characters."""
    return Scored.top(run.rows, np.array([len(run.pool[int(row)].completion) for row in run.rows], dtype=np.float64))


def perplexity_middle(run: Run) -> Scored:
    """Score by nearness to the middle of the losses: the middle is 0, the ends are -1/2."""
    losses = run.model.losses_of(run.rows)
    place = np.argsort(np.argsort(losses, kind="stable"), kind="stable")
    return Scored.top(run.rows, -np.abs((place + 0.5) / len(losses) - 0.5))
