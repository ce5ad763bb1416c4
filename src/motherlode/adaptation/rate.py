"""The learning rate over a run: a rise, then one of four ways down."""

from __future__ import annotations

import math

from motherlode.adaptation.options import TrainOptions

_LAST = 0.2  # share of the steps over which `stable` falls (arXiv 2404.06395 takes 0.1 to 0.2)


def share_of_rate(step: int, steps: int, options: TrainOptions) -> float:
    """Return the learning rate of a step, as a share of the highest.

    Args:
        step: The step's number, from 0.
        steps: All steps of the run.
        options: `warmup`, `schedule` and `floor`.

    Returns:
        More than 0 in the rise; afterwards between `floor` and 1.
    """
    rise = round(options.warmup * steps)
    if step < rise:
        return (step + 1) / (rise + 1)
    done = (step - rise) / max(1, steps - rise)  # 0 to just below 1
    if options.schedule == "constant":
        return 1.0
    if options.schedule == "cosine":
        fall = (1 - math.cos(math.pi * done)) / 2
    elif options.schedule == "linear":
        fall = done
    else:
        fall = max(0.0, (done - (1 - _LAST)) / _LAST)
    return 1.0 - (1.0 - options.floor) * fall
